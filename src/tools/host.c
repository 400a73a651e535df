/* The tool host. Single-threaded; it forks, so it keeps nothing that a fork should not see. */
#include "tools/host.h"

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

#include "tools/landlock.h"
#include "tools/supervisor.h"

enum { HOST_MAX_CALLS = 256 }; /* the daemon's own limits are lower */

struct call {
	uint64_t id;
	pid_t pid; /* 0: free */
};

struct host {
	struct sandbox_support support;
	struct call calls[HOST_MAX_CALLS];
	int port, net_rules, signals;
	bool rules_made;
};

static void send_message(const struct host_message *m)
{
	/* The daemon reads promptly or is gone, which the next receive tells. */
	while (send(HOST_CONTROL_FD, m, sizeof *m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void start_call(struct host *h, const struct host_message *m, int socket)
{
	struct host_message said = {.op = HOST_STARTED, .id = m->id};
	struct supervisor_opts opts = {.socket = socket,
	    .support = &h->support,
	    .net_rules = -1,
	    .uid = (unsigned)getuid(),
	    .gid = (unsigned)getgid()};
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
		*slot = (struct call){m->id, said.pid};
	send_message(&said);
	close(socket);
}

static void signal_call(struct host *h, uint64_t id, int signum)
{
	for (size_t i = 0; i < HOST_MAX_CALLS; i++)
		if (h->calls[i].pid && h->calls[i].id == id)
			kill(h->calls[i].pid, signum);
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
			}
}

/* Without pid namespaces a killed supervisor's children become ours: they go as well. */
static void kill_orphans(const struct host *h)
{
	char path[64], text[4096];
	const char *at;
	FILE *f;
	int pid, used;
	size_t n;

	if (h->support.pid_ns)
		return;
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (!f)
		return;
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	for (at = text; sscanf(at, "%d%n", &pid, &used) == 1 && at[used] == ' '; at += used) {
		bool ours = false;

		for (size_t i = 0; i < HOST_MAX_CALLS; i++)
			ours |= h->calls[i].pid == pid;
		if (!ours)
			kill(pid, SIGKILL);
	}
}

/* One message. False when the daemon is gone. */
static bool receive(struct host *h)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct host_message m;
	struct iovec iov = {&m, sizeof m};
	struct msghdr message = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control};
	struct cmsghdr *c;
	int socket = -1;
	ssize_t n = recvmsg(HOST_CONTROL_FD, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&socket, CMSG_DATA(c), sizeof socket);
	if (n != sizeof m) {
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
	sigprocmask(SIG_BLOCK, &set, NULL);
	h.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	hello.support = h.support;
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
		}
		if (fds[0].revents && !receive(&h))
			break;
	}
	for (size_t i = 0; i < HOST_MAX_CALLS; i++)
		if (h.calls[i].pid)
			kill(h.calls[i].pid, SIGKILL);
	kill_orphans(&h);
	return 0;
}
