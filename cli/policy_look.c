/* SPDX-License-Identifier: MIT */
/*
 * This host, looked at for a pack: the probes are run here, by the scopes of the configuration, so that no
 * daemon is needed and what driftctl may read is what it says. A domain that the configuration switches off
 * is looked at all the same, with its defaults: who asks for a check wants the answer.
 *
 * Waivers are signed, so they come from the daemon, which verified them; without one nothing is waived.
 */
#include <string.h>

#include "cli/policy.h"
#include "cli/transfer.h"
#include "core/clock.h"

/* The scope of a domain; `ret_defaults` is to be freed once it is no longer used. */
static const struct scope *
scope_of(const struct config *config, enum scope_domain domain, struct config **ret_defaults, struct err *err)
{
        static const char every[] = "[sysctl]\n[sshd]\n[openssl]\n";
        for (size_t i = 0; i < config->n_scopes; i++)
                if (config->scopes[i].domain == domain)
                        return &config->scopes[i];
        if (*ret_defaults || config_parse("the defaults", every, strlen(every), ret_defaults, err) < 0)
                return NULL;
        return scope_of(*ret_defaults, domain, ret_defaults, err);
}

/* The items that the pack names of a domain: certificates are read only where they are named. */
static int
name_items(const struct policy *policy, enum scope_domain domain, struct text_list *ret)
{
        size_t n;
        const struct policy_check *checks = policy_checks(policy, &n);
        for (size_t i = 0; i < n; i++) {
                struct setting_condition condition = {0};
                const struct setting *line = &checks[i].line;
                int r = 0;
                if (setting_domain(line->item) != (int)domain)
                        continue;
                r = text_list_add(ret, line->item, strlen(line->item));
                if (r == 0 && line->condition)
                        r = setting_condition_parse(line->condition, line->item, &condition, NULL);
                if (r == 0 && condition.item)
                        r = text_list_add(ret, condition.item, strlen(condition.item));
                setting_condition_done(&condition);
                if (r)
                        return r;
        }
        return 0;
}

static int
look_at(struct cli *cli, const struct policy *policy, enum scope_domain domain, const char *helpers,
        struct policy_view *view, struct err *err)
{
        _cleanup_(config_freep) struct config *defaults = NULL;
        _cleanup_(text_list_done) struct text_list items = {0};
        struct err *why = &view->failures[domain];
        struct probe_request request = {.helpers = helpers};
        if (domain == SCOPE_OPENSSL && name_items(policy, domain, &items) < 0)
                return failed_oom(err);
        request.items = items.items;
        request.n_items = items.count;
        request.scope = scope_of(cli->config, domain, &defaults, err);
        if (!request.scope)
                return EXIT_FAILED;
        int r = probe_read(&request, &view->readings[domain], why);
        if (r < 0) {
                *err = *why;
                return EXIT_FAILED;
        }
        if (r == 0)
                view->host.readings[domain] = &view->readings[domain];
        else
                view->host.failures[domain] = why->text;
        return 0;
}

/* The waivers of the active baseline of the pack's name, if a daemon tells. */
static void
find_waivers(struct cli *cli, const struct policy *policy, struct policy_view *view)
{
        _cleanup_signed_ struct signed_text text = {0};
        struct err ignored = {0};
        if (cli->client || client_open_daemon(cli->config, &cli->client, &ignored))
                return;
        if (signed_text_fetch(cli, policy_name(policy), 0, &text, &ignored))
                return; /* none is active */
        view->baseline = steal_pointer(&text.baseline);
        view->host.waivers = baseline_waivers(view->baseline, &view->host.n_waivers);
}

int
policy_look(struct cli *cli, const struct policy *policy, struct policy_view *ret, struct err *err)
{
        _cleanup_free_ char *helpers = probe_helpers();
        int r = cli_config(cli, err);
        if (!helpers)
                return failed_oom(err);
        for (int domain = SCOPE_SYSCTL; domain < SCOPE_DOMAIN_COUNT && r == 0; domain++)
                if (policy_needs(policy, (enum scope_domain)domain))
                        r = look_at(cli, policy, (enum scope_domain)domain, helpers, ret, err);
        if (r)
                return r;
        ret->host.now_ms = clock_now_ms();
        find_waivers(cli, policy, ret);
        return 0;
}

void
policy_view_done(struct policy_view *view)
{
        for (size_t i = 0; i < SCOPE_DOMAIN_COUNT; i++)
                probe_reading_done(&view->readings[i]);
        view->baseline = baseline_free(view->baseline);
}
