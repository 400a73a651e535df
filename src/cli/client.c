/* Finding and asking the daemon. */
#include "cli/client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <uv.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/os.h"
#include "cli/client_call.h"
#include "cli/launch.h"
#include "protocol/http.h"
#include "protocol/version.h"

/* What we speak, as people write it. */
#define STRING_OF_(x) #x
#define STRING_OF(x) STRING_OF_(x)
#define CLIENT_CONTRACT OPTA_CONTRACT_NAME "@" STRING_OF(OPTA_CONTRACT_VERSION)

enum {
	CLIENT_MAX_STATE = 64 * 1024, /* bytes of state.json */
	CLIENT_STATE_MS = 3000,	      /* for the daemon to write its state again */
};

/* The pid written into a lock file, if that very process still lives. 0: none. */
static pid_t live_owner(const char *lock)
{
	struct buf text = {0};
	uint64_t start = 0;
	int pid = 0;

	if (file_read(lock, 256, &text, NULL) == 0 &&
	    sscanf(buf_cstr(&text), "%d %" SCNu64, &pid, &start) == 2 &&
	    os_process_start(pid) != start)
		pid = 0;
	buf_finish(&text);
	return start ? pid : 0;
}

bool client_parse_state(struct client *c, const char *p, size_t n)
{
	json_t *root = NULL;
	const json_t *contract;
	int64_t pid, port;
	const char *host;

	if (json_parse(p, n, &root, NULL) != 0)
		return false;
	host = json_cstr(root, "host", "127.0.0.1");
	/* Listening on every interface: we are on this machine. */
	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	/* Cut to an int, a number too large would name another process or port. */
	pid = json_int(root, "pid", 0);
	port = json_int(root, "port", 0);
	c->pid = pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
	c->port = port > 0 && port < 65536 ? (int)port : 0;
	snprintf(c->host, sizeof c->host, "%s", host);
	snprintf(c->token, sizeof c->token, "%s", json_cstr(root, "token", ""));
	c->told_to_stop = json_object_get(root, "stoppedAt") != NULL;
	contract = json_object_get(root, "contract");
	c->contract[0] = '\0';
	if (json_is_object(contract))
		snprintf(c->contract, sizeof c->contract, "%.60s@%" PRId64,
		    json_cstr(contract, "name", "?"), json_int(contract, "version", 0));
	json_decref(root);
	/* A token or a host with a line end would forge a header. */
	return c->pid && c->port && c->token[0] && !strpbrk(c->token, "\r\n") &&
	       !strpbrk(c->host, "\r\n ");
}

/* Fill c from state.json. False when it is missing, damaged or of another process. */
static bool read_state(struct client *c, pid_t owner)
{
	struct buf text = {0};
	bool ok = file_read(c->paths.state, CLIENT_MAX_STATE, &text, NULL) == 0 &&
		  client_parse_state(c, text.p, text.len) && c->pid == owner;

	buf_finish(&text);
	return ok;
}

enum client_found client_find(struct client *c)
{
	pid_t owner = live_owner(c->paths.sessions_lock);
	uint64_t deadline;

	c->told_to_stop = false;
	if (!owner) {
		read_state(c, 0);
		return CLIENT_STOPPED;
	}
	if (read_state(c, owner))
		return CLIENT_RUNNING;
	c->pid = owner;
	/* It lives and its state is lost: it writes the file again when told to. */
	if (kill(owner, SIGHUP) != 0)
		return CLIENT_LOST;
	deadline = clock_mono_us() + CLIENT_STATE_MS * 1000ull;
	while (clock_mono_us() < deadline) {
		if (read_state(c, owner))
			return CLIENT_RUNNING;
		if (live_owner(c->paths.sessions_lock) != owner)
			return client_find(c);
		poll(NULL, 0, 5);
	}
	c->pid = owner;
	return CLIENT_LOST;
}

int client_start(struct client *c, enum client_start how, bool *ret_started, struct err *reterr)
{
	int rc;

	*ret_started = false;
	switch (client_find(c)) {
	case CLIENT_RUNNING:
		return 0;
	case CLIENT_LOST:
		break;
	case CLIENT_STOPPED:
		rc = launch_daemon(&c->paths, how == CLIENT_AUTOMATIC, ret_started, reterr);
		if (rc != 0)
			return rc;
		if (client_find(c) == CLIENT_RUNNING)
			return 0;
		break;
	}
	return err_set(reterr, ERR_TIMEOUT,
	    "a daemon (pid %d) runs but does not write %s: `opta daemon stop` ends it", (int)c->pid,
	    c->paths.state);
}

