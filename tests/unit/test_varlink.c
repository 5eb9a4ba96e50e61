/* SPDX-License-Identifier: MIT */
/* Varlink without a socket: frames however they come, requests, and parameters against the interface. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/service.h"
#include "core/varlink.h"

static const char interface[] =
        "# method Commented(x: int) -> ()\n"
        "interface a.b\n"
        "type Point (\n"
        "  x: int, # method Hidden(x: int) -> ()\n"
        "  y: ?float\n"
        ")\n"
        "method Draw(points: []Point, name: ?string, colors: [string]int, open: bool) -> ()\n"
        "method DrawAll() -> (points: []Point)\n"
        "method Any(\n"
        "  # a comment, with: commas\n"
        "  value: object\n"
        ") -> ()\n"
        "error Full (room: int)\n";

/* Whether the interface takes the call; otherwise what is bad. */
static const char *
checked(const char *method, const char *parameters)
{
        static char bad[VARLINK_NAME_MAX];
        struct json *value = NULL;
        if (parameters)
                ck_assert_int_eq(json_parse(parameters, strlen(parameters), &value, NULL), 0);
        int r = varlink_check(interface, method, value, bad);
        json_free(value);
        return r == 0 ? "taken" : r == VARLINK_NO_METHOD ? "no method" : bad;
}

START_TEST(frames_come_out_as_they_went_in_however_they_were_cut)
{
        static const char bytes[] = "one\0\0three\0rest";
        static const char *const wanted[] = {"one", "", "three"};
        for (size_t cut = 1; cut < sizeof bytes; cut++) {
                struct varlink_frames frames = {.max = 5};
                size_t n = 0;
                for (size_t at = 0; at < sizeof bytes - 1; at += cut) {
                        const char *text;
                        size_t size;
                        int r = varlink_frames_add(&frames, bytes + at, min_size(cut, sizeof bytes - 1 - at));
                        ck_assert_int_eq(r, 0);
                        while (varlink_frames_waiting(&frames)) {
                                ck_assert_int_eq(varlink_frames_take(&frames, &text, &size), 1);
                                ck_assert_uint_lt(n, ARRAY_SIZE(wanted));
                                ck_assert_str_eq(text, wanted[n]);
                                ck_assert_uint_eq(size, strlen(wanted[n++]));
                        }
                        ck_assert_int_eq(varlink_frames_take(&frames, &text, &size), 0);
                }
                ck_assert_uint_eq(n, 3);
                ck_assert_uint_eq(varlink_frames_held(&frames), 4);
                varlink_frames_done(&frames);
        }
}
END_TEST

START_TEST(a_frame_of_the_largest_size_is_taken_and_one_more_byte_is_not)
{
        struct varlink_frames frames = {.max = 5};
        const char *text;
        size_t size;
        ck_assert_int_eq(varlink_frames_add(&frames, "12345\000123456", 12), 0);
        ck_assert_int_eq(varlink_frames_take(&frames, &text, &size), 1);
        ck_assert_str_eq(text, "12345");
        ck_assert(varlink_frames_waiting(&frames));
        ck_assert_int_eq(varlink_frames_take(&frames, &text, &size), -E2BIG);
        varlink_frames_done(&frames);
}
END_TEST

/* So many bytes one by one, and so many of the smallest requests at once: the processor's time for them. */
static clock_t
work_of(size_t n)
{
        struct varlink_frames frames = {.max = 1 << 20};
        const char *text;
        size_t size, taken = 0;
        bool well = true;
        clock_t start = clock();
        for (size_t i = 0; i < n; i++) /* (an assertion each would be most of the work) */
                well = well && varlink_frames_add(&frames, "x", 1) == 0 &&
                       varlink_frames_take(&frames, &text, &size) == 0;
        ck_assert(well);
        varlink_frames_done(&frames);
        char *nuls = calloc(1, n);
        ck_assert_int_eq(varlink_frames_add(&frames, nuls, n), 0);
        free(nuls);
        while (varlink_frames_take(&frames, &text, &size) == 1)
                taken++;
        ck_assert_uint_eq(taken, n);
        varlink_frames_done(&frames);
        return clock() - start;
}

/* Eight times as much is some eight times the work, and 64 times if each moved or searched all. */
START_TEST(no_way_to_write_makes_much_work)
{
        clock_t some = work_of(1 << 17), all = work_of(1 << 20);
        ck_assert_msg(all < 24 * some + CLOCKS_PER_SEC / 10, "%g s for eight times what took %g s",
                (double)all / CLOCKS_PER_SEC, (double)some / CLOCKS_PER_SEC);
}
END_TEST

