/* SPDX-License-Identifier: MIT */
/*
 * What the urgent threshold leaves to be done. A baseline that fewer people approved than the ordinary
 * threshold asks for is in force, and owes a review: approvals of that very text by as many more people, by a
 * time. Each generation owes its own. A later one does not pay for it, whoever approved that: its approvers
 * were shown what it changed and not what the one before did, and a row of urgent changes would put the
 * review off for ever.
 *
 * A trust file that comes into force later may ask for less. Each debt is then judged anew, and one that is
 * owed no more, or that nobody's approval could pay, is settled with a record that says why.
 *
 * A debt is a named value, "review:NAME@GENERATION" = "DUE_MS MISSING TOLD", written in the transaction that
 * applies. For what is in force it is made again from signed data if somebody removed it. When it is due is
 * held against the clock that is believed for expiry (instance_clock.c).
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define REVIEW_PREFIX "review:"
#define REVIEW_KEY_MAX (sizeof REVIEW_PREFIX + NAME_MAX_SIZE + 24)
#define REVIEW_VALUE_MAX 64
#define REVIEW_WHERE_MAX 400 /* bytes of the words about whose review is due */
#define REVIEW_NEWS_MAX 64u  /* told of in one look; the rest at the next */

struct review {
        int64_t due_ms;
        unsigned missing; /* people, when it was last counted */
        bool told;        /* the history says that it is overdue */
};

static void
review_key(const struct baseline_header *header, char ret[static REVIEW_KEY_MAX])
{
        snprintf(ret, REVIEW_KEY_MAX, REVIEW_PREFIX "%s@%" PRIu64, header->name, header->generation);
}

static void
review_format(const struct review *review, char ret[static REVIEW_VALUE_MAX])
{
        snprintf(ret, REVIEW_VALUE_MAX, "%" PRId64 " %u %d", review->due_ms, review->missing, review->told);
}

/* What cannot be read is due at once. */
static struct review
review_parse(const char *value)
{
        char *missing = NULL, *told = NULL, *end = NULL;
        struct review review = {.due_ms = strtoll(value, &missing, 10)};
        review.missing = (unsigned)strtoul(missing, &told, 10);
        review.told = strtoul(told, &end, 10);
        if (*end || end == told)
                return (struct review){0};
        return review;
}

static struct review
review_new(const struct instance *instance, const struct baseline *b, const struct trust_verdict *verdict,
        int64_t from_ms)
{
        struct trust_rule rule = {0};
        struct review review = {.due_ms = from_ms};
        if (trust_rule_for(instance->trust, baseline_header(b)->name, &rule) < 0)
                return review;
        review.missing = review_missing(instance, b, verdict);
        if (__builtin_add_overflow(from_ms, rule.review_within_s * 1000, &review.due_ms))
                review.due_ms = INT64_MAX;
        return review;
}

unsigned
review_missing(const struct instance *instance, const struct baseline *b, const struct trust_verdict *verdict)
{
        struct trust_rule rule = {0};
        if (!verdict->urgent_used || trust_rule_for(instance->trust, baseline_header(b)->name, &rule) < 0)
                return 0;
        return rule.threshold - (unsigned)verdict->n_signers;
}

/* ---- records ---- */

static struct json *
names_json(const char *const *names, size_t n)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < n; i++)
                json_gather(&list, json_string_new(names[i]));
        return list;
}

/* `n_before` of the signers had signed before; why may be NULL. */
static int
record_review(struct instance *instance, const struct baseline *b, const char *state,
        const struct review *review, const struct trust_verdict *verdict, size_t n_before, const char *why)
{
        const struct baseline_header *header = baseline_header(b);
        char id[DIGEST_HEX_SIZE], due[CLOCK_TEXT_MAX];
        digest_hex(baseline_id(b), id);
        clock_format_seconds(review->due_ms, due);
        struct json *by = names_json(verdict->signers + n_before, verdict->n_signers - n_before);
        struct json *signers = names_json(verdict->signers, verdict->n_signers);
        struct json *detail = json_make("{s:s, s:s, s:I, s:s, s:s, s:o, s:o, s:I}", "state", state,
                "baseline", header->name, "generation", (json_int)header->generation, "id", id, "due", due,
                "by", by, "signers", signers, "missing", (json_int)review->missing);
        if (detail && why && json_put(detail, "why", json_string_new(why)) < 0)
                detail = json_free(detail);
        return instance_record(instance, "review", NULL, instance_asked(instance, detail));
}

/* ---- owing ---- */

