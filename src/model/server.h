#ifndef MODEL_SERVER_H
#define MODEL_SERVER_H

/*
 * The model server as a whole: which hosts, which of them answers, what it has
 * loaded. A preflight is cached for SERVER_CACHE_MS and dropped on any failure.
 * Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/target.h"

struct dialect;
struct err;
struct model_server;
struct uv_loop_s;

enum {
	SERVER_MAX_HOSTS = 17,
	SERVER_CACHE_MS = 10000,
	SERVER_CONNECT_MS = 2800, /* for all hosts together: "unreachable" is said within 3 s */
};

struct server_opts {
	const char *hosts[SERVER_MAX_HOSTS]; /* in order; as typed */
	size_t host_count;
	int port;	     /* where a host names none */
	const char *name;    /* of a server that has one (servers.NAME); NULL: connection.host */
	const char *api_key; /* "" for none */
	const char *key_command; /* prints the key when it is needed; NULL or "": none */
	/*
	 * The key goes to the server it was set for and to no other: key_host (NULL or "":
	 * hosts[0]) at key_port (0: port). To the hosts after the first, or to another machine
	 * without TLS, it goes only when these say so.
	 */
	const char *key_host;
	int key_port;
	bool key_to_fallbacks, key_over_http;
	const struct dialect *dialect; /* it speaks; NULL: found out */
};

enum preflight {
	PREFLIGHT_READY,
	PREFLIGHT_NO_MODEL,    /* it says that it has none loaded */
	PREFLIGHT_UNNAMED,     /* its list names none that can be asked; one named may be there */
	PREFLIGHT_LOADING,     /* 503: it will be ready */
	PREFLIGHT_UNREACHABLE, /* no host can be reached */
	PREFLIGHT_REFUSED,     /* it answers 401 or 403: the sentence says so */
};

/* What a preflight found; borrowed until the callback returns. */
struct preflight_answer {
	enum preflight result;
	const char *model;	 /* what the server has loaded, "" when it does not say */
	uint64_t context_tokens; /* its context, 0 when it does not say */
	bool lmx;		 /* it shows itself as Opta LMX, which has a WebSocket */
	const struct err *why;	 /* set unless READY */
};
typedef void preflight_cb(void *data, const struct preflight_answer *answer);

struct model_server *model_server_new(struct uv_loop_s *loop, const struct server_opts *opts);
void model_server_free(struct model_server *s);

/* New settings; a cached preflight is dropped when they differ. True when they do. */
bool model_server_configure(struct model_server *s, const struct server_opts *opts);

struct preflight_call;

/* Ask; the answer comes by callback, never before this returns. */
struct preflight_call *model_server_preflight(
    struct model_server *s, preflight_cb *on_done, void *data);

/* on_done will not be called. NULL is allowed. */
void preflight_cancel(struct preflight_call *p);

/* Something failed: ask again next time. */
void model_server_distrust(struct model_server *s);

struct uv_loop_s *model_server_loop(const struct model_server *s);

/* The host in use, valid until configure; NULL when no setting names one. */
const struct target *model_server_target(const struct model_server *s);

/* "lmx-host.local:1234", for people. */
void model_server_name(const struct model_server *s, char *out, size_t size);

/* Why the key is not sent to the host in use, as the end of a sentence; "" when it is, or there is
 * none. */
void model_server_key_note(const struct model_server *s, char *out, size_t size);

/* The name it has in the settings, "" when it is connection.host's. Borrowed. */
const char *model_server_label(const struct model_server *s);

/* It refused the key: a command that prints it is run again next time. */
void model_server_key_refused(struct model_server *s);

/* What the host in use speaks, as the settings or its address say; NULL: nobody said. */
const struct dialect *model_server_dialect(const struct model_server *s);

/* Header lines for a request to the host in use: its key and what its dialect wants. Borrowed. */
const char *model_server_headers(const struct model_server *s);

/* How many tokens the host in use says that model holds, 0 unknown. */
uint64_t model_server_context(const struct model_server *s, const char *model);

/* It answered a question: a model that is loaded when it is asked for can be looked at now. */
void model_server_answered(struct model_server *s);

/* A question of so many bytes to it were so many tokens of that model's; and how many bytes 1,000
 * are, 0 unknown. */
void model_server_note_tokens(
    struct model_server *s, const char *model, uint64_t bytes, uint64_t tokens);
uint64_t model_server_bytes_per_1000(const struct model_server *s, const char *model);

/* What the host in use refuses for model (enum drop), and that it refuses drop. */
unsigned model_server_dropped(const struct model_server *s, const char *model);
void model_server_note_drop(struct model_server *s, const char *model, unsigned drop);

/* Changes whenever the host in use does. */
unsigned model_server_generation(const struct model_server *s);

#endif
