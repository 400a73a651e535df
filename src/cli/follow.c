/* Following a session through lost connections and restarted daemons. */
#include "cli/follow.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/client_call.h"
#include "net/ws_client.h"
#include "protocol/http.h"

enum {
	FOLLOW_CONNECT_MS = 5000,
	FOLLOW_MAX_EVENT = 64 * 1024 * 1024, /* bytes of one event */
	/* Waits before the tries to reach the daemon again; the last one repeats. */
	FOLLOW_RETRY_FIRST_MS = 20,
	FOLLOW_RETRY_MAX_MS = 1000,
	FOLLOW_RETRIES = 12, /* about seven seconds */
};

struct follow {
	struct follow_opts opts;
	char session[72];		/* what opts.session points at */
	char daemon_id[64];		/* of the last event seen */
	struct ws_call *ws;		/* NULL: not connected */
	struct client_opening *opening; /* the daemon is being found, perhaps started */
	uv_timer_t timer;		/* the next try; carries the free */
	unsigned tries;
	bool stopped, up, lost;
};

static void open_socket(struct follow *f);

static void give_up(struct follow *f, const char *why)
{
	f->lost = true;
	f->opts.on_lost(f->opts.data, why);
}

static void on_retry(uv_timer_t *timer);

/* Try again a little later, or end with what went wrong. */
static void retry_or_give_up(struct follow *f, const char *why)
{
	unsigned wait = FOLLOW_RETRY_FIRST_MS << (f->tries < 6 ? f->tries : 6);

	if (f->tries >= FOLLOW_RETRIES) {
		give_up(f, why);
		return;
	}
	if (f->tries++ == 0)
		f->opts.on_down(f->opts.data);
	if (!f->stopped)
		uv_timer_start(&f->timer, on_retry,
		    wait < FOLLOW_RETRY_MAX_MS ? wait : FOLLOW_RETRY_MAX_MS, 0);
}

static void on_found_again(void *data, int rc, const struct client *found, const struct err *err)
{
	struct follow *f = data;

	f->opening = NULL;
	if (rc != 0 && found->told_to_stop) {
		retry_or_give_up(f, "the daemon was stopped before this turn was done");
	} else if (rc != 0) {
		give_up(f, err->text);
	} else {
		*f->opts.client = *found;
		open_socket(f);
	}
}

/*
 * The daemon may be another one by now, elsewhere, with another token. One that died is started
 * again; one that somebody stopped is not brought back from here, only waited for, as it may be a
 * restart.
 */
static void on_retry(uv_timer_t *timer)
{
	struct follow *f = timer->data;

	f->opening = client_open_start(f->opts.loop, true, on_found_again, f);
}

static void on_message(void *data, const char *p, size_t n)
{
	struct follow *f = data;
	struct str json = {p, n};
	struct envelope_view e;
	json_t *frame = NULL;

	f->tries = 0;
	if (f->stopped || f->lost)
		return;
	if (envelope_view(json, &e)) {
		/* What was seen before a reconnect is not shown twice. */
		if (e.seq <= f->opts.seq)
			return;
		f->opts.seq = e.seq;
		snprintf(
		    f->daemon_id, sizeof f->daemon_id, "%.*s", (int)e.daemon_id.n, e.daemon_id.p);
		f->opts.on_event(f->opts.data, json, &e);
		return;
	}
	if (json_parse(p, n, &frame, NULL) != 0)
		return;
	/* The tail we saw was lost to a power cut: the log is read again, our turn ends as
	 * interrupted in it. */
	if (strcmp(json_cstr(frame, "type", ""), "resync") == 0)
		f->opts.seq = 0;
	else if (f->opts.on_frame)
		f->opts.on_frame(f->opts.data, frame);
	json_decref(frame);
}

static void on_open(void *data)
{
	struct follow *f = data;

	f->up = true;
	if (f->opts.on_up)
		f->opts.on_up(f->opts.data);
}

static void on_closed(void *data, bool opened, uint16_t code, int status, const struct err *err)
{
	struct follow *f = data;

	f->ws = NULL;
	f->up = false;
	if (f->stopped || f->lost)
		return;
	if (code == 4004 || status == 404)
		give_up(f, "the session is gone");
	else
		retry_or_give_up(f, err->text);
}

static void open_socket(struct follow *f)
{
	struct buf target = {0}, headers = {0};

	buf_addf(
	    &target, "/v3/ws?sessionId=%s&afterSeq=%" PRIu64 "&sync=1", f->session, f->opts.seq);
	if (f->daemon_id[0]) {
		buf_adds(&target, "&daemonId=");
		http_query_put(&target, f->daemon_id);
	}
	client_put_auth(f->opts.client, &headers);
	f->ws = ws_call_start(f->opts.loop, &(struct ws_call_opts){.host = f->opts.client->host,
						.port = f->opts.client->port,
						.target = buf_cstr(&target),
						.headers = buf_cstr(&headers),
						.connect_ms = FOLLOW_CONNECT_MS,
						.max_message = FOLLOW_MAX_EVENT,
						.on_open = on_open,
						.on_message = on_message,
						.on_closed = on_closed,
						.data = f});
	buf_finish(&target);
	buf_finish(&headers);
}

struct follow *follow_start(const struct follow_opts *opts)
{
	struct follow *f = mem_zalloc(1, sizeof *f);

	f->opts = *opts;
	snprintf(f->session, sizeof f->session, "%s", opts->session);
	uv_timer_init(opts->loop, &f->timer);
	f->timer.data = f;
	open_socket(f);
	return f;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void follow_stop(struct follow *f)
{
	if (!f || f->stopped)
		return;
	f->stopped = true;
	f->up = false;
	ws_call_close(f->ws, 1000);
	f->ws = NULL;
	client_open_cancel(f->opening);
	f->opening = NULL;
	uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}

bool follow_send(struct follow *f, const char *json, size_t n)
{
	if (!f || !f->up || f->stopped)
		return false;
	ws_call_send(f->ws, json, n);
	return true;
}
