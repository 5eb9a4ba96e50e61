/* SPDX-License-Identifier: MIT */
/*
 * What dpkg says that files hold: the md5sums of the packages that are asked about, and their conffiles,
 * which stand in the status file alone. Only what can be read says anything; what cannot is no fault of the
 * file's.
 */
#include "core/package_internal.h"

#include <errno.h>
#include <stdio.h>

static int
sum_add(struct examining *e, path_key key, uint32_t package, const struct dpkg_md5 *md5)
{
        if (e->sums.n == PACKAGE_PATHS_MAX)
                return 0;
        if (e->sums.n == e->sums.capacity) {
                size_t capacity = e->sums.capacity ? 2 * e->sums.capacity : 256;
                void *grown = reallocarray(e->sums.list, capacity, sizeof *e->sums.list);
                if (!grown)
                        return -ENOMEM;
                e->sums.list = grown;
                e->sums.capacity = capacity;
        }
        e->sums.list[e->sums.n++] = (struct sum){key, package, *md5};
        return 0;
}

static int
take_sum(void *userdata, const char *path, const struct dpkg_md5 *md5)
{
        struct examining *e = userdata;
        char real[DPKG_PATH_MAX];
        if (!paths_real(&e->paths, e->owners.names.items[e->taking], path, real))
                return 0;
        return sum_add(e, path_key_of(real), e->taking, md5);
}

static int
take_conffile(void *userdata, const char *package, const char *path, const struct dpkg_md5 *md5)
{
        struct examining *e = userdata;
        char real[DPKG_PATH_MAX];
        if (!paths_real(&e->paths, package, path, real))
                return 0;
        path_key key = path_key_of(real);
        for (size_t i = owners_find(&e->owners, key); i < e->owners.n && e->owners.list[i].key == key; i++)
                if (dpkg_same_package(e->owners.names.items[e->owners.list[i].package], package))
                        return sum_add(e, key, e->owners.list[i].package, md5);
        return 0;
}

static int
compare_matches(const void *left, const void *right)
{
        const struct match *a = left, *b = right;
        if (a->package != b->package)
                return a->package < b->package ? -1 : 1;
        return (a->drift > b->drift) - (a->drift < b->drift);
}

static int
compare_sums(const void *left, const void *right)
{
        const struct sum *a = left, *b = right;
        if (a->key != b->key)
                return a->key < b->key ? -1 : 1;
        return (a->package > b->package) - (a->package < b->package);
}

/* Of the packages that are matched: what is theirs is in their md5sums, or a conffile in status. */
int
sums_load(struct examining *e)
{
        _cleanup_buf_ struct buf text = {0};
        int r = 0;
        if (e->n_matches)
                qsort(e->matches, e->n_matches, sizeof *e->matches, compare_matches);
        for (size_t i = 0; i < e->n_matches && r != -ENOMEM; i++) {
                char file[DPKG_NAME_MAX + 64];
                if (e->matches[i].gone ||
                        (i && !e->matches[i - 1].gone && e->matches[i - 1].package == e->matches[i].package))
                        continue;
                e->taking = e->matches[i].package;
                snprintf(file, sizeof file, "var/lib/dpkg/info/%s.md5sums", e->owners.names.items[e->taking]);
                buf_clear(&text);
                r = root_read(e->root_fd, file, 0, PACKAGE_FILE_MAX, &text);
                if (r == 0 && text.size)
                        r = dpkg_md5sums_read(text.data, text.size, take_sum, e);
        }
        buf_clear(&text);
        r = r == -ENOMEM ? r : root_read(e->root_fd, "var/lib/dpkg/status", 0, PACKAGE_FILE_MAX, &text);
        if (r == 0 && text.size)
                r = dpkg_conffiles_read(text.data, text.size, take_conffile, e);
        if (e->sums.n)
                qsort(e->sums.list, e->sums.n, sizeof *e->sums.list, compare_sums);
        return r == -ENOMEM ? r : 0; /* what cannot be read says nothing */
}

const struct sum *
sum_find(const struct examining *e, const struct match *match)
{
        struct sum wanted = {.key = match->key, .package = match->package};
        return e->sums.n ? bsearch(&wanted, e->sums.list, e->sums.n, sizeof wanted, compare_sums) : NULL;
}
