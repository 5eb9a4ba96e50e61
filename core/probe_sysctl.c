/* SPDX-License-Identifier: MIT */
/*
 * The sysctl probe: a walk below /proc/sys, each key's value, and beside it what the configuration says.
 *
 * The walk goes by descriptors from the root down, follows no link, opens regular files alone, and never one
 * that sysctl_is_left_out; it does not enter what would be mounted by entering it. Where few items are asked
 * for it starts at the folders and keys that they name. What is there and cannot be read is a setting without
 * a value; a folder that cannot be read hides how many keys it holds, so then nothing is said of the domain.
 *
 * In another namespace than the host's (pid 1's) some keys read as that namespace has them: those of the real
 * /proc/sys are not opened then, and are without a value. Interfaces are keys too, so another network
 * namespace leaves open which there are.
 *
 * In three steps: leaves are read (collect), then sorted, and with the configuration made into settings
 * (assemble), and those that are worked out from several keys are added (which may read a few more leaves).
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/folder.h"
#include "core/item.h"
#include "core/own_view.h"
#include "core/probe_internal.h"
#include "core/probe_sysctl.h"
#include "core/quote.h"

#define SYSCTL_ROOT "/proc/sys"
#define DEPTH_MAX 24u    /* folders below each other; of the real ones 6 */
#define FIRST_READ 4095u /* bytes; the kernel clears a buffer of so many for each read */
#define ITEM_PREFIX "sysctl:"
#define EFFECTIVE "@effective"
#define AFTER_RESTART "@after_restart"
#define PROCPS "@procps"
#define CONFIG_READABLE "config/readable"

struct leaf {
        char *key;
        char *value;  /* canonical; NULL: see reason */
        char *reason; /* */
        int error;    /* */
        bool writable;
};

struct look {
        const struct probe_request *request;
        struct probe_reading *reading;
        struct err *err;
        char *root_path; /* raw */
        int root;
        dev_t device;
        int64_t deadline_ms;
        const struct own_namespaces *namespaces; /* NULL: whatever is read counts */
        bool all;                                /* no item was named */
        bool forced;                             /* what is met is read, whoever asked */
        struct buf key;                          /* of where the walk is */
        char *bytes;                             /* PROBE_VALUE_MAX + 1 */
        struct leaf *leaves;
        size_t count;
        size_t sorted;   /* of them, those that are in order: the first ones */
        bool configured; /* there is a configuration to speak of */
        bool hopeless;   /* see note_hopeless */
        struct sysctl_sources sources;
};

static void
look_done(struct look *look)
{
        for (size_t i = 0; i < look->count; i++) {
                free(look->leaves[i].key);
                free(look->leaves[i].value);
                free(look->leaves[i].reason);
        }
        free(look->leaves);
        free(look->bytes);
        free(look->root_path);
        buf_done(&look->key);
        sysctl_sources_done(&look->sources);
        fd_close(look->root);
}

static int
check_time(const struct look *look)
{
        if (look->request->cancel && atomic_load(look->request->cancel))
                return err_set(look->err, -ECANCELED, "the look at the sysctls was called off");
        if (clock_monotonic_ms() < look->deadline_ms)
                return 0;
        err_set(look->err, PROBE_FAILED, "the look at %s did not end in time", quote(look->root_path));
        return err_hint(look->err, PROBE_FAILED,
                "it takes well under a second by itself; is the machine out of breath?");
}

/* ---- items ---- */

static char *
item_new(const char *key, const char *suffix)
{
        _cleanup_buf_ struct buf buf = {0};
        if (buf_text(&buf, ITEM_PREFIX) < 0 || buf_escape(&buf, key, strlen(key)) < 0 ||
                buf_text(&buf, suffix) < 0)
                return NULL;
        return buf_steal(&buf);
}

/* 1: it is asked for, 0: it is not, -ENOMEM. */
static int
is_asked(const struct look *look, const char *key, const char *suffix)
{
        if (look->all)
                return 1;
        _cleanup_free_ char *item = item_new(key, suffix);
        if (!item)
                return -ENOMEM;
        return item_selected(item, look->request->items, look->request->n_items);
}

