/* protocol/errors: the codes of the contract and the shape of an error body. */
#include "protocol/errors.h"

#include "base/buf.h"
#include "base/json.h"
#include "unit.h"

static void every_code_has_a_status_with_a_reason_phrase(void **state)
{
	for (int e = API_OK; e <= API_STORAGE_FULL; e++) {
		const char *code = api_error_code((enum api_error)e);
		int status = api_error_status((enum api_error)e);

		assert_true(code && code[0]);
		assert_true(e == API_OK ? status == 200 : status >= 400 && status < 600);
		assert_string_not_equal(http_status_text(status), "Status");
		for (const char *p = code; *p; p++)
			assert_true((*p >= 'A' && *p <= 'Z') || *p == '_');
	}
}

static void the_codes_clients_know_keep_their_status(void **state)
{
	static const struct {
		enum api_error e;
		const char *code;
		int status;
	} rows[] = {
	    {API_UNAUTHORIZED, "UNAUTHORIZED", 401},
	    {API_INVALID_REQUEST, "INVALID_REQUEST", 400},
	    {API_HEADER_TOO_LARGE, "INVALID_REQUEST", 431},
	    {API_SESSION_NOT_FOUND, "SESSION_NOT_FOUND", 404},
	    {API_PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", 413},
	    {API_SESSION_LIMIT, "SESSION_LIMIT", 429},
	    {API_SHUTTING_DOWN, "SHUTTING_DOWN", 503},
	    {API_STORAGE_FULL, "STORAGE_FULL", 507},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_string_equal(api_error_code(rows[i].e), rows[i].code);
		assert_int_equal(api_error_status(rows[i].e), rows[i].status);
	}
}

static void a_body_has_sentence_code_and_details(void **state)
{
	struct buf out = {0};

	api_error_put(&out, API_NOT_FOUND, "no \"x\"\n", NULL);
	assert_string_equal(buf_cstr(&out),
	    "{\"error\":\"no \\\"x\\\"\\n\",\"code\":\"NOT_FOUND\",\"details\":[]}");
	buf_clear(&out);
	api_error_put(&out, API_INVALID_REQUEST, "bad", "{\"path\":\"a\"},{\"path\":\"b\"}");
	assert_string_equal(buf_cstr(&out), "{\"error\":\"bad\",\"code\":\"INVALID_REQUEST\","
					    "\"details\":[{\"path\":\"a\"},{\"path\":\"b\"}]}");
	buf_finish(&out);
}

static void a_status_nobody_sends_has_some_phrase(void **state)
{
	assert_string_equal(http_status_text(200), "OK");
	assert_string_equal(http_status_text(101), "Switching Protocols");
	assert_string_equal(http_status_text(299), "Status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_code_has_a_status_with_a_reason_phrase),
	    cmocka_unit_test(the_codes_clients_know_keep_their_status),
	    cmocka_unit_test(a_body_has_sentence_code_and_details),
	    cmocka_unit_test(a_status_nobody_sends_has_some_phrase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
