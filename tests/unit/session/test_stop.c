/* session/stop: one stop event, whatever the disk says. */
#include "session/stop.h"

#include "session/world.h"

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

/* How many stop events the log holds. */
static unsigned stops(void)
{
	struct buf out = {0};
	const char *all = world_events(1, &out);
	unsigned n =
	    count(all, "turn.done") + count(all, "turn.error") + count(all, "session.cancelled");

	buf_finish(&out);
	return n;
}

static void all_at_once_is_one_stop_event(void **state)
{
	struct session *s;
	struct turn *t;

	w->fake.mood = FAKE_WAITS;
	s = world_session("s");
	world_submit("hello");
	run_until(session_last_seq(s) == 4);
	t = s->active;
	assert_true(turn_end_early(t, "interrupted", "first"));
	assert_false(turn_end_early(t, "interrupted", "second"));
	session_interrupt(s, true);
	turn_storage_failed(t, ERR_FULL);
	run_until(!s->busy);
	assert_int_equal(stops(), 1);
	assert_holds(world_payload(session_last_seq(s)), "first");
}

static void on_text(void *data, enum api_error error, struct buf *json)
{
	struct buf *out = data;

	assert_int_equal(error, API_OK);
	buf_clear(out);
	buf_add(out, json->p, json->len);
}

static void a_stop_the_disk_refused_is_written_later_with_its_messages(void **state)
{
	struct session *s;
	struct buf out = {0};

	w->fake.mood = FAKE_WAITS;
	s = world_session("s");
	world_submit("hello");
	run_until(session_last_seq(s) == 4);
	assert_true(turn_end_early(s->active, "interrupted", "enough"));
	world_fail_batch();
	run_until(log_last(s->log) == 4);
	/* It is still the session's turn: nobody else begins, nobody was told of an end. */
	assert_true(s->busy);
	assert_non_null(s->active);
	assert_int_equal(stops(), 0);
	run_until(!s->busy);
	assert_string_equal(world_events(2, &out), "turn.queued turn.start turn.token turn.error ");
	assert_int_equal(s->row.message_count, 2);
	assert_int_equal(s->row.last_turn_seq, 5);
	buf_clear(&out);
	roster_messages(s, on_text, &out);
	run_until(out.len);
	assert_string_equal(buf_cstr(&out), "{\"role\":\"user\",\"content\":\"hello\"},"
					    "{\"role\":\"assistant\",\"content\":\"one \"}");
	/* The next start finds nothing open. */
	world_close();
	world_open();
	assert_int_equal(w->stats.recovered, 0);
	buf_finish(&out);
}

struct outcome {
	unsigned good, bad;
};

static void on_stopped(void *data, int rc)
{
	struct outcome *o = data;

	o->good += rc == 0;
	o->bad += rc != 0;
}

static void each_try_is_told_and_success_last(void **state)
{
	struct outcome o = {0};
	struct buf payload = {0};
	struct session *s;
	struct turn *t;

	w->fake.mood = FAKE_WAITS;
	s = world_session("s");
	world_submit("hello");
	run_until(session_last_seq(s) == 4);
	t = s->active;
	assert_true(turn_end_early(t, NULL, NULL));
	buf_adds(&payload, "{\"cancelled\":1}");
	stop_start(s, EVENT_SESSION_CANCELLED, &payload, &t, 1, on_stopped, &o);
	/* The payload is the stop's now. */
	assert_null(payload.p);
	world_fail_batch();
	run_until(o.bad);
	assert_int_equal(o.good, 0);
	run_until(o.good);
	assert_int_equal(o.bad, 1);
	run_until(!s->busy);
	assert_int_equal(stops(), 1);
}

static void a_queued_turn_begins_only_after_the_stop_is_durable(void **state)
{
	struct session *s;

	w->fake.mood = FAKE_WAITS;
	s = world_session("s");
	world_submit("first");
	run_until(session_last_seq(s) == 4);
	world_submit("second");
	world_hold_writer();
	assert_true(turn_end_early(s->active, "interrupted", "enough"));
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(s->queued, 1);
	assert_int_equal(w->fake.asked, 1);
	w->fake.mood = FAKE_ANSWERS;
	world_let_go(0);
	run_until(!s->busy);
	assert_int_equal(w->fake.asked, 2);
	assert_int_equal(stops(), 2);
	uv_sem_destroy(&world_held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(all_at_once_is_one_stop_event),
	    with_world(a_stop_the_disk_refused_is_written_later_with_its_messages),
	    with_world(each_try_is_told_and_success_last),
	    with_world(a_queued_turn_begins_only_after_the_stop_is_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
