/* cli/client: finding a daemon by its files, and asking one. */
#include "cli/client.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/os.h"
#include "loop.h"

static bool parse(struct client *c, const char *text)
{
	memset(c, 0, sizeof *c);
	return client_parse_state(c, text, strlen(text));
}

static void a_state_names_where_the_daemon_is(void **state)
{
	struct client c;

	assert_true(parse(&c, "{\"pid\":7,\"host\":\"10.0.0.1\",\"port\":4000,\"token\":\"t\"}"));
	assert_int_equal(c.pid, 7);
	assert_int_equal(c.port, 4000);
	assert_string_equal(c.host, "10.0.0.1");
	assert_string_equal(c.token, "t");
	assert_false(c.told_to_stop);
	assert_true(parse(&c, "{\"pid\":7,\"port\":1,\"token\":\"t\",\"stoppedAt\":\"x\"}"));
	assert_true(c.told_to_stop);
	assert_string_equal(c.host, "127.0.0.1");
	/* Every interface is this one, too. */
	assert_true(parse(&c, "{\"pid\":7,\"host\":\"0.0.0.0\",\"port\":1,\"token\":\"t\"}"));
	assert_string_equal(c.host, "127.0.0.1");
	assert_true(parse(&c, "{\"pid\":7,\"host\":\"::\",\"port\":1,\"token\":\"t\"}"));
	assert_string_equal(c.host, "::1");
}

static void a_state_nobody_could_be_asked_by_is_none(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"pid\":7,\"port\":1}",
	    "{\"pid\":7,\"token\":\"t\"}", "{\"port\":1,\"token\":\"t\"}",
	    "{\"pid\":0,\"port\":1,\"token\":\"t\"}", "{\"pid\":-1,\"port\":1,\"token\":\"t\"}",
	    "{\"pid\":7,\"port\":0,\"token\":\"t\"}", "{\"pid\":7,\"port\":65536,\"token\":\"t\"}",
	    /* Cut to 32 bits these would be 7 and 80. */
	    "{\"pid\":4294967303,\"port\":1,\"token\":\"t\"}",
	    "{\"pid\":7,\"port\":4294967376,\"token\":\"t\"}",
	    /* Header forgery. */
	    "{\"pid\":7,\"port\":1,\"token\":\"t\\r\\nX: y\"}",
	    "{\"pid\":7,\"port\":1,\"token\":\"t\",\"host\":\"h\\nX\"}",
	    "{\"pid\":7,\"port\":1,\"token\":\"t\",\"host\":\"h X\"}"};
	struct client c;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (parse(&c, bad[i]))
			fail_msg("%s", bad[i]);
}

/* --- a daemon that is this process --- */

static struct client found;
static char lock_line[64], state_text[200], state_path[PATHS_MAX];

static void make_home(void)
{
	struct err err = {0};

	setenv("OPTA_HOME", unit_dir, 1);
	memset(&found, 0, sizeof found);
	if (paths_init(&found.paths, &err) != 0)
		fail_msg("%s", err.text);
	unsetenv("OPTA_HOME");
	assert_int_equal(mkdir(found.paths.sessions_dir, 0700), 0);
	assert_int_equal(mkdir(found.paths.daemon_dir, 0700), 0);
	snprintf(lock_line, sizeof lock_line, "%d %llu\n", (int)getpid(),
	    (unsigned long long)os_process_start(getpid()));
	snprintf(state_text, sizeof state_text, "{\"pid\":%d,\"port\":4000,\"token\":\"t\"}",
	    (int)getpid());
	snprintf(state_path, sizeof state_path, "%s", found.paths.state);
}

static void nobody_who_holds_the_lock_is_no_daemon(void **state)
{
	make_home();
	assert_int_equal(client_find(&found), CLIENT_STOPPED);
	/* The pid of another process: ours, started at another time. */
	snprintf(lock_line, sizeof lock_line, "%d 1\n", (int)getpid());
	unit_write("sessions/lock", lock_line);
	unit_write("daemon/state.json", state_text);
	assert_int_equal(client_find(&found), CLIENT_STOPPED);
	assert_false(found.told_to_stop);
	unit_write("sessions/lock", "nonsense");
	unit_write(
	    "daemon/state.json", "{\"pid\":1,\"port\":1,\"token\":\"t\",\"stoppedAt\":\"x\"}");
	assert_int_equal(client_find(&found), CLIENT_STOPPED);
	assert_true(found.told_to_stop);
}

static void the_one_who_holds_the_lock_is_found_by_its_state(void **state)
{
	make_home();
	unit_write("sessions/lock", lock_line);
	unit_write("daemon/state.json", state_text);
	assert_int_equal(client_find(&found), CLIENT_RUNNING);
	assert_int_equal(found.pid, getpid());
	assert_int_equal(found.port, 4000);
}

static volatile sig_atomic_t hangups;

