/* SPDX-License-Identifier: MIT */
/* The forms of a record for each kind of receiver, to the byte, and folding. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/sender.h"
#include "core/cursor.h"
#include "core/digest.h"
#include "core/file.h"

static const struct output_host host = {"0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e", "web1"};

#define DRIFT                                                                                                \
        "{\"seq\":12,\"time\":\"2026-11-26T14:02:11.500Z\",\"kind\":\"drift\",\"item\":\"file:/etc/"         \
        "a\\\\x20b\","                                                                                       \
        "\"detail\":{\"baseline\":\"host\",\"generation\":3,\"change\":\"changed\",\"severity\":\"high\","   \
        "\"attributes\":[{\"name\":\"mode\",\"expected\":\"0644\",\"actual\":\"0666\"},"                     \
        "{\"name\":\"uid\",\"expected\":\"0\",\"actual\":\"1000\"}],\"unobserved\":false"
#define WHO                                                                                                  \
        ",\"who\":{\"pid\":4242,\"exe\":\"/usr/bin/vim\",\"cmdline\":\"vim "                                 \
        "/etc/a\",\"uid\":0,\"login_uid\":1000,"                                                             \
        "\"unit\":\"ssh.service\",\"confidence\":\"certain\"}"

static struct json *
parsed(const char *text)
{
        struct json *value = NULL;
        struct err err = {0};
        ck_assert_msg(json_parse(text, strlen(text), &value, &err) == 0, "%s\n%s", err.text, text);
        return value;
}

static struct output_event
event_of(const struct json *record)
{
        struct output_event event;
        ck_assert_int_eq(output_event_of(record, &event), 0);
        return event;
}

static void
assert_syslog(const char *text, size_t value_max, const char *wanted)
{
        _cleanup_json_ struct json *record = parsed(text);
        _cleanup_buf_ struct buf line = {0};
        struct config_output output = {.facility = LOG_LOCAL0 >> 3, .enterprise = 32473};
        struct output_event event = event_of(record);
        char pid[16];
        ck_assert_int_eq(output_syslog(&output, &host, &event, value_max, &line), 0);
        snprintf(pid, sizeof pid, " %d ", (int)getpid());
        char *at = strstr(line.data, pid);
        ck_assert_ptr_nonnull(at);
        memset(at + 1, '#', strlen(pid) - 2);
        while (strstr(line.data, "##"))
                memmove(strstr(line.data, "##"), strstr(line.data, "##") + 1,
                        strlen(strstr(line.data, "##")));
        ck_assert_str_eq(line.data, wanted);
}

START_TEST(a_drift_as_syslog)
{
        assert_syslog(DRIFT "}}", SYSLOG_VALUE_MAX,
                "<131>1 2026-11-26T14:02:11.500Z web1 driftd # drift [driftd@32473 seq=\"12\" kind=\"drift\" "
                "item=\"file:/etc/a\\\\x20b\" change=\"changed\" severity=\"high\" baseline=\"host\" "
                "generation=\"3\" expected=\"mode=0644 uid=0\" actual=\"mode=0666 uid=1000\" "
                "host=\"0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e\"] changed file:/etc/a\\x20b mode uid");
}
END_TEST

#define SYSLOG_HEAD                                                                                          \
        "<131>1 2026-11-26T14:02:11.500Z web1 driftd # drift [driftd@32473 seq=\"12\" kind=\"drift\" "       \
        "item=\"file:/etc/a\\\\x20b\" change=\"changed\" severity=\"high\" baseline=\"host\" "               \
        "generation=\"3\" expected=\"mode=0644 uid=0\" actual=\"mode=0666 uid=1000\" "

/* One that was gone is a number: no user of it is known, and root is one. */
START_TEST(who_made_a_change_as_syslog_says_how_certain_it_is_and_nothing_that_is_not_known)
{
        assert_syslog(DRIFT
                ",\"who\":{\"pid\":42,\"exe\":null,\"cmdline\":null,\"uid\":null,\"login_uid\":null,"
                "\"unit\":null,\"own_mounts\":null,\"confidence\":\"unknown\",\"others\":0}}}",
                SYSLOG_VALUE_MAX,
                SYSLOG_HEAD
                "pid=\"42\" confidence=\"unknown\" host=\"0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e\"] changed "
                "file:/etc/a\\x20b mode uid");
        assert_syslog(DRIFT
                ",\"who\":{\"pid\":42,\"exe\":\"/bin/x\",\"uid\":0,\"login_uid\":1000,\"own_mounts\":true,"
                "\"confidence\":\"likely\"}}}",
                SYSLOG_VALUE_MAX,
                SYSLOG_HEAD "pid=\"42\" exe=\"/bin/x\" uid=\"0\" login_uid=\"1000\" own_mounts=\"yes\" "
                            "confidence=\"likely\" host=\"0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e\"] changed "
                            "file:/etc/a\\x20b mode uid likely by /bin/x[42] (own mounts)");
}
END_TEST

