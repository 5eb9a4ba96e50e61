/* SPDX-License-Identifier: MIT */
/*
 * The fold. At any record it knows whether the daemon runs, when that was last proved, and since when events
 * or watches are lost. A state that ends becomes a gap, cut to the period; what is watched is the period less
 * the union of its gaps, so that two reasons at once count once.
 *
 * A record of kind gap gives the bounds of a time without a daemon as the next start found them: they are
 * taken, but for a beginning that no record proves. The wall clock may step: a record of kind clock_jump
 * moves the last proof and all that is still to end along, so that a step is no silence and hides none.
 *
 * Not owned: the records. What stands in their detail is written by driftd and still read as from outside.
 */
#include "core/coverage.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"

#define SHIFT_MAX_MS (INT64_C(10000) * 366 * 86400000)

const char *const coverage_reasons[COVERAGE_REASONS] = {
        "not_running", "stopped", "silent", "overflow", "watch_lost", "no_history", "no_baseline"};

struct coverage_fold {
        int64_t since_ms, until_ms;
        bool open;          /* since_ms is the first start, which is still to come */
        bool running;       /* after a start, until a stop or a gap */
        bool ever;          /* a start was seen */
        bool whole;         /* from the first record of the history on */
        int64_t started_ms; /* the first start */
        int64_t last_ms;    /* when it was last proved to run; without `running`: since when it does not */
        enum coverage_reason down;
        int64_t overflow_ms, watch_lost_ms; /* 0: no */
        struct coverage_gap *gaps;
        size_t n_gaps;
        uint64_t gaps_merged;
        uint64_t quick, full, incomplete, heartbeats;
        int64_t last_full_ms, without_full_ms;
        struct coverage_baseline *baselines;
        size_t n_baselines;
        uint64_t baselines_dropped;
};

int
coverage_new(int64_t since_ms, int64_t until_ms, struct coverage_fold **ret, struct err *err)
{
        struct coverage_fold *fold = calloc(1, sizeof *fold);
        if (!fold)
                return err_oom(err);
        fold->open = !since_ms;
        fold->since_ms = since_ms ? since_ms : INT64_MIN;
        fold->until_ms = until_ms;
        *ret = fold;
        return 0;
}

struct coverage_fold *
coverage_free(struct coverage_fold *fold)
{
        if (!fold)
                return NULL;
        free(fold->gaps);
        free(fold->baselines);
        free(fold);
        return NULL;
}

/* ---- gaps ---- */

static int
gap_add(struct coverage_fold *fold, int64_t from_ms, int64_t until_ms, enum coverage_reason reason)
{
        from_ms = from_ms > fold->since_ms ? from_ms : fold->since_ms;
        until_ms = until_ms < fold->until_ms ? until_ms : fold->until_ms;
        if (from_ms >= until_ms)
                return 0;
        if (fold->n_gaps == COVERAGE_GAPS_MAX) { /* rather too much than too little */
                struct coverage_gap *last = &fold->gaps[fold->n_gaps - 1];
                last->from_ms = from_ms < last->from_ms ? from_ms : last->from_ms;
                last->until_ms = until_ms > last->until_ms ? until_ms : last->until_ms;
                fold->gaps_merged++;
                return 0;
        }
        if (array_grow(&fold->gaps, fold->n_gaps) < 0)
                return -ENOMEM;
        fold->gaps[fold->n_gaps++] = (struct coverage_gap){from_ms, until_ms, reason};
        return 0;
}

/* Events that were lost, and watches, stay so until now. */
static int
losses_end(struct coverage_fold *fold, int64_t now_ms, bool overflow, bool watches)
{
        int r = 0;
        if (overflow && fold->overflow_ms) {
                r = gap_add(fold, fold->overflow_ms, now_ms, COVERAGE_OVERFLOW);
                fold->overflow_ms = 0;
        }
        if (watches && fold->watch_lost_ms && r == 0) {
                r = gap_add(fold, fold->watch_lost_ms, now_ms, COVERAGE_WATCH_LOST);
                fold->watch_lost_ms = 0;
        }
        return r;
}

/* ---- what records say ---- */

static int
take_start(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        (void)detail;
        int r = 0;
        if (fold->open) {
                fold->since_ms = now_ms;
                fold->open = false;
        }
        if (!fold->ever)
                r = gap_add(fold, fold->since_ms, now_ms, COVERAGE_NO_HISTORY);
        else if (fold->running) /* nobody said that it had ended */
                r = gap_add(fold, fold->last_ms, now_ms, COVERAGE_NOT_RUNNING);
        else
                r = gap_add(fold, fold->last_ms, now_ms, fold->down);
        fold->started_ms = fold->ever ? fold->started_ms : now_ms;
        fold->ever = true;
        fold->running = true;
        return r;
}

