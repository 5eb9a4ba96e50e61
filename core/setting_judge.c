/* SPDX-License-Identifier: MIT */
/*
 * Judging a line. Items are sorted, so a glob looks only at the run that begins like it. Nothing is
 * allocated but for a condition and for operands that are long.
 *
 * Unknown is kept apart all the way: an item that could not be read makes `all` unknown for itself, `any`
 * unknown unless another one meets it, and `none` unknown unless another one already fails it.
 */
#include "core/setting_judge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "core/quote.h"

#define REASON_MAX 512 /* bytes, with the NUL */

struct judging {
        const struct setting *setting;
        const struct probe_reading *const *readings;
        int64_t now_ms;
        setting_visit visit;
        void *userdata;
};

/* ---- one item ---- */

/* MET, NOT_MET or UNKNOWN (then with words in reason); < 0: -ENOMEM. */
static int
ask(enum setting_operator op, const char *operand, const struct probe_setting *actual, int64_t now_ms,
        char reason[static REASON_MAX])
{
        const char *value = actual->value;
        bool readable = value || (actual->error && op == SETTING_UNREADABLE);
        int r = readable ? setting_meets(op, operand, value, actual->error, now_ms) : SETTING_INCOMPARABLE;
        if (r < 0)
                return r;
        if (r != SETTING_INCOMPARABLE)
                return r == SETTING_MET ? SETTING_VERDICT_MET : SETTING_VERDICT_NOT_MET;
        if (!value)
                snprintf(reason, REASON_MAX, "%s", actual->reason ? actual->reason : "it could not be read");
        else
                snprintf(reason, REASON_MAX, "\"%s\" cannot be compared by %s with \"%s\"", quote(value),
                        setting_operator_names[op], quote(operand));
        return SETTING_VERDICT_UNKNOWN;
}

/* ---- the items of a glob ---- */

struct run {
        const struct probe_reading *reading;
        const char *pattern;
        size_t at, literal; /* the index of the next; bytes of the pattern without * and ? */
};

static struct run
run_start(const struct probe_reading *reading, const char *pattern)
{
        struct run run = {.reading = reading, .pattern = pattern, .literal = strcspn(pattern, "*?")};
        size_t end = reading->count;
        while (run.at < end) {
                size_t middle = run.at + (end - run.at) / 2;
                if (strncmp(reading->list[middle].item, pattern, run.literal) < 0)
                        run.at = middle + 1;
                else
                        end = middle;
        }
        return run;
}

/* The next item that the pattern matches; NULL: no more. */
static const struct probe_setting *
run_next(struct run *run)
{
        while (run->at < run->reading->count) {
                const struct probe_setting *found = &run->reading->list[run->at++];
                if (strncmp(found->item, run->pattern, run->literal) != 0)
                        return NULL;
                if (glob_match(run->pattern, found->item))
                        return found;
        }
        return NULL;
}

static const struct probe_reading *
reading_of(const struct judging *j, const char *item)
{
        int domain = setting_domain(item);
        return domain < 0 ? NULL : j->readings[domain];
}

/* ---- conditions ---- */

/* MET, NOT_MET or UNKNOWN. */
static int
condition_holds(
        const struct judging *j, const struct setting_condition *condition, char reason[static REASON_MAX])
{
        const struct probe_reading *reading = reading_of(j, condition->item);
        int verdict = condition->op == SETTING_ABSENT ? SETTING_VERDICT_MET : SETTING_VERDICT_NOT_MET;
        if (!reading) {
                snprintf(reason, REASON_MAX, "what the condition asks for could not be read");
                return SETTING_VERDICT_UNKNOWN;
        }
        if (reading->incomplete) {
                snprintf(reason, REASON_MAX, "%s", reading->incomplete);
                verdict = SETTING_VERDICT_UNKNOWN;
        }
        struct run run = run_start(reading, condition->item);
        for (const struct probe_setting *found; (found = run_next(&run));) {
                if (condition->op == SETTING_ABSENT)
                        return SETTING_VERDICT_NOT_MET;
                int r = ask(condition->op, condition->value, found, j->now_ms, reason);
                if (r < 0 || r == SETTING_VERDICT_MET)
                        return r;
                if (r == SETTING_VERDICT_UNKNOWN)
                        verdict = r;
        }
        return verdict;
}

/* 0: the line applies; 1: it was told that it does not, or that nobody knows; < 0, or what visit returned. */
static int
check_condition(const struct judging *j, bool *ret_applies)
{
        struct setting_condition condition = {0};
        char why[REASON_MAX] = "", reason[REASON_MAX + 64];
        *ret_applies = true;
        if (!j->setting->condition)
                return 0;
        int r = setting_condition_parse(j->setting->condition, j->setting->item, &condition, NULL);
        r = r ? r : condition_holds(j, &condition, why);
        setting_condition_done(&condition);
        if (r < 0 || r == SETTING_VERDICT_MET)
                return r < 0 ? r : 0;
        *ret_applies = false;
        if (r == SETTING_VERDICT_NOT_MET)
                return j->visit(j->userdata, j->setting->item, SETTING_VERDICT_NOT_APPLICABLE, NULL, NULL);
        snprintf(reason, sizeof reason, "whether it applies is not known: %s", why);
        return j->visit(j->userdata, j->setting->item, SETTING_VERDICT_UNKNOWN, NULL, reason);
}

/* ---- quantifiers ---- */

