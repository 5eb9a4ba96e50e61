/* SPDX-License-Identifier: MIT */
/*
 * Whether what was named is there at all. That no scope covers an item is said by the diff itself (a problem
 * not_covered); one that a scope covers, and that is neither there nor expected, is mostly misspelt: for that
 * Show is asked, item by item, for few are named.
 *
 * Owns nothing. Must not judge: it adds a note to an answer, never that it is clean.
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

static bool
is_expected(const struct json *show)
{
        bool expected = false;
        json_each (json_member(show, "baselines"), i, baseline)
                expected = expected || !json_is_null(json_member(baseline, "expected"));
        return expected;
}

static int
check_item(struct cli *cli, const char *item, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(cli, "Show", json_make("{s:s}", "item", item), &reply, err);
        const struct json *show = json_member(reply, "show");
        const char *state = json_text(show, "state");
        if (r == 0 && state && json_flag(show, "covered") && strcmp(state, "gone") == 0 && !is_expected(show))
                cli_note(cli, "note: %s is not there, and nothing is expected there: is it spelled right?",
                        item);
        return r;
}

int
watched_check_answer(struct cli *cli, const struct text_list *items, const struct json *drifts,
        const struct json *document, struct err *err)
{
        if (!json_length(json_member(document, "baselines")))
                return 0; /* that there is none says enough */
        for (size_t i = 0; i < items->count; i++) {
                const char *item = items->items[i];
                int r = is_glob(item) || has_drift(drifts, item) ? 0 : check_item(cli, item, err);
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
                        "check the spelling (driftctl show ITEM), or add it to a [files NAME] of the "
                        "configuration");
        }
        return 0;
}
