/* SPDX-License-Identifier: MIT */
/*
 * Whatever opens as a baseline is canonical: written again from what it says it holds it gives the same
 * bytes, every entry is found where it is, and the run below a folder holds what is below it. Whatever does
 * not open is refused in printable words.
 */
#include "core/baseline.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
        if (!holds)
                abort();
}

static void
check_words(const struct err *err)
{
        require(err->text[0]);
        for (const char *p = err->text; *p; p++)
                require(*p >= 0x20 && *p < 0x7f);
}

static void
check_entry(const struct baseline *baseline, size_t index, struct buf *again)
{
        _cleanup_attributes_ struct attributes attributes = {0};
        size_t size, found, first, end;
        const char *path = baseline_file_path(baseline, index, &size);
        _cleanup_free_ char *copy = strndup(path, size);
        require(copy && baseline_file_attributes(baseline, index, &attributes) == 0);
        require(baseline_file_append(copy, ATTRIBUTES_ALL, &attributes, again) == 0);
        require(baseline_file_find(baseline, path, size, &found) && found == index);
        baseline_files_below(baseline, copy, &first, &end);
        require(first <= end && end <= baseline_files(baseline) && (first > index || end <= index));
        size_t n_scopes;
        const struct scope *scopes = baseline_scopes(baseline, &n_scopes);
        require(scope_for_path(scopes, n_scopes, copy) != NULL);
}

static void
check_open(const struct baseline *baseline, const uint8_t *data, size_t size)
{
        _cleanup_buf_ struct buf again = {0};
        struct digest digest;
        size_t n_scopes, n_settings, n_waivers, n_pieces;
        const struct scope *scopes = baseline_scopes(baseline, &n_scopes);
        const struct setting *settings = baseline_settings(baseline, &n_settings);
        const struct waiver *waivers = baseline_waivers(baseline, &n_waivers);
        require(baseline_header_append(baseline_header(baseline), &again) == 0);
        for (size_t i = 0; i < n_scopes; i++)
                require(scope_append(&scopes[i], &again) == 0);
        for (size_t i = 0; i < baseline_files(baseline); i++)
                check_entry(baseline, i, &again);
        for (size_t i = 0; i < n_settings; i++)
                require(setting_append(&settings[i], &again) == 0);
        for (size_t i = 0; i < n_waivers; i++)
                require(baseline_waiver_append(&waivers[i], &again) == 0);
        require(again.size == size && memcmp(again.data, data, size) == 0);
        const struct iovec *text = baseline_text(baseline, &n_pieces);
        require(n_pieces == 1 && text->iov_len == size && memcmp(text->iov_base, data, size) == 0);
        digest_bytes(data, size, &digest);
        require(digest_equal(&digest, baseline_id(baseline)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct err err = {0};
        _cleanup_(baseline_freep) struct baseline *baseline = NULL;
        char *copy = malloc(size ? size : 1);
        if (!copy)
                return 0;
        memcpy(copy, data, size);
        int r = baseline_open(copy, size, &baseline, &err);
        if (r == 0)
                check_open(baseline, data, size);
        else
                require(r == BASELINE_MALFORMED);
        if (r)
                check_words(&err);
        return 0;
}