START_TEST(a_request_is_taken_apart)
{
        static const char text[] =
                "{\"method\":\"a.b.Draw\",\"parameters\":{\"open\":true},\"more\":true,\"upgrade\":false}";
        struct varlink_request request;
        ck_assert_int_eq(varlink_request_parse(text, sizeof text - 1, &request, NULL), 0);
        ck_assert_str_eq(request.interface, "a.b");
        ck_assert_str_eq(request.member, "Draw");
        ck_assert(request.more && !request.oneway && !request.upgrade);
        ck_assert(json_flag(request.parameters, "open"));
        varlink_request_done(&request);
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
        static const char *const texts[] = {"", "1", "[]", "{}", "{\"method\":1}", "{\"method\":\"\"}",
                "{\"method\":\"a.B\",\"more\":1}", "{\"method\":\"a.B\",\"oneway\":{}}",
                "{\"method\":\"a.B\",\"upgrade\":\"\"}", "{\"method\":\"a.B\",\"parameters\":[]}",
                "{\"method\":\"a.B\",\"more\":true,\"oneway\":true}"};
        char longest[600];
        struct varlink_request request;
        struct err err = {0};
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                ck_assert_msg(varlink_request_parse(texts[i], strlen(texts[i]), &request, &err) == -EINVAL,
                        "%s is taken", texts[i]);
        snprintf(longest, sizeof longest, "{\"method\":\"%0*d\"}", (int)VARLINK_NAME_MAX, 0);
        ck_assert_int_eq(varlink_request_parse(longest, strlen(longest), &request, &err), -EINVAL);
        snprintf(longest, sizeof longest, "{\"method\":\"%0*d\"}", (int)VARLINK_NAME_MAX - 1, 0);
        ck_assert_int_eq(varlink_request_parse(longest, strlen(longest), &request, &err), 0);
        ck_assert_uint_eq(strlen(request.interface), VARLINK_NAME_MAX - 1); /* no dot in it */
        varlink_request_done(&request);
}
END_TEST

START_TEST(parameters_of_their_types_are_taken)
{
        static const char *const good[] = {"{}", "{\"points\":[]}", "{\"points\":[{\"x\":1},{\"y\":1.5},{}]}",
                "{\"points\":[{\"y\":2}]}", "{\"name\":\"x\"}", "{\"name\":null}", "{\"colors\":{\"red\":1}}",
                "{\"open\":true}", "{\"open\":null,\"points\":null}"};
        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                ck_assert_msg(strcmp(checked("Draw", good[i]), "taken") == 0, "%s: %s", good[i],
                        checked("Draw", good[i]));
        ck_assert_str_eq(checked("DrawAll", NULL), "taken");
        ck_assert_str_eq(checked("Any", "{\"value\":{\"x\":[]}}"), "taken");
}
END_TEST

START_TEST(parameters_of_other_types_are_named)
{
        static const struct {
                const char *parameters, *bad;
        } wrong[] = {{"{\"points\":{}}", "points"}, {"{\"points\":[1]}", "points"},
                {"{\"points\":[null]}", "points"}, {"{\"points\":[{\"x\":\"1\"}]}", "points"},
                {"{\"points\":[{\"x\":1},{\"z\":1}]}", "points"}, {"{\"points\":[{\"x\":1.0}]}", "points"},
                {"{\"name\":1}", "name"}, {"{\"colors\":[]}", "colors"},
                {"{\"colors\":{\"red\":true}}", "colors"}, {"{\"open\":1}", "open"},
                {"{\"open\":true,\"shut\":true}", "shut"}, {"{\"ope\":true}", "ope"}, {"{\"\":1}", ""},
                {"{\"x\":1}", "x"}, {"{\"a comment\":1}", "a comment"}};
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                ck_assert_str_eq(checked("Draw", wrong[i].parameters), wrong[i].bad);
        ck_assert_str_eq(checked("Any", "{\"value\":1}"), "value");
        ck_assert_str_eq(checked("DrawAll", "{\"points\":[]}"), "points"); /* that is what it replies */
}
END_TEST

START_TEST(a_long_name_is_cut_between_characters)
{
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(buf_text(&text, "{\""), 0);
        for (size_t i = 0; i < 400; i++)
                ck_assert_int_eq(buf_text(&text, "\xc3\xa9"), 0);
        ck_assert_int_eq(buf_text(&text, "\":1}"), 0);
        _cleanup_json_ struct json *name = json_make("s", checked("Draw", text.data));
        ck_assert_ptr_nonnull(name); /* it is UTF-8 */
}
END_TEST

START_TEST(only_methods_are_methods)
{
        static const char *const none[] = {
                "", "draw", "Dra", "DrawA", "Point", "Full", "Commented", "Hidden", "x"};
        for (size_t i = 0; i < ARRAY_SIZE(none); i++)
                ck_assert_str_eq(checked(none[i], "{}"), "no method");
}
END_TEST

/* The interface in the tree is what the methods are checked against: each that it describes is there. (One
 * that it does not describe cannot be called.) */
START_TEST(the_interface_describes_the_methods_there_are)
{
        char text[65536] = "", name[VARLINK_NAME_MAX], bad[VARLINK_NAME_MAX];
        FILE *file = fopen("daemon/dev.driftd.Control.varlink", "r");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 1000);
        fclose(file);
        size_t n = 0;
        for (const char *p = text; (p = strstr(p, "\nmethod ")); n++) {
                p += strlen("\nmethod ");
                snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "("), p);
                ck_assert_msg(service_knows(name), "%s", name);
                ck_assert_msg(varlink_check(text, name, NULL, bad) == 0, "%s", name);
        }
        ck_assert_uint_ge(n, 15);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("varlink");
        TCase *tc = tcase_create("varlink");
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, frames_come_out_as_they_went_in_however_they_were_cut);
        tcase_add_test(tc, a_frame_of_the_largest_size_is_taken_and_one_more_byte_is_not);
        tcase_add_test(tc, no_way_to_write_makes_much_work);
        tcase_add_test(tc, a_request_is_taken_apart);
        tcase_add_test(tc, what_is_no_request_is_refused);
        tcase_add_test(tc, parameters_of_their_types_are_taken);
        tcase_add_test(tc, parameters_of_other_types_are_named);
        tcase_add_test(tc, a_long_name_is_cut_between_characters);
        tcase_add_test(tc, only_methods_are_methods);
        tcase_add_test(tc, the_interface_describes_the_methods_there_are);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
