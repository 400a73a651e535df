/* The table of commands. */
#include "cli/cmd.h"

#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, NULL                                                                   \
	}

static const struct cmd_option do_options[] = {
    {"--format", "FORM", "markdown, text (as the model wrote it) or json (each event a line)"},
    {"--json", NULL, "the same as --format json"},
    {"--model", "NAME", "the model to ask"},
    {"--session", "ID", "go on in this session"},
    {"--plan", NULL, "make a plan, change nothing"},
    {"--review", NULL, "review, change nothing"},
    {"--research", NULL, "find out, change nothing"},
    {"--auto", NULL, "edit files without asking; commands are still asked for"},
    {"--dangerous", NULL, "do everything without asking"},
    {"--non-interactive", NULL, "nobody will answer: deny what must be asked"},
    {"--max-turns", "N", "at most N tool calls"},
    {"--quiet", NULL, "the answer alone: no progress, no statistics"},
    END,
};

static const struct cmd_option chat_options[] = {
    {"--model", "NAME", "the model to ask"},
    {"--session", "ID", "go on in this session"},
    {"--resume", "ID", "the same"},
    {"--device", "HOST:PORT", "the model server for this session"},
    {"--plan", NULL, "make plans, change nothing"},
    {"--review", NULL, "review, change nothing"},
    {"--research", NULL, "find out, change nothing"},
    {"--auto", NULL, "edit files without asking; commands are still asked for"},
    {"--dangerous", NULL, "do everything without asking"},
    END,
};

static const struct cmd_option status_options[] = {
    {"--json", NULL, "as JSON"},
    END,
};

static const struct cmd_option daemon_status_options[] = {
    {"--json", NULL, "as JSON, with what state.json says"},
    {"--show-token", NULL, "with --json: the token as well"},
    END,
};

static const struct cmd_option server_options[] = {
    {"--dialect", "NAME",
	"what it speaks: auto, openai_chat, lmx_ws, ollama, anthropic, responses"},
    {"--key-env", "VARIABLE",
	"its key is in this environment variable now; it is kept in config.json"},
    {"--key-command", "COMMAND", "a command that prints its key (a password manager)"},
    END,
};

static const struct cmd_option test_options[] = {
    {"--model", "NAME", "with this model of it"},
    {"--json", NULL, "as JSON"},
    END,
};

static const struct cmd_option list_options[] = {
    {"--limit", "N", "at most so many (20); 0: all"},
    {"--json", NULL, "as JSON"},
    END,
};

static const struct cmd_option show_options[] = {
    {"--compact", NULL, "a line or two of each message"},
    {"--json", NULL, "as JSON"},
    END,
};

static const struct cmd_option export_options[] = {
    {"--output", "FILE", "write this file, which is not there yet"},
    {"--format", "FORM", "json (the default, what import takes) or markdown (of a FILE.md)"},
    END,
};

static const struct cmd_option import_options[] = {
    {"--keep-workspace", NULL, "let its tools work in the directory that the file names"},
    {"--keep-device", NULL, "use the model server that the file names"},
    END,
};

static const struct cmd_option delete_options[] = {
    {"--yes", NULL, "do not ask"},
    END,
};

static const struct cmd_option logs_options[] = {
    {"--lines", "N", "print the last N lines and stop"},
    {"--follow", NULL, "go on with what comes (as without --lines)"},
    {"--level", "LEVEL", "only debug, info, warn or error lines and above"},
    {"--since", "WHEN", "only lines since HH:MM, or so long ago: 10m, 2h"},
    {"--json", NULL, "each line as JSON"},
    END,
};

static const struct cmd_option install_options[] = {
    {"--print", "PROGRAM", "print a systemd unit that runs PROGRAM, for a package; write nothing"},
    END,
};

static const struct cmd_option doctor_options[] = {
    {"--verbose", NULL, "sandbox, disk, database, clock, file modes and desktop apps as well"},
    {"--json", NULL, "as JSON"},
    {"--fix", NULL, "mend what can be mended safely, and start the daemon"},
    END,
};

static const struct cmd_option answer_options[] = {
    {"--remember", NULL, "also for the rest of the session"},
    {"--answer", "TEXT", "the answer to a question"},
    END,
};

