/* SPDX-License-Identifier: MIT */
/*
 * Where the configuration lies: folders of files `*.conf`, of which the first of a name hides the others,
 * read in the order of their names; and /etc/sysctl.conf, which procps reads last and systemd-sysctl not at
 * all (unless a link in one of the folders leads to it: Debian has /etc/sysctl.d/99-sysctl.conf).
 *
 * All is opened below the host's root and no link leads out of it. Only regular files are opened; what hides
 * others without saying anything (a link to /dev/null or to nothing, a folder) is an empty file, as for both
 * programs. What could not be read is remembered by its place, since it can only matter to what stands
 * before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/buf.h"
#include "core/folder.h"
#include "core/probe_sysctl.h"
#include "core/quote.h"

static const char *const folders[] = {
        "etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d"};
#define PROCPS_FILE "etc/sysctl.conf"

static const char *const boot_programs[] = {"usr/lib/systemd/systemd-sysctl", "lib/systemd/systemd-sysctl"};

struct found {
        char *name; /* of the file alone */
        char *path; /* below the root */
};

struct search {
        struct sysctl_sources *sources;
        struct text_list *watched;
        const char *root;
        int root_fd;
        struct found *list;
        size_t count;
};

static void
search_done(struct search *search)
{
        for (size_t i = 0; i < search->count; i++) {
                free(search->list[i].name);
                free(search->list[i].path);
        }
        free(search->list);
        fd_close(search->root_fd);
}

#define BY_SYSTEMD (1u << SYSCTL_SYSTEMD)
#define BY_PROCPS (1u << SYSCTL_PROCPS)

/* Something that these dialects read is missing at `place` among the files. Of several the first is told, and
 * the last place counts. */
static int
note_trouble(struct search *search, unsigned dialects, const char *path, size_t place, int error,
        const char *words)
{
        for (unsigned i = 0; i < SYSCTL_DIALECT_COUNT; i++) {
                struct sysctl_trouble *trouble = &search->sources->troubles[i];
                if (!(dialects & 1u << i))
                        continue;
                if (!trouble->words || place > trouble->at)
                        trouble->at = place;
                if (trouble->words)
                        continue;
                trouble->error = error;
                if (asprintf(&trouble->words, "what configures it is not known: %s%s%s: %s",
                            quote(search->root), *path ? "/" : "", quote(path), words) < 0) {
                        trouble->words = NULL;
                        return -ENOMEM;
                }
        }
        return 0;
}

/* Of a whole folder: any file may be missing. */
static int
note_folder(struct search *search, const char *folder, int error, const char *words)
{
        return note_trouble(search, BY_SYSTEMD | BY_PROCPS, folder, SIZE_MAX, error, words);
}

static int
watch(struct search *search, const char *path)
{
        _cleanup_buf_ struct buf buf = {0};
        if (buf_printf(&buf, "%s/%s", search->root, path) < 0)
                return -ENOMEM;
        return text_list_add(search->watched, buf.data, buf.size);
}

/* ---- finding ---- */

static bool
is_found(const struct search *search, const char *name)
{
        for (size_t i = 0; i < search->count; i++)
                if (strcmp(search->list[i].name, name) == 0)
                        return true;
        return false;
}

