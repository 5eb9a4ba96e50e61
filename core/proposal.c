/* SPDX-License-Identifier: MIT */
/*
 * Proposals. The scanner looks at what was asked for and gives a line each; the parent's lines stand for
 * the rest; both are sorted, so the text is one merge. What cannot be said for certain (a file that does
 * not hold still, or cannot be read) refuses the whole proposal by name: a signature under a guess would
 * be worse than none.
 */
#include "core/proposal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/baseline_delta.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"
#include "core/scan.h"

#define REFUSALS_NAMED_MAX 5u
#define TEXT_SPARE ((size_t)1 << 16) /* bytes that a text is longer than its parent's, as a rule */

bool
proposal_takes(const struct making *making, const char *item)
{
        const struct proposal_request *r = making->request;
        if (!r->n_items)
                return r->n_waivers == 0 && !r->retire;
        return item_selected(item, r->items, r->n_items);
}

/* ---- looking ---- */

static enum scan_look
plan(void *userdata, const char *path, const struct scope *scope, const struct statx *stx,
        struct snapshot_wish *wish)
{
        struct making *making = userdata;
        if (making->request->files)
                atomic_fetch_add(making->request->files, 1);
        if (making->request->n_items) {
                _cleanup_free_ char *item = item_from_path(path);
                if (!item || !proposal_takes(making, item))
                        return SCAN_SKIP;
        }
        /* A log in use grows while it is read: what it holds now is its prefix. */
        wish->prefix = scope->mode == SCOPE_GROWING ? stx->stx_size : UINT64_MAX;
        return scope->mode != SCOPE_PRESENT && scope->attributes & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)
                       ? SCAN_READ
                       : SCAN_STAT;
}

void
proposal_refuse(struct making *making, const char *path, const char *why)
{
        if (making->n_refused++ < REFUSALS_NAMED_MAX) {
                buf_text(&making->refused, making->n_refused > 1 ? ", " : "");
                buf_escape(&making->refused, path, strlen(path));
                buf_printf(&making->refused, " (%s)", why);
        }
}

static int
line_for(const char *path, const struct scope *scope, const struct snapshot *snapshot, struct buf *line)
{
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        if (!escaped)
                return -ENOMEM;
        struct attributes attributes = snapshot->attributes; /* borrowed copy */
        if (scope->mode == SCOPE_GROWING && attributes.known & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT))
                attributes.size = snapshot->content_size;
        return baseline_file_append(escaped, scope_line_mask(scope), &attributes, line);
}

static void
seen(void *userdata, const char *path, const struct scope *scope, int result, struct snapshot *snapshot)
{
        struct making *making = userdata;
        _cleanup_buf_ struct buf line = {0};
        if (!snapshot || result == SNAPSHOT_OWN || result == SNAPSHOT_GONE)
                return;
        if (making->request->bytes)
                atomic_fetch_add(making->request->bytes, snapshot->content_size);
        int r = result == 0 || scope->mode == SCOPE_PRESENT ? line_for(path, scope, snapshot, &line) : 0;
        pthread_mutex_lock(&making->lock);
        if (result == SNAPSHOT_UNSTABLE)
                proposal_refuse(making, path, "it did not hold still");
        else if (result == SNAPSHOT_UNREADABLE && scope->mode != SCOPE_PRESENT)
                proposal_refuse(making, path, strerrordesc_np(snapshot->failed_errno));
        else if (r < 0 || text_list_add(&making->lines, line.data, line.size) < 0)
                making->out_of_memory = true;
        pthread_mutex_unlock(&making->lock);
}

static void
problem(void *userdata, const char *path, int error)
{
        struct making *making = userdata;
        if (error == EXDEV ||
                error == ENOENT) /* a mount that the rules leave out; a path that is not there */
                return;
        pthread_mutex_lock(&making->lock);
        proposal_refuse(making, path, strerrordesc_np(error));
        pthread_mutex_unlock(&making->lock);
}

