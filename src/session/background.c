/* Background processes. */
#include "session/background.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "protocol/events.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/rules.h"
#include "session/session.h"
#include "tools/pool.h"
#include "tools/tool.h"
#include "tools/workspace.h"

enum process_state { RUNNING, COMPLETED, FAILED, KILLED, TIMED_OUT };

static const char *const state_names[] = {"running", "completed", "failed", "killed", "timeout"};

struct chunk {
	struct list link;
	uint64_t seq;
	int64_t ts_ms;
	bool err;
	size_t len;
	char text[];
};

struct process {
	struct list link;
	struct background *background;
	struct session *session; /* owned reference while it runs, then NULL */
	char id[32];
	char *session_id, *command, *label, *cwd; /* owned; label NULL: none */
	struct pool_call *call;			  /* while it runs */
	enum process_state state;
	int pid, exit_code, killed_by;
	bool has_exit, log_full;
	int64_t started_ms, ended_ms;
	uint64_t started_us, ended_us, timeout_ms;
	struct list chunks;
	size_t ring_bytes, logged_bytes;
	uint64_t next_seq;
	struct buf partial[2]; /* the beginning of a character, of stdout and stderr */
	size_t burst;
	uv_timer_t timer; /* the wait for a pid, then the pause after a burst; carries the free */
	background_await_cb *await; /* who waits for the pid, or NULL */
	void *await_data;
};

struct background {
	struct core *core;
	struct list processes; /* oldest first */
	unsigned running, ended;
};

/* --- as JSON --- */

static void put_text(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, ",\"%s\":", name);
	json_put_cstr(out, value);
}

static void put_time(struct buf *out, const char *name, int64_t ms)
{
	char iso[CLOCK_ISO_SIZE];

	clock_iso(ms, iso);
	put_text(out, name, iso);
}

static void put_process(const struct process *p, struct buf *out)
{
	uint64_t end = p->state == RUNNING ? clock_mono_us() : p->ended_us;

	buf_adds(out, "{\"processId\":");
	json_put_cstr(out, p->id);
	put_text(out, "sessionId", p->session_id);
	buf_addf(out, ",\"pid\":%d", p->pid);
	put_text(out, "command", p->command);
	if (p->label)
		put_text(out, "label", p->label);
	put_text(out, "cwd", p->cwd);
	put_text(out, "state", state_names[p->state]);
	if (p->has_exit)
		buf_addf(out, ",\"exitCode\":%d", p->exit_code);
	else
		buf_adds(out, ",\"exitCode\":null");
	put_time(out, "startedAt", p->started_ms);
	if (p->state == RUNNING)
		buf_adds(out, ",\"endedAt\":null");
	else
		put_time(out, "endedAt", p->ended_ms);
	buf_addf(out, ",\"runtimeMs\":%" PRIu64 ",\"timeoutMs\":%" PRIu64 "}",
	    (end - p->started_us) / 1000, p->timeout_ms);
}

static void append_status(struct process *p, const char *reason, const char *previous)
{
	struct buf payload = {0};

	buf_adds(&payload, "{\"process\":");
	put_process(p, &payload);
	put_text(&payload, "reason", reason);
	if (previous)
		put_text(&payload, "previousState", previous);
	if (p->killed_by)
		put_text(&payload, "signal",
		    p->killed_by == SIGKILL  ? "SIGKILL"
		    : p->killed_by == SIGINT ? "SIGINT"
					     : "SIGTERM");
	buf_addc(&payload, '}');
	session_append(p->session, EVENT_BACKGROUND_STATUS, &payload);
	buf_finish(&payload);
}

static void append_output(struct process *p, const struct chunk *c)
{
	struct buf payload = {0};

	buf_adds(&payload, "{\"processId\":");
	json_put_cstr(&payload, p->id);
	put_text(&payload, "sessionId", p->session_id);
	buf_addf(&payload, ",\"pid\":%d,\"seq\":%" PRIu64, p->pid, c->seq);
	put_time(&payload, "ts", c->ts_ms);
	put_text(&payload, "stream", c->err ? "stderr" : "stdout");
	buf_adds(&payload, ",\"text\":");
	json_put_str(&payload, c->text, c->len);
	buf_addc(&payload, '}');
	session_append(p->session, EVENT_BACKGROUND_OUTPUT, &payload);
	buf_finish(&payload);
}

