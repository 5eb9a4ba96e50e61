/* SPDX-License-Identifier: MIT */
/*
 * Windows as files: FILE, its approvals in FILE.approval, and the set that it was signed with in FILE.expect.
 * And expected change sets as files.
 */
#pragma once

#include "cli/cli.h"
#include "core/window.h"

struct window_file {
        struct window *window;
        struct buf approvals;
};
void window_file_done(struct window_file *file);
#define _cleanup_window_file_ _cleanup_(window_file_done)

/* A set, read and understood: its bytes and what they say. */
struct expect_file {
        struct buf text;
        struct expect *expect;
};
void expect_file_done(struct expect_file *file);
#define _cleanup_expect_file_ _cleanup_(expect_file_done)
int expect_file_read(const char *path, struct expect_file *ret, struct err *err);

/* From the file's bytes; what stands beside it may be missing. 0 or an exit code with words. */
int window_file_read(const char *path, const struct buf *text, struct window_file *ret, struct err *err);
/* All that there is of it. */
int window_file_write(const char *path, const struct window_file *file, struct err *err);
/* Hands it over and tells what came of it (driftd.window-open/1). */
int window_file_apply(struct cli *cli, const struct window_file *file, struct err *err);

/* Whether PATH holds one, with its bytes. */
bool window_file_is_one(const char *path, struct buf *ret_text);
