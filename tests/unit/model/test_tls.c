/* model/tls: a trusted chain and the right name, or not a byte. The server is OpenSSL in memory. */
#include "model/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/filter.h"
#include "unit.h"

/* A certificate that signed itself, and its key. */
struct identity {
	X509 *cert;
	EVP_PKEY *key;
};

static struct identity trusted, strange, expired, wild, half_wild;

static struct identity make(const char *names, long valid_seconds)
{
	struct identity id = {X509_new(), EVP_EC_gen("P-256")};
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE");
	static long serial;

	assert_true(id.cert && id.key && san && ca);
	X509_set_version(id.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), valid_seconds);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(id.cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)names, -1, -1, 0);
	X509_set_issuer_name(id.cert, X509_get_subject_name(id.cert));
	X509_set_pubkey(id.cert, id.key);
	X509_add_ext(id.cert, san, -1);
	X509_add_ext(id.cert, ca, -1);
	assert_true(X509_sign(id.cert, id.key, EVP_sha256()) > 0);
	X509_EXTENSION_free(san);
	X509_EXTENSION_free(ca);
	return id;
}

static void drop(struct identity *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
}

/* The filter reads the system's store once: here it is a file with all but one of them. */
static int make_store(void **state)
{
	const struct identity *in[] = {&trusted, &expired, &wild, &half_wild};
	FILE *f;

	trusted = make("DNS:model.example,IP:127.0.0.1,IP:::1", 3600);
	strange = make("DNS:model.example", 3600);
	expired = make("DNS:model.example", -3600);
	wild = make("DNS:*.home.lan", 3600);
	half_wild = make("DNS:mo*.home.lan", 3600);
	if (unit_make_dir(state) != 0)
		return -1;
	f = fopen(unit_path("store.pem"), "we");
	if (!f)
		return -1;
	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
		PEM_write_X509(f, in[i]->cert);
	fclose(f);
	setenv("SSL_CERT_FILE", unit_path("store.pem"), 1);
	setenv("SSL_CERT_DIR", unit_dir, 1);
	return 0;
}

static int drop_store(void **state)
{
	drop(&trusted);
	drop(&strange);
	drop(&expired);
	drop(&wild);
	drop(&half_wild);
	return unit_remove_dir(state);
}

/* A client's filter and a server that talk through memory. */
struct talk {
	struct filter *filter;
	SSL_CTX *ctx;
	SSL *server;
	struct buf heard, answered; /* plain text: by the server, by the client */
	struct err err;
	size_t step; /* bytes given to the filter at once */
};

