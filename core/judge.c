/* SPDX-License-Identifier: MIT */
/*
 * The judge (its drifts are in judge_drift.c, what is said of one path in judge_rule.c, its scans in
 * judge_scan.c, settings in judge_setting.c). Two kinds of memory: the standings (for each baseline, per
 * expectation: the stat mark under which it was last judged, when its content was verified, in which pass it
 * was met) and the open drifts by (baseline, item). The standings' arrays are written by many threads, one
 * word at a time; the drifts only under the lock.
 *
 * Invariants: a mark is stored only after the thing was judged; a mark of 0 means "look again"; verified
 * times move only when content was read and met its expectation (for things without content: when they
 * were looked at). A scan alone never changes an answer in the daemon: it hints at paths, and the one way
 * an answer changes is judge_observe on a fresh snapshot.
 */
#include "core/judge_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"

const char *const change_names[CHANGE_COUNT] = {"changed", "missing", "unexpected", "unknown"};

/* ---- standings ---- */

static void
entries_free(struct entries *entries)
{
        if (!entries || atomic_fetch_sub(&entries->references, 1) != 1)
                return;
        free(entries->marks);
        free(entries->verified_s);
        free(entries->met);
        free(entries->bits);
        free(entries);
}

static struct entries *
entries_new(const struct baseline_bytes *of)
{
        struct entries *entries = calloc(1, sizeof *entries);
        if (!entries)
                return NULL;
        entries->references = 1;
        entries->of = of;
        entries->n = baseline_bytes_files(of);
        entries->marks = calloc(entries->n + 1, sizeof *entries->marks);
        entries->verified_s = calloc(entries->n + 1, sizeof *entries->verified_s);
        entries->met = calloc(entries->n + 1, sizeof *entries->met);
        entries->bits = calloc(entries->n + 1, sizeof *entries->bits);
        if (entries->marks && entries->verified_s && entries->met && entries->bits)
                return entries;
        entries_free(entries);
        return NULL;
}

/* Those that the standing before (NULL: there is none) has of the same bytes, or new ones. */
static struct entries *
entries_of(const struct baseline_bytes *bytes, const struct standing *before)
{
        struct entries *known = NULL;
        if (before && before->own->of == bytes)
                known = before->own;
        else if (before && before->shared && before->shared->of == bytes)
                known = before->shared;
        if (!known)
                return entries_new(bytes);
        atomic_fetch_add(&known->references, 1);
        return known;
}

struct entries *
standing_entries(const struct standing *s, size_t index, size_t *ret_at, size_t *ret_end)
{
        const struct baseline_bytes *bytes = baseline_file_bytes(s->baseline, index, ret_at, ret_end);
        return s->shared && bytes == s->shared->of ? s->shared : s->own;
}

struct entry
standing_entry(const struct standing *s, size_t index)
{
        size_t at, end;
        const struct entries *entries = standing_entries(s, index, &at, &end);
        return (struct entry){
                &entries->marks[at], &entries->verified_s[at], &entries->met[at], &entries->bits[at]};
}

static void
standing_done(struct standing *s)
{
        entries_free(s->own);
        entries_free(s->shared);
        baseline_free(s->baseline);
        for (size_t i = 0; i < s->n_rotations; i++)
                free(s->rotations[i].item);
        free(s->rotations);
        settings_done(s);
}

struct standings *
judge_release(struct standings *standings)
{
        if (!standings || atomic_fetch_sub(&standings->references, 1) != 1)
                return NULL;
        for (size_t i = 0; i < standings->n; i++)
                standing_done(&standings->list[i]);
        free(standings);
        return NULL;
}
struct standings *
judge_hold(struct judge *judge)
{
        pthread_mutex_lock(&judge->lock);
        struct standings *standings = judge->standings;
        if (standings)
                atomic_fetch_add(&standings->references, 1);
        pthread_mutex_unlock(&judge->lock);
        return standings;
}

