/* SPDX-License-Identifier: MIT */
/* Programs run to their end: what they say, how they end, and that none outlives its deadline. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/child.h"
#include "core/unroot.h"

static struct buf output, errors;
static struct err err;
static int status;

static int
run(const char *script, unsigned timeout_ms, const atomic_bool *cancel)
{
        char shell[] = "sh", option[] = "-c", *arguments[] = {shell, option, (char *)(uintptr_t)script, NULL};
        struct child child = {.program = "/bin/sh",
                .arguments = arguments,
                .timeout_ms = timeout_ms,
                .output_max = 100000,
                .cancel = cancel};
        buf_done(&output);
        buf_done(&errors);
        status = -1;
        return child_run(&child, &output, &errors, &status, &err);
}

static void
teardown(void)
{
        buf_done(&output);
        buf_done(&errors);
}

START_TEST(what_it_says_and_how_it_ends)
{
        ck_assert_int_eq(run("echo out; echo err >&2; exit 7", 10000, NULL), 0);
        ck_assert_int_eq(status, 7);
        ck_assert_str_eq(output.data, "out\n");
        ck_assert_str_eq(errors.data, "err\n");
        ck_assert_int_eq(run("head -c 99999 /dev/zero", 10000, NULL), 0);
        ck_assert_uint_eq(output.size, 99999);
}
END_TEST

START_TEST(it_gets_a_clean_environment_and_no_descriptor_of_ours)
{
        ck_assert_int_eq(setenv("LD_PRELOAD_TEST", "x", 1), 0);
        /* 3 is the folder that the shell itself reads. */
        ck_assert_int_eq(run("env | sort | grep -v ^_=; readlink /proc/self/fd/0; cd /proc/$$/fd; echo *",
                                 10000, NULL),
                0);
        ck_assert_ptr_null(strstr(output.data, "LD_PRELOAD_TEST"));
        ck_assert_ptr_nonnull(strstr(output.data, "LC_ALL=C\n"));
        ck_assert_ptr_nonnull(strstr(output.data, "/dev/null\n0 1 2 3\n"));
}
END_TEST

START_TEST(none_outlives_its_deadline)
{
        ck_assert_int_eq(run("sleep 300 & echo $! $$; wait", 300, NULL), CHILD_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "in time"));
        char *rest;
        int pids[2] = {(int)strtol(output.data, &rest, 10)};
        pids[1] = (int)strtol(rest, NULL, 10);
        ck_assert_int_gt(pids[0], 0);
        ck_assert_int_gt(pids[1], 0);
        ck_assert_int_eq(kill(pids[1], 0), -1);
        /* The grandchild was killed, too; init takes it up. */
        for (int i = 0; i < 500 && kill(pids[0], 0) == 0; i++) {
                char path[64], text[256] = "";
                snprintf(path, sizeof path, "/proc/%d/stat", pids[0]);
                FILE *file = fopen(path, "re");
                size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
                text[size] = '\0';
                if (file)
                        fclose(file);
                if (strstr(text, ") Z "))
                        return;
                usleep(10000);
        }
        ck_assert_int_eq(kill(pids[0], 0), -1);
}
END_TEST

START_TEST(what_it_leaves_behind_is_not_waited_for)
{
        ck_assert_int_eq(run("sleep 300 & echo done", 10000, NULL), 0);
        ck_assert_str_eq(output.data, "done\n");
}
END_TEST

START_TEST(failures_have_their_words)
{
        char name[] = "x", *arguments[] = {name, NULL};
        struct child child = {.program = "/nonexistent/program", .arguments = arguments, .timeout_ms = 1000};
        ck_assert_int_eq(child_run(&child, &output, &errors, &status, &err), CHILD_FAILED);
        ck_assert_str_eq(err.text, "/nonexistent/program: No such file or directory");
        ck_assert_int_eq(run("kill -9 $$", 10000, NULL), CHILD_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "signal 9"));
        ck_assert_int_eq(run("head -c 200000 /dev/zero; sleep 300", 10000, NULL), CHILD_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "more than"));
}
END_TEST

/* It keeps all its rights, and neither we nor the next one are any other. */
START_TEST(it_need_not_be_told_that_it_is_root)
{
        uid_t before = geteuid();
        char option[] = "-u", name[] = "id", *arguments[] = {name, option, NULL};
        struct child child = {.program = "/usr/bin/id",
                .arguments = arguments,
                .timeout_ms = 10000,
                .output_max = 1000,
                .unrooted = true};
        ck_assert_int_eq(child_run(&child, &output, &errors, &status, &err), 0);
        ck_assert_int_eq(status, 0);
        ck_assert_uint_eq(strtoul(output.data, NULL, 10), UNROOT_UID);
        ck_assert_uint_eq(geteuid(), before);
        child.unrooted = false;
        buf_clear(&output);
        ck_assert_int_eq(child_run(&child, &output, &errors, &status, &err), 0);
        ck_assert_uint_eq(strtoul(output.data, NULL, 10), before);
        child.unrooted = true;
        child.program = "/nonexistent/program";
        ck_assert_int_eq(child_run(&child, &output, &errors, &status, &err), CHILD_FAILED);
        ck_assert_str_eq(err.text, "/nonexistent/program: No such file or directory");
}
END_TEST

START_TEST(it_is_given_up_when_nobody_waits)
{
        atomic_bool cancel = true;
        ck_assert_int_eq(run("sleep 300", 10000, &cancel), -ECANCELED);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("child");
        TCase *tests = tcase_create("child");
        tcase_add_checked_fixture(tests, NULL, teardown);
        tcase_add_test(tests, what_it_says_and_how_it_ends);
        tcase_add_test(tests, it_gets_a_clean_environment_and_no_descriptor_of_ours);
        tcase_add_test(tests, none_outlives_its_deadline);
        tcase_add_test(tests, what_it_leaves_behind_is_not_waited_for);
        tcase_add_test(tests, failures_have_their_words);
        tcase_add_test(tests, it_need_not_be_told_that_it_is_root);
        tcase_add_test(tests, it_is_given_up_when_nobody_waits);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
