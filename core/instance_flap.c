/* SPDX-License-Identifier: MIT */
/*
 * Flapping: an item whose answer changes to and fro all the time would fill the history with the same few
 * records, and bury the others. Once it has changed FLAP_CHANGES times within FLAP_WINDOW_MS, one record says
 * so. From then on a form that the history has seen since (this drift, that drift, as expected) has no record
 * of its own but is counted; one that it has not seen is recorded as ever, for to flap must hide nothing.
 * Past FLAP_FORMS_MAX of them one is recorded each FLAP_FORM_MS, and takes the oldest one's place. What a
 * drift counts as is a part of its form: in a window or waived it is another than outside.
 *
 * After FLAP_QUIET_MS without a change a last record tells how many there were, and what the item is now; if
 * that is drift, it is recorded once more, so that the last word of the history is what the host is.
 *
 * The state is judged, and the ledger kept, as ever: only records are folded. The count is a named value,
 * "flap:BASELINE ITEM", written in the transaction that would have held the record: a crash loses none of it,
 * and the next start tells it.
 *
 * Memory is bounded: what is not in the table is recorded. An item is known by the SHA-256 of its name, so
 * that nobody makes two that are taken for one.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define FLAP_PREFIX "flap:"
#define FLAP_WAYS 4u
#define FLAP_SETS 512u
#define FLAP_FORMS_MAX 16u
#define FLAP_FORM_MS ((int64_t)10000) /* one more than those in this time */
#define WHY_APPROVED "approved"

struct flap {
        char *baseline, *item;
        uint64_t changes, folded;
        int64_t from_ms, to_ms; /* by the wall clock, for telling */
        size_t n_forms;         /* that were ever told */
        int64_t form_ms;        /* CLOCK_BOOTTIME: when the newest of them was */
        struct digest forms[FLAP_FORMS_MAX];
};

struct flap_slot {
        struct digest key;
        int64_t first_ms, last_ms; /* CLOCK_BOOTTIME: of the window, and of the newest change */
        int64_t from_ms;
        unsigned changes;  /* in the window; 0: the slot is free */
        struct flap *flap; /* NULL: it does not flap */
};

struct flaps {
        struct flap_slot slots[FLAP_SETS * FLAP_WAYS];
        struct flap_slot *counted; /* where flap_folds counted a change last; NULL: nowhere */
};

static struct flap *
flap_free(struct flap *flap)
{
        if (flap) {
                free(flap->baseline);
                free(flap->item);
                free(flap);
        }
        return NULL;
}

struct flaps *
flaps_free(struct flaps *flaps)
{
        for (size_t i = 0; flaps && i < ARRAY_SIZE(flaps->slots); i++)
                flap_free(flaps->slots[i].flap);
        free(flaps);
        return NULL;
}

/* ---- records and the count ---- */

static char *
value_key_of(const char *baseline, const char *item)
{
        char *key = NULL;
        return asprintf(&key, FLAP_PREFIX "%s %s", baseline, item) < 0 ? NULL : key;
}

static void
keep_count(struct instance *instance, const struct flap *flap)
{
        char text[96];
        _cleanup_free_ char *key = value_key_of(flap->baseline, flap->item);
        snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64, flap->changes,
                flap->folded, flap->from_ms, flap->to_ms);
        if (key)
                instance_value(instance, key, text);
}

struct ending {
        struct instance *instance;
        struct json *detail;
        bool again;
        int r;
};

static int
tell_open(void *userdata, struct drift *drift)
{
        struct ending *ending = userdata;
        if (ending->again) {
                instance_drift_again(ending->instance, drift, "flapping over");
                return 0;
        }
        struct instance *instance = ending->instance;
        ending->r = json_put(ending->detail, "now", json_string_new(change_names[drift->change]));
        if (ending->r == 0)
                ending->r = judge_put_severity(
                        instance->judge, drift, instance_expiry_now(instance), ending->detail);
        return 0;
}

/* What the item is now, into the detail. < 0: no memory. */
static int
put_now(struct instance *instance, const char *baseline, const char *item, struct json *detail)
{
        struct ending ending = {.instance = instance, .detail = detail};
        int ignored = 0;
        if (!detail)
                return -ENOMEM;
        if (judge_find(instance->judge, baseline, item, tell_open, &ending, &ignored))
                return ending.r;
        return json_put(detail, "now", json_string_new("expected"));
}