static int
is_wanted(const struct look *look, const char *key)
{
        static const char *const suffixes[] = {"", EFFECTIVE, AFTER_RESTART, PROCPS};
        int r = look->forced;
        for (size_t i = 0; i < ARRAY_SIZE(suffixes) && r == 0; i++)
                r = is_asked(look, key, suffixes[i]);
        return r;
}

/* ---- reading a key ---- */

static int
add_leaf(struct look *look, const struct leaf *leaf)
{
        struct leaf own = *leaf;
        own.key = strdup(look->key.data);
        bool complete = own.key && (own.value || own.reason);
        if (complete && look->count == PROBE_SETTINGS_MAX) {
                free(own.key);
                free(own.value);
                free(own.reason);
                return err_set(look->err, PROBE_FAILED, "there are more than %u sysctls", PROBE_SETTINGS_MAX);
        }
        if (complete && (look->count & (look->count - 1)) == 0) { /* full: room for as many again */
                size_t room = look->count ? 2 * look->count : 1;
                struct leaf *grown = reallocarray(look->leaves, room, sizeof *grown);
                complete = grown != NULL;
                if (grown)
                        look->leaves = grown;
        }
        if (!complete) {
                free(own.key);
                free(own.value);
                free(own.reason);
                return -ENOMEM;
        }
        look->leaves[look->count++] = own;
        return 0;
}

static int
add_unreadable(struct look *look, bool writable, int error, const char *what)
{
        struct leaf leaf = {.error = error, .writable = writable};
        if (asprintf(&leaf.reason, "%s: %s", what, strerror(error)) < 0)
                leaf.reason = NULL;
        return add_leaf(look, &leaf);
}

/* A namespace has a value of its own. */
static int
add_hidden(struct look *look, bool writable, const char *why)
{
        struct leaf leaf = {.writable = writable, .reason = strdup(why)};
        return add_leaf(look, &leaf);
}

static int
add_value(struct look *look, bool writable, size_t size)
{
        if (memchr(look->bytes, '\0', size))
                return add_unreadable(look, writable, EBADMSG, "its value holds a NUL byte");
        struct leaf leaf = {.writable = writable, .value = sysctl_value_new(look->bytes, size)};
        return add_leaf(look, &leaf);
}

static ssize_t
read_at(int fd, char *to, size_t room, size_t offset)
{
        ssize_t got;
        do
                got = pread(fd, to, room, (off_t)offset);
        while (got < 0 && errno == EINTR);
        return got;
}

/*
 * Appends the file to look->bytes; the size, or -errno. Small first: for each read the kernel clears as many
 * bytes as we offer room for. Where that is not enough it starts again, since some handlers cut what does not
 * fit and say no more at the next offset.
 */
static ssize_t
read_bytes(struct look *look, int fd)
{
        size_t size = 0, room = FIRST_READ;
        for (;;) {
                ssize_t got = read_at(fd, look->bytes + size, room - size, size);
                if (got < 0)
                        return -errno;
                if (got == 0)
                        return (ssize_t)size;
                size += (size_t)got;
                if (size > PROBE_VALUE_MAX)
                        return -EFBIG;
                if (size == FIRST_READ && room == FIRST_READ) {
                        size = 0;
                        room = PROBE_VALUE_MAX + 1;
                }
        }
}

static int
read_key(struct look *look, int folder, const char *name, mode_t mode)
{
        bool writable = mode & 0200;
        const char *hidden = look->namespaces ? own_namespaces_hide(look->namespaces, look->key.data) : NULL;
        if (hidden)
                return add_hidden(look, writable, hidden);
        _cleanup_fd_ int fd = entry_open(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno_is_gone(-fd))
                return 0; /* an interface went away */
        if (fd < 0)
                return add_unreadable(look, writable, -fd, "cannot open it");
        ssize_t size = read_bytes(look, fd);
        if (size < 0)
                return add_unreadable(look, writable, (int)-size, "cannot read it");
        return add_value(look, writable, (size_t)size);
}

/* ---- the walk ---- */

static int visit(struct look *look, int folder, const char *name, unsigned depth);

