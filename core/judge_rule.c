/* SPDX-License-Identifier: MIT */
/*
 * What one baseline says of one path: which rule holds it, how it is to be looked at, and what follows from
 * a look. Pure comparison of expectation and observation; the only thing written is the standing's mark of
 * having judged. Growing files are the one mode with a memory (their known prefix), which the caller guards
 * by the judge's lock.
 */
#include "core/judge_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"
#include "core/snapshot_reader.h"

/* ---- one path ---- */

struct ruling
rule_on(struct standing *s, const char *escaped)
{
        struct ruling ruling = {.standing = s};
        size_t n_scopes;
        const struct scope *scopes = baseline_scopes(s->baseline, &n_scopes);
        ruling.scope = scope_for_path(scopes, n_scopes, escaped);
        ruling.expected = baseline_file_find(s->baseline, escaped, strlen(escaped), &ruling.index);
        return ruling;
}

/* The prefix to read of a growing file: what is known of it since it last began anew, else what was signed.
 */
static struct rotation
known_prefix(const struct ruling *ruling, const char *item, const struct attributes *expected)
{
        const struct rotation_entry *entry = rotation_find(ruling->standing, item);
        if (entry)
                return entry->rotation;
        return (struct rotation){
                .size = expected->size,
                .content = expected->content,
                .inode = expected->known & ATTRIBUTE_BIT(ATTRIBUTE_INODE) ? expected->inode : 0,
        };
}

void
rule_wish(const struct ruling *ruling, const char *item, struct snapshot_wish *wish)
{
        const struct scope *scope = ruling->scope;
        if (scope->mode == SCOPE_PRESENT)
                return;
        if (scope->attributes & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT))
                wish->content = true;
        if (scope->keep_content && scope->mode == SCOPE_STATIC && ruling->expected)
                wish->body = true; /* (what nobody expects has nothing to be compared with) */
        if (scope->mode != SCOPE_GROWING || !ruling->expected)
                return;
        _cleanup_attributes_ struct attributes expected = {0};
        if (baseline_file_attributes(ruling->standing->baseline, ruling->index, &expected) == 0)
                wish->prefix = known_prefix(ruling, item, &expected).size;
}

/*
 * One look serves all baselines. Where they need different parts of the content (one all of it, one a
 * prefix), it takes the larger: rule_suffices keeps the other from judging by it.
 */
static void
rule_wish_also(const struct ruling *ruling, const char *item, struct snapshot_wish *wish)
{
        struct snapshot_wish own = {.prefix = UINT64_MAX};
        rule_wish(ruling, item, &own);
        if (own.content && (!wish->content || own.prefix > wish->prefix))
                wish->prefix = own.prefix;
        wish->content |= own.content;
        wish->body |= own.body;
}

int
judge_wish(struct judge *judge, const char *path, struct snapshot_wish *wish)
{
        _cleanup_free_ char *item = item_from_path(path);
        int r = JUDGE_NOT_OURS;
        if (!item)
                return -ENOMEM;
        wish->content = wish->body = false;
        wish->prefix = UINT64_MAX;
        pthread_mutex_lock(&judge->lock);
        for (size_t i = 0; judge->standings && i < judge->standings->n; i++) {
                struct ruling ruling = rule_on(&judge->standings->list[i], item + 5);
                if (!ruling.scope)
                        continue;
                r = 0;
                rule_wish_also(&ruling, item, wish);
        }
        pthread_mutex_unlock(&judge->lock);
        return r;
}

enum scan_reach
judge_reach(struct judge *judge, const struct mount_table *table, const char *path)
{
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        _cleanup_(judge_releasep) struct standings *held = judge_hold(judge);
        enum scan_reach farthest = SCAN_REACH_NOT;
        bool any = false;
        for (size_t i = 0; escaped && held && i < held->n; i++) {
                size_t n_scopes;
                const struct scope *scopes = baseline_scopes(held->list[i].baseline, &n_scopes);
                const struct scope *scope = scope_for_path(scopes, n_scopes, escaped);
                if (!scope)
                        continue;
                enum scan_reach reach = scan_reach(table, scope, path);
                farthest = reach < farthest ? reach : farthest;
                any = true;
        }
        return any ? farthest : SCAN_REACH_IN;
}

int
judge_look(struct judge *judge, struct snapshot_reader *reader, const struct mount_table *table,
        const char *path, const struct snapshot_wish *wish, struct snapshot *ret, struct err *err)
{
        struct snapshot_wish within = *wish;
        enum scan_reach reach = judge_reach(judge, table, path);
        within.mount_point = reach == SCAN_REACH_POINT;
        if (reach != SCAN_REACH_NOT)
                return reader ? snapshot_look_path(reader, "", path, &within, ret)
                              : snapshot_path("", path, &within, ret, err);
        *ret = (struct snapshot){.failed_errno = EXDEV, .taken_ms = clock_now_ms()};
        return SNAPSHOT_UNREADABLE;
}

