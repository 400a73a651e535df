/* tools/diff: unified diffs that patch(1) would take. */
#include "tools/diff.h"

#include "base/buf.h"
#include "unit.h"

static struct buf text(const char *s)
{
	struct buf b = {0};

	buf_adds(&b, s);
	return b;
}

static void diff_is(const char *a, const char *b, const char *want)
{
	struct buf from = text(a ? a : ""), to = text(b ? b : ""), out = {0};

	diff_put(&out, "f", a ? &from : NULL, b ? &to : NULL, 10000);
	assert_string_equal(buf_cstr(&out), want);
	buf_finish(&from);
	buf_finish(&to);
	buf_finish(&out);
}

static void changes_are_shown_with_three_lines_around_them(void **state)
{
	diff_is("a\nb\nc\n", "a\nB\nc\n", "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
	diff_is("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n6\n7\n8\n9\n",
	    "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n");
	diff_is("a\n", "a\n", "--- f\n+++ f\n");
	diff_is("a\nb\n", "b\n", "--- f\n+++ f\n@@ -1,2 +1 @@\n-a\n b\n");
	diff_is("b\n", "a\nb\n", "--- f\n+++ f\n@@ -1 +1,2 @@\n+a\n b\n");
}

static void a_file_that_comes_or_goes_is_against_nothing(void **state)
{
	diff_is(NULL, "a\n", "--- /dev/null\n+++ f\n@@ -0,0 +1 @@\n+a\n");
	diff_is("a\n", NULL, "--- f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
}

static void a_missing_line_end_is_said(void **state)
{
	diff_is("a", "a\n", "--- f\n+++ f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
}

static void far_changes_are_hunks_of_their_own(void **state)
{
	struct buf a = {0}, b = {0}, out = {0};
	size_t hunks = 0;

	for (int i = 0; i < 50; i++) {
		buf_addf(&a, "%d\n", i);
		buf_addf(&b, i == 5 || i == 30 ? "x\n" : "%d\n", i);
	}
	diff_put(&out, "f", &a, &b, 10000);
	for (const char *p = buf_cstr(&out); (p = strstr(p, "@@ -")); p++)
		hunks++;
	assert_int_equal(hunks, 2);
	assert_holds(buf_cstr(&out), "@@ -28,7 +28,7 @@\n");
	buf_finish(&a);
	buf_finish(&b);
	buf_finish(&out);
}

/* Apply our own diff to a: it must give b. */
static void applies(const struct buf *a, const struct buf *b)
{
	struct buf out = {0}, got = {0};
	const char *p, *rest = a->p, *end = a->p + a->len;
	unsigned start, line = 1;

	diff_put(&out, "f", a, b, 1000000);
	p = strchr(strchr(buf_cstr(&out), '\n') + 1, '\n') + 1;
	while (*p) {
		const char *eol = strchr(p, '\n') + 1;

		if (*p == '@') {
			unsigned count = 1;

			assert_true(sscanf(p, "@@ -%u,%u", &start, &count) >= 1);
			/* "-n,0" stands after line n. */
			start += count == 0;
			for (; line < start; line++) {
				const char *next = strchr(rest, '\n') + 1;

				buf_add(&got, rest, (size_t)(next - rest));
				rest = next;
			}
		} else {
			if (*p != '+') {
				rest = strchr(rest, '\n') + 1;
				line++;
			}
			if (*p != '-')
				buf_add(&got, p + 1, (size_t)(eol - p - 1));
		}
		p = eol;
	}
	buf_add(&got, rest, (size_t)(end - rest));
	assert_int_equal(got.len, b->len);
	assert_memory_equal(got.p, b->p, b->len);
	buf_finish(&out);
	buf_finish(&got);
}

static void random_edits_apply(void **state)
{
	unsigned seed = 42;

	for (int round = 0; round < 400; round++) {
		struct buf a = {0}, b = {0};
		unsigned lines = rand_r(&seed) % 60 + 1;

		for (unsigned i = 0; i < lines; i++) {
			char word = (char)('a' + rand_r(&seed) % 4);
			unsigned what = rand_r(&seed) % 10;

			buf_addf(&a, "%c\n", word);
			if (what > 1)
				buf_addf(&b, "%c\n", word);
			if (what == 1 || what == 2)
				buf_addf(&b, "%c!\n", word);
		}
		if (!b.len)
			buf_adds(&b, "\n");
		applies(&a, &b);
		buf_finish(&a);
		buf_finish(&b);
	}
}

static void what_differs_wholly_and_is_long_is_bounded(void **state)
{
	struct buf a = {0}, b = {0}, out = {0};

	for (int i = 0; i < 20000; i++) {
		buf_addf(&a, "a%d\n", i);
		buf_addf(&b, "b%d\n", i);
	}
	diff_put(&out, "f", &a, &b, 5000);
	assert_true(out.len < 5200);
	assert_holds(buf_cstr(&out), "[the diff goes on");
	buf_finish(&out);
	applies(&a, &b);
	buf_finish(&a);
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_are_shown_with_three_lines_around_them),
	    cmocka_unit_test(a_file_that_comes_or_goes_is_against_nothing),
	    cmocka_unit_test(a_missing_line_end_is_said),
	    cmocka_unit_test(far_changes_are_hunks_of_their_own),
	    cmocka_unit_test(random_edits_apply),
	    cmocka_unit_test(what_differs_wholly_and_is_long_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
