/* The process that binds and connects for the programs of a call. */
#include "tools/broker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/mem.h"
#include "tools/broker_message.h"

enum {
	/* A new inode's time comes from a clock that ticks this seldom, at most. */
	BROKER_TICK_NS = 20 * 1000 * 1000,
	BROKER_STACK = 256 * 1024,
	BROKER_NAME_MAX = sizeof(((struct sockaddr_un *)0)->sun_path),
};

struct bound {
	int inode; /* O_PATH: holds it, so that its number is nobody else's; -1: an abstract name */
	dev_t dev;
	ino_t ino;
	size_t len; /* of name */
	char name[BROKER_NAME_MAX];
};

struct broker {
	int socket;
	bool own_names;
	struct bound bound[BROKER_MAX_SOCKETS];
	size_t count;
};

/* One connect that may wait, in a thread of its own; owned by it. */
struct waiting {
	int reply, socket, target; /* target: the inode it goes to, -1: none */
	struct broker_message message;
};

static pthread_mutex_t blocked_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned blocked; /* threads that run; guarded by blocked_lock */

/* --- answers --- */

static void broker_answer(int reply, uint64_t id, int error)
{
	struct broker_message m = {.id = id, .error = error};

	/* The supervisor reads promptly or is gone, and we with it. */
	while (send(reply, &m, sizeof m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static int broker_connect(int socket, const struct broker_message *m, int target)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int rc;

	if (target < 0) {
		rc = connect(socket, (const struct sockaddr *)m->address, m->len);
	} else {
		/* The very inode that was looked at, whatever its path leads to by now. */
		snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d", target);
		rc = connect(socket, (const struct sockaddr *)&to, sizeof to);
	}
	return rc == 0 ? 0 : -errno;
}

/* One more thread. False: there are enough. */
static bool blocked_take(void)
{
	bool room;

	pthread_mutex_lock(&blocked_lock);
	room = blocked < BROKER_MAX_BLOCKED;
	blocked += room;
	pthread_mutex_unlock(&blocked_lock);
	return room;
}

static void blocked_give(void)
{
	pthread_mutex_lock(&blocked_lock);
	assert(blocked > 0);
	blocked--;
	pthread_mutex_unlock(&blocked_lock);
}

static void broker_connect_now(const struct waiting *w)
{
	int error = broker_connect(w->socket, &w->message, w->target);

	close(w->socket);
	if (w->target >= 0)
		close(w->target);
	broker_answer(w->reply, w->message.id, error);
}

static void *broker_wait(void *data)
{
	broker_connect_now(data);
	free(data);
	blocked_give();
	return NULL;
}

/* Connect in a thread. False: there is none to be had. */
static bool broker_connect_beside(const struct waiting *w)
{
	struct waiting *copy;
	pthread_attr_t attr;
	pthread_t thread;
	bool started;

	if (!blocked_take())
		return false;
	copy = mem_zalloc(1, sizeof *copy);
	*copy = *w;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, BROKER_STACK);
	started = pthread_create(&thread, &attr, broker_wait, copy) == 0;
	pthread_attr_destroy(&attr);
	if (!started) {
		free(copy);
		blocked_give();
	}
	return started;
}

/* Connect and answer, beside others when it may take its time. Takes socket and target. */
static void broker_do_connect(
    struct broker *b, int socket, const struct broker_message *m, int target)
{
	struct waiting w = {b->socket, socket, target, *m};
	int flags = fcntl(socket, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK) && broker_connect_beside(&w))
		return;
	broker_connect_now(&w);
}

/* --- Unix sockets --- */

static void broker_keep_inode(struct broker *b, int inode)
{
	struct stat st;

	assert(inode >= 0);
	if (b->count == BROKER_MAX_SOCKETS || fstat(inode, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		close(inode);
		return;
	}
	b->bound[b->count++] = (struct bound){.inode = inode, .dev = st.st_dev, .ino = st.st_ino};
}

static void broker_keep_name(struct broker *b, const char *name, size_t len)
{
	struct bound *n;

	if (b->count == BROKER_MAX_SOCKETS || len > BROKER_NAME_MAX)
		return;
	n = &b->bound[b->count++];
	*n = (struct bound){.inode = -1, .len = len};
	memcpy(n->name, name, len);
}

static bool broker_knows(
    const struct broker *b, const struct stat *st, const char *name, size_t len)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct bound *n = &b->bound[i];

		if (st && n->inode >= 0 && n->dev == st->st_dev && n->ino == st->st_ino)
			return true;
		if (!st && n->inode < 0 && n->len == len && memcmp(n->name, name, len) == 0)
			return true;
	}
	return false;
}

/* The path in an address, as a text. False: it is abstract, or none. */
static bool broker_path(const struct broker_message *m, char path[BROKER_NAME_MAX + 1])
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t n = m->len > head ? m->len - head : 0;

	if (n == 0 || n > BROKER_NAME_MAX || m->address[head] == '\0')
		return false;
	memcpy(path, m->address + head, n);
	path[n] = '\0';
	return true;
}

