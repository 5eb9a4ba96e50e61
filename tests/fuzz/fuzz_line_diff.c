/* SPDX-License-Identifier: MIT */
/*
 * Two texts, parted by the first 0xff byte: there is a diff exactly where they differ, in either direction,
 * and it ends with a newline. That a diff leads from one text to the other is checked by
 * tests/unit/test_line_diff.c.
 */
#include "core/line_diff.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int holds)
{
        if (!holds)
                abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_buf_ struct buf diff = {0}, again = {0};
        const uint8_t *cut = size ? memchr(data, 0xff, size) : NULL;
        size_t old_size = cut ? (size_t)(cut - data) : size, new_size = cut ? size - old_size - 1 : 0;
        const char *old_text = (const char *)data, *new_text = cut ? (const char *)cut + 1 : "";
        require(line_diff("a", old_text, old_size, "b", new_text, new_size, &diff) == 0);
        bool equal = old_size == new_size && (!old_size || memcmp(old_text, new_text, old_size) == 0);
        require(equal == (diff.size == 0));

        require(line_diff("b", new_text, new_size, "a", old_text, old_size, &again) == 0);
        require(!again.size == !diff.size);
        require(!diff.size || diff.data[diff.size - 1] == '\n');
        return 0;
}
