/* The tool calls of one answer. */
#include "session/round.h"

#include <assert.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/ask.h"
#include "protocol/events.h"
#include "protocol/payload.h"
#include "session/background.h"
#include "session/core.h"
#include "session/permission.h"
#include "session/preview.h"
#include "session/rules.h"
#include "session/session.h"
#include "store/log.h"
#include "tools/pool.h"
#include "tools/schema.h"
#include "tools/tool.h"
#include "tools/workspace.h"

enum call_state {
	CALL_WAITING, /* for the calls before it */
	CALL_SHOWING, /* the preview is being made */
	CALL_ASKING,  /* a person decides */
	CALL_RUNNING,
	CALL_DONE,
};

struct call {
	struct round *round;
	enum call_state state;
	char *id, *name, *args_text; /* owned */
	char *server_id, *more;	     /* owned: of the model server's, as they came; NULL: none */
	char *raw;		     /* owned: the arguments as they came, NULL: args_text */
	json_t *args;		     /* owned; NULL: they are no JSON object */
	const struct tool *tool;     /* NULL: there is none of that name */
	struct pool_call *pool;	     /* SHOWING and RUNNING: in the tool host */
	struct permission *permission;
	char shown[TOOL_STATE_SIZE]; /* the file's state a person was shown, "" none */
	bool outside;		     /* a decision named a path outside the workspace */
	char *control;		     /* owned: the control file a request names, NULL: none */
	char *repository;	     /* owned: the git directory a request names, NULL: none */
	char *unguarded; /* owned: what a request says cannot be guarded, NULL: all is */
	bool allowed;	 /* without asking, but for what a look may find */
	bool spoken;	 /* written as text: always asked about */
	unsigned asks;
	uint64_t begun_us;
};

struct round {
	struct round_opts opts; /* calls and strings are copied */
	struct call *calls;	/* owned */
	size_t count;
	char *server, *model, *parts; /* owned; parts may be NULL */
	char *workspace;	      /* owned; "" when the session has none */
	uv_idle_t later; /* begins, and tells of the end, from the loop; carries the free */
	bool done, stepping;
};

static void step(struct round *r);

/* --- the end of a call --- */

struct outcome {
	const char *text;
	bool ok, truncated, has_exit;
	int exit_code;
};

static void end_call(struct call *c, const struct outcome *o)
{
	struct round *r = c->round;
	struct buf payload = {0};

	assert(c->state != CALL_DONE);
	FAULT("tool-ended");
	c->state = CALL_DONE;
	payload_put_tool_end(&payload, r->opts.names->turn_id,
	    &(struct tool_end){.name = c->name,
		.call_id = c->id,
		.result = o->text,
		.ok = o->ok,
		.truncated = o->truncated,
		.has_exit = o->has_exit,
		.exit_code = o->exit_code,
		.elapsed_ms = (clock_mono_us() - c->begun_us) / 1000});
	session_append(r->opts.session, EVENT_TOOL_END, &payload);
	buf_finish(&payload);
	step(r);
}

static void fail_call(struct call *c, const char *text)
{
	end_call(c, &(struct outcome){.text = text});
}

/* --- running it --- */

static void on_ran(void *data, const struct tool_answer *a);
static void ask(struct call *c, const char *preview);
static void show(struct call *c);

/* It runs a shell command, now or in the background. */
static bool runs_command(const struct call *c)
{
	return c->tool->kind == TOOL_COMMAND || strcmp(c->name, "bg_start") == 0;
}

/* The repositories outside the workspace that a command may write: owned, NULL for none. */
static json_t *repositories(const struct call *c)
{
	json_t *paths = rules_repositories(c->round->opts.session->rules);

	if (!c->repository)
		return paths;
	if (!paths)
		paths = json_array();
	json_array_append_new(paths, json_string(c->repository));
	return paths;
}