static int
folder_failed(struct look *look, int error)
{
        if (error == ENOMEM)
                return -ENOMEM;
        const char *key = look->key.size ? look->key.data : ".";
        err_set(look->err, PROBE_FAILED, "cannot read the folder %s in %s: %s", quote(key),
                quote(look->root_path), strerror(error));
        return err_hint(look->err, PROBE_FAILED, "run it as root");
}

/*
 * A folder to be read, or -errno. One that something would be mounted on by entering it (systemd's automount
 * of binfmt_misc) is none: -ENOENT.
 */
static int
enter(const struct look *look, int folder, const char *name, const struct statx *stx)
{
        struct statfs fs;
        if (statx_dev(stx) != look->device) {
                _cleanup_fd_ int there = entry_open(folder, name, O_PATH | O_NOFOLLOW);
                if (there < 0)
                        return there;
                if (fstatfs(there, &fs) < 0)
                        return -errno;
                if (fs.f_type == AUTOFS_SUPER_MAGIC)
                        return -ENOENT;
        }
        return entry_open_folder(folder, name);
}

static void
closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

/* Consumes fd. */
static int
walk(struct look *look, int fd, unsigned depth)
{
        _cleanup_(closedirp) DIR *dir = fdopendir(fd);
        if (!dir) {
                fd_close(fd);
                return -ENOMEM;
        }
        for (;;) {
                errno = 0;
                const struct dirent *entry = readdir(dir);
                if (!entry)
                        return errno && !errno_is_gone(errno) ? folder_failed(look, errno) : 0;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                int r = visit(look, dirfd(dir), entry->d_name, depth);
                if (r)
                        return r;
        }
}

static int
visit_folder(struct look *look, int folder, const char *name, const struct statx *stx, unsigned depth)
{
        if (depth == DEPTH_MAX)
                return folder_failed(look, ELOOP);
        int fd = enter(look, folder, name, stx);
        if (fd < 0)
                return errno_is_gone(-fd) ? 0 : folder_failed(look, -fd);
        return walk(look, fd, depth + 1);
}

/* look->key is the entry's. */
static int
visit_entry(struct look *look, int folder, const char *name, unsigned depth)
{
        struct statx stx;
        if (sysctl_is_left_out(look->key.data))
                return 0;
        int r = entry_stat(folder, name, &stx);
        if (r < 0)
                return errno_is_gone(-r) ? 0 : folder_failed(look, -r);
        if (S_ISDIR(stx.stx_mode))
                return visit_folder(look, folder, name, &stx, depth);
        if (!S_ISREG(stx.stx_mode) || !(stx.stx_mode & 0444))
                return 0;
        r = is_wanted(look, look->key.data);
        if (r == 1)
                r = check_time(look);
        else if (r >= 0)
                return 0;
        return r ? r : read_key(look, folder, name, stx.stx_mode);
}

static int
push_name(struct look *look, const char *name, size_t size)
{
        int r = look->key.size ? buf_text(&look->key, "/") : 0;
        return r < 0 ? r : buf_append(&look->key, name, size);
}

static void
pop_to(struct look *look, size_t size)
{
        look->key.size = size;
        look->key.data[size] = '\0';
}

static int
visit(struct look *look, int folder, const char *name, unsigned depth)
{
        size_t before = look->key.size;
        int r = push_name(look, name, strlen(name));
        if (r == 0)
                r = visit_entry(look, folder, name, depth);
        pop_to(look, before);
        return r;
}

/*
 * Goes down to a key or folder and calls back with its folder. One component at a time: nothing on the way is
 * mounted, and no link is taken. 0 also where it is not there.
 */
static int
reach(struct look *look, const char *key, int (*then)(struct look *look, int folder, const char *name))
{
        _cleanup_fd_ int held = -1;
        int folder = look->root;
        struct statx stx;
        char name[256];
        buf_clear(&look->key);
        for (const char *slash; (slash = strchr(key, '/')); key = slash + 1) {
                size_t size = (size_t)(slash - key);
                if (!size || size >= sizeof name)
                        return 0;
                memcpy(name, key, size);
                name[size] = '\0';
                int r = push_name(look, name, size);
                if (r < 0)
                        return r;
                r = entry_stat(folder, name, &stx);
                if (r == 0)
                        r = S_ISDIR(stx.stx_mode) ? enter(look, folder, name, &stx) : -ENOTDIR;
                if (r < 0)
                        return errno_is_gone(-r) ? 0 : folder_failed(look, -r);
                fd_close(held);
                folder = held = r;
        }
        return *key ? then(look, folder, key) : 0;
}

