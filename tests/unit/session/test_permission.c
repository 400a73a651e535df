/* session/permission: one answer, durable before anybody hears of it. */
#include "session/permission.h"

#include "session/world.h"

struct heard {
	unsigned decided, answers;
	bool allow;
	enum api_error error;
};

static void on_decided(
    void *data, bool allow, const char *by, const char *reason, const char *answer)
{
	struct heard *h = data;

	h->decided++;
	h->allow = allow;
}

static void on_answered(void *data, const struct resolve_result *r)
{
	struct heard *h = data;

	h->answers++;
	h->error = r->error;
}

static struct permission *ask(struct session *s, struct heard *h)
{
	uint64_t before = session_last_seq(s);
	struct permission *p = permission_ask(&(struct permission_opts){.session = s,
	    .turn_id = "turn_x",
	    .call_id = "call_x",
	    .tool = "run_command",
	    .args = "{}",
	    .preview = "$ make",
	    .match = "[\"make\",\".\"]",
	    .on_decided = on_decided,
	    .data = h});

	run_until(session_last_seq(s) > before);
	return p;
}

/* The id of the one open request. */
static const char *open_id(const struct session *s)
{
	static char id[64];
	struct buf out = {0};
	bool first = true;
	const char *at;

	permission_put_pending(s, &out, &first);
	at = strstr(buf_cstr(&out), "perm_");
	assert_non_null(at);
	snprintf(id, sizeof id, "%.*s", (int)strcspn(at, "\""), at);
	buf_finish(&out);
	return id;
}

static void answer(struct session *s, const char *rid, struct heard *h)
{
	permission_resolve(s, rid,
	    &(struct request_resolve){.allow = true, .remember = true, .decided_by = "me"},
	    on_answered, h);
}

static void the_first_answer_counts_and_is_remembered(void **state)
{
	struct session *s = world_session("s");
	struct heard h = {0}, late = {0};
	const char *id;

	ask(s, &h);
	id = open_id(s);
	answer(s, id, &h);
	answer(s, id, &late);
	assert_int_equal(late.error, API_CONFLICT);
	assert_int_equal(h.decided, 0);
	run_until(h.decided);
	assert_true(h.allow);
	assert_int_equal(h.error, API_OK);
	assert_int_equal(json_array_size(s->rules), 1);
}

static void a_decision_the_disk_refused_is_neither_made_nor_remembered(void **state)
{
	struct session *s = world_session("s");
	struct heard h = {0};
	struct permission *p = ask(s, &h);
	char id[32];

	answer(s, open_id(s), &h);
	world_fail_batch();
	run_until(h.answers);
	assert_int_not_equal(h.error, API_OK);
	assert_int_equal(h.decided, 0);
	assert_int_equal(json_array_size(s->rules), 0);
	permission_drop(p, id);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    with_world(the_first_answer_counts_and_is_remembered),
	    with_world(a_decision_the_disk_refused_is_neither_made_nor_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
