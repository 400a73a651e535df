/* Counts what may hang on libuv's threads, and leaves without it. */
#include "base/lingering.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned lingering;

void lingering_begin(void)
{
	lingering++;
}

void lingering_end(void)
{
	assert(lingering);
	lingering--;
}

bool lingering_any(void)
{
	return lingering != 0;
}

_Noreturn void lingering_exit(int rc)
{
	if (!lingering)
		exit(rc);
	fflush(NULL);
	_exit(rc);
}
