/* One tool call and everything it starts. */
#include "tools/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fds.h"
#include "base/file.h"
#include "base/json.h"
#include "tools/aside.h"
#include "tools/broker.h"
#include "tools/children.h"
#include "tools/control_group.h"
#include "tools/limits.h"
#include "tools/output.h"
#include "tools/request.h"
#include "tools/tool.h"
#include "tools/usage.h"
#include "tools/view.h"
#include "tools/workspace.h"

enum {
	SUPERVISOR_REQUEST_MS = 10000, /* for the request to arrive */
	/* Background: looked at less often, as it may run for days. */
	SUPERVISOR_LOOK_BACKGROUND_MS = 100,
	/* In the tool until it is confined. */
	TOOL_RULES_FD = 3,
	TOOL_BROKER_FD = 4, /* the broker's end of its socket */
	TOOL_LINK_FD = 5,   /* gives the listener to the supervisor */
	/* Who forks without end dies without end: other things are looked at in between. */
	SUPERVISOR_REAP_AT_ONCE = 64,
	SUPERVISOR_END_MS = 2000, /* for what was killed to be gone */
	/* One read of a pipe. */
	SUPERVISOR_PIECE = 64 * 1024,
};

/* How the log begins to tell of a call that wanted more memory than it may have. */
#define NO_MEMORY "heap out of memory"

struct supervisor {
	const struct supervisor_opts *opts;
	struct buf input; /* the request's frame */
	json_t *json;	  /* owned */
	struct tool_request request;
	bool init; /* of a pid namespace */
	struct view view;
	int signals;		    /* signalfd */
	struct control_group group; /* of the tool and all it starts */
	struct broker_link link;
	int listening;	    /* where the tool's listener comes from, -1: it came, or none does */
	int broker, giving; /* the tool's ends of the two, -1: none */
	int out, err;	    /* our ends of the tool's pipes, -1: ended */
	pid_t tool;	    /* 0: gone */
	int status;	    /* of the tool, once it is gone */
	struct output *output;
	struct aside_told aside;			  /* what was put aside of what it made */
	struct buf result;				  /* a function's own answer, as it comes */
	uint64_t deadline_us, kill_us, drain_us, look_us; /* 0: none */
	bool timed_out, told_to_end, end_now, more_dead;
	char limit[160]; /* which limit ended it, "" none */
	int net_rules;	 /* where become_tool kept them, -1: none */
};

/* --- the daemon's end --- */

static bool send_frame(struct supervisor *s, enum request_frame kind, const void *p, size_t n)
{
	struct buf frame = {0};
	bool sent;

	request_put_frame(&frame, kind, p, n);
	sent = file_write_all(s->opts->socket, frame.p, frame.len) == 0;
	buf_finish(&frame);
	return sent;
}

static void answer(struct supervisor *s, const struct tool_answer *a)
{
	struct buf json = {0};

	answer_put(&json, a);
	send_frame(s, FRAME_ANSWER, json.p, json.len);
	buf_finish(&json);
}

static bool read_request(struct supervisor *s)
{
	uint64_t deadline = clock_mono_us() + SUPERVISOR_REQUEST_MS * 1000ULL;
	const char *bytes;
	int64_t frame = 0;
	size_t len;
	char kind;

	while (frame == 0) {
		struct pollfd wait = {.fd = s->opts->socket, .events = POLLIN};
		uint64_t now = clock_mono_us();
		ssize_t n;

		if (now >= deadline || poll(&wait, 1, (int)((deadline - now) / 1000) + 1) < 0)
			return false;
		n = read(
		    s->opts->socket, buf_reserve(&s->input, SUPERVISOR_PIECE), SUPERVISOR_PIECE);
		if (n <= 0)
			return false;
		s->input.len += (size_t)n;
		frame = request_frame(s->input.p, s->input.len, &kind, &bytes, &len);
	}
	return frame > 0 && kind == FRAME_REQUEST && json_parse(bytes, len, &s->json, NULL) == 0 &&
	       request_parse(s->json, &s->request);
}

