/* SPDX-License-Identifier: MIT */
/*
 * What is mounted where. A mount over a folder or a file makes no inotify event, but /proc/self/mountinfo
 * (proc_pid_mountinfo(5)) can be polled: each mount point that came, went or became another is told.
 */
#pragma once

#include <systemd/sd-event.h>

#include "core/err.h"
#include "core/mount.h"

struct mounts_calls {
        /* path is raw; change is "mounted" or "unmounted" */
        void (*changed)(void *userdata, const char *path, const char *change);
        void (*lost)(void *userdata); /* it could not be read: anything may have changed */
};

struct mounts;

/* Without /proc it is quiet, and says so: *ret is NULL then, with words in err, and 0 is returned. */
int mounts_new(sd_event *event, const struct mounts_calls *calls, void *userdata, struct mounts **ret,
        struct err *err);
/* As it was read last; borrowed until the loop's next turn. mounts NULL: an empty one. */
const struct mount_table *mounts_table(const struct mounts *mounts);
struct mounts *mounts_free(struct mounts *mounts);
CLEANUP_DEFINE(struct mounts *, mounts_free)
