/* SPDX-License-Identifier: MIT */
/*
 * The front of the watch: the table of what each key of a backend stands for, path and inode. Must not own
 * any opinion of what a change means: every event becomes "look at this path" or "look at this subtree".
 *
 * Invariants: a path has at most one node. A backend gives one key for each folder, and several nodes may
 * stand for it: a folder that is mounted twice has two paths, and one that has just moved may be met under
 * its new path before the event of its move is read. An event is told for each of them; whichever is stale
 * costs a look. A folder that moved away loses the nodes of its whole subtree at once, so that nothing is
 * blamed on an old path; where it arrives it is new, and is watched and scanned as such.
 */
#include "daemon/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "daemon/watch_internal.h"

#define TABLE_SIZE_MIN 1024u

/* ---- the table ---- */

static size_t
hash_of(const void *data, size_t size)
{
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (const unsigned char *p = data; size; size--, p++)
                hash = (hash ^ *p) * 1099511628211u;
        return (size_t)(hash ^ hash >> 29);
}

static const char *
node_key(const struct node *node)
{
        return node->path + strlen(node->path) + 1;
}

static struct node **
bucket_of_key(const struct watch *watch, const void *key, size_t size)
{
        return &watch->by_key[hash_of(key, size) % watch->n_buckets];
}

/* The first node of this key from here on; those of one stand in one bucket. */
static struct node *
node_of_key(struct node *node, const void *key, size_t size)
{
        while (node && (node->key_size != size || memcmp(node_key(node), key, size) != 0))
                node = node->next_key;
        return node;
}

static struct node **
slot_by_path(const struct watch *watch, const char *path)
{
        struct node **slot = &watch->by_path[hash_of(path, strlen(path)) % watch->n_buckets];
        while (*slot && strcmp((*slot)->path, path) != 0)
                slot = &(*slot)->next_path;
        return slot;
}

static void
table_insert(struct watch *watch, struct node *node)
{
        struct node **key = bucket_of_key(watch, node_key(node), node->key_size);
        struct node **path = &watch->by_path[hash_of(node->path, strlen(node->path)) % watch->n_buckets];
        node->next_key = *key;
        *key = node;
        node->next_path = *path;
        *path = node;
        watch->count++;
        watch->count_inotify += node->key_size == INOTIFY_KEY_SIZE;
}

/* Takes a node out of both and frees it; with the last node of an inotify watch that goes too. */
static void
unwatch(struct watch *watch, struct node *node)
{
        const char *key = node_key(node);
        struct node **bucket = bucket_of_key(watch, key, node->key_size), **slot = bucket;
        while (*slot != node)
                slot = &(*slot)->next_key;
        *slot = node->next_key;
        *slot_by_path(watch, node->path) = node->next_path;
        watch->count--;
        watch->count_inotify -= node->key_size == INOTIFY_KEY_SIZE;
        if (node->key_size == INOTIFY_KEY_SIZE && !node_of_key(*bucket, key, node->key_size)) {
                watch_inotify_remove(watch->inotify, key);
                watch->n_removed++;
        }
        free(node);
}

static int
table_grow(struct watch *watch)
{
        if (watch->n_buckets && watch->count < watch->n_buckets)
                return 0;
        size_t old = watch->n_buckets, n = old ? 2 * old : TABLE_SIZE_MIN;
        struct node **by_key = calloc(n, sizeof *by_key), **by_path = calloc(n, sizeof *by_path);
        if (!by_key || !by_path) {
                free(by_key);
                free(by_path);
                return -ENOMEM;
        }
        struct node **old_by_key = watch->by_key;
        free(watch->by_path);
        watch->by_key = by_key;
        watch->by_path = by_path;
        watch->n_buckets = n;
        watch->count = watch->count_inotify = 0;
        for (size_t i = 0; i < old; i++)
                for (struct node *node = old_by_key[i], *next; node; node = next) {
                        next = node->next_key;
                        table_insert(watch, node);
                }
        free(old_by_key);
        return 0;
}

