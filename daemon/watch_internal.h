/* SPDX-License-Identifier: MIT */
/* What the front of the watch and its two backends share: the table, the senses of events, the backends. */
#pragma once

#include <pthread.h>

#include "core/fan_event.h"
#include "daemon/watch.h"

#define PATHS_PER_KEY_MAX 64u /* of one folder that is mounted in many places; past it, `overflow` */

struct node {
        struct node *next_key, *next_path; /* in their buckets */
        dev_t dev; /* with ino: of the folder; 0: not known yet (its birth was seen) */
        ino_t ino;
        unsigned round; /* in which it was last seen that the kernel watches it */
        uint8_t key_size;
        char path[]; /* and behind its NUL the key */
};

struct watch_inotify;
struct watch_fanotify;

struct watch {
        sd_event *event;
        struct watch_calls calls;
        void *userdata;
        struct watch_inotify *inotify;
        struct watch_fanotify *fanotify; /* NULL: not used */
        pthread_mutex_t lock;            /* of all below */
        struct node **by_key, **by_path;
        size_t n_buckets, count, count_inotify;
        unsigned round;           /* a new one when what the kernel watches is no longer certain */
        uint64_t n_removed;       /* inotify watches let go */
        size_t lost, lost_before; /* since the newest pass began; before it, while it runs */
        char *lost_where;
        int lost_errno;
        char *fallback_where; /* the first folder that fanotify did not take */
        int fallback_errno;
};

enum sense {
        SENSE_CHANGED, /* look at this path */
        SENSE_CAME,    /* and at all below it */
        SENSE_ARRIVED, /* the same, and all of it came at once */
        SENSE_GONE,    /* the same, and the folder that was there is no more */
        SENSE_LEFT,    /* the same, and it may live on elsewhere, with all that was below it */
};

/* ---- watch.c ---- */

/* What stands behind a node: an inotify watch descriptor has this size, and no fanotify key has. */
#define INOTIFY_KEY_SIZE sizeof(int)

/*
 * The paths of an event of the folder with this key, each to be freed: the folder's own, or that of the name
 * in it. false: more than there is room or memory for.
 */
bool watch_paths(struct watch *watch, const struct fan_key *key, const char *name,
        char *paths[PATHS_PER_KEY_MAX], size_t *ret_count);
/* Lets go of what the event says is no longer there: also under a name where a folder came, unless it is the
 * one with this key (NULL: not told). Any thread. */
void watch_note(struct watch *watch, const char *path, enum sense sense, const struct fan_key *target);
/* Hands it on. Main thread. */
void watch_tell(struct watch *watch, const char *path, enum sense sense, const struct who_touch *touch);
/* Watches a folder whose birth was seen, so that no event in it comes before it is known. */
void watch_born(struct watch *watch, const char *path, const struct fan_key *key);

/* ---- watch_inotify.c ---- */

int watch_inotify_new(struct watch *watch, struct watch_inotify **ret, struct err *err);
struct watch_inotify *watch_inotify_free(struct watch_inotify *inotify);
/* 0 and the folder's key, or -errno. Any thread. */
int watch_inotify_add(struct watch_inotify *inotify, int folder_fd, struct fan_key *ret);
void watch_inotify_remove(struct watch_inotify *inotify, const void *key);
void watch_inotify_drain(struct watch_inotify *inotify);

/* ---- watch_fanotify.c ---- */

int watch_fanotify_new(struct watch *watch, struct watch_fanotify **ret, struct err *err);
struct watch_fanotify *watch_fanotify_free(struct watch_fanotify *fanotify);
int watch_fanotify_add(struct watch_fanotify *fanotify, int folder_fd, struct fan_key *ret);
void watch_fanotify_ignore(struct watch_fanotify *fanotify, const char *path);
struct watch_ticket watch_fanotify_ticket(struct watch_fanotify *fanotify);
bool watch_fanotify_held_up(const struct watch_fanotify *fanotify);
bool watch_fanotify_handed_on(struct watch_fanotify *fanotify, const struct watch_ticket *ticket);
