/* SPDX-License-Identifier: MIT */
/*
 * The folder. What may stand in a bundle is known by name: a few files, and in three folders one level of
 * names. All else is refused before it is opened: links, folders, devices, names that would lead elsewhere.
 * SHA256SUMS says the digest of each file, and each file that is read later is held against it once more, by
 * the bytes that are then parsed.
 */
#include "core/evidence_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/quote.h"

#define SUMS "SHA256SUMS"

static const char *const plain_names[] = {"README.txt", "checkpoint", "checkpoint.pub", "controls.md",
        "coverage.json", "records.jsonl", "records.proof", "summary.json", SUMS};
static const char *const folders[] = {"baselines", "checkpoints", "trust"};

int
evidence_refuse(struct evidence *e, struct err *err, const char *format, ...)
{
        char text[ERR_TEXT_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        (void)e;
        return err_set(err, EVIDENCE_REFUSED, "%s", text);
}

/* ---- names ---- */

static bool
is_leaf(const char *name)
{
        size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-");
        return size && !name[size] && size < 256 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool
is_folder(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
                if (strcmp(folders[i], name) == 0)
                        return true;
        return false;
}

static bool
is_plain(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(plain_names); i++)
                if (strcmp(plain_names[i], name) == 0)
                        return true;
        return false;
}

static bool
name_is_of_bundle(const char *name)
{
        const char *slash = strchr(name, '/');
        char folder[16];
        if (!slash)
                return is_plain(name);
        if ((size_t)(slash - name) >= sizeof folder)
                return false;
        memcpy(folder, name, (size_t)(slash - name));
        folder[slash - name] = '\0';
        return is_folder(folder) && is_leaf(slash + 1);
}

static int
file_order(const void *a, const void *b)
{
        return strcmp(((const struct evidence_file *)a)->name, ((const struct evidence_file *)b)->name);
}

static struct evidence_file *
file_find(const struct evidence *e, const char *name)
{
        const struct evidence_file key = {.name = (char *)(uintptr_t)name};
        return e->n_files ? bsearch(&key, e->files, e->n_files, sizeof key, file_order) : NULL;
}

bool
evidence_has(const struct evidence *e, const char *name)
{
        return file_find(e, name) != NULL;
}

/* ---- listing ---- */

static int
file_add(struct evidence *e, const char *folder, const char *leaf, struct err *err)
{
        char *name;
        if (e->n_files == EVIDENCE_FILES_MAX)
                return err_set(err, EVIDENCE_NONE, "more than %u files are in %s", EVIDENCE_FILES_MAX,
                        quote(e->path));
        if (array_grow(&e->files, e->n_files) < 0 ||
                asprintf(&name, "%s%s%s", folder ? folder : "", folder ? "/" : "", leaf) < 0)
                return err_oom(err);
        e->files[e->n_files++] = (struct evidence_file){.name = name};
        return 0;
}

static int folder_list(struct evidence *e, int fd, const char *folder, struct err *err);

static int
entry_take(struct evidence *e, int fd, const char *folder, const char *leaf, struct err *err)
{
        struct stat st;
        if (fstatat(fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return err_set(err, EVIDENCE_NONE, "%s: %s", quote(leaf), strerror(errno));
        if (!folder && is_folder(leaf) && S_ISDIR(st.st_mode)) {
                _cleanup_fd_ int below = openat(fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (below < 0)
                        return err_set(err, EVIDENCE_NONE, "%s: %s", quote(leaf), strerror(errno));
                return folder_list(e, below, leaf, err);
        }
        if (!(folder ? is_leaf(leaf) : is_plain(leaf)))
                return evidence_refuse(e, err, "%s is no file of a bundle", quote(leaf));
        if (!S_ISREG(st.st_mode))
                return evidence_refuse(e, err, "%s is %s and no regular file", quote(leaf),
                        S_ISLNK(st.st_mode)   ? "a link"
                        : S_ISDIR(st.st_mode) ? "a folder"
                                              : "a special file");
        return file_add(e, folder, leaf, err);
}

static int
folder_list(struct evidence *e, int fd, const char *folder, struct err *err)
{
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir) {
                fd_close(copy);
                return err_set(err, EVIDENCE_NONE, "%s: %s", quote(e->path), strerror(errno));
        }
        errno = 0;
        for (const struct dirent *entry; r == 0 && (entry = readdir(dir)); errno = 0)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = entry_take(e, fd, folder, entry->d_name, err);
        if (r == 0 && errno)
                r = err_set(err, EVIDENCE_NONE, "%s: %s", quote(e->path), strerror(errno));
        closedir(dir);
        return r;
}

int
evidence_folder_open(const char *folder, struct evidence *e, struct err *err)
{
        snprintf(e->path, sizeof e->path, "%s", folder);
        e->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (e->folder < 0) {
                err_set(err, EVIDENCE_NONE, "%s: %s", quote(folder), strerror(errno));
                return err_hint(err, EVIDENCE_NONE, "driftctl evidence export -o DIR makes one");
        }
        struct stat st;
        if (!e->building && fstatat(e->folder, SUMS, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                err_set(err, EVIDENCE_NONE, "%s is no bundle of evidence: it has no " SUMS, quote(folder));
                return err_hint(err, EVIDENCE_NONE, "driftctl evidence export -o DIR makes one");
        }
        int r = folder_list(e, e->folder, NULL, err);
        if (e->n_files)
                qsort(e->files, e->n_files, sizeof *e->files, file_order);
        return r;
}

/* ---- files ---- */

int
evidence_file_open(const struct evidence *e, const char *name)
{
        struct stat st;
        const char *slash = strchr(name, '/'), *leaf = slash ? slash + 1 : name;
        _cleanup_fd_ int below = -1, fd = -1;
        if (slash) {
                char folder[16];
                snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
                below = openat(e->folder, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (below < 0)
                        return -errno;
        }
        fd = openat(
                slash ? below : e->folder, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? steal_fd(&fd) : -EINVAL;
}

static int
read_all(int fd, size_t size_max, struct buf *ret)
{
        char piece[65536];
        for (;;) {
                ssize_t n = read(fd, piece, sizeof piece);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : buf_text(ret, "");
                if (ret->size + (size_t)n > size_max)
                        return -EFBIG;
                int r = buf_append(ret, piece, (size_t)n);
                if (r < 0)
                        return r;
        }
}

int
evidence_file_matches(struct evidence *e, const char *name, const struct digest *digest, struct err *err)
{
        const struct evidence_file *file = file_find(e, name);
        if (e->building)
                return 0;
        if (!file || !file->has_digest)
                return evidence_refuse(e, err, "%s is not in " SUMS, quote(name));
        if (!digest_equal(digest, &file->digest))
                return evidence_refuse(
                        e, err, "%s is not the file whose digest stands in " SUMS, quote(name));
        return 0;
}

int
evidence_file_read(struct evidence *e, const char *name, size_t size_max, struct buf *ret, struct err *err)
{
        struct digest digest;
        if (!evidence_has(e, name))
                return evidence_refuse(e, err, "%s is missing", quote(name));
        _cleanup_fd_ int fd = evidence_file_open(e, name);
        int r = fd < 0 ? fd : read_all(fd, size_max, ret);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r == -EFBIG || r == -E2BIG)
                return evidence_refuse(e, err, "%s is larger than %zu bytes", quote(name), size_max);
        if (r < 0)
                return err_set(err, EVIDENCE_NONE, "%s: %s", quote(name), strerror(-r));
        digest_bytes(ret->data, ret->size, &digest);
        return evidence_file_matches(e, name, &digest, err);
}

int
evidence_file_write(struct evidence *e, const char *name, const void *data, size_t size, struct err *err)
{
        _cleanup_fd_ int fd =
                openat(e->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        const char *at = data;
        if (fd < 0)
                return err_set(err, -errno, "%s/%s: %s", quote(e->path), name, strerror(errno));
        while (size) {
                ssize_t n = write(fd, at, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set(err, -errno, "%s/%s: %s", quote(e->path), name, strerror(errno));
                at += n;
                size -= (size_t)n;
        }
        if (fsync(fd) < 0)
                return err_set(err, -errno, "%s/%s: %s", quote(e->path), name, strerror(errno));
        int r = file_add(e, NULL, name, err);
        qsort(e->files, e->n_files, sizeof *e->files, file_order);
        return r;
}

/* ---- SHA256SUMS ---- */

/* "HEX  NAME\n" */
static int
sum_take(struct evidence *e, const char *line, size_t size, const char *before, unsigned number,
        struct err *err)
{
        struct digest digest;
        if (size < DIGEST_HEX_SIZE + 2 || digest_parse(line, DIGEST_HEX_SIZE - 1, &digest) < 0 ||
                memcmp(line + DIGEST_HEX_SIZE - 1, "  ", 2) != 0)
                return evidence_refuse(
                        e, err, SUMS ", line %u: not \"DIGEST  NAME\", as sha256sum writes it", number);
        _cleanup_free_ char *name = strndup(line + DIGEST_HEX_SIZE + 1, size - DIGEST_HEX_SIZE - 1);
        if (!name)
                return err_oom(err);
        if (strlen(name) != size - DIGEST_HEX_SIZE - 1 || !name_is_of_bundle(name) || strcmp(name, SUMS) == 0)
                return evidence_refuse(
                        e, err, SUMS ", line %u: %s is no file of a bundle", number, quote(name));
        if (before && strcmp(before, name) >= 0)
                return evidence_refuse(
                        e, err, SUMS ", line %u: %s is out of order, or twice", number, quote(name));
        struct evidence_file *file = file_find(e, name);
        if (!file)
                return evidence_refuse(e, err, "%s is missing: " SUMS " names it", quote(name));
        file->digest = digest;
        file->has_digest = true;
        return 0;
}

static int
sums_read(struct evidence *e, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_fd_ int fd = evidence_file_open(e, SUMS);
        const char *before = NULL;
        unsigned number = 0;
        int r = fd < 0 ? fd : read_all(fd, EVIDENCE_SUMS_MAX, &text);
        if (r < 0)
                return r == -ENOMEM ? err_oom(err) : err_set(err, EVIDENCE_NONE, SUMS ": %s", strerror(-r));
        for (const char *at = text.data, *end = at + text.size; at < end && r == 0;) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));
                if (!stop)
                        return evidence_refuse(e, err, SUMS ": its last line is cut");
                r = sum_take(e, at, (size_t)(stop - at), before, ++number, err);
                if (r == 0) {
                        size_t size = (size_t)(stop - at) - DIGEST_HEX_SIZE - 1;
                        char name[512];
                        snprintf(name, sizeof name, "%.*s", (int)size, at + DIGEST_HEX_SIZE + 1);
                        before = file_find(e, name)->name;
                }
                at = stop + 1;
        }
        return r;
}

static int
digest_file(struct evidence *e, const char *name, struct digest *ret, struct err *err)
{
        char piece[65536];
        ssize_t n = 0;
        _cleanup_fd_ int fd = evidence_file_open(e, name);
        if (fd < 0)
                return err_set(err, EVIDENCE_NONE, "%s: %s", quote(name), strerror(-fd));
        digester_start(e->digester);
        while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
                digester_update(e->digester, piece, n > 0 ? (size_t)n : 0);
        if (n < 0)
                return err_set(err, EVIDENCE_NONE, "%s: %s", quote(name), strerror(errno));
        digester_final(e->digester, ret);
        return 0;
}

int
evidence_folder_check(struct evidence *e, struct err *err)
{
        int r = sums_read(e, err);
        for (size_t i = 0; i < ARRAY_SIZE(plain_names) && r == 0; i++)
                if (!evidence_has(e, plain_names[i]))
                        return evidence_refuse(e, err, "%s is missing", plain_names[i]);
        for (size_t i = 0; i < e->n_files && r == 0; i++) {
                struct digest digest;
                if (strcmp(e->files[i].name, SUMS) == 0)
                        continue;
                if (!e->files[i].has_digest)
                        return evidence_refuse(e, err, "%s stands beside the bundle: it is not in " SUMS,
                                quote(e->files[i].name));
                r = digest_file(e, e->files[i].name, &digest, err);
                r = r ? r : evidence_file_matches(e, e->files[i].name, &digest, err);
        }
        return r;
}

int
evidence_sums_write(struct evidence *e, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        for (size_t i = 0; i < e->n_files; i++) {
                char hex[DIGEST_HEX_SIZE];
                struct digest digest;
                int r = digest_file(e, e->files[i].name, &digest, err);
                if (r)
                        return r;
                digest_hex(&digest, hex);
                if (buf_printf(&text, "%s  %s\n", hex, e->files[i].name) < 0)
                        return err_oom(err);
        }
        return evidence_file_write(e, SUMS, text.data, text.size, err);
}
