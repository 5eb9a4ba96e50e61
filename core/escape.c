/* SPDX-License-Identifier: MIT */
/*
 * The escape. One table-free rule in one place: whatever prints, stores or signs a name from outside
 * goes through here, so that no file name can forge a line, move a cursor or collide with another.
 */
#include "core/escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"

static bool
byte_is_plain(unsigned char byte)
{
        return byte >= 0x21 && byte <= 0x7e && byte != '\\';
}

static int
hex_digit_value(char digit)
{
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        if (digit >= 'a' && digit <= 'f')
                return digit - 'a' + 10;
        return -1;
}

size_t
escape_size(const void *data, size_t size)
{
        const unsigned char *bytes = data;
        size_t total = 0;
        for (size_t i = 0; i < size; i++)
                total += byte_is_plain(bytes[i]) ? 1 : 4;
        return total;
}

size_t
escape(const void *data, size_t size, char *out)
{
        static const char digits[] = "0123456789abcdef";
        const unsigned char *bytes = data;
        char *p = out;
        for (size_t i = 0; i < size; i++) {
                if (byte_is_plain(bytes[i])) {
                        *p++ = (char)bytes[i];
                        continue;
                }
                *p++ = '\\';
                *p++ = 'x';
                *p++ = digits[bytes[i] >> 4];
                *p++ = digits[bytes[i] & 15];
        }
        return (size_t)(p - out);
}

char *
escape_new(const void *data, size_t size)
{
        char *out = malloc(escape_size(data, size) + 1);
        if (out)
                out[escape(data, size, out)] = '\0';
        return out;
}

/* Decodes one byte at text; returns how many characters it took, 0 if it is not canonical. */
static size_t
unescape_byte(const char *text, size_t size, unsigned char *ret)
{
        if (byte_is_plain((unsigned char)text[0])) {
                *ret = (unsigned char)text[0];
                return 1;
        }
        if (size < 4 || text[0] != '\\' || text[1] != 'x')
                return 0;
        int high = hex_digit_value(text[2]), low = hex_digit_value(text[3]);
        if (high < 0 || low < 0)
                return 0;
        unsigned char byte = (unsigned char)(high << 4 | low);
        if (byte_is_plain(byte))
                return 0;
        *ret = byte;
        return 4;
}

int
unescape(const char *text, size_t size, char *out, size_t *ret_size)
{
        size_t written = 0;
        for (size_t i = 0; i < size;) {
                unsigned char byte;
                size_t took = unescape_byte(text + i, size - i, &byte);
                if (!took)
                        return -EINVAL;
                out[written++] = (char)byte;
                i += took;
        }
        *ret_size = written;
        return 0;
}

int
unescape_new(const char *text, char **ret)
{
        size_t size = strlen(text);
        char *out = malloc(size + 1);
        if (!out)
                return -ENOMEM;
        int r = unescape(text, size, out, &size);
        if (r == 0 && memchr(out, '\0', size))
                r = -EINVAL;
        if (r < 0) {
                free(out);
                return r;
        }
        out[size] = '\0';
        *ret = out;
        return 0;
}

bool
escape_is_canonical(const char *text, size_t size)
{
        unsigned char byte;
        for (size_t i = 0; i < size;) {
                size_t took = unescape_byte(text + i, size - i, &byte);
                if (!took)
                        return false;
                i += took;
        }
        return true;
}

size_t
utf8_sequence(const void *data, size_t size)
{
        const unsigned char *text = data;
        static const struct {
                unsigned char first, last, low, high; /* of the first byte; of the second */
                size_t size;
        } forms[] = {
                {0x00, 0x7f, 0, 0, 1},
                {0xc2, 0xdf, 0x80, 0xbf, 2},
                {0xe0, 0xe0, 0xa0, 0xbf, 3},
                {0xe1, 0xec, 0x80, 0xbf, 3},
                {0xed, 0xed, 0x80, 0x9f, 3},
                {0xee, 0xef, 0x80, 0xbf, 3},
                {0xf0, 0xf0, 0x90, 0xbf, 4},
                {0xf1, 0xf3, 0x80, 0xbf, 4},
                {0xf4, 0xf4, 0x80, 0x8f, 4},
        };
        for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
                if (text[0] < forms[i].first || text[0] > forms[i].last)
                        continue;
                if (size < forms[i].size)
                        return 0;
                if (forms[i].size > 1 && (text[1] < forms[i].low || text[1] > forms[i].high))
                        return 0;
                for (size_t k = 2; k < forms[i].size; k++)
                        if ((text[k] & 0xc0) != 0x80)
                                return 0;
                return forms[i].size;
        }
        return 0;
}
