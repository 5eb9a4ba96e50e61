/* SPDX-License-Identifier: MIT */
/* Frames, keys, and the layout of driftctl top: what stands where, what is cut, what is drawn again. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cli/screen.h"
#include "cli/terminal.h"
#include "cli/top.h"
#include "core/clock.h"

static const char *
line(const struct frame *frame, unsigned row)
{
        return frame->lines[row].bytes.data ? frame->lines[row].bytes.data : "";
}

static struct frame
plain_frame(unsigned rows, unsigned columns)
{
        struct frame frame;
        ck_assert_int_eq(frame_make(rows, columns, false, false, &frame), 0);
        return frame;
}

START_TEST(what_does_not_fit_ends_in_a_sign_and_never_leaves_the_line)
{
        _cleanup_frame_ struct frame frame = plain_frame(2, 10);
        frame_put(&frame, COLOR_PLAIN, "%s", "0123456789");
        frame_put(&frame, COLOR_PLAIN, "more");
        frame_next(&frame);
        frame_put(&frame, COLOR_PLAIN, "%s", "0123456789a");
        frame_next(&frame);
        frame_put(&frame, COLOR_PLAIN, "below the last line");
        ck_assert_str_eq(line(&frame, 0), "0123456789");
        ck_assert_str_eq(line(&frame, 1), "012345678…");
        ck_assert(!frame.failed);
}
END_TEST

START_TEST(a_cell_is_as_wide_as_it_is_told_and_can_keep_its_end)
{
        _cleanup_frame_ struct frame frame = plain_frame(1, 40);
        frame_cell(&frame, COLOR_PLAIN, 6, false, "abc");
        frame_cell(&frame, COLOR_PLAIN, 6, false, "abcdefgh");
        frame_cell(&frame, COLOR_PLAIN, 6, true, "abcdefgh");
        frame_put(&frame, COLOR_PLAIN, "|");
        ck_assert_str_eq(line(&frame, 0), "abc   abcde……defgh|");
        ck_assert_uint_eq(frame.lines[0].width, 19);
}
END_TEST

START_TEST(no_text_moves_the_cursor)
{
        _cleanup_frame_ struct frame frame = plain_frame(1, 60);
        frame_put(&frame, COLOR_PLAIN, "%s", "a\033[2J\r\nb\t\x9b");
        ck_assert_str_eq(line(&frame, 0), "a\\x1b[2J\\x0d b \\x9b");
}
END_TEST

START_TEST(signs_are_one_column_each_and_ascii_where_that_is_wanted)
{
        _cleanup_frame_ struct frame frame = plain_frame(1, 5), ascii = {0};
        frame_put(&frame, COLOR_PLAIN, "→·…→·…");
        ck_assert_str_eq(line(&frame, 0), "→·…→…");
        ck_assert_int_eq(frame_make(1, 5, false, true, &ascii), 0);
        frame_put(&ascii, COLOR_PLAIN, "→·…→·…");
        ck_assert_str_eq(line(&ascii, 0), ">-~>~");
}
END_TEST

START_TEST(colours_take_no_columns_and_are_only_there_when_wanted)
{
        _cleanup_frame_ struct frame frame = {0};
        ck_assert_int_eq(frame_make(1, 4, true, false, &frame), 0);
        frame_put(&frame, COLOR_RED, "abcd");
        ck_assert_str_eq(line(&frame, 0), "\033[31mabcd\033[0m");
        ck_assert_uint_eq(frame.lines[0].width, 4);
}
END_TEST

static const char *
drawn(const struct frame *shown, const struct frame *next, struct buf *buf)
{
        buf_clear(buf);
        ck_assert_int_eq(frame_draw(shown, next, buf), 0);
        return buf->size ? buf->data : "";
}

START_TEST(only_lines_that_changed_are_drawn_again)
{
        _cleanup_frame_ struct frame before = plain_frame(3, 10), after = plain_frame(3, 10),
                                     larger = plain_frame(4, 10);
        _cleanup_buf_ struct buf buf = {0};
        frame_put(&before, COLOR_PLAIN, "one");
        frame_next(&before);
        frame_put(&before, COLOR_PLAIN, "two");
        frame_put(&after, COLOR_PLAIN, "one");
        frame_next(&after);
        frame_put(&after, COLOR_PLAIN, "2");
        ck_assert_str_eq(drawn(NULL, &before, &buf), "\033[H\033[J\033[1;1Hone\033[K\033[2;1Htwo\033[K");
        ck_assert_str_eq(drawn(&before, &after, &buf), "\033[2;1H2\033[K");
        ck_assert_str_eq(drawn(&after, &after, &buf), "");
        frame_put(&larger, COLOR_PLAIN, "x");
        ck_assert_str_eq(drawn(&after, &larger, &buf), "\033[H\033[J\033[1;1Hx\033[K");
}
END_TEST

START_TEST(a_full_line_is_not_erased_at_its_end)
{
        _cleanup_frame_ struct frame frame = plain_frame(1, 3);
        _cleanup_buf_ struct buf buf = {0};
        frame_put(&frame, COLOR_PLAIN, "abc");
        ck_assert_str_eq(drawn(NULL, &frame, &buf), "\033[H\033[J\033[1;1Habc");
}
END_TEST

START_TEST(a_bar_is_never_wider_than_told_nor_more_than_full)
{
        static const struct {
                uint64_t part, whole;
                const char *wanted;
        } bars[] = {{0, 10, "[..........]"}, {5, 10, "[#####.....]"}, {10, 10, "[##########]"},
                {11, 10, "[##########]"}, {1, 0, "[..........]"}};
        for (size_t i = 0; i < ARRAY_SIZE(bars); i++) {
                _cleanup_frame_ struct frame frame = plain_frame(1, 40);
                frame_bar(&frame, bars[i].part, bars[i].whole, 12);
                ck_assert_str_eq(line(&frame, 0), bars[i].wanted);
        }
}
END_TEST

START_TEST(keys_are_known_in_the_forms_that_terminals_send)
{
        static const struct {
                const char *bytes;
                int key;
                size_t taken;
        } keys[] = {{"q", 'q', 1}, {"qj", 'q', 1}, {"\033[A", KEY_UP, 3}, {"\033OA", KEY_UP, 3},
                {"\033[B", KEY_DOWN, 3}, {"\033[5~", KEY_PAGE_UP, 4}, {"\033[6~x", KEY_PAGE_DOWN, 4},
                {"\033[H", KEY_HOME, 3}, {"\033[1~", KEY_HOME, 4}, {"\033[F", KEY_END, 3},
                {"\033[4~", KEY_END, 4}, {"\033[1;5A", KEY_UP, 6}, {"\033[15~", KEY_OTHER, 5},
                {"\033", '\033', 1}, {"\033x", '\033', 1}, {"\033[", KEY_NONE, 0}, {"\033[5", KEY_NONE, 0},
                {"\xc3", KEY_OTHER, 1}, {"", KEY_NONE, 0}};
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                size_t taken;
                ck_assert_int_eq(terminal_key(keys[i].bytes, strlen(keys[i].bytes), &taken), keys[i].key);
                ck_assert_uint_eq(taken, keys[i].taken);
        }
}
END_TEST

/* ---- the layout of top ---- */

