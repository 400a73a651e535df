#ifndef NET_LISTENER_H
#define NET_LISTENER_H

/*
 * A listening TCP socket. Accepts without blocking; out of descriptors it
 * takes connections with a spare one and says so, instead of spinning. Loop thread only.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct err;
struct listener;
struct uv_loop_s;

/* A new connection; fd is non-blocking, close-on-exec and the callee's. last: there are no more
 * descriptors, so another connection should go, or this one. */
typedef void listener_accept_cb(void *data, int fd, bool last);

/*
 * Bind host (a numeric address or "localhost") and port (0: any free one) and
 * listen. Returns 0; -EADDRINUSE; -EINVAL for a host that is no address; another
 * -errno. On error *ret is untouched.
 */
int listener_new(struct uv_loop_s *loop, const char *host, int port, listener_accept_cb *on_accept,
    void *data, struct listener **ret, struct err *reterr);

/* The port it really listens on. */
int listener_port(const struct listener *l);

/* Stop and free (later, by the loop). NULL is allowed. */
void listener_close(struct listener *l);

#endif
