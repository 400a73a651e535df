/* What templates leave in a text. */
#include "unit.h"

#include "base/str.h"
#include "model/marks.h"

struct heard {
	struct buf text, thinking;
};

static void on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct heard *h = data;

	buf_add(thinking ? &h->thinking : &h->text, p, n);
}

static void on_thought(void *data)
{
	struct heard *h = data;

	buf_add(&h->thinking, h->text.p, h->text.len);
	buf_clear(&h->text);
}

static bool offered(void *data, const char *name)
{
	return strcmp(name, "read_file") == 0 || strcmp(name, "list_dir") == 0;
}

/* What comes of written, cut into pieces of step bytes: "text|thinking|name args;name args;". */
static char *heard_of(const char *written, size_t step)
{
	struct heard h = {0};
	struct marks m = {.on_text = on_text, .on_thought = on_thought, .data = &h};
	struct buf out = {0};
	size_t n = strlen(written);

	for (size_t at = 0; at < n; at += step)
		marks_feed(&m, written + at, n - at < step ? n - at : step);
	marks_end(&m, offered, NULL);
	buf_addf(&out, "%s|%s|", buf_cstr(&h.text), buf_cstr(&h.thinking));
	for (size_t i = 0; i < m.count; i++)
		buf_addf(
		    &out, "%s %s;", buf_cstr(&m.calls[i].name), buf_cstr(&m.calls[i].arguments));
	marks_finish(&m);
	buf_finish(&h.text);
	buf_finish(&h.thinking);
	return buf_steal(&out);
}

static void check(const char *written, const char *want)
{
	for (size_t step = 1; step <= strlen(written) + 1; step++) {
		char *got = heard_of(written, step);

		assert_string_equal(got, want);
		free(got);
	}
}

#define CALL "{\"name\": \"read_file\", \"arguments\": {\"path\": \"a\"}}"
#define READ "read_file {\"path\":\"a\"};"

static void calls_that_end_an_answer_are_calls(void **state)
{
	check("<tool_call>\n" CALL "\n</tool_call>", "||" READ);
	check("I look.\n<tool_call>" CALL "</tool_call>\n<tool_call>" CALL "</tool_call>\n",
	    "I look.\n||" READ READ);
	check("<tool_call>\n" CALL, "||" READ);
	check("<tool_call>\n<function=read_file>\n<parameter=path>\na\n</parameter>\n</"
	      "function>\n</tool_call>",
	    "||" READ);
	check("<function=read_file>{\"path\":\"a\"}</function>", "||" READ);
	check("[TOOL_CALLS][" CALL "]", "||" READ);
	check("[TOOL_CALLS]read_file{\"path\":\"a\"}", "||" READ);
	check("[TOOL_CALLS]read_file[ARGS]{\"path\":\"a\"}", "||" READ);
	check("<|python_tag|>{\"name\":\"read_file\",\"parameters\":{\"path\":\"a\"}}<|eom_id|>",
	    "||" READ);
	check("{\"name\":\"read_file\",\"parameters\":{\"path\":\"a\"}}", "||" READ);
	check("<tool_call>{\"function\":{\"name\":\"list_dir\"}}</tool_call>", "||list_dir {};");
}

#define NOT_THE_END "<tool_call>\n" CALL "\n</tool_call>\nThat is how it is written."
#define IN_CODE "```\n<tool_call>\n" CALL "\n</tool_call>"
#define IN_TICKS "Write `<tool_call>`" CALL

static void what_is_no_call_stays_text(void **state)
{
	static const char *const texts[] = {
	    NOT_THE_END, /* not the end */
	    IN_CODE,	 /* code */
	    IN_TICKS,
	    "<tool_call>{\"name\":\"rm\",\"arguments\":{}}</tool_call>", /* not offered */
	    "<tool_call>nonsense</tool_call>",
	    "{\"name\": 1}",
	    "a < b and [x] {y}",
	    "<tool",
	    "[TOOL_CALLS]",
	    "Say: {\"name\":\"read_file\",\"parameters\":{}}",
	    "<function=read_file>",
	    "use </think> to end",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char want[300];

		snprintf(want, sizeof want, "%s||", texts[i]);
		check(texts[i], want);
	}
}

static void harmony_has_channels(void **state)
{
	check("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|"
	      ">It is 42.",
	    "It is 42.|Hm.|");
	check("<|channel|>commentary to=functions.read_file "
	      "<|constrain|>json<|message|>{\"path\":\"a\"}<|call|>",
	    "||" READ);
	check("<|start|>assistant<|channel|>final<|message|>a < b<|return|>", "a < b||");
}

static void a_thought_without_a_beginning_is_one(void **state)
{
	check("Let me see.\n</think>\n\nIt is 42.", "\nIt is 42.|Let me see.\n|");
	check("```\n</think>\n```", "```\n</think>\n```||");
}

static void what_never_ends_is_text_in_the_end(void **state)
{
	struct heard h = {0};
	struct marks m = {.on_text = on_text, .on_thought = on_thought, .data = &h};
	char block[4096];

	memset(block, 'x', sizeof block);
	marks_feed(&m, "<tool_call>", 11);
	for (size_t fed = 0; fed <= MARKS_MAX_HELD; fed += sizeof block)
		marks_feed(&m, block, sizeof block);
	assert_true(h.text.len > MARKS_MAX_HELD);
	marks_end(&m, offered, NULL);
	assert_int_equal(m.count, 0);
	marks_finish(&m);
	buf_finish(&h.text);
}

static void harmony_that_is_only_written_of_stays_text(void **state)
{
	check("<|channel|> begins a header", "<|channel|> begins a header||");
	check("The mark <|start|>\nbegins a message", "The mark <|start|>\nbegins a message||");
	check("a <|channel|>\n<|message|> b", "a <|channel|>\n<|message|> b||");
}

static void harmony_calls_of_no_tool_are_told(void **state)
{
	check("<|channel|>commentary to=functions.fly<|message|>{\"to\":\"moon\"}<|call|>",
	    "to=functions.fly {\"to\":\"moon\"}||");
}

static void more_calls_than_may_be_stay_text(void **state)
{
	struct buf written = {0}, want = {0};
	char *got;

	for (int i = 0; i <= MARKS_MAX_CALLS; i++)
		buf_adds(&written, "<tool_call>" CALL "</tool_call>\n");
	buf_addf(&want, "%s||", buf_cstr(&written));
	got = heard_of(buf_cstr(&written), 1000);
	assert_string_equal(got, buf_cstr(&want));
	free(got);
	buf_finish(&written);
	buf_finish(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(harmony_that_is_only_written_of_stays_text),
	    cmocka_unit_test(harmony_calls_of_no_tool_are_told),
	    cmocka_unit_test(more_calls_than_may_be_stay_text),
	    cmocka_unit_test(calls_that_end_an_answer_are_calls),
	    cmocka_unit_test(what_is_no_call_stays_text),
	    cmocka_unit_test(harmony_has_channels),
	    cmocka_unit_test(a_thought_without_a_beginning_is_one),
	    cmocka_unit_test(what_never_ends_is_text_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
