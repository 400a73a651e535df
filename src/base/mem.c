/* Allocation that cannot fail, for objects whose size is ours to choose. */
#include "base/mem.h"

/* Bytes of what the thread's free lists of malloc hold. */
enum { MEM_SMALL = 1024 };

static void out_of_memory(size_t n)
{
	fprintf(stderr, "opta: out of memory (asked for %zu bytes)\n", n);
	abort();
}

void *mem_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

void *mem_zalloc(size_t count, size_t size)
{
	size_t n;
	void *p;

	/* glibc's calloc (before 2.41) passes by the thread's own free lists, malloc does not, and
	 * small things come and go there. */
	if (!__builtin_mul_overflow(count, size, &n) && n <= MEM_SMALL)
		return memset(mem_alloc(n), 0, n);
	p = calloc(count, size);
	if (!p)
		out_of_memory(count);
	return p;
}

void *mem_realloc(void *old, size_t n)
{
	void *p = realloc(old, n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

char *mem_strndup(const char *p, size_t n)
{
	char *s = mem_alloc(n + 1);

	if (n)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}
