/*
 * The settings. What the file says is kept as a flat JSON object (dotted name
 * to value), so that get and set do not care for nesting; the file is nested.
 */
#include "base/config.h"

#include <assert.h>
#include <errno.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

/* As model/dialect.h names its rows. */
#define CONFIG_DIALECTS "auto|openai_chat|lmx_ws|ollama|anthropic|responses"

const struct config_key config_keys[] = {
    {"connection.host", CONFIG_TEXT, "lmx-host.local", 1, 1024, NULL,
	"model server: a name, an address, host:port or http(s)://host[:port][/path]", false},
    {"connection.port", CONFIG_INT, "1234", 1, 65535, NULL, "the model server's port", false},
    {"connection.fallbackHosts", CONFIG_LIST, "", 0, 16, NULL,
	"model servers to try in order when the first cannot be reached", false},
    {"connection.apiKey", CONFIG_TEXT, "", 0, 4096, NULL,
	"sent as a bearer token to the model server it was set for", true},
    {"connection.apiKeyHost", CONFIG_TEXT, "", 0, 1024, NULL,
	"the model server that the key is for; `opta config set connection.apiKey` notes it; "
	"empty: "
	"connection.host",
	false},
    {"connection.apiKeyPort", CONFIG_INT, "0", 0, 65535, NULL,
	"its port, noted likewise; 0: connection.port", false},
    {"connection.apiKeyToFallbacks", CONFIG_BOOL, "false", 0, 0, NULL,
	"send the key to connection.fallbackHosts as well", false},
    {"connection.apiKeyOverHttp", CONFIG_BOOL, "false", 0, 0, NULL,
	"send the key to another machine without encryption, where everyone on the way can read it",
	false},
    {"connection.dialect", CONFIG_ENUM, "auto", 0, 0, CONFIG_DIALECTS,
	"what the model server speaks; auto: Opta LMX is recognised, all others are asked as "
	"OpenAI "
	"chat, or as the path in connection.host says (/api/chat, /v1/messages, /v1/responses)",
	false},
    {"servers.NAME.url", CONFIG_TEXT, "", 0, 1024, NULL,
	"another model server, whose models are called NAME/model; `opta servers add` sets it",
	false},
    {"servers.NAME.dialect", CONFIG_ENUM, "auto", 0, 0, CONFIG_DIALECTS, "what it speaks", false},
    {"servers.NAME.apiKey", CONFIG_TEXT, "", 0, 4096, NULL, "its key, sent to it alone", true},
    {"servers.NAME.keyCommand", CONFIG_TEXT, "", 0, 4096, NULL,
	"a command for the shell that prints its key (a password manager); run when it is needed",
	false},
    {"servers.NAME.keyOverHttp", CONFIG_BOOL, "false", 0, 0, NULL,
	"send its key without encryption to another machine, where everyone on the way can read it",
	false},
    {"model.default", CONFIG_TEXT, "", 0, 256, NULL,
	"model of new sessions, NAME/model for one of another server; empty: what the server has "
	"loaded",
	false},
    {"model.firstTokenTimeoutMs", CONFIG_INT, "120000", 50, 3600000, NULL,
	"longest wait for the first token", false},
    {"model.idleTimeoutMs", CONFIG_INT, "60000", 50, 3600000, NULL,
	"longest silence between tokens", false},
    {"model.contextTokens", CONFIG_INT, "0", 0, 100000000, NULL,
	"context size; 0: ask the server. Ollama, in its own dialect, is told to give the model so "
	"much",
	false},
    {"model.keepAlive", CONFIG_TEXT, "", 0, 32, NULL,
	"how long Ollama, in its own dialect, keeps the model loaded: 30m, 24h, -1 for ever; "
	"empty: "
	"as it likes",
	false},
    {"model.maxTokens", CONFIG_INT, "0", 0, 10000000, NULL,
	"longest answer in tokens; 0: the server's own limit", false},
    {"daemon.host", CONFIG_TEXT, "127.0.0.1", 1, 255, NULL,
	"address a new daemon listens on (OPTA_DAEMON_HOST)", false},
    {"daemon.port", CONFIG_INT, "9999", 0, 65535, NULL,
	"port a new daemon listens on; 0: any free one (OPTA_DAEMON_PORT)", false},
    {"daemon.portRange", CONFIG_RANGE, "10000-10020", 1, 65535, NULL,
	"ports tried when 9999 is taken and none was given", false},
    {"daemon.maxSessions", CONFIG_INT, "10", 1, 1000, NULL,
	"sessions with a running or queued turn at once", false},
    {"daemon.maxQueuedTurns", CONFIG_INT, "1000", 1, 10000, NULL,
	"turns that may wait in one session", false},
    {"daemon.workerPoolSize", CONFIG_INT, "4", 1, 64, NULL, "tool calls that run at once", false},
    {"daemon.toolMemoryMb", CONFIG_INT, "2048", 16, 1048576, NULL, "memory one tool call may use",
	false},
    {"daemon.permissionTimeoutMs", CONFIG_INT, "300000", 100, 86400000, NULL,
	"an unanswered permission request is denied after this", false},
    {"daemon.shutdownGraceMs", CONFIG_INT, "5000", 0, 600000, NULL,
	"how long a stop waits for running turns", false},
    {"daemon.allowedOrigins", CONFIG_LIST, "", 0, 64, NULL,
	"web origins besides loopback that may connect, e.g. https://app.example", false},
    {"daemon.allowTauri", CONFIG_BOOL, "false", 0, 0, NULL,
	"desktop apps made with Tauri may connect: tauri://localhost, http(s)://tauri.localhost",
	false},
    {"daemon.defaultWorkspace", CONFIG_DIR, "", 0, 4000, NULL,
	"directory of sessions that name none, an absolute path; empty: such sessions have no "
	"tools",
	false},
    {"daemon.logLevel", CONFIG_ENUM, "info", 0, 0, "debug|info|warn|error",
	"what goes into daemon.log", false},
    {"agent.maxToolCalls", CONFIG_INT, "30", 1, 10000, NULL, "tool calls in one turn", false},
    {"agent.systemPrompt", CONFIG_TEXT, "", 0, 65536, NULL,
	"put before opta's own instructions to the model", false},
    {"permissions.read_file", CONFIG_ENUM, "allow", 0, 0, "allow|ask|deny",
	"may the model read files of the workspace", false},
    {"permissions.list_dir", CONFIG_ENUM, "allow", 0, 0, "allow|ask|deny",
	"may it list directories", false},
    {"permissions.find_files", CONFIG_ENUM, "allow", 0, 0, "allow|ask|deny",
	"may it find files by name", false},
    {"permissions.search_files", CONFIG_ENUM, "allow", 0, 0, "allow|ask|deny",
	"may it search in files", false},
    {"permissions.write_file", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny",
	"may it make and replace files", false},
    {"permissions.edit_file", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny", "may it edit files",
	false},
    {"permissions.multi_edit", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny",
	"may it make several edits at once", false},
    {"permissions.delete_file", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny", "may it delete files",
	false},
    {"permissions.run_command", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny",
	"may it run shell commands", false},
    {"permissions.bg_start", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny",
	"may it start background processes", false},
    {"permissions.bg_status", CONFIG_ENUM, "allow", 0, 0, "allow|ask|deny",
	"may it look at background processes", false},
    {"permissions.bg_output", CONFIG_ENUM, "allow", 0, 0, "allow|ask|deny",
	"may it read their output", false},
    {"permissions.bg_kill", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny", "may it end them", false},
    {"permissions.ask_user", CONFIG_ENUM, "ask", 0, 0, "allow|ask|deny",
	"may it ask you questions (allow counts as ask)", false},
    {"background.maxConcurrent", CONFIG_INT, "5", 1, 64, NULL, "background processes at once",
	false},
    {"background.timeoutMs", CONFIG_INT, "0", 0, 86400000, NULL,
	"a background process is ended after this; 0: never", false},
    {"background.outputBytes", CONFIG_INT, "1048576", 4096, 67108864, NULL,
	"output kept of one background process", false},
    {"tools.sockets", CONFIG_LIST, "", 0, 16, NULL,
	"Unix sockets that commands may connect to besides their own, as paths (an ssh agent, "
	"Docker): whatever answers there runs outside of the sandbox",
	false},
    {"tools.network", CONFIG_BOOL, "true", 0, 0, NULL, "may commands reach the network", false},
    {NULL, CONFIG_TEXT, NULL, 0, 0, NULL, NULL, false},
};

struct config {
	json_t *values;	 /* owned; dotted name -> value, known keys only */
	json_t *unknown; /* owned; dotted name -> value, kept for writing */
};

/* --- named model servers --- */

static const char server_prefix[] = "servers.", server_place[] = "servers.NAME.";

bool config_server_name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return n > 0 && n <= CONFIG_MAX_SERVER_NAME && !name[n] && strcmp(name, "default") != 0 &&
	       strcmp(name, "NAME") != 0;
}

