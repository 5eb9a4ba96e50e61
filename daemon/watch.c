/* SPDX-License-Identifier: MIT */
/*
 * The inotify backend. Owns one inotify descriptor and the table of what each watch descriptor stands for:
 * path and inode. Must not own any opinion of what a change means: every event becomes "look at this path"
 * or "look at this subtree".
 *
 * Invariants: a path has at most one node. The kernel gives one watch descriptor for each inode, and several
 * nodes may stand for it: a folder that is mounted twice has two paths, and one that has just moved may be
 * met under its new path before the event of its move is read. An event is told for each of them; whichever
 * is stale costs a look. A folder that moved away loses the nodes of its whole subtree at once, so that
 * nothing is blamed on an old path; where it arrives it is new, and is watched and scanned as such. Watch
 * descriptors are not reused by the kernel before 2^31 others, and an event for one that is not in the table
 * is dropped.
 */
#include "daemon/watch.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#define EVENT_BUFFER_SIZE ((size_t)64 << 10) /* bytes read at once */
#define TABLE_SIZE_MIN 1024u
#define PATHS_PER_WATCH_MAX 64u /* of one inode that is mounted in many places; past it, `overflow` */

static const uint32_t watch_mask = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                                   IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                                   IN_EXCL_UNLINK;

struct node {
        int wd;
        dev_t dev;
        ino_t ino;
        struct node *next_wd, *next_path; /* in their buckets */
        char path[];
};

struct watch {
        int fd;
        sd_event_source *source;
        struct watch_calls calls;
        void *userdata;
        pthread_mutex_t lock; /* of all below */
        struct node **by_wd, **by_path;
        size_t n_buckets, count;
        size_t lost, lost_before; /* since the newest pass began; before it, while it runs */
        char *lost_where;
        int lost_errno;
};

/* ---- the table ---- */

static size_t
path_hash(const char *path)
{
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (; *path; path++)
                hash = (hash ^ (unsigned char)*path) * 1099511628211u;
        return (size_t)(hash ^ hash >> 29);
}

/* The first node of this watch descriptor from here on; those of one stand in one bucket. */
static struct node *
node_of_wd(struct node *node, int wd)
{
        while (node && node->wd != wd)
                node = node->next_wd;
        return node;
}

static struct node *
first_of_wd(const struct watch *watch, int wd)
{
        return node_of_wd(watch->by_wd[(size_t)wd % watch->n_buckets], wd);
}

static struct node **
slot_by_path(const struct watch *watch, const char *path)
{
        struct node **slot = &watch->by_path[path_hash(path) % watch->n_buckets];
        while (*slot && strcmp((*slot)->path, path) != 0)
                slot = &(*slot)->next_path;
        return slot;
}

static void
table_insert(struct watch *watch, struct node *node)
{
        struct node **wd = &watch->by_wd[(size_t)node->wd % watch->n_buckets];
        struct node **path = &watch->by_path[path_hash(node->path) % watch->n_buckets];
        node->next_wd = *wd;
        *wd = node;
        node->next_path = *path;
        *path = node;
        watch->count++;
}

/* Takes a node out of both and frees it; with the last node of a watch descriptor that goes too. */
static void
unwatch(struct watch *watch, struct node *node)
{
        struct node **slot = &watch->by_wd[(size_t)node->wd % watch->n_buckets];
        while (*slot != node)
                slot = &(*slot)->next_wd;
        *slot = node->next_wd;
        *slot_by_path(watch, node->path) = node->next_path;
        watch->count--;
        if (!first_of_wd(watch, node->wd))
                inotify_rm_watch(watch->fd, node->wd);
        free(node);
}

