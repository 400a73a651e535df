#ifndef CLI_CMD_H
#define CLI_CMD_H

/*
 * The commands of `opta`: one const table (cmd.c), which help is made from.
 *
 * To add a command: a row in the table, its function in a cmd_*.c, its lines in
 * man/opta.1 and README.md, a wire test.
 */

/* Exit codes of every command. */
enum {
	EXIT_DONE = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_STOPPED = 3, /* `daemon status`: it does not run */
	EXIT_CANCELLED = 130,
};

struct cmd {
	const char *name;
	const char *args; /* for usage */
	const char *summary;
	const char *details; /* options, one a line, or NULL */
	/* argv[0] is the command's name. Returns the exit code. */
	int (*run)(int argc, char **argv);
};

/* Ended by a row whose name is NULL. */
extern const struct cmd cmds[];

/* What `opta lmx demo` runs; set by main, as the demo server is no part of this floor. */
extern int (*cmd_demo_main)(int argc, char **argv);

/* Find the command in argv and run it. The exit code. */
int cmd_run(int argc, char **argv);

/* Print "opta: …" and how to find the usage of `name` to standard error; EXIT_USAGE. */
int cmd_usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print "Error: …" to standard error; EXIT_ERROR. */
int cmd_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The commands, each in cmd_<name>.c. */
int cmd_chat(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_daemon(int argc, char **argv);
int cmd_do(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_lmx(int argc, char **argv);

#endif
