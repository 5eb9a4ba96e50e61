/* SPDX-License-Identifier: MIT */
/* JSON: strict where it is read, ordered where it is written, and references that add up (valgrind and ASan
 * look). */
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef json_is_null /* jansson's is a macro; ours is a function */
#include "core/json.h"

static struct json *
parsed(const char *text)
{
        struct err err = {0};
        struct json *value = NULL;
        int r = json_parse(text, strlen(text), &value, &err);
        ck_assert_msg(r == 0, "%s was refused: %s", text, err.text);
        return value;
}

static void
check_refused(const char *text, size_t size, const char *words)
{
        struct err err = {0};
        struct json *value = NULL;
        ck_assert_msg(json_parse(text, size, &value, &err) == -EINVAL, "%s was taken", text);
        ck_assert_ptr_null(value);
        ck_assert_msg(strstr(err.text, words), "\"%s\" does not say \"%s\"", err.text, words);
        for (const char *p = err.text; *p; p++)
                ck_assert(*p >= 0x20 && *p <= 0x7e);
}

START_TEST(members_are_written_in_the_order_they_were_set)
{
        _cleanup_json_ struct json *value = json_make(
                "{s:s, s:I, s:b, s:n, s:[i,i]}", "z", "x", "a", (json_int)5000000000, "m", 1, "q", "l", 1, 2);
        _cleanup_buf_ struct buf buf = {0};
        ck_assert_int_eq(json_write(value, &buf), 0);
        ck_assert_str_eq(buf.data, "{\"z\":\"x\",\"a\":5000000000,\"m\":true,\"q\":null,\"l\":[1,2]}");
}
END_TEST

START_TEST(pretty_text_is_indented_by_two_and_ends_its_line)
{
        _cleanup_json_ struct json *value = json_make("{s:i}", "a", 1);
        _cleanup_buf_ struct buf buf = {0};
        ck_assert_int_eq(json_write_pretty(value, &buf), 0);
        ck_assert_str_eq(buf.data, "{\n  \"a\": 1\n}\n");
}
END_TEST

/* Records are hashed and signed: jansson would have to write the same bytes. */
static void
check_written_as_by_jansson(const char *text)
{
        _cleanup_json_ struct json *value = parsed(text);
        _cleanup_buf_ struct buf compact = {0}, pretty = {0};
        char *by_jansson = json_dumps((json_t *)value, JSON_COMPACT | JSON_ENCODE_ANY);
        char *indented = json_dumps((json_t *)value, JSON_INDENT(2) | JSON_ENCODE_ANY);
        ck_assert_int_eq(json_write(value, &compact), 0);
        ck_assert_int_eq(json_write_pretty(value, &pretty), 0);
        ck_assert_str_eq(compact.data, by_jansson);
        ck_assert_int_eq(pretty.data[--pretty.size], '\n');
        pretty.data[pretty.size] = '\0';
        ck_assert_str_eq(pretty.data, indented);
        free(by_jansson);
        free(indented);
}

START_TEST(every_value_is_written_as_jansson_writes_it)
{
        static const char *const values[] = {"0", "-1", "9223372036854775807", "-9223372036854775808", "1.5",
                "-0.0", "1e300", "2e-310", "0.1", "true", "false", "null", "\"\"", "[]", "{}", "[[],{},[[]]]",
                "{\"\":{\"a\\n\\\"b\":[1,2,{\"c\":[]}]},\"b\":{}}",
                "\"\\u20ac\\ud83d\\ude00 \xc3\xa4 \x7f / \\/ <>&\""};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
                check_written_as_by_jansson(values[i]);
        for (unsigned byte = 1; byte < 0x80; byte++) {
                char text[64];
                snprintf(text, sizeof text, "{\"\\u%04x\":[\"a\\u%04xb\",\"\\u%04x\\u%04x\"]}", byte, byte,
                        byte, byte);
                check_written_as_by_jansson(text);
        }
}
END_TEST

START_TEST(a_single_value_is_a_document)
{
        static const char *const good[] = {"null", "true", "1", "\"x\"", "[]", " {} "};
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                _cleanup_json_ struct json *value = parsed(good[i]);
                _cleanup_buf_ struct buf buf = {0};
                ck_assert_int_eq(json_write(value, &buf), 0);
        }
}
END_TEST