static void start_in_host(
    struct call *c, enum tool_step what, void (*done)(void *, const struct tool_answer *))
{
	json_t *writable = runs_command(c) && what == STEP_RUN ? repositories(c) : NULL;
	json_t *sockets =
	    runs_command(c) ? rules_sockets(c->round->opts.session->core->opts.config) : NULL;
	struct session *s = c->round->opts.session;
	const struct config *config = s->core->opts.config;
	struct buf path = {0};
	bool may = rules_outside(c->tool, c->args, c->round->workspace, &path) && c->outside;

	c->pool = pool_start(s->core->pool,
	    &(struct pool_call_opts){
		.request = {.step = what,
		    .tool = c->name,
		    .workspace = c->round->workspace,
		    .session = s->row.id,
		    .call = c->id,
		    .hidden = s->core->opts.home,
		    .artifacts = s->core->opts.artifacts,
		    .outside = may ? buf_cstr(&path) : NULL,
		    .outside_write = may && what == STEP_RUN &&
				     (c->tool->kind == TOOL_EDIT || c->tool->kind == TOOL_DELETE),
		    .expect = c->shown[0] ? c->shown : NULL,
		    .control = c->control,
		    .sockets = sockets,
		    .repositories = writable,
		    .any_repository = c->round->opts.overrides->allow_all,
		    .unguarded = c->unguarded != NULL,
		    .network =
			c->tool->kind == TOOL_COMMAND && config_bool(config, "tools.network"),
		    .memory_mb = (int)config_int(config, "daemon.toolMemoryMb"),
		    .timeout_ms = c->tool->kind == TOOL_COMMAND
				      ? (uint64_t)json_int(c->args, "timeoutMs", 0)
				      : 0,
		    .args = c->args},
		.owner = s,
		.on_done = done,
		.data = c});
	json_decref(writable);
	json_decref(sockets);
	buf_finish(&path);
}

static void run(struct call *c)
{
	struct session *s = c->round->opts.session;
	struct buf text = {0};
	json_t *writable;
	bool ok;

	c->state = CALL_RUNNING;
	if (c->tool->run || c->tool->kind == TOOL_COMMAND) {
		start_in_host(c, STEP_RUN, on_ran);
		FAULT("tool-begun");
		return;
	}
	/* bg_*: the process outlives the call. */
	writable = repositories(c);
	ok = background_tool(s->core->background, s,
	    &(struct background_call){.name = c->name,
		.args = c->args,
		.repositories = writable,
		.any_repository = c->round->opts.overrides->allow_all,
		.unguarded = c->unguarded != NULL},
	    &text);
	json_decref(writable);
	end_call(c, &(struct outcome){.text = buf_cstr(&text), .ok = ok});
	buf_finish(&text);
}

/* What the model hears of a call. */
static const char *told(const struct call *c, const struct tool_answer *a)
{
	if (!rules_hides_content(c->round->opts.session->core->opts.config, c->tool))
		return a->text;
	return a->ok ? "done; what is in the file is not shown, as permissions.read_file is deny"
		     : "not done; why is not shown, as permissions.read_file is deny";
}

static void note_artifacts(struct session *s, const struct tool_answer *a)
{
	/* One line when we come upon it, not one for each call after. */
	if ((a->dir_existed || a->truncated) && core_note_artifacts(s->core, s->row.id) &&
	    a->dir_existed)
		core_notice(s->core, LOG_WARN, "session dir already exists, skipping mkdir");
}

/* The person hears of it too, whatever the model makes of it. */
static void note_warning(struct session *s, const struct tool_answer *a)
{
	struct str rest = str_of(a->warning ? a->warning : ""), line;

	while (rest.n) {
		rest = str_cut(rest, '\n', &line);
		if (line.n)
			core_notice(
			    s->core, LOG_WARN, "session %s: %.*s", s->row.id, (int)line.n, line.p);
	}
}

/*
 * It came upon a control file that nobody agreed to: whatever setting or mode let it run so far, a
 * person is asked for this file. False: it is asked for already, or nobody is there.
 */
static bool stopped_at_control(struct call *c, const char *path)
{
	if (c->round->opts.overrides->non_interactive || c->asks >= ROUND_MAX_ASKS ||
	    (c->control && strcmp(c->control, path) == 0))
		return false;
	free(c->control);
	c->control = mem_strdup(path);
	show(c);
	return true;
}

