/* JSON from its beginning to its end. */
#include "base/json_writer.h"

#include <assert.h>
#include <inttypes.h>

#include "base/buf.h"
#include "base/json.h"

static bool json_writer_in_array(const struct json_writer *w)
{
	return w->depth && w->arrays >> (w->depth - 1) & 1;
}

/* What stands before a value: a comma, its key. */
static void json_write_key(struct json_writer *w, const char *key)
{
	assert(!key == (!w->depth || json_writer_in_array(w)));
	if (w->comma)
		buf_addc(w->out, ',');
	w->comma = true;
	if (!key)
		return;
	buf_addc(w->out, '"');
	buf_adds(w->out, key);
	buf_add(w->out, "\":", 2);
}

static void json_write_open(struct json_writer *w, const char *key, bool array)
{
	assert(w->depth < JSON_WRITER_DEPTH);
	json_write_key(w, key);
	buf_addc(w->out, array ? '[' : '{');
	w->arrays &= ~((uint64_t)1 << w->depth);
	w->arrays |= (uint64_t)array << w->depth;
	w->depth++;
	w->comma = false;
}

void json_write_object(struct json_writer *w, const char *key)
{
	json_write_open(w, key, false);
}

void json_write_array(struct json_writer *w, const char *key)
{
	json_write_open(w, key, true);
}

void json_write_end(struct json_writer *w)
{
	assert(w->depth);
	buf_addc(w->out, json_writer_in_array(w) ? ']' : '}');
	w->depth--;
	w->comma = true;
}

void json_write_str(struct json_writer *w, const char *key, const char *p, size_t n)
{
	json_write_key(w, key);
	json_put_str(w->out, p, n);
}

void json_write_cstr(struct json_writer *w, const char *key, const char *s)
{
	json_write_key(w, key);
	json_put_cstr(w->out, s);
}

void json_write_uint(struct json_writer *w, const char *key, uint64_t n)
{
	json_write_key(w, key);
	buf_addu(w->out, n);
}

void json_write_int(struct json_writer *w, const char *key, int64_t n)
{
	json_write_key(w, key);
	buf_addf(w->out, "%" PRId64, n);
}

void json_write_bool(struct json_writer *w, const char *key, bool value)
{
	json_write_key(w, key);
	buf_adds(w->out, value ? "true" : "false");
}

void json_write_null(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	buf_adds(w->out, "null");
}

void json_write_raw(struct json_writer *w, const char *key, const char *p, size_t n)
{
	assert(n > 0);
	json_write_key(w, key);
	buf_add(w->out, p, n);
}

void json_write_value(struct json_writer *w, const char *key, const json_t *value)
{
	json_write_key(w, key);
	json_put(w->out, value);
}

void json_write_members(struct json_writer *w, const char *p, size_t n)
{
	assert(w->depth && !json_writer_in_array(w));
	if (!n)
		return;
	if (w->comma)
		buf_addc(w->out, ',');
	w->comma = true;
	buf_add(w->out, p, n);
}