void config_server_key(const char *name, const char *field, char *out, size_t size)
{
	snprintf(out, size, "%s%s.%s", server_prefix, name, field);
}

/* The server's name in a key servers.NAME.FIELD, into out, and the field. NULL: it is none. */
static const char *server_field(const char *key, char out[CONFIG_MAX_SERVER_NAME + 1])
{
	const char *name = key + sizeof server_prefix - 1, *dot;

	if (strncmp(key, server_prefix, sizeof server_prefix - 1) != 0)
		return NULL;
	dot = strchr(name, '.');
	if (!dot || dot - name > CONFIG_MAX_SERVER_NAME)
		return NULL;
	snprintf(out, CONFIG_MAX_SERVER_NAME + 1, "%.*s", (int)(dot - name), name);
	return config_server_name_ok(out) ? dot + 1 : NULL;
}

bool config_server(const struct config *c, size_t i, char out[CONFIG_MAX_SERVER_NAME + 1])
{
	const char *key, *field;
	json_t *value;

	json_object_foreach (c->values, key, value) {
		field = server_field(key, out);
		if (field && strcmp(field, "url") == 0 && i-- == 0)
			return true;
	}
	return false;
}

/* Does the key name what the row stands for? */
static bool is_row(const struct config_key *k, const char *key)
{
	char name[CONFIG_MAX_SERVER_NAME + 1];
	size_t n = sizeof server_place - 1;
	const char *field;

	if (strcmp(k->name, key) == 0)
		return true;
	if (strncmp(k->name, server_place, n) != 0)
		return false;
	field = server_field(key, name);
	return field && strcmp(k->name + n, field) == 0;
}

