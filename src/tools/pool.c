/* Tool calls and the process that runs them. */
#include "tools/pool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/fds.h"
#include "base/list.h"
#include "base/mem.h"
#include "tools/host.h"

struct host {
	struct pool *pool; /* NULL: let go of */
	uv_process_t process;
	uv_poll_t control;
	int fd;
	unsigned open_handles;
	bool exited; /* collected: its pid may be somebody else's by now */
};

struct pool {
	struct pool_opts opts;
	char *program;	   /* owned */
	struct host *host; /* NULL: none runs */
	struct list waiting, running;
	struct list refused;   /* could not begin; told of from the loop */
	unsigned busy, queued; /* without background */
	uint64_t next_id;
};

struct pool_call {
	struct list link;
	struct pool *pool;
	struct pool_call_opts opts; /* request: used up once sent */
	struct buf frame;	    /* the request, until it runs */
	uint64_t id;
	const struct host *host; /* it runs in; only compared */
	bool network, background, piped;
	uv_pipe_t pipe;	  /* our end of its socket, once it runs */
	uv_write_t write; /* of frame */
	struct buf input;
	struct tool_answer answer;
	bool answered; /* answer is filled: told once the process is gone */
	bool eof, ended, cancelled, reading;
	bool runs;  /* background: its supervisor says so */
	pid_t pid;  /* background: 0 until the host says so */
	int status; /* once ended */
	char why[300];
};

static void fill_places(struct pool *p);

/* --- the end of a call --- */

static void free_call(struct pool_call *c)
{
	answer_finish(&c->answer);
	buf_finish(&c->frame);
	buf_finish(&c->input);
	free(c);
}

static void on_pipe_closed(uv_handle_t *handle)
{
	free_call(handle->data);
}

/* Who had a place stands behind those who wait for their first. */
static void go_behind(struct pool *p, const void *owner)
{
	struct list behind;

	list_init(&behind);
	list_each_safe (l, &p->waiting) {
		if (list_entry(l, struct pool_call, link)->opts.owner != owner)
			continue;
		list_remove(l);
		list_append(&behind, l);
	}
	list_splice(&p->waiting, &behind);
}

/* Out of the lists, its place is free. The memory goes with its pipe. */
static void retire(struct pool_call *c)
{
	list_remove(&c->link);
	if (c->piped && !c->background) {
		c->pool->busy--;
		go_behind(c->pool, c->opts.owner);
	}
	if (!c->piped && !c->background)
		c->pool->queued--;
	if (c->piped)
		uv_close((uv_handle_t *)&c->pipe, on_pipe_closed);
	else
		free_call(c);
}

static void crashed(struct pool_call *c, const char *why)
{
	c->pool->opts.on_crash(c->pool->opts.data, why);
}

/* Both happened: its socket ended and the host told of its process. */
static void maybe_done(struct pool_call *c)
{
	struct pool *p = c->pool;
	struct tool_answer none = {
	    .text = c->why, .crash = c->why, .state = "", .control = "", .repository = ""};
	char signal_text[40] = "";

	if (!c->eof || !c->ended || c->cancelled)
		return;
	c->cancelled = true; /* nothing more comes */
	if (!c->answered && !c->why[0]) {
		if (WIFSIGNALED(c->status))
			snprintf(signal_text, sizeof signal_text, " (%s)",
			    strsignal(WTERMSIG(c->status)));
		/* What its supervisor does at the end of a call, nobody did. */
		snprintf(c->why, sizeof c->why,
		    "its process ended without an answer%s, so nobody looked at what it left: look "
		    "for control files (.git, .envrc, …) in the workspace before you go on",
		    signal_text);
	}
	if (c->answered ? c->answer.crash != NULL : !c->background)
		crashed(c, c->answered ? c->answer.crash : c->why);
	c->opts.on_done(c->opts.data, c->answered ? &c->answer : &none);
	retire(c);
	fill_places(p);
}

/* --- what it says --- */

/* Its process is there, and the supervisor did not refuse to run it; the two come in any order. */
static void tell_started(struct pool_call *c)
{
	if (!c->runs || !c->pid || !c->opts.on_started)
		return;
	c->opts.on_started(c->opts.data, c->pid);
	c->opts.on_started = NULL;
}

