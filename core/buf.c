/* SPDX-License-Identifier: MIT */
/*
 * Growing bytes. Owns the memory that `data` points to. Capacity doubles; the NUL after the last byte
 * is part of every operation, so that no caller has to remember it.
 */
#include "core/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"

void
fd_close(int fd)
{
        if (fd < 0)
                return;
        int saved = errno;
        close(fd);
        errno = saved;
}

int
buf_reserve(struct buf *buf, size_t more)
{
        if (buf->data && buf->capacity - buf->size >= more)
                return 0;
        if (more > BUF_SIZE_MAX - buf->size)
                return -E2BIG;
        size_t capacity = buf->capacity ? buf->capacity : 64;
        while (capacity - buf->size < more)
                capacity *= 2;
        char *data = realloc(buf->data, capacity + 1);
        if (!data)
                return -ENOMEM;
        data[buf->size] = '\0';
        buf->data = data;
        buf->capacity = capacity;
        return 0;
}

int
buf_append(struct buf *buf, const void *data, size_t size)
{
        int r = buf_reserve(buf, size);
        if (r < 0)
                return r;
        if (size)
                memcpy(buf->data + buf->size, data, size);
        buf->size += size;
        buf->data[buf->size] = '\0';
        return 0;
}

int
buf_text(struct buf *buf, const char *text)
{
        return buf_append(buf, text, strlen(text));
}

int
buf_printf(struct buf *buf, const char *format, ...)
{
        va_list args, again;
        va_start(args, format);
        va_copy(again, args);
        /* What fits is mostly all of it; else it is written again, with room. */
        size_t room = buf->data ? buf->capacity - buf->size : 0;
        int wanted =
                vsnprintf(buf->data ? buf->data + buf->size : NULL, buf->data ? room + 1 : 0, format, args);
        va_end(args);
        int r = wanted < 0 ? -EINVAL : buf_reserve(buf, (size_t)wanted);
        if (r == 0 && (size_t)wanted > room)
                vsnprintf(buf->data + buf->size, (size_t)wanted + 1, format, again);
        va_end(again);
        if (r == 0)
                buf->size += (size_t)wanted;
        if (buf->data)
                buf->data[buf->size] = '\0'; /* where it failed, it is as it was */
        return r;
}

int
buf_decimal(struct buf *buf, uint64_t number)
{
        char digits[20]; /* of UINT64_MAX */
        size_t first = sizeof digits;
        do
                digits[--first] = (char)('0' + number % 10);
        while (number /= 10);
        return buf_append(buf, digits + first, sizeof digits - first);
}

int
buf_escape(struct buf *buf, const void *data, size_t size)
{
        int r = buf_reserve(buf, escape_size(data, size));
        if (r < 0)
                return r;
        buf->size += escape(data, size, buf->data + buf->size);
        buf->data[buf->size] = '\0';
        return 0;
}

char *
buf_steal(struct buf *buf)
{
        if (!buf->data && buf_reserve(buf, 0) < 0)
                return NULL;
        char *data = steal_pointer(&buf->data);
        *buf = (struct buf){0};
        return data;
}

void
buf_clear(struct buf *buf)
{
        buf->size = 0;
        if (buf->data)
                buf->data[0] = '\0';
}

void
buf_done(struct buf *buf)
{
        free(buf->data);
        *buf = (struct buf){0};
}