static int
visit_here(struct look *look, int folder, const char *name)
{
        return visit(look, folder, name, 0);
}

/* ---- where to start ---- */

static bool
is_key(const char *key)
{
        for (const char *p = key;; p++) {
                size_t size = strcspn(p, "/");
                if (!size || (*p == '.' && (size == 1 || (size == 2 && p[1] == '.'))))
                        return false;
                p += size;
                if (!*p)
                        return true;
        }
}

static void
cut_suffix(char *text)
{
        static const char *const suffixes[] = {EFFECTIVE, AFTER_RESTART, PROCPS};
        size_t size = strlen(text);
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                size_t length = strlen(suffixes[i]);
                if (size > length && strcmp(text + size - length, suffixes[i]) == 0)
                        text[size - length] = '\0';
        }
}

/* The folder or key below which all is that a pattern can select; "" for the whole tree. -EINVAL: nothing. */
static int
start_of(const char *pattern, char **ret)
{
        if (strncmp(pattern, ITEM_PREFIX, strlen(ITEM_PREFIX)) != 0)
                return -EINVAL;
        _cleanup_free_ char *text = strdup(pattern + strlen(ITEM_PREFIX));
        if (!text)
                return -ENOMEM;
        size_t literal = strcspn(text, "*?");
        if (text[literal]) {
                text[literal] = '\0';
                char *slash = strrchr(text, '/');
                *(slash ? slash : text) = '\0';
        } else {
                cut_suffix(text);
        }
        int r = unescape_new(text, ret);
        if (r == 0 && **ret && !is_key(*ret)) {
                free(steal_pointer(ret));
                return -EINVAL;
        }
        return r;
}

static bool
is_below(const char *key, const char *folder)
{
        size_t size = strlen(folder);
        return !size || (strncmp(key, folder, size) == 0 && (!key[size] || key[size] == '/'));
}

static int
list_starts(const struct probe_request *request, struct text_list *starts)
{
        for (size_t i = 0; i < request->n_items; i++) {
                _cleanup_free_ char *start = NULL;
                int r = start_of(request->items[i], &start);
                if (r == 0)
                        r = text_list_add(starts, start, strlen(start));
                if (r < 0 && r != -EINVAL)
                        return r;
        }
        text_list_sort(starts);
        return 0;
}

static int
walk_from_root(struct look *look)
{
        int fd = entry_open_folder(look->root, ".");
        if (fd < 0)
                return folder_failed(look, -fd);
        buf_clear(&look->key);
        return walk(look, fd, 0);
}

/* Each start once; one that lies below another is met there. In byte order `a-b` stands between `a` and
 * `a/b`, hence all before are compared. */
static int
collect_named(struct look *look)
{
        _cleanup_(text_list_done) struct text_list starts = {0};
        int r = list_starts(look->request, &starts);
        for (size_t i = 0; i < starts.count && r == 0; i++) {
                bool met = false;
                for (size_t j = 0; j < i && !met; j++)
                        met = is_below(starts.items[i], starts.items[j]);
                if (met || sysctl_is_left_out(starts.items[i]))
                        continue;
                r = *starts.items[i] ? reach(look, starts.items[i], visit_here) : walk_from_root(look);
        }
        return r;
}

/* Whether keys below a folder are asked for. */
static int
asks_below(const struct look *look, const char *folder)
{
        _cleanup_(text_list_done) struct text_list starts = {0};
        int r = look->all ? 0 : list_starts(look->request, &starts);
        bool asks = look->all;
        for (size_t i = 0; i < starts.count && r == 0 && !asks; i++)
                asks = is_below(starts.items[i], folder) || is_below(folder, starts.items[i]);
        return r < 0 ? r : asks;
}

