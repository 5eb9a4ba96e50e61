/* SPDX-License-Identifier: MIT */
/*
 * The snapshot of one path, through one descriptor: what is there, and what it holds. No link is followed in
 * any component (openat2(2), RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS); only regular files and folders are
 * opened, the rest is looked at through O_PATH. A regular file is stat'ed again after hashing, and tried
 * again if it moved.
 */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

#include "core/attribute.h"
#include "core/err.h"

#define SNAPSHOT_TRIES 3u                          /* before a file is called unstable */
#define SNAPSHOT_CONTENT_MAX (UINT64_C(256) << 30) /* bytes: of more, no content is read (EFBIG) */
#define SNAPSHOT_BODY_MAX ((size_t)64 << 10)       /* bytes: larger content is never kept */

enum snapshot_result {
        SNAPSHOT_GONE = 1,       /* nothing there (ENOENT, ENOTDIR, or a folder above is now a link: ELOOP) */
        SNAPSHOT_UNREADABLE = 2, /* there, but a part could not be read: failed_errno says why */
        SNAPSHOT_UNSTABLE = 3,   /* it did not hold still in SNAPSHOT_TRIES tries */
        SNAPSHOT_OWN = 4,        /* one of our own database files: never opened */
};

/* A stat in eight bytes: equal means that no metadata moved (all of: dev ino type mode uid gid size mtime
 * ctime rdev). 0: unknown. */
typedef uint64_t stat_mark;

struct inode_id {
        dev_t dev;
        ino_t ino;
};

struct snapshot_wish {
        bool content;     /* hash regular files; otherwise stat, target, xattrs and flags only */
        bool mount_point; /* what is mounted there is not gone into: only the stat that the kernel knows */
        bool body; /* with content: keep it too, if it is small, text (no NUL, valid UTF-8) and world-readable
                    */
        bool uncached;   /* with content: the page cache is left as it was before (page_cache.h) */
        uint64_t prefix; /* UINT64_MAX: all. Else a growing file: hash that many first bytes at most; it may
                            grow meanwhile */
        struct md5er *md5er;        /* may be NULL: with content, MD5 of the same bytes too */
        const struct inode_id *own; /* never opened: our database files */
        size_t n_own;
        atomic_ullong
                *bytes_read; /* may be NULL: progress, for rates and for the watchdog of stuck readers */
        const atomic_bool *cancel; /* may be NULL: stops reading soon, -ECANCELED */
};

struct snapshot {
        struct attributes attributes;
        uint64_t content_size;       /* how many bytes the content digest covers */
        unsigned char md5[MD5_SIZE]; /* of them; only if md5er was wished and content is known */
        dev_t dev;
        stat_mark mark;      /* 0 if ctime is younger than 100 ms: a change in the same tick would not show */
        bool world_readable; /* o+r, and every folder above is o+x; of a path only where the body is wished */
        char *body;          /* NULL unless wished and allowed; owned; body_size bytes */
        size_t body_size;
        int failed_errno; /* for SNAPSHOT_UNREADABLE */
        int64_t taken_ms; /* before the first look of the try that held still */
};

/*
 * Of an absolute path (raw bytes, may be longer than PATH_MAX: walked in pieces; no empty, "." or ".." part
 * and no slash at the end, else UNREADABLE with EINVAL) below root ("" or a folder, for images; nothing under
 * root is trusted). 0 or an enum snapshot_result; < 0 only for ENOMEM, EMFILE, ENFILE, ECANCELED. On > 0 *ret
 * holds what could be learnt (UNREADABLE: attributes.known says what).
 */
int snapshot_path(const char *root, const char *path, const struct snapshot_wish *wish, struct snapshot *ret,
        struct err *err);

/* The same for a name (no slash in it, not "..") in an open folder (O_PATH will do), for the scanner. world:
 * the folder and all above it are o+x. */
int snapshot_at(int folder_fd, const char *name, bool world, const struct snapshot_wish *wish,
        struct snapshot *ret, struct err *err);

void snapshot_done(struct snapshot *snapshot);
#define _cleanup_snapshot_ _cleanup_(snapshot_done)

/*
 * Opens a folder (for reading) by absolute path as above, following no link, of any length. Returns the
 * descriptor or -errno. ret_world (may be NULL: then it is cheaper): it and all above it are o+x.
 */
int folder_open(const char *root, const char *path, bool *ret_world, struct err *err);

struct statx;
stat_mark stat_mark_of(const struct statx *stx) _pure_;
