/* SPDX-License-Identifier: MIT */
/* Our own files: bounded and regular when read; whole, durable and without leftovers when written. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/file.h"

static char folder[64];

static void
setup(void)
{
        strcpy(folder, "/tmp/test-file-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(chdir(folder), 0);
}

static void
teardown(void)
{
        char command[128];
        ck_assert_int_eq(chdir("/"), 0);
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        ck_assert_int_eq(system(command), 0);
}

static unsigned
entries(const char *path)
{
        unsigned n = 0;
        DIR *dir = opendir(path);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n - 2;
}

static void
check_content(const char *path, const char *expected)
{
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        ck_assert_msg(file_read(path, 0, 1000, &buf, &err) == 0, "%s", err.text);
        ck_assert_str_eq(buf.data, expected);
}

static mode_t
mode_of(const char *path)
{
        struct stat st;
        ck_assert_int_eq(lstat(path, &st), 0);
        return st.st_mode & 07777;
}

START_TEST(what_is_written_is_read_back)
{
        ck_assert_int_eq(file_write("a", 0644, "x\0y", 3, NULL), 0);
        _cleanup_buf_ struct buf buf = {0};
        buf_text(&buf, "before ");
        ck_assert_int_eq(file_read("a", 0, 3, &buf, NULL), 0);
        ck_assert_uint_eq(buf.size, 10);
        ck_assert_mem_eq(buf.data, "before x\0y", 11);
}
END_TEST

START_TEST(an_empty_file_is_read_as_an_empty_string)
{
        ck_assert_int_eq(file_write("a", 0644, NULL, 0, NULL), 0);
        check_content("a", "");
}
END_TEST

START_TEST(the_mode_is_the_one_asked_for_whatever_the_umask)
{
        mode_t before = umask(077);
        ck_assert_int_eq(file_write("a", 0664, "x", 1, NULL), 0);
        ck_assert_uint_eq(mode_of("a"), 0664);
        ck_assert_int_eq(file_write("a", 0600, "x", 1, NULL), 0);
        ck_assert_uint_eq(mode_of("a"), 0600);
        ck_assert_int_eq(folder_create("p/q/r", 0755, NULL), 0);
        ck_assert_uint_eq(mode_of("p/q"), 0755);
        ck_assert_uint_eq(mode_of("p/q/r"), 0755);
        umask(before);
}
END_TEST

START_TEST(replacing_leaves_the_old_file_whole_for_those_who_have_it_open)
{
        char bytes[4] = "";
        ck_assert_int_eq(file_write("a", 0644, "old", 3, NULL), 0);
        int fd = open("a", O_RDONLY);
        ck_assert_int_eq(file_write("a", 0644, "new", 3, NULL), 0);
        ck_assert_int_eq(read(fd, bytes, 3), 3);
        close(fd);
        ck_assert_str_eq(bytes, "old");
        check_content("a", "new");
        ck_assert_uint_eq(entries("."), 1);
}
END_TEST

START_TEST(replacing_a_link_replaces_the_link_and_not_what_it_leads_to)
{
        ck_assert_int_eq(file_write("target", 0644, "kept", 4, NULL), 0);
        ck_assert_int_eq(symlink("target", "a"), 0);
        ck_assert_int_eq(file_write("a", 0644, "new", 3, NULL), 0);
        check_content("target", "kept");
        check_content("a", "new");
}
END_TEST

START_TEST(creating_never_replaces)
{
        struct err err = {0};
        ck_assert_int_eq(file_create("a", 0600, "one", 3, &err), 0);
        ck_assert_uint_eq(mode_of("a"), 0600);
        ck_assert_int_eq(file_create("a", 0600, "two", 3, &err), -EEXIST);
        ck_assert_ptr_nonnull(strstr(err.text, "a: File exists"));
        check_content("a", "one");
        ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
        ck_assert_int_eq(file_create("dangling", 0600, "x", 1, &err), -EEXIST);
        ck_assert_uint_eq(entries("."), 2);
}
END_TEST

START_TEST(a_write_that_fails_leaves_the_old_file_and_nothing_else)
{
        struct err err = {0};
        static char large[10000];
        ck_assert_int_eq(file_write("a", 0644, "old", 3, NULL), 0);
        struct rlimit before, small;
        signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = before;
        small.rlim_cur = 1000;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        ck_assert_int_eq(file_write("a", 0644, large, sizeof large, &err), -EFBIG);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        check_content("a", "old");
        ck_assert_uint_eq(entries("."), 1);
}
END_TEST

START_TEST(a_name_that_cannot_be_taken_leaves_nothing_behind)
{
        struct err err = {0};
        ck_assert_int_eq(mkdir("d", 0755), 0);
        ck_assert_int_eq(file_write("d", 0644, "x", 1, &err), -EISDIR);
        ck_assert_int_eq(file_write("d/", 0644, "x", 1, &err), -EISDIR);
        ck_assert_int_eq(file_write("no/a", 0644, "x", 1, &err), -ENOENT);
        ck_assert_uint_eq(entries("."), 1);
        ck_assert_uint_eq(entries("d"), 0);
}
END_TEST

START_TEST(the_longest_name_can_be_written)
{
        char name[256];
        memset(name, 'n', 255);
        name[255] = '\0';
        ck_assert_int_eq(file_write(name, 0644, "x", 1, NULL), 0);
        check_content(name, "x");
}
END_TEST

START_TEST(reading_is_bounded)
{
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        static char large[200000];
        memset(large, 'x', sizeof large);
        ck_assert_int_eq(file_write("a", 0644, large, sizeof large, NULL), 0);
        buf_text(&buf, "kept");
        ck_assert_int_eq(file_read("a", 0, sizeof large - 1, &buf, &err), -EFBIG);
        ck_assert_str_eq(buf.data, "kept");
        ck_assert_int_eq(file_read("a", 0, sizeof large, &buf, &err), 0);
        ck_assert_uint_eq(buf.size, 4 + sizeof large);
}
END_TEST

START_TEST(an_endless_file_ends_at_the_bound)
{
        _cleanup_buf_ struct buf buf = {0};
        int fd = open("sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0);
        close(fd);
        ck_assert_int_eq(file_read("sparse", 0, 1 << 20, &buf, NULL), -EFBIG);
}
END_TEST

START_TEST(only_regular_files_are_read)
{
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        ck_assert_int_eq(mkfifo("fifo", 0644), 0); /* must not wait for a writer */
        ck_assert_int_eq(file_read("fifo", 0, 10, &buf, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
        ck_assert_int_eq(file_read(".", 0, 10, &buf, &err), -EINVAL);
        ck_assert_int_eq(file_read("/dev/zero", 0, 10, &buf, &err), -EINVAL);
}
END_TEST

START_TEST(a_link_is_followed_only_on_request)
{
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        ck_assert_int_eq(file_write("a", 0644, "x", 1, NULL), 0);
        ck_assert_int_eq(symlink("a", "link"), 0);
        ck_assert_int_eq(file_read("link", 0, 10, &buf, &err), -ELOOP);
        ck_assert_ptr_nonnull(strstr(err.hint, "link"));
        ck_assert_int_eq(file_read("link", FILE_FOLLOW, 10, &buf, &err), 0);
        ck_assert_str_eq(buf.data, "x");
}
END_TEST

START_TEST(a_missing_file_is_named_escaped)
{
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        ck_assert_int_eq(file_read("no\x1b such", 0, 10, &buf, &err), -ENOENT);
        ck_assert_str_eq(err.text, "cannot open no\\x1b\\x20such: No such file or directory");
}
END_TEST

static void
plant(const char *name)
{
        ck_assert_int_eq(file_write(name, 0600, "x", 1, NULL), 0);
}

START_TEST(what_a_killed_writer_left_is_removed_and_nothing_else)
{
        static const char *const others[] = {"a", "driftd-0123456789abcdef.tmp",
                ".driftd-0123456789abcde.tmp", ".driftd-0123456789ABCDEF.tmp",
                ".driftd-0123456789abcdef0.tmp", ".driftd-0123456789abcdef", ".driftd-0123456789abcdef.tmp~"};
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                plant(others[i]);
        ck_assert_int_eq(mkdir(".driftd-1111111111111111.tmp", 0700), 0);
        ck_assert_int_eq(symlink("a", ".driftd-2222222222222222.tmp"), 0);
        plant(".driftd-0123456789abcdef.tmp");
        plant(".driftd-3333333333333333.tmp");
        unsigned before = entries(folder);
        if (geteuid() == 0) {
                plant(".driftd-4444444444444444.tmp"); /* somebody else's */
                ck_assert_int_eq(chown(".driftd-4444444444444444.tmp", 1, 1), 0);
                before++;
        }
        ck_assert_int_eq(file_drafts_drop(folder), 2);
        ck_assert_uint_eq(entries(folder), before - 2);
        ck_assert_int_eq(access(".driftd-0123456789abcdef.tmp", F_OK), -1);
        ck_assert_int_eq(file_drafts_drop(folder), 0);
        ck_assert_int_eq(file_drafts_drop("none"), -ENOENT);
}
END_TEST

START_TEST(folders_are_made_with_their_parents_and_left_alone_if_there)
{
        struct err err = {0};
        char path[128];
        ck_assert_int_eq(mkdir("a", 0700), 0);
        snprintf(path, sizeof path, "%s/a//b/c/", folder);
        ck_assert_int_eq(folder_create(path, 0750, &err), 0);
        ck_assert_int_eq(folder_create(path, 0755, &err), 0);
        ck_assert_uint_eq(mode_of("a"), 0700);
        ck_assert_uint_eq(mode_of("a/b"), 0750);
        ck_assert_uint_eq(mode_of("a/b/c"), 0750);
        ck_assert_int_eq(folder_create("/", 0755, &err), 0);
}
END_TEST

START_TEST(a_file_in_the_way_of_a_folder_is_named)
{
        struct err err = {0};
        ck_assert_int_eq(file_write("a", 0644, "x", 1, NULL), 0);
        ck_assert_int_eq(folder_create("a/b", 0755, &err), -ENOTDIR);
        ck_assert_ptr_nonnull(strstr(err.text, "a is there and is not a folder"));
        ck_assert_int_eq(folder_create("a", 0755, &err), -ENOTDIR);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("file");
        TCase *tc = tcase_create("file");
        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_test(tc, what_is_written_is_read_back);
        tcase_add_test(tc, an_empty_file_is_read_as_an_empty_string);
        tcase_add_test(tc, the_mode_is_the_one_asked_for_whatever_the_umask);
        tcase_add_test(tc, replacing_leaves_the_old_file_whole_for_those_who_have_it_open);
        tcase_add_test(tc, replacing_a_link_replaces_the_link_and_not_what_it_leads_to);
        tcase_add_test(tc, creating_never_replaces);
        tcase_add_test(tc, a_write_that_fails_leaves_the_old_file_and_nothing_else);
        tcase_add_test(tc, a_name_that_cannot_be_taken_leaves_nothing_behind);
        tcase_add_test(tc, the_longest_name_can_be_written);
        tcase_add_test(tc, reading_is_bounded);
        tcase_add_test(tc, an_endless_file_ends_at_the_bound);
        tcase_add_test(tc, only_regular_files_are_read);
        tcase_add_test(tc, a_link_is_followed_only_on_request);
        tcase_add_test(tc, a_missing_file_is_named_escaped);
        tcase_add_test(tc, what_a_killed_writer_left_is_removed_and_nothing_else);
        tcase_add_test(tc, folders_are_made_with_their_parents_and_left_alone_if_there);
        tcase_add_test(tc, a_file_in_the_way_of_a_folder_is_named);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
