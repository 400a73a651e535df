/* session/roster: making, finding, loading and listing. */
#include "session/roster.h"

#include "session/world.h"

static void a_session_made_is_durable_and_begins_with_its_snapshot(void **state)
{
	struct session *s = world_session("alpha");
	struct buf out = {0};

	assert_string_equal(session_id(s), "alpha");
	assert_int_equal(session_last_seq(s), 1);
	assert_string_equal(world_events(1, &out), "session.snapshot ");
	assert_holds(world_payload(1), "\"lastSeq\":1");
	assert_holds(world_payload(1), "\"messages\":[]");
	buf_finish(&out);
}

static void the_same_id_twice_is_one_session(void **state)
{
	struct told first = {0}, second = {0}, third = {0};
	struct core_counts counts;

	roster_create(w->core, &(struct request_session){.session_id = "twin", .title = "one"},
	    on_told, &first);
	roster_create(w->core, &(struct request_session){.session_id = "twin", .title = "two"},
	    on_told, &second);
	run_until(first.times && second.times);
	roster_create(w->core, &(struct request_session){.session_id = "twin"}, on_told, &third);
	run_until(third.times);
	assert_int_equal(second.error, API_OK);
	assert_ptr_equal(first.session, second.session);
	assert_ptr_equal(first.session, third.session);
	assert_string_equal(first.session->row.title, "one");
	core_counts(w->core, &counts);
	assert_int_equal(counts.sessions, 1);
	told_finish(&first);
	told_finish(&second);
	told_finish(&third);
}

static void an_id_nobody_has_and_one_nobody_can_have_are_not_found(void **state)
{
	struct told unknown = {0}, bad = {0};

	roster_get(w->core, "nobody", on_told, &unknown);
	roster_get(w->core, "no/body", on_told, &bad);
	/* The second needs no look into the database. */
	assert_int_equal(bad.times, 1);
	assert_int_equal(bad.error, API_SESSION_NOT_FOUND);
	run_until(unknown.times);
	assert_int_equal(unknown.error, API_SESSION_NOT_FOUND);
	assert_null(unknown.session);
	assert_int_equal(w->core->loading.len, 0);
}

static void a_session_leaves_memory_with_its_last_reference_and_is_loaded_once(void **state)
{
	struct told first = {0}, second = {0};

	world_session("beta");
	session_patch(w->session, &(struct request_session){.title = "kept"}, on_told, &first);
	run_until(first.times);
	told_finish(&first);
	session_unref(w->session);
	w->session = NULL;
	assert_int_equal(w->core->sessions.len, 0);
	roster_get(w->core, "beta", on_told, &first);
	roster_get(w->core, "beta", on_told, &second);
	assert_int_equal(w->core->loading.len, 1);
	run_until(second.times);
	assert_ptr_equal(first.session, second.session);
	assert_string_equal(first.session->row.title, "kept");
	assert_int_equal(session_last_seq(first.session), 2);
	told_finish(&first);
	assert_int_equal(w->core->sessions.len, 1);
	told_finish(&second);
	assert_int_equal(w->core->sessions.len, 0);
}

static void on_text(void *data, enum api_error error, struct buf *json)
{
	struct buf *out = data;

	assert_int_equal(error, API_OK);
	buf_clear(out);
	buf_add(out, json->p, json->len);
	buf_addc(out, '\n');
}