/* A growing file keeps its known prefix, or began anew: by truncation (it is shorter) or as another inode. */
static bool
growing_differs(const struct ruling *ruling, const char *item, const struct attributes *expected,
        const struct snapshot *seen, struct finding *finding)
{
        struct rotation known = known_prefix(ruling, item, expected);
        const struct attributes *a = &seen->attributes;
        bool another = known.inode && a->inode != known.inode;
        if (a->size >= known.size && digest_equal(&a->content, &known.content))
                return false;
        finding->rotation = (struct rotation){seen->content_size, a->content, a->inode};
        finding->rotated = a->size < known.size || another;
        return !finding->rotated;
}

static void
compare(const struct ruling *ruling, const char *item, const struct attributes *expected,
        const struct snapshot *seen, struct finding *finding)
{
        static const uint32_t any_type =
                ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_UID) | ATTRIBUTE_BIT(ATTRIBUTE_GID);
        const struct scope *scope = ruling->scope;
        uint32_t mask = attribute_applicable(scope->attributes, expected->type);
        if (expected->type != seen->attributes.type)
                mask &= any_type;
        if (scope->mode == SCOPE_GROWING && expected->type == FILE_REGULAR) {
                mask &= ~(ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) |
                          ATTRIBUTE_BIT(ATTRIBUTE_MTIME) | ATTRIBUTE_BIT(ATTRIBUTE_CTIME) |
                          ATTRIBUTE_BIT(ATTRIBUTE_INODE));
                if (seen->attributes.type == FILE_REGULAR &&
                        scope->attributes & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) &&
                        growing_differs(ruling, item, expected, seen, finding))
                        finding->differ = ATTRIBUTE_BIT(ATTRIBUTE_CONTENT);
        }
        finding->differ |= attributes_compare(mask, expected, &seen->attributes);
        finding->drift = finding->differ != 0;
        finding->change = CHANGE_CHANGED;
}

/*
 * Whether a look holds what this baseline judges content by: it may have been made for another baseline,
 * which needs none or another part of it, or before a growing file was found to have begun anew.
 */
bool
rule_suffices(const struct ruling *ruling, const char *item, const struct attributes *expected,
        const struct observation *seen)
{
        const struct scope *scope = ruling->scope;
        const struct attributes *a = seen->result == 0 ? &seen->snapshot->attributes : NULL;
        if (!a || a->type != FILE_REGULAR || scope->mode == SCOPE_PRESENT ||
                !(scope->attributes & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)))
                return true;
        if (!(a->known & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)))
                return false;
        uint64_t known = UINT64_MAX;
        if (scope->mode == SCOPE_GROWING && ruling->expected && expected->type == FILE_REGULAR)
                known = known_prefix(ruling, item, expected).size;
        return known <= a->size ? seen->snapshot->content_size == known
                                : seen->snapshot->content_size >= a->size;
}

int
rule_find(const struct ruling *ruling, const char *item, const struct observation *seen,
        struct attributes *ret_expected, struct finding *ret)
{
        struct finding finding = {0};
        if (ruling->expected) {
                int r = baseline_file_attributes(ruling->standing->baseline, ruling->index, ret_expected);
                if (r < 0)
                        return r;
        }
        if (seen->result == SNAPSHOT_GONE) {
                finding.drift = ruling->expected;
                finding.change = CHANGE_MISSING;
        } else if (!ruling->expected) {
                finding.drift = true;
                finding.change = CHANGE_UNEXPECTED;
        } else if (ruling->scope->mode == SCOPE_PRESENT) {
                finding.drift = false;
        } else if (seen->result != 0) {
                finding.drift = true;
                finding.change = CHANGE_UNKNOWN;
        } else {
                compare(ruling, item, ret_expected, seen->snapshot, &finding);
        }
        *ret = finding;
        return 0;
}

void
rule_mark(const struct ruling *ruling, const struct finding *finding, const struct observation *seen)
{
        if (!ruling->expected)
                return;
        struct entry entry = standing_entry(ruling->standing, ruling->index);
        bool known =
                seen->result == 0 || (ruling->scope->mode == SCOPE_PRESENT && seen->result != SNAPSHOT_GONE);
        *entry.mark = seen->result == 0 ? seen->snapshot->mark : 0;
        if (known && (!finding->drift || finding->change != CHANGE_UNKNOWN))
                *entry.verified_s = (uint32_t)(seen->snapshot->taken_ms / 1000);
        if (seen->result == SNAPSHOT_GONE)
                *entry.verified_s = (uint32_t)(seen->now_ms / 1000);
}