START_TEST(what_is_not_strict_json_is_refused)
{
        static const char *const refused[] = {"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "'x'", "01", "1 2",
                "{} {}", "[1] x", "nul", "\"\x01\"", "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"",
                "\"\\ud800\"", "\"\\u0000\"", "99999999999999999999", "1e999", "// x\n1", "NaN",
                "\xef\xbb\xbf{}"};
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
                check_refused(refused[i], strlen(refused[i]), "not JSON");
        check_refused("1\0", 2, "NUL");
        check_refused("[\0]", 3, "NUL");
}
END_TEST

START_TEST(a_member_twice_is_refused)
{
        check_refused("{\"a\":1,\"a\":2}", 13, "duplicate");
}
END_TEST

START_TEST(a_hostile_text_is_escaped_in_the_words)
{
        check_refused("{\"\xe2\x80\xae\":1,\"\xe2\x80\xae\":2}", 17, "\\xe2\\x80\\xae");
}
END_TEST

START_TEST(depth_is_bounded)
{
        char text[2 * (JSON_DEPTH_MAX + 1) + 1];
        for (unsigned depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
                memset(text, '[', depth);
                memset(text + depth, ']', depth);
                text[2 * depth] = '\0';
                if (depth == JSON_DEPTH_MAX)
                        json_free(parsed(text));
                else
                        check_refused(text, 2 * depth, "nests too deeply");
        }
}
END_TEST

START_TEST(brackets_in_strings_are_no_depth)
{
        _cleanup_buf_ struct buf text = {0}, wide = {0};
        buf_text(&text, "[\"\\\"");
        for (size_t i = 0; i < 200; i++)
                buf_text(&text, "[");
        buf_text(&text, "\\\\\", [[1]]]");
        json_free(parsed(text.data));
        /* and siblings are not deeper than each other */
        buf_text(&wide, "[");
        for (size_t i = 0; i < 100; i++)
                buf_text(&wide, "[],");
        buf_text(&wide, "[]]");
        json_free(parsed(wide.data));
}
END_TEST

START_TEST(a_string_that_is_not_utf_8_cannot_be_made)
{
        ck_assert_ptr_null(json_make("{s:s}", "a", "\xff"));
        ck_assert_ptr_null(json_string_new("\xc3"));
        _cleanup_json_ struct json *value = json_string_new("ä");
        ck_assert_str_eq(json_string_of(value), "ä");
}
END_TEST

START_TEST(reading_takes_members_apart)
{
        _cleanup_json_ struct json *value = parsed("{\"name\": \"x\", \"n\": 7, \"list\": [1]}");
        struct err err = {0};
        const char *name = NULL, *absent = "as it was";
        json_int n = 0;
        struct json *list = NULL;
        ck_assert_int_eq(json_read(value, &err, "{s:s, s:I, s:o, s?s}", "name", &name, "n", &n, "list", &list,
                                 "no", &absent),
                0);
        ck_assert_str_eq(name, "x");
        ck_assert_int_eq(n, 7);
        ck_assert_uint_eq(json_length(list), 1);
        ck_assert_str_eq(absent, "as it was");
}
END_TEST

START_TEST(reading_says_what_is_missing_wrong_or_too_much)
{
        _cleanup_json_ struct json *value = parsed("{\"a\": 1, \"\\u001b\": 2}");
        struct err err = {0};
        const char *text;
        int number;
        ck_assert_int_eq(json_read(value, &err, "{s:s}", "b", &text), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "b"));
        ck_assert_int_eq(json_read(value, &err, "{s:s}", "a", &text), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "string"));
        ck_assert_int_eq(json_read(value, &err, "{s:i!}", "a", &number), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "\\x1b"));
        ck_assert_int_eq(json_read(NULL, &err, "{}"), -EINVAL);
}
END_TEST

