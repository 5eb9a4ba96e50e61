/* SPDX-License-Identifier: MIT */
/*
 * The store on disks that fail: every write and every fsync in turn, once and for good; full file systems;
 * read-only ones. What must hold each time: what was committed is there, what failed was said to have failed,
 * and it goes on.
 */
#include "store_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ---- a VFS between SQLite and the real one ---- */

static struct {
        sqlite3_vfs vfs;
        sqlite3_vfs *real;
        struct patched {
                const sqlite3_io_methods *original;
                sqlite3_io_methods methods;
        } patched[4];
        int countdown; /* operations until one fails; < 0: none does */
        bool for_good; /* and all after it */
        int answer;
} shim;

static struct patched *
patched_of(const sqlite3_io_methods *methods)
{
        for (size_t i = 0; i < ARRAY_SIZE(shim.patched); i++)
                if (&shim.patched[i].methods == methods)
                        return &shim.patched[i];
        return NULL;
}

static bool
shim_fails(void)
{
        if (shim.countdown < 0)
                return false;
        if (shim.countdown > 0) {
                shim.countdown--;
                return false;
        }
        if (!shim.for_good)
                shim.countdown = -1;
        return true;
}

static int
shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
        const sqlite3_io_methods *real = patched_of(file->pMethods)->original;
        if (!shim_fails())
                return real->xWrite(file, data, size, at);
        real->xWrite(file, data, size / 2, at); /* torn */
        return shim.answer;
}

static int
shim_sync(sqlite3_file *file, int flags)
{
        return shim_fails() ? SQLITE_IOERR_FSYNC : patched_of(file->pMethods)->original->xSync(file, flags);
}

static int
shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
        (void)vfs;
        int rc = shim.real->xOpen(shim.real, name, file, flags, ret_flags);
        if (rc != SQLITE_OK)
                return rc;
        for (size_t i = 0; i < ARRAY_SIZE(shim.patched); i++) {
                struct patched *patched = &shim.patched[i];
                if (!patched->original) {
                        *patched = (struct patched){file->pMethods, *file->pMethods};
                        patched->methods.xWrite = shim_write;
                        patched->methods.xSync = shim_sync;
                }
                if (patched->original == file->pMethods) {
                        file->pMethods = &patched->methods;
                        return SQLITE_OK;
                }
        }
        abort();
}

static void
shim_setup(void)
{
        shim.real = sqlite3_vfs_find(NULL);
        shim.vfs = *shim.real;
        shim.vfs.zName = "shim";
        shim.vfs.pNext = NULL;
        shim.vfs.xOpen = shim_open;
        shim.countdown = -1;
        ck_assert_int_eq(sqlite3_vfs_register(&shim.vfs, 1), SQLITE_OK);
        store_setup();
}

static void
shim_teardown(void)
{
        shim.countdown = -1;
        store_teardown();
        sqlite3_vfs_unregister(&shim.vfs);
}

/* Ten records and a value; the first thing that fails is the answer. */
static int
change(int number)
{
        char text[32];
        snprintf(text, sizeof text, "%d", number);
        int r = store_begin(store, &err);
        for (int i = 0; i < 10 && r == 0; i++)
                r = store_record(store, 1, "drift", "file:/change", NULL, NULL, &err);
        if (r == 0)
                r = store_value_put(store, "change", text, &err);
        if (r == 0)
                return store_commit(store, &err);
        store_rollback(store);
        return r;
}

