/* SPDX-License-Identifier: MIT */
/*
 * Whether what was named is watched at all. For a diff the active baselines are asked, by Show, item by item:
 * few are named, and a file of its own is looked at fast. Only where Show says that no scope covers it can it
 * still be a folder above scopes: then the scopes themselves are read.
 *
 * Owns nothing. Must not judge: it adds to an answer that something was not looked at, never that it is clean.
 */
#include "cli/watched.h"

#include <errno.h>
#include <string.h>

#include "cli/transfer.h"

static bool
is_glob(const char *item)
{
        return strpbrk(item, "*?") != NULL;
}

/* Whether path is strictly below an item that is a folder. */
static bool
is_below(const char *item, const char *path)
{
        size_t size = strlen(item);
        if (strncmp(item, "file:", 5) != 0)
                return false;
        item += 5;
        size -= 5;
        return strcmp(item, "/") == 0 || (strncmp(path, item, size) == 0 && path[size] == '/');
}

bool
watched_by(const struct baseline *baseline, const char *item)
{
        size_t n;
        const struct scope *scopes = baseline_scopes(baseline, &n);
        if (scope_for_item(scopes, n, item))
                return true;
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; scopes[i].domain == SCOPE_FILES && j < scopes[i].paths.count; j++)
                        if (is_below(item, scopes[i].paths.items[j]))
                                return true;
        return false;
}

/* ---- a diff's items ---- */

static bool
has_drift(const struct json *drifts, const char *item)
{
        json_each (drifts, i, drift) {
                const char *name = json_text(drift, "item");
                if (name && strcmp(name, item) == 0)
                        return true;
        }
        return false;
}

/* A folder above scopes is covered by what is below it. */
static int
is_above_scopes(struct cli *cli, const struct json *document, const char *item, bool *ret, struct err *err)
{
        *ret = false;
        json_each (json_member(document, "baselines"), i, row) {
                _cleanup_signed_ struct signed_text text = {0};
                const char *name = json_text(row, "name");
                int r = signed_text_fetch(
                        cli, name ? name : "", (uint64_t)json_number(row, "generation"), &text, err);
                if (r)
                        return r;
                *ret = *ret || watched_by(text.baseline, item);
        }
        return 0;
}

static bool
is_expected(const struct json *show)
{
        bool expected = false;
        json_each (json_member(show, "baselines"), i, baseline)
                expected = expected || !json_is_null(json_member(baseline, "expected"));
        return expected;
}

static int
add_problem(struct json *document, const char *item)
{
        struct json *coverage = (struct json *)(uintptr_t)json_member(document, "coverage"),
                    *problems = (struct json *)(uintptr_t)json_member(coverage, "problems");
        const char *verdict = json_text(document, "verdict");
        int r = json_push(problems,
                json_make("{s:s, s:i, s:s, s:s, s:b}", "kind", "not_covered", "count", 1, "where", item, "hint",
                        "no scope covers it, so nobody looked: check the spelling, or add it to the configuration "
                        "and bless",
                        "lowers_coverage", 1));
        r = r ? r : json_put(coverage, "complete", json_make("b", 0));
        if (r == 0 && verdict && strcmp(verdict, "clean") == 0)
                r = json_put(document, "verdict", json_string_new("incomplete"));
        return r;
}

static int
check_item(struct cli *cli, const char *item, struct json *document, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        bool above = false;
        int r = cli_call(cli, "Show", json_make("{s:s}", "item", item), &reply, err);
        const struct json *show = json_member(reply, "show");
        if (r == 0 && !json_flag(show, "covered")) {
                r = is_above_scopes(cli, document, item, &above, err);
                if (r || above)
                        return r;
                return add_problem(document, item) < 0 ? failed_oom(err) : 0;
        }
        const char *state = json_text(show, "state");
        if (r == 0 && state && strcmp(state, "gone") == 0 && !is_expected(show))
                cli_note(cli, "note: %s is not there, and nothing is expected there: is it spelled right?", item);
        return r;
}

int
watched_check_answer(struct cli *cli, const struct text_list *items, const struct json *drifts,
        struct json *document, struct err *err)
{
        if (!json_length(json_member(document, "baselines")))
                return 0; /* that there is none says enough */
        for (size_t i = 0; i < items->count; i++) {
                const char *item = items->items[i];
                int r = is_glob(item) || has_drift(drifts, item) ? 0 : check_item(cli, item, document, err);
                if (r)
                        return r;
        }
        return 0;
}

/* ---- a proposal's items ---- */

int
watched_check_proposal(const struct text_list *items, const struct baseline *proposal, struct err *err)
{
        for (size_t i = 0; items && i < items->count; i++) {
                if (is_glob(items->items[i]) || watched_by(proposal, items->items[i]))
                        continue;
                err_set(err, EXIT_FAILED, "no scope covers %.700s", items->items[i]);
                return err_hint(err, EXIT_FAILED,
                        "check the spelling (driftctl show ITEM), or add it to a [files NAME] of the configuration");
        }
        return 0;
}
