/* How a question is put to servers of the OpenAI chat API; and what is left out of it. */
#include "unit.h"

#include "base/buf.h"
#include "base/json.h"
#include "model/dialect.h"
#include "model/lessons.h"
#include "model/negotiation.h"
#include "protocol/item.h"

static struct item user, answer, result, next;
static const struct item *items[] = {&user, &answer, &result, &next};
static json_t *root;

static int make(void **state)
{
	struct item_part *call;

	user = (struct item){.kind = ITEM_USER};
	buf_adds(&user.text, "do it");
	answer = (struct item){.kind = ITEM_ASSISTANT, .server = strdup("s"), .model = strdup("m")};
	call = item_add_part(&answer, PART_REASONING);
	call->name = strdup("reasoning_content");
	buf_adds(&call->text, "hm");
	call = item_add_part(&answer, PART_CALL);
	call->id = strdup("call_0123456789abcdef");
	call->server_id = strdup("toolu_1");
	call->name = strdup("list_dir");
	call->more = strdup("\"seal\":1");
	buf_adds(&call->text, "{}");
	result = (struct item){.kind = ITEM_RESULT,
	    .call_id = strdup("call_0123456789abcdef"),
	    .tool = strdup("list_dir")};
	buf_adds(&result.text, "a.txt");
	next = (struct item){.kind = ITEM_USER};
	buf_adds(&next.text, "go on");
	return 0;
}

static int drop(void **state)
{
	item_finish(&user);
	item_finish(&answer);
	item_finish(&result);
	item_finish(&next);
	json_decref(root);
	root = NULL;
	return 0;
}

static const json_t *ask(const char *model, const char *tools, unsigned dropped, size_t count)
{
	struct buf out = {0};

	json_decref(root);
	dialect_openai_chat.put_request(&out, &(struct put){.model = model,
						  .server = "s",
						  .system = "be good",
						  .tools = tools,
						  .max_tokens = 9,
						  .items = items,
						  .count = count,
						  .dropped = dropped});
	assert_int_equal(json_parse(out.p, out.len, &root, NULL), 0);
	buf_finish(&out);
	return json_object_get(root, "messages");
}

static const char *text_of(const json_t *messages, size_t i)
{
	return json_cstr(json_array_get(messages, i), "content", "?");
}

static const char *role_of(const json_t *messages, size_t i)
{
	return json_cstr(json_array_get(messages, i), "role", "?");
}

static void what_was_sealed_goes_back_to_who_gave_it(void **state)
{
	const json_t *messages = ask("m", "[]", 0, 3), *said = json_array_get(messages, 2),
		     *call = json_array_get(json_object_get(said, "tool_calls"), 0);

	assert_string_equal(json_cstr(call, "id", ""), "toolu_1");
	assert_int_equal(json_int(call, "seal", 0), 1);
	assert_string_equal(json_cstr(said, "reasoning_content", ""), "hm");
	assert_string_equal(json_cstr(json_array_get(messages, 3), "tool_call_id", ""), "toolu_1");
}

static void others_get_an_id_of_ours_and_nothing_sealed(void **state)
{
	const json_t *messages = ask("another", "[]", 0, 3), *said = json_array_get(messages, 2),
		     *call = json_array_get(json_object_get(said, "tool_calls"), 0);

	assert_int_equal(strlen(json_cstr(call, "id", "")), 9);
	assert_null(json_object_get(call, "seal"));
	assert_null(json_object_get(said, "reasoning_content"));
	assert_string_equal(
	    json_cstr(json_array_get(messages, 3), "tool_call_id", ""), json_cstr(call, "id", "?"));
}

static void no_user_follows_a_result(void **state)
{
	const json_t *messages = ask("m", "[]", 0, 4);

	assert_int_equal(json_array_size(messages), 6);
	assert_string_equal(role_of(messages, 4), "assistant");
	assert_string_equal(text_of(messages, 4), "[interrupted]");
	assert_string_equal(text_of(messages, 5), "go on");
}

static void without_tools_calls_are_told_in_words(void **state)
{
	const json_t *messages = ask("m", "[]", DROP_TOOLS, 4);

	assert_null(json_object_get(root, "tools"));
	assert_string_equal(text_of(messages, 2), "[called list_dir with {}]");
	assert_string_equal(role_of(messages, 3), "user");
	assert_string_equal(text_of(messages, 3), "[list_dir gave: a.txt]\n\ngo on");
	assert_int_equal(json_array_size(messages), 4);
}

static void what_is_refused_is_left_out_or_called_otherwise(void **state)
{
	const json_t *messages =
	    ask("m", "[]", DROP_SYSTEM | DROP_MAX_TOKENS | DROP_USAGE | DROP_TOOL_CHOICE, 1);

	assert_string_equal(role_of(messages, 0), "user");
	assert_string_equal(text_of(messages, 0), "be good\n\ndo it");
	assert_null(json_object_get(root, "max_tokens"));
	assert_int_equal(json_int(root, "max_completion_tokens", 0), 9);
	assert_null(json_object_get(root, "stream_options"));
	assert_null(json_object_get(root, "tool_choice"));
	assert_non_null(json_object_get(root, "tools"));
}

static void a_refusal_names_what_was_sent_and_not_yet_left_out(void **state)
{
	struct negotiation n;

	assert_true(negotiation_find("m does not support tools", 0, true, true, &n));
	assert_int_equal(n.drop, DROP_TOOLS);
	assert_false(negotiation_find("m does not support tools", DROP_TOOLS, true, true, &n));
	assert_false(negotiation_find("m does not support tools", 0, false, true, &n));
	assert_false(negotiation_find("the tool box is fine", 0, true, true, &n));
	assert_false(negotiation_find("something was wrong with this request", 0, true, true, &n));
}

static void a_lesson_holds_for_its_model_and_ends(void **state)
{
	struct lessons l = {0};
	char name[32];

	lessons_note(&l, "m", DROP_TOOLS, 1000);
	lessons_note(&l, "m", DROP_USAGE, 2000);
	assert_int_equal(lessons_dropped(&l, "m", 3000), DROP_TOOLS | DROP_USAGE);
	assert_int_equal(lessons_dropped(&l, "other", 3000), 0);
	assert_int_equal(lessons_dropped(&l, "m", 2000 + LESSONS_MS * 1000ULL), 0);
	lessons_note_tokens(&l, "m", 700, 200);
	assert_int_equal(lessons_bytes_per_1000(&l, "m"), 3500);
	lessons_note_tokens(&l, "m", 1, 1000);
	assert_int_equal(lessons_bytes_per_1000(&l, "m"), LESSONS_RATIO_MIN);
	lessons_note_tokens(&l, "m", 5, 5);
	assert_int_equal(lessons_bytes_per_1000(&l, "m"), LESSONS_RATIO_MIN);
	for (unsigned i = 0; i < 2 * LESSONS_MAX; i++) {
		snprintf(name, sizeof name, "m%u", i);
		lessons_note(&l, name, DROP_TOOLS, 1);
	}
	assert_true(l.models.len <= LESSONS_MAX);
	lessons_forget(&l);
}

#define with_items(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_items(what_was_sealed_goes_back_to_who_gave_it),
	    with_items(others_get_an_id_of_ours_and_nothing_sealed),
	    with_items(no_user_follows_a_result),
	    with_items(without_tools_calls_are_told_in_words),
	    with_items(what_is_refused_is_left_out_or_called_otherwise),
	    cmocka_unit_test(a_refusal_names_what_was_sent_and_not_yet_left_out),
	    cmocka_unit_test(a_lesson_holds_for_its_model_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
