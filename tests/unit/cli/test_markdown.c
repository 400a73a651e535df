/* cli/markdown: what a document looks like at three widths, and bit by bit. */
#include "cli/markdown.h"

#include <locale.h>

#include "base/buf.h"
#include "cli/view.h"
#include "unit.h"

static const char document[] = "# A title with `code`\n\nSome **bold** and *slanted* words that go "
			       "on for long enough to be wrapped, with a "
			       "[link](https://example.com/x) and https://example.com/y too.\n\n- "
			       "one\n- two that is long enough to go on in "
			       "the next line\n  - nested\n\n3. three\n4. four\n\n> quoted\n> "
			       "words\n\n```c\nint main(void)\n{\n\treturn 0;\n}\n"
			       "```\n\n| name | n |\n|---|---:|\n| \xE6\xBC\xA2\xE5\xAD\x97 | 1 "
			       "|\n| a cell with words | 22 |\n\n---\n- [x] done\n";

/* Compare with what is to be seen; show both when they differ. */
static void looks(unsigned width, const char *want)
{
	struct buf out = {0};

	markdown_render(&out, document, sizeof document - 1, width, false);
	if (strcmp(buf_cstr(&out), want) != 0)
		fail_msg("at %u columns:\n%s\nexpected:\n%s", width, buf_cstr(&out), want);
	buf_finish(&out);
}

static void a_document_fits_80_columns(void **state)
{
	looks(80,
	    "A title with code\n\n"
	    "Some bold and slanted words that go on for long enough to be wrapped, with a\n"
	    "link (https://example.com/x) and https://example.com/y too.\n\n"
	    "• one\n• two that is long enough to go on in the next line\n  • nested\n\n3. "
	    "three\n4. four\n\n"
	    "│ quoted words\n\n── c ──\n  int main(void)\n  {\n      return 0;\n  }\n\n"
	    "┌───────────────────┬────┐\n│ name              │  n │\n├───────────────────┼────┤\n"
	    "│ \xE6\xBC\xA2\xE5\xAD\x97              │  1 │\n│ a cell with words │ 22 "
	    "│\n└───────────────────┴────┘\n\n"
	    "────────────────────────────────────────────────────────────────────────────────\n\n☑ "
	    "done\n");
}

static void a_document_fits_40_columns(void **state)
{
	looks(40,
	    "A title with code\n\n"
	    "Some bold and slanted words that go on\nfor long enough to be wrapped, with a\n"
	    "link (https://example.com/x) and\nhttps://example.com/y too.\n\n"
	    "• one\n• two that is long enough to go on in\n  the next line\n  • nested\n\n3. "
	    "three\n4. four\n\n"
	    "│ quoted words\n\n── c ──\n  int main(void)\n  {\n      return 0;\n  }\n\n"
	    "┌───────────────────┬────┐\n│ name              │  n │\n├───────────────────┼────┤\n"
	    "│ \xE6\xBC\xA2\xE5\xAD\x97              │  1 │\n│ a cell with words │ 22 "
	    "│\n└───────────────────┴────┘\n\n"
	    "────────────────────────────────────────\n\n☑ done\n");
}

static void a_document_fits_20_columns(void **state)
{
	looks(20, "A title with code\n\n"
		  "Some bold and\nslanted words that\ngo on for long\nenough to be\nwrapped, with "
		  "a link\n"
		  "(https://example.com\n/x) and\nhttps://example.com/\ny too.\n\n"
		  "• one\n• two that is long\n  enough to go on in\n  the next line\n  • "
		  "nested\n\n3. three\n4. four\n\n"
		  "│ quoted words\n\n── c ──\n  int main(void)\n  {\n      return 0;\n  }\n\n"
		  "┌─────────────┬────┐\n│ name        │  n │\n├─────────────┼────┤\n"
		  "│ \xE6\xBC\xA2\xE5\xAD\x97        │  1 │\n│ a cell with │ 22 │\n│ words       │ "
		  "   │\n└─────────────┴────┘\n\n"
		  "────────────────────\n\n☑ done\n");
}

