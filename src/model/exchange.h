#ifndef MODEL_EXCHANGE_H
#define MODEL_EXCHANGE_H

/*
 * One request to the model server and the messages of its answer: over a WebSocket, as server-sent
 * events, or as lines of JSON. An answer is taken for what it is, not for what it is called. What
 * its messages mean is the dialect's to say; whether to try again is the ask's. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct dialect;
struct err;
struct exchange;
struct model_server;
struct uv_loop_s;

enum { EXCHANGE_MAX_ERROR = 4096 }; /* bytes of an error's body; the rest is not waited for */

enum exchange_end {
	EXCHANGE_WHOLE,	    /* it ended in order */
	EXCHANGE_CUT,	    /* the connection was lost, or there never was one */
	EXCHANGE_TOO_LARGE, /* a message is longer than one may be */
	EXCHANGE_STATUS,    /* an HTTP status other than 200 */
	EXCHANGE_NO_STREAM, /* one text and no stream; when it is JSON it was told as a message */
	EXCHANGE_UNUSABLE,  /* it cannot be read as it is: why says what to do */
};

/* How it ended; borrowed until the callback returns. */
struct exchange_result {
	enum exchange_end end;
	int status;		 /* of HTTP; 0: none came */
	uint64_t retry_after_ms; /* the server's wish, 0 none */
	bool said_end;		 /* it said itself that all is there */
	bool framed;		 /* a whole body would have been told from a cut one */
	struct str body;	 /* STATUS, NO_STREAM: its beginning */
	const char *type;	 /* NO_STREAM: its content type, "" when it names none */
	const char *why;	 /* CUT, UNUSABLE: a sentence */
};

struct exchange_opts {
	struct uv_loop_s *loop;
	struct model_server *server;   /* where it goes */
	const struct dialect *dialect; /* path and framing */
	struct str request;	       /* copied */
	/* A message; event is the name of its server-sent event, empty for none. */
	void (*on_message)(void *data, struct str event, struct str text);
	void (*on_life)(void *data); /* anything came */
	/* The last callback, once; not after exchange_drop. */
	void (*on_end)(void *data, const struct exchange_result *result);
	void *data;
};

/*
 * Start; no callback fires before this returns. NULL when the server cannot be asked: *reterr has a
 * sentence.
 */
struct exchange *exchange_start(const struct exchange_opts *opts, struct err *reterr);

/*
 * Drop the connection; no callback fires any more. request_id: a server that can be told to stop is
 * told to stop that; NULL: it is done anyway. Allowed within callbacks. NULL is allowed.
 */
void exchange_drop(struct exchange *x, const char *request_id);

/* Pause or resume reading. */
void exchange_read(struct exchange *x, bool on);

#endif
