/* SPDX-License-Identifier: MIT */
/* Every trap of inih is refused, with the line and with what would be right; what is taken is what a person
 * reads. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/ini_reader.h"

/* Everything that was read, as text: `2[section]` and `3key=value`, one a line. */
static int
note(void *userdata, unsigned line, const char *section, const char *key, const char *value, struct err *err)
{
        (void)err;
        struct buf *buf = userdata;
        ck_assert((key == NULL) == (value == NULL));
        return key ? buf_printf(buf, "%u%s=%s\n", line, key, value)
                   : buf_printf(buf, "%u[%s]\n", line, section);
}

static void
check_read(const char *text, const char *expected)
{
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        int r = ini_read("x.conf", text, strlen(text), note, &buf, &err);
        ck_assert_msg(r == 0, "refused: %s", err.text);
        ck_assert_str_eq(buf.data ? buf.data : "", expected);
}

static void
check_refused_bytes(const char *text, size_t size, const char *words, const char *hint)
{
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        ck_assert_msg(ini_read("x.conf", text, size, note, &buf, &err) == -EINVAL, "taken: %s", text);
        ck_assert_msg(strncmp(err.text, words, strlen(words)) == 0, "\"%s\" does not start with \"%s\"",
                err.text, words);
        ck_assert_msg(strstr(err.hint, hint), "hint \"%s\" does not say \"%s\"", err.hint, hint);
        ck_assert_msg(!buf.size, "something was handed over before the file was found good");
}

static void
check_refused(const char *text, const char *words, const char *hint)
{
        check_refused_bytes(text, strlen(text), words, hint);
}

START_TEST(sections_and_keys_come_in_order_with_their_lines)
{
        check_read("[a]\nx = 1\n\n[b c]\ny=2", "1[a]\n2x=1\n4[b c]\n5y=2\n");
        check_read("", "");
        check_read("\n\n", "");
}
END_TEST

START_TEST(comments_and_blank_lines_say_nothing)
{
        check_read("# one\n; two\n  ; three\n\t# four\n   \n[a] ; five\nx = 1 ; six\ny = 2\t;seven\n",
                "6[a]\n7x=1\n8y=2\n");
}
END_TEST

START_TEST(a_value_is_trimmed_and_may_be_empty)
{
        check_read("[a]\nx =   1 2  \ny =\nz = ; nothing\nw=\n", "1[a]\n2x=1 2\n3y=\n4z=\n5w=\n");
}
END_TEST

START_TEST(a_semicolon_without_a_blank_before_it_belongs_to_the_value)
{
        check_read("[a]\nx = a;b\ny =;b\n", "1[a]\n2x=a;b\n3y=;b\n");
}
END_TEST

START_TEST(equals_and_colons_in_a_value_stand)
{
        check_read("[a]\nx = a=b:c\n", "1[a]\n2x=a=b:c\n");
}
END_TEST

START_TEST(utf_8_is_taken)
{
        check_read("[a]\nx = /tmp/\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7\n",
                "1[a]\n2x=/tmp/\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7\n");
}
END_TEST

START_TEST(the_longest_line_is_taken_whole_and_one_more_byte_is_refused)
{
        _cleanup_buf_ struct buf text = {0}, expected = {0};
        char value[INI_LINE_MAX + 1] = {0};
        memset(value, 'v', INI_LINE_MAX - 2);
        buf_printf(&text, "[a]\nx=%s\ny=1\n", value);
        buf_printf(&expected, "1[a]\n2x=%s\n3y=1\n", value);
        check_read(text.data, expected.data);
        buf_clear(&text);
        buf_printf(&text, "[a]\nx=%sv\ny=1\n", value);
        check_refused(text.data, "x.conf:2: the line is 199 bytes long", "shorten");
}
END_TEST

START_TEST(a_long_comment_is_refused_because_inih_would_read_its_end_as_a_line)
{
        _cleanup_buf_ struct buf text = {0};
        char filler[INI_LINE_MAX + 1] = {0};
        memset(filler, '#', INI_LINE_MAX);
        buf_printf(&text, "[a]\n%s\nx = 1\n", filler);
        check_read(text.data, "1[a]\n3x=1\n");
        buf_clear(&text);
        buf_printf(&text, "[a]\n%s#x = 1\n", filler);
        check_refused(text.data, "x.conf:2: the line is", "comment");
}
END_TEST

START_TEST(the_longest_section_is_taken_whole_and_one_more_byte_is_refused)
{
        _cleanup_buf_ struct buf text = {0}, expected = {0};
        char name[INI_SECTION_MAX + 1] = {0};
        memset(name, 's', INI_SECTION_MAX);
        buf_printf(&text, "[%s]\nx=1\n", name);
        buf_printf(&expected, "1[%s]\n2x=1\n", name);
        check_read(text.data, expected.data);
        buf_clear(&text);
        buf_printf(&text, "[%ss]\nx=1\n", name);
        check_refused(text.data, "x.conf:1: the section's name is 50 bytes long", "shorter");
}
END_TEST