/* Takes the baseline over, on failure too. before: the standing of that name until now, or NULL. */
static int
standing_open(struct standing *s, struct baseline *baseline, const struct standing *before)
{
        const struct baseline_bytes *shared = baseline_bytes(baseline, true);
        s->baseline = baseline;
        s->n = baseline_files(baseline);
        s->own = entries_of(baseline_bytes(baseline, false), before);
        s->shared = shared ? entries_of(shared, before) : NULL;
        if (!s->own || (shared && !s->shared))
                return -ENOMEM;
        for (size_t i = 0; i < s->n; i++) {
                static const char regular[] = " type=file";
                size_t size;
                const char *path = baseline_file_path(baseline, i, &size);
                if (memcmp(path + size, regular, sizeof regular - 1) != 0)
                        continue;
                struct entry entry = standing_entry(s, i);
                if (!(*entry.bits & ENTRY_REGULAR))
                        *entry.bits |= ENTRY_REGULAR;
                s->circle_cost += baseline_file_size(baseline, i) + TURN_FILE_COST;
        }
        return settings_open(s);
}

const struct scope *
entry_scope(const struct standing *s, size_t index)
{
        size_t n_scopes, size;
        const struct scope *scopes = baseline_scopes(s->baseline, &n_scopes);
        char local[1024];
        if (n_scopes == 1)
                return scopes;
        const char *path = baseline_file_path(s->baseline, index, &size);
        _cleanup_free_ char *heap = size < sizeof local ? NULL : strndup(path, size);
        if (size < sizeof local) {
                memcpy(local, path, size);
                local[size] = '\0';
        } else if (!heap) {
                return NULL;
        }
        return scope_for_path(scopes, n_scopes, heap ? heap : local);
}

/* Whether two entries with the same line are judged alike, where their scopes are not all the same: one may
 * have come to name what a line leaves out for "none". */
static bool
same_rule(const struct standing *a, size_t a_index, const struct standing *b, size_t b_index)
{
        const struct scope *x = entry_scope(a, a_index), *y = entry_scope(b, b_index);
        return x && y && x->attributes == y->attributes && x->mode == y->mode;
}

/* Of n lines that are the same. What both have in common is there already. */
static void
inherit_entries(
        const struct standing *to, size_t to_index, const struct standing *from, size_t from_index, size_t n)
{
        for (size_t done = 0, run; done < n; done += run) {
                size_t t, f, to_end, from_end;
                const struct entries *into = standing_entries(to, to_index + done, &t, &to_end);
                const struct entries *source = standing_entries(from, from_index + done, &f, &from_end);
                run = min_size(n - done, min_size(to_end - to_index, from_end - from_index) - done);
                if (into == source)
                        continue;
                memcpy(into->marks + t, source->marks + f, run * sizeof *into->marks);
                memcpy(into->verified_s + t, source->verified_s + f, run * sizeof *into->verified_s);
                memcpy(into->bits + t, source->bits + f, run * sizeof *into->bits);
        }
}

/* What was verified stays verified where line and rule are the same. Both are sorted: one merge, of runs. */
static void
standing_inherit(struct standing *to, const struct standing *from)
{
        bool same_scopes = baseline_scopes_same(to->baseline, from->baseline);
        for (size_t i = 0, j = 0; i < to->n && j < from->n;) {
                size_t same = baseline_files_same(to->baseline, i, from->baseline, j);
                if (same_scopes)
                        inherit_entries(to, i, from, j, same);
                for (size_t k = 0; k < same && !same_scopes; k++)
                        if (same_rule(to, i + k, from, j + k))
                                inherit_entries(to, i + k, from, j + k, 1);
                i += same;
                j += same;
                if (i == to->n || j == from->n)
                        break;
                int order = baseline_files_order(to->baseline, i, from->baseline, j);
                i += order <= 0;
                j += order >= 0;
        }
}

struct standing *
standing_named(struct standings *standings, const char *name)
{
        for (size_t i = 0; standings && i < standings->n; i++)
                if (strcmp(baseline_header(standings->list[i].baseline)->name, name) == 0)
                        return &standings->list[i];
        return NULL;
}

struct rotation_entry *
rotation_find(const struct standing *s, const char *item)
{
        for (size_t i = 0; i < s->n_rotations; i++)
                if (strcmp(s->rotations[i].item, item) == 0)
                        return &s->rotations[i];
        return NULL;
}

int
rotation_put(struct standing *s, const char *item, const struct rotation *rotation)
{
        struct rotation_entry *entry = rotation_find(s, item);
        if (!entry) {
                if (s->n_rotations == ROTATIONS_MAX)
                        return -ENOSPC;
                entry = reallocarray(s->rotations, s->n_rotations + 1, sizeof *entry);
                if (!entry)
                        return -ENOMEM;
                s->rotations = entry;
                entry += s->n_rotations;
                entry->item = strdup(item);
                if (!entry->item)
                        return -ENOMEM;
                s->n_rotations++;
        }
        entry->rotation = *rotation;
        return 0;
}

