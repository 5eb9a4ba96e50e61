/* SPDX-License-Identifier: MIT */
/*
 * The wire of RFC 4251 section 5: bytes, big-endian numbers, strings with their length in front.
 * Everything that SSH wraps (keys, signatures, key files, the agent) is read through this one cursor,
 * which never moves past its end and does not move at all when a read fails.
 */
#include "core/sshsig.h"

#include <errno.h>

int
ssh_append_u32(struct buf *buf, uint32_t value)
{
        const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                (unsigned char)(value >> 8), (unsigned char)value};
        return buf_append(buf, bytes, sizeof bytes);
}

int
ssh_append_string(struct buf *buf, const void *data, size_t size)
{
        if (size > BUF_SIZE_MAX)
                return -E2BIG;
        int r = buf_reserve(buf, size + 4);
        if (r < 0)
                return r;
        r = ssh_append_u32(buf, (uint32_t)size);
        return r < 0 ? r : buf_append(buf, data, size);
}

static const unsigned char *
cursor_take(struct ssh_cursor *cursor, size_t size)
{
        if (cursor->size < size)
                return NULL;
        const unsigned char *taken = cursor->data;
        cursor->data += size;
        cursor->size -= size;
        return taken;
}

int
ssh_read_u32(struct ssh_cursor *cursor, uint32_t *ret)
{
        const unsigned char *b = cursor_take(cursor, 4);
        if (!b)
                return -EBADMSG;
        *ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        return 0;
}

int
ssh_read_byte(struct ssh_cursor *cursor, unsigned char *ret)
{
        const unsigned char *b = cursor_take(cursor, 1);
        if (!b)
                return -EBADMSG;
        *ret = *b;
        return 0;
}

int
ssh_read_string(struct ssh_cursor *cursor, const unsigned char **ret, size_t *ret_size)
{
        struct ssh_cursor ahead = *cursor;
        uint32_t size;
        if (ssh_read_u32(&ahead, &size) < 0)
                return -EBADMSG;
        const unsigned char *data = cursor_take(&ahead, size);
        if (!data)
                return -EBADMSG;
        *ret = data;
        *ret_size = size;
        *cursor = ahead;
        return 0;
}
