/* SPDX-License-Identifier: MIT */
/*
 * Keys: what kind the host's are, by their public halves (of a private one only its mode and owner are
 * looked at), and who may log in by which, by the authorized_keys files.
 *
 * A home folder is its user's: whatever lies there, the look goes on, and what it could not read is an item
 * of its own. A home on a network or FUSE file system is not gone to: it may never answer.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/crypto.h"
#include "core/digest.h"
#include "core/escape.h"
#include "core/mount.h"
#include "core/probe_sshd_internal.h"
#include "core/sshsig.h"

/* ---- items ---- */

int
sshd_add(struct probe_reading *reading, char *item, char *value, const char *reason, int error)
{
        struct probe_setting setting = {.item = item, .value = value, .error = error};
        if (value && strlen(value) > PROBE_VALUE_MAX) {
                free(value);
                setting.value = NULL;
                setting.error = EFBIG;
                reason = "the value is longer than what is kept of one";
        }
        if (!setting.value)
                setting.reason = strdup(reason ? reason : "it is not known");
        return probe_add(reading, &setting);
}

static const char *
below_root(const char *path)
{
        return path + strspn(path, "/");
}

/* PREFIX + the path, escaped, + SUFFIX */
static char *
path_item(const char *prefix, const char *path, const char *suffix)
{
        char *item = NULL;
        _cleanup_free_ char *escaped = escape_new(below_root(path), strlen(below_root(path)));
        if (!escaped || asprintf(&item, "%s%s%s", prefix, escaped, suffix) < 0)
                return NULL;
        return item;
}

/* ---- public keys ---- */

/* The bits of a number of RFC 4251: big-endian, and a zero in front where the first bit is set. */
static unsigned
number_bits(const unsigned char *data, size_t size)
{
        while (size && !*data) {
                data++;
                size--;
        }
        if (!size || size > 8192)
                return 0;
        unsigned bits = (unsigned)(size - 1) * 8;
        for (unsigned char first = *data; first; first >>= 1)
                bits++;
        return bits;
}

static const struct {
        const char *type;
        unsigned bits;   /* of all keys of the type; 0: those of a number in it */
        unsigned number; /* which of the strings after the type that is, from 0 */
} key_types[] = {
        {"ssh-ed25519", 256, 0}, {"sk-ssh-ed25519@openssh.com", 256, 0}, {"ecdsa-sha2-nistp256", 256, 0},
        {"sk-ecdsa-sha2-nistp256@openssh.com", 256, 0}, {"ecdsa-sha2-nistp384", 384, 0},
        {"ecdsa-sha2-nistp521", 521, 0}, {"ssh-rsa", 0, 1}, /* e, n */
        {"ssh-dss", 0, 0},                                  /* p, q, g, y */
};

bool
sshd_key_bits(const void *blob, size_t size, unsigned *ret_bits)
{
        struct ssh_cursor cursor = {blob, size};
        const unsigned char *type, *number;
        size_t type_size, number_size = 0;
        *ret_bits = 0;
        if (ssh_read_string(&cursor, &type, &type_size) < 0 || !type_size)
                return false;
        for (size_t i = 0; i < type_size; i++)
                if (type[i] <= ' ' || type[i] > '~')
                        return false;
        for (size_t i = 0; i < ARRAY_SIZE(key_types); i++) {
                if (strlen(key_types[i].type) != type_size || memcmp(key_types[i].type, type, type_size) != 0)
                        continue;
                *ret_bits = key_types[i].bits;
                for (unsigned k = 0; !*ret_bits && k <= key_types[i].number; k++)
                        if (ssh_read_string(&cursor, &number, &number_size) < 0)
                                return false;
                if (!*ret_bits)
                        *ret_bits = number_bits(number, number_size);
        }
        return true;
}

/*
 * The key at the start of a text: `TYPE BASE64`. 1: there is one, with its wire form in ret and its type's
 * size; 0: there is none; -ENOMEM.
 */
static int
key_read(const char *text, struct buf *ret, size_t *ret_type_size)
{
        size_t type_size = strcspn(text, " \t");
        const char *base64 = text + type_size + strspn(text + type_size, " \t");
        size_t base64_size = strcspn(base64, " \t\r");
        struct ssh_cursor cursor;
        const unsigned char *type;
        size_t size;
        unsigned bits;
        buf_clear(ret);
        if (!type_size || !base64_size)
                return 0;
        int r = crypto_base64_decode(base64, base64_size, ret);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        cursor = (struct ssh_cursor){(const unsigned char *)ret->data, ret->size};
        if (!sshd_key_bits(ret->data, ret->size, &bits) || ssh_read_string(&cursor, &type, &size) < 0)
                return 0;
        *ret_type_size = type_size;
        return size == type_size && memcmp(type, text, size) == 0;
}