/* ---- making and setting ---- */

int
judge_new(judge_emit emit, void *userdata, struct judge **ret)
{
        struct judge *judge = calloc(1, sizeof *judge);
        if (!judge)
                return -ENOMEM;
        pthread_mutex_init(&judge->lock, NULL);
        judge->emit = emit;
        judge->userdata = userdata;
        crypto_random(judge->weight_key, sizeof judge->weight_key);
        *ret = judge;
        return 0;
}

static int
free_at(void *userdata, struct drift **slot)
{
        (void)userdata;
        *slot = drift_free(*slot);
        return 0;
}

struct judge *
judge_free(struct judge *judge)
{
        if (!judge)
                return NULL;
        tree_each_slot(&judge->drifts, free_at, NULL);
        judge_release(judge->standings);
        for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
                buf_done(&judge->said[i].text);
                json_free(judge->said[i].value);
                json_free(judge->said[i].name);
        }
        buf_done(&judge->saying);
        pthread_mutex_destroy(&judge->lock);
        free(judge);
        return NULL;
}

/* What a baseline says of an item: its line; of size 0 where it says nothing. */
static size_t
line_of_item(const struct standing *s, const char *item, const char **ret_line)
{
        size_t index, size = 0;
        if (strncmp(item, "file:", 5) == 0 &&
                baseline_file_find(s->baseline, item + 5, strlen(item + 5), &index))
                *ret_line = baseline_file_line(s->baseline, index, &size);
        return size;
}

static bool
same_line(const struct standing *a, const struct standing *b, const char *item)
{
        if (strncmp(item, "file:", 5) != 0)
                return settings_agree(a, b, item);
        const char *left = NULL, *right = NULL;
        size_t size = line_of_item(a, item, &left);
        return size == line_of_item(b, item, &right) && (!size || memcmp(left, right, size) == 0);
}

/* A growing file that began anew goes on from there under a new generation that says the same of it. */
static int
rotations_inherit(struct judge *judge, struct standing *to, const struct standing *from)
{
        int r = 0;
        for (size_t i = 0; i < from->n_rotations && r == 0; i++) {
                const struct rotation_entry *entry = &from->rotations[i];
                if (!same_line(to, from, entry->item))
                        continue;
                r = rotation_put(to, entry->item, &entry->rotation);
                struct judge_event event = {
                        .kind = JUDGE_ROTATED,
                        .item = entry->item,
                        .baseline = to->baseline,
                        .rotation = &entry->rotation,
                };
                if (r == 0 && !digest_equal(baseline_id(to->baseline), baseline_id(from->baseline)))
                        judge->emit(judge->userdata, &event);
        }
        return r;
}

struct succession { /* of one baseline */
        const struct standing *to, *from;
};

static int
note_moved(void *userdata, struct drift *drift)
{
        const struct succession *s = userdata;
        const char *name = baseline_header(s->to->baseline)->name;
        if (strcmp(drift->baseline, name) == 0 && !same_line(s->to, s->from, drift->item))
                drift->moved = true;
        return 0;
}

/* A drift whose baseline is gone, or no longer speaks of the item, is settled by the new generation itself.
 */
static int
resolve_orphan(void *userdata, struct drift **slot)
{
        struct judge *judge = userdata;
        const struct drift *drift = *slot;
        struct standing *s = standing_named(judge->standings, drift->baseline);
        const char *path = drift->item + 5;
        size_t n_scopes = 0, index;
        const struct scope *scopes = s ? baseline_scopes(s->baseline, &n_scopes) : NULL;
        bool is_file = strncmp(drift->item, "file:", 5) == 0;
        bool lives = s && (is_file ? scope_for_item(scopes, n_scopes, drift->item) ||
                                                  baseline_file_find(s->baseline, path, strlen(path), &index)
                                   : settings_speak_of(s, drift->item));
        if (!lives)
                drift_resolve(judge, slot, true, s ? baseline_header(s->baseline)->generation : 0, NULL);
        return 0;
}

/* From here on nothing can fail. */
static void
standings_take(struct judge *judge, struct standings *standings)
{
        for (size_t i = 0; i < standings->n; i++) {
                struct standing *to = &standings->list[i];
                const struct standing *from =
                        standing_named(judge->standings, baseline_header(to->baseline)->name);
                if (!from)
                        continue;
                standing_inherit(to, from);
                settings_inherit(to, from);
                struct succession succession = {to, from};
                tree_each(judge->drifts, note_moved, &succession);
        }
        judge->standings = standings;
}