/* --- the tool's process --- */

static const char *env_of(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && value[0] ? value : fallback;
}

/* The path of the ssh agent, when it is among the sockets that a person named. */
static void find_agent(const struct supervisor *s, char *out, size_t size)
{
	const char *agent = getenv("SSH_AUTH_SOCK");
	const json_t *one;
	size_t i;

	json_array_foreach (s->request.sockets, i, one)
		if (agent && json_is_string(one) && strcmp(json_string_value(one), agent) == 0)
			snprintf(out, size, "%s", agent);
}

/* The environment of a command: what programs need to find their way, and no more. */
static void set_environment(const struct supervisor *s, const char *cwd)
{
	static const char *const kept[] = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG",
	    "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", NULL};
	char *values[sizeof kept / sizeof kept[0]] = {NULL}, agent[REPOSITORY_MAX_PATH] = "";

	find_agent(s, agent, sizeof agent);

	for (size_t i = 0; kept[i]; i++) {
		const char *value = getenv(kept[i]);

		values[i] = value ? strdup(value) : NULL;
	}
	clearenv();
	for (size_t i = 0; kept[i]; i++)
		if (values[i])
			setenv(kept[i], values[i], 1);
	setenv("PATH", env_of("PATH", "/usr/local/bin:/usr/bin:/bin"), 1);
	setenv("LANG", env_of("LANG", "C.UTF-8"), 1);
	setenv("TERM", "dumb", 1);
	setenv("NO_COLOR", "1", 1);
	setenv("PAGER", "cat", 1);
	setenv("GIT_PAGER", "cat", 1);
	setenv("GIT_TERMINAL_PROMPT", "0", 1);
	/* The workspace is a mount of its own: a repository around it is still its repository. */
	setenv("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1", 1);
	setenv("TMPDIR", s->view.temp[0] ? s->view.temp : "/tmp", 1);
	setenv("PWD", cwd, 1);
	if (agent[0])
		setenv("SSH_AUTH_SOCK", agent, 1);
	/* So that a script can tell, and so can the person who reads its output. */
	setenv("OPTA_TOOL", "1", 1);
}

