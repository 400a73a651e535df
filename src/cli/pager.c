/* The person's pager. */
#include "cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "base/file.h"
#include "base/mem.h"

/* A shell's exit code for a command that is not there or cannot be run (POSIX.1 2.8.2). */
enum { PAGER_NOT_RUN = 126, PAGER_NOT_FOUND = 127 };

struct pager {
	uv_process_t process; /* carries the free */
	pager_cb *on_end;
	void *data;
};

static void on_pager_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_pager_exit(uv_process_t *process, int64_t code, int signum)
{
	struct pager *p = process->data;

	p->on_end(p->data, code != PAGER_NOT_RUN && code != PAGER_NOT_FOUND);
	uv_close((uv_handle_t *)process, on_pager_closed);
}

/* A file that has no name, to be read from its beginning. -1 with errno set. */
static int put_aside(const char *text, size_t n)
{
	FILE *file = tmpfile();
	int fd = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 3) : -1, rc;

	if (file)
		fclose(file);
	if (fd < 0)
		return -1;
	rc = file_write_all(fd, text, n);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	errno = rc ? -rc : EIO;
	return -1;
}

struct pager *pager_start(uv_loop_t *loop, const char *text, size_t n, pager_cb *on_end, void *data)
{
	/* $PAGER may have words of its own, so a shell reads it, as git and man let one do. */
	char shell[] = "sh", option[] = "-c", words[] = "exec ${PAGER:-less}";
	char *argv[] = {shell, option, words, NULL};
	struct pager *p = mem_zalloc(1, sizeof *p);
	int fd = put_aside(text, n), rc = -errno;
	uv_stdio_container_t stdio[3] = {{.flags = UV_INHERIT_FD, .data.fd = fd},
	    {.flags = UV_INHERIT_FD, .data.fd = STDOUT_FILENO},
	    {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
	uv_process_options_t opts = {.exit_cb = on_pager_exit,
	    .file = "/bin/sh",
	    .args = argv,
	    .stdio_count = 3,
	    .stdio = stdio};

	p->on_end = on_end;
	p->data = data;
	p->process.data = p;
	if (fd < 0) {
		free(p);
		errno = -rc;
		return NULL;
	}
	/* What is shown is a stranger's: the pager is not to run commands from within it. */
	setenv("LESSSECURE", "1", 1);
	rc = uv_spawn(loop, &p->process, &opts);
	close(fd);
	if (rc == 0)
		return p;
	uv_close((uv_handle_t *)&p->process, on_pager_closed);
	errno = -rc;
	return NULL;
}
