/* SPDX-License-Identifier: MIT */
/*
 * What of the host this process does not see as the host does, and whether a scope needs it. The first is to
 * be known (PROBLEM_OWN_VIEW); the second makes what is found there worth nothing (PROBLEM_HIDDEN).
 *
 * A scope of files needs its paths and, below them, all that its own rules would go into on the host: those
 * rules are asked of the host's mount table. sshd and OpenSSL need their configuration and what they are made
 * of; sysctls a /proc/sys that is one.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "core/own_view.h"
#include "core/scan.h"

struct hidden {
        const struct own_view *view;
        uint64_t count;
        char where[512]; /* of the first */
};

static int
note_hidden(struct hidden *hidden, const struct scope *scope, const char *point, const char *path)
{
        _cleanup_buf_ struct buf words = {0};
        int r = buf_escape(&words, point, strlen(point));
        r = r ? r : buf_printf(&words, ": in scope %s", scope_domain_names[scope->domain]);
        if (r == 0 && scope->domain == SCOPE_FILES)
                r = buf_printf(&words, " %s", scope->name);
        if (r == 0 && strcmp(point, path) != 0) {
                r = buf_text(&words, ", by ");
                r = r ? r : buf_escape(&words, path, strlen(path));
        }
        if (r == 0 && hidden->count++ == 0)
                snprintf(hidden->where, sizeof hidden->where, "%s", words.data);
        return r;
}

/* Whether a scope's own rules would go into it on the host, and it is none of its paths. 1, 0 or -ENOMEM. */
static int
is_needed(const struct hidden *hidden, const struct scope *scopes, size_t n, const struct scope *scope,
        const char *point)
{
        _cleanup_free_ char *escaped = escape_new(point, strlen(point));
        if (!escaped)
                return -ENOMEM;
        for (size_t i = 0; i < scope->paths.count; i++)
                if (strcmp(scope->paths.items[i], escaped) == 0)
                        return 0;
        return scope_for_path(scopes, n, escaped) == scope &&
               scan_reach(&hidden->view->hosts, scope, point) == SCAN_REACH_IN;
}

static int
look_at_files(struct hidden *hidden, const struct scope *scopes, size_t n, const struct scope *scope)
{
        const struct text_list *points = &hidden->view->points;
        int r = 0;
        for (size_t i = 0; i < scope->paths.count && r == 0; i++) {
                _cleanup_free_ char *path = NULL;
                r = unescape_new(scope->paths.items[i], &path);
                if (r == 0 && own_view_differs(hidden->view, path))
                        r = note_hidden(hidden, scope, path, path);
        }
        for (size_t i = 0; i < points->count && r == 0; i++) {
                int needed = is_needed(hidden, scopes, n, scope, points->items[i]);
                r = needed > 0 ? note_hidden(hidden, scope, points->items[i], points->items[i]) : needed;
        }
        return r;
}

/* A path that a probe reads, and all below it. */
static int
look_at_path(struct hidden *hidden, const struct scope *scope, const char *path)
{
        const char *point = own_view_point_within(hidden->view, path);
        if (own_view_differs(hidden->view, path))
                return note_hidden(hidden, scope, path, path);
        return point ? note_hidden(hidden, scope, path, point) : 0;
}

/* The same, as a scope has it. */
static int
look_at_escaped(struct hidden *hidden, const struct scope *scope, const char *escaped)
{
        _cleanup_free_ char *path = NULL;
        int r = unescape_new(escaped, &path);
        return r ? r : look_at_path(hidden, scope, path);
}

/* Another /proc is as good: whose values it shows, the probe finds out. */
static int
look_at_sysctl(struct hidden *hidden, const struct scope *scope)
{
        _cleanup_free_ char *root = NULL;
        int r = unescape_new(scope->paths.count ? scope->paths.items[0] : "/proc/sys", &root);
        if (r)
                return r;
        const struct mount *mount = mount_of_path(&hidden->view->ours, root);
        bool proc = mount && strcspn(mount->type, " ") == 4 && strncmp(mount->type, "proc", 4) == 0;
        return proc || !own_view_differs(hidden->view, root) ? 0 : note_hidden(hidden, scope, root, root);
}