static int
take_stop(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        (void)detail;
        fold->running = false;
        fold->down = COVERAGE_STOPPED;
        return losses_end(fold, now_ms, true, true);
}

/* Written by the start that follows it. */
static int
take_gap(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        const char *from = json_text(detail, "from");
        int64_t from_ms = fold->last_ms;
        if (!fold->running)
                return 0; /* a stop told it better */
        /* It may have begun before the last record: driftctl writes, too, while nobody watches. */
        if (!from || clock_parse_human(from, now_ms, &from_ms, NULL) < 0 ||
                from_ms - fold->last_ms > COVERAGE_SILENCE_MS)
                from_ms = fold->last_ms;
        fold->running = false;
        fold->down = COVERAGE_NOT_RUNNING;
        fold->last_ms = from_ms;
        return losses_end(fold, from_ms, true, true);
}

static int
take_overflow(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        (void)detail;
        fold->overflow_ms = fold->overflow_ms ? fold->overflow_ms : now_ms;
        return 0;
}

static int
take_watch_lost(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        (void)detail;
        fold->watch_lost_ms = fold->watch_lost_ms ? fold->watch_lost_ms : now_ms;
        return 0;
}

static void
note_full(struct coverage_fold *fold, int64_t now_ms)
{
        int64_t before_ms = fold->last_full_ms > fold->since_ms ? fold->last_full_ms : fold->since_ms;
        int64_t until_ms = now_ms < fold->until_ms ? now_ms : fold->until_ms;
        if (until_ms - before_ms > fold->without_full_ms)
                fold->without_full_ms = until_ms - before_ms;
        if (now_ms < fold->until_ms)
                fold->last_full_ms = now_ms;
}

static int
take_scan(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        const char *pass = json_text(detail, "pass");
        bool full = pass && strcmp(pass, "full") == 0,
             counts = now_ms >= fold->since_ms && now_ms < fold->until_ms;
        int64_t began_ms = now_ms - json_number(detail, "ms");
        if (!json_flag(detail, "complete")) {
                fold->incomplete += counts;
                return 0;
        }
        if (full)
                note_full(fold, now_ms);
        *(full ? &fold->full : &fold->quick) += counts;
        const struct json *lost = json_member(detail, "watches_lost");
        return losses_end(fold, now_ms, began_ms >= fold->overflow_ms,
                !json_is_null(lost) && !json_number(detail, "watches_lost"));
}

static int
take_heartbeat(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        (void)detail;
        fold->heartbeats += now_ms >= fold->since_ms && now_ms < fold->until_ms;
        return 0;
}

static int
take_baseline(struct coverage_fold *fold, int64_t now_ms, const struct json *detail, bool adopted)
{
        const char *name = json_text(detail, "baseline"), *id = json_text(detail, "id");
        struct coverage_baseline row = {.from_ms = now_ms,
                .generation = (uint64_t)json_number(detail, "generation"),
                .adopted = adopted};
        if (now_ms >= fold->until_ms)
                return 0;
        if (!name || strlen(name) >= sizeof row.name || !id || digest_parse(id, strlen(id), &row.id) < 0)
                return 0; /* not ours */
        if (fold->n_baselines == COVERAGE_BASELINES_MAX) {
                fold->baselines_dropped++;
                return 0;
        }
        memcpy(row.name, name, strlen(name) + 1);
        /* What was replaced before the period is not in it. */
        for (size_t i = 0; (fold->open || now_ms <= fold->since_ms) && i < fold->n_baselines; i++)
                if (strcmp(fold->baselines[i].name, name) == 0) {
                        fold->baselines[i] = row;
                        return 0;
                }
        if (array_grow(&fold->baselines, fold->n_baselines) < 0)
                return -ENOMEM;
        fold->baselines[fold->n_baselines++] = row;
        return 0;
}

static int
take_bless(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        return take_baseline(fold, now_ms, detail, false);
}

static int
take_adopted(struct coverage_fold *fold, int64_t now_ms, const struct json *detail)
{
        return take_baseline(fold, now_ms, detail, true);
}

