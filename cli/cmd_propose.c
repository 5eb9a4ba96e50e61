/* SPDX-License-Identifier: MIT */
/* driftctl propose and waive: proposals are text, to be reviewed and signed by people; nothing is in force by
 * them. */
#include <string.h>

#include "cli/cli.h"
#include "cli/policy_proposal.h"
#include "cli/revision.h"
#include "cli/transfer.h"
#include "cli/watched.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/quote.h"

static int
proposal_document(struct cli *cli, const struct baseline *baseline, const char *file, struct err *err)
{
        const struct baseline_header *header = baseline_header(baseline);
        char id[DIGEST_HEX_SIZE], parent[DIGEST_HEX_SIZE];
        _cleanup_buf_ struct buf copy = {0};
        _cleanup_free_ char *name = file ? escape_new(file, strlen(file)) : NULL;
        if (!file && baseline_text_append(baseline, &copy) < 0)
                return failed_oom(err);
        digest_hex(baseline_id(baseline), id);
        digest_hex(&header->parent, parent);
        return cli_document(cli,
                json_make("{s:s, s:s, s:I, s:s, s:s?, s:s?, s:s?}", "schema", "driftd.proposal/1", "name",
                        header->name, "generation", (json_int)header->generation, "id", id, "parent",
                        header->has_parent ? parent : NULL, "file", name, "text", copy.data),
                err);
}

/* To -o FILE or standard output; then what comes next. */
static int
deliver(struct cli *cli, const struct baseline *baseline, struct err *err)
{
        const char *file = args_value(&cli->args, "output");
        char label[96], id[DIGEST_HEX_SIZE];
        size_t n_settings;
        int r = file || !cli->json ? output_baseline(file, baseline, err) : 0;
        if (r || cli->json)
                return r ? r : proposal_document(cli, baseline, file, err);
        digest_hex(baseline_id(baseline), id);
        baseline_settings(baseline, &n_settings);
        cli_note(cli, "%s proposed: %zu files, %zu settings, id %s",
                baseline_label(baseline_header(baseline), label), baseline_files(baseline), n_settings, id);
        if (file)
                cli_note(cli, "Next: driftctl review %s · driftctl sign %s --key K · driftctl apply %s",
                        quote(file), quote(file), quote(file));
        return 0;
}

/* What every proposal needs: who and for what. */
static int
propose(struct cli *cli, struct proposal_wish *wish, const struct policy *policy, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *baseline = NULL;
        int r = cli_author(cli, wish->author, err);
        if (r) {
                json_free(wish->waivers);
                return r;
        }
        r = policy ? policy_proposal(cli, policy, wish, &baseline, err)
                   : proposal_fetch(cli, wish, NULL, &baseline, err);
        r = r ? r : watched_check_proposal(wish->items, baseline, err);
        r = r ? r : deliver(cli, baseline, err);
        bool free_to_tell = args_given(&cli->args, "output") && !cli->json && !cli->quiet;
        return r || !policy || !free_to_tell ? r : policy_disagreement(cli, policy, err);
}

int
command_propose(struct cli *cli, struct err *err)
{
        _cleanup_(text_list_done) struct text_list items = {0};
        _cleanup_(policy_freep) struct policy *policy = NULL;
        struct proposal_wish wish = {.name = "host", .items = &items};
        int r = cli_items(cli, 0, &items, err);
        r = r ? r : proposal_wish_options(cli, &wish, err);
        r = r ? r : policy_option(cli, &items, &policy, err);
        return r ? r : propose(cli, &wish, policy, err);
}

static int
waiver_options(struct cli *cli, int64_t *ret_until_ms, struct err *err)
{
        const char *reason = args_value(&cli->args, "reason"), *baseline = args_value(&cli->args, "baseline");
        int r = cli_time(cli, "until", 0, ret_until_ms, err);
        r = r ? r : cli_text("--reason", reason, err);
        if (r)
                return r;
        if (!args_given(&cli->args, "until") || !reason || !*reason)
                return cli_usage(cli, err, "a waiver needs an end (--until) and a reason (--reason)");
        if (*ret_until_ms <= clock_now_ms()) {
                err_set(err, EXIT_FAILED, "--until %s is past", quote(args_value(&cli->args, "until")));
                return err_hint(err, EXIT_FAILED, "--until +14d, or a date to come");
        }
        if (baseline && !name_is_valid(baseline, strlen(baseline)))
                return err_set(err, EXIT_FAILED, "--baseline %s is no name", quote(baseline));
        return 0;
}

int
command_waive(struct cli *cli, struct err *err)
{
        _cleanup_(text_list_done) struct text_list items = {0};
        struct proposal_wish wish = {.name = "host"};
        const char *baseline = args_value(&cli->args, "baseline");
        char author[NAME_MAX_SIZE];
        int64_t until_ms;
        int r = cli_items(cli, 0, &items, err);
        r = r ? r : waiver_options(cli, &until_ms, err);
        r = r ? r : proposal_wish_options(cli, &wish, err);
        r = r ? r : cli_author(cli, author, err);
        if (r)
                return r;
        wish.waivers = json_make("[{s:s, s:s, s:I, s:s, s:s}]", "baseline", baseline ? baseline : "host",
                "item", items.items[0], "until_ms", (json_int)until_ms, "by", author, "reason",
                args_value(&cli->args, "reason"));
        return wish.waivers ? propose(cli, &wish, NULL, err) : failed_oom(err);
}

int
command_baseline_retire(struct cli *cli, struct err *err)
{
        const char *name = cli->args.words[0];
        struct proposal_wish wish = {.name = name, .retire = true};
        if (!name_is_valid(name, strlen(name))) {
                err_set(err, EXIT_FAILED, "%s is no name of a baseline", quote(name));
                return err_hint(err, EXIT_FAILED, "driftctl baseline list shows them");
        }
        int r = proposal_wish_options(cli, &wish, err);
        return r ? r : propose(cli, &wish, NULL, err);
}