static void
assert_changes(int changes)
{
        _cleanup_free_ char *value = NULL;
        uint64_t count = 0;
        int r = store_verify(store, &count, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        ck_assert_uint_eq(count, (uint64_t)changes * 10);
        if (changes) {
                assert_ok(store_value_get(store, "change", &value, &err));
                ck_assert_int_eq(strtol(value, NULL, 10), changes);
        }
}

/* Fails the n-th operation of a change, for n = 0, 1, ... until none is left to fail. */
static void
fail_each(int answer, bool for_good)
{
        int changes = 0, failures = 0;
        for (int n = 0;; n++) {
                shim.countdown = n;
                shim.for_good = for_good;
                shim.answer = answer;
                int r = change(changes + 1);
                bool reached = shim.countdown < 0 || (for_good && shim.countdown == 0 && r != 0);
                shim.countdown = -1;
                if (r == 0) {
                        changes++;
                } else {
                        ck_assert_msg(r < 0, "%d %s", r, err.text);
                        ck_assert_int_ne(err.text[0], '\0');
                        failures++;
                }
                assert_changes(changes);
                if (n % 2)
                        store_reopen();
                assert_changes(changes);
                if (!reached)
                        break;
                ck_assert_int_lt(n, 1000);
        }
        ck_assert_int_gt(failures, 2);
        assert_ok(change(changes + 1));
        store_reopen();
        assert_changes(changes + 1);
}

START_TEST(a_write_that_fails_once_loses_nothing_that_was_committed)
{
        fail_each(SQLITE_IOERR_WRITE, false);
}
END_TEST

START_TEST(writes_that_go_on_failing_lose_nothing_that_was_committed)
{
        fail_each(SQLITE_IOERR_WRITE, true);
}
END_TEST

START_TEST(a_disk_that_is_full_for_a_moment_loses_nothing_that_was_committed)
{
        fail_each(SQLITE_FULL, false);
}
END_TEST

START_TEST(a_failed_fsync_is_not_called_done_on_a_retry)
{
        assert_ok(change(1));
        for (int n = 0; n < 20; n++) {
                shim.countdown = n;
                shim.for_good = true;
                int r = change(2);
                bool reached = shim.countdown == 0 && r != 0;
                if (reached)
                        ck_assert_int_lt(change(2), 0); /* still failing: still said so */
                shim.countdown = -1;
                if (!reached)
                        return;
                store_reopen();
                assert_changes(1);
        }
        ck_abort_msg("the change never came to its end");
}
END_TEST

START_TEST(full_and_failing_disks_have_their_own_words)
{
        shim.countdown = 0;
        shim.for_good = true;
        shim.answer = SQLITE_FULL;
        ck_assert_int_eq(change(1), -ENOSPC);
        assert_words("full");
        shim.answer = SQLITE_IOERR_WRITE;
        ck_assert_int_eq(change(1), -EIO);
        assert_words("disk I/O error");
        shim.countdown = -1;
        assert_changes(0);
}
END_TEST

START_TEST(a_backup_that_fails_leaves_no_file)
{
        char copy[128];
        snprintf(copy, sizeof copy, "%s/copy.db", folder);
        assert_ok(change(1));
        for (int n = 0;; n++) {
                shim.countdown = n;
                shim.for_good = false;
                shim.answer = SQLITE_FULL;
                int r = store_backup(store, copy, &err);
                bool reached = shim.countdown < 0;
                shim.countdown = -1;
                if (r == 0) {
                        ck_assert(!reached || n > 3);
                        ck_assert_int_eq(unlink(copy), 0);
                } else {
                        ck_assert_int_lt(r, 0);
                        ck_assert_int_eq(access(copy, F_OK), -1);
                }
                if (!reached)
                        break;
        }
        assert_changes(1);
}
END_TEST

START_TEST(a_store_whose_making_fails_can_be_made_later)
{
        for (int n = 0;; n++) {
                store_close();
                unlink(path);
                shim.countdown = n;
                shim.for_good = false;
                shim.answer = SQLITE_IOERR_WRITE;
                int r = store_open(path, STORE_CREATE, &store, &err);
                bool reached = shim.countdown < 0;
                shim.countdown = -1;
                if (r != 0) {
                        ck_assert_int_lt(r, 0);
                        assert_ok(store_open(path, STORE_CREATE, &store, &err));
                }
                assert_ok(change(1));
                assert_changes(1);
                if (!reached)
                        break;
        }
}
END_TEST

/* ---- real limits, in a child that they end with ---- */

static _Noreturn void
fill_and_recover(int wanted)
{
        static char large[64 << 10];
        char key[32];
        int r = 0, i;
        memset(large, 'x', sizeof large - 1);
        NEED(store_open(path, STORE_CREATE, &store, &err) == 0);
        NEED(change(1) == 0);
        for (i = 0; i < 1000 && r == 0; i++) {
                snprintf(key, sizeof key, "large %d", i);
                NEED((r = store_begin(store, &err)) == 0);
                r = store_record(store, 1, "drift", "file:/large", NULL, NULL, &err);
                if (r == 0)
                        r = store_value_put(store, key, large, &err);
                if (r == 0)
                        r = store_commit(store, &err);
                else
                        NEED(store_commit(store, &err) == r);
        }
        NEED(r == wanted || (wanted == -EFBIG && r == -EIO)); /* as far as SQLite knows */
        NEED(err.text[0] && err.hint[0]);
        NEED(store_verify(store, NULL, &err) == 0);
        char *value = NULL;
        NEED(store_value_get(store, key, &value, &err) == STORE_NONE);
        struct tree_head head;
        NEED(store_head(store, &head, &err) == 0);
        NEED(head.size == 10 + (uint64_t)i - 1);
        NEED(store_begin(store, &err) == 0);
        store_rollback(store);
        store = store_free(store);
        NEED(store_open(path, STORE_READ_ONLY, &store, &err) == 0);
        uint64_t count;
        NEED(store_verify(store, &count, &err) == 0);
        NEED(count == head.size);
        store = store_free(store);
        _exit(0);
}

START_TEST(a_limit_on_file_size_is_told_as_what_it_is)
{
        pid_t pid = fork();
        if (pid == 0) {
                signal(SIGXFSZ, SIG_IGN);
                NEED(setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20}) == 0);
                fill_and_recover(-EFBIG);
        }
        ck_assert_int_eq(child_wait(pid), 0);
}
END_TEST

