#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

/*
 * What the load generators and floor programs share: loopback sockets, numbers,
 * and the end of the program when something is wrong. A figure that was not
 * measured must not be printed, so nothing here returns an error.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Say what failed, with errno, and end the program. */
_Noreturn void wire_die(const char *what);

/* The whole number text, or the end. */
uint64_t wire_number(const char *text);

/* As many descriptors as the system allows. */
void wire_many_files(void);

/* A blocking connection to 127.0.0.1:port, without Nagle. */
int wire_connect(int port);

/* Listen on a free port of 127.0.0.1 and print it. */
int wire_listen(void);

/* Send all n bytes, blocking. */
void wire_send(int fd, const void *p, size_t n);

/* Read a head up to and with its empty line, byte by byte, so that nothing behind it is swallowed.
 * 0-terminated in head; false when the connection ends first. */
bool wire_read_head(int fd, char *head, size_t size);

/* Upgrade fd, connected to port, to a WebSocket on target; no frame is read. token NULL: none. */
void wire_upgrade(int fd, int port, const char *target, const char *token);

/* The same for the events of a session of the daemon, from after `after` on. */
void wire_subscribe(int fd, int port, const char *token, const char *session, const char *after);

/* Connect to the model server on port and ask it for what content says (see model.c). */
int wire_ask_model(int port, const char *content);

/* Processor seconds this program used so far. */
double wire_own_cpu(void);

/* Print a line that the bench waits for. */
void wire_say(const char *line);

#endif
