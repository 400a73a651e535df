/* Payloads of events as JSON text. */
#include "protocol/payload.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_writer.h"

/* A payload is one object, begun here and ended by its json_write_end. */
static struct json_writer payload_begin(struct buf *out)
{
	struct json_writer w = {.out = out};

	json_write_object(&w, NULL);
	return w;
}

static void payload_put_time(struct json_writer *w, const char *key, int64_t ms)
{
	char iso[CLOCK_ISO_SIZE];

	clock_iso(ms, iso);
	json_write_cstr(w, key, iso);
}

static void payload_put_members(struct json_writer *w, const struct snapshot *s)
{
	json_write_cstr(w, "id", s->id);
	json_write_cstr(w, "sessionId", s->id);
	json_write_cstr(w, "model", s->model);
	json_write_cstr(w, "title", s->title);
	payload_put_time(w, "createdAt", s->created_ms);
	payload_put_time(w, "updatedAt", s->updated_ms);
	json_write_cstr(w, "status", s->status);
	json_write_cstr(w, "activeTurnId", s->active_turn);
	json_write_uint(w, "queuedTurns", s->queued_turns);
	json_write_uint(w, "turnCount", s->turn_count);
	json_write_uint(w, "messageCount", s->message_count);
	json_write_uint(w, "toolCallCount", s->tool_calls);
	json_write_uint(w, "writerCount", s->writer_count);
	json_write_uint(w, "lastSeq", s->last_seq);
	if (s->metadata && s->metadata[0])
		json_write_raw(w, "metadata", s->metadata, strlen(s->metadata));
	else
		json_write_raw(w, "metadata", "{}", 2);
}

void payload_put_snapshot_open(struct buf *out, const struct snapshot *s)
{
	struct json_writer w = payload_begin(out);

	payload_put_members(&w, s);
}

void payload_put_snapshot(struct buf *out, const struct snapshot *s)
{
	struct json_writer w = payload_begin(out);

	payload_put_members(&w, s);
	json_write_end(&w);
}

void payload_put_updated(struct buf *out, const struct snapshot *s)
{
	struct json_writer w = payload_begin(out);

	json_write_object(&w, "snapshot");
	payload_put_members(&w, s);
	json_write_end(&w);
	json_write_end(&w);
}

static struct json_writer payload_begin_turn(struct buf *out, const struct turn_names *t)
{
	struct json_writer w = payload_begin(out);

	json_write_cstr(&w, "turnId", t->turn_id);
	json_write_cstr(&w, "writerId", t->writer_id);
	json_write_cstr(&w, "clientId", t->client_id);
	return w;
}

void payload_put_queued(struct buf *out, const struct turn_names *t, uint64_t queue_size,
    uint64_t position, const char *content, size_t content_len)
{
	struct json_writer w = payload_begin_turn(out, t);

	json_write_uint(&w, "queueSize", queue_size);
	json_write_uint(&w, "position", position);
	json_write_str(&w, "content", content, content_len);
	json_write_cstr(&w, "mode", t->mode);
	json_write_end(&w);
}

void payload_put_start(
    struct buf *out, const struct turn_names *t, const char *model, uint64_t context_tokens)
{
	struct json_writer w = payload_begin_turn(out, t);

	json_write_cstr(&w, "mode", t->mode);
	json_write_cstr(&w, "model", model);
	if (context_tokens)
		json_write_uint(&w, "contextTokens", context_tokens);
	json_write_end(&w);
}

/* Each token comes by here, so its few members are put as they are. */
void payload_put_text(struct buf *out, const char *turn_id, const char *text, size_t n)
{
	buf_adds(out, "{\"turnId\":\"");
	buf_adds(out, turn_id);
	buf_adds(out, "\",\"text\":");
	json_put_str(out, text, n);
	buf_addc(out, '}');
}

void payload_put_progress(
    struct buf *out, const char *turn_id, const char *phase, const char *message)
{
	struct json_writer w = payload_begin(out);

	json_write_cstr(&w, "turnId", turn_id);
	json_write_cstr(&w, "phase", phase);
	json_write_cstr(&w, "message", message);
	json_write_end(&w);
}

/* A member that is left out where there is none. */
static void payload_put_known(struct json_writer *w, const char *key, const char *value)
{
	if (value)
		json_write_cstr(w, key, value);
}

static void payload_put_call(struct json_writer *w, const struct payload_call *call)
{
	json_write_object(w, NULL);
	json_write_cstr(w, "callId", call->id);
	json_write_cstr(w, "name", call->name);
	json_write_cstr(w, "args", call->args);
	payload_put_known(w, "rawArgs", call->raw);
	payload_put_known(w, "serverId", call->server_id);
	payload_put_known(w, "more", call->more);
	json_write_end(w);
}