/* --- the table --- */

const struct config_key *config_find(const char *name, const char **ret_nearest)
{
	const struct config_key *nearest = NULL;
	size_t best = 6; /* further off than this is no hint */

	for (const struct config_key *k = config_keys; k->name; k++) {
		size_t d;

		if (is_row(k, name))
			return k;
		d = str_distance(k->name, name);
		if (d < best) {
			best = d;
			nearest = k;
		}
	}
	if (ret_nearest)
		*ret_nearest = nearest ? nearest->name : NULL;
	return NULL;
}

static bool choice_ok(const char *choices, struct str value)
{
	struct str rest = str_of(choices), one;

	while (rest.n) {
		rest = str_cut(rest, '|', &one);
		if (one.n == value.n && memcmp(one.p, value.p, one.n) == 0)
			return true;
	}
	return false;
}

static bool range_parse(const char *text, int64_t min, int64_t max, int64_t *low, int64_t *high)
{
	struct str head, tail = str_cut(str_of(text), '-', &head);
	uint64_t a, b;

	if (!str_parse_u64(head, (uint64_t)max, &a) || !str_parse_u64(tail, (uint64_t)max, &b) ||
	    (int64_t)a < min || a > b)
		return false;
	*low = (int64_t)a;
	*high = (int64_t)b;
	return true;
}

static bool list_ok(const struct config_key *k, const json_t *v)
{
	if (!json_is_array(v) || (int64_t)json_array_size(v) > k->max)
		return false;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return false;
	return true;
}

