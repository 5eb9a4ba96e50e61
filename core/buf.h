/* SPDX-License-Identifier: MIT */
/*
 * A growing run of bytes. Zero-initialise it (`struct buf b = {0}`); buf_done frees what it holds.
 * What it holds is always followed by a NUL that is not counted, so data is usable as a string
 * (data is NULL while nothing was ever appended).
 */
#pragma once

#include <stdint.h>

#include "core/util.h"

#define BUF_SIZE_MAX ((size_t)1 << 30) /* bytes; past it, -E2BIG */

struct buf {
        char *data;
        size_t size;     /* bytes held */
        size_t capacity; /* bytes there is room for, the NUL not counted */
};

/* Each returns 0, -ENOMEM or -E2BIG; a failed call leaves the contents as they were. */
int buf_reserve(struct buf *buf, size_t more);
int buf_append(struct buf *buf, const void *data, size_t size);
int buf_text(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) _printf_(2, 3);
int buf_decimal(struct buf *buf, uint64_t number);              /* what "%" PRIu64 prints, only sooner */
int buf_escape(struct buf *buf, const void *data, size_t size); /* appended through escape.h */

/* Hands the bytes over (NUL-terminated, to be freed by the caller; never NULL unless out of memory). */
char *buf_steal(struct buf *buf);
void buf_clear(struct buf *buf); /* size 0, memory kept */
void buf_done(struct buf *buf);  /* frees; the buffer may be used again */

#define _cleanup_buf_ _cleanup_(buf_done)
