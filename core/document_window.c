/* SPDX-License-Identifier: MIT */
/*
 * What a change did, as a report: every open drift of the host's baseline is expected or not, and every line
 * of a set that no drift answers is there already, or absent. Without a set, what took its form within the
 * window's time and items is what was expected of it; drift that was there before is not.
 *
 * Reads the judge and changes nothing.
 */
#include <errno.h>
#include <string.h>

#include "core/document.h"
#include "core/instance_internal.h"

struct reporting {
        const struct instance *instance;
        const struct baseline *baseline; /* NULL: none is active */
        const struct window *window;
        const struct expect *expect;
        bool *answered; /* by index of the set: some drift is of its item */
        int64_t now_ms;
        struct window_counts counts;
        struct json *entries; /* NULL: not wanted */
        struct expect_writer *writer;
};

enum outcome { OUTCOME_EXPECTED, OUTCOME_UNEXPECTED, OUTCOME_ABSENT, OUTCOME_UNKNOWN, OUTCOME_COUNT };
static const char *const outcome_names[OUTCOME_COUNT] = {"expected", "unexpected", "absent", "unknown"};

static void
count(struct reporting *r, enum outcome outcome)
{
        uint64_t *const counts[OUTCOME_COUNT] = {
                &r->counts.expected, &r->counts.unexpected, &r->counts.absent, &r->counts.unknown};
        ++*counts[outcome];
}

static int
add_entry(struct reporting *r, enum outcome outcome, struct json *entry, const char *why)
{
        count(r, outcome);
        if (!r->entries) {
                json_free(entry);
                return 0;
        }
        if (!entry || json_put(entry, "outcome", json_string_new(outcome_names[outcome])) < 0 ||
                (why && json_put(entry, "why", json_string_new(why)) < 0)) {
                json_free(entry);
                return -ENOMEM;
        }
        return json_push(r->entries, entry);
}

/* 1: it is as it should be, 0: it is not, -ENOMEM. *ret_why: what else there is to say. */
static int
is_expected(const struct reporting *r, const struct drift *drift, const char **ret_why)
{
        if (!r->expect) {
                bool within = !r->window || window_holds(r->window, drift->item, drift->last_change_ms);
                if (!within && drift->last_change_ms < r->window->from_ms)
                        *ret_why = "it was there before the window";
                return within;
        }
        const struct expected *expected = expect_find(r->expect, drift->item);
        if (!expected)
                return 0;
        r->answered[expected - expect_at(r->expect, 0)] = true;
        *ret_why = "the expected change set says otherwise";
        int same = expected_is_drift(expected, r->baseline, drift);
        if (same)
                *ret_why = NULL;
        return same;
}

static int
report_drift(void *userdata, struct drift *drift)
{
        struct reporting *r = userdata;
        const char *why = NULL;
        if (!r->baseline || strcmp(drift->baseline, WINDOW_BASELINE) != 0)
                return 0;
        bool waived = judge_waiver(r->instance->judge, drift, r->now_ms) != NULL;
        int expected = is_expected(r, drift, &why);
        if (expected < 0)
                return expected;
        if (waived && !(expected && r->expect)) /* excused by a signature, and of no change */
                return 0;
        enum outcome outcome = drift->change == CHANGE_UNKNOWN ? OUTCOME_UNKNOWN
                               : expected                      ? OUTCOME_EXPECTED
                                                               : OUTCOME_UNEXPECTED;
        if (outcome == OUTCOME_UNKNOWN)
                why = drift->reason;
        if (outcome == OUTCOME_EXPECTED && r->writer &&
                expect_add_drift(r->writer, r->baseline, drift) == -ENOMEM)
                return -ENOMEM;
        struct json *entry = r->entries ? judge_drift_json(r->instance->judge, drift, r->now_ms) : NULL;
        return add_entry(r, outcome, entry, why);
}

/* The lines that no drift answers. */
static int
report_rest(struct reporting *r)
{
        size_t n_scopes = 0;
        const struct scope *scopes = r->baseline ? baseline_scopes(r->baseline, &n_scopes) : NULL;
        for (size_t i = 0; r->expect && i < expect_count(r->expect); i++) {
                const struct expected *expected = expect_at(r->expect, i);
                if (r->answered[i])
                        continue;
                int already = r->baseline ? expected_is_baseline(expected, r->baseline) : 0;
                if (already < 0)
                        return already;
                if (already) {
                        r->counts.already++;
                        continue;
                }
                bool watched = scope_for_item(scopes, n_scopes, expected->item) != NULL;
                struct json *entry = r->entries ? json_make("{s:s, s:s}", "item", expected->item, "wanted",
                                                          expected->absent ? "absent" : "changed")
                                                : NULL;
                int e = add_entry(r, OUTCOME_ABSENT, entry, watched ? NULL : "no scope here holds it");
                if (e < 0)
                        return e;
        }
        return 0;
}

int
instance_window_report(struct instance *instance, const struct window *window, const struct expect *expect,
        struct window_counts *ret_counts, struct json **ret_entries, struct buf *ret_set, struct err *err)
{
        struct expect_writer writer = {0};
        struct reporting r = {
                .instance = instance,
                .baseline = judge_baseline_named(instance->judge, WINDOW_BASELINE),
                .window = window,
                .expect = expect   ? expect
                          : window ? window->expect
                                   : NULL,
                .now_ms = instance_expiry_now(instance),
                .entries = ret_entries ? json_array_make() : NULL,
                .writer = ret_set ? &writer : NULL,
        };
        r.answered = calloc((r.expect ? expect_count(r.expect) : 0) + 1, sizeof *r.answered);
        int e = r.answered && (r.entries || !ret_entries) ? 0 : -ENOMEM;
        e = e ? e : judge_each(instance->judge, report_drift, &r);
        e = e ? e : report_rest(&r);
        if (e == 0 && ret_set)
                e = expect_finish(&writer, ret_set);
        expect_writer_done(&writer);
        free(r.answered);
        if (e) {
                json_free(r.entries);
                return err_oom(err);
        }
        if (ret_counts)
                *ret_counts = r.counts;
        if (ret_entries)
                *ret_entries = r.entries;
        return 0;
}

struct json *
instance_window_counts_json(const struct window_counts *counts)
{
        return json_make("{s:I, s:I, s:I, s:I, s:I}", "expected", (json_int)counts->expected, "unexpected",
                (json_int)counts->unexpected, "absent", (json_int)counts->absent, "unknown",
                (json_int)counts->unknown, "already", (json_int)counts->already);
}

struct json *
document_window(
        struct instance *instance, struct json *window, const struct digest *expect, struct json *counts)
{
        uint64_t drifts;
        char hex[DIGEST_HEX_SIZE] = "";
        if (expect)
                digest_hex(expect, hex);
        _cleanup_json_ struct json *d = document_diff(instance, NULL, 0, &drifts);
        return json_make("{s:s, s:O, s:O, s:O, s:O, s:O, s:O, s:o, s:s?, s:o, s:[]}", "schema",
                "driftd.window/1", "host", json_member(d, "host"), "taken_at", json_member(d, "taken_at"),
                "verdict", json_member(d, "verdict"), "trust_id", json_member(d, "trust_id"), "baselines",
                json_member(d, "baselines"), "coverage", json_member(d, "coverage"), "window",
                window ? window : json_null_new(), "expect", expect ? hex : NULL, "counts", counts,
                "entries");
}
