/* SPDX-License-Identifier: MIT */
/* The escape comes back to the byte, writes only what it would take again, and takes only what it would
 * write. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
        if (!condition)
                abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct quote q;
        size_t escaped = escape_size(data, size), back_size;
        char *text = malloc(escaped + 1), *back = malloc(escaped + 1);
        must(text != NULL && back != NULL);
        must(escape(data, size, text) == escaped);
        must(escape_is_canonical(text, escaped));
        must(unescape(text, escaped, back, &back_size) == 0);
        must(back_size == size && (!size || memcmp(back, data, size) == 0));
        must(strlen(quote_bytes(&q, data, size)) < QUOTE_MAX);

        /* The input as an escape: canonical, or refused by both. */
        char *raw = malloc(size + 1);
        must(raw != NULL);
        int r = unescape((const char *)data, size, raw, &back_size);
        must((r == 0) == escape_is_canonical((const char *)data, size));
        if (r == 0) {
                must(escape_size(raw, back_size) == size);
                escape(raw, back_size, back);
                must(!size || memcmp(back, data, size) == 0);
        }
        free(raw);
        free(back);
        free(text);
        return 0;
}
