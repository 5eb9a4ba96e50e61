/* SPDX-License-Identifier: MIT */
/*
 * The one reversible escape, used at every sink (baseline, terminal, log, JSON, journal): bytes 0x21 to
 * 0x7E but the backslash stand as they are; every other byte is \xhh in lower case. Two different
 * inputs never give the same output, and no output holds a blank, a control byte or a byte over 0x7E.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes that escape() will write for this input. */
size_t escape_size(const void *data, size_t size);

/* Writes escape_size() bytes to out, no NUL; returns how many. */
size_t escape(const void *data, size_t size, char *out);

/* The same into new NUL-terminated memory; NULL when out of memory. */
char *escape_new(const void *data, size_t size);

/*
 * Undoes it. Writes at most `size` bytes to out (which may be `text` itself), sets *ret_size, and
 * returns 0; -EINVAL for anything that escape() would not have written.
 */
int unescape(const char *text, size_t size, char *out, size_t *ret_size);

/* Unescapes a NUL-terminated text into new NUL-terminated memory. A NUL byte inside is -EINVAL. */
int unescape_new(const char *text, char **ret);

/* Whether these bytes are something that escape() would have written. */
bool escape_is_canonical(const char *text, size_t size);

/* Bytes of the UTF-8 sequence at data (RFC 3629: shortest form, no surrogates, up to U+10FFFF); 0: none. */
size_t utf8_sequence(const void *data, size_t size);
