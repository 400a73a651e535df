/* The slash commands of chat: one table. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/chat.h"
#include "cli/cmd.h"
#include "cli/outbox.h"
#include "cli/transcript.h"

enum { SLASH_SESSIONS = 15 }; /* listed */

struct slash {
	const char *name, *args, *help;
	void (*run)(struct chat *c, const char *arg);
};

extern const struct slash slashes[];

static void run_help(struct chat *c, const char *arg)
{
	for (const struct slash *s = slashes; s->name; s++) {
		char left[40];

		snprintf(left, sizeof left, "/%s%s%s", s->name, s->args[0] ? " " : "", s->args);
		chat_note(c, "  %-20s %s", left, s->help);
	}
	chat_note(c, "  Up, Down, Ctrl+R walk through what was typed; Tab completes; a pasted "
		     "block stays one");
}

/* {"model":…} or {"title":…} for the session. */
static bool patch(struct chat *c, const char *field, const char *value, chat_then *then)
{
	struct buf target = {0}, body = {0};
	bool asked;

	buf_addf(&target, "/v3/sessions/%s", c->session);
	buf_addf(&body, "{\"%s\":", field);
	json_put_cstr(&body, value);
	buf_addc(&body, '}');
	asked = chat_ask(c, "PATCH", buf_cstr(&target), buf_cstr(&body), 0, then);
	buf_finish(&target);
	buf_finish(&body);
	return asked;
}

static void then_model(struct chat *c, const json_t *root)
{
	if (!root)
		return;
	snprintf(c->model, sizeof c->model, "%.120s", c->path);
	chat_note(c, "from the next turn on: %s", c->model);
}

static void run_model(struct chat *c, const char *arg)
{
	if (!arg[0])
		chat_note(c, "the model is %s; /model NAME changes it, /models lists them",
		    c->model[0] ? c->model : "what the server has loaded");
	else if (patch(c, "model", arg, then_model))
		snprintf(c->path, sizeof c->path, "%s", arg);
}

static void then_models(struct chat *c, const json_t *root)
{
	const json_t *models = json_object_get(root, "models"), *one;
	size_t i;

	json_array_foreach (models, i, one)
		chat_note(c, "  %s%s", json_cstr(one, "id", "?"),
		    json_is_true(json_object_get(one, "loaded")) ? "  (loaded)" : "");
	if (root && !json_array_size(models))
		chat_note(c, "the model server names no models");
}

static void run_models(struct chat *c, const char *arg)
{
	chat_ask(c, "GET", "/v3/models", NULL, 0, then_models);
}

static void set_mode(struct chat *c, const char *mode, const char *note)
{
	snprintf(c->mode, sizeof c->mode, "%s", mode);
	chat_note(c, "%s", note);
}

static void run_plan(struct chat *c, const char *arg)
{
	set_mode(c, "plan", "plan: nothing is changed and nothing is run; /do acts");
}

static void run_chat(struct chat *c, const char *arg)
{
	set_mode(c, "chat", "chat: tools may act, what changes something is asked for");
}

static void run_do(struct chat *c, const char *arg)
{
	set_mode(c, "do", "do: tools act, what changes something is asked for");
}

static void then_sessions(struct chat *c, const json_t *root)
{
	const json_t *one;
	size_t i;

	json_array_foreach (root, i, one)
		chat_note(c, "  %s  %.10s  %4" PRId64 " turns  %.50s", json_cstr(one, "id", "?"),
		    json_cstr(one, "updatedAt", ""), json_int(one, "turnCount", 0),
		    json_cstr(one, "title", ""));
}

static void run_sessions(struct chat *c, const char *arg)
{
	struct buf target = {0};

	buf_addf(&target, "/v3/sessions?limit=%d", SLASH_SESSIONS);
	chat_ask(c, "GET", buf_cstr(&target), NULL, 0, then_sessions);
	buf_finish(&target);
}

static void run_resume(struct chat *c, const char *arg)
{
	if (!arg[0])
		chat_note(c, "/resume ID goes to a session; /sessions lists them");
	else
		chat_go_to(c, arg, true);
}

static void run_new(struct chat *c, const char *arg)
{
	chat_begin_session(c, c->model, NULL, NULL);
}

static void then_title(struct chat *c, const json_t *root)
{
	if (root)
		chat_note(c, "named");
}

static void run_title(struct chat *c, const char *arg)
{
	if (!arg[0])
		chat_note(c, "/title TEXT names this session");
	else
		patch(c, "title", arg, then_title);
}