static bool value_ok(const struct config_key *k, const json_t *v)
{
	int64_t low, high;

	switch (k->type) {
	case CONFIG_TEXT:
		return json_is_string(v) && (int64_t)json_string_length(v) >= k->min &&
		       (int64_t)json_string_length(v) <= k->max;
	case CONFIG_INT:
		return json_is_integer(v) && json_integer_value(v) >= k->min &&
		       json_integer_value(v) <= k->max;
	case CONFIG_BOOL:
		return json_is_boolean(v);
	case CONFIG_LIST:
		return list_ok(k, v);
	case CONFIG_RANGE:
		return json_is_string(v) &&
		       range_parse(json_string_value(v), k->min, k->max, &low, &high);
	case CONFIG_DIR:
		return json_is_string(v) && (int64_t)json_string_length(v) <= k->max &&
		       (json_string_value(v)[0] == '/' || !json_string_value(v)[0]);
	case CONFIG_ENUM:
		return json_is_string(v) && choice_ok(k->choices, str_of(json_string_value(v)));
	}
	return false;
}

static void describe(const struct config_key *k, char *out, size_t size)
{
	switch (k->type) {
	case CONFIG_TEXT:
		snprintf(
		    out, size, "text of %lld to %lld bytes", (long long)k->min, (long long)k->max);
		break;
	case CONFIG_INT:
		snprintf(out, size, "a whole number from %lld to %lld", (long long)k->min,
		    (long long)k->max);
		break;
	case CONFIG_BOOL:
		snprintf(out, size, "true or false");
		break;
	case CONFIG_LIST:
		snprintf(out, size, "at most %lld texts (on the command line separated by commas)",
		    (long long)k->max);
		break;
	case CONFIG_RANGE:
		snprintf(out, size, "low-high with numbers from %lld to %lld, e.g. %s",
		    (long long)k->min, (long long)k->max, k->fallback);
		break;
	case CONFIG_DIR:
		snprintf(out, size, "an absolute path of at most %lld bytes, or \"\"",
		    (long long)k->max);
		break;
	case CONFIG_ENUM:
		snprintf(out, size, "one of %s", k->choices);
		break;
	}
}

static int bad_value(
    const struct config_key *k, const char *name, const char *file, struct err *reterr)
{
	char expected[128];

	describe(k, expected, sizeof expected);
	return err_set(reterr, ERR_RANGE, "%s%s%s: expected %s", file ? file : "", file ? ": " : "",
	    name, expected);
}

static int unknown_key(const char *name, struct err *reterr)
{
	const char *nearest = NULL;

	config_find(name, &nearest);
	if (nearest)
		return err_set(reterr, ERR_UNKNOWN,
		    "there is no setting \"%.100s\"; did you mean %s?", name, nearest);
	return err_set(reterr, ERR_UNKNOWN,
	    "there is no setting \"%.100s\"; `opta config list` names them all", name);
}

struct config *config_new(void)
{
	struct config *c = mem_zalloc(1, sizeof *c);

	c->values = json_object();
	c->unknown = json_object();
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	json_decref(c->values);
	json_decref(c->unknown);
	free(c);
}

/* Flatten object into c; names grow by ".part". */
static int take_object(
    struct config *c, json_t *object, const char *prefix, const char *file, struct err *reterr)
{
	const char *part;
	json_t *value;

	json_object_foreach (object, part, value) {
		const struct config_key *k;
		char name[256];
		int rc;

		snprintf(name, sizeof name, "%s%s%.100s", prefix, prefix[0] ? "." : "", part);
		k = config_find(name, NULL);
		if (k) {
			if (!value_ok(k, value))
				return bad_value(k, name, file, reterr);
			json_object_set(c->values, name, value);
		} else if (json_is_object(value) && strlen(prefix) < 100) {
			rc = take_object(c, value, name, file, reterr);
			if (rc != 0)
				return rc;
		} else {
			json_object_set(c->unknown, name, value);
		}
	}
	return 0;
}

