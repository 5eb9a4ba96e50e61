/* SPDX-License-Identifier: MIT */
/*
 * From folds to groups of a ballot. The ledger knows what was vouched for, the proposal what would be signed;
 * they are two looks, and only where both say the same is the one the other's group. So a file that changed
 * again between them stands by itself, where a person sees it.
 */
#include "cli/package_group.h"

#include <string.h>

void
package_groups_done(struct package_groups *groups)
{
        folds_done(&groups->folds);
        free(groups->by_item);
        free(groups->fold_of);
        json_free(groups->drifts);
        *groups = (struct package_groups){0};
}

struct taking {
        struct json *drifts;
        const char *baseline;
};

static int
take_drifts(void *userdata, const struct json *parameters, bool continues)
{
        struct taking *taking = userdata;
        (void)continues;
        json_each (json_member(parameters, "drifts"), i, drift) {
                const char *baseline = json_text(drift, "baseline");
                if (baseline && json_text(drift, "item") && strcmp(baseline, taking->baseline) == 0 &&
                        json_push(taking->drifts, json_make("O", drift)) < 0)
                        return EXIT_FAILED;
        }
        return 0;
}

static int
compare_items(const void *left, const void *right)
{
        return strcmp(json_text(*(const struct json *const *)left, "item"),
                json_text(*(const struct json *const *)right, "item"));
}

/* What is sorted carries no numbers: the fold of a drift is found by where the drift stood. */
static int
sort_folded(struct package_groups *groups)
{
        size_t all = json_length(groups->drifts);
        groups->by_item = calloc(all + 1, sizeof *groups->by_item);
        groups->fold_of = calloc(all + 1, sizeof *groups->fold_of);
        if (!groups->by_item || !groups->fold_of)
                return -1;
        json_each (groups->drifts, i, drift) {
                if (!groups->folds.of[i])
                        continue;
                /* They come sorted by item; a source that does not sort loses its groups, nothing else. */
                if (groups->n && compare_items(&groups->by_item[groups->n - 1], &drift) >= 0)
                        continue;
                groups->fold_of[groups->n] = groups->folds.of[i] - 1;
                groups->by_item[groups->n++] = drift;
        }
        return 0;
}

int
package_groups_fetch(struct cli *cli, const struct text_list *items, const char *baseline,
        struct package_groups *ret, struct err *err)
{
        struct package_groups groups = {.drifts = json_array_make()};
        struct taking taking = {groups.drifts, baseline};
        if (!groups.drifts)
                return failed_oom(err);
        int r = client_call(cli->client, "Diff",
                json_make("{s:o, s:b, s:b}", "items", text_list_json(items), "cached", true, "full", false),
                take_drifts, &taking, err);
        if (r == 0 && (folds_make(groups.drifts, &groups.folds) < 0 || sort_folded(&groups) < 0))
                r = failed_oom(err);
        if (r)
                package_groups_done(&groups);
        else
                *ret = groups;
        return r;
}

struct comparing {
        const struct json *drift;
        size_t same, other;
};

/* Of one attribute: the drift must have seen what would be signed. */
static int
compare_attribute(void *userdata, const char *name, const char *before, const char *after)
{
        struct comparing *comparing = userdata;
        (void)before;
        json_each (json_member(comparing->drift, "attributes"), i, attribute) {
                const char *is = json_text(attribute, "name"), *actual = json_text(attribute, "actual");
                if (!is || strcmp(is, name) != 0)
                        continue;
                bool same = actual && after ? strcmp(actual, after) == 0 : actual == after;
                comparing->same += same;
                comparing->other += !same;
                return 0;
        }
        comparing->other++;
        return 0;
}

size_t
package_group_of(const struct package_groups *groups, const struct revisions *revisions,
        const struct revision *revision, const char *item)
{
        size_t low = 0, high = groups->n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(json_text(groups->by_item[middle], "item"), item) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (revision->kind != REVISION_FILE || low == groups->n ||
                strcmp(json_text(groups->by_item[low], "item"), item) != 0)
                return groups->folds.n;
        struct comparing comparing = {.drift = groups->by_item[low]};
        int r = revision_attributes(revisions, revision, compare_attribute, &comparing);
        return r == 0 && comparing.same && !comparing.other ? groups->fold_of[low] : groups->folds.n;
}
