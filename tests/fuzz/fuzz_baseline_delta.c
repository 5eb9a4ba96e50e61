/* SPDX-License-Identifier: MIT */
/*
 * As a delta: whatever opens is the very text of the id that it names. As a child's text: it opens after the
 * parent as it does by itself, and the delta between the two makes it again.
 */
#include "core/baseline_delta.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char parent_text[] = "driftd-baseline 1\nname role.web\nhost *\ngeneration 1\nparent none\n"
                                  "created 2026-11-23T18:00:00Z\nexpires never\nauthor bob\nticket none\n"
                                  "class standard\n\n"
                                  "scope files etc path=/etc attributes=type,mode mode=static severity=low "
                                  "mounts=local keep_content=never content_within=3600\n"
                                  "file /etc type=dir mode=0755\n"
                                  "file /etc/a type=file mode=0644\n"
                                  "file /etc/b type=file mode=0644\n"
                                  "file /etc/c type=file mode=0600\n"
                                  "waive host file:/etc/a until=2027-01-01T00:00:00Z by=bob reason=x\n";

static void
require(bool holds)
{
        if (!holds)
                abort();
}

static int
open_copy(
        const struct baseline *parent, const void *data, size_t size, struct baseline **ret, struct err *err)
{
        char *copy = malloc(size ? size : 1);
        require(copy != NULL);
        if (size)
                memcpy(copy, data, size);
        return parent ? baseline_open_after(parent, copy, size, NULL, ret, err)
                      : baseline_open(copy, size, ret, err);
}

static void
check_same(const struct baseline *a, const struct baseline *b)
{
        _cleanup_buf_ struct buf left = {0}, right = {0};
        require(baseline_text_append(a, &left) == 0 && baseline_text_append(b, &right) == 0);
        require(left.size == right.size && memcmp(left.data, right.data, left.size) == 0);
        require(digest_equal(baseline_id(a), baseline_id(b)) && baseline_files(a) == baseline_files(b));
        for (size_t i = 0; i <= baseline_files(a); i++)
                require(baseline_file_offset(a, i) == baseline_file_offset(b, i));
        require(baseline_files_same(a, 0, b, 0) == baseline_files(a));
}

static void
check_text(const struct baseline *parent, const uint8_t *data, size_t size)
{
        _cleanup_(baseline_freep) struct baseline *alone = NULL, *after = NULL, *made = NULL;
        _cleanup_buf_ struct buf delta = {0};
        struct err err = {0}, err_after = {0};
        int r = open_copy(NULL, data, size, &alone, &err);
        require(open_copy(parent, data, size, &after, &err_after) == r);
        require(strcmp(err.text, err_after.text) == 0);
        if (r)
                return;
        check_same(alone, after);
        require(delta_between(parent, after, &delta) == 0);
        require(delta_open(parent, delta.data, delta.size, &made, NULL) == 0);
        check_same(alone, made);
        if (!baseline_shared(made))
                return;
        /* The same from the text that it shares, and the next one after it. */
        _cleanup_(baseline_freep) struct baseline *again = NULL, *next = NULL;
        buf_clear(&delta);
        require(delta_from_shared(made, &delta) == 0);
        require(delta_open(parent, delta.data, delta.size, &again, NULL) == 0);
        check_same(alone, again);
        require(open_copy(made, data, size, &next, NULL) == 0);
        check_same(alone, next);
}

static void
check_delta(const struct baseline *parent, const uint8_t *data, size_t size)
{
        _cleanup_(baseline_freep) struct baseline *made = NULL, *alone = NULL;
        struct err err = {0};
        int r = delta_open(parent, (const char *)data, size, &made, &err);
        if (r) {
                require(err.text[0]);
                return;
        }
        _cleanup_buf_ struct buf text = {0};
        require(baseline_text_append(made, &text) == 0);
        require(open_copy(NULL, text.data, text.size, &alone, NULL) == 0);
        check_same(made, alone);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(baseline_freep) struct baseline *parent = NULL;
        require(open_copy(NULL, parent_text, sizeof parent_text - 1, &parent, NULL) == 0);
        check_text(parent, data, size);
        check_delta(parent, data, size);
        return 0;
}
