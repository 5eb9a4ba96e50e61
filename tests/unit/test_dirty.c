/* SPDX-License-Identifier: MIT */
/* The dirty set: once each, in order, again when marked meanwhile, bounded, and honest about being settled.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "daemon/dirty.h"

static struct dirty *dirty;

static void
setup(void)
{
        dirty = dirty_new();
        ck_assert_ptr_nonnull(dirty);
}

static void
teardown(void)
{
        dirty = dirty_free(dirty);
}

static void
take_expecting(const char *path)
{
        struct dirty_entry *entry = dirty_take(dirty, 0);
        ck_assert_ptr_nonnull(entry);
        ck_assert_str_eq(dirty_path(entry), path);
        dirty_done(dirty, entry);
}

START_TEST(who_touched_it_counts_until_a_look_tells_something)
{
        struct who *one = who_gone(41), *two = who_gone(42);
        ck_assert(dirty_mark(dirty, "/a", false, 0));
        dirty_touch(dirty, "/a", &(struct who_touch){.who = one});
        struct dirty_entry *entry = dirty_take(dirty, 0);
        ck_assert(dirty_mark(dirty, "/a", false, 0));
        dirty_touch(dirty, "/a", &(struct who_touch){.who = two});
        dirty_keep_who(entry, false);
        dirty_done(dirty, entry);
        entry = dirty_take(dirty, 0);
        bool of_metadata;
        _cleanup_free_ char *text = dirty_who(entry, false, &of_metadata);
        ck_assert_ptr_nonnull(strstr(text, "\"pid\":42"));
        ck_assert_ptr_nonnull(strstr(text, "\"others\":1"));
        dirty_done(dirty, entry);
        who_drop(one);
        who_drop(two);
}
END_TEST

/* Whether one touch of /a, of a process that is known for certain, is told as certain. */
static bool
is_exact(struct dirty_entry *entry)
{
        bool of_metadata;
        _cleanup_free_ char *text = dirty_who(entry, false, &of_metadata);
        return strstr(text, "\"confidence\":\"exact\"") != NULL;
}

START_TEST(a_gap_is_not_over_for_a_path_until_a_look_tells_something)
{
        _cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        struct who *who = who_read(getpid(), pidfd);
        ck_assert_ptr_nonnull(who);
        for (unsigned gap = 0; gap < 2; gap++) {
                ck_assert(dirty_mark(dirty, "/a", false, 0));
                dirty_touch(dirty, "/a", &(struct who_touch){.who = who});
                struct dirty_entry *entry = dirty_take(dirty, 0);
                for (unsigned unstable = 0; unstable < 3; unstable++) { /* the gap is over after the first */
                        ck_assert(dirty_mark(dirty, "/a", false, 0));
                        dirty_keep_who(entry, gap && !unstable);
                        dirty_done(dirty, entry);
                        entry = dirty_take(dirty, 0);
                }
                ck_assert_int_eq(is_exact(entry), !gap);
                ck_assert(dirty_mark(dirty, "/a", false, 0)); /* by an event while it was looked at */
                dirty_touch(dirty, "/a", &(struct who_touch){.who = who});
                dirty_done(dirty, entry);
                entry = dirty_take(dirty, 0);
                ck_assert(is_exact(entry));
                dirty_done(dirty, entry);
        }
        who_drop(who);
}
END_TEST

/* Only a look that is still to come, and that an event asked for, makes another mark needless. */
START_TEST(a_path_waits_until_it_is_looked_at)
{
        ck_assert(!dirty_waits(dirty, "/a"));
        ck_assert(dirty_mark(dirty, "/a", true, 0));
        ck_assert(!dirty_waits(dirty, "/a")); /* a pass's word is no event */
        ck_assert(dirty_mark(dirty, "/a", false, 0));
        ck_assert(dirty_waits(dirty, "/a"));
        struct dirty_entry *entry = dirty_take(dirty, 0);
        ck_assert(!dirty_waits(dirty, "/a")); /* the look may have seen what was before the event */
        dirty_done(dirty, entry);
        ck_assert(dirty_mark(dirty, "/b", false, 5));
        ck_assert(dirty_waits(dirty, "/b"));
}
END_TEST

START_TEST(a_path_marked_twice_is_taken_once)
{
        ck_assert(dirty_mark(dirty, "/a", false, 0));
        ck_assert(dirty_mark(dirty, "/a", false, 0));
        take_expecting("/a");
        ck_assert_ptr_null(dirty_take(dirty, 0));
}
END_TEST

START_TEST(paths_come_in_the_order_of_marking)
{
        dirty_mark(dirty, "/b", false, 0);
        dirty_mark(dirty, "/a", false, 0);
        take_expecting("/b");
        take_expecting("/a");
}
END_TEST

START_TEST(a_path_marked_while_it_is_looked_at_is_taken_again)
{
        dirty_mark(dirty, "/a", false, 0);
        struct dirty_entry *entry = dirty_take(dirty, 0);
        dirty_mark(dirty, "/a", false, 0);
        ck_assert_ptr_null(dirty_take(dirty, 0));
        dirty_done(dirty, entry);
        take_expecting("/a");
        ck_assert_uint_eq(dirty_count(dirty), 0);
}
END_TEST

START_TEST(a_path_is_not_taken_before_its_time)
{
        dirty_mark(dirty, "/a", false, 100);
        ck_assert_ptr_null(dirty_take(dirty, 99));
        ck_assert_int_eq(dirty_next_due(dirty), 100);
        struct dirty_entry *entry = dirty_take(dirty, 100);
        ck_assert_ptr_nonnull(entry);
        dirty_done(dirty, entry);
        ck_assert_int_eq(dirty_next_due(dirty), -1);
}
END_TEST