START_TEST(a_message_that_is_not_ascii_begins_with_the_bom)
{
        assert_syslog("{\"seq\":1,\"time\":\"2026-11-26T14:02:11.500Z\",\"kind\":\"drift\",\"item\":\"sysctl:"
                      "a/b\",\"detail\":"
                      "{\"change\":\"changed\",\"severity\":\"low\",\"attributes\":[{\"name\":\"value\","
                      "\"expected\":\"0\","
                      "\"actual\":\"1\"}]}}",
                SYSLOG_VALUE_MAX,
                "<133>1 2026-11-26T14:02:11.500Z web1 driftd # drift [driftd@32473 seq=\"1\" kind=\"drift\" "
                "item=\"sysctl:a/b\" change=\"changed\" severity=\"low\" expected=\"value=0\" "
                "actual=\"value=1\" "
                "host=\"0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e\"] \xef\xbb\xbf"
                "changed sysctl:a/b 0 → 1");
}
END_TEST

START_TEST(no_value_ends_its_quotes_its_element_or_the_line)
{
        assert_syslog("{\"seq\":1,\"time\":\"2026-11-26T14:02:11.500Z\",\"kind\":\"drift\",\"item\":\"sysctl:"
                      "a/b\",\"detail\":"
                      "{\"change\":\"changed\",\"severity\":\"low\",\"attributes\":[{\"name\":\"value\","
                      "\"expected\":null,"
                      "\"actual\":\"\\\"]\\\\ \\n<0>1\\u00e4\"}]}}",
                SYSLOG_VALUE_MAX,
                "<133>1 2026-11-26T14:02:11.500Z web1 driftd # drift [driftd@32473 seq=\"1\" kind=\"drift\" "
                "item=\"sysctl:a/b\" change=\"changed\" severity=\"low\" "
                "actual=\"value=\\\"\\]\\\\ \\\\x0a<0>1\\\\xc3\\\\xa4\" "
                "host=\"0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e\"] \xef\xbb\xbf"
                "changed sysctl:a/b (absent) → \"]\\ \\x0a<0>1\\xc3\\xa4");
}
END_TEST

START_TEST(what_is_too_long_is_cut_and_the_message_says_so)
{
        assert_syslog(DRIFT "}}", 20,
                "<131>1 2026-11-26T14:02:11.500Z web1 driftd # drift [driftd@32473 seq=\"12\" kind=\"drift\" "
                "item=\"file:/etc/a\\\\x20b\" change=\"changed\" severity=\"high\" baseline=\"host\" "
                "generation=\"3\" expected=\"mode=0644 uid=0\" actual=\"mode=0666 uid=1000\" "
                "host=\"0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e\" cut=\"yes\"] changed file:/etc...");
}
END_TEST

