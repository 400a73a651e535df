/* protocol/envelope, events, payload, errors. */
#include "protocol/envelope.h"

#include "base/buf.h"
#include "base/json.h"
#include "protocol/errors.h"
#include "protocol/payload.h"
#include "unit.h"

/* Encode one envelope whose payload has n bytes. */
static void put(struct buf *segment, uint64_t seq, size_t n)
{
	struct buf payload = {0};

	buf_adds(&payload, "{\"text\":\"");
	for (size_t i = 0; i < n; i++)
		buf_addc(&payload, 'x');
	buf_adds(&payload, "\"}");
	envelope_put_frame(segment, &(struct envelope){.kind = EVENT_TURN_TOKEN,
					.daemon_id = "daemon_x",
					.session_id = "s",
					.seq = seq,
					.ts_ms = 1795392001123,
					.payload = payload.p,
					.payload_len = payload.len});
	buf_finish(&payload);
}

static void fields_stand_in_the_contracts_order(void **state)
{
	struct buf b = {0};
	struct str json;

	put(&b, 42, 1);
	assert_int_equal(envelope_frame(b.p, b.len, &json), b.len);
	assert_true(
	    str_eq(json, "{\"v\":\"3\",\"event\":\"turn.token\",\"daemonId\":\"daemon_x\","
			 "\"sessionId\":\"s\",\"seq\":42,"
			 "\"ts\":\"2026-11-23T00:00:01.123Z\",\"payload\":{\"text\":\"x\"}}"));
	buf_finish(&b);
}

static void frames_of_every_size_read_back(void **state)
{
	/* Around the edges of the 16-bit length, and beyond it. */
	static const size_t sizes[] = {
	    0, 1, 100, 65300, 65380, 65390, 65400, 65535, 70000, 1000000};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct buf b = {0};
		struct envelope_view view;
		struct str json;
		size_t first;

		put(&b, i + 1, sizes[i]);
		first = b.len;
		put(&b, i + 2, 3);
		assert_int_equal(envelope_frame(b.p, b.len, &json), first);
		assert_true(envelope_view(json, &view));
		assert_int_equal(view.seq, i + 1);
		assert_int_equal(view.payload.n, sizes[i] + 11);
		assert_true(str_eq(view.daemon_id, "daemon_x"));
		assert_int_equal(envelope_frame(b.p + first, b.len - first, &json), b.len - first);
		/* A frame that is not whole is none. */
		assert_int_equal(envelope_frame(b.p, first - 1, &json), 0);
		buf_finish(&b);
	}
}

static void damage_is_told_from_an_envelope(void **state)
{
	struct envelope_view view;
	struct str json;

	assert_false(envelope_view(str_of("{}"), &view));
	assert_false(envelope_view(str_of(""), &view));
	assert_false(
	    envelope_view(str_of("{\"v\":\"3\",\"event\":\"no.such\",\"daemonId\":\"d\","
				 "\"sessionId\":\"s\",\"seq\":1,\"ts\":\"t\",\"payload\":{}}"),
		&view));
	assert_false(
	    envelope_view(str_of("{\"v\":\"3\",\"event\":\"turn.done\",\"daemonId\":\"d\","
				 "\"sessionId\":\"s\",\"seq\":-1,\"ts\":\"t\",\"payload\":{}}"),
		&view));
	assert_int_equal(envelope_frame("\x82\x01x", 3, &json), 0);
	assert_int_equal(envelope_frame("\x81\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10, &json), 0);
}

static void three_kinds_of_event_end_a_turn(void **state)
{
	int stops = 0;

	for (int i = 0; i < EVENT_KINDS; i++) {
		assert_int_equal(event_of(str_of(event_name((enum event_kind)i))), i);
		stops += event_is_stop((enum event_kind)i);
	}
	assert_int_equal(stops, 3);
	assert_true(event_is_stop(EVENT_SESSION_CANCELLED));
	assert_false(event_is_turn(EVENT_SESSION_CANCELLED));
	assert_true(event_is_turn(EVENT_TOOL_START));
	assert_int_equal(event_of(str_of("turn")), EVENT_KINDS);
}

static void payloads_are_json_whatever_the_texts_hold(void **state)
{
	struct turn_names names = {
	    .turn_id = "t", .writer_id = "w\"\n", .client_id = "c\xFF", .mode = "do"};
	struct snapshot snapshot = {
	    .id = "s", .model = "m\\", .title = "\"t\"", .metadata = "{\"a\":1}", .status = "idle"};
	struct buf b = {0};
	json_t *value;

	for (int i = 0; i < 6; i++) {
		buf_clear(&b);
		if (i == 0)
			payload_put_queued(&b, &names, 1, 1, "con\x01tent", 8);
		else if (i == 1)
			payload_put_start(&b, &names, "model", 0);
		else if (i == 2)
			payload_put_done(&b, &names, "stop",
			    &(struct turn_stats){
				.tokens = 5, .elapsed_ms = 10, .first_token_ms = 10});
		else if (i == 3)
			payload_put_error(&b, &names, "a \"sentence\"", "model-error");
		else if (i == 4)
			payload_put_updated(&b, &snapshot);
		else
			api_error_put(&b, API_CONFLICT, "no", "\"x\"");
		assert_int_equal(json_parse(b.p, b.len, &value, NULL), 0);
		json_decref(value);
	}
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_stand_in_the_contracts_order),
	    cmocka_unit_test(frames_of_every_size_read_back),
	    cmocka_unit_test(damage_is_told_from_an_envelope),
	    cmocka_unit_test(three_kinds_of_event_end_a_turn),
	    cmocka_unit_test(payloads_are_json_whatever_the_texts_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
