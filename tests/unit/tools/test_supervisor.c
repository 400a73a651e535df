/*
 * tools/supervisor without namespaces, as on kernels and in containers that give
 * none: driven over its socket in a forked child. What a command tries is done by this very program
 * (its arguments say what), which tells by its output.
 */
#include "tools/supervisor.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "tools/request.h"
#include "unit.h"

static char self[4096]; /* this program */

/* Built with a sanitizer it maps terabytes before it is even asked what to do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_MB = 1 << 29 };
#else
enum { MEMORY_MB = 1024 };
#endif

/* --- one call --- */

/* What this kernel has, with at most this version of Landlock and without namespaces. */
static struct sandbox_support support_of(int landlock)
{
	long abi = syscall(444, NULL, 0, 1);

	return (struct sandbox_support){
	    .landlock = abi < landlock ? (abi > 0 ? (int)abi : 0) : landlock, .seccomp = true};
}

static bool has_landlock(int version)
{
	return syscall(444, NULL, 0, 1) >= version;
}

/* Fork a supervisor; our end of its socket. */
static int start(const struct sandbox_support *support, pid_t *ret_pid)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*ret_pid = fork();
	assert_true(*ret_pid >= 0);
	if (*ret_pid == 0) {
		close(fds[0]);
		supervisor_run(&(struct supervisor_opts){
		    .socket = fds[1], .support = support, .net_rules = -1, .groups = -1});
	}
	close(fds[1]);
	return fds[0];
}

static void ask(int fd, const struct tool_request *r)
{
	struct buf json = {0}, frame = {0};

	request_put(&json, r);
	request_put_frame(&frame, FRAME_REQUEST, json.p, json.len);
	assert_int_equal(file_write_all(fd, frame.p, frame.len), 0);
	buf_finish(&json);
	buf_finish(&frame);
}

/* Read to the end and reap it: its answer, false when it gave none. */
static bool finish(int fd, pid_t pid, struct tool_answer *ret)
{
	struct buf in = {0};
	const char *bytes;
	bool answered = false;
	int64_t frame;
	size_t used = 0, len;
	ssize_t n;
	char kind;

	while ((n = read(fd, buf_reserve(&in, 65536), 65536)) > 0)
		in.len += (size_t)n;
	while ((frame = request_frame(in.p + used, in.len - used, &kind, &bytes, &len)) > 0) {
		if (kind == FRAME_ANSWER)
			answered = answer_parse(bytes, len, ret);
		used += (size_t)frame;
	}
	close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	buf_finish(&in);
	return answered;
}

static struct tool_answer call(int landlock, const char *tool, json_t *args, const char *outside)
{
	struct sandbox_support support = support_of(landlock);
	struct tool_answer a = {0};
	pid_t pid;
	int fd = start(&support, &pid);

	ask(fd, &(struct tool_request){.step = STEP_RUN,
		    .tool = tool,
		    .workspace = unit_path("ws"),
		    .session = "s",
		    .call = "c",
		    .hidden = unit_path("ws/opta"),
		    .outside = outside,
		    .network = true,
		    .memory_mb = MEMORY_MB,
		    .timeout_ms = 20000,
		    .args = args});
	assert_true(finish(fd, pid, &a));
	json_decref(args);
	return a;
}

/* Run a shell command; what it wrote, as the model sees it, until the next call. */
static const char *run(int landlock, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static const char *run(int landlock, const char *fmt, ...)
{
	static struct tool_answer a;
	char command[9000];
	va_list ap;

	answer_finish(&a);
	va_start(ap, fmt);
	vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	a = call(landlock, "run_command", json_pack("{s:s}", "command", command), NULL);
	return a.text;
}

static int make_places(void **state)
{
	if (unit_make_dir(state) != 0)
		return -1;
	/* The opta directory lies in the workspace, as it does in a home directory. */
	if (mkdir(unit_path("ws"), 0755) != 0 || mkdir(unit_path("ws/opta"), 0700) != 0 ||
	    mkdir(unit_path("ws/sub"), 0755) != 0)
		return -1;
	unit_write("ws/opta/state", "the token");
	unit_write("ws/sub/file", "fine");
	unit_write("precious", "precious");
	return 0;
}

#define with_places(test) cmocka_unit_test_setup_teardown(test, make_places, unit_remove_dir)

/* How many processes have mark in their command line. */
static unsigned count_marked(const char *mark)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned count = 0;

	while ((e = readdir(d))) {
		char path[300], text[4096];
		ssize_t n;
		int fd;

		snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd >= 0 ? read(fd, text, sizeof text) : 0;
		if (fd >= 0)
			close(fd);
		count += n > 0 && memmem(text, (size_t)n, mark, strlen(mark)) != NULL;
	}
	closedir(d);
	return count;
}