/* Not everything here can be guarded: the command did not run, and a person is asked. False: they
 * were asked before, or nobody is there. */
static bool stopped_unguarded(struct call *c, const char *why)
{
	if (!runs_command(c) || c->unguarded || c->round->opts.overrides->non_interactive ||
	    c->asks >= ROUND_MAX_ASKS)
		return false;
	c->unguarded = mem_strdup(why);
	show(c);
	return true;
}

static void on_ran(void *data, const struct tool_answer *a)
{
	struct call *c = data;
	struct session *s = c->round->opts.session;

	c->pool = NULL;
	/* The file is not what the person saw: show it as it is now and ask again. */
	if (a->changed && c->shown[0] && c->asks < ROUND_MAX_ASKS) {
		show(c);
		return;
	}
	if (a->control && a->control[0] && !a->ok && stopped_at_control(c, a->control))
		return;
	if (a->unguarded && a->unguarded[0] && !a->ok && stopped_unguarded(c, a->unguarded))
		return;
	note_artifacts(s, a);
	note_warning(s, a);
	end_call(c, &(struct outcome){.text = told(c, a),
			.ok = a->ok,
			.truncated = a->truncated,
			.has_exit = a->has_exit,
			.exit_code = a->exit_code});
}

/* --- showing and asking --- */

static void on_decided(
    void *data, bool allow, const char *by, const char *reason, const char *answer)
{
	struct call *c = data;
	char text[ROUND_MAX_REASON + 400];

	c->permission = NULL;
	if (allow && c->tool->kind == TOOL_QUESTION) {
		end_call(
		    c, &(struct outcome){
			   .text = answer[0] ? answer : "(the person gave no answer)", .ok = true});
	} else if (allow) {
		struct buf path = {0};

		c->outside = rules_outside(c->tool, c->args, c->round->workspace, &path);
		/* It was agreed to by its name, and through no link. */
		if (c->outside && !c->control)
			c->control = mem_strdup(buf_cstr(&path));
		buf_finish(&path);
		run(c);
	} else if (strcmp(reason, "timeout") == 0) {
		fail_call(c, "denied: nobody answered in time. Go on without it, or say what you "
			     "would need");
	} else {
		size_t n = strlen(answer);

		/* Their words, as far as a sentence goes. */
		n = n > ROUND_MAX_REASON ? str_utf8_valid(answer, ROUND_MAX_REASON) : n;
		snprintf(text, sizeof text,
		    "denied by the person (%.200s)%s%.*s: do not try it again unless asked to", by,
		    n ? ", who says: " : "", (int)n, answer);
		fail_call(
		    c, c->tool->kind == TOOL_QUESTION ? "the person declined to answer" : text);
	}
}

static void ask(struct call *c, const char *preview)
{
	struct session *s = c->round->opts.session;
	struct buf args = {0}, match = {0};
	bool can = rules_match(c->tool, c->args, c->round->workspace, &match);

	c->state = CALL_ASKING;
	c->asks++;
	json_put(&args, c->args);
	c->permission = permission_ask(&(struct permission_opts){.session = s,
	    .turn_id = c->round->opts.names->turn_id,
	    .call_id = c->id,
	    .tool = c->name,
	    .args = buf_cstr(&args),
	    .preview = preview,
	    .repository = c->repository,
	    /* A control file is asked for each time. */
	    .match = can && !c->control ? buf_cstr(&match) : NULL,
	    .on_decided = on_decided,
	    .data = c});
	buf_finish(&args);
	buf_finish(&match);
}

static void on_shown(void *data, const struct tool_answer *a)
{
	struct call *c = data;
	struct buf preview = {0};

	c->pool = NULL;
	/* What cannot be done need not be asked: the model hears why. */
	if (!a->ok) {
		fail_call(c, told(c, a));
		return;
	}
	snprintf(c->shown, sizeof c->shown, "%s", a->state);
	free(c->control);
	c->control = a->control && a->control[0] ? mem_strdup(a->control) : NULL;
	if (c->control && a->unguarded && a->unguarded[0])
		buf_addf(
		    &preview, "CONTROL FILE: %s\n(it may be one: %s)\n", c->control, a->unguarded);
	else if (c->control)
		buf_addf(&preview,
		    "CONTROL FILE: %s\n(your git, shell or editor runs things from it without "
		    "asking)\n",
		    c->control);
	buf_adds(&preview, a->text);
	ask(c, buf_cstr(&preview));
	buf_finish(&preview);
}