static void broker_unix_connect(
    struct broker *b, int socket, int cwd, const struct broker_message *m)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	char path[BROKER_NAME_MAX + 1];
	struct stat st;
	int target = -1, error = 0;

	if (m->len <= head || m->len > head + BROKER_NAME_MAX) {
		error = EINVAL;
	} else if (!broker_path(m, path)) {
		if (!b->own_names ||
		    !broker_knows(b, NULL, (const char *)m->address + head, m->len - head))
			error = ECONNREFUSED;
	} else {
		target = openat(cwd, path, O_PATH | O_CLOEXEC);
		if (target < 0)
			error = errno;
		else if (fstat(target, &st) != 0 || !S_ISSOCK(st.st_mode))
			error = ECONNREFUSED;
		else if (!broker_knows(b, &st, NULL, 0))
			error = EACCES;
	}
	if (error == 0) {
		broker_do_connect(b, socket, m, target);
		return;
	}
	if (target >= 0)
		close(target);
	close(socket);
	broker_answer(b->socket, m->id, -error);
}

/* The socket was made after `before`: it is not one that was moved here meanwhile. */
static bool broker_is_new(int inode, const struct timespec *before)
{
	struct statx sx;
	int64_t born, then = (int64_t)before->tv_sec * 1000000000 + before->tv_nsec;

	if (statx(inode, "", AT_EMPTY_PATH, STATX_BTIME | STATX_TYPE, &sx) != 0 ||
	    !S_ISSOCK(sx.stx_mode) || !(sx.stx_mask & STATX_BTIME))
		return false;
	born = (int64_t)sx.stx_btime.tv_sec * 1000000000 + sx.stx_btime.tv_nsec;
	return born >= then - BROKER_TICK_NS;
}

/*
 * Bind where the caller would have, and by the very name, as it may ask for that later. Which inode
 * came of it is looked up by the name: one that was put there meanwhile is older, and is not kept.
 */
static int broker_bind_path(
    struct broker *b, int socket, int cwd, const struct broker_message *m, const char *path)
{
	struct timespec before;
	int inode;

	clock_gettime(CLOCK_REALTIME, &before);
	/* Only this thread names files by where it stands. */
	if (fchdir(cwd) != 0 || bind(socket, (const struct sockaddr *)m->address, m->len) != 0)
		return -errno;
	inode = openat(cwd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (inode >= 0 && broker_is_new(inode, &before))
		broker_keep_inode(b, inode);
	else if (inode >= 0)
		close(inode);
	return 0;
}

static int broker_unix_bind(struct broker *b, int socket, int cwd, const struct broker_message *m)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	char path[BROKER_NAME_MAX + 1];
	struct sockaddr_un got;
	socklen_t len = sizeof got;

	if (broker_path(m, path))
		return broker_bind_path(b, socket, cwd, m, path);
	if (bind(socket, (const struct sockaddr *)m->address, m->len) != 0)
		return -errno;
	/* With no name at all the kernel chose one. */
	if (getsockname(socket, (struct sockaddr *)&got, &len) == 0 && len > head)
		broker_keep_name(b, got.sun_path, len - head);
	return 0;
}

/* --- all of them --- */

static void broker_serve(struct broker *b, const struct broker_message *m, int socket, int cwd)
{
	int family = 0, rc;
	socklen_t len = sizeof family;

	if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &len) != 0) {
		rc = -errno;
	} else if (m->op == BROKER_CONNECT) {
		if (family == AF_UNIX)
			broker_unix_connect(b, socket, cwd, m);
		else
			broker_do_connect(b, socket, m, -1);
		return;
	} else if (family == AF_UNIX) {
		umask((mode_t)m->mask);
		rc = broker_unix_bind(b, socket, cwd, m);
	} else {
		rc = bind(socket, (const struct sockaddr *)m->address, m->len) == 0 ? 0 : -errno;
	}
	close(socket);
	broker_answer(b->socket, m->id, rc);
}

/* One message. False: the supervisor is gone. */
static bool broker_receive(struct broker *b)
{
	struct broker_message m = {0};
	int fds[2];
	ssize_t n = fds_receive(b->socket, &m, sizeof m, fds, 2, 0);

	if (n == -EINTR)
		return true;
	if (n != sizeof m)
		return false;
	/* They were lost on the way: we have no descriptor left. */
	if (fds[0] < 0) {
		broker_answer(b->socket, m.id, -EMFILE);
		return true;
	}
	if (m.len <= sizeof m.address) {
		broker_serve(b, &m, fds[0], fds[1]);
	} else {
		broker_answer(b->socket, m.id, -EINVAL);
		close(fds[0]);
	}
	close(fds[1]);
	return true;
}

static void broker_run(const struct broker_opts *o) __attribute__((noreturn));

static void broker_run(const struct broker_opts *o)
{
	static struct broker b; /* large */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const json_t *one;
	size_t i;

	b.socket = o->socket;
	b.own_names = o->own_names;
	setsid();
	signal(SIGPIPE, SIG_IGN);
	json_array_foreach (o->named, i, one) {
		int inode = i < BROKER_MAX_NAMED && json_is_string(one)
				? open(json_string_value(one), O_PATH | O_CLOEXEC)
				: -1;

		if (inode >= 0)
			broker_keep_inode(&b, inode);
	}
	/* Nothing of the tool's: its output ends when it does. */
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	while (broker_receive(&b))
		;
	_exit(0);
}

bool broker_start(const struct broker_opts *opts)
{
	pid_t pid;

	/* The tool is the same user in the same domain: it could trace a process that may be
	   dumped, and have it connect to anything. Before there is one. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		broker_run(opts);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	close(opts->socket);
	return pid > 0;
}
