#ifndef NET_FILTER_H
#define NET_FILTER_H

/*
 * What may stand between a socket and its reader: TLS. net knows only this
 * interface, so that the command line need not link a TLS library.
 */

#include <stddef.h>

struct buf;
struct err;

struct filter {
	const struct filter_ops *ops;
};

struct filter_ops {
	/*
	 * Take n bytes from the socket (0 to begin): append what the reader gets to
	 * plain and what the socket must send to wire. 0, or a negative code with a
	 * sentence (bad certificate, protocol error); ERR_CLOSED at a clean end.
	 */
	int (*incoming)(struct filter *f, const char *p, size_t n, struct buf *plain,
	    struct buf *wire, struct err *reterr);
	/* Take n bytes the writer sends; append what the socket must send to wire. Kept until the
	 * handshake is over. */
	int (*outgoing)(
	    struct filter *f, const char *p, size_t n, struct buf *wire, struct err *reterr);
	void (*free)(struct filter *f);
};

#endif
