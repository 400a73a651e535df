/* Segments that were read from disk. */
#include "store/cache.h"

#include "base/mem.h"
#include "store/segment.h"

struct entry {
	int64_t session;
	struct segment *segment; /* owned reference */
};

struct cache {
	struct entry entries[CACHE_SEGMENTS];
	unsigned count;
	size_t bytes; /* of all segments */
};

struct cache *cache_new(void)
{
	return mem_zalloc(1, sizeof(struct cache));
}

/* Take entry i out and return it. */
static struct entry take(struct cache *c, unsigned i)
{
	struct entry e = c->entries[i];

	c->count--;
	c->bytes -= e.segment->len;
	memmove(c->entries + i, c->entries + i + 1, (c->count - i) * sizeof e);
	return e;
}

static void put_first(struct cache *c, struct entry e)
{
	while (c->count == CACHE_SEGMENTS || (c->count && c->bytes + e.segment->len > CACHE_BYTES))
		segment_unref(take(c, c->count - 1).segment);
	memmove(c->entries + 1, c->entries, c->count * sizeof e);
	c->entries[0] = e;
	c->count++;
	c->bytes += e.segment->len;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	while (c->count)
		segment_unref(take(c, c->count - 1).segment);
	free(c);
}

void cache_put(struct cache *c, int64_t session, struct segment *s)
{
	if (s->len <= CACHE_MAX_SEGMENT)
		put_first(c, (struct entry){session, segment_ref(s)});
}

struct segment *cache_find(struct cache *c, int64_t session, uint64_t seq)
{
	for (unsigned i = 0; i < c->count; i++) {
		const struct entry *e = &c->entries[i];

		if (e->session == session && e->segment->first_seq <= seq &&
		    seq <= e->segment->last_seq) {
			put_first(c, take(c, i));
			return c->entries[0].segment;
		}
	}
	return NULL;
}

void cache_forget(struct cache *c, int64_t session)
{
	for (unsigned i = c->count; i-- > 0;)
		if (c->entries[i].session == session)
			segment_unref(take(c, i).segment);
}
