/* Ending what the last daemon left open. */
#include "store/recovery.h"

#include <sqlite3.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "protocol/envelope.h"
#include "protocol/message.h"
#include "protocol/payload.h"
#include "store/db.h"
#include "store/segment_row.h"
#include "store/store.h"

struct open_turn {
	int64_t num, session;
	uint64_t queued_seq;
	char *id, *writer, *client, *mode;
	char *session_id;
};

struct found_call {
	char *id, *name, *args, *result; /* owned; result NULL: it had no end */
};

/* What the log says of an open turn. */
struct found {
	struct buf text;	  /* tokens since the last message */
	struct found_call *calls; /* owned: tool calls since then */
	size_t call_count;
	struct buf *messages; /* owned: what the turn adds to the history */
	size_t message_count;
	bool started;
};

static void finish_calls(struct found *f)
{
	for (size_t i = 0; i < f->call_count; i++) {
		free(f->calls[i].id);
		free(f->calls[i].name);
		free(f->calls[i].args);
		free(f->calls[i].result);
	}
	free(f->calls);
	f->calls = NULL;
	f->call_count = 0;
}

static void finish_found(struct found *f)
{
	finish_calls(f);
	buf_finish(&f->text);
	for (size_t i = 0; i < f->message_count; i++)
		buf_finish(&f->messages[i]);
	free(f->messages);
}

static struct buf *add_message(struct found *f)
{
	f->messages = mem_realloc(f->messages, (f->message_count + 1) * sizeof *f->messages);
	f->messages[f->message_count] = (struct buf){0};
	return &f->messages[f->message_count++];
}

/* The text and calls since the last message become messages. A call without an end gets one here,
 * so that no model ever sees a call without its result. */
static void make_messages(struct found *f)
{
	static const char lost[] = "the daemon ended before this call did: nothing is known of it";

	if (f->call_count) {
		struct message_call *calls = mem_zalloc(f->call_count, sizeof *calls);

		for (size_t i = 0; i < f->call_count; i++)
			calls[i] = (struct message_call){
			    f->calls[i].id, f->calls[i].name, f->calls[i].args};
		message_put_calls(add_message(f), f->text.p, f->text.len, calls, f->call_count);
		for (size_t i = 0; i < f->call_count; i++) {
			const char *result = f->calls[i].result ? f->calls[i].result : lost;

			message_put_result(add_message(f), f->calls[i].id, result, strlen(result));
		}
		free(calls);
	} else if (f->text.len) {
		message_put_text(add_message(f), "assistant", f->text.p, f->text.len);
	}
	buf_clear(&f->text);
	finish_calls(f);
}

static void take_call(struct found *f, const json_t *payload, bool end)
{
	const char *id = json_cstr(payload, "callId", "");

	if (!end) {
		f->calls = mem_realloc(f->calls, (f->call_count + 1) * sizeof *f->calls);
		f->calls[f->call_count++] = (struct found_call){.id = mem_strdup(id),
		    .name = mem_strdup(json_cstr(payload, "toolName", "")),
		    .args = mem_strdup(json_cstr(payload, "args", "{}"))};
		return;
	}
	for (size_t i = 0; i < f->call_count; i++)
		if (!f->calls[i].result && strcmp(f->calls[i].id, id) == 0) {
			f->calls[i].result = mem_strdup(json_cstr(payload, "result", ""));
			return;
		}
}

static void take_text(struct found *f, struct str text)
{
	/* Text after calls is the next answer. */
	if (f->call_count)
		make_messages(f);
	buf_add(&f->text, text.p, text.n);
}

/* Members of a token's payload, and room for more. */
enum { PLAIN_MEMBERS = 4 };

/* A token without escapes is read where it lies: a long answer is tens of thousands of them, and
 * people wait for the start. */
static bool take_plain_token(struct found *f, const struct open_turn *t, struct str payload)
{
	struct json_member members[PLAIN_MEMBERS];
	size_t count = json_flat(payload.p, payload.n, members, PLAIN_MEMBERS);

	if (!count)
		return false;
	if (str_eq(json_flat_str(members, count, "turnId"), t->id))
		take_text(f, json_flat_str(members, count, "text"));
	return true;
}

