/* protocol/events: the kinds of events, their names, what they do to a turn. */
#include "protocol/events.h"

#include "unit.h"

static void every_kind_has_a_name_of_its_own(void **state)
{
	for (int i = 0; i < EVENT_KINDS; i++) {
		const char *name = event_name((enum event_kind)i);

		assert_non_null(name);
		assert_non_null(strchr(name, '.'));
		assert_int_equal(event_of(str_of(name)), i);
	}
}

static void what_is_no_name_is_no_kind(void **state)
{
	static const char *const names[] = {"", "turn", "turn.toke", "turn.tokens", "TURN.TOKEN"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(event_of(str_of(names[i])), EVENT_KINDS);
}

static void three_kinds_end_a_turn(void **state)
{
	for (int i = 0; i < EVENT_KINDS; i++)
		assert_int_equal(event_is_stop((enum event_kind)i),
		    i == EVENT_TURN_DONE || i == EVENT_TURN_ERROR || i == EVENT_SESSION_CANCELLED);
}

static void events_of_a_turn_are_those_called_turn_or_tool(void **state)
{
	for (int i = 0; i < EVENT_KINDS; i++) {
		const char *name = event_name((enum event_kind)i);

		assert_int_equal(event_is_turn((enum event_kind)i),
		    strncmp(name, "turn.", 5) == 0 || strncmp(name, "tool.", 5) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_has_a_name_of_its_own),
	    cmocka_unit_test(what_is_no_name_is_no_kind),
	    cmocka_unit_test(three_kinds_end_a_turn),
	    cmocka_unit_test(events_of_a_turn_are_those_called_turn_or_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
