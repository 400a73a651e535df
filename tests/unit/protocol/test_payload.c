/* protocol/payload: the payloads of events, byte for byte as the contract has them. */
#include "protocol/payload.h"

#include "base/buf.h"
#include "base/json.h"
#include "unit.h"

static struct buf out;

/* out is want, and JSON; out is empty afterwards. */
static void payload_is(const char *want)
{
	json_t *root = NULL;

	assert_string_equal(buf_cstr(&out), want);
	assert_int_equal(json_parse(out.p, out.len, &root, NULL), 0);
	json_decref(root);
	buf_finish(&out);
}

static const struct turn_names names = {
    .turn_id = "turn_1", .writer_id = "w", .client_id = "c", .mode = "chat"};

#define NAMES "{\"turnId\":\"turn_1\",\"writerId\":\"w\",\"clientId\":\"c\""

static void a_snapshot_has_all_fields_in_order(void **state)
{
	struct snapshot s = {.id = "s1",
	    .model = "m",
	    .title = "a \"b\"",
	    .metadata = "{\"k\":1}",
	    .created_ms = 0,
	    .updated_ms = 1,
	    .status = "running",
	    .active_turn = "turn_1",
	    .queued_turns = 1,
	    .turn_count = 2,
	    .message_count = 3,
	    .tool_calls = 4,
	    .writer_count = 5,
	    .last_seq = 6};

	payload_put_snapshot(&out, &s);
	payload_is("{\"id\":\"s1\",\"sessionId\":\"s1\",\"model\":\"m\",\"title\":\"a \\\"b\\\"\","
		   "\"createdAt\":\"1970-01-01T00:00:00.000Z\",\"updatedAt\":"
		   "\"1970-01-01T00:00:00.001Z\",\"status\":\"running\",\"activeTurnId\":"
		   "\"turn_1\",\"queuedTurns\":1,\"turnCount\":2,\"messageCount\":3,"
		   "\"toolCallCount\":4,\"writerCount\":5,\"lastSeq\":6,\"metadata\":{\"k\":1}}");
	/* Without a turn and without metadata; as the payload of session.updated. */
	s.active_turn = NULL;
	s.metadata = "";
	payload_put_updated(&out, &s);
	assert_int_equal(strncmp(buf_cstr(&out), "{\"snapshot\":{\"id\":", 18), 0);
	assert_holds(buf_cstr(&out), "\"activeTurnId\":null,");
	assert_holds(buf_cstr(&out), "\"metadata\":{}}}");
	buf_clear(&out);
	payload_put_snapshot_open(&out, &s);
	buf_adds(&out, ",\"more\":true}");
	assert_holds(buf_cstr(&out), "\"metadata\":{},\"more\":true}");
	buf_finish(&out);
}

static void the_events_of_a_turn_name_who_asked(void **state)
{
	payload_put_queued(&out, &names, 3, 2, "do\nit", 5);
	payload_is(
	    NAMES ",\"queueSize\":3,\"position\":2,\"content\":\"do\\nit\",\"mode\":\"chat\"}");
	payload_put_start(&out, &names, "m", 0);
	payload_is(NAMES ",\"mode\":\"chat\",\"model\":\"m\"}");
	payload_put_error(&out, &names, "it \"broke\"", "model-error");
	payload_is(NAMES ",\"message\":\"it \\\"broke\\\"\",\"code\":\"model-error\"}");
}

static void text_and_progress_are_escaped(void **state)
{
	payload_put_text(&out, "turn_1", "\"\\\x1B\xC3\xA4", 5);
	payload_is("{\"turnId\":\"turn_1\",\"text\":\"\\\"\\\\\\u001b\xC3\xA4\"}");
	payload_put_progress(&out, "turn_1", "lmx.retry", "again");
	payload_is("{\"turnId\":\"turn_1\",\"phase\":\"lmx.retry\",\"message\":\"again\"}");
}

static void speed_is_counted_from_the_first_token(void **state)
{
	struct turn_stats stats = {.tokens = 9,
	    .prompt_tokens = 5,
	    .completion_tokens = 30,
	    .tool_calls = 1,
	    .elapsed_ms = 2500,
	    .first_token_ms = 500};

	payload_put_done(&out, &names, "stop", &stats);
	payload_is(NAMES ",\"finishReason\":\"stop\",\"stats\":{\"tokens\":9,\"promptTokens\":5,"
			 "\"completionTokens\":30,\"toolCalls\":1,\"elapsed\":2500,\"speed\":15.0,"
			 "\"firstTokenLatencyMs\":500}}");
	/* No time at all is no speed, not an infinite one. */
	stats.elapsed_ms = stats.first_token_ms;
	payload_put_done(&out, &names, "stop", &stats);
	assert_holds(buf_cstr(&out), "\"speed\":0.0,");
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_snapshot_has_all_fields_in_order),
	    cmocka_unit_test(the_events_of_a_turn_name_who_asked),
	    cmocka_unit_test(text_and_progress_are_escaped),
	    cmocka_unit_test(speed_is_counted_from_the_first_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