void payload_put_answer(struct buf *out, const struct payload_answer *a)
{
	struct json_writer w = payload_begin(out);

	json_write_cstr(&w, "turnId", a->turn_id);
	json_write_uint(&w, "answer", a->number);
	json_write_cstr(&w, "server", a->server);
	json_write_cstr(&w, "dialect", a->dialect);
	json_write_cstr(&w, "model", a->model);
	json_write_array(&w, "calls");
	for (size_t i = 0; i < a->count; i++)
		payload_put_call(&w, &a->calls[i]);
	json_write_end(&w);
	if (a->dropped)
		json_write_uint(&w, "dropped", a->dropped);
	if (a->parts)
		json_write_raw(&w, "parts", a->parts, strlen(a->parts));
	json_write_end(&w);
}

void payload_put_tool_start(
    struct buf *out, const char *turn_id, unsigned answer, const struct payload_call *call)
{
	struct json_writer w = payload_begin(out);

	json_write_cstr(&w, "turnId", turn_id);
	json_write_cstr(&w, "name", call->name);
	json_write_cstr(&w, "id", call->id);
	json_write_cstr(&w, "args", call->args);
	json_write_cstr(&w, "toolName", call->name);
	json_write_cstr(&w, "callId", call->id);
	payload_put_known(&w, "rawArgs", call->raw);
	json_write_uint(&w, "answer", answer);
	json_write_end(&w);
}

void payload_put_tool_end(struct buf *out, const char *turn_id, const struct tool_end *e)
{
	struct json_writer w = payload_begin(out);

	json_write_cstr(&w, "turnId", turn_id);
	json_write_cstr(&w, "name", e->name);
	json_write_cstr(&w, "id", e->call_id);
	json_write_cstr(&w, "result", e->result);
	json_write_bool(&w, "ok", e->ok);
	if (e->has_exit)
		json_write_int(&w, "exitCode", e->exit_code);
	json_write_uint(&w, "elapsedMs", e->elapsed_ms);
	json_write_bool(&w, "truncated", e->truncated);
	json_write_cstr(&w, "toolName", e->name);
	json_write_cstr(&w, "callId", e->call_id);
	json_write_end(&w);
}

void payload_put_permission_request(struct buf *out, const struct permission_request *r)
{
	struct json_writer w = payload_begin(out);

	json_write_cstr(&w, "turnId", r->turn_id);
	json_write_cstr(&w, "requestId", r->request_id);
	json_write_cstr(&w, "toolName", r->tool);
	json_write_raw(&w, "args", r->args, strlen(r->args));
	json_write_cstr(&w, "preview", r->preview);
	payload_put_time(&w, "expiresAt", r->expires_ms);
	payload_put_known(&w, "callId", r->call_id);
	json_write_end(&w);
}

void payload_put_permission_resolved(struct buf *out, const struct permission_resolved *r)
{
	struct json_writer w = payload_begin(out);

	json_write_cstr(&w, "turnId", r->turn_id);
	json_write_cstr(&w, "requestId", r->request_id);
	json_write_cstr(&w, "decision", r->decision);
	json_write_cstr(&w, "decidedBy", r->decided_by);
	json_write_cstr(&w, "reason", r->reason);
	payload_put_known(&w, "callId", r->call_id);
	payload_put_known(&w, "answer", r->answer);
	json_write_end(&w);
}

void payload_put_done(struct buf *out, const struct turn_names *t, const char *finish_reason,
    const struct turn_stats *stats)
{
	struct json_writer w = payload_begin_turn(out, t);
	uint64_t generating = stats->elapsed_ms - stats->first_token_ms;
	double speed =
	    generating ? (double)stats->completion_tokens * 1000.0 / (double)generating : 0.0;
	char number[40];
	int n = snprintf(number, sizeof number, "%.1f", speed);

	json_write_cstr(&w, "finishReason", finish_reason);
	json_write_object(&w, "stats");
	json_write_uint(&w, "tokens", stats->tokens);
	json_write_uint(&w, "promptTokens", stats->prompt_tokens);
	json_write_uint(&w, "completionTokens", stats->completion_tokens);
	json_write_uint(&w, "toolCalls", stats->tool_calls);
	json_write_uint(&w, "elapsed", stats->elapsed_ms);
	json_write_raw(&w, "speed", number, (size_t)n);
	json_write_uint(&w, "firstTokenLatencyMs", stats->first_token_ms);
	if (stats->context_tokens)
		json_write_uint(&w, "contextTokens", stats->context_tokens);
	json_write_end(&w);
	json_write_end(&w);
}

void payload_put_error(
    struct buf *out, const struct turn_names *t, const char *message, const char *code)
{
	struct json_writer w = payload_begin_turn(out, t);

	json_write_cstr(&w, "message", message);
	json_write_cstr(&w, "code", code);
	json_write_end(&w);
}
