/* Tool calls put together from pieces. */
#include "model/assembly.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/delta.h"

/* --- is it one object yet? --- */

static void scan_byte(struct assembly_scan *s, char c)
{
	if (s->in_string) {
		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
		return;
	}
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return;
	/* Behind the object, or before it, stands something else. */
	if (s->whole || (!s->begun && c != '{'))
		s->bad = true;
	s->begun = true;
	if (c == '"')
		s->in_string = true;
	else if (c == '{' || c == '[')
		s->depth++;
	else if ((c == '}' || c == ']') && s->depth && --s->depth == 0)
		s->whole = true;
}

static bool scan_text(struct assembly_scan *s, struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		scan_byte(s, text.p[i]);
	return s->whole && !s->bad;
}

static bool is_object(struct str text)
{
	struct assembly_scan s = {0};

	return scan_text(&s, text);
}

/* --- pieces --- */

static bool same(const struct buf *b, struct str s)
{
	return b->len == s.n && (!s.n || memcmp(b->p, s.p, s.n) == 0);
}

static bool begins(struct str text, const struct buf *b)
{
	return text.n >= b->len && (!b->len || memcmp(text.p, b->p, b->len) == 0);
}

static bool is_whole(const struct assembly_call *c)
{
	return c->scan.whole && !c->scan.bad;
}

/* A call that has all it needs ends where a piece says something new. */
static bool begins_another(const struct assembly_call *c, const struct delta_tool *piece)
{
	struct str args = str_trim(piece->arguments);
	bool new_id = piece->id.n && c->id.len && !same(&c->id, piece->id);
	bool new_name = piece->name.n && c->name.len && !same(&c->name, piece->name);

	/* Some change the id with each piece of one call; the arguments tell. */
	if (is_whole(c))
		return new_id || (new_name && !begins(piece->name, &c->name)) ||
		       (piece->name.n && is_object(args) && !same(&c->arguments, args));
	if (c->arguments.len)
		return new_name && new_id;
	/* No arguments yet: a name in pieces has no id of its own. */
	return new_id && new_name;
}

static struct assembly_call *add_call(struct assembly *a, const struct delta_tool *piece)
{
	struct assembly_call *c;

	if (a->count == ASSEMBLY_MAX_CALLS)
		return NULL;
	a->calls = mem_realloc(a->calls, (a->count + 1) * sizeof *a->calls);
	c = &a->calls[a->count++];
	*c = (struct assembly_call){.has_index = piece->has_index, .index = (size_t)piece->index};
	return c;
}

/* The call a piece may belong to: the newest of its index, or of its id, or the last. */
static struct assembly_call *find_call(const struct assembly *a, const struct delta_tool *piece)
{
	for (size_t i = a->count; piece->has_index && i-- > 0;)
		if (a->calls[i].has_index && a->calls[i].index == piece->index)
			return &a->calls[i];
	if (piece->has_index)
		return NULL;
	for (size_t i = a->count; piece->id.n && i-- > 0;)
		if (same(&a->calls[i].id, piece->id))
			return &a->calls[i];
	if (!a->count)
		return NULL;
	/* Without an index a new id, or a name without one, is the next call. */
	if ((piece->id.n && a->calls[a->count - 1].id.len) ||
	    (piece->name.n && a->calls[a->count - 1].name.len))
		return NULL;
	return &a->calls[a->count - 1];
}

static bool take_name(struct assembly_call *c, struct str name)
{
	/* Repeated in each piece, grown, or the next piece of it. */
	if (!name.n || same(&c->name, name))
		return true;
	if (begins(name, &c->name))
		buf_clear(&c->name);
	else if (c->arguments.len)
		return true;
	if (c->name.len + name.n > ASSEMBLY_MAX_NAME)
		return false;
	buf_add(&c->name, name.p, name.n);
	return true;
}

static void replace_arguments(struct assembly_call *c, struct str args)
{
	buf_clear(&c->arguments);
	buf_add(&c->arguments, args.p, args.n);
	c->scan = (struct assembly_scan){0};
	scan_text(&c->scan, args);
}

/* Is args all there was so far and more? Within an object nothing begins like the whole of it, but
 * a value, and that would not be the end. */
static bool is_grown(const struct assembly_call *c, struct str args)
{
	struct str so_far = str_trim((struct str){c->arguments.p, c->arguments.len});

	if (so_far.n < 2 || args.n <= c->arguments.len || !begins(args, &c->arguments))
		return false;
	return is_object(args) || !strchr(":,[", so_far.p[so_far.n - 1]);
}

static bool take_arguments(struct assembly_call *c, struct str args)
{
	bool placeholder = c->arguments.len == 2 && is_whole(c);
	struct str trimmed = str_trim(args);

	if (c->arguments.len + args.n > ASSEMBLY_MAX_ARGUMENTS)
		return false;
	if (!args.n)
		return true;
	/* All of it once more; nothing, and then what it is; all of it so far. */
	if (is_whole(c) && (!trimmed.n || same(&c->arguments, args)))
		return true;
	if (placeholder && trimmed.n && trimmed.p[0] == '{') {
		replace_arguments(c, args);
		return true;
	}
	if (is_grown(c, args)) {
		replace_arguments(c, args);
		return true;
	}
	buf_add(&c->arguments, args.p, args.n);
	scan_text(&c->scan, args);
	return true;
}