static const struct {
        const char *kind;
        int (*take)(struct coverage_fold *fold, int64_t now_ms, const struct json *detail);
        bool reads; /* the detail */
} kinds[] = {
        {"heartbeat", take_heartbeat, false},
        {"scan", take_scan, true},
        {"start", take_start, false},
        {"stop", take_stop, false},
        {"gap", take_gap, true},
        {"overflow", take_overflow, false},
        {"watch_lost", take_watch_lost, false},
        {"clock_jump", NULL, true}, /* silence_check */
        {"bless", take_bless, true},
        {"adopted", take_adopted, true},
};

/* What is still to end began at a time of the clock before. */
static void
shift(struct coverage_fold *fold, int64_t by_ms)
{
        if (by_ms > SHIFT_MAX_MS || by_ms < -SHIFT_MAX_MS)
                return; /* no clock of ours */
        fold->last_ms += by_ms;
        fold->overflow_ms += fold->overflow_ms ? by_ms : 0;
        fold->watch_lost_ms += fold->watch_lost_ms ? by_ms : 0;
}

/* Between the last proof and this record: a silence is a gap, unless the clock was set or the next start
 * tells. */
static int
silence_check(struct coverage_fold *fold, const struct record *record, const struct json *detail)
{
        if (strcmp(record->kind, "clock_jump") == 0)
                shift(fold, json_number(detail, "by_ms"));
        if (!fold->running || strcmp(record->kind, "gap") == 0 || strcmp(record->kind, "start") == 0)
                return 0;
        if (record->time_ms - fold->last_ms > COVERAGE_SILENCE_MS)
                return gap_add(fold, fold->last_ms, record->time_ms, COVERAGE_SILENT);
        return 0;
}

static int
fold_record(struct coverage_fold *fold, const struct record *record, size_t kind)
{
        _cleanup_json_ struct json *body = NULL;
        const struct json *detail = NULL;
        if (kind < ARRAY_SIZE(kinds) && kinds[kind].reads) {
                if (json_parse(record->body, strlen(record->body), &body, NULL) == -ENOMEM)
                        return -ENOMEM;
                detail = json_member(body, "detail");
        }
        int r = silence_check(fold, record, detail);
        if (r == 0 && kind < ARRAY_SIZE(kinds) && kinds[kind].take)
                r = kinds[kind].take(fold, record->time_ms, detail);
        return r;
}

int
coverage_take(void *userdata, const struct record *record)
{
        struct coverage_fold *fold = userdata;
        size_t kind = 0;
        while (kind < ARRAY_SIZE(kinds) && strcmp(kinds[kind].kind, record->kind) != 0)
                kind++;
        bool was_running = fold->running;
        fold->whole |= record->seq == 1;
        int r = fold_record(fold, record, kind);
        /* Records that driftctl writes while nobody runs prove no watching. */
        if (fold->running || was_running)
                if (strcmp(record->kind, "gap") != 0)
                        fold->last_ms = record->time_ms;
        return r;
}

/* ---- the end ---- */

static int
gap_order(const void *a, const void *b)
{
        const struct coverage_gap *x = a, *y = b;
        if (x->from_ms != y->from_ms)
                return x->from_ms < y->from_ms ? -1 : 1;
        return (x->until_ms > y->until_ms) - (x->until_ms < y->until_ms);
}

static int64_t
union_of(const struct coverage_gap *gaps, size_t n)
{
        int64_t total_ms = 0, reached_ms = INT64_MIN;
        for (size_t i = 0; i < n; i++) {
                int64_t from_ms = gaps[i].from_ms > reached_ms ? gaps[i].from_ms : reached_ms;
                if (gaps[i].until_ms > from_ms)
                        total_ms += gaps[i].until_ms - from_ms;
                if (gaps[i].until_ms > reached_ms)
                        reached_ms = gaps[i].until_ms;
        }
        return total_ms;
}

static int
last_state_end(struct coverage_fold *fold, int64_t alive_ms)
{
        int64_t until_ms = fold->until_ms;
        if (!fold->ever)
                return gap_add(fold, fold->since_ms, until_ms, COVERAGE_NO_HISTORY);
        int r = losses_end(fold, until_ms, true, true);
        if (r == 0 && !fold->running)
                return gap_add(fold, fold->last_ms, until_ms, fold->down);
        int64_t proved_ms = alive_ms > fold->last_ms ? alive_ms : fold->last_ms;
        if (r == 0 && alive_ms > fold->last_ms && alive_ms - fold->last_ms > COVERAGE_SILENCE_MS)
                r = gap_add(fold, fold->last_ms, alive_ms, COVERAGE_SILENT);
        return r ? r : gap_add(fold, proved_ms, until_ms, COVERAGE_NOT_RUNNING);
}

