/* Items and their rows. */
#include "unit.h"

#include "base/err.h"
#include "protocol/item.h"

static struct item item;
static struct buf message, more;

static int reset(void **state)
{
	item_finish(&item);
	buf_finish(&message);
	buf_finish(&more);
	return 0;
}

/* The rows say `want`, and the item made of them puts the same rows. */
static void check_rows(const char *want, const char *want_more)
{
	struct item back;
	struct buf again = {0}, again_more = {0};

	item_put_message(&message, &item);
	item_put_more(&more, &item);
	assert_string_equal(buf_cstr(&message), want);
	assert_string_equal(more.len ? buf_cstr(&more) : "", want_more);
	assert_int_equal(item_take(message.p, message.len, more.p, more.len, &back), 0);
	assert_int_equal(back.kind, item.kind);
	item_put_message(&again, &back);
	item_put_more(&again_more, &back);
	assert_string_equal(buf_cstr(&again), want);
	assert_string_equal(again_more.len ? buf_cstr(&again_more) : "", want_more);
	buf_finish(&again);
	buf_finish(&again_more);
	item_finish(&back);
}

static void add(enum part_kind kind, const char *text)
{
	buf_adds(&item_add_part(&item, kind)->text, text);
}

static struct item_part *add_call(const char *id, const char *name, const char *args)
{
	struct item_part *call = item_add_part(&item, PART_CALL);

	call->id = strdup(id);
	call->name = strdup(name);
	buf_adds(&call->text, args);
	return call;
}

static void plain_words_need_one_row(void **state)
{
	buf_adds(&item.text, "hi \"you\"");
	check_rows("{\"role\":\"user\",\"content\":\"hi \\\"you\\\"\"}", "");
}

static void an_answer_of_text_needs_one_row(void **state)
{
	item.kind = ITEM_ASSISTANT;
	add(PART_TEXT, "well");
	check_rows("{\"role\":\"assistant\",\"content\":\"well\"}", "");
}

static void parts_come_back_in_their_order(void **state)
{
	struct item_part *call;

	item.kind = ITEM_ASSISTANT;
	item.model = strdup("m");
	add(PART_REASONING, "hm");
	item.parts[0].opaque = strdup("\"sealed\"");
	add(PART_TEXT, "one ");
	call = add_call("call_1", "read_file", "{}");
	call->server_id = strdup("toolu_9");
	call->raw = strdup("{\"path\": bad");
	add(PART_TEXT, "two");
	add_call("call_2", "list_dir", "{\"path\":\".\"}")->more = strdup("\"x\":1");
	check_rows("{\"role\":\"assistant\",\"content\":\"one two\",\"tool_calls\":["
		   "{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"read_file\","
		   "\"arguments\":\"{}\"}},"
		   "{\"id\":\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"list_dir\","
		   "\"arguments\":"
		   "\"{\\\"path\\\":\\\".\\\"}\"}}]}",
	    "{\"model\":\"m\",\"parts\":[{\"kind\":\"reasoning\",\"text\":\"hm\",\"opaque\":"
	    "\"\\\"sealed\\\"\"},"
	    "{\"kind\":\"text\",\"bytes\":4},{\"kind\":\"call\",\"serverId\":\"toolu_9\","
	    "\"rawArgs\":\"{\\\"path\\\": bad\"},"
	    "{\"kind\":\"text\",\"bytes\":3},{\"kind\":\"call\",\"more\":\"\\\"x\\\":1\"}]}");
}

static void calls_alone_have_no_content(void **state)
{
	item.kind = ITEM_ASSISTANT;
	add_call("call_1", "list_dir", "{}");
	check_rows("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\","
		   "\"type\":\"function\","
		   "\"function\":{\"name\":\"list_dir\",\"arguments\":\"{}\"}}]}",
	    "");
}

static void results_say_whether_they_are_good(void **state)
{
	item.kind = ITEM_RESULT;
	item.call_id = strdup("call_1");
	item.tool = strdup("read_file");
	buf_adds(&item.text, "no such file");
	check_rows("{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"no such file\"}",
	    "{\"tool\":\"read_file\",\"failed\":true}");
}

static void attachments_are_named_by_their_hash(void **state)
{
	buf_adds(&item.text, "see");
	item_add_attachment(&item, "abc", "image/png", "a.png");
	check_rows("{\"role\":\"user\",\"content\":\"see\"}",
	    "{\"attachments\":[{\"hash\":\"abc\",\"mime\":\"image/png\",\"name\":\"a.png\"}]}");
}

static void what_a_client_brought_along_stays_as_it_is(void **state)
{
	static const char *const messages[] = {
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},{\"type\":"
	    "\"image_url\",\"image_url\":{}}]}",
	    "{\"role\":\"assistant\",\"content\":\"a\",\"name\":\"bob\"}",
	    "{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"x\",\"function\":{"
	    "\"name\":\"n\",\"arguments\":{\"a\":1}}}]}",
	    "{\"role\":\"developer\",\"content\":\"be kind\"}",
	    "{\"role\":\"user\"}",
	};

	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		struct item got;
		struct buf out = {0};

		assert_int_equal(item_take(messages[i], strlen(messages[i]), NULL, 0, &got), 0);
		item_put_message(&out, &got);
		/* A message without content has none to keep. */
		if (i != 4)
			assert_string_equal(buf_cstr(&out), messages[i]);
		buf_finish(&out);
		item_finish(&got);
	}
}

static void what_is_no_message_is_refused(void **state)
{
	static const char *const bad[] = {"", "[]", "1", "{}", "{\"role\":3}",
	    "{\"role\":\"king\",\"content\":\"\"}", "{\"role\":"};
	struct item got;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(item_take(bad[i], strlen(bad[i]), NULL, 0, &got), ERR_SYNTAX);
}

/* A damaged row makes an item all the same. */
static void parts_that_do_not_fit_the_message_do_no_harm(void **state)
{
	static const char body[] = "{\"role\":\"assistant\",\"content\":\"abc\"}",
			  lies[] = "{\"parts\":[{\"kind\":\"text\",\"bytes\":99},{\"kind\":"
				   "\"text\",\"bytes\":-1},{\"kind\":\"call\"},3,"
				   "{\"kind\":\"reasoning\"}]}";

	assert_int_equal(item_take(body, sizeof body - 1, lies, sizeof lies - 1, &item), 0);
	item_put_message(&message, &item);
	assert_string_equal(buf_cstr(&message), body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(plain_words_need_one_row, reset),
	    cmocka_unit_test_teardown(an_answer_of_text_needs_one_row, reset),
	    cmocka_unit_test_teardown(parts_come_back_in_their_order, reset),
	    cmocka_unit_test_teardown(calls_alone_have_no_content, reset),
	    cmocka_unit_test_teardown(results_say_whether_they_are_good, reset),
	    cmocka_unit_test_teardown(attachments_are_named_by_their_hash, reset),
	    cmocka_unit_test_teardown(what_a_client_brought_along_stays_as_it_is, reset),
	    cmocka_unit_test_teardown(what_is_no_message_is_refused, reset),
	    cmocka_unit_test_teardown(parts_that_do_not_fit_the_message_do_no_harm, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
