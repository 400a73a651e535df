#ifndef TOOLS_WAY_H
#define TOOLS_WAY_H

/* The way that a path goes through links, step by step as the kernel goes it. Blocks. */

#include <stdbool.h>
#include <stddef.h>

enum {
	WAY_MAX_PATH = 4096,
	WAY_MAX_LINKS = 40, /* as the kernel has it; path_resolution(7) */
};

/* A link at path (real but for itself). False: stop here. */
typedef bool way_link_cb(void *data, const char *path, const char *target);

enum way_end {
	WAY_THERE,
	WAY_ABSENT,  /* the last part, or more, is not there */
	WAY_NOWHERE, /* it is too long, goes round in circles, back from what is not there, or a
			callback stopped it */
};

/*
 * Follow path (absolute). out (WAY_MAX_PATH bytes) gets the real path, and behind it what is not
 * there yet. link may be NULL; path may not be out.
 */
enum way_end way_follow(const char *path, char *out, way_link_cb *link, void *data);

#endif