/* Where all of the history was read: from the first start to the first baseline nothing was expected. */
static int
nothing_expected(struct coverage_fold *fold)
{
        int64_t first_ms = fold->until_ms;
        if (!fold->whole || !fold->ever)
                return 0;
        for (size_t i = 0; i < fold->n_baselines; i++)
                first_ms = fold->baselines[i].from_ms < first_ms ? fold->baselines[i].from_ms : first_ms;
        return gap_add(fold, fold->started_ms, first_ms, COVERAGE_NO_BASELINE);
}

int
coverage_finish(struct coverage_fold *fold, int64_t alive_ms, struct coverage_result *ret, struct err *err)
{
        if (fold->open)
                fold->since_ms = fold->until_ms;
        if (last_state_end(fold, alive_ms) < 0 || nothing_expected(fold) < 0)
                return err_oom(err);
        int64_t last_ms = fold->last_full_ms;
        note_full(fold, fold->until_ms);
        if (fold->n_gaps)
                qsort(fold->gaps, fold->n_gaps, sizeof *fold->gaps, gap_order);
        int64_t period_ms = fold->until_ms > fold->since_ms ? fold->until_ms - fold->since_ms : 0;
        *ret = (struct coverage_result){
                .since_ms = fold->since_ms,
                .until_ms = fold->until_ms,
                .watched_ms = period_ms - union_of(fold->gaps, fold->n_gaps),
                .gaps = fold->gaps,
                .n_gaps = fold->n_gaps,
                .gaps_merged = fold->gaps_merged,
                .quick = fold->quick,
                .full = fold->full,
                .incomplete = fold->incomplete,
                .heartbeats = fold->heartbeats,
                .last_full_ms = last_ms,
                .without_full_ms = fold->without_full_ms,
                .baselines = fold->baselines,
                .n_baselines = fold->n_baselines,
                .baselines_dropped = fold->baselines_dropped,
        };
        return 0;
}

/* ---- as JSON ---- */

static struct json *
gaps_json(const struct coverage_result *result)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < result->n_gaps; i++) {
                const struct coverage_gap *gap = &result->gaps[i];
                json_gather(&list,
                        json_make("{s:o, s:o, s:I, s:s}", "from", clock_json(gap->from_ms), "until",
                                clock_json(gap->until_ms), "ms", (json_int)(gap->until_ms - gap->from_ms),
                                "reason", coverage_reasons[gap->reason]));
        }
        return list;
}

/* When the next generation of its name came; 0: it is in force. */
static int64_t
baseline_end(const struct coverage_result *result, size_t i)
{
        for (size_t j = i + 1; j < result->n_baselines; j++)
                if (strcmp(result->baselines[j].name, result->baselines[i].name) == 0)
                        return result->baselines[j].from_ms;
        return 0;
}

static struct json *
baselines_json(const struct coverage_result *result)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < result->n_baselines; i++) {
                const struct coverage_baseline *b = &result->baselines[i];
                char id[DIGEST_HEX_SIZE];
                digest_hex(&b->id, id);
                json_gather(&list,
                        json_make("{s:o, s:o, s:s, s:I, s:s, s:b}", "from", clock_json(b->from_ms), "until",
                                clock_json(baseline_end(result, i)), "name", b->name, "generation",
                                (json_int)b->generation, "id", id, "adopted", b->adopted));
        }
        return list;
}

struct json *
coverage_document(const struct coverage_result *result, const char *host)
{
        int64_t period_ms = result->until_ms - result->since_ms;
        return json_make(
                "{s:s, s:s, s:o, s:o, s:b, s:I, s:I, s:o, s:I, s:{s:I, s:I, s:I, s:o, s:I}, s:I, s:o, s:I}",
                "schema", "driftd.coverage/1", "host", host, "since", clock_json(result->since_ms), "until",
                clock_json(result->until_ms), "complete", period_ms > 0 && !result->n_gaps, "period_ms",
                (json_int)(period_ms > 0 ? period_ms : 0), "watched_ms", (json_int)result->watched_ms, "gaps",
                gaps_json(result), "gaps_merged", (json_int)result->gaps_merged, "passes", "quick",
                (json_int)result->quick, "full", (json_int)result->full, "incomplete",
                (json_int)result->incomplete, "last_full", clock_json(result->last_full_ms),
                "longest_without_full_ms", (json_int)result->without_full_ms, "heartbeats",
                (json_int)result->heartbeats, "baselines", baselines_json(result), "baselines_dropped",
                (json_int)result->baselines_dropped);
}
