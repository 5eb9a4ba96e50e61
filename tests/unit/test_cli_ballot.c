/* SPDX-License-Identifier: MIT */
/* The ballot: unchecked until chosen, by folder where there are many, and what a person may type. */
#include <check.h>
#include <limits.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/ballot.h"

static struct ballot
ballot_of(const char *const *items, size_t n, bool by_section)
{
        struct ballot_entry *entries = calloc(n + 1, sizeof *entries);
        struct ballot ballot;
        for (size_t i = 0; i < n; i++)
                entries[i] = (struct ballot_entry){
                        .item = strdup(items[i]), .index = i, .section = by_section ? i % 2 : 0};
        ck_assert_int_eq(ballot_make(entries, n, by_section ? UINT_MAX : 0, &ballot), 0);
        return ballot;
}

/* Folders a, b, c with n files each. */
static struct ballot
ballot_of_folders(size_t n)
{
        char names[3 * 64][48];
        const char *items[3 * 64];
        for (size_t i = 0; i < 3 * n; i++) {
                snprintf(names[i], sizeof names[i], "file:/etc/%c/f%02zu", "abc"[i % 3], i / 3);
                items[i] = names[i];
        }
        return ballot_of(items, 3 * n, false);
}

static void
assert_row(const struct ballot *ballot, size_t row, const char *label, size_t count)
{
        const struct ballot_row *r = &ballot->rows[row];
        size_t size = ballot_label_size(ballot, r);
        ck_assert_uint_eq(size, strlen(label));
        ck_assert_int_eq(memcmp(ballot->entries[r->first].item, label, size), 0);
        ck_assert_uint_eq(r->count, count);
}

static const char *const three[] = {"file:/b", "file:/a", "file:/c"};

START_TEST(everything_is_unchecked_at_first)
{
        struct ballot ballot = ballot_of(three, 3, false);
        ck_assert_uint_eq(ballot_chosen(&ballot, 0, ballot.count), 0);
        ballot_done(&ballot);
}
END_TEST

START_TEST(few_entries_are_a_row_each_sorted)
{
        struct ballot ballot = ballot_of(three, 3, false);
        ck_assert_uint_eq(ballot.n_rows, 3);
        assert_row(&ballot, 0, "file:/a", 1);
        ck_assert_uint_eq(ballot.entries[0].index, 1);
        ballot_done(&ballot);
}
END_TEST

START_TEST(many_entries_are_rows_of_folders_that_hold_them_all)
{
        struct ballot ballot = ballot_of_folders(30);
        ck_assert_uint_eq(ballot.n_rows, 3);
        assert_row(&ballot, 0, "file:/etc/a", 30);
        assert_row(&ballot, 2, "file:/etc/c", 30);
        ballot_done(&ballot);
}
END_TEST

/* '-' sorts before '/', so by plain bytes /etc-x would stand between /etc and what is in it. */
START_TEST(a_folder_and_its_entries_stand_together)
{
        static const char *const items[] = {"file:/etc/x", "file:/etc-x", "file:/etc"};
        struct ballot ballot = ballot_of(items, 3, false);
        ck_assert_str_eq(ballot.entries[0].item, "file:/etc");
        ck_assert_str_eq(ballot.entries[1].item, "file:/etc/x");
        ck_assert_str_eq(ballot.entries[2].item, "file:/etc-x");
        ballot_done(&ballot);
}
END_TEST

START_TEST(a_group_is_opened_into_its_entries_and_closed_again)
{
        struct ballot ballot = ballot_of_folders(30);
        ck_assert_int_eq(ballot_open(&ballot, 1), 0);
        ck_assert_uint_eq(ballot.n_rows, 33);
        assert_row(&ballot, 2, "file:/etc/b/f00", 1);
        assert_row(&ballot, 32, "file:/etc/c", 30);
        ck_assert_int_eq(ballot_open(&ballot, 1), 0);
        ck_assert_uint_eq(ballot.n_rows, 3);
        ballot_done(&ballot);
}
END_TEST

