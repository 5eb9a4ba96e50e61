/* SPDX-License-Identifier: MIT */
/* Items and globs. The input is a pattern and, after its first NUL or newline, a text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/item.h"

#define INPUT_MAX 1024u /* bytes: so that a run is about behaviour and not about length */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
        if (!condition)
                abort();
}

static void
check_item(const char *argument)
{
        char *item = NULL, *again = NULL;
        struct err err;
        if (item_parse(argument, &item, &err) < 0) {
                for (const char *p = err.text; *p; p++)
                        must(*p >= 0x20 && *p <= 0x7e);
                return;
        }
        must(escape_is_canonical(item, strlen(item)));
        must(item_parse(item, &again, NULL) == 0); /* an item is its own name */
        must(strcmp(item, again) == 0);
        must(item_selected(item, NULL, 0));
        free(again);
        free(item);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size > INPUT_MAX)
                return 0;
        char *pattern = malloc(size + 1);
        must(pattern != NULL);
        if (size)
                memcpy(pattern, data, size);
        pattern[size] = '\0';
        size_t cut = strcspn(pattern, "\n");
        const char *text = cut < size ? pattern + cut + 1 : "";
        pattern[cut] = '\0';

        bool matches = glob_match(pattern, text);
        must(!matches || glob_covers(pattern, text));
        if (!strpbrk(pattern, "*?")) {
                must(matches == (strcmp(pattern, text) == 0));
                must(glob_match(pattern, pattern));
        }
        check_item(pattern);
        check_item(text);
        free(pattern);
        return 0;
}
