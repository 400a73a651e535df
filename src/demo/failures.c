/* Counters by key, bounded. */
#include "demo/failures.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct counter {
	struct list link; /* in age */
	char *key;	  /* owned */
	uint64_t count;
};

struct demo_failures {
	struct map counters; /* struct counter by its key */
	struct list age;     /* the oldest first; owns them */
};

struct demo_failures *demo_failures_new(void)
{
	struct demo_failures *f = mem_zalloc(1, sizeof *f);

	list_init(&f->age);
	return f;
}

static void drop_oldest(struct demo_failures *f)
{
	struct counter *c = list_entry(f->age.next, struct counter, link);

	map_remove(&f->counters, c->key);
	list_remove(&c->link);
	free(c->key);
	free(c);
}

void demo_failures_free(struct demo_failures *f)
{
	if (!f)
		return;
	while (!list_empty(&f->age))
		drop_oldest(f);
	map_finish(&f->counters);
	free(f);
}

bool demo_failures_take(struct demo_failures *f, struct str key, uint64_t times)
{
	char *name = mem_strndup(key.p, key.n);
	struct counter *c = map_get(&f->counters, name);

	if (c) {
		free(name);
	} else {
		if (f->counters.len == DEMO_FAILURES_MAX)
			drop_oldest(f);
		c = mem_zalloc(1, sizeof *c);
		c->key = name;
		list_append(&f->age, &c->link);
		map_put(&f->counters, c->key, c);
	}
	return c->count++ < times;
}
