/* SPDX-License-Identifier: MIT */
/*
 * Reading the command line. One pass takes argv apart with the options of all commands; once the words have
 * named the command, a second look finds for each option the row of that command, and refuses what it does
 * not have. So options may stand anywhere, and the complaint can name the nearest option that would be right.
 *
 * Owns two arrays; all text stays argv's.
 */
#include "cli/args.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "core/ini_reader.h"
#include "core/quote.h"

#define OPTIONS_MAX 64u /* of one command, the global ones with them */

typedef bool (*option_test)(const struct option *option, const char *name, size_t size);

static bool
named(const struct option *option, const char *name, size_t size)
{
        return strlen(option->name) == size && memcmp(option->name, name, size) == 0;
}

static bool
lettered(const struct option *option, const char *name, size_t size)
{
        return size == 1 && option->letter == *name;
}

static const struct option *
table_find(const struct option *table, option_test test, const char *name, size_t size)
{
        for (; table && table->name; table++)
                if (test(table, name, size))
                        return table;
        return NULL;
}

static const struct option *
find_anywhere(const struct option *globals, const struct command *table, option_test test, const char *name,
        size_t size)
{
        const struct option *found = table_find(globals, test, name, size);
        for (; !found && table->name; table++)
                found = table_find(table->options, test, name, size);
        return found;
}

struct reading {
        const char *const *argv;
        int argc, at;
        const struct option *globals;
        const struct command *table;
        struct args *args;
        struct err *err;
};

static int
value_missing(struct reading *reading, const struct option *option)
{
        err_set(reading->err, -EINVAL, "--%s needs a value", option->name);
        return err_hint(reading->err, -EINVAL, "write --%s %s", option->name, option->value);
}

/* The value is what stands joined to the option, else the next argument. */
static int
take_option(struct reading *reading, const struct option *option, const char *text, const char *joined)
{
        const char *value = NULL;
        if (option && option->value) {
                value = joined ? joined : reading->at < reading->argc ? reading->argv[reading->at++] : NULL;
                if (!value)
                        return value_missing(reading, option);
        } else if (option && joined) {
                return err_set(reading->err, -EINVAL, "--%s takes no value", option->name);
        }
        reading->args->given[reading->args->n_given++] = (struct given){option, text, value};
        return 0;
}

static int
take_long(struct reading *reading, const char *text)
{
        const char *name = text + 2, *equals = strchr(name, '=');
        size_t size = equals ? (size_t)(equals - name) : strlen(name);
        const struct option *option = find_anywhere(reading->globals, reading->table, named, name, size);
        return take_option(reading, option, text, equals ? equals + 1 : NULL);
}

/* "-qo FILE": letters up to the first that takes a value. */
static int
take_letters(struct reading *reading, const char *text)
{
        for (const char *letter = text + 1; *letter; letter++) {
                const struct option *option =
                        find_anywhere(reading->globals, reading->table, lettered, letter, 1);
                bool takes = option && option->value;
                int r = take_option(reading, option, text, takes && letter[1] ? letter + 1 : NULL);
                if (r < 0 || takes || !option)
                        return r;
        }
        return 0;
}

static size_t
letters_of(int argc, const char *const argv[])
{
        size_t n = 0;
        for (int i = 1; i < argc; i++)
                n += strlen(argv[i]);
        return n;
}

int
args_parse(int argc, const char *const argv[], const struct option *globals, const struct command *table,
        struct args *ret, struct err *err)
{
        size_t n = (size_t)(argc > 0 ? argc : 1);
        *ret = (struct args){0};
        ret->given = calloc(letters_of(argc, argv) + n, sizeof *ret->given);
        ret->words = ret->words_owned = calloc(n, sizeof *ret->words);
        if (!ret->given || !ret->words)
                return err_oom(err);
        struct reading reading = {argv, argc, 1, globals, table, ret, err};
        bool options = true;
        while (reading.at < argc) {
                const char *text = argv[reading.at++];
                int r = 0;
                if (options && strcmp(text, "--") == 0)
                        options = false;
                else if (options && strncmp(text, "--", 2) == 0)
                        r = take_long(&reading, text);
                else if (options && text[0] == '-' && text[1])
                        r = take_letters(&reading, text);
                else
                        ret->words[ret->n_words++] = text;
                if (r < 0)
                        return r;
        }
        return 0;
}