static bool
is_below(const char *path, const char *folder)
{
        size_t size = strlen(folder);
        return strncmp(path, folder, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

static void
unwatch_subtree(struct watch *watch, const char *folder)
{
        for (size_t i = 0; i < watch->n_buckets; i++)
                for (struct node *node = watch->by_key[i], *next; node; node = next) {
                        next = node->next_key;
                        if (is_below(node->path, folder))
                                unwatch(watch, node);
                }
}

/* ---- adding ---- */

static int
note_lost(struct watch *watch, const char *path, int error)
{
        if (watch->lost++ == 0) {
                free(watch->lost_where);
                watch->lost_where = strdup(path);
                watch->lost_errno = error;
        }
        return -error;
}

static void
note_fallback(struct watch *watch, const char *path, int error)
{
        if (!watch->fallback_where)
                watch->fallback_where = strdup(path);
        watch->fallback_errno = error;
}

static struct node *
node_new(const char *path, const struct fan_key *key)
{
        size_t size = strlen(path) + 1;
        struct node *node = malloc(sizeof *node + size + key->size);
        if (!node)
                return NULL;
        *node = (struct node){.key_size = (uint8_t)key->size};
        memcpy(node->path, path, size);
        memcpy(node->path + size, key->bytes, key->size);
        return node;
}

static bool
has_key(const struct node *node, const struct fan_key *key)
{
        return node->key_size == key->size && memcmp(node_key(node), key->bytes, key->size) == 0;
}

/* The key that a backend gives the folder: inotify's where fanotify has none, and then why. Not under the
 * lock: it may wait for the file system. */
static int
key_for(struct watch *watch, int folder_fd, struct fan_key *ret, int *ret_why)
{
        *ret_why = 0;
        int r = watch->fanotify ? watch_fanotify_add(watch->fanotify, folder_fd, ret) : -ENOSYS;
        if (r == 0)
                return 0;
        if (watch->fanotify)
                *ret_why = -r;
        return watch_inotify_add(watch->inotify, folder_fd, ret);
}

/* L */
static int
add_node(struct watch *watch, const char *path, const struct node *like, const struct fan_key *key)
{
        struct node *known = *slot_by_path(watch, path), *node = known;
        if (!known || !has_key(known, key)) {
                if (known) /* another folder stands there now */
                        unwatch(watch, known);
                node = table_grow(watch) == 0 ? node_new(path, key) : NULL;
                if (!node)
                        return note_lost(watch, path, ENOMEM);
                table_insert(watch, node);
        }
        node->dev = like->dev;
        node->ino = like->ino;
        node->round = like->round;
        return 0;
}

/* L: lets go of a key that no node was made for. */
static void
drop_key(struct watch *watch, const struct fan_key *key)
{
        if (key->size == INOTIFY_KEY_SIZE &&
                !node_of_key(*bucket_of_key(watch, key->bytes, key->size), key->bytes, key->size)) {
                watch_inotify_remove(watch->inotify, key->bytes);
                watch->n_removed++;
        }
}

/* L */
static int
add_locked(struct watch *watch, int folder_fd, const char *path, const struct node *like)
{
        struct fan_key key = {0};
        uint64_t n_removed;
        int r, why;
        do { /* a watch that inotify gave may be let go of by others, until it stands in the table */
                n_removed = watch->n_removed;
                pthread_mutex_unlock(&watch->lock);
                r = key_for(watch, folder_fd, &key, &why);
                pthread_mutex_lock(&watch->lock);
        } while (r == 0 && key.size == INOTIFY_KEY_SIZE && n_removed != watch->n_removed);
        if (why)
                note_fallback(watch, path, why);
        if (r == 0) {
                r = add_node(watch, path, like, &key);
                if (r < 0)
                        drop_key(watch, &key);
                return r;
        }
        struct node *known = *slot_by_path(watch, path);
        if (known)
                unwatch(watch, known);
        return note_lost(watch, path, -r);
}

int
watch_folder(struct watch *watch, int folder_fd, const char *path, const struct statx *stx)
{
        pthread_mutex_lock(&watch->lock);
        const struct node like = {
                .dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
                .ino = (ino_t)stx->stx_ino,
                .round = watch->round,
        };
        const struct node *known = *slot_by_path(watch, path);
        int r = 0;
        if (!known && watch->count >= WATCHES_MAX)
                r = note_lost(watch, path, ENOSPC);
        else if (!known || known->dev != like.dev || known->ino != like.ino || known->round != like.round)
                r = add_locked(watch, folder_fd, path, &like);
        pthread_mutex_unlock(&watch->lock);
        return r;
}

void
watch_doubt(struct watch *watch)
{
        pthread_mutex_lock(&watch->lock);
        watch->round++;
        pthread_mutex_unlock(&watch->lock);
}

void
watch_born(struct watch *watch, const char *path, const struct fan_key *key)
{
        pthread_mutex_lock(&watch->lock);
        bool there = *slot_by_path(watch, path) != NULL;
        struct node *node = NULL;
        if (!there && watch->count < WATCHES_MAX && table_grow(watch) == 0)
                node = node_new(path, key);
        if (node) /* else the walk that follows watches it, or counts it as lost */
                table_insert(watch, node);
        pthread_mutex_unlock(&watch->lock);
}

/* ---- events ---- */

/* The folder's path, with the name where there is one. */
static char *
event_path(const struct node *node, const char *name)
{
        char *path;
        const char *folder = strcmp(node->path, "/") == 0 && name ? "" : node->path;
        return asprintf(&path, name ? "%s/%s" : "%s", folder, name) < 0 ? NULL : path;
}

void
watch_forget(struct watch *watch, const char *path)
{
        pthread_mutex_lock(&watch->lock);
        unwatch_subtree(watch, path);
        pthread_mutex_unlock(&watch->lock);
}

/* A folder that was deleted held none: those below it were told of before. */
static void
forget_one(struct watch *watch, const char *path)
{
        pthread_mutex_lock(&watch->lock);
        struct node *node = *slot_by_path(watch, path);
        if (node)
                unwatch(watch, node);
        pthread_mutex_unlock(&watch->lock);
}

/* Whoever walked before the event was told may have met one that is gone, or the one that came. */
static void
forget_other(struct watch *watch, const char *path, const struct fan_key *key)
{
        pthread_mutex_lock(&watch->lock);
        struct node *node = *slot_by_path(watch, path);
        if (node && !(key && key->size && has_key(node, key)))
                unwatch(watch, node);
        pthread_mutex_unlock(&watch->lock);
}

void
watch_note(struct watch *watch, const char *path, enum sense sense, const struct fan_key *target)
{
        if (sense == SENSE_CAME || sense == SENSE_ARRIVED)
                forget_other(watch, path, target);
        if (sense == SENSE_GONE)
                forget_one(watch, path);
        if (sense == SENSE_LEFT)
                watch_forget(watch, path);
}

void
watch_tell(struct watch *watch, const char *path, enum sense sense, const struct who_touch *touch)
{
        bool moved = sense == SENSE_LEFT || sense == SENSE_ARRIVED;
        if (sense == SENSE_CHANGED)
                watch->calls.changed(watch->userdata, path, touch);
        else
                watch->calls.subtree(watch->userdata, path, touch, moved);
}

bool
watch_paths(struct watch *watch, const struct fan_key *key, const char *name, char *paths[PATHS_PER_KEY_MAX],
        size_t *ret_count)
{
        size_t count = 0;
        bool all = true;
        pthread_mutex_lock(&watch->lock);
        for (const struct node *node =
                        node_of_key(*bucket_of_key(watch, key->bytes, key->size), key->bytes, key->size);
                node && all; node = node_of_key(node->next_key, key->bytes, key->size)) {
                all = count < PATHS_PER_KEY_MAX && (paths[count] = event_path(node, name));
                count += all;
        }
        pthread_mutex_unlock(&watch->lock);
        *ret_count = count;
        return all;
}

void
watch_ignore(struct watch *watch, const char *path)
{
        if (watch->fanotify)
                watch_fanotify_ignore(watch->fanotify, path);
}

struct watch_ticket
watch_ticket(struct watch *watch)
{
        watch_inotify_drain(watch->inotify);
        return watch->fanotify ? watch_fanotify_ticket(watch->fanotify) : (struct watch_ticket){0};
}

bool
watch_handed_on(struct watch *watch, const struct watch_ticket *ticket)
{
        return !watch->fanotify || watch_fanotify_handed_on(watch->fanotify, ticket);
}

bool
watch_is_held_up(const struct watch *watch)
{
        return watch->fanotify && watch_fanotify_held_up(watch->fanotify);
}

/* ---- life ---- */

int
watch_new(sd_event *event, bool by_fanotify, const struct watch_calls *calls, void *userdata,
        struct watch **ret, struct err *err)
{
        _cleanup_(watch_freep) struct watch *watch = calloc(1, sizeof *watch);
        if (!watch)
                return err_oom(err);
        pthread_mutex_init(&watch->lock, NULL);
        watch->event = event;
        watch->calls = *calls;
        watch->userdata = userdata;
        if (table_grow(watch) < 0)
                return err_oom(err);
        int r = watch_inotify_new(watch, &watch->inotify, err);
        if (r == 0 && by_fanotify)
                r = watch_fanotify_new(watch, &watch->fanotify, err);
        if (r == 0)
                *ret = steal_pointer(&watch);
        return r;
}

struct watch *
watch_free(struct watch *watch)
{
        if (!watch)
                return NULL;
        watch->fanotify = watch_fanotify_free(watch->fanotify);
        watch->inotify = watch_inotify_free(watch->inotify);
        for (size_t i = 0; i < watch->n_buckets; i++)
                for (struct node *node = watch->by_key[i], *next; node; node = next) {
                        next = node->next_key;
                        free(node);
                }
        free(watch->by_key);
        free(watch->by_path);
        free(watch->lost_where);
        free(watch->fallback_where);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
        return NULL;
}

void
watch_count(struct watch *watch, struct watch_counts *ret)
{
        pthread_mutex_lock(&watch->lock);
        *ret = (struct watch_counts){.folders = watch->count, .by_inotify = watch->count_inotify};
        pthread_mutex_unlock(&watch->lock);
}

char *
watch_fallback(struct watch *watch, int *ret_errno)
{
        pthread_mutex_lock(&watch->lock);
        char *where = watch->fallback_where ? strdup(watch->fallback_where) : NULL;
        *ret_errno = watch->fallback_errno;
        pthread_mutex_unlock(&watch->lock);
        return where;
}

size_t
watch_lost(struct watch *watch, char **ret_where, int *ret_errno)
{
        pthread_mutex_lock(&watch->lock);
        size_t lost = watch->lost > watch->lost_before ? watch->lost : watch->lost_before;
        *ret_where = lost && watch->lost_where ? strdup(watch->lost_where) : NULL;
        *ret_errno = watch->lost_errno;
        pthread_mutex_unlock(&watch->lock);
        return lost;
}

void
watch_pass_begins(struct watch *watch)
{
        pthread_mutex_lock(&watch->lock);
        watch->lost_before = watch->lost;
        watch->lost = 0;
        pthread_mutex_unlock(&watch->lock);
}

void
watch_pass_ends(struct watch *watch)
{
        pthread_mutex_lock(&watch->lock);
        watch->lost_before = 0;
        pthread_mutex_unlock(&watch->lock);
}
