/* SPDX-License-Identifier: MIT */
/* The texts of dpkg and apt: what is read of real ones, and that nothing of a hostile one gets through. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/dpkg.h"

static struct buf told;

static void
setup(void)
{
        told = (struct buf){0};
}

static void
teardown(void)
{
        buf_done(&told);
}

#define assert_told(text) ck_assert_str_eq(told.data ? told.data : "", (text))

/* ---- dpkg.log ---- */

static int
tell_event(void *userdata, const struct dpkg_event *event)
{
        (void)userdata;
        return buf_printf(&told, "%s %s %s [%s] [%s]\n", event->when, dpkg_action_names[event->action],
                event->package, event->before, event->after);
}

static size_t
read_log(const char *text)
{
        size_t used = 0;
        ck_assert_int_eq(dpkg_log_read(text, strlen(text), &used, tell_event, NULL), 0);
        return used;
}

START_TEST(a_log_tells_what_was_done_to_which_package)
{
        read_log("2026-11-26 10:54:34 startup archives unpack\n"
                 "2026-11-26 10:54:34 install hello:amd64 <none> 2.10-3\n"
                 "2026-11-26 10:54:34 status half-installed hello:amd64 2.10-3\n"
                 "2026-11-26 10:54:35 upgrade libc6:amd64 2.36-9 2.36-9+deb12u1\n"
                 "2026-11-26 10:54:36 remove old:all 1:1.0~rc1-1 <none>\n"
                 "2026-11-26 10:54:36 purge older:all 1.0 <none>\n"
                 "2026-11-26 10:54:37 configure hello:amd64 2.10-3 <none>\n"
                 "2026-11-26 10:54:37 trigproc man-db:amd64 2.11.2-2 <none>\n"
                 "2026-11-26 10:54:37 conffile /etc/hello keep\n");
        assert_told("2026-11-26 10:54:34 startup  [] []\n"
                    "2026-11-26 10:54:34 install hello:amd64 [] [2.10-3]\n"
                    "2026-11-26 10:54:34 other  [] []\n"
                    "2026-11-26 10:54:35 upgrade libc6:amd64 [2.36-9] [2.36-9+deb12u1]\n"
                    "2026-11-26 10:54:36 remove old:all [1:1.0~rc1-1] []\n"
                    "2026-11-26 10:54:36 remove older:all [1.0] []\n"
                    "2026-11-26 10:54:37 configure hello:amd64 [2.10-3] []\n"
                    "2026-11-26 10:54:37 other  [] []\n"
                    "2026-11-26 10:54:37 other  [] []\n");
}
END_TEST

START_TEST(a_line_that_is_being_written_is_left_for_later)
{
        const char *text = "2026-11-26 10:54:34 install a:all <none> 1\n2026-11-26 10:54:34 upgrade b:al";
        ck_assert_uint_eq(read_log(text), strlen("2026-11-26 10:54:34 install a:all <none> 1\n"));
        assert_told("2026-11-26 10:54:34 install a:all [] [1]\n");
}
END_TEST

START_TEST(what_is_no_line_of_the_log_is_passed_over)
{
        static const char *const lines[] = {
                "",
                "\n\n\n",
                "2026-11-26\n",
                "2026-11-26 10:54:34\n",
                "2026-11-26 10:54:34 \n",
                "2026-11-26T10:54:34 install a:all <none> 1\n",
                "20x6-11-26 10:54:34 install a:all <none> 1\n",
                "2026-11-26 10:54:34 installed a:all <none> 1\n",
                "2026-11-26 10:54:34 install\n",
                "2026-11-26 10:54:34 install ../../etc/passwd <none> 1\n",
                "2026-11-26 10:54:34 install .hidden <none> 1\n",
                "2026-11-26 10:54:34 install :amd64 <none> 1\n",
                "2026-11-26 10:54:34 install a\033[2J <none> 1\n",
                "2026-11-26 10:54:34 install a\xff <none> 1\n",
        };
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                read_log(lines[i]);
        assert_told("");
        read_log("2026-11-26 10:54:34 upgrade a:all 1\033[2J 2/3\n"); /* no versions, but it was done */
        assert_told("2026-11-26 10:54:34 upgrade a:all [] []\n");
}
END_TEST

START_TEST(a_line_or_name_past_its_bound_is_passed_over)
{
        _cleanup_buf_ struct buf text = {0};
        buf_text(&text, "2026-11-26 10:54:34 install ");
        for (unsigned i = 0; i < DPKG_NAME_MAX; i++)
                buf_text(&text, "a");
        buf_text(&text, " <none> 1\n2026-11-26 10:54:34 install b:all <none> 1 ");
        for (unsigned i = 0; i < DPKG_LINE_MAX; i++)
                buf_text(&text, "b");
        buf_text(&text, "\n2026-11-26 10:54:34 install c:all <none> 1\n");
        read_log(text.data);
        assert_told("2026-11-26 10:54:34 install c:all [] [1]\n");
}
END_TEST

