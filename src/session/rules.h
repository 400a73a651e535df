#ifndef SESSION_RULES_H
#define SESSION_RULES_H

/*
 * May a tool call run, must a person be asked, or is it refused: decided from
 * the mode, the settings, what was remembered and where its path lies. A shell
 * command is never read to find out whether it is harmless; the sandbox is the boundary. Pure.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "protocol/requests.h"

struct buf;
struct config;
struct tool;

enum rules_verdict { RULES_ALLOW, RULES_ASK, RULES_DENY };

struct rules_question {
	const struct config *config;
	const char *mode;
	const struct turn_overrides *overrides;
	const struct tool *tool;
	const json_t *args;
	const char *workspace;
	const json_t
	    *remembered; /* the session's rules: array of {tool, match, decision}; may be NULL */
};

/* The verdict; for RULES_DENY a sentence for the model (and whoever reads along) in why. */
enum rules_verdict rules_decide(const struct rules_question *q, char *why, size_t size);

/* Will it always be denied, so that the model is better not told of it? */
bool rules_never(const struct config *config, const char *mode,
    const struct turn_overrides *overrides, const struct tool *tool);

/* Is the path it names (tool->path_arg) outside the workspace? Then *ret_path gets it, made plain.
 */
bool rules_outside(
    const struct tool *tool, const json_t *args, const char *workspace, struct buf *ret_path);

/* What a remembered decision for this call would hold for, appended to out; false: for nothing (a
 * path outside, a question), so it cannot be remembered. */
bool rules_match(
    const struct tool *tool, const json_t *args, const char *workspace, struct buf *out);

/* What a decision on a repository is kept under, in the place of a tool's name. */
#define RULES_REPOSITORY "repository"

/*
 * Git directories outside the workspace that commands of this session may write, as the person
 * said once for all: an array the caller releases, NULL for none. remembered may be NULL.
 */
json_t *rules_repositories(const json_t *remembered);

/*
 * May the command want to write a repository? It speaks of git. This only decides whether it is
 * worth asking for one outside the workspace: what it can write is the sandbox's to say.
 */
bool rules_speaks_of_git(const json_t *args);

/* The sockets that commands may reach (tools.sockets): an array the caller releases, NULL for none.
 */
json_t *rules_sockets(const struct config *config);

/* Must the model not be told what the tool says of a file's content (permissions.read_file)? */
bool rules_hides_content(const struct config *config, const struct tool *tool);

#endif