static int
look_below(struct making *making, const char *below, struct err *err)
{
        const struct proposal_request *r = making->request;
        struct scan_options scan = {
                .root = "",
                .scopes = making->scopes,
                .n_scopes = making->n_scopes,
                .below = below,
                .workers = r->workers,
                .wish = {.own = r->own, .n_own = r->n_own, .cancel = r->cancel, .prefix = UINT64_MAX},
                .calls = {.plan = plan, .seen = seen, .problem = problem},
                .userdata = making,
        };
        return scan_run(&scan, err);
}

/* Whether another item holds this one: a path looked at twice could be seen in two forms. */
static bool
looked_at_already(const struct proposal_request *request, size_t index)
{
        for (size_t i = 0; i < request->n_items; i++) {
                bool same = strcmp(request->items[i], request->items[index]) == 0;
                if (i != index && (!same || i < index) &&
                        item_selected(request->items[index], &request->items[i], 1))
                        return true;
        }
        return false;
}

static bool
items_are_paths(const struct proposal_request *request)
{
        for (size_t i = 0; i < request->n_items; i++)
                if (strncmp(request->items[i], "file:", 5) != 0 || strpbrk(request->items[i], "*?"))
                        return false;
        return request->n_items > 0;
}

/* Items without globs are looked at alone, so that blessing one file of a million is quick. */
static int
look(struct making *making, struct err *err)
{
        const struct proposal_request *request = making->request;
        if (!items_are_paths(request))
                return !request->n_items && (request->n_waivers || request->retire)
                               ? 0
                               : look_below(making, NULL, err);
        int r = 0;
        for (size_t i = 0; i < request->n_items && r == 0; i++) {
                _cleanup_free_ char *path = NULL;
                if (looked_at_already(request, i))
                        continue;
                if (unescape_new(request->items[i] + 5, &path) < 0)
                        return err_oom(err);
                r = look_below(making, path, err);
        }
        return r;
}

/* ---- scopes ---- */

static bool
holds(const struct scope *scope, const char *path)
{
        struct scope alone = *scope;
        alone.excludes = (struct text_list){0};
        return scope_for_path(&alone, 1, path) != NULL;
}

/* Our own state changes by itself: a scope that holds it excludes it, in the signed text for all to see. */
static int
exclude_own(const struct proposal_request *request, struct scope *scope)
{
        for (size_t i = 0; i < request->n_never; i++) {
                _cleanup_free_ char *escaped = escape_new(request->never[i], strlen(request->never[i]));
                if (!escaped)
                        return -ENOMEM;
                if (scope->domain == SCOPE_FILES && holds(scope, escaped) &&
                        scope_for_path(scope, 1, escaped) &&
                        text_list_add(&scope->excludes, escaped, strlen(escaped)) < 0)
                        return -ENOMEM;
        }
        text_list_sort(&scope->excludes);
        return 0;
}

static int
choose_scopes(struct making *making, struct err *err)
{
        const struct proposal_request *r = making->request;
        size_t n_parent = 0;
        const struct scope *parent = r->parent ? baseline_scopes(r->parent, &n_parent) : NULL;
        bool keep = parent && !r->policy && !r->retire && (r->n_items || r->n_waivers);
        const struct scope *from = keep ? parent : r->scopes;
        size_t n = r->retire ? 0 : keep ? n_parent : r->n_scopes;
        making->scopes = calloc(n + 1, sizeof *making->scopes);
        if (!making->scopes)
                return err_oom(err);
        making->parent_scopes = keep;
        for (size_t i = 0; i < n; i++) {
                struct scope *to = &making->scopes[making->n_scopes];
                if (scope_copy(&from[i], to) < 0)
                        return err_oom(err);
                making->n_scopes++;
                if (!keep && exclude_own(r, to) < 0)
                        return err_oom(err);
        }
        return 0;
}

/* ---- the text ---- */

