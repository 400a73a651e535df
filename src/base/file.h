#ifndef BASE_FILE_H
#define BASE_FILE_H

/*
 * Small whole files that must survive a power cut and must not be a trap:
 * never through a symlink, never larger than asked for, never a pipe.
 * These block on the disk: never call them on the daemon's loop thread.
 */

#include <stddef.h>
#include <sys/types.h>

struct buf;
struct err;

/*
 * Append the content of the regular file at path to out. Returns 0; -ENOENT;
 * -ELOOP for a symlink; ERR_LIMIT when it holds more than max bytes; -EINVAL
 * when it is no regular file; another -errno. out is untouched on failure.
 */
int file_read(const char *path, size_t max, struct buf *out, struct err *reterr);

/*
 * Replace dir/name by the n bytes at p: temporary file, fsync, rename, fsync
 * of the directory. dir itself must not be a symlink. A symlink at dir/name is
 * replaced, never followed. Returns 0 or -errno; the old file is whole either way.
 */
int file_replace(
    const char *dir, const char *name, const void *p, size_t n, mode_t mode, struct err *reterr);

/*
 * Make the directory path, and its parents, with mode 0700 where they are
 * missing. Fails with -ENOTDIR when path is a file, -ELOOP when its last part is a symlink.
 * An existing directory keeps its mode.
 */
int file_make_dir(const char *path, struct err *reterr);

/*
 * Write all n bytes, over short writes and EINTR; waits where the descriptor is
 * non-blocking and full. 0 or -errno. Any thread.
 */
int file_write_all(int fd, const void *p, size_t n);

/*
 * A program may be started with descriptor 0, 1 or 2 closed; the next file it opens would
 * take that place, and be read or written as if it were standard input or output. Opens /dev/null
 * for reading in each such place. Call first thing in main.
 */
void file_keep_standard(void);

#endif