/* In another network namespace there are other interfaces, and keys that only the first one has are not
 * there. */
static int
note_other_network(struct look *look)
{
        if (!look->namespaces || !look->namespaces->other[OWN_NET])
                return 0;
        int r = asks_below(look, "net");
        if (r <= 0)
                return r;
        look->reading->incomplete = strdup(own_namespaces_hide(look->namespaces, "net/"));
        return look->reading->incomplete ? 0 : -ENOMEM;
}

static int
compare_leaves(const void *a, const void *b)
{
        return strcmp(((const struct leaf *)a)->key, ((const struct leaf *)b)->key);
}

static int
collect(struct look *look)
{
        int r = look->all ? walk_from_root(look) : collect_named(look);
        if (look->count)
                qsort(look->leaves, look->count, sizeof *look->leaves, compare_leaves);
        look->sorted = look->count;
        return r;
}

/* A leaf that was read, or NULL. */
static const struct leaf *
find_leaf(const struct look *look, const char *key)
{
        struct leaf wanted = {.key = (char *)(uintptr_t)key};
        const struct leaf *found = NULL;
        if (look->sorted)
                found = bsearch(&wanted, look->leaves, look->sorted, sizeof *look->leaves, compare_leaves);
        for (size_t i = look->sorted; i < look->count && !found; i++)
                if (strcmp(look->leaves[i].key, key) == 0)
                        found = &look->leaves[i];
        return found;
}

/* The same, which is read now if it was not. *ret NULL: it is not there. */
static int
need_leaf(struct look *look, const char *key, const struct leaf **ret)
{
        int r = 0;
        *ret = find_leaf(look, key);
        if (!*ret) {
                look->forced = true;
                r = reach(look, key, visit_here);
                look->forced = false;
                *ret = find_leaf(look, key);
        }
        return r;
}

/* ---- settings ---- */

static char *
shown_new(const char *key, const char *value)
{
        return sysctl_is_secret(key) ? sysctl_digest_new(value) : strdup(value);
}

static char *
source_new(const struct look *look, const struct sysctl_assignment *from)
{
        char *text = NULL;
        return asprintf(&text, "%s:%u", look->sources.files.items[from->file], from->line) < 0 ? NULL : text;
}

/* The configured view of setting; value too (raw) where that is what the setting is about. */
static int
set_configured(const struct look *look, const char *key, const struct sysctl_assignment *from,
        struct probe_setting *setting)
{
        const struct sysctl_assignment *overridden = from->overridden;
        setting->configured = shown_new(key, from->value);
        setting->source = source_new(look, from);
        if (!setting->configured || !setting->source)
                return -ENOMEM;
        if (!overridden)
                return 0;
        setting->overridden = shown_new(key, overridden->value);
        setting->overridden_source = source_new(look, overridden);
        return setting->overridden && setting->overridden_source ? 0 : -ENOMEM;
}

static int
set_after_restart(
        const struct leaf *leaf, const struct sysctl_assignment *from, struct probe_setting *setting)
{
        if (!leaf->writable)
                return 0; /* the kernel refuses it */
        _cleanup_free_ char *written = sysctl_after_writing_new(leaf->value, from->value);
        setting->after_restart = written ? shown_new(leaf->key, written) : NULL;
        return setting->after_restart ? 0 : -ENOMEM;
}

static int
add_running(struct look *look, const struct leaf *leaf, const struct sysctl_assignment *from, bool certain)
{
        struct probe_setting setting = {.item = item_new(leaf->key, ""),
                .error = leaf->error,
                .expectation = sysctl_is_host_fact(leaf->key) && !(from && from->value) ? "exists -" : NULL};
        const char *trouble = look->sources.troubles[look->sources.boots_with].words;
        int r = 0;
        setting.value = leaf->value ? shown_new(leaf->key, leaf->value) : NULL;
        if (!leaf->value || !certain)
                setting.reason = strdup(leaf->value ? trouble : leaf->reason);
        if (leaf->value ? !setting.value || (!certain && !setting.reason) : !setting.reason)
                r = -ENOMEM;
        if (r == 0 && certain && from && from->value)
                r = set_configured(look, leaf->key, from, &setting);
        if (r == 0 && setting.configured)
                r = set_after_restart(leaf, from, &setting);
        int added = probe_add(look->reading, &setting);
        return r ? r : added;
}