static void die(int fd, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* The tool cannot run: say why where its output goes. 126 is what a shell says of it. */
static void die(int fd, const char *fmt, ...)
{
	char text[700];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n > 0)
		file_write_all(fd, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
	_exit(126);
}

static void give_listener(int listener)
{
	/* When it cannot be given there is none: calls that would wait for it fail. */
	(void)fds_send(TOOL_LINK_FD, "L", 1, &listener, 1, 0);
	close(listener);
	close(TOOL_LINK_FD);
}

static void confine(struct supervisor *s, bool own_code)
{
	const struct tool_request *r = &s->request;
	const struct sandbox_support *support = s->opts->support;
	const struct broker_opts broker = {.socket = TOOL_BROKER_FD,
	    .named = r->sockets,
	    .own_names = support->landlock >= 6 || (!r->network && support->net_ns)};
	struct err err = {0};
	int listener = -1;

	limits_set(r->timeout_ms, support->user_ns && s->init);
	if (sandbox_enter(
		&(struct sandbox_opts){.support = support,
		    .workspace = r->workspace,
		    .extra_write = r->outside_write && s->view.extra[0] ? s->view.extra : NULL,
		    .repository = {view_repository(&s->view, 0), view_repository(&s->view, 1)},
		    .temp = s->view.temp[0] ? s->view.temp : NULL,
		    .hidden = r->hidden,
		    .mounts = s->init,
		    .own_code = own_code,
		    .outside = r->outside,
		    .network = r->network && !own_code,
		    .broker = s->broker >= 0 ? &broker : NULL,
		    .net_rules = s->net_rules},
		&listener, &err) != 0)
		die(STDERR_FILENO, "the sandbox could not be made, so nothing was run: %s\n",
		    err.text);
	if (listener >= 0)
		give_listener(listener);
}

static void run_function(struct supervisor *s)
{
	static char real[PATH_MAX];
	const struct tool *tool = tool_find(s->request.tool);
	void (*act)(struct tool_call *) =
	    s->request.step == STEP_PREVIEW ? tool->preview : tool->run;
	struct tool_call call = {.args = s->request.args,
	    .root = s->request.workspace,
	    .outside = s->request.outside != NULL,
	    .expect = s->request.expect,
	    .control = s->request.control,
	    .home = view_home(real),
	    .guards = s->view.workspace[0] ? &s->view.guards : NULL,
	    .preview = s->request.step == STEP_PREVIEW};
	struct buf json = {0};

	limits_set_memory(s->request.memory_mb, true);
	call.workspace = open(s->request.workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (call.workspace < 0)
		tool_fail(
		    &call, "the workspace %s cannot be opened: %s", call.root, strerror(errno));
	else if (!act)
		tool_fail(&call, "%s does not run here", tool->name);
	else
		act(&call);
	answer_put(&json, &(struct tool_answer){.ok = call.ok,
			      .truncated = call.truncated,
			      .changed = call.changed,
			      .text = buf_cstr(&call.text),
			      .state = call.state,
			      .control = call.control_found,
			      .unguarded = call.control_found[0] ? s->view.guards.missing : ""});
	file_write_all(STDOUT_FILENO, json.p, json.len);
	_exit(0);
}

/* Where a command runs. */
static void find_cwd(const struct supervisor *s, struct buf *dir)
{
	struct buf plain = {0};
	bool inside =
	    workspace_plain(s->request.workspace, json_cstr(s->request.args, "cwd", "."), &plain);

	if (inside && strcmp(buf_cstr(&plain), ".") == 0)
		buf_adds(dir, s->request.workspace);
	else if (inside)
		buf_addf(dir, "%s/%s", s->request.workspace, buf_cstr(&plain));
	else
		buf_adds(dir, buf_cstr(&plain));
	buf_finish(&plain);
}

static void run_command(struct supervisor *s)
{
	const char *command = json_cstr(s->request.args, "command", "");
	struct buf dir = {0};

	find_cwd(s, &dir);
	if (chdir(buf_cstr(&dir)) != 0)
		die(STDERR_FILENO, "cannot go to %s: %s\n", buf_cstr(&dir), strerror(errno));
	set_environment(s, buf_cstr(&dir));
	limits_set_memory(s->request.memory_mb, false);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	die(STDERR_FILENO, "cannot run /bin/sh: %s\n", strerror(errno));
}

/* Close all but standard input and output, the port rules and the broker's. */
static void keep_descriptors(struct supervisor *s, bool function)
{
	const int fds[3] = {function ? -1 : s->opts->net_rules, s->broker, s->giving};
	int moved[3];

	/* First out of the way, as one may stand in the place of another. */
	for (int i = 0; i < 3; i++)
		moved[i] = fds[i] >= 0 ? fcntl(fds[i], F_DUPFD_CLOEXEC, TOOL_LINK_FD + 1) : -1;
	for (int i = 0; i < 3; i++)
		if (moved[i] < 0 || dup3(moved[i], TOOL_RULES_FD + i, O_CLOEXEC) < 0)
			close(TOOL_RULES_FD + i);
	s->net_rules = moved[0] >= 0 ? TOOL_RULES_FD : -1;
	syscall(SYS_close_range, TOOL_LINK_FD + 1U, ~0U, 0U);
}

/* In the child: never returns. */
static void become_tool(struct supervisor *s, pid_t supervisor, int out, int err, bool function)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	/* Its files in /proc are its own again. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	/* As init the supervisor takes all with it; else at least the tool itself goes when it is
	   killed. Its own children are the host's then. */
	if (!s->init && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() != supervisor)
		_exit(126);
	setsid();
	/* Whatever the daemon, the host or we ourselves ignore is no business of the tool's. */
	for (int signum = 1; signum < NSIG; signum++)
		signal(signum, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	/* Nothing of ours but the three (not the daemon's socket, not the artifacts), and what
	   confining it needs. */
	keep_descriptors(s, function);
	s->view.artifacts = -1;
	confine(s, function);
	if (function)
		run_function(s);
	run_command(s);
}

/* Two socket pairs: to the broker, and for the listener. Without them there is no broker. */
static void prepare_broker(struct supervisor *s, bool function)
{
	int to[2], give[2];

	if (function || !s->opts->support->broker)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, to) != 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, give) != 0) {
		close(to[0]);
		close(to[1]);
		return;
	}
	s->link.socket = to[0];
	s->link.memory = s->view.memory;
	s->broker = to[1];
	s->listening = give[0];
	s->giving = give[1];
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Into the call's group, where it has one; else its memory is counted. */
static pid_t fork_tool(struct supervisor *s)
{
	pid_t pid = s->group.dir >= 0 ? control_group_fork(&s->group) : -1;

	if (pid >= 0)
		return pid;
	control_group_close(&s->group);
	return fork();
}