static int
append_scopes(const struct making *making, struct buf *ret)
{
        struct text_list lines = {0};
        int r = 0;
        for (size_t i = 0; i < making->n_scopes && r == 0; i++) {
                _cleanup_buf_ struct buf line = {0};
                r = scope_append(&making->scopes[i], &line);
                r = r ? r : text_list_add(&lines, line.data, line.size);
        }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count && r == 0; i++)
                r = buf_text(ret, lines.items[i]);
        text_list_done(&lines);
        return r;
}

/* The parent's line if it stands as it was: not taken live, and still in a scope. */
static bool
parent_line_stays(const struct making *making, const char *path, size_t size)
{
        _cleanup_free_ char *item = NULL;
        return asprintf(&item, "file:%.*s", (int)size, path) >= 0 && !proposal_takes(making, item) &&
               (making->parent_scopes || scope_for_item(making->scopes, making->n_scopes, item));
}

/* As item_selected has it for an item without globs: the path, and all below it. */
static void
drop_path(const struct baseline *parent, const char *path, bool *gone)
{
        size_t index, first, end;
        if (baseline_file_find(parent, path, strlen(path), &index))
                gone[index] = true;
        baseline_files_below(parent, path, &first, &end);
        for (; first < end; first++)
                gone[first] = true;
}

/* Which of the parent's lines do not stay. Nothing is asked line by line where few paths are named. */
static void
find_gone(const struct making *making, bool *gone)
{
        const struct proposal_request *request = making->request;
        const struct baseline *parent = request->parent;
        bool by_name = making->parent_scopes && (!request->n_items || items_are_paths(request));
        for (size_t i = 0; by_name && i < request->n_items; i++)
                drop_path(parent, request->items[i] + strlen("file:"), gone);
        for (size_t i = 0, size; !by_name && i < baseline_files(parent); i++) {
                const char *path = baseline_file_path(parent, i, &size);
                gone[i] = !parent_line_stays(making, path, size);
        }
}

/* The parent's lines from one to another, but for those that are gone. */
static int
output_staying(const struct delta_output *output, const struct baseline *parent, const bool *gone,
        size_t first, size_t end)
{
        int r = 0;
        while (first < end && r == 0) {
                size_t from = first;
                while (first < end && !gone[first])
                        first++;
                r = delta_output_lines(output, parent, from, first);
                while (first < end && gone[first])
                        first++;
        }
        return r;
}

static int
append_files(struct making *making, const struct delta_output *output)
{
        const struct baseline *parent = making->request->parent;
        size_t n = parent && making->n_scopes ? baseline_files(parent) : 0, at = 0;
        _cleanup_free_ bool *gone = calloc(n + 1, sizeof *gone);
        int r = gone ? 0 : -ENOMEM;
        if (n && r == 0)
                find_gone(making, gone);
        text_list_sort(&making->lines);
        for (size_t i = 0; i < making->lines.count && r == 0; i++) {
                const char *line = making->lines.items[i], *path = line + strlen("file ");
                size_t place = at;
                if (n)
                        baseline_file_find(parent, path, strcspn(path, " "), &place);
                if (place > at) {
                        r = output_staying(output, parent, gone, at, place);
                        at = place;
                }
                r = r ? r : delta_output_bytes(output, line, strlen(line));
        }
        return r ? r : output_staying(output, parent, gone, at, n);
}

static int
append_waivers(const struct making *making, struct buf *ret)
{
        const struct proposal_request *request = making->request;
        size_t n_waivers = 0;
        const struct waiver *waivers =
                request->parent && !request->retire ? baseline_waivers(request->parent, &n_waivers) : NULL;
        struct text_list lines = {0};
        int r = 0;
        for (size_t i = 0; i < n_waivers + request->n_waivers && r == 0; i++) {
                _cleanup_buf_ struct buf line = {0};
                const struct waiver *waiver = i < n_waivers ? &waivers[i] : &request->waivers[i - n_waivers];
                if (waiver->until_ms <= request->now_ms)
                        continue;
                r = baseline_waiver_append(waiver, &line);
                r = r ? r : text_list_add(&lines, line.data, line.size);
        }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count && r == 0; i++)
                r = buf_text(ret, lines.items[i]);
        text_list_done(&lines);
        return r;
}