static struct json *
parsed(const char *text)
{
        struct json *value = NULL;
        struct err err = {0};
        ck_assert_msg(json_parse(text, strlen(text), &value, &err) == 0, "%s", err.text);
        return value;
}

static const char status_text[] =
        "{\"verdict\":\"drift\",\"daemon\":{\"running\":true,\"version\":\"1\",\"since\":\"2026-11-26T10:00:"
        "00.000Z\"},"
        "\"baselines\":[{\"name\":\"host\",\"generation\":3,\"state\":\"trusted\",\"signers\":[\"alice\","
        "\"bob\"]}],"
        "\"coverage\":{\"complete\":false,\"verified\":161000,\"expected\":161633,"
        "\"oldest_content_check\":\"2026-11-26T06:48:00.000Z\"},"
        "\"open\":{\"high\":2,\"medium\":1,\"low\":0},"
        "\"problems\":[{\"kind\":\"watch_lost\",\"count\":450,\"where\":\"x\",\"hint\":\"y\",\"lowers_"
        "coverage\":true}],"
        "\"windows\":[],\"history\":{\"size\":9},"
        "\"activity\":{\"events\":1234567,\"folders\":13245,\"waiting\":7,\"pass\":{\"name\":\"full\","
        "\"since\":\"2026-11-26T11:59:00.000Z\",\"files\":80000,\"files_expected\":160000,\"bytes\":5},"
        "\"circle\":{\"files\":0,\"files_expected\":0},\"next_quick\":\"2026-11-26T12:15:00.000Z\"}}";

