/* SPDX-License-Identifier: MIT */
/*
 * What is mounted where. A mount over a folder or a file makes no inotify event, but /proc/self/mountinfo
 * (proc_pid_mountinfo(5)) can be polled: each mount point that came, went or became another is told.
 */
#pragma once

#include <systemd/sd-event.h>

#include "core/err.h"
#include "core/util.h"

#define MOUNTS_SIZE_MAX ((size_t)16 << 20) /* bytes of mountinfo; past it nothing is compared, and `lost` */

struct mounts_calls {
        /* path is raw; change is "mounted" or "unmounted" */
        void (*changed)(void *userdata, const char *path, const char *change);
        void (*lost)(void *userdata); /* it could not be read: anything may have changed */
};

struct mounts;

/* Without /proc it is quiet, and says so: *ret is NULL then, with words in err, and 0 is returned. */
int mounts_new(sd_event *event, const struct mounts_calls *calls, void *userdata, struct mounts **ret,
        struct err *err);
struct mounts *mounts_free(struct mounts *mounts);
CLEANUP_DEFINE(struct mounts *, mounts_free)