/* What a process of this test is told by: its command line holds this. */
static const char *mark(void)
{
	static char text[32];

	snprintf(text, sizeof text, "4%07d.25", (int)getpid());
	return text;
}

/* --- nothing outlives a call --- */

static void a_grandchild_that_left_the_session_dies_with_the_call(void **state)
{
	const char *said = run(7,
	    "setsid sh -c 'trap \"\" TERM HUP; sleep %s & sleep %s' & echo begun", mark(), mark());

	assert_holds(said, "begun");
	assert_int_equal(count_marked(mark()), 0);
}

static void many_processes_end_the_call_and_all_of_them_die(void **state)
{
	const char *said = run(
	    7, "i=0; while [ $i -lt 1500 ]; do setsid sleep %s & i=$((i+1)); done; wait", mark());

	assert_holds(said, "processes, more than the 512 one call may have");
	assert_int_equal(count_marked(mark()), 0);
}

static void one_that_forks_and_ends_without_pause_is_caught(void **state)
{
	assert_holds(run(7, "%s flee %s & sleep 0.2; echo done", self, mark()), "done");
	assert_int_equal(count_marked(mark()), 0);
}

static void all_die_when_the_daemon_lets_go(void **state)
{
	struct sandbox_support support = support_of(7);
	json_t *args;
	char command[200];
	pid_t pid;
	int fd = start(&support, &pid);

	snprintf(command, sizeof command, "setsid sleep %s & : >begun; sleep %s", mark(), mark());
	args = json_pack("{s:s}", "command", command);
	ask(fd, &(struct tool_request){.step = STEP_RUN,
		    .tool = "run_command",
		    .workspace = unit_path("ws/sub"),
		    .session = "s",
		    .call = "c",
		    .memory_mb = 1024,
		    .args = args});
	json_decref(args);
	while (access(unit_path("ws/sub/begun"), F_OK) != 0)
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(count_marked(mark()), 0);
}

static void a_killed_supervisor_takes_the_tool_with_it(void **state)
{
	struct sandbox_support support = support_of(7);
	json_t *args;
	char command[200];
	FILE *temp;
	pid_t pid;
	int fd = start(&support, &pid);

	snprintf(command, sizeof command, "echo $TMPDIR >temp; : >begun; exec sleep %s", mark());
	args = json_pack("{s:s}", "command", command);
	ask(fd, &(struct tool_request){.step = STEP_RUN,
		    .tool = "run_command",
		    .workspace = unit_path("ws/sub"),
		    .session = "s",
		    .call = "c",
		    .memory_mb = 1024,
		    .args = args});
	json_decref(args);
	while (access(unit_path("ws/sub/begun"), F_OK) != 0)
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (uint64_t end = clock_mono_us() + 5000000; count_marked(mark());)
		assert_true(clock_mono_us() < end);
	close(fd);
	/* Without a namespace of its own its /tmp is a directory in ours, which nobody is left to
	 * remove. */
	temp = fopen(unit_path("ws/sub/temp"), "re");
	assert_non_null(temp);
	assert_non_null(fgets(command, sizeof command, temp));
	fclose(temp);
	command[strcspn(command, "\n")] = '\0';
	if (strncmp(command, "/tmp/opta-tool-", 15) == 0)
		assert_int_equal(rmdir(command), 0);
}