static void on_frame(struct pool_call *c, char kind, const char *p, size_t n)
{
	switch (kind) {
	case FRAME_ANSWER:
		if (!c->answered)
			c->answered = answer_parse(p, n, &c->answer);
		break;
	case FRAME_STDOUT:
	case FRAME_STDERR:
		if (c->opts.on_output)
			c->opts.on_output(c->opts.data, kind == FRAME_STDERR, p, n);
		break;
	case FRAME_STARTED:
		c->runs = true;
		tell_started(c);
		break;
	default:
		break;
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct pool_call *c = handle->data;

	ret->base = buf_reserve(&c->input, suggested);
	ret->len = suggested;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *unused)
{
	struct pool_call *c = stream->data;
	const char *bytes;
	size_t used = 0, len;
	int64_t frame = 0;
	char kind;

	if (n < 0) {
		uv_read_stop(stream);
		c->eof = true;
		maybe_done(c);
		return;
	}
	c->input.len += (size_t)n;
	while (!c->cancelled && (frame = request_frame(c->input.p + used, c->input.len - used,
				     &kind, &bytes, &len)) > 0) {
		on_frame(c, kind, bytes, len);
		used += (size_t)frame;
	}
	/* on_output may have cancelled: the memory is there until its pipe is closed. */
	if (c->cancelled)
		return;
	buf_consume(&c->input, used);
	if (!c->input.len)
		buf_finish(&c->input);
	if (frame < 0) {
		snprintf(c->why, sizeof c->why, "it said something that is no answer");
		pool_signal(c, SIGKILL);
	}
}

static void on_written(uv_write_t *write, int status)
{
	struct pool_call *c = write->data;

	/* A failure shows as the end of the socket. */
	buf_finish(&c->frame);
}

/* --- the host --- */

static void on_host_handle_closed(uv_handle_t *handle)
{
	struct host *h = handle->data;

	if (--h->open_handles == 0)
		free(h);
}

/* Let go of it, and of all it runs. Its handle goes once it has been collected. */
static void drop_host(struct host *h)
{
	if (h->pool)
		h->pool->host = NULL;
	h->pool = NULL;
	uv_close((uv_handle_t *)&h->control, on_host_handle_closed);
	close(h->fd);
	if (!h->exited)
		uv_process_kill(&h->process, SIGKILL);
}

/* A call of that host of whose end was not heard yet, or NULL. */
static struct pool_call *find_in_host(struct pool *p, const struct host *h)
{
	list_each (l, &p->running) {
		struct pool_call *c = list_entry(l, struct pool_call, link);

		if (c->host == h && !c->ended)
			return c;
	}
	return NULL;
}

/* Without namespaces its supervisor is not killed with the host: it ends, with all it started, when
 * our side of its socket does. */
static void let_go(struct pool_call *c)
{
	uv_os_fd_t fd;

	if (c->piped && uv_fileno((const uv_handle_t *)&c->pipe, &fd) == 0)
		shutdown(fd, SHUT_WR);
}

/* The host is gone: so is all that ran in it. */
static void lose_host(struct host *h)
{
	struct pool *p = h->pool;
	struct pool_call *c;

	if (!p)
		return;
	drop_host(h);
	/* Each callback may end other calls and begin new ones, in a new host: look anew. */
	while ((c = find_in_host(p, h))) {
		if (!c->answered)
			snprintf(c->why, sizeof c->why, "the tool host ended");
		c->ended = true;
		let_go(c);
		maybe_done(c);
	}
}

static void on_host_exit(uv_process_t *process, int64_t status, int signum)
{
	struct host *h = process->data;

	h->exited = true;
	if (h->pool)
		lose_host(h);
	uv_close((uv_handle_t *)process, on_host_handle_closed);
}

static struct pool_call *find_call(struct pool *p, uint64_t id)
{
	list_each (l, &p->running) {
		struct pool_call *c = list_entry(l, struct pool_call, link);

		if (c->id == id)
			return c;
	}
	return NULL;
}

static void on_message(struct pool *p, const struct host_message *m)
{
	struct pool_call *c;

	if (m->op == HOST_HELLO) {
		p->opts.on_support(p->opts.data, &m->support);
		return;
	}
	c = find_call(p, m->id);
	if (!c)
		return;
	if (m->op == HOST_STARTED && m->pid < 0) {
		snprintf(
		    c->why, sizeof c->why, "no process could be started: %s", strerror(-m->pid));
		c->ended = true;
		maybe_done(c);
	} else if (m->op == HOST_STARTED) {
		c->pid = m->pid;
		tell_started(c);
	} else if (m->op == HOST_ENDED) {
		c->status = m->status;
		c->ended = true;
		maybe_done(c);
	}
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	struct host *h = poll->data;

	while (h->pool) {
		unsigned char bytes[sizeof(struct host_message) + 1];
		struct host_message m;
		ssize_t n = recv(h->fd, bytes, sizeof bytes, MSG_DONTWAIT);

		if (n > 0 && host_message_take(bytes, (size_t)n, &m)) {
			on_message(h->pool, &m);
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		lose_host(h);
		return;
	}
}

/* What the host, and through it commands, know of our environment. */
static char **host_environment(void)
{
	static const char *const kept[] = {
	    "PATH",
	    "HOME",
	    "USER",
	    "LOGNAME",
	    "SHELL",
	    "LANG",
	    "LANGUAGE",
	    "LC_ALL",
	    "LC_CTYPE",
	    "LC_MESSAGES",
	    "TZ",
	    "SSH_AUTH_SOCK",
	    /* Sanitizer builds say where their reports go. */
	    "ASAN_OPTIONS",
	    "UBSAN_OPTIONS",
	    "TSAN_OPTIONS",
	    "LSAN_OPTIONS",
#ifdef OPTA_LAYERS
	    "OPTA_SANDBOX_OFF",
#endif
	};
	static const size_t count = sizeof kept / sizeof kept[0];
	char **env = mem_zalloc(count + 1, sizeof *env);
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const char *value = getenv(kept[i]);
		struct buf line = {0};

		if (!value)
			continue;
		buf_addf(&line, "%s=%s", kept[i], value);
		env[n++] = buf_steal(&line);
	}
	return env;
}

static int spawn_host(struct pool *p, struct host *h, int theirs)
{
	char port[16], *args[] = {p->program, (char *)(uintptr_t) "tool-host", port, NULL};
	char **env = host_environment();
	uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE},
	    {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	    {.flags = UV_INHERIT_FD, .data.fd = theirs}};
	uv_process_options_t opts = {.file = p->program,
	    .args = args,
	    .env = env,
	    .cwd = "/",
	    .stdio = stdio,
	    .stdio_count = 4,
	    .exit_cb = on_host_exit};
	int rc;

	snprintf(port, sizeof port, "%d", p->opts.port);
	rc = uv_spawn(p->opts.loop, &h->process, &opts);
	for (size_t i = 0; env[i]; i++)
		free(env[i]);
	free(env);
	return rc;
}

