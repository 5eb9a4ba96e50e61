/* SPDX-License-Identifier: MIT */
/* driftctl ack, verify and backup: the store's ledger, its proof, its copy. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "core/escape.h"
#include "core/quote.h"

int
command_ack(struct cli *cli, struct err *err)
{
        _cleanup_(text_list_done) struct text_list items = {0};
        _cleanup_json_ struct json *reply = NULL;
        const char *reason = args_value(&cli->args, "reason");
        if (!reason || !*reason)
                return cli_usage(cli, err, "--reason is missing: it goes into the history");
        int r = cli_text("--reason", reason, err);
        r = r ? r : cli_items(cli, 0, &items, err);
        r = r ? r
              : cli_call(cli, "Ack", json_make("{s:s, s:s}", "item", items.items[0], "reason", reason),
                        &reply, err);
        if (r)
                return r;
        json_int count = json_number(reply, "acknowledged");
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:s, s:I}", "schema", "driftd.ack/1", "item", items.items[0],
                                "acknowledged", count),
                        err);
        print(&cli->out, "%lld open %s acknowledged: no more notices, the verdict stays\n", count,
                count == 1 ? "drift" : "drifts");
        if (!count)
                cli_next(cli, "driftctl diff --cached shows what is open");
        return EXIT_CLEAN;
}

int
command_verify(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        char records[WORDS_MAX];
        int r = cli_call(cli, "Verify", json_make("{}"), &reply, err);
        if (r)
                return r;
        bool ok = json_flag(reply, "ok");
        const char *root = json_text(reply, "root"), *problem = json_text(reply, "problem");
        if (cli->json) {
                json_put(reply, "schema", json_string_new("driftd.verify/1"));
                r = cli_document(cli, steal_pointer(&reply), err);
                return r ? r : ok ? EXIT_CLEAN : EXIT_UNTRUSTED;
        }
        print_colored(&cli->out, ok ? COLOR_GREEN : COLOR_RED, "%s", ok ? "verified" : "NOT VERIFIED");
        print(&cli->out, ": %s records, %lld baselines, root %s\n",
                count_text((uint64_t)json_number(reply, "records"), records), json_number(reply, "baselines"),
                root ? root : "?");
        if (!ok)
                print_colored(&cli->out, COLOR_RED, "%s\n", problem ? problem : "no words for it");
        else if (!cli->quiet)
                print(&cli->out,
                        "This holds against edits; a rewrite of the whole is shown only by a checkpoint "
                        "kept elsewhere (driftctl log checkpoint).\n");
        return ok ? EXIT_CLEAN : EXIT_UNTRUSTED;
}

/* The daemon writes the file, and its folder is not ours. */
static int
absolute_path(const char *path, char **ret, struct err *err)
{
        _cleanup_free_ char *here = *path == '/' ? strdup("") : get_current_dir_name();
        if (!here || asprintf(ret, "%s%s%s", here, *path == '/' ? "" : "/", path) < 0) {
                *ret = NULL;
                return failed_oom(err);
        }
        return cli_text("the path", *ret, err);
}

int
command_backup(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        _cleanup_free_ char *path = NULL;
        char size[WORDS_MAX];
        int r = absolute_path(cli->args.words[0], &path, err);
        if (r || !path)
                return r ? r : failed_oom(err);
        r = cli_call(cli, "Backup", json_make("{s:s}", "path", path), &reply, err);
        if (r)
                return r;
        if (cli->json) {
                _cleanup_free_ char *escaped = escape_new(path, strlen(path));
                return cli_document(cli,
                        json_make("{s:s, s:s, s:I}", "schema", "driftd.backup/1", "file", escaped, "bytes",
                                json_number(reply, "bytes")),
                        err);
        }
        print(&cli->out, "%s: %s\n", quote(path), bytes_text((uint64_t)json_number(reply, "bytes"), size));
        return EXIT_CLEAN;
}
