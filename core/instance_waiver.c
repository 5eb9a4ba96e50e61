/* SPDX-License-Identifier: MIT */
/*
 * What the history tells of waivers: who excuses what and until when, when a new generation brings one; that
 * one was taken back, when a generation leaves it out before its end; and that one has ended, with each drift
 * that is open again by that. Whether a drift is waived is judged when it is asked (judge_waiver); this tells
 * it to those who read records, and to the journal, whom nobody asks.
 *
 * Up to when ends were told is a named value, so that none is told twice, and one that ended while nobody ran
 * is told at the start. While it waits to be written the instance knows it, so that a store that fails does
 * not have the same ends queued again and again.
 */
#include "core/instance_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define TOLD_KEY "waivers_told"

static void
record_waiver(struct instance *instance, const struct waiver *waiver, const char *state)
{
        char until[CLOCK_TEXT_MAX];
        clock_format_seconds(waiver->until_ms, until);
        instance_record(instance, "waive", waiver->item,
                instance_asked(instance,
                        json_make("{s:s, s:s, s:s, s:s, s:s}", "state", state, "baseline", waiver->baseline,
                                "by", waiver->by, "until", until, "reason", waiver->reason)));
}

static bool
has_waiver(const struct baseline *b, const struct waiver *wanted)
{
        size_t n = 0;
        const struct waiver *list = b ? baseline_waivers(b, &n) : NULL;
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i].item, wanted->item) == 0 &&
                        strcmp(list[i].baseline, wanted->baseline) == 0 &&
                        list[i].until_ms == wanted->until_ms)
                        return true;
        return false;
}

void
waivers_record(struct instance *instance, const struct baseline *b, const struct baseline *parent)
{
        size_t n, n_before = 0;
        const struct waiver *waivers = baseline_waivers(b, &n);
        const struct waiver *before = parent ? baseline_waivers(parent, &n_before) : NULL;
        int64_t now_ms = instance_expiry_now(instance);
        for (size_t i = 0; i < n; i++)
                if (!has_waiver(parent, &waivers[i]))
                        record_waiver(instance, &waivers[i], "given");
        for (size_t i = 0; i < n_before; i++)
                if (before[i].until_ms > now_ms && !has_waiver(b, &before[i]))
                        record_waiver(instance, &before[i], "withdrawn");
}

/* ---- ends ---- */

struct ending {
        struct instance *instance;
        int64_t told_ms, now_ms;
        bool any;
};

static void
tell_ends(struct ending *ending)
{
        struct judge *judge = ending->instance->judge;
        for (size_t i = 0; i < judge_baselines(judge); i++) {
                size_t n;
                const struct waiver *list = baseline_waivers(judge_baseline(judge, i), &n);
                for (size_t j = 0; j < n; j++)
                        if (list[j].until_ms > ending->told_ms && list[j].until_ms <= ending->now_ms) {
                                record_waiver(ending->instance, &list[j], "ended");
                                ending->any = true;
                        }
        }
}

/* Opened by the end of a waiver, and not by itself since. */
static int
tell_reopened(void *userdata, struct drift *drift)
{
        const struct ending *ending = userdata;
        struct judge *judge = ending->instance->judge;
        const struct waiver *was = judge_waiver(judge, drift, ending->told_ms);
        if (!was || was->until_ms > ending->now_ms || drift->first_seen_ms >= was->until_ms ||
                judge_waiver(judge, drift, ending->now_ms))
                return 0;
        instance_drift_again(ending->instance, drift, "waiver ended");
        return 0;
}

void
waivers_look(struct instance *instance)
{
        struct ending ending = {.instance = instance, .now_ms = instance_expiry_now(instance)};
        _cleanup_free_ char *told = NULL;
        char text[24];
        ending.told_ms = instance->waivers_told_ms;
        if (!ending.told_ms) {
                int r = store_value_get(instance->store, TOLD_KEY, &told, NULL);
                if (r && r != STORE_NONE)
                        return;
                ending.told_ms = told ? strtoll(told, NULL, 10) : 0;
        }
        bool known = ending.told_ms;
        if (!known)
                ending.told_ms = ending.now_ms;
        if (ending.told_ms < ending.now_ms)
                tell_ends(&ending);
        if (ending.any)
                judge_each(instance->judge, tell_reopened, &ending);
        if (known && !ending.any)
                return;
        instance->waivers_told_ms = ending.now_ms;
        snprintf(text, sizeof text, "%" PRId64, ending.now_ms);
        instance_value(instance, TOLD_KEY, text);
}