#define NOW_MS ((int64_t)1795694400000) /* 2026-11-26T12:00:00Z */

struct stage {
        struct json *status, *drifts, *record;
        struct top_rows rows;
        const struct json *records[1];
        struct top_view view;
        struct frame frame;
        unsigned room;
};

static void
stage_layout(struct stage *stage, unsigned rows, unsigned columns)
{
        frame_done(&stage->frame);
        stage->frame = plain_frame(rows, columns);
        stage->room = top_layout(&stage->view, &stage->frame);
        ck_assert(!stage->frame.failed);
        for (unsigned i = 0; i < rows; i++)
                ck_assert_uint_le(stage->frame.lines[i].width, columns);
}

static struct stage *
stage_make(void)
{
        static struct stage stage;
        stage = (struct stage){.status = parsed(status_text)};
        stage.drifts = parsed(
                "[{\"item\":\"file:/low\",\"change\":\"missing\",\"severity\":\"low\",\"state\":\"open\","
                "\"attributes\":[],\"first_seen\":\"2026-11-26T11:59:00.000Z\"},"
                "{\"item\":\"sysctl:net/ipv4/ip_forward\",\"change\":\"changed\",\"severity\":\"high\","
                "\"state\":\"open\",\"attributes\":[{\"name\":\"value\",\"expected\":\"0\",\"actual\":\"1\"}]"
                ","
                "\"first_seen\":\"2026-11-26T11:57:00.000Z\"},"
                "{\"item\":\"file:/acked\",\"change\":\"changed\",\"severity\":\"high\","
                "\"state\":\"acknowledged\",\"attributes\":[{\"name\":\"mode\"}]}]");
        stage.record = parsed(
                "{\"seq\":9,\"time\":\"2026-11-26T11:59:00.000Z\",\"kind\":\"drift\",\"item\":\"file:/low\","
                "\"detail\":{\"change\":\"missing\"}}");
        stage.records[0] = stage.record;
        ck_assert_int_eq(top_rows_make(stage.drifts, &stage.rows), 0);
        stage.view = (struct top_view){.status = stage.status,
                .rows = &stage.rows,
                .records = stage.records,
                .n_records = 1,
                .host = "web1",
                .now_ms = NOW_MS,
                .events_rate = 12.5,
                .files_rate = 8000,
                .bytes_rate = -1};
        return &stage;
}

static void
stage_done(struct stage *stage)
{
        frame_done(&stage->frame);
        top_rows_done(&stage->rows);
        json_free(stage->status);
        json_free(stage->drifts);
        json_free(stage->record);
}

START_TEST(eighty_columns_and_24_lines_show_all_that_matters)
{
        struct stage *stage = stage_make();
        stage_layout(stage, 24, 80);
        const struct frame *frame = &stage->frame;
        ck_assert_str_eq(line(frame, 0),
                "driftd on web1 · drift · up 2 h                                         12:00:00");
        ck_assert_str_eq(line(frame, 1), "open       2 high · 1 medium · 0 low");
        ck_assert_str_eq(line(frame, 2),
                "coverage   incomplete · 161,000 of 161,633 verified · content within 5 h 12 min");
        ck_assert_str_eq(
                line(frame, 3), "pass       full [##########..........] 80,000 · 8,000/s · 10 s left");
        ck_assert_str_eq(line(frame, 4),
                "watch      13,245 folders · 450 lost · 12.5 events/s (1,234,567) · 7 to look at");
        ck_assert_str_eq(line(frame, 5), "baselines  host@3 trusted by alice, bob");
        ck_assert_str_eq(line(frame, 6), "problems   watch_lost");
        ck_assert_str_eq(line(frame, 7), "open drift  1-3 of 3");
        ck_assert_str_eq(
                line(frame, 8), "H changed    sysctl:net/ipv4/ip_forward            0 → 1            3 min");
        ck_assert_str_eq(line(frame, 9),
                "H changed    file:/acked                           mode             acknowledged");
        ck_assert_str_eq(
                line(frame, 10), "L missing    file:/low                                              1 min");
        ck_assert_str_eq(line(frame, 16), "newest records");
        ck_assert_str_eq(line(frame, 17), "11:59:00 drift      file:/low                          missing");
        ck_assert_str_eq(line(frame, 23), "q quit · ? help · up and down scroll");
        stage_done(stage);
}
END_TEST

