/* Searching one text. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "tools/search.h"

#include <pcre2.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tools/tool.h"

static void search_put_line(
    struct search *s, const char *path, size_t number, const char *p, size_t n)
{
	char head[32];

	snprintf(head, sizeof head, ":%zu:", number);
	tool_put_text(s->call, path, strlen(path));
	tool_put_text(s->call, head, strlen(head));
	tool_put_text(s->call, p, n < SEARCH_MAX_LINE ? n : SEARCH_MAX_LINE);
	if (n > SEARCH_MAX_LINE)
		tool_put_text(s->call, " […]", 6);
	tool_put_text(s->call, "\n", 1);
}

static bool search_text(struct search *s, const char *path, const struct buf *content)
{
	const char *p = content->p, *end = p + content->len;

	for (size_t number = 1; p < end; number++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol ? eol : end) - p);

		if (n && p[n - 1] == '\r')
			n--;
		if (pcre2_match(s->code, (PCRE2_SPTR)p, n, 0, PCRE2_NO_UTF_CHECK, s->match,
			s->limits) >= 0) {
			if (s->found++ >= SEARCH_MAX_FOUND || s->call->truncated) {
				s->call->truncated = true;
				return false;
			}
			search_put_line(s, path, number, p, n);
		}
		if (!eol)
			break;
		p = eol + 1;
	}
	return true;
}

bool search_init(struct search *s, struct tool_call *call, const char *pattern, bool any_case)
{
	PCRE2_UCHAR text[200];
	PCRE2_SIZE at;
	int code;

	*s = (struct search){.call = call};
	s->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
	    PCRE2_UTF | (any_case ? PCRE2_CASELESS : 0), &code, &at, NULL);
	if (!s->code) {
		pcre2_get_error_message(code, text, sizeof text);
		tool_fail(s->call, "the pattern is no regular expression: %s at byte %zu",
		    (char *)text, (size_t)at);
		return false;
	}
	s->match = pcre2_match_data_create_from_pattern(s->code, NULL);
	s->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(s->limits, SEARCH_MATCH_LIMIT);
	return true;
}

void search_finish(struct search *s)
{
	pcre2_match_context_free(s->limits);
	pcre2_match_data_free(s->match);
	pcre2_code_free(s->code);
}

bool search_content(struct search *s, const char *path, struct buf *content)
{
	/* Binary files have no lines. */
	if (!content->len || memchr(content->p, '\0', content->len < 8192 ? content->len : 8192))
		return true;
	/* The matcher wants UTF-8; where a file is none, its bytes are shown as the text they hold.
	 */
	if (str_utf8_valid(content->p, content->len) != content->len)
		for (size_t i = 0; i < content->len; i++)
			if ((unsigned char)content->p[i] >= 0x80)
				content->p[i] = '?';
	return search_text(s, path, content);
}
