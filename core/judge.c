/* SPDX-License-Identifier: MIT */
/*
 * The judge. Two kinds of memory: the standings (for each baseline, per expectation: the stat mark under
 * which it was last judged, when its content was verified, in which pass it was met) and the open drifts
 * by (baseline, item). The standings' arrays are written by many threads, one word at a time; the drifts
 * only under the lock.
 *
 * Invariants: a mark is stored only after the thing was judged; a mark of 0 means "look again"; verified
 * times move only when content was read and met its expectation (for things without content: when they
 * were looked at). A scan alone never changes an answer in the daemon: it hints at paths, and the one way
 * an answer changes is judge_observe on a fresh snapshot.
 */
#include "core/judge.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"

const char *const change_names[CHANGE_COUNT] = {"changed", "missing", "unexpected", "unknown"};

#define BUCKETS 4096u
#define ROTATIONS_MAX 4096u /* growing files remembered, of one baseline */

enum entry_bits { ENTRY_REGULAR = 1, ENTRY_KEPT = 2 };

struct rotation_entry {
        char *item;
        struct rotation rotation;
};

struct standing {
        struct baseline *baseline;
        size_t n;
        _Atomic stat_mark *marks;
        _Atomic uint32_t *verified_s; /* seconds since 1970; 0: never */
        _Atomic uint32_t *met;        /* number of the pass that met it last */
        _Atomic uint8_t *bits;
        size_t turn; /* where judge_turn goes on */
        struct rotation_entry *rotations;
        size_t n_rotations;
};

/* Shared with the threads that scan: replaced as a whole, freed when the last lets go. */
struct standings {
        atomic_uint references;
        size_t n;
        struct standing list[];
};

struct judge {
        pthread_mutex_t lock;
        struct standings *standings; /* replaced under the lock */
        struct drift *buckets[BUCKETS];
        size_t n_drifts;
        atomic_uint pass;
        atomic_ullong refused;
        judge_emit emit;
        void *userdata;
};

/* ---- standings ---- */

