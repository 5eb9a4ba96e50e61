/* SPDX-License-Identifier: MIT */
/*
 * Settings: from one reading of a domain to drifts, by every baseline whose scope asks for that look. What a
 * line finds is gathered for the whole baseline first, so that an item which several lines speak of is one
 * drift, and what no line finds any more is resolved. A domain of which nothing can be said alters no drift:
 * its lines count as not looked at, with the reason.
 */
#include "core/judge_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"
#include "core/setting_judge.h"

#define GOOD_FOR_S 900u /* a look at a setting: three of the longest intervals of the probes */

struct setting_finding {
        const char *item;                   /* of the reading or of the line, which outlive it */
        const struct setting *line;         /* NULL: no line speaks of it */
        const struct probe_setting *actual; /* NULL: it is not there, or it is many */
        enum change change;
        char *reason; /* owned; NULL */
};

struct judging {
        struct judge *judge;
        struct standing *standing;
        const struct settings_look *look;
        const struct scope *scope; /* of the domain, in this baseline */
        const struct setting *line;
        bool line_unknown,
                line_open; /* an item could not be read; the reading does not hold all that it speaks of */
        bool only_shows;   /* nothing is remembered */
        struct setting_finding *list;
        size_t n, room;
};

static const struct scope *
own_scope(const struct baseline *baseline, enum scope_domain domain)
{
        size_t n;
        const struct scope *scopes = baseline_scopes(baseline, &n);
        return scope_of_domain(scopes, n, domain);
}

/* ---- what a standing remembers of its lines ---- */

int
settings_open(struct standing *s)
{
        const struct setting *lines = baseline_settings(s->baseline, &s->n_settings);
        s->settings = calloc(s->n_settings + 1, sizeof *s->settings);
        s->globs = calloc(s->n_settings + 1, sizeof *s->globs);
        if (!s->settings || !s->globs)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_settings; i++)
                if (setting_is_glob(lines[i].item))
                        s->globs[s->n_globs++] = i;
        return 0;
}

void
settings_done(struct standing *s)
{
        free(s->settings);
        free(s->globs);
        for (size_t i = 0; i < SCOPE_DOMAIN_COUNT; i++)
                free(s->probe_failed[i]);
}

