/* SPDX-License-Identifier: MIT */
/*
 * Where a worker is: the path of the folder it works in, kept in one buffer and mostly already there (the
 * next folder is most often one below, or beside), and the rules that can matter there, asked once a folder
 * and not once a name.
 *
 * Owns what the worker's path, prefix and serials say. Must not make a system call.
 */
#include <errno.h>
#include <string.h>

#include "core/scan_internal.h"

const char *
worker_path(const struct scan_worker *worker)
{
        return worker->path.size ? worker->path.data : "/";
}

/* Cuts the last name off. */
void
worker_back(struct scan_worker *worker)
{
        worker->path.size = worker->prefix_size;
        worker->path.data[worker->prefix_size] = '\0';
}

/* Makes the worker's path that of the folder. Mostly it is there already, or all but the last name. */
int
worker_at(struct scan_worker *worker, const struct scan_folder *folder)
{
        const struct scan_folder *parent = folder->parent;
        struct buf *path = &worker->path;
        int r = 0;
        worker_back(worker);
        if (worker->serial == folder->serial)
                return 0;
        if (parent && (worker->serial == parent->serial || worker->parent_serial == parent->serial)) {
                path->size = parent->path_size;
                r = buf_append(path, "/", 1);
                r = r ? r : buf_text(path, folder->name);
        } else {
                path->size = 0;
                r = buf_reserve(path, folder->path_size);
                if (r == 0)
                        scan_folder_path(folder, path->data);
        }
        if (r < 0) {
                worker->serial = worker->parent_serial = 0;
                return scan_fail(worker->scan, r, "keep a path");
        }
        path->size = worker->prefix_size = folder->path_size;
        path->data[path->size] = '\0';
        worker->serial = folder->serial;
        worker->parent_serial = parent ? parent->serial : 0;
        return 0;
}

/* Sets the path to a name in the folder that the worker is at. */
int
worker_at_name(struct scan_worker *worker, const char *name, size_t size)
{
        struct buf *path = &worker->path;
        path->size = worker->prefix_size;
        if (buf_append(path, "/", 1) < 0 || buf_append(path, name, size) < 0)
                return scan_fail(worker->scan, -ENOMEM, "keep a path");
        return 0;
}

/* Whether an exclusion, or another start, takes this name out of the folder's walk. 1, 0 or -ENOMEM. */
int
worker_leaves_out(struct scan_worker *worker, const struct scan_folder *folder, const char *name, size_t size)
{
        const struct scan *scan = worker->scan;
        struct buf *escaped = &worker->escaped;
        int r = worker_at_name(worker, name, size);
        for (size_t i = 0; r == 0 && folder->may_start && i < scan->n_starts; i++)
                if (strcmp(scan->starts[i].path, worker->path.data) == 0)
                        return 1;
        if (r < 0 || !folder->may_exclude)
                return r;
        buf_clear(escaped);
        if (buf_escape(escaped, worker->path.data, worker->path.size) < 0)
                return scan_fail(worker->scan, -ENOMEM, "escape a path");
        return scan_excludes(folder->start->scope, escaped->data);
}

/* Which rules can matter below a folder: asked once, so that most names need not be asked about. The worker
 * is at it. */
int
worker_narrow(struct scan_worker *worker, struct scan_folder *folder)
{
        const struct scan *scan = worker->scan;
        const struct scope *scope = folder->start->scope;
        const char *path = worker_path(worker);
        bool may_exclude = folder->parent ? folder->parent->may_exclude : scope->excludes.count > 0;
        bool may_start = folder->parent ? folder->parent->may_start : scan->n_starts > 1;
        for (size_t i = 0; may_start && i < scan->n_starts && !folder->may_start; i++)
                folder->may_start = path_is_below(scan->starts[i].path, path);
        if (!may_exclude)
                return 0;
        buf_clear(&worker->escaped);
        if (buf_escape(&worker->escaped, path, strlen(path)) < 0)
                return scan_fail(worker->scan, -ENOMEM, "escape a path");
        folder->may_exclude = scan_may_exclude(scope, worker->escaped.data);
        return 0;
}
