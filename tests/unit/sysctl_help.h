/* SPDX-License-Identifier: MIT */
/* For tests of the sysctl probe: a scratch root with keys below proc/sys and files of configuration, and
 * looks at it. */
#pragma once

#include "core/probe.h"
#include "tests/unit/scratch_help.h"

static struct probe_reading reading;
static struct err look_err;

/* A file below the scratch root, with the folders that it needs. */
static inline const char *
put_below(const char *path, const char *text)
{
        char *full = at("%s", path);
        for (char *p = full + strlen(scratch) + 1; (p = strchr(p, '/')); *p++ = '/') {
                *p = '\0';
                ck_assert_msg(mkdir(full, 0755) == 0 || errno == EEXIST, "%s: %m", full);
        }
        return put(full, text);
}

static inline const char *
put_key(const char *key, const char *value)
{
        return put_below(at("proc/sys/%s", key) + strlen(scratch) + 1, value);
}

static inline int
look_with(
        const char *root, char *const *items, size_t n_items, unsigned timeout_ms, const atomic_bool *cancel)
{
        struct scope scope = {.domain = SCOPE_SYSCTL};
        struct probe_request request = {.scope = &scope,
                .items = items,
                .n_items = n_items,
                .timeout_ms = timeout_ms,
                .cancel = cancel};
        ck_assert_int_eq(text_list_add(&scope.paths, root, strlen(root)), 0);
        probe_reading_done(&reading);
        look_err = (struct err){0};
        int r = probe_read(&request, &reading, &look_err);
        scope_done(&scope);
        return r;
}

/* Of the whole scratch tree. */
static inline void
look(void)
{
        int r = look_with(at("proc/sys"), NULL, 0, 0, NULL);
        ck_assert_msg(r == 0, "%d: %s", r, look_err.text);
}

static inline const struct probe_setting *
setting(const char *key)
{
        char item[4096];
        snprintf(item, sizeof item, "sysctl:%s", key);
        return probe_find(&reading, item);
}

/* Never NULL, so that a missing one can be told in a message. */
static inline const char *
value_of(const char *key)
{
        const struct probe_setting *found = setting(key);
        return !found ? "(not there)" : found->value ? found->value : "(unknown)";
}

static inline const char *
configured_of(const char *key)
{
        const struct probe_setting *found = setting(key);
        return !found ? "(not there)" : found->configured ? found->configured : "(nothing)";
}

/* FILE:LINE below the scratch root. */
static inline const char *
source_of(const char *key)
{
        const struct probe_setting *found = setting(key);
        if (!found || !found->source)
                return "(nothing)";
        size_t size = strlen(scratch);
        ck_assert_int_eq(strncmp(found->source, scratch, size), 0);
        return found->source + size;
}

static inline void
look_teardown(void)
{
        probe_reading_done(&reading);
        scratch_remove();
}
