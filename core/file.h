/* SPDX-License-Identifier: MIT */
/*
 * Our own small files, read and written whole: configuration, trust, keys, marks. Not for watched files
 * (snapshot.h). Reading never follows a link in the last component unless asked, takes only regular
 * files, and is bounded. Writing is atomic and durable: a new file, fsync, rename, fsync of the folder.
 */
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "core/buf.h"
#include "core/err.h"

enum file_read_flags {
        FILE_FOLLOW = 1, /* the last component may be a link (for files that a person names) */
};

/* Appends the file to ret. -ENOENT, -EACCES, …, -EFBIG past size_max, -EINVAL if not regular; with words. */
int file_read(const char *path, unsigned flags, size_t size_max, struct buf *ret, struct err *err);

/* Replaces path by a file with these bytes and this mode, durably. */
int file_write(const char *path, mode_t mode, const void *data, size_t size, struct err *err);

int file_write_pieces(const char *path, mode_t mode, const struct iovec *pieces, size_t n, struct err *err);
/* That in two steps: the bytes, durable and without a name; and what gives them path's name. */
struct file_draft;
int file_draft_write(const char *path, mode_t mode, const struct iovec *pieces, size_t n,
        struct file_draft **ret, struct err *err);
int file_draft_name(struct file_draft *draft, struct err *err);
/* Gone, if it was not named. */
struct file_draft *file_draft_free(struct file_draft *draft);
CLEANUP_DEFINE(struct file_draft *, file_draft_free)

/*
 * Removes what writers of files in this folder left behind that were killed before they could give it its
 * name: regular files of ours with the form of name that drafts have, at most FILE_DRAFTS_DROPPED_MAX, and
 * nothing else. Only for a folder in which nobody else writes now. Returns how many, or < 0.
 */
#define FILE_DRAFTS_DROPPED_MAX 4096
int file_drafts_drop(const char *folder);

/* file_write, but -EEXIST if path exists (never over what is there). */
int file_create(const char *path, mode_t mode, const void *data, size_t size, struct err *err);

/* Makes what was done by names in the folder of path durable. */
int folder_sync_of(const char *path, struct err *err);

/* Makes path and its parents, with this mode for those that it makes. */
int folder_create(const char *path, mode_t mode, struct err *err);