int
judge_set(struct judge *judge, struct baseline **baselines, size_t n, bool keep_drifts, struct err *err)
{
        struct standings *standings = calloc(1, sizeof *standings + n * sizeof *standings->list);
        if (!standings) {
                for (size_t i = 0; i < n; i++)
                        baseline_free(baselines[i]);
                return err_oom(err);
        }
        standings->references = 1;
        standings->n = n;
        int r = 0;
        for (size_t i = 0; i < n; i++)
                if (standing_open(&standings->list[i], baselines[i],
                            standing_named(judge->standings, baseline_header(baselines[i])->name)) < 0)
                        r = -ENOMEM;
        if (r < 0) {
                judge_release(standings);
                return err_oom(err);
        }
        pthread_mutex_lock(&judge->lock);
        struct standings *before = judge->standings;
        for (size_t i = 0; i < n && r == 0; i++) {
                const struct standing *old = standing_named(before, baseline_header(baselines[i])->name);
                if (old)
                        r = rotations_inherit(judge, &standings->list[i], old);
        }
        if (r == 0) {
                standings_take(judge, standings);
                if (!keep_drifts)
                        tree_each_slot(&judge->drifts, resolve_orphan, judge);
        }
        pthread_mutex_unlock(&judge->lock);
        judge_release(r == 0 ? before : standings);
        return r < 0 ? err_oom(err) : 0;
}

const struct baseline *
judge_held(struct standings *standings, const char *name)
{
        const struct standing *s = standing_named(standings, name);
        return s ? s->baseline : NULL;
}

static bool
any_scope_path(struct judge *judge, bool (*fits)(const char *path, const char *escaped), const char *escaped)
{
        _cleanup_(judge_releasep) struct standings *held = judge_hold(judge);
        for (size_t i = 0; held && i < held->n; i++) {
                size_t n_scopes;
                const struct scope *scopes = baseline_scopes(held->list[i].baseline, &n_scopes);
                for (size_t j = 0; j < n_scopes; j++)
                        for (size_t k = 0; scopes[j].domain == SCOPE_FILES && k < scopes[j].paths.count; k++)
                                if (fits(scopes[j].paths.items[k], escaped))
                                        return true;
        }
        return false;
}

static bool
is_same_path(const char *path, const char *escaped)
{
        return strcmp(path, escaped) == 0;
}

static bool
is_below_path(const char *path, const char *escaped)
{
        size_t size = strcmp(escaped, "/") == 0 ? 0 : strlen(escaped);
        return strncmp(path, escaped, size) == 0 && path[size] == '/';
}

bool
judge_names_path(struct judge *judge, const char *escaped)
{
        return any_scope_path(judge, is_same_path, escaped);
}

bool
judge_names_below(struct judge *judge, const char *escaped)
{
        return any_scope_path(judge, is_below_path, escaped);
}

const struct baseline *
judge_held_at(struct standings *standings, size_t index)
{
        return standings && index < standings->n ? standings->list[index].baseline : NULL;
}

bool
judge_find(struct judge *judge, const char *baseline, const char *item, int (*visit)(void *, struct drift *),
        void *userdata, int *ret)
{
        pthread_mutex_lock(&judge->lock);
        struct drift *drift = *drift_slot(judge, baseline, item);
        if (drift)
                *ret = visit(userdata, drift);
        pthread_mutex_unlock(&judge->lock);
        return drift != NULL;
}

size_t
judge_baselines(const struct judge *judge)
{
        return judge->standings ? judge->standings->n : 0;
}

const struct baseline *
judge_baseline(const struct judge *judge, size_t index)
{
        return index < judge_baselines(judge) ? judge->standings->list[index].baseline : NULL;
}

const struct baseline *
judge_baseline_named(const struct judge *judge, const char *name)
{
        const struct standing *s = standing_named(judge->standings, name);
        return s ? s->baseline : NULL;
}

char *
judge_copy(const char *text)
{
        return text ? strdup(text) : NULL;
}