START_TEST(of_those_that_wait_the_first_due_comes_first)
{
        dirty_mark(dirty, "/later", false, 300);
        dirty_mark(dirty, "/sooner", false, 100);
        dirty_mark(dirty, "/between", false, 200);
        ck_assert_int_eq(dirty_next_due(dirty), 100);
        ck_assert_str_eq(dirty_path(dirty_take(dirty, 150)), "/sooner");
        ck_assert_int_eq(dirty_next_due(dirty), 200);
        ck_assert_ptr_null(dirty_take(dirty, 199));
        ck_assert_str_eq(dirty_path(dirty_take(dirty, 200)), "/between");
        ck_assert_int_eq(dirty_next_due(dirty), 300);
}
END_TEST

/* Else a timer for it would stand in the past until somebody takes it. */
START_TEST(what_is_due_is_ready_whether_it_is_taken_or_not)
{
        dirty_mark(dirty, "/a", false, 100);
        dirty_mark(dirty, "/b", false, 200);
        dirty_wake(dirty, 99);
        ck_assert(!dirty_is_busy(dirty));
        ck_assert_int_eq(dirty_next_due(dirty), 100);
        dirty_wake(dirty, 100);
        ck_assert(dirty_is_busy(dirty));
        ck_assert_int_eq(dirty_next_due(dirty), 200);
        take_expecting("/a");
}
END_TEST

START_TEST(hurry_lets_the_waiting_go_now)
{
        dirty_mark(dirty, "/a", false, 1000000);
        dirty_hurry(dirty);
        take_expecting("/a");
}
END_TEST

START_TEST(it_is_settled_only_when_all_that_was_marked_before_is_done)
{
        dirty_mark(dirty, "/a", false, 0);
        uint64_t ticket = dirty_ticket(dirty);
        dirty_mark(dirty, "/later", false, 0);
        ck_assert(!dirty_settled(dirty, ticket));
        struct dirty_entry *entry = dirty_take(dirty, 0);
        ck_assert(!dirty_settled(dirty, ticket));
        dirty_done(dirty, entry);
        ck_assert(dirty_settled(dirty, ticket));
}
END_TEST

START_TEST(a_second_mark_before_the_ticket_must_be_looked_at_too)
{
        dirty_mark(dirty, "/a", false, 0);
        struct dirty_entry *entry = dirty_take(dirty, 0);
        dirty_mark(dirty, "/a", false, 0);
        uint64_t ticket = dirty_ticket(dirty);
        dirty_done(dirty, entry);
        ck_assert(!dirty_settled(dirty, ticket));
        take_expecting("/a");
        ck_assert(dirty_settled(dirty, ticket));
}
END_TEST

START_TEST(one_that_waited_is_not_hidden_behind_younger_ones)
{
        dirty_mark(dirty, "/old", false, 50);
        uint64_t ticket = dirty_ticket(dirty);
        dirty_mark(dirty, "/young", false, 0);
        struct dirty_entry *young = dirty_take(dirty, 0);
        dirty_done(dirty, young);
        dirty_mark(dirty, "/younger", false, 0);
        dirty_hurry(dirty);
        ck_assert(!dirty_settled(dirty, ticket));
        take_expecting("/old");
        ck_assert(dirty_settled(dirty, ticket));
}
END_TEST

START_TEST(an_event_outweighs_the_word_of_a_pass)
{
        dirty_mark(dirty, "/a", true, 0);
        dirty_mark(dirty, "/a", false, 0);
        struct dirty_entry *entry = dirty_take(dirty, 0);
        ck_assert(!dirty_from_pass(entry));
        dirty_done(dirty, entry);
}
END_TEST

START_TEST(past_its_bound_it_takes_no_more_and_says_so)
{
        char path[32];
        for (unsigned i = 0; i < DIRTY_PATHS_MAX; i++) {
                snprintf(path, sizeof path, "/%u", i);
                ck_assert(dirty_mark(dirty, path, false, 0));
        }
        ck_assert(!dirty_has_room(dirty));
        ck_assert(!dirty_mark(dirty, "/one more", false, 0));
        ck_assert(dirty_mark(dirty, "/1", false, 0)); /* known already */
        take_expecting("/0");
        ck_assert(dirty_mark(dirty, "/one more", false, 0));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("dirty");
        TCase *tests = tcase_create("dirty");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, a_gap_is_not_over_for_a_path_until_a_look_tells_something);
        tcase_add_test(tests, who_touched_it_counts_until_a_look_tells_something);
        tcase_add_test(tests, a_path_waits_until_it_is_looked_at);
        tcase_add_test(tests, a_path_marked_twice_is_taken_once);
        tcase_add_test(tests, paths_come_in_the_order_of_marking);
        tcase_add_test(tests, a_path_marked_while_it_is_looked_at_is_taken_again);
        tcase_add_test(tests, a_path_is_not_taken_before_its_time);
        tcase_add_test(tests, of_those_that_wait_the_first_due_comes_first);
        tcase_add_test(tests, what_is_due_is_ready_whether_it_is_taken_or_not);
        tcase_add_test(tests, hurry_lets_the_waiting_go_now);
        tcase_add_test(tests, it_is_settled_only_when_all_that_was_marked_before_is_done);
        tcase_add_test(tests, a_second_mark_before_the_ticket_must_be_looked_at_too);
        tcase_add_test(tests, one_that_waited_is_not_hidden_behind_younger_ones);
        tcase_add_test(tests, an_event_outweighs_the_word_of_a_pass);
        tcase_add_test(tests, past_its_bound_it_takes_no_more_and_says_so);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
