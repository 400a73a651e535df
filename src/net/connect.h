#ifndef NET_CONNECT_H
#define NET_CONNECT_H

/*
 * From a host name and port to a connected socket: the name is resolved off the
 * loop, its addresses are tried in order, all within one deadline. Loop thread only.
 */

#include <stdint.h>

struct connect;
struct uv_loop_s;

/* fd: the connected socket, the callee's; or a negative code (-ECONNREFUSED, ERR_UNKNOWN: no such
 * name, ERR_TIMEOUT, …). Never called before net_connect returns. The connect is freed after. */
typedef void connect_cb(void *data, int fd);

/* Start. host is a name or address and is copied. */
struct connect *net_connect(struct uv_loop_s *loop, const char *host, int port, uint64_t timeout_ms,
    connect_cb *on_done, void *data);

/* Give up: on_done will not be called. Freed by the loop later. NULL is allowed. */
void net_connect_cancel(struct connect *c);

#endif
