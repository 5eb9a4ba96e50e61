/* SPDX-License-Identifier: MIT */
/* What happened since the start, in numbers: kept where records are queued, so that nobody else has to count.
 */
#include "core/instance_internal.h"

#include <string.h>

#include "core/clock.h"
#include "core/setting.h"

static const char *const pass_names[] = {"quick", "full"};

enum scope_domain
drift_domain(const char *item)
{
        int domain = strncmp(item, "file:", 5) == 0 ? -1 : setting_domain(item); /* nearly all are files */
        return domain < 0 ? SCOPE_FILES : (enum scope_domain)domain;
}

void
instance_telemetry_take(struct instance *instance, const char *kind, const struct json *detail)
{
        struct instance_telemetry *telemetry = &instance->telemetry;
        const char *pass = json_text(detail, "pass");
        if (strcmp(kind, "overflow") == 0)
                telemetry->overflows++;
        if (strcmp(kind, "scan") != 0 || !pass)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(pass_names); i++)
                if (strcmp(pass, pass_names[i]) == 0) {
                        telemetry->passes[i].ended_ms = clock_now_ms();
                        telemetry->passes[i].took_ms = json_number(detail, "ms");
                }
}

void
instance_probe_failed(struct instance *instance, enum scope_domain domain)
{
        instance->telemetry.probe_failures[domain]++;
}

static struct json *
open_json(const struct drift_counts *counts)
{
        struct json *list = json_array_make();
        for (enum scope_domain domain = 0; list && domain < SCOPE_DOMAIN_COUNT; domain++) {
                const uint64_t *n = counts->by_domain[domain];
                json_gather(&list, json_make("{s:s, s:I, s:I, s:I}", "domain",
                                           domain == SCOPE_FILES ? "file" : scope_domain_names[domain],
                                           "high", (json_int)n[SEVERITY_HIGH], "medium",
                                           (json_int)n[SEVERITY_MEDIUM], "low", (json_int)n[SEVERITY_LOW]));
        }
        return list;
}

static struct json *
failures_json(const struct instance_telemetry *telemetry)
{
        struct json *list = json_array_make();
        for (enum scope_domain domain = SCOPE_FILES + 1; list && domain < SCOPE_DOMAIN_COUNT; domain++)
                json_gather(&list, json_make("{s:s, s:I}", "domain", scope_domain_names[domain], "count",
                                           (json_int)telemetry->probe_failures[domain]));
        return list;
}

static struct json *
passes_json(const struct instance_telemetry *telemetry)
{
        struct json *list = json_array_make();
        for (size_t i = 0; list && i < ARRAY_SIZE(pass_names); i++)
                json_gather(&list, json_make("{s:s, s:o, s:I}", "pass", pass_names[i], "ended",
                                           clock_json(telemetry->passes[i].ended_ms), "ms",
                                           (json_int)telemetry->passes[i].took_ms));
        return list;
}

struct json *
instance_telemetry_json(struct instance *instance, const struct drift_counts *counts)
{
        const struct instance_telemetry *telemetry = &instance->telemetry;
        uint64_t dropped = telemetry->overflows + instance_dropped(instance);
        return json_make("{s:o, s:o, s:I, s:I, s:o}", "open", open_json(counts), "passes",
                passes_json(telemetry), "overflows", (json_int)telemetry->overflows, "dropped",
                (json_int)dropped, "probe_failures", failures_json(telemetry));
}
