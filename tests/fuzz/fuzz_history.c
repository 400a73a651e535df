/* A log of any events, forgotten at any place: the fold never says what the log does not, and its
 * items make rows that come back. Input: lines of a letter for the kind and a payload; "!" settles,
 * "?" forgets what is not settled. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "protocol/item.h"
#include "session/history.h"
#include "tests/fuzz/fuzz.h"

enum { HISTORY_MAX_EVENTS = 400 };

static void put_all(const struct history *h, struct buf *out)
{
	for (size_t i = 0; i < history_count(h); i++) {
		item_put_message(out, history_item(h, i));
		item_put_more(out, history_item(h, i));
	}
}

static void check_rows(const struct history *h)
{
	for (size_t i = 0; i < history_count(h); i++) {
		struct buf body = {0}, more = {0}, again = {0};
		struct item item;

		item_put_message(&body, history_item(h, i));
		item_put_more(&more, history_item(h, i));
		assert(item_take(body.p, body.len, more.p, more.len, &item) == 0);
		item_put_message(&again, &item);
		assert(again.len == body.len && memcmp(again.p, body.p, body.len) == 0);
		item_finish(&item);
		buf_finish(&body);
		buf_finish(&more);
		buf_finish(&again);
	}
}

/* Fold the lines; what was forgotten is folded again, so that the end is the same. */
static struct history *fold(struct str input, bool forgetting)
{
	struct history *h = history_new();
	struct str lines[HISTORY_MAX_EVENTS], line;
	size_t count = 0, settled = 0;

	while (input.n && count < HISTORY_MAX_EVENTS) {
		input = str_cut(input, '\n', &line);
		if (forgetting && line.n && line.p[0] == '!') {
			settled = count;
			history_settle(h, settled);
		} else if (forgetting && line.n && line.p[0] == '?') {
			history_forget(h, settled);
			for (size_t i = settled; i < count; i++)
				history_take(h, i + 1,
				    (enum event_kind)(lines[i].p[0] % EVENT_KINDS),
				    (struct str){lines[i].p + 1, lines[i].n - 1});
		}
		if (!line.n || line.p[0] == '!' || line.p[0] == '?' || line.p[0] < 0)
			continue;
		lines[count++] = line;
		history_take(h, count, (enum event_kind)(line.p[0] % EVENT_KINDS),
		    (struct str){line.p + 1, line.n - 1});
	}
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = {(const char *)data, size};
	struct history *straight = fold(input, false), *forgetful = fold(input, true);
	struct buf one = {0}, other = {0};

	put_all(straight, &one);
	put_all(forgetful, &other);
	assert(one.len == other.len && (!one.len || memcmp(one.p, other.p, one.len) == 0));
	check_rows(straight);
	history_free(straight);
	history_free(forgetful);
	buf_finish(&one);
	buf_finish(&other);
	return 0;
}
