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

/* Adds a chunk of content to a digester, in the place of digester_update: may wait. */
void snapshot_reader_hash(struct snapshot_reader *reader,
        void (*hash)(void *userdata, struct digester *digester, const void *data, size_t size),
        void *userdata);

/*
 * Small files need not be hashed one by one: after snapshot_reader_defer a look may leave out the content's
 * digest, though it calls it known, until snapshot_reader_settle makes all that are left out, together. Their
 * snapshots must stay where they are until then. No more than DIGEST_LANES_MAX are ever left out, and none
 * where nothing is gained by it.
 */
void snapshot_reader_defer(struct snapshot_reader *reader);
unsigned snapshot_reader_deferred(const struct snapshot_reader *reader); /* how many */
void snapshot_reader_settle(struct snapshot_reader *reader);

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
