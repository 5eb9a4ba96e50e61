/* SPDX-License-Identifier: MIT */
/* The escape is reversible, and nothing that it writes can forge a line or move a cursor. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/quote.h"

static void
check_escaped(const char *raw, size_t size, const char *expected)
{
        char *text = escape_new(raw, size);
        ck_assert_ptr_nonnull(text);
        ck_assert_str_eq(text, expected);
        ck_assert_uint_eq(escape_size(raw, size), strlen(expected));
        free(text);
}

START_TEST(plain_names_stand_as_they_are)
{
        check_escaped("/etc/passwd", 11, "/etc/passwd");
        check_escaped("!~[];'\"%n*?", 11, "!~[];'\"%n*?");
        check_escaped("", 0, "");
}
END_TEST

START_TEST(everything_else_is_a_lower_case_escape)
{
        check_escaped(" ", 1, "\\x20");
        check_escaped("\\", 1, "\\x5c");
        check_escaped("a\nb", 3, "a\\x0ab");
        check_escaped("\x1b[2J", 4, "\\x1b[2J");
        check_escaped("\x7f", 1, "\\x7f");
        check_escaped("\x9b", 1, "\\x9b");
        check_escaped("\x1f", 1, "\\x1f");
        check_escaped("\xe2\x80\xae", 3, "\\xe2\\x80\\xae");
        check_escaped("\0", 1, "\\x00");
        check_escaped("\xff", 1, "\\xff");
}
END_TEST

START_TEST(a_literal_escape_and_the_byte_it_would_be_do_not_collide)
{
        check_escaped("\x1b", 1, "\\x1b");
        check_escaped("\\x1b", 4, "\\x5cx1b");
}
END_TEST

START_TEST(every_byte_comes_back)
{
        char raw[256], text[1024], back[1024];
        for (size_t i = 0; i < sizeof raw; i++)
                raw[i] = (char)i;
        size_t size = escape(raw, sizeof raw, text), back_size = 0;
        for (size_t i = 0; i < size; i++)
                ck_assert(text[i] >= 0x21 && text[i] <= 0x7e);
        ck_assert(escape_is_canonical(text, size));
        ck_assert_int_eq(unescape(text, size, back, &back_size), 0);
        ck_assert_uint_eq(back_size, sizeof raw);
        ck_assert_mem_eq(back, raw, sizeof raw);
}
END_TEST

START_TEST(unescaping_works_in_place)
{
        char text[] = "a\\x20b";
        size_t size;
        ck_assert_int_eq(unescape(text, strlen(text), text, &size), 0);
        ck_assert_uint_eq(size, 3);
        ck_assert_mem_eq(text, "a b", 3);
}
END_TEST

START_TEST(only_what_escape_would_write_is_taken)
{
        static const char *const refused[] = {
                "\\x41", /* a letter stands for itself */
                "\\x2A", /* upper case */
                "\\X0a", /* upper case */
                "\\x0",  /* cut */
                "\\x",
                "\\",
                "a\\",
                "\\n",
                "a b",
                "a\tb",
                "\x80",
                "\x7f",
                "\\x5C",
                "\\x1g",
        };
        char out[16];
        size_t size = 99;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                ck_assert_msg(
                        !escape_is_canonical(refused[i], strlen(refused[i])), "\"%s\" was taken", refused[i]);
                ck_assert_int_eq(unescape(refused[i], strlen(refused[i]), out, &size), -EINVAL);
        }
        ck_assert_uint_eq(size, 99);
}
END_TEST

START_TEST(a_NUL_inside_is_refused_where_a_string_is_made)
{
        char *raw = NULL;
        ck_assert_int_eq(unescape_new("a\\x00b", &raw), -EINVAL);
        ck_assert_ptr_null(raw);
        ck_assert_int_eq(unescape_new("a\\x0ab", &raw), 0);
        ck_assert_str_eq(raw, "a\nb");
        free(raw);
}
END_TEST

START_TEST(a_long_quote_is_cut_between_escapes)
{
        char raw[300];
        struct quote q;
        memset(raw, '\n', sizeof raw);
        const char *text = quote_bytes(&q, raw, sizeof raw);
        size_t size = strlen(text);
        ck_assert_uint_lt(size, QUOTE_MAX);
        ck_assert_str_eq(text + size - 3, "...");
        ck_assert(escape_is_canonical(text, size - 3));
        ck_assert_str_eq(quote("a b"), "a\\x20b");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("escape");
        TCase *tc = tcase_create("escape");
        tcase_add_test(tc, plain_names_stand_as_they_are);
        tcase_add_test(tc, everything_else_is_a_lower_case_escape);
        tcase_add_test(tc, a_literal_escape_and_the_byte_it_would_be_do_not_collide);
        tcase_add_test(tc, every_byte_comes_back);
        tcase_add_test(tc, unescaping_works_in_place);
        tcase_add_test(tc, only_what_escape_would_write_is_taken);
        tcase_add_test(tc, a_NUL_inside_is_refused_where_a_string_is_made);
        tcase_add_test(tc, a_long_quote_is_cut_between_escapes);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