static int
table_grow(struct watch *watch)
{
        if (watch->n_buckets && watch->count < watch->n_buckets)
                return 0;
        size_t old = watch->n_buckets, n = old ? 2 * old : TABLE_SIZE_MIN;
        struct node **by_wd = calloc(n, sizeof *by_wd), **by_path = calloc(n, sizeof *by_path);
        if (!by_wd || !by_path) {
                free(by_wd);
                free(by_path);
                return -ENOMEM;
        }
        struct node **old_by_wd = watch->by_wd;
        free(watch->by_path);
        watch->by_wd = by_wd;
        watch->by_path = by_path;
        watch->n_buckets = n;
        watch->count = 0;
        for (size_t i = 0; i < old; i++)
                for (struct node *node = old_by_wd[i], *next; node; node = next) {
                        next = node->next_wd;
                        table_insert(watch, node);
                }
        free(old_by_wd);
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
                for (struct node *node = watch->by_wd[i], *next; node; node = next) {
                        next = node->next_wd;
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

static int
add_locked(struct watch *watch, int folder_fd, const char *path, dev_t dev, ino_t ino)
{
        struct node *known = *slot_by_path(watch, path);
        if (known && known->dev == dev && known->ino == ino)
                return 0;
        if (known) /* another folder stands there now */
                unwatch(watch, known);
        if (watch->count == WATCHES_MAX)
                return note_lost(watch, path, ENOSPC);
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder_fd);
        size_t size = strlen(path);
        struct node *node = malloc(sizeof *node + size + 1);
        if (!node)
                return note_lost(watch, path, ENOMEM);
        int wd = inotify_add_watch(watch->fd, link, watch_mask);
        if (wd < 0) {
                free(node);
                return note_lost(watch, path, errno);
        }
        *node = (struct node){.wd = wd, .dev = dev, .ino = ino};
        memcpy(node->path, path, size + 1);
        table_insert(watch, node);
        return 0;
}

int
watch_folder(struct watch *watch, int folder_fd, const char *path, const struct statx *stx)
{
        pthread_mutex_lock(&watch->lock);
        int r = table_grow(watch);
        if (r == 0)
                r = add_locked(watch, folder_fd, path, makedev(stx->stx_dev_major, stx->stx_dev_minor),
                        (ino_t)stx->stx_ino);
        pthread_mutex_unlock(&watch->lock);
        return r;
}

/* ---- events ---- */

enum sense {
        SENSE_CHANGED, /* look at this path */
        SENSE_CAME,    /* and at all below it */
        SENSE_GONE,    /* the same, and the folder that was there is no more */
        SENSE_LEFT,    /* the same, and it may live on elsewhere, with all that was below it */
};

/* What an event says of its path. */
static enum sense
event_sense(const struct inotify_event *event)
{
        bool itself = event->len == 0, folder = event->mask & IN_ISDIR;
        if ((itself && event->mask & (IN_MOVE_SELF | IN_UNMOUNT)) || (folder && event->mask & IN_MOVED_FROM))
                return SENSE_LEFT;
        if ((itself && event->mask & (IN_IGNORED | IN_DELETE_SELF)) || (folder && event->mask & IN_DELETE))
                return SENSE_GONE;
        return folder && event->mask & (IN_MOVED_TO | IN_CREATE) ? SENSE_CAME : SENSE_CHANGED;
}

/* The folder's path, with the name where there is one. */
static char *
event_path(const struct node *node, const struct inotify_event *event)
{
        char *path;
        const char *folder = strcmp(node->path, "/") == 0 && event->len ? "" : node->path;
        return asprintf(&path, event->len ? "%s/%s" : "%s", folder, event->name) < 0 ? NULL : path;
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

static void
tell_event(struct watch *watch, const char *path, enum sense sense)
{
        if (sense == SENSE_GONE)
                forget_one(watch, path);
        if (sense == SENSE_LEFT)
                watch_forget(watch, path);
        if (sense == SENSE_CHANGED)
                watch->calls.changed(watch->userdata, path);
        else
                watch->calls.subtree(watch->userdata, path);
}

/* The paths that an event speaks of, each to be freed. false: more than there is room or memory for. */
static bool
event_paths(struct watch *watch, const struct inotify_event *event, char **paths, size_t *ret_count)
{
        size_t count = 0;
        bool all = true;
        pthread_mutex_lock(&watch->lock);
        for (const struct node *node = first_of_wd(watch, event->wd); node && all;
                node = node_of_wd(node->next_wd, event->wd)) {
                all = count < PATHS_PER_WATCH_MAX && (paths[count] = event_path(node, event));
                count += all;
        }
        pthread_mutex_unlock(&watch->lock);
        *ret_count = count;
        return all;
}

static void
handle_event(struct watch *watch, const struct inotify_event *event)
{
        char *paths[PATHS_PER_WATCH_MAX];
        size_t n_paths;
        if (event->mask & IN_Q_OVERFLOW) {
                watch->calls.overflow(
                        watch->userdata, "the kernel's event queue (fs.inotify.max_queued_events)");
                return;
        }
        if (!event_paths(watch, event, paths, &n_paths))
                watch->calls.overflow(watch->userdata, "no room for the paths of an event");
        for (size_t i = 0; i < n_paths; i++) {
                tell_event(watch, paths[i], event_sense(event));
                free(paths[i]);
        }
}

/* One buffer of events. Returns its bytes; <= 0: nothing is queued. */
static ssize_t
take_events(struct watch *watch)
{
        char buffer[EVENT_BUFFER_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t size = read(watch->fd, buffer, sizeof buffer);
        for (ssize_t at = 0; at < size;) {
                const struct inotify_event *event = (const void *)(buffer + at);
                handle_event(watch, event);
                at += (ssize_t)(sizeof *event + event->len);
        }
        return size;
}

/* What is queued now, and not what comes meanwhile: a storm would never let go of the loop. */
void
watch_drain(struct watch *watch)
{
        int queued = 0;
        if (ioctl(watch->fd, FIONREAD, &queued) < 0)
                return;
        for (ssize_t left = queued, size; left > 0; left -= size)
                if ((size = take_events(watch)) <= 0)
                        return;
}

static int
on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        (void)source;
        (void)fd;
        (void)revents;
        take_events(userdata); /* the rest at the next turn: others are served between */
        return 0;
}

/* ---- life ---- */

int
watch_new(
        sd_event *event, const struct watch_calls *calls, void *userdata, struct watch **ret, struct err *err)
{
        _cleanup_(watch_freep) struct watch *watch = calloc(1, sizeof *watch);
        if (!watch)
                return err_oom(err);
        pthread_mutex_init(&watch->lock, NULL);
        watch->calls = *calls;
        watch->userdata = userdata;
        watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (watch->fd < 0) {
                int r = -errno;
                err_set(err, r, "inotify: %s", strerrordesc_np(-r));
                return err_hint(err, r, "raise fs.inotify.max_user_instances");
        }
        if (table_grow(watch) < 0)
                return err_oom(err);
        int r = sd_event_add_io(event, &watch->source, watch->fd, EPOLLIN, on_readable, watch);
        if (r < 0)
                return err_set(err, r, "the event loop: %s", strerrordesc_np(-r));
        *ret = steal_pointer(&watch);
        return 0;
}

struct watch *
watch_free(struct watch *watch)
{
        if (!watch)
                return NULL;
        sd_event_source_disable_unref(watch->source);
        for (size_t i = 0; i < watch->n_buckets; i++)
                for (struct node *node = watch->by_wd[i], *next; node; node = next) {
                        next = node->next_wd;
                        free(node);
                }
        free(watch->by_wd);
        free(watch->by_path);
        free(watch->lost_where);
        fd_close(watch->fd);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
        return NULL;
}

size_t
watch_count(struct watch *watch)
{
        pthread_mutex_lock(&watch->lock);
        size_t count = watch->count;
        pthread_mutex_unlock(&watch->lock);
        return count;
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