static int
stop(void *userdata, const struct dpkg_event *event)
{
        (void)userdata;
        (void)event;
        return 7;
}

START_TEST(a_visit_that_says_no_ends_the_reading)
{
        const char *text = "2026-11-26 10:54:34 startup a\n";
        ck_assert_int_eq(dpkg_log_read(text, strlen(text), NULL, stop, NULL), 7);
}
END_TEST

/* ---- history.log ---- */

static int
tell_command(void *userdata, const struct dpkg_command *command)
{
        (void)userdata;
        return buf_printf(&told, "%s|%s|%s|%s\n", command->start, command->end, command->command,
                command->requested_by);
}

START_TEST(a_history_tells_who_ran_what_and_when)
{
        const char *text = "\nStart-Date: 2026-11-26  10:54:34\nCommandline: apt-get install hello\n"
                           "Requested-By: alice (1000)\nInstall: hello:amd64 (2.10-3)\n"
                           "End-Date: 2026-11-26  10:54:36\n\n"
                           "Start-Date: 2026-11-26  11:00:00\nCommandline: /usr/bin/unattended-upgrade\n"
                           "\nStart-Date: nonsense\nEnd-Date: 2026-11-26  12:00:00\n";
        ck_assert_int_eq(dpkg_history_read(text, strlen(text), tell_command, NULL), 0);
        assert_told("2026-11-26 10:54:34|2026-11-26 10:54:36|apt-get install hello|alice (1000)\n"
                    "2026-11-26 11:00:00||/usr/bin/unattended-upgrade|\n");
}
END_TEST

START_TEST(a_long_command_line_is_cut)
{
        _cleanup_buf_ struct buf text = {0};
        buf_text(&text, "Start-Date: 2026-11-26  10:54:34\nCommandline: ");
        for (unsigned i = 0; i < 2 * DPKG_COMMAND_MAX; i++)
                buf_text(&text, "x");
        ck_assert_int_eq(dpkg_history_read(text.data, text.size, tell_command, NULL), 0);
        ck_assert_uint_eq(strspn(strchr(told.data, 'x'), "x"), DPKG_COMMAND_MAX - 1);
}
END_TEST

/* ---- the database ---- */

static int
tell_path(void *userdata, const char *path)
{
        (void)userdata;
        return buf_printf(&told, "%s\n", path);
}

START_TEST(a_list_gives_plain_absolute_paths_alone)
{
        const char *text = "/.\n/usr\n/usr/bin/hello\nusr/bin/relative\n/usr/../etc/shadow\n/usr//bin\n"
                           "/usr/bin/\n/\n\n/with blank\n/..\n/.hidden\n/last";
        ck_assert_int_eq(dpkg_list_read(text, strlen(text), tell_path, NULL), 0);
        assert_told("/usr\n/usr/bin/hello\n/with blank\n/.hidden\n/last\n");
}
END_TEST

START_TEST(a_path_past_its_bound_or_with_a_nul_is_passed_over)
{
        _cleanup_buf_ struct buf text = {0};
        buf_append(&text, "/a\0b\n/", 6);
        for (unsigned i = 0; i < DPKG_PATH_MAX; i++)
                buf_text(&text, "a");
        buf_text(&text, "\n/good\n");
        ck_assert_int_eq(dpkg_list_read(text.data, text.size, tell_path, NULL), 0);
        assert_told("/good\n");
}
END_TEST

static int
tell_sum(void *userdata, const char *path, const struct dpkg_md5 *md5)
{
        (void)userdata;
        return buf_printf(&told, "%s %02x%02x\n", path, md5->bytes[0], md5->bytes[15]);
}

START_TEST(sums_are_taken_only_in_their_form)
{
        const char *text = "d41d8cd98f00b204e9800998ecf8427e  usr/bin/hello\n"
                           "d41d8cd98f00b204e9800998ecf8427e *usr/bin/binary\n"
                           "D41D8CD98F00B204E9800998ECF8427E  usr/bin/upper\n"
                           "d41d8cd98f00b204e9800998ecf8427  usr/bin/short\n"
                           "d41d8cd98f00b204e9800998ecf8427e  usr/../etc/shadow\n"
                           "d41d8cd98f00b204e9800998ecf8427e  \n"
                           "d41d8cd98f00b204e9800998ecf8427e\n";
        ck_assert_int_eq(dpkg_md5sums_read(text, strlen(text), tell_sum, NULL), 0);
        assert_told("/usr/bin/hello d47e\n/usr/bin/binary d47e\n");
}
END_TEST

