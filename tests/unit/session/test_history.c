/* The fold of a log: the same events give the same items, cut and forgotten anywhere. */
#include "unit.h"

#include "base/buf.h"
#include "protocol/item.h"
#include "session/history.h"

/* A log as the tests write it: kind and payload, from seq 1 on. */
struct event {
	enum event_kind kind;
	const char *payload;
};

/* Two turns and one that waits: an answer in parts with a good and a broken call, results in
 * another order, an answer of a person, a second round, an abandoned thought, a cut one. */
static const struct event whole[] = {
    {EVENT_SESSION_SNAPSHOT, "{\"messages\":[{\"role\":\"user\",\"content\":\"before\"}]}"},
    {EVENT_TURN_QUEUED, "{\"turnId\":\"t1\",\"content\":\"do it\"}"},
    {EVENT_TURN_QUEUED, "{\"turnId\":\"t2\",\"content\":\"then this\"}"},
    {EVENT_TURN_START, "{\"turnId\":\"t1\"}"},
    {EVENT_TURN_THINKING, "{\"turnId\":\"t1\",\"text\":\"hm\"}"},
    {EVENT_TURN_THINKING, "{\"turnId\":\"t1\",\"text\":\" hm\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"I \"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"\\\"look\\\"\"}"},
    {EVENT_TURN_ANSWER, "{\"turnId\":\"t1\",\"answer\":1,\"server\":\"s\",\"dialect\":\"d\","
			"\"model\":\"m\",\"calls\":["
			"{\"callId\":\"c1\",\"name\":\"read_file\",\"args\":\"{}\",\"rawArgs\":\"{"
			"bad\",\"serverId\":\"x\"},"
			"{\"callId\":\"c2\",\"name\":\"ask_user\",\"args\":\"{\\\"q\\\":1}\"},"
			"{\"callId\":\"c3\",\"name\":\"list_dir\",\"args\":\"{}\"}],"
			"\"parts\":[{\"kind\":\"reasoning\",\"opaque\":\"\\\"seal\\\"\"},{\"kind\":"
			"\"call\"},{\"kind\":\"text\"},"
			"{\"kind\":\"reasoning\",\"hidden\":true,\"opaque\":\"\\\"redacted\\\"\"},{"
			"\"kind\":\"call\"}]}"},
    {EVENT_TOOL_START, "{\"turnId\":\"t1\",\"callId\":\"c1\",\"name\":\"read_file\",\"args\":\"{}"
		       "\",\"answer\":1}"},
    {EVENT_TOOL_START,
	"{\"turnId\":\"t1\",\"callId\":\"c2\",\"name\":\"ask_user\",\"args\":\"{}\",\"answer\":1}"},
    {EVENT_PERMISSION_RESOLVED, "{\"turnId\":\"t1\",\"callId\":\"c2\",\"answer\":\"blue\"}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t1\",\"callId\":\"c2\",\"result\":\"blue\",\"ok\":true}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t1\",\"callId\":\"c1\",\"result\":\"no\",\"ok\":false,"
		     "\"artifact\":\"a.txt\"}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t1\",\"callId\":\"c3\",\"result\":\"x y\",\"ok\":true}"},
    {EVENT_TURN_THINKING, "{\"turnId\":\"t1\",\"text\":\"lost thought\"}"},
    {EVENT_TURN_PROGRESS, "{\"turnId\":\"t1\",\"phase\":\"lmx.retry\",\"message\":\"again\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"a thought\"}"},
    {EVENT_TURN_PROGRESS, "{\"turnId\":\"t1\",\"phase\":\"model.thought\",\"message\":\"it was\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"done\"}"},
    {EVENT_TURN_DONE, "{\"turnId\":\"t1\"}"},
    {EVENT_SESSION_UPDATED, "{\"snapshot\":{}}"},
    {EVENT_TURN_START, "{\"turnId\":\"t2\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t2\",\"text\":\"half\"}"},
    {EVENT_SESSION_CANCELLED, "{\"cancelled\":1,\"turnIds\":[\"t2\"]}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t2\",\"text\":\"late\"}"},
};
enum { WHOLE = sizeof whole / sizeof whole[0] };