int
review_owe(const struct applying *applying, struct err *err)
{
        const struct baseline_header *header = baseline_header(applying->baseline);
        char key[REVIEW_KEY_MAX], value[REVIEW_VALUE_MAX];
        if (!applying->verdict->urgent_used)
                return 0;
        /* Nobody applies what comes from the shelf: how long it has been in force only its text knows. */
        struct review review = review_new(applying->instance, applying->baseline, applying->verdict,
                applying->from_shelf ? header->created_ms : clock_now_ms());
        review_key(header, key);
        review_format(&review, value);
        return store_value_put(applying->instance->store, key, value, err);
}

void
review_tell_owed(struct instance *instance, const struct baseline *b, const struct trust_verdict *verdict)
{
        if (!verdict->urgent_used)
                return;
        struct review review = review_new(instance, b, verdict, clock_now_ms());
        record_review(instance, b, "due", &review, verdict, verdict->n_signers, NULL);
}

void
review_restore(struct instance *instance, const struct baseline *b, const struct trust_verdict *verdict)
{
        const struct baseline_header *header = baseline_header(b);
        char key[REVIEW_KEY_MAX], text[REVIEW_VALUE_MAX];
        _cleanup_free_ char *value = NULL;
        review_key(header, key);
        if (!verdict->urgent_used || store_value_get(instance->store, key, &value, NULL) != STORE_NONE)
                return;
        struct review review = review_new(instance, b, verdict, header->created_ms);
        review_format(&review, text);
        instance_value(instance, key, text);
}

/* ---- what is due ---- */

struct reviews {
        struct instance *instance;
        int64_t now_ms;
        uint64_t count[2]; /* due, overdue */
        struct buf where[2];
};

static int
add_review(void *userdata, const char *key, const char *value)
{
        struct reviews *reviews = userdata;
        struct review review = review_parse(value);
        char due[CLOCK_TEXT_MAX];
        bool overdue = review.due_ms <= reviews->now_ms;
        struct buf *where = &reviews->where[overdue];
        reviews->count[overdue]++;
        if (where->size > REVIEW_WHERE_MAX)
                return 0;
        clock_format_seconds(review.due_ms, due);
        return buf_printf(where, "%s%s: %u more by %s", where->size ? ", " : "", key + strlen(REVIEW_PREFIX),
                review.missing, due);
}

void
review_refresh(struct instance *instance)
{
        struct reviews reviews = {.instance = instance, .now_ms = instance_expiry_now(instance)};
        static const char hint[] =
                "others sign the same file (driftctl baseline export NAME@GENERATION -o F; "
                "driftctl sign F), and driftctl apply F hands it over";
        /* What could not be read is no reason to say that nothing is due. */
        int r = store_values_each(instance->store, REVIEW_PREFIX, add_review, &reviews, NULL);
        if (r == 0 || reviews.count[0])
                instance_problem(instance, PROBLEM_REVIEW_DUE, reviews.count[0], reviews.where[0].data, hint);
        if (r == 0 || reviews.count[1])
                instance_problem(instance, PROBLEM_OVERDUE, reviews.count[1], reviews.where[1].data, hint);
        buf_done(&reviews.where[0]);
        buf_done(&reviews.where[1]);
}

static bool
is_queued(const struct instance *instance, const char *key)
{
        for (size_t i = 0; i < instance->reviews_told.count; i++)
                if (strcmp(instance->reviews_told.items[i], key) == 0)
                        return true;
        return false;
}

static int
tell_overdue(void *userdata, const char *key, const char *value)
{
        struct reviews *reviews = userdata;
        struct review review = review_parse(value);
        const char *name = key + strlen(REVIEW_PREFIX), *at = strrchr(name, '@');
        char due[CLOCK_TEXT_MAX], text[REVIEW_VALUE_MAX];
        if (review.told || review.due_ms > reviews->now_ms || !at || reviews->count[1] == REVIEW_NEWS_MAX ||
                is_queued(reviews->instance, key))
                return 0;
        _cleanup_free_ char *baseline = strndup(name, (size_t)(at - name));
        if (!baseline)
                return 0; /* at the next look */
        clock_format_seconds(review.due_ms, due);
        reviews->count[1]++;
        struct json *detail = json_make("{s:s, s:s, s:I, s:s, s:I}", "state", "overdue", "baseline", baseline,
                "generation", (json_int)strtoull(at + 1, NULL, 10), "due", due, "missing",
                (json_int)review.missing);
        if (!detail || instance_record(reviews->instance, "review", NULL, detail) < 0)
                return 0;
        if (text_list_add(&reviews->instance->reviews_told, key, strlen(key)) < 0)
                return 0; /* told twice at most while the store fails */
        review.told = true;
        review_format(&review, text);
        instance_value(reviews->instance, key, text);
        return 0;
}