static void take_event(struct found *f, const struct open_turn *t, const struct envelope_view *e)
{
	json_t *payload;

	if (e->kind != EVENT_TURN_TOKEN && e->kind != EVENT_TURN_START &&
	    e->kind != EVENT_TOOL_START && e->kind != EVENT_TOOL_END)
		return;
	if (e->kind == EVENT_TURN_TOKEN && take_plain_token(f, t, e->payload))
		return;
	if (json_parse(e->payload.p, e->payload.n, &payload, NULL) != 0)
		return;
	if (strcmp(json_cstr(payload, "turnId", ""), t->id) == 0) {
		struct str text = json_str(payload, "text");

		if (e->kind == EVENT_TURN_START) {
			f->started = true;
		} else if (e->kind == EVENT_TURN_TOKEN) {
			take_text(f, text);
		} else {
			take_call(f, payload, e->kind == EVENT_TOOL_END);
		}
	}
	json_decref(payload);
}

/* Read the turn's events back. 0 or a code. */
static int read_turn(struct db *db, const struct open_turn *t, struct found *f)
{
	int64_t base = store_key(t->session, 0), end = store_key(t->session + 1, 0);
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT " SEGMENT_COLUMNS " FROM segments WHERE id >= coalesce("
	    "(SELECT max(id) FROM segments WHERE id <= ?1 AND id >= ?2), ?1) AND id < ?3"
	    " ORDER BY id",
	    "iii", base | (int64_t)t->queued_seq, base, end);
	struct segment_row row = {0};
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		struct envelope_view e;
		struct str at, json;
		size_t frame;

		segment_row_read(stmt, &row);
		at = row.frames;
		while (at.n && (frame = envelope_frame(at.p, at.n, &json))) {
			if (envelope_view(json, &e) && e.seq >= t->queued_seq)
				take_event(f, t, &e);
			at.p += frame;
			at.n -= frame;
		}
	}
	segment_row_finish(&row);
	return rc;
}

static int64_t last_seq_of(struct db *db, int64_t session)
{
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT last_seq FROM segments WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", "ii",
	    store_key(session, 0), store_key(session + 1, 0));
	int64_t seq = 0;

	if (db_step(db, stmt) == 1) {
		seq = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	return seq;
}

/* Append one event to the turn's session as seq. */
static int add_event(struct db *db, const struct open_turn *t, const char *daemon_id, int64_t seq,
    enum event_kind kind, const struct buf *payload)
{
	struct buf frame = {0};
	int rc;

	envelope_put_frame(&frame, &(struct envelope){.kind = kind,
				       .daemon_id = daemon_id,
				       .session_id = t->session_id,
				       .seq = (uint64_t)seq,
				       .ts_ms = clock_wall_ms(),
				       .payload = payload->p,
				       .payload_len = payload->len});
	rc = segment_row_put(db, t->session, (uint64_t)seq, (uint64_t)seq, frame.p, frame.len);
	buf_finish(&frame);
	return rc;
}

/* What was asked and not decided is denied: nothing runs by itself after a restart. */
static int deny_requests(
    struct db *db, const struct open_turn *t, const char *daemon_id, int64_t *seq)
{
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT id FROM permissions WHERE session = ? AND turn = ? AND open = 1 ORDER BY num",
	    "it", t->session, t->id);
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		struct buf payload = {0};

		payload_put_permission_resolved(&payload, t->id,
		    (const char *)sqlite3_column_text(stmt, 0), "deny", "daemon", "restart");
		rc = add_event(db, t, daemon_id, (*seq)++, EVENT_PERMISSION_RESOLVED, &payload);
		buf_finish(&payload);
		if (rc != 0) {
			sqlite3_reset(stmt);
			return rc;
		}
	}
	if (rc != 0)
		return rc;
	return db_run(db,
	    "UPDATE permissions SET open = 0, decision = 'deny', decided_by = 'daemon'"
	    " WHERE session = ? AND turn = ? AND open = 1",
	    "it", t->session, t->id);
}

/* Every tool.start has its tool.end. */
static int end_calls(struct db *db, const struct open_turn *t, const char *daemon_id,
    const struct found *f, int64_t *seq)
{
	int rc = 0;

	for (size_t i = 0; i < f->call_count && rc == 0; i++) {
		struct buf payload = {0};

		if (f->calls[i].result)
			continue;
		payload_put_tool_end(&payload, t->id,
		    &(struct tool_end){.name = f->calls[i].name,
			.call_id = f->calls[i].id,
			.result = "the daemon ended before this call did"});
		rc = add_event(db, t, daemon_id, (*seq)++, EVENT_TOOL_END, &payload);
		buf_finish(&payload);
	}
	return rc;
}

static int add_stop_event(
    struct db *db, const struct open_turn *t, const char *daemon_id, int64_t *seq)
{
	struct buf payload = {0};
	int rc;

