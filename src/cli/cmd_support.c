/* opta support: what somebody who helps wants to see, in one file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/os.h"
#include "cli/cmd.h"
#include "cli/term.h"
#include "protocol/version.h"

enum { SUPPORT_MAX_PART = 4 * 1024 * 1024 };

/* Run `opta words` and append what it says. */
static void put_part(struct buf *out, const char *program, const char *title, char *const *words)
{
	int ends[2];
	size_t begun;
	ssize_t n;
	pid_t pid;

	buf_addf(out, "\n## %s\n\n", title);
	begun = out->len;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		setenv("NO_COLOR", "1", 1);
		execv(program, words);
		_exit(127);
	}
	close(ends[1]);
	while (pid > 0 && out->len - begun < SUPPORT_MAX_PART &&
	       (n = read(ends[0], buf_reserve(out, 65536), 65536)) > 0)
		out->len += (size_t)n;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* Tokens look like nothing else: none leaves in a bundle, wherever it came from. */
static void redact(struct buf *out)
{
	static const char mark[] = "opta_dk_";
	char *p = out->p, *end = out->p + out->len;

	while ((p = memmem(p, (size_t)(end - p), mark, sizeof mark - 1)))
		for (p += sizeof mark - 1;
		     p < end && ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')); p++)
			*p = 'x';
}

static void put_system(struct buf *out)
{
	static const struct {
		int what;
		const char *name;
	} limits[] = {{RLIMIT_NOFILE, "files"}, {RLIMIT_NPROC, "processes"}, {RLIMIT_DATA, "data"},
	    {RLIMIT_CORE, "core"}};
	struct utsname u;
	struct rlimit l;

	buf_adds(out, "\n## system\n\n");
	buf_addf(out, "opta %s, contract %s@%d\n", OPTA_VERSION, OPTA_CONTRACT_NAME,
	    OPTA_CONTRACT_VERSION);
	if (uname(&u) == 0)
		buf_addf(out, "%s %s %s\n", u.sysname, u.release, u.machine);
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		if (getrlimit((__rlimit_resource_t)limits[i].what, &l) == 0)
			buf_addf(out, "limit of %s: %lld of %lld\n", limits[i].name,
			    (long long)l.rlim_cur, (long long)l.rlim_max);
}

#define WORDS(...)                                                                                 \
	(char *const[])                                                                            \
	{                                                                                          \
		(char *)(uintptr_t) "opta", __VA_ARGS__, NULL                                      \
	}
#define W(s) (char *)(uintptr_t)(s)

int cmd_support(const struct cmd_line *line)
{
	char iso[CLOCK_ISO_SIZE], program[4096], name[64];
	const char *path = name;
	struct buf out = {0};
	int fd, rc = EXIT_DONE;

	if (os_self_path(program, sizeof program) != 0)
		return cmd_error("cannot find this program's own path");
	clock_iso(clock_wall_ms(), iso);
	snprintf(name, sizeof name, "opta-support-%.4s%.2s%.2s-%.2s%.2s%.2s.txt", iso, iso + 5,
	    iso + 8, iso + 11, iso + 14, iso + 17);
	if (line->count)
		path = line->words[0];
	buf_addf(&out, "# Opta Support Bundle\n# Generated: %.19sZ\n", iso);
	put_part(&out, program, "opta doctor --verbose", WORDS(W("doctor"), W("--verbose")));
	put_part(&out, program, "opta daemon status", WORDS(W("daemon"), W("status")));
	put_part(&out, program, "opta daemon logs --lines 200",
	    WORDS(W("daemon"), W("logs"), W("--lines"), W("200")));
	put_part(&out, program, "opta config list", WORDS(W("config"), W("list")));
	put_system(&out);
	redact(&out);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		rc = cmd_error("cannot make %s: %s", path, strerror(errno));
	else if (file_write_all(fd, out.p, out.len) != 0)
		rc = cmd_error("cannot write %s", path);
	else
		term_line("Saved %s", path);
	if (fd >= 0)
		close(fd);
	buf_finish(&out);
	return rc;
}
