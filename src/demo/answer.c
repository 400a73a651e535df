/* The steps of an answer. */
#include "demo/answer.h"

#include "demo/request.h"

enum {
	ANSWER_MAX_QUOTE = 1000, /* bytes of the prompt that the fixed answer quotes */
	ANSWER_MAX_TOOL = 200,	 /* bytes of a tool's result that the answer to it quotes */
};

/* In the order they come; one without content is passed over. */
enum phase {
	PHASE_THINKING, /* demo:think */
	PHASE_TAG_OPEN, /* demo:thinktag */
	PHASE_TAG_TEXT,
	PHASE_TAG_CLOSE,
	PHASE_TOKENS,	/* demo:tokens */
	PHASE_TEXT,	/* demo:echo, or the fixed text, or the answer to a tool */
	PHASE_HUGE,	/* demo:huge */
	PHASE_BAD_UTF8, /* demo:badutf8 */
	PHASE_CALLS,	/* demo:tool */
	PHASE_END,
};

/* Each tag is cut where readers like to look for it. */
static const char *const tag_open[] = {"<", "thi", "nk>"}, *const tag_close[] = {
							       "</th", "ink", ">"};

enum { TAG_PIECES = 3, CALL_PIECES = 3 };

/* A byte that is never UTF-8, a character without its end, an overlong form, a surrogate. */
static const char bad_utf8[] = "bad \xff \xe2\x82 \xc0\xaf \xed\xa0\x80 ";

/* Where the character that byte `at` of text belongs to begins. */
static size_t char_start(struct str text, size_t at)
{
	while (at > 0 && at < text.n && ((unsigned char)text.p[at] & 0xC0) == 0x80)
		at--;
	return at;
}

/* About max bytes of text from `at`: whole characters, and at least one. */
static struct str cut_piece(struct str text, size_t at, size_t max)
{
	size_t end = text.n - at > max ? char_start(text, at + max) : text.n;

	if (end <= at) {
		end = at + 1;
		while (end < text.n && ((unsigned char)text.p[end] & 0xC0) == 0x80)
			end++;
	}
	return (struct str){text.p + at, end - at};
}

static struct str text_of(const struct buf *b)
{
	return (struct str){b->p, b->len};
}

static void compose(
    struct demo_answer *a, const char *before, struct str quoted, size_t max, const char *after)
{
	if (quoted.n > max)
		quoted.n = char_start(quoted, max);
	buf_adds(&a->composed, before);
	buf_add(&a->composed, quoted.p, quoted.n);
	buf_adds(&a->composed, after);
	a->text = text_of(&a->composed);
}

void demo_answer_init(struct demo_answer *ret, const struct demo_request *r)
{
	const struct demo_prompt *p = &r->prompt;
	bool other = p->tokens.set || p->huge.set || p->badutf8 || p->tool.p || p->steps.count;
	struct demo_answer a = {
	    .prompt = p, .phase = PHASE_THINKING, .tool = p->tool, .args = p->args};
	bool script = r->tool_results < p->steps.count;

	/* A result ends the tool loop, whatever the prompt says, unless it asks for no end. */
	a.reply_to_tool = r->after_tool && !p->loop && !script;
	if (script)
		a.args = str_cut(p->steps.step[r->tool_results], ':', &a.tool);
	if (a.reply_to_tool) {
		a.phase = PHASE_TEXT;
		compose(&a, "The tool said: ", text_of(&r->tool_said), ANSWER_MAX_TOOL, "");
	} else if (p->echo) {
		a.text = text_of(&p->rest);
	} else if (!other) {
		compose(&a, "This is the demo model server, not a language model. You said: \"",
		    str_trim(text_of(&p->rest)), ANSWER_MAX_QUOTE, "\"");
	}
	a.skip = r->said;
	*ret = a;
}

void demo_answer_finish(struct demo_answer *a)
{
	buf_finish(&a->composed);
}

/* How many deltas the phase has; the text's are counted in bytes. */
static uint64_t phase_length(const struct demo_answer *a)
{
	const struct demo_prompt *p = a->prompt;

	switch ((enum phase)a->phase) {
	case PHASE_THINKING:
		return p->think.n;
	case PHASE_TAG_OPEN:
	case PHASE_TAG_CLOSE:
		return p->thinktag.set ? TAG_PIECES : 0;
	case PHASE_TAG_TEXT:
		return p->thinktag.n;
	case PHASE_TOKENS:
		return p->tokens.n;
	case PHASE_TEXT:
		return a->text.n;
	case PHASE_HUGE:
		return p->huge.set;
	case PHASE_BAD_UTF8:
		return p->badutf8;
	case PHASE_CALLS:
		return a->tool.p ? p->calls.n * CALL_PIECES : 0;
	case PHASE_END:
		break;
	}
	return UINT64_MAX;
}

