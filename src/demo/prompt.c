/* The prompt language: the table of its words, and the reader of a prompt. */
#include "demo/prompt.h"

#include "base/err.h"

#define WORD_PREFIX "demo:"

enum word_kind {
	WORD_FLAG,   /* demo:key */
	WORD_NUMBER, /* demo:key=N */
	WORD_AFTER,  /* demo:key=N, or demo:key for 0: a failure after N deltas */
	WORD_TEXT,   /* demo:key=TEXT; min..max is its length */
	WORD_STEP,   /* the same, again and again: each is one more */
};

/* To add a word: a field in struct demo_prompt, a row here, its effect in answer.c. */
static const struct word {
	const char *name;
	enum word_kind kind;
	size_t place; /* of the field in struct demo_prompt */
	uint64_t min, max;
	const char *value; /* how the help names it */
	const char *help;
} words[] = {
    {"tokens", WORD_NUMBER, offsetof(struct demo_prompt, tokens), 0, DEMO_MAX_DELTAS, "=N",
	"answer with N deltas \"w0 \", \"w1 \" and so on"},
    {"echo", WORD_FLAG, offsetof(struct demo_prompt, echo), 0, 0, "",
	"answer with the prompt, its demo: words taken out"},
    {"size", WORD_NUMBER, offsetof(struct demo_prompt, size), 1, DEMO_MAX_PIECE, "=N",
	"bytes of one delta of text (4)"},
    {"split", WORD_FLAG, offsetof(struct demo_prompt, split), 0, 0, "",
	"send 1 to 3 bytes at a time, cut anywhere"},
    {"first", WORD_NUMBER, offsetof(struct demo_prompt, first), 0, DEMO_MAX_WAIT_MS, "=MS",
	"wait before the first delta"},
    {"delay", WORD_NUMBER, offsetof(struct demo_prompt, delay), 0, DEMO_MAX_WAIT_MS, "=MS",
	"wait between deltas"},
    {"think", WORD_NUMBER, offsetof(struct demo_prompt, think), 0, DEMO_MAX_DELTAS, "=N",
	"N thinking deltas come first"},
    {"thinktag", WORD_NUMBER, offsetof(struct demo_prompt, thinktag), 0, DEMO_MAX_DELTAS, "=N",
	"the same as text within <think> and </think>"},
    {"finish", WORD_TEXT, offsetof(struct demo_prompt, finish), 1, 100, "=REASON",
	"the finish_reason"},
    {"nousage", WORD_FLAG, offsetof(struct demo_prompt, nousage), 0, 0, "", "send no usage"},
    {"status", WORD_NUMBER, offsetof(struct demo_prompt, status), 400, 599, "=CODE",
	"fail with this HTTP status"},
    {"times", WORD_NUMBER, offsetof(struct demo_prompt, times), 0, DEMO_MAX_DELTAS, "=N",
	"fail only for the first N requests with the same demo:key"},
    {"key", WORD_TEXT, offsetof(struct demo_prompt, key), 1, DEMO_MAX_KEY, "=NAME",
	"the counter for demo:times"},
    {"hang", WORD_AFTER, offsetof(struct demo_prompt, hang), 0, DEMO_MAX_DELTAS, "[=N]",
	"fall silent after N deltas"},
    {"drop", WORD_AFTER, offsetof(struct demo_prompt, drop), 0, DEMO_MAX_DELTAS, "[=N]",
	"cut the connection after N deltas"},
    {"close", WORD_AFTER, offsetof(struct demo_prompt, close), 0, DEMO_MAX_DELTAS, "[=N]",
	"end cleanly after N deltas, without saying done"},
    {"error", WORD_AFTER, offsetof(struct demo_prompt, error), 0, DEMO_MAX_DELTAS, "[=N]",
	"report an error after N deltas"},
    {"garbage", WORD_AFTER, offsetof(struct demo_prompt, garbage), 0, DEMO_MAX_DELTAS, "[=N]",
	"send something that is no JSON after N deltas, then go on"},
    {"huge", WORD_NUMBER, offsetof(struct demo_prompt, huge), 1, DEMO_MAX_HUGE, "=BYTES",
	"one line of that many bytes, after the tokens"},
    {"badutf8", WORD_FLAG, offsetof(struct demo_prompt, badutf8), 0, 0, "",
	"one delta with bytes that are no UTF-8"},
    {"token-style", WORD_FLAG, offsetof(struct demo_prompt, token_style), 0, 0, "",
	"WebSocket: the older {\"token\":\"...\"} messages"},
    {"crlf", WORD_FLAG, offsetof(struct demo_prompt, crlf), 0, 0, "",
	"SSE: CRLF line ends, and comments between events"},
    {"tool", WORD_TEXT, offsetof(struct demo_prompt, tool), 1, DEMO_MAX_PIECE, "=NAME",
	"call this tool"},
    {"args", WORD_TEXT, offsetof(struct demo_prompt, args), 1, DEMO_MAX_HUGE, "=JSON",
	"its arguments, without blanks ({})"},
    {"calls", WORD_NUMBER, offsetof(struct demo_prompt, calls), 1, DEMO_MAX_CALLS, "=N",
	"that many calls at once (1)"},
    {"step", WORD_STEP, offsetof(struct demo_prompt, steps), 3, DEMO_MAX_HUGE, "=NAME:JSON",
	"call this tool, and the next demo:step after its result (a script)"},
    {"loop", WORD_FLAG, offsetof(struct demo_prompt, loop), 0, 0, "",
	"call the tool again after each of its results, for ever"},
};