/* KEY@after_restart. */
static int
add_configured(struct look *look, const char *key, const struct sysctl_assignment *from, bool certain)
{
        const struct sysctl_trouble *trouble = &look->sources.troubles[look->sources.boots_with];
        struct probe_setting setting = {.item = item_new(key, AFTER_RESTART)};
        int r = 0;
        if (certain) {
                setting.value = shown_new(key, from->value);
                r = set_configured(look, key, from, &setting);
        } else {
                setting.error = trouble->error;
                setting.reason = strdup(trouble->words);
        }
        int added = probe_add(look->reading, &setting);
        return r ? r : added;
}

/* KEY@procps, where `sysctl --system` would do something else than what the host does when it boots. */
static int
add_other(struct look *look, const char *key, const struct sysctl_assignment *boots)
{
        struct probe_setting setting = {.derived = true};
        int r = 0;
        if (look->sources.boots_with == SYSCTL_PROCPS)
                return 0;
        const struct sysctl_assignment *other =
                sysctl_config_find(&look->sources.configs[SYSCTL_PROCPS], key);
        const char *here = boots ? boots->value : NULL, *there = other ? other->value : NULL;
        if (!sysctl_sources_is_certain(&look->sources, SYSCTL_PROCPS, other) ||
                (here && there ? strcmp(here, there) == 0 : here == there))
                return 0;
        setting.item = item_new(key, PROCPS);
        if (there) {
                setting.value = shown_new(key, there);
                r = set_configured(look, key, other, &setting);
        } else {
                setting.reason = strdup("sysctl --system does not set it");
        }
        int added = probe_add(look->reading, &setting);
        return r ? r : added;
}

static int
add_leaf_settings(struct look *look, const struct leaf *leaf)
{
        enum sysctl_dialect boots_with = look->sources.boots_with;
        const struct sysctl_assignment *from =
                sysctl_config_find(&look->sources.configs[boots_with], leaf->key);
        bool certain = sysctl_sources_is_certain(&look->sources, boots_with, from);
        int r = add_running(look, leaf, from, certain);
        if (r == 0 && from && from->value && leaf->writable)
                r = add_configured(look, leaf->key, from, certain);
        if (r == 0 && certain && leaf->writable)
                r = add_other(look, leaf->key, from);
        return r ? r : check_time(look);
}

/* ---- what is configured and not there ---- */

/* The entry is a folder or cannot be written: nothing will set it. */
static int
note_hopeless(struct look *look, int folder, const char *name)
{
        struct statx stx;
        if (entry_stat(folder, name, &stx) == 0)
                look->hopeless = !S_ISREG(stx.stx_mode) || !(stx.stx_mode & 0200);
        return 0;
}

static int
add_absent(struct look *look, const char *key)
{
        enum sysctl_dialect boots_with = look->sources.boots_with;
        const struct sysctl_assignment *from = sysctl_config_find(&look->sources.configs[boots_with], key);
        int asked = find_leaf(look, key) || !is_key(key) ? 0 : is_asked(look, key, AFTER_RESTART);
        if (asked <= 0 || !from || !from->value)
                return asked < 0 ? asked : 0;
        look->hopeless = false;
        int r = reach(look, key, note_hopeless);
        if (r == 0 && !look->hopeless)
                r = add_configured(
                        look, key, from, sysctl_sources_is_certain(&look->sources, boots_with, from));
        return r;
}

/* Keys that a line names and the walk did not meet: of a module that is not loaded, or left out. */
static int
add_all_absent(struct look *look)
{
        const struct sysctl_config *config = &look->sources.configs[look->sources.boots_with];
        int r = 0;
        for (size_t i = 0; i < config->n_keys && r == 0; i++) {
                if (i && strcmp(config->by_key[i]->key, config->by_key[i - 1]->key) == 0)
                        continue;
                r = add_absent(look, config->by_key[i]->key);
                if (r == 0)
                        r = check_time(look);
        }
        return r;
}