int
judge_restore(struct judge *judge, const struct drift *drift)
{
        _cleanup_(drift_freep) struct drift *copy = malloc(sizeof *copy);
        if (!copy)
                return -ENOMEM;
        *copy = *drift;
        copy->item = strdup(drift->item);
        copy->attributes = judge_copy(drift->attributes);
        copy->list = NULL;
        copy->reason = judge_copy(drift->reason);
        copy->ack_by = judge_copy(drift->ack_by);
        copy->ack_reason = judge_copy(drift->ack_reason);
        copy->cause = judge_copy(drift->cause);
        copy->who = judge_copy(drift->who);
        copy->views = NULL; /* as of now; the next look tells */
        if (!copy->item || !copy->attributes || (drift->reason && !copy->reason) ||
                (drift->ack_by && !copy->ack_by) || (drift->ack_reason && !copy->ack_reason) ||
                (drift->cause && !copy->cause) || (drift->who && !copy->who))
                return -ENOMEM;
        pthread_mutex_lock(&judge->lock);
        int r = drift_add(judge, copy);
        if (r == 0)
                copy = NULL;
        pthread_mutex_unlock(&judge->lock);
        return r;
}

int
judge_restore_rotation(struct judge *judge, const struct digest *baseline_id_wanted, const char *item,
        const struct rotation *rotation)
{
        for (size_t i = 0; judge->standings && i < judge->standings->n; i++) {
                struct standing *s = &judge->standings->list[i];
                if (digest_equal(baseline_id(s->baseline), baseline_id_wanted))
                        return rotation_put(s, item, rotation);
        }
        return 0;
}

/* ---- asking ---- */

static uint64_t
regular_files(const struct standing *s)
{
        const struct entries *entries = NULL;
        uint64_t total = 0;
        for (size_t i = 0, at = 0, end = 0; i < s->n; i++, at++) {
                if (i == end)
                        entries = standing_entries(s, i, &at, &end);
                total += entries->bits[at] & ENTRY_REGULAR;
        }
        return total;
}

uint64_t
judge_regular_files(const struct judge *judge)
{
        uint64_t total = 0;
        for (size_t i = 0; judge->standings && i < judge->standings->n; i++)
                total += regular_files(&judge->standings->list[i]);
        return total;
}

void
judge_refused_reset(struct judge *judge)
{
        judge->refused = 0;
}

uint64_t
judge_refused(const struct judge *judge)
{
        return judge->refused;
}

/* The limit for an entry: that of its scope. */
static int64_t
entry_limit_s(const struct standing *s, size_t index)
{
        const struct scope *scope = entry_scope(s, index);
        return scope ? scope->content_within_s : 0;
}

/* The shortest and the longest limit that an entry may have. */
static void
limits_of(const struct standing *s, int64_t *ret_least_s, int64_t *ret_most_s)
{
        size_t n_scopes, n_files = 0;
        const struct scope *scopes = baseline_scopes(s->baseline, &n_scopes);
        int64_t least = 0, most = 0;
        for (size_t i = 0; i < n_scopes; i++) {
                if (scopes[i].domain != SCOPE_FILES)
                        continue;
                int64_t limit = scopes[i].content_within_s;
                least = !n_files || limit < least ? limit : least;
                most = limit > most ? limit : most;
                n_files++;
        }
        *ret_least_s = least;
        *ret_most_s = most;
}

/* Each answer of the socket asks for it: to find the scope of each of 160,000 paths costs ten milliseconds,
 * so it is found only for those of an age at which it matters. */
static void
cover_standing(
        const struct standing *s, int64_t now_ms, struct coverage *ret, int64_t *oldest_ms, bool *never)
{
        int64_t least_s, most_s, oldest_s = INT64_MAX;
        size_t verified = 0, unread = 0;
        limits_of(s, &least_s, &most_s);
        settings_cover(s, now_ms, ret);
        const int64_t good_ms = now_ms - least_s * 1000, bad_ms = now_ms - most_s * 1000;
        const struct entries *entries = NULL;
        for (size_t i = 0, at = 0, end = 0; i < s->n; i++, at++) {
                if (i == end)
                        entries = standing_entries(s, i, &at, &end);
                const int64_t at_s = atomic_load_explicit(&entries->verified_s[at], memory_order_relaxed);
                const bool regular =
                        atomic_load_explicit(&entries->bits[at], memory_order_relaxed) & ENTRY_REGULAR;
                if (!at_s) {
                        unread += regular;
                        continue;
                }
                if (regular && at_s < oldest_s)
                        oldest_s = at_s;
                verified += at_s * 1000 >= good_ms ||
                            (at_s * 1000 >= bad_ms && at_s * 1000 >= now_ms - entry_limit_s(s, i) * 1000);
        }
        ret->expected += s->n;
        ret->verified += verified;
        *never |= unread > 0;
        if (oldest_s != INT64_MAX && oldest_s * 1000 < *oldest_ms)
                *oldest_ms = oldest_s * 1000;
}

