/* SPDX-License-Identifier: MIT */
/*
 * Causes of drifts. They come from elsewhere and late: the drift is recorded first and explained afterwards.
 * So a cause is taken only for the form of a drift that it was found for; what was seen to change since has
 * none.
 */
#include <errno.h>
#include <string.h>

#include "core/instance_internal.h"

struct gathering {
        int64_t since_ms;
        size_t max, n, capacity;
        struct package_drift *list;
};

/*
 * What the drift observed of the content; false: it says nothing of it. Found as text, for this is done of
 * many drifts at once in the loop: a quote within a string is escaped, so these bytes are only ever the
 * member itself.
 */
static bool
observed_content(const struct drift *drift, struct digest *ret)
{
        static const char member[] = "{\"name\":\"content\",\"expected\":", side[] = ",\"actual\":\"";
        const char *at = strstr(drift->attributes, member);
        const char *end = at ? strchr(at, '}') : NULL;
        at = at ? strstr(at, side) : NULL;
        if (!at || !end || at > end)
                return false;
        at += sizeof side - 1;
        return digest_parse(at, strcspn(at, "\""), ret) == 0;
}

/* The list grows as it must: to count them first would go through all of them twice. */
static int
gather_grow(struct gathering *gathering)
{
        if (gathering->n < gathering->capacity)
                return 0;
        size_t capacity = gathering->capacity ? 2 * gathering->capacity : 64;
        void *grown = reallocarray(gathering->list, capacity, sizeof *gathering->list);
        if (!grown)
                return -ENOMEM;
        gathering->list = grown;
        gathering->capacity = capacity;
        return 0;
}

static int
gather_drift(void *userdata, struct drift *drift)
{
        struct gathering *gathering = userdata;
        if (drift->cause || drift->last_change_ms < gathering->since_ms || drift->change == CHANGE_UNKNOWN ||
                gathering->n == gathering->max)
                return 0;
        if (gather_grow(gathering) < 0)
                return -ENOMEM;
        struct package_drift *one = &gathering->list[gathering->n++];
        *one = (struct package_drift){0};
        one->baseline = strdup(drift->baseline);
        one->item = strdup(drift->item);
        if (!one->baseline || !one->item)
                return -ENOMEM;
        memcpy(one->observed, drift->observed, sizeof one->observed);
        one->change = drift->change;
        one->last_change_ms = drift->last_change_ms;
        one->has_content = observed_content(drift, &one->content);
        return 0;
}

int
instance_uncaused(
        struct instance *instance, int64_t since_ms, size_t max, struct package_drift **ret, size_t *ret_n)
{
        struct gathering gathering = {.since_ms = since_ms, .max = max};
        int r = judge_each(instance->judge, gather_drift, &gathering);
        if (r < 0) {
                package_drifts_free(gathering.list, gathering.n);
                return r;
        }
        *ret = gathering.list;
        *ret_n = gathering.n;
        return 0;
}

struct giving {
        struct instance *instance;
        const struct package_drift *found;
};

static int
give_cause(void *userdata, struct drift *drift)
{
        struct giving *giving = userdata;
        const struct package_drift *found = giving->found;
        if (drift->cause || drift->change != found->change || strcmp(drift->observed, found->observed) != 0 ||
                drift->last_change_ms != found->last_change_ms)
                return 0;
        drift->cause = strdup(found->cause);
        if (drift->cause)
                instance_row(giving->instance, drift);
        return 0;
}

void
instance_caused(struct instance *instance, const struct package_drift *list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct giving giving = {instance, &list[i]};
                int r = 0;
                if (list[i].cause)
                        judge_find(instance->judge, list[i].baseline, list[i].item, give_cause, &giving, &r);
        }
}