void
review_look(struct instance *instance)
{
        struct reviews reviews = {.instance = instance, .now_ms = instance_expiry_now(instance)};
        store_values_each(instance->store, REVIEW_PREFIX, tell_overdue, &reviews, NULL);
}

/* ---- another trust file ---- */

static int
note_key(void *userdata, const char *key, const char *value)
{
        (void)value;
        return text_list_add(userdata, key, strlen(key));
}

/* The text that owes it, and the approvals that it has; NULL where the store does not have it. */
static struct baseline *
debt_baseline(struct instance *instance, const char *key, struct buf *ret_approvals)
{
        const char *name = key + strlen(REVIEW_PREFIX), *at = strrchr(name, '@');
        _cleanup_(baseline_freep) struct baseline *b = NULL;
        _cleanup_free_ char *baseline = at ? strndup(name, (size_t)(at - name)) : NULL;
        if (!baseline)
                return NULL;
        uint64_t generation = strtoull(at + 1, NULL, 10);
        if (!generation || instance_open_stored(instance, baseline, generation, &b, ret_approvals, NULL))
                return NULL;
        const struct baseline_header *header = baseline_header(b);
        bool same = header->generation == generation && strcmp(header->name, baseline) == 0;
        return same ? steal_pointer(&b) : NULL;
}

static void
settle(struct instance *instance, const char *key, const struct baseline *b, struct review *review,
        const struct trust_verdict *verdict, const char *why)
{
        review->missing = 0;
        if (record_review(instance, b, "settled", review, verdict, verdict->n_signers, why) == 0)
                instance_value(instance, key, NULL);
}

/* What is not known (no memory, no text) stays as it is. */
static void
judge_debt(struct instance *instance, const char *key, struct trust_verdict *verdict)
{
        _cleanup_(baseline_freep) struct baseline *b = NULL;
        _cleanup_buf_ struct buf approvals = {0};
        _cleanup_free_ char *value = NULL;
        char text[REVIEW_VALUE_MAX];
        struct err why = {0};
        b = debt_baseline(instance, key, &approvals);
        if (!b || store_value_get(instance->store, key, &value, NULL))
                return;
        struct review review = review_parse(value);
        int r = instance_judge_approvals(instance, b, &approvals, verdict, &why);
        if (r == TRUST_NO_RULE)
                settle(instance, key, b, &review, verdict, "the trust file in force has no rule for it");
        else if (r == 0 && !verdict->urgent_used)
                settle(instance, key, b, &review, verdict,
                        "by the trust file in force enough people have approved it");
        if (r || !verdict->urgent_used)
                return;
        review.missing = review_missing(instance, b, verdict);
        review_format(&review, text);
        if (strcmp(text, value) != 0)
                instance_value(instance, key, text);
}

void
review_judge_again(struct instance *instance)
{
        _cleanup_(text_list_done) struct text_list keys = {0};
        struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        if (verdict && instance->trust &&
                store_values_each(instance->store, REVIEW_PREFIX, note_key, &keys, NULL) == 0)
                for (size_t i = 0; i < keys.count; i++)
                        judge_debt(instance, keys.items[i], verdict);
        free(verdict);
}

/* ---- giving it ---- */

struct reviewing {
        struct instance *instance;
        const struct baseline *baseline;
        struct review review;
        struct buf approvals; /* those that the store has, and then those given */
        size_t n_before;      /* people whose approval was there before */
        struct trust_verdict verdict;
        bool known; /* its very text was applied here */
};

static int
find_row(void *userdata, const struct baseline_row *row)
{
        struct reviewing *reviewing = userdata;
        reviewing->known |= digest_equal(&row->id, baseline_id(reviewing->baseline)) &&
                            row->generation == baseline_header(reviewing->baseline)->generation;
        return 0;
}

/* 0: a review is due of exactly this; REVIEW_NONE: it is not. */
static int
find_debt(struct reviewing *reviewing, struct err *err)
{
        const struct baseline_header *header = baseline_header(reviewing->baseline);
        struct store *store = reviewing->instance->store;
        char key[REVIEW_KEY_MAX];
        _cleanup_free_ char *value = NULL;
        review_key(header, key);
        int r = store_value_get(store, key, &value, err);
        if (r)
                return r == STORE_NONE ? REVIEW_NONE : r < 0 ? r : -EIO;
        reviewing->review = review_parse(value);
        r = store_baselines(store, header->name, find_row, reviewing, err);
        if (r == 0 && reviewing->known)
                r = store_baseline_get(store, header->name, header->generation, NULL, NULL, NULL,
                        &reviewing->approvals, err);
        if (r)
                return r < 0 ? r : -EIO;
        return reviewing->known ? 0 : REVIEW_NONE;
}