static void
tell_again(struct instance *instance, const char *baseline, const char *item)
{
        struct ending ending = {.instance = instance, .again = true};
        int ignored = 0;
        judge_find(instance->judge, baseline, item, tell_open, &ending, &ignored);
}

/* In the judge's lock only for what is approved: that is as expected now. */
static void
record_over(struct instance *instance, const char *baseline, const char *item, uint64_t changes,
        uint64_t folded, int64_t from_ms, int64_t to_ms, const char *why)
{
        bool approved = strcmp(why, WHY_APPROVED) == 0;
        char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
        _cleanup_free_ char *key = value_key_of(baseline, item);
        clock_format(from_ms, from);
        clock_format(to_ms, to);
        struct json *detail = json_make("{s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "state", "over", "baseline",
                baseline, "changes", (json_int)changes, "folded", (json_int)folded, "from", from, "to", to,
                "reason", why);
        int r = !detail    ? -ENOMEM
                : approved ? json_put(detail, "now", json_string_new("expected"))
                           : put_now(instance, baseline, item, detail);
        if (r < 0)
                detail = json_free(detail);
        if (!key || !detail) {
                json_free(detail);
                return; /* the value stays, and the next start tells it */
        }
        if (instance_record(instance, "flapping", item, detail) < 0)
                return;
        instance_value(instance, key, NULL);
        if (!approved)
                tell_again(instance, baseline, item);
}

static void
flap_over(struct instance *instance, struct flap_slot *slot, const char *why)
{
        const struct flap *flap = slot->flap;
        record_over(instance, flap->baseline, flap->item, flap->changes, flap->folded, flap->from_ms,
                flap->to_ms, why);
        flap_free(slot->flap);
        *slot = (struct flap_slot){0};
}

static void
flap_begin(struct instance *instance, struct flap_slot *slot, const struct drift *drift)
{
        char from[CLOCK_TEXT_MAX];
        struct flap *flap = calloc(1, sizeof *flap);
        if (!flap)
                return; /* recorded one by one, as before */
        flap->baseline = strdup(drift->baseline);
        flap->item = strdup(drift->item);
        flap->changes = slot->changes;
        flap->from_ms = slot->from_ms;
        flap->to_ms = clock_now_ms();
        clock_format(flap->from_ms, from);
        if (!flap->baseline || !flap->item ||
                instance_record(instance, "flapping", drift->item,
                        json_make("{s:s, s:s, s:I, s:s}", "state", "began", "baseline", drift->baseline,
                                "changes", (json_int)flap->changes, "from", from)) < 0) {
                flap_free(flap);
                return;
        }
        slot->flap = flap;
        keep_count(instance, flap);
}

/* ---- the table ---- */

static void
key_of(const struct drift *drift, struct digest *ret)
{
        struct digest parts[2];
        digest_bytes(drift->baseline, strlen(drift->baseline), &parts[0]);
        digest_bytes(drift->item, strlen(drift->item), &parts[1]);
        digest_bytes(parts, sizeof parts, ret);
}

/* Its slot, else the one of its set that has been quiet for the longest; NULL: all of them flap. */
static struct flap_slot *
slot_find(struct flaps *flaps, const struct digest *key)
{
        uint32_t number;
        memcpy(&number, key->bytes, sizeof number);
        struct flap_slot *set = &flaps->slots[number % FLAP_SETS * FLAP_WAYS], *oldest = NULL;
        for (size_t i = 0; i < FLAP_WAYS; i++)
                if (set[i].changes && digest_equal(&set[i].key, key))
                        return &set[i];
        for (size_t i = 0; i < FLAP_WAYS; i++)
                if (!set[i].flap && (!oldest || set[i].last_ms < oldest->last_ms))
                        oldest = &set[i];
        if (oldest)
                *oldest = (struct flap_slot){.key = *key};
        return oldest;
}

/* What is there, and what it counts as. */
static int
form_of(struct instance *instance, const struct drift *drift, bool resolved, struct digest *ret)
{
        _cleanup_buf_ struct buf text = {0};
        int64_t now_ms = instance_expiry_now(instance);
        const struct window *window = judge_window(instance->judge, drift, now_ms);
        char id[DIGEST_HEX_SIZE] = "";
        if (window)
                digest_hex(&window->id, id);
        int r = resolved ? buf_text(&text, "expected")
                         : buf_printf(&text, "%s %s %s %s %d", change_names[drift->change], drift->observed,
                                   severity_names[judge_severity(instance->judge, drift, now_ms)], id,
                                   judge_waiver(instance->judge, drift, now_ms) != NULL);
        if (r == 0)
                digest_bytes(text.data, text.size, ret);
        return r;
}