START_TEST(the_longest_message_is_one_that_receivers_take)
{
        _cleanup_buf_ struct buf text = {0}, line = {0};
        buf_text(&text,
                "{\"seq\":1,\"time\":\"2026-11-26T14:02:11.500Z\",\"kind\":\"drift\",\"item\":\"file:/");
        for (int i = 0; i < 4000; i++)
                buf_text(&text, "\\\\x0a");
        buf_text(&text,
                "\",\"detail\":{\"change\":\"changed\",\"attributes\":[{\"name\":\"target\",\"expected\":\"");
        for (int i = 0; i < 9000; i++)
                buf_text(&text, "]");
        buf_text(&text, "\",\"actual\":\"");
        for (int i = 0; i < 9000; i++)
                buf_text(&text, "\\\"");
        buf_text(&text, "\"}]}}");
        _cleanup_json_ struct json *record = parsed(text.data);
        struct output_event event = event_of(record);
        struct config_output output = {.facility = 4, .enterprise = 4294967295};
        ck_assert_int_eq(output_syslog(&output, &host, &event, SYSLOG_VALUE_MAX, &line), 0);
        ck_assert_uint_le(line.size, SYSLOG_MESSAGE_MAX);
        ck_assert_uint_gt(line.size, SYSLOG_MESSAGE_MAX / 2);
        ck_assert_ptr_nonnull(strstr(line.data, " cut=\"yes\"]"));
}
END_TEST

static struct json *
ecs_of(const char *text)
{
        _cleanup_json_ struct json *record = parsed(text);
        _cleanup_buf_ struct buf line = {0};
        struct output_event event = event_of(record);
        ck_assert_int_eq(output_ecs(&host, &event, &line), 0);
        ck_assert_int_eq(line.data[line.size - 1], '\n');
        ck_assert_ptr_null(memchr(line.data, '\n', line.size - 1));
        return parsed(line.data);
}

START_TEST(who_made_a_change_is_in_the_fields_of_process_and_user)
{
        _cleanup_json_ struct json *line = ecs_of(DRIFT WHO "}}");
        _cleanup_buf_ struct buf process = {0}, user = {0}, file = {0};
        json_write(json_member(line, "process"), &process);
        json_write(json_member(line, "user"), &user);
        json_write(json_member(line, "file"), &file);
        ck_assert_str_eq(process.data, "{\"pid\":4242,\"executable\":\"/usr/bin/vim\",\"name\":\"vim\","
                                       "\"command_line\":\"vim /etc/a\"}");
        ck_assert_str_eq(user.data, "{\"id\":\"0\"}");
        ck_assert_str_eq(json_text(json_member(line, "driftd"), "login_uid"), "1000");
        ck_assert_str_eq(json_text(json_member(line, "driftd"), "unit"), "ssh.service");
        ck_assert_str_eq(json_text(json_member(line, "driftd"), "confidence"), "certain");
        ck_assert_str_eq(file.data, "{\"path\":\"/etc/a b\",\"name\":\"a "
                                    "b\",\"directory\":\"/etc\",\"mode\":\"0666\",\"uid\":\"1000\"}");
}
END_TEST

START_TEST(without_who_there_is_no_process)
{
        _cleanup_json_ struct json *line = ecs_of(DRIFT "}}");
        ck_assert_ptr_null(json_member(line, "process"));
        ck_assert_ptr_null(json_member(line, "user"));
        ck_assert_str_eq(json_text(json_member(line, "event"), "id"), "0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e-12");
}
END_TEST

