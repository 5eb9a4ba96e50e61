/* SPDX-License-Identifier: MIT */
/* Memory that was needed for a while: it goes back to the system, also where pieces of it lie scattered. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "daemon/memory.h"

#define PIECES 60000u /* 30 MB, of all small sizes */
#define STRIDE 7919u  /* prime: neighbours are let go far from each other */
#define LEFT_MAX (768u << 10)

/* A sanitizer's allocator keeps what was freed: there it is only called. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static size_t
resident_bytes(void)
{
        char line[128], *end;
        FILE *file = fopen("/proc/self/statm", "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        fclose(file);
        (void)strtoul(line, &end, 10); /* the size; then what is resident of it */
        return strtoul(end, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static void *pieces[PIECES];

/* As a storm: much, of all sizes, and none of it is let go where it was taken. */
static void
come_and_go(void)
{
        for (size_t i = 0; i < PIECES; i++) {
                size_t size = 24 + i % 64 * 16;
                pieces[i] = calloc(1, size);
                ck_assert_ptr_nonnull(pieces[i]);
        }
        for (size_t i = 0; i < PIECES; i++)
                free(pieces[i * STRIDE % PIECES]);
}

START_TEST(what_a_storm_scattered_goes_back)
{
        memset(pieces, 1, sizeof pieces); /* resident from here on */
        size_t before = resident_bytes();
        come_and_go();
        memory_give_back();
        size_t after = resident_bytes();
        if (!SANITIZED)
                ck_assert_msg(after < before + LEFT_MAX, "%zu KiB stayed", (after - before) >> 10);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("memory");
        TCase *tcase = tcase_create("memory");
        tcase_add_test(tcase, what_a_storm_scattered_goes_back);
        suite_add_tcase(suite, tcase);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? 1 : 0;
}
