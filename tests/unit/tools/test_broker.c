/* tools/broker: the supervisor's side of a filter's listener, when the filtered process is gone. */
#include "tools/broker.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fds.h"
#include "unit.h"

enum { BLOCKED_SECONDS = 20 };

/* In a child: have a filter, give its listener away, and end. */
static void be_filtered(int socket)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &all};
	int listener;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	listener = (int)syscall(
	    SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	_exit(listener >= 0 && fds_send(socket, "L", 1, &listener, 1, 0) == 0 ? 0 : 1);
}

static void a_listener_without_processes_is_let_go_of_at_once(void **state)
{
	struct broker_link link = {-1, -1, -1};
	struct pollfd wait = {.events = POLLIN};
	int sockets[2], status;
	char letter;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	pid = fork();
	if (pid == 0)
		be_filtered(sockets[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		skip(); /* no listener can be had here */
	assert_int_equal(fds_receive(sockets[0], &letter, 1, &link.listener, 1, 0), 1);
	wait.fd = link.listener;
	assert_int_equal(poll(&wait, 1, -1), 1);
	alarm(BLOCKED_SECONDS);
	broker_on_call(&link, wait.revents);
	alarm(0);
	assert_int_equal(link.listener, -1);
	close(sockets[0]);
	close(sockets[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_listener_without_processes_is_let_go_of_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