START_TEST(an_indented_line_is_refused_because_it_would_continue_the_one_before)
{
        check_refused("[a]\nx = 1\n y = 2\n", "x.conf:3: the line is indented", "left edge");
        check_refused("[a]\n\tx = 1\n", "x.conf:2: the line is indented", "left edge");
        check_refused(" [a]\n", "x.conf:1: the line is indented", "left edge");
}
END_TEST

START_TEST(a_colon_is_no_equals)
{
        check_refused("[a]\nx : 1\n", "x.conf:2: there is a : before the =", "key = value");
        check_refused("[a]\nx:y = 1\n", "x.conf:2: there is a : before the =", "key = value");
        check_refused("[a]\nhttp://x\n", "x.conf:2: there is a : before the =", "key = value");
}
END_TEST

START_TEST(a_key_needs_an_equals_and_an_equals_a_key)
{
        check_refused("[a]\nx\n", "x.conf:2: there is no =", "key = value");
        check_refused("[a]\nx ; = 1\n", "x.conf:2: there is no =", "key = value");
        check_refused("[a]\n= 1\n", "x.conf:2: there is no key", "key = value");
        check_refused("x = 1\n", "x.conf:1: \"x\" stands before the first section", "[section]");
}
END_TEST

START_TEST(a_hash_after_a_value_is_no_comment)
{
        check_refused("[a]\nx = 1 # one\n", "x.conf:2: a # does not start a comment", "blank and ;");
        check_refused("[a]\nx = #1\n", "x.conf:2: a # does not start a comment", "blank and ;");
        check_read("[a]\nx = a#b\ny = 1 ; # fine\n", "1[a]\n2x=a#b\n3y=1\n");
}
END_TEST

START_TEST(a_section_stands_alone_between_its_brackets)
{
        check_refused("[a\n", "x.conf:1: the section is not closed", "[name]");
        check_refused("[a] x\n", "x.conf:1: there is text after the ]", "[name]");
        check_refused("[a]b]\n", "x.conf:1: there is text after the ]", "[name]");
        check_refused("[a]]\n", "x.conf:1: there is text after the ]", "[name]");
        check_refused("[a];x\n", "x.conf:1: there is text after the ]", "[name]");
        check_refused("[a] # x\n", "x.conf:1: there is text after the ]", "[name]");
        check_refused("[]\n", "x.conf:1: the section has no name", "[name]");
        check_refused("[ a ]\n", "x.conf:1: \"[\\x20a\\x20]\" is not a section", "brackets");
        check_refused("[a ;b]\n", "x.conf:1: \"[a\\x20;b]\" is not a section", "brackets");
        check_refused("[[a]\n", "x.conf:1: \"[[a]\" is not a section", "brackets");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused)
{
        check_refused("\xef\xbb\xbf[a]\n", "x.conf:1: the file starts with a byte order mark", "without it");
        check_refused("[a]\r\nx = 1\r\n", "x.conf:1: there is a carriage return", "LF");
        check_refused("[a]\nx = 1\ry = 2\n", "x.conf:2: there is a carriage return", "LF");
        check_refused_bytes("[a]\nx = 1\0y = 2\n", 16,
                "x.conf:2: byte 6 of the line is the control byte 0x00", "take it out");
        check_refused("[a]\nx = \x1b[2J\n", "x.conf:2: byte 5 of the line is the control byte 0x1b", "\\xhh");
        check_refused(
                "[a]\nx\x0b= 1\n", "x.conf:2: byte 2 of the line is the control byte 0x0b", "take it out");
        check_refused("# \x7f\n", "x.conf:1: byte 3 of the line is the control byte 0x7f", "take it out");
}
END_TEST

START_TEST(bytes_that_are_not_utf_8_are_refused)
{
        static const char *const bad[] = {"\xff", "\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "\xf0\x9f\x90"};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                char text[32];
                snprintf(text, sizeof text, "[a]\nx = %s\n", bad[i]);
                check_refused(text, "x.conf:2: byte 5 of the line is not UTF-8", "UTF-8");
        }
}
END_TEST

START_TEST(a_file_is_bounded)
{
        size_t size = INI_FILE_MAX;
        char *text = malloc(size + 1);
        memset(text, '\n', size + 1);
        _cleanup_buf_ struct buf buf = {0};
        struct err err = {0};
        ck_assert_int_eq(ini_read("x.conf", text, size, note, &buf, &err), 0);
        ck_assert_int_eq(ini_read("x.conf", text, size + 1, note, &buf, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "larger than"));
        free(text);
}
END_TEST

