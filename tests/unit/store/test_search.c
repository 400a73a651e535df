/* store/search: what is typed, found. */
#include "store/search.h"

#include "store/world.h"

static struct buf found;
static int found_rc;
static bool done;

static void on_found(void *data, int rc, struct buf *json)
{
	buf_clear(&found);
	buf_add(&found, json->p, json->len);
	found_rc = rc;
	done = true;
}

static const char *search(const char *query, uint64_t limit)
{
	done = false;
	store_search(store, query, limit, on_found, NULL);
	run_until(done);
	assert_int_equal(found_rc, 0);
	return buf_cstr(&found);
}

static void expect_expression(const char *typed, const char *expected)
{
	struct buf out = {0};

	assert_int_equal(search_expression(typed, &out), expected != NULL);
	assert_string_equal(buf_cstr(&out), expected ? expected : "");
	buf_finish(&out);
}

static void what_is_typed_becomes_words_and_phrases(void **state)
{
	expect_expression("one", "\"one\"*");
	expect_expression("one two", "\"one\" \"two\"*");
	expect_expression("  one  two ", "\"one\" \"two\"");
	expect_expression("\"one two\" three", "\"one two\" \"three\"*");
	expect_expression("\"one two\"", "\"one two\"");
	expect_expression("\"never closed", "\"never closed\"");
	expect_expression("a\"b", "\"a\" \"b\"");
	expect_expression("one -- !! two", "\"one\" \"two\"*");
	expect_expression(
	    "text: NOT (x OR y) NEAR^2 *", "\"text:\" \"NOT\" \"(x\" \"OR\" \"y)\" \"NEAR^2\"");
	expect_expression("", NULL);
	expect_expression(" \" \" ---", NULL);
	expect_expression("\"", NULL);
}

static void on_written(void *data, int rc)
{
	assert_int_equal(rc, 0);
	done = true;
}

/* What was written before is there as well when this returns. */
static void add(int64_t num, const char *id, const char *title)
{
	struct session_row row = world_row(num, id);

	row.title = (char *)(uintptr_t)title;
	done = false;
	store_session_put(store, &row, false, on_written, NULL);
	run_until(done);
}

static void say(int64_t num, uint64_t n, const char *body)
{
	world_message(num, n, body);
}

static void messages_are_found_with_their_hits(void **state)
{
	add(2, "s2", "about \"Kanarienvögel\"");
	say(1, 1, "{\"role\":\"user\",\"content\":\"How do canaries sing, and why?\"}");
	say(1, 2, "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}");
	say(2, 1, "{\"role\":\"user\",\"content\":\"Grüße an die KANARIENVÖGEL\"}");
	say(2, 2,
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a walrus\"},"
	    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,walnut\"}}]}");
	add(1, "s1", "first");
	search("canaries", 0);
	assert_non_null(strstr(buf_cstr(&found),
	    "\"role\":\"user\",\"snippet\":[\"How do \",\"canaries\",\" sing, and why?\"]}"));
	assert_non_null(strstr(buf_cstr(&found), "{\"sessionId\":\"s1\",\"title\":\"first\""));
	assert_non_null(strstr(buf_cstr(&found), "\"message\":1"));
	/* The beginning of the last word; accents and case do not matter. */
	assert_non_null(strstr(search("gruße kanarienvo", 0), "\"sessionId\":\"s2\""));
	assert_non_null(strstr(search("kanarienvögel", 0), "\"role\":\"title\""));
	assert_string_equal(search("nothing of the kind", 0), "");
	/* Of what a client brought along its words are found, its pictures are not. */
	assert_non_null(strstr(search("walrus", 0), "\"sessionId\":\"s2\""));
	assert_string_equal(search("walnut", 0), "");
	assert_string_equal(search("--", 0), "");
	/* A deleted session is found no more. */
	done = false;
	store_session_delete(store, 1, on_written, NULL);
	run_until(done);
	assert_string_equal(search("canaries", 0), "");
}

static void no_more_are_given_than_asked_for(void **state)
{
	size_t count = 0;

	for (uint64_t n = 1; n <= 30; n++)
		say(1, n, "{\"role\":\"user\",\"content\":\"needle\"}");
	add(1, "s1", "t");
	search("needle", 7);
	for (const char *at = buf_cstr(&found); (at = strstr(at, "\"sessionId\"")); at++)
		count++;
	assert_int_equal(count, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_typed_becomes_words_and_phrases),
	    with_store(messages_are_found_with_their_hits),
	    with_store(no_more_are_given_than_asked_for),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_finish(&found);
	return failed;
}
