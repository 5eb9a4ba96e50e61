/* SPDX-License-Identifier: MIT */
/*
 * Finding a command, and help: both read nothing but the table. A first word that is a group ("key") needs
 * its second; a word that is neither is answered with the nearest that is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/ini_reader.h"
#include "core/quote.h"

#define NAMES_MAX 64u /* commands, or commands of a group */

/* "key generate": the size of "key" in *ret_first; the rest, or NULL. */
static const char *
name_split(const char *name, size_t *ret_first)
{
        const char *blank = strchr(name, ' ');
        *ret_first = blank ? (size_t)(blank - name) : strlen(name);
        return blank ? blank + 1 : NULL;
}

static bool
first_word_is(const struct command *command, const char *word)
{
        size_t size;
        name_split(command->name, &size);
        return strlen(word) == size && memcmp(command->name, word, size) == 0;
}

static int
group_incomplete(const struct command *table, const char *group, const char *word, struct err *err)
{
        const char *names[NAMES_MAX], *near = NULL;
        char list[256] = "";
        size_t n = 0, size;
        for (const struct command *command = table; command->name && n < NAMES_MAX; command++) {
                const char *second = name_split(command->name, &size);
                if (!second || !first_word_is(command, group))
                        continue;
                if (n)
                        strncat(list, ", ", sizeof list - strlen(list) - 1);
                strncat(list, second, sizeof list - strlen(list) - 1);
                names[n++] = second;
        }
        if (!word) {
                err_set(err, EXIT_FAILED, "%s needs one more word", group);
        } else {
                err_set(err, EXIT_FAILED, "there is no command %s %s", group, quote(word));
                near = nearest_word(word, names, n);
        }
        if (near)
                return err_hint(err, EXIT_FAILED, "did you mean driftctl %s %s?", group, near);
        return err_hint(err, EXIT_FAILED, "driftctl %s: %s", group, list);
}

static int
command_unknown(const struct command *table, const char *word, struct err *err)
{
        char first[NAMES_MAX][32];
        const char *names[NAMES_MAX];
        size_t n = 0, size;
        for (const struct command *command = table; command->name && n < NAMES_MAX; command++, n++) {
                name_split(command->name, &size);
                snprintf(first[n], sizeof first[n], "%.*s", (int)size, command->name);
                names[n] = first[n];
        }
        const char *near = nearest_word(word, names, n);
        err_set(err, EXIT_FAILED, "there is no command %s", quote(word));
        if (near)
                return err_hint(err, EXIT_FAILED, "did you mean driftctl %s?", near);
        return err_hint(err, EXIT_FAILED, "driftctl help lists the commands");
}

const struct command *
command_find(const struct command *table, const char *const *words, size_t n_words, size_t *ret_taken,
        struct err *err)
{
        bool group = false;
        if (!n_words) {
                err_set(err, EXIT_FAILED, "a command is missing");
                err_hint(err, EXIT_FAILED,
                        "driftctl help lists the commands; driftctl status is a good first one");
                return NULL;
        }
        for (const struct command *command = table; command->name; command++) {
                size_t size;
                const char *second = name_split(command->name, &size);
                if (!first_word_is(command, words[0]))
                        continue;
                group |= second != NULL;
                if (second && (n_words < 2 || strcmp(second, words[1]) != 0))
                        continue;
                *ret_taken = second ? 2 : 1;
                return command;
        }
        if (group)
                group_incomplete(table, words[0], n_words > 1 ? words[1] : NULL, err);
        else
                command_unknown(table, words[0], err);
        return NULL;
}

/* ---- help ---- */

static void
print_options(struct cli *cli, const struct option *options)
{
        _cleanup_table_ struct table table = table_make(2);
        for (; options && options->name; options++) {
                char letter[8] = "    ";
                if (options->letter)
                        snprintf(letter, sizeof letter, "-%c, ", options->letter);
                table_cell(&table, COLOR_PLAIN, "  %s--%s%s%s", letter, options->name,
                        options->value ? " " : "", options->value ? options->value : "");
                table_cell(&table, COLOR_PLAIN, "%s", options->summary);
        }
        table_print(&table, &cli->out);
}

