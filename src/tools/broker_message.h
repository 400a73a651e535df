#ifndef TOOLS_BROKER_MESSAGE_H
#define TOOLS_BROKER_MESSAGE_H

/* What the supervisor and the broker say to each other, one datagram each (SOCK_SEQPACKET). */

#include <stdint.h>

enum broker_op { BROKER_BIND, BROKER_CONNECT };

/* To the broker with two descriptors: the socket, and the caller's working directory. */
struct broker_message {
	uint64_t id;
	uint32_t op;
	int32_t error; /* back: 0 or a negative errno */
	uint32_t len;  /* of address */
	uint32_t mask; /* bind: the caller's umask(2) */
	unsigned char address[128];
};

#endif