void
args_skip(struct args *args, size_t n)
{
        args->words += n;
        args->n_words -= n;
}

static int
option_unknown(const struct given *given, const struct option *globals, const struct command *command,
        struct err *err)
{
        const char *names[OPTIONS_MAX];
        size_t n = 0;
        for (const struct option *option = command->options; option && option->name && n < OPTIONS_MAX;
                option++)
                names[n++] = option->name;
        for (const struct option *option = globals; option->name && n < OPTIONS_MAX; option++)
                names[n++] = option->name;
        struct quote word;
        const char *name = given->text + strspn(given->text, "-");
        quote_bytes(&word, name, strcspn(name, "="));
        const char *near = nearest_word(word.text, names, n);
        err_set(err, -EINVAL, "%s has no option %s", command->name, quote(given->text));
        if (near)
                return err_hint(err, -EINVAL, "did you mean --%s?", near);
        return err_hint(err, -EINVAL, "driftctl %s --help lists them", command->name);
}

static int
choice_unknown(const struct given *given, struct err *err)
{
        const char *const *choices = given->option->choices;
        char list[256] = "";
        size_t n = 0;
        for (; choices[n]; n++) {
                strncat(list, n ? ", " : "", sizeof list - strlen(list) - 1);
                strncat(list, choices[n], sizeof list - strlen(list) - 1);
        }
        const char *near = nearest_word(given->value, choices, n);
        err_set(err, -EINVAL, "--%s %s: there is no such %s", given->option->name, quote(given->value),
                given->option->value);
        if (near)
                return err_hint(err, -EINVAL, "did you mean %s? (%s)", near, list);
        return err_hint(err, -EINVAL, "one of: %s", list);
}

static int
check_choice(const struct given *given, struct err *err)
{
        const char *const *choices = given->option->choices;
        if (!choices)
                return 0;
        for (size_t i = 0; choices[i]; i++)
                if (strcmp(choices[i], given->value) == 0)
                        return 0;
        return choice_unknown(given, err);
}

static int
check_once(const struct args *args, size_t index, struct err *err)
{
        const struct given *given = &args->given[index];
        for (size_t i = 0; i < index && given->value && !given->option->repeats; i++)
                if (args->given[i].option == given->option)
                        return err_set(err, -EINVAL, "--%s is given twice", given->option->name);
        return 0;
}

/* Mostly a variable that a script did not set: better said than taken as a name or a ticket. */
static int
check_empty(const struct given *given, struct err *err)
{
        if (!given->value || *given->value)
                return 0;
        err_set(err, -EINVAL, "the value of --%s is empty", given->option->name);
        return err_hint(err, -EINVAL, "write --%s %s", given->option->name, given->option->value);
}

int
args_check(struct args *args, const struct option *globals, const struct command *command, struct err *err)
{
        for (size_t i = 0; i < args->n_given; i++) {
                struct given *given = &args->given[i];
                const struct option *row = NULL;
                if (given->option) {
                        const char *name = given->option->name;
                        row = table_find(command->options, named, name, strlen(name));
                        row = row ? row : table_find(globals, named, name, strlen(name));
                }
                if (!row)
                        return option_unknown(given, globals, command, err);
                given->option = row;
                int r = check_empty(given, err);
                r = r ? r : check_once(args, i, err);
                r = r ? r : check_choice(given, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

void
args_done(struct args *args)
{
        free(args->given);
        free(args->words_owned);
        *args = (struct args){0};
}

static const struct given *
given_at(const struct args *args, const char *name, size_t index)
{
        for (size_t i = 0; i < args->n_given; i++)
                if (args->given[i].option && strcmp(args->given[i].option->name, name) == 0 && !index--)
                        return &args->given[i];
        return NULL;
}

bool
args_given(const struct args *args, const char *name)
{
        return given_at(args, name, 0);
}

const char *
args_value(const struct args *args, const char *name)
{
        return args_value_at(args, name, 0);
}

const char *
args_value_at(const struct args *args, const char *name, size_t index)
{
        const struct given *given = given_at(args, name, index);
        return given ? given->value : NULL;
}
