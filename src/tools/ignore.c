/* .gitignore rules and globs. */
#include "tools/ignore.h"

#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* A line longer than this is no pattern of anybody's. */
enum { IGNORE_MAX_LINE = 1000, IGNORE_MAX_RULES = 5000 };

struct rule {
	char *pattern; /* owned */
	bool negated, directory_only, anchored;
};

struct ignore {
	const struct ignore *below; /* borrowed */
	char *at;		    /* owned: the directory's path, "" or ending in "/" */
	struct rule *rules;	    /* owned */
	size_t count;
};

/* Does the path's first part fit the pattern's, and is there more of both or of neither? *ret_end
 * and *ret_next get the slashes after them, or NULL. */
static bool match_part(
    const char *pattern, const char *path, const char **ret_end, const char **ret_next)
{
	const char *end = *ret_end = strchr(pattern, '/'), *next = *ret_next = strchr(path, '/');
	char one[IGNORE_MAX_LINE + 1], part[512];

	/* A pattern that ends in two stars fits what is below, not the directory itself. */
	if (!end != !next)
		return false;
	if (!end)
		return fnmatch(pattern, path, 0) == 0;
	if ((size_t)(end - pattern) > IGNORE_MAX_LINE || (size_t)(next - path) >= sizeof part)
		return false;
	memcpy(one, pattern, (size_t)(end - pattern));
	one[end - pattern] = '\0';
	memcpy(part, path, (size_t)(next - path));
	part[next - path] = '\0';
	return fnmatch(one, part, 0) == 0;
}

/*
 * Match part by part: fnmatch knows no "**". When a part does not fit, the last "**" takes one
 * more; the ones before it need not be tried again, as it may take all that they could. So a
 * hostile pattern costs no more than its parts times those of the path.
 */
static bool match_parts(const char *pattern, const char *path)
{
	const char *again = NULL, *from = NULL, *end, *next;

	for (;;) {
		if (strncmp(pattern, "**", 2) == 0 && !pattern[2])
			return true;
		if (strncmp(pattern, "**/", 3) == 0) {
			pattern += 3;
			again = pattern;
			from = path;
			continue;
		}
		if (match_part(pattern, path, &end, &next)) {
			if (!end)
				return true;
			pattern = end + 1;
			path = next + 1;
			continue;
		}
		from = again ? strchr(from, '/') : NULL;
		if (!from)
			return false;
		path = ++from;
		pattern = again;
	}
}

bool ignore_glob(const char *pattern, const char *path)
{
	const char *name = strrchr(path, '/');

	while (strncmp(pattern, "./", 2) == 0)
		pattern += 2;
	if (!strchr(pattern, '/'))
		return fnmatch(pattern, name ? name + 1 : path, 0) == 0 ||
		       strcmp(pattern, "**") == 0;
	return match_parts(pattern[0] == '/' ? pattern + 1 : pattern, path);
}

static void add_rule(struct ignore *i, struct str line)
{
	struct rule r = {0};

	/* Blanks at the end do not count unless escaped; we take the escaped ones as text. */
	while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\r') &&
	       !(line.n > 1 && line.p[line.n - 2] == '\\'))
		line.n--;
	if (!line.n || line.p[0] == '#' || line.n > IGNORE_MAX_LINE)
		return;
	if (line.p[0] == '!') {
		r.negated = true;
		line = (struct str){line.p + 1, line.n - 1};
	}
	if (line.n && line.p[line.n - 1] == '/') {
		r.directory_only = true;
		line.n--;
	}
	if (!line.n)
		return;
	r.anchored = memchr(line.p, '/', line.n) != NULL;
	if (line.p[0] == '/')
		line = (struct str){line.p + 1, line.n - 1};
	r.pattern = mem_strndup(line.p, line.n);
	if ((i->count & (i->count - 1)) == 0)
		i->rules = mem_realloc(i->rules, (i->count ? i->count * 2 : 1) * sizeof *i->rules);
	i->rules[i->count++] = r;
}

struct ignore *ignore_new(const struct ignore *below, const char *at, const char *text, size_t n)
{
	struct ignore *i = mem_zalloc(1, sizeof *i);
	struct str rest = {text, n}, line;
	size_t len = strlen(at);

	i->below = below;
	i->at = mem_zalloc(1, len + 2);
	memcpy(i->at, at, len);
	if (len)
		i->at[len] = '/';
	while (rest.n && i->count < IGNORE_MAX_RULES) {
		rest = str_cut(rest, '\n', &line);
		add_rule(i, line);
	}
	return i;
}

void ignore_free(struct ignore *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->count; k++)
		free(i->rules[k].pattern);
	free(i->rules);
	free(i->at);
	free(i);
}

bool ignore_has(const struct ignore *i, const char *path, bool directory)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (strcmp(name, ".git") == 0)
		return true;
	/* The nearest file has the last word, and in it the last line that fits. */
	for (; i; i = i->below) {
		size_t n = strlen(i->at);

		if (strncmp(path, i->at, n) != 0)
			continue;
		for (size_t k = i->count; k-- > 0;) {
			const struct rule *r = &i->rules[k];

			if (r->directory_only && !directory)
				continue;
			if (r->anchored ? match_parts(r->pattern, path + n)
					: fnmatch(r->pattern, name, 0) == 0)
				return !r->negated;
		}
	}
	return false;
}
