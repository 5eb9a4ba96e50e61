/* SPDX-License-Identifier: MIT */
/*
 * driftctl. From the command line to one row of the table in commands.c, and from what that row's function
 * says to an exit code: that is all that happens here. Errors are printed once, at the end, in the form that
 * was asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/crypto.h"
#include "core/digest.h"
#include "core/ini_reader.h"

static enum color_when
color_wish(const struct args *args)
{
        static const struct {
                const char *word;
                enum color_when when;
        } words[] = {{"always", COLOR_ALWAYS}, {"never", COLOR_NEVER}};
        const char *value = args_value(args, "color");
        for (size_t i = 0; value && i < ARRAY_SIZE(words); i++)
                if (strcmp(words[i].word, value) == 0)
                        return words[i].when;
        return COLOR_AUTO;
}

static void
use_globals(struct cli *cli)
{
        const char *config = args_value(&cli->args, "config"), *format = args_value(&cli->args, "format");
        enum color_when color = color_wish(&cli->args);
        cli->json = args_given(&cli->args, "json") || (format && strcmp(format, "json") == 0);
        cli->quiet = args_given(&cli->args, "quiet");
        cli->config_file = config ? config : CONFIG_DEFAULT_PATH;
        cli->out = printer_make(stdout, color);
        cli->errors = printer_make(stderr, color);
}

static int
check_words(struct cli *cli, struct err *err)
{
        const struct command *command = cli->command;
        if (cli->args.n_words < command->words_min)
                return cli_usage(cli, err, "%s: something is missing", command->name);
        if (cli->args.n_words > command->words_max)
                return cli_usage(cli, err, "%s: there are too many words", command->name);
        for (size_t i = 0; i < cli->args.n_words; i++)
                if (!*cli->args.words[i])
                        return cli_usage(cli, err, "%s: a word is empty", command->name);
        return 0;
}

static int
run(struct cli *cli, int argc, char **argv, struct err *err)
{
        size_t taken = 0;
        int r = args_parse(argc, (const char *const *)argv, global_options, commands, &cli->args, err);
        use_globals(cli);
        if (r < 0)
                return EXIT_FAILED;
        bool help = args_given(&cli->args, "help");
        if (!cli->args.n_words && args_given(&cli->args, "version"))
                return command_version(cli, err);
        if (help)
                return command_help(cli, err);
        cli->command = command_find(commands, cli->args.words, cli->args.n_words, &taken, err);
        if (!cli->command)
                return EXIT_FAILED;
        args_skip(&cli->args, taken);
        if (args_check(&cli->args, global_options, cli->command, err) < 0)
                return EXIT_FAILED;
        r = check_words(cli, err);
        return r ? r : cli->command->run(cli, err);
}

/* On one line: it may follow records that stand one on a line too. */
static void
print_error_json(const struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_json_ struct json *document = json_make("{s:s, s:s, s:s?}", "schema", "driftd.error/1",
                "error", err->text, "hint", err->hint[0] ? err->hint : NULL);
        if (document && json_write(document, &text) == 0)
                printf("%s\n", text.data);
        else
                printf("{\"schema\":\"driftd.error/1\",\"error\":\"out of memory\",\"hint\":null}\n");
}

static void
print_error(struct cli *cli, const struct err *err)
{
        if (cli->json) {
                print_error_json(err);
                return;
        }
        fflush(stdout);
        print_colored(&cli->errors, COLOR_RED, "driftctl: ");
        print(&cli->errors, "%s\n", err->text);
        if (err->hint[0])
                print(&cli->errors, "          %s\n", err->hint);
}

/* An answer that did not reach its reader is no answer. Who wrote it may have said so already. */
static int
flush_output(struct cli *cli, int code, const struct err *err)
{
        errno = EIO; /* where it failed before, and nobody kept why */
        if (fflush(stdout) == 0 && !ferror(stdout))
                return code;
        if (strncmp(err->text, STDOUT_FAILED, strlen(STDOUT_FAILED)) != 0)
                print(&cli->errors, "driftctl: " STDOUT_FAILED "%s\n", strerrordesc_np(errno));
        return EXIT_FAILED;
}

int
main(int argc, char **argv)
{
        struct cli cli = {.commands = commands, .out = {stdout, false}, .errors = {stderr, false}};
        struct err err = {0};
        if (digest_setup() < 0 || crypto_setup() < 0) {
                fprintf(stderr, "driftctl: the cryptographic libraries cannot be used\n");
                return EXIT_FAILED;
        }
        int code = run(&cli, argc, argv, &err);
        if (code >= EXIT_UNTRUSTED && err.text[0]) /* 1 and 2 are answers, not errors */
                print_error(&cli, &err);
        cli_done(&cli);
        return flush_output(&cli, code, &err);
}