/* A command would like to write the repository around its workspace, and was not allowed to yet. */
static bool wants_repository(const struct call *c, const char *path)
{
	json_t *known = rules_repositories(c->round->opts.session->rules);
	const json_t *one;
	bool wants = path && path[0];
	size_t i;

	json_array_foreach (known, i, one)
		wants = wants && strcmp(json_string_value(one), path) != 0;
	json_decref(known);
	return wants;
}

/* Whatever answers at a socket does what it is told, outside of every sandbox: a person should see
 * that it is in reach. */
static void put_sockets(const struct call *c, struct buf *out)
{
	const char *path;

	for (size_t i = 0;
	     (path = config_list(c->round->opts.session->core->opts.config, "tools.sockets", i));
	     i++)
		buf_addf(out, "\nand reach the socket %s", path);
}

/* What the host found of where a command would run. */
static void on_looked(void *data, const struct tool_answer *a)
{
	struct call *c = data;
	struct buf preview = {0};

	c->pool = NULL;
	if (!a->ok) {
		fail_call(c, told(c, a));
		return;
	}
	if (wants_repository(c, a->repository))
		c->repository = mem_strdup(a->repository);
	if (!c->unguarded && a->unguarded && a->unguarded[0])
		c->unguarded = mem_strdup(a->unguarded);
	if (c->allowed && !c->repository && !c->unguarded && !c->spoken) {
		run(c);
		return;
	}
	preview_put(&preview, c->tool, c->args, c->args_text, c->round->workspace);
	if (c->repository)
		buf_addf(&preview, "\nand write the repository at %s, outside the workspace",
		    c->repository);
	if (c->unguarded)
		buf_addf(&preview,
		    "\nNOT EVERYTHING CAN BE GUARDED: %s\n(the command could change what your git, "
		    "shell or editor runs without asking)",
		    c->unguarded);
	put_sockets(c, &preview);
	ask(c, buf_cstr(&preview));
	buf_finish(&preview);
}

static void show(struct call *c)
{
	struct buf preview = {0}, path = {0};
	bool outside = rules_outside(c->tool, c->args, c->round->workspace, &path);

	buf_finish(&path);
	/* Outside the workspace nothing is opened before the path was agreed to by name: what the
	   preview of a file says, and that it fails, would tell the model of it. */
	if (c->tool->preview && !outside) {
		c->state = CALL_SHOWING;
		c->shown[0] = '\0';
		start_in_host(c, STEP_PREVIEW, on_shown);
		return;
	}
	if (runs_command(c)) {
		c->state = CALL_SHOWING;
		start_in_host(c, STEP_PREVIEW, on_looked);
		return;
	}
	preview_put(&preview, c->tool, c->args, c->args_text, c->round->workspace);
	ask(c, buf_cstr(&preview));
	buf_finish(&preview);
}

/* --- the beginning of a call --- */

static void say_unknown(struct call *c)
{
	struct buf text = {0};

	buf_addf(&text, "there is no tool \"%.100s\"; there are", c->name);
	for (size_t i = 0; tools[i]; i++)
		buf_addf(&text, "%s %s", i ? "," : "", tools[i]->name);
	fail_call(c, buf_cstr(&text));
	buf_finish(&text);
}

