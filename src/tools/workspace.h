#ifndef TOOLS_WORKSPACE_H
#define TOOLS_WORKSPACE_H

/*
 * Paths that a model names, and files beneath the workspace. A path is first
 * made plain as text (which decides whether a permission must name it), then
 * opened in a way the kernel keeps beneath the workspace whatever was swapped in
 * between (openat2(2), RESOLVE_BENEATH). Any thread; the openers block.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;
struct tool_call;

/*
 * Make path plain: relative to root ("." for root itself) when it lies in it, else absolute.
 * Blanks and links are not looked at. True when it lies in root. ret is cleared first.
 */
bool workspace_plain(const char *root, const char *path, struct buf *ret);

/*
 * Open path for the call: beneath the workspace, or, when the call may go outside, exactly where it
 * says, through no link at all. flags as for open(2), O_CLOEXEC is added. A
 * descriptor, or -1 and the call has failed with a sentence.
 */
int workspace_open(struct tool_call *call, const char *path, int flags);

/*
 * Open the directory that holds path (made, with its parents, when make is set) and
 * copy the last part to ret_name (256 bytes). A descriptor, or -1 and a sentence.
 */
int workspace_open_parent(struct tool_call *call, const char *path, bool make, char *ret_name);

/*
 * May the call write at path (guard.h)? Looked at as far as its directories exist: a question
 * before the work, which workspace_write and whoever else writes asks again of what it has opened.
 */
bool workspace_guard(struct tool_call *call, const char *path);

/*
 * Read the regular file at path whole, at most TOOL_MAX_FILE bytes, into out.
 * 0; -ENOENT with nothing said; -1 with a sentence. *ret_mode gets its permission bits.
 */
int workspace_read(struct tool_call *call, const char *path, struct buf *out, mode_t *ret_mode);

/* Replace or make the file at path by a temporary file and a rename; its mode is kept. False with a
 * sentence. */
bool workspace_write(
    struct tool_call *call, const char *path, const char *p, size_t n, mode_t mode);

/* The SHA-256 of content as hex into the call's state; NULL content: "absent". */
void workspace_state(struct tool_call *call, const struct buf *content);

/*
 * Is the content (NULL: no file) what the person was shown? When not, the call has
 * failed with a sentence and changed is set.
 */
bool workspace_unchanged(struct tool_call *call, const struct buf *content);

#endif
