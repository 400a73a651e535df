#ifndef CLI_LOGLINE_H
#define CLI_LOGLINE_H

/*
 * A line of the daemon's log, "[10:00:01] INFO  daemon started …", as a person or a program wants
 * it. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

struct buf;

struct logline_opts {
	enum log_level level; /* lines below are left out */
	bool json, color;
};

/* Append the line (without its end) as it is shown, with its end; false when it is left out. A line
 * of another form (a sanitizer's, a library's) is shown as it is. */
bool logline_put(struct buf *out, const struct logline_opts *opts, const char *p, size_t n);

/* Seconds since midnight of the line's time; -1: it has none. */
int logline_time(const char *p, size_t n);

/*
 * "10:30", "10:30:15" (that time of day), "90s", "10m", "2h" (so long ago) as seconds since
 * midnight, now being `now`. False: it is none of these.
 */
bool logline_parse_since(const char *text, int now, int *ret);

/* Is time (seconds since midnight) between since and now, over midnight too? */
bool logline_is_since(int time, int since, int now);

#endif