static int
compare_texts(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int
compare_lines(const struct setting *a, const struct setting *b)
{
        int order = strcmp(a->item, b->item);
        order = order ? order : (a->op > b->op) - (a->op < b->op);
        order = order ? order : strcmp(a->value, b->value);
        order = order ? order : (int)a->quantifier - (int)b->quantifier;
        order = order ? order : compare_texts(a->fallback, b->fallback);
        return order ? order : compare_texts(a->condition, b->condition);
}

/* The first line that speaks of an item by its name, or would stand after it. */
static size_t
first_line(const struct setting *lines, size_t n, const char *item)
{
        size_t low = 0;
        while (n) {
                size_t half = n / 2;
                if (strcmp(lines[low + half].item, item) < 0) {
                        low += half + 1;
                        n -= half + 1;
                } else {
                        n = half;
                }
        }
        return low;
}

/* Until the new generation's look, what the old one's said holds for the lines that are the same. */
void
settings_inherit(struct standing *to, const struct standing *from)
{
        size_t n_to, n_from;
        const struct setting *a = baseline_settings(to->baseline, &n_to),
                             *b = baseline_settings(from->baseline, &n_from);
        for (size_t i = 0; i < n_to; i++)
                for (size_t j = first_line(b, n_from, a[i].item);
                        j < n_from && strcmp(a[i].item, b[j].item) == 0; j++)
                        if (compare_lines(&a[i], &b[j]) == 0)
                                to->settings[i] = from->settings[j];
}

/* Why nothing is known of a line. */
static const char *
why_unlooked(const struct standing *s, const char *item)
{
        int domain = setting_domain(item);
        if (domain >= 0 && !own_scope(s->baseline, (enum scope_domain)domain))
                return "its baseline has no scope of this domain, which says how to look";
        const char *why = domain >= 0 ? s->probe_failed[domain] : NULL;
        return why ? why : "not looked at yet";
}

int
judge_each_unlooked(struct judge *judge, size_t index,
        int (*visit)(void *userdata, const char *item, const char *why), void *userdata)
{
        int r = 0;
        size_t n = 0;
        pthread_mutex_lock(&judge->lock);
        const struct standing *s = &judge->standings->list[index];
        const struct setting *lines = baseline_settings(s->baseline, &n);
        for (size_t i = 0; i < n && r == 0; i++)
                if (s->settings[i].look == SETTING_NOT_LOOKED)
                        r = visit(userdata, lines[i].item, why_unlooked(s, lines[i].item));
        pthread_mutex_unlock(&judge->lock);
        return r;
}

void
settings_cover(const struct standing *s, int64_t now_ms, struct coverage *ret)
{
        size_t n;
        const struct setting *lines = baseline_settings(s->baseline, &n);
        ret->expected += n;
        for (size_t i = 0; i < n; i++) {
                const struct setting_state *state = &s->settings[i];
                bool fresh =
                        state->look != SETTING_NOT_LOOKED && now_ms / 1000 - state->looked_s <= GOOD_FOR_S;
                ret->verified += fresh && state->look == SETTING_ANSWERED;
                ret->settings_unknown += fresh && state->look == SETTING_UNKNOWN;
                if (fresh || ret->settings++)
                        continue;
                int domain = setting_domain(lines[i].item);
                snprintf(ret->settings_where, sizeof ret->settings_where, "%s: %.200s",
                        domain >= 0 ? scope_domain_names[domain] : "?", why_unlooked(s, lines[i].item));
        }
}

static bool
lines_speak_of(const struct standing *s, const char *item)
{
        size_t n;
        const struct setting *lines = baseline_settings(s->baseline, &n);
        size_t at = first_line(lines, n, item);
        if (at < n && strcmp(lines[at].item, item) == 0)
                return true;
        for (size_t i = 0; i < s->n_globs; i++)
                if (glob_match(lines[s->globs[i]].item, item))
                        return true;
        return false;
}

bool
settings_speak_of(const struct standing *s, const char *item)
{
        size_t n;
        const struct scope *scopes = baseline_scopes(s->baseline, &n);
        return scope_for_item(scopes, n, item) || lines_speak_of(s, item);
}

bool
settings_agree(const struct standing *a, const struct standing *b, const char *item)
{
        size_t n_a, n_b;
        const struct setting *left = baseline_settings(a->baseline, &n_a),
                             *right = baseline_settings(b->baseline, &n_b);
        size_t i = first_line(left, n_a, item), j = first_line(right, n_b, item);
        for (;; i++, j++) {
                bool more = i < n_a && strcmp(left[i].item, item) == 0;
                if (more != (j < n_b && strcmp(right[j].item, item) == 0))
                        return false;
                if (!more)
                        return true;
                if (compare_lines(&left[i], &right[j]) != 0)
                        return false;
        }
}

/* ---- gathering ---- */

static int
found(struct judging *judging, const char *item, enum change change, const struct probe_setting *actual,
        const char *reason)
{
        if (judging->n == judging->room) {
                size_t room = judging->room ? 2 * judging->room : 16;
                void *grown = reallocarray(judging->list, room, sizeof *judging->list);
                if (!grown)
                        return -ENOMEM;
                judging->list = grown;
                judging->room = room;
        }
        struct setting_finding finding = {
                .item = item, .line = judging->line, .actual = actual, .change = change};
        if (change == CHANGE_UNKNOWN && !(finding.reason = strdup(reason ? reason : "it could not be read")))
                return -ENOMEM;
        judging->list[judging->n++] = finding;
        return 0;
}

static int
on_verdict(void *userdata, const char *item, enum setting_verdict verdict, const struct probe_setting *actual,
        const char *reason)
{
        struct judging *judging = userdata;
        switch (verdict) {
        case SETTING_VERDICT_NOT_MET:
                return found(judging, item, CHANGE_CHANGED, actual, NULL);
        case SETTING_VERDICT_MISSING:
                return found(judging, item, CHANGE_MISSING, NULL, NULL);
        case SETTING_VERDICT_UNKNOWN:
                if (!actual && judging->look->reading->incomplete) {
                        judging->line_open = true;
                        return 0;
                }
                judging->line_unknown = true;
                return found(judging, item, CHANGE_UNKNOWN, actual, reason);
        default:
                return 0;
        }
}

static int
judge_lines(struct judging *judging)
{
        size_t n;
        const struct setting *lines = baseline_settings(judging->standing->baseline, &n);
        const struct probe_reading *readings[SCOPE_DOMAIN_COUNT] = {0};
        readings[judging->look->scope->domain] = judging->look->reading;
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++) {
                if (setting_domain(lines[i].item) != (int)judging->look->scope->domain)
                        continue;
                judging->line = &lines[i];
                judging->line_unknown = judging->line_open = false;
                r = setting_judge(&lines[i], readings, judging->look->now_ms, on_verdict, judging);
                if (!judging->only_shows)
                        judging->standing->settings[i] =
                                (struct setting_state){judging->line_open      ? SETTING_NOT_LOOKED
                                                       : judging->line_unknown ? SETTING_UNKNOWN
                                                                               : SETTING_ANSWERED,
                                        (uint32_t)(judging->look->now_ms / 1000)};
        }
        judging->line = NULL;
        return r;
}

