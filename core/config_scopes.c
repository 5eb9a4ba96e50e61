/* SPDX-License-Identifier: MIT */
/*
 * From what the configuration says to what would be proposed: links are resolved, once, so that a signed
 * scope names the folders themselves and a link that is turned elsewhere later moves no scope. Paths
 * are resolved wholly; of an exclusion only the folders before its first glob, because the last name may be
 * the very link that is excluded (/etc/mtab).
 *
 * Also the paths that follow from the configuration, so that both programs derive them in one place.
 */
#include "core/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config_internal.h"
#include "core/escape.h"
#include "core/item.h"
#include "core/quote.h"

/* ---- derived paths ---- */

static char *
path_join(const char *folder, const char *name)
{
        char *path;
        return asprintf(&path, "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name) < 0 ? NULL : path;
}

char *
config_database(const struct config *config)
{
        return path_join(config->state_dir, "driftd.db");
}

char *
config_high_water(const struct config *config)
{
        return path_join(config->state_dir, "high-water");
}

char *
config_shelf(const struct config *config)
{
        return path_join(config->state_dir, "baselines");
}

char *
config_socket(const struct config *config)
{
        return path_join(config->runtime_dir, "control.sock");
}

char *
config_output_dir(const struct config *config)
{
        return path_join(config->state_dir, "output");
}

/* ---- one path in two scopes ---- */

struct owned_path {
        const char *path;
        const struct scope *scope;
};

static int
compare_owned(const void *a, const void *b)
{
        const struct owned_path *x = a, *y = b;
        int order = strcmp(x->path, y->path);
        return order ? order : (x->scope > y->scope) - (x->scope < y->scope);
}

int
scopes_check_paths(const struct scope *scopes, size_t n_scopes, const char *const *where, const char *file,
        struct err *err)
{
        size_t total = 0, n = 0;
        for (size_t i = 0; i < n_scopes; i++)
                total += scopes[i].domain == SCOPE_FILES ? scopes[i].paths.count : 0;
        _cleanup_free_ struct owned_path *all = calloc(total + 1, sizeof *all);
        if (!all)
                return err_oom(err);
        for (size_t i = 0; i < n_scopes; i++)
                for (size_t k = 0; scopes[i].domain == SCOPE_FILES && k < scopes[i].paths.count; k++)
                        all[n++] = (struct owned_path){scopes[i].paths.items[k], &scopes[i]};
        qsort(all, n, sizeof *all, compare_owned);
        for (size_t i = 1; i < n; i++) {
                if (strcmp(all[i - 1].path, all[i].path) != 0 || all[i - 1].scope == all[i].scope)
                        continue;
                err_set(err, -EINVAL, "%s: %s is in two scopes, [files %s] and [files %s]",
                        where ? where[all[i].scope - scopes] : quote(file), all[i].path,
                        all[i - 1].scope->name, all[i].scope->name);
                return err_hint(err, -EINVAL,
                        "name it in one of them (after links are resolved); a folder below it may be in "
                        "another");
        }
        return 0;
}

/* ---- resolving ---- */

/* What an escaped path leads to, escaped; NULL and 0 where it leads nowhere (now). */
static int
resolve(const char *escaped, size_t size, char **ret)
{
        _cleanup_free_ char *copy = strndup(escaped, size), *raw = NULL;
        if (!copy)
                return -ENOMEM;
        *ret = NULL;
        int r = unescape_new(copy, &raw);
        if (r < 0)
                return r;
        _cleanup_free_ char *resolved = realpath(raw, NULL);
        if (!resolved)
                return errno == ENOMEM ? -ENOMEM : 0;
        *ret = escape_new(resolved, strlen(resolved));
        return *ret ? 0 : -ENOMEM;
}

/* Whether another of the paths, one that is as it was written, is this one or a folder above it. */
static bool
is_below_another(const struct text_list *paths, const char *path)
{
        for (size_t i = 0; i < paths->count; i++) {
                size_t size = strlen(paths->items[i]);
                size -= size == 1; /* "/" */
                if (strncmp(paths->items[i], path, size) == 0 && (!path[size] || path[size] == '/'))
                        return true;
        }
        return false;
}

/* First those that lead to themselves or nowhere; then those that lead elsewhere, unless that is covered
 * already. */
static int
resolve_paths(const struct text_list *paths, struct text_list *ret)
{
        _cleanup_(text_list_done) struct text_list moved = {0};
        int r = 0;
        for (size_t i = 0; i < paths->count && r == 0; i++) {
                _cleanup_free_ char *resolved = NULL;
                const char *path = paths->items[i];
                r = resolve(path, strlen(path), &resolved);
                if (r < 0)
                        return r;
                if (!resolved || strcmp(resolved, path) == 0)
                        r = text_list_add(ret, path, strlen(path));
                else
                        r = text_list_add(&moved, resolved, strlen(resolved));
        }
        for (size_t i = 0; i < moved.count && r == 0; i++)
                if (!is_below_another(ret, moved.items[i]))
                        r = text_list_add(ret, moved.items[i], strlen(moved.items[i]));
        text_list_sort(ret);
        return r;
}

static int
resolve_exclude(const char *glob, struct text_list *ret)
{
        _cleanup_free_ char *folder = NULL;
        _cleanup_buf_ struct buf moved = {0};
        size_t literal = strcspn(glob, "*?");
        while (literal && glob[literal - 1] != '/')
                literal--;
        if (literal > 1) {
                int r = resolve(glob, literal - 1, &folder);
                if (r < 0)
                        return r;
        }
        if (!folder)
                return text_list_add(ret, glob, strlen(glob));
        if (buf_printf(&moved, "%s%s", strcmp(folder, "/") == 0 ? "" : folder, glob + literal - 1) < 0)
                return -ENOMEM;
        return text_list_add(ret, moved.data, moved.size);
}

static int
scope_resolve(const struct scope *scope, struct scope *ret)
{
        *ret = *scope;
        ret->paths = ret->excludes = (struct text_list){0};
        ret->command = NULL;
        if (scope->command && !(ret->command = strdup(scope->command)))
                return -ENOMEM;
        bool files = scope->domain == SCOPE_FILES;
        int r = 0;
        if (files)
                r = resolve_paths(&scope->paths, &ret->paths);
        for (size_t i = 0; !files && i < scope->paths.count && r == 0; i++)
                r = text_list_add(&ret->paths, scope->paths.items[i], strlen(scope->paths.items[i]));
        for (size_t i = 0; i < scope->excludes.count && r == 0; i++)
                r = files ? resolve_exclude(scope->excludes.items[i], &ret->excludes)
                          : text_list_add(&ret->excludes, scope->excludes.items[i],
                                    strlen(scope->excludes.items[i]));
        text_list_sort(&ret->excludes);
        return r;
}

int
config_scopes_resolved(const struct config *config, struct scope **ret, size_t *ret_count, struct err *err)
{
        struct scope *scopes = calloc(config->n_scopes + 1, sizeof *scopes);
        int r = scopes ? 0 : -ENOMEM;
        for (size_t i = 0; i < config->n_scopes && r == 0; i++)
                r = scope_resolve(&config->scopes[i], &scopes[i]);
        if (r < 0)
                r = err_oom(err); /* the escapes were checked when they were read */
        if (r == 0)
                r = scopes_check_paths(scopes, config->n_scopes, NULL, config->file, err);
        if (r < 0) {
                scopes_free(scopes, config->n_scopes);
                return r;
        }
        *ret = scopes;
        *ret_count = config->n_scopes;
        return 0;
}

int
config_probe_scope(const struct config *config, enum scope_domain domain, struct scope *ret, struct err *err)
{
        static const char *const paths[SCOPE_DOMAIN_COUNT] = {
                [SCOPE_SYSCTL] = "/proc/sys", [SCOPE_SSHD] = "/etc/ssh/sshd_config"};
        int r = 0;
        *ret = (struct scope){0};
        const struct scope *configured = scope_of_domain(config->scopes, config->n_scopes, domain);
        if (configured) {
                r = scope_resolve(configured, ret);
                return r < 0 ? err_oom(err) : 0;
        }
        ret->domain = domain;
        snprintf(ret->name, sizeof ret->name, "%s", scope_domain_names[domain]);
        if (paths[domain])
                r = text_list_add(&ret->paths, paths[domain], strlen(paths[domain]));
        if (r == 0 && domain == SCOPE_SSHD && !(ret->command = strdup("/usr/sbin/sshd")))
                r = -ENOMEM;
        return r < 0 ? err_oom(err) : 0;
}

struct scope *
scopes_free(struct scope *scopes, size_t n_scopes)
{
        for (size_t i = 0; scopes && i < n_scopes; i++)
                scope_done(&scopes[i]);
        free(scopes);
        return NULL;
}
