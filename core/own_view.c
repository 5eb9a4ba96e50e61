/* SPDX-License-Identifier: MIT */
/*
 * Namespaces are compared by the links in /proc/PID/ns (namespaces(7)): one that cannot be read says nothing.
 *
 * Mounts are compared by what lies at a path, not by how the tables are written: a sandbox mounts most
 * folders onto themselves, to make them read-only. What lies at a path is a device and a path on it: the root
 * of the mount that holds it, and what of the path is behind the mount's point. Only points that stand in one
 * of the tables alone (by point, device and root) are candidates; each is then looked up in both, as the
 * kernel would.
 *
 * Left out of the points, for no view of the host's files or settings is lost by them: what lies in /proc
 * beside /proc/sys (the kernel's log and memory, which a unit's sandbox covers), the boot's number (of which
 * systemd-nspawn mounts one of its own; no probe reads it), and the folder through which
 * systemd hands mounts to a unit.
 */
#include "core/own_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/escape.h"

#define READ_TRIES 4u /* of a pair of tables, until the host's held still in between */

/* ---- namespaces ---- */

static const char *const namespace_names[OWN_NAMESPACE_COUNT] = {
        [OWN_NET] = "net",
        [OWN_IPC] = "ipc",
        [OWN_UTS] = "uts",
        [OWN_PID] = "pid",
        [OWN_USER] = "user",
        [OWN_TIME] = "time",
};

static const char *const namespace_reasons[OWN_NAMESPACE_COUNT] = {
        [OWN_NET] = "this process is in another network namespace than the host (pid 1)",
        [OWN_IPC] = "this process is in another IPC namespace than the host (pid 1)",
        [OWN_UTS] = "this process is in another UTS namespace than the host (pid 1)",
        [OWN_PID] = "this process is in another PID namespace than the host (pid 1)",
        [OWN_USER] = "this process is in another user namespace than the host (pid 1)",
};

/* What reads as the namespace of the reader has it (Linux 6.18: net/sysctl_net.c, ipc/ipc_sysctl.c and
 * mq_sysctl.c, kernel/utsname_sysctl.c, pid_namespace.c with pid_sysctl.h, ucount.c). */
static const struct {
        const char *key; /* with a slash at its end: all below it */
        enum own_namespace of;
} namespace_keys[] = {
        {"net/", OWN_NET},
        {"fs/mqueue/", OWN_IPC},
        {"kernel/auto_msgmni", OWN_IPC},
        {"kernel/msg_next_id", OWN_IPC},
        {"kernel/msgmax", OWN_IPC},
        {"kernel/msgmnb", OWN_IPC},
        {"kernel/msgmni", OWN_IPC},
        {"kernel/sem", OWN_IPC},
        {"kernel/sem_next_id", OWN_IPC},
        {"kernel/shm_next_id", OWN_IPC},
        {"kernel/shm_rmid_forced", OWN_IPC},
        {"kernel/shmall", OWN_IPC},
        {"kernel/shmmax", OWN_IPC},
        {"kernel/shmmni", OWN_IPC},
        {"kernel/domainname", OWN_UTS},
        {"kernel/hostname", OWN_UTS},
        {"kernel/ns_last_pid", OWN_PID},
        {"kernel/pid_max", OWN_PID}, /* since 6.14 */
        {"vm/memfd_noexec", OWN_PID},
        {"user/", OWN_USER},
};

/* The link's text ("net:[4026531840]"); false: it cannot be read. */
static bool
read_link(const char *folder, const char *name, char ret[static 64])
{
        char path[64];
        if ((size_t)snprintf(path, sizeof path, "ns/%s", name) >= sizeof path)
                return false;
        _cleanup_fd_ int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        ssize_t size = fd < 0 ? -1 : readlinkat(fd, path, ret, 63);
        if (size <= 0)
                return false;
        ret[size] = '\0';
        return true;
}

/* 1: the same, 0: another, -ENODATA: not known. */
static int
same_namespace(const char *self, const char *host, const char *name)
{
        char ours[64], hosts[64];
        if (!read_link(self, name, ours) || !read_link(host, name, hosts))
                return -ENODATA;
        return strcmp(ours, hosts) == 0;
}

void
own_namespaces_read(const char *self, const char *host, struct own_namespaces *ret)
{
        for (size_t i = 0; i < OWN_NAMESPACE_COUNT; i++)
                ret->other[i] = same_namespace(self, host, namespace_names[i]) == 0;
}

