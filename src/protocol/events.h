#ifndef PROTOCOL_EVENTS_H
#define PROTOCOL_EVENTS_H

/*
 * The kinds of events and the codes of turn.error, each list once. Pure.
 *
 * To add an event: a row in the enum and in the table (events.c), its payload
 * in the function that appends it, and its line in docs/protocol.md.
 */

#include <stdbool.h>

#include "base/str.h"

enum event_kind {
	EVENT_SESSION_SNAPSHOT,
	EVENT_SESSION_UPDATED,
	EVENT_SESSION_CANCELLED,
	EVENT_SESSION_LOST,
	EVENT_TURN_QUEUED,
	EVENT_TURN_START,
	EVENT_TURN_TOKEN,
	EVENT_TURN_THINKING,
	EVENT_TURN_PROGRESS,
	EVENT_TURN_ANSWER,
	EVENT_TOOL_START,
	EVENT_TOOL_END,
	EVENT_PERMISSION_REQUEST,
	EVENT_PERMISSION_RESOLVED,
	EVENT_TURN_DONE,
	EVENT_TURN_ERROR,
	EVENT_BACKGROUND_OUTPUT,
	EVENT_BACKGROUND_STATUS,
	EVENT_KINDS,
};

/* "turn.token". Static text. */
const char *event_name(enum event_kind kind);

/* The kind of a name; EVENT_KINDS when there is none. */
enum event_kind event_of(struct str name);

/* Does this kind end a turn (turn.done, turn.error, session.cancelled)? */
bool event_is_stop(enum event_kind kind);

/* Is it an event of a turn (turn.* or tool.*), which lastSeenSeq is compared with? */
bool event_is_turn(enum event_kind kind);

/* The codes of turn.error. */
#define TURN_ERROR_UNREACHABLE "LMX_UNREACHABLE"
#define TURN_ERROR_TIMEOUT "lmx-timeout"
#define TURN_ERROR_WS_CLOSED "lmx-ws-closed"
#define TURN_ERROR_NO_MODEL "no-model-loaded"
#define TURN_ERROR_MODEL "model-error"
#define TURN_ERROR_STORAGE_FULL "storage-full"
#define TURN_ERROR_TOOL_LIMIT "tool-limit"
#define TURN_ERROR_CONTEXT "context-overflow"
#define TURN_ERROR_INTERRUPTED "interrupted"

#endif
