/* SPDX-License-Identifier: MIT */
/*
 * Folding. The first of several identical records is told at once; those that follow within the window are
 * counted, and told as one when it is over. What is identical: kind, item, baseline, severity, what changed
 * and how, and who did it (by program and user, not by process); of a record that is no drift, all of its
 * detail.
 *
 * What always holds:
 *   1. Told events are in the order of their (last) numbers: before anything new is told, all that is held
 * back is. So a receiver never sees an older state of an item after a newer one.
 *   2. folding_first is the lowest number that was not told: the cursor stays below it.
 *   3. At most FOLD_KEYS_MAX keys and FOLD_BYTES_MAX bytes are kept. A full table tells all and begins anew.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/output.h"
#include "core/clock.h"
#include "core/digest.h"

#define KEYS_BUCKETS 2048u

struct known {
        struct digest key;
        int64_t first_ms;    /* of the record that began the window: by the record's time */
        int64_t deadline_ms; /* when the window is over by our clock, for what no later record ends */
        uint64_t count, first_seq;
        struct json *record; /* the last of those held back; NULL: none is */
        size_t size;         /* bytes of it */
        uint64_t seq;
        struct known *next; /* in its bucket */
};

struct folding {
        int64_t window_ms;
        struct known *buckets[KEYS_BUCKETS];
        size_t count, bytes;
        size_t held; /* entries with a record */
};

struct folding *
folding_new(int64_t window_s)
{
        struct folding *fold = calloc(1, sizeof *fold);
        if (fold)
                fold->window_ms = window_s * 1000;
        return fold;
}

void
folding_clear(struct folding *fold)
{
        for (size_t i = 0; i < KEYS_BUCKETS; i++)
                while (fold->buckets[i]) {
                        struct known *known = fold->buckets[i];
                        fold->buckets[i] = known->next;
                        json_free(known->record);
                        free(known);
                }
        fold->count = fold->bytes = fold->held = 0;
}

struct folding *
folding_free(struct folding *fold)
{
        if (fold)
                folding_clear(fold);
        free(fold);
        return NULL;
}

/* ---- what is identical ---- */

static int
key_member(struct buf *text, const struct json *object, const char *name)
{
        const struct json *value = json_member(object, name);
        int r = buf_printf(text, "%s=", name);
        r = r ? r : value ? json_write(value, text) : 0;
        return r ? r : buf_text(text, "\n");
}

static int
key_of(const struct output_event *event, struct digest *ret)
{
        static const char *const members[] = {
                "baseline", "severity", "change", "as", "attributes", "unobserved", "again", "error"};
        const struct json *who = json_member(event->detail, "who");
        _cleanup_buf_ struct buf text = {0};
        int r = buf_printf(&text, "%s\n%s\n", event->kind, event->item ? event->item : "");
        bool drift = strcmp(event->kind, "drift") == 0 || strcmp(event->kind, "resolved") == 0;
        for (size_t i = 0; drift && i < ARRAY_SIZE(members); i++)
                r = r ? r : key_member(&text, event->detail, members[i]);
        if (drift && r == 0) {
                r = key_member(&text, who, "exe");
                r = r ? r : key_member(&text, who, "uid");
        }
        if (!drift && r == 0 && event->detail)
                r = json_write(event->detail, &text);
        if (r)
                return -ENOMEM;
        digest_bytes(text.data, text.size, ret);
        return 0;
}

static struct known **
slot_of(struct folding *fold, const struct digest *key)
{
        unsigned bucket;
        memcpy(&bucket, key->bytes, sizeof bucket);
        struct known **slot = &fold->buckets[bucket % KEYS_BUCKETS];
        while (*slot && !digest_equal(&(*slot)->key, key))
                slot = &(*slot)->next;
        return slot;
}

/* ---- taking ---- */

