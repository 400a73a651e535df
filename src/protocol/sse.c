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
	struct buf line, text, id;
	bool has_text, after_cr;
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
	free(s);
}

static int dispatch(struct sse *s)
{
	int rc = 0;

	if (s->has_text)
		rc = s->on_event(s->data, (struct str){s->text.p, s->text.len},
		    (struct str){s->id.p, s->id.len});
	buf_clear(&s->text);
	s->has_text = false;
	return rc;
}

static int take_line(struct sse *s)
{
	struct str line = {s->line.p, s->line.len}, field, value;

	if (line.n == 0)
		return dispatch(s);
	value = str_cut(line, ':', &field);
	if (value.n && value.p[0] == ' ') {
		value.p++;
		value.n--;
	}
	if (str_eq(field, "data")) {
		if (s->text.len + value.n + 1 > s->max)
			return ERR_LIMIT;
		if (s->has_text)
			buf_addc(&s->text, '\n');
		buf_add(&s->text, value.p, value.n);
		s->has_text = true;
	} else if (str_eq(field, "id") && !(value.n && memchr(value.p, '\0', value.n))) {
		buf_clear(&s->id);
		buf_add(&s->id, value.p, value.n);
	}
	return 0;
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
