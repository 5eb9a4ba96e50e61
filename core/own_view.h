/* SPDX-License-Identifier: MIT */
/*
 * This process's own view of the host: where it is another than that of pid 1, which is the host (in a
 * container: the container). Two things make it another: namespaces(7), of which each changes what some
 * sysctls read as, and mounts, where another file system, or another folder of one, lies at a path.
 *
 * Comparing needs leave to look at pid 1 (ptrace(2), PTRACE_MODE_READ_FSCREDS). Where there is none, or no
 * /proc that shows us, nothing is known, and nothing is said. Any thread.
 */
#pragma once

#include "core/mount.h"
#include "core/scope.h"

#define OWN_VIEW_SELF "/proc/self"
#define OWN_VIEW_HOST "/proc/1"
#define OWN_VIEW_POINTS_MAX 1024u /* mount points that stand in one of both tables only; past it `many` */

enum own_namespace { OWN_NET, OWN_IPC, OWN_UTS, OWN_PID, OWN_USER, OWN_TIME, OWN_NAMESPACE_COUNT };

struct own_namespaces {
        bool other[OWN_NAMESPACE_COUNT]; /* for sure another than pid 1's */
};

struct own_view { /* zero-initialise */
        struct own_namespaces namespaces;
        struct mount_table ours, hosts; /* both empty: not known, or one and the same */
        struct text_list points; /* raw paths of mount points where the two differ; sorted, none twice */
        bool many;               /* not all are compared: there are too many */
};

/* self, host: the folders in /proc of this process and of pid 1 (OWN_VIEW_…; others for tests). */
void own_namespaces_read(const char *self, const char *host, struct own_namespaces *ret);
/* The reason why a sysctl (raw path below /proc/sys) does not read as the host's; static. NULL: it does. */
const char *own_namespaces_hide(const struct own_namespaces *namespaces, const char *key) _pure_;

/* 0 or -ENOMEM. */
int own_view_read(const char *self, const char *host, struct own_view *ret);
void own_view_done(struct own_view *view);
#define _cleanup_own_view_ _cleanup_(own_view_done)

/* Whether something else than on the host lies at this absolute path (raw, no links). A mount with other
 * options (read-only), or of a folder on itself, is the same thing. */
bool own_view_differs(const struct own_view *view, const char *path) _pure_;
/* The first of the points at or below a path; NULL: none. */
const char *own_view_point_within(const struct own_view *view, const char *path) _pure_;
/* "net, ipc, /dev" (escaped), and how many these are: namespaces, then the outermost of the points. -ENOMEM.
 */
int own_view_words(const struct own_view *view, struct buf *ret, size_t *ret_count);