static int
tell_conffile(void *userdata, const char *package, const char *path, const struct dpkg_md5 *md5)
{
        (void)userdata;
        return buf_printf(&told, "%s %s %02x\n", package, path, md5->bytes[0]);
}

START_TEST(conffiles_belong_to_the_package_of_their_stanza)
{
        const char *text =
                "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nConffiles:\n"
                " /etc/a d41d8cd98f00b204e9800998ecf8427e\n"
                " /etc/a b c41d8cd98f00b204e9800998ecf8427e\n"
                " /etc/gone b41d8cd98f00b204e9800998ecf8427e obsolete\n"
                " /etc/new newconffile\n"
                " ../etc/x d41d8cd98f00b204e9800998ecf8427e\n"
                "Description: words\n"
                " /etc/not d41d8cd98f00b204e9800998ecf8427e\n"
                "\n"
                "Conffiles:\n /etc/nobody d41d8cd98f00b204e9800998ecf8427e\n"
                "\n"
                "Package: b\nConffiles:\n /etc/b a41d8cd98f00b204e9800998ecf8427e\n";
        ck_assert_int_eq(dpkg_conffiles_read(text, strlen(text), tell_conffile, NULL), 0);
        assert_told("a:all /etc/a d4\na:all /etc/a b c4\nb /etc/b a4\n");
}
END_TEST

static int
tell_diversion(void *userdata, const char *from, const char *to, const char *package)
{
        (void)userdata;
        return buf_printf(&told, "%s %s [%s]\n", from, to, package);
}

START_TEST(diversions_are_triples)
{
        const char *text = "/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/a\n/usr/bin/a.real\n:\n"
                           "/usr/../x\n/y\nbad\n/half\n/way\n";
        ck_assert_int_eq(dpkg_diversions_read(text, strlen(text), tell_diversion, NULL), 0);
        assert_told("/bin/sh /bin/sh.distrib [dash]\n/usr/bin/a /usr/bin/a.real []\n");
}
END_TEST

/* ---- names ---- */

START_TEST(names_of_packages_and_of_passing_files)
{
        char name[DPKG_NAME_MAX];
        ck_assert(dpkg_info_name("libc6:amd64.list", ".list", name));
        ck_assert_str_eq(name, "libc6:amd64");
        ck_assert(!dpkg_info_name("hello.md5sums", ".list", name));
        ck_assert(!dpkg_info_name(".list", ".list", name));
        ck_assert(!dpkg_info_name("..list", ".list", name));
        ck_assert(dpkg_same_package("hello", "hello:amd64"));
        ck_assert(dpkg_same_package("hello:amd64", "hello:amd64"));
        ck_assert(!dpkg_same_package("hello:i386", "hello:amd64"));
        ck_assert(!dpkg_same_package("hello", "hello2"));
        ck_assert(dpkg_is_passing("/usr/bin/x.dpkg-new"));
        ck_assert(dpkg_is_passing("/usr/bin/x.dpkg-tmp"));
        ck_assert(!dpkg_is_passing("/etc/x.dpkg-old"));
        ck_assert(!dpkg_is_passing("/etc/x.dpkg-new/y"));
        ck_assert(!dpkg_is_passing(".dpkg-new"));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("dpkg");
        TCase *tcase = tcase_create("texts");
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, a_log_tells_what_was_done_to_which_package);
        tcase_add_test(tcase, a_line_that_is_being_written_is_left_for_later);
        tcase_add_test(tcase, what_is_no_line_of_the_log_is_passed_over);
        tcase_add_test(tcase, a_line_or_name_past_its_bound_is_passed_over);
        tcase_add_test(tcase, a_visit_that_says_no_ends_the_reading);
        tcase_add_test(tcase, a_history_tells_who_ran_what_and_when);
        tcase_add_test(tcase, a_long_command_line_is_cut);
        tcase_add_test(tcase, a_list_gives_plain_absolute_paths_alone);
        tcase_add_test(tcase, a_path_past_its_bound_or_with_a_nul_is_passed_over);
        tcase_add_test(tcase, sums_are_taken_only_in_their_form);
        tcase_add_test(tcase, conffiles_belong_to_the_package_of_their_stanza);
        tcase_add_test(tcase, diversions_are_triples);
        tcase_add_test(tcase, names_of_packages_and_of_passing_files);
        suite_add_tcase(suite, tcase);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
