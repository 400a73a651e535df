/* Looking for a model server on this machine. */
#include "cli/discover.h"

#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/settings.h"
#include "cli/term.h"
#include "net/http_client.h"

enum { DISCOVER_MAX_ANSWER = 256 * 1024 };

/* Where each listens when nobody says otherwise. */
static const struct {
	int port;
	const char *name;
} usual[] = {
    {1234, "Opta LMX or LM Studio"},
    {11434, "Ollama"},
    {8080, "llama-server"},
    {8000, "vLLM"},
};

struct candidate {
	struct search *search;
	int port;
	struct http_call *call; /* NULL when it ended */
	struct buf body;
	int status;
	bool answers;
};

struct search {
	struct candidate list[DISCOVER_MAX_PORTS];
	size_t count, open;
	uv_loop_t loop;
	uv_timer_t timer;
};

static const char *name_of(int port)
{
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		if (usual[i].port == port)
			return usual[i].name;
	return "a model server";
}

static void add_port(struct search *s, int port)
{
	if (s->count < DISCOVER_MAX_PORTS)
		s->list[s->count++] = (struct candidate){.search = s, .port = port};
}

static void choose_ports(struct search *s)
{
	const char *given = getenv("OPTA_DISCOVER_PORTS");
	struct str rest = str_of(given ? given : ""), one;
	uint64_t port;

	for (size_t i = 0; !given && i < sizeof usual / sizeof usual[0]; i++)
		add_port(s, usual[i].port);
	while (rest.n) {
		rest = str_cut(rest, ',', &one);
		if (str_parse_u64(str_trim(one), 65535, &port) && port)
			add_port(s, (int)port);
	}
}

static bool on_head(void *data, int status, const struct http_parser *parser)
{
	struct candidate *c = data;

	c->status = status;
	return status == 200;
}

static void on_body(void *data, const char *p, size_t n)
{
	struct candidate *c = data;

	if (c->body.len + n <= DISCOVER_MAX_ANSWER)
		buf_add(&c->body, p, n);
}

/* Other programs listen on these ports too: only one with a list of models counts. */
static bool has_models(const struct candidate *c)
{
	json_t *root = NULL;
	bool has;

	if (c->status != 200 || json_parse(c->body.p, c->body.len, &root, NULL) != 0)
		return false;
	has = json_is_array(json_object_get(root, "data")) ||
	      json_is_array(json_object_get(root, "models"));
	json_decref(root);
	return has;
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct candidate *c = data;

	c->call = NULL;
	c->answers = err->code == 0 && has_models(c);
	if (--c->search->open == 0)
		uv_close((uv_handle_t *)&c->search->timer, NULL);
}

static void on_late(uv_timer_t *timer)
{
	struct search *s = timer->data;

	for (size_t i = 0; i < s->count; i++)
		http_call_cancel(s->list[i].call);
	uv_close((uv_handle_t *)timer, NULL);
}

/* The first port on which a model server answers; 0: none. */
static int find_here(struct search *s)
{
	int found = 0;

	uv_loop_init(&s->loop);
	uv_timer_init(&s->loop, &s->timer);
	s->timer.data = s;
	uv_timer_start(&s->timer, on_late, DISCOVER_MS, 0);
	for (size_t i = 0; i < s->count; i++) {
		s->open++;
		s->list[i].call =
		    http_call_start(&s->loop, &(struct http_call_opts){.host = "127.0.0.1",
						  .port = s->list[i].port,
						  .method = "GET",
						  .target = "/v1/models",
						  .headers = "Connection: close\r\n",
						  .connect_ms = DISCOVER_MS,
						  .on_head = on_head,
						  .on_body = on_body,
						  .on_done = on_done,
						  .data = &s->list[i]});
	}
	if (!s->count)
		uv_close((uv_handle_t *)&s->timer, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i].answers && !found)
			found = s->list[i].port;
		buf_finish(&s->list[i].body);
	}
	return found;
}

/* Does the daemon reach the server its settings name? */
static bool daemon_reaches(const struct client *c, int ms, const char *expected)
{
	json_t *root = client_json(c, "GET", "/v3/models", NULL, ms, NULL, NULL);
	bool reaches = root && (!expected || strcmp(json_cstr(root, "host", ""), expected) == 0);

	json_decref(root);
	return reaches;
}

/* Write the settings and see that the daemon took them. */
static bool use(const struct client *c, struct config *config, const struct paths *paths, int port)
{
	uint64_t deadline = clock_mono_us() + DISCOVER_APPLY_MS * 1000ULL;
	char digits[16], name[32];

	snprintf(digits, sizeof digits, "%d", port);
	snprintf(name, sizeof name, "127.0.0.1:%d", port);
	if (config_set(config, "connection.host", "127.0.0.1", NULL) != 0 ||
	    config_set(config, "connection.port", digits, NULL) != 0 ||
	    settings_save(paths, config) != EXIT_DONE)
		return false;
	while (!daemon_reaches(c, DISCOVER_APPLY_MS, name)) {
		if (clock_mono_us() > deadline) {
			term_note("found %s at %s and wrote it into the configuration, but the "
				  "daemon does not use it yet: opta daemon restart",
			    name_of(port), name);
			return true;
		}
		uv_sleep(DISCOVER_AGAIN_MS);
	}
	term_note("found %s at %s: it is used from now on (opta config set connection.host … "
		  "changes that)",
	    name_of(port), name);
	return true;
}

static void say_none(const struct search *s, const struct config *config)
{
	struct buf ports = {0};

	for (size_t i = 0; i < s->count; i++)
		buf_addf(&ports, "%s%d", i ? ", " : "", s->list[i].port);
	term_note("No model server answers: not %s:%d, and none on this machine (ports %s).",
	    config_text(config, "connection.host"), (int)config_int(config, "connection.port"),
	    ports.len ? buf_cstr(&ports) : "none looked at");
	term_note("Start Ollama, LM Studio, llama-server, vLLM or Opta LMX here; or name one "
		  "elsewhere: opta config set connection.host HOST:PORT");
	term_note("To try opta without one: opta lmx demo & and the same command again.");
	buf_finish(&ports);
}

bool discover_model_server(const struct client *c)
{
	static const char *const named[] = {
	    "connection.host", "connection.port", "connection.fallbackHosts"};
	struct search search = {0};
	struct config *config = NULL;
	struct paths paths;
	bool set = false, found;
	int port;

	if (paths_init(&paths, NULL) != 0 || config_load(paths.config, &config, NULL) != 0)
		return true; /* the daemon says what is wrong with it */
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		set |= config_is_set(config, named[i]);
	if (set) {
		config_free(config);
		return true;
	}
	choose_ports(&search);
	port = find_here(&search);
	found = daemon_reaches(c, port ? DISCOVER_DEFAULT_MS : CLIENT_ASK_MS, NULL) ||
		(port && use(c, config, &paths, port));
	if (!found)
		say_none(&search, config);
	config_free(config);
	return found;
}
