/* SPDX-License-Identifier: MIT */
/* Who did it: the texts of /proc, a real process, and what may be said from several events. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/who.h"

/* ---- texts ---- */

START_TEST(the_uid_is_the_effective_one)
{
        int64_t uid = 0;
        ck_assert_int_eq(who_parse_uid("Name:\tUid:\t7\nUid:\t1000\t33\t0\t0\nGid:\t0\n", &uid), 0);
        ck_assert_int_eq(uid, 33);
        ck_assert_int_eq(who_parse_uid("Name:\tx\nGid:\t0\n", &uid), -EBADMSG);
        ck_assert_int_eq(who_parse_uid("Name:\tx\nUid:\tall\n", &uid), -EBADMSG);
}
END_TEST

START_TEST(a_name_cannot_forge_the_start_time)
{
        static const char stat[] = "42 (a) S 9 9 9 9) R 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 "
                                   "1024 3 4\n";
        char state = 0;
        uint64_t started = 0;
        ck_assert_int_eq(who_parse_start(stat, &state, &started), 0);
        ck_assert_int_eq(state, 'R');
        ck_assert_uint_eq(started, 98765);
        ck_assert_int_eq(who_parse_start("42 (a) S 1 2 3\n", &state, &started), -EBADMSG);
        ck_assert_int_eq(who_parse_start("", &state, &started), -EBADMSG);
        ck_assert_int_eq(who_parse_start("42 (a)", &state, &started), -EBADMSG);
}
END_TEST

START_TEST(a_fork_is_told_from_what_executed)
{
        bool forked = false;
        ck_assert_int_eq(who_parse_forked("7 (a) S 1 7 7 0 -1 4194368 0 ", &forked), 0);
        ck_assert(forked);
        ck_assert_int_eq(who_parse_forked("7 (b) 1 (x) S 1 7 7 0 -1 4194304 0 ", &forked), 0);
        ck_assert(!forked);
        ck_assert_int_eq(who_parse_forked("7 (a) S 1 7 7 0 -1", &forked), -EBADMSG);
        ck_assert_int_eq(who_parse_forked("7 (a) S 1 7 7 0 -1 x ", &forked), -EBADMSG);
}
END_TEST

START_TEST(no_login_is_none_and_not_a_large_number)
{
        int64_t uid = 7;
        ck_assert_int_eq(who_parse_login_uid("4294967295", &uid), 0);
        ck_assert_int_eq(uid, -1);
        ck_assert_int_eq(who_parse_login_uid("1000\n", &uid), 0);
        ck_assert_int_eq(uid, 1000);
        ck_assert_int_eq(who_parse_login_uid("", &uid), -EBADMSG);
        ck_assert_int_eq(who_parse_login_uid("4294967296", &uid), -EBADMSG);
        ck_assert_int_eq(who_parse_login_uid("0x10", &uid), -EBADMSG);
}
END_TEST

