/* SPDX-License-Identifier: MIT */
/*
 * The parallel scanner: walks the files scopes of one baseline (or configuration) by folder descriptors, several
 * workers reading and hashing at once, in bounded memory, at any depth.
 *
 * Every folder is announced before it is read (watch, *then* scan). Exclusions and mount rules are applied here:
 * `mounts = local` crosses into local file systems and not into network, FUSE or kernel ones (proc, sysfs, cgroup, …)
 * unless a path of the scope names them or something below; `none` stays on the file system of each path.
 */
#pragma once

#include <stdatomic.h>

#include "core/scope.h"
#include "core/snapshot.h"

#define SCAN_WORKERS_MAX 64u

enum scan_look {
        SCAN_SKIP, /* nothing more: the stat was enough */
        SCAN_STAT, /* snapshot without content */
        SCAN_READ, /* snapshot with content */
};

/* All callbacks but `folder` may run in any worker at any time; `path` is raw bytes, NUL-terminated, without the root. */
struct scan_calls {
        /* A folder is about to be read (also scope roots). May be NULL. < 0 stops the scan. */
        int (*folder)(void *userdata, int folder_fd, const char *path, const struct statx *stx);
        /* How to look at this thing, its stat known (mark: stat_mark_of). May be NULL: SCAN_READ for all. May alter wish. */
        enum scan_look (*plan)(void *userdata, const char *path, const struct scope *scope, const struct statx *stx, struct snapshot_wish *wish);
        /* What was seen. result as snapshot_at; snapshot is NULL after SCAN_SKIP. The snapshot may be taken over (then zero it). */
        void (*seen)(void *userdata, const char *path, const struct scope *scope, int result, struct snapshot *snapshot);
        /* A folder that could not be read or walked (errno), a mount not crossed (EXDEV): coverage is lower below it. */
        void (*problem)(void *userdata, const char *path, int error);
};

struct scan_options {
        const char *root;             /* "" or the folder of an image */
        const struct scope *scopes;   /* only SCOPE_FILES ones are walked */
        size_t n_scopes;
        const char *below;            /* NULL, or a raw absolute path: only it and what is below */
        bool folders_only;            /* read folders to find folders; `seen` is called for none */
        unsigned workers;             /* 0: as many as processors */
        uint64_t max_rate;            /* bytes/s of content; 0: no limit */
        bool background;              /* idle I/O priority and nice for the workers (threads of their own) */
        struct snapshot_wish wish;    /* start value for each (own, bytes_read, cancel) */
        struct scan_calls calls;
        void *userdata;
};

/* Returns when all is done: 0, -ECANCELED, -ENOMEM … with words. A scope path that does not exist is `problem` ENOENT. */
int scan_run(const struct scan_options *options, struct err *err);