int config_parse(const char *p, size_t n, const char *name, struct config **ret, struct err *reterr)
{
	struct str text = str_trim((struct str){p, n});
	struct config *c = config_new();
	json_t *root = NULL;
	struct err why = {0};
	int rc = 0;

	if (text.n == 0)
		goto out;
	if (json_parse(text.p, text.n, &root, &why) != 0) {
		rc = err_set(reterr, ERR_SYNTAX,
		    "%s is not valid JSON (%.150s): mend it, or move it away for the defaults",
		    name, why.text);
	} else if (!json_is_object(root)) {
		rc = err_set(reterr, ERR_SYNTAX, "%s must hold one JSON object, {...}", name);
	} else {
		rc = take_object(c, root, "", name, reterr);
	}
	json_decref(root);
out:
	if (rc != 0)
		config_free(c);
	else
		*ret = c;
	return rc;
}

int config_load(const char *path, struct config **ret, struct err *reterr)
{
	struct buf text = {0};
	int rc = file_read(path, CONFIG_MAX_BYTES, &text, reterr);

	if (rc == 0 || rc == -ENOENT)
		rc = config_parse(text.p, text.len, path, ret, reterr);
	buf_finish(&text);
	return rc;
}

bool config_is_set(const struct config *c, const char *name)
{
	return json_object_get(c->values, name) != NULL;
}

static const struct config_key *must_find(const char *name, enum config_type type)
{
	const struct config_key *k = config_find(name, NULL);

	assert(k && k->type == type);
	return k;
}

int64_t config_int(const struct config *c, const char *name)
{
	const struct config_key *k = must_find(name, CONFIG_INT);
	const json_t *v = json_object_get(c->values, name);

	return v ? json_integer_value(v) : strtoll(k->fallback, NULL, 10);
}

bool config_bool(const struct config *c, const char *name)
{
	const struct config_key *k = must_find(name, CONFIG_BOOL);
	const json_t *v = json_object_get(c->values, name);

	return v ? json_is_true(v) : strcmp(k->fallback, "true") == 0;
}

const char *config_text(const struct config *c, const char *name)
{
	const struct config_key *k = config_find(name, NULL);
	const json_t *v = json_object_get(c->values, name);

	assert(k && (k->type == CONFIG_TEXT || k->type == CONFIG_DIR || k->type == CONFIG_ENUM));
	return v ? json_string_value(v) : k->fallback;
}

void config_range(const struct config *c, const char *name, int64_t *ret_low, int64_t *ret_high)
{
	const struct config_key *k = must_find(name, CONFIG_RANGE);
	const json_t *v = json_object_get(c->values, name);
	bool ok =
	    range_parse(v ? json_string_value(v) : k->fallback, k->min, k->max, ret_low, ret_high);

	assert(ok);
}

const char *config_list(const struct config *c, const char *name, size_t i)
{
	must_find(name, CONFIG_LIST);
	return json_string_value(json_array_get(json_object_get(c->values, name), i));
}

void config_show(const struct config *c, const char *name, struct buf *out)
{
	const struct config_key *k = config_find(name, NULL);
	const json_t *v = json_object_get(c->values, name);

	assert(k);
	if (!v) {
		buf_adds(out, k->fallback);
	} else if (json_is_array(v)) {
		for (size_t i = 0; i < json_array_size(v); i++) {
			buf_adds(out, i ? "," : "");
			buf_adds(out, json_string_value(json_array_get(v, i)));
		}
	} else if (json_is_string(v)) {
		buf_adds(out, json_string_value(v));
	} else {
		json_put(out, v);
	}
}

const char *config_nth_set(const struct config *c, size_t i)
{
	void *it = json_object_iter(c->values);

	while (it && i--)
		it = json_object_iter_next(c->values, it);
	return it ? json_object_iter_key(it) : NULL;
}

/* The JSON value a typed text stands for, NULL when it cannot be one of that type. */
static json_t *value_from_text(const struct config_key *k, const char *text)
{
	struct str rest = str_of(text), one;
	bool negative = text[0] == '-';
	uint64_t n;
	json_t *list;

	switch (k->type) {
	case CONFIG_INT:
		if (!str_parse_u64(
			(struct str){rest.p + negative, rest.n - negative}, INT64_MAX, &n))
			return NULL;
		return json_integer(negative ? -(int64_t)n : (int64_t)n);
	case CONFIG_BOOL:
		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			return json_boolean(text[0] == 't');
		return NULL;
	case CONFIG_LIST:
		list = json_array();
		while (rest.n) {
			rest = str_cut(rest, ',', &one);
			one = str_trim(one);
			if (one.n && json_array_append_new(list, json_stringn(one.p, one.n)) != 0) {
				/* Not UTF-8. */
				json_decref(list);
				return NULL;
			}
		}
		return list;
	case CONFIG_TEXT:
	case CONFIG_RANGE:
	case CONFIG_DIR:
	case CONFIG_ENUM:
		return json_string(text);
	}
	return NULL;
}