/* Whether the history has told this form since it flaps, or may not be told one more of them yet. */
static bool
is_told(struct flap *flap, const struct digest *form, int64_t now_ms)
{
        for (size_t i = 0; i < min_size(flap->n_forms, FLAP_FORMS_MAX); i++)
                if (digest_equal(&flap->forms[i], form))
                        return true;
        if (flap->n_forms > FLAP_FORMS_MAX && now_ms - flap->form_ms < FLAP_FORM_MS)
                return true;
        flap->forms[flap->n_forms++ % FLAP_FORMS_MAX] = *form;
        flap->form_ms = now_ms;
        return false;
}

static void
count_change(struct flap_slot *slot, int64_t now_ms)
{
        if (!slot->changes || now_ms - slot->first_ms > FLAP_WINDOW_MS) {
                slot->first_ms = now_ms;
                slot->from_ms = clock_now_ms();
                slot->changes = 0;
        }
        slot->changes++;
        slot->last_ms = now_ms;
}

static bool
fold(struct instance *instance, struct flap_slot *slot, const struct drift *drift, bool resolved)
{
        struct flap *flap = slot->flap;
        struct digest form;
        slot->last_ms = clock_monotonic_ms();
        bool folded = form_of(instance, drift, resolved, &form) == 0 && is_told(flap, &form, slot->last_ms);
        flap->changes++;
        flap->folded += folded;
        flap->to_ms = clock_now_ms();
        keep_count(instance, flap);
        return folded;
}

bool
flap_folds(struct instance *instance, const struct judge_event *event)
{
        const struct drift *drift = event->drift;
        bool resolved = event->kind == JUDGE_RESOLVED;
        struct digest key;
        if (!instance->flaps && !(instance->flaps = calloc(1, sizeof *instance->flaps)))
                return false;
        key_of(drift, &key);
        struct flap_slot *slot = slot_find(instance->flaps, &key);
        instance->flaps->counted = NULL;
        if (!slot)
                return false;
        if (resolved && event->as_approved) { /* that is no change to and fro, and ends it */
                if (slot->flap)
                        flap_over(instance, slot, WHY_APPROVED);
                return false;
        }
        if (slot->flap)
                return fold(instance, slot, drift, resolved);
        count_change(slot, clock_monotonic_ms());
        instance->flaps->counted = slot;
        return false;
}

void
flap_counted(struct instance *instance, const struct drift *drift)
{
        struct flap_slot *slot = instance->flaps ? instance->flaps->counted : NULL;
        if (slot && slot->changes >= FLAP_CHANGES)
                flap_begin(instance, slot, drift);
}

/* ---- ends ---- */

void
flaps_look(struct instance *instance)
{
        int64_t now_ms = clock_monotonic_ms();
        for (size_t i = 0; instance->flaps && i < ARRAY_SIZE(instance->flaps->slots); i++) {
                struct flap_slot *slot = &instance->flaps->slots[i];
                if (slot->flap && now_ms - slot->last_ms >= FLAP_QUIET_MS)
                        flap_over(instance, slot, "quiet");
        }
}

void
flaps_stop(struct instance *instance)
{
        for (size_t i = 0; instance->flaps && i < ARRAY_SIZE(instance->flaps->slots); i++)
                if (instance->flaps->slots[i].flap)
                        flap_over(instance, &instance->flaps->slots[i], "the daemon stopped");
}

static int
tell_left(void *userdata, const char *key, const char *value)
{
        struct instance *instance = userdata;
        const char *name = key + strlen(FLAP_PREFIX), *item = strchr(name, ' ');
        char *end = NULL;
        if (!item)
                return 0;
        _cleanup_free_ char *baseline = strndup(name, (size_t)(item - name));
        uint64_t changes = strtoull(value, &end, 10), folded = strtoull(end, &end, 10);
        int64_t from_ms = strtoll(end, &end, 10), to_ms = strtoll(end, &end, 10);
        if (baseline)
                record_over(instance, baseline, item + 1, changes, folded, from_ms, to_ms,
                        "the daemon was killed or crashed");
        return 0;
}

void
flaps_tell_left(struct instance *instance)
{
        store_values_each(instance->store, FLAP_PREFIX, tell_left, instance, NULL);
}
