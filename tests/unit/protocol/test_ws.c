/* protocol/ws: a stream cut anywhere. */
#include "protocol/ws.h"

#include "base/buf.h"
#include "base/err.h"
#include "unit.h"

static void on_message(void *data, const char *p, size_t n)
{
	struct buf *all = data;

	buf_add(all, p, n);
	buf_addc(all, '|');
}

/* Feed in two pieces cut at `cut`; the result of the last feed. */
static int feed(bool server, size_t max, const char *p, size_t n, size_t cut, struct buf *all,
    struct buf *out, uint16_t *code)
{
	struct ws *ws = ws_new(server, max, on_message, all);
	int rc = ws_feed(ws, p, cut, out);

	if (rc == 0)
		rc = ws_feed(ws, p + cut, n - cut, out);
	*code = ws_close_code(ws);
	ws_free(ws);
	return rc;
}

static void the_accept_key_is_that_of_the_rfc(void **state)
{
	char accept[WS_ACCEPT_SIZE], a[WS_KEY_SIZE], b[WS_KEY_SIZE];

	ws_accept("dGhlIHNhbXBsZSBub25jZQ==", 24, accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	ws_key(a);
	ws_key(b);
	assert_int_equal(strlen(a), 24);
	assert_string_not_equal(a, b);
}

static void messages_and_fragments_survive_any_cut(void **state)
{
	/* "Hi", then "abc" in two fragments with a ping between them; mask 0. */
	static const char text[] = "\x81\x82\0\0\0\0Hi"
				   "\x01\x82\0\0\0\0ab"
				   "\x89\x81\0\0\0\0p"
				   "\x80\x81\0\0\0\0c";

	for (size_t cut = 0; cut <= sizeof text - 1; cut++) {
		struct buf all = {0}, out = {0};
		uint16_t code;

		assert_int_equal(feed(true, 100, text, sizeof text - 1, cut, &all, &out, &code), 0);
		assert_string_equal(buf_cstr(&all), "Hi|abc|");
		/* The pong. */
		assert_int_equal(out.len, 3);
		assert_memory_equal(out.p, "\x8A\x01p", 3);
		buf_finish(&all);
		buf_finish(&out);
	}
}

static void what_is_held_of_a_half_received_message_is_counted(void **state)
{
	/* What is held after each byte of "abc" in two fragments with a ping between them. */
	static const char text[] = "\x01\x82\0\0\0\0ab"
				   "\x89\x82\0\0\0\0pp"
				   "\x80\x81\0\0\0\0c";
	static const unsigned char want[sizeof text - 1] = {
	    0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0};
	struct buf all = {0}, out = {0};
	struct ws *ws = ws_new(true, 100, on_message, &all);

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof want; i++) {
			assert_int_equal(ws_feed(ws, text + i, 1, &out), 0);
			assert_int_equal(ws_held(ws), want[i]);
		}
	assert_string_equal(buf_cstr(&all), "abc|abc|");
	ws_free(ws);
	buf_finish(&all);
	buf_finish(&out);
}

static void a_servers_messages_survive_any_cut(void **state)
{
	/* Plain ones, a ping, an empty one, one in two fragments with a pong between, one of 130
	 * bytes. */
	struct buf text = {0};

	buf_add(&text, "\x81\x02Hi\x81\x02Ho\x89\x01p\x81\0", 13);
	buf_add(&text, "\x01\x02zw\x8A\0\x80\x01o\x81\x7E\0\x82", 13);
	for (int i = 0; i < 130; i++)
		buf_addc(&text, 'x');
	buf_add(&text, "\x81\x03\xE2\x82\xAC", 5);
	for (size_t cut = 0; cut <= text.len; cut++) {
		struct buf all = {0}, out = {0};
		uint16_t code;

		assert_int_equal(feed(false, 200, text.p, text.len, cut, &all, &out, &code), 0);
		assert_int_equal(all.len, 3 + 3 + 1 + 4 + 131 + 4);
		assert_memory_equal(all.p, "Hi|Ho||zwo|xxx", 14);
		assert_memory_equal(all.p + all.len - 6, "x|\xE2\x82\xAC|", 6);
		/* The pong: masked. */
		assert_int_equal(out.len, 7);
		assert_memory_equal(out.p, "\x8A\x81", 2);
		buf_finish(&all);
		buf_finish(&out);
	}
	buf_finish(&text);
}

static void what_a_server_may_not_send_ends_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int rc;
	} cases[] = {
	    {"\x81\x82\0\0\0\0Hi", 8, ERR_CLOSED},	   /* masked */
	    {"\xC1\x02Hi", 4, ERR_CLOSED},		   /* reserved bit */
	    {"\x81\x02\xC3\x28", 4, ERR_CLOSED},	   /* bad UTF-8 */
	    {"\x81\x02\xE2\x82", 4, ERR_CLOSED},	   /* half a character */
	    {"\x81\x7E\0\x02Hi", 6, ERR_CLOSED},	   /* a length longer than it need be */
	    {"\x01\x01H\x81\x01i", 6, ERR_CLOSED},	   /* begins anew within a message */
	    {"\x81\x0Bhello world", 13, ERR_LIMIT},	   /* larger than the limit */
	    {"\x81\x02Hi\x88\x02\x03\xE8", 8, ERR_CLOSED}, /* the end of a conversation */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t cut = 0; cut <= cases[i].n; cut++) {
			struct buf all = {0}, out = {0};
			uint16_t code;

			assert_int_equal(
			    feed(false, 10, cases[i].bytes, cases[i].n, cut, &all, &out, &code),
			    cases[i].rc);
			assert_true(out.len >= 2 && out.p[0] == '\x88');
			buf_finish(&all);
			buf_finish(&out);
		}
}

