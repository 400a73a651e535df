/* read_file: a text file with line numbers, or what kind of file it is. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "tools/tool.h"
#include "tools/workspace.h"

enum {
	READ_LINES = 2000,    /* shown when no limit is given */
	READ_MAX_LINE = 2000, /* bytes of one line */
	READ_SNIFF = 8192,    /* looked at for what it is */
};

/* What the first bytes say of a file that is no text. NULL: it is text. */
static const char *kind_of(const char *p, size_t n)
{
	static const struct {
		const char *magic;
		size_t n;
		const char *name;
	} known[] = {
	    {"\x89PNG\r\n\x1a\n", 8, "a PNG image"},
	    {"\xff\xd8\xff", 3, "a JPEG image"},
	    {"GIF8", 4, "a GIF image"},
	    {"BM", 2, "a BMP image"},
	    {"%PDF-", 5, "a PDF document"},
	    {"PK\x03\x04", 4, "a ZIP archive (or an Office document)"},
	    {"\x1f\x8b", 2, "gzip data"},
	    {"\x7f"
	     "ELF",
		4, "an ELF program or library"},
	    {"SQLite format 3", 16, "an SQLite database"},
	};

	if (n >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0)
		return "a WebP image";
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		/* Two letters alone also begin texts. */
		if (n >= known[i].n && memcmp(p, known[i].magic, known[i].n) == 0 &&
		    (known[i].n > 2 || memchr(p, '\0', n)))
			return known[i].name;
	return memchr(p, '\0', n) ? "a binary file" : NULL;
}

struct reader {
	struct tool_call *call;
	struct buf line;     /* the line under way, cut */
	uint64_t number;     /* of it, from 1 */
	uint64_t first, end; /* shown: first <= number < end */
	size_t left_out;     /* bytes of it past READ_MAX_LINE */
	bool full;
};

static void end_line(struct reader *r)
{
	char head[32];

	if (r->number >= r->first && r->number < r->end && !r->full) {
		snprintf(head, sizeof head, "%6llu\t", (unsigned long long)r->number);
		r->full = !tool_put_text(r->call, head, strlen(head)) ||
			  !tool_put_text(r->call, r->line.p, r->line.len);
		if (r->left_out) {
			snprintf(head, sizeof head, " [+%zu bytes]", r->left_out);
			tool_put_text(r->call, head, strlen(head));
			r->call->truncated = true;
		}
		tool_put_text(r->call, "\n", 1);
	}
	buf_clear(&r->line);
	r->left_out = 0;
	r->number++;
}

static void take(struct reader *r, const char *p, size_t n)
{
	while (n) {
		const char *eol = memchr(p, '\n', n);
		size_t len = eol ? (size_t)(eol - p) : n, room = READ_MAX_LINE - r->line.len;
		size_t kept = len < room ? len : room;

		buf_add(&r->line, p, kept);
		r->left_out += len - kept;
		if (!eol)
			return;
		end_line(r);
		p += len + 1;
		n -= len + 1;
	}
}

static void read_lines(struct tool_call *call, int fd, const char *path)
{
	int64_t offset = json_int(call->args, "offset", 1),
		limit = json_int(call->args, "limit", READ_LINES);
	struct reader r = {.call = call,
	    .number = 1,
	    .first = (uint64_t)offset,
	    .end = (uint64_t)(offset + limit)};
	char bytes[65536];
	const char *kind;
	char note[200];
	bool any = false;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0) {
		kind = any ? NULL : kind_of(bytes, (size_t)n < READ_SNIFF ? (size_t)n : READ_SNIFF);
		if (kind) {
			struct stat st;

			fstat(fd, &st);
			tool_fail(call, "%.500s is %s of %lld bytes, not text: it is not shown",
			    path, kind, (long long)st.st_size);
			buf_finish(&r.line);
			return;
		}
		any = true;
		take(&r, bytes, (size_t)n);
	}
	if (r.line.len || r.left_out)
		end_line(&r);
	buf_finish(&r.line);
	call->ok = n == 0;
	if (n < 0) {
		tool_fail(call, "%.500s cannot be read", path);
	} else if (!any) {
		tool_put_text(call, "(the file is empty)\n", 20);
	} else if (r.first >= r.number) {
		tool_fail(
		    call, "%.500s has only %llu lines", path, (unsigned long long)(r.number - 1));
	} else if (r.end < r.number || r.full) {
		call->truncated = true;
		snprintf(note, sizeof note,
		    "[the file has %llu lines; go on with offset and limit]\n",
		    (unsigned long long)(r.number - 1));
		buf_adds(&call->text, note);
	}
}

static void run(struct tool_call *call)
{
	const char *path = json_cstr(call->args, "path", "");
	int fd = workspace_open(call, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode))
		tool_fail(call, "%.500s is a directory: use list_dir", path);
	else if (!S_ISREG(st.st_mode))
		tool_fail(call, "%.500s is a device, pipe or socket, not a file", path);
	else
		read_lines(call, fd, path);
	close(fd);
}

const struct tool tool_read_file = {
    .name = "read_file",
    .kind = TOOL_READ,
    .description =
	"Read a text file of the workspace. Each line is shown with its number and a tab.",
    .schema = "{\"type\":\"object\",\"properties\":{"
	      "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4000,"
	      "\"description\":\"path from the workspace\"},"
	      "\"offset\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000000000,"
	      "\"description\":\"first line, from 1\"},"
	      "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000000,"
	      "\"description\":\"how many lines\"}},"
	      "\"required\":[\"path\"],\"additionalProperties\":false}",
    .path_arg = "path",
    .run = run,
};
