/* What only the operating system can tell us. */
#include "unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"

/* A child that lives until fd's other end is closed. */
static pid_t child_until_close(int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c;

		close(fds[1]);
		while (read(fds[0], &c, 1) > 0)
			continue;
		_exit(0);
	}
	close(fds[0]);
	*ret_fd = fds[1];
	return pid;
}

static void our_own_start_is_known_and_does_not_change(void **state)
{
	uint64_t start = os_process_start(getpid());

	assert_true(start > 0);
	assert_true(os_process_start(getpid()) == start);
}

static void a_child_started_no_earlier_than_we(void **state)
{
	int fd;
	pid_t pid = child_until_close(&fd);

	assert_true(os_process_start(pid) >= os_process_start(getpid()));
	close(fd);
	waitpid(pid, NULL, 0);
}

static void a_process_that_is_gone_has_no_start(void **state)
{
	int fd;
	pid_t pid = child_until_close(&fd);

	close(fd);
	waitpid(pid, NULL, 0);
	assert_int_equal(os_process_start(pid), 0);
	assert_int_equal(os_process_start(0), 0);
	assert_int_equal(os_process_start(-1), 0);
}

static void a_zombie_has_no_start(void **state)
{
	siginfo_t info;
	int fd;
	pid_t pid = child_until_close(&fd);

	close(fd);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(os_process_start(pid), 0);
	assert_true(os_process_wait_gone(pid, 0));
	waitpid(pid, NULL, 0);
}

static void a_name_with_parentheses_does_not_confuse_the_fields(void **state)
{
	uint64_t start = os_process_start(getpid());
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	prctl(PR_SET_NAME, "a) Z 1 2 (b");
	assert_true(os_process_start(getpid()) == start);
	prctl(PR_SET_NAME, name);
}

static void waiting_ends_when_the_process_does(void **state)
{
	int fd;
	pid_t pid = child_until_close(&fd);
	uint64_t before = clock_mono_us();

	assert_false(os_process_wait_gone(pid, 30));
	assert_true(clock_mono_us() - before >= 30000);
	close(fd);
	assert_true(os_process_wait_gone(pid, 20000));
	assert_true(clock_mono_us() - before < 15000000);
	waitpid(pid, NULL, 0);
}

static void the_running_program_is_an_absolute_path(void **state)
{
	char path[4096];

	assert_int_equal(os_self_path(path, sizeof path), 0);
	assert_int_equal(path[0], '/');
	assert_holds(path, "test_base_os");
}

static void the_owner_of_a_port_is_found(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	char name[32] = "";
	pid_t pid = 0;
	int port, fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	port = ntohs(at.sin_port);
	/* Bound is not listening. */
	assert_false(os_port_owner(port, &pid, name, sizeof name));
	assert_int_equal(listen(fd, 1), 0);
	assert_true(os_port_owner(port, &pid, name, sizeof name));
	assert_int_equal(pid, getpid());
	assert_memory_equal(name, "test_base_os", 12);
	close(fd);
	assert_false(os_port_owner(port, &pid, name, sizeof name));
}

static void memory_grows_with_what_is_used(void **state)
{
	enum { BYTES = 64 * 1024 * 1024 };
	uint64_t before = os_memory_bytes();
	char *p = malloc(BYTES);

	assert_non_null(p);
	assert_true(before > 100000);
	for (size_t i = 0; i < BYTES; i += 512)
		((volatile char *)p)[i] = 1;
	assert_true(os_memory_bytes() > before + BYTES / 2);
	free(p);
}

static void a_local_directory_is_on_no_network(void **state)
{
	const char *name = "untouched";

	assert_false(os_is_network_fs("/proc", &name));
	assert_false(os_is_network_fs("/nowhere/at/all", &name));
	assert_string_equal(name, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(our_own_start_is_known_and_does_not_change),
	    cmocka_unit_test(a_child_started_no_earlier_than_we),
	    cmocka_unit_test(a_process_that_is_gone_has_no_start),
	    cmocka_unit_test(a_zombie_has_no_start),
	    cmocka_unit_test(a_name_with_parentheses_does_not_confuse_the_fields),
	    cmocka_unit_test(waiting_ends_when_the_process_does),
	    cmocka_unit_test(the_running_program_is_an_absolute_path),
	    cmocka_unit_test(the_owner_of_a_port_is_found),
	    cmocka_unit_test(memory_grows_with_what_is_used),
	    cmocka_unit_test(a_local_directory_is_on_no_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
