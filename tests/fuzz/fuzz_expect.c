/* SPDX-License-Identifier: MIT */
/*
 * Whatever opens as an expected change set is sorted and in one form: each entry is found by its item, holds
 * one of its three meanings, and its lines are the bytes. Whatever does not is refused in printable words.
 */
#include "core/expect.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
line_size(const struct expected *e)
{
        _cleanup_buf_ struct buf line = {0};
        const struct setting setting = {.item = e->item, .op = SETTING_EQ, .value = e->value};
        if (e->absent)
                return strlen("absent ") + strlen(e->item) + 1;
        if (e->fields)
                return strlen(e->item) + e->fields_size + 1; /* `file:` is as long as `file ` */
        assert(setting_append(&setting, &line) == 0);
        return line.size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(expect_freep) struct expect *expect = NULL;
        struct err err = {0};
        size_t bytes = strlen(EXPECT_MAGIC), text_size;
        if (expect_open((const char *)data, size, &expect, &err) != 0) {
                assert(err.code == EXPECT_MALFORMED && err.text[0]);
                for (const char *p = err.text; *p; p++)
                        assert(*p >= 0x20 && *p < 0x7f);
                return 0;
        }
        for (size_t i = 0; i < expect_count(expect); i++) {
                const struct expected *e = expect_at(expect, i);
                assert(e->absent + (e->fields != NULL) + (e->value != NULL) == 1);
                assert(expect_find(expect, e->item) == e);
                bytes += line_size(e);
        }
        assert(bytes == size);
        assert(expect_text(expect, &text_size) == (const char *)data && text_size == size);
        return 0;
}