/* ---- host keys ---- */

static int add_format(struct probe_reading *reading, const char *path, const char *what, const char *format,
        ...) _printf_(4, 5);

static int
add_format(struct probe_reading *reading, const char *path, const char *what, const char *format, ...)
{
        char *value = NULL;
        va_list args;
        va_start(args, format);
        int r = vasprintf(&value, format, args);
        va_end(args);
        return r < 0 ? -ENOMEM : sshd_add(reading, path_item("sshd:hostkey/", path, what), value, NULL, 0);
}

static int
add_unknown(struct probe_reading *reading, const char *path, const char *what, int error)
{
        return sshd_add(
                reading, path_item("sshd:hostkey/", path, what), NULL, sshd_read_error(error), -error);
}

static int
add_public_half(const char *path, const struct buf *text, struct probe_reading *reading)
{
        _cleanup_buf_ struct buf blob = {0};
        size_t type_size = 0;
        unsigned bits;
        char *line = text->data ? text->data : (char[]){""};
        line[strcspn(line, "\r\n")] = '\0';
        int r = key_read(line, &blob, &type_size);
        if (r < 0)
                return r;
        if (r == 0) {
                static const char none[] = "its .pub file holds no public key";
                r = sshd_add(reading, path_item("sshd:hostkey/", path, "/type"), NULL, none, 0);
                return r < 0 ? r
                             : sshd_add(reading, path_item("sshd:hostkey/", path, "/bits"), NULL, none, 0);
        }
        r = add_format(reading, path, "/type", "%.*s", (int)type_size, line);
        if (r < 0 || !sshd_key_bits(blob.data, blob.size, &bits) || !bits)
                return r;
        return add_format(reading, path, "/bits", "%u", bits);
}

static bool
ends_in_pub(const char *path)
{
        size_t size = strlen(path);
        return size > 4 && strcmp(path + size - 4, ".pub") == 0;
}

int
sshd_host_key_add(const char *path, bool expected, struct probe_reading *reading)
{
        struct stat st;
        _cleanup_buf_ struct buf text = {0};
        _cleanup_free_ char *public_path = NULL;
        if (asprintf(&public_path, "%s%s", path, ends_in_pub(path) ? "" : ".pub") < 0)
                return -ENOMEM;
        if (sshd_watch(&reading->watched, path) < 0 || sshd_watch(&reading->watched, public_path) < 0)
                return -ENOMEM;
        int there = stat(path, &st) < 0 ? -errno : 0;
        int r = sshd_read_file(public_path, SSHD_FILE_MAX, &text, NULL);
        if (r == -ENOMEM)
                return r;
        if (there == -ENOENT && r == -ENOENT && !expected)
                return 0; /* a default that this host has no key for */
        if (r < 0) {
                int failed = r;
                r = add_unknown(reading, path, "/type", failed);
                r = r < 0 ? r : add_unknown(reading, path, "/bits", failed);
        } else {
                r = add_public_half(path, &text, reading);
        }
        if (r < 0)
                return r;
        if (there < 0) {
                r = add_unknown(reading, path, "/mode", there);
                return r < 0 ? r : add_unknown(reading, path, "/owner", there);
        }
        r = add_format(reading, path, "/mode", "%04o", st.st_mode & 07777);
        return r < 0 ? r : add_format(reading, path, "/owner", "%u:%u", st.st_uid, st.st_gid);
}

/* ---- authorized keys ---- */

/* Where the options at the start of a line end: at a blank that is in no quotes. */
static size_t
options_size(const char *line)
{
        bool quoted = false;
        size_t i = 0;
        for (; line[i] && (quoted || (line[i] != ' ' && line[i] != '\t')); i++) {
                if (line[i] == '\\' && line[i + 1] == '"')
                        i++;
                else if (line[i] == '"')
                        quoted = !quoted;
        }
        return i;
}

static int
fingerprint_append(const struct buf *blob, struct buf *ret)
{
        _cleanup_buf_ struct buf base64 = {0};
        struct digest digest;
        digest_bytes(blob->data, blob->size, &digest);
        if (crypto_base64_append(&base64, digest.bytes, DIGEST_SIZE) < 0)
                return -ENOMEM;
        return buf_printf(ret, "SHA256:%.*s", (int)strcspn(base64.data, "="), base64.data) < 0 ? -ENOMEM : 0;
}