START_TEST(lookups_are_total)
{
        _cleanup_json_ struct json *value =
                parsed("{\"s\":\"x\",\"n\":-3,\"b\":true,\"z\":null,\"l\":[10,20]}");
        ck_assert_str_eq(json_text(value, "s"), "x");
        ck_assert_int_eq(json_number(value, "n"), -3);
        ck_assert(json_flag(value, "b"));
        ck_assert(json_is_null(json_member(value, "z")));
        ck_assert(json_is_null(json_member(value, "absent")));
        ck_assert(!json_is_null(value));
        ck_assert_uint_eq(json_length(value), 5);
        ck_assert_ptr_null(json_text(value, "n"));
        ck_assert_ptr_null(json_text(NULL, "n"));
        ck_assert_int_eq(json_number(value, "s"), 0);
        ck_assert(!json_flag(value, "n"));
        ck_assert_uint_eq(json_length(NULL), 0);
        ck_assert_uint_eq(json_length(json_member(value, "s")), 0);
        ck_assert_ptr_null(json_at(json_member(value, "l"), 2));
        ck_assert_ptr_null(json_at(value, 0));
}
END_TEST

START_TEST(each_walks_an_array)
{
        _cleanup_json_ struct json *value = parsed("[\"a\",\"b\",\"c\"]");
        _cleanup_buf_ struct buf buf = {0};
        json_each (value, i, item)
                buf_printf(&buf, "%zu%s", i, json_string_of(item));
        ck_assert_str_eq(buf.data, "0a1b2c");
}
END_TEST

START_TEST(a_value_that_could_not_be_made_fails_the_call_it_is_handed_to)
{
        _cleanup_json_ struct json *array = json_array_make(), *object = json_make("{}");
        ck_assert_int_eq(json_push(array, NULL), -ENOMEM);
        ck_assert_int_eq(json_put(object, "x", NULL), -ENOMEM);
        ck_assert_int_eq(json_push(NULL, json_null_new()), -ENOMEM);
        ck_assert_int_eq(json_put(NULL, "x", json_string_new("taken over all the same")), -ENOMEM);
        ck_assert_int_eq(json_push(array, json_string_new("x")), 0);
        ck_assert_int_eq(json_put(object, "a", json_null_new()), 0);
        ck_assert_uint_eq(json_length(array), 1);
        ck_assert_uint_eq(json_length(object), 1);
}
END_TEST

START_TEST(a_kept_value_outlives_its_first_owner)
{
        struct json *value = json_string_new("x");
        struct json *again = json_keep(value);
        ck_assert_ptr_null(json_free(value));
        ck_assert_str_eq(json_string_of(again), "x");
        json_free(again);
        ck_assert_ptr_null(json_free(NULL));
}
END_TEST

START_TEST(writing_nothing_fails_and_leaves_the_buffer)
{
        _cleanup_buf_ struct buf buf = {0};
        buf_text(&buf, "kept");
        ck_assert_int_eq(json_write(NULL, &buf), -ENOMEM);
        ck_assert_str_eq(buf.data, "kept");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("json");
        TCase *tc = tcase_create("json");
        tcase_add_test(tc, members_are_written_in_the_order_they_were_set);
        tcase_add_test(tc, pretty_text_is_indented_by_two_and_ends_its_line);
        tcase_add_test(tc, every_value_is_written_as_jansson_writes_it);
        tcase_add_test(tc, a_single_value_is_a_document);
        tcase_add_test(tc, what_is_not_strict_json_is_refused);
        tcase_add_test(tc, a_member_twice_is_refused);
        tcase_add_test(tc, a_hostile_text_is_escaped_in_the_words);
        tcase_add_test(tc, depth_is_bounded);
        tcase_add_test(tc, brackets_in_strings_are_no_depth);
        tcase_add_test(tc, a_string_that_is_not_utf_8_cannot_be_made);
        tcase_add_test(tc, reading_takes_members_apart);
        tcase_add_test(tc, reading_says_what_is_missing_wrong_or_too_much);
        tcase_add_test(tc, lookups_are_total);
        tcase_add_test(tc, each_walks_an_array);
        tcase_add_test(tc, a_value_that_could_not_be_made_fails_the_call_it_is_handed_to);
        tcase_add_test(tc, a_kept_value_outlives_its_first_owner);
        tcase_add_test(tc, writing_nothing_fails_and_leaves_the_buffer);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