enum { WORDS = sizeof words / sizeof words[0] };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const struct word *find(struct str name)
{
	for (size_t i = 0; i < WORDS; i++)
		if (str_eq(name, words[i].name))
			return &words[i];
	return NULL;
}

static int refuse(const struct word *w, struct str value, struct err *reterr)
{
	int shown = value.n < 60 ? (int)value.n : 60;
	unsigned long long min = w->min, max = w->max;

	if (w->kind == WORD_FLAG)
		return err_set(reterr, ERR_RANGE, "demo:%s takes no value", w->name);
	if (w->kind == WORD_TEXT || w->kind == WORD_STEP)
		return err_set(reterr, ERR_RANGE,
		    "demo:%s must be a text of %llu to %llu bytes without blanks", w->name, min,
		    max);
	return err_set(reterr, ERR_RANGE,
	    "demo:%s must be a whole number from %llu to %llu, not \"%.*s\"", w->name, min, max,
	    shown, value.p ? value.p : "");
}

/* Put the word's value where it belongs. has_value: there was a "=". */
static int set_word(struct demo_prompt *p, const struct word *w, struct str value, bool has_value,
    struct err *reterr)
{
	void *field = (char *)p + w->place;
	struct demo_number number = {.set = true};

	switch (w->kind) {
	case WORD_FLAG:
		if (has_value)
			return refuse(w, value, reterr);
		*(bool *)field = true;
		return 0;
	case WORD_AFTER:
	case WORD_NUMBER:
		if (w->kind == WORD_NUMBER || has_value)
			if (!str_parse_u64(value, w->max, &number.n) || number.n < w->min)
				return refuse(w, value, reterr);
		*(struct demo_number *)field = number;
		return 0;
	case WORD_TEXT:
		if (value.n < w->min || value.n > w->max)
			return refuse(w, value, reterr);
		*(struct str *)field = value;
		return 0;
	case WORD_STEP: {
		struct demo_steps *steps = field;

		if (value.n < w->min || !memchr(value.p, ':', value.n) ||
		    steps->count == DEMO_MAX_STEPS)
			return refuse(w, value, reterr);
		steps->step[steps->count++] = value;
		return 0;
	}
	}
	return 0;
}

/* Read one word without its prefix. */
static int take_word(struct demo_prompt *p, struct str word, struct err *reterr)
{
	struct str name, value = str_cut(word, '=', &name);
	const struct word *w = find(name);
	struct buf names = {0};

	if (w)
		return set_word(p, w, value, name.n < word.n, reterr);
	for (size_t i = 0; i < WORDS; i++)
		buf_addf(&names, "%s%s", i ? " " : "", words[i].name);
	err_set(reterr, ERR_UNKNOWN, "there is no word demo:%.*s; there are %s",
	    name.n < 60 ? (int)name.n : 60, name.p, buf_cstr(&names));
	buf_finish(&names);
	return ERR_UNKNOWN;
}

int demo_prompt_parse(const char *p, size_t n, struct demo_prompt *ret, struct err *reterr)
{
	static const size_t prefix = sizeof WORD_PREFIX - 1;
	struct demo_prompt found = {.size = {.n = 4}, .calls = {.n = 1}};
	size_t i = 0;

	while (i < n) {
		size_t start = i;
		struct str word;
		int rc;

		while (i < n && !is_blank(p[i]))
			i++;
		word = (struct str){p + start, i - start};
		if (word.n <= prefix || !str_starts(word, WORD_PREFIX)) {
			/* Ordinary text, with the blank that ends it. */
			buf_add(&found.rest, p + start, i - start + (i < n));
		} else {
			word = (struct str){word.p + prefix, word.n - prefix};
			rc = take_word(&found, word, reterr);
			if (rc != 0) {
				demo_prompt_finish(&found);
				return rc;
			}
		}
		i++;
	}
	*ret = found;
	return 0;
}

void demo_prompt_finish(struct demo_prompt *p)
{
	buf_finish(&p->rest);
}

void demo_prompt_forgive(struct demo_prompt *p)
{
	static const struct demo_number never;

	p->status = p->hang = p->drop = p->close = p->error = p->garbage = never;
}

void demo_prompt_help(struct buf *out)
{
	for (size_t i = 0; i < WORDS; i++) {
		char left[40];

		snprintf(left, sizeof left, WORD_PREFIX "%s%s", words[i].name, words[i].value);
		buf_addf(out, "  %-22s %s\n", left, words[i].help);
	}
}
