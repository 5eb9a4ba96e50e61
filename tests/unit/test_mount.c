/* SPDX-License-Identifier: MIT */
/* The mount table: its lines, and which mount a path lies on, without touching the path. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/mount.h"
#include "tests/unit/scratch_help.h"

/* / with /proc, /srv (nfs), and /data, which hides /data/inner; over /data/top two mounts lie on one point.
 */
static const char text[] = "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
                           "22 21 0:5 / /proc rw - proc proc rw\n"
                           "23 21 0:40 / /srv rw - nfs4 host:/srv rw,vers=4.2\n"
                           "24 21 254:1 / /data/inner rw - ext4 /dev/b rw\n"
                           "25 21 254:2 / /data rw - xfs /dev/c rw\n"
                           "26 25 0:41 / /data/top rw - tmpfs tmpfs rw\n"
                           "27 26 0:42 / /data/top rw - fuse.sshfs me@host:/ rw\n"
                           "28 21 0:43 / /a\\040b\\134\\012c rw,master:2 - 9p share rw\n";

static struct mount_table table;

static void
setup(void)
{
        ck_assert_int_eq(mount_table_parse(strdup(text), &table), 0);
}

static void
teardown(void)
{
        mount_table_done(&table);
}

static uint64_t
id_of(const char *path)
{
        const struct mount *mount = mount_of_path(&table, path);
        return mount ? mount->id : 0;
}

START_TEST(a_path_lies_on_the_mount_that_holds_it)
{
        ck_assert_uint_eq(id_of("/"), 21);
        ck_assert_uint_eq(id_of("/etc/passwd"), 21);
        ck_assert_uint_eq(id_of("/proc"), 22);
        ck_assert_uint_eq(id_of("/proc/1/maps"), 22);
        ck_assert_uint_eq(id_of("/procedure"), 21);
        ck_assert_uint_eq(id_of("/data"), 25);
}
END_TEST

START_TEST(a_mount_that_another_one_hides_is_never_taken)
{
        ck_assert_uint_eq(id_of("/data/inner/file"), 25);
        ck_assert_uint_eq(id_of("/data/top/file"), 27);
}
END_TEST

START_TEST(what_may_not_answer_or_holds_no_files_is_foreign)
{
        const struct {
                uint64_t id;
                bool foreign;
        } wanted[] = {{21, false}, {22, true}, {23, true}, {25, false}, {26, false}, {27, true}, {28, true}};
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                ck_assert_int_eq(mount_by_id(&table, wanted[i].id)->foreign, wanted[i].foreign);
        ck_assert_ptr_null(mount_by_id(&table, 99));
}
END_TEST

START_TEST(the_kernels_escapes_are_undone)
{
        ck_assert_str_eq(mount_by_id(&table, 28)->point, "/a b\\\nc");
        ck_assert_uint_eq(id_of("/a b\\\nc/x"), 28);
}
END_TEST

START_TEST(a_table_that_does_not_hold_is_refused)
{
        static const char *const wrong[] = {
                "x\n", "1 2 3:4 / / rw\n", "1 2 3:4 / /\n", " - \n", "a b 3:4 / / rw - ext4 /dev/a rw\n"};
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                struct mount_table none = {0};
                ck_assert_int_eq(mount_table_parse(strdup(wrong[i]), &none), -EBADMSG);
        }
}
END_TEST

START_TEST(mounts_that_are_each_others_parents_end_the_search)
{
        struct mount_table circle = {0};
        ck_assert_int_eq(mount_table_parse(strdup("1 9 0:1 / / rw - ext4 a rw\n"
                                                  "2 1 0:2 / /a rw - ext4 b rw\n"
                                                  "2 2 0:2 / /a rw - ext4 b rw\n"),
                                 &circle),
                0);
        ck_assert_uint_eq(mount_of_path(&circle, "/a/b")->id, 2);
        mount_table_done(&circle);
}
END_TEST

START_TEST(the_live_table_has_a_root_and_proc)
{
        struct mount_table now = {0};
        ck_assert_int_eq(mount_table_now(&now), 0);
        ck_assert_ptr_nonnull(mount_of_path(&now, "/"));
        ck_assert(mount_of_path(&now, "/proc/self")->foreign);
        mount_table_done(&now);
}
END_TEST

static uint64_t
mount_id(const char *path)
{
        struct statx stx;
        ck_assert_int_eq(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &stx), 0);
        return stx.stx_mnt_id;
}

START_TEST(what_is_mounted_or_taken_away_is_known_at_once)
{
        char folder[] = "/tmp/driftd-mount-XXXXXX";
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip_test("a mount namespace needs root: %s", strerror(errno));
        ck_assert_ptr_nonnull(mkdtemp(folder));
        uint64_t below = mount_id(folder);
        for (int i = 0; i < 100; i++) {
                bool foreign = i % 2; /* a number that is free again is mostly the next one's */
                ck_assert_int_eq(mount_foreign_now(below), 0);
                ck_assert_int_eq(mount("driftd", folder, foreign ? "proc" : "tmpfs", 0, NULL), 0);
                uint64_t id = mount_id(folder);
                ck_assert_int_eq(mount_foreign_now(id), foreign);
                ck_assert_int_eq(umount(folder), 0);
                ck_assert_int_eq(mount_foreign_now(id), -ESTALE);
        }
        rmdir(folder);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("mount");
        TCase *all = tcase_create("all");
        tcase_add_checked_fixture(all, setup, teardown);
        tcase_add_test(all, a_path_lies_on_the_mount_that_holds_it);
        tcase_add_test(all, a_mount_that_another_one_hides_is_never_taken);
        tcase_add_test(all, what_may_not_answer_or_holds_no_files_is_foreign);
        tcase_add_test(all, the_kernels_escapes_are_undone);
        tcase_add_test(all, a_table_that_does_not_hold_is_refused);
        tcase_add_test(all, mounts_that_are_each_others_parents_end_the_search);
        tcase_add_test(all, the_live_table_has_a_root_and_proc);
        tcase_add_test(all, what_is_mounted_or_taken_away_is_known_at_once);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
