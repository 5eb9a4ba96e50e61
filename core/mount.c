/* SPDX-License-Identifier: MIT */
/*
 * Mountinfo in lines: "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS… - TYPE SOURCE OPTIONS". A blank, tab, LF or
 * backslash in a path is written as a backslash and three octal digits.
 *
 * Where mounts lie above each other, which one a path ends on follows from the parents: from the root, the
 * first mount point met on the way leads into its mount, and from there on only what is mounted on that one
 * counts. So what another mount hides is never taken.
 */
#include "core/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "core/buf.h"

/* By the names that mountinfo gives; what stands behind the first dot of "fuse.x" names the program. */
static const char *const foreign_types[] = {
        "9p",
        "afs",
        "autofs",
        "binder",
        "binfmt_misc",
        "bpf",
        "ceph",
        "cgroup",
        "cgroup2",
        "cifs",
        "coda",
        "configfs",
        "debugfs",
        "devpts",
        "efivarfs",
        "fuse",
        "fuseblk",
        "fusectl",
        "gfs2",
        "glusterfs",
        "gpfs",
        "hugetlbfs",
        "lustre",
        "mqueue",
        "ncpfs",
        "nfs",
        "nfs4",
        "nfsd",
        "nsfs",
        "ocfs2",
        "proc",
        "pstore",
        "pvfs2",
        "resctrl",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "smackfs",
        "smb3",
        "smbfs",
        "sysfs",
        "tracefs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "xenfs",
};

static bool
is_foreign(const char *type)
{
        size_t size = strcspn(type, ".");
        for (size_t i = 0; i < ARRAY_SIZE(foreign_types); i++)
                if (strlen(foreign_types[i]) == size && strncmp(type, foreign_types[i], size) == 0)
                        return true;
        return false;
}

static bool
is_octal(const char *text)
{
        for (unsigned i = 0; i < 3; i++)
                if (text[i] < '0' || text[i] > '7')
                        return false;
        return true;
}