static void
standing_done(struct standing *s)
{
        baseline_free(s->baseline);
        free(s->marks);
        free(s->verified_s);
        free(s->met);
        free(s->bits);
        for (size_t i = 0; i < s->n_rotations; i++)
                free(s->rotations[i].item);
        free(s->rotations);
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

static int
standing_open(struct standing *s, struct baseline *baseline)
{
        s->baseline = baseline;
        s->n = baseline_files(baseline);
        s->marks = calloc(s->n + 1, sizeof *s->marks);
        s->verified_s = calloc(s->n + 1, sizeof *s->verified_s);
        s->met = calloc(s->n + 1, sizeof *s->met);
        s->bits = calloc(s->n + 1, sizeof *s->bits);
        if (!s->marks || !s->verified_s || !s->met || !s->bits)
                return -ENOMEM;
        for (size_t i = 0; i < s->n; i++) {
                static const char regular[] = " type=file";
                size_t size;
                const char *path = baseline_file_path(baseline, i, &size);
                if (memcmp(path + size, regular, sizeof regular - 1) == 0)
                        s->bits[i] = ENTRY_REGULAR;
        }
        return 0;
}

/* The whole line of an entry, from its path on. */
static const char *
entry_line(const struct baseline *baseline, size_t index, size_t *ret_size)
{
        size_t all, path_size;
        const char *text = baseline_text(baseline, &all);
        const char *line = baseline_file_path(baseline, index, &path_size);
        *ret_size = (size_t)((const char *)memchr(line, '\n', all - (size_t)(line - text)) - line);
        return line;
}

/* The scope that an entry lies in (opening has seen to it that there is one). */
static const struct scope *
entry_scope(const struct standing *s, size_t index)
{
        size_t n_scopes, size;
        const struct scope *scopes = baseline_scopes(s->baseline, &n_scopes);
        const char *path = baseline_file_path(s->baseline, index, &size);
        char local[1024];
        if (n_scopes == 1)
                return scopes;
        _cleanup_free_ char *heap = size < sizeof local ? NULL : strndup(path, size);
        if (size < sizeof local) {
                memcpy(local, path, size);
                local[size] = '\0';
        } else if (!heap) {
                return NULL;
        }
        return scope_for_path(scopes, n_scopes, heap ? heap : local);
}

/* Whether two entries with the same line are judged alike: a scope may have come to name what a line leaves
 * out for "none". */
static bool
same_rule(const struct standing *a, size_t a_index, const struct standing *b, size_t b_index)
{
        const struct scope *x = entry_scope(a, a_index), *y = entry_scope(b, b_index);
        return x && y && x->attributes == y->attributes && x->mode == y->mode;
}

/* What was verified stays verified where line and rule are the same. Both are sorted: one walk. */
static void
standing_inherit(struct standing *to, const struct standing *from)
{
        for (size_t i = 0, j = 0; i < to->n && j < from->n;) {
                size_t to_size, from_size;
                const char *to_line = entry_line(to->baseline, i, &to_size);
                const char *from_line = entry_line(from->baseline, j, &from_size);
                int order = memcmp(to_line, from_line, min_size(to_size, from_size));
                if (order == 0 && to_size == from_size) {
                        if (same_rule(to, i, from, j)) {
                                to->marks[i] = from->marks[j];
                                to->verified_s[i] = from->verified_s[j];
                                to->bits[i] = from->bits[j];
                        }
                        i++;
                        j++;
                } else if (order < 0 || (order == 0 && to_size < from_size)) {
                        i++;
                } else {
                        j++;
                }
        }
}

static struct standing *
standing_named(struct standings *standings, const char *name)
{
        for (size_t i = 0; standings && i < standings->n; i++)
                if (strcmp(baseline_header(standings->list[i].baseline)->name, name) == 0)
                        return &standings->list[i];
        return NULL;
}

static struct rotation_entry *
rotation_find(const struct standing *s, const char *item)
{
        for (size_t i = 0; i < s->n_rotations; i++)
                if (strcmp(s->rotations[i].item, item) == 0)
                        return &s->rotations[i];
        return NULL;
}

static int
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

/* ---- drifts ---- */

static size_t
bucket_of(const char *item)
{
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (; *item; item++)
                hash = (hash ^ (unsigned char)*item) * 1099511628211u;
        return (hash ^ hash >> 32) % BUCKETS;
}

static struct drift *
drift_free(struct drift *drift)
{
        if (!drift)
                return NULL;
        free(drift->item);
        free(drift->attributes);
        free(drift->reason);
        free(drift->ack_by);
        free(drift->ack_reason);
        free(drift);
        return NULL;
}
CLEANUP_DEFINE(struct drift *, drift_free)

static struct drift **
drift_slot(struct judge *judge, const char *baseline, const char *item)
{
        struct drift **slot = &judge->buckets[bucket_of(item)];
        while (*slot && (strcmp((*slot)->item, item) != 0 || strcmp((*slot)->baseline, baseline) != 0))
                slot = &(*slot)->next;
        return slot;
}

static void
drift_resolve(struct judge *judge, struct drift **slot, bool approved)
{
        struct drift *drift = *slot;
        *slot = drift->next;
        judge->n_drifts--;
        struct judge_event event = {.kind = JUDGE_RESOLVED, .drift = drift, .as_approved = approved};
        judge->emit(judge->userdata, &event);
        drift_free(drift);
}

static int
drift_add(struct judge *judge, struct drift *drift)
{
        if (judge->n_drifts == DRIFTS_MAX) {
                atomic_fetch_add(&judge->refused, 1);
                return -ENOSPC;
        }
        struct drift **bucket = &judge->buckets[bucket_of(drift->item)];
        drift->next = *bucket;
        *bucket = drift;
        judge->n_drifts++;
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
        *ret = judge;
        return 0;
}

struct judge *
judge_free(struct judge *judge)
{
        if (!judge)
                return NULL;
        for (size_t i = 0; i < BUCKETS; i++)
                while (judge->buckets[i]) {
                        struct drift *drift = judge->buckets[i];
                        judge->buckets[i] = drift->next;
                        drift_free(drift);
                }
        judge_release(judge->standings);
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
                *ret_line = entry_line(s->baseline, index, &size);
        return size;
}

static bool
same_line(const struct standing *a, const struct standing *b, const char *item)
{
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

static void
note_moved(struct judge *judge, const struct standing *to, const struct standing *from)
{
        const char *name = baseline_header(to->baseline)->name;
        for (size_t i = 0; i < BUCKETS; i++)
                for (struct drift *drift = judge->buckets[i]; drift; drift = drift->next)
                        if (strcmp(drift->baseline, name) == 0 && !same_line(to, from, drift->item))
                                drift->moved = true;
}

/* Drifts whose baseline is gone, or no longer speaks of the item, are settled by the new generation itself.
 */
static void
resolve_orphans(struct judge *judge)
{
        for (size_t i = 0; i < BUCKETS; i++)
                for (struct drift **slot = &judge->buckets[i]; *slot;) {
                        struct standing *s = standing_named(judge->standings, (*slot)->baseline);
                        const char *path = (*slot)->item + 5;
                        size_t n_scopes = 0, index;
                        const struct scope *scopes = s ? baseline_scopes(s->baseline, &n_scopes) : NULL;
                        bool lives =
                                s && (scope_for_item(scopes, n_scopes, (*slot)->item) ||
                                             baseline_file_find(s->baseline, path, strlen(path), &index));
                        if (lives)
                                slot = &(*slot)->next;
                        else
                                drift_resolve(judge, slot, true);
                }
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
                if (standing_open(&standings->list[i], baselines[i]) < 0)
                        r = -ENOMEM;
        if (r < 0) {
                judge_release(standings);
                return err_oom(err);
        }
        pthread_mutex_lock(&judge->lock);
        struct standings *before = judge->standings;
        for (size_t i = 0; i < n; i++) {
                const char *name = baseline_header(baselines[i])->name;
                struct standing *old = standing_named(before, name);
                if (!old)
                        continue;
                standing_inherit(&standings->list[i], old);
                if (rotations_inherit(judge, &standings->list[i], old) < 0)
                        r = -ENOMEM;
                note_moved(judge, &standings->list[i], old);
        }
        judge->standings = standings;
        if (!keep_drifts)
                resolve_orphans(judge);
        pthread_mutex_unlock(&judge->lock);
        judge_release(before);
        return r < 0 ? err_oom(err) : 0;
}

const struct baseline *
judge_held(struct standings *standings, const char *name)
{
        const struct standing *s = standing_named(standings, name);
        return s ? s->baseline : NULL;
}

bool
judge_names_path(struct judge *judge, const char *escaped)
{
        _cleanup_(judge_releasep) struct standings *held = judge_hold(judge);
        for (size_t i = 0; held && i < held->n; i++) {
                size_t n_scopes;
                const struct scope *scopes = baseline_scopes(held->list[i].baseline, &n_scopes);
                for (size_t j = 0; j < n_scopes; j++)
                        for (size_t k = 0; scopes[j].domain == SCOPE_FILES && k < scopes[j].paths.count; k++)
                                if (strcmp(scopes[j].paths.items[k], escaped) == 0)
                                        return true;
        }
        return false;
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

static char *
copy_or_null(const char *text)
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
        copy->attributes = copy_or_null(drift->attributes);
        copy->reason = copy_or_null(drift->reason);
        copy->ack_by = copy_or_null(drift->ack_by);
        copy->ack_reason = copy_or_null(drift->ack_reason);
        if (!copy->item)
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

/* ---- one path ---- */

/* What one baseline says of one path. */
struct ruling {
        struct standing *standing;
        const struct scope *scope;
        bool expected;
        size_t index;
};

static struct ruling
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

static void
wish_by(const struct ruling *ruling, const char *item, struct snapshot_wish *wish)
{
        const struct scope *scope = ruling->scope;
        if (scope->mode == SCOPE_PRESENT)
                return;
        if (scope->attributes & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT))
                wish->content = true;
        if (scope->keep_content && scope->mode == SCOPE_STATIC)
                wish->body = true;
        if (scope->mode != SCOPE_GROWING || !ruling->expected)
                return;
        _cleanup_attributes_ struct attributes expected = {0};
        if (baseline_file_attributes(ruling->standing->baseline, ruling->index, &expected) == 0)
                wish->prefix = known_prefix(ruling, item, &expected).size;
}

/*
 * One look serves all baselines. Where they need different parts of the content (one all of it, one a
 * prefix), it takes the larger: look_suffices keeps the other from judging by it.
 */
static void
wish_also_by(const struct ruling *ruling, const char *item, struct snapshot_wish *wish)
{
        struct snapshot_wish own = {.prefix = UINT64_MAX};
        wish_by(ruling, item, &own);
        if (own.content && (!wish->content || own.prefix > wish->prefix))
                wish->prefix = own.prefix;
        wish->content |= own.content;
        wish->body |= own.body;
}

bool
judge_wish(struct judge *judge, const char *path, struct snapshot_wish *wish)
{
        _cleanup_free_ char *item = item_from_path(path);
        bool wanted = false;
        wish->content = wish->body = false;
        wish->prefix = UINT64_MAX;
        pthread_mutex_lock(&judge->lock);
        for (size_t i = 0; item && judge->standings && i < judge->standings->n; i++) {
                struct ruling ruling = rule_on(&judge->standings->list[i], item + 5);
                if (!ruling.scope)
                        continue;
                wanted = true;
                wish_also_by(&ruling, item, wish);
        }
        pthread_mutex_unlock(&judge->lock);
        return wanted;
}

/* What follows from one look: no drift, or which. */
struct finding {
        bool drift;
        enum change change;
        uint32_t differ;
        bool rotated;
        struct rotation rotation;
};

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
static bool
look_suffices(const struct ruling *ruling, const char *item, const struct attributes *expected,
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

static int
find(const struct ruling *ruling, const char *item, const struct observation *seen,
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

/* ---- drifts from findings ---- */

/* What moves whenever a growing file grows; of one that nobody expects, no prefix is known that would stay.
 */
static uint32_t
growing_moves(bool expected)
{
        uint32_t moves = ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_MTIME) |
                         ATTRIBUTE_BIT(ATTRIBUTE_CTIME) | ATTRIBUTE_BIT(ATTRIBUTE_INODE);
        return expected ? moves : moves | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT);
}

static int
observed_digest(const struct ruling *ruling, const struct observation *seen, char ret[static DIGEST_HEX_SIZE])
{
        _cleanup_buf_ struct buf text = {0};
        struct digest digest;
        ret[0] = '\0';
        if (seen->result == SNAPSHOT_GONE)
                return 0;
        uint32_t mask = ruling->scope->attributes;
        if (ruling->scope->mode == SCOPE_GROWING)
                mask &= ~growing_moves(ruling->expected);
        int r = buf_printf(&text, "%d %d", seen->result, seen->snapshot->failed_errno);
        r = r ? r : attributes_append(mask, &seen->snapshot->attributes, &text);
        if (r < 0)
                return r;
        digest_bytes(text.data, text.size, &digest);
        digest_hex(&digest, ret);
        return 0;
}

static struct json *
value_json(enum attribute attribute, const struct attributes *attributes)
{
        _cleanup_buf_ struct buf text = {0};
        if (!attributes || !(attributes->known & ATTRIBUTE_BIT(attribute)) ||
                !attribute_applicable(ATTRIBUTE_BIT(attribute), attributes->type))
                return json_null_new();
        if (attribute_append_value(attribute, attributes, &text) < 0)
                return NULL;
        return json_string_new(text.data ? text.data : "");
}

struct json *
attributes_json(uint32_t mask, const struct attributes *expected, const struct attributes *actual)
{
        struct json *list = json_array_make();
        for (unsigned i = 0; list && i < ATTRIBUTE_COUNT; i++) {
                if (!(mask & 1u << i))
                        continue;
                struct json *left = value_json(i, expected), *right = value_json(i, actual);
                if (json_push(list, json_make("{s:s, s:o, s:o}", "name", attribute_name(i), "expected", left,
                                            "actual", right)) < 0)
                        list = json_free(list);
        }
        return list;
}

static uint32_t
reported_mask(const struct ruling *ruling, const struct finding *finding, const struct attributes *expected,
        const struct observation *seen)
{
        switch (finding->change) {
        case CHANGE_CHANGED:
                return finding->differ;
        case CHANGE_MISSING:
                return attribute_applicable(ruling->scope->attributes, expected->type);
        case CHANGE_UNEXPECTED:
                return attribute_applicable(ruling->scope->attributes, seen->snapshot->attributes.type) &
                       seen->snapshot->attributes.known;
        default:
                return 0;
        }
}

static const char *
unknown_reason(const struct observation *seen)
{
        return seen->result == SNAPSHOT_UNSTABLE ? "it did not hold still while it was read"
                                                 : strerrordesc_np(seen->snapshot->failed_errno);
}

/* Fills in what the look says; what belongs to the drift's life (first seen, acknowledgement) is the
 * caller's. */
static int
drift_describe(struct drift *drift, const struct ruling *ruling, const struct finding *finding,
        const struct attributes *expected, const struct observation *seen)
{
        const struct attributes *actual = seen->result == SNAPSHOT_GONE ? NULL : &seen->snapshot->attributes;
        _cleanup_json_ struct json *list = attributes_json(
                reported_mask(ruling, finding, expected, seen), ruling->expected ? expected : NULL, actual);
        _cleanup_buf_ struct buf text = {0};
        if (!list || json_write(list, &text) < 0)
                return -ENOMEM;
        free(drift->attributes);
        drift->attributes = buf_steal(&text);
        free(drift->reason);
        const char *reason = finding->change == CHANGE_UNKNOWN ? unknown_reason(seen) : NULL;
        drift->reason = copy_or_null(reason ? reason : finding->change == CHANGE_UNKNOWN ? "?" : NULL);
        drift->change = finding->change;
        drift->severity = ruling->scope->severity;
        drift->last_change_ms = seen->now_ms;
        return drift->attributes && (drift->reason || finding->change != CHANGE_UNKNOWN) ? 0 : -ENOMEM;
}

static struct drift *
drift_make(const struct ruling *ruling, const char *item, const struct observation *seen)
{
        const struct baseline_header *header = baseline_header(ruling->standing->baseline);
        struct drift *drift = calloc(1, sizeof *drift);
        if (!drift)
                return NULL;
        drift->item = strdup(item);
        memcpy(drift->baseline, header->name, sizeof drift->baseline);
        drift->generation = header->generation;
        drift->first_seen_ms = seen->now_ms;
        drift->unobserved = seen->unobserved;
        return drift->item ? drift : drift_free(drift);
}

static void
emit_drift(struct judge *judge, struct drift *drift, const struct observation *seen)
{
        struct judge_event event = {.kind = JUDGE_DRIFT, .drift = drift, .result = seen->result};
        judge->emit(judge->userdata, &event);
}

static int
drift_open(struct judge *judge, const struct ruling *ruling, const char *item, const struct finding *finding,
        const struct attributes *expected, const struct observation *seen, const char *observed)
{
        _cleanup_(drift_freep) struct drift *drift = drift_make(ruling, item, seen);
        if (!drift || drift_describe(drift, ruling, finding, expected, seen) < 0)
                return -ENOMEM;
        memcpy(drift->observed, observed, sizeof drift->observed);
        drift->mark = seen->snapshot->mark;
        if (drift_add(judge, drift) < 0)
                return 0; /* counted as refused: coverage says so */
        emit_drift(judge, steal_pointer(&drift), seen);
        return 0;
}

/* Seen in another form than before: a new record, and an acknowledgement of the old form does not cover it.
 */
static int
drift_alter(struct judge *judge, struct drift *drift, const struct ruling *ruling,
        const struct finding *finding, const struct attributes *expected, const struct observation *seen,
        const char *observed)
{
        int r = drift_describe(drift, ruling, finding, expected, seen);
        if (r < 0)
                return r;
        memcpy(drift->observed, observed, sizeof drift->observed);
        free(drift->ack_by);
        free(drift->ack_reason);
        drift->ack_by = drift->ack_reason = NULL;
        drift->generation = baseline_header(ruling->standing->baseline)->generation;
        emit_drift(judge, drift, seen);
        return 0;
}

/* A drift that the store remembered does not know why; the look does. */
static int
reason_renew(struct drift *drift, const struct observation *seen)
{
        const char *words = unknown_reason(seen);
        char *reason = strdup(words ? words : "?");
        if (!reason)
                return -ENOMEM;
        free(drift->reason);
        drift->reason = reason;
        return 0;
}

static int
update_drift(struct judge *judge, const struct ruling *ruling, const char *item,
        const struct finding *finding, const struct attributes *expected, const struct observation *seen)
{
        const struct baseline_header *header = baseline_header(ruling->standing->baseline);
        struct drift **slot = drift_slot(judge, header->name, item);
        char observed[DIGEST_HEX_SIZE];
        int r = observed_digest(ruling, seen, observed);
        if (r < 0)
                return r;
        bool same_look = *slot && strcmp((*slot)->observed, observed) == 0;
        if (!finding->drift) {
                /* The expectation moved to the live side: approved. Otherwise the live side came back. */
                if (*slot)
                        drift_resolve(judge, slot,
                                (*slot)->moved || (same_look && (*slot)->generation < header->generation));
                return 0;
        }
        if (!*slot)
                return drift_open(judge, ruling, item, finding, expected, seen, observed);
        (*slot)->mark = seen->snapshot->mark;
        (*slot)->moved = false;
        if (same_look && (*slot)->change == finding->change)
                return finding->change == CHANGE_UNKNOWN ? reason_renew(*slot, seen) : 0;
        return drift_alter(judge, *slot, ruling, finding, expected, seen, observed);
}

/* Content is kept when small, text, and world-readable as expected and as observed (snapshot.body has seen to
 * the observed side). */
static void
offer_body(struct judge *judge, const struct ruling *ruling, const struct attributes *expected,
        const struct observation *seen)
{
        struct snapshot *snapshot = seen->snapshot;
        bool expected_readable =
                ruling->expected && expected->type == FILE_REGULAR && expected->mode & S_IROTH;
        if (seen->result != 0 || !snapshot->body || !ruling->scope->keep_content || !expected_readable)
                return;
        struct judge_event event = {
                .kind = JUDGE_BODY,
                .digest = &snapshot->attributes.content,
                .body = snapshot->body,
                .body_size = snapshot->body_size,
        };
        judge->emit(judge->userdata, &event);
}

static void
remember_rotation(
        struct judge *judge, const struct ruling *ruling, const char *item, const struct finding *finding)
{
        if (!finding->rotated || rotation_put(ruling->standing, item, &finding->rotation) < 0)
                return;
        struct judge_event event = {
                .kind = JUDGE_ROTATED,
                .item = item,
                .baseline = ruling->standing->baseline,
                .rotation = &finding->rotation,
        };
        judge->emit(judge->userdata, &event);
}

static void
mark_judged(const struct ruling *ruling, const struct finding *finding, const struct observation *seen)
{
        struct standing *s = ruling->standing;
        if (!ruling->expected)
                return;
        bool known =
                seen->result == 0 || (ruling->scope->mode == SCOPE_PRESENT && seen->result != SNAPSHOT_GONE);
        s->marks[ruling->index] = seen->result == 0 ? seen->snapshot->mark : 0;
        if (known && (!finding->drift || finding->change != CHANGE_UNKNOWN))
                s->verified_s[ruling->index] = (uint32_t)(seen->snapshot->taken_ms / 1000);
        if (seen->result == SNAPSHOT_GONE)
                s->verified_s[ruling->index] = (uint32_t)(seen->now_ms / 1000);
}

static int
judge_by(struct judge *judge, struct standing *s, const char *item, const struct observation *seen)
{
        struct ruling ruling = rule_on(s, item + 5);
        _cleanup_attributes_ struct attributes expected = {0};
        struct finding finding;
        if (!ruling.scope)
                return 0;
        int r = find(&ruling, item, seen, &expected, &finding);
        if (r == 0 && !look_suffices(&ruling, item, &expected, seen)) {
                if (ruling.expected)
                        s->marks[ruling.index] = 0; /* to be looked at again, for this baseline */
                return 0;
        }
        r = r ? r : update_drift(judge, &ruling, item, &finding, &expected, seen);
        if (r < 0)
                return r;
        remember_rotation(judge, &ruling, item, &finding);
        mark_judged(&ruling, &finding, seen);
        offer_body(judge, &ruling, &expected, seen);
        return 0;
}

int
judge_observe(struct judge *judge, const char *path, const struct observation *seen)
{
        _cleanup_free_ char *item = item_from_path(path);
        if (!item)
                return -ENOMEM;
        if (seen->result == SNAPSHOT_OWN)
                return 0;
        int r = 0;
        pthread_mutex_lock(&judge->lock);
        for (size_t i = 0; judge->standings && i < judge->standings->n && r == 0; i++)
                r = judge_by(judge, &judge->standings->list[i], item, seen);
        pthread_mutex_unlock(&judge->lock);
        return r;
}

/* ---- scanning ---- */

struct walk {
        struct judge *judge;
        struct standing *standing;
        const struct judge_scan *options;
        uint32_t pass;
        uint32_t now_s;
        atomic_bool out_of_memory;
};

/* Escapes into the caller's memory where it fits; otherwise into *ret_heap. */
static const char *
escaped_path(const char *path, char *local, size_t room, char **ret_heap)
{
        size_t size = strlen(path);
        if (escape_size(path, size) < room) {
                local[escape(path, size, local)] = '\0';
                return local;
        }
        *ret_heap = escape_new(path, size);
        return *ret_heap;
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

/* Whether an open drift already says all that this stat could say. */
static bool
drift_is_current(struct walk *walk, const char *escaped, stat_mark mark)
{
        _cleanup_free_ char *item = NULL;
        if (walk->options->full || !mark || asprintf(&item, "file:%s", escaped) < 0)
                return false;
        pthread_mutex_lock(&walk->judge->lock);
        const char *name = baseline_header(walk->standing->baseline)->name;
        struct drift *drift = *drift_slot(walk->judge, name, item);
        bool current = drift && drift->mark == mark && drift->change != CHANGE_UNKNOWN;
        pthread_mutex_unlock(&walk->judge->lock);
        return current;
}

static bool
item_wanted(const struct walk *walk, const char *escaped)
{
        if (!walk->options->n_items)
                return true;
        _cleanup_free_ char *item = NULL;
        return asprintf(&item, "file:%s", escaped) >= 0 &&
               item_selected(item, walk->options->items, walk->options->n_items);
}

static enum scan_look
walk_plan(void *userdata, const char *path, const struct scope *scope, const struct statx *stx,
        struct snapshot_wish *wish)
{
        struct walk *walk = userdata;
        struct standing *s = walk->standing;
        char local[1024];
        _cleanup_free_ char *heap = NULL;
        const char *escaped = escaped_path(path, local, sizeof local, &heap);
        size_t index;
        count(walk->options->files, 1);
        if (!escaped || !item_wanted(walk, escaped))
                return SCAN_SKIP;
        stat_mark mark = stat_mark_of(stx);
        bool expected = baseline_file_find(s->baseline, escaped, strlen(escaped), &index);
        if (expected)
                s->met[index] = walk->pass;
        if (!walk->options->full) {
                if (expected && s->marks[index] == mark) {
                        if (!(s->bits[index] & ENTRY_REGULAR))
                                s->verified_s[index] = walk->now_s;
                        return SCAN_SKIP;
                }
                if (!expected && drift_is_current(walk, escaped, mark))
                        return SCAN_SKIP;
                if (!walk->options->at_once) {
                        walk->options->hint(walk->options->userdata, path);
                        return SCAN_SKIP;
                }
        }
        wish->content = wish->body = false;
        wish->prefix = UINT64_MAX;
        struct ruling ruling = {.standing = s, .scope = scope, .expected = expected, .index = index};
        if (scope->mode == SCOPE_GROWING) {
                _cleanup_free_ char *item = item_from_path(path);
                pthread_mutex_lock(&walk->judge->lock); /* rotations are written under it */
                if (item)
                        wish_by(&ruling, item, wish);
                pthread_mutex_unlock(&walk->judge->lock);
        } else {
                wish_by(&ruling, NULL, wish);
        }
        if (expected && s->bits[index] & ENTRY_KEPT)
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
        int r = find(ruling, item, &seen, &expected, &finding);
        bool enough = r == 0 && look_suffices(ruling, item, &expected, &seen);
        if (growing)
                pthread_mutex_unlock(&walk->judge->lock);
        if (!enough || finding.drift || finding.rotated)
                return false;
        pthread_mutex_lock(&walk->judge->lock);
        bool settled = *drift_slot(walk->judge, name, item) == NULL;
        pthread_mutex_unlock(&walk->judge->lock);
        if (!settled)
                return false;
        mark_judged(ruling, &finding, &seen);
        if (snapshot->body && walk->options->keep && expected.mode & S_IROTH) {
                walk->options->keep(walk->options->userdata, &snapshot->attributes.content, snapshot->body,
                        snapshot->body_size);
                ruling->standing->bits[ruling->index] |= ENTRY_KEPT;
        }
        return true;
}

static void
walk_seen(void *userdata, const char *path, const struct scope *scope, int result, struct snapshot *snapshot)
{
        struct walk *walk = userdata;
        if (!snapshot || result == SNAPSHOT_OWN)
                return;
        count(walk->options->bytes, snapshot->content_size);
        if (walk->options->at_once) {
                observe_here(walk, path, result, snapshot);
                return;
        }
        _cleanup_free_ char *item = item_from_path(path);
        if (!item)
                return;
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
        if (!judge_wish(walk->judge, path, &wish))
                return 0;
        int result = snapshot_path(walk->options->root, path, &wish, &snapshot, err);
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
                        walk->standing->met[self] != walk->pass)
                        r = walk_single(walk, walk->options->below, err);
        }
        for (size_t i = first; i < end && r == 0; i++) {
                size_t size;
                const char *path = baseline_file_path(b, i, &size);
                if (walk->standing->met[i] == walk->pass)
                        continue;
                _cleanup_free_ char *escaped = strndup(path, size), *raw = NULL;
                if (!escaped || (r = unescape_new(escaped, &raw)) < 0)
                        return err_oom(err);
                if (item_wanted(walk, escaped))
                        r = walk_single(walk, raw, err);
        }
        return r;
}

static int
collect_unexpected(void *userdata, struct drift *drift)
{
        struct text_list *list = userdata;
        if (strncmp(drift->item, "file:", 5) == 0)
                return text_list_add(list, drift->item + 5, strlen(drift->item + 5));
        return 0;
}

/* Open drifts are looked at again too: the thing may be gone, which no walk can meet. */
static int
walk_open_drifts(struct walk *walk, struct err *err)
{
        struct text_list list = {0};
        int r = judge_each(walk->judge, collect_unexpected, &list);
        for (size_t i = 0; i < list.count && r == 0; i++) {
                _cleanup_free_ char *raw = NULL;
                size_t below_size = walk->options->below ? strlen(walk->options->below) : 0;
                r = unescape_new(list.items[i], &raw);
                bool under = r == 0 && (!below_size || (strncmp(raw, walk->options->below, below_size) == 0 &&
                                                               (!raw[below_size] || raw[below_size] == '/')));
                if (under && item_wanted(walk, list.items[i]))
                        r = walk_single(walk, raw, err);
        }
        text_list_done(&list);
        return r;
}

static int
walk_standing(struct walk *walk, struct err *err)
{
        const struct judge_scan *o = walk->options;
        size_t n_scopes;
        const struct scope *scopes = baseline_scopes(walk->standing->baseline, &n_scopes);
        struct scan_options scan = {
                .root = o->root ? o->root : "",
                .scopes = scopes,
                .n_scopes = n_scopes,
                .below = o->below,
                .workers = o->workers,
                .max_rate = o->max_rate,
                .background = o->background,
                .wish = {.own = o->own, .n_own = o->n_own, .cancel = o->cancel, .prefix = UINT64_MAX},
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
        assert(options->at_once || options->hint);
        int r = 0;
        for (size_t i = 0; standings && i < standings->n && r == 0; i++) {
                struct walk walk = {
                        .judge = judge,
                        .standing = &standings->list[i],
                        .options = options,
                        .pass = atomic_fetch_add(&judge->pass, 1) + 1,
                        .now_s = (uint32_t)(clock_now_ms() / 1000),
                };
                r = walk_standing(&walk, err);
                if (r == 0 && i == standings->n - 1)
                        r = walk_open_drifts(&walk, err);
        }
        return r;
}

static void
turn_standing(struct standing *s, size_t n, void (*visit)(void *userdata, const char *path), void *userdata)
{
        for (size_t looked = 0; n && looked < s->n; looked++) {
                size_t index = s->turn++ % s->n, size;
                if (!(s->bits[index] & ENTRY_REGULAR))
                        continue;
                const char *path = baseline_file_path(s->baseline, index, &size);
                _cleanup_free_ char *escaped = strndup(path, size), *raw = NULL;
                if (!escaped || unescape_new(escaped, &raw) < 0)
                        return;
                visit(userdata, raw);
                n--;
        }
}

void
judge_turn(struct judge *judge, size_t n, void (*visit)(void *userdata, const char *path), void *userdata)
{
        _cleanup_(judge_releasep) struct standings *standings = judge_hold(judge);
        uint64_t all = judge_regular_files(judge);
        for (size_t i = 0; standings && all && i < standings->n; i++) {
                /* Each baseline's share is rounded up, so that the interval is kept. */
                uint64_t share = ((uint64_t)n * standings->list[i].n + all - 1) / all;
                turn_standing(
                        &standings->list[i], min_size((size_t)share, standings->list[i].n), visit, userdata);
        }
}

/* ---- asking ---- */

uint64_t
judge_regular_files(const struct judge *judge)
{
        uint64_t total = 0;
        for (size_t i = 0; judge->standings && i < judge->standings->n; i++)
                for (size_t j = 0; j < judge->standings->list[i].n; j++)
                        total += judge->standings->list[i].bits[j] & ENTRY_REGULAR;
        return total;
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

static void
cover_standing(
        const struct standing *s, int64_t now_ms, struct coverage *ret, int64_t *oldest_ms, bool *never)
{
        size_t n_settings;
        baseline_settings(s->baseline, &n_settings);
        ret->settings += n_settings;
        ret->expected += s->n + n_settings;
        for (size_t i = 0; i < s->n; i++) {
                int64_t verified_ms = (int64_t)s->verified_s[i] * 1000;
                bool regular = s->bits[i] & ENTRY_REGULAR;
                if (!verified_ms) {
                        *never |= regular;
                        continue;
                }
                if (regular && verified_ms < *oldest_ms)
                        *oldest_ms = verified_ms;
                ret->verified += now_ms - verified_ms <= entry_limit_s(s, i) * 1000;
        }
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
        for (size_t i = 0; i < BUCKETS; i++)
                for (const struct drift *drift = judge->buckets[i]; drift; drift = drift->next)
                        ret->unknown += drift->change == CHANGE_UNKNOWN;
        pthread_mutex_unlock(&judge->lock);
        ret->oldest_content_check_ms = never || oldest_ms == INT64_MAX ? 0 : oldest_ms;
}

static int
compare_drifts(const void *left, const void *right)
{
        const struct drift *a = *(struct drift *const *)left, *b = *(struct drift *const *)right;
        int order = strcmp(a->item, b->item);
        return order ? order : strcmp(a->baseline, b->baseline);
}

int
judge_each(struct judge *judge, int (*visit)(void *userdata, struct drift *drift), void *userdata)
{
        pthread_mutex_lock(&judge->lock);
        size_t n = 0;
        struct drift **list = calloc(judge->n_drifts + 1, sizeof *list);
        for (size_t i = 0; list && i < BUCKETS; i++)
                for (struct drift *drift = judge->buckets[i]; drift; drift = drift->next)
                        list[n++] = drift;
        int r = list ? 0 : -ENOMEM;
        if (list)
                qsort(list, n, sizeof *list, compare_drifts);
        for (size_t i = 0; i < n && r == 0; i++)
                r = visit(userdata, list[i]);
        free(list);
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
        struct json *attributes = NULL;
        clock_format(drift->first_seen_ms, first_seen);
        if (json_parse(drift->attributes, strlen(drift->attributes), &attributes, NULL) < 0)
                return NULL;
        struct json *value = json_make("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:n}", "item", drift->item,
                "change", change_names[drift->change], "state", state, "severity",
                severity_names[drift->severity], "baseline", drift->baseline, "attributes", attributes,
                "first_seen", first_seen, "unobserved", drift->unobserved, "cause");
        if (value && drift->reason)
                json_put(value, "reason", json_string_new(drift->reason));
        if (value && waiver) {
                clock_format_seconds(waiver->until_ms, until);
                json_put(value, "waiver",
                        json_make("{s:s, s:s, s:s}", "by", waiver->by, "until", until, "reason",
                                waiver->reason));
        }
        return value;
}
