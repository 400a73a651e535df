/* session/session: the snapshot, changing, deleting. */
#include "session/session.h"

#include "protocol/payload.h"
#include "session/feed.h"
#include "session/world.h"

static void the_snapshot_follows_the_turns(void **state)
{
	struct snapshot snapshot;

	w->fake.mood = FAKE_WAITS;
	world_session("s");
	session_snapshot(w->session, &snapshot);
	assert_string_equal(snapshot.status, "idle");
	assert_null(snapshot.active_turn);
	assert_int_equal(snapshot.last_seq, 1);
	world_submit("runs");
	run_until(w->fake.stream && session_last_seq(w->session) == 4);
	world_submit("waits");
	session_snapshot(w->session, &snapshot);
	assert_string_equal(snapshot.status, "running");
	assert_string_equal(snapshot.active_turn, turn_names(w->session->active)->turn_id);
	assert_int_equal(snapshot.queued_turns, 1);
	assert_int_equal(snapshot.turn_count, 2);
	w->fake.mood = FAKE_ANSWERS;
	fake_go_on();
	run_until(!w->session->busy);
	session_snapshot(w->session, &snapshot);
	assert_string_equal(snapshot.status, "idle");
	assert_int_equal(snapshot.message_count, 4);
	assert_int_equal(snapshot.last_seq, session_last_seq(w->session));
}

static void a_change_is_an_event_and_outlives_the_session_in_memory(void **state)
{
	struct told told = {0};
	struct buf out = {0};
	json_t *metadata = json_object();

	json_object_set_new(metadata, "k", json_string("v"));
	world_session("s");
	session_patch(w->session,
	    &(struct request_session){.title = "T", .model = "M", .metadata = metadata}, on_told,
	    &told);
	assert_int_equal(told.times, 0);
	run_until(told.times);
	assert_int_equal(told.error, API_OK);
	told_finish(&told);
	assert_string_equal(world_events(1, &out), "session.snapshot session.updated ");
	assert_holds(world_payload(2), "\"title\":\"T\"");
	assert_holds(world_payload(2), "\"lastSeq\":2");
	world_reload("s");
	assert_string_equal(w->session->row.title, "T");
	assert_string_equal(w->session->row.model, "M");
	assert_string_equal(w->session->row.metadata, "{\"k\":\"v\"}");
	/* What is not given stays. */
	session_patch(w->session, &(struct request_session){.model = "N"}, on_told, &told);
	run_until(told.times);
	assert_string_equal(w->session->row.title, "T");
	assert_string_equal(w->session->row.model, "N");
	told_finish(&told);
	json_decref(metadata);
	buf_finish(&out);
}

static void changes_the_disk_refused_are_told_and_leave_nothing(void **state)
{
	struct told kept = {0}, first = {0}, second = {0}, later = {0};

	world_session("s");
	session_patch(w->session, &(struct request_session){.title = "kept"}, on_told, &kept);
	run_until(kept.times);
	world_hold_writer();
	session_patch(w->session, &(struct request_session){.title = "one"}, on_told, &first);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	session_patch(
	    w->session, &(struct request_session){.title = "two", .model = "M"}, on_told, &second);
	world_let_go(ERR_FULL);
	run_until(first.times && second.times);
	assert_int_equal(first.error, API_STORAGE_FULL);
	assert_int_equal(second.error, API_STORAGE_FULL);
	assert_int_equal(log_last(w->session->log), 2);
	assert_string_equal(w->session->row.title, "kept");
	assert_string_not_equal(w->session->row.model, "M");
	/* The next one is as good as ever, and as bad. */
	session_patch(w->session, &(struct request_session){.title = "three"}, on_told, &later);
	run_until(later.times);
	assert_int_equal(later.error, API_OK);
	session_patch(w->session, &(struct request_session){.title = "four"}, on_told, &later);
	world_fail_batch();
	run_until(later.times == 2);
	assert_string_equal(w->session->row.title, "three");
	told_finish(&kept);
	told_finish(&first);
	told_finish(&second);
	told_finish(&later);
	uv_sem_destroy(&world_held);
}

static void a_session_is_not_deleted_under_a_turn(void **state)
{
	struct submitted turn = {0};
	struct told told = {0};

	world_session("s");
	/* From the first look into the database on. */
	SUBMIT(w->session, "hello", &turn);
	session_delete(w->session, on_told, &told);
	assert_int_equal(told.error, API_CONFLICT);
	run_until(turn.times);
	session_delete(w->session, on_told, &told);
	assert_int_equal(told.times, 2);
	assert_int_equal(told.error, API_CONFLICT);
	run_until(!w->session->busy);
	session_delete(w->session, on_told, &told);
	run_until(told.times == 3);
	assert_int_equal(told.error, API_OK);
	told_finish(&told);
}

static void a_deleted_session_takes_nothing_and_is_not_found(void **state)
{
	struct submitted turn = {0};
	struct told told = {0};
	struct core_counts counts;

	world_session("s");
	session_delete(w->session, on_told, &told);
	roster_get(w->core, "s", on_told, &told);
	assert_int_equal(told.error, API_SESSION_NOT_FOUND);
	session_delete(w->session, on_told, &told);
	assert_int_equal(told.error, API_SESSION_NOT_FOUND);
	session_patch(w->session, &(struct request_session){.title = "T"}, on_told, &told);
	assert_int_equal(told.error, API_SESSION_NOT_FOUND);
	SUBMIT(w->session, "hello", &turn);
	run_until(turn.times && told.times == 4);
	assert_int_equal(turn.error, API_SESSION_NOT_FOUND);
	assert_int_equal(told.error, API_OK);
	told_finish(&told);
	session_unref(w->session);
	w->session = NULL;
	run_until(w->core->sessions.len == 0);
	roster_get(w->core, "s", on_told, &told);
	run_until(told.times);
	assert_int_equal(told.error, API_SESSION_NOT_FOUND);
	core_counts(w->core, &counts);
	assert_int_equal(counts.sessions, 0);
}

static void a_delete_the_disk_refused_leaves_the_session(void **state)
{
	struct told told = {0};

	world_session("s");
	session_delete(w->session, on_told, &told);
	world_fail_batch();
	run_until(told.times);
	assert_int_equal(told.error, API_STORAGE_FULL);
	told_finish(&told);
	roster_get(w->core, "s", on_told, &told);
	assert_int_equal(told.error, API_OK);
	told_finish(&told);
	world_submit("hello");
	run_until(!w->session->busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(the_snapshot_follows_the_turns),
	    with_world(a_change_is_an_event_and_outlives_the_session_in_memory),
	    with_world(changes_the_disk_refused_are_told_and_leave_nothing),
	    with_world(a_session_is_not_deleted_under_a_turn),
	    with_world(a_deleted_session_takes_nothing_and_is_not_found),
	    with_world(a_delete_the_disk_refused_leaves_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