START_TEST(the_path_is_escaped_in_the_words)
{
        struct err err = {0};
        ck_assert_int_eq(ini_read("a\nb", "x", 1, note, NULL, &err), -EINVAL);
        ck_assert_int_eq(strncmp(err.text, "a\\x0ab:1: ", 10), 0);
}
END_TEST

/* inih's own switch, set as another program or another build might: what is a comment to it is none to us. */
extern char *ini_inline_comment_prefixes;

START_TEST(a_file_that_inih_reads_otherwise_is_refused)
{
        char other[] = "!", *before = ini_inline_comment_prefixes;
        ini_inline_comment_prefixes = other;
        check_refused("[a]\nx = 1\ny = 2 !3\n", "x.conf:3: the line can be read in two ways", "plain");
        ini_inline_comment_prefixes = before;
        check_read("[a]\ny = 2 !3\n", "1[a]\n2y=2 !3\n");
}
END_TEST

static int
stop_at_key(void *userdata, unsigned line, const char *section, const char *key, const char *value,
        struct err *err)
{
        (void)line, (void)section, (void)value;
        ++*(unsigned *)userdata;
        return key ? err_set(err, 7, "stopped") : 0;
}

START_TEST(what_the_caller_returns_stops_the_reading_and_is_returned)
{
        struct err err = {0};
        unsigned calls = 0;
        ck_assert_int_eq(ini_read("x", "[a]\nx = 1\ny = 2\n", 16, stop_at_key, &calls, &err), 7);
        ck_assert_uint_eq(calls, 2);
        ck_assert_str_eq(err.text, "stopped");
}
END_TEST

START_TEST(the_nearest_word_is_within_two_edits)
{
        static const char *const names[] = {"path", "exclude", "attributes", "mode", "uid"};
        static const struct {
                const char *word, *near;
        } cases[] = {
                {"path", "path"},
                {"paths", "path"},
                {"apth", "path"},
                {"exlcude", "exclude"},
                {"EXCLUDE", "exclude"},
                {"attribute", "attributes"},
                {"mod", "mode"},
                {"gid", "uid"},
                {"patience", NULL},
                {"", NULL},
                {"xy", NULL},
                {"wait", NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const char *near = nearest_word(cases[i].word, names, 5);
                ck_assert_msg(
                        near == cases[i].near || (near && cases[i].near && strcmp(near, cases[i].near) == 0),
                        "\"%s\" is near \"%s\"", cases[i].word, near ? near : "nothing");
        }
        char long_word[1000];
        memset(long_word, 'p', sizeof long_word - 1);
        long_word[sizeof long_word - 1] = '\0';
        ck_assert_ptr_null(nearest_word(long_word, names, 5));
        ck_assert_ptr_null(nearest_word("path", names, 0));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("ini_reader");
        TCase *tc = tcase_create("ini_reader");
        tcase_add_test(tc, sections_and_keys_come_in_order_with_their_lines);
        tcase_add_test(tc, comments_and_blank_lines_say_nothing);
        tcase_add_test(tc, a_value_is_trimmed_and_may_be_empty);
        tcase_add_test(tc, a_semicolon_without_a_blank_before_it_belongs_to_the_value);
        tcase_add_test(tc, equals_and_colons_in_a_value_stand);
        tcase_add_test(tc, utf_8_is_taken);
        tcase_add_test(tc, the_longest_line_is_taken_whole_and_one_more_byte_is_refused);
        tcase_add_test(tc, a_long_comment_is_refused_because_inih_would_read_its_end_as_a_line);
        tcase_add_test(tc, the_longest_section_is_taken_whole_and_one_more_byte_is_refused);
        tcase_add_test(tc, an_indented_line_is_refused_because_it_would_continue_the_one_before);
        tcase_add_test(tc, a_colon_is_no_equals);
        tcase_add_test(tc, a_key_needs_an_equals_and_an_equals_a_key);
        tcase_add_test(tc, a_hash_after_a_value_is_no_comment);
        tcase_add_test(tc, a_section_stands_alone_between_its_brackets);
        tcase_add_test(tc, bytes_that_are_no_text_are_refused);
        tcase_add_test(tc, bytes_that_are_not_utf_8_are_refused);
        tcase_add_test(tc, a_file_is_bounded);
        tcase_add_test(tc, the_path_is_escaped_in_the_words);
        tcase_add_test(tc, a_file_that_inih_reads_otherwise_is_refused);
        tcase_add_test(tc, what_the_caller_returns_stops_the_reading_and_is_returned);
        tcase_add_test(tc, the_nearest_word_is_within_two_edits);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
