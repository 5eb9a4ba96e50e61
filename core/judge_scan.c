/* SPDX-License-Identifier: MIT */
/*
 * Scans: the parallel walker pointed at the judge's baselines. In the daemon a scan only hints at paths that
 * deviate, and marks as verified what met its expectation; offline it judges in place. Whatever is expected
 * and was not met, and whatever drift is open, is looked at by itself.
 */
#include "core/judge_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"

#define LARGE_SIZE                                                                                           \
        ((uint64_t)8 << 20) /* bytes: a file that is read first, so that none is left for the end */
#define LARGE_MAX 256u      /* of them; the largest */

/* ---- scanning ---- */

struct walk {
        struct judge *judge;
        struct standing *standing;
        const struct judge_scan *options;
        uint32_t pass, first_pass; /* of this baseline; of the first */
        uint32_t now_s;
        const struct mount_table *mounts; /* of now; empty where it could not be read */
        atomic_bool out_of_memory;
};

/* The path's item, in the caller's memory where it fits; otherwise in *ret_heap. NULL: there is none. */
static const char *
item_of_path(const char *path, char *local, size_t room, char **ret_heap)
{
        static const char domain[] = "file:";
        size_t size = strlen(path), start = sizeof domain - 1;
        if (start + escape_size(path, size) >= room)
                return *ret_heap = item_from_path(path);
        memcpy(local, domain, start);
        local[start + escape(path, size, local + start)] = '\0';
        return local;
}

