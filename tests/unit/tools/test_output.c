/* tools/output: head, tail, the middle counted, all of it in the artifact. tools/request: frames.
 */
#include "tools/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "tools/request.h"
#include "unit.h"

static struct buf shown;
static bool truncated, existed;

static void show(struct output *o)
{
	buf_clear(&shown);
	output_put(o, &shown, &truncated, &existed);
	output_free(o);
}

static void little_is_shown_as_it_is(void **state)
{
	struct output *o = output_new(-1, "s", "c");

	output_add(o, "one\n", 4);
	output_add(o, "tw\xc3", 3);
	output_add(o, "\xb6\xff\n", 3);
	show(o);
	assert_string_equal(buf_cstr(&shown), "one\ntw\xc3\xb6\xEF\xBF\xBD\n");
	assert_false(truncated);
}

/* Sizes around every edge, in pieces of every kind: what is shown and kept is right. */
static void much_is_head_tail_and_an_artifact(void **state)
{
	static const size_t totals[] = {OUTPUT_HEAD - 1, OUTPUT_HEAD, OUTPUT_HEAD + 1,
	    OUTPUT_HEAD + OUTPUT_TAIL, OUTPUT_HEAD + OUTPUT_TAIL + 1, 200000};
	static const size_t pieces[] = {1, 7, 4096, 30000, 65536};
	int dir = open(unit_dir, O_RDONLY | O_DIRECTORY);

	for (size_t t = 0; t < sizeof totals / sizeof totals[0]; t++)
		for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
			struct output *o = output_new(dir, "sess", "call");
			char *all = malloc(totals[t]);
			struct stat st;

			for (size_t i = 0; i < totals[t]; i++)
				all[i] = (char)('a' + i * 7 % 26);
			for (size_t i = 0; i < totals[t]; i += pieces[k])
				output_add(o, all + i,
				    totals[t] - i < pieces[k] ? totals[t] - i : pieces[k]);
			show(o);
			assert_int_equal(truncated, totals[t] > OUTPUT_HEAD + OUTPUT_TAIL);
			if (!truncated) {
				assert_int_equal(shown.len, totals[t]);
				assert_memory_equal(shown.p, all, totals[t]);
			} else {
				char note[100];
				struct buf want = {0};
				FILE *f = fopen(unit_path("sess/call.out"), "re");
				char *kept = malloc(totals[t]);

				buf_add(&want, all, OUTPUT_HEAD);
				snprintf(note, sizeof note, "\n[… %zu bytes left out …]\n",
				    totals[t] - OUTPUT_HEAD - OUTPUT_TAIL);
				buf_adds(&want, note);
				buf_add(&want, all + totals[t] - OUTPUT_TAIL, OUTPUT_TAIL);
				buf_adds(&want, "\n[all of it is in sessions/sess/call.out]\n");
				assert_string_equal(buf_cstr(&shown), buf_cstr(&want));
				buf_finish(&want);
				assert_non_null(f);
				assert_int_equal(fread(kept, 1, totals[t], f), totals[t]);
				assert_memory_equal(kept, all, totals[t]);
				assert_int_equal(fclose(f), 0);
				assert_int_equal(stat(unit_path("sess/call.out"), &st), 0);
				assert_int_equal((size_t)st.st_size, totals[t]);
				free(kept);
			}
			free(all);
		}
	assert_true(existed);
	close(dir);
}

static void binary_output_is_only_named(void **state)
{
	struct output *o = output_new(-1, "s", "c");

	output_add(o, "a\0b", 3);
	show(o);
	assert_string_equal(buf_cstr(&shown), "[binary output, 3 bytes, not shown]\n");
	assert_true(truncated);
}

static void a_frame_is_read_back_whole_or_not_yet_or_refused(void **state)
{
	struct buf out = {0};
	const char *bytes;
	size_t len;
	char kind;

	request_put_frame(&out, FRAME_STDOUT, "hello", 5);
	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(request_frame(out.p, n, &kind, &bytes, &len), 0);
	assert_int_equal(request_frame(out.p, out.len, &kind, &bytes, &len), 10);
	assert_int_equal(kind, FRAME_STDOUT);
	assert_int_equal(len, 5);
	assert_memory_equal(bytes, "hello", 5);
	out.p[0] = 'X';
	assert_true(request_frame(out.p, out.len, &kind, &bytes, &len) < 0);
	out.p[0] = FRAME_STDOUT;
	memset(out.p + 1, 0xff, 4);
	assert_true(request_frame(out.p, out.len, &kind, &bytes, &len) < 0);
	buf_finish(&out);
}

static void an_answer_is_read_back(void **state)
{
	struct tool_answer a = {.ok = true,
			       .truncated = true,
			       .has_exit = true,
			       .exit_code = 3,
			       .text = "t\n\"",
			       .state = "s"},
			   b;
	struct buf out = {0};

	answer_put(&out, &a);
	assert_true(answer_parse(out.p, out.len, &b));
	assert_true(b.ok && b.truncated && b.has_exit && !b.changed && !b.crash);
	assert_int_equal(b.exit_code, 3);
	assert_string_equal(b.text, "t\n\"");
	assert_string_equal(b.state, "s");
	answer_finish(&b);
	assert_false(answer_parse("{", 1, &b));
	buf_finish(&out);
}

static int free_shown(void **state)
{
	buf_finish(&shown);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(little_is_shown_as_it_is),
	    with_dir(much_is_head_tail_and_an_artifact),
	    cmocka_unit_test(binary_output_is_only_named),
	    cmocka_unit_test(a_frame_is_read_back_whole_or_not_yet_or_refused),
	    cmocka_unit_test(an_answer_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, free_shown);
}
