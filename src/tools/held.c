/* What lies in sockets and pipes; socket(7), unix(7), pidfd_getfd(2), proc(5). */
#include "tools/held.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

enum { HELD_DEFAULT = 212992 }; /* when not even a socket can be had to ask */

uint64_t held_socket_most(void)
{
	static uint64_t most;
	socklen_t len = sizeof(int);
	int fd, size = 0;

	if (most)
		return most;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) != 0)
		size = 0;
	if (fd >= 0)
		close(fd);
	most = size > 0 ? (uint64_t)size : HELD_DEFAULT;
	return most;
}

/* How many descriptors wait in the queue of a Unix socket (Linux 5.6). */
static uint64_t held_descriptors(pid_t pid, int fd)
{
	char path[64], text[1024];
	const char *at;
	ssize_t n;
	int info;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return 0;
	n = read(info, text, sizeof text - 1);
	close(info);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "scm_fds:");
	return at ? strtoull(at + strlen("scm_fds:"), NULL, 10) : 0;
}

static int held_option(int socket, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(socket, SOL_SOCKET, name, &value, &len) == 0 ? value : 0;
}

static uint64_t held_by_socket(pid_t pid, int fd, int ours, bool *ret_listens)
{
	uint32_t figures[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof figures;
	uint64_t bytes, most = held_socket_most();
	int waiting = 0;

	if (getsockopt(ours, SOL_SOCKET, SO_MEMINFO, figures, &len) != 0)
		return 2 * most;
	bytes = (uint64_t)figures[SK_MEMINFO_RMEM_ALLOC] + figures[SK_MEMINFO_WMEM_ALLOC] +
		figures[SK_MEMINFO_WMEM_QUEUED] + figures[SK_MEMINFO_BACKLOG];
	if (held_option(ours, SO_DOMAIN) != AF_UNIX)
		return bytes;
	if (held_option(ours, SO_ACCEPTCONN))
		*ret_listens = true;
	/* What was sent counts for the sender, which may be gone. Small messages hold far more than
	   their length. */
	else if (ioctl(ours, FIONREAD, &waiting) == 0 && waiting > 0)
		bytes += most;
	/* Each may be a socket that is full in turn, or a pipe. */
	return bytes + held_descriptors(pid, fd) * 2 * most;
}

uint64_t held_by_descriptor(struct held_process *p, int fd, bool *ret_listens)
{
	uint64_t bytes;
	int ours = -1, size;

	if (!p->pidfd)
		p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd > 0)
		ours = (int)syscall(SYS_pidfd_getfd, p->pidfd, fd, 0);
	/* Closed meanwhile, or nobody may look at it. */
	if (ours < 0)
		return held_socket_most();
	size = fcntl(ours, F_GETPIPE_SZ);
	bytes = size >= 0 ? (uint64_t)size : held_by_socket(p->pid, fd, ours, ret_listens);
	close(ours);
	return bytes;
}

uint64_t held_by_waiting(void)
{
	uint64_t bytes = 0;
	char line[512];
	FILE *f = fopen("/proc/self/net/unix", "re");
	unsigned long long ino;

	/* A connection that was not accepted has no inode yet. */
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%*s %*x %*x %*x %*x %*x %llu", &ino) == 1 && ino == 0)
			bytes += held_socket_most();
	if (f)
		fclose(f);
	return bytes;
}

void held_finish(struct held_process *p)
{
	if (p->pidfd > 0)
		close(p->pidfd);
	p->pidfd = 0;
}
