/* SPDX-License-Identifier: MIT */
/*
 * driftctl completion: scripts for three shells, written from the table of commands, so that they cannot lag
 * behind it. Each shell is one function that walks the table; all text in it is ours, and plain ASCII.
 */
#include <string.h>

#include "cli/cli.h"
#include "core/ini_reader.h"
#include "core/quote.h"

static int
options_words(const struct option *options, struct buf *ret)
{
        int r = 0;
        for (; options && options->name && r == 0; options++)
                r = buf_printf(ret, "%s--%s", ret->size ? " " : "", options->name);
        return r;
}

/* The first words of all commands, each once; or the second words of a group. */
static int
command_words(const struct command *table, const char *group, struct buf *ret)
{
        int r = 0;
        const char *before = "";
        for (; table->name && r == 0; table++) {
                size_t size = strcspn(table->name, " ");
                if (group) {
                        if (strlen(group) == size && memcmp(group, table->name, size) == 0 &&
                                table->name[size])
                                r = buf_printf(ret, "%s%s", ret->size ? " " : "", table->name + size + 1);
                } else if (strcspn(before, " ") != size || strncmp(before, table->name, size) != 0) {
                        r = buf_printf(ret, "%s%.*s", ret->size ? " " : "", (int)size, table->name);
                }
                before = table->name;
        }
        return r;
}

static bool
starts_group(const struct command *table, const struct command *command)
{
        size_t size = strcspn(command->name, " ");
        return command->name[size] &&
               (command == table || strncmp(command[-1].name, command->name, size + 1) != 0);
}

/* ---- bash ---- */

static int
bash_choices(const struct option *options, struct buf *ret)
{
        int r = 0;
        for (; options && options->name && r == 0; options++) {
                if (!options->value)
                        continue;
                r = buf_printf(ret, "                --%s) COMPREPLY=(", options->name);
                if (options->choices) {
                        r = r ? r : buf_text(ret, "$(compgen -W '");
                        for (size_t i = 0; options->choices[i] && r == 0; i++)
                                r = buf_printf(ret, "%s%s", i ? " " : "", options->choices[i]);
                        r = r ? r : buf_text(ret, "' -- \"$cur\")");
                } else {
                        r = r ? r : buf_text(ret, "$(compgen -f -- \"$cur\")");
                }
                r = r ? r : buf_text(ret, "); return ;;\n");
        }
        return r;
}

static int
bash_command(const struct command *command, struct buf *ret)
{
        _cleanup_buf_ struct buf words = {0};
        int r = options_words(command->options, &words);
        r = r ? r : buf_printf(ret, "        '%s')\n                case \"$prev\" in\n", command->name);
        r = r ? r : bash_choices(command->options, ret);
        r = r ? r
              : buf_printf(ret, "                esac\n                words+=' %s'\n",
                        words.data ? words.data : "");
        if (command->flags & (COMMAND_ITEMS | COMMAND_FILES))
                r = r ? r : buf_text(ret, "                files=yes\n");
        return r ? r : buf_text(ret, "                ;;\n");
}

static int
write_bash(const struct command *table, struct buf *ret)
{
        _cleanup_buf_ struct buf first = {0}, globals = {0};
        int r = command_words(table, NULL, &first);
        r = r ? r : options_words(global_options, &globals);
        r = r ? r
              : buf_printf(ret,
                        "# bash completion for driftctl; made by driftctl completion bash\n_driftctl() {\n"
                        "        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                        "        local word command= group= words= files= i\n"
                        "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
                        "                word=${COMP_WORDS[i]}\n"
                        "                case \"$word\" in -c|--config) ((i++)); continue ;; -*) continue ;; "
                        "esac\n"
                        "                if [[ -z $command ]]; then command=$word; elif [[ -z $group ]]; "
                        "then group=$word; fi\n"
                        "        done\n"
                        "        case \"$command\" in\n        '') words='%s' ;;\n",
                        first.data);
        for (const struct command *command = table; command->name && r == 0; command++) {
                size_t size = strcspn(command->name, " ");
                _cleanup_buf_ struct buf second = {0};
                if (!starts_group(table, command))
                        continue;
                _cleanup_free_ char *group = strndup(command->name, size);
                r = group ? command_words(table, group, &second) : -1;
                r = r ? r
                      : buf_printf(ret,
                                "        %s) case ' %s ' in *\" $group \"*) command=\"$command $group\" ;; "
                                "esac\n"
                                "                [[ -z $group ]] && words='%s' ;;\n",
                                group, second.data, second.data);
        }
        r = r ? r : buf_text(ret, "        esac\n        case \"$command\" in\n");
        for (const struct command *command = table; command->name && r == 0; command++)
                r = bash_command(command, ret);
        return r ? r
                 : buf_printf(ret,
                           "        esac\n"
                           "        case \"$prev\" in -c|--config) words=; files=yes ;; --color) words='auto "
                           "always never' ;; esac\n"
                           "        COMPREPLY=($(compgen -W \"$words %s\" -- \"$cur\"))\n"
                           "        [[ $files ]] && COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
                           "}\ncomplete -o filenames -F _driftctl driftctl\n",
                           globals.data);
}

