/* protocol/requests: each wrong field is named. */
#include "protocol/requests.h"

#include "unit.h"

static json_t *load(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(value);
	return value;
}

static void wrong_fields_of_a_session_are_named(void **state)
{
	static const char *const cases[][2] = {
	    {"{\"sessionId\":\"a b\"}", "sessionId"},
	    {"{\"sessionId\":\"\"}", "sessionId"},
	    {"{\"sessionId\":7}", "sessionId"},
	    {"{\"title\":7}", "title"},
	    {"{\"model\":[]}", "model"},
	    {"{\"messages\":{}}", "messages"},
	    {"{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", "messages"},
	    {"{\"messages\":[{\"role\":\"user\"}]}", "messages"},
	    {"{\"metadata\":[]}", "metadata"},
	    {"{\"metadata\":{\"workspace\":1}}", "metadata.workspace"},
	    {"[]", "body"},
	    {"7", "body"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_t *body = load(cases[i][0]);
		struct request_session r;
		struct problems p = {0};

		assert_false(request_session(body, &r, &p));
		assert_non_null(strstr(buf_cstr(&p.details), cases[i][1]));
		assert_int_equal(strncmp(p.first, cases[i][1], strlen(cases[i][1])), 0);
		problems_finish(&p);
		json_decref(body);
	}
}

static void several_problems_are_all_told(void **state)
{
	json_t *body =
	    load("{\"content\":\"\",\"mode\":\"fly\",\"lastSeenSeq\":-1,\"clientId\":9}");
	struct request_turn r;
	struct problems p = {0};

	assert_false(request_turn(body, &r, &p));
	assert_int_equal(p.count, 4);
	problems_finish(&p);
	json_decref(body);
}

static void a_turn_has_sensible_defaults(void **state)
{
	json_t *body =
	    load("{\"content\":\"hi\",\"clientId\":\"me\",\"lastSeenSeq\":null,\"mode\":null}");
	struct request_turn r;
	struct problems p = {0};

	assert_true(request_turn(body, &r, &p));
	assert_string_equal(r.mode, "chat");
	assert_string_equal(r.writer_id, "me");
	assert_false(r.has_last_seen);
	assert_null(r.idempotency_key);
	json_decref(body);
}

static void ids_are_bounded_and_plain(void **state)
{
	char id[70];

	memset(id, 'a', sizeof id);
	assert_true(request_id_ok((struct str){id, 64}));
	assert_false(request_id_ok((struct str){id, 65}));
	assert_false(request_id_ok((struct str){id, 0}));
	assert_true(request_id_ok(str_of("A-z_09")));
	assert_false(request_id_ok(str_of("a.b")));
	assert_false(request_id_ok(str_of("../x")));
	assert_false(request_id_ok((struct str){"a\0b", 3}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_fields_of_a_session_are_named),
	    cmocka_unit_test(several_problems_are_all_told),
	    cmocka_unit_test(a_turn_has_sensible_defaults),
	    cmocka_unit_test(ids_are_bounded_and_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
