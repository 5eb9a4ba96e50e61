/* SPDX-License-Identifier: MIT */
/* The table of commands: that it holds together, that commands are found in it, that completion is made from
 * it. */
#include <check.h>
#include <string.h>

#include "cli/cli.h"

static const struct command *
find(const char *first, const char *second, struct err *err)
{
        const char *words[] = {first, second};
        size_t taken = 0;
        return command_find(commands, words, second ? 2 : 1, &taken, err);
}

START_TEST(every_row_has_a_usage_a_summary_and_a_function)
{
        for (const struct command *command = commands; command->name; command++) {
                ck_assert_msg(command->usage && command->summary && command->run, "%s", command->name);
                ck_assert_msg(command->words_min <= command->words_max, "%s", command->name);
        }
}
END_TEST

/* Or the command could not be found before its own options are known. */
START_TEST(an_option_takes_a_value_everywhere_or_nowhere)
{
        for (const struct command *a = commands; a->name; a++)
                for (const struct option *x = a->options; x && x->name; x++) {
                        for (const struct option *g = global_options; g->name; g++) {
                                ck_assert_str_ne(x->name, g->name);
                                ck_assert(!x->letter || x->letter != g->letter);
                        }
                        for (const struct command *b = commands; b->name; b++)
                                for (const struct option *y = b->options; y && y->name; y++)
                                        if (strcmp(x->name, y->name) == 0)
                                                ck_assert_msg(
                                                        !x->value == !y->value && x->letter == y->letter,
                                                        "--%s of %s and %s", x->name, a->name, b->name);
                }
}
END_TEST

/* "log checkpoint" before "log": the first row that fits is taken. */
START_TEST(no_name_stands_twice_and_a_longer_one_before_what_begins_it)
{
        for (const struct command *a = commands; a->name; a++)
                for (const struct command *b = a + 1; b->name; b++) {
                        size_t size = strlen(a->name);
                        ck_assert(strcmp(a->name, b->name) != 0);
                        ck_assert_msg(
                                strncmp(a->name, b->name, size) != 0 || b->name[size] != ' ', "%s", b->name);
                }
}
END_TEST

START_TEST(a_command_of_two_words_is_found)
{
        struct err err = {0};
        ck_assert_str_eq(find("key", "generate", &err)->name, "key generate");
        ck_assert_str_eq(find("diff", "generate", &err)->name, "diff");
        ck_assert_str_eq(find("log", "verify", &err)->name, "log verify");
        ck_assert_str_eq(find("log", "/etc", &err)->name, "log");
        ck_assert_str_eq(find("log", NULL, &err)->name, "log");
}
END_TEST

START_TEST(an_unknown_command_names_the_nearest)
{
        struct err err = {0};
        ck_assert_ptr_null(find("stauts", NULL, &err));
        ck_assert_str_eq(err.hint, "did you mean driftctl status?");
        ck_assert_ptr_null(find("baseline", "lst", &err));
        ck_assert_str_eq(err.hint, "did you mean driftctl baseline list?");
}
END_TEST

START_TEST(commands_that_do_not_exist_yet_are_unknown)
{
        static const char *const later[] = {"policy", "window", "frobnicate"};
        for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
                struct err err = {0};
                ck_assert_ptr_null(find(later[i], NULL, &err));
                ck_assert_int_eq(err.code, EXIT_FAILED);
        }
}
END_TEST

START_TEST(a_group_alone_lists_what_may_follow)
{
        struct err err = {0};
        ck_assert_ptr_null(find("key", NULL, &err));
        ck_assert_str_eq(err.text, "key needs one more word");
        ck_assert_str_eq(err.hint, "driftctl key: generate, show");
}
END_TEST

static void
completion_names_everything(const char *shell)
{
        char *text = NULL;
        size_t size = 0;
        const char *words[] = {shell};
        FILE *file = open_memstream(&text, &size);
        struct cli cli = {.commands = commands, .args = {.words = words, .n_words = 1}, .out = {file, false}};
        struct err err = {0};
        ck_assert_int_eq(command_completion(&cli, &err), 0);
        fclose(file);
        for (const struct command *command = commands; command->name; command++) {
                const char *second = strchr(command->name, ' ');
                ck_assert_msg(
                        strstr(text, second ? second + 1 : command->name), "%s in %s", command->name, shell);
                for (const struct option *option = command->options; option && option->name; option++)
                        ck_assert_msg(strstr(text, option->name), "--%s in %s", option->name, shell);
        }
        free(text);
}

START_TEST(completion_names_every_command_and_option)
{
        completion_names_everything("bash");
        completion_names_everything("zsh");
        completion_names_everything("fish");
}
END_TEST

START_TEST(a_name_is_made_of_what_a_login_or_a_comment_offers)
{
        char name[NAME_MAX_SIZE];
        ck_assert(name_from_text("alice", 5, name));
        ck_assert_str_eq(name, "alice");
        ck_assert(name_from_text("--J\xc3\xb6rg K", 9, name));
        ck_assert_str_eq(name, "J--rg-K");
        ck_assert(!name_from_text("...", 3, name));
        ck_assert(!name_from_text("", 0, name));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_commands");
        TCase *tcase = tcase_create("commands");
        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, every_row_has_a_usage_a_summary_and_a_function);
        tcase_add_test(tcase, an_option_takes_a_value_everywhere_or_nowhere);
        tcase_add_test(tcase, no_name_stands_twice_and_a_longer_one_before_what_begins_it);
        tcase_add_test(tcase, a_command_of_two_words_is_found);
        tcase_add_test(tcase, an_unknown_command_names_the_nearest);
        tcase_add_test(tcase, commands_that_do_not_exist_yet_are_unknown);
        tcase_add_test(tcase, a_group_alone_lists_what_may_follow);
        tcase_add_test(tcase, completion_names_every_command_and_option);
        tcase_add_test(tcase, a_name_is_made_of_what_a_login_or_a_comment_offers);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