/* ---- zsh ---- */

/* Descriptions stand in single quotes and between brackets: neither may be in them. */
static int
plain_words(const char *text, struct buf *ret)
{
        int r = 0;
        for (; *text && r == 0; text++)
                r = buf_append(ret, strchr("'[]:\\", *text) ? " " : text, 1);
        return r;
}

static int
zsh_options(const struct option *options, struct buf *ret)
{
        int r = 0;
        for (; options && options->name && r == 0; options++) {
                _cleanup_buf_ struct buf words = {0};
                r = plain_words(options->summary, &words);
                r = r ? r
                      : buf_printf(ret, " \\\n                '%s--%s[%s]", options->repeats ? "*" : "",
                                options->name, words.data);
                if (options->value && options->choices) {
                        r = r ? r : buf_printf(ret, ":%s:(", options->name);
                        for (size_t i = 0; options->choices[i] && r == 0; i++)
                                r = buf_printf(ret, "%s%s", i ? " " : "", options->choices[i]);
                        r = r ? r : buf_text(ret, ")");
                } else if (options->value) {
                        r = r ? r : buf_printf(ret, ":%s:_files", options->name);
                }
                r = r ? r : buf_text(ret, "'");
        }
        return r;
}

static int
zsh_command(const struct command *command, struct buf *ret)
{
        int r = buf_printf(ret, "        '%s')\n                _arguments -s", command->name);
        r = r ? r : zsh_options(global_options, ret);
        r = r ? r : zsh_options(command->options, ret);
        if (command->flags & (COMMAND_ITEMS | COMMAND_FILES))
                r = r ? r : buf_text(ret, " \\\n                '*:argument:_files'");
        return r ? r : buf_text(ret, "\n                ;;\n");
}

static int
write_zsh(const struct command *table, struct buf *ret)
{
        _cleanup_buf_ struct buf groups = {0};
        int r = buf_text(ret,
                "#compdef driftctl\n# zsh completion for driftctl; made by driftctl completion zsh\n"
                "_driftctl() {\n        local -a commands\n        commands=(\n");
        for (const struct command *command = table; command->name && r == 0; command++) {
                _cleanup_buf_ struct buf words = {0};
                size_t size = strcspn(command->name, " ");
                if (command->name[size]) {
                        if (starts_group(table, command))
                                r = buf_printf(
                                        &groups, "%s%.*s", groups.size ? "|" : "", (int)size, command->name);
                        if (!starts_group(table, command))
                                continue;
                }
                r = r ? r : plain_words(command->summary, &words);
                r = r ? r
                      : buf_printf(ret, "                '%.*s:%s'\n", (int)size, command->name, words.data);
        }
        r = r ? r
              : buf_printf(ret,
                        "        )\n        if ((CURRENT == 2)); then _describe command commands; return; "
                        "fi\n"
                        "        local command=$words[2]\n"
                        "        case \"$command\" in %s)\n"
                        "                if ((CURRENT > 3)); then command=\"$command $words[3]\"; shift "
                        "words; ((CURRENT--)); fi ;; esac\n"
                        "        shift words; ((CURRENT--))\n        case \"$command\" in\n",
                        groups.data);
        for (const struct command *command = table; command->name && r == 0; command++) {
                size_t size = strcspn(command->name, " ");
                _cleanup_buf_ struct buf second = {0};
                if (starts_group(table, command)) {
                        _cleanup_free_ char *group = strndup(command->name, size);
                        r = group ? command_words(table, group, &second) : -1;
                        r = r ? r : buf_printf(ret, "        %s) compadd %s ;;\n", group, second.data);
                }
                r = r ? r : zsh_command(command, ret);
        }
        return r ? r : buf_text(ret, "        esac\n}\n_driftctl \"$@\"\n");
}

