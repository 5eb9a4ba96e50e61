/* SPDX-License-Identifier: MIT */
/*
 * Scopes: the rules of a part of the host, and which path belongs to which. One table of keys writes and
 * reads the line of a baseline; reading accepts only what writing would give. Owns the memory of the
 * lists in a `struct scope`; knows nothing of where a scope came from.
 */
#include "core/scope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "core/item.h"
#include "core/quote.h"

const char *const scope_domain_names[SCOPE_DOMAIN_COUNT] = {"files", "sysctl", "sshd", "openssl"};
const char *const scope_mode_names[] = {"static", "growing", "present"};
const char *const scope_mounts_names[] = {"local", "none"};
const char *const severity_names[SEVERITY_COUNT] = {"high", "medium", "low"};
static const char *const keep_names[] = {"never", "auto"};

int
name_index(const char *const *names, size_t n_names, const char *text, size_t size)
{
        for (size_t i = 0; i < n_names; i++)
                if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0)
                        return (int)i;
        return -EINVAL;
}

/* ---- lists ---- */

int
text_list_add(struct text_list *list, const char *text, size_t size)
{
        char **grown = reallocarray(list->items, list->count + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        list->items = grown;
        grown[list->count] = strndup(text, size);
        if (!grown[list->count])
                return -ENOMEM;
        list->count++;
        return 0;
}

static int
compare_texts(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void
text_list_sort(struct text_list *list)
{
        if (!list->count)
                return;
        qsort(list->items, list->count, sizeof *list->items, compare_texts);
        size_t kept = 1;
        for (size_t i = 1; i < list->count; i++) {
                if (strcmp(list->items[i], list->items[kept - 1]) == 0)
                        free(list->items[i]);
                else
                        list->items[kept++] = list->items[i];
        }
        list->count = kept;
}

void
text_list_done(struct text_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                free(list->items[i]);
        free(list->items);
        *list = (struct text_list){0};
}

void
scope_done(struct scope *scope)
{
        text_list_done(&scope->paths);
        text_list_done(&scope->excludes);
        free(scope->command);
        *scope = (struct scope){0};
}

/* ---- what a line may say ---- */

uint32_t
scope_line_mask(const struct scope *scope)
{
        switch (scope->mode) {
        case SCOPE_PRESENT:
                return ATTRIBUTE_BIT(ATTRIBUTE_TYPE);
        case SCOPE_GROWING:
                /* The size says how much of it the digest covers; the inode tells a rotation from a rewrite.
                 */
                return scope->attributes | ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_INODE);
        default:
                return scope->attributes;
        }
}

bool
path_is_canonical(const char *path, size_t size)
{
        if (!size || path[0] != '/' || !escape_is_canonical(path, size))
                return false;
        for (size_t at = 1; size > 1 && at <= size;) {
                const char *slash = memchr(path + at, '/', size - at);
                size_t name = slash ? (size_t)(slash - path) - at : size - at;
                if (!name || (path[at] == '.' && (name == 1 || (name == 2 && path[at + 1] == '.'))))
                        return false;
                at += name + 1;
        }
        return true;
}

/* ---- the line of a baseline ---- */

#define FILES (1u << SCOPE_FILES)
#define SYSCTL (1u << SCOPE_SYSCTL)
#define SSHD (1u << SCOPE_SSHD)
#define OPENSSL (1u << SCOPE_OPENSSL)
#define SETTINGS (SYSCTL | SSHD | OPENSSL)
#define EVERY_DOMAIN (FILES | SETTINGS)

static int
append_list(const char *key, const struct text_list *list, struct buf *buf)
{
        int r = 0;
        for (size_t i = 0; i < list->count && r == 0; i++)
                r = buf_printf(buf, " %s=%s", key, list->items[i]);
        return r;
}

static int
write_command(const struct scope *scope, struct buf *buf)
{
        return scope->command ? buf_printf(buf, " command=%s", scope->command) : 0;
}

static int
write_paths(const struct scope *scope, struct buf *buf)
{
        return append_list("path", &scope->paths, buf);
}

static int
write_excludes(const struct scope *scope, struct buf *buf)
{
        return append_list("exclude", &scope->excludes, buf);
}

static int
write_attributes(const struct scope *scope, struct buf *buf)
{
        int r = buf_text(buf, " attributes=");
        return r ? r : attribute_mask_append(scope->attributes, buf);
}

static int
write_mode(const struct scope *scope, struct buf *buf)
{
        return buf_printf(buf, " mode=%s", scope_mode_names[scope->mode]);
}

static int
write_severity(const struct scope *scope, struct buf *buf)
{
        return buf_printf(buf, " severity=%s", severity_names[scope->severity]);
}

static int
write_mounts(const struct scope *scope, struct buf *buf)
{
        return buf_printf(buf, " mounts=%s", scope_mounts_names[scope->mounts]);
}

static int
write_keep(const struct scope *scope, struct buf *buf)
{
        return buf_printf(buf, " keep_content=%s", keep_names[scope->keep_content]);
}

static int
write_within(const struct scope *scope, struct buf *buf)
{
        return buf_printf(buf, " content_within=%" PRId64, scope->content_within_s);
}

static int
write_closed(const struct scope *scope, struct buf *buf)
{
        return scope->named_only ? buf_text(buf, " closed=no") : 0;
}

static int
read_closed(const char *text, size_t size, struct scope *ret)
{
        ret->named_only = size == 2 && memcmp(text, "no", 2) == 0;
        return ret->named_only ? 0 : -EINVAL;
}

static int
read_command(const char *text, size_t size, struct scope *ret)
{
        if (!path_is_canonical(text, size) || ret->command)
                return -EINVAL;
        ret->command = strndup(text, size);
        return ret->command ? 0 : -ENOMEM;
}

static int
read_path(const char *text, size_t size, struct scope *ret)
{
        return path_is_canonical(text, size) ? text_list_add(&ret->paths, text, size) : -EINVAL;
}

static int
read_exclude(const char *text, size_t size, struct scope *ret)
{
        bool escaped = size && escape_is_canonical(text, size);
        return escaped ? text_list_add(&ret->excludes, text, size) : -EINVAL;
}

static int
read_attributes(const char *text, size_t size, struct scope *ret)
{
        char copy[256];
        if (size >= sizeof copy)
                return -EINVAL;
        memcpy(copy, text, size);
        copy[size] = '\0';
        return attribute_mask_parse(copy, &ret->attributes, NULL);
}

/* Reads one of a table of words into an enum member. */
#define READ_WORD(function, member, type, names)                                                             \
        static int function(const char *text, size_t size, struct scope *ret)                                \
        {                                                                                                    \
                int index = name_index(names, ARRAY_SIZE(names), text, size);                                \
                if (index < 0)                                                                               \
                        return index;                                                                        \
                ret->member = (type)index;                                                                   \
                return 0;                                                                                    \
        }
READ_WORD(read_mode, mode, enum scope_mode, scope_mode_names)
READ_WORD(read_severity, severity, enum severity, severity_names)
READ_WORD(read_mounts, mounts, enum scope_mounts, scope_mounts_names)
READ_WORD(read_keep, keep_content, bool, keep_names)

static int
read_within(const char *text, size_t size, struct scope *ret)
{
        int64_t value = 0;
        if (!size || size > 12)
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
                value = value * 10 + (text[i] - '0');
        }
        ret->content_within_s = value;
        return value > 0 ? 0 : -EINVAL;
}

