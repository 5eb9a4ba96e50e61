/* SPDX-License-Identifier: MIT */
/*
 * Quoting for error words. Whole escapes only: a cut never leaves half of one, so that what is shown of
 * a name can be searched for as it stands.
 */
#include "core/quote.h"

#include "core/escape.h"

const char *
quote_bytes(struct quote *quote, const void *data, size_t size)
{
        static const char more[] = "...";
        const char *bytes = data;
        size_t written = 0, room = QUOTE_MAX - sizeof more;
        for (size_t i = 0; i < size; i++) {
                if (escape_size(bytes + i, 1) > room - written) {
                        memcpy(quote->text + written, more, sizeof more);
                        return quote->text;
                }
                written += escape(bytes + i, 1, quote->text + written);
        }
        quote->text[written] = '\0';
        return quote->text;
}
