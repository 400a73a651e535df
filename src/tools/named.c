/* Reading git's configuration; git-config(1), "CONFIGURATION FILE". */
#include "tools/named.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "tools/words.h"

enum {
	NAMED_MAX_TEXT = 256 * 1024, /* of one file */
	NAMED_MAX_DEPTH = 10,	     /* of includes, as git has it */
	NAMED_MAX_FILES = 64,
	NAMED_MAX_PATH = 4096,
};

struct named_reader {
	const struct named *named;
	size_t files; /* read so far */
	bool full;    /* not all of it was read */
};

/* What the parser stands at. */
struct named_text {
	const char *p, *end;
	char section[64]; /* of small letters, without its second part */
};

/* Settings whose values are no programs and lead to none. */
static bool named_harmless(const char *section, const char *key)
{
	static const char *const settings[] = {"user.", "author.", "committer.", "branch.",
	    "color.", "remote.url", "remote.pushurl", "remote.fetch", "remote.push",
	    "submodule.url", "submodule.path", "submodule.branch", "url.", "core.worktree",
	    "core.excludesfile", "commit.template", "blame.ignorerevsfile", "mailmap.file",
	    "init.defaultbranch"};
	char name[140];

	snprintf(name, sizeof name, "%s.%s", section, key);
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		size_t n = strlen(settings[i]);

		if (settings[i][n - 1] == '.' ? strncmp(name, settings[i], n) == 0
					      : strcmp(name, settings[i]) == 0)
			return true;
	}
	return false;
}

/* A remote that is a command: git-remote-ext(1). */
static bool named_is_program(const char *value)
{
	return strncmp(value, "ext::", 5) == 0;
}

/* Settings whose whole value is a path. */
static bool named_is_path(const char *section, const char *key)
{
	return strcmp(key, "hookspath") == 0 || strcmp(key, "attributesfile") == 0 ||
	       strcmp(key, "templatedir") == 0 ||
	       (strncmp(section, "include", 7) == 0 && strcmp(key, "path") == 0);
}

static void named_say(const struct named *named, const char *path, enum named_kind kind)
{
	char joined[3 * NAMED_MAX_PATH];

	if (path[0] == '/') {
		named->found(named->data, path, kind);
	} else if (strncmp(path, "~/", 2) == 0) {
		snprintf(joined, sizeof joined, "%s/%s", named->home ? named->home : "", path + 2);
		if (named->home)
			named->found(named->data, joined, kind);
	} else {
		for (size_t i = 0; i < named->base_count; i++) {
			snprintf(joined, sizeof joined, "%s/%s", named->bases[i], path);
			named->found(named->data, joined, kind);
		}
	}
}

static void named_take_word(void *data, const char *word)
{
	named_say(data, word, strpbrk(word, "./") ? NAMED_FILE : NAMED_WORD);
}

static void named_read(struct named_reader *r, const char *file, int depth);

static void named_include(struct named_reader *r, const char *file, const char *value, int depth)
{
	const char *slash = strrchr(file, '/');
	char path[2 * NAMED_MAX_PATH];

	if (value[0] == '/')
		snprintf(path, sizeof path, "%s", value);
	else if (strncmp(value, "~/", 2) == 0)
		snprintf(
		    path, sizeof path, "%s/%s", r->named->home ? r->named->home : "", value + 2);
	else
		snprintf(
		    path, sizeof path, "%.*s/%s", (int)(slash ? slash - file : 0), file, value);
	r->named->found(r->named->data, path, NAMED_PATH);
	if (depth > 0)
		named_read(r, path, depth - 1);
}

static void named_setting(struct named_reader *r, const char *file, const char *section,
    const char *key, const char *value, int depth)
{
	/* Any condition of an include may come to hold. */
	if (strncmp(section, "include", 7) == 0 && strcmp(key, "path") == 0)
		named_include(r, file, value, depth);
	else if (named_is_path(section, key))
		named_say(r->named, value, NAMED_PATH);
	else if ((!named_harmless(section, key) || named_is_program(value)) &&
		 (strcmp(section, "alias") != 0 || value[0] == '!'))
		r->full |= !words_find(
		    value + (value[0] == '!'), (void *)(uintptr_t)r->named, named_take_word);
}

/* --- the file's form --- */

static void named_skip_line(struct named_text *t)
{
	while (t->p < t->end && *t->p != '\n')
		t->p++;
}

static size_t named_letters(struct named_text *t, char *out, size_t size)
{
	size_t n = 0;

	while (t->p < t->end && (isalnum((unsigned char)*t->p) || *t->p == '-')) {
		if (n + 1 < size)
			out[n++] = (char)tolower((unsigned char)*t->p);
		t->p++;
	}
	out[n] = '\0';
	return n;
}

static void named_section(struct named_text *t)
{
	bool quoted = false;

	t->p++;
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
	named_letters(t, t->section, sizeof t->section);
	for (; t->p < t->end && *t->p != '\n'; t->p++) {
		if (*t->p == '\\' && quoted && t->p + 1 < t->end)
			t->p++;
		else if (*t->p == '"')
			quoted = !quoted;
		else if (*t->p == ']' && !quoted) {
			t->p++;
			return;
		}
	}
}

/* Behind the `=`: quotes, escapes, comments and lines that go on. */
static void named_value(struct named_text *t, struct buf *out)
{
	bool quoted = false;
	size_t keep = 0;

	buf_clear(out);
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
	for (; t->p < t->end && *t->p != '\n'; t->p++) {
		char c = *t->p;

		if (c == '"') {
			quoted = !quoted;
			keep = out->len;
			continue;
		}
		if (!quoted && (c == '#' || c == ';'))
			break;
		if (c == '\\' && t->p + 1 < t->end) {
			c = *++t->p;
			if (c == '\r' && t->p + 1 < t->end && t->p[1] == '\n')
				c = *++t->p;
			if (c == '\n')
				continue;
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'b' ? '\b' : c;
			buf_addc(out, c);
			keep = out->len;
			continue;
		}
		buf_addc(out, c);
		if (quoted || !isspace((unsigned char)c))
			keep = out->len;
	}
	out->len = keep;
	named_skip_line(t);
}

static void named_read(struct named_reader *r, const char *file, int depth)
{
	struct buf text = {0}, value = {0};
	struct named_text t = {0};
	char key[64], real[PATH_MAX];
	int rc;

	if (!realpath(file, real))
		return;
	rc =
	    r->files++ < NAMED_MAX_FILES ? file_read(real, NAMED_MAX_TEXT, &text, NULL) : ERR_LIMIT;
	r->full |= rc == ERR_LIMIT;
	if (rc != 0)
		return;
	t.p = text.p;
	t.end = text.p + text.len;
	while (t.p < t.end) {
		if (isspace((unsigned char)*t.p)) {
			t.p++;
		} else if (*t.p == '[') {
			named_section(&t);
		} else if (named_letters(&t, key, sizeof key)) {
			while (t.p < t.end && (*t.p == ' ' || *t.p == '\t'))
				t.p++;
			if (t.p < t.end && *t.p == '=') {
				t.p++;
				named_value(&t, &value);
				r->full |= value.len >= NAMED_MAX_PATH;
				if (value.len && value.len < NAMED_MAX_PATH)
					named_setting(
					    r, file, t.section, key, buf_cstr(&value), depth);
			}
		} else {
			named_skip_line(&t);
		}
	}
	buf_finish(&text);
	buf_finish(&value);
}

bool named_find(const struct named *named, const char *file)
{
	struct named_reader r = {.named = named};

	named_read(&r, file, NAMED_MAX_DEPTH);
	return !r.full;
}
