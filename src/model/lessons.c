/* What a model server taught us. */
#include "model/lessons.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct lesson {
	unsigned dropped;
	uint64_t until_us, bytes_per_1000;
	char model[]; /* the key */
};

static struct lesson *lesson_of(struct lessons *l, const char *model)
{
	struct lesson *one = map_get(&l->models, model);

	if (one)
		return one;
	if (l->models.len >= LESSONS_MAX)
		lessons_forget(l);
	one = mem_zalloc(1, sizeof *one + strlen(model) + 1);
	memcpy(one->model, model, strlen(model) + 1);
	map_put(&l->models, one->model, one);
	return one;
}

void lessons_note(struct lessons *l, const char *model, unsigned drop, uint64_t now_us)
{
	struct lesson *one = lesson_of(l, model);

	if (now_us >= one->until_us)
		one->dropped = 0;
	one->dropped |= drop;
	one->until_us = now_us + LESSONS_MS * 1000ULL;
}

void lessons_note_tokens(struct lessons *l, const char *model, uint64_t bytes, uint64_t tokens)
{
	uint64_t ratio = tokens ? bytes * 1000 / tokens : 0;

	if (tokens < LESSONS_LEAST_TOKENS)
		return;
	if (ratio < LESSONS_RATIO_MIN)
		ratio = LESSONS_RATIO_MIN;
	if (ratio > LESSONS_RATIO_MAX)
		ratio = LESSONS_RATIO_MAX;
	lesson_of(l, model)->bytes_per_1000 = ratio;
}

uint64_t lessons_bytes_per_1000(const struct lessons *l, const char *model)
{
	const struct lesson *one = map_get(&l->models, model);

	return one ? one->bytes_per_1000 : 0;
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