static void start(struct talk *t, const char *host, const struct identity *id)
{
	*t = (struct talk){.step = SIZE_MAX, .ctx = SSL_CTX_new(TLS_server_method())};
	assert_non_null(t->ctx);
	assert_int_equal(SSL_CTX_use_certificate(t->ctx, id->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(t->ctx, id->key), 1);
	t->server = SSL_new(t->ctx);
	SSL_set_bio(t->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(t->server);
	t->filter = tls_filter_new(host, &t->err);
	assert_non_null(t->filter);
}

static void finish(struct talk *t)
{
	t->filter->ops->free(t->filter);
	SSL_free(t->server);
	SSL_CTX_free(t->ctx);
	buf_finish(&t->heard);
	buf_finish(&t->answered);
}

/* What the client put on the wire, to the server. */
static void to_server(struct talk *t, struct buf *wire)
{
	char text[1000];
	int n;

	if (wire->len)
		assert_int_equal(
		    BIO_write(SSL_get_rbio(t->server), wire->p, (int)wire->len), wire->len);
	buf_clear(wire);
	while ((n = SSL_read(t->server, text, sizeof text)) > 0)
		buf_add(&t->heard, text, (size_t)n);
	ERR_clear_error();
}

/* Carry bytes until neither side has any; what the filter said last. */
static int carry(struct talk *t)
{
	struct buf wire = {0};
	int rc = 0;

	while (rc == 0 && BIO_ctrl_pending(SSL_get_wbio(t->server))) {
		char bytes[4096];
		size_t n = t->step < sizeof bytes ? t->step : sizeof bytes;
		int got = BIO_read(SSL_get_wbio(t->server), bytes, (int)n);

		assert_true(got > 0);
		rc = t->filter->ops->incoming(
		    t->filter, bytes, (size_t)got, &t->answered, &wire, &t->err);
		to_server(t, &wire);
	}
	buf_finish(&wire);
	return rc;
}

static int say(struct talk *t, const char *text)
{
	struct buf wire = {0};
	int rc = t->filter->ops->outgoing(t->filter, text, strlen(text), &wire, &t->err);

	to_server(t, &wire);
	buf_finish(&wire);
	return rc ? rc : carry(t);
}

/* Does a client of host trust id? When not, it must not have said a word. */
static bool trusts(const char *host, const struct identity *id, struct err *reterr)
{
	struct talk t;
	int rc;

	start(&t, host, id);
	rc = say(&t, "secret");
	*reterr = t.err;
	if (rc == 0)
		assert_string_equal(buf_cstr(&t.heard), "secret");
	else
		assert_int_equal(t.heard.len, 0);
	if (rc != 0)
		assert_int_equal(rc, -EACCES);
	finish(&t);
	return rc == 0;
}

static void bytes_go_both_ways_however_they_are_cut(void **state)
{
	static const size_t steps[] = {1, 7, SIZE_MAX};

	for (size_t i = 0; i < 3; i++) {
		struct talk t;

		start(&t, "model.example", &trusted);
		t.step = steps[i];
		/* Said before the handshake was begun. */
		assert_int_equal(say(&t, "ping "), 0);
		assert_int_equal(say(&t, "ping"), 0);
		assert_string_equal(buf_cstr(&t.heard), "ping ping");
		assert_string_equal(
		    SSL_get_servername(t.server, TLSEXT_NAMETYPE_host_name), "model.example");
		assert_int_equal(SSL_write(t.server, "pong", 4), 4);
		assert_int_equal(carry(&t), 0);
		assert_string_equal(buf_cstr(&t.answered), "pong");
		/* A clean end. */
		SSL_shutdown(t.server);
		assert_int_equal(carry(&t), ERR_CLOSED);
		finish(&t);
	}
}

static void a_chain_nobody_vouches_for_is_refused(void **state)
{
	struct err err;

	assert_false(trusts("model.example", &strange, &err));
	assert_holds(err.text, "not trusted");
	assert_holds(err.text, "self-signed");
	assert_false(trusts("model.example", &expired, &err));
	assert_holds(err.text, "expired");
}

static void a_certificate_of_another_name_is_refused(void **state)
{
	struct err err;

	assert_true(trusts("model.example", &trusted, &err));
	assert_true(trusts("MODEL.example", &trusted, &err));
	assert_false(trusts("other.example", &trusted, &err));
	assert_holds(err.text, "ostname mismatch");
	assert_false(trusts("sub.model.example", &trusted, &err));
	assert_true(trusts("model.home.lan", &wild, &err));
	assert_false(trusts("a.model.home.lan", &wild, &err));
	assert_false(trusts("model.home.lan", &half_wild, &err));
}

static void an_address_is_compared_as_an_address(void **state)
{
	struct err err;

	assert_true(trusts("127.0.0.1", &trusted, &err));
	assert_false(trusts("127.0.0.2", &trusted, &err));
	assert_holds(err.text, "IP address mismatch");
	assert_true(trusts("::1", &trusted, &err));
	assert_false(trusts("::2", &trusted, &err));
	/* As a URL has it. */
	assert_true(trusts("[::1]", &trusted, &err));
	assert_false(trusts("[::2]", &trusted, &err));
}

static void what_is_no_tls_is_an_error(void **state)
{
	struct buf wire = {0};
	struct talk t;

	start(&t, "model.example", &trusted);
	assert_int_equal(t.filter->ops->incoming(t.filter, "HTTP/1.1 400 Bad Request\r\n\r\n", 28,
			     &t.answered, &wire, &t.err),
	    -EPROTO);
	assert_holds(t.err.text, "TLS: ");
	assert_int_equal(t.answered.len, 0);
	finish(&t);
	buf_finish(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_go_both_ways_however_they_are_cut),
	    cmocka_unit_test(a_chain_nobody_vouches_for_is_refused),
	    cmocka_unit_test(a_certificate_of_another_name_is_refused),
	    cmocka_unit_test(an_address_is_compared_as_an_address),
	    cmocka_unit_test(what_is_no_tls_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_store, drop_store);
}