/* What a closing scope holds, and no line speaks of. */
static int
judge_unexpected(struct judging *judging)
{
        const struct probe_reading *reading = judging->look->reading;
        int r = 0;
        for (size_t i = 0; !judging->scope->named_only && i < reading->count && r == 0; i++) {
                const struct probe_setting *setting = &reading->list[i];
                if (!setting->derived && scope_for_item(judging->scope, 1, setting->item) &&
                        !lines_speak_of(judging->standing, setting->item))
                        r = found(judging, setting->item, setting->value ? CHANGE_UNEXPECTED : CHANGE_UNKNOWN,
                                setting, setting->reason);
        }
        return r;
}

/* By item; of several findings of one item the worst stands first. */
static int
compare_findings(const void *a, const void *b)
{
        const struct setting_finding *left = a, *right = b;
        int order = strcmp(left->item, right->item);
        return order ? order : (int)left->change - (int)right->change;
}

static void
drop_repeated(struct judging *judging)
{
        size_t kept = 0;
        if (judging->n)
                qsort(judging->list, judging->n, sizeof *judging->list, compare_findings);
        for (size_t i = 0; i < judging->n; i++) {
                if (kept && strcmp(judging->list[kept - 1].item, judging->list[i].item) == 0)
                        free(judging->list[i].reason);
                else
                        judging->list[kept++] = judging->list[i];
        }
        judging->n = kept;
}

/* ---- words ---- */

int
value_append(const char *value, struct buf *buf)
{
        int r = 0;
        while (*value && r == 0) {
                size_t size = strcspn(value, " ");
                r = buf_escape(buf, value, size);
                value += size;
                size = strspn(value, " ");
                r = r ? r : buf_append(buf, value, size);
                value += size;
        }
        return r;
}

struct json *
setting_value_json(const char *value)
{
        _cleanup_buf_ struct buf text = {0};
        if (!value)
                return json_null_new();
        return value_append(value, &text) < 0 ? NULL : json_string_new(text.data ? text.data : "");
}

/* `0`, or `ge 1`. */
struct json *
setting_expected_json(const struct setting *line)
{
        _cleanup_free_ char *raw = NULL;
        _cleanup_buf_ struct buf text = {0};
        if (!line)
                return json_null_new();
        if (unescape_new(line->value, &raw) < 0 ||
                (line->op != SETTING_EQ && buf_printf(&text, "%s ", setting_operator_names[line->op]) < 0) ||
                value_append(raw, &text) < 0)
                return NULL;
        return json_string_new(text.data ? text.data : "");
}

