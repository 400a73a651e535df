/* Calls that a filter stopped, on their way to the broker and back; seccomp_unotify(2). */
#include "tools/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fds.h"
#include "tools/broker_message.h"
#include "tools/sandbox.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

enum { LINK_PIDFD_THREAD = O_EXCL }; /* Linux 6.9 */

/* What Debian 12's headers have no room for: newer kernels may say more. */
union link_call {
	struct seccomp_notif call;
	char room[1024];
};

union link_outcome {
	struct seccomp_notif_resp outcome;
	char room[1024];
};

static void link_answer(int listener, uint64_t id, int error)
{
	union link_outcome o;

	memset(&o, 0, sizeof o);
	o.outcome.id = id;
	o.outcome.error = error;
	/* Whoever called may be gone: nobody waits then. */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &o);
}

/* A number that its line in /proc/TID/status has, or `fallback`. */
static int link_status(pid_t tid, const char *name, int base, int fallback)
{
	char path[64], text[4096];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, name);
	return at ? (int)strtol(at + strlen(name), NULL, base) : fallback;
}

/* Its descriptor number fd, as ours; or -errno. */
static int link_take_descriptor(pid_t tid, int fd)
{
	int process = (int)syscall(SYS_pidfd_open, tid, LINK_PIDFD_THREAD), ours;

	if (process < 0)
		process = (int)syscall(SYS_pidfd_open, link_status(tid, "\nTgid:", 10, 0), 0);
	if (process < 0)
		return -errno;
	ours = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (ours < 0)
		ours = -errno;
	close(process);
	return ours;
}

/* Copy the address it named. 0 or -errno. */
static int link_read_address(pid_t tid, uint64_t at, uint64_t len, struct broker_message *m)
{
	struct iovec here = {m->address, (size_t)len}, there = {(void *)(uintptr_t)at, (size_t)len};

	/* An int in the kernel, so what is above does not count. */
	len &= 0xFFFFFFFFU;
	if (len > sizeof m->address)
		return -EINVAL;
	here.iov_len = there.iov_len = (size_t)len;
	m->len = (uint32_t)len;
	if (len == 0)
		return 0;
	return process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

/*
 * memfd_create(2): a file without a name in a filesystem of the call's own, which is counted as a
 * whole whoever holds it. It cannot be sealed and has no huge pages, so those are not to be had.
 */
static void link_make_memory_file(int listener, int memory, const struct seccomp_notif *call)
{
	enum { CLOSE_ON_EXEC = 1, MAY_RUN = 0x10 };
	const uint32_t flags = (uint32_t)call->data.args[1];
	struct seccomp_notif_addfd add = {.id = call->id, .flags = SECCOMP_ADDFD_FLAG_SEND};
	int fd = -1;

	if (flags & ~(uint32_t)(CLOSE_ON_EXEC | MAY_RUN)) {
		link_answer(listener, call->id, -ENOSYS);
		return;
	}
	if (memory >= 0)
		fd = openat(memory, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0700);
	if (fd >= 0 && fchmod(fd, 0777) == 0) {
		add.srcfd = (uint32_t)fd;
		add.newfd_flags = flags & CLOSE_ON_EXEC ? O_CLOEXEC : 0;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
			link_answer(listener, call->id,
			    errno == EMFILE || errno == ENFILE ? -errno : -ENOSYS);
	} else {
		link_answer(listener, call->id, errno == ENOSPC ? -ENOMEM : -ENOSYS);
	}
	if (fd >= 0)
		close(fd);
}

void broker_on_call(struct broker_link *link, int revents)
{
	struct broker_message m = {0};
	union link_call c;
	int fds[2] = {-1, -1}, rc;
	char path[64];
	pid_t tid;

	/* Before Linux 6.11 a receive would wait for ever once nobody is left. */
	if (!(revents & POLLIN)) {
		broker_finish(link);
		return;
	}
	memset(&c, 0, sizeof c);
	if (ioctl(link->listener, SECCOMP_IOCTL_NOTIF_RECV, &c) != 0) {
		/* No process is left that has the filter. */
		if (errno != EINTR && errno != ENOENT && errno != EAGAIN)
			broker_finish(link);
		return;
	}
	if (c.call.data.nr == SYS_memfd_create) {
		link_make_memory_file(link->listener, link->memory, &c.call);
		return;
	}
	tid = (pid_t)c.call.pid;
	m.id = c.call.id;
	m.op = c.call.data.nr == SYS_bind ? BROKER_BIND : BROKER_CONNECT;
	if (m.op == BROKER_BIND)
		m.mask = (uint32_t)link_status(tid, "\nUmask:", 8, 022) & 0777;
	fds[0] = link_take_descriptor(tid, (int)c.call.data.args[0]);
	rc = fds[0] < 0 ? fds[0] : 0;
	if (rc == 0)
		rc = link_read_address(tid, c.call.data.args[1], c.call.data.args[2], &m);
	if (rc == 0) {
		snprintf(path, sizeof path, "/proc/%d/cwd", (int)tid);
		fds[1] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[1] < 0)
			rc = -errno;
	}
	/* It is still the one that called, and not a later one of its number. */
	if (rc == 0 && ioctl(link->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &m.id) != 0)
		rc = -errno;
	if (rc == 0)
		rc = fds_send(link->socket, &m, sizeof m, fds, 2, MSG_DONTWAIT);
	if (rc != 0)
		link_answer(link->listener, m.id, rc);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void broker_on_answer(struct broker_link *link)
{
	struct broker_message m;
	ssize_t n = recv(link->socket, &m, sizeof m, MSG_DONTWAIT);

	if (n == sizeof m) {
		link_answer(link->listener, m.id, m.error > 0 ? 0 : m.error);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	broker_finish(link);
}

/* Without a listener the kernel says to all who wait, and who come, that there is no such call. */
void broker_finish(struct broker_link *link)
{
	if (link->listener >= 0)
		close(link->listener);
	if (link->socket >= 0)
		close(link->socket);
	link->listener = link->socket = -1;
}

/* In a child without power: can it take a descriptor and memory from one of its own? */
static void link_try(void)
{
	static char word[] = "here";
	char read_word[sizeof word] = "";
	struct iovec here = {read_word, sizeof word}, there = {word, sizeof word};
	pid_t pid;
	int fd = -1;

	sandbox_drop_capabilities();
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (pid > 0)
		fd = link_take_descriptor(pid, STDERR_FILENO);
	if (fd >= 0 && process_vm_readv(pid, &here, 1, &there, 1, 0) != sizeof word)
		fd = -1;
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	_exit(fd >= 0 && strcmp(read_word, word) == 0 ? 0 : 1);
}

bool broker_possible(void)
{
	struct seccomp_notif_sizes sizes;
	int status;
	pid_t pid;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0 ||
	    sizes.seccomp_notif > sizeof(union link_call) ||
	    sizes.seccomp_notif_resp > sizeof(union link_outcome))
		return false;
	pid = fork();
	if (pid == 0)
		link_try();
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}