static int
look_at_program(struct hidden *hidden, const struct scope *scope)
{
        static const char *const of_sshd[] = {"/etc/ssh"}, *const of_openssl[] = {"/etc/ssl", "/usr/lib/ssl"};
        bool sshd = scope->domain == SCOPE_SSHD;
        const char *const *paths = sshd ? of_sshd : of_openssl;
        size_t n = sshd ? ARRAY_SIZE(of_sshd) : ARRAY_SIZE(of_openssl);
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++)
                r = look_at_path(hidden, scope, paths[i]);
        for (size_t i = 0; i < scope->paths.count && r == 0; i++)
                r = look_at_escaped(hidden, scope, scope->paths.items[i]);
        if (r == 0 && scope->command)
                r = look_at_escaped(hidden, scope, scope->command);
        /* Of the libraries' folder as a whole: a unit may well hide /usr/lib/modules. */
        if (r == 0 && own_view_differs(hidden->view, "/usr/lib"))
                r = note_hidden(hidden, scope, "/usr/lib", "/usr/lib");
        return r;
}

static int
look_for_hidden(const struct instance *instance, struct hidden *hidden)
{
        int r = 0;
        for (size_t i = 0; i < judge_baselines(instance->judge); i++) {
                size_t n;
                const struct scope *scopes = baseline_scopes(judge_baseline(instance->judge, i), &n);
                for (size_t j = 0; j < n && r == 0; j++)
                        r = scopes[j].domain == SCOPE_FILES    ? look_at_files(hidden, scopes, n, &scopes[j])
                            : scopes[j].domain == SCOPE_SYSCTL ? look_at_sysctl(hidden, &scopes[j])
                                                               : look_at_program(hidden, &scopes[j]);
        }
        if (r == 0 && hidden->view->many && hidden->count++ == 0)
                snprintf(hidden->where, sizeof hidden->where,
                        "more than %u mounts are not those of the host: not all were compared",
                        OWN_VIEW_POINTS_MAX);
        return r;
}

/* When it begins and when it ends. */
static void
record_hidden(struct instance *instance)
{
        const struct problem *problem = &instance->problems[PROBLEM_HIDDEN];
        bool hidden = problem->count != 0;
        if (!instance->watching || hidden == instance->hidden_told)
                return;
        instance->hidden_told = hidden;
        instance_record(instance, "hidden", NULL,
                json_make("{s:I, s:s}", "count", (json_int)problem->count, "where", problem->where));
}

static int
set_problems(struct instance *instance, const struct own_view *view)
{
        static const char tail[] = ": not the host's own view";
        struct hidden hidden = {.view = view};
        _cleanup_buf_ struct buf names = {0};
        size_t count;
        int r = own_view_words(view, &names, &count);
        r = r ? r : look_for_hidden(instance, &hidden);
        if (r)
                return r;
        char where[sizeof instance->problems[0].where];
        int room = (int)(sizeof where - sizeof tail - sizeof "...");
        snprintf(where, sizeof where, "%.*s%s%s", room, names.data ? names.data : "",
                names.size > (size_t)room ? "..." : "", tail);
        instance_problem(instance, PROBLEM_OWN_VIEW, count, where,
                "the comments of driftd.service name the options that cause it");
        instance_problem(instance, PROBLEM_HIDDEN, hidden.count, hidden.where,
                "something else lies there than on the host (pid 1): unmount it, or change the unit's "
                "option");
        record_hidden(instance);
        return 0;
}

int
instance_look_at_view(struct instance *instance, struct err *err)
{
        _cleanup_own_view_ struct own_view view = {0};
        int r = own_view_read(OWN_VIEW_SELF, OWN_VIEW_HOST, &view);
        return r == 0 && set_problems(instance, &view) == 0 ? 0 : err_oom(err);
}
