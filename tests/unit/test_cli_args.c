/* SPDX-License-Identifier: MIT */
/* The command line: options anywhere, their values, and complaints that name what would be right. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

static int
parse(const char *const *words, struct args *ret, struct err *err)
{
        int argc = 0;
        while (words[argc])
                argc++;
        return args_parse(argc, words, global_options, commands, ret, err);
}

#define PARSE(args, err, ...) parse((const char *const[]){"driftctl", __VA_ARGS__, NULL}, args, err)

/* As main does it: find the command, drop its words, check the options. */
static int
parse_and_check(const char *const *words, struct args *args, struct err *err)
{
        size_t taken;
        if (parse(words, args, err) < 0)
                return -EINVAL;
        const struct command *command = command_find(commands, args->words, args->n_words, &taken, err);
        if (!command)
                return -EINVAL;
        args_skip(args, taken);
        return args_check(args, global_options, command, err);
}

#define CHECK(args, err, ...) parse_and_check((const char *const[]){"driftctl", __VA_ARGS__, NULL}, args, err)

START_TEST(options_may_stand_before_the_command)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_eq(CHECK(&args, &err, "--json", "--full", "-c", "/x", "diff", "/etc"), 0);
        ck_assert(args_given(&args, "json") && args_given(&args, "full"));
        ck_assert_str_eq(args_value(&args, "config"), "/x");
        ck_assert_uint_eq(args.n_words, 1);
        ck_assert_str_eq(args.words[0], "/etc");
        args_done(&args);
}
END_TEST

START_TEST(options_may_stand_between_the_words_of_a_command_and_its_arguments)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_eq(
                CHECK(&args, &err, "key", "--name=bob", "generate", "-q", "--no-passphrase", "-ofile"), 0);
        ck_assert_str_eq(args_value(&args, "name"), "bob");
        ck_assert_str_eq(args_value(&args, "output"), "file");
        ck_assert(args_given(&args, "quiet"));
        ck_assert_uint_eq(args.n_words, 0);
        args_done(&args);
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_eq(CHECK(&args, &err, "diff", "--", "--full", "-q"), 0);
        ck_assert(!args_given(&args, "full"));
        ck_assert_uint_eq(args.n_words, 2);
        ck_assert_str_eq(args.words[0], "--full");
        args_done(&args);
}
END_TEST

START_TEST(letters_may_be_joined_up_to_one_with_a_value)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_eq(CHECK(&args, &err, "status", "-qc", "/x"), 0);
        ck_assert(args_given(&args, "quiet"));
        ck_assert_str_eq(args_value(&args, "config"), "/x");
        args_done(&args);
}
END_TEST

START_TEST(a_value_may_look_like_an_option)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_eq(CHECK(&args, &err, "log", "--since", "-2h"), 0);
        ck_assert_str_eq(args_value(&args, "since"), "-2h");
        args_done(&args);
}
END_TEST

START_TEST(an_unknown_option_names_the_nearest)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(CHECK(&args, &err, "diff", "--ful"), 0);
        ck_assert_str_eq(err.text, "diff has no option --ful");
        ck_assert_str_eq(err.hint, "did you mean --full?");
        args_done(&args);
}
END_TEST

START_TEST(an_option_of_another_command_is_refused)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(CHECK(&args, &err, "status", "--ticket", "X"), 0);
        ck_assert_ptr_nonnull(strstr(err.text, "status has no option --ticket"));
        args_done(&args);
}
END_TEST

START_TEST(an_unknown_option_with_control_bytes_is_escaped_in_the_words)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(CHECK(&args, &err, "diff", "--\033[31m"), 0);
        ck_assert_ptr_null(strchr(err.text, '\033'));
        ck_assert_ptr_nonnull(strstr(err.text, "--\\x1b[31m"));
        args_done(&args);
}
END_TEST

START_TEST(an_option_without_its_value_is_refused)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(PARSE(&args, &err, "bless", "--ticket"), 0);
        ck_assert_str_eq(err.text, "--ticket needs a value");
        args_done(&args);
}
END_TEST

START_TEST(a_flag_with_a_value_is_refused)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(PARSE(&args, &err, "diff", "--full=yes"), 0);
        ck_assert_str_eq(err.text, "--full takes no value");
        args_done(&args);
}
END_TEST

START_TEST(an_option_given_twice_is_refused_unless_it_repeats)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(CHECK(&args, &err, "bless", "--ticket", "A", "--ticket", "B"), 0);
        ck_assert_str_eq(err.text, "--ticket is given twice");
        args_done(&args);
        ck_assert_int_eq(CHECK(&args, &err, "init", "--trust", "a", "--trust", "b"), 0);
        ck_assert_str_eq(args_value_at(&args, "trust", 1), "b");
        ck_assert_ptr_null(args_value_at(&args, "trust", 2));
        args_done(&args);
}
END_TEST

START_TEST(a_value_that_is_no_choice_names_the_nearest)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(CHECK(&args, &err, "bless", "--class", "urgant"), 0);
        ck_assert_ptr_nonnull(strstr(err.hint, "did you mean urgent?"));
        args_done(&args);
        ck_assert_int_lt(CHECK(&args, &err, "diff", "--format", "yaml"), 0);
        ck_assert_ptr_nonnull(strstr(err.hint, "text, json, junit, sarif, tap"));
        args_done(&args);
}
END_TEST

START_TEST(no_words_at_all_are_words_for_an_error)
{
        struct args args;
        struct err err = {0};
        ck_assert_int_lt(CHECK(&args, &err, "--json"), 0);
        ck_assert_str_eq(err.text, "a command is missing");
        args_done(&args);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_args");
        TCase *tcase = tcase_create("args");
        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, options_may_stand_before_the_command);
        tcase_add_test(tcase, options_may_stand_between_the_words_of_a_command_and_its_arguments);
        tcase_add_test(tcase, two_dashes_end_the_options);
        tcase_add_test(tcase, letters_may_be_joined_up_to_one_with_a_value);
        tcase_add_test(tcase, a_value_may_look_like_an_option);
        tcase_add_test(tcase, an_unknown_option_names_the_nearest);
        tcase_add_test(tcase, an_option_of_another_command_is_refused);
        tcase_add_test(tcase, an_unknown_option_with_control_bytes_is_escaped_in_the_words);
        tcase_add_test(tcase, an_option_without_its_value_is_refused);
        tcase_add_test(tcase, a_flag_with_a_value_is_refused);
        tcase_add_test(tcase, an_option_given_twice_is_refused_unless_it_repeats);
        tcase_add_test(tcase, a_value_that_is_no_choice_names_the_nearest);
        tcase_add_test(tcase, no_words_at_all_are_words_for_an_error);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
