/* What all connections share, and what the daemon says of itself. */
#include "daemon/server.h"

#include <assert.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/os.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "net/listener.h"
#include "protocol/version.h"

/* Descriptors kept for everything that is no client: database, log, model streams, tools. */
enum { SERVER_OWN_DESCRIPTORS = 256 };

void server_init(struct server *s)
{
	struct rlimit files;

	list_init(&s->conns);
	list_init(&s->strangers);
	list_init(&s->models_asked);
	s->max_conns = SERVER_MAX_CONNS;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	/* A socket each: take what the system allows. */
	if (files.rlim_cur < files.rlim_max) {
		files.rlim_cur =
		    files.rlim_max < SERVER_MAX_CONNS * 2 ? files.rlim_max : SERVER_MAX_CONNS * 2;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur < s->max_conns + SERVER_OWN_DESCRIPTORS)
		s->max_conns = files.rlim_cur > 2 * SERVER_OWN_DESCRIPTORS
				   ? (unsigned)files.rlim_cur - SERVER_OWN_DESCRIPTORS
				   : (unsigned)files.rlim_cur / 2;
}

void server_on_accept(void *data, int fd, bool last)
{
	struct server *s = data;
	bool full = last || s->conn_count >= s->max_conns;

	if (s->stopping || (full && list_empty(&s->strangers))) {
		close(fd);
		return;
	}
	if (full || s->stranger_count >= SERVER_MAX_STRANGERS)
		conn_close(conn_of_link(s->strangers.next));
	conn_new(s, fd);
}

void server_stop(struct server *s)
{
	s->stopping = true;
	listener_close(s->listener);
	s->listener = NULL;
	api_models_stop(s);
	list_splice(&s->conns, &s->strangers);
	list_each_safe (l, &s->conns) {
		conn_stop(conn_of_link(l));
	}
}

bool server_hold(struct server *s, size_t have, size_t n)
{
	if (have + n > SERVER_SMALL_BODY && s->body_bytes + n > SERVER_MAX_BODIES)
		return false;
	s->body_bytes += n;
	return true;
}

void server_release(struct server *s, size_t n)
{
	assert(n <= s->body_bytes);
	s->body_bytes -= n;
}

/* The answer's words for the figures, written once for all who ask until they are read anew. */
static void write_gauges(struct server_gauges *g)
{
	const uint64_t mib = 1024 * 1024, tenths = (g->memory * 10 + mib / 2) / mib;
	const struct core_latency *l = &g->latency;

	snprintf(g->json, sizeof g->json,
	    "\"latency\":{\"p50Ms\":%" PRIu64 ".%03" PRIu64 ",\"p99Ms\":%" PRIu64 ".%03" PRIu64
	    ",\"samples\":%zu},\"memoryMB\":%" PRIu64 ".%" PRIu64,
	    l->p50_us / 1000, l->p50_us % 1000, l->p99_us / 1000, l->p99_us % 1000, l->samples,
	    tenths / 10, tenths % 10);
}

const struct server_gauges *server_gauges(struct server *s)
{
	struct server_gauges *g = &s->gauges;
	uint64_t now = uv_now(s->loop);

	if (g->read_ms && now - g->read_ms < SERVER_GAUGES_MS)
		return g;
	g->read_ms = now;
	g->memory = os_memory_bytes();
	core_latency(s->core, &g->latency);
	write_gauges(g);
	return g;
}

static inline void put_number(struct buf *out, const char *name, uint64_t value)
{
	buf_adds(out, name);
	buf_addu(out, value);
}

void server_put_runtime(struct server *s, struct buf *out)
{
	const struct server_gauges *g = server_gauges(s);
	struct core_counts n;

	core_counts(s->core, &n);
	put_number(out, "{\"sessionCount\":", n.sessions);
	put_number(out, ",\"activeTurnCount\":", n.active_turns);
	put_number(out, ",\"queuedTurnCount\":", n.queued_turns);
	put_number(out, ",\"subscriberCount\":", s->subscribers);
	put_number(out, ",\"ingressSeq\":", s->requests);
	put_number(out, ",\"toolWorkers\":{\"workers\":", n.tool_workers);
	put_number(out, ",\"busy\":", n.tools_busy);
	put_number(out, ",\"queued\":", n.tools_queued);
	buf_adds(out, "},");
	buf_adds(out, g->json);
	put_number(out, ",\"totalTurns\":", n.turns);
	buf_addc(out, '}');
}

void server_put_health(struct server *s, struct buf *out)
{
	buf_adds(out, "{\"status\":\"ok\",\"version\":\"" OPTA_VERSION "\",\"daemonId\":\"");
	buf_adds(out, s->daemon_id);
	buf_adds(out, "\",\"contract\":{\"name\":\"" OPTA_CONTRACT_NAME "\"");
	put_number(out, ",\"version\":", OPTA_CONTRACT_VERSION);
	put_number(out, "},\"uptime\":", (clock_mono_us() - s->started_us) / 1000000);
	buf_adds(out, ",\"runtime\":");
	server_put_runtime(s, out);
	buf_addc(out, '}');
}