/* One group of 60 would say nothing that its folder's name does not. */
START_TEST(a_folder_alone_is_shown_by_its_entries)
{
        static char names[60][48];
        const char *items[60];
        for (size_t i = 0; i < 60; i++) {
                snprintf(names[i], sizeof names[i], "file:/srv/one/f%03zu", i);
                items[i] = names[i];
        }
        struct ballot ballot = ballot_of(items, 60, false);
        ck_assert_uint_eq(ballot.n_rows, 60);
        ballot_done(&ballot);
}
END_TEST

START_TEST(a_heading_stands_first_in_its_section)
{
        struct ballot_entry *entries = calloc(2, sizeof *entries);
        struct ballot ballot;
        entries[0] = (struct ballot_entry){.item = strdup("file:/a")};
        entries[1] = (struct ballot_entry){.item = strdup("scope files etc"), .heading = true, .index = 1};
        ck_assert_int_eq(ballot_make(entries, 2, UINT_MAX, &ballot), 0);
        ck_assert_uint_eq(ballot.entries[0].index, 1);
        ballot_done(&ballot);
}
END_TEST

START_TEST(an_entry_cannot_be_opened)
{
        struct ballot ballot = ballot_of(three, 3, false);
        ck_assert_int_eq(ballot_open(&ballot, 0), 0);
        ck_assert_uint_eq(ballot.n_rows, 3);
        ballot_done(&ballot);
}
END_TEST

START_TEST(a_first_generation_has_a_row_for_each_section)
{
        struct ballot ballot = ballot_of(three, 3, true);
        ck_assert_uint_eq(ballot.n_rows, 2);
        ck_assert_uint_eq(ballot.rows[0].count, 2);
        ck_assert_uint_eq(ballot.rows[1].count, 1);
        ck_assert(ballot.rows[1].group);
        ballot_done(&ballot);
}
END_TEST

static void
type(struct ballot *ballot, const char *line)
{
        struct ballot_command command;
        ck_assert_int_eq(ballot_parse(line, ballot->n_rows, &command, NULL), 0);
        ck_assert_int_eq(command.verb, BALLOT_TOGGLE);
        ballot_toggle(ballot, &command);
}

START_TEST(a_number_chooses_and_the_same_again_takes_it_back)
{
        struct ballot ballot = ballot_of(three, 3, false);
        type(&ballot, "2\n");
        ck_assert(!ballot.entries[0].chosen && ballot.entries[1].chosen && !ballot.entries[2].chosen);
        type(&ballot, "2\n");
        ck_assert_uint_eq(ballot_chosen(&ballot, 0, 3), 0);
        ballot_done(&ballot);
}
END_TEST

START_TEST(a_partly_chosen_group_is_chosen_whole)
{
        struct ballot ballot = ballot_of_folders(30);
        ballot.entries[0].chosen = true;
        type(&ballot, "1\n");
        ck_assert_uint_eq(ballot_chosen(&ballot, 0, 30), 30);
        type(&ballot, "1\n");
        ck_assert_uint_eq(ballot_chosen(&ballot, 0, 30), 0);
        ballot_done(&ballot);
}
END_TEST

START_TEST(a_range_over_an_open_group_does_not_take_back_what_it_chose)
{
        struct ballot ballot = ballot_of_folders(30);
        ck_assert_int_eq(ballot_open(&ballot, 0), 0);
        type(&ballot, "1-5\n");
        ck_assert_uint_eq(ballot_chosen(&ballot, 0, 30), 30);
        ballot_done(&ballot);
}
END_TEST

