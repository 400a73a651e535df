/* Ending what the last daemon left open. */
#include "session/recovery.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "protocol/payload.h"
#include "session/history.h"
#include "store/open_turns.h"

struct recovery {
	struct open_turn *turn;
	struct history *history;
};

static void on_event(void *data, uint64_t seq, enum event_kind kind, struct str payload)
{
	struct recovery *r = data;

	/* No other turn can run: what its events say is in the history, or ended before. */
	if (kind == EVENT_TURN_QUEUED && seq != r->turn->queued_seq)
		return;
	history_take(r->history, seq, kind, payload);
	history_settle(r->history, seq);
}

/* Append an event to the log and to the history. Frees payload's memory. */
static int say(struct recovery *r, enum event_kind kind, struct buf *payload)
{
	int rc = open_turn_append(r->turn, kind, payload);

	if (rc == 0)
		on_event(r, r->turn->last_seq, kind, (struct str){payload->p, payload->len});
	buf_finish(payload);
	return rc;
}

/* What was asked and not decided is denied: nothing runs by itself after a restart. */
static int deny_requests(struct recovery *r)
{
	char **ids;
	size_t count;
	int rc = open_turn_requests(r->turn, &ids, &count);

	for (size_t i = 0; i < count; i++) {
		struct buf payload = {0};

		payload_put_permission_resolved(
		    &payload, &(struct permission_resolved){.turn_id = r->turn->names.turn_id,
				  .request_id = ids[i],
				  .decision = "deny",
				  .decided_by = "daemon",
				  .reason = "restart"});
		if (rc == 0)
			rc = say(r, EVENT_PERMISSION_RESOLVED, &payload);
		buf_finish(&payload);
		free(ids[i]);
	}
	free(ids);
	return rc == 0 ? open_turn_deny_requests(r->turn) : rc;
}

/* Every tool.start has its tool.end. */
static int end_calls(struct recovery *r)
{
	struct history_call call;
	int rc = 0;

	for (size_t i = 0; rc == 0 && history_open_call(r->history, i, &call);) {
		struct buf payload = {0};

		if (!call.started) {
			i++;
			continue;
		}
		/* What a person said was said. */
		payload_put_tool_end(&payload, r->turn->names.turn_id,
		    &(struct tool_end){.name = call.name,
			.call_id = call.id,
			.result =
			    call.answer ? call.answer : "the daemon ended before this call did",
			.ok = call.answer != NULL});
		rc = say(r, EVENT_TOOL_END, &payload);
	}
	return rc;
}

static int end_with_error(struct recovery *r)
{
	struct buf payload = {0};

	payload_put_error(&payload, &r->turn->names, "the daemon ended before this turn did",
	    TURN_ERROR_INTERRUPTED);
	return say(r, EVENT_TURN_ERROR, &payload);
}

/* The user's words were stored with turn.start. */
static int save_messages(const struct recovery *r)
{
	int rc = 0;

	for (size_t i = 1; i < history_count(r->history) && rc == 0; i++)
		rc = open_turn_add_message(r->turn, history_item(r->history, i));
	return rc;
}

int recovery_end_turn(struct open_turn *t)
{
	struct recovery r = {.turn = t, .history = history_new()};
	int rc = open_turn_replay(t, on_event, &r);
	const char *running = history_running(r.history);

	/* It never started, or a damaged row names another's events. */
	if (!running || strcmp(running, t->names.turn_id) != 0) {
		history_free(r.history);
		r.history = history_new();
	}
	if (rc == 0)
		rc = deny_requests(&r);
	if (rc == 0)
		rc = end_calls(&r);
	if (rc == 0)
		rc = end_with_error(&r);
	if (rc == 0)
		rc = save_messages(&r);
	history_free(r.history);
	return rc;
}