/* "w17 ": the letter, the number, one blank. */
static struct str count_word(struct demo_answer *a, char letter)
{
	char *end = a->word + sizeof a->word, *at = end;
	uint64_t n = a->done;

	*--at = ' ';
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	*--at = letter;
	return (struct str){at, (size_t)(end - at)};
}

/* A call comes in pieces: its name, then its arguments in two. */
static void next_call_piece(struct demo_answer *a, struct demo_step *ret)
{
	struct str args = a->args.p ? a->args : str_of("{}");
	size_t half = char_start(args, (args.n + 1) / 2);

	ret->index = (unsigned)(a->done / CALL_PIECES);
	switch (a->done % CALL_PIECES) {
	case 0:
		ret->kind = DEMO_STEP_CALL;
		ret->text = a->tool;
		break;
	case 1:
		ret->kind = DEMO_STEP_ARGUMENTS;
		ret->text = (struct str){args.p, half};
		break;
	case 2:
		ret->kind = DEMO_STEP_ARGUMENTS;
		ret->text = (struct str){args.p + half, args.n - half};
		break;
	}
}

static struct str next_text(struct demo_answer *a)
{
	struct str piece = cut_piece(a->text, a->done, a->prompt->size.n);

	a->done += piece.n - 1; /* the delta itself is counted by the caller */
	return piece;
}

static struct str finish_reason(const struct demo_answer *a)
{
	if (a->reply_to_tool)
		return str_of("stop");
	if (a->prompt->finish.p)
		return a->prompt->finish;
	return str_of(a->tool.p ? "tool_calls" : "stop");
}

/* The failure that is due now. False when there is none. */
static bool next_failure(struct demo_answer *a, struct demo_step *ret)
{
	const struct demo_prompt *p = a->prompt;
	const struct {
		struct demo_number after;
		enum demo_step_kind kind;
	} failures[] = {
	    {p->error, DEMO_STEP_ERROR},
	    {p->hang, DEMO_STEP_HANG},
	    {p->drop, DEMO_STEP_DROP},
	    {p->close, DEMO_STEP_CLOSE},
	};

	if (a->reply_to_tool)
		return false;
	if (p->garbage.set && p->garbage.n == a->sent && !a->garbage_sent) {
		a->garbage_sent = true;
		ret->kind = DEMO_STEP_GARBAGE;
		return true;
	}
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
		if (failures[i].after.set && failures[i].after.n == a->sent) {
			ret->kind = failures[i].kind;
			return true;
		}
	}
	return false;
}

static void next_step(struct demo_answer *a, struct demo_step *ret)
{
	*ret = (struct demo_step){0};
	if (next_failure(a, ret))
		return;
	while (a->done >= phase_length(a)) {
		a->phase = a->reply_to_tool ? PHASE_END : a->phase + 1;
		a->done = 0;
	}
	switch ((enum phase)a->phase) {
	case PHASE_THINKING:
		ret->kind = DEMO_STEP_THINKING;
		ret->text = count_word(a, 'k');
		break;
	case PHASE_TAG_OPEN:
		ret->text = str_of(tag_open[a->done]);
		break;
	case PHASE_TAG_TEXT:
		ret->text = count_word(a, 'k');
		break;
	case PHASE_TAG_CLOSE:
		ret->text = str_of(tag_close[a->done]);
		break;
	case PHASE_TOKENS:
		ret->text = count_word(a, 'w');
		break;
	case PHASE_TEXT:
		ret->text = next_text(a);
		break;
	case PHASE_HUGE:
		ret->kind = DEMO_STEP_HUGE;
		ret->size = a->prompt->huge.n;
		break;
	case PHASE_BAD_UTF8:
		ret->kind = DEMO_STEP_BAD_UTF8;
		ret->text = str_of(bad_utf8);
		break;
	case PHASE_CALLS:
		next_call_piece(a, ret);
		break;
	case PHASE_END:
		ret->kind = DEMO_STEP_DONE;
		ret->text = finish_reason(a);
		return;
	}
	a->done++;
	a->sent++;
}

void demo_answer_next(struct demo_answer *a, struct demo_step *ret)
{
	/* What was said before a cut is not said again. */
	for (next_step(a, ret); a->skip && ret->kind == DEMO_STEP_TEXT && ret->text.n <= a->skip;
	     next_step(a, ret)) {
		a->skip -= ret->text.n;
		a->sent--;
	}
}

bool demo_step_is_delta(const struct demo_step *s)
{
	return s->kind <= DEMO_STEP_ARGUMENTS;
}
