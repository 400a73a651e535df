#ifndef CLI_PAGER_H
#define CLI_PAGER_H

/*
 * A long text in the person's own pager ($PAGER, else less). The caller gives up
 * the terminal before and takes it back after: raw mode, painting, reading keys. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>

struct pager;
struct uv_loop_s;

/* The pager ended; shown: it ran (false: there is none, nothing was shown). The pager is freed
 * after. */
typedef void pager_cb(void *data, bool shown);

/*
 * Show n bytes of harmless text. NULL with errno set when it could not be started; then on_end is
 * not called.
 */
struct pager *pager_start(
    struct uv_loop_s *loop, const char *text, size_t n, pager_cb *on_end, void *data);

#endif