/* The call's arguments are good, or it ends with what is wrong with them. */
static bool check(struct call *c)
{
	struct err err = {0};
	struct buf plain = {0};
	bool everything;
	char text[700];

	if (!c->tool) {
		say_unknown(c);
		return false;
	}
	if (!c->args) {
		snprintf(text, sizeof text,
		    "the arguments of %s are not one JSON object: send them again", c->name);
		fail_call(c, text);
		return false;
	}
	if (schema_check(c->tool->schema, c->args, &err) != 0) {
		snprintf(text, sizeof text, "%s: %s", c->name, err.text);
		fail_call(c, text);
		return false;
	}
	if (!c->round->workspace[0] && c->tool->kind != TOOL_QUESTION) {
		fail_call(c, "this session has no workspace");
		return false;
	}
	workspace_plain("/", c->round->workspace, &plain);
	everything = c->round->workspace[0] && strcmp(buf_cstr(&plain), ".") == 0;
	buf_finish(&plain);
	/* Through links and as a home directory the host finds it. */
	if (everything) {
		fail_call(c, "the workspace is the whole system: make a session in a directory of "
			     "the project");
		return false;
	}
	return true;
}

/* It was allowed: is what it could change looked at nevertheless, to ask for that? */
static bool looks_first(const struct call *c)
{
	const struct turn_overrides *o = c->round->opts.overrides;

	if (!runs_command(c) || o->non_interactive)
		return false;
	/* One in the background cannot be asked for once it was started. */
	return c->tool->kind != TOOL_COMMAND || (!o->allow_all && rules_speaks_of_git(c->args));
}

static void begin_call(struct call *c)
{
	const struct round_opts *o = &c->round->opts;
	struct buf payload = {0};
	char why[400];

	c->begun_us = clock_mono_us();
	payload_put_tool_start(&payload, o->names->turn_id, o->answer,
	    &(struct payload_call){
		.id = c->id, .name = c->name, .args = c->args_text, .raw = c->raw});
	session_append(o->session, EVENT_TOOL_START, &payload);
	o->session->row.tool_calls++;
	buf_finish(&payload);
	/* Any state but WAITING: it has begun. */
	c->state = CALL_SHOWING;
	if (!check(c))
		return;
	switch (rules_decide(&(struct rules_question){.config = o->session->core->opts.config,
				 .mode = o->names->mode,
				 .overrides = o->overrides,
				 .tool = c->tool,
				 .args = c->args,
				 .workspace = c->round->workspace,
				 .remembered = o->session->rules},
	    why, sizeof why)) {
	case RULES_ALLOW:
		c->outside = o->overrides->allow_all;
		c->allowed = true;
		if ((c->spoken && !o->overrides->allow_all) || looks_first(c))
			show(c);
		else
			run(c);
		break;
	case RULES_ASK:
		show(c);
		break;
	case RULES_DENY:
		fail_call(c, why);
		break;
	}
}

/* --- the round --- */

static bool is_read(const struct call *c)
{
	return !c->tool || c->tool->kind == TOOL_READ;
}

/* May call i begin: all before it are done, or it and all that go on only read. */
static bool may_begin(const struct round *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (r->calls[k].state != CALL_DONE &&
		    !(is_read(&r->calls[i]) && is_read(&r->calls[k])))
			return false;
	return true;
}

static void on_later_done(uv_idle_t *idle)
{
	struct round *r = idle->data;

	uv_idle_stop(idle);
	r->opts.on_done(r->opts.data);
}

/* Begin what may begin; when all are done, say so. */
static void step(struct round *r)
{
	bool all = true;

	/* A call that ends at once comes back here: the loop below goes on by itself. */
	if (r->stepping)
		return;
	r->stepping = true;
	for (size_t i = 0; i < r->count && !r->done; i++) {
		if (r->calls[i].state == CALL_WAITING && may_begin(r, i))
			begin_call(&r->calls[i]);
		all &= r->calls[i].state == CALL_DONE;
	}
	r->stepping = false;
	if (!all || r->done)
		return;
	r->done = true;
	uv_idle_start(&r->later, on_later_done);
}

