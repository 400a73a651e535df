#ifndef CLI_CMD_H
#define CLI_CMD_H

/*
 * The commands of `opta`: one const table (cmd_table.c), from which parsing,
 * help, completions and the man page are made.
 *
 * To add a command: a row in the table, its function in a cmd_*.c, a line in
 * README.md when it is one people start with, a wire test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct json_t;

/* Exit codes of every command. */
enum {
	EXIT_DONE = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_STOPPED = 3, /* `daemon status`: it does not run */
	EXIT_CANCELLED = 130,
};

enum {
	CMD_MAX_OPTIONS = 16, /* of one command */
	CMD_ANY = 1000000,    /* as many words as one likes */
	CMD_RAW = 1000001,    /* the command reads its words itself */
};

struct cmd_option {
	const char *name;  /* "--model" */
	const char *value; /* how help names its value ("NAME"); NULL: it has none */
	const char *help;
};

struct cmd_line;

struct cmd {
	const char *name;  /* "do", "daemon start" */
	const char *words; /* what follows it, for help: "KEY VALUE", "" */
	unsigned min, max; /* how many */
	const char *summary;
	const struct cmd_option *options; /* ended by a row whose name is NULL; or NULL */
	const char *notes;		  /* more about it, whole lines, or NULL */
	const char *examples;		  /* one a line, without "opta ", or NULL */
	int (*run)(const struct cmd_line *line);
};

/* What was typed, checked against the table. */
struct cmd_line {
	const struct cmd *cmd;
	const char *values[CMD_MAX_OPTIONS]; /* by option; NULL: not given */
	char **words; /* what is no option; for CMD_RAW all of argv from the command on */
	size_t count;
};

/* Ended by a row whose name is NULL. */
extern const struct cmd cmds[];

/* What `opta lmx demo` runs; set by main, as the demo server is no part of this floor. */
extern int (*cmd_demo_main)(int argc, char **argv);

/* Find the command in argv, check its words and run it. The exit code. */
int cmd_run(int argc, char **argv);

/* Was the option given (assert: the table has it)? Its value, or NULL. */
bool cmd_flag(const struct cmd_line *line, const char *option);
const char *cmd_value(const struct cmd_line *line, const char *option);

/* A whole number up to max given with the option, into *ret (untouched when absent). False: it is
 * none, which was said. */
bool cmd_number(const struct cmd_line *line, const char *option, uint64_t max, uint64_t *ret);

/* All words of the line, joined by blanks. */
void cmd_join(const struct cmd_line *line, struct buf *out);

/* Append all of standard input, at most max bytes. EXIT_DONE, or it was said why not. */
int cmd_read_stdin(struct buf *out, size_t max);

/* Print "opta: …" and how to find the usage of `name` to standard error; EXIT_USAGE. */
int cmd_usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print "Error: …" to standard error; EXIT_ERROR. */
int cmd_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ask the person at the terminal a question that y answers with yes, everything else with no.
 * False as well where nobody can be asked: standard input is no terminal. */
bool cmd_confirm(const char *question);

/* The same of an error, and what to do about it where that is known. */
int cmd_fail(const struct err *err);

/* What --json prints: one document on standard output, its numbers with at most three decimals. */
void cmd_print_json(const struct json_t *root);

/* Append how a command is written: "opta do [options] WORDS…". */
void cmd_put_synopsis(const struct cmd *c, struct buf *out);

/* The functions of the table, each in cmd_<name>.c. */
int cmd_chat(const struct cmd_line *line);
int cmd_completions(const struct cmd_line *line);
int cmd_config_get(const struct cmd_line *line);
int cmd_config_list(const struct cmd_line *line);
int cmd_config_set(const struct cmd_line *line);
int cmd_config_unset(const struct cmd_line *line);
int cmd_daemon_logs(const struct cmd_line *line);
int cmd_daemon_install(const struct cmd_line *line);
int cmd_daemon_reset(const struct cmd_line *line);
int cmd_daemon_restart(const struct cmd_line *line);
int cmd_daemon_run(const struct cmd_line *line);
int cmd_daemon_start(const struct cmd_line *line);
int cmd_daemon_status(const struct cmd_line *line);
int cmd_daemon_stop(const struct cmd_line *line);
int cmd_doctor(const struct cmd_line *line);
int cmd_do(const struct cmd_line *line);
int cmd_help(const struct cmd_line *line);
int cmd_man(const struct cmd_line *line);
int cmd_lmx_demo(const struct cmd_line *line);
int cmd_approve(const struct cmd_line *line);
int cmd_daemon_uninstall(const struct cmd_line *line);
int cmd_deny(const struct cmd_line *line);
int cmd_models_info(const struct cmd_line *line);
int cmd_models_list(const struct cmd_line *line);
int cmd_servers_add(const struct cmd_line *line);
int cmd_servers_list(const struct cmd_line *line);
int cmd_servers_test(const struct cmd_line *line);
int cmd_servers_remove(const struct cmd_line *line);
int cmd_models_use(const struct cmd_line *line);
int cmd_pending(const struct cmd_line *line);
int cmd_env_delete(const struct cmd_line *line);
int cmd_env_list(const struct cmd_line *line);
int cmd_env_save(const struct cmd_line *line);
int cmd_env_show(const struct cmd_line *line);
int cmd_env_use(const struct cmd_line *line);
int cmd_sessions_delete(const struct cmd_line *line);
int cmd_sessions_export(const struct cmd_line *line);
int cmd_sessions_import(const struct cmd_line *line);
int cmd_sessions_list(const struct cmd_line *line);
int cmd_sessions_rename(const struct cmd_line *line);
int cmd_sessions_search(const struct cmd_line *line);
int cmd_sessions_show(const struct cmd_line *line);
int cmd_status(const struct cmd_line *line);
int cmd_support(const struct cmd_line *line);

#endif