/* Have a host. 0 or a negative errno. */
static int need_host(struct pool *p)
{
	int fds[2], rc;
	struct host *h;

	if (p->host)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	h = mem_zalloc(1, sizeof *h);
	h->pool = p;
	h->fd = fds[0];
	h->process.data = h;
	rc = spawn_host(p, h, fds[1]);
	close(fds[1]);
	if (rc != 0) {
		/* A handle that failed to spawn still wants to be closed. */
		h->pool = NULL;
		h->open_handles = 1;
		close(h->fd);
		uv_close((uv_handle_t *)&h->process, on_host_handle_closed);
		return rc;
	}
	h->open_handles = 2;
	uv_unref((uv_handle_t *)&h->process);
	uv_poll_init(p->opts.loop, &h->control, h->fd);
	h->control.data = h;
	uv_poll_start(&h->control, UV_READABLE, on_control);
	uv_unref((uv_handle_t *)&h->control);
	p->host = h;
	return 0;
}

static int send_to_host(struct host *h, const struct host_message *m, int fd)
{
	return fds_send(h->fd, m, sizeof *m, &fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT);
}

/* --- running --- */

static int run_call(struct pool_call *c)
{
	struct pool *p = c->pool;
	uv_buf_t bytes = uv_buf_init(c->frame.p, (unsigned)c->frame.len);
	int fds[2], rc = need_host(p);

	if (rc != 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	rc = send_to_host(p->host,
	    &(struct host_message){.op = HOST_START, .id = c->id, .network = c->network}, fds[1]);
	close(fds[1]);
	if (rc != 0) {
		close(fds[0]);
		return rc;
	}
	uv_pipe_init(p->opts.loop, &c->pipe, 0);
	c->pipe.data = c;
	c->host = p->host;
	rc = uv_pipe_open(&c->pipe, fds[0]);
	assert(rc == 0);
	c->piped = c->reading = true;
	c->write.data = c;
	uv_write(&c->write, (uv_stream_t *)&c->pipe, &bytes, 1, on_written);
	uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
	return 0;
}

/* A call that could not even begin is told of from the loop, like all ends. */
static void on_refused(uv_handle_t *handle)
{
	struct pool_call *c = handle->data;
	struct tool_answer a = {
	    .text = c->why, .crash = c->why, .state = "", .control = "", .repository = ""};

	if (!c->cancelled) {
		list_remove(&c->link);
		c->cancelled = true;
		crashed(c, c->why);
		c->opts.on_done(c->opts.data, &a);
	}
	free_call(c);
}

static void refuse(struct pool_call *c, int rc)
{
	snprintf(c->why, sizeof c->why, "no process could be started for it: %s", uv_strerror(rc));
	list_remove(&c->link);
	list_append(&c->pool->refused, &c->link);
	uv_pipe_init(c->pool->opts.loop, &c->pipe, 0);
	c->pipe.data = c;
	uv_close((uv_handle_t *)&c->pipe, on_refused);
}

/* The waiting call whose owner has the fewest running; of those the first. */
static struct pool_call *choose(struct pool *p)
{
	struct pool_call *best = NULL;
	unsigned fewest = ~0U;

	list_each (l, &p->waiting) {
		struct pool_call *c = list_entry(l, struct pool_call, link);
		unsigned n = 0;

		list_each (r, &p->running) {
			const struct pool_call *other = list_entry(r, struct pool_call, link);

			n += !other->background && other->opts.owner == c->opts.owner;
		}
		if (n < fewest) {
			fewest = n;
			best = c;
		}
	}
	return best;
}

static void run_now(struct pool_call *c)
{
	struct pool *p = c->pool;
	int rc;

	list_remove(&c->link);
	list_append(&p->running, &c->link);
	if (!c->background) {
		p->queued--;
		p->busy++;
	}
	rc = run_call(c);
	if (rc == 0)
		return;
	if (!c->background)
		p->busy--;
	refuse(c, rc);
}

static void fill_places(struct pool *p)
{
	while (p->busy < p->opts.workers) {
		struct pool_call *c = choose(p);

		if (!c)
			return;
		run_now(c);
	}
}

struct pool_call *pool_start(struct pool *p, const struct pool_call_opts *opts)
{
	struct pool_call *c = mem_zalloc(1, sizeof *c);
	struct buf json = {0};

	c->pool = p;
	c->opts = *opts;
	c->id = ++p->next_id;
	c->network = opts->request.network;
	c->background = opts->request.step == STEP_BACKGROUND;
	request_put(&json, &opts->request);
	request_put_frame(&c->frame, FRAME_REQUEST, json.p, json.len);
	buf_finish(&json);
	list_append(&p->waiting, &c->link);
	if (c->background) {
		run_now(c);
	} else {
		p->queued++;
		fill_places(p);
	}
	return c;
}

void pool_cancel(struct pool_call *c)
{
	struct pool *p;

	if (!c || c->cancelled)
		return;
	p = c->pool;
	c->cancelled = true;
	if (c->why[0] && !c->piped) {
		list_remove(&c->link);
		return; /* on_refused frees it */
	}
	if (c->piped && p->host)
		send_to_host(p->host,
		    &(struct host_message){.op = HOST_SIGNAL, .id = c->id, .signum = SIGKILL}, -1);
	retire(c);
	fill_places(p);
}

void pool_signal(struct pool_call *c, int signum)
{
	if (c->piped && !c->cancelled && c->pool->host)
		send_to_host(c->pool->host,
		    &(struct host_message){.op = HOST_SIGNAL, .id = c->id, .signum = signum}, -1);
}

void pool_read(struct pool_call *c, bool on)
{
	if (!c->piped || c->cancelled || c->eof || c->reading == on)
		return;
	c->reading = on;
	if (on)
		uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
	else
		uv_read_stop((uv_stream_t *)&c->pipe);
}

struct pool *pool_new(const struct pool_opts *opts)
{
	struct pool *p = mem_zalloc(1, sizeof *p);

	p->opts = *opts;
	p->program = mem_strdup(opts->program);
	list_init(&p->waiting);
	list_init(&p->running);
	list_init(&p->refused);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	p->opts.workers = 0;
	list_each_safe (l, &p->waiting) {
		pool_cancel(list_entry(l, struct pool_call, link));
	}
	list_each_safe (l, &p->refused) {
		pool_cancel(list_entry(l, struct pool_call, link));
	}
	list_each_safe (l, &p->running) {
		pool_cancel(list_entry(l, struct pool_call, link));
	}
	if (p->host)
		drop_host(p->host);
	free(p->program);
	free(p);
}

void pool_set_workers(struct pool *p, unsigned workers)
{
	p->opts.workers = workers;
	fill_places(p);
}

void pool_set_port(struct pool *p, int port)
{
	p->opts.port = port;
}

void pool_counts(const struct pool *p, struct pool_counts *ret)
{
	*ret =
	    (struct pool_counts){.workers = p->opts.workers, .busy = p->busy, .queued = p->queued};
}
