/* Payloads of events as JSON text. */
#include "protocol/payload.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

static void put_field(struct buf *out, const char *name, const char *value)
{
	buf_adds(out, name);
	json_put_cstr(out, value);
}

static void put_number(struct buf *out, const char *name, uint64_t value)
{
	buf_adds(out, name);
	buf_addu(out, value);
}

static void put_time(struct buf *out, const char *name, int64_t ms)
{
	char iso[CLOCK_ISO_SIZE];

	clock_iso(ms, iso);
	put_field(out, name, iso);
}

void payload_put_snapshot_open(struct buf *out, const struct snapshot *s)
{
	put_field(out, "{\"id\":", s->id);
	put_field(out, ",\"sessionId\":", s->id);
	put_field(out, ",\"model\":", s->model);
	put_field(out, ",\"title\":", s->title);
	put_time(out, ",\"createdAt\":", s->created_ms);
	put_time(out, ",\"updatedAt\":", s->updated_ms);
	put_field(out, ",\"status\":", s->status);
	put_field(out, ",\"activeTurnId\":", s->active_turn);
	put_number(out, ",\"queuedTurns\":", s->queued_turns);
	put_number(out, ",\"turnCount\":", s->turn_count);
	put_number(out, ",\"messageCount\":", s->message_count);
	put_number(out, ",\"toolCallCount\":", s->tool_calls);
	put_number(out, ",\"writerCount\":", s->writer_count);
	put_number(out, ",\"lastSeq\":", s->last_seq);
	buf_adds(out, ",\"metadata\":");
	buf_adds(out, s->metadata && s->metadata[0] ? s->metadata : "{}");
}

void payload_put_snapshot(struct buf *out, const struct snapshot *s)
{
	payload_put_snapshot_open(out, s);
	buf_addc(out, '}');
}

void payload_put_updated(struct buf *out, const struct snapshot *s)
{
	buf_adds(out, "{\"snapshot\":");
	payload_put_snapshot(out, s);
	buf_addc(out, '}');
}

static void put_names(struct buf *out, const struct turn_names *t)
{
	put_field(out, "{\"turnId\":", t->turn_id);
	put_field(out, ",\"writerId\":", t->writer_id);
	put_field(out, ",\"clientId\":", t->client_id);
}

void payload_put_queued(struct buf *out, const struct turn_names *t, uint64_t queue_size,
    uint64_t position, const char *content, size_t content_len)
{
	put_names(out, t);
	put_number(out, ",\"queueSize\":", queue_size);
	put_number(out, ",\"position\":", position);
	buf_adds(out, ",\"content\":");
	json_put_str(out, content, content_len);
	put_field(out, ",\"mode\":", t->mode);
	buf_addc(out, '}');
}

void payload_put_start(
    struct buf *out, const struct turn_names *t, const char *model, uint64_t context_tokens)
{
	put_names(out, t);
	put_field(out, ",\"mode\":", t->mode);
	put_field(out, ",\"model\":", model);
	if (context_tokens)
		put_number(out, ",\"contextTokens\":", context_tokens);
	buf_addc(out, '}');
}

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
	put_field(out, "{\"turnId\":", turn_id);
	put_field(out, ",\"phase\":", phase);
	put_field(out, ",\"message\":", message);
	buf_addc(out, '}');
}

void payload_put_tool_start(
    struct buf *out, const char *turn_id, const char *name, const char *call_id, const char *args)
{
	put_field(out, "{\"turnId\":", turn_id);
	put_field(out, ",\"name\":", name);
	put_field(out, ",\"id\":", call_id);
	put_field(out, ",\"args\":", args);
	put_field(out, ",\"toolName\":", name);
	put_field(out, ",\"callId\":", call_id);
	buf_addc(out, '}');
}

void payload_put_tool_end(struct buf *out, const char *turn_id, const struct tool_end *e)
{
	put_field(out, "{\"turnId\":", turn_id);
	put_field(out, ",\"name\":", e->name);
	put_field(out, ",\"id\":", e->call_id);
	put_field(out, ",\"result\":", e->result);
	buf_addf(out, ",\"ok\":%s", e->ok ? "true" : "false");
	if (e->has_exit)
		buf_addf(out, ",\"exitCode\":%d", e->exit_code);
	put_number(out, ",\"elapsedMs\":", e->elapsed_ms);
	buf_addf(out, ",\"truncated\":%s", e->truncated ? "true" : "false");
	put_field(out, ",\"toolName\":", e->name);
	put_field(out, ",\"callId\":", e->call_id);
	buf_addc(out, '}');
}

void payload_put_permission_request(struct buf *out, const struct permission_request *r)
{
	put_field(out, "{\"turnId\":", r->turn_id);
	put_field(out, ",\"requestId\":", r->request_id);
	put_field(out, ",\"toolName\":", r->tool);
	buf_adds(out, ",\"args\":");
	buf_adds(out, r->args);
	put_field(out, ",\"preview\":", r->preview);
	put_time(out, ",\"expiresAt\":", r->expires_ms);
	buf_addc(out, '}');
}

void payload_put_permission_resolved(struct buf *out, const char *turn_id, const char *request_id,
    const char *decision, const char *decided_by, const char *reason)
{
	put_field(out, "{\"turnId\":", turn_id);
	put_field(out, ",\"requestId\":", request_id);
	put_field(out, ",\"decision\":", decision);
	put_field(out, ",\"decidedBy\":", decided_by);
	put_field(out, ",\"reason\":", reason);
	buf_addc(out, '}');
}

void payload_put_done(struct buf *out, const struct turn_names *t, const char *finish_reason,
    const struct turn_stats *stats)
{
	uint64_t generating = stats->elapsed_ms - stats->first_token_ms;
	double speed =
	    generating ? (double)stats->completion_tokens * 1000.0 / (double)generating : 0.0;

	put_names(out, t);
	put_field(out, ",\"finishReason\":", finish_reason);
	put_number(out, ",\"stats\":{\"tokens\":", stats->tokens);
	put_number(out, ",\"promptTokens\":", stats->prompt_tokens);
	put_number(out, ",\"completionTokens\":", stats->completion_tokens);
	put_number(out, ",\"toolCalls\":", stats->tool_calls);
	put_number(out, ",\"elapsed\":", stats->elapsed_ms);
	buf_addf(out, ",\"speed\":%.1f", speed);
	put_number(out, ",\"firstTokenLatencyMs\":", stats->first_token_ms);
	if (stats->context_tokens)
		put_number(out, ",\"contextTokens\":", stats->context_tokens);
	buf_adds(out, "}}");
}

void payload_put_error(
    struct buf *out, const struct turn_names *t, const char *message, const char *code)
{
	put_names(out, t);
	put_field(out, ",\"message\":", message);
	put_field(out, ",\"code\":", code);
	buf_addc(out, '}');
}
