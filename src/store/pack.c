/* Packing frames into columns, and unpacking them. */
#include "store/pack.h"

#include <zstd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocol/envelope.h"

enum {
	PACK_LEVEL = 9,	    /* of zstd: 12 is a fifth smaller in a hundred and thrice as slow */
	PACK_MAX_NAME = 64, /* of a kind of event */
	PACK_MAX_ID = 256,  /* of a daemon or session */
};

/* --- numbers --- */

static void put_varint(struct buf *b, uint64_t n)
{
	while (n >= 0x80) {
		buf_addc(b, (char)(n | 0x80));
		n >>= 7;
	}
	buf_addc(b, (char)n);
}

static void put_text(struct buf *b, const char *p, size_t n)
{
	put_varint(b, n);
	buf_add(b, p, n);
}

static uint64_t zigzag(int64_t n)
{
	return n < 0 ? ~((uint64_t)n << 1) : (uint64_t)n << 1;
}

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)(n >> 1 ^ (0 - (n & 1)));
}

static bool take_varint(struct str *at, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 64 && at->n; shift += 7) {
		unsigned char c = (unsigned char)*at->p;

		at->p++;
		at->n--;
		n |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80) {
			*ret = n;
			return true;
		}
	}
	return false;
}

static bool take(struct str *at, uint64_t n, struct str *ret)
{
	if (n > at->n)
		return false;
	*ret = (struct str){at->p, (size_t)n};
	at->p += n;
	at->n -= (size_t)n;
	return true;
}

static bool take_text(struct str *at, struct str *ret)
{
	uint64_t n;

	return take_varint(at, &n) && take(at, n, ret);
}

/* --- packing --- */

struct packing {
	struct str daemon_id, session_id; /* of all frames, borrowed from them */
	int64_t first_ms, ms;
	struct buf kinds, times, starts, ends, lengths, rests;
	enum event_kind names[EVENT_KINDS]; /* in the order of their first event */
	unsigned char place[EVENT_KINDS];   /* in names, + 1 */
	unsigned name_count;
	struct str last[EVENT_KINDS]; /* payload before, by place */
};

static bool same(struct str a, struct str b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/*
 * How much of now begins and ends as before does. Both are cut back to a quote, so
 * that two words with a letter in common do not make a number differ.
 */
static void compare(struct str before, struct str now, size_t *ret_start, size_t *ret_end)
{
	size_t most = before.n < now.n ? before.n : now.n, start = 0, end = 0;

	while (start < most && before.p[start] == now.p[start])
		start++;
	if (start < most || before.n != now.n)
		while (start && now.p[start - 1] != '"')
			start--;
	while (end < most - start && before.p[before.n - end - 1] == now.p[now.n - end - 1])
		end++;
	if (start < most)
		while (end && now.p[now.n - end] != '"')
			end--;
	*ret_start = start;
	*ret_end = end;
}

static void add_event(struct packing *k, const struct envelope_view *e)
{
	size_t start, end;
	unsigned place;

	if (!k->place[e->kind]) {
		k->names[k->name_count] = e->kind;
		k->last[k->name_count++] = (struct str){0};
		k->place[e->kind] = (unsigned char)k->name_count;
	}
	place = k->place[e->kind] - 1u;
	compare(k->last[place], e->payload, &start, &end);
	k->last[place] = e->payload;
	buf_addc(&k->kinds, (char)place);
	put_varint(&k->times, zigzag(e->ts_ms - k->ms));
	k->ms = e->ts_ms;
	put_varint(&k->starts, start);
	put_varint(&k->ends, end);
	put_varint(&k->lengths, e->payload.n - start - end);
	buf_add(&k->rests, e->payload.p + start, e->payload.n - start - end);
}

static bool read_frames(struct packing *k, uint64_t first, uint64_t last, const char *p, size_t n)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		struct envelope_view e;
		struct str json;
		size_t frame = envelope_frame(p, n, &json);

		if (!frame || !envelope_view(json, &e) || e.seq != seq)
			return false;
		if (seq == first) {
			k->daemon_id = e.daemon_id;
			k->session_id = e.session_id;
			k->first_ms = k->ms = e.ts_ms;
		} else if (!same(e.daemon_id, k->daemon_id) || !same(e.session_id, k->session_id)) {
			return false;
		}
		add_event(k, &e);
		p += frame;
		n -= frame;
	}
	return n == 0;
}

static void put_columns(const struct packing *k, uint64_t count, struct buf *out)
{
	const struct buf *const columns[] = {
	    &k->kinds, &k->times, &k->starts, &k->ends, &k->lengths, &k->rests};

	put_varint(out, count);
	put_text(out, k->daemon_id.p, k->daemon_id.n);
	put_text(out, k->session_id.p, k->session_id.n);
	put_varint(out, zigzag(k->first_ms));
	put_varint(out, k->name_count);
	for (unsigned i = 0; i < k->name_count; i++)
		put_text(out, event_name(k->names[i]), strlen(event_name(k->names[i])));
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
		put_text(out, columns[i]->p, columns[i]->len);
}

static bool compress(const struct buf *plain, struct buf *out)
{
	size_t room = ZSTD_compressBound(plain->len), n;
	ZSTD_CCtx *z = ZSTD_createCCtx();

	if (!z)
		return false;
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, PACK_LEVEL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(z, buf_reserve(out, room), room, plain->p, plain->len);
	ZSTD_freeCCtx(z);
	if (ZSTD_isError(n))
		return false;
	out->len += n;
	return true;
}

