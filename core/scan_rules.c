/* SPDX-License-Identifier: MIT */
/*
 * What the walk may and may not do: which names it leaves out, which mounts it goes into. Pure questions;
 * owns nothing.
 *
 * A mount is noticed by its id (or, between folders, by another device: a subvolume), and only then is its
 * type looked up, in the mount table and not by statfs(2): a FUSE server that never answers would hold us. On
 * overlayfs a file's device differs from its folder's without any mount, so for files the id alone counts.
 */
#include <errno.h>
#include <string.h>

#include "core/escape.h"
#include "core/item.h"
#include "core/scan_internal.h"

/* ---- mounts ---- */

bool
scan_place_crosses(const struct scan_place *place, const struct statx *stx)
{
        bool folder = S_ISDIR(stx->stx_mode);
        if (stx->stx_mask & STATX_MNT_ID && stx->stx_mnt_id != place->mount_id)
                return true;
        if (stx->stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return true;
        if (folder && stx->stx_attributes & STATX_ATTR_AUTOMOUNT)
                return true;
        return folder && statx_dev(stx) != place->dev;
}

static int
type_check(const struct statx *stx)
{
        if (!(stx->stx_mask & STATX_MNT_ID))
                return -ENOSYS;
        int r = mount_foreign_now(stx->stx_mnt_id);
        return r > 0 ? -EXDEV : r;
}

bool
scan_is_foreign(const struct statx *stx)
{
        return type_check(stx) == -EXDEV;
}

int
scan_mount_check(const struct scan_place *place, const struct scope *scope, const struct statx *stx)
{
        if (place->named || !scan_place_crosses(place, stx))
                return 0;
        /* What would be mounted by going in is not there yet: we are not the one to mount it. */
        if (scope->mounts == SCOPE_MOUNTS_NONE || stx->stx_attributes & STATX_ATTR_AUTOMOUNT)
                return -EXDEV;
        return type_check(stx);
}

/* The longest path of the scope that holds this one; raw, to be freed; NULL if none does, or no memory. */
static char *
path_named_above(const struct scope *scope, const char *path)
{
        char *longest = NULL;
        for (size_t i = 0; i < scope->paths.count; i++) {
                _cleanup_free_ char *named = NULL;
                if (unescape_new(scope->paths.items[i], &named) < 0)
                        continue;
                if (strcmp(path, named) != 0 && !path_is_below(path, named))
                        continue;
                if (longest && strlen(named) <= strlen(longest))
                        continue;
                free(longest);
                longest = steal_pointer(&named);
        }
        return longest;
}

enum scan_reach
scan_reach(const struct mount_table *table, const struct scope *scope, const char *path)
{
        const struct mount *mount = mount_of_path(table, path);
        _cleanup_free_ char *named = path_named_above(scope, path);
        if (!mount || !named || mount == mount_of_path(table, named))
                return SCAN_REACH_IN;
        if (scope->mounts == SCOPE_MOUNTS_LOCAL && !mount->foreign)
                return SCAN_REACH_IN;
        return strcmp(mount->point, path) == 0 ? SCAN_REACH_POINT : SCAN_REACH_NOT;
}

/* ---- exclusions ---- */

/* Bytes before the first wildcard. */
static size_t
literal_size(const char *pattern)
{
        return strcspn(pattern, "*?");
}

bool
scan_may_exclude(const struct scope *scope, const char *escaped_folder)
{
        size_t size = strlen(escaped_folder);
        for (size_t i = 0; i < scope->excludes.count; i++) {
                const char *pattern = scope->excludes.items[i];
                size_t literal = literal_size(pattern);
                if (strncmp(pattern, escaped_folder, min_size(literal, size)) != 0)
                        continue;
                if (literal <= size || size == 1 || pattern[size] == '/')
                        return true;
        }
        return false;
}

bool
scan_excludes(const struct scope *scope, const char *escaped)
{
        for (size_t i = 0; i < scope->excludes.count; i++)
                if (glob_match(scope->excludes.items[i], escaped))
                        return true;
        return false;
}

bool
path_is_below(const char *path, const char *folder)
{
        size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
        return strncmp(path, folder, size) == 0 && path[size] == '/' && path[size + 1];
}