static int
count_unknown(void *userdata, struct drift *drift)
{
        uint64_t *count = userdata;
        *count += drift->change == CHANGE_UNKNOWN;
        return 0;
}

void
judge_coverage(struct judge *judge, int64_t now_ms, struct coverage *ret)
{
        int64_t oldest_ms = INT64_MAX;
        bool never = false;
        *ret = (struct coverage){0};
        pthread_mutex_lock(&judge->lock);
        for (size_t i = 0; judge->standings && i < judge->standings->n; i++)
                cover_standing(&judge->standings->list[i], now_ms, ret, &oldest_ms, &never);
        tree_each(judge->drifts, count_unknown, &ret->unknown);
        pthread_mutex_unlock(&judge->lock);
        ret->oldest_content_check_ms = never || oldest_ms == INT64_MAX ? 0 : oldest_ms;
}

int
judge_each(struct judge *judge, int (*visit)(void *userdata, struct drift *drift), void *userdata)
{
        pthread_mutex_lock(&judge->lock);
        int r = tree_each(judge->drifts, visit, userdata);
        pthread_mutex_unlock(&judge->lock);
        return r;
}

int
judge_each_below(struct judge *judge, const char *item, int (*visit)(void *userdata, struct drift *drift),
        void *userdata)
{
        pthread_mutex_lock(&judge->lock);
        int r = tree_each_below(judge->drifts, item, visit, userdata);
        pthread_mutex_unlock(&judge->lock);
        return r;
}

const struct waiver *
judge_waiver(const struct judge *judge, const struct drift *drift, int64_t now_ms)
{
        for (size_t i = 0; i < judge_baselines(judge); i++) {
                size_t n;
                const struct waiver *waivers = baseline_waivers(judge->standings->list[i].baseline, &n);
                for (size_t j = 0; j < n; j++)
                        if (waivers[j].until_ms > now_ms &&
                                strcmp(waivers[j].baseline, drift->baseline) == 0 &&
                                (strcmp(waivers[j].item, drift->item) == 0 ||
                                        glob_match(waivers[j].item, drift->item)))
                                return &waivers[j];
        }
        return NULL;
}

struct json *
judge_drift_json(const struct judge *judge, const struct drift *drift, int64_t now_ms)
{
        char first_seen[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
        const struct waiver *waiver = judge_waiver(judge, drift, now_ms);
        const char *state = waiver ? "waived" : drift->ack_by ? "acknowledged" : "open";
        struct json *attributes = NULL, *cause = NULL, *who = NULL;
        clock_format(drift->first_seen_ms, first_seen);
        if (json_parse(drift->attributes, strlen(drift->attributes), &attributes, NULL) < 0)
                return NULL;
        if (!drift->cause || json_parse(drift->cause, strlen(drift->cause), &cause, NULL) < 0)
                cause = json_null_new();
        if (!drift->who || json_parse(drift->who, strlen(drift->who), &who, NULL) < 0)
                who = json_null_new();
        struct json *value = json_make("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:o, s:o}", "item",
                drift->item, "change", change_names[drift->change], "state", state, "severity", "",
                "baseline", drift->baseline, "attributes", attributes, "first_seen", first_seen, "unobserved",
                drift->unobserved, "cause", cause, "who", who);
        if (value && judge_put_severity(judge, drift, now_ms, value) < 0)
                value = json_free(value);
        if (value && drift->reason)
                json_put(value, "reason", json_string_new(drift->reason));
        if (value && strncmp(drift->item, "file:", 5) != 0) {
                struct json *views = NULL;
                if (!drift->views || json_parse(drift->views, strlen(drift->views), &views, NULL) < 0)
                        views = json_null_new();
                json_put(value, "views", views);
        }
        if (value && waiver) {
                clock_format_seconds(waiver->until_ms, until);
                json_put(value, "waiver",
                        json_make("{s:s, s:s, s:s}", "by", waiver->by, "until", until, "reason",
                                waiver->reason));
        }
        return value;
}
