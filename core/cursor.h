/* SPDX-License-Identifier: MIT */
/*
 * How far an output has come in the history: a small file of its own, one byte sequence for one meaning.
 *
 *     driftd-cursor 1
 *     seq 12
 *     record <SHA-256 of the record with this number, as one line of JSON; 64 zeros for seq 0>
 *
 * The digest tells a history that was replaced from the one that was read: in that the record is another.
 */
#pragma once

#include <stdint.h>

#include "core/digest.h"
#include "core/err.h"

struct cursor {
        uint64_t seq; /* of the last record that needs not be told any more; 0: none */
        struct digest record;
};

#define CURSOR_FILE_MAX 256u /* bytes */

/* -EINVAL with words for anything that cursor_write would not have written. */
int cursor_parse(const char *text, size_t size, struct cursor *ret, struct err *err);

/* -ENOENT: there is none. -EINVAL, -EFBIG: damaged. With words. */
int cursor_read(const char *path, struct cursor *ret, struct err *err);
/* Atomically and durably, 0600. */
int cursor_write(const char *path, const struct cursor *cursor, struct err *err);