static void on_hangup(int number)
{
	int fd = open(state_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	hangups++;
	if (fd >= 0 && write(fd, state_text, strlen(state_text)) >= 0)
		close(fd);
}

static void a_lost_state_is_asked_for(void **state)
{
	make_home();
	unit_write("sessions/lock", lock_line);
	/* That of a daemon that was before this one. */
	unit_write("daemon/state.json", "{\"pid\":1,\"port\":1,\"token\":\"old\"}");
	hangups = 0;
	signal(SIGHUP, on_hangup);
	assert_int_equal(client_find(&found), CLIENT_RUNNING);
	signal(SIGHUP, SIG_DFL);
	assert_int_equal(hangups, 1);
	assert_string_equal(found.token, "t");
}

/* --- a daemon that is a thread --- */

struct server {
	pthread_t thread;
	int listening;
	const char *answer; /* NULL: silence until the client is gone */
	struct buf asked;
};

static void *serve(void *data)
{
	struct server *s = data;
	struct pollfd p = {.fd = s->listening, .events = POLLIN};
	int fd;
	ssize_t n;

	if (poll(&p, 1, 20000) != 1)
		return NULL;
	fd = accept4(s->listening, NULL, NULL, SOCK_CLOEXEC);
	while (!strstr(buf_cstr(&s->asked), "\r\n\r\n") &&
	       (n = recv(fd, buf_reserve(&s->asked, 4096), 4096, 0)) > 0)
		s->asked.len += (size_t)n;
	if (s->answer)
		send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
	else
		recv(fd, buf_reserve(&s->asked, 1), 1, 0);
	close(fd);
	return NULL;
}

/* One request; what client_request returned. */
static int request(struct server *s, const char *answer, const char *body, int ms, struct buf *out,
    struct err *err)
{
	struct client c = {.pid = 7, .host = "127.0.0.1", .token = "tok"};
	int rc;

	*s = (struct server){.answer = answer};
	s->listening = plain_listen(&c.port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	buf_clear(out);
	rc = client_request(&c, body ? "POST" : "GET", "/v3/x", body, ms, out, err);
	pthread_join(s->thread, NULL);
	close(s->listening);
	return rc;
}

static void a_request_carries_the_token_and_brings_the_answer(void **state)
{
	struct buf out = {0};
	struct err err = {0};
	struct server s;

	assert_int_equal(
	    request(&s, "HTTP/1.1 404 No\r\nContent-Length: 18\r\n\r\n{\"error\":\"no way\"}", "{}",
		20000, &out, &err),
	    404);
	assert_string_equal(buf_cstr(&out), "{\"error\":\"no way\"}");
	assert_int_equal(strncmp(buf_cstr(&s.asked), "POST /v3/x HTTP/1.1\r\n", 21), 0);
	assert_holds(buf_cstr(&s.asked), "\r\nAuthorization: Bearer tok\r\n");
	assert_holds(buf_cstr(&s.asked), "\r\nContent-Length: 2\r\n");
	buf_finish(&s.asked);
	buf_finish(&out);
}

static void no_answer_and_a_cut_one_are_told_apart(void **state)
{
	struct buf out = {0};
	struct err err = {0};
	struct server s;

	assert_int_equal(request(&s, NULL, NULL, 100, &out, &err), ERR_TIMEOUT);
	assert_holds(err.text, "(pid 7, port ");
	assert_holds(err.text, "0.1 s");
	buf_finish(&s.asked);
	assert_int_equal(request(&s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", NULL,
			     20000, &out, &err),
	    ERR_CLOSED);
	assert_holds(err.text, "cannot talk to the daemon");
	buf_finish(&s.asked);
	buf_finish(&out);
}

static void error_text_is(const char *body, const char *want)
{
	struct buf out = {0};
	char text[64];

	buf_adds(&out, body);
	client_error_text(&out, text, sizeof text);
	assert_string_equal(text, want);
	buf_finish(&out);
}

static void the_sentence_of_an_error_is_found(void **state)
{
	error_text_is("{\"error\":\"no way\",\"code\":\"X\"}", "no way");
	error_text_is("{\"message\":\"neither\"}", "neither");
	error_text_is("{}", "unknown error");
	error_text_is("plain words", "plain words");
	error_text_is("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_state_names_where_the_daemon_is),
	    cmocka_unit_test(a_state_nobody_could_be_asked_by_is_none),
	    with_dir(nobody_who_holds_the_lock_is_no_daemon),
	    with_dir(the_one_who_holds_the_lock_is_found_by_its_state),
	    with_dir(a_lost_state_is_asked_for),
	    cmocka_unit_test(a_request_carries_the_token_and_brings_the_answer),
	    cmocka_unit_test(no_answer_and_a_cut_one_are_told_apart),
	    cmocka_unit_test(the_sentence_of_an_error_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
