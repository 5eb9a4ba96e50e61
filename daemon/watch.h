/* SPDX-License-Identifier: MIT */
/*
 * Recursive watching of folders, by one of two ways of the kernel. Folders are watched when the scanner opens
 * them, through its own descriptor, before it reads them: watch, then scan. What comes out are hints about
 * paths; the file is the truth.
 *
 *   inotify(7)   one watch in the kernel for each folder: bounded by fs.inotify.max_user_watches
 *   fanotify(7)  one mark for each file system, and the events tell which process made them. Needs
 *                CAP_SYS_ADMIN and Linux 5.17. A folder of a file system that takes no mark is watched by
 *                inotify: none is ever left out because of it
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "core/config.h"
#include "core/who.h"

#define WATCHES_MAX 4000000u /* folders */

struct watch_calls {
        /* This path is to be looked at; touch: who made the event, NULL where it does not say. Borrowed. */
        void (*changed)(void *userdata, const char *path, const struct who_touch *touch);
        /* It, and all that is or was below. moved: all of it came or went at once, by the event. */
        void (*subtree)(void *userdata, const char *path, const struct who_touch *touch, bool moved);
        void (*overflow)(void *userdata, const char *why); /* events were lost: anything may have changed */
        /* Whether anything is expected of this path. Any thread. */
        bool (*covers)(void *userdata, const char *path);
        void (*caught_up)(void *userdata); /* somewhat: watch_handed_on may say more now */
};

struct watch;

/* Whether this process may use fanotify here; else why not. */
bool watch_can_fanotify(struct err *err);

/* by_fanotify: only where watch_can_fanotify. */
int watch_new(sd_event *event, bool by_fanotify, const struct watch_calls *calls, void *userdata,
        struct watch **ret, struct err *err);
struct watch *watch_free(struct watch *watch);
CLEANUP_DEFINE(struct watch *, watch_free)

/*
 * Watches the folder behind the descriptor (borrowed) under this path; nothing if it is watched under it
 * already. May wait as long as its file system does; nobody else waits for that. Any thread. 0, or -ENOSPC
 * (max_user_watches) and the like: counted as lost until a later call succeeds.
 */
int watch_folder(struct watch *watch, int folder_fd, const char *path, const struct statx *stx);

/* Nothing need be told of what is written into this file, which is there: it is our own, and nobody looks at
 * it. Where the kernel has no such rule, it is told. */
void watch_ignore(struct watch *watch, const char *path);

/* Lets go of a folder and of all below it, under this path. */
void watch_forget(struct watch *watch, const char *path);

/* Events were lost, or a file system came or went: who walks next asks the kernel again for every folder, for
 * another may stand there with the same number, or its watch have gone with the file system. */
void watch_doubt(struct watch *watch);

/*
 * All events that the kernel has queued by now. Those of inotify are read and handed on at once; to the
 * others fanotify's reader comes in its own time, and nobody waits in place for it. Main thread.
 */
struct watch_ticket {
        uint64_t events; /* of all readers since the start */
        unsigned
                ends; /* of readers: what one that ended had queued is told as an overflow, and never comes */
        int64_t late_ms; /* monotonic: when it is no longer waited for */
};
struct watch_ticket watch_ticket(struct watch *watch);
/*
 * Whether they are handed on. If not, `caught_up` comes as soon as they are read, or it is asked again at
 * late_ms: then it is told as an overflow that the reader is held up, and the answer is yes. Main thread;
 * hands events on.
 */
bool watch_handed_on(struct watch *watch, const struct watch_ticket *ticket);
/* From the overflow that tells that the reader is held up until the one that tells that it goes on: what
 * happens meanwhile may be told late, and no pass is the last word. Main thread. */
bool watch_is_held_up(const struct watch *watch);

struct watch_counts {
        size_t folders;    /* that are watched */
        size_t by_inotify; /* of them */
};
void watch_count(struct watch *watch, struct watch_counts *ret);
/* With fanotify: a folder that is watched by inotify instead, and the errno for it; NULL: none, or no memory.
 * To be freed. */
char *watch_fallback(struct watch *watch, int *ret_errno);
/*
 * Folders without a watch, as counted by the last pass and since; *ret_where: the first such path, to be
 * freed (NULL: none, or no memory); *ret_errno: why.
 */
size_t watch_lost(struct watch *watch, char **ret_where, int *ret_errno);
/* A pass tries all folders again: it counts anew, and until it ends the old count stands if it is larger. */
void watch_pass_begins(struct watch *watch);
void watch_pass_ends(struct watch *watch);
