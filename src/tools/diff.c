/*
 * Unified diffs: the shortest edit script by Myers' greedy search ("An O(ND)
 * Difference Algorithm and Its Variations", 1986), bounded, over lines.
 */
#include "tools/diff.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

struct lines {
	struct str *line; /* owned; each with its line end */
	size_t count;
};

/* One line of the result: ' ' in both, '-' only in a, '+' only in b. */
struct step {
	char kind;
	struct str line;
};

static void cut(const struct buf *text, struct lines *ret)
{
	size_t cap = 64;
	/* An empty text may have no memory, and nothing may be added to no address. */
	const char *p = text && text->len ? text->p : NULL, *end = p ? p + text->len : NULL;

	ret->line = mem_zalloc(cap, sizeof *ret->line);
	ret->count = 0;
	while (p && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = eol ? (size_t)(eol - p) + 1 : (size_t)(end - p);

		if (ret->count == cap) {
			cap *= 2;
			ret->line = mem_realloc(ret->line, cap * sizeof *ret->line);
		}
		ret->line[ret->count++] = (struct str){p, n};
		p += n;
	}
}

static bool same(struct str a, struct str b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/*
 * Fill steps from the end backwards for a[0..n) and b[0..m) along the recorded
 * frontiers: trace[d] holds the furthest x on the diagonals -d ... d. Where they begin.
 */
static size_t walk_back(const struct str *a, const struct str *b, int n, int m, int **trace, int d,
    struct step *steps, size_t at)
{
	int x = n, y = m;

	for (; d > 0; d--) {
		const int *v = trace[d - 1] + d - 1; /* v[k], k from -(d - 1) to d - 1 */
		int k = x - y;
		bool down = k == -d || (k != d && v[k - 1] < v[k + 1]);
		int px = down ? v[k + 1] : v[k - 1], py = px - (down ? k + 1 : k - 1);

		while (x > (down ? px : px + 1)) {
			x--, y--;
			steps[--at] = (struct step){' ', a[x]};
		}
		steps[--at] = down ? (struct step){'+', b[py]} : (struct step){'-', a[px]};
		x = px;
		y = py;
	}
	while (x > 0)
		steps[--at] = (struct step){' ', a[--x]};
	return at;
}

/* The steps for the part that differs, at the end of steps (n + m of them). Where they begin. */
static size_t search(const struct str *a, const struct str *b, int n, int m, struct step *steps)
{
	size_t at = (size_t)n + (size_t)m, first = at;
	int **trace = mem_zalloc(DIFF_MAX_EDITS + 1, sizeof *trace);
	bool found = false;
	int d;

	for (d = 0; d <= DIFF_MAX_EDITS && d <= n + m && !found; d++) {
		const int *old = d ? trace[d - 1] + d - 1 : NULL;
		int *v;

		trace[d] = mem_zalloc(2 * (size_t)d + 1, sizeof *v);
		v = trace[d] + d;
		for (int k = -d; k <= d && !found; k += 2) {
			int x, y;

			if (d == 0)
				x = 0;
			else if (k == -d || (k != d && old[k - 1] < old[k + 1]))
				x = old[k + 1];
			else
				x = old[k - 1] + 1;
			y = x - k;
			while (x < n && y < m && same(a[x], b[y]))
				x++, y++;
			v[k] = x;
			found = x >= n && y >= m;
		}
	}
	if (found) {
		first = walk_back(a, b, n, m, trace, d - 1, steps, at);
	} else {
		for (int i = m; i > 0; i--)
			steps[--first] = (struct step){'+', b[i - 1]};
		for (int i = n; i > 0; i--)
			steps[--first] = (struct step){'-', a[i - 1]};
	}
	for (int i = 0; i <= DIFF_MAX_EDITS; i++)
		free(trace[i]);
	free(trace);
	return first;
}

static void put_step(struct buf *out, const struct step *s)
{
	buf_addc(out, s->kind);
	buf_add(out, s->line.p, s->line.n);
	if (!s->line.n || s->line.p[s->line.n - 1] != '\n')
		buf_adds(out, "\n\\ No newline at end of file\n");
}

/* "12,3", "12" for one line, "11,0" for none. */
static void put_range(struct buf *out, size_t start, size_t count)
{
	buf_addu(out, count ? start + 1 : start);
	if (count != 1) {
		buf_addc(out, ',');
		buf_addu(out, count);
	}
}

static void put_hunk(
    struct buf *out, const struct step *steps, size_t from, size_t to, size_t in_a, size_t in_b)
{
	size_t of_a = 0, of_b = 0;

	for (size_t i = from; i < to; i++) {
		of_a += steps[i].kind != '+';
		of_b += steps[i].kind != '-';
	}
	buf_adds(out, "@@ -");
	put_range(out, in_a, of_a);
	buf_adds(out, " +");
	put_range(out, in_b, of_b);
	buf_adds(out, " @@\n");
	for (size_t i = from; i < to; i++)
		put_step(out, &steps[i]);
}

/* Cut the steps into hunks: changes closer than twice the context are one. */
static void put_hunks(struct buf *out, const struct step *steps, size_t count, size_t max)
{
	size_t in_a = 0, in_b = 0, i = 0, begun = out->len;

	while (i < count) {
		size_t from, to, quiet = 0;

		if (steps[i].kind == ' ') {
			i++, in_a++, in_b++;
			continue;
		}
		from = i;
		while (from > 0 && i - from < DIFF_CONTEXT && steps[from - 1].kind == ' ')
			from--;
		for (to = i; to < count && quiet <= 2 * DIFF_CONTEXT; to++)
			quiet = steps[to].kind == ' ' ? quiet + 1 : 0;
		if (quiet > DIFF_CONTEXT)
			to -= quiet - DIFF_CONTEXT;
		put_hunk(out, steps, from, to, in_a - (i - from), in_b - (i - from));
		for (; i < to; i++) {
			in_a += steps[i].kind != '+';
			in_b += steps[i].kind != '-';
		}
		if (out->len - begun > max) {
			size_t all = out->len - begun;

			out->len = begun + max;
			while (out->len > begun && out->p[out->len - 1] != '\n')
				out->len--;
			buf_addf(out,
			    "[the diff goes on: %zu bytes and whatever follows are left out]\n",
			    all - (out->len - begun));
			return;
		}
	}
}

void diff_put(
    struct buf *out, const char *path, const struct buf *a, const struct buf *b, size_t max)
{
	struct lines la, lb;
	struct step *steps;
	size_t head = 0, tail = 0, first, count, rest;

	cut(a, &la);
	cut(b, &lb);
	while (head < la.count && head < lb.count && same(la.line[head], lb.line[head]))
		head++;
	while (tail < la.count - head && tail < lb.count - head &&
	       same(la.line[la.count - 1 - tail], lb.line[lb.count - 1 - tail]))
		tail++;
	rest = la.count + lb.count - 2 * (head + tail);
	steps = mem_zalloc(head + rest + tail + 1, sizeof *steps);
	first = search(la.line + head, lb.line + head, (int)(la.count - head - tail),
	    (int)(lb.count - head - tail), steps + head);
	/* The search fills from the end: close the gap behind the head. */
	count = rest - first;
	memmove(steps + head, steps + head + first, count * sizeof *steps);
	for (size_t i = 0; i < head; i++)
		steps[i] = (struct step){' ', la.line[i]};
	for (size_t i = 0; i < tail; i++)
		steps[head + count + i] = (struct step){' ', la.line[la.count - tail + i]};
	buf_addf(out, "--- %s\n+++ %s\n", a ? path : "/dev/null", b ? path : "/dev/null");
	put_hunks(out, steps, head + count + tail, max);
	free(steps);
	free(la.line);
	free(lb.line);
}
