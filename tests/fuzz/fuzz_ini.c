/* SPDX-License-Identifier: MIT */
/* The INI reader: whatever it hands over is within its bounds, trimmed, and plain UTF-8 without control
 * bytes. */
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ini_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
        if (!condition)
                abort();
}

static void
check_text(const char *text, size_t max)
{
        size_t size = strlen(text);
        must(size <= max);
        must(!size || (!strchr(" \t", text[0]) && !strchr(" \t", text[size - 1])));
        for (size_t i = 0; i < size; i++)
                must((unsigned char)text[i] >= 0x20 || text[i] == '\t');
}

static int
visit(void *userdata, unsigned line, const char *section, const char *key, const char *value, struct err *err)
{
        (void)err;
        unsigned *last = userdata;
        must(line > *last);
        *last = line;
        must(*section);
        check_text(section, INI_SECTION_MAX);
        must(!key == !value);
        if (key) {
                must(*key);
                check_text(key, INI_LINE_MAX);
                check_text(value, INI_LINE_MAX);
                nearest_word(key, (const char *const[]){section, value}, 2);
        }
        return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct err err = {0};
        unsigned last = 0;
        if (ini_read("fuzz", (const char *)data, size, visit, &last, &err) < 0)
                must(*err.text && last == 0);
        return 0;
}
