/* The --log file. */
#include "demo/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

struct demo_journal {
	int fd; /* -1: nothing is written */
};

int demo_journal_open(const char *path, struct demo_journal **ret, struct err *reterr)
{
	int fd = -1;

	if (path)
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (path && fd < 0)
		return err_set(reterr, -errno, "cannot open the log %s: %s", path, strerror(errno));
	*ret = mem_zalloc(1, sizeof **ret);
	(*ret)->fd = fd;
	return 0;
}

static void put_value(struct buf *line, const json_t *value)
{
	if (value)
		json_put(line, value);
	else
		buf_adds(line, "null");
}

/* One write for one line, so that two servers can share a file. */
static void write_line(struct demo_journal *j, struct buf *line)
{
	int rc;

	buf_addc(line, '\n');
	rc = file_write_all(j->fd, line->p, line->len);
	if (rc != 0)
		fprintf(stderr, "cannot write the log: %s\n", strerror(-rc));
}

void demo_journal_request(struct demo_journal *j, const char *transport, const json_t *body)
{
	const json_t *messages = json_object_get(body, "messages");
	struct buf line = {0};

	if (j->fd < 0)
		return;
	buf_addf(&line, "{\"transport\":\"%s\",\"model\":", transport);
	put_value(&line, json_object_get(body, "model"));
	buf_adds(&line, ",\"messages\":");
	/* Responses calls them otherwise. */
	put_value(&line, messages ? messages : json_object_get(body, "input"));
	buf_addf(&line, ",\"tools\":%zu}", json_array_size(json_object_get(body, "tools")));
	write_line(j, &line);
	buf_finish(&line);
}

void demo_journal_cancelled(struct demo_journal *j, const char *transport)
{
	struct buf line = {0};

	if (j->fd < 0)
		return;
	buf_addf(&line, "{\"transport\":\"%s\",\"cancelled\":true}", transport);
	write_line(j, &line);
	buf_finish(&line);
}

void demo_journal_close(struct demo_journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j);
}
