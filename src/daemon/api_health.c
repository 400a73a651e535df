/* Health, metrics, the API's own description. */
#include <inttypes.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/route.h"
#include "daemon/server.h"
#include "net/http_conn.h"
#include "net/stream.h"
#include "protocol/http.h"
#include "protocol/version.h"

enum { HEALTH_EVERY_MS = 25000 };

void api_health(struct call *call)
{
	/* A request each second from each of many tools asks for it: the memory is kept. */
	static struct buf out;

	buf_clear(&out);
	server_put_health(call->server, &out);
	call_reply(call, 200, out.p, out.len);
}

void api_metrics(struct call *call)
{
	struct buf out = {0};
	char iso[CLOCK_ISO_SIZE];

	buf_adds(&out, "{\"daemonId\":");
	json_put_cstr(&out, call->server->daemon_id);
	buf_adds(&out, ",\"runtime\":");
	server_put_runtime(call->server, &out);
	clock_iso(clock_wall_ms(), iso);
	buf_addf(&out, ",\"ts\":\"%s\"}", iso);
	call_reply(call, 200, out.p, out.len);
	buf_finish(&out);
}

void api_prometheus(struct call *call)
{
	struct server *s = call->server;
	const struct server_gauges *g = server_gauges(s);
	struct core_counts n;
	struct buf out = {0};

	core_counts(s->core, &n);
	const struct {
		const char *name, *type, *help;
		double value;
	} rows[] = {
	    {"opta_uptime_seconds", "gauge", "Seconds since the start",
		(double)(clock_mono_us() - s->started_us) / 1e6},
	    {"opta_sessions", "gauge", "Stored sessions", (double)n.sessions},
	    {"opta_turns_active", "gauge", "Turns that are running", (double)n.active_turns},
	    {"opta_turns_queued", "gauge", "Turns that wait", (double)n.queued_turns},
	    {"opta_turns_total", "counter", "Turns ever accepted", (double)n.turns},
	    {"opta_events_total", "counter", "Events appended since the start", (double)n.events},
	    {"opta_requests_total", "counter", "Requests since the start", (double)s->requests},
	    {"opta_subscribers", "gauge", "Clients of events", (double)s->subscribers},
	    {"opta_connections", "gauge", "Open connections", (double)s->conn_count},
	    {"opta_memory_bytes", "gauge", "Resident memory", (double)g->memory},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		buf_addf(&out, "# HELP %s %s\n# TYPE %s %s\n%s %.0f\n", rows[i].name, rows[i].help,
		    rows[i].name, rows[i].type, rows[i].name, rows[i].value);
	buf_addf(&out,
	    "# HELP opta_commit_seconds From append to commit\n# TYPE opta_commit_seconds summary\n"
	    "opta_commit_seconds{quantile=\"0.5\"} %.6f\nopta_commit_seconds{quantile=\"0.99\"} "
	    "%.6f\n"
	    "opta_commit_seconds_count %zu\n",
	    (double)g->latency.p50_us / 1e6, (double)g->latency.p99_us / 1e6, g->latency.samples);
	call_reply_as(call, 200, "text/plain; version=0.0.4", out.p, out.len);
	buf_finish(&out);
}

void api_openapi(struct call *call)
{
	struct buf out = {0};

	route_put_openapi(&out);
	call_reply(call, 200, out.p, out.len);
	buf_finish(&out);
}

/* --- the health stream --- */

struct health_stream {
	struct conn *conn;
};

static void send_health(struct health_stream *h)
{
	struct http_conn *http = conn_http(h->conn);
	struct buf out = {0};

	http_conn_timer(http, HEALTH_EVERY_MS);
	/* Who does not read what they have gets no more of it. */
	if (stream_queued(http_conn_stream(http)))
		return;
	buf_adds(&out, "data: ");
	server_put_health(conn_server(h->conn), &out);
	buf_adds(&out, "\n\n");
	http_conn_send(http, out.p, out.len);
	buf_finish(&out);
}

static void on_timer(void *data)
{
	send_health(data);
}

static void on_writable(void *data)
{
}

static void on_gone(void *data)
{
	free(data);
}

static void on_stop(void *data)
{
	struct health_stream *h = data;
	struct conn *conn = h->conn;

	free(h);
	conn_finish(conn);
}

static const struct conn_stream_ops stream_ops = {
    .on_writable = on_writable, .on_timer = on_timer, .on_gone = on_gone, .on_stop = on_stop};

void api_health_stream(struct call *call)
{
	struct health_stream *h = mem_zalloc(1, sizeof *h);
	struct http_reply head = {
	    .status = 200, .type = "text/event-stream", .length = -1, .close = true};
	struct buf out = {0};

	h->conn = call_stream(call);
	head.origin = conn_origin(h->conn);
	http_put_reply_head(&out, &head);
	conn_set_stream(h->conn, &stream_ops, h);
	http_conn_send(conn_http(h->conn), out.p, out.len);
	buf_finish(&out);
	send_health(h);
}
