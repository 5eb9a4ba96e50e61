/* SPDX-License-Identifier: MIT */
/* JSON that is taken is written, and what is written is taken again and written the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

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
        _cleanup_json_ struct json *value = NULL, *again = NULL;
        _cleanup_buf_ struct buf text = {0}, same = {0};
        struct err err = {0};
        if (json_parse((const char *)data, size, &value, &err) < 0) {
                for (const char *p = err.text; *p; p++)
                        must(*p >= 0x20 && *p <= 0x7e);
                return 0;
        }
        must(json_write(value, &text) == 0);
        must(json_parse(text.data, text.size, &again, &err) == 0);
        must(json_write(again, &same) == 0);
        must(text.size == same.size && memcmp(text.data, same.data, text.size) == 0);
        json_text(value, "parameters");
        json_length(value);
        json_at(value, 0);
        return 0;
}
