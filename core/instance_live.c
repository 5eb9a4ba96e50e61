/* SPDX-License-Identifier: MIT */
/*
 * Whether what a new generation changes is live as it says. A proposal binds old and new: the old by the id
 * of its parent, the new by what its items are expected to be. Between the proposal and its applying people
 * read and sign, and somebody may have changed the host meanwhile. Nothing would be hidden if it came into
 * force then, for what differs is drift at once; but what was approved would not be what is there, and the
 * one who applies it has to know.
 *
 * Looked at are only the items whose lines differ between parent and successor, by the rules of the
 * successor. What it waives may differ. Needs nothing but its inputs, so that it can run in any thread.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"

#define LIVE_LOOKS_MAX 4096u /* files looked at one by one; past it, all the scopes are walked at once */
#define LIVE_NAMED_MAX 8u    /* in the words */

struct live {
        const struct live_request *request;
        struct judge *judge;
        const struct baseline *next, *parent;
        struct mount_table mounts;
        struct buf names;
        uint64_t moved;
        bool failed[SCOPE_DOMAIN_COUNT]; /* nothing could be said of it */
        int64_t now_ms;
};

static void
ignore_event(void *userdata, struct judge_event *event)
{
        (void)userdata;
        (void)event;
}

static int
add_moved(struct live *live, const char *item, const char *change)
{
        if (live->moved++ >= LIVE_NAMED_MAX)
                return 0;
        return buf_printf(&live->names, "%s%.400s (%s)", live->names.size ? ", " : "", item, change);
}

static int
add_unlooked(struct live *live, const char *item, const char *why)
{
        char words[256];
        snprintf(words, sizeof words, "could not be looked at%s%.200s", why && *why ? ": " : "",
                why ? why : "");
        return add_moved(live, item, words);
}

/* ---- what changes ---- */

static const char *
line_of(const struct baseline *b, const char *path, size_t path_size, size_t *ret_size)
{
        size_t index;
        *ret_size = 0;
        return b && baseline_file_find(b, path, path_size, &index) ? baseline_file_line(b, index, ret_size)
                                                                   : NULL;
}

static bool
file_changes(const struct live *live, const char *path, size_t path_size)
{
        size_t before_size, after_size;
        const char *before = line_of(live->parent, path, path_size, &before_size);
        const char *after = line_of(live->next, path, path_size, &after_size);
        return before_size != after_size || (before && memcmp(before, after, before_size) != 0);
}

/* All that a baseline says of an item, or (item NULL) of every setting, of a domain (< 0: of any). */
static int
settings_text(const struct baseline *b, const char *item, int domain, struct buf *ret)
{
        size_t n = 0;
        const struct setting *list = b ? baseline_settings(b, &n) : NULL;
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++)
                if ((domain < 0 || setting_domain(list[i].item) == domain) &&
                        (!item || strcmp(list[i].item, item) == 0 || glob_match(list[i].item, item)))
                        r = setting_append(&list[i], ret);
        return r;
}

/* 1, 0 or -ENOMEM. */
static int
settings_change(const struct live *live, const char *item, int domain)
{
        _cleanup_buf_ struct buf before = {0}, after = {0};
        if (settings_text(live->parent, item, domain, &before) < 0 ||
                settings_text(live->next, item, domain, &after) < 0)
                return -ENOMEM;
        return before.size != after.size ||
               (before.size && memcmp(before.data, after.data, before.size) != 0);
}

/* ---- looking ---- */

static int
look_at_path(struct live *live, const char *escaped, size_t size)
{
        _cleanup_free_ char *text = strndup(escaped, size), *path = NULL, *item = NULL;
        struct snapshot snapshot = {0};
        struct snapshot_wish wish = {0};
        struct err why = {0};
        if (!text || unescape_new(text, &path) < 0 || !(item = item_from_path(path)))
                return -ENOMEM;
        struct observation seen = {.snapshot = &snapshot, .now_ms = live->now_ms};
        int r = judge_wish(live->judge, path, &wish);
        if (r)
                return r < 0 ? r : 0; /* no scope holds it any more: whatever is there */
        wish.content = true;
        wish.own = live->request->own;
        wish.n_own = live->request->n_own;
        wish.cancel = live->request->cancel;
        seen.result = judge_look(live->judge, NULL, &live->mounts, path, &wish, &snapshot, &why);
        _cleanup_json_ struct json *drift =
                seen.result < 0 ? NULL : judge_look_json(live->judge, 0, item, &seen);
        snapshot_done(&snapshot);
        if (!drift)
                return seen.result < 0 ? seen.result : -ENOMEM;
        if (live->request->files)
                atomic_fetch_add(live->request->files, 1);
        const char *state = json_text(drift, "state"), *change = json_text(drift, "change");
        if (json_is_null(drift) || !change || (state && strcmp(state, "waived") == 0))
                return 0;
        if (strcmp(change, change_names[CHANGE_UNKNOWN]) == 0)
                return add_unlooked(live, item, json_text(drift, "reason"));
        return add_moved(live, item, change);
}