static int
find_file(struct search *search, const char *folder, const char *name)
{
        size_t size = strlen(name);
        if (size < 5 || strcmp(name + size - 5, ".conf") != 0 || is_found(search, name))
                return 0;
        if (search->count == SYSCTL_FILES_MAX)
                return note_folder(search, folder, E2BIG, "more files than are taken");
        struct found *grown = reallocarray(search->list, search->count + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        search->list = grown;
        struct found *found = &grown[search->count++];
        *found = (struct found){.name = strdup(name)};
        if (asprintf(&found->path, "%s/%s", folder, name) < 0)
                found->path = NULL;
        return found->name && found->path ? 0 : -ENOMEM;
}

static void
closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

static int
find_in_folder(struct search *search, const char *folder)
{
        int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
        _cleanup_fd_ int fd = entry_open_within(search->root_fd, folder, flags);
        if (fd == -ENOMEM)
                return fd;
        if (fd < 0) /* both programs go on without it; if it is only we who cannot see it, say so */
                return errno_is_gone(-fd) ? 0 : note_folder(search, folder, -fd, strerror(-fd));
        _cleanup_(closedirp) DIR *dir = fdopendir(fd);
        if (!dir)
                return -ENOMEM;
        steal_fd(&fd);
        for (;;) {
                errno = 0;
                const struct dirent *entry = readdir(dir);
                int error = entry ? 0 : errno;
                if (!entry)
                        return error ? note_folder(search, folder, error, strerror(error)) : 0;
                int r = find_file(search, folder, entry->d_name);
                if (r < 0)
                        return r;
        }
}

static int
compare_found(const void *a, const void *b)
{
        return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static int
find_files(struct search *search)
{
        struct statx stx;
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                bool in_lib = strncmp(folders[i], "lib/", 4) == 0;
                if (in_lib && (entry_stat(search->root_fd, "lib", &stx) < 0 || !S_ISDIR(stx.stx_mode)))
                        continue; /* another name of /usr/lib */
                int r = watch(search, folders[i]);
                if (r == 0)
                        r = find_in_folder(search, folders[i]);
                if (r < 0)
                        return r;
        }
        if (search->count)
                qsort(search->list, search->count, sizeof *search->list, compare_found);
        return watch(search, PROCPS_FILE);
}

/* ---- reading ---- */

/* A regular file's descriptor, or -errno; -ENODATA: it hides others and says nothing. */
static int
open_file(int root_fd, const char *path)
{
        struct stat st;
        _cleanup_fd_ int there = entry_open_within(root_fd, path, O_PATH);
        if (there < 0)
                return errno_is_gone(-there) ? -ENODATA : there;
        if (fstat(there, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
                return -ENODATA;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return entry_open_within(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

static int
read_whole(int fd, struct buf *buf)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode)) /* it was another one when we looked */
                return -EINVAL;
        for (;;) {
                if (buf_reserve(buf, 16384) < 0)
                        return -ENOMEM;
                ssize_t got = read(fd, buf->data + buf->size, 16384);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        return 0;
                buf->size += (size_t)got;
                if (buf->size > SYSCTL_FILE_MAX)
                        return -EFBIG;
        }
}

static const char *
words_of(int error)
{
        if (error == EINVAL)
                return "not a regular file";
        return error == EFBIG ? "larger than the 1 MiB that is taken" : strerror(error);
}

/* Where the name is a link, what it leads to is edited under another name. */
static int
watch_target(struct search *search, int fd, const char *path)
{
        char name[64], target[4096];
        struct statx stx;
        if (entry_stat(search->root_fd, path, &stx) < 0 || !S_ISLNK(stx.stx_mode))
                return 0;
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(name, target, sizeof target);
        if (size <= 0 || size == sizeof target || *target != '/')
                return 0;
        return text_list_add(search->watched, target, (size_t)size);
}

static int
parse_into(struct search *search, enum sysctl_dialect dialect, size_t index, const char *path,
        const struct buf *text)
{
        struct sysctl_config *config = &search->sources->configs[dialect];
        int r = sysctl_config_parse(config, index, text->data, text->size);
        if (r == -E2BIG)
                return note_trouble(search, 1u << dialect, path, SIZE_MAX, E2BIG,
                        "more assignments than are taken, in all files together");
        return r;
}

static int
read_file(struct search *search, const char *path, bool by_systemd)
{
        _cleanup_buf_ struct buf full = {0}, text = {0};
        size_t index = search->sources->files.count;
        if (buf_printf(&full, "%s/%s", search->root, path) < 0 ||
                text_list_add(&search->sources->files, full.data, full.size) < 0)
                return -ENOMEM;
        _cleanup_fd_ int fd = open_file(search->root_fd, path);
        if (fd == -ENODATA)
                return 0;
        int r = fd < 0 ? fd : read_whole(fd, &text);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return note_trouble(search, by_systemd ? BY_SYSTEMD | BY_PROCPS : BY_PROCPS, path, index, -r,
                        words_of(-r));
        r = watch_target(search, fd, path);
        if (r == 0 && by_systemd)
                r = parse_into(search, SYSCTL_SYSTEMD, index, path, &text);
        if (r == 0)
                r = parse_into(search, SYSCTL_PROCPS, index, path, &text);
        return r;
}

static bool
is_installed(int root_fd, const char *program)
{
        struct stat st;
        _cleanup_fd_ int fd = entry_open_within(root_fd, program, O_PATH);
        return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int
open_root(const char *root)
{
        int fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int
sysctl_sources_read(const char *root, struct sysctl_sources *ret, struct text_list *watched)
{
        *ret = (struct sysctl_sources){
                .boots_with = SYSCTL_PROCPS, .configs[SYSCTL_PROCPS].dialect = SYSCTL_PROCPS};
        _cleanup_(search_done) struct search search = {
                .sources = ret, .watched = watched, .root = root, .root_fd = open_root(root)};
        if (search.root_fd < 0)
                return note_folder(&search, "", -search.root_fd, strerror(-search.root_fd));
        for (size_t i = 0; i < ARRAY_SIZE(boot_programs); i++)
                if (is_installed(search.root_fd, boot_programs[i]))
                        ret->boots_with = SYSCTL_SYSTEMD;
        int r = find_files(&search);
        /* systemd passes over hidden names, and reads nothing but the folders. */
        for (size_t i = 0; i < search.count && r == 0; i++)
                r = read_file(&search, search.list[i].path, *search.list[i].name != '.');
        if (r == 0)
                r = read_file(&search, PROCPS_FILE, false);
        for (size_t i = 0; i < SYSCTL_DIALECT_COUNT && r == 0; i++)
                r = sysctl_config_settle(&ret->configs[i]);
        text_list_sort(watched); /* two links may lead to one file */
        return r;
}

bool
sysctl_sources_is_certain(const struct sysctl_sources *sources, enum sysctl_dialect dialect,
        const struct sysctl_assignment *found)
{
        if (!sources->troubles[dialect].words)
                return true;
        /* What names the key after the missing file has the last word; in procps an exclusion has not. */
        return found && !found->glob && found->file > sources->troubles[dialect].at &&
               (found->value || dialect == SYSCTL_SYSTEMD);
}

void
sysctl_sources_done(struct sysctl_sources *sources)
{
        text_list_done(&sources->files);
        for (size_t i = 0; i < SYSCTL_DIALECT_COUNT; i++)
                sysctl_config_done(&sources->configs[i]);
        for (size_t i = 0; i < SYSCTL_DIALECT_COUNT; i++)
                free(sources->troubles[i].words);
        *sources = (struct sysctl_sources){0};
}