static const struct scope_key {
        const char *name;
        unsigned domains;
        int (*write)(const struct scope *scope, struct buf *buf);
        int (*read)(const char *text, size_t size, struct scope *ret);
} keys[] = {
        {"command", SSHD, write_command, read_command},
        {"path", EVERY_DOMAIN, write_paths, read_path},
        {"exclude", FILES | SYSCTL, write_excludes, read_exclude},
        {"attributes", FILES, write_attributes, read_attributes},
        {"mode", FILES, write_mode, read_mode},
        {"severity", EVERY_DOMAIN, write_severity, read_severity},
        {"mounts", FILES, write_mounts, read_mounts},
        {"keep_content", FILES, write_keep, read_keep},
        {"content_within", FILES, write_within, read_within},
        {"closed", SETTINGS, write_closed, read_closed},
};

int
scope_append(const struct scope *scope, struct buf *buf)
{
        int r = buf_printf(buf, "scope %s %s", scope_domain_names[scope->domain], scope->name);
        for (size_t i = 0; i < ARRAY_SIZE(keys) && r == 0; i++)
                if (keys[i].domains & 1u << scope->domain)
                        r = keys[i].write(scope, buf);
        return r ? r : buf_text(buf, "\n");
}

/* Cuts the next blank-separated field off; the text is advanced past the blank. */
static size_t
next_field(const char **text, size_t *size, const char **ret_field)
{
        const char *blank = memchr(*text, ' ', *size);
        size_t length = blank ? (size_t)(blank - *text) : *size;
        *ret_field = *text;
        size_t step = length + (blank ? 1 : 0);
        *text += step;
        *size -= step;
        return length;
}

static int
read_key(const char *field, size_t size, struct scope *ret)
{
        const char *equals = memchr(field, '=', size);
        size_t name_size = equals ? (size_t)(equals - field) : 0;
        for (size_t i = 0; equals && i < ARRAY_SIZE(keys); i++)
                if (strlen(keys[i].name) == name_size && memcmp(keys[i].name, field, name_size) == 0)
                        return keys[i].domains & 1u << ret->domain
                                       ? keys[i].read(equals + 1, size - name_size - 1, ret)
                                       : -EINVAL;
        return -EINVAL;
}