static int
refuse_review(struct err *err, const char *why)
{
        err_set(err, INSTANCE_REFUSED, "it is in force, and these approvals add nobody to its review: %.600s",
                why);
        return err_hint(err, INSTANCE_REFUSED, "driftctl sign FILE by somebody who has not approved it yet");
}

/* Those there were come first, so that a person who approved before is no news. */
static int
judge_review(struct reviewing *reviewing, const struct buf *given, struct err *err)
{
        struct trust_verdict *verdict = &reviewing->verdict;
        struct err why = {0};
        const struct instance *instance = reviewing->instance;
        int r = instance_judge_approvals(instance, reviewing->baseline, &reviewing->approvals, verdict, &why);
        if (r < 0)
                return err_oom(err);
        reviewing->n_before = verdict->n_signers;
        if (reviewing->approvals.size + given->size > APPROVAL_FILE_MAX)
                return refuse_review(err, "with those that there are they are too many");
        if (buf_append(&reviewing->approvals, given->data, given->size) < 0)
                return err_oom(err);
        r = instance_judge_approvals(instance, reviewing->baseline, &reviewing->approvals, verdict, &why);
        if (r < 0)
                return err_oom(err);
        if (r > 0)
                return refuse_review(err, why.text);
        if (verdict->n_signers > reviewing->n_before)
                return 0;
        /* The reason stands in what would be said of them alone. */
        r = instance_judge_approvals(instance, reviewing->baseline, given, verdict, &why);
        return r < 0 ? err_oom(err) : refuse_review(err, r > 0 ? why.text : "they were there before");
}

static int
put_review(void *userdata, struct err *err)
{
        struct reviewing *reviewing = userdata;
        const struct baseline_header *header = baseline_header(reviewing->baseline);
        struct store *store = reviewing->instance->store;
        _cleanup_buf_ struct buf signers = {0};
        char key[REVIEW_KEY_MAX], value[REVIEW_VALUE_MAX];
        if (trust_verdict_signers(&reviewing->verdict, &signers) < 0)
                return err_oom(err);
        review_key(header, key);
        review_format(&reviewing->review, value);
        int r = store_value_put(store, key, reviewing->review.missing ? value : NULL, err);
        return r ? r
                 : store_baseline_approve(store, header->name, header->generation, signers.data,
                           reviewing->approvals.data, reviewing->approvals.size, err);
}

static int
keep_review(struct reviewing *reviewing, struct apply_result *ret, struct err *err)
{
        struct instance *instance = reviewing->instance;
        const struct baseline_header *header = baseline_header(reviewing->baseline);
        bool enough = !reviewing->verdict.urgent_used;
        reviewing->review.missing = review_missing(instance, reviewing->baseline, &reviewing->verdict);
        if (trust_verdict_signers(&reviewing->verdict, &ret->signers) < 0)
                return err_oom(err);
        instance_flush(instance, NULL);
        if (record_review(instance, reviewing->baseline, enough ? "given" : "added", &reviewing->review,
                    &reviewing->verdict, reviewing->n_before, NULL) < 0)
                return err_oom(err);
        int r = instance_flush_with(instance, put_review, reviewing, err);
        if (r) {
                instance_unrecord(instance);
                return r;
        }
        memcpy(ret->name, header->name, sizeof ret->name);
        ret->generation = header->generation;
        ret->id = *baseline_id(reviewing->baseline);
        ret->review_due = !enough;
        ret->reviewed = true;
        return instance_load_baselines(instance, err); /* who signed what is in force, and its shelf */
}

int
review_take(struct instance *instance, const struct baseline *b, const struct buf *given,
        struct apply_result *ret, struct err *err)
{
        struct reviewing *reviewing = calloc(1, sizeof *reviewing);
        if (!reviewing)
                return err_oom(err);
        reviewing->instance = instance;
        reviewing->baseline = b;
        int r = find_debt(reviewing, err);
        r = r ? r : judge_review(reviewing, given, err);
        r = r ? r : keep_review(reviewing, ret, err);
        buf_done(&reviewing->approvals);
        free(reviewing);
        return r;
}