START_TEST(a_smaller_screen_keeps_what_matters_most)
{
        struct stage *stage = stage_make();
        stage_layout(stage, 5, 40);
        ck_assert_ptr_nonnull(strstr(line(&stage->frame, 0), "driftd on web1 · drift"));
        ck_assert_str_eq(line(&stage->frame, 4), "q quit · ? help · up and down scroll");
        for (unsigned rows = 1; rows <= 30; rows++)
                for (unsigned columns = 1; columns <= 130; columns += 3)
                        stage_layout(stage, rows, columns);
        stage_done(stage);
}
END_TEST

START_TEST(the_list_is_scrolled_and_says_what_is_seen_of_it)
{
        struct stage *stage = stage_make();
        stage->view.scroll = 1;
        stage->view.list_cut = true;
        stage_layout(stage, 24, 80);
        ck_assert_str_eq(line(&stage->frame, 7), "open drift  2-3 of 3 and more: driftctl diff lists all");
        ck_assert_ptr_nonnull(strstr(line(&stage->frame, 8), "file:/acked"));
        ck_assert_uint_eq(stage->room, 8);
        stage_done(stage);
}
END_TEST

START_TEST(trouble_is_said_below_the_title_and_before_anything_came)
{
        struct stage *stage = stage_make();
        stage->view.trouble = "no daemon answers on /x: trying again";
        stage_layout(stage, 24, 80);
        ck_assert_str_eq(line(&stage->frame, 1), "no daemon answers on /x: trying again");
        stage->view.status = NULL;
        stage_layout(stage, 24, 80);
        ck_assert_str_eq(line(&stage->frame, 1), "no daemon answers on /x: trying again");
        ck_assert_str_eq(line(&stage->frame, 2), "");
        stage_done(stage);
}
END_TEST

START_TEST(the_help_takes_the_screen)
{
        struct stage *stage = stage_make();
        stage->view.help = true;
        stage_layout(stage, 24, 80);
        ck_assert_str_eq(line(&stage->frame, 0), "driftctl top");
        ck_assert_str_eq(line(&stage->frame, 2), "q, Ctrl-C       quit");
        stage_done(stage);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("screen");
        TCase *frames = tcase_create("frames"), *top = tcase_create("top");
        setenv("TZ", "UTC", 1);
        tcase_add_test(frames, what_does_not_fit_ends_in_a_sign_and_never_leaves_the_line);
        tcase_add_test(frames, a_cell_is_as_wide_as_it_is_told_and_can_keep_its_end);
        tcase_add_test(frames, no_text_moves_the_cursor);
        tcase_add_test(frames, signs_are_one_column_each_and_ascii_where_that_is_wanted);
        tcase_add_test(frames, colours_take_no_columns_and_are_only_there_when_wanted);
        tcase_add_test(frames, only_lines_that_changed_are_drawn_again);
        tcase_add_test(frames, a_full_line_is_not_erased_at_its_end);
        tcase_add_test(frames, a_bar_is_never_wider_than_told_nor_more_than_full);
        tcase_add_test(frames, keys_are_known_in_the_forms_that_terminals_send);
        tcase_add_test(top, eighty_columns_and_24_lines_show_all_that_matters);
        tcase_add_test(top, a_smaller_screen_keeps_what_matters_most);
        tcase_add_test(top, the_list_is_scrolled_and_says_what_is_seen_of_it);
        tcase_add_test(top, trouble_is_said_below_the_title_and_before_anything_came);
        tcase_add_test(top, the_help_takes_the_screen);
        suite_add_tcase(suite, frames);
        suite_add_tcase(suite, top);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
