/* SPDX-License-Identifier: MIT */
/*
 * Internal to snapshot and scan: opening by name without following a link. Paths here are absolute, raw
 * bytes, of any length, and plain: no empty, "." or ".." component, no slash at the end (but "/" itself).
 * What is not plain is -EINVAL: ".." would lead out of an image.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * openat2(2) with RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS; O_CLOEXEC is added. Returns the descriptor or
 * -errno: -ELOOP where a link is in the way (with O_PATH | O_NOFOLLOW a link at the end is opened itself).
 */
int entry_open(int folder_fd, const char *name, int flags);

/*
 * The other way: a path below a folder that stands for the root, its links followed as that root would see
 * them, so that none leads out (RESOLVE_IN_ROOT). For files that are not watched, where a link is nothing
 * wrong. path is relative. Where there is no openat2(2), as in the unit (RestrictSUIDSGID=), the same is done
 * in steps.
 */
int entry_open_within(int root_fd, const char *path, int flags);

/* entry_open for a folder to be read: O_DIRECTORY, and O_NOATIME where we may. */
int entry_open_folder(int folder_fd, const char *name);

/* statx(2) of a name (or of folder_fd itself: ""), no link followed, nothing mounted. 0 or -errno. */
int entry_stat(int folder_fd, const char *name, struct statx *ret);

/*
 * The same from what the kernel knows already (AT_STATX_DONT_SYNC): no server is asked, so this returns where
 * a network or FUSE file system does not answer; on such a one the attributes may be old. For local ones
 * there is no difference.
 */
int entry_stat_known(int folder_fd, const char *name, struct statx *ret);

/*
 * The folder that holds the last component (O_PATH), and the name of that component, inside `path`; "." for
 * "/" itself. *ret_world (may be NULL: cheaper): that folder and all above it, up to root, are o+x.
 * Descriptor or -errno.
 */
int folder_open_parent(const char *root, const char *path, const char **ret_name, bool *ret_world);

/* The folder itself, O_PATH. Descriptor or -errno. */
int folder_reach(const char *root, const char *path);

/* Whether the errno of an open or stat says that nothing is there by that name, or that a link is in the way.
 */
bool errno_is_gone(int error);
/* ENOMEM, EMFILE, ENFILE: it is we who lack something, and nothing was learnt of the file. */
bool errno_is_ours(int error);

/* Major and minor of statx(2) in one number, as in a dev_t of stat(2). */
dev_t statx_dev(const struct statx *stx) __attribute__((pure));