static int
append_header(const struct making *making, struct buf *ret)
{
        const struct proposal_request *request = making->request;
        struct baseline_header header = {
                .generation = request->generation,
                .has_parent = request->parent != NULL,
                .created_ms = request->now_ms,
                .expires_ms = request->expires_ms ? request->expires_ms : INT64_MAX,
                .class = request->class,
        };
        _cleanup_free_ char *ticket = request->ticket ? strdup(request->ticket) : NULL;
        header.ticket = ticket;
        snprintf(header.name, sizeof header.name, "%s", request->name);
        snprintf(header.host, sizeof header.host, "%s", request->host);
        snprintf(header.author, sizeof header.author, "%s", request->author);
        if (request->parent)
                header.parent = *baseline_id(request->parent);
        return baseline_header_append(&header, ret);
}

static int
write_to(struct making *making, const struct delta_output *output)
{
        _cleanup_buf_ struct buf head = {0}, tail = {0};
        int r = append_header(making, &head);
        r = r ? r : append_scopes(making, &head);
        r = r ? r : delta_output_bytes(output, head.data, head.size);
        r = r ? r : append_files(making, output);
        r = r ? r : proposal_append_settings(making, &tail);
        r = r ? r : append_waivers(making, &tail);
        return r || !tail.size ? r : delta_output_bytes(output, tail.data, tail.size);
}

/* About as long as the parent's, where most of it stays: not found out by doubling. */
static int
reserve_text(const struct proposal_request *request, struct buf *ret)
{
        size_t size = 0;
        if (request->parent && (request->n_items || request->n_waivers))
                size = baseline_size(request->parent);
        return size ? buf_reserve(ret, size + TEXT_SPARE) : 0;
}

static int
write_text(struct making *making, struct buf *ret)
{
        _cleanup_(delta_writer_freep) struct delta_writer *writer = NULL;
        if (!making->request->delta) {
                int r = reserve_text(making->request, ret);
                return r ? r : write_to(making, &(struct delta_output){ret, NULL});
        }
        int r = delta_writer_new(making->request->parent, ret, &writer);
        r = r ? r : write_to(making, &(struct delta_output){ret, writer});
        return r ? r : delta_end(writer);
}

static int
make(struct making *making, struct buf *ret, struct err *err)
{
        int r = choose_scopes(making, err);
        r = r ? r : look(making, err);
        r = r ? r : proposal_look_settings(making, err);
        if (r)
                return r;
        if (making->n_refused) {
                err_set(err, PROPOSAL_REFUSED, "%u %s cannot be proposed: %.800s%s", making->n_refused,
                        making->n_refused == 1 ? "item" : "items", making->refused.data,
                        making->n_refused > REFUSALS_NAMED_MAX ? ", …" : "");
                return err_hint(err, PROPOSAL_REFUSED,
                        "wait until it holds still, exclude it, or give it a scope with mode = growing or "
                        "present");
        }
        return making->out_of_memory || write_text(making, ret) < 0 ? err_oom(err) : 0;
}

int
proposal_make(const struct proposal_request *request, struct buf *ret, struct err *err)
{
        struct making making = {.request = request};
        _cleanup_buf_ struct buf text = {0};
        pthread_mutex_init(&making.lock, NULL);
        int r = make(&making, &text, err);
        pthread_mutex_destroy(&making.lock);
        text_list_done(&making.lines);
        text_list_done(&making.settings);
        buf_done(&making.refused);
        for (size_t i = 0; i < making.n_scopes; i++)
                scope_done(&making.scopes[i]);
        free(making.scopes);
        if (r == 0) {
                *ret = text;
                text = (struct buf){0};
        }
        return r;
}
