/* SPDX-License-Identifier: MIT */
/*
 * The shelf: the active generation of each baseline as the files that were signed, NAME@GENERATION.baseline
 * and its .approval, in a folder beside the store. If the store is damaged, a new one is made from them.
 *
 * Invariants: what is applied is on the shelf before it is in the store, so that a store that was announced
 * can always be made again; the approvals are there before the text, so that a text without approvals is one
 * that was never complete; the generation before stays until the new one is in force. Nothing here is
 * believed because it is here: who reads it verifies it as if it came from outside.
 */
#include "core/instance_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/quote.h"

#define SHELF_ENTRIES_MAX 4096u /* files looked at; more are not ours */
#define TEXT_SUFFIX ".baseline"
#define APPROVAL_SUFFIX TEXT_SUFFIX ".approval"

/* ---- names ---- */

static int
path_in(const char *folder, const char *name, uint64_t generation, const char *suffix, char **ret,
        struct err *err)
{
        char *path;
        if (asprintf(&path, "%s/%s@%" PRIu64 "%s", folder, name, generation, suffix) < 0)
                return err_oom(err);
        *ret = path;
        return 0;
}

static int
entry_path(const struct instance *instance, const char *name, uint64_t generation, const char *suffix,
        char **ret, struct err *err)
{
        _cleanup_free_ char *folder = config_shelf(instance->config);
        return folder ? path_in(folder, name, generation, suffix, ret, err) : err_oom(err);
}

/* NAME@GENERATION.baseline, as we write it; false for anything else. */
static bool
entry_parse(const char *file, struct shelf_entry *ret)
{
        const char *at = strchr(file, '@');
        char *end = NULL;
        if (!at || !name_is_valid(file, (size_t)(at - file)) || at[1] < '1' || at[1] > '9')
                return false;
        errno = 0;
        ret->generation = strtoull(at + 1, &end, 10);
        if (errno || strcmp(end, TEXT_SUFFIX) != 0)
                return false;
        memcpy(ret->name, file, (size_t)(at - file));
        ret->name[at - file] = '\0';
        return true;
}

/* ---- listing and reading ---- */

static int
entry_order(const void *a, const void *b)
{
        const struct shelf_entry *x = a, *y = b;
        int order = strcmp(x->name, y->name);
        return order ? order : (y->generation > x->generation) - (y->generation < x->generation);
}

static int
collect(DIR *dir, struct shelf_entry *list, size_t *ret_count)
{
        size_t count = 0;
        errno = 0;
        for (const struct dirent *entry; count < SHELF_ENTRIES_MAX && (entry = readdir(dir)); errno = 0)
                if (entry_parse(entry->d_name, &list[count]))
                        count++;
        *ret_count = count;
        return -errno;
}

int
shelf_list(const struct instance *instance, struct shelf_entry **ret, size_t *ret_count, struct err *err)
{
        _cleanup_free_ char *path = config_shelf(instance->config);
        _cleanup_free_ struct shelf_entry *list = calloc(SHELF_ENTRIES_MAX, sizeof *list);
        if (!path || !list)
                return err_oom(err);
        *ret_count = 0;
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return err_set(err, -errno, "%s could not be read: %s", quote(path), strerror(errno));
        steal_fd(&fd);
        int r = collect(dir, list, ret_count);
        closedir(dir);
        if (r < 0)
                return err_set(err, r, "%s could not be read: %s", quote(path), strerror(-r));
        qsort(list, *ret_count, sizeof *list, entry_order);
        *ret = steal_pointer(&list);
        return 0;
}

int
shelf_read(const struct instance *instance, const struct shelf_entry *entry, struct buf *ret_text,
        struct buf *ret_approvals, struct err *err)
{
        _cleanup_free_ char *text = NULL, *approval = NULL;
        int r = entry_path(instance, entry->name, entry->generation, TEXT_SUFFIX, &text, err);
        r = r ? r : entry_path(instance, entry->name, entry->generation, APPROVAL_SUFFIX, &approval, err);
        r = r ? r : file_read(approval, 0, APPROVAL_FILE_MAX, ret_approvals, err);
        return r ? r : file_read(text, 0, BASELINE_SIZE_MAX, ret_text, err);
}