/* What the configuration says, and where. */
static struct json *
configured_json(const char *value, const char *source)
{
        return value ? json_make("{s:o, s:o}", "value", setting_value_json(value), "source",
                               setting_value_json(source))
                     : json_null_new();
}

struct json *
views_json(const struct probe_setting *setting)
{
        struct json *configured = configured_json(setting->configured, setting->source);
        if (configured && setting->overridden &&
                json_put(configured, "overrides",
                        configured_json(setting->overridden, setting->overridden_source)) < 0)
                configured = json_free(configured);
        return json_make("{s:o, s:o, s:o}", "running", setting_value_json(setting->value), "configured",
                configured, "after_restart", setting_value_json(setting->after_restart));
}

struct describing {
        const struct setting_finding *finding;
        enum severity severity;
        const char *follows; /* the item whose change brought this one about; NULL */
};

static int
describe_setting(void *userdata, struct drift *drift)
{
        const struct describing *describing = userdata;
        const struct setting_finding *finding = describing->finding;
        const struct probe_setting *actual = finding->actual;
        _cleanup_buf_ struct buf attributes = {0}, views = {0};
        bool unknown = finding->change == CHANGE_UNKNOWN;
        _cleanup_json_ struct json *list =
                unknown ? json_array_make()
                        : json_make("[{s:s, s:o, s:o}]", "name", "value", "expected",
                                  setting_expected_json(finding->line), "actual",
                                  setting_value_json(actual ? actual->value : NULL));
        _cleanup_json_ struct json *seen = actual ? views_json(actual) : NULL;
        _cleanup_free_ char *reason = judge_copy(finding->reason), *cause = NULL;
        if (describing->follows &&
                asprintf(&cause, "{\"kind\":\"setting\",\"item\":\"%s\"}", describing->follows) < 0)
                return -ENOMEM;
        if (!list || json_write(list, &attributes) < 0 ||
                (actual && (!seen || json_write(seen, &views) < 0)) || (finding->reason && !reason))
                return -ENOMEM;
        free(drift->attributes);
        free(drift->views);
        free(drift->reason);
        free(drift->cause);
        drift->cause = steal_pointer(&cause);
        drift->attributes = buf_steal(&attributes);
        drift->views = views.data ? buf_steal(&views) : NULL;
        drift->reason = steal_pointer(&reason);
        drift->change = finding->change;
        drift->severity = describing->severity;
        return drift->attributes ? 0 : -ENOMEM;
}

/* ---- from findings to drifts ---- */

static void
observed_of(const struct probe_setting *actual, const char *reason, char ret[static DIGEST_HEX_SIZE])
{
        struct digest digest;
        const char *text = actual && actual->value ? actual->value : reason;
        ret[0] = '\0';
        if (!text)
                return;
        digest_bytes(text, strlen(text), &digest);
        digest_hex(&digest, ret);
}

static struct drift_look
look_of_finding(const struct judging *judging, struct describing *describing)
{
        const struct setting_finding *finding = describing->finding;
        enum severity severity = judging->scope ? judging->scope->severity : SEVERITY_MEDIUM;
        describing->severity =
                finding->line && finding->line->has_severity ? finding->line->severity : severity;
        struct drift_look look = {
                .header = baseline_header(judging->standing->baseline),
                .item = finding->item,
                .drift = true,
                .change = finding->change,
                .now_ms = judging->look->now_ms,
                .unobserved = judging->look->unobserved,
                .result = finding->change == CHANGE_UNKNOWN ? SNAPSHOT_UNREADABLE : 0,
                .renew = true, /* its views may have moved, and are not kept in the store */
                .describe = describe_setting,
                .userdata = describing,
        };
        observed_of(finding->actual, finding->reason, look.observed);
        return look;
}

static bool
is_found(const struct judging *judging, const char *item)
{
        size_t low = 0, high = judging->n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(judging->list[middle].item, item);
                if (order == 0)
                        return true;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return false;
}

