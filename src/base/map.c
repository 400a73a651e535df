/* Strings to pointers. */
#include "base/map.h"

#include <assert.h>
#include <stdint.h>

#include "base/ids.h"
#include "base/mem.h"

struct map_slot {
	const char *key; /* NULL: never used; value NULL with key: tombstone */
	void *value;
};

enum { MAP_FIRST = 16 };

static uint64_t hash_of(const char *key)
{
	static uint64_t seed;
	uint64_t h;

	if (!seed) {
		ids_random(&seed, sizeof seed);
		seed |= 1;
	}
	h = seed;
	for (; *key; key++) {
		h = (h ^ (unsigned char)*key) * 0x9E3779B97F4A7C15u;
		h ^= h >> 29;
	}
	return h ^ (h >> 32);
}

void map_finish(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

static struct map_slot *find(const struct map *m, const char *key)
{
	if (!m->cap)
		return NULL;
	for (size_t i = (size_t)hash_of(key) & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];

		if (!s->key)
			return NULL;
		if (s->value && strcmp(s->key, key) == 0)
			return s;
	}
}

void *map_get(const struct map *m, const char *key)
{
	struct map_slot *s = find(m, key);

	return s ? s->value : NULL;
}

static void insert(struct map *m, const char *key, void *value)
{
	size_t i = (size_t)hash_of(key) & (m->cap - 1);

	while (m->slots[i].key)
		i = (i + 1) & (m->cap - 1);
	m->slots[i] = (struct map_slot){key, value};
	m->len++;
	m->used++;
}

static void grow(struct map *m)
{
	struct map old = *m;
	size_t cap = MAP_FIRST;

	while (cap < old.len * 4)
		cap *= 2;
	*m = (struct map){.slots = mem_zalloc(cap, sizeof *m->slots), .cap = cap};
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].value)
			insert(m, old.slots[i].key, old.slots[i].value);
	free(old.slots);
}

void map_put(struct map *m, const char *key, void *value)
{
	struct map_slot *s;

	assert(value);
	s = find(m, key);
	if (s) {
		*s = (struct map_slot){key, value};
		return;
	}
	if ((m->used + 1) * 4 > m->cap * 3)
		grow(m);
	insert(m, key, value);
}

void *map_remove(struct map *m, const char *key)
{
	struct map_slot *s = find(m, key);
	void *value;

	if (!s)
		return NULL;
	value = s->value;
	s->value = NULL;
	s->key = "";
	m->len--;
	return value;
}

void *map_next(const struct map *m, size_t *at)
{
	while (*at < m->cap) {
		struct map_slot *s = &m->slots[(*at)++];

		if (s->value)
			return s->value;
	}
	return NULL;
}
