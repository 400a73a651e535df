/* The kinds of events. */
#include "protocol/events.h"

#include <assert.h>

static const struct {
	const char *name;
	bool stop; /* ends a turn */
	bool turn; /* moves what lastSeenSeq is compared with */
} table[EVENT_KINDS] = {
    [EVENT_SESSION_SNAPSHOT] = {"session.snapshot", false, false},
    [EVENT_SESSION_UPDATED] = {"session.updated", false, false},
    [EVENT_SESSION_CANCELLED] = {"session.cancelled", true, false},
    [EVENT_SESSION_LOST] = {"session.lost", false, false},
    [EVENT_TURN_QUEUED] = {"turn.queued", false, true},
    [EVENT_TURN_START] = {"turn.start", false, true},
    [EVENT_TURN_TOKEN] = {"turn.token", false, true},
    [EVENT_TURN_THINKING] = {"turn.thinking", false, true},
    [EVENT_TURN_PROGRESS] = {"turn.progress", false, true},
    [EVENT_TURN_ANSWER] = {"turn.answer", false, true},
    [EVENT_TOOL_START] = {"tool.start", false, true},
    [EVENT_TOOL_END] = {"tool.end", false, true},
    [EVENT_PERMISSION_REQUEST] = {"permission.request", false, false},
    [EVENT_PERMISSION_RESOLVED] = {"permission.resolved", false, false},
    [EVENT_TURN_DONE] = {"turn.done", true, true},
    [EVENT_TURN_ERROR] = {"turn.error", true, true},
    [EVENT_BACKGROUND_OUTPUT] = {"background.output", false, false},
    [EVENT_BACKGROUND_STATUS] = {"background.status", false, false},
};

const char *event_name(enum event_kind kind)
{
	assert(kind < EVENT_KINDS);
	return table[kind].name;
}

enum event_kind event_of(struct str name)
{
	for (int i = 0; i < EVENT_KINDS; i++)
		if (str_eq(name, table[i].name))
			return (enum event_kind)i;
	return EVENT_KINDS;
}

bool event_is_stop(enum event_kind kind)
{
	assert(kind < EVENT_KINDS);
	return table[kind].stop;
}

bool event_is_turn(enum event_kind kind)
{
	assert(kind < EVENT_KINDS);
	return table[kind].turn;
}