static int
resolve_other(void *userdata, struct drift **slot)
{
        struct judging *judging = userdata;
        const struct drift *drift = *slot;
        const struct baseline_header *header = baseline_header(judging->standing->baseline);
        if (strcmp(drift->baseline, header->name) != 0 ||
                setting_domain(drift->item) != (int)judging->look->scope->domain)
                return 0;
        const struct probe_setting *actual = probe_find(judging->look->reading, drift->item);
        bool open = !actual && judging->look->reading->incomplete;
        if (open || is_found(judging, drift->item))
                return 0;
        struct drift_look look = {.header = header, .item = drift->item};
        observed_of(actual, NULL, look.observed);
        return drift_update(judging->judge, &look); /* takes it out of the tree */
}

static const struct setting_finding *
finding_of(const struct judging *judging, const char *item)
{
        for (size_t i = 0; i < judging->n; i++)
                if (strcmp(judging->list[i].item, item) == 0)
                        return &judging->list[i];
        return NULL;
}

/*
 * Turning forwarding on or off turns every interface's on or off, and all/accept_redirects the other way
 * (ip-sysctl.rst of the kernel, ip_forward): one deed, and many keys. Only where it looks just so, and by a
 * snapshot: what a policy finds wrong need not have changed at all.
 */
static const char *
followed(const struct judging *judging, const struct setting_finding *finding)
{
        static const char forward[] = "sysctl:net/ipv4/ip_forward";
        bool same = glob_match("sysctl:net/ipv4/conf/*/forwarding", finding->item);
        if ((!same && strcmp(finding->item, "sysctl:net/ipv4/conf/all/accept_redirects") != 0) ||
                judging->scope->named_only || finding->change != CHANGE_CHANGED)
                return NULL;
        const struct setting_finding *deed = finding_of(judging, forward);
        bool known = deed && deed->actual && deed->actual->value && finding->actual && finding->actual->value;
        if (!known || deed->change != CHANGE_CHANGED)
                return NULL;
        return (strcmp(deed->actual->value, finding->actual->value) == 0) == same ? forward : NULL;
}

static int
settle_findings(struct judging *judging)
{
        drop_repeated(judging);
        int r = tree_each_slot(&judging->judge->drifts, resolve_other, judging);
        for (size_t i = 0; i < judging->n && r >= 0; i++) {
                struct describing describing = {.finding = &judging->list[i]};
                describing.follows = followed(judging, &judging->list[i]);
                struct drift_look look = look_of_finding(judging, &describing);
                r = drift_update(judging->judge, &look);
        }
        return r < 0 ? r : 0;
}

static void
findings_done(struct judging *judging)
{
        for (size_t i = 0; i < judging->n; i++)
                free(judging->list[i].reason);
        free(judging->list);
}

static int
note_reason(struct standing *s, enum scope_domain domain, const char *reason)
{
        free(s->probe_failed[domain]);
        s->probe_failed[domain] = judge_copy(reason);
        return reason && !s->probe_failed[domain] ? -ENOMEM : 0;
}

static int
note_failed(struct judging *judging)
{
        size_t n;
        const struct setting *lines = baseline_settings(judging->standing->baseline, &n);
        enum scope_domain domain = judging->look->scope->domain;
        for (size_t i = 0; i < n; i++)
                if (setting_domain(lines[i].item) == (int)domain)
                        judging->standing->settings[i].look = SETTING_NOT_LOOKED;
        return note_reason(judging->standing, domain, judging->look->failed);
}

/* Whether this look is one for this baseline. */
static bool
concerns(const struct settings_look *look, const struct scope *scope)
{
        return scope && scope_same_probe(scope, look->scope) && (!look->named || scope->named_only);
}

static int
judge_standing(struct judge *judge, struct standing *s, const struct settings_look *look)
{
        struct judging judging = {.judge = judge, .standing = s, .look = look};
        judging.scope = own_scope(s->baseline, look->scope->domain);
        if (!concerns(look, judging.scope))
                return 0;
        if (!look->reading)
                return note_failed(&judging);
        int r = note_reason(s, look->scope->domain, look->reading->incomplete);
        r = r ? r : judge_lines(&judging);
        r = r ? r : judge_unexpected(&judging);
        r = r ? r : settle_findings(&judging);
        findings_done(&judging);
        return r;
}

