/* SPDX-License-Identifier: MIT */
/* The pieces of memory that the store keeps for SQLite: as large as asked for, found again, nobody's twice.
 */
#include <check.h>
#include <pthread.h>
#include <string.h>

#include "core/store_db.h"

static void
set_up(void)
{
        store_memory();
        ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
}

START_TEST(a_piece_holds_what_was_asked_for)
{
        for (int bytes = 1; bytes < 20000; bytes += bytes / 7 + 1) {
                char *piece = sqlite3_malloc(bytes);
                ck_assert_ptr_nonnull(piece);
                ck_assert_uint_ge(sqlite3_msize(piece), (size_t)bytes);
                memset(piece, 'x', sqlite3_msize(piece));
                sqlite3_free(piece);
        }
}
END_TEST

START_TEST(a_piece_grows_and_shrinks_with_what_it_holds)
{
        char *piece = sqlite3_malloc(60);
        memset(piece, 'a', 60);
        for (int bytes = 60; bytes < 40000; bytes *= 3) {
                piece = sqlite3_realloc(piece, bytes);
                ck_assert_uint_ge(sqlite3_msize(piece), (size_t)bytes);
                for (int i = 0; i < 60; i++)
                        ck_assert_int_eq(piece[i], 'a');
                memset(piece + 60, 'b', (size_t)bytes - 60);
        }
        piece = sqlite3_realloc(piece, 60);
        for (int i = 0; i < 60; i++)
                ck_assert_int_eq(piece[i], 'a');
        sqlite3_free(piece);
}
END_TEST

/* (The allocator itself would mostly find it too: what this holds is that no other size gets it.) */
START_TEST(a_piece_given_back_is_found_again_by_its_own_size)
{
        char *piece = sqlite3_malloc(300), *larger, *again;
        sqlite3_free(piece);
        if (SANITIZED)
                return; /* nothing is kept then */
        larger = sqlite3_malloc(700);
        again = sqlite3_malloc(500);
        ck_assert_ptr_ne(larger, piece);
        ck_assert_ptr_eq(again, piece);
        sqlite3_free(larger);
        sqlite3_free(again);
}
END_TEST

START_TEST(the_bound_of_memory_is_kept)
{
        sqlite3_hard_heap_limit64(sqlite3_memory_used() + 10000);
        char *piece = sqlite3_malloc(9000), *more = sqlite3_malloc(4000);
        ck_assert_ptr_nonnull(piece);
        ck_assert_ptr_null(more);
        sqlite3_hard_heap_limit64(0);
        sqlite3_free(piece);
}
END_TEST

#define THREADS 4u
#define ROUNDS 20000u

/* NULL, or what went wrong. */
static void *
take_and_give_back(void *argument)
{
        static char shared[] = "a piece was another's too";
        unsigned mark = *(unsigned *)argument, *pieces[16] = {NULL};
        for (unsigned i = 0; i < ROUNDS; i++) {
                unsigned **slot = &pieces[(i * 7 + mark) % ARRAY_SIZE(pieces)];
                if (*slot && **slot != mark)
                        return shared;
                sqlite3_free(*slot);
                *slot = sqlite3_malloc((int)(40 + i * 37 % 5000));
                if (*slot)
                        **slot = mark;
        }
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
                sqlite3_free(pieces[i]);
        return NULL;
}

START_TEST(no_piece_is_given_to_two)
{
        pthread_t threads[THREADS];
        unsigned marks[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
                marks[i] = i;
                ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give_back, &marks[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
                void *fault;
                pthread_join(threads[i], &fault);
                ck_assert_msg(!fault, "%s", (char *)fault);
        }
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("store_memory");
        TCase *tcase = tcase_create("pieces");
        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, a_piece_holds_what_was_asked_for);
        tcase_add_test(tcase, a_piece_grows_and_shrinks_with_what_it_holds);
        tcase_add_test(tcase, a_piece_given_back_is_found_again_by_its_own_size);
        tcase_add_test(tcase, the_bound_of_memory_is_kept);
        tcase_add_test(tcase, no_piece_is_given_to_two);
        suite_add_tcase(suite, tcase);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? 1 : 0;
}
