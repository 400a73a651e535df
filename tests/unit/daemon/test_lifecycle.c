/* daemon/lifecycle: the locks, and the file that says where the daemon is. */
#include "daemon/lifecycle.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/paths.h"
#include "unit.h"

static struct paths paths;

static int setup(void **state)
{
	unit_make_dir(state);
	setenv("OPTA_HOME", unit_path("home"), 1);
	return paths_init(&paths, NULL);
}

static struct lifecycle_locks lock(void)
{
	struct lifecycle_locks locks;
	struct err err;
	pid_t owner;

	if (lifecycle_lock(&paths, &locks, &owner, &err) != 0)
		fail_msg("%s", err.text);
	return locks;
}

static void unlock(struct lifecycle_locks *locks)
{
	close(locks->sessions_fd);
	close(locks->daemon_fd);
}

static int pid_in(const char *path)
{
	struct buf text = {0};
	int pid = 0;

	assert_int_equal(file_read(path, 1000, &text, NULL), 0);
	sscanf(buf_cstr(&text), "%d", &pid);
	buf_finish(&text);
	return pid;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static void the_locks_name_us_and_the_directories_are_private(void **state)
{
	struct lifecycle_locks locks = lock();

	assert_int_equal(pid_in(paths.sessions_lock), getpid());
	assert_int_equal(pid_in(paths.daemon_lock), getpid());
	assert_int_equal(mode_of(paths.sessions_dir) & 0777, 0700);
	assert_int_equal(mode_of(paths.daemon_dir) & 0777, 0700);
	assert_int_equal(mode_of(paths.sessions_lock) & 0777, 0600);
	assert_true(fcntl(locks.sessions_fd, F_GETFD) & FD_CLOEXEC);
	unlock(&locks);
}

/* Its owner was killed while a child of it had not run its own program yet. */
static void a_lock_a_dead_owner_left_to_a_child_is_waited_for(void **state)
{
	struct timespec moment = {0, 50 * 1000000L};
	struct lifecycle_locks locks;
	pid_t owner = fork();

	if (owner == 0) {
		locks = lock();
		owner = getpid();
		if (fork() == 0) {
			while (getppid() == owner)
				sched_yield();
			nanosleep(&moment, NULL);
			_exit(0);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	locks = lock();
	assert_int_equal(pid_in(paths.sessions_lock), getpid());
	unlock(&locks);
}

static void a_directory_open_to_others_is_closed_to_them(void **state)
{
	struct lifecycle_locks locks;

	assert_int_equal(file_make_dir(paths.sessions_dir, NULL), 0);
	assert_int_equal(chmod(paths.sessions_dir, 0777), 0);
	locks = lock();
	assert_int_equal(mode_of(paths.sessions_dir) & 0777, 0700);
	unlock(&locks);
}

static void a_second_one_is_told_who_was_first(void **state)
{
	struct lifecycle_locks locks = lock(), other;
	struct err err = {0};
	pid_t owner = 0;

	/* A lock is of an open file, so the same process will do. */
	assert_int_equal(lifecycle_lock(&paths, &other, &owner, &err), ERR_BUSY);
	assert_int_equal(owner, getpid());
	assert_holds(err.text, "another opta daemon");
	/* Nor when daemon/ is gone: sessions/ is what counts. */
	assert_int_equal(unlink(paths.daemon_lock), 0);
	assert_int_equal(rmdir(paths.daemon_dir), 0);
	assert_int_equal(lifecycle_lock(&paths, &other, &owner, &err), ERR_BUSY);
	unlock(&locks);
}

static void one_lock_without_the_other_is_given_back(void **state)
{
	struct lifecycle_locks locks = lock(), other;
	struct err err = {0};
	pid_t owner;

	close(locks.sessions_fd);
	assert_int_equal(lifecycle_lock(&paths, &other, &owner, &err), ERR_BUSY);
	assert_holds(err.text, paths.daemon_lock);
	close(locks.daemon_fd);
	/* Had sessions/lock been kept, this would be refused. */
	other = lock();
	unlock(&other);
}

static void a_lock_whose_owner_died_is_free(void **state)
{
	struct lifecycle_locks locks;
	int status;
	pid_t child = fork();

	if (child == 0) {
		pid_t owner;

		/* No exit handlers: it dies as with kill -9. */
		_exit(lifecycle_lock(&paths, &locks, &owner, NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(pid_in(paths.sessions_lock), child);
	locks = lock();
	assert_int_equal(pid_in(paths.sessions_lock), getpid());
	unlock(&locks);
}

static void a_lock_that_is_a_link_is_not_followed(void **state)
{
	struct lifecycle_locks locks;
	struct err err = {0};
	pid_t owner;

	unit_write("precious", "words\n");
	assert_int_equal(file_make_dir(paths.sessions_dir, NULL), 0);
	assert_int_equal(symlink(unit_path("precious"), paths.sessions_lock), 0);
	assert_int_equal(lifecycle_lock(&paths, &locks, &owner, &err), -ELOOP);
	assert_holds(err.text, "sessions/lock");
	assert_int_equal(mode_of(paths.sessions_lock) & S_IFMT, S_IFLNK);
	assert_int_equal(pid_in(unit_path("precious")), 0);
}

static void a_lost_lock_file_is_made_again_and_a_kept_one_left_alone(void **state)
{
	struct lifecycle_locks locks = lock();
	int before = locks.daemon_fd;

	lifecycle_relock(&paths, &locks);
	assert_int_equal(locks.daemon_fd, before);
	assert_int_equal(unlink(paths.daemon_lock), 0);
	assert_int_equal(rmdir(paths.daemon_dir), 0);
	lifecycle_relock(&paths, &locks);
	assert_int_equal(pid_in(paths.daemon_lock), getpid());
	unlock(&locks);
}

static const struct daemon_state running = {.daemon_id = "daemon_x",
    .host = "127.0.0.1",
    .token = "opta_dk_secret",
    .logs_path = "/l",
    .port = 9999,
    .started_at = "2026-01-01T00:00:00.000Z"};

static json_t *state_json(void)
{
	struct buf text = {0};
	json_t *root = NULL;

	assert_int_equal(file_read(paths.state, 10000, &text, NULL), 0);
	assert_int_equal(json_parse(text.p, text.len, &root, NULL), 0);
	buf_finish(&text);
	return root;
}

static void state_json_says_where_we_are_to_this_user_alone(void **state)
{
	struct lifecycle_locks locks = lock();
	json_t *root;

	assert_int_equal(lifecycle_write_state(&paths, &running, false, NULL), 0);
	assert_int_equal(mode_of(paths.state), S_IFREG | 0600);
	root = state_json();
	assert_int_equal(json_int(root, "pid", 0), getpid());
	assert_int_equal(json_int(root, "port", 0), 9999);
	assert_string_equal(json_cstr(root, "token", ""), "opta_dk_secret");
	assert_string_equal(json_cstr(root, "daemonId", ""), "daemon_x");
	assert_null(json_object_get(root, "stoppedAt"));
	json_decref(root);
	unlock(&locks);
}

static void a_stopped_daemon_leaves_no_token_and_no_pid(void **state)
{
	struct lifecycle_locks locks = lock();
	json_t *root;

	assert_int_equal(lifecycle_write_state(&paths, &running, false, NULL), 0);
	assert_int_equal(lifecycle_write_state(&paths, &running, true, NULL), 0);
	root = state_json();
	assert_null(json_object_get(root, "pid"));
	assert_null(json_object_get(root, "token"));
	assert_non_null(json_object_get(root, "stoppedAt"));
	assert_int_equal(mode_of(paths.state), S_IFREG | 0600);
	json_decref(root);
	unlock(&locks);
}

static void state_json_is_replaced_whole_and_a_link_is_replaced_not_followed(void **state)
{
	struct lifecycle_locks locks = lock();
	struct buf old = {0};
	int kept;

	unit_write("precious", "words\n");
	assert_int_equal(symlink(unit_path("precious"), paths.state), 0);
	assert_int_equal(lifecycle_write_state(&paths, &running, false, NULL), 0);
	assert_int_equal(mode_of(paths.state), S_IFREG | 0600);
	assert_int_equal(file_read(unit_path("precious"), 100, &old, NULL), 0);
	assert_string_equal(buf_cstr(&old), "words\n");
	buf_clear(&old);
	/* Who has it open reads the old one to its end. */
	kept = open(paths.state, O_RDONLY | O_CLOEXEC);
	assert_int_equal(chmod(paths.state, 0644), 0);
	assert_int_equal(lifecycle_write_state(&paths, &running, true, NULL), 0);
	buf_reserve(&old, 4096);
	old.len = (size_t)read(kept, old.p, 4096);
	assert_holds(buf_cstr(&old), "\"pid\"");
	assert_int_equal(mode_of(paths.state) & 0777, 0600);
	close(kept);
	buf_finish(&old);
	unlock(&locks);
}

static void where_daemon_is_a_link_nothing_is_written(void **state)
{
	struct err err = {0};

	assert_int_equal(mkdir(unit_path("home"), 0700), 0);
	assert_int_equal(mkdir(unit_path("elsewhere"), 0700), 0);
	assert_int_equal(symlink(unit_path("elsewhere"), paths.daemon_dir), 0);
	assert_true(lifecycle_write_state(&paths, &running, false, &err) < 0);
	assert_holds(err.text, "plain directory");
	assert_true(access(unit_path("elsewhere/state.json"), F_OK) != 0);
}

#define with_home(test) cmocka_unit_test_setup_teardown(test, setup, unit_remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_home(the_locks_name_us_and_the_directories_are_private),
	    with_home(a_lock_a_dead_owner_left_to_a_child_is_waited_for),
	    with_home(a_directory_open_to_others_is_closed_to_them),
	    with_home(a_second_one_is_told_who_was_first),
	    with_home(one_lock_without_the_other_is_given_back),
	    with_home(a_lock_whose_owner_died_is_free),
	    with_home(a_lock_that_is_a_link_is_not_followed),
	    with_home(a_lost_lock_file_is_made_again_and_a_kept_one_left_alone),
	    with_home(state_json_says_where_we_are_to_this_user_alone),
	    with_home(a_stopped_daemon_leaves_no_token_and_no_pid),
	    with_home(state_json_is_replaced_whole_and_a_link_is_replaced_not_followed),
	    with_home(where_daemon_is_a_link_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