static int
hold(struct folding *fold, struct known *known, const struct output_event *event)
{
        _cleanup_buf_ struct buf text = {0};
        if (json_write(event->record, &text) < 0)
                return -ENOMEM;
        fold->bytes += text.size - known->size;
        known->size = text.size;
        if (!known->record) {
                known->first_seq = event->seq;
                known->count = 0;
                fold->held++;
        }
        json_free(known->record);
        known->record = json_keep((struct json *)(uintptr_t)event->record);
        known->seq = event->seq;
        known->count++;
        return FOLD_HELD;
}

static void
begin(struct folding *fold, struct known *known, const struct output_event *event, int64_t now_ms)
{
        known->first_ms = event->time_ms;
        known->deadline_ms = now_ms + fold->window_ms;
}

static int
remember(struct folding *fold, struct known **slot, const struct digest *key,
        const struct output_event *event, int64_t now_ms)
{
        struct known *known = calloc(1, sizeof *known);
        if (!known)
                return -ENOMEM;
        known->key = *key;
        begin(fold, known, event, now_ms);
        *slot = known;
        fold->count++;
        return FOLD_TELL;
}

/* Those that nothing is held back of, and whose time is over. */
static void
forget_old(struct folding *fold, int64_t now_ms)
{
        for (size_t i = 0; i < KEYS_BUCKETS; i++)
                for (struct known **slot = &fold->buckets[i]; *slot;) {
                        struct known *known = *slot;
                        if (known->record || known->deadline_ms > now_ms) {
                                slot = &known->next;
                                continue;
                        }
                        *slot = known->next;
                        free(known);
                        fold->count--;
                }
}

int
folding_take(struct folding *fold, const struct output_event *event, int64_t now_ms)
{
        struct digest key;
        if (!fold->window_ms)
                return FOLD_TELL;
        if (key_of(event, &key) < 0)
                return -ENOMEM;
        struct known **slot = slot_of(fold, &key);
        if (*slot) {
                int64_t age_ms = event->time_ms - (*slot)->first_ms;
                bool within = age_ms >= 0 && age_ms < fold->window_ms;
                if (within && fold->bytes < FOLD_BYTES_MAX)
                        return hold(fold, *slot, event);
                if (!within)
                        begin(fold, *slot, event, now_ms);
                return FOLD_TELL;
        }
        if (fold->count >= FOLD_KEYS_MAX)
                forget_old(fold, now_ms);
        if (fold->count >= FOLD_KEYS_MAX)
                return FOLD_TELL; /* not remembered: what follows it is told as well */
        slot = slot_of(fold, &key);
        return remember(fold, slot, &key, event, now_ms);
}

/* ---- telling ---- */

bool
folding_next(const struct folding *fold, struct output_event *ret)
{
        const struct known *found = NULL;
        for (size_t i = 0; fold->held && i < KEYS_BUCKETS; i++)
                for (const struct known *known = fold->buckets[i]; known; known = known->next)
                        if (known->record && (!found || known->seq < found->seq))
                                found = known;
        if (!found || output_event_of(found->record, ret) < 0)
                return false;
        ret->count = found->count;
        ret->first_seq = found->first_seq;
        return true;
}

void
folding_told(struct folding *fold, const struct output_event *event)
{
        for (size_t i = 0; i < KEYS_BUCKETS; i++)
                for (struct known *known = fold->buckets[i]; known; known = known->next)
                        if (known->record && known->seq == event->seq) {
                                struct json *record = steal_pointer(&known->record);
                                fold->bytes -= known->size;
                                fold->held--;
                                known->size = 0;
                                known->count = 0;
                                json_free(record);
                                return;
                        }
}

bool
folding_holds(const struct folding *fold)
{
        return fold->held > 0;
}

int64_t
folding_deadline_ms(const struct folding *fold)
{
        int64_t deadline_ms = INT64_MAX;
        for (size_t i = 0; fold->held && i < KEYS_BUCKETS; i++)
                for (struct known *known = fold->buckets[i]; known; known = known->next)
                        if (known->record && known->deadline_ms < deadline_ms)
                                deadline_ms = known->deadline_ms;
        return deadline_ms;
}