static void
count(atomic_ullong *counter, unsigned long long by)
{
        if (counter)
                atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static void
observe_here(struct walk *walk, const char *path, int result, struct snapshot *snapshot)
{
        struct observation seen = {.result = result,
                .snapshot = snapshot,
                .now_ms = clock_now_ms(),
                .unobserved = walk->options->unobserved};
        if (judge_observe(walk->judge, path, &seen) < 0)
                atomic_store(&walk->out_of_memory, true);
}

/* A thing was passed over: the scan goes on, and fails at its end. */
static enum scan_look
skip_for_memory(struct walk *walk)
{
        atomic_store(&walk->out_of_memory, true);
        return SCAN_SKIP;
}

/* It was met, and has a drift or none. Whether an open drift already says all that this stat could say. */
static bool
drift_is_current(struct walk *walk, const char *item, stat_mark mark)
{
        pthread_mutex_lock(&walk->judge->lock);
        const char *name = baseline_header(walk->standing->baseline)->name;
        struct drift *drift = *drift_slot(walk->judge, name, item);
        bool current =
                drift && mark && drift->mark == mark && drift->change != CHANGE_UNKNOWN && !drift->moved;
        if (drift)
                drift->met = walk->pass;
        pthread_mutex_unlock(&walk->judge->lock);
        return current;
}

static bool
item_wanted(const struct walk *walk, const char *item)
{
        return !walk->options->n_items || item_selected(item, walk->options->items, walk->options->n_items);
}

static enum scan_look
walk_plan(void *userdata, const char *path, const struct scope *scope, const struct statx *stx,
        struct snapshot_wish *wish)
{
        struct walk *walk = userdata;
        struct standing *s = walk->standing;
        char local[1024];
        _cleanup_free_ char *heap = NULL;
        const char *item = item_of_path(path, local, sizeof local, &heap);
        size_t index;
        count(walk->options->files, 1);
        if (!item)
                return skip_for_memory(walk);
        if (!item_wanted(walk, item))
                return SCAN_SKIP;
        stat_mark mark = stat_mark_of(stx);
        bool expected = baseline_file_find(s->baseline, item + 5, strlen(item + 5), &index);
        struct entry entry = {0};
        if (expected)
                entry = standing_entry(s, index);
        bool same = expected && *entry.mark == mark, quick = !walk->options->full;
        bool current = (!expected || (quick && !same)) && drift_is_current(walk, item, mark);
        if (expected)
                *entry.met = walk->pass;
        if (quick) {
                if (expected && (same || current) && !(*entry.bits & ENTRY_REGULAR))
                        *entry.verified_s = walk->now_s;
                if (same || current)
                        return SCAN_SKIP;
                if (!walk->options->at_once) {
                        walk->options->hint(walk->options->userdata, path);
                        return SCAN_SKIP;
                }
        }
        wish->content = wish->body = false;
        wish->prefix = UINT64_MAX;
        struct ruling ruling = {.standing = s, .scope = scope, .expected = expected, .index = index};
        bool growing = scope->mode == SCOPE_GROWING; /* rotations are written under the lock */
        if (growing)
                pthread_mutex_lock(&walk->judge->lock);
        rule_wish(&ruling, item, wish);
        if (growing)
                pthread_mutex_unlock(&walk->judge->lock);
        if (expected && *entry.bits & ENTRY_KEPT)
                wish->body = false;
        return wish->content ? SCAN_READ : SCAN_STAT;
}

/* In the daemon: whether this look met its expectation; anything else is only a hint. */
static bool
walk_is_clean(struct walk *walk, const struct ruling *ruling, const char *item, int result,
        struct snapshot *snapshot)
{
        struct observation seen = {.result = result, .snapshot = snapshot, .now_ms = snapshot->taken_ms};
        _cleanup_attributes_ struct attributes expected = {0};
        struct finding finding;
        const char *name = baseline_header(ruling->standing->baseline)->name;
        if (!ruling->expected || result != 0)
                return false;
        bool growing = ruling->scope->mode == SCOPE_GROWING; /* rotations are written under the lock */
        if (growing)
                pthread_mutex_lock(&walk->judge->lock);
        int r = rule_find(ruling, item, &seen, &expected, &finding);
        bool enough = r == 0 && rule_suffices(ruling, item, &expected, &seen);
        if (growing)
                pthread_mutex_unlock(&walk->judge->lock);
        if (!enough || finding.drift || finding.rotated)
                return false;
        pthread_mutex_lock(&walk->judge->lock);
        bool settled = *drift_slot(walk->judge, name, item) == NULL;
        pthread_mutex_unlock(&walk->judge->lock);
        if (!settled)
                return false;
        rule_mark(ruling, &finding, &seen);
        if (snapshot->body && walk->options->keep && expected.mode & S_IROTH) {
                walk->options->keep(walk->options->userdata, &snapshot->attributes.content, snapshot->body,
                        snapshot->body_size);
                *standing_entry(ruling->standing, ruling->index).bits |= ENTRY_KEPT;
        }
        return true;
}

static void
walk_seen(void *userdata, const char *path, const struct scope *scope, int result, struct snapshot *snapshot)
{
        struct walk *walk = userdata;
        if (!snapshot || result == SNAPSHOT_OWN)
                return;
        if (walk->options->at_once) {
                observe_here(walk, path, result, snapshot);
                return;
        }
        char local[1024];
        _cleanup_free_ char *heap = NULL;
        const char *item = item_of_path(path, local, sizeof local, &heap);
        if (!item) {
                skip_for_memory(walk);
                return;
        }
        struct ruling ruling = {.standing = walk->standing, .scope = scope};
        ruling.expected =
                baseline_file_find(walk->standing->baseline, item + 5, strlen(item + 5), &ruling.index);
        if (!walk_is_clean(walk, &ruling, item, result, snapshot))
                walk->options->hint(walk->options->userdata, path);
}

static void
walk_problem(void *userdata, const char *path, int error)
{
        struct walk *walk = userdata;
        if (walk->options->problem)
                walk->options->problem(walk->options->userdata, path, error);
}

static int
walk_folder(void *userdata, int folder_fd, const char *path, const struct statx *stx)
{
        struct walk *walk = userdata;
        return walk->options->folder(walk->options->userdata, folder_fd, path, stx);
}

/* A path to look at by itself: hinted at, or observed here and now. */
static int
walk_single(struct walk *walk, const char *path, struct err *err)
{
        if (!walk->options->at_once) {
                walk->options->hint(walk->options->userdata, path);
                return 0;
        }
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        struct snapshot_wish wish = {.own = walk->options->own, .n_own = walk->options->n_own};
        int wished = judge_wish(walk->judge, path, &wish);
        if (wished < 0)
                return err_oom(err);
        if (wished == JUDGE_NOT_OURS)
                return 0;
        bool image = walk->options->root && walk->options->root[0]; /* the table's paths are the host's */
        int result = image ? snapshot_path(walk->options->root, path, &wish, &snapshot, err)
                           : judge_look(walk->judge, NULL, walk->mounts, path, &wish, &snapshot, err);
        if (result < 0)
                return result;
        observe_here(walk, path, result, &snapshot);
        return 0;
}

/* Expected, in the part that was walked, and not met. */
static int
walk_unmet(struct walk *walk, struct err *err)
{
        const struct baseline *b = walk->standing->baseline;
        size_t first = 0, end = baseline_files(b), self;
        int r = 0;
        if (walk->options->below) {
                _cleanup_free_ char *below = escape_new(walk->options->below, strlen(walk->options->below));
                if (!below)
                        return err_oom(err);
                baseline_files_below(b, below, &first, &end);
                if (baseline_file_find(b, below, strlen(below), &self) &&
                        *standing_entry(walk->standing, self).met != walk->pass)
                        r = walk_single(walk, walk->options->below, err);
        }
        for (size_t i = first; i < end && r == 0; i++) {
                size_t size;
                const char *path = baseline_file_path(b, i, &size);
                if (*standing_entry(walk->standing, i).met == walk->pass)
                        continue;
                _cleanup_free_ char *escaped = strndup(path, size), *raw = NULL, *item = NULL;
                if (!escaped || unescape_new(escaped, &raw) < 0 || !(item = item_from_path(raw)))
                        return err_oom(err);
                if (item_wanted(walk, item))
                        r = walk_single(walk, raw, err);
        }
        return r;
}

/* Open drifts that this scan is to look at and did not meet. */
struct unmet {
        const struct walk *walk;
        struct text_list items;
};

static int
collect_unmet(void *userdata, struct drift *drift)
{
        struct unmet *unmet = userdata;
        const struct walk *walk = unmet->walk;
        if (strncmp(drift->item, "file:", 5) != 0 || (int32_t)(drift->met - walk->first_pass) >= 0 ||
                !item_wanted(walk, drift->item))
                return 0;
        return text_list_add(&unmet->items, drift->item, strlen(drift->item));
}

/* The thing may be gone, which no walk can meet. */
static int
walk_open_drifts(struct walk *walk, struct err *err)
{
        const char *below = walk->options->below;
        _cleanup_free_ char *item = below ? item_from_path(below) : NULL;
        if (below && !item)
                return err_oom(err);
        struct unmet unmet = {.walk = walk};
        int r = below ? judge_each_below(walk->judge, item, collect_unmet, &unmet)
                      : judge_each(walk->judge, collect_unmet, &unmet);
        for (size_t i = 0; i < unmet.items.count && r == 0; i++) {
                _cleanup_free_ char *raw = NULL;
                r = unescape_new(unmet.items.items[i] + 5, &raw);
                r = r ? r : walk_single(walk, raw, err);
        }
        text_list_done(&unmet.items);
        return r == -ENOMEM ? err_oom(err) : r;
}

/* ---- large files first ---- */

struct large {
        uint64_t size;
        size_t index;
};

/* Puts it into its place among the largest, if it has one. */
static void
note_large(struct large *list, size_t *count, struct large file)
{
        if (*count == LARGE_MAX && file.size <= list[LARGE_MAX - 1].size)
                return;
        *count += *count < LARGE_MAX;
        size_t at = *count - 1;
        for (; at > 0 && list[at - 1].size < file.size; at--)
                list[at] = list[at - 1];
        list[at] = file;
}

/* The raw paths of the largest files that are expected; and how large all are. */
static int
large_files(const struct standing *s, struct text_list *ret, uint64_t *ret_bytes)
{
        struct large list[LARGE_MAX];
        size_t count = 0;
        int r = 0;
        *ret_bytes = 0;
        for (size_t i = 0; i < s->n; i++) {
                uint64_t size =
                        *standing_entry(s, i).bits & ENTRY_REGULAR ? baseline_file_size(s->baseline, i) : 0;
                *ret_bytes = size < UINT64_MAX - *ret_bytes ? *ret_bytes + size : UINT64_MAX;
                if (size >= LARGE_SIZE)
                        note_large(list, &count, (struct large){size, i});
        }
        for (size_t i = 0; i < count && r == 0; i++) {
                size_t size;
                const char *path = baseline_file_path(s->baseline, list[i].index, &size);
                _cleanup_free_ char *escaped = strndup(path, size), *raw = NULL;
                r = escaped ? unescape_new(escaped, &raw) : -ENOMEM;
                r = r ? r : text_list_add(ret, raw, strlen(raw));
        }
        return r;
}

static int
walk_standing(struct walk *walk, struct err *err)
{
        const struct judge_scan *o = walk->options;
        _cleanup_(text_list_done) struct text_list first = {0};
        uint64_t bytes = 0;
        if (o->full && !o->below && !o->n_items && large_files(walk->standing, &first, &bytes) < 0)
                return err_oom(err);
        size_t n_scopes;
        const struct scope *scopes = baseline_scopes(walk->standing->baseline, &n_scopes);
        struct scan_options scan = {
                .root = o->root ? o->root : "",
                .scopes = scopes,
                .n_scopes = n_scopes,
                .below = o->below,
                .workers = o->workers,
                .here = o->here,
                .pace = o->pace,
                .background = o->background,
                .first = first.items,
                .n_first = first.count,
                .bytes = bytes,
                /* Counted as it is read: one large file is progress too. */
                .wish = {.own = o->own,
                        .n_own = o->n_own,
                        .bytes_read = o->bytes,
                        .cancel = o->cancel,
                        .prefix = UINT64_MAX},
                .calls = {.folder = o->folder ? walk_folder : NULL,
                        .plan = walk_plan,
                        .seen = walk_seen,
                        .problem = walk_problem},
                .userdata = walk,
        };
        int r = scan_run(&scan, err);
        r = r ? r : walk_unmet(walk, err);
        if (r == 0 && atomic_load(&walk->out_of_memory))
                r = err_oom(err);
        return r;
}

int
judge_scan(struct judge *judge, const struct judge_scan *options, struct err *err)
{
        _cleanup_(judge_releasep) struct standings *standings = judge_hold(judge);
        _cleanup_mount_table_ struct mount_table mounts = {0};
        assert(options->at_once || options->hint);
        if (options->at_once)
                (void)mount_table_now(&mounts);
        int r = 0;
        uint32_t first_pass = atomic_load(&judge->pass) + 1;
        for (size_t i = 0; standings && i < standings->n && r == 0; i++) {
                struct walk walk = {
                        .judge = judge,
                        .standing = &standings->list[i],
                        .options = options,
                        .pass = atomic_fetch_add(&judge->pass, 1) + 1,
                        .first_pass = first_pass,
                        .now_s = (uint32_t)(clock_now_ms() / 1000),
                        .mounts = &mounts,
                };
                r = walk_standing(&walk, err);
                if (r == 0 && i == standings->n - 1)
                        r = walk_open_drifts(&walk, err);
        }
        return r;
}

/* ---- the slow circle ---- */

uint64_t
judge_circle_cost(struct judge *judge)
{
        _cleanup_(judge_releasep) struct standings *standings = judge_hold(judge);
        uint64_t cost = 0;
        for (size_t i = 0; standings && i < standings->n; i++)
                cost += standings->list[i].circle_cost;
        return cost;
}

/* One baseline after the other, each from its first file to its last. false: there is no regular file. */
static bool
next_in_turn(struct standings *standings, struct standing **ret, size_t *ret_index)
{
        for (size_t i = 0; i <= standings->n && standings->n; i++) {
                struct standing *s = &standings->list[standings->turn % standings->n];
                while (s->turn < s->n && !(*standing_entry(s, s->turn).bits & ENTRY_REGULAR))
                        s->turn++;
                if (s->turn < s->n) {
                        *ret = s;
                        *ret_index = s->turn++;
                        return true;
                }
                s->turn = 0;
                standings->turn++;
        }
        return false;
}

static int
turn_to(struct walk *walk, struct snapshot_reader *reader, size_t index, const char *path)
{
        const struct judge_scan *options = walk->options;
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        struct snapshot_wish wish = {
                .own = options->own,
                .n_own = options->n_own,
                .bytes_read = options->bytes,
                .cancel = options->cancel,
                .uncached = options->background,
        };
        const struct mount *mount = mount_of_path(walk->mounts, path);
        int r = judge_wish(walk->judge, path, &wish);
        if (r)
                return r < 0 ? r : 0; /* no scope holds it any more */
        if (!mount || !mount->foreign)
                r = judge_look(walk->judge, reader, walk->mounts, path, &wish, &snapshot, NULL);
        else
                r = SNAPSHOT_UNREADABLE;
        count(options->files, 1);
        if (r == -ECANCELED || r == -ENOMEM)
                return r;
        if (r == 0)
                walk_seen(walk, path, entry_scope(walk->standing, index), 0, &snapshot);
        else
                options->hint(options->userdata, path);
        return 0;
}

int64_t
judge_turn(struct judge *judge, const struct judge_scan *options, struct snapshot_reader *reader,
        const struct mount_table *mounts)
{
        _cleanup_(judge_releasep) struct standings *standings = judge_hold(judge);
        struct walk walk = {.judge = judge, .options = options, .mounts = mounts};
        size_t index, size;
        if (!standings || !next_in_turn(standings, &walk.standing, &index))
                return 0;
        const struct baseline *b = walk.standing->baseline;
        const char *text = baseline_file_path(b, index, &size);
        _cleanup_free_ char *escaped = strndup(text, size), *path = NULL;
        int r = escaped ? unescape_new(escaped, &path) : -ENOMEM;
        r = r ? r : turn_to(&walk, reader, index, path);
        if (r == 0 && atomic_load(&walk.out_of_memory))
                r = -ENOMEM;
        return r < 0 ? r : (int64_t)baseline_file_size(b, index) + TURN_FILE_COST;
}
