#ifndef MODEL_KEY_COMMAND_H
#define MODEL_KEY_COMMAND_H

/*
 * The key of a model server, printed by a command of the user's (a password manager), which runs as
 * the user does, with the daemon's environment and no sandbox: it stands in the settings, which
 * only the user writes. Loop thread only.
 */

struct err;
struct key_command;
struct uv_loop_s;

enum {
	KEY_COMMAND_MS = 10000,	    /* then it is ended */
	KEY_COMMAND_MAX_KEY = 4096, /* bytes of its first line */
	KEY_COMMAND_MAX_SAID = 300, /* bytes of what it says of a failure */
};

/* key: the first line it printed; NULL: why has a sentence. Borrowed until return. Never before
 * key_command_start returns. */
typedef void key_command_cb(void *data, const char *key, const struct err *why);

/* Run command by the shell. */
struct key_command *key_command_start(
    struct uv_loop_s *loop, const char *command, key_command_cb *on_done, void *data);

/* End it; on_done will not be called. NULL is allowed. */
void key_command_cancel(struct key_command *k);

#endif