static bool start_tool(struct supervisor *s, bool function)
{
	bool split = s->request.step == STEP_BACKGROUND;
	int out[2], err[2] = {-1, -1};
	pid_t self = getpid();

	if (pipe2(out, O_CLOEXEC) != 0)
		return false;
	if (split && pipe2(err, O_CLOEXEC) != 0)
		return false;
	prepare_broker(s, function);
	s->tool = fork_tool(s);
	if (s->tool == 0)
		become_tool(s, self, out[1], split ? err[1] : out[1], function);
	close_fd(&s->broker);
	close_fd(&s->giving);
	close(out[1]);
	if (split)
		close(err[1]);
	s->out = out[0];
	s->err = err[0];
	return s->tool > 0;
}

/* --- watching it --- */

static void end_all(struct supervisor *s, int signum)
{
	if (s->tool > 0)
		kill(-s->tool, signum);
	/* As init this reaches whoever left the tool's session too. */
	if (s->init)
		kill(-1, signum);
}

/* Without a pid namespace: kill who descends from us until nobody does. */
static void kill_descendants(void)
{
	enum { AT_ONCE = 4096, ROUNDS = 1000 };
	static pid_t pids[AT_ONCE];

	for (int round = 0; round < ROUNDS; round++) {
		size_t count = children_list(pids, AT_ONCE);

		if (count == 0)
			return;
		if (count > AT_ONCE)
			count = AT_ONCE;
		/* Stop them all first, so that none forks while the others die. */
		for (size_t i = 0; i < count; i++)
			kill(pids[i], SIGSTOP);
		for (size_t i = 0; i < count; i++)
			kill(pids[i], SIGKILL);
		/* Their children become ours: the next round sees them. */
		for (size_t i = 0; i < count; i++)
			waitpid(pids[i], NULL, 0);
	}
}

/* The tool is over: so is all that it started, before anybody looks at what it left. */
static void end_rest(const struct supervisor *s)
{
	uint64_t end = clock_mono_us() + SUPERVISOR_END_MS * 1000ULL;

	if (!s->init) {
		kill_descendants();
		return;
	}
	/* One that the kernel does not let go of yet goes with the namespace. */
	while (kill(-1, SIGKILL) == 0 && clock_mono_us() < end) {
		struct timespec pause = {.tv_nsec = 200 * 1000};

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		nanosleep(&pause, NULL);
	}
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	s->more_dead = true;
	for (int i = 0; i < SUPERVISOR_REAP_AT_ONCE; i++) {
		/* Among many each may take long. */
		if (i && s->tool && clock_mono_us() >= s->look_us)
			return;
		pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0) {
			s->more_dead = false;
			return;
		}
		if (pid != s->tool)
			continue;
		s->tool = 0;
		s->status = status;
		s->drain_us = clock_mono_us() + SUPERVISOR_DRAIN_MS * 1000ULL;
	}
}

