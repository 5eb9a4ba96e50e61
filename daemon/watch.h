/* SPDX-License-Identifier: MIT */
/*
 * Recursive inotify. Folders are watched when the scanner opens them, through its own descriptor, before it
 * reads them: watch, then scan. What comes out are hints about paths; the file is the truth.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "core/err.h"

#define WATCHES_MAX 4000000u /* folders */

struct watch_calls {
        void (*changed)(void *userdata, const char *path); /* this path is to be looked at */
        void (*subtree)(void *userdata, const char *path); /* it, and all that is or was below */
        void (*overflow)(void *userdata, const char *why); /* events were lost: anything may have changed */
};

struct watch;

int watch_new(sd_event *event, const struct watch_calls *calls, void *userdata, struct watch **ret,
        struct err *err);
struct watch *watch_free(struct watch *watch);
CLEANUP_DEFINE(struct watch *, watch_free)

/*
 * Watches the folder behind the descriptor (borrowed) under this path; nothing if it is watched under it
 * already. Any thread. 0, or -ENOSPC (max_user_watches) and the like: counted as lost until a later call
 * succeeds.
 */
int watch_folder(struct watch *watch, int folder_fd, const char *path, const struct statx *stx);

/* Lets go of a folder and of all below it, under this path. */
void watch_forget(struct watch *watch, const char *path);

/* Reads all that the kernel has queued by now and hands it on. Main thread. */
void watch_drain(struct watch *watch);

size_t watch_count(struct watch *watch);
/*
 * Folders without a watch, as counted by the last pass and since; *ret_where: the first such path, to be
 * freed (NULL: none, or no memory); *ret_errno: why.
 */
size_t watch_lost(struct watch *watch, char **ret_where, int *ret_errno);
/* A pass tries all folders again: it counts anew, and until it ends the old count stands if it is larger. */
void watch_pass_begins(struct watch *watch);
void watch_pass_ends(struct watch *watch);
