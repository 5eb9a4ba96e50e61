/* SPDX-License-Identifier: MIT */
/*
 * The values of the configuration, each read by the row of its key. Strict on purpose: what a person can
 * mean in one way only is taken, the rest is refused with what to write instead. Paths leave this file
 * escaped and straight (no empty, `.` or `..` part), so that nobody after it has to ask.
 *
 * The words say what is wrong with the value; config.c puts file, line and key before them.
 */
#include "core/config_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/ini_reader.h"
#include "core/quote.h"

/* ---- values ---- */

#define MEMBER(type, target, key) ((type *)(void *)((char *)(target) + (key)->offset))

int
config_set_duration(const struct config_key *key, void *target, const char *value, struct err *err)
{
        return duration_parse(value, MEMBER(int64_t, target, key), err);
}

/* A whole number in decimal digits, without sign or zeros before it. */
static int
read_number(const struct config_key *key, const char *value, int64_t *ret, struct err *err)
{
        int64_t number = 0;
        size_t digits = strspn(value, "0123456789");
        bool good = digits && digits <= 10 && !value[digits] && (digits == 1 || *value != '0');
        for (size_t i = 0; good && i < digits; i++)
                number = number * 10 + (value[i] - '0');
        if (!good || number < key->min || number > key->max) {
                err_set(err, -EINVAL, "\"%s\" is not a number in its range", quote(value));
                return err_hint(err, -EINVAL, "write a whole number from %" PRId64 " to %" PRId64, key->min,
                        key->max);
        }
        *ret = number;
        return 0;
}

int
config_set_u64(const struct config_key *key, void *target, const char *value, struct err *err)
{
        int64_t number;
        int r = read_number(key, value, &number, err);
        if (r == 0)
                *MEMBER(uint64_t, target, key) = (uint64_t)number;
        return r;
}

int
config_set_unsigned(const struct config_key *key, void *target, const char *value, struct err *err)
{
        int64_t number;
        int r = read_number(key, value, &number, err);
        if (r == 0)
                *MEMBER(unsigned, target, key) = (unsigned)number;
        return r;
}

int
config_set_workers(const struct config_key *key, void *target, const char *value, struct err *err)
{
        if (strcmp(value, "auto") == 0) {
                *MEMBER(unsigned, target, key) = 0;
                return 0;
        }
        int r = config_set_unsigned(key, target, value, err);
        return r < 0 ? err_hint(err, r, "write auto, or a number from %" PRId64 " to %" PRId64, key->min,
                               key->max)
                     : 0;
}

/* The index of one of the key's words. */
static int
read_word(const struct config_key *key, const char *value, struct err *err)
{
        char list[ERR_HINT_MAX / 2] = "";
        int index = name_index(key->words, key->n_words, value, strlen(value));
        if (index >= 0)
                return index;
        for (size_t i = 0; i < key->n_words; i++) {
                size_t used = strlen(list);
                snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", key->words[i]);
        }
        const char *near = nearest_word(value, key->words, key->n_words);
        err_set(err, -EINVAL, "\"%s\" is not a value of this key", quote(value));
        if (near)
                return err_hint(err, -EINVAL, "did you mean %s? The values are %s", near, list);
        return err_hint(err, -EINVAL, "write one of: %s", list);
}

/* For every enum of a scope, whose values are the indices of its table of words. */
int
config_set_word(const struct config_key *key, void *target, const char *value, struct err *err)
{
        _Static_assert(sizeof(enum scope_mode) == sizeof(unsigned) &&
                               sizeof(enum severity) == sizeof(unsigned) &&
                               sizeof(enum scope_mounts) == sizeof(unsigned),
                "enums are written through an unsigned");
        int index = read_word(key, value, err);
        if (index < 0)
                return index;
        memcpy(MEMBER(char, target, key), &(unsigned){(unsigned)index}, sizeof(unsigned));
        return 0;
}

int
config_set_bool(const struct config_key *key, void *target, const char *value, struct err *err)
{
        int index = read_word(key, value, err);
        if (index < 0)
                return index;
        *MEMBER(bool, target, key) = index == 1;
        return 0;
}

int
config_set_attributes(const struct config_key *key, void *target, const char *value, struct err *err)
{
        return attribute_mask_parse(value, MEMBER(uint32_t, target, key), err);
}

/* ---- values: paths ---- */

/* A value of raw bytes and \xhh escapes → escaped. */
static int
read_escaped(const char *value, struct buf *ret, struct err *err)
{
        for (const char *p = value; *p; p++) {
                if (*p != '\\') {
                        if (buf_escape(ret, p, 1) < 0)
                                return err_oom(err);
                        continue;
                }
                if (strlen(p) < 4 || !escape_is_canonical(p, 4) || strncmp(p, "\\x00", 4) == 0) {
                        err_set(err, -EINVAL, "a backslash in \"%s\" starts no escape", quote(value));
                        return err_hint(err, -EINVAL,
                                "write \\xhh, two lower-case hex digits, for a byte that cannot stand as it "
                                "is: a "
                                "backslash is \\x5c, a blank \\x20; letters, digits and signs stand as they "
                                "are");
                }
                if (buf_append(ret, p, 4) < 0)
                        return err_oom(err);
                p += 3;
        }
        return 0;
}

