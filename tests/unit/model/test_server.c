/* model/server: which host answers, what it has loaded, how long that is believed. */
#include "model/fake_server.h"

#include "model/models.h"
#include "model/server.h"

struct answer {
	unsigned calls;
	enum preflight result;
	char model[256];
	uint64_t context;
	struct err why;
};

static void on_done(void *data, const struct preflight_answer *from)
{
	struct answer *a = data;

	a->calls++;
	a->result = from->result;
	snprintf(a->model, sizeof a->model, "%s", from->model);
	a->context = from->context_tokens;
	if (from->why)
		a->why = *from->why;
}

static struct model_server *server_of(const char *first, const char *second, const char *key)
{
	struct server_opts o = {.hosts = {first, second},
	    .host_count = (first != NULL) + (second != NULL),
	    .port = 1234,
	    .api_key = key};

	return model_server_new(&loop, &o);
}

static struct answer ask(struct model_server *s)
{
	struct answer a = {0};

	model_server_preflight(s, on_done, &a);
	assert_int_equal(a.calls, 0);
	turn_until(a.calls);
	turn_a_while();
	assert_int_equal(a.calls, 1);
	return a;
}

static void a_ready_server_names_its_model_and_its_context(void **state)
{
	struct fake f = {.answers = {
			     {"/readyz", 200, "{\"ready\":true,\"model\":\"m-1\"}", 0},
			     {"/admin/models", 200,
				 "{\"loaded\":[{\"id\":\"m-1\",\"context_length\":8192}]}", 0},
			 }};
	struct model_server *s;
	struct answer a;
	char name[64];

	fake_start(&f);
	s = server_of(f.host, NULL, "secret");
	a = ask(s);
	assert_int_equal(a.result, PREFLIGHT_READY);
	assert_string_equal(a.model, "m-1");
	assert_int_equal(a.context, 8192);
	assert_string_equal(buf_cstr(&f.auth), "Bearer secret");
	assert_string_equal(model_server_headers(s), "Authorization: Bearer secret\r\n");
	model_server_name(s, name, sizeof name);
	assert_string_equal(name, f.host);
	model_server_free(s);
	fake_stop(&f);
}

static void a_good_answer_is_believed_until_something_failed(void **state)
{
	struct fake f = {.answers = {{"/readyz", 200, "{\"model\":\"m-1\"}", 0},
			     {"/api/ps", 200, "{\"models\":[{\"name\":\"m-1\"}]}", 0}}};
	struct model_server *s;
	struct answer a;

	fake_start(&f);
	s = server_of(f.host, NULL, "");
	ask(s);
	assert_int_equal(fake_count(&f, "/readyz"), 1);
	a = ask(s);
	assert_int_equal(a.result, PREFLIGHT_READY);
	assert_string_equal(a.model, "m-1");
	assert_int_equal(a.context, MODELS_OLLAMA_CONTEXT);
	assert_int_equal(fake_count(&f, "/readyz"), 1);
	model_server_distrust(s);
	ask(s);
	assert_int_equal(fake_count(&f, "/readyz"), 2);
	model_server_free(s);
	fake_stop(&f);
}

static void a_server_without_readyz_is_asked_for_its_list(void **state)
{
	static const char *const lists[] = {"{\"data\":[{\"id\":\"m-2\"},{\"id\":\"other\"}]}",
	    "{\"models\":[{\"name\":\"m-2\"}]}", "{\"loaded\":[\"m-2\"]}"};

	for (size_t i = 0; i < 3; i++) {
		struct fake f = {.answers = {{"/base/v1/models", 200, lists[i], 0}}};
		struct model_server *s;
		struct answer a;
		char url[64];

		fake_start(&f);
		snprintf(url, sizeof url, "http://%s/base/v1", f.host);
		s = server_of(url, NULL, "");
		a = ask(s);
		assert_int_equal(a.result, PREFLIGHT_READY);
		assert_string_equal(a.model, "m-2");
		assert_int_equal(a.context, 0);
		model_server_free(s);
		fake_stop(&f);
	}
}