void
help_command(struct cli *cli, const struct command *command)
{
        print(&cli->out, "usage: driftctl %s%s%s\n\n%s\n", command->name, *command->usage ? " " : "",
                command->usage, command->summary);
        if (command->more)
                print(&cli->out, "\n%s\n", command->more);
        if (command->options && command->options->name) {
                print(&cli->out, "\nOptions:\n");
                print_options(cli, command->options);
        }
        print(&cli->out, "\nOptions of every command:\n");
        print_options(cli, global_options);
}

static void
print_commands(struct cli *cli, const char *group)
{
        _cleanup_table_ struct table table = table_make(2);
        for (const struct command *command = cli->commands; command->name; command++) {
                if (group && !first_word_is(command, group))
                        continue;
                table_cell(&table, COLOR_BOLD, "  %s", command->name);
                table_cell(&table, COLOR_PLAIN, "%s", command->summary);
        }
        table_print(&table, &cli->out);
}

void
help_overview(struct cli *cli)
{
        print(&cli->out, "usage: driftctl [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n");
        print_commands(cli, NULL);
        print(&cli->out, "\nOptions of every command:\n");
        print_options(cli, global_options);
        print(&cli->out, "\nExit codes: 0 clean or done, 1 drift, 2 incomplete, 3 untrusted, 4 usage or "
                         "operation failed.\n"
                         "driftctl help COMMAND tells more; driftctl(1) tells all.\n");
}

static struct json *
command_json(const struct command *command)
{
        struct json *options = json_array_make();
        for (const struct option *option = command->options; option && option->name && options; option++)
                if (json_push(options, json_make("{s:s, s:s?, s:s}", "name", option->name, "value",
                                               option->value, "summary", option->summary)) < 0)
                        options = json_free(options);
        return json_make("{s:s, s:s, s:s, s:o}", "name", command->name, "usage", command->usage, "summary",
                command->summary, "options", options);
}

static int
help_document(struct cli *cli, const struct command *only, struct err *err)
{
        struct json *list = json_array_make();
        for (const struct command *command = cli->commands; command->name && list; command++)
                if ((!only || only == command) && json_push(list, command_json(command)) < 0)
                        list = json_free(list);
        return cli_document(cli, json_make("{s:s, s:o}", "schema", "driftd.help/1", "commands", list), err);
}

static bool
is_group(const struct command *table, const char *word)
{
        for (; table->name; table++)
                if (strchr(table->name, ' ') && first_word_is(table, word))
                        return true;
        return false;
}

static const struct command *
command_alone(const struct command *table, const char *word)
{
        for (; table->name; table++)
                if (strcmp(table->name, word) == 0)
                        return table;
        return NULL;
}

int
command_help(struct cli *cli, struct err *err)
{
        const struct command *found = NULL;
        size_t taken;
        if (cli->args.n_words == 1 && !cli->json && is_group(cli->commands, cli->args.words[0])) {
                print_commands(cli, cli->args.words[0]);
                found = command_alone(cli->commands, cli->args.words[0]);
                if (found) { /* "log", beside "log verify" */
                        print(&cli->out, "\n");
                        help_command(cli, found);
                }
                return EXIT_CLEAN;
        }
        if (cli->args.n_words) {
                found = command_find(cli->commands, cli->args.words, cli->args.n_words, &taken, err);
                if (!found)
                        return EXIT_FAILED;
        }
        if (cli->json)
                return help_document(cli, found, err);
        if (found)
                help_command(cli, found);
        else
                help_overview(cli);
        return EXIT_CLEAN;
}

int
command_version(struct cli *cli, struct err *err)
{
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:s}", "schema", "driftd.version/1", "version", DRIFTD_VERSION),
                        err);
        print(&cli->out, "driftctl %s\n", DRIFTD_VERSION);
        return EXIT_CLEAN;
}
