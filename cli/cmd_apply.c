/* SPDX-License-Identifier: MIT */
/* driftctl apply: a signed baseline goes to the daemon, which alone decides whether it is taken. */
#include "cli/apply.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/window_file.h"
#include "core/quote.h"

static void
print_applied(struct cli *cli, const struct json *reply, const char *more)
{
        const char *name = json_text(reply, "name"), *id = json_text(reply, "id");
        print_colored(&cli->out, COLOR_GREEN, "%s@%lld", name ? name : "?", json_number(reply, "generation"));
        print(&cli->out, "%s signed by ", json_flag(reply, "reviewed") ? ", in force already," : "");
        json_each (json_member(reply, "signers"), i, signer) {
                const char *who = json_string_of(signer);
                print(&cli->out, "%s%s", i ? ", " : "", who ? who : "?");
        }
        print(&cli->out, "%s\n", more);
        if (!cli->quiet)
                print(&cli->out, "id %s\n", id ? id : "?");
        if (json_flag(reply, "adopted"))
                print_colored(&cli->out, COLOR_YELLOW,
                        "adopted: the store knew no generation before it; the next signed apply confirms "
                        "it\n");
        if (json_flag(reply, "review_due"))
                print_colored(&cli->out, COLOR_YELLOW,
                        "applied by the urgent threshold: a review by %s is due\n",
                        json_flag(reply, "reviewed") ? "more of the others" : "the others");
        else if (json_flag(reply, "reviewed"))
                print_colored(&cli->out, COLOR_GREEN, "its review is done\n");
}

int
apply_signed(struct cli *cli, const struct signed_text *text, const struct baseline *parent,
        const char *schema, json_int changes, bool ahead, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        char more[WORDS_MAX + 16] = "", number[WORDS_MAX];
        int r = signed_text_upload(cli, text, parent, err);
        r = r ? r : client_call_one(cli->client, "Apply", json_make("{s:b}", "ahead", ahead), &reply, err);
        if (r)
                return r;
        if (cli->json) {
                if (changes >= 0)
                        json_put(reply, "changes", json_make("I", changes));
                json_put(reply, "schema", json_string_new(schema));
                return cli_document(cli, steal_pointer(&reply), err);
        }
        if (changes >= 0)
                snprintf(more, sizeof more, ", %s %s", count_text((uint64_t)changes, number),
                        changes == 1 ? "change" : "changes");
        print_applied(cli, reply, more);
        cli_next(cli, "driftctl diff");
        return 0;
}

static int
refuse_unsigned(const char *file, struct err *err)
{
        err_set(err, EXIT_FAILED, "%s.approval is not there: nobody has signed it", quote(file));
        return err_hint(err, EXIT_FAILED, "driftctl sign %s --key K", quote(file));
}

static int
apply_window(struct cli *cli, const char *file, const struct buf *text, struct err *err)
{
        _cleanup_window_file_ struct window_file window = {0};
        int r = window_file_read(file, text, &window, err);
        if (r == 0 && !window.approvals.size)
                return refuse_unsigned(file, err);
        return r ? r : window_file_apply(cli, &window, err);
}

int
command_apply(struct cli *cli, struct err *err)
{
        const char *file = cli->args.words[0];
        _cleanup_signed_ struct signed_text text = {0};
        _cleanup_buf_ struct buf window = {0};
        if (window_file_is_one(file, &window))
                return apply_window(cli, file, &window, err);
        int r = signed_text_read(file, &text, err);
        if (r && strstr(err->text, "driftd-baseline"))
                err_hint(err, r,
                        "apply takes a baseline or a window; a trust file is put in place and taken by "
                        "systemctl reload "
                        "driftd");
        if (r)
                return r;
        if (!text.approvals.size)
                return refuse_unsigned(file, err);
        return apply_signed(cli, &text, NULL, "driftd.apply/1", -1, args_given(&cli->args, "ahead"), err);
}
