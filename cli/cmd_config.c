/* SPDX-License-Identifier: MIT */
/* driftctl config check: the configuration and the trust file, as the daemon would read them at its next
 * start. */
#include <string.h>

#include "cli/cli.h"
#include "cli/transfer.h"

static struct json *
problem_json(const struct err *err)
{
        return json_make("{s:s, s:s?}", "error", err->text, "hint", err->hint[0] ? err->hint : NULL);
}

static void
print_problem(struct cli *cli, const struct err *err)
{
        print_colored(&cli->errors, COLOR_RED, "driftctl: ");
        print(&cli->errors, "%s\n", err->text);
        if (err->hint[0])
                print(&cli->errors, "          %s\n", err->hint);
}

/* All that is wrong, not only the first file that is. */
static int
report(struct cli *cli, const struct err *found, size_t n, struct err *err)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < n && !cli->json; i++)
                print_problem(cli, &found[i]);
        for (size_t i = 0; i < n && list; i++)
                if (json_push(list, problem_json(&found[i])) < 0)
                        list = json_free(list);
        if (!cli->json) {
                json_free(list);
                return EXIT_FAILED;
        }
        int r = cli_document(cli,
                json_make("{s:s, s:s, s:s?, s:o}", "schema", "driftd.error/1", "error", found[0].text, "hint",
                        found[0].hint[0] ? found[0].hint : NULL, "errors", list),
                err);
        return r ? r : EXIT_FAILED;
}

int
command_config_check(struct cli *cli, struct err *err)
{
        _cleanup_(trust_freep) struct trust *trust = NULL;
        struct err found[2] = {0};
        size_t n = 0;
        if (cli_config(cli, &found[n]))
                n++;
        else if (trust_read(cli->config->trust, &trust, &found[n])) {
                if (!found[n].hint[0])
                        err_hint(&found[n], EXIT_FAILED, "driftctl init --trust PUB writes a first one");
                n++;
        }
        if (n)
                return report(cli, found, n, err);
        char id[DIGEST_HEX_SIZE];
        digest_hex(trust_id(trust), id);
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:b, s:s, s:s, s:s, s:I}", "schema", "driftd.config/1", "ok", 1,
                                "config", cli->config->file, "trust", cli->config->trust, "trust_id", id,
                                "trust_generation", (json_int)trust_generation(trust)),
                        err);
        print_colored(&cli->out, COLOR_GREEN, "OK");
        print(&cli->out, "  %s (%zu scopes)\nOK  %s (generation %llu, %s)\n", cli->config->file,
                cli->config->n_scopes, cli->config->trust, (unsigned long long)trust_generation(trust), id);
        return EXIT_CLEAN;
}