	payload_put_error(&payload,
	    &(struct turn_names){.turn_id = t->id, .writer_id = t->writer, .client_id = t->client},
	    "the daemon ended before this turn did", TURN_ERROR_INTERRUPTED);
	rc = add_event(db, t, daemon_id, (*seq)++, EVENT_TURN_ERROR, &payload);
	buf_finish(&payload);
	return rc;
}

static int save_messages(struct db *db, const struct open_turn *t, struct found *f)
{
	int rc = 0;

	make_messages(f);
	for (size_t i = 0; i < f->message_count && rc == 0; i++)
		rc = db_run(db,
		    "INSERT INTO messages(id, body) VALUES(coalesce((SELECT max(id) FROM messages"
		    " WHERE id >= ?1 AND id < ?2), ?1) + 1, ?3)",
		    "iit", store_key(t->session, 0), store_key(t->session + 1, 0),
		    buf_cstr(&f->messages[i]));
	return rc;
}

static int end_turn(struct db *db, const struct open_turn *t, const char *daemon_id)
{
	struct found f = {0};
	int64_t seq = last_seq_of(db, t->session) + 1, messages;
	int rc = read_turn(db, t, &f);
	sqlite3_stmt *stmt;

	if (rc == 0)
		rc = deny_requests(db, t, daemon_id, &seq);
	if (rc == 0)
		rc = end_calls(db, t, daemon_id, &f, &seq);
	if (rc == 0)
		rc = add_stop_event(db, t, daemon_id, &seq);
	if (rc == 0)
		rc = save_messages(db, t, &f);
	if (rc == 0)
		rc = db_run(db, "UPDATE turns SET state = 0 WHERE num = ?", "i", t->num);
	stmt = db_query(db, "SELECT count(*) FROM messages WHERE id >= ? AND id < ?", "ii",
	    store_key(t->session, 0), store_key(t->session + 1, 0));
	messages = db_step(db, stmt) == 1 ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	if (rc == 0)
		rc = db_run(db,
		    "UPDATE sessions SET last_seq = ?1, last_turn_seq = ?1, message_count = ?2,"
		    " updated_ms = ?3, turn_count = (SELECT count(*) FROM turns WHERE session = ?4)"
		    " WHERE num = ?4",
		    "iiii", seq - 1, messages, clock_wall_ms(), t->session);
	finish_found(&f);
	return rc;
}

static int list_open(struct db *db, struct open_turn **ret, size_t *ret_len)
{
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT t.num, t.session, t.queued_seq, t.id, t.writer, t.client, t.mode, s.id"
	    " FROM turns t JOIN sessions s ON s.num = t.session WHERE t.state = 1 ORDER BY t.num",
	    "");
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		struct open_turn *t;

		*ret = mem_realloc(*ret, (*ret_len + 1) * sizeof **ret);
		t = &(*ret)[(*ret_len)++];
		t->num = sqlite3_column_int64(stmt, 0);
		t->session = sqlite3_column_int64(stmt, 1);
		t->queued_seq = (uint64_t)sqlite3_column_int64(stmt, 2);
		t->id = mem_strdup((const char *)sqlite3_column_text(stmt, 3));
		t->writer = mem_strdup((const char *)sqlite3_column_text(stmt, 4));
		t->client = mem_strdup((const char *)sqlite3_column_text(stmt, 5));
		t->mode = mem_strdup((const char *)sqlite3_column_text(stmt, 6));
		t->session_id = mem_strdup((const char *)sqlite3_column_text(stmt, 7));
	}
	return rc;
}

int recovery_run(struct db *db, const char *daemon_id, size_t *ret_turns, struct err *reterr)
{
	struct open_turn *open = NULL;
	size_t n = 0;
	int rc;

	*ret_turns = 0;
	rc = list_open(db, &open, &n);
	if (rc == 0 && n) {
		rc = db_set_sync(db, true);
		if (rc == 0)
			rc = db_run(db, "BEGIN IMMEDIATE", "");
		for (size_t i = 0; i < n && rc == 0; i++) {
			rc = end_turn(db, &open[i], daemon_id);
			FAULT("recovery-turn");
		}
		if (rc == 0)
			rc = db_run(db, "COMMIT", "");
		else
			db_run(db, "ROLLBACK", "");
		FAULT("recovered");
	}
	if (rc != 0)
		err_set(reterr, rc, "cannot end the turns the last daemon left open: %s",
		    sqlite3_errmsg(db->h));
	else
		*ret_turns = n;
	for (size_t i = 0; i < n; i++) {
		free(open[i].id);
		free(open[i].writer);
		free(open[i].client);
		free(open[i].mode);
		free(open[i].session_id);
	}
	free(open);
	return rc;
}