/* ---- fish ---- */

static int
fish_options(const struct option *options, const char *condition, struct buf *ret)
{
        int r = 0;
        for (; options && options->name && r == 0; options++) {
                _cleanup_buf_ struct buf words = {0};
                r = plain_words(options->summary, &words);
                r = r ? r : buf_printf(ret, "complete -c driftctl%s -l %s", condition, options->name);
                if (options->letter)
                        r = r ? r : buf_printf(ret, " -s %c", options->letter);
                if (options->value && options->choices) {
                        r = r ? r : buf_text(ret, " -x -a '");
                        for (size_t i = 0; options->choices[i] && r == 0; i++)
                                r = buf_printf(ret, "%s%s", i ? " " : "", options->choices[i]);
                        r = r ? r : buf_text(ret, "'");
                } else if (options->value) {
                        r = r ? r : buf_text(ret, " -r");
                }
                r = r ? r : buf_printf(ret, " -d '%s'\n", words.data);
        }
        return r;
}

static int
fish_command(const struct command *command, struct buf *ret)
{
        _cleanup_buf_ struct buf words = {0}, condition = {0};
        size_t size = strcspn(command->name, " ");
        bool group = command->name[size];
        int r = plain_words(command->summary, &words);
        if (!group)
                r = r ? r
                      : buf_printf(ret, "complete -c driftctl -n __fish_use_subcommand -f -a %s -d '%s'\n",
                                command->name, words.data);
        else
                r = r ? r
                      : buf_printf(ret,
                                "complete -c driftctl -n __fish_use_subcommand -f -a %.*s\n"
                                "complete -c driftctl -n '__fish_seen_subcommand_from %.*s' -f -a %s -d "
                                "'%s'\n",
                                (int)size, command->name, (int)size, command->name, command->name + size + 1,
                                words.data);
        r = r ? r : buf_printf(&condition, " -n '__fish_seen_subcommand_from %.*s", (int)size, command->name);
        if (group)
                r = r ? r
                      : buf_printf(
                                &condition, "; and __fish_seen_subcommand_from %s", command->name + size + 1);
        r = r ? r : buf_text(&condition, "'");
        return r ? r : fish_options(command->options, condition.data, ret);
}

static int
write_fish(const struct command *table, struct buf *ret)
{
        int r = buf_text(ret, "# fish completion for driftctl; made by driftctl completion fish\n");
        r = r ? r : fish_options(global_options, "", ret);
        for (const struct command *command = table; command->name && r == 0; command++)
                r = fish_command(command, ret);
        return r;
}

static const struct shell {
        const char *name;
        int (*write)(const struct command *table, struct buf *ret);
} shells[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

static int
shell_unknown(const char *name, struct err *err)
{
        const char *names[ARRAY_SIZE(shells)];
        for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
                names[i] = shells[i].name;
        const char *near = nearest_word(name, names, ARRAY_SIZE(shells));
        err_set(err, EXIT_FAILED, "there is no completion for %s", quote(name));
        return err_hint(
                err, EXIT_FAILED, near ? "did you mean %s?" : "bash, zsh or fish%s", near ? near : "");
}

int
command_completion(struct cli *cli, struct err *err)
{
        const char *name = cli->args.words[0];
        for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
                _cleanup_buf_ struct buf script = {0};
                if (strcmp(name, shells[i].name) != 0)
                        continue;
                if (shells[i].write(cli->commands, &script) < 0)
                        return failed_oom(err);
                if (cli->json)
                        return cli_document(cli,
                                json_make("{s:s, s:s, s:s}", "schema", "driftd.completion/1", "shell", name,
                                        "script", script.data),
                                err);
                fwrite(script.data, 1, script.size, cli->out.file);
                return EXIT_CLEAN;
        }
        return shell_unknown(name, err);
}