/* What somebody types for a name or a path is one line of text; the instructions for the model are
 * not. */
static bool typed_ok(const struct config_key *k, const char *value)
{
	if (strcmp(k->name, "agent.systemPrompt") == 0)
		return true;
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			return false;
	return true;
}

/* The socket of a relative path would be another one in each workspace. */
static bool sockets_ok(const struct config_key *k, const json_t *v)
{
	if (strcmp(k->name, "tools.sockets") != 0)
		return true;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (json_string_value(json_array_get(v, i))[0] != '/')
			return false;
	return true;
}

int config_set(struct config *c, const char *name, const char *value, struct err *reterr)
{
	const struct config_key *k = config_find(name, NULL);
	json_t *v;

	if (!k)
		return unknown_key(name, reterr);
	if (strncmp(name, server_place, sizeof server_place - 1) == 0)
		return err_set(reterr, ERR_UNKNOWN,
		    "%s: put the server's name in the place of NAME; `opta servers list` has them",
		    name);
	if (!typed_ok(k, value))
		return err_set(reterr, ERR_RANGE,
		    "%s: control characters (escapes, line ends, tabs) have no place in it", name);
	v = value_from_text(k, value);
	if (!v || !value_ok(k, v)) {
		json_decref(v);
		return bad_value(k, name, NULL, reterr);
	}
	if (strcmp(k->name, "servers.NAME.url") == 0 && !config_is_set(c, name) &&
	    config_server(c, CONFIG_MAX_SERVERS - 1, (char[CONFIG_MAX_SERVER_NAME + 1]){0})) {
		json_decref(v);
		return err_set(reterr, ERR_RANGE, "%s: there are %d servers already", name,
		    CONFIG_MAX_SERVERS);
	}
	if (!sockets_ok(k, v)) {
		json_decref(v);
		return err_set(reterr, ERR_RANGE, "%s: expected absolute paths", name);
	}
	json_object_set_new(c->values, name, v);
	return 0;
}

int config_unset(struct config *c, const char *name, struct err *reterr)
{
	if (config_find(name, NULL) || json_object_get(c->unknown, name)) {
		json_object_del(c->values, name);
		json_object_del(c->unknown, name);
		return 0;
	}
	return unknown_key(name, reterr);
}

/* Put value at the dotted name within root, making the objects on the way. */
static void put_nested(json_t *root, const char *name, json_t *value)
{
	struct str rest = str_of(name), part;

	for (;;) {
		json_t *child;
		char key[128];

		rest = str_cut(rest, '.', &part);
		snprintf(key, sizeof key, "%.*s", (int)part.n, part.p);
		if (!rest.n) {
			json_object_set(root, key, value);
			return;
		}
		child = json_object_get(root, key);
		if (!json_is_object(child)) {
			child = json_object();
			json_object_set_new(root, key, child);
		}
		root = child;
	}
}

void config_write(const struct config *c, struct buf *out)
{
	json_t *root = json_object(), *value;
	const char *name;
	char *text;

	json_object_foreach (c->unknown, name, value)
		put_nested(root, name, value);
	json_object_foreach (c->values, name, value)
		put_nested(root, name, value);
	text = json_dumps(root, JSON_INDENT(2));
	assert(text);
	buf_adds(out, text);
	buf_addc(out, '\n');
	free(text);
	json_decref(root);
}

size_t config_unknown(const struct config *c, const char **ret_first)
{
	void *it = json_object_iter(c->unknown);

	*ret_first = it ? json_object_iter_key(it) : NULL;
	return json_object_size(c->unknown);
}
