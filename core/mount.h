/* SPDX-License-Identifier: MIT */
/*
 * The mount table (/proc/self/mountinfo, proc_pid_mountinfo(5)), and which mount a path lies on, without
 * touching the path: asking a file system that does not answer (stat, statfs) is what must not happen.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/util.h"

#define MOUNT_TABLE_SIZE_MAX ((size_t)16 << 20) /* bytes of mountinfo; past it -EFBIG */

struct mount {
        uint64_t id, parent_id; /* as statx(2) gives it in stx_mnt_id */
        char *point, *root;     /* raw bytes; root: the folder of the file system that is mounted there */
        const char *device;     /* MAJOR:MINOR, up to a blank */
        const char *type;
        const char *line; /* as read, without the LF */
        bool foreign; /* of the network, of FUSE, or the kernel's own: may never answer, or holds no files */
};

struct mount_table {
        struct mount *mounts;
        size_t count;
        char *text; /* owns what the mounts point to, but `point` and `root` */
};

/* From a descriptor of mountinfo, read from its start. 0 or -errno. */
int mount_table_read(int fd, struct mount_table *ret);
/* The same from its text, which is taken over. */
int mount_table_parse(char *text, struct mount_table *ret);
/* Opens /proc/self/mountinfo too. */
int mount_table_now(struct mount_table *ret);
/* Whether the mount of this number is foreign, by the table as it is now: 1, 0, -ESTALE (there is none of
 * that number), or another -errno. One call of poll(2) where no mount came or went since the last. Any
 * thread. */
int mount_foreign_now(uint64_t id);
void mount_table_done(struct mount_table *table);
#define _cleanup_mount_table_ _cleanup_(mount_table_done)

/* Borrowed; NULL if there is none of that number. */
const struct mount *mount_by_id(const struct mount_table *table, uint64_t id) _pure_;
/* The one that a look-up of this absolute path (raw, no links) ends on; NULL if the table has no root. */
const struct mount *mount_of_path(const struct mount_table *table, const char *path) _pure_;

/* Whether an absolute path is another one or lies below it (below "/" all are). */
bool path_is_at_or_below(const char *path, const char *point) _pure_;
