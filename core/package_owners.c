/* SPDX-License-Identifier: MIT */
/*
 * Who owns which path. A path is kept as eight bytes of its SHA-256 (which nobody can aim), so that a whole
 * system is a few megabytes: that memory is the only way to tell afterwards whose file it was that an upgrade
 * took away.
 *
 * A package's list names a file as the package does. Two things stand between that and where the file is:
 * diversions, and a root in which /bin is a link to usr/bin (the list may say either).
 */
#include "core/package_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/folder.h"

#define DIVERSIONS_MAX 4096u

static const char info[] = "var/lib/dpkg/info";

path_key
path_key_of(const char *path)
{
        struct digest digest;
        path_key key;
        digest_bytes(path, strlen(path), &digest);
        memcpy(&key, digest.bytes, sizeof key);
        return key;
}

/* ---- where files really are ---- */

static const char *const merged_names[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"};
static_assert(ARRAY_SIZE(merged_names) <= ARRAY_SIZE(((struct paths *)NULL)->merged), "a flag for each name");

static int
divert(void *userdata, const char *from, const char *to, const char *package)
{
        struct diversions *diversions = userdata;
        if (diversions->n == DIVERSIONS_MAX)
                return 0;
        struct diversion *grown = reallocarray(diversions->list, diversions->n + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        diversions->list = grown;
        struct diversion *one = &grown[diversions->n];
        *one = (struct diversion){path_key_of(from), strdup(to), strdup(package)};
        diversions->n++;
        return one->to && one->package ? 0 : -ENOMEM;
}

void
paths_done(struct paths *paths)
{
        for (size_t i = 0; i < paths->diversions.n; i++) {
                free(paths->diversions.list[i].to);
                free(paths->diversions.list[i].package);
        }
        free(paths->diversions.list);
        *paths = (struct paths){0};
}

int
paths_load(int root_fd, struct paths *ret)
{
        _cleanup_buf_ struct buf text = {0};
        struct paths paths = {0};
        for (size_t i = 0; i < ARRAY_SIZE(merged_names); i++) {
                char target[32], wanted[32];
                int size = snprintf(wanted, sizeof wanted, "usr/%s", merged_names[i]);
                ssize_t got = readlinkat(root_fd, merged_names[i], target, sizeof target);
                const char *at = got > 0 && target[0] == '/' ? target + 1 : target;
                got -= at - target;
                paths.merged[i] = got == size && memcmp(at, wanted, (size_t)size) == 0;
        }
        int r = root_read(root_fd, "var/lib/dpkg/diversions", 0, PACKAGE_FILE_MAX, &text);
        if (r == 0 && text.size)
                r = dpkg_diversions_read(text.data, text.size, divert, &paths.diversions);
        if (r == -ENOMEM)
                paths_done(&paths);
        else
                *ret = paths; /* without the list nothing is known to be diverted */
        return r == -ENOMEM ? r : 0;
}

bool
paths_real(const struct paths *paths, const char *package, const char *path, char ret[static DPKG_PATH_MAX])
{
        path_key key = paths->diversions.n ? path_key_of(path) : 0;
        for (size_t i = 0; i < paths->diversions.n; i++) {
                const struct diversion *diversion = &paths->diversions.list[i];
                if (diversion->from == key && !dpkg_same_package(diversion->package, package)) {
                        path = diversion->to;
                        break;
                }
        }
        size_t first = strcspn(path + 1, "/");
        for (size_t i = 0; i < ARRAY_SIZE(merged_names); i++)
                if (paths->merged[i] && strlen(merged_names[i]) == first && path[1 + first] == '/' &&
                        memcmp(path + 1, merged_names[i], first) == 0)
                        return (size_t)snprintf(ret, DPKG_PATH_MAX, "/usr%s", path) < DPKG_PATH_MAX;
        return (size_t)snprintf(ret, DPKG_PATH_MAX, "%s", path) < DPKG_PATH_MAX;
}

/* ---- the lists ---- */

void
owners_done(struct owners *owners)
{
        free(owners->list);
        text_list_done(&owners->names);
        *owners = (struct owners){0};
}

struct taking {
        struct owners *owners;
        const struct paths *paths;
        const char *package;
};

static int
take_path(void *userdata, const char *path)
{
        struct taking *taking = userdata;
        struct owners *owners = taking->owners;
        char real[DPKG_PATH_MAX];
        if (owners->n == PACKAGE_PATHS_MAX || !paths_real(taking->paths, taking->package, path, real))
                return 0;
        if (owners->n == owners->capacity) {
                size_t capacity = owners->capacity ? 2 * owners->capacity : 4096;
                void *grown = reallocarray(owners->list, capacity, sizeof *owners->list);
                if (!grown)
                        return -ENOMEM;
                owners->list = grown;
                owners->capacity = capacity;
        }
        owners->list[owners->n++] = (struct owner){path_key_of(real), (uint32_t)(owners->names.count - 1)};
        return 0;
}

static int
take_list(int info_fd, const char *file, struct taking *taking, struct buf *text)
{
        char name[DPKG_NAME_MAX];
        if (!dpkg_info_name(file, ".list", name) || taking->owners->names.count == PACKAGE_LISTS_MAX)
                return 0;
        buf_clear(text);
        int r = root_read(info_fd, file, 0, PACKAGE_FILE_MAX, text);
        if (r < 0 || !text->size)
                return r == -ENOMEM ? r : 0; /* one that cannot be read owns nothing that we know of */
        if (text_list_add(&taking->owners->names, name, strlen(name)) < 0)
                return -ENOMEM;
        taking->package = taking->owners->names.items[taking->owners->names.count - 1];
        return dpkg_list_read(text->data, text->size, take_path, taking);
}

static int
compare_owners(const void *left, const void *right)
{
        const struct owner *a = left, *b = right;
        if (a->key != b->key)
                return a->key < b->key ? -1 : 1;
        return (a->package > b->package) - (a->package < b->package);
}

int
owners_load(int root_fd, const struct paths *paths, const atomic_bool *cancel, struct owners *ret)
{
        struct owners owners = {0};
        struct taking taking = {.owners = &owners, .paths = paths};
        _cleanup_buf_ struct buf text = {0};
        int fd = entry_open_within(root_fd, info, O_RDONLY | O_DIRECTORY);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                fd_close(fd);
                return fd < 0 ? fd : -ENOMEM;
        }
        int r = 0;
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
                r = atomic_load(cancel) ? -ECANCELED : take_list(fd, entry->d_name, &taking, &text);
        closedir(dir);
        if (r < 0) {
                owners_done(&owners);
                return r;
        }
        if (owners.n)
                qsort(owners.list, owners.n, sizeof *owners.list, compare_owners);
        void *cut = owners.n ? reallocarray(owners.list, owners.n, sizeof *owners.list) : NULL;
        owners.list = cut ? cut : owners.list;
        owners.capacity = owners.n;
        *ret = owners;
        return 0;
}

size_t
owners_find(const struct owners *owners, path_key key)
{
        size_t low = 0, high = owners->n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (owners->list[middle].key < key)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}