/* --- output --- */

static size_t ring_limit(const struct process *p)
{
	return (size_t)config_int(p->background->core->opts.config, "background.outputBytes");
}

static void add_chunk(struct process *p, bool err, const char *text, size_t n)
{
	struct chunk *c = mem_zalloc(1, sizeof *c + n);

	c->seq = ++p->next_seq;
	c->ts_ms = clock_wall_ms();
	c->err = err;
	c->len = n;
	memcpy(c->text, text, n);
	list_append(&p->chunks, &c->link);
	p->ring_bytes += n + BACKGROUND_PIECE_COST;
	while (p->ring_bytes > ring_limit(p) && p->chunks.next != &c->link) {
		struct chunk *old = list_entry(p->chunks.next, struct chunk, link);

		p->ring_bytes -= old->len + BACKGROUND_PIECE_COST;
		list_remove(&old->link);
		free(old);
	}
	/* A process may write for days: the log takes as much as the ring, then only the ring does.
	 */
	if (p->logged_bytes + n + BACKGROUND_PIECE_COST <= ring_limit(p)) {
		p->logged_bytes += n + BACKGROUND_PIECE_COST;
		append_output(p, c);
	} else if (!p->log_full) {
		p->log_full = true;
		append_status(p, "output-limit", NULL);
	}
}

/* Text of one stream: a character cut at a chunk's end waits for its rest, what is none becomes
 * U+FFFD. */
static void take_text(struct process *p, bool err, const char *bytes, size_t n)
{
	struct buf *partial = &p->partial[err], text = {0};

	buf_add(partial, bytes, n);
	buf_consume(partial, partial->len - utf8_repair(&text, partial->p, partial->len, n > 0));
	if (text.len)
		add_chunk(p, err, text.p, text.len);
	buf_finish(&text);
}

static void on_pause_over(uv_timer_t *timer)
{
	struct process *p = timer->data;

	p->burst = 0;
	if (p->call)
		pool_read(p->call, true);
}

static void on_output(void *data, bool err, const char *bytes, size_t n)
{
	struct process *p = data;

	take_text(p, err, bytes, n);
	p->burst += n + BACKGROUND_PIECE_COST;
	if (p->burst < BACKGROUND_BURST)
		return;
	pool_read(p->call, false);
	uv_timer_start(&p->timer, on_pause_over, BACKGROUND_PAUSE_MS, 0);
}

/* --- life --- */

static struct process *find_process(
    const struct background *b, const char *id, const char *session_id)
{
	list_each (l, &((struct background *)(uintptr_t)b)->processes) {
		struct process *p = list_entry(l, struct process, link);

		if (id && strcmp(p->id, id) == 0 &&
		    (!session_id || strcmp(p->session_id, session_id) == 0))
			return p;
	}
	return NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct process *p = handle->data;

	list_each_safe (l, &p->chunks) {
		free(list_entry(l, struct chunk, link));
	}
	buf_finish(&p->partial[0]);
	buf_finish(&p->partial[1]);
	free(p->session_id);
	free(p->command);
	free(p->label);
	free(p->cwd);
	free(p);
}