static int
tell(const struct judging *j, const char *item, int verdict, const struct probe_setting *actual,
        const char *reason)
{
        return j->visit(
                j->userdata, item, (enum setting_verdict)verdict, actual, reason && *reason ? reason : NULL);
}

/* No item is there: the default stands for one, or the absence itself is judged. */
static int
judge_absence(const struct judging *j)
{
        const struct setting *s = j->setting;
        char reason[REASON_MAX] = "";
        int verdict;
        if (s->fallback) {
                _cleanup_free_ char *value = NULL;
                int r = unescape_new(s->fallback, &value);
                if (r < 0)
                        return r;
                const struct probe_setting assumed = {.value = value};
                verdict = ask(s->op, s->value, &assumed, j->now_ms, reason);
                if (verdict < 0)
                        return verdict;
                if (s->quantifier == SETTING_NONE && verdict != SETTING_VERDICT_UNKNOWN)
                        verdict = verdict == SETTING_VERDICT_MET ? SETTING_VERDICT_NOT_MET
                                                                 : SETTING_VERDICT_MET;
                if (!*reason)
                        snprintf(reason, sizeof reason, "it is not there; its default is judged");
                return tell(j, s->item, verdict, NULL, reason);
        }
        switch (s->quantifier) {
        case SETTING_ALL:
                return 0;
        case SETTING_NONE:
                return tell(j, s->item, SETTING_VERDICT_MET, NULL, NULL);
        case SETTING_EVERY:
                if (setting_is_glob(s->item))
                        return 0;
                break;
        default:
                break;
        }
        verdict = s->op == SETTING_ABSENT ? SETTING_VERDICT_MET : SETTING_VERDICT_MISSING;
        return tell(j, s->item, verdict, NULL, NULL);
}

static int
judge_each(const struct judging *j, struct run *run, bool *ret_found)
{
        for (const struct probe_setting *found; (found = run_next(run));) {
                char reason[REASON_MAX] = "";
                *ret_found = true;
                int verdict = ask(j->setting->op, j->setting->value, found, j->now_ms, reason);
                int r = verdict < 0 ? verdict : tell(j, found->item, verdict, found, reason);
                if (r)
                        return r;
        }
        return 0;
}

/* `any` and `none`: looks for one that meets it. */
static int
judge_one(const struct judging *j, struct run *run, bool *ret_found, bool *ret_decided)
{
        const struct setting *s = j->setting;
        const struct probe_setting *doubtful = NULL;
        char reason[REASON_MAX] = "", doubt[REASON_MAX] = "";
        size_t n = 0;
        for (const struct probe_setting *found; (found = run_next(run)); n++) {
                *ret_found = true;
                int verdict = ask(s->op, s->value, found, j->now_ms, reason);
                if (verdict < 0)
                        return verdict;
                *ret_decided = verdict == SETTING_VERDICT_MET;
                if (*ret_decided)
                        return s->quantifier == SETTING_ANY
                                       ? tell(j, found->item, SETTING_VERDICT_MET, found, NULL)
                                       : tell(j, s->item, SETTING_VERDICT_NOT_MET, found, NULL);
                if (verdict == SETTING_VERDICT_UNKNOWN && !doubtful) {
                        doubtful = found;
                        memcpy(doubt, reason, sizeof doubt);
                }
        }
        if (!n || run->reading->incomplete)
                return 0;
        if (doubtful)
                return tell(j, s->item, SETTING_VERDICT_UNKNOWN, doubtful, doubt);
        snprintf(reason, sizeof reason,
                n == 1 ? "the one that matches does not" : "none of the %zu that match", n);
        return tell(j, s->item, s->quantifier == SETTING_ANY ? SETTING_VERDICT_NOT_MET : SETTING_VERDICT_MET,
                NULL, reason);
}

/* What an incomplete reading leaves open. */
static int
tell_incomplete(const struct judging *j, const struct probe_reading *reading)
{
        return tell(j, j->setting->item, SETTING_VERDICT_UNKNOWN, NULL, reading->incomplete);
}

static int
judge_literal(const struct judging *j, const struct probe_reading *reading)
{
        const struct setting *s = j->setting;
        const struct probe_setting *found = probe_find(reading, s->item);
        char reason[REASON_MAX] = "";
        if (!found)
                return reading->incomplete ? tell_incomplete(j, reading) : judge_absence(j);
        int verdict = ask(s->op, s->value, found, j->now_ms, reason);
        return verdict < 0 ? verdict : tell(j, found->item, verdict, found, reason);
}

int
setting_judge(const struct setting *setting,
        const struct probe_reading *const readings[static SCOPE_DOMAIN_COUNT], int64_t now_ms,
        setting_visit visit, void *userdata)
{
        const struct judging j = {setting, readings, now_ms, visit, userdata};
        const struct probe_reading *reading = reading_of(&j, setting->item);
        bool applies, found = false;
        int r = check_condition(&j, &applies);
        if (r || !applies)
                return r;
        if (!reading)
                return tell(&j, setting->item, SETTING_VERDICT_UNKNOWN, NULL, NULL);
        if (setting->quantifier == SETTING_EVERY && !setting_is_glob(setting->item))
                return judge_literal(&j, reading);
        struct run run = run_start(reading, setting->item);
        bool one = setting->quantifier == SETTING_ANY || setting->quantifier == SETTING_NONE, decided = false;
        r = one ? judge_one(&j, &run, &found, &decided) : judge_each(&j, &run, &found);
        if (r == 0 && reading->incomplete && !decided)
                return tell_incomplete(&j, reading);
        return r || found ? r : judge_absence(&j);
}