static void a_stopped_tool_is_ended_by_its_timeout(void **state)
{
	struct tool_answer a;
	json_t *args = json_pack("{s:s}", "command", "kill -STOP $$; echo went on");
	struct sandbox_support support = support_of(7);
	pid_t pid;
	int fd = start(&support, &pid);

	ask(fd, &(struct tool_request){.step = STEP_RUN,
		    .tool = "run_command",
		    .workspace = unit_path("ws/sub"),
		    .session = "s",
		    .call = "c",
		    .memory_mb = 1024,
		    .timeout_ms = 200,
		    .args = args});
	json_decref(args);
	assert_true(finish(fd, pid, &a));
	assert_true(a.timed_out);
	answer_finish(&a);
}

static void the_temporary_directory_is_gone_afterwards(void **state)
{
	const char *said = run(7, "echo x >$TMPDIR/x && mkdir $TMPDIR/y && echo in $TMPDIR");
	char dir[64];
	size_t n;

	assert_memory_equal(said, "in /tmp/opta-tool-", 18);
	n = strcspn(said + 3, "\n");
	snprintf(dir, sizeof dir, "%.*s", (int)n, said + 3);
	assert_int_equal(access(dir, F_OK), -1);
}

/* --- files --- */

static void nothing_outside_the_workspace_is_written(void **state)
{
	const char *said;

	if (!has_landlock(1))
		skip();
	for (int version = 1; version <= 7; version++) {
		said = run(version,
		    "for f in %s %s/new /var/tmp/opta-new; do (: >>$f) 2>/dev/null && echo wrote "
		    "$f; "
		    "done; rm -f %s 2>/dev/null && echo removed; : >sub/made && echo in $(cat %s)",
		    unit_path("precious"), unit_dir, unit_path("precious"), unit_path("precious"));
		assert_string_equal(said, "in precious\n");
	}
}

static void nothing_outside_is_cut_short_where_landlock_does_not_see_it(void **state)
{
	struct stat st;

	if (!has_landlock(1))
		skip();
	for (int version = 1; version <= 3; version++) {
		assert_string_equal(
		    run(version, "%s cut %s", self, unit_path("precious")), "tried\n");
		assert_int_equal(stat(unit_path("precious"), &st), 0);
		assert_int_equal(st.st_size, 8);
	}
}

static void the_file_tools_work_with_every_version(void **state)
{
	struct tool_answer a;

	for (int version = 0; version <= 7; version++) {
		a = call(version, "write_file",
		    json_pack("{s:s, s:s}", "path", "new/file", "content", "x"), NULL);
		/* With opta's directory in the workspace and nothing that hides it: refused. */
		if (version == 0 || !has_landlock(1)) {
			assert_holds(a.text, "neither Landlock nor namespaces");
			answer_finish(&a);
			continue;
		}
		/* Around what is hidden only what is there already can be used. */
		assert_false(a.ok);
		answer_finish(&a);
		a = call(version, "write_file",
		    json_pack("{s:s, s:s}", "path", "sub/new/file", "content", "x"), NULL);
		assert_string_equal(a.text, "made sub/new/file: 1 bytes");
		answer_finish(&a);
		a = call(version, "read_file", json_pack("{s:s}", "path", "sub/file"), NULL);
		assert_string_equal(a.text, "     1\tfine\n");
		answer_finish(&a);
		assert_int_equal(unlink(unit_path("ws/sub/new/file")), 0);
	}
}

static void optas_own_directory_is_not_seen(void **state)
{
	struct tool_answer a;
	const char *said;

	if (!has_landlock(1))
		skip();
	/* Links beside the way, and one that leads around. */
	assert_int_equal(symlink(unit_dir, unit_path("around")), 0);
	assert_int_equal(symlink("..", unit_path("ws/up")), 0);
	said = run(7,
	    "cat opta/state; cat up/ws/opta/state; cat %s/ws/opta/state; ls opta; echo >opta/x; "
	    "ln opta/state sub/hard; cat sub/hard; cat /proc/self/cwd/opta/state",
	    unit_path("around"));
	if (strstr(said, "token") || strstr(said, "state\n"))
		fail_msg("seen: %s", said);
	a = call(7, "read_file", json_pack("{s:s}", "path", "opta/state"), NULL);
	assert_false(a.ok);
	answer_finish(&a);
	a = call(7, "read_file", json_pack("{s:s}", "path", unit_path("ws/opta/state")),
	    unit_path("ws/opta/state"));
	assert_false(a.ok);
	answer_finish(&a);
}