static void forget(struct process *p)
{
	list_remove(&p->link);
	if (p->state != RUNNING)
		p->background->ended--;
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

static void forget_oldest(struct background *b)
{
	list_each_safe (l, &b->processes) {
		struct process *p = list_entry(l, struct process, link);

		if (b->ended <= BACKGROUND_MAX_ENDED)
			return;
		if (p->state != RUNNING)
			forget(p);
	}
}

/* Whoever waits for the process to be started waits no longer. */
static void tell_started(struct process *p, const char *refused)
{
	background_await_cb *await = p->await;

	p->await = NULL;
	if (!await)
		return;
	uv_timer_stop(&p->timer);
	await(p->await_data, p->id, refused);
}

static void on_await_late(uv_timer_t *timer)
{
	tell_started(timer->data, NULL);
}

void background_await(struct background *b, const char *id, background_await_cb *done, void *data)
{
	struct process *p = find_process(b, id, NULL);

	assert(p && !p->await);
	p->await = done;
	p->await_data = data;
	if (p->pid || p->state != RUNNING)
		tell_started(p, NULL);
	else
		uv_timer_start(&p->timer, on_await_late, BACKGROUND_AWAIT_MS, 0);
}

static void ended(struct process *p, enum process_state state, const char *reason)
{
	struct session *s = p->session;
	bool refused = state == FAILED && !p->pid && p->await;

	p->call = NULL;
	uv_timer_stop(&p->timer);
	take_text(p, false, "", 0);
	take_text(p, true, "", 0);
	p->state = state;
	p->ended_ms = clock_wall_ms();
	p->ended_us = clock_mono_us();
	/* Of what never was there is no story. */
	if (!refused)
		append_status(p, reason, "running");
	tell_started(p, refused ? reason : NULL);
	p->background->running--;
	p->background->ended++;
	p->session = NULL;
	session_save(s, false, NULL, NULL);
	session_unref(s);
	if (refused)
		forget(p);
	else
		forget_oldest(p->background);
}

static void on_started(void *data, pid_t pid)
{
	struct process *p = data;

	p->pid = (int)pid;
	append_status(p, "started", NULL);
	tell_started(p, NULL);
}

static void on_done(void *data, const struct tool_answer *a)
{
	struct process *p = data;

	if (a->unguarded && a->unguarded[0])
		core_notice(p->background->core, LOG_WARN, "%s", a->text);
	if (a->warning && a->warning[0])
		core_notice(p->background->core, LOG_WARN, "%s", a->warning);
	p->has_exit = a->has_exit;
	p->exit_code = a->exit_code;
	if (a->timed_out)
		ended(p, TIMED_OUT, "timeout");
	else if (p->killed_by)
		ended(p, KILLED, "killed");
	else if (a->has_exit && a->exit_code == 0)
		ended(p, COMPLETED, "exited");
	else
		ended(p, FAILED, a->crash ? a->crash : "exited");
}

struct background *background_new(struct core *core)
{
	struct background *b = mem_zalloc(1, sizeof *b);

	b->core = core;
	list_init(&b->processes);
	return b;
}

void background_end(struct background *b, const struct session *s)
{
	list_each_safe (l, &b->processes) {
		struct process *p = list_entry(l, struct process, link);

		if (p->state != RUNNING || (s && p->session != s))
			continue;
		pool_cancel(p->call);
		p->killed_by = SIGKILL;
		ended(p, KILLED, s ? "session-deleted" : "daemon-stop");
	}
}

void background_free(struct background *b)
{
	if (!b)
		return;
	background_end(b, NULL);
	list_each_safe (l, &b->processes) {
		forget(list_entry(l, struct process, link));
	}
	free(b);
}

static bool cwd_inside(const char *workspace, const char *cwd)
{
	struct buf plain = {0};
	bool inside = workspace_plain(workspace, cwd, &plain);

	buf_finish(&plain);
	return inside;
}

enum api_error background_start(struct background *b, struct session *s,
    const struct request_background *r, const char **ret_id, char *why, size_t size)
{
	const struct config *config = b->core->opts.config;
	int64_t most = config_int(config, "background.maxConcurrent");
	struct buf workspace = {0};
	json_t *args, *sockets;
	struct process *p;

	if (b->core->stopping) {
		snprintf(why, size, "the daemon is stopping and starts no more processes");
		return API_SHUTTING_DOWN;
	}
	if (!session_workspace(s, &workspace) || strcmp(buf_cstr(&workspace), "/") == 0) {
		snprintf(why, size, "this session has no workspace to run in");
		buf_finish(&workspace);
		return API_INVALID_REQUEST;
	}
	if (!r->asked && r->cwd && !cwd_inside(buf_cstr(&workspace), r->cwd)) {
		snprintf(why, size,
		    "the cwd lies outside the workspace %.150s: name a directory within it",
		    buf_cstr(&workspace));
		buf_finish(&workspace);
		return API_INVALID_REQUEST;
	}
	if (b->running >= (unsigned)most) {
		snprintf(why, size,
		    "%u background processes run, which is the limit: end one, or `opta config set "
		    "background.maxConcurrent N`",
		    b->running);
		buf_finish(&workspace);
		return API_CONFLICT;
	}
	p = mem_zalloc(1, sizeof *p);
	p->background = b;
	p->session = session_ref(s);
	ids_make("bg_", 8, p->id, sizeof p->id);
	p->session_id = mem_strdup(s->row.id);
	p->command = mem_strdup(r->command);
	p->label = r->label ? mem_strdup(r->label) : NULL;
	p->cwd = mem_strdup(r->cwd ? r->cwd : buf_cstr(&workspace));
	p->timeout_ms =
	    r->timeout_ms ? r->timeout_ms : (uint64_t)config_int(config, "background.timeoutMs");
	p->started_ms = clock_wall_ms();
	p->started_us = clock_mono_us();
	list_init(&p->chunks);
	uv_timer_init(b->core->opts.loop, &p->timer);
	p->timer.data = p;
	list_append(&b->processes, &p->link);
	b->running++;
	sockets = rules_sockets(config);
	args = json_pack("{s:s, s:s}", "command", p->command, "cwd", p->cwd);
	p->call = pool_start(
	    b->core->pool, &(struct pool_call_opts){
			       .request = {.step = STEP_BACKGROUND,
				   .tool = "run_command",
				   .workspace = buf_cstr(&workspace),
				   .session = p->session_id,
				   .call = p->id,
				   .hidden = b->core->opts.home,
				   .network = config_bool(config, "tools.network"),
				   .sockets = sockets,
				   .repositories = r->repositories,
				   .any_repository = r->any_repository,
				   .unguarded = r->unguarded,
				   .memory_mb = (int)config_int(config, "daemon.toolMemoryMb"),
				   .timeout_ms = p->timeout_ms,
				   .args = args},
			       .owner = s,
			       .on_started = on_started,
			       .on_output = on_output,
			       .on_done = on_done,
			       .data = p});
	json_decref(args);
	json_decref(sockets);
	buf_finish(&workspace);
	*ret_id = p->id;
	return API_OK;
}

/* --- looking --- */

bool background_put(
    const struct background *b, const char *id, const char *session_id, struct buf *out)
{
	const struct process *p = find_process(b, id, session_id);

	if (p)
		put_process(p, out);
	return p != NULL;
}

void background_put_list(const struct background *b, const char *session_id, struct buf *out)
{
	bool first = true;

	list_each (l, &((struct background *)(uintptr_t)b)->processes) {
		const struct process *p = list_entry(l, struct process, link);

		if (session_id && strcmp(p->session_id, session_id) != 0)
			continue;
		buf_adds(out, first ? "" : ",");
		put_process(p, out);
		first = false;
	}
}

static void put_chunk(const struct chunk *c, struct buf *out)
{
	buf_addf(out, "{\"seq\":%" PRIu64, c->seq);
	put_time(out, "ts", c->ts_ms);
	put_text(out, "stream", c->err ? "stderr" : "stdout");
	buf_adds(out, ",\"text\":");
	json_put_str(out, c->text, c->len);
	buf_addc(out, '}');
}

bool background_put_output(const struct background *b, const char *id, const char *session_id,
    uint64_t after, uint64_t limit, const char *stream, struct buf *out)
{
	struct process *p = find_process(b, id, session_id);
	uint64_t count = 0, next = after;
	bool more = false;

	if (!p)
		return false;
	buf_adds(out, "{\"process\":");
	put_process(p, out);
	buf_adds(out, ",\"chunks\":[");
	list_each (l, &p->chunks) {
		const struct chunk *c = list_entry(l, struct chunk, link);

		if (c->seq <= after)
			continue;
		if (count == limit) {
			more = true;
			break;
		}
		next = c->seq;
		if (strcmp(stream, "both") != 0 && (strcmp(stream, "stderr") == 0) != c->err)
			continue;
		buf_adds(out, count++ ? "," : "");
		put_chunk(c, out);
	}
	buf_addf(out, "],\"nextSeq\":%" PRIu64 ",\"hasMore\":%s}", next, more ? "true" : "false");
	return true;
}

bool background_kill(
    struct background *b, const char *id, const char *session_id, int signum, bool *ret_killed)
{
	struct process *p = find_process(b, id, session_id);

	if (!p)
		return false;
	*ret_killed = p->state == RUNNING;
	if (p->state == RUNNING) {
		p->killed_by = signum;
		pool_signal(p->call, signum);
		/* One that waits to be read must be, to hear of it. */
		pool_read(p->call, true);
	}
	return true;
}

/* --- as tools --- */

static bool tool_start(
    struct background *b, struct session *s, const struct background_call *call, struct buf *out)
{
	const json_t *args = call->args;
	struct request_background r = {.repositories = call->repositories,
	    .any_repository = call->any_repository,
	    .unguarded = call->unguarded,
	    .asked = true,
	    .command = json_cstr(args, "command", ""),
	    .label = json_cstr(args, "label", NULL),
	    .cwd = json_cstr(args, "cwd", NULL),
	    .timeout_ms = (uint64_t)json_int(args, "timeoutMs", 0)};
	const char *id;
	char why[300];

	if (background_start(b, s, &r, &id, why, sizeof why) != API_OK) {
		buf_adds(out, why);
		return false;
	}
	buf_addf(out, "started: processId %s; bg_output shows what it writes", id);
	return true;
}

/* What it wrote after chunk `after`, as text: whole chunks while they fit, at least one. */
static void put_text_of(struct process *p, uint64_t after, struct buf *out)
{
	uint64_t last = after;
	bool more = false;

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the list is made with p */
	list_each (l, &p->chunks) {
		const struct chunk *c = list_entry(l, struct chunk, link);

		if (c->seq <= after)
			continue;
		if (out->len && out->len + c->len > TOOL_MAX_TEXT / 2) {
			more = true;
			break;
		}
		buf_add(out, c->text,
		    c->len < TOOL_MAX_TEXT ? c->len : str_utf8_valid(c->text, TOOL_MAX_TEXT));
		last = c->seq;
	}
	if (!out->len)
		buf_adds(out, "(nothing new)\n");
	buf_addf(out, "\n[%s; afterSeq=%" PRIu64 " for what follows%s]\n", state_names[p->state],
	    last, more ? ", there is more already" : "");
}

bool background_tool(
    struct background *b, struct session *s, const struct background_call *call, struct buf *out)
{
	const char *name = call->name;
	const json_t *args = call->args;
	const char *id = json_cstr(args, "processId", NULL), *signal_name;
	struct process *p = id ? find_process(b, id, s->row.id) : NULL;
	bool killed = false;

	if (strcmp(name, "bg_start") == 0)
		return tool_start(b, s, call, out);
	if (id && !p) {
		buf_addf(out, "there is no background process %.64s in this session", id);
		return false;
	}
	if (strcmp(name, "bg_status") == 0) {
		if (p)
			put_process(p, out);
		else
			background_put_list(b, s->row.id, out);
		if (!out->len)
			buf_adds(out, "no background process was started in this session");
		return true;
	}
	if (strcmp(name, "bg_output") == 0) {
		put_text_of(p, (uint64_t)json_int(args, "afterSeq", 0), out);
		return true;
	}
	signal_name = json_cstr(args, "signal", "SIGTERM");
	background_kill(b, id, s->row.id,
	    strcmp(signal_name, "SIGKILL") == 0	 ? SIGKILL
	    : strcmp(signal_name, "SIGINT") == 0 ? SIGINT
						 : SIGTERM,
	    &killed);
	buf_adds(out, killed ? "told to end" : "it had ended already");
	return true;
}