/* Do the packed bytes give back what they were made of? */
static bool gives_back(uint64_t first, uint64_t last, const char *packed, size_t packed_len,
    const char *frames, size_t n)
{
	struct buf again = {0};
	bool ok = pack_open(first, last, packed, packed_len, &again) && again.len == n &&
		  memcmp(again.p, frames, n) == 0;

	buf_finish(&again);
	return ok;
}

bool pack_frames(uint64_t first_seq, uint64_t last_seq, const char *p, size_t n, struct buf *out)
{
	struct packing k = {0};
	struct buf plain = {0};
	size_t before = out->len;
	bool ok = n <= PACK_MAX_BYTES && first_seq && first_seq <= last_seq &&
		  read_frames(&k, first_seq, last_seq, p, n);

	if (ok) {
		put_columns(&k, last_seq - first_seq + 1, &plain);
		ok = compress(&plain, out) &&
		     gives_back(first_seq, last_seq, out->p + before, out->len - before, p, n);
	}
	if (!ok)
		out->len = before;
	buf_finish(&plain);
	buf_finish(&k.kinds);
	buf_finish(&k.times);
	buf_finish(&k.starts);
	buf_finish(&k.ends);
	buf_finish(&k.lengths);
	buf_finish(&k.rests);
	return ok;
}

/* --- unpacking --- */

struct opening {
	int64_t ms;
	struct str kinds, times, starts, ends, lengths, rests;
	unsigned name_count;
	struct buf heads[EVENT_KINDS]; /* of envelopes, by place */
	struct buf last[EVENT_KINDS];  /* payload before, by place */
};

static bool take_id(struct str *at, char ret[PACK_MAX_ID])
{
	struct str id;

	if (!take_text(at, &id) || id.n >= PACK_MAX_ID || memchr(id.p, 0, id.n))
		return false;
	memcpy(ret, id.p, id.n);
	ret[id.n] = '\0';
	return true;
}

static bool take_columns(struct opening *o, struct str at, uint64_t count)
{
	struct str *const columns[] = {
	    &o->kinds, &o->times, &o->starts, &o->ends, &o->lengths, &o->rests};
	char daemon_id[PACK_MAX_ID], session_id[PACK_MAX_ID];
	uint64_t n, ms;

	if (!take_varint(&at, &n) || n != count || !take_id(&at, daemon_id) ||
	    !take_id(&at, session_id) || !take_varint(&at, &ms) || !take_varint(&at, &n) ||
	    n > EVENT_KINDS)
		return false;
	o->ms = unzigzag(ms);
	for (o->name_count = 0; o->name_count < n; o->name_count++) {
		enum event_kind kind;
		struct str name;

		if (!take_text(&at, &name) || name.n > PACK_MAX_NAME)
			return false;
		kind = event_of(name);
		if (kind == EVENT_KINDS)
			return false;
		envelope_put_head(&o->heads[o->name_count], kind, daemon_id, session_id);
	}
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
		if (!take_text(&at, columns[i]))
			return false;
	return at.n == 0;
}

/* One more frame at the end of out. */
static bool open_event(struct opening *o, uint64_t seq, struct buf *out)
{
	uint64_t step, start, end, length;
	struct str kind, rest;
	struct buf *payload;
	unsigned place;
	size_t tail;

	if (!take(&o->kinds, 1, &kind) || (place = (unsigned char)*kind.p) >= o->name_count ||
	    !take_varint(&o->times, &step) || !take_varint(&o->starts, &start) ||
	    !take_varint(&o->ends, &end) || !take_varint(&o->lengths, &length) ||
	    !take(&o->rests, length, &rest))
		return false;
	payload = &o->last[place];
	if (start > payload->len || end > payload->len - start)
		return false;
	/* The middle of the payload before is replaced, its end moved. */
	tail = payload->len - (size_t)end;
	if (tail != start + rest.n) {
		buf_reserve(payload, rest.n);
		memmove(payload->p + start + rest.n, payload->p + tail, (size_t)end);
	}
	if (rest.n)
		memcpy(payload->p + start, rest.p, rest.n);
	payload->len = (size_t)start + rest.n + (size_t)end;
	o->ms = (int64_t)((uint64_t)o->ms + (uint64_t)unzigzag(step));
	envelope_put(out, &o->heads[place], seq, o->ms, payload->p, payload->len);
	return true;
}

static bool decompress(const char *p, size_t n, struct buf *ret)
{
	unsigned long long size = ZSTD_getFrameContentSize(p, n);
	size_t got;

	/* Columns are never larger than the frames they came from, but for a few bytes. */
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ||
	    size > PACK_MAX_BYTES)
		return false;
	got = ZSTD_decompress(buf_reserve(ret, (size_t)size), (size_t)size, p, n);
	if (ZSTD_isError(got) || got != size)
		return false;
	ret->len = got;
	return true;
}

bool pack_open(uint64_t first_seq, uint64_t last_seq, const char *p, size_t n, struct buf *out)
{
	struct opening o = {0};
	struct buf plain = {0};
	size_t begin = out->len;
	bool ok = first_seq && first_seq <= last_seq && decompress(p, n, &plain) &&
		  take_columns(&o, (struct str){plain.p, plain.len}, last_seq - first_seq + 1);

	/* As much as a usual row has, at once. */
	if (ok && last_seq > first_seq)
		buf_reserve(out, PACK_BYTES);
	for (uint64_t seq = first_seq; ok && seq <= last_seq; seq++)
		ok = open_event(&o, seq, out) && out->len - begin <= PACK_MAX_BYTES;
	ok = ok && o.rests.n == 0 && o.kinds.n == 0;
	for (unsigned i = 0; i < EVENT_KINDS; i++) {
		buf_finish(&o.heads[i]);
		buf_finish(&o.last[i]);
	}
	buf_finish(&plain);
	return ok;
}
