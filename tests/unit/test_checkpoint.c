/* SPDX-License-Identifier: MIT */
/* Checkpoints and witness requests: their one form, and what is refused. */
#include "core/checkpoint.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "core/clock.h"

#define ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define ID "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define START "driftd/0b8f6c1e\n12\n" ROOT "\ntime 2026-11-26T18:00:00Z\n"

static struct err err;

static void
setup(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
}

static const char *const good[] = {
        START,
        START "trust " ID " 1\n",
        START "trust " ID " 3\nbaseline cis 2 " ID "\nbaseline host 12 " ID "\n",
        "driftd/x\n0\n" ROOT "\ntime 2026-11-26T18:00:00Z\n",
        "driftd/x\n9223372036854775807\n" ROOT "\ntime 2026-11-26T18:00:00Z\n",
};

START_TEST(ours_are_read_and_written_the_same)
{
        struct checkpoint c = {0};
        struct buf again = {0};
        ck_assert_msg(checkpoint_parse(good[_i], strlen(good[_i]), &c, &err) == 0, "%s", err.text);
        ck_assert(c.ours);
        ck_assert_int_eq(checkpoint_append(&c, &again), 0);
        ck_assert_str_eq(again.data, good[_i]);
        buf_done(&again);
        checkpoint_done(&c);
}
END_TEST

START_TEST(a_later_version_may_say_more)
{
        static const char text[] = START "trust " ID " 1\nnews of some kind\nbaseline host 12 " ID "\n";
        struct checkpoint c = {0};
        ck_assert_int_eq(checkpoint_parse(text, strlen(text), &c, &err), 0);
        ck_assert_uint_eq(c.n_baselines, 1);
        ck_assert_uint_eq(c.baselines[0].generation, 12);
        checkpoint_done(&c);
}
END_TEST

START_TEST(another_logs_lines_are_its_own_matter)
{
        static const char text[] = "example.com/log42\n7\n" ROOT "\ntime is not ours\n";
        struct checkpoint c = {0};
        ck_assert_int_eq(checkpoint_parse(text, strlen(text), &c, &err), 0);
        ck_assert(!c.ours);
        ck_assert_uint_eq(c.size, 7);
        checkpoint_done(&c);
}
END_TEST

static const char *const bad[] = {
        "",
        "\n",
        "driftd/x\n",
        "driftd/x\n12\n",
        "driftd/x\n12\n" ROOT "\n",
        "driftd/x\n12\n" ROOT,
        "\n12\n" ROOT "\n",
        "example.com/x\n012\n" ROOT "\n",
        "example.com/x\n-1\n" ROOT "\n",
        "example.com/x\n9223372036854775808\n" ROOT "\n",
        "example.com/x\n99999999999999999999\n" ROOT "\n",
        "example.com/x\n \n" ROOT "\n",
        "example.com/x\n12\n" ROOT " \n",
        "example.com/x\n12\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n",
        "example.com/x\n12\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n",
        "example.com/x\n12\nAAAA\n",
        "example.com/x\n12\n" ROOT "\n\nmore\n",
        "driftd/x\n12\n" ROOT "\ntime 2026-11-26T18:00:00.5Z\n",
        "driftd/x\n12\n" ROOT "\ntrust " ID " 1\n",
        START "trust " ID "\n",
        START "trust " ID " 01\n",
        START "trust " ID " 1\ntrust " ID " 1\n",
        START "trust X" ID " 1\n",
        START "baseline host 12\n",
        START "baseline host 12 " ID " \n",
        START "baseline host  12 " ID "\n",
        START "baseline Ho+st 12 " ID "\n",
        START "baseline host 12 " ID "\nbaseline cis 2 " ID "\n",
        START "baseline host 12 " ID "\nbaseline host 13 " ID "\n",
        START "baseline host 12 " ID "\ntrust " ID " 1\n",
        START "\n",
};

START_TEST(what_is_no_checkpoint_is_refused)
{
        struct checkpoint c = {0};
        ck_assert_msg(checkpoint_parse(bad[_i], strlen(bad[_i]), &c, &err) == CHECKPOINT_MALFORMED,
                "taken: %s", bad[_i]);
        ck_assert_str_ne(err.text, "");
}
END_TEST

/* The example of c2sp.org/tlog-witness. */
START_TEST(a_request_is_read_and_written_the_same)
{
        static const char text[] = "old 20852014\n"
                                   "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
                                   "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
                                   "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
                                   "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
                                   "\n"
                                   "example.com/behind-the-sofa\n20852163\n";
        struct checkpoint_request request;
        struct buf again = {0};
        ck_assert_int_eq(checkpoint_request_parse(text, strlen(text), &request, &err), 0);
        ck_assert_uint_eq(request.old, 20852014);
        ck_assert_uint_eq(request.proof.count, 4);
        ck_assert_int_eq(checkpoint_request_append(request.old, &request.proof, request.checkpoint,
                                 request.checkpoint_size, &again),
                0);
        ck_assert_str_eq(again.data, text);
        buf_done(&again);
}
END_TEST

static const char cut_request[] = "old 1\n" ROOT "\n", blank_request[] = "old 1\n" ROOT " \n\nx\n";
static const char *const bad_requests[] = {"", "old 1", "old 1\n", "old 01\n\nx\n", "old  1\n\nx\n",
        "Old 1\n\nx\n", "old -1\n\nx\n", "old\n\nx\n", "old 1\nAAAA\n\nx\n", cut_request, blank_request,
        "old 9223372036854775808\n\nx\n"};

START_TEST(what_is_no_request_is_refused)
{
        struct checkpoint_request request;
        ck_assert_int_eq(checkpoint_request_parse(bad_requests[_i], strlen(bad_requests[_i]), &request, &err),
                CHECKPOINT_MALFORMED);
        ck_assert_str_ne(err.text, "");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("checkpoint");
        TCase *tests = tcase_create("checkpoint");
        tcase_add_checked_fixture(tests, setup, NULL);
        tcase_add_loop_test(tests, ours_are_read_and_written_the_same, 0, (int)ARRAY_SIZE(good));
        tcase_add_test(tests, a_later_version_may_say_more);
        tcase_add_test(tests, another_logs_lines_are_its_own_matter);
        tcase_add_loop_test(tests, what_is_no_checkpoint_is_refused, 0, (int)ARRAY_SIZE(bad));
        tcase_add_test(tests, a_request_is_read_and_written_the_same);
        tcase_add_loop_test(tests, what_is_no_request_is_refused, 0, (int)ARRAY_SIZE(bad_requests));
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
