/* TLS over memory BIOs. */
#include "model/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/filter.h"

struct tls {
	struct filter filter;
	SSL *ssl;	  /* owned, with its BIOs */
	BIO *in, *out;	  /* borrowed from ssl */
	struct buf early; /* written before the handshake was over */
};

static int openssl_error(SSL *ssl, struct err *reterr)
{
	long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	char text[200] = "unknown error";

	if (verify != X509_V_OK)
		return err_set(reterr, -EACCES, "the server's certificate is not trusted: %s",
		    X509_verify_cert_error_string(verify));
	ERR_error_string_n(ERR_get_error(), text, sizeof text);
	return err_set(reterr, -EPROTO, "TLS: %s", text);
}

static SSL_CTX *shared_context(void)
{
	static SSL_CTX *ctx;

	if (ctx)
		return ctx;
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_verify_paths(ctx);
	return ctx;
}

static void drain(struct tls *t, struct buf *wire)
{
	size_t n;

	while ((n = BIO_ctrl_pending(t->out)) > 0) {
		char *at = buf_reserve(wire, n);
		int got = BIO_read(t->out, at, (int)n);

		if (got <= 0)
			break;
		wire->len += (size_t)got;
	}
}

static int write_plain(struct tls *t, const char *p, size_t n, struct err *reterr)
{
	size_t written;

	if (n && SSL_write_ex(t->ssl, p, n, &written) != 1)
		return openssl_error(t->ssl, reterr);
	return 0;
}

static int on_incoming(struct filter *f, const char *p, size_t n, struct buf *plain,
    struct buf *wire, struct err *reterr)
{
	struct tls *t = (struct tls *)f;
	int rc = 0;

	if (n && BIO_write(t->in, p, (int)n) != (int)n)
		return err_set(reterr, -ENOMEM, "TLS: out of memory");
	if (!SSL_is_init_finished(t->ssl)) {
		int done = SSL_do_handshake(t->ssl);

		if (done != 1 && SSL_get_error(t->ssl, done) != SSL_ERROR_WANT_READ)
			rc = openssl_error(t->ssl, reterr);
		if (done == 1) {
			rc = write_plain(t, t->early.p, t->early.len, reterr);
			buf_finish(&t->early);
		}
	}
	while (rc == 0 && SSL_is_init_finished(t->ssl)) {
		char *at = buf_reserve(plain, 16384);
		size_t got;

		if (SSL_read_ex(t->ssl, at, 16384, &got) == 1) {
			plain->len += got;
			continue;
		}
		if (SSL_get_error(t->ssl, 0) == SSL_ERROR_ZERO_RETURN)
			rc = err_set(reterr, ERR_CLOSED, "the server closed the connection");
		else if (SSL_get_error(t->ssl, 0) != SSL_ERROR_WANT_READ)
			rc = openssl_error(t->ssl, reterr);
		break;
	}
	drain(t, wire);
	ERR_clear_error();
	return rc;
}

static int on_outgoing(
    struct filter *f, const char *p, size_t n, struct buf *wire, struct err *reterr)
{
	struct tls *t = (struct tls *)f;
	int rc = 0;

	if (SSL_is_init_finished(t->ssl)) {
		rc = write_plain(t, p, n, reterr);
	} else {
		buf_add(&t->early, p, n);
		/* Begins the handshake; it goes on when the server answers. */
		SSL_do_handshake(t->ssl);
	}
	drain(t, wire);
	ERR_clear_error();
	return rc;
}

static void on_free(struct filter *f)
{
	struct tls *t = (struct tls *)f;

	SSL_free(t->ssl);
	buf_finish(&t->early);
	free(t);
}

static const struct filter_ops tls_ops = {
    .incoming = on_incoming, .outgoing = on_outgoing, .free = on_free};

struct filter *tls_filter_new(const char *host, struct err *reterr)
{
	SSL_CTX *ctx = shared_context();
	unsigned char address[16];
	struct tls *t;
	bool numeric;
	char bare[64];
	size_t len = strlen(host);

	/* "[::1]" is how a URL writes an IPv6 address; a certificate names the address. */
	if (len > 2 && len < sizeof bare && host[0] == '[' && host[len - 1] == ']') {
		snprintf(bare, sizeof bare, "%.*s", (int)len - 2, host + 1);
		host = bare;
	}
	numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	if (!ctx) {
		openssl_error(NULL, reterr);
		return NULL;
	}
	t = mem_zalloc(1, sizeof *t);
	t->filter.ops = &tls_ops;
	t->ssl = SSL_new(ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out)
		abort();
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_connect_state(t->ssl);
	if (numeric) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), host);
	} else {
		SSL_set_tlsext_host_name(t->ssl, host);
		SSL_set1_host(t->ssl, host);
		SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	}
	return &t->filter;
}