START_TEST(commands_are_read)
{
        static const struct {
                const char *line;
                enum ballot_verb verb;
        } lines[] = {{"\n", BALLOT_AGAIN}, {"a\n", BALLOT_ALL}, {" n ", BALLOT_NONE}, {"d 3", BALLOT_DETAIL},
                {"o3\n", BALLOT_OPEN}, {"w\n", BALLOT_CONTINUE}, {"q", BALLOT_QUIT}, {"?\n", BALLOT_HELP},
                {"1 3-4,2", BALLOT_TOGGLE}};
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                struct ballot_command command;
                ck_assert_int_eq(ballot_parse(lines[i].line, 4, &command, NULL), 0);
                ck_assert_msg(command.verb == lines[i].verb, "%s", lines[i].line);
        }
}
END_TEST

START_TEST(ranges_are_read)
{
        struct ballot_command command;
        ck_assert_int_eq(ballot_parse("1, 3-4\n", 4, &command, NULL), 0);
        ck_assert_uint_eq(command.n_ranges, 2);
        ck_assert_uint_eq(command.ranges[1].first, 2);
        ck_assert_uint_eq(command.ranges[1].last, 3);
}
END_TEST

START_TEST(what_is_not_understood_changes_nothing_and_says_so)
{
        static const char *const lines[] = {"0", "5", "3-", "-2", "4-3", "1x", "x", "a 1", "w1", "d", "d 1 2",
                "d 1-2", "1--2", "99999999999999999999999", "ww"};
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                struct ballot_command command = {.verb = BALLOT_HELP};
                struct err err = {0};
                ck_assert_msg(ballot_parse(lines[i], 4, &command, &err) == -EINVAL, "%s", lines[i]);
                ck_assert_msg(err.text[0] && command.verb == BALLOT_HELP, "%s", lines[i]);
        }
}
END_TEST

START_TEST(too_many_ranges_are_refused)
{
        char line[2 * BALLOT_RANGES_MAX + 3] = "";
        struct ballot_command command;
        struct err err = {0};
        for (unsigned i = 0; i < 2 * (BALLOT_RANGES_MAX + 1); i++)
                line[i] = i % 2 ? ',' : '1';
        ck_assert_int_eq(ballot_parse(line, 4, &command, &err), -EINVAL);
}
END_TEST

START_TEST(many_files_in_one_folder_are_still_reachable)
{
        static char names[500][48];
        const char *items[500];
        for (size_t i = 0; i < 500; i++) {
                snprintf(names[i], sizeof names[i], "file:/srv/one/f%03zu", i);
                items[i] = names[i];
        }
        struct ballot ballot = ballot_of(items, 500, false);
        ck_assert_uint_eq(ballot.n_rows, 1);
        assert_row(&ballot, 0, "file:/srv/one", 500);
        ck_assert_int_eq(ballot_open(&ballot, 0), 0);
        ck_assert_uint_eq(ballot.n_rows, 501);
        ballot_done(&ballot);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_ballot");
        TCase *tcase = tcase_create("ballot");
        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, everything_is_unchecked_at_first);
        tcase_add_test(tcase, few_entries_are_a_row_each_sorted);
        tcase_add_test(tcase, many_entries_are_rows_of_folders_that_hold_them_all);
        tcase_add_test(tcase, a_folder_and_its_entries_stand_together);
        tcase_add_test(tcase, a_group_is_opened_into_its_entries_and_closed_again);
        tcase_add_test(tcase, a_folder_alone_is_shown_by_its_entries);
        tcase_add_test(tcase, a_heading_stands_first_in_its_section);
        tcase_add_test(tcase, an_entry_cannot_be_opened);
        tcase_add_test(tcase, a_first_generation_has_a_row_for_each_section);
        tcase_add_test(tcase, a_number_chooses_and_the_same_again_takes_it_back);
        tcase_add_test(tcase, a_partly_chosen_group_is_chosen_whole);
        tcase_add_test(tcase, a_range_over_an_open_group_does_not_take_back_what_it_chose);
        tcase_add_test(tcase, commands_are_read);
        tcase_add_test(tcase, ranges_are_read);
        tcase_add_test(tcase, what_is_not_understood_changes_nothing_and_says_so);
        tcase_add_test(tcase, too_many_ranges_are_refused);
        tcase_add_test(tcase, many_files_in_one_folder_are_still_reachable);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