/* The kernel's escapes undone; to be freed. */
static char *
path_new(const char *field, size_t size)
{
        char *path = malloc(size + 1), *to = path;
        if (!path)
                return NULL;
        for (const char *from = field; from < field + size;) {
                bool escaped = *from == '\\' && field + size - from >= 4 && is_octal(from + 1);
                int octal = escaped ? (from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0') : 0;
                *to++ = escaped ? (char)octal : *from;
                from += escaped ? 4 : 1;
        }
        *to = '\0';
        return path;
}

/* The field of this number, counted from 0; NULL if the line has not so many. */
static const char *
line_field(const char *line, unsigned number)
{
        for (; number; number--) {
                line = strchr(line, ' ');
                if (!line)
                        return NULL;
                line++;
        }
        return line;
}

static bool
field_number(const char *field, uint64_t *ret)
{
        char *end;
        if (*field < '0' || *field > '9')
                return false;
        errno = 0;
        *ret = strtoull(field, &end, 10);
        return errno == 0 && *end == ' ';
}

/* The type is a word in the middle of the line: a copy is made in place, behind the source's name. */
static int
mount_parse(char *line, struct mount *ret)
{
        const char *root = line_field(line, 3), *point = line_field(line, 4);
        const char *separator = strstr(line, " - ");
        if (!point || !separator || !field_number(line, &ret->id) ||
                !field_number(line_field(line, 1), &ret->parent_id))
                return -EBADMSG;
        const char *type = separator + 3;
        size_t type_size = strcspn(type, " ");
        char *copy = strndup(type, type_size);
        ret->point = path_new(point, strcspn(point, " "));
        ret->root = path_new(root, strcspn(root, " "));
        ret->device = line_field(line, 2);
        ret->foreign = copy && is_foreign(copy);
        ret->type = type;
        ret->line = line;
        bool whole = copy && ret->point && ret->root;
        free(copy);
        return whole ? 0 : -ENOMEM;
}

static int
parse_lines(struct mount_table *table)
{
        size_t lines = 0;
        for (const char *c = table->text; *c; c++)
                lines += *c == '\n';
        table->mounts = calloc(lines + 1, sizeof *table->mounts);
        if (!table->mounts)
                return -ENOMEM;
        for (char *rest = table->text, *line; (line = strsep(&rest, "\n")) && rest;) {
                int r = mount_parse(line, &table->mounts[table->count]);
                table->count++; /* counted before the check, so that what it holds is freed */
                if (r < 0)
                        return r;
        }
        return 0;
}

int
mount_table_parse(char *text, struct mount_table *ret)
{
        struct mount_table table = {.text = text};
        int r = parse_lines(&table);
        if (r < 0)
                mount_table_done(&table);
        else
                *ret = table;
        return r;
}

int
mount_table_read(int fd, struct mount_table *ret)
{
        _cleanup_buf_ struct buf text = {0};
        char chunk[8192];
        ssize_t size;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        while ((size = read(fd, chunk, sizeof chunk)) > 0) {
                if (text.size > MOUNT_TABLE_SIZE_MAX)
                        return -EFBIG;
                if (buf_append(&text, chunk, (size_t)size) < 0)
                        return -ENOMEM;
        }
        if (size < 0)
                return -errno;
        char *stolen = buf_steal(&text);
        return stolen ? mount_table_parse(stolen, ret) : -ENOMEM;
}

int
mount_table_now(struct mount_table *ret)
{
        _cleanup_fd_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : mount_table_read(fd, ret);
}

/* What of the table is asked for again and again, as it was when the kernel last said that it changed. */
static struct {
        pthread_mutex_t lock;
        int fd; /* of mountinfo; -1: not opened yet */
        bool known;
        size_t count;
        struct known_mount {
                uint64_t id;
                bool foreign;
        } * mounts;
} latest = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static int
latest_read(void)
{
        _cleanup_mount_table_ struct mount_table table = {0};
        latest.known = false;
        int r = mount_table_read(latest.fd, &table);
        if (r < 0)
                return r;
        struct known_mount *mounts = reallocarray(latest.mounts, table.count + 1, sizeof *mounts);
        if (!mounts)
                return -ENOMEM;
        for (size_t i = 0; i < table.count; i++)
                mounts[i] = (struct known_mount){table.mounts[i].id, table.mounts[i].foreign};
        latest.mounts = mounts;
        latest.count = table.count;
        latest.known = true;
        return 0;
}

static int
latest_refresh(void)
{
        if (latest.fd < 0 && (latest.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) < 0)
                return -errno;
        struct pollfd changed = {.fd = latest.fd, .events = POLLPRI};
        return poll(&changed, 1, 0) == 0 && latest.known ? 0 : latest_read();
}

int
mount_foreign_now(uint64_t id)
{
        pthread_mutex_lock(&latest.lock);
        int r = latest_refresh();
        size_t i = 0;
        while (r == 0 && i < latest.count && latest.mounts[i].id != id)
                i++;
        if (r == 0)
                r = i < latest.count ? latest.mounts[i].foreign : -ESTALE;
        pthread_mutex_unlock(&latest.lock);
        return r;
}

void
mount_table_done(struct mount_table *table)
{
        for (size_t i = 0; i < table->count; i++) {
                free(table->mounts[i].point);
                free(table->mounts[i].root);
        }
        free(table->mounts);
        free(table->text);
        *table = (struct mount_table){0};
}

const struct mount *
mount_by_id(const struct mount_table *table, uint64_t id)
{
        for (size_t i = 0; i < table->count; i++)
                if (table->mounts[i].id == id)
                        return &table->mounts[i];
        return NULL;
}

bool
path_is_at_or_below(const char *path, const char *point)
{
        size_t size = strcmp(point, "/") == 0 ? 0 : strlen(point);
        return strncmp(path, point, size) == 0 && (path[size] == '/' || path[size] == '\0' || size == 0);
}

/* The mount that the way to the path enters first from this one. */
static const struct mount *
next_on_way(const struct mount_table *table, const struct mount *from, const char *path)
{
        const struct mount *first = NULL;
        for (size_t i = 0; i < table->count; i++) {
                const struct mount *mount = &table->mounts[i];
                if (mount == from || mount->parent_id != from->id || !path_is_at_or_below(path, mount->point))
                        continue;
                if (!first || strlen(mount->point) < strlen(first->point))
                        first = mount;
        }
        return first;
}

const struct mount *
mount_of_path(const struct mount_table *table, const char *path)
{
        const struct mount *mount = NULL;
        for (size_t i = 0; i < table->count && !mount; i++)
                if (strcmp(table->mounts[i].point, "/") == 0 &&
                        (table->mounts[i].parent_id == table->mounts[i].id ||
                                !mount_by_id(table, table->mounts[i].parent_id)))
                        mount = &table->mounts[i];
        const struct mount *next = mount;
        for (size_t steps = 0; next && steps < table->count; steps++) { /* a bad table cannot hold us */
                mount = next;
                next = next_on_way(table, mount, path);
        }
        return mount;
}
