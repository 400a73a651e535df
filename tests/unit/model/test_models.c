/* model/models: what the servers' lists say. */
#include "model/models.h"

#include "base/buf.h"
#include "unit.h"

static struct models *models;

static int begin(void **state)
{
	models = models_new();
	return 0;
}

static int end(void **state)
{
	models_free(models);
	return 0;
}

static void take(const char *path, const char *text)
{
	models_take(models, path, text, strlen(text));
}

static void expect(const char *json)
{
	struct buf out = {0};

	models_put(models, &out);
	assert_string_equal(buf_cstr(&out), json);
	buf_finish(&out);
}

static void a_plain_server_does_not_say_what_is_loaded(void **state)
{
	take("/v1/models", "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\",\"max_model_len\":4096}]}");
	expect("{\"id\":\"a\"},{\"id\":\"b\",\"contextTokens\":4096}");
}

static void what_lmx_and_ollama_list_is_loaded(void **state)
{
	take("/api/ps", "{\"models\":[{\"name\":\"b\",\"context_length\":8192}]}");
	take("/v1/models", "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}");
	take("/admin/models", "{\"loaded\":[{\"id\":\"c\"},\"d\"],\"count\":2}");
	expect(
	    "{\"id\":\"b\",\"loaded\":true,\"contextTokens\":8192},{\"id\":\"a\",\"loaded\":false},"
	    "{\"id\":\"c\",\"loaded\":true},{\"id\":\"d\",\"loaded\":true}");
}

static void an_empty_list_of_loaded_ones_is_an_answer(void **state)
{
	take("/v1/models", "{\"data\":[{\"id\":\"a\"}]}");
	take("/admin/models", "{\"loaded\":[],\"count\":0}");
	expect("{\"id\":\"a\",\"loaded\":false}");
}

static void lm_studio_says_a_state(void **state)
{
	take("/api/v0/models",
	    "{\"data\":[{\"id\":\"a\",\"state\":\"loaded\",\"max_context_length\":32768,"
	    "\"loaded_context_length\":4096},{\"id\":\"b\",\"state\":\"not-loaded\"}]}");
	expect("{\"id\":\"a\",\"loaded\":true,\"contextTokens\":4096},{\"id\":\"b\",\"loaded\":"
	       "false}");
}

static void what_is_no_list_changes_nothing(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "7", "{\"data\":{}}",
	    "{\"data\":[7,null,{},[]]}", "{\"data\":[{\"id\":\"\"},{\"id\":7}]}",
	    "{\"data\":[{\"id\":\"x\"}"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		take("/v1/models", bad[i]);
	take("/elsewhere", "{\"data\":[{\"id\":\"a\"}]}");
	expect("");
	take("/v1/models", "{\"data\":[{\"id\":\"a\",\"context_length\":-1,\"n_ctx\":1e300}]}");
	expect("{\"id\":\"a\"}");
}

static void too_many_and_too_long_ones_are_left_out(void **state)
{
	struct buf list = {0}, out = {0};
	size_t count = 0;

	buf_adds(&list, "{\"data\":[");
	buf_addf(&list, "{\"id\":\"%0*d\"}", MODELS_MAX_ID + 1, 0);
	for (int i = 0; i < MODELS_MAX + 10; i++)
		buf_addf(&list, ",{\"id\":\"m%d\"}", i);
	buf_adds(&list, "]}");
	take("/v1/models", buf_cstr(&list));
	models_put(models, &out);
	for (const char *at = buf_cstr(&out); (at = strstr(at, "\"id\"")); at++)
		count++;
	assert_int_equal(count, MODELS_MAX);
	buf_finish(&list);
	buf_finish(&out);
}

#define one(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    one(a_plain_server_does_not_say_what_is_loaded),
	    one(what_lmx_and_ollama_list_is_loaded),
	    one(an_empty_list_of_loaded_ones_is_an_answer),
	    one(lm_studio_says_a_state),
	    one(what_is_no_list_changes_nothing),
	    one(too_many_and_too_long_ones_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
