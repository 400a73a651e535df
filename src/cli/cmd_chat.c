/* opta chat: on a terminal, or line by line. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/chat.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/discover.h"
#include "cli/term.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
	interrupted = 1;
}

/* Between turns Ctrl+C must break the read, not the program. */
static void catch_interrupt(void)
{
	struct sigaction act = {.sa_handler = on_interrupt};

	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	interrupted = 0;
}

/* Without a terminal that can be painted on (a pipe, TERM=dumb): a line in, an answer out. */
static int chat_plain(const struct chat_opts *o)
{
	struct ask_opts opts = {.mode = o->mode,
	    .format = ASK_TEXT,
	    .session = o->session,
	    .allow_edits = o->allow_edits,
	    .allow_all = o->allow_all};
	struct client c = {0};
	char id[72], *line = NULL;
	size_t cap = 0;
	ssize_t n;
	struct err err;
	int rc = EXIT_DONE;
	bool person = isatty(STDIN_FILENO), gone = false;

	/* A terminal that goes away leaves its turn running; a script that ends ends it. */
	opts.leave_running = person;
	opts.ret_gone = &gone;
	if (client_open(&c, &err) != 0)
		return cmd_fail(&err);
	if (!opts.session) {
		if (ask_new_session(&c, o->model, o->device, id, &err) != 0)
			return cmd_fail(&err);
		opts.session = id;
	}
	if (person)
		term_note("session %s; Ctrl+C cancels the answer, Ctrl+D leaves", opts.session);
	for (;;) {
		struct str words;

		catch_interrupt();
		if (person)
			fputs("> ", stderr);
		errno = 0;
		n = getline(&line, &cap, stdin);
		if (n < 0 && errno == EINTR && interrupted) {
			clearerr(stdin);
			fputc('\n', stderr);
			continue;
		}
		if (n < 0)
			break;
		words = str_trim((struct str){line, (size_t)n});
		if (!words.n)
			continue;
		if (str_eq(words, "/quit") || str_eq(words, "/exit"))
			break;
		if (str_utf8_valid(words.p, words.n) != words.n) {
			cmd_error("that line is not UTF-8 text");
			continue;
		}
		opts.content = words.p;
		opts.content_len = words.n;
		rc = ask_run(&c, &opts);
		if (gone)
			break;
	}
	free(line);
	if (person)
		fputc('\n', stderr);
	/* A person sees each error as it happens; a script wants to know of the last. */
	return person && !gone ? EXIT_DONE : rc;
}

int cmd_chat(const struct cmd_line *line)
{
	struct chat_opts opts = {.model = cmd_value(line, "--model"),
	    .session = cmd_value(line, "--session"),
	    .device = cmd_value(line, "--device"),
	    .mode = cmd_flag(line, "--plan")	   ? "plan"
		    : cmd_flag(line, "--review")   ? "review"
		    : cmd_flag(line, "--research") ? "research"
						   : "chat",
	    .allow_edits = cmd_flag(line, "--auto"),
	    .allow_all = cmd_flag(line, "--dangerous")};
	struct discovery found;
	char id[72], why[300];
	struct client c = {0};
	struct err err;

	if (!opts.session)
		opts.session = cmd_value(line, "--resume");
	if (client_open(&c, &err) != 0)
		return cmd_fail(&err);
	/* Without one a chat begins all the same: it may be started meanwhile. */
	if (!opts.device) {
		discover_model_server(&c, &found);
		opts.device = found.device[0] ? found.device : NULL;
	}
	if (opts.session) {
		if (client_find_session(&c, opts.session, id, why, sizeof why) != 0)
			return cmd_error("%s", why);
		opts.session = id;
	}
	if (isatty(STDIN_FILENO) && term_moves(STDOUT_FILENO))
		return chat_run(&opts);
	return chat_plain(&opts);
}