struct key_file {
        const struct sshd_user *user;
        const char *path;
        struct probe_reading *reading;
        unsigned odd_line; /* the first that is neither a key nor nothing; 0: none */
};

static int
add_key(const struct key_file *file, unsigned number, const struct buf *blob, const char *type,
        size_t type_size, const char *options, size_t n_options)
{
        _cleanup_buf_ struct buf item = {0};
        struct probe_setting setting = {0};
        int r = buf_text(&item, "sshd:authorized_keys/");
        r = r < 0 ? r : buf_escape(&item, file->user->name, strlen(file->user->name));
        r = r < 0 ? r : buf_text(&item, "/");
        r = r < 0 ? r : fingerprint_append(blob, &item);
        if (r < 0)
                return -ENOMEM;
        setting.item = buf_steal(&item);
        if (asprintf(&setting.value, "%.*s%s%.*s", (int)type_size, type, n_options ? " " : "", (int)n_options,
                    options) < 0)
                setting.value = NULL;
        if (setting.value && strlen(setting.value) > PROBE_VALUE_MAX) {
                free(setting.value);
                setting.value = NULL;
                setting.error = EFBIG;
                setting.reason = strdup("its options are longer than what is kept of a value");
        }
        setting.configured = setting.value ? strdup(setting.value) : NULL;
        setting.after_restart = setting.value ? strdup(setting.value) : NULL;
        bool whole = !setting.value || (setting.configured && setting.after_restart);
        if (asprintf(&setting.source, "%s:%u", file->path, number) < 0)
                setting.source = NULL;
        whole = whole && setting.source;
        r = probe_add(file->reading, &setting);
        return r < 0 || !whole ? -ENOMEM : 0;
}

static int
read_key_line(struct key_file *file, unsigned number, char *line)
{
        _cleanup_buf_ struct buf blob = {0};
        size_t type_size, n_options = 0;
        line += strspn(line, " \t");
        line[strcspn(line, "\r")] = '\0';
        if (!*line || *line == '#')
                return 0;
        const char *key = line;
        int r = key_read(key, &blob, &type_size);
        if (r == 0) {
                n_options = options_size(line);
                key = line + n_options + strspn(line + n_options, " \t");
                r = key_read(key, &blob, &type_size);
        }
        if (r < 0)
                return r;
        if (r == 1)
                return add_key(file, number, &blob, key, type_size, line, n_options);
        file->odd_line = file->odd_line ? file->odd_line : number;
        return 0;
}

static int
add_odd_file(const struct key_file *file, const char *reason, int error)
{
        _cleanup_free_ char *prefix = NULL;
        _cleanup_free_ char *name = escape_new(file->user->name, strlen(file->user->name));
        if (!name || asprintf(&prefix, "sshd:authorized_keys/%s/", name) < 0) {
                prefix = NULL;
                return -ENOMEM;
        }
        return sshd_add(file->reading, path_item(prefix, file->path, ""), NULL, reason, error);
}

static int
read_key_lines(struct key_file *file, struct buf *text)
{
        char *rest = text->data, *line;
        unsigned number = 0;
        int r = 0;
        for (size_t i = 0; i < text->size; i++)
                if (!text->data[i])
                        text->data[i] = '\1'; /* no key holds one, so such a line is odd */
        while (r == 0 && (line = strsep(&rest, "\n")))
                r = read_key_line(file, ++number, line);
        if (r < 0 || !file->odd_line)
                return r;
        char reason[64];
        snprintf(reason, sizeof reason, "line %u is no key", file->odd_line);
        return add_odd_file(file, reason, 0);
}

static bool
is_far(const struct mount_table *mounts, const char *path)
{
        const struct mount *mount = mount_of_path(mounts, path);
        return mount && mount->foreign && strcmp(mount->point, "/") != 0;
}

static int
watch_with_folder(struct text_list *watched, const char *path)
{
        const char *slash = strrchr(path, '/');
        if (sshd_watch(watched, path) < 0)
                return -ENOMEM;
        return slash > path ? text_list_add(watched, path, (size_t)(slash - path)) : 0;
}

