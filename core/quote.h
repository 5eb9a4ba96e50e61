/* SPDX-License-Identifier: MIT */
/*
 * Text from outside, made fit to stand in the words of an error: through the escape, and cut with "..."
 * where it is long. Fixed memory, so that it works when there is none left.
 */
#pragma once

#include <stddef.h>
#include <string.h>

#define QUOTE_MAX 256 /* characters, with the NUL */

struct quote {
        char text[QUOTE_MAX];
};

/* Returns quote->text. */
const char *quote_bytes(struct quote *quote, const void *data, size_t size);

/* For use inside a call: lives as long as the enclosing block. */
#define quote(string) quote_bytes(&(struct quote){{0}}, (string), strlen(string))
