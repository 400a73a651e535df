/* tools/way: paths through links. */
#include "tools/way.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "unit.h"

static bool note(void *data, const char *path, const char *target)
{
	buf_addf(data, "%s>%s ", strrchr(path, '/') + 1, target);
	return true;
}

static bool stop(void *data, const char *path, const char *target)
{
	return false;
}

static void make(void)
{
	assert_int_equal(mkdir(unit_path("a"), 0755), 0);
	assert_int_equal(mkdir(unit_path("a/b"), 0755), 0);
	assert_int_equal(symlink("a/b", unit_path("in")), 0);
	assert_int_equal(symlink("../in/x", unit_path("a/chain")), 0);
	assert_int_equal(symlink("round", unit_path("round")), 0);
	assert_int_equal(symlink("/", unit_path("root")), 0);
}

static void each_link_on_the_way_is_told_of(void **state)
{
	static const struct {
		const char *path, *ends, *links;
		enum way_end end;
	} rows[] = {
	    {"a/b", "/a/b", "", WAY_THERE},
	    {"in", "/a/b", "in>a/b ", WAY_THERE},
	    {"in/../b/.", "/a/b", "in>a/b ", WAY_THERE},
	    {"a/chain", "/a/b/x", "chain>../in/x in>a/b ", WAY_ABSENT},
	    {"a/chain/deeper//y/", "/a/b/x/deeper/y", "chain>../in/x in>a/b ", WAY_ABSENT},
	    {"no/such", "/no/such", "", WAY_ABSENT},
	    {"root/usr", "/usr", "root>/ ", WAY_THERE},
	    {"no/../a", "", "", WAY_NOWHERE},
	    {"round", "", NULL, WAY_NOWHERE},
	};
	struct buf links = {0};
	char out[WAY_MAX_PATH], path[5000];

	make();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].ends);

		buf_clear(&links);
		snprintf(path, sizeof path, "%s", unit_path(rows[i].path));
		assert_int_equal(way_follow(path, out, note, &links), rows[i].end);
		if (strlen(out) < n || strcmp(out + strlen(out) - n, rows[i].ends) != 0)
			fail_msg("%s: %s", rows[i].path, out);
		if (rows[i].links && strcmp(buf_cstr(&links), rows[i].links) != 0)
			fail_msg("%s: %s", rows[i].path, buf_cstr(&links));
	}
	buf_finish(&links);
}

static void what_cannot_be_followed_is_nowhere(void **state)
{
	char out[WAY_MAX_PATH], path[WAY_MAX_PATH + 10];

	make();
	snprintf(path, sizeof path, "%s", unit_path("in"));
	assert_int_equal(way_follow(path, out, stop, NULL), WAY_NOWHERE);
	assert_int_equal(way_follow("relative", out, NULL, NULL), WAY_NOWHERE);
	memset(path, 'a', sizeof path);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	assert_int_equal(way_follow(path, out, NULL, NULL), WAY_NOWHERE);
	assert_int_equal(way_follow("/", out, NULL, NULL), WAY_THERE);
	assert_string_equal(out, "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_dir(each_link_on_the_way_is_told_of),
	    with_dir(what_cannot_be_followed_is_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
