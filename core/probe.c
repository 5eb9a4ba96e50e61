/* SPDX-License-Identifier: MIT */
/* The table of probes, and what is the same for all: readings, their order, and where the helpers are. */
#include "core/probe.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/probe_internal.h"

#ifndef DRIFTD_LIBEXECDIR
#define DRIFTD_LIBEXECDIR "/usr/local/libexec/driftd"
#endif

static const struct probe probes[] = {
        {SCOPE_SYSCTL, .interval_s = 60, .named_interval_s = 5, .read = probe_sysctl},
        {SCOPE_SSHD, .interval_s = 300, .read = probe_sshd},
        {SCOPE_OPENSSL, .interval_s = 300, .read = probe_openssl},
};

const struct probe *
probe_of(enum scope_domain domain)
{
        for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
                if (probes[i].domain == domain)
                        return &probes[i];
        return NULL;
}

/* ---- readings ---- */

void
probe_setting_done(struct probe_setting *setting)
{
        free(setting->item);
        free(setting->value);
        free(setting->configured);
        free(setting->source);
        free(setting->overridden);
        free(setting->overridden_source);
        free(setting->after_restart);
        free(setting->reason);
        *setting = (struct probe_setting){0};
}

void
probe_reading_done(struct probe_reading *reading)
{
        for (size_t i = 0; i < reading->count; i++)
                probe_setting_done(&reading->list[i]);
        free(reading->list);
        free(reading->incomplete);
        text_list_done(&reading->watched);
        *reading = (struct probe_reading){0};
}

static bool
is_power_of_two(size_t n)
{
        return (n & (n - 1)) == 0;
}

int
probe_add(struct probe_reading *reading, const struct probe_setting *setting)
{
        struct probe_setting own = *setting;
        if (is_power_of_two(reading->count)) { /* full: room for as many again */
                size_t room = reading->count ? 2 * reading->count : 1;
                struct probe_setting *grown = reallocarray(reading->list, room, sizeof *grown);
                if (!grown) {
                        probe_setting_done(&own);
                        return -ENOMEM;
                }
                reading->list = grown;
        }
        reading->list[reading->count++] = own;
        if (own.item && (own.value || own.reason))
                return 0;
        return -ENOMEM; /* a text of it could not be made */
}

static int
compare_settings(const void *a, const void *b)
{
        return strcmp(((const struct probe_setting *)a)->item, ((const struct probe_setting *)b)->item);
}

const struct probe_setting *
probe_find(const struct probe_reading *reading, const char *item)
{
        struct probe_setting key = {.item = (char *)(uintptr_t)item};
        return reading->count
                       ? bsearch(&key, reading->list, reading->count, sizeof *reading->list, compare_settings)
                       : NULL;
}

int
probe_read(const struct probe_request *request, struct probe_reading *ret, struct err *err)
{
        const struct probe *probe = probe_of(request->scope->domain);
        if (!probe)
                return err_set(err, PROBE_FAILED, "there is no probe for %s",
                        scope_domain_names[request->scope->domain]);
        int r = probe->read(request, ret, err);
        if (r)
                return r == -ENOMEM ? err_oom(err) : r;
        if (ret->count > PROBE_SETTINGS_MAX)
                return err_set(err, PROBE_FAILED, "more than %u settings", PROBE_SETTINGS_MAX);
        if (ret->count)
                qsort(ret->list, ret->count, sizeof *ret->list, compare_settings);
        for (size_t i = 1; i < ret->count; i++)
                if (strcmp(ret->list[i - 1].item, ret->list[i].item) == 0)
                        return err_set(err, PROBE_FAILED, "%.300s was given twice", ret->list[i].item);
        return 0;
}

/* ---- helpers ---- */

char *
probe_helpers(void)
{
        char path[PATH_MAX];
        ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
        char *slash = size > 0 ? memrchr(path, '/', (size_t)size) : NULL;
        if (!slash)
                return strdup(DRIFTD_LIBEXECDIR);
        *slash = '\0';
        /* Where the programs were built, the helpers lie beside them. */
        _cleanup_free_ char *beside = NULL;
        if (asprintf(&beside, "%s/driftd-openssl", path) < 0)
                return NULL;
        return access(beside, X_OK) == 0 ? strdup(path) : strdup(DRIFTD_LIBEXECDIR);
}
