/* cli/tail: the end of a log file and what is added to it. */
#include "cli/child.h"

#include "cli/cmd.h"
#include "cli/tail.h"

struct asked {
	const char *path;
	struct tail_opts opts;
	bool full; /* the output is a full disk */
};

static int run_tail(const void *data)
{
	const struct asked *a = data;
	int full = a->full ? open("/dev/full", O_WRONLY | O_CLOEXEC) : -1;

	if (full >= 0)
		dup2(full, STDOUT_FILENO);
	return tail_file(a->path, &a->opts);
}

static void tail_is(const char *content, size_t lines, const char *want)
{
	struct asked a = {.opts.lines = lines};
	struct buf out = {0}, err = {0};

	unit_write("log", content);
	a.path = unit_path("log");
	assert_int_equal(child_run(false, run_tail, &a, &out, &err), EXIT_DONE);
	assert_string_equal(buf_cstr(&out), want);
	buf_finish(&out);
	buf_finish(&err);
}

static void the_last_lines_are_printed(void **state)
{
	tail_is("one\ntwo\nthree\n", 2, "two\nthree\n");
	tail_is("one\ntwo\nthree\n", 1, "three\n");
	tail_is("one\ntwo\nthree\n", 3, "one\ntwo\nthree\n");
	tail_is("one\ntwo\nthree\n", 99, "one\ntwo\nthree\n");
	tail_is("one\ntwo\nthree\n", 0, "");
	/* A last line without its end is a line; an empty one, too. */
	tail_is("one\ntwo\nthr", 2, "two\nthr");
	tail_is("one\n\n", 1, "\n");
	tail_is("", 5, "");
}

static void a_missing_file_is_said_plainly(void **state)
{
	struct asked a = {.path = unit_path("nothing"), .opts.lines = 5};
	struct buf out = {0}, err = {0};

	assert_int_equal(child_run(false, run_tail, &a, &out, &err), EXIT_ERROR);
	assert_holds(buf_cstr(&err), "there is no log at ");
	assert_holds(buf_cstr(&err), a.path);
	buf_finish(&out);
	buf_finish(&err);
}

static void add(const char *text)
{
	FILE *f = fopen(unit_path("log"), "ae");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void what_is_added_is_followed_over_a_rotation(void **state)
{
	struct asked a = {.opts = {.lines = 1, .follow = true}};
	struct buf got = {0};
	struct child c;

	unit_write("log", "old\nlast\n");
	a.path = unit_path("log");
	c = child_start(false, run_tail, &a);
	child_read(c.out, &got, "last\n");
	add("added\n");
	child_read(c.out, &got, "added\n");
	/* Its last line is written and the file is replaced before anybody looks. */
	add("before\n");
	assert_int_equal(rename(unit_path("log"), unit_path("log.1")), 0);
	unit_write("log", "after\n");
	child_read(c.out, &got, "after\n");
	/* Shorter than before, it was emptied. */
	unit_write("log", "x\n");
	child_read(c.out, &got, "x\n");
	assert_string_equal(buf_cstr(&got), "last\nadded\nbefore\nafter\nx\n");
	/* When nobody reads any more it ends. */
	close(c.out);
	c.out = -1;
	add("for nobody\n");
	assert_int_equal(child_end(&c), EXIT_DONE);
	buf_finish(&got);
}

static void a_file_that_is_not_there_yet_is_waited_for(void **state)
{
	struct asked a = {.path = unit_path("log"), .opts = {.lines = 5, .follow = true}};
	struct buf got = {0};
	struct child c = child_start(false, run_tail, &a);

	unit_write("log", "first\n");
	child_read(c.out, &got, "first\n");
	close(c.out);
	c.out = -1;
	add("for nobody\n");
	assert_int_equal(child_end(&c), EXIT_DONE);
	buf_finish(&got);
}

static void an_output_that_takes_nothing_ends_it_at_once(void **state)
{
	struct asked a = {.opts = {.lines = 5, .follow = true}, .full = true};
	struct buf out = {0}, err = {0};

	unit_write("log", "text\n");
	a.path = unit_path("log");
	assert_int_equal(child_run(false, run_tail, &a, &out, &err), EXIT_DONE);
	buf_finish(&out);
	buf_finish(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(the_last_lines_are_printed),
	    with_dir(a_missing_file_is_said_plainly),
	    with_dir(what_is_added_is_followed_over_a_rotation),
	    with_dir(a_file_that_is_not_there_yet_is_waited_for),
	    with_dir(an_output_that_takes_nothing_ends_it_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
