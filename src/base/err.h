#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * How things fail. A function that can fail returns 0 or a negative code: the
 * negated errno of the system call that said no, or one of the codes below.
 * Where a person will read it, the sentence is put into an optional struct err
 * at the line that knows it. Any thread; a struct err belongs to its caller.
 */

enum err_code {
	ERR_LIMIT = -10001,   /* a named limit was passed */
	ERR_SYNTAX = -10002,  /* input is not what its grammar says */
	ERR_RANGE = -10003,   /* a value is outside its range */
	ERR_UNKNOWN = -10004, /* a name nobody knows */
	ERR_CORRUPT = -10005, /* stored data is damaged */
	ERR_VERSION = -10006, /* made by another version */
	ERR_CLOSED = -10007,  /* the other side is gone */
	ERR_TIMEOUT = -10008, /* a deadline passed */
	ERR_BUSY = -10009,    /* somebody else holds it */
	ERR_FULL = -10010,    /* the disk or a quota is full */
	ERR_REFUSED = -10011, /* the other side said no */
};

struct err {
	int code;	/* 0: nothing was set */
	char text[512]; /* one sentence, no line end; cut when longer */
};

/*
 * Record an error. e may be NULL (then only the code matters). Returns code, so
 * that `return err_set(e, -EIO, "…")` reads as one step.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The name of a code: "ECONNREFUSED" for -ECONNREFUSED, "ERR_LIMIT" for ours. Static text. */
const char *err_name(int code);

#endif