/* In a mount namespace of its own, so that nothing of it is left. Needs root: ends with 77 where it may not.
 */
static void
tmpfs_enter(void)
{
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
                mount("tmpfs", folder, "tmpfs", 0, "size=2m") < 0)
                _exit(77);
}

START_TEST(a_full_file_system_is_told_and_passes)
{
        pid_t pid = fork();
        if (pid == 0) {
                tmpfs_enter();
                fill_and_recover(-ENOSPC);
        }
        int status = child_wait(pid);
        ck_assert(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 77));
}
END_TEST

START_TEST(a_read_only_file_system_is_told_and_can_be_read)
{
        pid_t pid = fork();
        if (pid == 0) {
                tmpfs_enter();
                NEED(store_open(path, STORE_CREATE, &store, &err) == 0);
                NEED(change(1) == 0);
                store = store_free(store);
                NEED(mount("tmpfs", folder, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=2m") == 0);
                NEED(store_open(path, STORE_CREATE, &store, &err) == -EROFS);
                NEED(store_open(path, STORE_READ_ONLY, &store, &err) == 0);
                NEED(store_verify(store, NULL, &err) == 0);
                NEED(store_begin(store, &err) == -EROFS);
                store = store_free(store);
                snprintf(path, sizeof path, "%s/new.db", folder);
                NEED(store_open(path, STORE_CREATE, &store, &err) == -EROFS);
                _exit(0);
        }
        int status = child_wait(pid);
        ck_assert(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 77));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("store_fault");
        TCase *disk = tcase_create("disk"), *limits = tcase_create("limits");
        tcase_add_checked_fixture(disk, shim_setup, shim_teardown);
        tcase_add_checked_fixture(limits, folder_setup, store_teardown);
        tcase_set_timeout(disk, 60);
        tcase_set_timeout(limits, 60);
        tcase_add_test(disk, a_write_that_fails_once_loses_nothing_that_was_committed);
        tcase_add_test(disk, writes_that_go_on_failing_lose_nothing_that_was_committed);
        tcase_add_test(disk, a_disk_that_is_full_for_a_moment_loses_nothing_that_was_committed);
        tcase_add_test(disk, a_failed_fsync_is_not_called_done_on_a_retry);
        tcase_add_test(disk, full_and_failing_disks_have_their_own_words);
        tcase_add_test(disk, a_backup_that_fails_leaves_no_file);
        tcase_add_test(disk, a_store_whose_making_fails_can_be_made_later);
        tcase_add_test(limits, a_limit_on_file_size_is_told_as_what_it_is);
        tcase_add_test(limits, a_full_file_system_is_told_and_passes);
        tcase_add_test(limits, a_read_only_file_system_is_told_and_can_be_read);
        suite_add_tcase(suite, disk);
        suite_add_tcase(suite, limits);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