static int
check_components(const char *path, struct err *err)
{
        for (const char *p = path; *p;) {
                size_t size = strcspn(++p, "/");
                bool last = !p[size];
                if ((size == 0 && !last) || (size == 1 && *p == '.') ||
                        (size == 2 && p[0] == '.' && p[1] == '.')) {
                        err_set(err, -EINVAL, "\"%s\" has an empty, \".\" or \"..\" part", path);
                        return err_hint(err, -EINVAL, "write the path straight, as realpath(1) shows it");
                }
                p += size;
        }
        return 0;
}

/* An absolute path or path glob, escaped; a `/` at its end goes. */
static int
read_path(const char *value, struct buf *ret, struct err *err)
{
        int r = read_escaped(value, ret, err);
        if (r < 0)
                return r;
        if (*value != '/') {
                if (*value)
                        err_set(err, -EINVAL, "\"%s\" is not an absolute path", ret->data);
                else
                        err_set(err, -EINVAL, "the path is empty");
                return err_hint(err, -EINVAL, "write the whole path, from / on, without quotes");
        }
        r = check_components(ret->data, err);
        if (r == 0 && ret->size > 1 && ret->data[ret->size - 1] == '/')
                ret->data[--ret->size] = '\0';
        return r;
}

int
config_set_raw_path(const struct config_key *key, void *target, const char *value, struct err *err)
{
        _cleanup_buf_ struct buf path = {0};
        char *raw, **member = MEMBER(char *, target, key);
        int r = read_path(value, &path, err);
        if (r < 0)
                return r;
        if (unescape_new(path.data, &raw) < 0)
                return err_oom(err);
        free(*member);
        *member = raw;
        return 0;
}

int
config_set_escaped_path(const struct config_key *key, void *target, const char *value, struct err *err)
{
        _cleanup_buf_ struct buf path = {0};
        char **member = MEMBER(char *, target, key);
        int r = read_path(value, &path, err);
        if (r < 0)
                return r;
        free(*member);
        *member = buf_steal(&path);
        return 0;
}

static int
list_add(struct text_list *list, const struct buf *text, struct err *err)
{
        if (list->count >= CONFIG_LIST_MAX) {
                err_set(err, -EINVAL, "more than %u of them in one scope", CONFIG_LIST_MAX);
                return err_hint(err, -EINVAL, "name a folder above, or use a glob");
        }
        return text_list_add(list, text->data, text->size) < 0 ? err_oom(err) : 0;
}

int
config_add_path(const struct config_key *key, void *target, const char *value, struct err *err)
{
        _cleanup_buf_ struct buf path = {0};
        int r = read_path(value, &path, err);
        if (r < 0)
                return r;
        if (strpbrk(path.data, "*?")) {
                err_set(err, -EINVAL, "\"%s\" is a glob, and a path is one file or folder", path.data);
                return err_hint(
                        err, -EINVAL, "name the folder above, and take out what is not meant with exclude =");
        }
        return list_add(MEMBER(struct text_list, target, key), &path, err);
}

/* The one path of a setting's scope: `root`, `config`. Replaces. */
int
config_set_only_path(const struct config_key *key, void *target, const char *value, struct err *err)
{
        _cleanup_buf_ struct buf path = {0};
        struct text_list *list = MEMBER(struct text_list, target, key);
        int r = read_path(value, &path, err);
        if (r < 0)
                return r;
        text_list_done(list);
        return list_add(list, &path, err);
}

int
config_set_path_or_none(const struct config_key *key, void *target, const char *value, struct err *err)
{
        if (*value)
                return config_set_only_path(key, target, value, err);
        text_list_done(MEMBER(struct text_list, target, key));
        return 0;
}

static int
check_glob(const char *value, struct err *err)
{
        if (!strpbrk(value, "[]"))
                return 0;
        err_set(err, -EINVAL, "\"%s\" has a bracket, and globs have no [ ]", quote(value));
        return err_hint(err, -EINVAL,
                "the globs are * (within a name), ** (across names) and ? (one byte, a bracket too)");
}

int
config_add_path_glob(const struct config_key *key, void *target, const char *value, struct err *err)
{
        _cleanup_buf_ struct buf glob = {0};
        int r = check_glob(value, err);
        if (r == 0)
                r = read_path(value, &glob, err);
        if (r == -EINVAL && (*value == '*' || *value == '?'))
                return err_hint(err, r, "for a name anywhere write /**/NAME");
        return r < 0 ? r : list_add(MEMBER(struct text_list, target, key), &glob, err);
}

int
config_add_sysctl_glob(const struct config_key *key, void *target, const char *value, struct err *err)
{
        _cleanup_buf_ struct buf glob = {0};
        int r = check_glob(value, err);
        if (r == 0)
                r = read_escaped(value, &glob, err);
        if (r < 0)
                return r;
        if (!*value || *value == '/' || (strchr(value, '.') && !strchr(value, '/'))) {
                err_set(err, -EINVAL, "\"%s\" is not a glob of sysctl names", glob.data ? glob.data : "");
                return err_hint(
                        err, -EINVAL, "write the path below /proc/sys, with slashes: net/ipv4/conf/veth*/**");
        }
        return list_add(MEMBER(struct text_list, target, key), &glob, err);
}