static int
read_scope(const char *text, size_t size, struct scope *ret, struct err *err)
{
        const char *field;
        size_t length = next_field(&text, &size, &field);
        int domain = name_index(scope_domain_names, SCOPE_DOMAIN_COUNT, field, length);
        if (domain < 0)
                return err_set(err, -EINVAL, "a scope begins with one of: files sysctl sshd openssl");
        ret->domain = (enum scope_domain)domain;
        length = next_field(&text, &size, &field);
        if (!name_is_valid(field, length))
                return err_set(err, -EINVAL, "a scope needs a name of letters, digits, '.', '_' and '-'");
        memcpy(ret->name, field, length);
        if (ret->domain != SCOPE_FILES && strcmp(ret->name, scope_domain_names[domain]) != 0)
                return err_set(err, -EINVAL, "the scope of %s is named %s too", scope_domain_names[domain],
                        scope_domain_names[domain]);
        while (size) {
                length = next_field(&text, &size, &field);
                int r = read_key(field, length, ret);
                if (r == -ENOMEM)
                        return err_oom(err);
                if (r < 0)
                        return err_set(err, -EINVAL, "\"%s\" is not a field of a %s scope",
                                quote_bytes(&(struct quote){0}, field, length), scope_domain_names[domain]);
        }
        if (ret->domain == SCOPE_FILES && !ret->paths.count)
                return err_set(err, -EINVAL, "scope %s has no path", ret->name);
        return 0;
}

static bool
list_is_sorted(const struct text_list *list)
{
        for (size_t i = 1; i < list->count; i++)
                if (strcmp(list->items[i - 1], list->items[i]) >= 0)
                        return false;
        return true;
}

int
scope_parse(const char *text, size_t size, struct scope *ret, struct err *err)
{
        struct scope read = {.mode = SCOPE_STATIC};
        _cleanup_buf_ struct buf again = {0};
        int r = read_scope(text, size, &read, err);
        if (r == 0 && scope_append(&read, &again) < 0)
                r = err_oom(err);
        bool same = r == 0 && again.size == size + 7 && memcmp(again.data + 6, text, size) == 0;
        if (r == 0 && (!same || !list_is_sorted(&read.paths) || !list_is_sorted(&read.excludes)))
                r = err_set(err, -EINVAL,
                        "the scope is not in its one form (every field, in order, lists sorted): "
                        "\"%.*s\" would be right",
                        (int)min_size(again.size - 1, 200), again.data);
        if (r < 0) {
                scope_done(&read);
                return r;
        }
        *ret = read;
        return 0;
}

int
scope_copy(const struct scope *scope, struct scope *ret)
{
        _cleanup_buf_ struct buf text = {0};
        int r = scope_append(scope, &text);
        return r ? r : scope_parse(text.data + 6, text.size - 7, ret, NULL);
}

/* ---- who owns a path ---- */

/* How long the scope's path is that holds this one; 0 if none does. */
static size_t
path_reach(const struct scope *scope, const char *path)
{
        size_t longest = 0;
        for (size_t i = 0; i < scope->paths.count; i++) {
                const char *root = scope->paths.items[i];
                size_t size = strlen(root);
                bool is_top = size == 1; /* "/" */
                if (strncmp(path, root, size) != 0 || (!is_top && path[size] != '\0' && path[size] != '/'))
                        continue;
                if (size > longest)
                        longest = size;
        }
        return longest;
}

static bool
excluded(const struct scope *scope, const char *text)
{
        for (size_t i = 0; i < scope->excludes.count; i++)
                if (glob_covers(scope->excludes.items[i], text))
                        return true;
        return false;
}

const struct scope *
scope_for_path(const struct scope *scopes, size_t n_scopes, const char *path)
{
        const struct scope *owner = NULL;
        size_t longest = 0;
        for (size_t i = 0; i < n_scopes; i++) {
                size_t reach = scopes[i].domain == SCOPE_FILES ? path_reach(&scopes[i], path) : 0;
                if (reach > longest) {
                        longest = reach;
                        owner = &scopes[i];
                }
        }
        return owner && !excluded(owner, path) ? owner : NULL;
}

const struct scope *
scope_of_domain(const struct scope *scopes, size_t n_scopes, enum scope_domain domain)
{
        for (size_t i = 0; i < n_scopes; i++)
                if (scopes[i].domain == domain)
                        return &scopes[i];
        return NULL;
}

const struct scope *
scope_for_item(const struct scope *scopes, size_t n_scopes, const char *item)
{
        if (strncmp(item, "file:", 5) == 0)
                return scope_for_path(scopes, n_scopes, item + 5);
        size_t domain_size = strcspn(item, ":[");
        int domain = name_index(scope_domain_names, SCOPE_DOMAIN_COUNT, item, domain_size);
        const char *colon = strchr(item, ':');
        for (size_t i = 0; domain > SCOPE_FILES && colon && i < n_scopes; i++)
                if (scopes[i].domain == (enum scope_domain)domain && !scopes[i].named_only &&
                        !excluded(&scopes[i], colon + 1))
                        return &scopes[i];
        return NULL;
}

static bool
same_lists(const struct text_list *a, const struct text_list *b)
{
        for (size_t i = 0; i < a->count && i < b->count; i++)
                if (strcmp(a->items[i], b->items[i]) != 0)
                        return false;
        return a->count == b->count;
}

bool
scope_same_probe(const struct scope *a, const struct scope *b)
{
        const char *left = a->command ? a->command : "", *right = b->command ? b->command : "";
        return a->domain == b->domain && strcmp(left, right) == 0 && same_lists(&a->paths, &b->paths);
}
