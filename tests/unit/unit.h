#ifndef UNIT_UNIT_H
#define UNIT_UNIT_H

/*
 * What every unit test includes first: cmocka with the headers it wants, and a
 * directory of its own that goes away with the test.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>

/* The directory of the test that runs; "" outside one. */
static char unit_dir[64] __attribute__((unused));

/* A setup function: make unit_dir. */
__attribute__((unused)) static int unit_make_dir(void **state)
{
	snprintf(unit_dir, sizeof unit_dir, "/tmp/opta-unit-XXXXXX");
	return mkdtemp(unit_dir) ? 0 : -1;
}

__attribute__((unused)) static int unit_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

/* A teardown function: remove unit_dir with all that is in it. */
__attribute__((unused)) static int unit_remove_dir(void **state)
{
	nftw(unit_dir, unit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	unit_dir[0] = '\0';
	return 0;
}

/* unit_dir/name, in one of eight buffers used in turn. */
__attribute__((unused)) static const char *unit_path(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof paths[0], "%s/%s", unit_dir, name);
	return path;
}

/* The file name in unit_dir with content. */
__attribute__((unused)) static void unit_write(const char *name, const char *content)
{
	FILE *f = fopen(unit_path(name), "we");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, strlen(content), f), strlen(content));
	assert_int_equal(fclose(f), 0);
}

/* Fail unless text holds part. */
#define assert_holds(text, part)                                                                   \
	do {                                                                                       \
		if (!strstr((text), (part)))                                                       \
			fail_msg("\"%s\" does not hold \"%s\"", (text), (part));                   \
	} while (0)

#define with_dir(test) cmocka_unit_test_setup_teardown(test, unit_make_dir, unit_remove_dir)

#endif
