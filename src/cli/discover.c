/* Looking for a model server on this machine. */
#include "cli/discover.h"

#include <pwd.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "base/os.h"
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
	bool answers, demo;
	bool ours;  /* a process of this user listens there, and nobody else's */
	bool known; /* uid says whose it is */
	uid_t uid;
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

/* The demo says in its list of models that it is one. */
static bool lists_demo(const json_t *root)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(root, "data"), i, one)
		if (json_is_true(json_object_get(one, "demo")))
			return true;
	return false;
}

/* Other programs listen on these ports too: only one with a list of models counts. */
static void look_at_models(struct candidate *c)
{
	json_t *root = NULL;

	if (c->status != 200 || json_parse(c->body.p, c->body.len, &root, NULL) != 0)
		return;
	c->answers = json_is_array(json_object_get(root, "data")) ||
		     json_is_array(json_object_get(root, "models"));
	c->demo = lists_demo(root);
	json_decref(root);
}

static void on_done(void *data, const struct err *err, bool sent)
{
	struct candidate *c = data;

	c->call = NULL;
	if (err->code == 0)
		look_at_models(c);
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

/* How much a candidate is wanted: a model before the demo, one of this user before another's. */
static int worth(const struct candidate *c)
{
	return c->answers ? 1 + 2 * !c->demo + c->ours : 0;
}

/* The best of those that answer, the first of equals; NULL: none answers. */
static const struct candidate *choose_candidate(struct search *s)
{
	const struct candidate *best = NULL;

	for (size_t i = 0; i < s->count; i++) {
		struct candidate *c = &s->list[i];

		if (!c->answers)
			continue;
		c->known = os_port_user(c->port, geteuid(), &c->uid);
		c->ours = c->known && c->uid == geteuid();
		if (!best || worth(c) > worth(best))
			best = c;
	}
	return best;
}

/* Ask all ports at once; NULL: none answers. The result lies in s. */
static const struct candidate *find_here(struct search *s)
{
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
	for (size_t i = 0; i < s->count; i++)
		buf_finish(&s->list[i].body);
	return choose_candidate(s);
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
	/* A key that was set before was not meant for a server nobody had seen yet. */
	settings_keep_key(config);
	if (settings_set(config, "connection.host", "127.0.0.1", NULL) != 0 ||
	    settings_set(config, "connection.port", digits, NULL) != 0 ||
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

/*
 * Everything that is said and every file that is read would go to it. May it, when another user
 * runs it? The person decides; where nobody can be asked it may not.
 */
static bool may_keep(const struct candidate *c)
{
	char names[1024], whose[80], question[300];
	struct passwd entry, *user = NULL;

	if (c->ours)
		return true;
	if (c->known && getpwuid_r(c->uid, &entry, names, sizeof names, &user) != 0)
		user = NULL;
	if (user)
		snprintf(whose, sizeof whose, "the user %.40s runs it, not you", user->pw_name);
	else if (c->known)
		snprintf(whose, sizeof whose, "another user (%u) runs it", (unsigned)c->uid);
	else
		snprintf(whose, sizeof whose, "it cannot be seen who runs it");
	snprintf(question, sizeof question,
	    "%s answers at 127.0.0.1:%d, and %s. What you say and what tools read goes there. Use "
	    "it?",
	    c->demo ? "The demo model server" : name_of(c->port), c->port, whose);
	if (cmd_confirm(question))
		return true;
	term_note("%s at 127.0.0.1:%d is not used, as %s. To use it: opta config set "
		  "connection.host 127.0.0.1:%d",
	    name_of(c->port), c->port, whose, c->port);
	return false;
}

/* The demo is for a first look: it is named as what it is, and no setting comes to point at it. */
static void use_demo(int port, struct discovery *ret)
{
	snprintf(ret->device, sizeof ret->device, "127.0.0.1:%d", port);
	term_note("found the demo model server at %s, which is not a language model and only "
		  "quotes you: this session uses it, the settings stay as they are",
	    ret->device);
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

/* Nothing names a server: is there one? */
static bool search_here(
    const struct client *c, struct config *config, const struct paths *paths, struct discovery *ret)
{
	struct search search = {0};
	const struct candidate *found;

	choose_ports(&search);
	found = find_here(&search);
	if (daemon_reaches(c, found ? DISCOVER_DEFAULT_MS : CLIENT_ASK_MS, NULL))
		return true;
	if (!found) {
		say_none(&search, config);
		return false;
	}
	if (!may_keep(found))
		return false;
	if (!found->demo)
		return use(c, config, paths, found->port);
	use_demo(found->port, ret);
	return true;
}

bool discover_model_server(const struct client *c, struct discovery *ret)
{
	static const char *const named[] = {
	    "connection.host", "connection.port", "connection.fallbackHosts"};
	struct config *config = NULL;
	struct paths paths;
	bool set = false, found;

	*ret = (struct discovery){0};
	if (paths_init(&paths, NULL) != 0 || config_load(paths.config, &config, NULL) != 0)
		return true; /* the daemon says what is wrong with it */
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		set |= config_is_set(config, named[i]);
	found = set || search_here(c, config, &paths, ret);
	config_free(config);
	return found;
}
