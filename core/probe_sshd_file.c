/* SPDX-License-Identifier: MIT */
/*
 * What the sshd probe reads of the host: files that others own (a home folder is its user's to fill with
 * FIFOs, link loops and a hundred megabytes), and the local accounts.
 *
 * A file is first opened as a mere name (O_PATH), looked at, and only then opened for reading through
 * /proc/self/fd, so that what is no regular file is never opened. Where a network or FUSE file system does
 * not answer, the look hangs with it: home folders on one are left to probe_sshd_keys.c, which does not go
 * there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/probe_sshd_internal.h"

/* ---- files ---- */

static int
open_regular(const char *path, struct stat *ret)
{
        char again[64];
        _cleanup_fd_ int name_fd = open(path, O_PATH | O_CLOEXEC);
        if (name_fd < 0 || fstat(name_fd, ret) < 0)
                return -errno;
        if (!S_ISREG(ret->st_mode))
                return -EINVAL;
        snprintf(again, sizeof again, "/proc/self/fd/%d", name_fd);
        int fd = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
        if (fd < 0 && errno == EPERM) /* not ours: its access time is renewed */
                fd = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int
sshd_read_file(const char *path, size_t size_max, struct buf *ret, struct stat *ret_stat)
{
        struct stat st = {0};
        char bytes[16384];
        _cleanup_fd_ int fd = open_regular(path, &st);
        if (fd < 0)
                return fd;
        if (ret_stat)
                *ret_stat = st;
        if ((uintmax_t)st.st_size > size_max)
                return -EFBIG;
        for (size_t total = 0;;) {
                ssize_t got = read(fd, bytes, sizeof bytes);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return got < 0 ? -errno : 0;
                total += (size_t)got;
                if (total > size_max)
                        return -EFBIG;
                if (buf_append(ret, bytes, (size_t)got) < 0)
                        return -ENOMEM;
        }
}

const char *
sshd_read_error(int error)
{
        switch (-error) {
        case EINVAL:
                return "it is no regular file";
        case EFBIG:
                return "it is larger than what is read of such a file";
        default:
                return strerrordesc_np(-error);
        }
}

int
sshd_watch(struct text_list *watched, const char *path)
{
        return *path == '/' ? text_list_add(watched, path, strlen(path)) : 0;
}

/* ---- accounts ---- */

/* Cuts a line at its colons. Exactly n fields, or false. */
static bool
cut_fields(char *line, char **fields, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                fields[i] = line;
                char *colon = strchr(line, ':');
                if (!colon)
                        return i + 1 == n;
                *colon = '\0';
                line = colon + 1;
        }
        return false;
}

static bool
read_id(const char *text, unsigned *ret)
{
        char *end;
        errno = 0;
        unsigned long number = strtoul(text, &end, 10);
        *ret = (unsigned)number;
        return *text >= '0' && *text <= '9' && !*end && !errno && number <= UINT32_MAX;
}

static size_t
count_lines(const struct buf *text)
{
        size_t n = 1;
        for (size_t i = 0; i < text->size; i++)
                n += text->data[i] == '\n';
        return n;
}

static void
read_users(struct sshd_accounts *accounts)
{
        char *rest = accounts->passwd.data, *line, *f[7];
        while ((line = strsep(&rest, "\n"))) {
                struct sshd_user *user = &accounts->users[accounts->n_users];
                if (!cut_fields(line, f, 7) || !*f[0] || !read_id(f[2], &user->uid) ||
                        !read_id(f[3], &user->gid))
                        continue;
                user->name = f[0];
                user->home = f[5];
                user->shell = f[6];
                accounts->n_users++;
        }
}

static void
read_groups(struct sshd_accounts *accounts)
{
        char *rest = accounts->group.data, *line, *f[4];
        while ((line = strsep(&rest, "\n"))) {
                struct sshd_group *group = &accounts->groups[accounts->n_groups];
                if (!cut_fields(line, f, 4) || !*f[0] || !read_id(f[2], &group->gid))
                        continue;
                group->name = f[0];
                group->members = f[3];
                accounts->n_groups++;
        }
}

int
sshd_accounts_read(const char *passwd, const char *group, struct sshd_accounts *ret)
{
        int r = sshd_read_file(passwd, SSHD_FILE_MAX, &ret->passwd, NULL);
        r = r < 0 ? r : sshd_read_file(group, SSHD_FILE_MAX, &ret->group, NULL);
        if (r < 0)
                return r;
        ret->users = calloc(count_lines(&ret->passwd), sizeof *ret->users);
        ret->groups = calloc(count_lines(&ret->group), sizeof *ret->groups);
        if (!ret->users || !ret->groups)
                return -ENOMEM;
        read_users(ret);
        read_groups(ret);
        return 0;
}

void
sshd_accounts_done(struct sshd_accounts *accounts)
{
        buf_done(&accounts->passwd);
        buf_done(&accounts->group);
        free(accounts->users);
        free(accounts->groups);
        *accounts = (struct sshd_accounts){0};
}

const struct sshd_user *
sshd_user_find(const struct sshd_accounts *accounts, const char *name)
{
        for (size_t i = 0; i < accounts->n_users; i++)
                if (strcmp(accounts->users[i].name, name) == 0)
                        return &accounts->users[i];
        return NULL;
}

bool
sshd_user_in_group(const struct sshd_user *user, const struct sshd_group *group)
{
        if (user->gid == group->gid)
                return true;
        size_t size = strlen(user->name);
        for (const char *p = group->members; *p;) {
                size_t word = strcspn(p, ",");
                if (word == size && memcmp(p, user->name, size) == 0)
                        return true;
                p += word + (p[word] == ',');
        }
        return false;
}