static void what_the_rfc_forbids_ends_the_connection_with_its_code(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		unsigned code;
	} cases[] = {
	    {"\x81\x02Hi", 4, WS_CLOSE_PROTOCOL},	      /* not masked */
	    {"\xC1\x82\0\0\0\0Hi", 8, WS_CLOSE_PROTOCOL},     /* reserved bit */
	    {"\x83\x80\0\0\0\0", 6, WS_CLOSE_PROTOCOL},	      /* opcode 3 */
	    {"\x80\x80\0\0\0\0", 6, WS_CLOSE_PROTOCOL},	      /* continues nothing */
	    {"\x09\x80\0\0\0\0", 6, WS_CLOSE_PROTOCOL},	      /* fragmented ping */
	    {"\x81\x82\0\0\0\0\xC3\x28", 8, 1007},	      /* bad UTF-8 */
	    {"\x81\xFE\x01\0\0\0\0\0x", 9, WS_CLOSE_TOO_BIG}, /* larger than the limit */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf all = {0}, out = {0};
		uint16_t code;

		assert_int_equal(feed(true, 200, cases[i].bytes, cases[i].n, 1, &all, &out, &code),
		    cases[i].code == WS_CLOSE_TOO_BIG ? ERR_LIMIT : ERR_CLOSED);
		assert_int_equal(all.len, 0);
		if (out.len < 4)
			fail_msg("case %zu: no close frame", i);
		assert_true(out.len >= 4 && (unsigned char)out.p[0] == 0x88);
		assert_int_equal(
		    (unsigned char)out.p[2] << 8 | (unsigned char)out.p[3], cases[i].code);
		buf_finish(&all);
		buf_finish(&out);
	}
}

static void a_close_with_half_a_code_is_answered_once_however_it_is_cut(void **state)
{
	static const char text[] = "\x88\x81\0\0\0\0\x03";

	for (size_t cut = 0; cut <= sizeof text - 1; cut++) {
		struct buf all = {0}, out = {0};
		uint16_t code;

		assert_int_equal(
		    feed(true, 100, text, sizeof text - 1, cut, &all, &out, &code), ERR_CLOSED);
		assert_int_equal(out.len, 4);
		assert_memory_equal(out.p, "\x88\x02\x03\xEA", 4);
		buf_finish(&all);
		buf_finish(&out);
	}
}

struct talk {
	struct ws *ws;
	struct buf out;
};

static void answer(void *data, const char *p, size_t n)
{
	struct talk *t = data;

	ws_put_text(t->ws, &t->out, p, n);
}

static void a_pong_goes_before_the_answer_to_a_later_message(void **state)
{
	static const char text[] = "\x89\x81\0\0\0\0p"
				   "\x81\x81\0\0\0\0a"
				   "\x89\x81\0\0\0\0q";
	struct talk t = {0};

	t.ws = ws_new(true, 100, answer, &t);
	assert_int_equal(ws_feed(t.ws, text, sizeof text - 1, &t.out), 0);
	assert_int_equal(t.out.len, 9);
	assert_memory_equal(t.out.p,
	    "\x8A\x01p\x81\x01"
	    "a\x8A\x01q",
	    9);
	buf_finish(&t.out);
	ws_free(t.ws);
}

static void both_sides_understand_each_other_at_every_size(void **state)
{
	static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 100000};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct buf text = {0}, wire = {0}, all = {0}, out = {0};
		struct ws *client = ws_new(false, 1 << 20, on_message, &all),
			  *server = ws_new(true, 1 << 20, on_message, &all);

		for (size_t k = 0; k < sizes[i]; k++)
			buf_addc(&text, (char)('a' + k % 26));
		ws_put_text(client, &wire, text.p, text.len);
		assert_int_equal(ws_feed(server, wire.p, wire.len, &out), 0);
		assert_int_equal(all.len, sizes[i] + 1);
		buf_clear(&wire);
		ws_put_text(server, &wire, text.p, text.len);
		assert_int_equal(ws_feed(client, wire.p, wire.len, &out), 0);
		assert_int_equal(all.len, 2 * sizes[i] + 2);
		buf_clear(&wire);
		ws_put_close(server, &wire, 4004, "gone");
		assert_int_equal(ws_feed(client, wire.p, wire.len, &out), ERR_CLOSED);
		assert_int_equal(ws_close_code(client), 4004);
		ws_free(client);
		ws_free(server);
		buf_finish(&text);
		buf_finish(&wire);
		buf_finish(&all);
		buf_finish(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_accept_key_is_that_of_the_rfc),
	    cmocka_unit_test(messages_and_fragments_survive_any_cut),
	    cmocka_unit_test(what_is_held_of_a_half_received_message_is_counted),
	    cmocka_unit_test(a_servers_messages_survive_any_cut),
	    cmocka_unit_test(what_a_server_may_not_send_ends_the_connection),
	    cmocka_unit_test(what_the_rfc_forbids_ends_the_connection_with_its_code),
	    cmocka_unit_test(a_close_with_half_a_code_is_answered_once_however_it_is_cut),
	    cmocka_unit_test(a_pong_goes_before_the_answer_to_a_later_message),
	    cmocka_unit_test(both_sides_understand_each_other_at_every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