static void on_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD) {
			/* Collected by watch, a few at a time: more may die meanwhile. */
			s->more_dead = true;
			continue;
		}
		s->told_to_end = true;
		if (info.ssi_signo == SUPERVISOR_END_SIGNAL) {
			s->end_now = true;
			continue;
		}
		end_all(s, (int)info.ssi_signo);
		/* An interrupt may be meant to be survived; a termination may not. */
		if (info.ssi_signo == SIGTERM)
			s->kill_us = clock_mono_us() + SUPERVISOR_TERM_MS * 1000ULL;
	}
}

/* Read a pipe once. False when it ended. */
static bool take_output(struct supervisor *s, int fd, enum request_frame kind, bool function)
{
	char piece[SUPERVISOR_PIECE];
	ssize_t n = read(fd, piece, sizeof piece);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	if (function) {
		if (s->result.len + (size_t)n <= REQUEST_MAX_FRAME)
			buf_add(&s->result, piece, (size_t)n);
	} else if (s->request.step == STEP_BACKGROUND) {
		send_frame(s, kind, piece, (size_t)n);
	} else {
		output_add(s->output, piece, (size_t)n);
	}
	return true;
}

static void passed_memory(struct supervisor *s)
{
	snprintf(s->limit, sizeof s->limit,
	    NO_MEMORY ": it wanted more than the %d MB of daemon.toolMemoryMb",
	    s->request.memory_mb);
}

static void passed_processes(struct supervisor *s, unsigned at_least)
{
	snprintf(s->limit, sizeof s->limit,
	    "it had at least %u processes, more than the %d one call may have", at_least,
	    LIMITS_PROCESSES);
}

/* What the kernel itself kept it from. */
static void look_at_group(struct supervisor *s)
{
	enum control_group_limit limit = control_group_passed(&s->group);

	if (s->limit[0])
		return;
	if (limit == CONTROL_GROUP_MEMORY)
		passed_memory(s);
	else if (limit == CONTROL_GROUP_PROCESSES)
		passed_processes(s, LIMITS_PROCESSES_MOST);
}

static void look_at_use(struct supervisor *s)
{
	bool background = s->request.step == STEP_BACKGROUND;
	uint64_t most = (uint64_t)s->request.memory_mb * 1024 * 1024, wait;
	struct usage use;

	view_look(&s->view, &s->aside);
	view_put_aside(&s->view, false, &s->aside);
	usage_look(getpid(), s->init,
	    s->group.dir >= 0 ? USAGE_PROCESSES : USAGE_PROCESSES_AND_MEMORY, s->view.memory, &use);
	wait = background ? SUPERVISOR_LOOK_BACKGROUND_MS : LIMITS_LOOK_MS;
	/* Memory is soon filled. */
	if (use.memory_bytes > most / 2)
		wait = LIMITS_LOOK_SOON_MS;
	s->look_us = clock_mono_us() + wait * 1000;
	if (use.processes > LIMITS_PROCESSES)
		passed_processes(s, use.processes);
	else if (use.memory_bytes > most)
		passed_memory(s);
}

/* Milliseconds until the next thing that must be looked at; -1: never. */
static int next_wait(const struct supervisor *s, uint64_t now)
{
	uint64_t times[] = {s->deadline_us, s->kill_us, s->drain_us, s->tool > 0 ? s->look_us : 0},
		 next = 0;

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		if (times[i] && (!next || times[i] < next))
			next = times[i];
	if (s->more_dead)
		return 0;
	if (!next)
		return -1;
	return next <= now ? 0 : (int)((next - now) / 1000 + 1);
}

/* The tool is confined, and gave us the listener of its filter; or it never will. */
static void take_listener(struct supervisor *s)
{
	char letter = 0;
	int listener;
	ssize_t n = fds_receive(s->listening, &letter, 1, &listener, 1, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == 1 && listener >= 0)
		s->link.listener = listener;
	close_fd(&s->listening);
}

