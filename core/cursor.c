/* SPDX-License-Identifier: MIT */
/*
 * The cursor's file. What is read is written again and compared, so that there is no second form of anything.
 * It is written whole into a new file that takes the place of the old one: after a crash it is one of the
 * two.
 */
#include "core/cursor.h"

#include <inttypes.h>
#include <string.h>

#include "core/buf.h"
#include "core/file.h"

#define HEAD "driftd-cursor 1\nseq "
#define MIDDLE "\nrecord "

static int
cursor_append(const struct cursor *cursor, struct buf *ret)
{
        char hex[DIGEST_HEX_SIZE];
        digest_hex(&cursor->record, hex);
        return buf_printf(ret, HEAD "%" PRIu64 MIDDLE "%s\n", cursor->seq, hex);
}

static int
damaged(struct err *err)
{
        return err_set(err, -EINVAL, "it is no cursor, or damaged");
}

int
cursor_parse(const char *text, size_t size, struct cursor *ret, struct err *err)
{
        _cleanup_buf_ struct buf again = {0};
        struct cursor cursor = {0};
        const size_t head = strlen(HEAD), middle = strlen(MIDDLE);
        if (size < head || memcmp(text, HEAD, head) != 0)
                return damaged(err);
        size_t at = head;
        for (; at < size && text[at] >= '0' && text[at] <= '9'; at++)
                if (__builtin_mul_overflow(cursor.seq, 10, &cursor.seq) ||
                        __builtin_add_overflow(cursor.seq, (uint64_t)(text[at] - '0'), &cursor.seq))
                        return damaged(err);
        const size_t hex = DIGEST_HEX_SIZE - 1;
        if (size != at + middle + hex + 1 || memcmp(text + at, MIDDLE, middle) != 0 ||
                digest_parse(text + at + middle, hex, &cursor.record) < 0)
                return damaged(err);
        if (cursor_append(&cursor, &again) < 0)
                return err_oom(err);
        if (again.size != size || memcmp(again.data, text, size) != 0)
                return damaged(err);
        *ret = cursor;
        return 0;
}

int
cursor_read(const char *path, struct cursor *ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        int r = file_read(path, 0, CURSOR_FILE_MAX, &text, err);
        return r < 0 ? r : cursor_parse(text.data ? text.data : "", text.size, ret, err);
}

int
cursor_write(const char *path, const struct cursor *cursor, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        if (cursor_append(cursor, &text) < 0)
                return err_oom(err);
        return file_write(path, 0600, text.data, text.size, err);
}
