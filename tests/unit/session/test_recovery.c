/* session/recovery: what the last daemon left open ends once, and nothing else changes. */
#include "session/recovery.h"

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "protocol/envelope.h"
#include "protocol/item.h"
#include "session/history.h"
#include "store/db.h"
#include "store/open_turns.h"
#include "store/schema.h"
#include "store/sessions.h"
#include "store/store.h"
#include "unit.h"

static struct db *db;

static int setup(void **state)
{
	unit_make_dir(state);
	return db_open(unit_path("opta.db"), false, &db, NULL) || schema_migrate(db, "x", NULL);
}

static int teardown(void **state)
{
	db_close(db);
	return unit_remove_dir(state);
}

static void add_session(int64_t num, const char *id)
{
	assert_int_equal(db_run(db, "INSERT INTO sessions VALUES(?,?,'m','t','{}',1,1,0,0,0,1,0,0)",
			     "it", num, id),
	    0);
}

static void add_turn(int64_t session, const char *id, int64_t state, int64_t queued_seq)
{
	assert_int_equal(
	    db_run(db,
		"INSERT INTO turns(session, id, state, writer, client, mode, queued_seq)"
		" VALUES(?,?,?,'ann','cli','chat',?)",
		"itii", session, id, state, queued_seq),
	    0);
}

/* One event as a segment of its own. */
static void add_event(int64_t session, int64_t seq, enum event_kind kind, const char *payload)
{
	struct buf frame = {0};

	envelope_put_frame(&frame, &(struct envelope){.kind = kind,
				       .daemon_id = "daemon_old",
				       .session_id = "s",
				       .seq = (uint64_t)seq,
				       .payload = payload,
				       .payload_len = strlen(payload)});
	assert_int_equal(
	    db_run(db, "INSERT INTO segments VALUES(?,?,0,?)", "iib",
		session << STORE_SEQ_BITS | seq, seq, (const void *)frame.p, frame.len),
	    0);
	buf_finish(&frame);
}

static size_t recover(void)
{
	struct err err;
	size_t n;

	if (open_turns_end(db, "daemon_new", recovery_end_turn, &n, &err) != 0)
		fail_msg("%s", err.text);
	return n;
}

/* The payload of the session's event seq; "" when there is none. */
static const char *event(int64_t session, int64_t seq, enum event_kind *ret_kind)
{
	static char text[1000];
	sqlite3_stmt *stmt = db_query(
	    db, "SELECT bytes FROM segments WHERE id = ?", "i", session << STORE_SEQ_BITS | seq);
	struct envelope_view view;
	struct str json;

	text[0] = '\0';
	if (db_step(db, stmt) != 1)
		return text;
	assert_true(envelope_frame(
	    sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0), &json));
	assert_true(envelope_view(json, &view));
	assert_int_equal(view.seq, seq);
	*ret_kind = view.kind;
	snprintf(text, sizeof text, "%.*s %.*s", (int)view.daemon_id.n, view.daemon_id.p,
	    (int)view.payload.n, view.payload.p);
	sqlite3_reset(stmt);
	return text;
}

static void nothing_open_changes_nothing(void **state)
{
	add_session(1, "s");
	add_turn(1, "t", 0, 1);
	add_event(1, 1, EVENT_TURN_QUEUED, "{\"turnId\":\"t\"}");
	assert_int_equal(recover(), 0);
	assert_int_equal(db_number(db, "SELECT count(*) FROM segments", -1), 1);
	assert_int_equal(db_number(db, "SELECT last_seq FROM sessions", -1), 0);
}

static void a_running_turn_ends_as_interrupted_and_its_words_are_kept(void **state)
{
	enum event_kind kind = EVENT_KINDS;
	sqlite3_stmt *stmt;

	add_session(1, "s");
	add_event(1, 1, EVENT_TURN_TOKEN, "{\"turnId\":\"before\",\"text\":\"no \"}");
	add_turn(1, "t", 1, 2);
	add_event(1, 2, EVENT_TURN_QUEUED, "{\"turnId\":\"t\"}");
	add_event(1, 3, EVENT_TURN_START, "{\"turnId\":\"t\"}");
	assert_int_equal(
	    db_run(db, "INSERT INTO messages(id, body) VALUES(?, '{\"role\":\"user\"}')", "i",
		(int64_t)1 << STORE_SEQ_BITS | 1),
	    0);
	add_event(1, 4, EVENT_TURN_TOKEN, "{\"turnId\":\"t\",\"text\":\"as \\\"far\\\" \"}");
	add_event(1, 5, EVENT_TURN_THINKING, "{\"turnId\":\"t\",\"text\":\"hm\"}");
	add_event(1, 6, EVENT_TURN_TOKEN, "{\"turnId\":\"t\",\"text\":\"as here\"}");
	assert_int_equal(recover(), 1);
	assert_holds(event(1, 7, &kind), "daemon_new ");
	assert_int_equal(kind, EVENT_TURN_ERROR);
	assert_holds(event(1, 7, &kind), "\"code\":\"interrupted\"");
	assert_holds(
	    event(1, 7, &kind), "\"turnId\":\"t\",\"writerId\":\"ann\",\"clientId\":\"cli\"");
	stmt = db_query(db, "SELECT body FROM messages ORDER BY id DESC", "");
	assert_int_equal(db_step(db, stmt), 1);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0),
	    "{\"role\":\"assistant\",\"content\":\"as \\\"far\\\" as here\"}");
	sqlite3_reset(stmt);
	assert_int_equal(db_number(db, "SELECT last_seq FROM sessions", -1), 7);
	assert_int_equal(db_number(db, "SELECT last_turn_seq FROM sessions", -1), 7);
	assert_int_equal(db_number(db, "SELECT message_count FROM sessions", -1), 2);
	assert_int_equal(db_number(db, "SELECT turn_count FROM sessions", -1), 1);
	/* Once. */
	assert_int_equal(recover(), 0);
	assert_string_equal(event(1, 8, &kind), "");
}

