#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * The daemon's log: "[10:00:01] INFO  daemon started on 127.0.0.1:9999", local
 * time, one line per fact. Lines go into a bounded buffer and a thread writes
 * them, so that the caller never waits for the disk; when the buffer is full
 * lines are counted and the count is logged. The file is kept under
 * LOG_MAX_BYTES by renaming it to <path>.1. Any thread may log.
 * Until log_open, lines are dropped.
 */

#include <stdbool.h>

struct err;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* A log larger than this is renamed to .1 (the old .1 goes), so the disk holds at most twice as
 * much. */
enum { LOG_MAX_BYTES = 5 * 1024 * 1024 };

/*
 * Open (append) the file at path, mode 0600, never through a symlink, and start
 * the writing thread. echo: write each line to standard error as well.
 * Returns 0 or -errno. path is copied.
 */
int log_open(const char *path, bool echo, struct err *reterr);

/* Lines below level are dropped from now on. */
void log_set_level(enum log_level level);

/* Ask the thread to open the file again (after somebody moved or removed it). */
void log_reopen(void);

/* Write what is buffered, end the thread, close the file. */
void log_close(void);

/* Log one line. Line ends and control characters in it are shown as spaces. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

/* "debug" … "error" to a level; false when it is none of them. */
bool log_level_parse(const char *name, enum log_level *ret_level);

#endif