static void without_landlock_and_namespaces_no_command_runs(void **state)
{
	struct tool_answer a;

	assert_holds(run(0, ": >ran"), "neither Landlock nor namespaces");
	assert_int_equal(access(unit_path("ws/ran"), F_OK), -1);
	a = call(0, "read_file", json_pack("{s:s}", "path", unit_path("precious")),
	    unit_path("precious"));
	assert_false(a.ok);
	answer_finish(&a);
}

/* --- sockets, terminals, disks --- */

static void no_socket_of_another_program_is_reached(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!has_landlock(1))
		skip();
	snprintf(at.sun_path, sizeof at.sun_path, "%s", unit_path("socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_string_equal(run(7, "%s unix %s", self, at.sun_path), "refused\n");
	close(fd);
}

static void a_number_wider_than_the_kernel_looks_gets_no_socket(void **state)
{
	if (!has_landlock(1))
		skip();
	assert_string_equal(run(7, "%s socket %d", self, AF_PACKET), "refused\n");
	assert_string_equal(run(7, "%s socket %d", self, AF_UNIX), "refused\n");
	assert_string_equal(run(7, "%s socket %d", self, AF_INET), "REACHED\n");
}

static void no_terminal_of_another_program_is_opened(void **state)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	const char *name;

	if (fd < 0 || !has_landlock(1))
		skip();
	assert_int_equal(unlockpt(fd), 0);
	name = ptsname(fd);
	assert_string_equal(run(7,
				"(: <%s) 2>/dev/null && echo READ; (: >%s) 2>/dev/null && echo "
				"WROTE; echo x >/dev/null && echo done",
				name, name),
	    "done\n");
	close(fd);
}

/* --- what commands run --- */

static int probe(int argc, char **argv)
{
	if (strcmp(argv[1], "flee") == 0) {
		/* Fork and end, fork and end: whoever looks for it finds it gone. */
		for (;;)
			if (fork() != 0)
				_exit(0);
	}
	if (strcmp(argv[1], "cut") == 0) {
		static const int flags[] = {
		    O_RDONLY | O_TRUNC, O_ACCMODE | O_TRUNC, O_WRONLY | O_TRUNC, O_RDWR | O_TRUNC};

		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
			syscall(SYS_openat, AT_FDCWD, argv[2], flags[i], 0);
			syscall(SYS_open, argv[2], flags[i], 0);
		}
		printf("%s\n", truncate(argv[2], 0) == 0 ? "CUT" : "tried");
	}
	if (strcmp(argv[1], "unix") == 0) {
		struct sockaddr_un at = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		snprintf(at.sun_path, sizeof at.sun_path, "%s", argv[2]);
		printf("%s\n",
		    connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ? "REACHED" : "refused");
	}
	if (strcmp(argv[1], "socket") == 0) {
		long family = (1L << 32) | strtol(argv[2], NULL, 10);

		printf("%s\n",
		    syscall(SYS_socket, family, (long)SOCK_DGRAM, 0L) >= 0 ? "REACHED" : "refused");
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    with_places(a_grandchild_that_left_the_session_dies_with_the_call),
	    with_places(many_processes_end_the_call_and_all_of_them_die),
	    with_places(one_that_forks_and_ends_without_pause_is_caught),
	    with_places(all_die_when_the_daemon_lets_go),
	    with_places(a_killed_supervisor_takes_the_tool_with_it),
	    with_places(a_stopped_tool_is_ended_by_its_timeout),
	    with_places(the_temporary_directory_is_gone_afterwards),
	    with_places(nothing_outside_the_workspace_is_written),
	    with_places(nothing_outside_is_cut_short_where_landlock_does_not_see_it),
	    with_places(the_file_tools_work_with_every_version),
	    with_places(optas_own_directory_is_not_seen),
	    with_places(without_landlock_and_namespaces_no_command_runs),
	    with_places(no_socket_of_another_program_is_reached),
	    with_places(a_number_wider_than_the_kernel_looks_gets_no_socket),
	    with_places(no_terminal_of_another_program_is_opened),
	};

	if (argc > 1)
		return probe(argc, argv);
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
