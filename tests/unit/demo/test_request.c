/* demo/request: a chat request as the demo server needs it. */
#include "demo/request.h"

#include "base/err.h"
#include "unit.h"

static int parse(const char *text, struct demo_request *ret, struct err *err)
{
	json_t *body = NULL;
	int rc;

	*err = (struct err){0};
	assert_int_equal(json_parse(text, strlen(text), &body, NULL), 0);
	rc = demo_request_parse(body, ret, err);
	/* It keeps nothing of the body. */
	json_decref(body);
	return rc;
}

static void the_last_user_message_is_what_is_answered(void **state)
{
	struct demo_request r;
	struct err err;

	assert_int_equal(
	    parse("{\"stream\":true,\"model\":\"m\",\"request_id\":\"r\",\"tools\":[1,2],"
		  "\"messages\":[{\"role\":\"system\",\"content\":\"12345678\"},"
		  "{\"role\":\"user\",\"content\":\"old\"},"
		  "{\"role\":\"user\",\"content\":\"new demo:tokens=3\"},"
		  "{\"role\":\"assistant\",\"content\":null}]}",
		&r, &err),
	    0);
	assert_string_equal(buf_cstr(&r.text), "new demo:tokens=3");
	assert_string_equal(buf_cstr(&r.prompt.rest), "new ");
	assert_int_equal(r.prompt.tokens.n, 3);
	assert_true(r.stream);
	assert_false(r.after_tool);
	assert_int_equal(r.tools, 2);
	assert_string_equal(r.id, "r");
	assert_string_equal(r.model, "m");
	/* A token is about four bytes: 8 + 3 + 17. */
	assert_int_equal(r.prompt_tokens, 7);
	demo_request_finish(&r);
}

static void content_in_parts_is_joined(void **state)
{
	struct demo_request r;
	struct err err;

	assert_int_equal(parse("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
			       "\"text\":\"a\"},{\"type\":\"image\"},{\"text\":\"b\"}]}]}",
			     &r, &err),
	    0);
	assert_string_equal(buf_cstr(&r.text), "ab");
	assert_false(r.stream);
	assert_null(r.id);
	demo_request_finish(&r);
}

static void what_a_tool_said_last_is_kept(void **state)
{
	struct demo_request r;
	struct err err;

	assert_int_equal(parse("{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
			       "{\"role\":\"tool\",\"content\":\"result\"}]}",
			     &r, &err),
	    0);
	assert_true(r.after_tool);
	assert_string_equal(buf_cstr(&r.tool_said), "result");
	assert_string_equal(buf_cstr(&r.text), "q");
	demo_request_finish(&r);
}

static void what_is_no_request_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
	    {"[]", ERR_SYNTAX, "must be a JSON object"},
	    {"{}", ERR_SYNTAX, "messages must be an array"},
	    {"{\"messages\":[]}", ERR_SYNTAX, "messages must be an array"},
	    {"{\"messages\":\"x\"}", ERR_SYNTAX, "messages must be an array"},
	    {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{}]}", ERR_SYNTAX,
		"messages[1] has no role"},
	    {"{\"tools\":{},\"messages\":[{\"role\":\"user\"}]}", ERR_SYNTAX,
		"tools must be an array"},
	    {"{\"messages\":[{\"role\":\"user\",\"content\":\"demo:nonsense\"}]}", ERR_UNKNOWN,
		"demo:nonsense"},
	    {"{\"messages\":[{\"role\":\"user\",\"content\":\"demo:size=0\"}]}", ERR_RANGE,
		"demo:size"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct demo_request r;
		struct err err;

		assert_int_equal(parse(cases[i].text, &r, &err), cases[i].code);
		assert_holds(err.text, cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_last_user_message_is_what_is_answered),
	    cmocka_unit_test(content_in_parts_is_joined),
	    cmocka_unit_test(what_a_tool_said_last_is_kept),
	    cmocka_unit_test(what_is_no_request_is_refused_with_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
