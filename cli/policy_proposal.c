/* SPDX-License-Identifier: MIT */
/*
 * From a pack to a proposal: its lines, under scopes that do not close their domains. The generation follows
 * on the active one of that name.
 */
#include "cli/policy_proposal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/proposal.h"

int
policy_option(struct cli *cli, const struct text_list *items, struct policy **ret, struct err *err)
{
        const char *pack = args_value(&cli->args, "policy");
        if (!pack)
                return 0;
        if (items->count)
                return cli_usage(cli, err, "--policy takes the pack whole: no items stand beside it");
        return policy_find(cli, pack, ret, err);
}

/* The active generation of the name, if there is one. */
static int
fetch_parent(struct cli *cli, const char *name, struct signed_text *ret, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(cli, "ListBaselines", json_make("{s:s}", "name", name), &reply, err);
        bool active = false;
        json_each (json_member(reply, "baselines"), i, row)
                active = active || json_flag(row, "active");
        return r || !active ? r : signed_text_fetch(cli, name, 0, ret, err);
}

static int
scopes_of(struct cli *cli, const struct policy *policy, struct scope *scopes, size_t *ret_n, struct err *err)
{
        size_t n = 0;
        for (enum scope_domain domain = SCOPE_SYSCTL; domain < SCOPE_DOMAIN_COUNT; domain++) {
                if (!policy_needs(policy, domain))
                        continue;
                struct scope *scope = &scopes[n++];
                int r = config_probe_scope(cli->config, domain, scope, err);
                *ret_n = n;
                if (r)
                        return EXIT_FAILED;
                /* What the host's own baseline leaves out, a policy may still name. */
                text_list_done(&scope->excludes);
                scope->excludes = (struct text_list){0};
                scope->severity = SEVERITY_MEDIUM;
                scope->named_only = true;
        }
        return 0;
}

static int
make(const struct policy *policy, const struct proposal_wish *wish, const struct baseline *parent,
        const struct scope *scopes, size_t n_scopes, struct baseline **ret, struct err *err)
{
        _cleanup_buf_ struct buf lines = {0}, text = {0};
        _cleanup_free_ char *ticket = wish->ticket && *wish->ticket && strcmp(wish->ticket, "none") != 0
                                              ? escape_new(wish->ticket, strlen(wish->ticket))
                                              : NULL;
        struct proposal_request request = {
                .name = policy_name(policy),
                .host = "*",
                .parent = parent,
                .generation = parent ? baseline_header(parent)->generation + 1 : 1,
                .scopes = scopes,
                .n_scopes = n_scopes,
                .author = wish->author,
                .ticket = ticket,
                .now_ms = clock_now_ms() / 1000 * 1000,
                .expires_ms = wish->expires_ms ? wish->expires_ms / 1000 * 1000 : INT64_MAX,
        };
        int class = wish->class ? name_index(class_names, CLASS_COUNT, wish->class, strlen(wish->class))
                                : CLASS_NORMAL;
        if (class < 0) {
                err_set(err, EXIT_FAILED, "the class is not one of ours");
                return err_hint(err, EXIT_FAILED, "standard, normal or urgent");
        }
        request.class = (enum baseline_class) class;
        if (policy_settings(policy, &lines) < 0)
                return failed_oom(err);
        request.policy = lines.data ? lines.data : "";
        if (proposal_make(&request, &text, err))
                return EXIT_FAILED;
        size_t size = text.size;
        char *bytes = buf_steal(&text);
        if (!bytes)
                return failed_oom(err);
        return baseline_open(bytes, size, ret, err) ? EXIT_FAILED : 0;
}

int
policy_proposal(struct cli *cli, const struct policy *policy, const struct proposal_wish *wish,
        struct baseline **ret, struct err *err)
{
        _cleanup_signed_ struct signed_text parent = {0};
        struct scope scopes[SCOPE_DOMAIN_COUNT] = {0};
        size_t n = 0;
        int r = fetch_parent(cli, policy_name(policy), &parent, err);
        r = r ? r : scopes_of(cli, policy, scopes, &n, err);
        r = r ? r : make(policy, wish, parent.baseline, scopes, n, ret, err);
        for (size_t i = 0; i < n; i++)
                scope_done(&scopes[i]);
        return r;
}

int
policy_disagreement(struct cli *cli, const struct policy *policy, struct err *err)
{
        struct policy_view view = {0};
        struct policy_result *results = NULL;
        size_t n;
        policy_checks(policy, &n);
        int r = policy_look(cli, policy, &view, err);
        if (r == 0 && policy_judge(policy, &view.host, &results) < 0)
                r = failed_oom(err);
        if (r == 0 && policy_exit(results, n) != EXIT_CLEAN) {
                policy_print(cli, policy, results);
                cli_next(cli,
                        "mend it as shown, or excuse an item for a time: driftctl waive ITEM --baseline %s "
                        "--until +30d "
                        "--reason …",
                        policy_name(policy));
        }
        policy_results_free(results, n);
        policy_view_done(&view);
        return r;
}
