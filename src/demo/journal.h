#ifndef DEMO_JOURNAL_H
#define DEMO_JOURNAL_H

/*
 * The --log file: a JSON line for each chat request and one for each that was
 * cancelled, so that a test can read what the server was asked. Written at once
 * and blocking: this server has nothing better to do. One thread at a time.
 */

#include <jansson.h>

struct demo_journal;
struct err;

/* Open (append) the file at path; NULL: nothing is written. 0 or -errno; *ret is untouched on
 * failure. */
int demo_journal_open(const char *path, struct demo_journal **ret, struct err *reterr);

/* Write a line for the request body (borrowed) that came over transport. */
void demo_journal_request(struct demo_journal *j, const char *transport, const json_t *body);

/* Write that the peer left, or cancelled, before the end. */
void demo_journal_cancelled(struct demo_journal *j, const char *transport);

/* Close and free. NULL is allowed. */
void demo_journal_close(struct demo_journal *j);

#endif
