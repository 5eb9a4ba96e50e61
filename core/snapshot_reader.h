/* SPDX-License-Identifier: MIT */
/*
 * Internal to snapshot and scan: what a worker keeps between two snapshots (buffers, a digester, the way to
 * reopen a descriptor), so that a look at a file allocates nothing that is not handed over. One reader is for
 * one thread.
 */
#pragma once

#include <sys/stat.h>

#include "core/snapshot.h"

struct snapshot_reader;
struct snapshot_reader *snapshot_reader_new(void); /* NULL: out of memory */
struct snapshot_reader *snapshot_reader_free(struct snapshot_reader *reader);
CLEANUP_DEFINE(struct snapshot_reader *, snapshot_reader_free)

/* Called after each chunk with its bytes: may wait (a rate), and may end the reading with -ECANCELED. */
void snapshot_reader_pace(
        struct snapshot_reader *reader, int (*pace)(void *userdata, size_t bytes), void *userdata);

/* What the caller opened already, and its stat since: O_PATH, or (a folder) readable. */
struct snapshot_held {
        int fd; /* borrowed */
        bool readable;
        int64_t taken_ms; /* before the stat */
        struct statx stx;
};

/* snapshot_at without words and with a reader. held: NULL, or the thing itself (tried again, it is looked up
 * by name). */
int snapshot_look(struct snapshot_reader *reader, int folder_fd, const char *name,
        const struct snapshot_held *held, bool world, const struct snapshot_wish *wish, struct snapshot *ret);

/*
 * Looks at several files at once, so that their contents are hashed beside each other (digest_side_by_side)
 * by one thread, which reads a chunk of each in turn.
 *
 * snapshot_reader_lanes, once: at most so many, of DIGEST_LANES_MAX. snapshot_begin is as snapshot_look, but
 * reads at most head bytes (rounded up to its chunks) and may return SNAPSHOT_PENDING, while there is a lane
 * left: then *ret must stay where it is, until snapshot_next, which reads and hashes a chunk of each, returns
 * it with its result: that of snapshot_look, or SNAPSHOT_MOVED, *ret being empty, if it moved meanwhile and
 * is to be looked at anew. snapshot_next returns NULL where none was done. What is pending when the reader is
 * freed is dropped, its *ret with it.
 */
enum {
        SNAPSHOT_PENDING = 100,
        SNAPSHOT_MOVED,
};
void snapshot_reader_lanes(struct snapshot_reader *reader, unsigned n);
bool snapshot_reader_is_full(const struct snapshot_reader *reader); /* also if it has no lanes */
unsigned snapshot_reader_pending(const struct snapshot_reader *reader);
int snapshot_begin(struct snapshot_reader *reader, int folder_fd, const char *name,
        const struct snapshot_held *held, bool world, const struct snapshot_wish *wish, uint64_t head,
        struct snapshot *ret);
struct snapshot *snapshot_next(struct snapshot_reader *reader, int *ret_result);

/* snapshot_path without words and with a reader. */
int snapshot_look_path(struct snapshot_reader *reader, const char *root, const char *path,
        const struct snapshot_wish *wish, struct snapshot *ret);

/* What a stat alone tells: nothing is opened. */
void snapshot_from_stat(const struct statx *stx, bool world, struct snapshot *ret);

/*
 * Whether what was read between two stats of one inode is of one piece. Times and size count only where
 * content was read: folders and pipes in use move all the time, and what is said of them comes from one stat.
 * A growing file may grow.
 */
bool snapshot_held_still(
        const struct statx *before, const struct statx *after, const struct snapshot_wish *wish);