const char *
own_namespaces_hide(const struct own_namespaces *namespaces, const char *key)
{
        for (size_t i = 0; i < ARRAY_SIZE(namespace_keys); i++) {
                const char *of = namespace_keys[i].key;
                size_t size = strlen(of);
                bool below = of[size - 1] == '/' && strncmp(key, of, size) == 0;
                if (namespaces->other[namespace_keys[i].of] && (below || strcmp(key, of) == 0))
                        return namespace_reasons[namespace_keys[i].of];
        }
        return NULL;
}

/* ---- the two tables ---- */

static int
read_table(const char *folder, struct mount_table *ret)
{
        _cleanup_fd_ int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_fd_ int fd = at < 0 ? -1 : openat(at, "mountinfo", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : mount_table_read(fd, ret);
}

static bool
same_lines(const struct mount_table *a, const struct mount_table *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (strcmp(a->mounts[i].line, b->mounts[i].line) != 0)
                        return false;
        return true;
}

/*
 * Both at one time: what the host mounts reaches a slave of its mounts within the same call, so between two
 * equal tables of the host's ours is the one that belongs to them. On a host that never holds still the last
 * pair is taken; the next look puts right what it says.
 */
static int
read_tables(const char *self, const char *host, struct own_view *view)
{
        int r = read_table(host, &view->hosts);
        for (unsigned i = 0; i < READ_TRIES && r == 0; i++) {
                struct mount_table again = {0};
                mount_table_done(&view->ours);
                r = read_table(self, &view->ours);
                r = r ? r : read_table(host, &again);
                if (r)
                        break;
                bool still = same_lines(&view->hosts, &again);
                mount_table_done(&view->hosts);
                view->hosts = again;
                if (still)
                        break;
        }
        if (r || !view->hosts.count) { /* not known */
                mount_table_done(&view->ours);
                mount_table_done(&view->hosts);
        }
        return r == -ENOMEM ? r : 0;
}

/* One mount namespace seen from one root: nothing to compare, and nothing that may move in between. */
static bool
same_mounts(const char *self, const char *host)
{
        struct stat ours, hosts;
        _cleanup_fd_ int a = open(self, O_PATH | O_DIRECTORY | O_CLOEXEC),
                         b = open(host, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return a >= 0 && b >= 0 && same_namespace(self, host, "mnt") == 1 &&
               fstatat(a, "root/", &ours, 0) == 0 && fstatat(b, "root/", &hosts, 0) == 0 &&
               ours.st_dev == hosts.st_dev && ours.st_ino == hosts.st_ino;
}

/* ---- what lies at a path ---- */

/* What of the path is behind the mount's point: "" or with a slash at its beginning. */
static const char *
behind(const struct mount *mount, const char *path)
{
        path += strcmp(mount->point, "/") == 0 ? 0 : strlen(mount->point);
        return strcmp(path, "/") == 0 ? "" : path;
}

static const char *
root_of(const struct mount *mount)
{
        return strcmp(mount->root, "/") == 0 ? "" : mount->root;
}

static bool
same_device(const struct mount *a, const struct mount *b)
{
        size_t size = strcspn(a->device, " ");
        return size == strcspn(b->device, " ") && strncmp(a->device, b->device, size) == 0;
}

/* A whole one: no option of it hides processes, or what is no process. */
static bool
is_plain_proc(const struct mount *mount)
{
        return strncmp(mount->type, "proc ", 5) == 0 && !strstr(mount->type, "hidepid=") &&
               !strstr(mount->type, "subset=");
}

/* systemd may mount a /proc anew for a unit: of the same PID namespace, else that one is told, it is the
 * same. */
static bool
same_file_system(const struct mount *a, const struct mount *b)
{
        return same_device(a, b) || (is_plain_proc(a) && is_plain_proc(b));
}

/* Root and rest are one path, wherever the mount parts it. */
static bool
same_place(const struct mount *a, const struct mount *b, const char *path)
{
        if (strlen(root_of(a)) > strlen(root_of(b))) {
                const struct mount *longer = a;
                a = b;
                b = longer;
        }
        const char *short_root = root_of(a), *long_root = root_of(b), *rest = behind(a, path);
        size_t size = strlen(short_root), more = strlen(long_root) - size;
        return same_file_system(a, b) && strncmp(short_root, long_root, size) == 0 &&
               strncmp(rest, long_root + size, more) == 0 && strcmp(rest + more, behind(b, path)) == 0;
}

bool
own_view_differs(const struct own_view *view, const char *path)
{
        if (!view->hosts.count)
                return false;
        const struct mount *ours = mount_of_path(&view->ours, path),
                           *hosts = mount_of_path(&view->hosts, path);
        return ours && hosts ? !same_place(ours, hosts, path) : ours || hosts;
}

/* ---- the points ---- */

static bool
is_left_out(const char *path)
{
        bool in_proc = strcmp(path, "/proc") != 0 && path_is_at_or_below(path, "/proc");
        return (in_proc && !path_is_at_or_below(path, "/proc/sys")) ||
               path_is_at_or_below(path, "/proc/sys/kernel/random") ||
               path_is_at_or_below(path, "/run/systemd/incoming");
}

static int
compare_mounts(const void *a, const void *b)
{
        const struct mount *left = a, *right = b;
        int order = strcmp(left->point, right->point);
        order = order ? order : strcmp(left->root, right->root);
        if (order || same_device(left, right))
                return order;
        size_t a_size = strcspn(left->device, " "), b_size = strcspn(right->device, " ");
        order = strncmp(left->device, right->device, min_size(a_size, b_size));
        return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* Borrowed from the table, in another order. */
static struct mount *
sorted_new(const struct mount_table *table)
{
        struct mount *list = reallocarray(NULL, table->count + 1, sizeof *list);
        if (list && table->count) {
                memcpy(list, table->mounts, table->count * sizeof *list);
                qsort(list, table->count, sizeof *list, compare_mounts);
        }
        return list;
}

static int
add_point(struct own_view *view, const struct mount *mount, size_t *tried)
{
        const struct text_list *points = &view->points;
        if (is_left_out(mount->point) ||
                (points->count && strcmp(points->items[points->count - 1], mount->point) == 0))
                return 0;
        if (*tried == OWN_VIEW_POINTS_MAX) {
                view->many = true;
                return 0;
        }
        (*tried)++;
        return own_view_differs(view, mount->point)
                       ? text_list_add(&view->points, mount->point, strlen(mount->point))
                       : 0;
}

/* One walk along both: what stands in one of them only. */
static int
find_points(struct own_view *view)
{
        _cleanup_free_ struct mount *ours = sorted_new(&view->ours), *hosts = sorted_new(&view->hosts);
        size_t i = 0, j = 0, tried = 0;
        int r = ours && hosts ? 0 : -ENOMEM;
        while (r == 0 && (i < view->ours.count || j < view->hosts.count)) {
                int order = i == view->ours.count    ? 1
                            : j == view->hosts.count ? -1
                                                     : compare_mounts(&ours[i], &hosts[j]);
                if (order)
                        r = add_point(view, order < 0 ? &ours[i] : &hosts[j], &tried);
                i += order <= 0;
                j += order >= 0;
        }
        text_list_sort(&view->points);
        return r;
}

int
own_view_read(const char *self, const char *host, struct own_view *ret)
{
        struct own_view view = {0};
        own_namespaces_read(self, host, &view.namespaces);
        int r = 0;
        /* Who may not read that link may not look at pid 1, though its mountinfo may be open to all. */
        if (same_namespace(self, host, "mnt") >= 0 && !same_mounts(self, host))
                r = read_tables(self, host, &view);
        if (r == 0 && view.hosts.count)
                r = find_points(&view);
        if (r < 0)
                own_view_done(&view);
        else
                *ret = view;
        return r;
}

void
own_view_done(struct own_view *view)
{
        mount_table_done(&view->ours);
        mount_table_done(&view->hosts);
        text_list_done(&view->points);
        *view = (struct own_view){0};
}

const char *
own_view_point_within(const struct own_view *view, const char *path)
{
        for (size_t i = 0; i < view->points.count; i++)
                if (path_is_at_or_below(view->points.items[i], path))
                        return view->points.items[i];
        return NULL;
}

/* In byte order "/a-b" stands between "/a" and "/a/b", hence all before are asked. */
static bool
is_outermost(const struct own_view *view, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (path_is_at_or_below(view->points.items[index], view->points.items[i]))
                        return false;
        return true;
}

int
own_view_words(const struct own_view *view, struct buf *ret, size_t *ret_count)
{
        size_t count = 0;
        int r = 0;
        for (size_t i = 0; i < OWN_NAMESPACE_COUNT && r == 0; i++)
                if (view->namespaces.other[i])
                        r = buf_printf(ret, "%s%s", count++ ? ", " : "", namespace_names[i]);
        for (size_t i = 0; i < view->points.count && r == 0; i++) {
                const char *point = view->points.items[i];
                if (!is_outermost(view, i))
                        continue;
                r = buf_text(ret, count++ ? ", " : "");
                r = r ? r : buf_escape(ret, point, strlen(point));
        }
        *ret_count = count;
        return r;
}