static void one_that_has_neither_may_still_answer_chats(void **state)
{
	struct fake f = {0};
	struct model_server *s;
	struct answer a;

	fake_start(&f);
	s = server_of(f.host, NULL, "");
	a = ask(s);
	assert_int_equal(a.result, PREFLIGHT_READY);
	assert_string_equal(a.model, "");
	model_server_free(s);
	fake_stop(&f);
}

static void no_model_and_no_permission_are_told_apart(void **state)
{
	static const struct {
		struct fake_answer answer;
		enum preflight result;
		const char *says;
	} cases[] = {
	    {{"/readyz", 503, "{\"error\":\"no-model-loaded\"}", 0}, PREFLIGHT_NO_MODEL,
		"no model loaded"},
	    {{"/v1/models", 200, "{\"data\":[]}", 0}, PREFLIGHT_UNNAMED, "names no model"},
	    {{"/v1/models", 200, "nonsense", 0}, PREFLIGHT_UNNAMED, "names no model"},
	    {{"/v1/models", 401, "{}", 0}, PREFLIGHT_REFUSED, "connection.apiKey"},
	    {{"/v1/models", 403, "{}", 0}, PREFLIGHT_REFUSED, "HTTP 403"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fake f = {.answers = {cases[i].answer}};
		struct model_server *s;
		struct answer a;

		fake_start(&f);
		s = server_of(f.host, NULL, "");
		a = ask(s);
		assert_int_equal(a.result, cases[i].result);
		assert_holds(a.why.text, cases[i].says);
		/* Not believed: the next one asks again. */
		a = ask(s);
		assert_int_equal(fake_count(&f, "GET /readyz"), 2);
		model_server_free(s);
		fake_stop(&f);
	}
}

static void the_next_host_is_asked_when_the_first_is_not_there(void **state)
{
	struct fake f = {.answers = {{"/readyz", 200, "{\"model\":\"m-1\"}", 0}}};
	struct model_server *s;
	struct answer a;
	unsigned generation;

	fake_start(&f);
	s = server_of(fake_dead_host(), f.host, "");
	generation = model_server_generation(s);
	a = ask(s);
	assert_int_equal(a.result, PREFLIGHT_READY);
	assert_int_equal(model_server_target(s)->port, f.port);
	assert_int_not_equal(model_server_generation(s), generation);
	/* That host stays the one in use. */
	model_server_distrust(s);
	generation = model_server_generation(s);
	ask(s);
	assert_int_equal(model_server_generation(s), generation);
	model_server_free(s);
	fake_stop(&f);
}

static void hosts_that_are_not_there_are_named_with_the_reason(void **state)
{
	struct model_server *s = server_of(fake_dead_host(), NULL, "");
	struct answer a = ask(s);
	char says[64];

	assert_int_equal(a.result, PREFLIGHT_UNREACHABLE);
	snprintf(says, sizeof says, "ECONNREFUSED %s", fake_dead_host());
	says[13 + 9] = '\0'; /* the port is another one by now */
	assert_holds(a.why.text, says);
	model_server_free(s);
	s = server_of("no_such_host_at_all.invalid", NULL, "");
	a = ask(s);
	assert_int_equal(a.result, PREFLIGHT_UNREACHABLE);
	assert_holds(a.why.text, "ENOTFOUND no_such_host_at_all.invalid:1234");
	model_server_free(s);
	s = server_of("two words", NULL, "");
	assert_null(model_server_target(s));
	a = ask(s);
	assert_int_equal(a.result, PREFLIGHT_UNREACHABLE);
	assert_holds(a.why.text, "\"two words\"");
	model_server_free(s);
	s = server_of(NULL, NULL, "");
	a = ask(s);
	assert_holds(a.why.text, "no model server is configured");
	model_server_free(s);
}

static void a_key_with_a_line_end_is_sent_nowhere(void **state)
{
	struct model_server *s = server_of("h", NULL, "a\r\nX: y");

	assert_string_equal(model_server_headers(s), "");
	model_server_free(s);
}

static void a_preflight_that_was_cancelled_calls_nobody(void **state)
{
	struct fake f = {.answers = {{"/readyz", 0, NULL, 0}}};
	struct preflight_call *p;
	struct answer a = {0};
	struct model_server *s;

	fake_start(&f);
	s = server_of(f.host, NULL, "");
	p = model_server_preflight(s, on_done, &a);
	turn_until(fake_count(&f, "/readyz"));
	preflight_cancel(p);
	/* And at once. */
	preflight_cancel(model_server_preflight(s, on_done, &a));
	turn_a_while();
	assert_int_equal(a.calls, 0);
	preflight_cancel(NULL);
	model_server_free(s);
	fake_stop(&f);
}

static struct server_opts opts_of(const char *host)
{
	return (struct server_opts){.hosts = {host}, .host_count = 1, .port = 1234, .api_key = ""};
}

static void new_settings_are_asked_anew_and_the_same_ones_are_not(void **state)
{
	struct fake f = {.answers = {{"/readyz", 200, "{\"model\":\"m-1\"}", 0}}};
	struct fake g = {.answers = {{"/readyz", 200, "{\"model\":\"m-2\"}", 0}}};
	struct server_opts o;
	struct model_server *s;

	fake_start(&f);
	fake_start(&g);
	s = server_of(f.host, NULL, "");
	ask(s);
	o = opts_of(f.host);
	assert_false(model_server_configure(s, &o));
	ask(s);
	assert_int_equal(fake_count(&f, "/readyz"), 1);
	o = opts_of(g.host);
	assert_true(model_server_configure(s, &o));
	assert_string_equal(ask(s).model, "m-2");
	model_server_free(s);
	fake_stop(&f);
	fake_stop(&g);
}

static void settings_changed_within_a_preflight_count_for_it(void **state)
{
	/* The old host holds its answer back until the new one is set. */
	struct fake f = {.answers = {{"/readyz", 0, NULL, 0}}};
	struct fake g = {.answers = {{"/readyz", 200, "{\"model\":\"m-2\"}", 0}}};
	struct http_reply reply = {.status = 404};
	struct answer a = {0};
	struct server_opts o;
	struct model_server *s;

	for (int gone = 0; gone < 2; gone++) {
		size_t asked;

		f = (struct fake){.answers = {{"/readyz", 0, NULL, 0}}};
		g.conn_count = 0;
		fake_start(&f);
		fake_start(&g);
		s = server_of(f.host, NULL, "");
		a = (struct answer){0};
		model_server_preflight(s, on_done, &a);
		turn_until(fake_count(&f, "/readyz"));
		o = opts_of(gone ? "no host" : g.host);
		model_server_configure(s, &o);
		for (asked = 0; strcmp(f.conns[asked].path, "/readyz") != 0; asked++)
			;
		http_conn_reply(f.conns[asked].http, &reply, "", 0);
		http_conn_next(f.conns[asked].http);
		turn_until(a.calls);
		if (gone) {
			assert_int_equal(a.result, PREFLIGHT_UNREACHABLE);
			assert_holds(a.why.text, "\"no host\"");
		} else {
			assert_int_equal(a.result, PREFLIGHT_READY);
			assert_string_equal(a.model, "m-2");
		}
		model_server_free(s);
		fake_stop(&f);
		fake_stop(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    on_loop(a_ready_server_names_its_model_and_its_context),
	    on_loop(a_good_answer_is_believed_until_something_failed),
	    on_loop(a_server_without_readyz_is_asked_for_its_list),
	    on_loop(one_that_has_neither_may_still_answer_chats),
	    on_loop(no_model_and_no_permission_are_told_apart),
	    on_loop(the_next_host_is_asked_when_the_first_is_not_there),
	    on_loop(hosts_that_are_not_there_are_named_with_the_reason),
	    on_loop(a_key_with_a_line_end_is_sent_nowhere),
	    on_loop(a_preflight_that_was_cancelled_calls_nobody),
	    on_loop(new_settings_are_asked_anew_and_the_same_ones_are_not),
	    on_loop(settings_changed_within_a_preflight_count_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