bool assembly_take(struct assembly *a, const struct delta_tool *piece)
{
	struct assembly_call *c = find_call(a, piece);

	assert(!a->finished);
	if (!c || begins_another(c, piece))
		c = add_call(a, piece);
	if (!c || piece->id.n > ASSEMBLY_MAX_ID)
		return false;
	if (!c->id.len)
		buf_add(&c->id, piece->id.p, piece->id.n);
	if (piece->more.n && !c->more.len)
		buf_add(&c->more, piece->more.p, piece->more.n);
	return take_name(c, piece->name) && take_arguments(c, piece->arguments);
}

/* --- what they should be --- */

/* Templates leave their own marks at a name. */
static void clean_name(struct buf *name)
{
	static const char *const prefixes[] = {"functions.", "function."};
	struct str s = {name->p, name->len};
	const char *mark = s.n ? memmem(s.p, s.n, "<|", 2) : NULL;
	struct buf clean = {0};

	if (mark)
		s.n = (size_t)(mark - s.p);
	s = str_trim(s);
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (str_starts(s, prefixes[i])) {
			s.p += strlen(prefixes[i]);
			s.n -= strlen(prefixes[i]);
		}
	buf_add(&clean, s.p, s.n);
	buf_finish(name);
	*name = clean;
}

/* Arguments that are a text which is JSON itself. */
static void decode_twice(struct buf *args)
{
	json_t *outer;

	if (!args->len || args->p[0] != '"' || json_parse(args->p, args->len, &outer, NULL) != 0)
		return;
	if (is_object((struct str){json_string_value(outer), json_string_length(outer)})) {
		buf_clear(args);
		buf_add(args, json_string_value(outer), json_string_length(outer));
	}
	json_decref(outer);
}

/* Where the first object of text ends; 0: there is none. */
static size_t first_object(struct str text)
{
	struct assembly_scan s = {0};

	for (size_t i = 0; i < text.n; i++) {
		scan_byte(&s, text.p[i]);
		if (s.bad)
			return 0;
		if (s.whole)
			return i + 1;
	}
	return 0;
}

/* Several objects in one text: the same one again, or further calls of the same tool. */
static void split_arguments(struct assembly *a, size_t i)
{
	struct buf all = a->calls[i].arguments;
	struct str rest = {all.p, all.len}, first;
	size_t n = first_object(rest);

	if (!n || !str_trim((struct str){rest.p + n, rest.n - n}).n)
		return;
	first = str_trim((struct str){rest.p, n});
	rest = str_trim((struct str){rest.p + n, rest.n - n});
	/* What follows is no object: leave all as it came. */
	if (!first_object(rest))
		return;
	a->calls[i].arguments = (struct buf){0};
	buf_add(&a->calls[i].arguments, first.p, first.n);
	while ((n = first_object(rest)) > 0 && a->count < ASSEMBLY_MAX_CALLS) {
		struct str next = str_trim((struct str){rest.p, n});

		rest = str_trim((struct str){rest.p + n, rest.n - n});
		if (next.n == first.n && memcmp(next.p, first.p, first.n) == 0)
			continue;
		add_call(a, &(struct delta_tool){0});
		buf_add(&a->calls[a->count - 1].name, a->calls[i].name.p, a->calls[i].name.len);
		buf_add(&a->calls[a->count - 1].arguments, next.p, next.n);
	}
	buf_finish(&all);
}

static void finish_call(struct assembly_call *c)
{
	buf_finish(&c->id);
	buf_finish(&c->name);
	buf_finish(&c->arguments);
	buf_finish(&c->more);
}

void assembly_finish(struct assembly *a)
{
	size_t kept = 0, came = a->count;

	assert(!a->finished);
	a->finished = true;
	for (size_t i = 0; i < came; i++) {
		clean_name(&a->calls[i].name);
		decode_twice(&a->calls[i].arguments);
		split_arguments(a, i);
	}
	for (size_t i = 0; i < a->count; i++) {
		struct assembly_call *c = &a->calls[i];

		/* A slot that nobody filled. */
		if (!c->name.len && !c->arguments.len) {
			finish_call(c);
			continue;
		}
		if (!str_trim((struct str){c->arguments.p, c->arguments.len}).n) {
			buf_clear(&c->arguments);
			buf_adds(&c->arguments, "{}");
		}
		a->calls[kept++] = *c;
	}
	a->count = kept;
}

bool assembly_add_spoken(struct assembly *a, struct str name, struct str arguments)
{
	struct assembly_call *c = add_call(a, &(struct delta_tool){0});

	assert(a->finished);
	if (!c)
		return false;
	buf_add(&c->name, name.p, name.n);
	buf_add(&c->arguments, arguments.p, arguments.n);
	c->spoken = true;
	return true;
}

void assembly_free(struct assembly *a)
{
	for (size_t i = 0; i < a->count; i++)
		finish_call(&a->calls[i]);
	free(a->calls);
	*a = (struct assembly){0};
}
