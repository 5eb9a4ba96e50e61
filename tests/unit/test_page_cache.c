/* SPDX-License-Identifier: MIT */
/* The page cache is left as it was: what was there stays, what reading brings in goes; by both ways. */
#include <sys/mman.h>

#include "core/page_cache.h"
#include "core/snapshot.h"
#include "tests/unit/scratch_help.h"

#define SIZE ((size_t)8 << 20)

static size_t
pages_cached(int fd, size_t size)
{
        static unsigned char pages[SIZE / 4096];
        void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        size_t count = 0;
        ck_assert_ptr_ne(map, MAP_FAILED);
        ck_assert_int_eq(mincore(map, size, pages), 0);
        for (size_t i = 0; i < size / 4096; i++)
                count += pages[i] & 1;
        munmap(map, size);
        return count;
}

/* On the disk, and nowhere else. -1: this file system keeps all in memory (tmpfs), and there is nothing to
 * test. */
static int
cold_file(const char *path)
{
        static char data[SIZE];
        memset(data, 'x', sizeof data);
        int fd = open(put_bytes(path, data, sizeof data, 0644), O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fsync(fd), 0);
        ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        if (pages_cached(fd, SIZE) == 0)
                return fd;
        close(fd);
        return -1;
}

static void
read_all(int fd, bool by_kernel)
{
        static char chunk[128 << 10];
        struct page_cache cache;
        uint64_t total = 0;
        page_cache_note(&cache, fd, SIZE, by_kernel);
        for (ssize_t n; (n = page_cache_read(&cache, fd, chunk, sizeof chunk)) != 0; total += (uint64_t)n) {
                ck_assert_int_gt(n, 0);
                ck_assert_int_eq(chunk[0], 'x');
        }
        ck_assert_uint_eq(total, SIZE);
        page_cache_drop(&cache, fd, SIZE);
}

START_TEST(what_was_not_there_is_not_there_afterwards)
{
        _cleanup_fd_ int fd = cold_file(at("cold"));
        if (fd < 0)
                return;
        read_all(fd, _i);
        ck_assert_uint_eq(pages_cached(fd, SIZE), 0);
}
END_TEST

/* The kernel may take a page back whenever it likes: three times in a row is no chance. */
START_TEST(what_was_there_stays)
{
        static char chunk[SIZE];
        size_t after = 0;
        for (unsigned tries = 0; tries < 3 && after < SIZE / 4096; tries++) {
                _cleanup_fd_ int fd = cold_file(at("warm"));
                if (fd < 0)
                        return;
                ck_assert_int_eq(pread(fd, chunk, SIZE, 0), SIZE);
                ck_assert_uint_eq(pages_cached(fd, SIZE), SIZE / 4096);
                read_all(fd, _i);
                after = pages_cached(fd, SIZE);
        }
        ck_assert_uint_eq(after, SIZE / 4096);
}
END_TEST

/* The kernel reads ahead for the one who came first, too: only what nobody else touched is dropped. */
START_TEST(of_a_file_that_was_there_in_part_that_part_stays)
{
        char chunk[4096];
        _cleanup_fd_ int fd = cold_file(at("half"));
        if (fd < 0)
                return;
        ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
        ck_assert_int_eq(pread(fd, chunk, sizeof chunk, (off_t)SIZE / 2), sizeof chunk);
        size_t before = pages_cached(fd, SIZE);
        ck_assert_uint_gt(before, 0);
        ck_assert_uint_lt(before, SIZE / 4096 / 2);
        ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL), 0);
        read_all(fd, _i);
        size_t after = pages_cached(fd, SIZE);
        ck_assert_uint_ge(after, before);
        ck_assert_uint_le(after, SIZE / 4096 / 2);
}
END_TEST

START_TEST(a_snapshot_can_leave_the_cache_alone)
{
        struct snapshot_wish wish = {.content = true, .prefix = UINT64_MAX, .uncached = _i};
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        _cleanup_fd_ int fd = cold_file(at("file"));
        if (fd < 0)
                return;
        ck_assert_int_eq(snapshot_path("", at("file"), &wish, &snapshot, NULL), 0);
        ck_assert_uint_eq(snapshot.content_size, SIZE);
        if (_i)
                ck_assert_uint_eq(pages_cached(fd, SIZE), 0);
        else
                ck_assert_uint_gt(pages_cached(fd, SIZE), 0);
}
END_TEST

START_TEST(files_of_proc_and_empty_ones_are_read_as_ever)
{
        char data[4096];
        struct page_cache cache;
        const char *const paths[] = {"/proc/self/status", put(at("empty"), "")};
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                _cleanup_fd_ int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
                page_cache_note(&cache, fd, 0, true);
                ssize_t n = page_cache_read(&cache, fd, data, sizeof data);
                ck_assert_int_eq(n > 0, i == 0);
                page_cache_drop(&cache, fd, 0);
        }
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("page_cache");
        TCase *all = tcase_create("all");
        tcase_add_checked_fixture(all, scratch_make, scratch_remove);
        tcase_add_loop_test(all, what_was_not_there_is_not_there_afterwards, 0, 2);
        tcase_add_loop_test(all, what_was_there_stays, 0, 2);
        tcase_add_loop_test(all, of_a_file_that_was_there_in_part_that_part_stays, 0, 2);
        tcase_add_loop_test(all, a_snapshot_can_leave_the_cache_alone, 0, 2);
        tcase_add_test(all, files_of_proc_and_empty_ones_are_read_as_ever);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