/* A log of before answers had a list of their calls. */
static const struct event old[] = {
    {EVENT_TURN_QUEUED, "{\"turnId\":\"t1\",\"content\":\"go\"}"},
    {EVENT_TURN_START, "{\"turnId\":\"t1\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"see\"}"},
    {EVENT_TOOL_START,
	"{\"turnId\":\"t1\",\"callId\":\"c1\",\"name\":\"read_file\",\"args\":\"{}\"}"},
    {EVENT_TOOL_START,
	"{\"turnId\":\"t1\",\"callId\":\"c2\",\"name\":\"read_file\",\"args\":\"{}\"}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t1\",\"callId\":\"c1\",\"result\":\"one\",\"ok\":true}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"next\"}"},
    {EVENT_TOOL_END, "{\"turnId\":\"t1\",\"callId\":\"c9\",\"result\":\"of nobody\",\"ok\":true}"},
    {EVENT_TURN_ERROR, "{\"turnId\":\"t1\",\"code\":\"interrupted\"}"},
};
enum { OLD = sizeof old / sizeof old[0] };

static void take(struct history *h, const struct event *events, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		history_take(h, i + 1, events[i].kind, str_of(events[i].payload));
}

/* All that h knows, as text. Owned. */
static char *shown(const struct history *h)
{
	struct buf out = {0};
	struct history_call call;

	for (size_t i = 0; i < history_count(h); i++) {
		item_put_message(&out, history_item(h, i));
		buf_addc(&out, ' ');
		item_put_more(&out, history_item(h, i));
		buf_addf(&out, " %u\n", (unsigned)history_item(h, i)->seq);
	}
	for (size_t i = 0; history_open_call(h, i, &call); i++)
		buf_addf(&out, "open %s %s %d %s\n", call.id, call.name, call.started,
		    call.answer ? call.answer : "-");
	buf_adds(&out, history_running(h) ? "running" : "idle");
	return buf_steal(&out);
}

static void check_shown(const struct history *h, const char *want)
{
	char *got = shown(h);

	assert_string_equal(got, want);
	free(got);
}

static char *shown_of(const struct event *events, size_t n)
{
	struct history *h = history_new();
	char *text;

	take(h, events, 0, n);
	text = shown(h);
	history_free(h);
	return text;
}

static void a_log_becomes_items(void **state)
{
	struct history *h = history_new();

	take(h, whole, 0, WHOLE);
	check_shown(h, "{\"role\":\"user\",\"content\":\"before\"}  1\n"
		       "{\"role\":\"user\",\"content\":\"do it\"}  4\n"
		       "{\"role\":\"assistant\",\"content\":\"I \\\"look\\\"\",\"tool_calls\":["
		       "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"read_file\","
		       "\"arguments\":\"{}\"}},"
		       "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"ask_user\","
		       "\"arguments\":\"{\\\"q\\\":1}\"}},"
		       "{\"id\":\"c3\",\"type\":\"function\",\"function\":{\"name\":\"list_dir\","
		       "\"arguments\":\"{}\"}}]} "
		       "{\"server\":\"s\",\"dialect\":\"d\",\"model\":\"m\",\"parts\":["
		       "{\"kind\":\"reasoning\",\"text\":\"hm hm\",\"opaque\":\"\\\"seal\\\"\"},"
		       "{\"kind\":\"call\",\"serverId\":\"x\",\"rawArgs\":\"{bad\"},{\"kind\":"
		       "\"text\",\"bytes\":8},"
		       "{\"kind\":\"reasoning\",\"text\":\"\",\"opaque\":\"\\\"redacted\\\"\"},{"
		       "\"kind\":\"call\"},{\"kind\":\"call\"}]} 5\n"
		       "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"no\"} "
		       "{\"tool\":\"read_file\",\"artifact\":\"a.txt\",\"failed\":true} 9\n"
		       "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"blue\"} "
		       "{\"tool\":\"ask_user\"} 9\n"
		       "{\"role\":\"tool\",\"tool_call_id\":\"c3\",\"content\":\"x y\"} "
		       "{\"tool\":\"list_dir\"} 9\n"
		       "{\"role\":\"assistant\",\"content\":\"done\"} {\"parts\":["
		       "{\"kind\":\"reasoning\",\"text\":\"a thought\",\"tagged\":true},"
		       "{\"kind\":\"text\",\"bytes\":4}]} 18\n"
		       "{\"role\":\"user\",\"content\":\"then this\"}  23\n"
		       "{\"role\":\"assistant\",\"content\":\"half\"} {\"interrupted\":true} 24\n"
		       "idle");
	history_free(h);
}