static const struct {
        const char *cgroup, *unit;
} units[] = {
        {"0::/system.slice/ssh.service\n", "ssh.service"},
        {"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", "user@1000.service"},
        {"12:memory:/a\n1:name=systemd:/system.slice/cron.service\n0::/\n", "cron.service"},
        {"0::/init.scope\n", "init.scope"},
        {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
        {"0::/system.slice/__odd.service\n", "_odd.service"},
        {"0::/system.slice/a\033b.service\n", "a\\x1bb.service"},
        {"0::/docker/0123456789\n", NULL},
        {"0::/\n", NULL},
        {"", NULL},
        {"garbage", NULL},
        {"0::/.service\n", NULL},
};

START_TEST(the_unit_is_the_first_part_that_is_no_slice)
{
        _cleanup_free_ char *unit = who_parse_unit(units[_i].cgroup);
        if (units[_i].unit)
                ck_assert_str_eq(unit, units[_i].unit);
        else
                ck_assert_ptr_null(unit);
}
END_TEST

START_TEST(a_command_line_is_escaped_word_by_word_and_cut)
{
        static const char hostile[] = "sh\0-c\0echo \033[2J\n\0";
        char longer[WHO_CMDLINE_MAX + 10];
        bool cut = true;
        _cleanup_free_ char *text = who_cmdline(hostile, sizeof hostile - 1, &cut);
        ck_assert_str_eq(text, "sh -c echo\\x20\\x1b[2J\\x0a");
        ck_assert(!cut);
        memset(longer, 'a', sizeof longer);
        _cleanup_free_ char *most = who_cmdline(longer, sizeof longer, &cut);
        ck_assert_uint_eq(strlen(most), WHO_CMDLINE_MAX);
        ck_assert(cut);
        ck_assert_ptr_null(who_cmdline("", 0, &cut));
}
END_TEST

/* ---- a process ---- */

static int
pidfd_of(pid_t pid)
{
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

static struct json *
trace_json(const struct who_trace *trace)
{
        struct json *value = NULL;
        _cleanup_free_ char *text = who_trace_write(trace, false);
        ck_assert_ptr_nonnull(text);
        ck_assert_int_eq(json_parse(text, strlen(text), &value, NULL), 0);
        return value;
}

static void
assert_confidence(const struct who_trace *trace, pid_t pid, const char *confidence, int others)
{
        _cleanup_json_ struct json *value = trace_json(trace);
        ck_assert_int_eq(json_number(value, "pid"), pid);
        ck_assert_str_eq(json_text(value, "confidence"), confidence);
        ck_assert_int_eq(json_number(value, "others"), others);
}

/* A child that waits to be ended. */
static pid_t
child_start(void)
{
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                pause();
                _exit(0);
        }
        return pid;
}

static void
child_end(pid_t pid)
{
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(a_living_process_is_read_and_one_event_makes_it_exact)
{
        _cleanup_fd_ int pidfd = pidfd_of(getpid());
        _cleanup_(who_dropp) struct who *who = who_read(getpid(), pidfd);
        struct who_trace *trace = NULL;
        who_trace_add(&trace, &(struct who_touch){.who = who});
        who_trace_add(&trace, &(struct who_touch){.who = who});
        assert_confidence(trace, getpid(), "exact", 0);
        _cleanup_json_ struct json *value = trace_json(trace);
        ck_assert_int_eq(json_number(value, "uid"), (json_int)geteuid());
        ck_assert_ptr_nonnull(strstr(json_text(value, "exe"), "test_who"));
        ck_assert_ptr_nonnull(strstr(json_text(value, "cmdline"), "test_who"));
        who_trace_free(trace);
}
END_TEST

START_TEST(a_process_that_gave_its_number_back_is_only_a_number)
{
        pid_t pid = child_start();
        _cleanup_fd_ int pidfd = pidfd_of(pid);
        ck_assert(who_lives(pidfd));
        child_end(pid);
        ck_assert(!who_lives(pidfd));
        /* As if the number were another's by now: nothing that is read under it may be told. */
        _cleanup_(who_dropp) struct who *who = who_read(getpid(), pidfd);
        struct who_trace *trace = NULL;
        who_trace_add(&trace, &(struct who_touch){.who = who});
        assert_confidence(trace, getpid(), "unknown", 0);
        _cleanup_json_ struct json *value = trace_json(trace);
        ck_assert(json_is_null(json_member(value, "exe")) && json_is_null(json_member(value, "uid")) &&
                  json_is_null(json_member(value, "cmdline")));
        who_trace_free(trace);
}
END_TEST

/* ---- several events ---- */

static struct who *me, *child;
static pid_t child_pid;

static void
two_processes(void)
{
        child_pid = child_start();
        _cleanup_fd_ int mine = pidfd_of(getpid()), its = pidfd_of(child_pid);
        me = who_read(getpid(), mine);
        child = who_read(child_pid, its);
        ck_assert(me && child);
}

static void
end_both(void)
{
        child_end(child_pid);
        me = who_drop(me);
        child = who_drop(child);
}

START_TEST(of_two_processes_the_last_is_likely_and_the_other_is_counted)
{
        struct who_trace *trace = NULL;
        who_trace_add(&trace, &(struct who_touch){.who = child});
        who_trace_add(&trace, &(struct who_touch){.who = me});
        assert_confidence(trace, getpid(), "likely", 1);
        who_trace_add(&trace, &(struct who_touch){.who = child});
        assert_confidence(trace, child_pid, "likely", 1);
        who_trace_free(trace);
}
END_TEST

START_TEST(what_need_not_have_changed_it_is_no_cause_beside_what_could)
{
        struct who_trace *trace = NULL;
        who_trace_add(&trace, &(struct who_touch){.who = child, .weak = true});
        assert_confidence(trace, child_pid, "likely", 0);
        who_trace_add(&trace, &(struct who_touch){.who = me});
        who_trace_add(&trace, &(struct who_touch){.who = child, .weak = true});
        assert_confidence(trace, getpid(), "exact", 0);
        who_trace_free(trace);
}
END_TEST

/* One wrote through a mapping, of which the kernel tells only that it is closed; the other set the mode. */
START_TEST(who_changed_metadata_is_not_sure_beside_one_that_need_not_have_changed_it)
{
        struct who_trace *trace = NULL, *copy = NULL;
        who_trace_add(&trace, &(struct who_touch){.who = child, .weak = true});
        who_trace_add(&trace, &(struct who_touch){.who = me, .metadata = true});
        ck_assert(!who_trace_of_metadata(trace));
        assert_confidence(trace, getpid(), "likely", 0);
        who_trace_copy(&copy, trace);
        assert_confidence(copy, getpid(), "likely", 0);
        who_trace_add(&trace, &(struct who_touch){.who = me});
        assert_confidence(trace, getpid(), "exact", 0);
        who_trace_free(trace);
        who_trace_free(copy);
}
END_TEST

START_TEST(a_doubt_and_an_event_without_a_process_are_never_exact)
{
        struct who_trace *doubt = NULL, *blind = NULL;
        who_trace_add(&doubt, &(struct who_touch){.who = me, .doubt = true});
        assert_confidence(doubt, getpid(), "likely", 0);
        who_trace_add(&blind, &(struct who_touch){.who = me});
        who_trace_add(&blind, &(struct who_touch){0});
        assert_confidence(blind, getpid(), "likely", 0);
        who_trace_free(blind);
        blind = NULL; /* and the other way round */
        who_trace_add(&blind, &(struct who_touch){0});
        ck_assert_ptr_null(who_trace_write(blind, false));
        who_trace_add(&blind, &(struct who_touch){.who = me});
        assert_confidence(blind, getpid(), "likely", 0);
        who_trace_free(doubt);
        who_trace_free(blind);
}
END_TEST

START_TEST(where_events_may_be_missing_or_the_program_came_after_its_event_none_is_exact)
{
        struct who_trace *trace = NULL;
        who_trace_add(&trace, &(struct who_touch){.who = me});
        _cleanup_free_ char *gap = who_trace_write(trace, true);
        ck_assert_ptr_nonnull(strstr(gap, "\"confidence\":\"likely\""));
        assert_confidence(trace, getpid(), "exact", 0);
        who_doubt_program(me);
        assert_confidence(trace, getpid(), "likely", 0);
        who_trace_free(trace);
}
END_TEST

/* Between two looks a number may go round: what bears it now and was not read need not be what bore it. */
START_TEST(a_number_that_comes_again_unread_is_not_surely_the_same_process)
{
        struct who_trace *trace = NULL;
        _cleanup_(who_dropp) struct who *gone = who_gone(child_pid);
        who_trace_add(&trace, &(struct who_touch){.who = child});
        who_trace_add(&trace, &(struct who_touch){.who = gone});
        assert_confidence(trace, child_pid, "likely", 0);
        who_trace_free(trace);
}
END_TEST

START_TEST(events_of_metadata_are_told_from_those_of_more)
{
        struct who_trace *trace = NULL, *copy = NULL;
        ck_assert(!who_trace_of_metadata(NULL));
        who_trace_add(&trace, &(struct who_touch){.who = me, .metadata = true});
        who_trace_copy(&copy, trace);
        ck_assert(who_trace_of_metadata(trace) && who_trace_of_metadata(copy));
        who_trace_add(&trace, &(struct who_touch){.who = me, .weak = true});
        ck_assert(!who_trace_of_metadata(trace)); /* it may have stored through a mapping */
        who_trace_add(&copy, NULL);
        ck_assert(!who_trace_of_metadata(copy));
        who_trace_free(trace);
        who_trace_free(copy);
}
END_TEST

START_TEST(one_that_ends_between_its_events_stays_known)
{
        struct who_trace *trace = NULL;
        _cleanup_(who_dropp) struct who *gone = who_gone(child_pid);
        who_trace_add(&trace, &(struct who_touch){.who = child});
        who_trace_add(&trace, &(struct who_touch){.who = gone, .doubt = true});
        assert_confidence(trace, child_pid, "likely", 0);
        who_trace_free(trace);
}
END_TEST

START_TEST(more_processes_than_there_is_room_for_are_bounded_and_likely)
{
        struct who_trace *trace = NULL;
        for (pid_t pid = 1; pid <= 3 * (pid_t)WHO_TRACE_MAX; pid++) {
                _cleanup_(who_dropp) struct who *who = who_gone(pid);
                who_trace_add(&trace, &(struct who_touch){.who = who});
        }
        who_trace_add(&trace, &(struct who_touch){.who = me});
        assert_confidence(trace, getpid(), "likely", WHO_TRACE_MAX - 1);
        who_trace_free(trace);
}
END_TEST

START_TEST(traces_join_in_order_and_a_copy_leaves_its_source)
{
        struct who_trace *first = NULL, *second = NULL, *copy = NULL;
        who_trace_add(&first, &(struct who_touch){.who = child});
        who_trace_add(&second, &(struct who_touch){.who = me});
        who_trace_copy(&copy, first);
        who_trace_copy(&copy, second);
        assert_confidence(copy, getpid(), "likely", 1);
        assert_confidence(second, getpid(), "exact", 0);
        who_trace_free(copy);
        who_trace_join(&first, &second);
        ck_assert_ptr_null(second);
        assert_confidence(first, getpid(), "likely", 1);
        who_trace_free(first);
}
END_TEST

START_TEST(an_empty_trace_names_nobody)
{
        ck_assert_ptr_null(who_trace_write(NULL, false));
        struct who_trace *trace = NULL;
        who_trace_add(&trace, NULL);
        ck_assert_ptr_null(who_trace_write(trace, false));
        who_trace_free(trace);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("who");
        TCase *texts = tcase_create("texts"), *process = tcase_create("process"),
              *traces = tcase_create("traces");
        tcase_add_test(texts, the_uid_is_the_effective_one);
        tcase_add_test(texts, a_name_cannot_forge_the_start_time);
        tcase_add_test(texts, a_fork_is_told_from_what_executed);
        tcase_add_test(texts, no_login_is_none_and_not_a_large_number);
        tcase_add_loop_test(texts, the_unit_is_the_first_part_that_is_no_slice, 0, (int)ARRAY_SIZE(units));
        tcase_add_test(texts, a_command_line_is_escaped_word_by_word_and_cut);
        tcase_add_test(process, a_living_process_is_read_and_one_event_makes_it_exact);
        tcase_add_test(process, a_process_that_gave_its_number_back_is_only_a_number);
        tcase_add_checked_fixture(traces, two_processes, end_both);
        tcase_add_test(traces, of_two_processes_the_last_is_likely_and_the_other_is_counted);
        tcase_add_test(traces, what_need_not_have_changed_it_is_no_cause_beside_what_could);
        tcase_add_test(traces, who_changed_metadata_is_not_sure_beside_one_that_need_not_have_changed_it);
        tcase_add_test(traces, a_doubt_and_an_event_without_a_process_are_never_exact);
        tcase_add_test(traces, where_events_may_be_missing_or_the_program_came_after_its_event_none_is_exact);
        tcase_add_test(traces, a_number_that_comes_again_unread_is_not_surely_the_same_process);
        tcase_add_test(traces, events_of_metadata_are_told_from_those_of_more);
        tcase_add_test(traces, one_that_ends_between_its_events_stays_known);
        tcase_add_test(traces, more_processes_than_there_is_room_for_are_bounded_and_likely);
        tcase_add_test(traces, traces_join_in_order_and_a_copy_leaves_its_source);
        tcase_add_test(traces, an_empty_trace_names_nobody);
        suite_add_tcase(suite, texts);
        suite_add_tcase(suite, process);
        suite_add_tcase(suite, traces);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