/* The answer ends here, with all its calls: in one batch with the first of them. */
static void say_answer(struct round *r)
{
	struct payload_call *calls = mem_zalloc(r->count, sizeof *calls);
	struct buf payload = {0};

	for (size_t i = 0; i < r->count; i++)
		calls[i] = (struct payload_call){.id = r->calls[i].id,
		    .name = r->calls[i].name,
		    .args = r->calls[i].args_text,
		    .raw = r->calls[i].raw,
		    .server_id = r->calls[i].server_id,
		    .more = r->calls[i].more};
	payload_put_answer(&payload, &(struct payload_answer){.turn_id = r->opts.names->turn_id,
					 .number = r->opts.answer,
					 .server = r->server,
					 .dialect = r->opts.dialect,
					 .model = r->model,
					 .calls = calls,
					 .count = r->count,
					 .dropped = r->opts.dropped,
					 .parts = r->parts});
	session_append(r->opts.session, EVENT_TURN_ANSWER, &payload);
	buf_finish(&payload);
	free(calls);
}

static void on_later_begin(uv_idle_t *idle)
{
	struct round *r = idle->data;

	uv_idle_stop(idle);
	say_answer(r);
	step(r);
}

static void init_call(struct call *c, struct round *r, const struct model_tool_call *m)
{
	char id[48];

	c->round = r;
	c->name = mem_strdup(m->name ? m->name : "");
	/* Ids of models are repeated, empty, or hostile: ours names the artifact. */
	ids_make("call_", 12, id, sizeof id);
	c->id = mem_strdup(id);
	c->args_text = mem_strdup(m->arguments && m->arguments[0] ? m->arguments : "{}");
	c->tool = tool_find(c->name);
	if (json_parse(c->args_text, strlen(c->args_text), &c->args, NULL) != 0 ||
	    !json_is_object(c->args)) {
		json_decref(c->args);
		c->args = NULL;
		/* What was no JSON object would be refused when it is sent back. */
		c->raw = c->args_text;
		c->args_text = mem_strdup("{}");
	}
	if (c->args && c->tool && schema_mend(c->tool->schema, c->args)) {
		struct buf mended = {0};

		json_put(&mended, c->args);
		c->raw = c->args_text;
		c->args_text = buf_steal(&mended);
	}
	c->server_id = m->id && m->id[0] ? mem_strdup(m->id) : NULL;
	c->spoken = m->spoken;
	c->more = m->more ? mem_strdup(m->more) : NULL;
}

struct round *round_start(const struct round_opts *o)
{
	struct round *r = mem_zalloc(1, sizeof *r);
	struct buf workspace = {0};

	r->opts = *o;
	r->count = o->count;
	r->calls = mem_zalloc(o->count, sizeof *r->calls);
	r->server = mem_strdup(o->server);
	r->model = mem_strdup(o->model);
	r->parts = o->parts ? mem_strdup(o->parts) : NULL;
	session_workspace(o->session, &workspace);
	r->workspace = buf_steal(&workspace);
	for (size_t i = 0; i < o->count; i++)
		init_call(&r->calls[i], r, &o->calls[i]);
	uv_idle_init(o->session->core->opts.loop, &r->later);
	r->later.data = r;
	uv_idle_start(&r->later, on_later_begin);
	return r;
}

void round_cancel(struct round *r, char (**ret_open)[ROUND_ID_SIZE], size_t *ret_count)
{
	r->done = true;
	uv_idle_stop(&r->later);
	*ret_open = mem_zalloc(r->count, sizeof **ret_open);
	*ret_count = 0;
	for (size_t i = 0; i < r->count; i++) {
		struct call *c = &r->calls[i];

		pool_cancel(c->pool);
		c->pool = NULL;
		if (c->permission && permission_drop(c->permission, (*ret_open)[*ret_count]))
			++*ret_count;
		c->permission = NULL;
		c->state = CALL_DONE;
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct round *r = handle->data;

	for (size_t i = 0; i < r->count; i++) {
		struct call *c = &r->calls[i];

		free(c->id);
		free(c->name);
		free(c->args_text);
		free(c->server_id);
		free(c->more);
		free(c->raw);
		free(c->control);
		free(c->repository);
		free(c->unguarded);
		json_decref(c->args);
	}
	free(r->calls);
	free(r->workspace);
	free(r->server);
	free(r->model);
	free(r->parts);
	free(r);
}

void round_free(struct round *r)
{
	if (!r)
		return;
	assert(r->done);
	uv_close((uv_handle_t *)&r->later, on_closed);
}