const struct cmd cmds[] = {
    {"do", "WORDS…", 0, CMD_ANY, "ask once and stream the answer", do_options,
	"What is piped in is given to the model as context. The answer goes to standard output,\n"
	"everything else to standard error. When a signal ends it, or nobody reads its output any\n"
	"more, the turn is cancelled.\n"
	"Exit codes: 0 done, 1 error, 2 usage, 130 cancelled by Ctrl+C, 128 + N ended by signal N.",
	"do \"explain this\" < main.c\ndo --auto \"fix the failing test\"", cmd_do},
    {"chat", "", 0, 0, "talk", chat_options,
	"Ctrl+C and Esc cancel the answer, Ctrl+D leaves, Ctrl+Z suspends; /help lists what can\n"
	"be typed. What is typed during an answer waits for it; Up takes the last message back.\n"
	"A permission request is answered with one key, once nothing is typed and none was\n"
	"pressed for 0.7 s, and none follows at once: y yes, s yes for this session, n no,\n"
	"r no with a reason, v all of it in $PAGER.",
	"chat --resume 3c6c", cmd_chat},
    {"pending", "", 0, 0, "permission requests that wait for an answer", NULL, NULL, NULL,
	cmd_pending},
    {"approve", "ID", 1, 1, "allow what a permission request asks for", answer_options, NULL, NULL,
	cmd_approve},
    {"deny", "ID", 1, 1, "deny it", answer_options, NULL, NULL, cmd_deny},
    {"sessions list", "", 0, 0, "the newest sessions", list_options, NULL, NULL, cmd_sessions_list},
    {"sessions show", "ID", 1, 1, "what was said in a session", show_options,
	"The beginning of an id is enough where it is the only one.",
	"sessions show 3c6c --compact", cmd_sessions_show},
    {"sessions search", "WORDS…", 1, CMD_ANY, "find messages and titles in all sessions",
	list_options,
	"All words must occur, \"quoted ones\" together, the last may be a word's beginning.\n"
	"Exit code 1 when nothing is found.",
	"sessions search canar\nsessions search '\"left margin\" css'", cmd_sessions_search},
    {"sessions rename", "ID TITLE…", 2, CMD_ANY, "give a session another title", NULL, NULL,
	"sessions rename 3c6c the release", cmd_sessions_rename},
    {"sessions export", "ID", 1, 1, "write a session as JSON or Markdown", export_options, NULL,
	"sessions export 3c6c --output release.md", cmd_sessions_export},
    {"sessions import", "FILE", 1, 1, "make a session of an export; - reads standard input",
	import_options,
	"It keeps its id where that is free. A directory or a model server that the file names is\n"
	"asked for, and left out where nobody can be asked; messages of the system are left out.",
	"sessions import release.json", cmd_sessions_import},
    {"sessions delete", "ID…", 1, CMD_ANY, "delete sessions for good", delete_options, NULL,
	"sessions delete 3c6c --yes", cmd_sessions_delete},
    {"servers add", "NAME ADDRESS", 2, 2, "another model server, whose models are NAME/model",
	server_options,
	"The key goes to that server alone, and to another machine only over https://.",
	"servers add box 192.168.1.5:11434 --dialect ollama\n"
	"servers add claude https://api.anthropic.com --dialect anthropic --key-env "
	"ANTHROPIC_API_KEY\n"
	"servers add work https://llm.example/v1 --key-command 'pass show work/llm'",
	cmd_servers_add},
    {"servers list", "", 0, 0, "the model servers; default is that of connection.host",
	status_options, NULL, NULL, cmd_servers_list},
    {"servers test", "[NAME]", 0, 1, "ask one two short questions, and say what works",
	test_options, "Exit code 1 when it does not work.", "servers test box --model qwen3",
	cmd_servers_test},
    {"servers remove", "NAME", 1, 1, "take one away, its key as well", NULL, NULL, NULL,
	cmd_servers_remove},
    {"models list", "", 0, 0, "what the model servers have; * is the default", status_options, NULL,
	NULL, cmd_models_list},
    {"models use", "NAME", 1, 1, "new sessions use this model", NULL, NULL, NULL, cmd_models_use},
    {"models info", "NAME", 1, 1, "what the model server says of one", NULL, NULL, NULL,
	cmd_models_info},
    {"status", "", 0, 0, "daemon, model server, context, sessions and disk", NULL,
	"Exit code 3 when the daemon is stopped.", NULL, cmd_status},
    {"env list", "", 0, 0, "named copies of the settings; * is what is in use", NULL, NULL, NULL,
	cmd_env_list},
    {"env save", "NAME", 1, 1, "keep today's settings under a name", NULL, NULL, "env save office",
	cmd_env_save},
    {"env use", "NAME", 1, 1, "make a saved copy today's settings", NULL, NULL, "env use home",
	cmd_env_use},
    {"env show", "NAME", 1, 1, "what a saved copy sets", NULL, NULL, NULL, cmd_env_show},
    {"env delete", "NAME", 1, 1, "delete a saved copy", NULL, NULL, NULL, cmd_env_delete},
    {"daemon start", "", 0, 0, "start the daemon; prints pid and port", NULL, NULL, NULL,
	cmd_daemon_start},
    {"daemon stop", "", 0, 0, "let running turns finish, then end it", NULL, NULL, NULL,
	cmd_daemon_stop},
    {"daemon restart", "", 0, 0, "stop and start; the token changes", NULL, NULL, NULL,
	cmd_daemon_restart},
    {"daemon status", "", 0, 0, "one line; exit code 3 when it is stopped", daemon_status_options,
	NULL, NULL, cmd_daemon_status},
    {"daemon run", "", 0, 0, "run it in the foreground", NULL, NULL, NULL, cmd_daemon_run},
    {"daemon logs", "", 0, 0, "follow its log; Ctrl+C stops following", logs_options, NULL, NULL,
	cmd_daemon_logs},
    {"daemon reset", "", 0, 0, "stop, remove state and log, start; sessions are untouched", NULL,
	NULL, NULL, cmd_daemon_reset},
    {"daemon install", "", 0, 0, "a service that runs it at login (systemd or launchd)",
	install_options, NULL, NULL, cmd_daemon_install},
    {"daemon uninstall", "", 0, 0, "remove the service", NULL, NULL, NULL, cmd_daemon_uninstall},
    {"support", "[FILE]", 0, 1, "write a bundle for who is asked for help; secrets are left out",
	NULL, NULL, NULL, cmd_support},
    {"doctor", "", 0, 0, "is everything as it should be, and what mends it", doctor_options,
	"Never deletes a session. Exit code 1 when there is a problem.", "doctor --fix",
	cmd_doctor},
    {"config list", "", 0, 0, "all settings, their values and what they mean", NULL, NULL, NULL,
	cmd_config_list},
    {"config get", "KEY", 1, 1, "print one setting", NULL, NULL, "config get connection.host",
	cmd_config_get},
    {"config set", "KEY VALUE", 2, 2, "change a setting; a running daemon applies it", NULL, NULL,
	"config set connection.host 127.0.0.1:11434", cmd_config_set},
    {"config unset", "KEY", 1, 1, "back to the default", NULL, NULL, NULL, cmd_config_unset},
    {"lmx demo", "[options]", 0, CMD_RAW, "a model server for trying out and for tests", NULL,
	"`opta lmx demo --help` shows its options and its prompt language.", NULL, cmd_lmx_demo},
    {"completions", "SHELL", 1, CMD_ANY,
	"a script that completes opta's commands: bash, zsh or fish", NULL,
	"It completes commands, options, settings, session ids and model names.",
	"completions bash > ~/.local/share/bash-completion/completions/opta\n"
	"completions fish > ~/.config/fish/completions/opta.fish",
	cmd_completions},
    {"man", "PAGE", 1, 1, "a man page as roff: opta.1, opta-daemon.8, opta-config.5", NULL, NULL,
	"man opta.1 | man -l -", cmd_man},
    {"help", "[COMMAND]", 0, 2, "this text, or a command's", NULL, NULL, NULL, cmd_help},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL},
};
