/* Counting what the kernel keeps; proc(5), sysvipc(7). */
#include "tools/tables.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What one takes on a 64-bit kernel, rounded up. */
enum {
	TABLES_SEMAPHORE = 64, /* a cache line each */
	TABLES_SET = 256,
	TABLES_MESSAGE = 64,
	TABLES_FILE = 1200, /* inode and name */
	TABLES_MAPPING = 256,
};

/* Semaphores, or the bytes and messages that wait: the fourth and fifth column. */
static uint64_t tables_sum(const char *path, unsigned one, unsigned more)
{
	unsigned long long first, second;
	uint64_t bytes = 0;
	char line[512];
	FILE *f = fopen(path, "re");

	/* The first line is a heading. */
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%*d %*d %*o %llu %llu", &first, &second) == 2)
			bytes += TABLES_SET + first * one + second * more;
	if (f)
		fclose(f);
	return bytes;
}

uint64_t tables_of_namespace(void)
{
	return tables_sum("/proc/sysvipc/sem", TABLES_SEMAPHORE, 0) +
	       tables_sum("/proc/sysvipc/msg", 1, TABLES_MESSAGE);
}

uint64_t tables_of_files(uint64_t used)
{
	return used * TABLES_FILE;
}

static uint64_t tables_lines(const char *path)
{
	static char piece[64 * 1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t lines = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, piece, sizeof piece)) > 0)
		for (const char *p = piece; (p = memchr(p, '\n', (size_t)(piece + n - p))); p++)
			lines++;
	if (fd >= 0)
		close(fd);
	return lines;
}

uint64_t tables_of_mappings(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	return tables_lines(path) * TABLES_MAPPING;
}
