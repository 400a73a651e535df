/* opta do "…": ask once, stream the answer. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/discover.h"
#include "cli/term.h"

/* What may be piped in: the daemon takes 10 MiB of JSON. */
enum { DO_MAX_STDIN = 8 * 1024 * 1024 };

/* Is something piped in? A terminal, /dev/null and an inherited socket are not. */
static bool has_piped_input(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode));
}

static int read_stdin(struct buf *out)
{
	if (cmd_read_stdin(out, DO_MAX_STDIN) != EXIT_DONE)
		return EXIT_ERROR;
	if (str_utf8_valid(out->p, out->len) != out->len)
		return cmd_error("what was piped in is not UTF-8 text");
	return EXIT_DONE;
}

/* --format and the mode, checked. False: what is wrong was said. */
static bool take_options(const struct cmd_line *line, struct ask_opts *opts)
{
	const char *format = cmd_value(line, "--format");

	if (cmd_flag(line, "--json"))
		format = "json";
	if (!format || strcmp(format, "markdown") == 0) {
		opts->format = ASK_MARKDOWN;
	} else if (strcmp(format, "text") == 0) {
		opts->format = ASK_TEXT;
	} else if (strcmp(format, "json") == 0) {
		opts->format = ASK_JSON;
	} else {
		cmd_usage("do", "--format is markdown, text or json, not \"%s\"", format);
		return false;
	}
	opts->mode = cmd_flag(line, "--plan")	    ? "plan"
		     : cmd_flag(line, "--review")   ? "review"
		     : cmd_flag(line, "--research") ? "research"
						    : "do";
	opts->quiet = cmd_flag(line, "--quiet");
	opts->allow_edits = cmd_flag(line, "--auto");
	opts->allow_all = cmd_flag(line, "--dangerous");
	opts->non_interactive = cmd_flag(line, "--non-interactive");
	opts->session = cmd_value(line, "--session");
	return cmd_number(line, "--max-turns", 10000, &opts->max_tool_calls);
}

int cmd_do(const struct cmd_line *line)
{
	struct buf content = {0}, piped = {0};
	struct ask_opts opts = {0};
	struct discovery found;
	struct client c = {0};
	char id[72];
	struct err err;
	int rc;

	if (!take_options(line, &opts))
		return EXIT_USAGE;
	cmd_join(line, &content);
	if (has_piped_input() && read_stdin(&piped) != EXIT_DONE)
		return EXIT_ERROR;
	if (!content.len && !piped.len)
		return cmd_usage("do", "do needs the words of what to do");
	if (str_utf8_valid(content.p, content.len) != content.len)
		return cmd_usage("do", "the words are not UTF-8 text");
	if (content.len && piped.len)
		buf_adds(&content, "\n\n");
	buf_add(&content, piped.p, piped.len);
	if (opts.allow_all)
		term_warn("--dangerous: everything the model asks for is done without asking");
	if (client_open(&c, &err) != 0) {
		rc = cmd_fail(&err);
	} else if (!discover_model_server(&c, &found)) {
		rc = EXIT_ERROR;
	} else if (!opts.session &&
		   ask_new_session(&c, cmd_value(line, "--model"), found.device, id, &err) != 0) {
		rc = cmd_fail(&err);
	} else {
		if (!opts.session)
			opts.session = id;
		opts.content = buf_cstr(&content);
		opts.content_len = content.len;
		rc = ask_run(&c, &opts);
	}
	buf_finish(&content);
	buf_finish(&piped);
	return rc;
}
