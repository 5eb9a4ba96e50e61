/* SPDX-License-Identifier: MIT */
/*
 * Baselines: text that is signed, and judged by as it was signed. Opening checks every line once
 * (baseline_open.c, baseline_read.c); after that the text is the memory (baseline_text.c), and entries are
 * found in it (baseline_file.c).
 *
 * Owns the life of a baseline, and what is asked of it as a whole. Knows no host, no approver and no store:
 * whether a baseline may be applied is judged elsewhere.
 */
#include "core/baseline_internal.h"

#include <string.h>

#include "core/clock.h"

struct baseline *
baseline_keep(const struct baseline *baseline)
{
        struct baseline *b = (struct baseline *)(uintptr_t)baseline;
        atomic_fetch_add(&b->references, 1);
        return b;
}

struct baseline *
baseline_free(struct baseline *b)
{
        if (!b || atomic_fetch_sub(&b->references, 1) > 1)
                return NULL;
        for (size_t i = 0; i < b->n_scopes; i++)
                scope_done(&b->scopes[i]);
        free(b->scopes);
        free(b->settings);
        free(b->waivers);
        free(b->words);
        free(b->header.ticket);
        bytes_free(b->own);
        bytes_free(b->shared);
        free(b->pieces);
        free(b->text);
        pthread_mutex_destroy(&b->lock);
        free(b);
        return NULL;
}

const struct baseline_header *
baseline_header(const struct baseline *baseline)
{
        return &baseline->header;
}

const struct digest *
baseline_id(const struct baseline *baseline)
{
        struct baseline *b = (struct baseline *)(uintptr_t)baseline;
        if (atomic_load(&b->hashed))
                return &b->id;
        pthread_mutex_lock(&b->lock);
        if (!atomic_load(&b->hashed))
                digest_pieces(b->text, b->n_pieces, &b->id);
        atomic_store(&b->hashed, true);
        pthread_mutex_unlock(&b->lock);
        return &b->id;
}

const struct scope *
baseline_scopes(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_scopes;
        return baseline->scopes;
}

bool
baseline_scopes_same(const struct baseline *a, const struct baseline *b)
{
        size_t size = a->files_at - a->entries_at;
        return a->files_at && b->files_at && size == b->files_at - b->entries_at &&
               memcmp(a->own->data + a->entries_at, b->own->data + b->entries_at, size) == 0;
}

size_t
baseline_files(const struct baseline *baseline)
{
        return baseline->n_files;
}

const struct setting *
baseline_settings(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_settings;
        return baseline->settings;
}

const struct waiver *
baseline_waivers(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_waivers;
        return baseline->waivers;
}

int
baseline_waiver_append(const struct waiver *waiver, struct buf *buf)
{
        char until[CLOCK_TEXT_MAX];
        clock_format_seconds(waiver->until_ms, until);
        return buf_printf(buf, "waive %s %s until=%s by=%s reason=%s\n", waiver->baseline, waiver->item,
                until, waiver->by, waiver->reason);
}
