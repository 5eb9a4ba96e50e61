/* SPDX-License-Identifier: MIT */
/*
 * A unified line diff of two small texts (at most SNAPSHOT_BODY_MAX bytes each), for `driftctl show`.
 * Shortest edit script by Myers' O(ND) algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986),
 * with bounded work: where two texts differ in more than LINE_DIFF_EDITS_MAX lines, all between their common
 * head and tail is shown as removed and added.
 */
#pragma once

#include "core/buf.h"

#define LINE_DIFF_CONTEXT 3u
#define LINE_DIFF_EDITS_MAX 2000u

/*
 * Appends "--- old\n+++ new\n@@ -1,3 +1,4 @@\n…" with LF lines; nothing if they are equal. "\ No newline at
 * end of file" as diff(1) has it. Bytes stand as they are: the printer escapes control bytes. Names are
 * printed as given. 0 or -ENOMEM.
 */
int line_diff(const char *old_name, const char *old_text, size_t old_size, const char *new_name,
        const char *new_text, size_t new_size, struct buf *ret);