static int
read_key_file(const struct sshd_user *user, const char *path, const struct mount_table *mounts,
        struct probe_reading *reading)
{
        struct key_file file = {.user = user, .path = path, .reading = reading};
        _cleanup_buf_ struct buf text = {0};
        if (is_far(mounts, path))
                return add_odd_file(&file, "it is on a network or FUSE file system, which may not answer", 0);
        if (watch_with_folder(&reading->watched, path) < 0)
                return -ENOMEM;
        int r = sshd_read_file(path, SSHD_FILE_MAX, &text, NULL);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOENT || r == -ENOTDIR)
                return 0; /* then nobody is let in by it */
        return r < 0 ? add_odd_file(&file, sshd_read_error(r), -r) : read_key_lines(&file, &text);
}

/* The tokens of AuthorizedKeysFile, and the home in front of what is relative. NULL: out of memory. */
static char *
key_file_path(const struct sshd_user *user, const char *pattern, size_t size)
{
        _cleanup_buf_ struct buf path = {0};
        int r = 0;
        for (size_t i = 0; r >= 0 && i < size; i++) {
                if (pattern[i] != '%' || i + 1 == size) {
                        r = buf_append(&path, pattern + i, 1);
                        continue;
                }
                switch (pattern[++i]) {
                case '%':
                        r = buf_text(&path, "%");
                        break;
                case 'h':
                        r = buf_text(&path, user->home);
                        break;
                case 'u':
                        r = buf_text(&path, user->name);
                        break;
                case 'U':
                        r = buf_printf(&path, "%u", user->uid);
                        break;
                default: /* sshd refuses it */
                        r = buf_printf(&path, "%%%c", pattern[i]);
                }
        }
        char *text = r < 0 ? NULL : buf_steal(&path), *whole = NULL;
        if (!text || *text == '/')
                return text;
        r = asprintf(&whole, "%s/%s", strcmp(user->home, "/") == 0 ? "" : user->home, text);
        free(text);
        return r < 0 ? NULL : whole;
}

int
sshd_authorized_keys_add(const struct sshd_user *user, const char *files, const struct mount_table *mounts,
        struct probe_reading *reading)
{
        int r = 0;
        for (const char *p = files + strspn(files, " "); r == 0 && *p; p += strspn(p, " ")) {
                size_t size = strcspn(p, " ");
                if (size != 4 || memcmp(p, "none", 4) != 0) {
                        _cleanup_free_ char *path = key_file_path(user, p, size);
                        r = path ? read_key_file(user, path, mounts, reading) : -ENOMEM;
                }
                p += size;
        }
        return r;
}

/* ---- one item for a key ---- */

static int
compare_items(const void *a, const void *b)
{
        const struct probe_setting *x = a, *y = b;
        int order = strcmp(x->item, y->item);
        order = order ? order : strcmp(x->value ? x->value : "", y->value ? y->value : "");
        return order ? order : strcmp(x->source ? x->source : "", y->source ? y->source : "");
}

static int
join_text(char **to, const char *from)
{
        char *joined = NULL;
        if (!*to || !from)
                return 0;
        if (asprintf(&joined, "%s\n%s", *to, from) < 0)
                return -ENOMEM;
        free(*to);
        *to = joined;
        return 0;
}

/* Different options for one key: sshd takes the first line that fits, which may be either. */
static int
join(struct probe_setting *to, const struct probe_setting *from)
{
        const char *last = to->value ? strrchr(to->value, '\n') : NULL;
        last = last ? last + 1 : to->value;
        if (!to->value || (from->value && strcmp(last, from->value) == 0))
                return 0;
        if (!from->value || strlen(to->value) + strlen(from->value) >= PROBE_VALUE_MAX) {
                free(to->value);
                to->value = NULL;
                to->reason = strdup(from->reason ? from->reason : "the key stands in too many lines");
                to->error = EFBIG;
                return to->reason ? 0 : -ENOMEM;
        }
        int r = join_text(&to->value, from->value);
        r = r < 0 ? r : join_text(&to->configured, from->value);
        return r < 0 ? r : join_text(&to->after_restart, from->value);
}

int
sshd_merge(struct probe_reading *reading)
{
        size_t kept = 0;
        int r = 0;
        if (reading->count)
                qsort(reading->list, reading->count, sizeof *reading->list, compare_items);
        for (size_t i = 0; i < reading->count; i++) {
                if (kept && strcmp(reading->list[kept - 1].item, reading->list[i].item) == 0) {
                        r = r < 0 ? r : join(&reading->list[kept - 1], &reading->list[i]);
                        probe_setting_done(&reading->list[i]);
                } else {
                        struct probe_setting one = reading->list[i];
                        reading->list[kept++] = one;
                }
        }
        reading->count = kept;
        return r;
}