static void messages_given_at_the_making_are_kept_in_order_role_first(void **state)
{
	static const char given[] = "[{\"content\":\"hi\",\"role\":\"user\"},"
				    "{\"role\":\"assistant\",\"content\":\"ho\",\"x\":1}]";
	struct told told = {0};
	struct buf out = {0};
	json_t *messages;

	assert_int_equal(json_parse(given, sizeof given - 1, &messages, NULL), 0);
	roster_create(w->core, &(struct request_session){.session_id = "m", .messages = messages},
	    on_told, &told);
	/* The caller's own are left as they are. */
	assert_string_equal(json_cstr(json_array_get(messages, 0), "role", ""), "user");
	json_decref(messages);
	run_until(told.times);
	assert_int_equal(told.session->row.message_count, 2);
	roster_messages(told.session, on_text, &out);
	run_until(out.len);
	assert_string_equal(buf_cstr(&out),
	    "{\"role\":\"user\",\"content\":\"hi\"},"
	    "{\"role\":\"assistant\",\"content\":\"ho\",\"x\":1}\n");
	told_finish(&told);
	buf_finish(&out);
}

static void the_list_is_newest_first_and_shows_what_is_in_memory(void **state)
{
	struct buf out = {0};

	world_session("older");
	world_session("newer");
	/* In memory, and nowhere else. */
	free(w->session->row.title);
	w->session->row.title = mem_strdup("only here");
	roster_list(w->core, 0, NULL, NULL, on_text, &out);
	run_until(out.len);
	assert_holds(buf_cstr(&out), "only here");
	assert_true(strstr(buf_cstr(&out), "\"newer\"") < strstr(buf_cstr(&out), "\"older\""));
	buf_clear(&out);
	roster_list(w->core, 1, NULL, NULL, on_text, &out);
	run_until(out.len);
	assert_null(strstr(buf_cstr(&out), "\"older\""));
	buf_clear(&out);
	roster_list(w->core, 0, "newer", NULL, on_text, &out);
	run_until(out.len);
	assert_null(strstr(buf_cstr(&out), "\"newer\""));
	assert_holds(buf_cstr(&out), "\"older\"");
	buf_finish(&out);
}

static void a_session_the_disk_refused_never_was(void **state)
{
	struct told told = {0}, again = {0};
	struct core_counts counts;

	roster_create(w->core, &(struct request_session){.model = "m"}, on_told, &told);
	world_fail_batch();
	run_until(told.times);
	assert_int_equal(told.error, API_STORAGE_FULL);
	assert_null(told.session);
	core_counts(w->core, &counts);
	assert_int_equal(counts.sessions, 0);
	run_until(w->core->sessions.len == 0);
	roster_create(w->core, &(struct request_session){.session_id = "s"}, on_told, &again);
	run_until(again.times);
	assert_int_equal(again.error, API_OK);
	assert_int_equal(session_last_seq(again.session), 1);
	told_finish(&again);
}

static void delete_it(void *data, enum api_error error, struct session *s)
{
	assert_int_equal(error, API_OK);
	session_delete(s, on_told, data);
}

static void who_waited_behind_a_delete_finds_nothing(void **state)
{
	struct told deleted = {0}, found = {0}, made = {0};

	world_session("gone");
	session_unref(w->session);
	w->session = NULL;
	roster_get(w->core, "gone", delete_it, &deleted);
	roster_get(w->core, "gone", on_told, &found);
	roster_create(w->core, &(struct request_session){.session_id = "gone"}, on_told, &made);
	run_until(deleted.times && found.times && made.times);
	assert_int_equal(deleted.error, API_OK);
	assert_int_equal(found.error, API_SESSION_NOT_FOUND);
	assert_null(found.session);
	assert_int_equal(made.error, API_CONFLICT);
	told_finish(&deleted);
	told_finish(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_world(a_session_made_is_durable_and_begins_with_its_snapshot),
	    with_world(the_same_id_twice_is_one_session),
	    with_world(an_id_nobody_has_and_one_nobody_can_have_are_not_found),
	    with_world(a_session_leaves_memory_with_its_last_reference_and_is_loaded_once),
	    with_world(messages_given_at_the_making_are_kept_in_order_role_first),
	    with_world(the_list_is_newest_first_and_shows_what_is_in_memory),
	    with_world(a_session_the_disk_refused_never_was),
	    with_world(who_waited_behind_a_delete_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
