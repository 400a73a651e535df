/* Small whole files. */
#include "unit.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

static void reading_fails(const char *path, size_t max, int code, const char *says)
{
	struct buf b = {0};
	struct err err = {0};

	buf_adds(&b, "kept");
	assert_int_equal(file_read(path, max, &b, &err), code);
	assert_string_equal(buf_cstr(&b), "kept");
	assert_holds(err.text, says);
	buf_finish(&b);
}

static void file_is(const char *path, const char *want)
{
	struct buf b = {0};

	assert_int_equal(file_read(path, 1 << 20, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_finish(&b);
}

static unsigned entries(void)
{
	unsigned n = 0;
	struct dirent *e;
	DIR *d = opendir(unit_dir);

	assert_non_null(d);
	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static void a_file_is_appended_to_what_is_there(void **state)
{
	struct buf b = {0};

	unit_write("f", "world");
	buf_adds(&b, "hello ");
	assert_int_equal(file_read(unit_path("f"), 100, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), "hello world");
	buf_finish(&b);
}

static void a_limit_is_passed_by_one_byte_more_only(void **state)
{
	struct buf b = {0};

	unit_write("f", "12345");
	assert_int_equal(file_read(unit_path("f"), 5, &b, NULL), 0);
	assert_int_equal(b.len, 5);
	buf_finish(&b);
	reading_fails(unit_path("f"), 4, ERR_LIMIT, "larger than 4 bytes");
	unit_write("empty", "");
	assert_int_equal(file_read(unit_path("empty"), 0, &b, NULL), 0);
	buf_finish(&b);
}

static void a_missing_file_is_enoent(void **state)
{
	reading_fails(unit_path("none"), 10, -ENOENT, "none");
}

static void a_symlink_is_refused(void **state)
{
	unit_write("f", "x");
	assert_int_equal(symlink(unit_path("f"), unit_path("link")), 0);
	reading_fails(unit_path("link"), 10, -ELOOP, "symbolic link");
	assert_int_equal(symlink(unit_path("none"), unit_path("dangling")), 0);
	reading_fails(unit_path("dangling"), 10, -ELOOP, "symbolic link");
}

static void a_fifo_is_refused_and_does_not_hang(void **state)
{
	assert_int_equal(mkfifo(unit_path("fifo"), 0600), 0);
	reading_fails(unit_path("fifo"), 10, -EINVAL, "not a regular file");
}

static void a_directory_is_refused(void **state)
{
	reading_fails(unit_dir, 10, -EINVAL, "not a regular file");
}

static void replacing_makes_the_file_with_exactly_its_mode(void **state)
{
	mode_t old = umask(077);

	assert_int_equal(file_replace(unit_dir, "f", "a", 1, 0644, NULL), 0);
	umask(old);
	file_is(unit_path("f"), "a");
	assert_int_equal(mode_of(unit_path("f")) & 0777, 0644);
	assert_int_equal(file_replace(unit_dir, "f", "bc", 2, 0600, NULL), 0);
	file_is(unit_path("f"), "bc");
	assert_int_equal(mode_of(unit_path("f")) & 0777, 0600);
	assert_int_equal(file_replace(unit_dir, "f", NULL, 0, 0600, NULL), 0);
	file_is(unit_path("f"), "");
	assert_int_equal(entries(), 1);
}

static void replacing_a_symlink_leaves_what_it_pointed_at(void **state)
{
	unit_write("target", "old");
	assert_int_equal(symlink("target", unit_path("link")), 0);
	assert_int_equal(file_replace(unit_dir, "link", "new", 3, 0600, NULL), 0);
	assert_true(S_ISREG(mode_of(unit_path("link"))));
	file_is(unit_path("link"), "new");
	file_is(unit_path("target"), "old");
}

static void a_reader_of_the_old_file_keeps_it(void **state)
{
	char text[4] = "";
	FILE *f;

	unit_write("f", "old");
	f = fopen(unit_path("f"), "re");
	assert_non_null(f);
	assert_int_equal(file_replace(unit_dir, "f", "new", 3, 0600, NULL), 0);
	assert_int_equal(fread(text, 1, 3, f), 3);
	assert_string_equal(text, "old");
	fclose(f);
}

static void a_failed_replace_leaves_nothing_behind(void **state)
{
	struct err err = {0};

	assert_int_equal(mkdir(unit_path("d"), 0700), 0);
	assert_int_not_equal(file_replace(unit_dir, "d", "x", 1, 0600, &err), 0);
	assert_true(err.text[0]);
	assert_int_equal(entries(), 1);
	assert_true(S_ISDIR(mode_of(unit_path("d"))));
}

static void a_directory_that_is_a_symlink_is_not_written_to(void **state)
{
	struct err err = {0};

	assert_int_equal(mkdir(unit_path("d"), 0700), 0);
	assert_int_equal(symlink("d", unit_path("link")), 0);
	assert_int_not_equal(file_replace(unit_path("link"), "f", "x", 1, 0600, &err), 0);
	assert_holds(err.text, "not a plain directory");
	assert_int_equal(file_replace(unit_path("none"), "f", "x", 1, 0600, &err), -ENOENT);
}

static void directories_are_made_with_their_parents_for_the_owner_only(void **state)
{
	assert_int_equal(file_make_dir(unit_path("a/b/c"), NULL), 0);
	assert_int_equal(mode_of(unit_path("a")) & 0777, 0700);
	assert_int_equal(mode_of(unit_path("a/b/c")) & 0777, 0700);
	assert_int_equal(chmod(unit_path("a"), 0755), 0);
	assert_int_equal(file_make_dir(unit_path("a"), NULL), 0);
	assert_int_equal(mode_of(unit_path("a")) & 0777, 0755);
}

static void what_is_no_directory_is_in_the_way(void **state)
{
	struct err err = {0};

	unit_write("f", "");
	assert_int_equal(file_make_dir(unit_path("f"), &err), -ENOTDIR);
	assert_int_equal(file_make_dir(unit_path("f/g"), &err), -ENOTDIR);
	assert_int_equal(mkdir(unit_path("d"), 0700), 0);
	assert_int_equal(symlink("d", unit_path("link")), 0);
	assert_int_equal(file_make_dir(unit_path("link"), &err), -ELOOP);
	assert_holds(err.text, "symbolic link");
}

static void writing_to_a_closed_pipe_is_an_error(void **state)
{
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(file_write_all(fds[1], "abc", 3), 0);
	close(fds[0]);
	assert_int_equal(file_write_all(fds[1], "abc", 3), -EPIPE);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(a_file_is_appended_to_what_is_there),
	    with_dir(a_limit_is_passed_by_one_byte_more_only),
	    with_dir(a_missing_file_is_enoent),
	    with_dir(a_symlink_is_refused),
	    with_dir(a_fifo_is_refused_and_does_not_hang),
	    with_dir(a_directory_is_refused),
	    with_dir(replacing_makes_the_file_with_exactly_its_mode),
	    with_dir(replacing_a_symlink_leaves_what_it_pointed_at),
	    with_dir(a_reader_of_the_old_file_keeps_it),
	    with_dir(a_failed_replace_leaves_nothing_behind),
	    with_dir(a_directory_that_is_a_symlink_is_not_written_to),
	    with_dir(directories_are_made_with_their_parents_for_the_owner_only),
	    with_dir(what_is_no_directory_is_in_the_way),
	    cmocka_unit_test(writing_to_a_closed_pipe_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
