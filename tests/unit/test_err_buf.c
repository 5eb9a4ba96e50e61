/* SPDX-License-Identifier: MIT */
/* Errors in words and growing bytes: the bounds hold, and failing leaves things as they were. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"

START_TEST(an_error_keeps_its_code_and_words)
{
        struct err err = {0};
        ck_assert_int_eq(err_set(&err, -EIO, "cannot read %s", "it"), -EIO);
        ck_assert_int_eq(err_hint(&err, -EIO, "try %d", 2), -EIO);
        ck_assert_int_eq(err.code, -EIO);
        ck_assert_str_eq(err.text, "cannot read it");
        ck_assert_str_eq(err.hint, "try 2");
}
END_TEST

START_TEST(a_new_error_drops_the_old_hint)
{
        struct err err = {0};
        err_set(&err, -EIO, "one");
        err_hint(&err, -EIO, "hint");
        err_set(&err, 3, "two");
        ck_assert_int_eq(err.code, 3);
        ck_assert_str_eq(err.hint, "");
}
END_TEST

START_TEST(nobody_has_to_want_the_words)
{
        ck_assert_int_eq(err_set(NULL, -EIO, "x"), -EIO);
        ck_assert_int_eq(err_hint(NULL, -EIO, "x"), -EIO);
        ck_assert_int_eq(err_oom(NULL), -ENOMEM);
}
END_TEST

START_TEST(words_are_cut_at_the_bound)
{
        struct err err = {0};
        char long_text[4000];
        memset(long_text, 'x', sizeof long_text - 1);
        long_text[sizeof long_text - 1] = '\0';
        err_set(&err, -EIO, "%s", long_text);
        err_hint(&err, -EIO, "%s", long_text);
        ck_assert_uint_eq(strlen(err.text), ERR_TEXT_MAX - 1);
        ck_assert_uint_eq(strlen(err.hint), ERR_HINT_MAX - 1);
}
END_TEST

START_TEST(a_buffer_is_always_a_string)
{
        _cleanup_buf_ struct buf buf = {0};
        ck_assert_int_eq(buf_append(&buf, "abc", 2), 0);
        ck_assert_str_eq(buf.data, "ab");
        ck_assert_int_eq(buf_text(&buf, "cd"), 0);
        ck_assert_int_eq(buf_printf(&buf, "-%d", 7), 0);
        ck_assert_int_eq(buf_escape(&buf, " \n", 2), 0);
        ck_assert_str_eq(buf.data, "abcd-7\\x20\\x0a");
        ck_assert_uint_eq(buf.size, strlen(buf.data));
        buf_clear(&buf);
        ck_assert_str_eq(buf.data, "");
}
END_TEST

START_TEST(a_buffer_grows_past_its_first_room)
{
        _cleanup_buf_ struct buf buf = {0};
        for (unsigned i = 0; i < 1000; i++)
                ck_assert_int_eq(buf_printf(&buf, "%04u", i), 0);
        ck_assert_uint_eq(buf.size, 4000);
        ck_assert_mem_eq(buf.data + 3996, "0999", 5);
}
END_TEST

START_TEST(bytes_with_NULs_are_kept)
{
        _cleanup_buf_ struct buf buf = {0};
        ck_assert_int_eq(buf_append(&buf, "a\0b", 3), 0);
        ck_assert_uint_eq(buf.size, 3);
        ck_assert_mem_eq(buf.data, "a\0b", 4);
}
END_TEST

START_TEST(a_buffer_past_its_bound_is_refused_and_left_alone)
{
        _cleanup_buf_ struct buf buf = {0};
        ck_assert_int_eq(buf_text(&buf, "kept"), 0);
        ck_assert_int_eq(buf_reserve(&buf, BUF_SIZE_MAX), -E2BIG);
        ck_assert_int_eq(buf_reserve(&buf, SIZE_MAX), -E2BIG);
        ck_assert_str_eq(buf.data, "kept");
}
END_TEST

START_TEST(stealing_hands_over_a_string_and_leaves_an_empty_buffer)
{
        struct buf buf = {0};
        char *empty = buf_steal(&buf);
        ck_assert_str_eq(empty, "");
        free(empty);
        buf_text(&buf, "x");
        char *text = buf_steal(&buf);
        ck_assert_str_eq(text, "x");
        ck_assert_ptr_null(buf.data);
        free(text);
}
END_TEST

START_TEST(closing_keeps_errno_and_takes_no_descriptor)
{
        errno = EXDEV;
        fd_close(-1);
        fd_close(987654);
        ck_assert_int_eq(errno, EXDEV);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("err_buf");
        TCase *tc = tcase_create("err_buf");
        tcase_add_test(tc, an_error_keeps_its_code_and_words);
        tcase_add_test(tc, a_new_error_drops_the_old_hint);
        tcase_add_test(tc, nobody_has_to_want_the_words);
        tcase_add_test(tc, words_are_cut_at_the_bound);
        tcase_add_test(tc, a_buffer_is_always_a_string);
        tcase_add_test(tc, a_buffer_grows_past_its_first_room);
        tcase_add_test(tc, bytes_with_NULs_are_kept);
        tcase_add_test(tc, a_buffer_past_its_bound_is_refused_and_left_alone);
        tcase_add_test(tc, stealing_hands_over_a_string_and_leaves_an_empty_buffer);
        tcase_add_test(tc, closing_keeps_errno_and_takes_no_descriptor);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
