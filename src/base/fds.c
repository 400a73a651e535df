/* Descriptors that go with a message. */
#include "base/fds.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Aligned as the kernel wants it (cmsg(3)). */
union fds_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

int fds_send(int socket, const void *p, size_t size, const int *fds, size_t n, int flags)
{
	union fds_control control;
	struct iovec iov = {(void *)(uintptr_t)p, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	assert(size > 0 && n <= FDS_MAX);
	if (n > 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(socket, &message, flags | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void fds_take(struct msghdr *message, int *ret_fds, size_t n)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	int fds[FDS_MAX];
	size_t came;

	for (size_t i = 0; i < n; i++)
		ret_fds[i] = -1;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	assert(came <= FDS_MAX); /* the room for them has a limit */
	memcpy(fds, CMSG_DATA(c), came * sizeof(int));
	if (came == n) {
		memcpy(ret_fds, fds, n * sizeof(int));
		return;
	}
	for (size_t i = 0; i < came; i++)
		close(fds[i]);
}

ssize_t fds_receive(int socket, void *p, size_t size, int *ret_fds, size_t n, int flags)
{
	union fds_control control;
	struct iovec iov = {p, size};
	struct msghdr message = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control};
	ssize_t got;

	assert(n <= FDS_MAX);
	got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -errno;
	fds_take(&message, ret_fds, n);
	return got;
}
