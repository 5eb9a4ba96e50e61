/* SPDX-License-Identifier: MIT */
/*
 * A baseline said by what it has of its parent: for texts of a million lines of which one is another. Both
 * ends have the parent, so what travels is small. Nothing is believed of it: it names the SHA-256 of the
 * parent and of the result, and what it makes is hashed whole and opened as any baseline is.
 *
 *     driftd-delta 1
 *     from SHA256                  of the parent's text
 *     copy OFFSET SIZE             bytes of the parent's text, each copy behind the one before
 *     insert SIZE                  and after the newline so many bytes
 *     to SHA256                    of the result, or `end`, where that is not said; nothing follows
 *
 * Numbers are decimal without leading zeros, a size is never 0, two inserts never stand together, nor two
 * copies that are one.
 */
#pragma once

#include "core/baseline.h"

enum delta_result {
        DELTA_MALFORMED = BASELINE_MALFORMED, /* itself, or the text that it makes: the words tell */
        DELTA_FROM_ANOTHER,                   /* it is not from this parent */
};

/* ---- writing ---- */

/* What is written, in its order. The parent and the buffer are borrowed until the end. It ends with `end`: to
 * hash the result is for who has a use for that. */
struct delta_writer;
int delta_writer_new(const struct baseline *parent, struct buf *to, struct delta_writer **ret); /* -ENOMEM */
struct delta_writer *delta_writer_free(struct delta_writer *writer);
CLEANUP_DEFINE(struct delta_writer *, delta_writer_free)

/* Each returns 0, -ENOMEM or -E2BIG. File lines of the parent, from first up to end (not with it); other
 * bytes; the end. */
int delta_lines(struct delta_writer *writer, size_t first, size_t end);
int delta_bytes(struct delta_writer *writer, const void *data, size_t size);
int delta_end(struct delta_writer *writer);

/* Where a baseline that is being written goes: whole into a text, or as a delta from its parent. Each as
 * above. */
struct delta_output {
        struct buf *text;
        struct delta_writer *delta; /* NULL: the text */
};
int delta_output_bytes(const struct delta_output *output, const void *data, size_t size);
/* File lines of the parent, which is the delta's where there is one. */
int delta_output_lines(
        const struct delta_output *output, const struct baseline *parent, size_t first, size_t end);

/* From two baselines that are both there, with the child's id. 0, -ENOMEM or -E2BIG. */
int delta_between(const struct baseline *parent, const struct baseline *child, struct buf *ret);
/* From the baseline that one shares its text with (baseline_shared, not NULL), without having that. */
int delta_from_shared(const struct baseline *child, struct buf *ret);

/* ---- reading ---- */

/* The parent that it names. 0 or DELTA_MALFORMED. */
int delta_from(const char *delta, size_t size, struct digest *ret, struct err *err);
/* What it makes, opened; hashed and compared if it says to what. 0, a delta_result, -ENOMEM. */
int delta_open(const struct baseline *parent, const char *delta, size_t size, struct baseline **ret,
        struct err *err);
/* Calls visit for each run of what it makes of a text, which is not compared with what it says that it is
 * from. 0, what visit returned, or -EBADMSG with words: it is malformed, and visit was not called. */
int delta_each(const char *text, size_t text_size, const struct buf *delta,
        int (*visit)(void *userdata, const void *data, size_t size), void *userdata, struct err *err);