static void then_export(struct chat *c, const json_t *root)
{
	struct buf text = {0};
	int fd;

	if (!root)
		return;
	transcript_put_markdown(&text, root);
	fd = open(c->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		chat_warn(c, "cannot make %s: %s", c->path, strerror(errno));
	else if (file_write_all(fd, text.p, text.len) != 0)
		chat_warn(c, "cannot write %s", c->path);
	else
		chat_note(c, "written: %s", c->path);
	if (fd >= 0)
		close(fd);
	buf_finish(&text);
}

static void run_export(struct chat *c, const char *arg)
{
	struct buf target = {0};

	buf_addf(&target, "/v3/sessions/%s", c->session);
	if (chat_ask(c, "GET", buf_cstr(&target), NULL, 0, then_export))
		snprintf(c->path, sizeof c->path, "%s%s", arg[0] ? arg : c->session,
		    arg[0] ? "" : ".md");
	buf_finish(&target);
}

static void run_cancel(struct chat *c, const char *arg)
{
	chat_cancel_all(c);
}

static void then_permissions(struct chat *c, const json_t *root)
{
	const json_t *list = json_object_get(root, "pending"), *one;
	struct config *config = NULL;
	size_t i;

	json_array_foreach (list, i, one)
		chat_note(c, "  waits: %s  %s  session %s", json_cstr(one, "requestId", "?"),
		    json_cstr(one, "toolName", "?"), json_cstr(one, "sessionId", "?"));
	if (config_load(c->client.paths.config, &config, NULL) != 0)
		return;
	for (const struct config_key *k = config_keys; k->name; k++)
		if (strncmp(k->name, "permissions.", 12) == 0)
			chat_note(c, "  %-14s %s", k->name + 12, config_text(config, k->name));
	chat_note(c, "  change one with: opta config set permissions.run_command allow");
	config_free(config);
}

static void run_permissions(struct chat *c, const char *arg)
{
	chat_ask(c, "GET", "/v3/permissions", NULL, 0, then_permissions);
}

static void run_compact(struct chat *c, const char *arg)
{
	static const char words[] = "Summarize this conversation so that it can go on without its "
				    "beginning: what was asked, what was "
				    "decided and done (files, commands, results), what is open, "
				    "and every rule I gave. Be complete and short.";

	if (c->turn[0] || c->queue_count) {
		chat_note(c, "a turn is running: wait for its end, or cancel it");
		return;
	}
	c->compacting = chat_submit(c, words, sizeof words - 1);
	if (c->compacting)
		chat_note(c, "asking the model for a summary; this session stays as it is");
}

/* OSC 52: the terminal puts it into the clipboard, also over ssh. What the model wrote cannot do
 * this itself, as its control characters are made harmless. */
static void run_copy(struct chat *c, const char *arg)
{
	struct buf out = {0};

	if (!c->answer.len) {
		chat_note(c, "there is no answer to copy yet");
		return;
	}
	buf_adds(&out, "\033]52;c;");
	base64_put(&out, c->answer.p, c->answer.len);
	buf_addc(&out, '\a');
	outbox_put(c->out, out.p, out.len);
	buf_finish(&out);
	chat_note(c, "the last answer is in the clipboard, if this terminal allows it");
}

static void run_quit(struct chat *c, const char *arg)
{
	chat_leave(c, EXIT_DONE);
}

const struct slash slashes[] = {
    {"help", "", "this list", run_help},
    {"model", "[NAME]", "the model of this session, or another one", run_model},
    {"models", "", "what the model server has", run_models},
    {"plan", "", "plan only: nothing is changed", run_plan},
    {"chat", "", "back to talking", run_chat},
    {"do", "", "act", run_do},
    {"sessions", "", "the latest sessions", run_sessions},
    {"resume", "ID", "go to another session", run_resume},
    {"new", "", "begin a new session", run_new},
    {"title", "TEXT", "name this session", run_title},
    {"export", "[FILE]", "write it as Markdown", run_export},
    {"cancel", "", "cancel what runs and waits", run_cancel},
    {"permissions", "", "what waits for an answer, what is allowed", run_permissions},
    {"compact", "", "go on in a new session that begins with a summary", run_compact},
    {"copy", "", "the last answer into the clipboard", run_copy},
    {"quit", "", "leave", run_quit},
    {NULL, NULL, NULL, NULL},
};

void slash_run(struct chat *c, const char *line)
{
	const char *space = strchr(line, ' '), *near = NULL;
	size_t n = space ? (size_t)(space - line - 1) : strlen(line) - 1, best = 4;
	char name[40];

	snprintf(name, sizeof name, "%.*s", (int)(n < 39 ? n : 39), line + 1);
	if (strcmp(name, "exit") == 0)
		snprintf(name, sizeof name, "quit");
	for (const struct slash *s = slashes; s->name; s++) {
		if (strcmp(s->name, name) == 0) {
			while (space && *space == ' ')
				space++;
			s->run(c, space ? space : "");
			return;
		}
		if (str_distance(s->name, name) < best) {
			best = str_distance(s->name, name);
			near = s->name;
		}
	}
	if (near)
		chat_note(c, "there is no /%s; did you mean /%s?", name, near);
	else
		chat_note(c, "there is no /%s; /help lists what there is", name);
}

void slash_complete(struct chat *c)
{
	const char *typed = buf_cstr(&c->edit.text);
	size_t n = strlen(typed), common = 0, fits = 0;
	const char *first = NULL;

	if (typed[0] != '/' || strchr(typed, ' '))
		return;
	for (const struct slash *s = slashes; s->name; s++) {
		if (strncmp(s->name, typed + 1, n - 1) != 0)
			continue;
		if (!fits++) {
			first = s->name;
			common = strlen(first);
		}
		while (strncmp(first, s->name, common) != 0)
			common--;
	}
	if (!fits)
		return;
	if (common > n - 1)
		edit_key(&c->edit, KEY_TEXT, first + n - 1, common - (n - 1));
	if (fits == 1)
		edit_key(&c->edit, KEY_TEXT, " ", 1);
}