static void a_running_turn_and_those_behind_it_end_in_their_order(void **state)
{
	enum event_kind kind;

	add_session(1, "s");
	add_turn(1, "first", 1, 1);
	add_turn(1, "second", 1, 2);
	add_turn(1, "third", 1, 3);
	add_event(1, 1, EVENT_TURN_QUEUED, "{\"turnId\":\"first\"}");
	add_event(1, 2, EVENT_TURN_QUEUED, "{\"turnId\":\"second\"}");
	add_event(1, 3, EVENT_TURN_QUEUED, "{\"turnId\":\"third\"}");
	add_event(1, 4, EVENT_TURN_START, "{\"turnId\":\"first\"}");
	assert_int_equal(recover(), 3);
	assert_holds(event(1, 5, &kind), "\"first\"");
	assert_holds(event(1, 6, &kind), "\"second\"");
	assert_holds(event(1, 7, &kind), "\"third\"");
	/* None said a word, so none is in the history. */
	assert_int_equal(db_number(db, "SELECT count(*) FROM messages", -1), 0);
	assert_int_equal(db_number(db, "SELECT last_seq FROM sessions", -1), 7);
}

static void each_session_is_ended_in_its_own_log(void **state)
{
	enum event_kind kind;

	add_session(1, "a");
	add_session(2, "b");
	add_session(3, "idle");
	add_turn(1, "ta", 1, 1);
	add_event(1, 1, EVENT_TURN_QUEUED, "{\"turnId\":\"ta\"}");
	add_turn(2, "tb", 1, 4);
	add_event(2, 4, EVENT_TURN_QUEUED, "{\"turnId\":\"tb\"}");
	add_event(3, 1, EVENT_SESSION_SNAPSHOT, "{}");
	assert_int_equal(recover(), 2);
	assert_holds(event(1, 2, &kind), "\"ta\"");
	assert_holds(event(2, 5, &kind), "\"tb\"");
	assert_string_equal(event(3, 2, &kind), "");
	assert_int_equal(db_number(db, "SELECT count(*) FROM segments", -1), 5);
}

static void when_it_cannot_be_written_nothing_of_it_is(void **state)
{
	struct err err = {0};
	size_t n = 7;

	add_session(1, "s");
	add_turn(1, "t", 1, 1);
	add_event(1, 1, EVENT_TURN_QUEUED, "{\"turnId\":\"t\"}");
	assert_int_equal(db_run(db,
			     "CREATE TRIGGER no BEFORE UPDATE ON turns BEGIN SELECT RAISE(ABORT, "
			     "'no'); END",
			     ""),
	    0);
	assert_true(open_turns_end(db, "daemon_new", recovery_end_turn, &n, &err) < 0);
	assert_int_equal(n, 0);
	assert_holds(err.text, "the last daemon left open");
	assert_int_equal(db_number(db, "SELECT count(*) FROM segments", -1), 1);
	assert_true(sqlite3_get_autocommit(db->h));
}

/* A turn with all that can be in one: thoughts, an answer with three calls of which one is asked
 * about and one waits, a lost try, a second answer. */
static const struct {
	enum event_kind kind;
	const char *payload;
} story[] = {
    {EVENT_TURN_QUEUED, "{\"turnId\":\"t\",\"content\":\"do it\"}"},
    {EVENT_TURN_QUEUED, "{\"turnId\":\"u\",\"content\":\"later\"}"},
    {EVENT_TURN_START, "{\"turnId\":\"t\"}"},
    {EVENT_TURN_THINKING, "{\"turnId\":\"t\",\"text\":\"hm\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t\",\"text\":\"I \"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t\",\"text\":\"look\"}"},
    {EVENT_TURN_ANSWER,
	"{\"turnId\":\"t\",\"answer\":1,\"server\":\"s\",\"model\":\"m\",\"calls\":["
	"{\"callId\":\"a\",\"name\":\"list_dir\",\"args\":\"{}\",\"serverId\":\"x\"},"
	"{\"callId\":\"b\",\"name\":\"ask_user\",\"args\":\"{}\"},"
	"{\"callId\":\"c\",\"name\":\"list_dir\",\"args\":\"{}\"}]}"},
    {EVENT_TOOL_START, "{\"turnId\":\"t\",\"callId\":\"a\",\"name\":\"list_dir\"}"},
    {EVENT_TOOL_START, "{\"turnId\":\"t\",\"callId\":\"b\",\"name\":\"ask_user\"}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t\",\"callId\":\"a\",\"result\":\"x\",\"ok\":true}"},
    {EVENT_PERMISSION_RESOLVED, "{\"turnId\":\"t\",\"callId\":\"b\",\"answer\":\"blue\"}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t\",\"callId\":\"b\",\"result\":\"blue\",\"ok\":true}"},
    {EVENT_TOOL_START, "{\"turnId\":\"t\",\"callId\":\"c\",\"name\":\"list_dir\"}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t\",\"callId\":\"c\",\"result\":\"y\",\"ok\":true}"},
    {EVENT_TURN_THINKING, "{\"turnId\":\"t\",\"text\":\"lost\"}"},
    {EVENT_TURN_PROGRESS, "{\"turnId\":\"t\",\"phase\":\"lmx.retry\",\"message\":\"again\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t\",\"text\":\"done\"}"},
};
enum { STORY = sizeof story / sizeof story[0] };

