/* What works of a model server. */
#include "model/trial.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/ask.h"
#include "model/dialect.h"
#include "model/models.h"
#include "model/server.h"
#include "protocol/item.h"

static const char trial_system[] = "You are tried out by a program. Answer briefly.";
static const char trial_count[] = "Count from one to twenty in words, and say nothing else.";
static const char trial_weather[] =
    "What is the weather in Berlin? Call the tool get_weather to find out.";
static const char trial_tool[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"The weather "
    "in a city\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}"
    "},\"required\":[\"city\"]}}}]";

/*
 *   MODELS --they are known--> WORDS --an answer came--> CALL --> DONE
 *     |                          |                                  ^
 *     +--not there---------------+--no answer ----------------------+
 */
enum trial_state { TRIAL_MODELS, TRIAL_WORDS, TRIAL_CALL, TRIAL_DONE };

struct trial {
	struct model_server *server;
	const struct config *config;
	char *wanted; /* owned: the model to try, "" for any */
	enum trial_state state;
	struct models_call *models; /* one of the two is running */
	struct model_ask *ask;
	struct item question;
	const struct item *items[1]; /* that */
	uint64_t begun_us, first_us, last_us;
	size_t pieces; /* of an answer */
	bool reasons;
	uint64_t tokens; /* of the first answer */
	uint64_t context_tokens;
	char host[300], model[300], why[600];
	const char *dialect;
	struct buf list; /* of models */
	enum trial_tools tools;
	trial_cb *on_done;
	void *data;
};

static void trial_ask(struct trial *t, enum trial_state state);

void trial_cancel(struct trial *t)
{
	if (!t)
		return;
	models_cancel(t->models);
	model_ask_cancel(t->ask);
	item_finish(&t->question);
	buf_finish(&t->list);
	free(t->wanted);
	free(t);
}

/* Tokens a second between the first piece and the last. */
static double rate(const struct trial *t)
{
	double seconds = (double)(t->last_us - t->first_us) / 1e6;
	uint64_t tokens = t->tokens ? t->tokens : t->pieces;

	return t->pieces > 4 && seconds > 0.005 && tokens > 1 ? (double)(tokens - 1) / seconds : 0;
}

static void trial_finish(struct trial *t, const char *why)
{
	t->state = TRIAL_DONE;
	t->on_done(
	    t->data, &(struct trial_report){.host = t->host,
			 .dialect = t->dialect ? t->dialect : "",
			 .model = t->model,
			 .why = why,
			 .models = buf_cstr(&t->list),
			 .context_tokens = t->context_tokens,
			 .first_token_ms = t->first_us ? (t->first_us - t->begun_us) / 1000 : 0,
			 .tokens_per_s = rate(t),
			 .reasons = t->reasons,
			 .tools = t->tools});
	trial_cancel(t);
}

static bool trial_on_ready(void *data, const char *model, uint64_t context_tokens)
{
	struct trial *t = data;

	snprintf(t->model, sizeof t->model, "%s", model);
	t->context_tokens = context_tokens;
	return true;
}

static void trial_on_prompt(void *data, struct put *put)
{
	struct trial *t = data;

	t->items[0] = &t->question;
	put->system = trial_system;
	put->items = t->items;
	put->count = 1;
}

static bool trial_on_overflow(void *data)
{
	return false;
}

static void trial_on_text(void *data, bool thinking, const char *p, size_t n)
{
	struct trial *t = data;

	t->reasons |= thinking;
	if (t->state != TRIAL_WORDS)
		return;
	t->last_us = clock_mono_us();
	if (!t->first_us)
		t->first_us = t->last_us;
	t->pieces++;
}

static void trial_on_progress(void *data, const char *phase, const char *message)
{
}

static void trial_on_no_ws(void *data)
{
}

static void trial_on_preflight_failed(void *data, const char *why)
{
}

static enum trial_tools tools_of(const struct model_result *result)
{
	if (result->dropped & DROP_TOOLS)
		return TRIAL_TOOLS_REFUSED;
	if (!result->call_count)
		return TRIAL_TOOLS_NOT;
	return result->calls[0].spoken ? TRIAL_TOOLS_WRITTEN : TRIAL_TOOLS_CALLED;
}

static void trial_on_end(void *data, const struct model_result *result)
{
	struct trial *t = data;

	t->ask = NULL;
	t->dialect = result->dialect;
	if (result->code) {
		snprintf(t->why, sizeof t->why, "%s", result->message);
		trial_finish(t, t->why);
		return;
	}
	if (t->state == TRIAL_CALL) {
		t->tools = tools_of(result);
		trial_finish(t, NULL);
		return;
	}
	t->tokens = result->has_usage ? result->completion_tokens : 0;
	trial_ask(t, TRIAL_CALL);
}

static void trial_ask(struct trial *t, enum trial_state state)
{
	bool call = state == TRIAL_CALL;

	assert(state == t->state + 1);
	t->state = state;
	item_finish(&t->question);
	t->question = (struct item){.kind = ITEM_USER};
	buf_adds(&t->question.text, call ? trial_weather : trial_count);
	t->begun_us = call ? t->begun_us : clock_mono_us();
	t->ask = model_ask_start(model_server_loop(t->server),
	    &(struct model_ask_opts){.server = t->server,
		.model = t->wanted,
		.tools = call ? trial_tool : NULL,
		.max_tokens = TRIAL_MAX_TOKENS,
		.context_tokens = (uint64_t)config_int(t->config, "model.contextTokens"),
		.keep_alive = config_text(t->config, "model.keepAlive"),
		.first_token_ms = (uint64_t)config_int(t->config, "model.firstTokenTimeoutMs"),
		.idle_ms = (uint64_t)config_int(t->config, "model.idleTimeoutMs"),
		.on_ready = trial_on_ready,
		.on_prompt = trial_on_prompt,
		.on_overflow = trial_on_overflow,
		.on_text = trial_on_text,
		.on_progress = trial_on_progress,
		.on_no_ws = trial_on_no_ws,
		.on_preflight_failed = trial_on_preflight_failed,
		.on_end = trial_on_end,
		.data = t});
}

static void trial_on_models(
    void *data, const char *host, const struct buf *list, const struct err *why)
{
	struct trial *t = data;

	t->models = NULL;
	model_server_name(t->server, t->host, sizeof t->host);
	if (!host) {
		snprintf(t->why, sizeof t->why, "%s", why->text);
		trial_finish(t, t->why);
		return;
	}
	buf_add(&t->list, list->p, list->len);
	trial_ask(t, TRIAL_WORDS);
}

struct trial *trial_start(struct model_server *server, const struct config *config,
    const char *model, trial_cb *on_done, void *data)
{
	struct trial *t = mem_zalloc(1, sizeof *t);

	t->server = server;
	t->config = config;
	t->wanted = mem_strdup(model);
	t->on_done = on_done;
	t->data = data;
	t->models = models_ask(server, trial_on_models, t);
	return t;
}