START_TEST(a_path_that_is_no_plain_text_stays_escaped)
{
        static const struct {
                const char *item, *path;
        } rows[] = {
                {"file:/a\\\\xff", "/a\\xff"},
                {"file:/a\\\\x0ab", "/a\\x0ab"},
                {"file:/\\\\xe2\\\\x80\\\\xae", "/\\xe2\\x80\\xae"},
                {"file:/\\\\xc3\\\\xa4", "/ä"},
                {"file:/\\\\xc2\\\\x9b", "/\\xc2\\x9b"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char text[256];
                snprintf(text, sizeof text,
                        "{\"seq\":1,\"time\":\"2026-11-26T14:02:11.500Z\",\"kind\":\"drift\",\"item\":\"%s\","
                        "\"detail\":{}}",
                        rows[i].item);
                _cleanup_json_ struct json *line = ecs_of(text);
                ck_assert_str_eq(json_text(json_member(line, "file"), "path"), rows[i].path);
        }
}
END_TEST

START_TEST(a_record_for_a_program_says_how_many_it_stands_for)
{
        _cleanup_json_ struct json *record = parsed("{\"seq\":9,\"time\":\"2026-11-26T14:02:11.500Z\","
                                                    "\"kind\":\"reload\",\"item\":null,\"detail\":{}}");
        struct output_event event = event_of(record);
        _cleanup_buf_ struct buf line = {0};
        event.count = 4;
        event.first_seq = 5;
        ck_assert_int_eq(output_record(&event, &line), 0);
        ck_assert_str_eq(line.data, "{\"seq\":9,\"time\":\"2026-11-26T14:02:11.500Z\",\"kind\":\"reload\","
                                    "\"item\":null,\"detail\":{},"
                                    "\"folded\":{\"count\":4,\"first_seq\":5}}\n");
}
END_TEST

/* ---- folding ---- */

static struct json *
record_at(unsigned seq, unsigned second, const char *item)
{
        char text[256];
        snprintf(text, sizeof text,
                "{\"seq\":%u,\"time\":\"2026-11-26T14:%02u:%02u.000Z\",\"kind\":\"drift\",\"item\":\"%s\","
                "\"detail\":"
                "{\"change\":\"changed\",\"attributes\":[]}}",
                seq, second / 60, second % 60, item);
        return parsed(text);
}

static int
take(struct folding *fold, unsigned seq, unsigned second, const char *item, int64_t now_ms)
{
        _cleanup_json_ struct json *record = record_at(seq, second, item);
        struct output_event event = event_of(record);
        return folding_take(fold, &event, now_ms);
}

START_TEST(those_that_are_the_same_within_the_time_are_held_back_and_counted)
{
        _cleanup_(folding_freep) struct folding *fold = folding_new(60);
        struct output_event event;
        ck_assert_int_eq(take(fold, 1, 0, "file:/a", 0), FOLD_TELL);
        ck_assert_int_eq(take(fold, 2, 1, "file:/b", 0), FOLD_TELL);
        ck_assert_int_eq(take(fold, 3, 2, "file:/a", 0), FOLD_HELD);
        ck_assert_int_eq(take(fold, 4, 3, "file:/b", 0), FOLD_HELD);
        ck_assert_int_eq(take(fold, 5, 4, "file:/a", 0), FOLD_HELD);
        ck_assert(folding_holds(fold));
        ck_assert_int_eq(folding_deadline_ms(fold), 60000);
        ck_assert(folding_next(fold, &event));
        ck_assert_uint_eq(event.seq, 4); /* by the number of the last of each */
        ck_assert_uint_eq(event.count, 1);
        folding_told(fold, &event);
        ck_assert(folding_next(fold, &event));
        ck_assert_uint_eq(event.seq, 5);
        ck_assert_uint_eq(event.first_seq, 3);
        ck_assert_uint_eq(event.count, 2);
        folding_told(fold, &event);
        ck_assert(!folding_next(fold, &event));
        ck_assert(!folding_holds(fold));
        ck_assert_int_eq(folding_deadline_ms(fold), INT64_MAX);
}
END_TEST

START_TEST(after_the_time_the_next_is_told_at_once)
{
        _cleanup_(folding_freep) struct folding *fold = folding_new(60);
        ck_assert_int_eq(take(fold, 1, 0, "file:/a", 0), FOLD_TELL);
        ck_assert_int_eq(take(fold, 2, 59, "file:/a", 0), FOLD_HELD);
        ck_assert_int_eq(take(fold, 3, 60, "file:/a", 0), FOLD_TELL);
        ck_assert_int_eq(take(fold, 4, 61, "file:/a", 0), FOLD_HELD);
}
END_TEST

START_TEST(a_full_table_folds_no_more_and_forgets_the_old)
{
        _cleanup_(folding_freep) struct folding *fold = folding_new(60);
        char item[32];
        for (unsigned i = 0; i < FOLD_KEYS_MAX; i++) {
                snprintf(item, sizeof item, "file:/%u", i);
                ck_assert_int_eq(take(fold, i + 1, 0, item, 0), FOLD_TELL);
        }
        ck_assert_int_eq(take(fold, 5000, 0, "file:/more", 0), FOLD_TELL);
        ck_assert_int_eq(take(fold, 5001, 0, "file:/more", 0), FOLD_TELL);
        ck_assert_int_eq(take(fold, 5002, 0, "file:/more", 60001), FOLD_TELL);
        ck_assert_int_eq(take(fold, 5003, 0, "file:/more", 60001), FOLD_HELD);
}
END_TEST

START_TEST(without_a_time_nothing_is_folded)
{
        _cleanup_(folding_freep) struct folding *fold = folding_new(0);
        ck_assert_int_eq(take(fold, 1, 0, "file:/a", 0), FOLD_TELL);
        ck_assert_int_eq(take(fold, 2, 0, "file:/a", 0), FOLD_TELL);
}
END_TEST

/* ---- the cursor ---- */

START_TEST(a_cursor_has_one_form)
{
        char path[] = "/tmp/test-cursor-XXXXXX";
        int fd = mkstemp(path);
        struct cursor cursor = {.seq = 12}, again = {0};
        struct err err = {0};
        ck_assert_int_ge(fd, 0);
        close(fd);
        digest_bytes("x", 1, &cursor.record);
        ck_assert_int_eq(cursor_write(path, &cursor, &err), 0);
        ck_assert_int_eq(cursor_read(path, &again, &err), 0);
        ck_assert_uint_eq(again.seq, 12);
        ck_assert(digest_equal(&again.record, &cursor.record));
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(file_read(path, 0, CURSOR_FILE_MAX, &text, &err), 0);
        unlink(path);
        for (size_t i = 0; i < text.size; i++) { /* shorter, or with any byte another */
                char copy[CURSOR_FILE_MAX];
                ck_assert_int_eq(cursor_parse(text.data, i, &again, &err), -EINVAL);
                memcpy(copy, text.data, text.size);
                copy[i] = '/';
                ck_assert_int_eq(cursor_parse(copy, text.size, &again, &err), -EINVAL);
        }
        const char zero[] = "driftd-cursor 1\nseq 012\nrecord ";
        char padded[CURSOR_FILE_MAX];
        snprintf(padded, sizeof padded, "%s%s", zero, strstr(text.data, "record ") + 7);
        ck_assert_int_eq(cursor_parse(padded, strlen(padded), &again, &err), -EINVAL);
        snprintf(padded, sizeof padded, "driftd-cursor 1\nseq 18446744073709551616\nrecord %s",
                strstr(text.data, "record ") + 7);
        ck_assert_int_eq(cursor_parse(padded, strlen(padded), &again, &err), -EINVAL);
}
END_TEST

/* ---- metrics ---- */

START_TEST(of_a_daemon_that_does_not_answer_only_that_is_told)
{
        _cleanup_buf_ struct buf page = {0};
        ck_assert_int_eq(output_metrics(NULL, 1795730323441, NULL, 0, &page), 0);
        ck_assert_str_eq(page.data,
                "# HELP driftd_up Whether the daemon answered at the last look.\n"
                "# TYPE driftd_up gauge\n"
                "driftd_up 0\n"
                "# HELP driftd_last_answer_timestamp_seconds When the daemon last answered.\n"
                "# TYPE driftd_last_answer_timestamp_seconds gauge\n"
                "driftd_last_answer_timestamp_seconds 1795730323.441\n");
}
END_TEST

START_TEST(no_name_can_end_a_label)
{
        _cleanup_buf_ struct buf page = {0};
        _cleanup_json_ struct json *status =
                parsed("{\"daemon\":{\"version\":\"1\\\"} "
                       "2\\n\"},\"baselines\":[{\"name\":\"a\\\\\",\"generation\":2}]}");
        ck_assert_int_eq(output_metrics(status, 0, NULL, 0, &page), 0);
        ck_assert_ptr_nonnull(strstr(page.data, "driftd_build_info{version=\"1_}_2_\"} 1\n"));
        ck_assert_ptr_nonnull(strstr(page.data, "driftd_baseline_generation{baseline=\"a_\"} 2\n"));
}
END_TEST

/* ---- a file whose disk fails ---- */

static bool disk_fails;

/* In place of the C library's, for cli/sender.c too. */
int
fdatasync(int fd)
{
        if (!disk_fails)
                return fsync(fd);
        disk_fails = false;
        errno = EIO;
        return -1;
}

START_TEST(what_a_rotated_file_may_have_lost_is_told_again)
{
        char folder[] = "/tmp/test_cli_output.XXXXXX", path[64], rotated[64];
        struct err err = {0};
        struct sender_stop stop = {.fd = -1};
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/siem.json", folder);
        snprintf(rotated, sizeof rotated, "%s/siem.json.1", folder);
        struct config_output output = {.type = OUTPUT_ECS, .path = path};
        _cleanup_(sender_freep) struct sender *sender = sender_new(&output, &host, &stop);
        _cleanup_json_ struct json *record = output_test_record("siem");
        struct output_event event = event_of(record);
        ck_assert_int_eq(sender_send(sender, &event, &err), 0);
        ck_assert_int_eq(rename(path, rotated), 0);
        disk_fails = true;
        /* (SENDER_FAILED would ask for this event alone again) */
        ck_assert_int_eq(sender_send(sender, &event, &err), SENDER_BROKEN);
        ck_assert(!disk_fails);
        ck_assert_int_eq(unlink(rotated), 0);
        ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_output");
        TCase *tcase = tcase_create("cli_output");
        if (digest_setup() < 0)
                return 1;
        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, a_drift_as_syslog);
        tcase_add_test(
                tcase, who_made_a_change_as_syslog_says_how_certain_it_is_and_nothing_that_is_not_known);
        tcase_add_test(tcase, a_message_that_is_not_ascii_begins_with_the_bom);
        tcase_add_test(tcase, no_value_ends_its_quotes_its_element_or_the_line);
        tcase_add_test(tcase, what_is_too_long_is_cut_and_the_message_says_so);
        tcase_add_test(tcase, the_longest_message_is_one_that_receivers_take);
        tcase_add_test(tcase, who_made_a_change_is_in_the_fields_of_process_and_user);
        tcase_add_test(tcase, without_who_there_is_no_process);
        tcase_add_test(tcase, a_path_that_is_no_plain_text_stays_escaped);
        tcase_add_test(tcase, a_record_for_a_program_says_how_many_it_stands_for);
        tcase_add_test(tcase, those_that_are_the_same_within_the_time_are_held_back_and_counted);
        tcase_add_test(tcase, after_the_time_the_next_is_told_at_once);
        tcase_add_test(tcase, a_full_table_folds_no_more_and_forgets_the_old);
        tcase_add_test(tcase, without_a_time_nothing_is_folded);
        tcase_add_test(tcase, a_cursor_has_one_form);
        tcase_add_test(tcase, of_a_daemon_that_does_not_answer_only_that_is_told);
        tcase_add_test(tcase, no_name_can_end_a_label);
        tcase_add_test(tcase, what_a_rotated_file_may_have_lost_is_told_again);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures ? 1 : 0;
}
