/* SPDX-License-Identifier: MIT */
/*
 * The parallel scanner: walks the files scopes of one baseline (or configuration) by folder descriptors,
 * several workers reading and hashing at once, in bounded memory, at any depth.
 *
 * Every folder is announced before it is read (watch, *then* scan). Exclusions and mount rules are applied
 * here: `mounts = local` crosses into local file systems and not into network, FUSE or kernel ones (proc,
 * sysfs, cgroup, …): those are walked where a path of a scope names them or something in them, from that path
 * on. `none` stays on the mount of each path. Each path is visited once, under the scope that scope_for_path
 * gives.
 */
#pragma once

#include <stdatomic.h>

#include "core/mount.h"
#include "core/pace.h"
#include "core/scope.h"
#include "core/snapshot.h"

#define SCAN_WORKERS_MAX 64u

enum scan_look {
        SCAN_SKIP, /* nothing more: the stat was enough */
        SCAN_STAT, /* snapshot without content */
        SCAN_READ, /* snapshot with content */
};

/*
 * Callbacks run in any worker at any time, but only one `folder` at once. `path` is raw bytes,
 * NUL-terminated, without the root.
 */
struct scan_calls {
        /* A folder is about to be read (also scope roots). May be NULL. < 0 stops the scan. */
        int (*folder)(void *userdata, int folder_fd, const char *path, const struct statx *stx);
        /* How to look at this thing, its stat known (mark: stat_mark_of). May be NULL: SCAN_READ for all. May
         * alter wish. */
        enum scan_look (*plan)(void *userdata, const char *path, const struct scope *scope,
                const struct statx *stx, struct snapshot_wish *wish);
        /*
         * What was seen. result as snapshot_at (GONE, with an empty snapshot: its name was read and then it
         * was not there); snapshot is NULL after SCAN_SKIP. The snapshot may be taken over (then zero it).
         */
        void (*seen)(void *userdata, const char *path, const struct scope *scope, int result,
                struct snapshot *snapshot);
        /*
         * A folder that could not be read or walked (errno), a mount not crossed (EXDEV; its mount point is
         * `seen`, by its stat alone), anything that could not be looked at for want of descriptors (EMFILE,
         * ENFILE): coverage is lower at and below it.
         */
        void (*problem)(void *userdata, const char *path, int error);
};

struct scan_options {
        const char *root;           /* "" or the folder of an image */
        const struct scope *scopes; /* only SCOPE_FILES ones are walked */
        size_t n_scopes;
        const char *below; /* NULL, or a raw absolute path: only it and what is below. If it is gone: `seen`,
                              GONE */
        bool folders_only; /* read folders to find folders; `seen` is called for none */
        /* 0: as many at work as processors, and more while they wait for a device; else exactly so many. */
        unsigned workers;
        bool here; /* in the calling thread alone, which takes no signals: for what is done in no time */
        struct pace *pace;  /* NULL: none. Kept by all workers together */
        bool background;    /* idle I/O priority and nice for the workers; the page cache is left as it was */
        char *const *first; /* raw paths to begin with, of large files: read last, they would leave */
        size_t n_first;     /* all workers but one without work at the end */
        uint64_t bytes;     /* about so many will be read; 0: not known */
        struct snapshot_wish
                wish; /* start value for each (own, bytes_read, cancel, body; prefix 0 is taken as all) */
        struct scan_calls calls;
        void *userdata;
};

/*
 * How far a look at one path (raw) may go by the mount rules of the scope that holds it, asked of the mount
 * table alone: the walk obeys them by itself.
 */
enum scan_reach {
        SCAN_REACH_IN,    /* as far as it likes */
        SCAN_REACH_POINT, /* something is mounted there that is not gone into: its stat alone */
        SCAN_REACH_NOT,   /* it lies behind such a mount, and is not visible */
};
enum scan_reach scan_reach(const struct mount_table *table, const struct scope *scope, const char *path);

/*
 * Returns when all is done: 0, -ECANCELED, -ENOMEM, what `folder` said … with words. A scope path that does
 * not exist is `problem` ENOENT, or ELOOP where a folder above it is now a link. A worker that a file system
 * does not answer cannot be called back: run a scan in a thread, and watch bytes_read.
 */
int scan_run(const struct scan_options *options, struct err *err);