/* What a live turn leaves when it is cancelled after n events of the story: the fold of those, the
 * ends of the calls that began, the cancel. */
static struct history *cancelled_after(size_t n)
{
	struct history *h = history_new();
	struct history_call call;
	uint64_t seq = 0;

	for (size_t i = 0; i < n; i++)
		history_take(h, ++seq, story[i].kind, str_of(story[i].payload));
	for (size_t i = 0; history_open_call(h, i, &call);) {
		char payload[200];

		if (!call.started) {
			i++;
			continue;
		}
		snprintf(payload, sizeof payload,
		    "{\"turnId\":\"t\",\"callId\":\"%s\",\"result\":\"%s\",\"ok\":%s}", call.id,
		    call.answer ? call.answer : "ended", call.answer ? "true" : "false");
		history_take(h, ++seq, EVENT_TOOL_END, str_of(payload));
	}
	history_take(h, ++seq, EVENT_SESSION_CANCELLED, str_of("{\"turnIds\":[\"t\",\"u\"]}"));
	return h;
}

/* All of an item but the text of a result that never came. */
static char *essence(const struct item *item)
{
	struct item copy;
	struct buf out = {0};

	item_copy(&copy, item);
	if (copy.kind == ITEM_RESULT && !copy.ok)
		buf_clear(&copy.text);
	item_put_message(&out, &copy);
	item_put_more(&out, &copy);
	item_finish(&copy);
	return buf_steal(&out);
}

static void check_row(uint64_t n, const struct item *item)
{
	sqlite3_stmt *stmt = db_query(db, "SELECT body, more FROM messages WHERE id = ?", "i",
	    (int64_t)1 << STORE_SEQ_BITS | (int64_t)n);
	char *want = essence(item), *got;
	struct item row;

	assert_int_equal(db_step(db, stmt), 1);
	assert_int_equal(
	    item_take((const char *)sqlite3_column_text(stmt, 0),
		(size_t)sqlite3_column_bytes(stmt, 0), (const char *)sqlite3_column_text(stmt, 1),
		(size_t)sqlite3_column_bytes(stmt, 1), &row),
	    0);
	sqlite3_reset(stmt);
	got = essence(&row);
	assert_string_equal(got, want);
	item_finish(&row);
	free(got);
	free(want);
}

/* Wherever a crash cuts a turn, it leaves what a cancel there would have left. */
static void a_crash_leaves_what_a_cancel_leaves(void **state)
{
	for (size_t n = 1; n <= STORY; n++) {
		struct history *live = cancelled_after(n);

		assert_int_equal(db_run(db, "DELETE FROM segments", ""), 0);
		assert_int_equal(db_run(db, "DELETE FROM messages", ""), 0);
		assert_int_equal(db_run(db, "DELETE FROM turns", ""), 0);
		assert_int_equal(db_run(db, "DELETE FROM sessions", ""), 0);
		add_session(1, "s");
		add_turn(1, "t", 1, 1);
		if (n > 1)
			add_turn(1, "u", 1, 2);
		for (size_t i = 0; i < n; i++)
			add_event(1, (int64_t)i + 1, story[i].kind, story[i].payload);
		/* It was stored with turn.start. */
		if (n > 2)
			assert_int_equal(sessions_insert_item(db, 1, 1, history_item(live, 0)), 0);
		assert_int_equal(recover(), n > 1 ? 2 : 1);
		assert_int_equal(
		    db_number(db, "SELECT count(*) FROM messages", -1), history_count(live));
		for (size_t i = 0; i < history_count(live); i++)
			check_row(i + 1, history_item(live, i));
		history_free(live);
	}
}

#define with_db(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_db(nothing_open_changes_nothing),
	    with_db(a_running_turn_ends_as_interrupted_and_its_words_are_kept),
	    with_db(a_running_turn_and_those_behind_it_end_in_their_order),
	    with_db(each_session_is_ended_in_its_own_log),
	    with_db(when_it_cannot_be_written_nothing_of_it_is),
	    with_db(a_crash_leaves_what_a_cancel_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
