/* Taking a command apart; sh(1p), "Token Recognition". */
#include "tools/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum { WORDS_MAX_DIRS = 16 };

struct words {
	void *data;
	void (*found)(void *data, const char *word);
	char dirs[WORDS_MAX_DIRS]
		 [WORDS_MAX]; /* that the command goes to, or looks for programs in */
	unsigned dir_count, said_count;
	bool goes;	 /* the next word is one of those */
	bool module;	 /* the next word is a module of Python's */
	struct buf said; /* each word with a 0 behind it */
};

/* --- what a word may mean --- */

static void words_say_once(struct words *w, const char *word)
{
	size_t n;

	for (size_t at = 0; at < w->said.len; at += n + 1) {
		n = strlen(w->said.p + at);
		if (strcmp(w->said.p + at, word) == 0)
			return;
	}
	if (w->said_count++ >= WORDS_MAX_SAID)
		return;
	buf_add(&w->said, word, strlen(word) + 1);
	w->found(w->data, word);
}

static void words_say(struct words *w, const char *word)
{
	char joined[2 * WORDS_MAX + 2];

	if (!word[0] || strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
		return;
	words_say_once(w, word);
	for (unsigned i = 0; word[0] != '/' && i < w->dir_count; i++) {
		snprintf(joined, sizeof joined, "%s/%s", w->dirs[i], word);
		words_say_once(w, joined);
	}
}

static void words_add_dir(struct words *w, const char *dir)
{
	if (dir[0] && w->dir_count < WORDS_MAX_DIRS)
		snprintf(w->dirs[w->dir_count++], WORDS_MAX, "%.*s", WORDS_MAX - 1, dir);
}

/* python3 -m a.b */
static void words_say_module(struct words *w, const char *word)
{
	static const char *const ends[] = {".py", "/__main__.py", "/__init__.py"};
	char path[WORDS_MAX], file[WORDS_MAX + 32];

	snprintf(path, sizeof path, "%.*s", WORDS_MAX - 1, word);
	for (char *p = path; *p; p++)
		if (*p == '.')
			*p = '/';
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		snprintf(file, sizeof file, "%s%s", path, ends[i]);
		words_say(w, file);
	}
}

/* A=b, where b may be a list of directories. */
static void words_take_value(struct words *w, const char *name, const char *value)
{
	bool path = value - name >= 5 && strncmp(value - 5, "PATH=", 5) == 0;
	char part[WORDS_MAX];

	words_say(w, value);
	while (path && *value) {
		size_t n = strcspn(value, ":");

		snprintf(part, sizeof part, "%.*s", (int)n, value);
		words_add_dir(w, part);
		value += n + (value[n] == ':');
	}
}

/* One as the shell has it, what it puts in for variables left out. */
static void words_take(struct words *w, const char *word)
{
	static const char *const goes[] = {"cd", "pushd", "chdir", "-C"};
	const char *equals = strchr(word, '=');
	bool dir = w->goes, module = w->module;

	while (word[0] == '/' && word[1] == '/')
		word++;
	w->goes = w->module = false;
	for (size_t i = 0; i < sizeof goes / sizeof goes[0]; i++)
		w->goes |= strcmp(word, goes[i]) == 0;
	w->module = strcmp(word, "-m") == 0;
	words_say(w, word);
	if (dir)
		words_add_dir(w, word);
	if (module)
		words_say_module(w, word);
	if (equals)
		words_take_value(w, word, equals + 1);
	/* An option and its value in one. */
	if (word[0] == '-' && word[1])
		words_say(w, word + 2);
}

/* --- as a shell takes it apart --- */

/* Behind the expansion that begins at p. */
static const char *words_skip_expansion(const char *p)
{
	char open, close;
	int depth = 0;

	if (*p == '`') {
		p += 1 + strcspn(p + 1, "`");
		return *p ? p + 1 : p;
	}
	p++;
	open = *p;
	close = open == '(' ? ')' : '}';
	if (open != '(' && open != '{') {
		if (*p && !isalnum((unsigned char)*p) && *p != '_')
			return p + 1;
		while (isalnum((unsigned char)*p) || *p == '_')
			p++;
		return p;
	}
	for (; *p; p++) {
		depth += (*p == open) - (*p == close);
		if (depth == 0)
			return p + 1;
	}
	return p;
}

static void words_end(struct words *w, struct buf *word, bool expanded)
{
	const char *text = buf_cstr(word);

	/* What stands behind a variable or a command is most often seen from the worktree. */
	while (expanded && text[0] == '/')
		text++;
	if (word->len && word->len < WORDS_MAX)
		words_take(w, text);
	buf_clear(word);
}

static void words_of_shell(struct words *w, const char *p)
{
	struct buf word = {0};
	bool expanded = false, single = false, twice = false;

	while (*p) {
		if (single ? *p == '\'' : *p == '\'' && !twice) {
			single = !single;
			p++;
		} else if (single) {
			buf_addc(&word, *p++);
		} else if (*p == '"') {
			twice = !twice;
			p++;
		} else if (*p == '\\' && p[1]) {
			buf_addc(&word, p[1]);
			p += 2;
		} else if (*p == '$' || *p == '`') {
			words_end(w, &word, expanded);
			expanded = true;
			p = words_skip_expansion(p);
		} else if (!twice && strchr(" \t\r\n;&|()<>", *p)) {
			words_end(w, &word, expanded);
			expanded = false;
			p++;
		} else {
			buf_addc(&word, *p++);
		}
	}
	words_end(w, &word, expanded);
	buf_finish(&word);
}

/* However it is quoted: what lies between any of these. */
static void words_between(struct words *w, const char *command, const char *between)
{
	char word[WORDS_MAX];

	for (const char *p = command; *p;) {
		size_t n = strcspn(p, between);

		if (n && n < sizeof word) {
			snprintf(word, sizeof word, "%.*s", (int)n, p);
			words_say(w, word);
			if (word[0] == '-' && word[1])
				words_say(w, word + 1);
		}
		p += n;
		p += strspn(p, between);
	}
}

bool words_find(const char *command, void *data, void (*found)(void *data, const char *word))
{
	static struct words w; /* large */

	w.data = data;
	w.found = found;
	w.dir_count = w.said_count = 0;
	w.goes = w.module = false;
	words_of_shell(&w, command);
	/* Once more, as the directories are known now. */
	w.goes = w.module = false;
	words_of_shell(&w, command);
	words_between(&w, command, " \t\r\n\"'`;&|()<>={}$,!");
	words_between(&w, command, " \t\r\n\"'`;&|()<>={}$,!:");
	buf_finish(&w.said);
	return w.said_count <= WORDS_MAX_SAID && w.dir_count < WORDS_MAX_DIRS;
}