int
judge_observe_settings(struct judge *judge, const struct settings_look *look)
{
        int r = 0;
        pthread_mutex_lock(&judge->lock);
        for (size_t i = 0; judge->standings && i < judge->standings->n && r == 0; i++)
                r = judge_standing(judge, &judge->standings->list[i], look);
        pthread_mutex_unlock(&judge->lock);
        return r;
}

/* ---- what is asked for ---- */

int
judge_probes(struct judge *judge, struct scope **ret, size_t *ret_n)
{
        _cleanup_(judge_releasep) struct standings *held = judge_hold(judge);
        size_t n = 0, room = held ? held->n * (SCOPE_DOMAIN_COUNT - 1) : 0;
        struct scope *list = calloc(room + 1, sizeof *list);
        int r = list ? 0 : -ENOMEM;
        for (size_t i = 0; held && i < held->n && r == 0; i++)
                for (enum scope_domain domain = SCOPE_SYSCTL; domain < SCOPE_DOMAIN_COUNT && r == 0;
                        domain++) {
                        const struct scope *scope = own_scope(held->list[i].baseline, domain);
                        size_t j = 0;
                        while (scope && j < n && !scope_same_probe(&list[j], scope))
                                j++;
                        if (scope && j == n && (r = scope_copy(scope, &list[n])) == 0)
                                n++;
                }
        if (r) {
                for (size_t i = 0; i < n; i++)
                        scope_done(&list[i]);
                free(list);
                return r;
        }
        *ret = list;
        *ret_n = n;
        return 0;
}

/* What a line asks for: its item, and that of its condition. */
static int
name_line(const struct setting *line, struct text_list *ret)
{
        struct setting_condition condition = {0};
        int r = text_list_add(ret, line->item, strlen(line->item));
        if (r || !line->condition)
                return r;
        r = setting_condition_parse(line->condition, line->item, &condition, NULL);
        r = r ? r : text_list_add(ret, condition.item, strlen(condition.item));
        setting_condition_done(&condition);
        return r;
}

int
judge_named(struct judge *judge, const struct scope *scope, struct text_list *ret)
{
        _cleanup_(judge_releasep) struct standings *held = judge_hold(judge);
        int r = 0;
        for (size_t i = 0; held && i < held->n; i++) {
                const struct scope *own = own_scope(held->list[i].baseline, scope->domain);
                size_t n;
                const struct setting *lines = baseline_settings(held->list[i].baseline, &n);
                if (!own || !own->named_only || !scope_same_probe(own, scope))
                        continue;
                for (size_t j = 0; j < n && r == 0; j++)
                        if (setting_domain(lines[j].item) == (int)scope->domain)
                                r = name_line(&lines[j], ret);
        }
        text_list_sort(ret);
        return r;
}

/* ---- showing ---- */

struct json *
judge_setting_json(struct judge *judge, size_t index, const char *item, const struct settings_look *look)
{
        struct judging judging = {
                .judge = judge, .standing = &judge->standings->list[index], .look = look, .only_shows = true};
        struct json *value = NULL;
        judging.scope = own_scope(judging.standing->baseline, look->scope->domain);
        if (!look->reading || !concerns(look, judging.scope))
                return json_null_new();
        pthread_mutex_lock(&judge->lock);
        int r = judge_lines(&judging);
        r = r ? r : judge_unexpected(&judging);
        pthread_mutex_unlock(&judge->lock);
        drop_repeated(&judging);
        for (size_t i = 0; r == 0 && i < judging.n; i++) {
                struct describing describing = {.finding = &judging.list[i]};
                if (strcmp(judging.list[i].item, item) != 0)
                        continue;
                struct drift_look look_of = look_of_finding(&judging, &describing);
                _cleanup_(drift_freep) struct drift *drift = drift_make(&look_of);
                value = drift ? judge_drift_json(judge, drift, look->now_ms) : NULL;
                r = value ? 0 : -ENOMEM;
        }
        findings_done(&judging);
        return r || value ? value : json_null_new();
}
