/* SPDX-License-Identifier: MIT */
/* The cursor of an output: what is taken has one form only, and nothing else is taken. */
#include <stdint.h>
#include <string.h>

#include "core/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct cursor cursor;
        struct err err = {0};
        if (cursor_parse((const char *)data, size, &cursor, &err) < 0 && !err.text[0])
                __builtin_trap();
        return 0;
}