/* Of a rendered text with colour: the longest line without its escape sequences. */
static unsigned widest(const char *p, size_t n)
{
	struct buf line = {0};
	unsigned most = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\033') {
			while (p[i] != 'm')
				i++;
		} else if (p[i] == '\n') {
			unsigned columns = view_columns(line.p, line.len);

			most = columns > most ? columns : most;
			buf_clear(&line);
		} else {
			buf_addc(&line, p[i]);
		}
	}
	buf_finish(&line);
	return most;
}

static void no_line_is_ever_wider_than_asked_for(void **state)
{
	for (unsigned width = MARKDOWN_MIN_WIDTH; width < 100; width++) {
		struct buf out = {0};

		markdown_render(&out, document, sizeof document - 1, width, true);
		assert_true(widest(out.p, out.len) <= width);
		buf_finish(&out);
	}
}

static void escape_sequences_in_the_text_are_shown_not_obeyed(void **state)
{
	static const char evil[] =
	    "# \033]0;title\007\n\n\033[2J text `\033[31m` \xC2\x9B"
	    "1m\n\n```\033]52;c;x\007\n\033[H\n```\n\n"
	    "[a\033[5m](http://x/\033]8;;y)\n\n| \033[3m | b |\n|---|---|\n| \r\033c | d |\n";
	struct buf out = {0};

	markdown_render(&out, evil, sizeof evil - 1, 60, false);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.p[i];

		assert_true(c >= 0x20 || c == '\n');
		assert_true(!(c == 0xC2 && (unsigned char)out.p[i + 1] < 0xA0));
	}
	assert_holds(buf_cstr(&out), "␛[2J text");
	buf_finish(&out);
}

/* However a text is cut, all of it comes out once, in order, and complete blocks never change. */
static void bit_by_bit_it_is_the_same_text(void **state)
{
	struct buf whole = {0};

	markdown_render(&whole, document, sizeof document - 1, 60, false);
	for (size_t step = 1; step < 40; step += 3) {
		struct markdown_stream *s = markdown_stream_new(60, false);
		struct buf out = {0};

		for (size_t i = 0; i < sizeof document - 1; i += step) {
			size_t left = sizeof document - 1 - i;

			markdown_stream_add(s, document + i, left < step ? left : step);
			markdown_stream_take(s, false, &out);
			/* What is out stays as it is: the whole begins with it. */
			assert_true(out.len <= whole.len);
			assert_memory_equal(out.p ? out.p : "", whole.p, out.len);
		}
		markdown_stream_take(s, true, &out);
		assert_string_equal(buf_cstr(&out), buf_cstr(&whole));
		markdown_stream_free(s);
		buf_finish(&out);
	}
	buf_finish(&whole);
}

static void hostile_text_ends(void **state)
{
	struct buf text = {0}, out = {0};

	for (int i = 0; i < 2000; i++)
		buf_adds(&text, "> - 1. ");
	buf_adds(&text, "x\n\n");
	for (int i = 0; i < 3000; i++)
		buf_adds(&text, "[");
	buf_adds(&text, "\n\n|");
	for (int i = 0; i < 500; i++)
		buf_adds(&text, "a|");
	buf_adds(&text, "\n|");
	for (int i = 0; i < 500; i++)
		buf_adds(&text, "-|");
	buf_adds(&text, "\n|");
	for (int i = 0; i < 500; i++)
		buf_adds(&text, "b|");
	buf_adds(&text, "\n\n\xff\xfe\xc3");
	markdown_render(&out, text.p, text.len, 40, true);
	assert_true(out.len > 0);
	buf_finish(&text);
	buf_finish(&out);
}

static int set_locale(void **state)
{
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_document_fits_80_columns),
	    cmocka_unit_test(a_document_fits_40_columns),
	    cmocka_unit_test(a_document_fits_20_columns),
	    cmocka_unit_test(no_line_is_ever_wider_than_asked_for),
	    cmocka_unit_test(escape_sequences_in_the_text_are_shown_not_obeyed),
	    cmocka_unit_test(bit_by_bit_it_is_the_same_text),
	    cmocka_unit_test(hostile_text_ends),
	};

	return cmocka_run_group_tests(tests, set_locale, NULL);
}
