/* What is said, in its order. */
#include "cli/page.h"

#include "base/str.h"
#include "cli/markdown.h"

void page_init(struct page *p, unsigned width, bool color)
{
	*p = (struct page){.markdown = markdown_stream_new(width, color)};
}

void page_finish(struct page *p)
{
	markdown_stream_free(p->markdown);
	buf_finish(&p->done);
	buf_finish(&p->notices);
	p->markdown = NULL;
}

void page_set_width(struct page *p, unsigned width)
{
	markdown_stream_set_width(p->markdown, width);
}

/* Blocks that are done go above, and behind them, where no block is open, the notices. */
static void settle_page(struct page *p)
{
	markdown_stream_take(p->markdown, false, &p->done);
	if (p->notices.len && markdown_stream_is_between(p->markdown)) {
		buf_add(&p->done, p->notices.p, p->notices.len);
		buf_clear(&p->notices);
	}
}

void page_add_text(struct page *p, const char *text, size_t n)
{
	markdown_stream_add(p->markdown, text, n);
	settle_page(p);
}

void page_add_notice(struct page *p, const char *lines, size_t n)
{
	buf_add(&p->notices, lines, n);
	settle_page(p);
}

void page_end_text(struct page *p)
{
	markdown_stream_take(p->markdown, true, &p->done);
	buf_add(&p->done, p->notices.p, p->notices.len);
	buf_clear(&p->notices);
}

void page_add_lines(struct page *p, const char *lines, size_t n)
{
	page_end_text(p);
	buf_add(&p->done, lines, n);
}

void page_take(struct page *p, struct buf *out)
{
	buf_add(out, p->done.p, p->done.len);
	buf_clear(&p->done);
}

void page_put_open(const struct page *p, struct buf *out)
{
	struct str rest = {p->notices.p, p->notices.len}, line;
	size_t rows = 0;

	markdown_stream_open(p->markdown, out);
	for (size_t i = 0; i < rest.n; i++)
		rows += rest.p[i] == '\n';
	for (; rest.n; rows--) {
		rest = str_cut(rest, '\n', &line);
		if (rows > PAGE_NOTICES)
			continue;
		buf_add(out, line.p, line.n);
		buf_addc(out, '\n');
	}
}
