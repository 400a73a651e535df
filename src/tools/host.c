/* The tool host. Single-threaded; it forks, so it keeps nothing that a fork should not see. */
#include "tools/host.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fds.h"
#include "tools/children.h"
#include "tools/control_group.h"
#include "tools/landlock.h"
#include "tools/supervisor.h"
#include "tools/view.h"

enum {
	HOST_MAX_CALLS = 256,	  /* the daemon's own limits are lower */
	HOST_MAX_CHILDREN = 8192, /* killed at once; the rest when these have ended */
	HOST_END_MS = 10000,	  /* for what runs to end when the daemon is gone */
};

struct call {
	uint64_t id;
	pid_t pid; /* 0: free */
	/* The name of its control group, "" when that is gone. */
	char group[CONTROL_GROUP_MAX_NAME];
};

struct host {
	struct sandbox_support support;
	struct call calls[HOST_MAX_CALLS];
	int port, net_rules, signals;
	int groups; /* where the calls' control groups are made, or -1 */
	bool rules_made;
};

static void send_message(const struct host_message *m)
{
	/* The daemon reads promptly or is gone, which the next receive tells. */
	while (send(HOST_CONTROL_FD, m, sizeof *m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* The name of the group of the call in a slot: always the same, so that what could not be removed
 * is in the way of at most one. */
static const char *name_group(const struct host *h, struct call *slot)
{
	control_group_name(slot->group, (size_t)(slot - h->calls));
	return slot->group;
}

static void call_started(struct call *slot, uint64_t id, pid_t pid)
{
	assert(!slot->pid && pid > 0);
	slot->id = id;
	slot->pid = pid;
}

/* Remove the groups of calls that are over. What lives on there is killed, and looked at again when
 * the next child ends. */
static void remove_groups(struct host *h)
{
	for (size_t i = 0; h->groups >= 0 && i < HOST_MAX_CALLS; i++)
		if (!h->calls[i].pid && h->calls[i].group[0] &&
		    control_group_remove(h->groups, h->calls[i].group))
			h->calls[i].group[0] = '\0';
}

static void start_call(struct host *h, const struct host_message *m, int socket)
{
	struct host_message said = {.op = HOST_STARTED, .id = m->id};
	struct supervisor_opts opts = {.socket = socket,
	    .support = &h->support,
	    .net_rules = -1,
	    .uid = (unsigned)getuid(),
	    .gid = (unsigned)getgid(),
	    .groups = h->groups};
	struct call *slot = NULL;

	for (size_t i = 0; i < HOST_MAX_CALLS && !slot; i++)
		if (!h->calls[i].pid)
			slot = &h->calls[i];
	if (m->network && !h->rules_made) {
		h->rules_made = true;
		h->net_rules = landlock_net_rules(&h->support, h->port);
	}
	if (m->network)
		opts.net_rules = h->net_rules;
	if (slot)
		opts.group = name_group(h, slot);
	said.pid = slot ? (int)syscall(SYS_clone,
			      supervisor_namespaces(&h->support, m->network) | SIGCHLD, 0, 0, 0, 0)
			: -1;
	if (said.pid == 0) {
		close(HOST_CONTROL_FD);
		close(h->signals);
		supervisor_run(&opts);
	}
	if (said.pid < 0)
		said.pid = slot ? -errno : -EAGAIN;
	else
		call_started(slot, m->id, said.pid);
	send_message(&said);
	close(socket);
}

/* Killed outright, one that is no init would leave what it started, and its directory. */
static int end_signal(const struct host *h, int signum)
{
	return signum == SIGKILL && !h->support.pid_ns ? SUPERVISOR_END_SIGNAL : signum;
}

static void signal_call(struct host *h, uint64_t id, int signum)
{
	for (size_t i = 0; i < HOST_MAX_CALLS; i++)
		if (h->calls[i].pid && h->calls[i].id == id)
			kill(h->calls[i].pid, end_signal(h, signum));
}

/* Collect who ended. A child that is no supervisor was left by one: it goes. */
static void reap(struct host *h)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < HOST_MAX_CALLS; i++)
			if (h->calls[i].pid == pid) {
				send_message(&(struct host_message){
				    .op = HOST_ENDED, .id = h->calls[i].id, .status = status});
				h->calls[i].pid = 0;
				/* It may have been killed before it could. */
				if (!h->support.pid_ns)
					view_remove_left(pid);
			}
}

static bool is_supervisor(const struct host *h, pid_t pid)
{
	for (size_t i = 0; i < HOST_MAX_CALLS; i++)
		if (h->calls[i].pid == pid)
			return true;
	return false;
}

/* Without pid namespaces a killed supervisor's children become ours: they go as well, and theirs
 * after them. */
static void kill_orphans(const struct host *h)
{
	static pid_t pids[HOST_MAX_CHILDREN];
	size_t count;

	if (h->support.pid_ns)
		return;
	count = children_list(pids, HOST_MAX_CHILDREN);
	for (size_t i = 0; i < count && i < HOST_MAX_CHILDREN; i++)
		if (!is_supervisor(h, pids[i]))
			kill(pids[i], SIGKILL);
}

/* One message. False when the daemon is gone. */
static bool receive(struct host *h)
{
	unsigned char bytes[sizeof(struct host_message) + 1]; /* one more shows what is too long */
	struct host_message m;
	int socket;
	ssize_t n = fds_receive(HOST_CONTROL_FD, bytes, sizeof bytes, &socket, 1, MSG_DONTWAIT);

	if (n < 0)
		return n == -EAGAIN || n == -EINTR;
	if (n == 0)
		return false;
	if (!host_message_take(bytes, (size_t)n, &m)) {
		if (socket >= 0)
			close(socket);
		return true;
	}
	if (m.op == HOST_START && socket >= 0) {
		start_call(h, &m, socket);
		return true;
	}
	/* It was lost on the way: we have no descriptor left. */
	if (m.op == HOST_START)
		send_message(
		    &(struct host_message){.op = HOST_STARTED, .id = m.id, .pid = -EMFILE});
	if (m.op == HOST_SIGNAL)
		signal_call(h, m.id, m.signum);
	if (socket >= 0)
		close(socket);
	return true;
}

/* The daemon is gone: so is all that runs. Without namespaces that takes a moment. */
static void end_calls(struct host *h)
{
	uint64_t end = clock_mono_us() + HOST_END_MS * 1000ULL;
	struct pollfd signals = {.fd = h->signals, .events = POLLIN};
	struct signalfd_siginfo info;
	pid_t one;

	for (size_t i = 0; i < HOST_MAX_CALLS; i++)
		if (h->calls[i].pid)
			kill(h->calls[i].pid, end_signal(h, SIGKILL));
	while (!h->support.pid_ns && children_list(&one, 1) && clock_mono_us() < end) {
		poll(&signals, 1, 10);
		while (read(h->signals, &info, sizeof info) > 0)
			;
		reap(h);
		kill_orphans(h);
	}
	remove_groups(h);
}

int host_run(int port)
{
	static struct host h; /* large */
	struct host_message hello = {.op = HOST_HELLO};
	struct signalfd_siginfo info;
	sigset_t set;

	h.port = port;
	h.net_rules = -1;
	syscall(SYS_close_range, HOST_CONTROL_FD + 1U, ~0U, 0U);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* Ctrl+C at a daemon in the foreground is the daemon's to handle. */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	/* A supervisor is born with these blocked: one sent before it watches for them would be
	   lost, as an init ignores what it does not catch. */
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sandbox_probe(&h.support);
	sigaddset(&set, SUPERVISOR_END_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	h.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	h.groups = control_group_open_parent();
	h.support.control_group = h.groups >= 0;
	hello.support = h.support;
	if (!h.support.pid_ns)
		view_remove_left(0);
	send_message(&hello);
	for (;;) {
		struct pollfd fds[] = {
		    {.fd = HOST_CONTROL_FD, .events = POLLIN}, {.fd = h.signals, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents) {
			while (read(h.signals, &info, sizeof info) > 0)
				;
			reap(&h);
			kill_orphans(&h);
			remove_groups(&h);
		}
		if (fds[0].revents && !receive(&h))
			break;
	}
	end_calls(&h);
	return 0;
}
