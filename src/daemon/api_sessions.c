/* Making, finding, changing and deleting sessions. */
#include <sys/stat.h>
#include <uv.h>

#include "base/buf.h"
#include "base/lingering.h"
#include "base/mem.h"
#include "daemon/api.h"
#include "daemon/conn.h"
#include "daemon/server.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/roster.h"
#include "session/session.h"

static const char *sentence_of(enum api_error error)
{
	switch (error) {
	case API_SESSION_NOT_FOUND:
		return "there is no such session";
	case API_STORAGE_FULL:
		return "the disk is full or cannot be written: nothing was changed";
	case API_CONFLICT:
		return "a turn of this session is running or queued: cancel it first";
	default:
		return "the database could not be read or written; the log says more";
	}
}

static void reply_snapshot(struct call *call, int status, const struct session *s)
{
	struct snapshot snapshot;
	struct buf out = {0};

	session_snapshot(s, &snapshot);
	payload_put_snapshot(&out, &snapshot);
	call_reply(call, status, out.p, out.len);
	buf_finish(&out);
}

/* --- list --- */

static void on_list(void *data, enum api_error error, struct buf *json)
{
	struct call *call = data;

	if (error != API_OK)
		call_fail(call, error, sentence_of(error), NULL);
	else
		call_reply(call, 200, json->p, json->len);
}

void api_sessions_list(struct call *call)
{
	struct buf before = {0}, query = {0};
	uint64_t limit;

	if (!call_query_u64(call, "limit", 0, 1000000, &limit))
		return;
	roster_list(call->server->core, (unsigned long)limit,
	    call_query(call, "before", &before) ? buf_cstr(&before) : NULL,
	    call_query(call, "q", &query) ? buf_cstr(&query) : NULL, on_list, call);
	buf_finish(&before);
	buf_finish(&query);
}

/* --- create --- */

static void on_created(void *data, enum api_error error, struct session *s)
{
	struct call *call = data;

	if (error != API_OK)
		call_fail(call, error, sentence_of(error), NULL);
	else
		reply_snapshot(call, 201, s);
}

/*
 * A request whose workspace is looked at on a thread (a directory may be on a
 * disk that sleeps, or a network that is gone), then carried out by act: first
 * where its links lead, which is what is kept, then whether that is a directory.
 */
struct checked {
	uv_fs_t fs;
	struct call *call;
	struct request_session request; /* strings are in call->body */
	void (*act)(struct call *call, const struct request_session *request);
};

static void finish_check(struct checked *c, bool there)
{
	struct problems p = {0};

	lingering_end();
	if (there) {
		c->act(c->call, &c->request);
	} else {
		problems_add(&p, "metadata.workspace", "must be an existing directory");
		call_fail_problems(c->call, &p);
	}
	free(c);
}

static void on_stat(uv_fs_t *fs)
{
	bool there = fs->result == 0 && S_ISDIR(fs->statbuf.st_mode);

	uv_fs_req_cleanup(fs);
	finish_check(fs->data, there);
}

/* A link that is changed later leads nowhere else. */
static void on_realpath(uv_fs_t *fs)
{
	struct checked *c = fs->data;
	json_t *metadata = json_object_get(c->call->body, "metadata"), *real = NULL;

	if (fs->result == 0)
		real = json_string(fs->ptr); /* NULL when it is not UTF-8 */
	uv_fs_req_cleanup(fs);
	if (!real) {
		finish_check(c, false);
		return;
	}
	c->request.workspace = json_string_value(real);
	json_object_set_new(metadata, "workspace", real);
	uv_fs_stat(c->call->server->loop, &c->fs, c->request.workspace, on_stat);
}

/* Decode and check the body, then act; a bad one is answered here. */
static void check_then(
    struct call *call, void (*act)(struct call *call, const struct request_session *request))
{
	struct problems p = {0};
	struct checked *c;
	struct request_session r;

	if (!request_session(call->body, &r, &p)) {
		call_fail_problems(call, &p);
		return;
	}
	if (!r.workspace) {
		act(call, &r);
		return;
	}
	c = mem_zalloc(1, sizeof *c);
	c->call = call;
	c->request = r;
	c->act = act;
	c->fs.data = c;
	lingering_begin();
	uv_fs_realpath(call->server->loop, &c->fs, r.workspace, on_realpath);
}

static void create(struct call *call, const struct request_session *r)
{
	roster_create(call->server->core, r, on_created, call);
}

void api_session_create(struct call *call)
{
	if (call->server->stopping)
		call_fail(call, API_SHUTTING_DOWN, "the daemon is stopping", NULL);
	else
		check_then(call, create);
}

/* --- get --- */

struct get {
	struct call *call;
	struct session *session; /* owned reference */
};

static void on_messages(void *data, enum api_error error, struct buf *json)
{
	struct get get = *(struct get *)data;
	struct snapshot snapshot;
	struct buf out = {0};

	free(data);
	if (error != API_OK) {
		call_fail(get.call, error, sentence_of(error), NULL);
	} else {
		session_snapshot(get.session, &snapshot);
		payload_put_snapshot_open(&out, &snapshot);
		buf_adds(&out, ",\"openTurns\":");
		session_put_open_turns(get.session, &out);
		buf_adds(&out, ",\"messages\":[");
		buf_add(&out, json->p, json->len);
		buf_adds(&out, "]}");
		call_reply(get.call, 200, out.p, out.len);
		buf_finish(&out);
	}
	session_unref(get.session);
}

static void on_got(void *data, enum api_error error, struct session *s)
{
	struct get *get;

	if (error != API_OK) {
		call_fail(data, error, sentence_of(error), NULL);
		return;
	}
	get = mem_zalloc(1, sizeof *get);
	get->call = data;
	get->session = session_ref(s);
	roster_messages(s, on_messages, get);
}

void api_session_get(struct call *call)
{
	roster_get(call->server->core, call->id, on_got, call);
}

/* --- patch --- */

static void on_patched(void *data, enum api_error error, struct session *s)
{
	struct call *call = data;

	if (error != API_OK)
		call_fail(call, error, sentence_of(error), NULL);
	else
		reply_snapshot(call, 200, s);
}

/* The loaded session, and the call whose checked request is carried out on it. */
static void on_to_patch(void *data, enum api_error error, struct session *s)
{
	struct call *call = data;
	struct problems p = {0};
	struct request_session r;

	if (error != API_OK) {
		call_fail(call, error, sentence_of(error), NULL);
		return;
	}
	/* Checked before; its strings are decoded once more rather than carried along. */
	request_session(call->body, &r, &p);
	problems_finish(&p);
	session_patch(s, &r, on_patched, call);
}

static void patch(struct call *call, const struct request_session *r)
{
	roster_get(call->server->core, call->id, on_to_patch, call);
}

void api_session_patch(struct call *call)
{
	check_then(call, patch);
}

/* --- delete --- */

static void on_deleted(void *data, enum api_error error, struct session *s)
{
	if (error != API_OK)
		call_fail(data, error, sentence_of(error), NULL);
	else
		call_reply(data, 200, "{\"ok\":true}", 11);
}

static void on_to_delete(void *data, enum api_error error, struct session *s)
{
	if (error != API_OK)
		call_fail(data, error, sentence_of(error), NULL);
	else
		session_delete(s, on_deleted, data);
}

void api_session_delete(struct call *call)
{
	roster_get(call->server->core, call->id, on_to_delete, call);
}
