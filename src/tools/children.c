/* Children of this process; proc_pid_stat(5), proc_tid_children(5). */
#include "tools/children.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static void children_take(pid_t *pids, size_t size, size_t *count, long pid)
{
	if (pid <= 0)
		return;
	if (*count < size)
		pids[*count] = (pid_t)pid;
	++*count;
}

/* Kernels without a list of them: each process says whose child it is. */
static size_t children_search(pid_t *pids, size_t size)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	size_t count = 0;
	uint64_t pid;

	while (d && (e = readdir(d))) {
		char path[64], text[512];
		int parent = 0;
		const char *at;
		FILE *f;
		size_t n;

		if (!str_parse_u64(str_of(e->d_name), INT32_MAX, &pid))
			continue;
		snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
		f = fopen(path, "re");
		if (!f)
			continue;
		n = fread(text, 1, sizeof text - 1, f);
		fclose(f);
		text[n] = '\0';
		/* The name in parentheses may hold anything. */
		at = strrchr(text, ')');
		if (at && sscanf(at + 1, " %*c %d", &parent) == 1 && parent == (int)getpid())
			children_take(pids, size, &count, (long)pid);
	}
	if (d)
		closedir(d);
	return count;
}

size_t children_list(pid_t *pids, size_t size)
{
	char path[64], word[24];
	size_t count = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (!f)
		return children_search(pids, size);
	while (fscanf(f, "%20s", word) == 1)
		children_take(pids, size, &count, strtol(word, NULL, 10));
	fclose(f);
	return count;
}