int client_open(struct client *c, struct err *reterr)
{
	bool started;
	int rc = paths_init(&c->paths, reterr);

	if (rc == 0)
		rc = client_start(c, CLIENT_AUTOMATIC, &started, reterr);
	if (rc == 0 && c->contract[0] && strcmp(c->contract, CLIENT_CONTRACT) != 0)
		rc = err_set(reterr, ERR_VERSION,
		    "Daemon contract mismatch — expected " CLIENT_CONTRACT ", got %s", c->contract);
	return rc;
}

void client_put_auth(const struct client *c, struct buf *headers)
{
	buf_addf(headers, "Authorization: Bearer %s\r\n", c->token);
}

/* What became of a request. */
struct asked {
	struct buf *out;
	struct err *err;
	int status;
};

static void on_asked(void *data, int status, struct buf *out, const struct err *err)
{
	struct asked *a = data;

	a->status = status;
	if (status > 0)
		buf_add(a->out, out->p, out->len);
	else if (a->err)
		*a->err = *err;
}

int client_request(const struct client *c, const char *method, const char *target, const char *body,
    int ms, struct buf *out, struct err *reterr)
{
	struct asked asked = {.out = out, .err = reterr};
	uv_loop_t loop;

	uv_loop_init(&loop);
	client_call_start(&loop, &(struct client_call_opts){.client = c,
				     .method = method,
				     .target = target,
				     .body = body,
				     .ms = ms,
				     .on_done = on_asked,
				     .data = &asked});
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return asked.status;
}

json_t *client_parse_answer(int status, struct buf *out, struct err *reterr)
{
	json_t *root = NULL;
	char why[500];

	if (status >= 300) {
		client_error_text(out, why, sizeof why);
		err_set(reterr, ERR_REFUSED, "%s", why);
	} else if (status > 0 && json_parse(out->p, out->len, &root, NULL) != 0) {
		err_set(reterr, ERR_SYNTAX, "the daemon gave an answer that is not JSON");
	}
	return root;
}

json_t *client_json(const struct client *c, const char *method, const char *target,
    const char *body, int ms, int *ret_status, struct err *reterr)
{
	struct buf out = {0};
	int status = client_request(c, method, target, body, ms, &out, reterr);
	json_t *root = client_parse_answer(status, &out, reterr);

	if (ret_status)
		*ret_status = status;
	buf_finish(&out);
	return root;
}

/* Does the session's id begin with what was typed? */
static bool begins(const char *id, const char *typed)
{
	size_t n = strlen(typed);

	return strncmp(id, typed, n) == 0 ||
	       (strncmp(id, "sess_", 5) == 0 && strncmp(id + 5, typed, n) == 0);
}

void client_put_session_query(const char *id, struct buf *out)
{
	buf_adds(out, "/v3/sessions?q=");
	http_query_put(out, id);
}

int client_match_session(const json_t *list, const char *id, char *ret_id, char *why, size_t size)
{
	size_t i, fits = 0;
	const json_t *one;

	ret_id[0] = '\0';
	json_array_foreach (list, i, one) {
		const char *have = json_cstr(one, "id", "");

		if (!begins(have, id))
			continue;
		snprintf(ret_id, 72, "%s", have);
		fits++;
		if (strcmp(have, id) == 0) {
			fits = 1;
			break;
		}
	}
	if (fits == 1)
		return 0;
	if (fits)
		snprintf(why, size, "%zu sessions begin with %.60s: give more of the id", fits, id);
	else
		snprintf(
		    why, size, "there is no session %.60s; `opta sessions list` lists them", id);
	return ERR_UNKNOWN;
}

int client_find_session(
    const struct client *c, const char *id, char *ret_id, char *why, size_t size)
{
	struct buf target = {0};
	struct err err = {0};
	json_t *list;
	int rc = ERR_UNKNOWN;

	client_put_session_query(id, &target);
	list = client_json(c, "GET", buf_cstr(&target), NULL, CLIENT_ASK_MS, NULL, &err);
	buf_finish(&target);
	if (list)
		rc = client_match_session(list, id, ret_id, why, size);
	else
		snprintf(why, size, "%s", err.text);
	json_decref(list);
	return rc;
}

void client_error_text(const struct buf *out, char *text, size_t size)
{
	json_t *root = NULL;

	if (json_parse(out->p, out->len, &root, NULL) == 0)
		snprintf(text, size, "%s",
		    json_cstr(root, "error", json_cstr(root, "message", "unknown error")));
	else
		snprintf(text, size, "%.*s", (int)(out->len < 200 ? out->len : 200),
		    out->len ? out->p : "");
	json_decref(root);
}