static void open_calls_are_known_with_what_a_person_said(void **state)
{
	struct history *h = history_new();

	take(h, whole, 0, 12);
	check_shown(h,
	    "{\"role\":\"user\",\"content\":\"before\"}  1\n"
	    "{\"role\":\"user\",\"content\":\"do it\"}  4\n"
	    "{\"role\":\"assistant\",\"content\":\"I \\\"look\\\"\",\"tool_calls\":["
	    "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"read_file\","
	    "\"arguments\":\"{}\"}},"
	    "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"ask_user\","
	    "\"arguments\":\"{\\\"q\\\":1}\"}},"
	    "{\"id\":\"c3\",\"type\":\"function\",\"function\":{\"name\":\"list_dir\","
	    "\"arguments\":\"{}\"}}]} "
	    "{\"server\":\"s\",\"dialect\":\"d\",\"model\":\"m\",\"parts\":["
	    "{\"kind\":\"reasoning\",\"text\":\"hm hm\",\"opaque\":\"\\\"seal\\\"\"},"
	    "{\"kind\":\"call\",\"serverId\":\"x\",\"rawArgs\":\"{bad\"},{\"kind\":\"text\","
	    "\"bytes\":8},"
	    "{\"kind\":\"reasoning\",\"text\":\"\",\"opaque\":\"\\\"redacted\\\"\"},{\"kind\":"
	    "\"call\"},{\"kind\":\"call\"}]} 5\n"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"\"} "
	    "{\"tool\":\"read_file\",\"failed\":true} 9\n"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"\"} "
	    "{\"tool\":\"ask_user\",\"failed\":true} 9\n"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c3\",\"content\":\"\"} "
	    "{\"tool\":\"list_dir\",\"failed\":true} 9\n"
	    "open c1 read_file 1 -\nopen c2 ask_user 1 blue\nopen c3 list_dir 0 -\nrunning");
	history_free(h);
}

static void an_older_log_is_read_by_its_text(void **state)
{
	char *text = shown_of(old, OLD);

	assert_string_equal(text,
	    "{\"role\":\"user\",\"content\":\"go\"}  2\n"
	    "{\"role\":\"assistant\",\"content\":\"see\",\"tool_calls\":["
	    "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"read_file\","
	    "\"arguments\":\"{}\"}},"
	    "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"read_file\","
	    "\"arguments\":\"{}\"}}]}  3\n"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"} "
	    "{\"tool\":\"read_file\"} 4\n"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":"
	    "\"the daemon ended before this call did: nothing is known of it\"} "
	    "{\"tool\":\"read_file\",\"failed\":true} 5\n"
	    "{\"role\":\"assistant\",\"content\":\"next\"} {\"interrupted\":true} 7\n"
	    "idle");
	free(text);
}

/* Whatever was durable when the rest was lost, it reads like the log that is left; and so does what
 * comes then. */
static void check_forgetting(const struct event *events, size_t n)
{
	for (size_t end = 1; end <= n; end++)
		for (size_t kept = 0; kept <= end; kept++)
			for (size_t settled = 0; settled <= kept; settled++) {
				struct history *h = history_new();
				char *want = shown_of(events, kept), *all = shown_of(events, n);

				take(h, events, 0, settled);
				history_settle(h, settled);
				take(h, events, settled, end);
				history_forget(h, kept);
				check_shown(h, want);
				take(h, events, kept, n);
				check_shown(h, all);
				free(want);
				free(all);
				history_free(h);
			}
}

static void what_the_log_lost_is_forgotten(void **state)
{
	check_forgetting(whole, WHOLE);
	check_forgetting(old, OLD);
}

static void what_is_no_good_event_changes_nothing(void **state)
{
	static const struct event bad[] = {
	    {EVENT_TURN_START, "{\"turnId\":\"nobody\"}"},
	    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"x\"}"},
	    {EVENT_TURN_TOKEN, "no json"},
	    {EVENT_TURN_ANSWER, "{\"turnId\":\"t1\",\"calls\":[{}]}"},
	    {EVENT_TOOL_END, "{\"turnId\":\"t1\",\"callId\":\"c1\"}"},
	    {EVENT_TURN_DONE, "[]"},
	    {EVENT_SESSION_CANCELLED, "{\"turnIds\":[7,\"t1\"]}"},
	    {EVENT_SESSION_SNAPSHOT, "{\"messages\":[3,{\"role\":\"king\"}]}"},
	    {EVENT_TURN_QUEUED, "{\"content\":9}"},
	};
	char *text = shown_of(bad, sizeof bad / sizeof bad[0]);

	assert_string_equal(text, "idle");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_log_becomes_items),
	    cmocka_unit_test(open_calls_are_known_with_what_a_person_said),
	    cmocka_unit_test(an_older_log_is_read_by_its_text),
	    cmocka_unit_test(what_the_log_lost_is_forgotten),
	    cmocka_unit_test(what_is_no_good_event_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