/* Watch until the tool ended and its output did, or must. */
static void watch(struct supervisor *s, bool function)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = s->signals, .events = POLLIN},
		    {.fd = s->opts->socket, .events = POLLRDHUP}, {.fd = s->out, .events = POLLIN},
		    {.fd = s->err, .events = POLLIN}, {.fd = s->listening, .events = POLLIN},
		    {.fd = s->link.listener, .events = POLLIN},
		    {.fd = s->link.socket, .events = POLLIN},
		    {.fd = s->tool ? s->group.memory : -1, .events = POLLPRI},
		    {.fd = s->tool ? s->group.processes : -1, .events = POLLPRI}};
		uint64_t now = clock_mono_us();

		if (poll(fds, sizeof fds / sizeof fds[0], next_wait(s, now)) < 0 && errno != EINTR)
			return;
		now = clock_mono_us();
		if (fds[0].revents)
			on_signal(s);
		if (s->more_dead)
			reap(s);
		/* The daemon let go, or it or the host want it ended: nobody wants the answer. */
		if (fds[1].revents || s->end_now) {
			s->end_now = true;
			s->told_to_end = true;
			return;
		}
		if (fds[2].revents && !take_output(s, s->out, FRAME_STDOUT, function))
			close_fd(&s->out);
		if (fds[3].revents && !take_output(s, s->err, FRAME_STDERR, function))
			close_fd(&s->err);
		if (fds[4].revents)
			take_listener(s);
		if (fds[5].revents && s->link.listener >= 0)
			broker_on_call(&s->link, fds[5].revents);
		if (fds[6].revents && s->link.socket >= 0)
			broker_on_answer(&s->link);
		if (fds[7].revents || fds[8].revents)
			look_at_group(s);
		if (!s->tool && ((s->out < 0 && s->err < 0) || now >= s->drain_us))
			return;
		if (s->tool && s->look_us && now >= s->look_us)
			look_at_use(s);
		if (s->limit[0] || (s->kill_us && now >= s->kill_us)) {
			end_all(s, SIGKILL);
			s->kill_us = 0;
			s->drain_us = now + SUPERVISOR_DRAIN_MS * 1000ULL;
			if (s->limit[0])
				return;
		}
		if (s->tool && s->deadline_us && now >= s->deadline_us) {
			s->timed_out = true;
			s->deadline_us = 0;
			s->kill_us = now + SUPERVISOR_TERM_MS * 1000ULL;
			end_all(s, SIGTERM);
		}
	}
}

/* --- the answer --- */

static void describe_end(
    struct supervisor *s, struct tool_answer *a, struct buf *text, char *crash, size_t size)
{
	if (s->limit[0]) {
		snprintf(crash, size, "%s", s->limit);
	} else if (s->timed_out) {
		a->timed_out = true;
		buf_addf(text, "\n[ended after %llu ms: the timeout]\n",
		    (unsigned long long)s->request.timeout_ms);
	} else if (!s->tool && WIFSIGNALED(s->status)) {
		int signum = WTERMSIG(s->status);

		a->has_exit = true;
		a->exit_code = 128 + signum;
		buf_addf(text, "\n[ended by signal %d (%s)]\n", signum, strsignal(signum));
		if (signum == SIGKILL && !s->told_to_end)
			snprintf(crash, size, "killed by the system (out of memory?)");
	} else if (!s->tool && WIFEXITED(s->status)) {
		a->has_exit = true;
		a->exit_code = WEXITSTATUS(s->status);
		if (a->exit_code)
			buf_addf(text, "%s[exit code %d]\n",
			    text->len && text->p[text->len - 1] != '\n' ? "\n" : "", a->exit_code);
	}
	a->ok = a->has_exit && a->exit_code == 0 && !a->timed_out && !crash[0];
	if (crash[0]) {
		a->crash = crash;
		buf_addf(text, "\n[ended: %s]\n", crash);
	}
}

