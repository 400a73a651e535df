/* Output of a command, bounded. */
#include "tools/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

struct output {
	int dir;		    /* borrowed */
	const char *session, *call; /* borrowed */
	struct buf head;
	char tail[OUTPUT_TAIL]; /* a ring */
	size_t tail_at;		/* next byte's place */
	uint64_t total, nuls, kept;
	int artifact; /* -1: none yet */
	bool no_artifact, dir_existed;
};

struct output *output_new(int dir, const char *session, const char *call)
{
	struct output *o = mem_zalloc(1, sizeof *o);

	o->dir = dir;
	o->session = session;
	o->call = call;
	o->artifact = -1;
	return o;
}

void output_free(struct output *o)
{
	if (!o)
		return;
	if (o->artifact >= 0)
		close(o->artifact);
	buf_finish(&o->head);
	free(o);
}

static void open_artifact(struct output *o)
{
	char name[128];
	int dir;

	o->no_artifact = true;
	if (o->dir < 0)
		return;
	if (mkdirat(o->dir, o->session, 0700) != 0) {
		if (errno != EEXIST)
			return;
		o->dir_existed = true;
	}
	dir = openat(o->dir, o->session, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	snprintf(name, sizeof name, "%.64s.out", o->call);
	o->artifact =
	    openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	close(dir);
}

static void keep(struct output *o, const char *p, size_t n)
{
	if (o->artifact < 0)
		return;
	if (o->kept + n > OUTPUT_MAX_ARTIFACT)
		n = (size_t)(OUTPUT_MAX_ARTIFACT - o->kept);
	/* A full disk costs the artifact's rest, not the call. */
	if (n && file_write_all(o->artifact, p, n) == 0)
		o->kept += n;
}

void output_add(struct output *o, const char *p, size_t n)
{
	size_t room = OUTPUT_HEAD - o->head.len, first = n < room ? n : room;

	for (const char *z = p; (z = memchr(z, '\0', (size_t)(p + n - z))); z++)
		o->nuls++;
	buf_add(&o->head, p, first);
	if (o->total + n > OUTPUT_HEAD + OUTPUT_TAIL && !o->no_artifact) {
		size_t old = o->total > OUTPUT_HEAD ? (size_t)(o->total - OUTPUT_HEAD) : 0;

		open_artifact(o);
		/* What came before lies in head and, not yet wrapped, in tail. */
		keep(o, o->head.p, o->head.len - first);
		keep(o, o->tail, old);
	}
	if (o->artifact >= 0)
		keep(o, p, n);
	o->total += n;
	p += first;
	n -= first;
	if (n > OUTPUT_TAIL) {
		p += n - OUTPUT_TAIL;
		n = OUTPUT_TAIL;
		o->tail_at = 0;
	}
	while (n) {
		size_t some = OUTPUT_TAIL - o->tail_at;

		some = n < some ? n : some;
		memcpy(o->tail + o->tail_at, p, some);
		o->tail_at = (o->tail_at + some) % OUTPUT_TAIL;
		p += some;
		n -= some;
	}
}

/* Append text with bad UTF-8 replaced; a character cut at either end is dropped. */
static void put_clean(struct buf *out, const char *p, size_t n, bool cut_front)
{
	while (cut_front && n && ((unsigned char)*p & 0xC0) == 0x80)
		p++, n--;
	utf8_repair(out, p, n, false);
}

void output_put(struct output *o, struct buf *out, bool *ret_truncated, bool *ret_dir_existed)
{
	uint64_t middle =
	    o->total > OUTPUT_HEAD + OUTPUT_TAIL ? o->total - OUTPUT_HEAD - OUTPUT_TAIL : 0;
	size_t tail =
	    o->total - o->head.len < OUTPUT_TAIL ? (size_t)(o->total - o->head.len) : OUTPUT_TAIL;
	size_t n;

	*ret_truncated = middle > 0;
	*ret_dir_existed = o->dir_existed;
	if (o->nuls) {
		buf_addf(
		    out, "[binary output, %llu bytes, not shown]\n", (unsigned long long)o->total);
		*ret_truncated = true;
		goto place;
	}
	/* A character cut between head and tail comes together again. */
	n = o->head.len;
	while (middle && n && str_utf8_valid(o->head.p, n) != n && o->head.len - n < 4 &&
	       str_utf8_partial(
		   o->head.p + str_utf8_valid(o->head.p, n), n - str_utf8_valid(o->head.p, n)))
		n = str_utf8_valid(o->head.p, n);
	if (!middle) {
		buf_reserve(&o->head, tail);
		buf_add(&o->head, o->tail, tail);
		put_clean(out, o->head.p, o->head.len, false);
		return;
	}
	put_clean(out, o->head.p, n, false);
	buf_addf(out, "\n[… %llu bytes left out …]\n", (unsigned long long)middle);
	{
		struct buf end = {0};

		buf_add(&end, o->tail + o->tail_at, OUTPUT_TAIL - o->tail_at);
		buf_add(&end, o->tail, o->tail_at);
		put_clean(out, end.p, end.len, true);
		buf_finish(&end);
	}
place:
	if (o->artifact >= 0)
		buf_addf(out, "\n[%s of it is in sessions/%s/%s.out]\n",
		    o->kept == o->total ? "all" : "the beginning", o->session, o->call);
}
