/* SPDX-License-Identifier: MIT */
/*
 * Whatever opens as a window is canonical: written again from what it says it gives the same bytes, and
 * within its bounds. Whatever does not is refused in printable words.
 */
#include "core/window.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(window_freep) struct window *window = NULL;
        _cleanup_buf_ struct buf again = {0};
        struct err err = {0};
        char *copy = malloc(size ? size : 1);
        if (!copy)
                return 0;
        memcpy(copy, data, size);
        if (window_open(copy, size, &window, &err) != 0) {
                assert(err.code == WINDOW_MALFORMED && err.text[0]);
                for (const char *p = err.text; *p; p++)
                        assert(*p >= 0x20 && *p < 0x7f);
                return 0;
        }
        assert(window_is_one((const char *)data, size));
        assert(window->until_ms > window->from_ms &&
                window->until_ms - window->from_ms <= WINDOW_LENGTH_MAX_MS);
        assert(window->items.count <= WINDOW_ITEMS_MAX);
        assert(!window_holds(window, "file:/", window->until_ms));
        assert(window_write(window, &again, NULL) == 0);
        assert(again.size == size && memcmp(again.data, data, size) == 0);
        return 0;
}