static void answer_command(struct supervisor *s)
{
	struct tool_answer a = {0};
	struct buf text = {0};
	char crash[200] = "";

	if (s->output)
		output_put(s->output, &text, &a.truncated, &a.dir_existed);
	describe_end(s, &a, &text, crash, sizeof crash);
	if (!text.len)
		buf_adds(&text, "(no output)\n");
	aside_told_put(&s->aside, &text);
	if (!a.ok && s->view.repository.outside && !s->view.repository_write)
		buf_addf(&text,
		    "[the git repository at %s lies outside the workspace and was read-only]\n",
		    s->view.repository.common);
	a.text = buf_cstr(&text);
	a.warning = buf_cstr(&s->aside.left);
	a.ok = a.ok && !s->aside.left.len;
	answer(s, &a);
	buf_finish(&text);
}

/* A background process has no answer that anybody reads: it stands behind its output. */
static void send_aside(struct supervisor *s)
{
	struct buf text = {0};

	aside_told_put(&s->aside, &text);
	if (text.len)
		send_frame(s, FRAME_STDERR, text.p, text.len);
	buf_finish(&text);
}

/* Our own code says so before it aborts (base/mem.h). */
static bool had_no_memory(const struct supervisor *s)
{
	static const char words[] = "out of memory";

	return WTERMSIG(s->status) == SIGABRT && s->result.len &&
	       memmem(s->result.p, s->result.len, words, sizeof words - 1);
}

static void answer_function(struct supervisor *s)
{
	struct tool_answer a = {0};
	char text[300], crash[250] = "";

	if (s->result.len && answer_parse(s->result.p, s->result.len, &a)) {
		answer(s, &a);
		answer_finish(&a);
		return;
	}
	if (s->timed_out)
		snprintf(text, sizeof text, "it took longer than %llu ms and was ended",
		    (unsigned long long)s->request.timeout_ms);
	else if (s->limit[0])
		snprintf(crash, sizeof crash, "%s", s->limit);
	else if (!s->tool && WIFSIGNALED(s->status) && had_no_memory(s))
		snprintf(crash, sizeof crash,
		    NO_MEMORY ": it wanted more than the %d MB of daemon.toolMemoryMb",
		    s->request.memory_mb);
	else if (!s->tool && WIFSIGNALED(s->status))
		snprintf(crash, sizeof crash, "signal %d (%s)", WTERMSIG(s->status),
		    strsignal(WTERMSIG(s->status)));
	else
		snprintf(crash, sizeof crash, "%.*s",
		    s->result.len < 200 ? (int)s->result.len : 200,
		    s->result.len ? s->result.p : "it ended without an answer");
	if (crash[0])
		snprintf(text, sizeof text, "the tool failed: %s", crash);
	answer(s, &(struct tool_answer){
		      .text = text, .crash = crash[0] ? crash : NULL, .timed_out = s->timed_out});
}

/* --- the whole --- */

static void refuse(struct supervisor *s, const char *text)
{
	if (s->view.temp[0])
		rmdir(s->view.temp);
	answer(s, &(struct tool_answer){.text = text, .crash = text});
	_exit(1);
}

/* Whoever starts a background process hears at once that it cannot run where it should. */
static void check_cwd(struct supervisor *s)
{
	struct buf dir = {0}, why = {0};

	find_cwd(s, &dir);
	if (chdir(buf_cstr(&dir)) == 0) {
		buf_finish(&dir);
		return;
	}
	buf_addf(&why, "the cwd cannot be entered: %s: %s", buf_cstr(&dir), strerror(errno));
	refuse(s, buf_cstr(&why));
}

static void watch_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SUPERVISOR_END_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
}

unsigned long supervisor_namespaces(const struct sandbox_support *support, bool network)
{
	if (!support->pid_ns)
		return 0;
	return CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC |
	       (support->user_ns ? (unsigned long)CLONE_NEWUSER : 0) |
	       (!network && support->net_ns ? (unsigned long)CLONE_NEWNET : 0);
}

static bool is_command(const struct supervisor *s)
{
	return s->request.step == STEP_BACKGROUND || strcmp(s->request.tool, "run_command") == 0 ||
	       (s->request.step == STEP_PREVIEW && strcmp(s->request.tool, "bg_start") == 0);
}

