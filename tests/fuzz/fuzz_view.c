/* Events, requests and sessions as a person sees them: nothing in them moves a cursor, a request's
 * hidden rows are counted, a document's fences hold. The input is the JSON of one, behind a byte
 * for the screen's size. */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/door.h"
#include "cli/term.h"
#include "cli/transcript.h"
#include "cli/view.h"
#include "tests/fuzz/fuzz.h"

/* The last door has nothing left to do. */
static void check_harmless(const struct buf *out)
{
	struct door door = {0};
	struct buf again = {0};

	door_put(&door, out->len ? out->p : "", out->len, &again);
	door_end(&door, &again);
	assert(again.len == out->len && (!out->len || memcmp(again.p, out->p, out->len) == 0));
	buf_finish(&again);
}

static void show_all(const json_t *root, const struct view *v)
{
	struct buf out = {0};
	struct view all = {.color = v->color, .width = v->width};
	size_t hidden;

	view_put_request(&out, v, root, &hidden);
	check_harmless(&out);
	buf_clear(&out);
	view_put_request(&out, &all, root, &hidden);
	assert(hidden == 0);
	check_harmless(&out);
	buf_clear(&out);
	view_put_whole_request(&out, root);
	check_harmless(&out);
	buf_clear(&out);
	view_put_tool(&out, v, json_cstr(root, "args", "{}"), root);
	view_put_stats(&out, json_object_get(root, "stats"));
	check_harmless(&out);
	buf_clear(&out);
	transcript_put_messages(&out, v, root, false, 0);
	transcript_put_messages(&out, v, root, true, 3);
	check_harmless(&out);
	buf_clear(&out);
	transcript_put_markdown(&out, root);
	buf_finish(&out);
}

/* Text as JSON for a terminal parses as the same value. */
static void check_json(const json_t *root)
{
	char *text = json_dumps(root, JSON_ENCODE_ANY);
	struct buf safe = {0};
	json_t *again;

	if (!text)
		return;
	term_put_json(&safe, text, strlen(text));
	again = json_loads(buf_cstr(&safe), JSON_DECODE_ANY, NULL);
	assert(again && json_equal(root, again));
	json_decref(again);
	buf_finish(&safe);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v;
	json_t *root = NULL;

	if (size < 1 || size > 65536)
		return 0;
	v = (struct view){.color = data[0] & 1, .width = data[0], .height = data[0] / 4};
	if (json_parse((const char *)data + 1, size - 1, &root, NULL) != 0)
		return 0;
	show_all(root, &v);
	check_json(root);
	json_decref(root);
	return 0;
}
