/* What all connections share, and what the daemon says of itself. */
#include "daemon/server.h"

#include <sys/resource.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/os.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "net/listener.h"
#include "protocol/version.h"
#include "session/core.h"

#include <unistd.h>

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

void server_on_accept(void *data, int fd)
{
	struct server *s = data;

	if (s->stopping || s->conn_count >= s->max_conns) {
		close(fd);
		return;
	}
	if (s->stranger_count >= SERVER_MAX_STRANGERS)
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

void server_put_runtime(struct server *s, struct buf *out)
{
	struct core_counts n;

	core_counts(s->core, &n);
	buf_addf(out,
	    "{\"sessionCount\":%llu,\"activeTurnCount\":%llu,\"queuedTurnCount\":%llu,"
	    "\"subscriberCount\":%u,"
	    "\"ingressSeq\":%llu,\"toolWorkers\":{\"workers\":%u,\"busy\":%u,\"queued\":%u},"
	    "\"latency\":{\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"samples\":%zu},\"memoryMB\":%.1f,"
	    "\"totalTurns\":%llu}",
	    (unsigned long long)n.sessions, (unsigned long long)n.active_turns,
	    (unsigned long long)n.queued_turns, s->subscribers, (unsigned long long)s->requests,
	    n.tool_workers, n.tools_busy, n.tools_queued, (double)n.latency_p50_us / 1000.0,
	    (double)n.latency_p99_us / 1000.0, n.latency_samples,
	    (double)os_memory_bytes() / 1048576.0, (unsigned long long)n.turns);
}

void server_put_health(struct server *s, struct buf *out)
{
	buf_adds(out, "{\"status\":\"ok\",\"version\":\"" OPTA_VERSION "\",\"daemonId\":");
	json_put_cstr(out, s->daemon_id);
	buf_addf(out,
	    ",\"contract\":{\"name\":\"" OPTA_CONTRACT_NAME
	    "\",\"version\":%d},\"uptime\":%llu,\"runtime\":",
	    OPTA_CONTRACT_VERSION,
	    (unsigned long long)((clock_mono_us() - s->started_us) / 1000000));
	server_put_runtime(s, out);
	buf_addc(out, '}');
}
