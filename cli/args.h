/* SPDX-License-Identifier: MIT */
/*
 * The command line, by tables. Options may stand anywhere: before the command, after it, between its
 * arguments; `--` ends them. `--name value`, `--name=value`, `-o value`, `-ovalue`; letters without values
 * may be joined.
 *
 * An option's name takes a value in every command that has it, or in none, so that the command can be found
 * before its own table is known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct command;

struct option {
        const char *name;  /* without dashes; NULL ends a table */
        char letter;       /* '\0': none */
        const char *value; /* as the help shows it, "FILE"; NULL: a flag */
        const char *summary;
        const char *const *choices; /* the values that there are, up to NULL; NULL: any */
        bool repeats;
};

struct args {
        struct given {
                const struct option *option; /* NULL: no command has it */
                const char *text;            /* as it was written, for words */
                const char *value;           /* borrowed from argv; NULL: a flag */
        } * given;
        size_t n_given;
        const char **words; /* all that is no option; borrowed from argv */
        size_t n_words;
        const char **words_owned;
};

/*
 * Takes argv[1..] apart; knows the options of all commands. 0, or -EINVAL with words (an option without its
 * value), -ENOMEM. Unknown options are kept, for args_check to complain about.
 */
int args_parse(int argc, const char *const argv[], const struct option *globals, const struct command *table,
        struct args *ret, struct err *err);

/* Drops the first words: the command. */
void args_skip(struct args *args, size_t n);

/* Every given option must be the command's or global, once unless it repeats, with a value that there is.
 * -EINVAL with words. */
int args_check(
        struct args *args, const struct option *globals, const struct command *command, struct err *err);

void args_done(struct args *args);

bool args_given(const struct args *args, const char *name);
const char *args_value(const struct args *args, const char *name); /* NULL: not given */
/* Repeating options: the index-th value; NULL past the end. */
const char *args_value_at(const struct args *args, const char *name, size_t index);
