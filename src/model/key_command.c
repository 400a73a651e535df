/* The key of a model server, printed by a command. */
#include "model/key_command.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/*
 *   RUNNING --exit--> EXITED --end of its output, or no more of it came--> DONE (on_done)
 *      |                 ^
 *      +--late, cancel --+ it is killed
 *
 * What it leaves behind (an agent of its own) may hold its output open, and lives on.
 */
enum { KEY_COMMAND_REST_MS = 200 }; /* for the rest of its output, once it ended */

struct key_command {
	uv_process_t process;
	uv_pipe_t out, said; /* its standard output and error */
	uv_timer_t late;
	struct buf key, words; /* what came of them */
	char chunk[4096];
	unsigned open; /* handles that are not closed */
	unsigned ends; /* of output that were not seen */
	int64_t status;
	int signal;
	int failed; /* what uv_spawn said */
	bool exited, timed_out, done;
	bool cancelled; /* nobody waits */
	key_command_cb *on_done;
	void *data;
};

static void key_command_on_closed(uv_handle_t *handle)
{
	struct key_command *k = handle->data;

	if (--k->open)
		return;
	if (k->key.p)
		explicit_bzero(k->key.p, k->key.len);
	explicit_bzero(k->chunk, sizeof k->chunk);
	buf_finish(&k->key);
	buf_finish(&k->words);
	free(k);
}

static void close_all(struct key_command *k)
{
	uv_handle_t *handles[] = {(uv_handle_t *)&k->process, (uv_handle_t *)&k->out,
	    (uv_handle_t *)&k->said, (uv_handle_t *)&k->late};

	for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
		if (!uv_is_closing(handles[i]))
			uv_close(handles[i], key_command_on_closed);
}

static void kill_it(struct key_command *k)
{
	/* It leads a group of its own, so what it started ends as well. */
	if (k->process.pid > 0)
		kill(-k->process.pid, SIGKILL);
}

static struct str first_line(const struct buf *b)
{
	struct str line;

	str_cut(str_trim((struct str){b->p ? b->p : "", b->len}), '\n', &line);
	return str_trim(line);
}

/* Why there is no key; false when there is one. */
static bool put_why(struct key_command *k, struct str key, struct err *why)
{
	struct str said = first_line(&k->words);
	int n = (int)said.n;

	if (k->failed)
		err_set(why, k->failed, "the command for the key cannot be run: %s",
		    uv_strerror(k->failed));
	else if (k->timed_out)
		err_set(why, -ETIMEDOUT, "the command for the key did not end within %d s",
		    KEY_COMMAND_MS / 1000);
	else if (k->signal)
		err_set(why, -EIO, "the command for the key was ended by signal %d", k->signal);
	else if (k->status)
		err_set(why, -EIO, "the command for the key failed (exit code %d)%s%.*s",
		    (int)k->status, n ? ": " : "", n, n ? said.p : "");
	else if (!key.n)
		err_set(why, -EIO, "the command for the key printed nothing");
	else if (key.n > KEY_COMMAND_MAX_KEY || memchr(key.p, '\r', key.n))
		err_set(why, -EIO, "the command for the key printed something that is no key");
	else
		return false;
	return true;
}

static void key_command_finish(struct key_command *k)
{
	struct str line = first_line(&k->key);
	struct err why;
	char *key;

	if (k->done)
		return;
	k->done = true;
	if (k->cancelled) {
		close_all(k);
		return;
	}
	if (put_why(k, line, &why)) {
		k->on_done(k->data, NULL, &why);
	} else {
		key = mem_strndup(line.p, line.n);
		k->on_done(k->data, key, NULL);
		explicit_bzero(key, line.n);
		free(key);
	}
	close_all(k);
}

static void key_command_on_late(uv_timer_t *timer)
{
	struct key_command *k = timer->data;

	if (k->exited || k->failed) {
		key_command_finish(k);
		return;
	}
	k->timed_out = true;
	kill_it(k);
}

static void on_exit_cb(uv_process_t *process, int64_t status, int signum)
{
	struct key_command *k = process->data;

	k->exited = true;
	k->status = status;
	k->signal = signum;
	if (k->ends)
		uv_timer_start(&k->late, key_command_on_late, KEY_COMMAND_REST_MS, 0);
	else
		key_command_finish(k);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct key_command *k = handle->data;

	*ret = uv_buf_init(k->chunk, sizeof k->chunk);
}

static void key_command_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *chunk)
{
	struct key_command *k = stream->data;
	struct buf *to = stream == (uv_stream_t *)&k->out ? &k->key : &k->words;
	size_t max = to == &k->key ? KEY_COMMAND_MAX_KEY : KEY_COMMAND_MAX_SAID;

	if (n < 0) {
		uv_read_stop(stream);
		if (!--k->ends && k->exited)
			key_command_finish(k);
	} else if (to->len < max) {
		buf_add(to, chunk->base, (size_t)n < max - to->len ? (size_t)n : max - to->len);
	}
}

static int key_command_spawn(struct key_command *k, const char *command)
{
	char *args[] = {
	    (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)command, NULL};
	uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
	    {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&k->out},
	    {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&k->said}};
	const char *home = getenv("HOME");

	if (!home || home[0] != '/')
		home = "/";
	return uv_spawn(k->process.loop, &k->process,
	    &(uv_process_options_t){.file = "/bin/sh",
		.args = args,
		.cwd = home,
		.flags = UV_PROCESS_DETACHED,
		.stdio = stdio,
		.stdio_count = 3,
		.exit_cb = on_exit_cb});
}

struct key_command *key_command_start(
    uv_loop_t *loop, const char *command, key_command_cb *on_done, void *data)
{
	struct key_command *k = mem_zalloc(1, sizeof *k);

	k->on_done = on_done;
	k->data = data;
	k->open = 4;
	uv_pipe_init(loop, &k->out, 0);
	uv_pipe_init(loop, &k->said, 0);
	uv_timer_init(loop, &k->late);
	k->process.loop = loop;
	k->process.data = k->out.data = k->said.data = k->late.data = k;
	k->failed = key_command_spawn(k, command);
	k->ends = 2;
	uv_timer_start(&k->late, key_command_on_late, k->failed ? 0 : KEY_COMMAND_MS, 0);
	if (!k->failed) {
		uv_read_start((uv_stream_t *)&k->out, on_room, key_command_on_read);
		uv_read_start((uv_stream_t *)&k->said, on_room, key_command_on_read);
	}
	return k;
}

void key_command_cancel(struct key_command *k)
{
	if (!k || k->done)
		return;
	k->cancelled = true;
	if (!k->failed && !k->exited)
		kill_it(k);
}
