/* Server-sent events, incrementally. */
#include "protocol/sse.h"

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct sse {
	size_t max;
	sse_event_cb *on_event;
	void *data;
	struct buf line, text, id, name;
	bool has_text, after_cr, begun, lenient;
};

struct sse *sse_new(size_t max_line, sse_event_cb *on_event, void *data)
{
	struct sse *s = mem_zalloc(1, sizeof *s);

	s->max = max_line;
	s->on_event = on_event;
	s->data = data;
	return s;
}

void sse_free(struct sse *s)
{
	if (!s)
		return;
	buf_finish(&s->line);
	buf_finish(&s->text);
	buf_finish(&s->id);
	buf_finish(&s->name);
	free(s);
}

void sse_set_lenient(struct sse *s)
{
	s->lenient = true;
}

static int dispatch(struct sse *s)
{
	int rc = 0;

	if (s->has_text)
		rc = s->on_event(s->data, &(struct sse_event){.name = {s->name.p, s->name.len},
					      .text = {s->text.p, s->text.len},
					      .id = {s->id.p, s->id.len}});
	buf_clear(&s->text);
	buf_clear(&s->name);
	s->has_text = false;
	return rc;
}

/* The data so far is one whole thing, and another begins: nobody wrote the empty line between. */
static bool begins_anew(const struct sse *s, struct str value)
{
	struct str text = {s->text.p, s->text.len};

	if (!s->lenient || !s->has_text || !(str_starts(value, "{") || str_eq(value, "[DONE]")))
		return false;
	return str_eq(text, "[DONE]") ||
	       (text.n > 1 && text.p[0] == '{' && text.p[text.n - 1] == '}');
}

static int take_data(struct sse *s, struct str value)
{
	int rc;

	if (begins_anew(s, value) && (rc = dispatch(s)) != 0)
		return rc;
	if (s->text.len + value.n + 1 > s->max)
		return ERR_LIMIT;
	if (s->has_text)
		buf_addc(&s->text, '\n');
	buf_add(&s->text, value.p, value.n);
	s->has_text = true;
	return 0;
}

/* An event of its own in one line. */
static int take_error(struct sse *s, struct str value)
{
	int rc = dispatch(s);

	if (rc != 0)
		return rc;
	buf_adds(&s->name, "error");
	rc = take_data(s, value);
	return rc == 0 ? dispatch(s) : rc;
}

static int take_line(struct sse *s)
{
	struct str line = {s->line.p, s->line.len}, field, value;

	/* A mark of the byte order may stand at the very beginning. */
	if (!s->begun && str_starts(line, "\xEF\xBB\xBF"))
		line = (struct str){line.p + 3, line.n - 3};
	s->begun = true;
	if (line.n == 0)
		return dispatch(s);
	value = str_cut(line, ':', &field);
	if (value.n && value.p[0] == ' ') {
		value.p++;
		value.n--;
	}
	if (str_eq(field, "data"))
		return take_data(s, value);
	if (s->lenient && str_eq(field, "error"))
		return take_error(s, value);
	if (str_eq(field, "event")) {
		buf_clear(&s->name);
		buf_add(&s->name, value.p, value.n);
	} else if (str_eq(field, "id") && !(value.n && memchr(value.p, '\0', value.n))) {
		buf_clear(&s->id);
		buf_add(&s->id, value.p, value.n);
	}
	return 0;
}

int sse_end(struct sse *s)
{
	int rc = s->line.len ? take_line(s) : 0;

	buf_clear(&s->line);
	return rc == 0 ? dispatch(s) : rc;
}

int sse_feed(struct sse *s, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t start = i;
		int rc;

		if (s->after_cr && p[i] == '\n') {
			s->after_cr = false;
			i++;
			continue;
		}
		s->after_cr = false;
		while (i < n && p[i] != '\n' && p[i] != '\r')
			i++;
		if (s->line.len + (i - start) > s->max)
			return ERR_LIMIT;
		buf_add(&s->line, p + start, i - start);
		if (i == n)
			break;
		s->after_cr = p[i++] == '\r';
		rc = take_line(s);
		buf_clear(&s->line);
		if (rc != 0)
			return rc;
	}
	return 0;
}
