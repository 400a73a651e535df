/* demo/journal: the --log file. */
#include "demo/journal.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "unit.h"

static void say(struct demo_journal *j, const char *text)
{
	json_t *body = NULL;

	assert_int_equal(json_parse(text, strlen(text), &body, NULL), 0);
	demo_journal_request(j, "ws", body);
	json_decref(body);
}

static void each_request_is_a_line_that_is_there_at_once(void **state)
{
	struct demo_journal *j = NULL, *second = NULL;
	struct buf text = {0};
	struct err err;

	unit_write("log", "before\n");
	assert_int_equal(demo_journal_open(unit_path("log"), &j, &err), 0);
	assert_int_equal(demo_journal_open(unit_path("log"), &second, &err), 0);
	say(j, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"tools\":[1,2]}");
	say(second, "{}");
	demo_journal_cancelled(j, "sse");
	assert_int_equal(file_read(unit_path("log"), 10000, &text, NULL), 0);
	assert_string_equal(buf_cstr(&text),
	    "before\n"
	    "{\"transport\":\"ws\",\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"tools\":2}"
	    "\n"
	    "{\"transport\":\"ws\",\"model\":null,\"messages\":null,\"tools\":0}\n"
	    "{\"transport\":\"sse\",\"cancelled\":true}\n");
	demo_journal_close(j);
	demo_journal_close(second);
	demo_journal_close(NULL);
	buf_finish(&text);
}

static void without_a_path_nothing_is_written(void **state)
{
	struct demo_journal *j = NULL;
	struct err err;

	assert_int_equal(demo_journal_open(NULL, &j, &err), 0);
	say(j, "{}");
	demo_journal_cancelled(j, "ws");
	demo_journal_close(j);
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
	struct demo_journal *j = NULL;
	struct err err;

	assert_int_equal(demo_journal_open(unit_path("no/log"), &j, &err), -ENOENT);
	assert_null(j);
	assert_holds(err.text, unit_path("no/log"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(each_request_is_a_line_that_is_there_at_once),
	    cmocka_unit_test(without_a_path_nothing_is_written),
	    with_dir(a_file_that_cannot_be_opened_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
