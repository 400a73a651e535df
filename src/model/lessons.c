/* What a model server taught us. */
#include "model/lessons.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct lesson {
	unsigned dropped;
	uint64_t until_us;
	char model[]; /* the key */
};

void lessons_note(struct lessons *l, const char *model, unsigned drop, uint64_t now_us)
{
	struct lesson *one = map_get(&l->models, model);

	if (!one) {
		if (l->models.len >= LESSONS_MAX)
			lessons_forget(l);
		one = mem_zalloc(1, sizeof *one + strlen(model) + 1);
		memcpy(one->model, model, strlen(model) + 1);
		map_put(&l->models, one->model, one);
	}
	if (now_us >= one->until_us)
		one->dropped = 0;
	one->dropped |= drop;
	one->until_us = now_us + LESSONS_MS * 1000ULL;
}

unsigned lessons_dropped(const struct lessons *l, const char *model, uint64_t now_us)
{
	const struct lesson *one = map_get(&l->models, model);

	return one && now_us < one->until_us ? one->dropped : 0;
}

void lessons_forget(struct lessons *l)
{
	size_t at = 0;
	void *one;

	while ((one = map_next(&l->models, &at)))
		free(one);
	map_finish(&l->models);
	l->models = (struct map){0};
}