/* Before a command is asked for: nothing is run, only looked at where it would run. */
static void answer_look(struct supervisor *s)
{
	answer(s, &(struct tool_answer){.ok = true,
		      .text = "",
		      .repository = s->view.repository.outside ? s->view.repository.common : "",
		      .unguarded = s->view.guards.missing});
	if (s->view.temp[0])
		rmdir(s->view.temp);
	_exit(0);
}

/* What cannot be guarded is not put at risk before somebody knows of it. */
static void refuse_unguarded(struct supervisor *s)
{
	struct buf text = {0};

	buf_addf(&text, "nothing was run, as nobody agreed to it: %s", s->view.guards.missing);
	if (s->view.temp[0])
		rmdir(s->view.temp);
	answer(
	    s, &(struct tool_answer){.text = buf_cstr(&text), .unguarded = s->view.guards.missing});
	_exit(0);
}

static void set_times(struct supervisor *s, bool command)
{
	uint64_t now = clock_mono_us();

	if (!s->request.timeout_ms && s->request.step != STEP_BACKGROUND)
		s->request.timeout_ms = command ? SUPERVISOR_COMMAND_MS : SUPERVISOR_TOOL_MS;
	s->deadline_us = s->request.timeout_ms ? now + s->request.timeout_ms * 1000 : 0;
	s->look_us = now + LIMITS_LOOK_MS * 1000ULL;
}

void supervisor_run(const struct supervisor_opts *opts)
{
	struct supervisor s = {.opts = opts,
	    .link = {-1, -1, -1},
	    .listening = -1,
	    .broker = -1,
	    .giving = -1,
	    .out = -1,
	    .err = -1,
	    .group = {-1, -1, -1}};
	struct err err = {0};
	bool command;

	s.init = getpid() == 1;
	/* Without a namespace nobody else ends what it started when it is killed: then it is the
	   end of its socket that tells it that the host, or the daemon, is gone. */
	if (s.init)
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* The daemon's own files are private; what tools make is as usual. */
	umask(022);
	watch_signals(&s);
	if (!read_request(&s))
		_exit(1);
	command = is_command(&s);
	if (!command && !tool_find(s.request.tool))
		refuse(&s, "there is no such tool");
	if (view_make(&s.view,
		&(struct view_opts){.request = &s.request,
		    .support = opts->support,
		    .uid = opts->uid,
		    .gid = opts->gid,
		    .init = s.init,
		    .command = command},
		&err) != 0)
		refuse(&s, err.text);
	if (s.request.step == STEP_BACKGROUND)
		check_cwd(&s);
	if (!s.init)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (command && s.request.step == STEP_PREVIEW)
		answer_look(&s);
	if (command && s.view.guards.missing[0] && !s.request.unguarded)
		refuse_unguarded(&s);
	/* With power: the root of the hierarchy may be written by it alone. */
	control_group_make(
	    opts->groups, opts->group, s.request.memory_mb, LIMITS_PROCESSES_MOST, &s.group);
	/* The view is made: what is left needs no power, and no tool may look into us, who hold the
	   daemon's socket and the artifacts. */
	if ((!opts->support->keep_power && sandbox_drop_capabilities() != 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		refuse(&s, "the sandbox could not be made, so nothing was run: no power given up");
	set_times(&s, command);
	if (command && s.request.step == STEP_RUN)
		s.output = output_new(s.view.artifacts, s.request.session, s.request.call);
	if (!start_tool(&s, !command))
		refuse(&s, "the system could not start a process for the tool");
	if (s.request.step == STEP_BACKGROUND)
		send_frame(&s, FRAME_STARTED, "", 0);
	watch(&s, !command);
	end_rest(&s);
	look_at_group(&s);
	view_put_aside(&s.view, true, &s.aside);
	if (s.request.step == STEP_BACKGROUND)
		send_aside(&s);
	if (s.end_now)
		buf_finish(&s.result);
	else if (command)
		answer_command(&s);
	else
		answer_function(&s);
	view_finish(&s.view);
	/* The kernel ends all of the namespace with its init. */
	_exit(0);
}