/* Calls visit for each file whose line is new, gone, or another one. Both are sorted: one merge, of runs. */
static int
each_change(struct live *live, int (*visit)(struct live *live, const char *path, size_t size), size_t *ret_n)
{
        const struct baseline *next = live->next, *parent = live->parent;
        size_t n_next = baseline_files(next), n_parent = parent ? baseline_files(parent) : 0, i = 0, j = 0;
        int r = 0;
        for (*ret_n = 0; r == 0 && (i < n_next || j < n_parent);) {
                size_t same = i < n_next && j < n_parent ? baseline_files_same(next, i, parent, j) : 0, size;
                i += same;
                j += same;
                if (same)
                        continue;
                int order = i == n_next ? 1 : j == n_parent ? -1 : baseline_files_order(next, i, parent, j);
                const char *path =
                        order > 0 ? baseline_file_path(parent, j, &size) : baseline_file_path(next, i, &size);
                i += order <= 0;
                j += order >= 0;
                ++*ret_n;
                r = visit ? visit(live, path, size) : 0;
        }
        return r;
}

static int
add_drift(void *userdata, struct drift *drift)
{
        struct live *live = userdata;
        bool is_file = strncmp(drift->item, "file:", 5) == 0;
        int changes = is_file ? file_changes(live, drift->item + 5, strlen(drift->item + 5))
                              : settings_change(live, drift->item, -1);
        if (changes <= 0 || judge_waiver(live->judge, drift, live->now_ms))
                return changes < 0 ? changes : 0;
        if (drift->change == CHANGE_UNKNOWN)
                return add_unlooked(live, drift->item, drift->reason);
        return add_moved(live, drift->item, change_names[drift->change]);
}

static int
note_failed(void *userdata, enum scope_domain domain, const char *why)
{
        struct live *live = userdata;
        char name[64];
        live->failed[domain] = true;
        int changes = settings_change(live, NULL, (int)domain);
        if (changes <= 0)
                return changes;
        snprintf(name, sizeof name, "the settings of %s", scope_domain_names[domain]);
        return add_unlooked(live, name, why);
}

/* A line that its look did not answer, though one was had. */
static int
note_unlooked(void *userdata, const char *item, const char *why)
{
        struct live *live = userdata;
        int domain = setting_domain(item);
        if (domain >= 0 && live->failed[domain])
                return 0;
        int changes = settings_change(live, item, -1);
        return changes > 0 ? add_unlooked(live, item, why) : changes;
}

static int
look_at_settings(struct live *live, struct err *err)
{
        struct settings_request settings = {
                .cancel = live->request->cancel, .failed = note_failed, .userdata = live};
        int r = settings_change(live, NULL, -1);
        if (r <= 0)
                return r;
        r = instance_probe(live->judge, &settings, err);
        return r < 0 ? r : judge_each_unlooked(live->judge, 0, note_unlooked, live);
}

static int
look_at_all_files(struct live *live, struct err *err)
{
        struct judge_scan scan = {
                .full = true,
                .at_once = true,
                .workers = live->request->workers,
                .own = live->request->own,
                .n_own = live->request->n_own,
                .files = live->request->files,
                .bytes = live->request->bytes,
                .cancel = live->request->cancel,
        };
        return judge_scan(live->judge, &scan, err);
}

static int
look(struct live *live, struct err *err)
{
        size_t n = 0;
        int r = each_change(live, NULL, &n);
        if (r == 0 && n > LIVE_LOOKS_MAX)
                r = look_at_all_files(live, err);
        else if (r == 0)
                r = each_change(live, look_at_path, &n);
        r = r < 0 ? r : look_at_settings(live, err);
        return r < 0 ? r : judge_each(live->judge, add_drift, live);
}

int
live_check(const struct live_request *request, struct baseline *next, struct buf *ret_moved, struct err *err)
{
        struct live live = {.request = request, .next = next, .parent = request->parent};
        _cleanup_(judge_freep) struct judge *judge = NULL;
        live.now_ms = clock_now_ms();
        if (judge_new(ignore_event, NULL, &judge) < 0) {
                baseline_free(next);
                return err_oom(err);
        }
        live.judge = judge;
        int r = judge_set(judge, &next, 1, false, err);
        if (r)
                return r;
        (void)mount_table_now(&live.mounts); /* without it, as far as a path leads */
        r = look(&live, err);
        mount_table_done(&live.mounts);
        if (r == 0 && live.moved > LIVE_NAMED_MAX)
                r = buf_printf(&live.names, " and %" PRIu64 " more", live.moved - LIVE_NAMED_MAX);
        if (r < 0) {
                buf_done(&live.names);
                return r == -ENOMEM ? err_oom(err) : r;
        }
        *ret_moved = live.names;
        return 0;
}