/* ---- writing ---- */

void
shelf_drop(const struct instance *instance, const char *name, uint64_t generation)
{
        static const char *const suffixes[] = {TEXT_SUFFIX, APPROVAL_SUFFIX};
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                _cleanup_free_ char *path = NULL;
                if (entry_path(instance, name, generation, suffixes[i], &path, NULL) == 0)
                        unlink(path);
        }
}

int
shelf_draft(const char *folder, const struct baseline *b, struct file_draft **ret, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        _cleanup_free_ char *path = NULL;
        size_t n;
        const struct iovec *text = baseline_text(b, &n);
        int r = path_in(folder, header->name, header->generation, TEXT_SUFFIX, &path, err);
        r = r ? r : folder_create(folder, 0700, err);
        return r ? r : file_draft_write(path, 0600, text, n, ret, err);
}

int
shelf_put(const struct instance *instance, const struct baseline *b, const void *approvals, size_t size,
        struct file_draft *draft, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        _cleanup_free_ char *folder = config_shelf(instance->config), *approval = NULL;
        _cleanup_(file_draft_freep) struct file_draft *own = NULL;
        if (!folder)
                return err_oom(err);
        int r = entry_path(instance, header->name, header->generation, APPROVAL_SUFFIX, &approval, err);
        r = r ? r : folder_create(folder, 0700, err);
        r = r ? r : file_write(approval, 0600, size ? approvals : "", size, err);
        if (r == 0 && !draft) {
                r = shelf_draft(folder, b, &own, err);
                draft = own;
        }
        return r ? r : file_draft_name(draft, err);
}

/* ---- keeping it in step ---- */

void
shelf_tidy(const struct instance *instance)
{
        _cleanup_free_ char *folder = config_shelf(instance->config);
        if (folder)
                (void)file_drafts_drop(folder); /* it is in nobody's way: another start tries again */
}

/* In pieces: a baseline can be a hundred megabytes, and the daemon must stay small. */
static bool
file_has(const char *path, const struct digest *wanted)
{
        char piece[16384];
        struct digest digest;
        struct stat st;
        _cleanup_(digester_freep) struct digester *digester = digester_new();
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (!digester || fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return false;
        digester_start(digester);
        for (ssize_t got; (got = read(fd, piece, sizeof piece)) != 0;) {
                if (got < 0)
                        return false;
                digester_update(digester, piece, (size_t)got);
        }
        digester_final(digester, &digest);
        return digest_equal(&digest, wanted);
}

static bool
entry_holds(const struct instance *instance, const struct baseline *b, const void *approvals, size_t size)
{
        const struct baseline_header *header = baseline_header(b);
        _cleanup_free_ char *text = NULL, *approval = NULL;
        struct digest wanted;
        digest_bytes(size ? approvals : "", size, &wanted);
        return entry_path(instance, header->name, header->generation, TEXT_SUFFIX, &text, NULL) == 0 &&
               entry_path(instance, header->name, header->generation, APPROVAL_SUFFIX, &approval, NULL) ==
                       0 &&
               file_has(text, baseline_id(b)) && file_has(approval, &wanted);
}

int
shelf_keep(const struct instance *instance, const struct baseline *b, const void *approvals, size_t size,
        bool just_put, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        _cleanup_free_ struct shelf_entry *list = NULL;
        size_t count = 0;
        bool holds = just_put || entry_holds(instance, b, approvals, size);
        int r = holds ? 0 : shelf_put(instance, b, approvals, size, NULL, err);
        r = r ? r : shelf_list(instance, &list, &count, err);
        for (size_t i = 0; i < count && r == 0; i++)
                if (strcmp(list[i].name, header->name) == 0 && list[i].generation != header->generation)
                        shelf_drop(instance, list[i].name, list[i].generation);
        return r;
}