/* Where no line could be seen that may set a key, no key can tell of it: so this fact does. */
static int
add_readable(struct look *look)
{
        const struct sysctl_trouble *trouble = &look->sources.troubles[look->sources.boots_with];
        int asked = is_asked(look, CONFIG_READABLE, "");
        if (asked <= 0 || find_leaf(look, CONFIG_READABLE))
                return asked < 0 ? asked : 0;
        struct probe_setting setting = {.item = item_new(CONFIG_READABLE, ""), .error = trouble->error};
        if (trouble->words)
                setting.reason = strdup(trouble->words);
        else
                setting.value = strdup("yes");
        return probe_add(look->reading, &setting);
}

/* ---- what is in force on an interface ---- */

struct inputs {
        int64_t all, own, forwarding;
        char *reason; /* one of them is not known */
        int error;
};

/* The number of a key, or words why there is none. */
static int
need_number(struct look *look, const char *key, struct inputs *inputs, int64_t *ret)
{
        const struct leaf *leaf;
        int r = need_leaf(look, key, &leaf);
        if (r)
                return r;
        char *end = NULL;
        if (leaf && leaf->value)
                *ret = strtoll(leaf->value, &end, 10);
        if ((end && end != leaf->value && !*end) || inputs->reason)
                return 0;
        inputs->error = leaf && !leaf->value ? leaf->error : 0;
        const char *words = leaf ? leaf->reason : "it is not there";
        if (asprintf(&inputs->reason, "it depends on %s: %s", quote(key), words ? words : "not a number") <
                0) {
                inputs->reason = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* A key beside that of the interface: FAMILY all NAME, or FAMILY INTERFACE forwarding. */
static int
need_beside(struct look *look, const char *key, const struct sysctl_rule *rule, struct inputs *inputs)
{
        size_t family = strlen(rule->family);
        int interface = (int)strcspn(key + family, "/"), r = 0;
        if (rule->needs_all) {
                _cleanup_free_ char *beside = NULL;
                if (asprintf(&beside, "%sall/%s", rule->family, rule->name) < 0)
                        return -ENOMEM;
                r = need_number(look, beside, inputs, &inputs->all);
        }
        if (r == 0 && rule->needs_forwarding) {
                _cleanup_free_ char *beside = NULL;
                if (asprintf(&beside, "%s%.*s/forwarding", rule->family, interface, key + family) < 0)
                        return -ENOMEM;
                r = need_number(look, beside, inputs, &inputs->forwarding);
        }
        return r;
}

static int
add_effective(struct look *look, const char *key, const struct sysctl_rule *rule)
{
        struct inputs inputs = {0};
        int r = need_number(look, key, &inputs, &inputs.own);
        if (r == 0)
                r = need_beside(look, key, rule, &inputs);
        struct probe_setting setting = {.item = item_new(key, EFFECTIVE),
                .reason = inputs.reason,
                .error = inputs.error,
                .derived = true};
        if (!inputs.reason) {
                int64_t value =
                        sysctl_effective(rule->effect, inputs.all, inputs.own, inputs.forwarding != 0);
                if (asprintf(&setting.value, "%lld", (long long)value) < 0)
                        setting.value = NULL;
        }
        if (r) { /* the words are made already */
                probe_setting_done(&setting);
                return r;
        }
        return probe_add(look->reading, &setting);
}

static int
add_all_effective(struct look *look)
{
        int r = 0;
        for (size_t i = 0; i < look->sorted && r == 0; i++) {
                /* Borrowed from a list that may move; the text itself does not. */
                const char *key = look->leaves[i].key;
                const struct sysctl_rule *rule = sysctl_rule_of(key);
                int asked = rule ? is_asked(look, key, EFFECTIVE) : 0;
                r = asked > 0 ? add_effective(look, key, rule) : asked;
        }
        return r;
}

/* ---- the whole ---- */

static int
assemble(struct look *look)
{
        int r = add_all_effective(look); /* first: it may read more leaves */
        for (size_t i = 0; i < look->count && r == 0; i++)
                r = add_leaf_settings(look, &look->leaves[i]);
        if (r == 0 && look->configured)
                r = add_all_absent(look);
        if (r == 0 && look->configured)
                r = add_readable(look);
        return r;
}

/* The configuration of the host whose /proc/sys this is: ROOT of ROOT/proc/sys. */
static int
read_configuration(struct look *look)
{
        size_t size = strlen(look->root_path), tail = strlen(SYSCTL_ROOT);
        if (size < tail || strcmp(look->root_path + size - tail, SYSCTL_ROOT) != 0)
                return 0;
        _cleanup_free_ char *root = strndup(look->root_path, size - tail);
        if (!root)
                return -ENOMEM;
        look->configured = true;
        return sysctl_sources_read(root, &look->sources, &look->reading->watched);
}

static int
root_failed(struct look *look, const char *words)
{
        bool ours = strcmp(look->root_path, SYSCTL_ROOT) == 0;
        err_set(look->err, PROBE_FAILED, "cannot look at %s: %s", quote(look->root_path), words);
        if (ours)
                return err_hint(look->err, PROBE_FAILED,
                        "is /proc mounted? In a unit, ProcSubset=pid hides it: leave that out");
        return err_hint(look->err, PROBE_FAILED, "the root that [sysctl] names must be a copy of /proc/sys");
}

static int
open_root(struct look *look)
{
        struct statx stx;
        const struct text_list *paths = &look->request->scope->paths;
        int r = unescape_new(paths->count ? paths->items[0] : SYSCTL_ROOT, &look->root_path);
        if (r < 0)
                return r == -ENOMEM ? r : err_set(look->err, PROBE_FAILED, "the scope's root is no path");
        int fd = open(look->root_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return root_failed(look, strerror(errno));
        look->root = fd;
        r = entry_stat(fd, "", &stx);
        if (r < 0)
                return root_failed(look, strerror(-r));
        look->device = statx_dev(&stx);
        return 0;
}

/* A folder without anything in it stands for a /proc that is not mounted. */
static int
check_not_empty(struct look *look)
{
        int fd = entry_open_folder(look->root, ".");
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                fd_close(fd);
                return root_failed(look, strerror(fd < 0 ? -fd : ENOMEM));
        }
        for (const struct dirent *entry; (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        return 0;
        return root_failed(look, "it is empty");
}

/* A copy in a folder, or an image's, is what it is in every namespace. */
static int
look_for_namespaces(struct look *look, const struct own_namespaces *namespaces)
{
        struct statfs fs;
        if (fstatfs(look->root, &fs) < 0)
                return root_failed(look, strerror(errno));
        if (fs.f_type == PROC_SUPER_MAGIC)
                look->namespaces = namespaces;
        return note_other_network(look);
}

int
probe_sysctl(const struct probe_request *request, struct probe_reading *ret, struct err *err)
{
        struct own_namespaces namespaces;
        own_namespaces_read(OWN_VIEW_SELF, OWN_VIEW_HOST, &namespaces);
        return probe_sysctl_from(request, &namespaces, ret, err);
}

int
probe_sysctl_from(const struct probe_request *request, const struct own_namespaces *namespaces,
        struct probe_reading *ret, struct err *err)
{
        unsigned timeout_ms = request->timeout_ms ? request->timeout_ms : PROBE_TIMEOUT_MS;
        _cleanup_(look_done) struct look look = {.request = request,
                .reading = ret,
                .err = err,
                .root = -1,
                .all = !request->n_items,
                .deadline_ms = clock_monotonic_ms() + timeout_ms};
        look.bytes = malloc(PROBE_VALUE_MAX + 1);
        /* The walk's key is a text from the start. */
        int r = look.bytes && buf_reserve(&look.key, 64) == 0 ? open_root(&look) : -ENOMEM;
        if (r == 0)
                r = check_not_empty(&look);
        if (r == 0)
                r = look_for_namespaces(&look, namespaces);
        if (r == 0)
                r = read_configuration(&look);
        if (r == 0)
                r = collect(&look);
        if (r == 0 && look.all && !look.count)
                r = root_failed(&look, "there is not one key in it");
        return r ? r : assemble(&look);
}
