/* SPDX-License-Identifier: MIT */
/* What reaches a terminal: the sink's filter, aligned tables, words for numbers, times, drifts and verdicts.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/logline.h"
#include "cli/print.h"
#include "cli/report.h"
#include "core/escape.h"

static char *output;
static size_t output_size;

static struct printer
memory_printer(bool color)
{
        return (struct printer){open_memstream(&output, &output_size), color};
}

static void
assert_output(struct printer *printer, const char *wanted)
{
        fclose(printer->file);
        ck_assert_str_eq(output, wanted);
        free(output);
}

START_TEST(bytes_that_could_move_a_cursor_are_escaped_whoever_forgot_to)
{
        struct printer printer = memory_printer(false);
        print(&printer, "%s", "a\033[2J\r\x7f\x9b\xc2\x9b\xe2\x80\xae z\n");
        assert_output(&printer, "a\\x1b[2J\\x0d\\x7f\\x9b\\xc2\\x9b\\xe2\\x80\\xae z\n");
}
END_TEST

START_TEST(our_own_signs_stand_as_they_are)
{
        struct printer printer = memory_printer(false);
        print(&printer, "0 → 1 · …\tx\n");
        assert_output(&printer, "0 → 1 · …\tx\n");
}
END_TEST

START_TEST(colours_come_only_where_they_are_wanted)
{
        struct printer printer = memory_printer(true);
        print_colored(&printer, COLOR_RED, "x");
        assert_output(&printer, "\033[31mx\033[0m");
        printer = memory_printer(false);
        print_colored(&printer, COLOR_RED, "x");
        assert_output(&printer, "x");
}
END_TEST

START_TEST(columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks)
{
        struct printer printer = memory_printer(false);
        _cleanup_table_ struct table table = table_make(3);
        table_cell(&table, COLOR_PLAIN, "changed");
        table_cell(&table, COLOR_PLAIN, "0 → 1");
        table_cell(&table, COLOR_PLAIN, "end");
        table_cell(&table, COLOR_PLAIN, "x");
        table_row(&table);
        table_cell(&table, COLOR_PLAIN, "y");
        table_cell(&table, COLOR_PLAIN, "z");
        table_cell(&table, COLOR_PLAIN, "end");
        table_print(&table, &printer);
        assert_output(&printer, "changed  0 → 1  end\nx\ny        z      end\n");
}
END_TEST

START_TEST(an_overlong_cell_pushes_its_row_and_not_the_column)
{
        struct printer printer = memory_printer(false);
        char longer[TABLE_WIDTH_MAX + 2], wanted[2 * sizeof longer];
        memset(longer, 'l', sizeof longer - 1);
        longer[sizeof longer - 1] = '\0';
        _cleanup_table_ struct table table = table_make(2);
        table_cell(&table, COLOR_PLAIN, "%s", longer);
        table_cell(&table, COLOR_PLAIN, "a");
        table_cell(&table, COLOR_PLAIN, "x");
        table_cell(&table, COLOR_PLAIN, "b");
        table_print(&table, &printer);
        snprintf(wanted, sizeof wanted, "%s  a\nx  b\n", longer);
        assert_output(&printer, wanted);
        /* Also where it is the only one of its column. */
        printer = memory_printer(false);
        table_done(&table);
        table_cell(&table, COLOR_PLAIN, "%s", longer);
        table_cell(&table, COLOR_PLAIN, "a");
        table_print(&table, &printer);
        snprintf(wanted, sizeof wanted, "%s  a\n", longer);
        assert_output(&printer, wanted);
}
END_TEST

START_TEST(counts_have_commas)
{
        char text[WORDS_MAX];
        ck_assert_str_eq(count_text(0, text), "0");
        ck_assert_str_eq(count_text(999, text), "999");
        ck_assert_str_eq(count_text(161633, text), "161,633");
        ck_assert_str_eq(count_text(UINT64_MAX, text), "18,446,744,073,709,551,615");
}
END_TEST

START_TEST(bytes_have_units)
{
        char text[WORDS_MAX];
        ck_assert_str_eq(bytes_text(512, text), "512 B");
        ck_assert_str_eq(bytes_text(1536, text), "1.5 KiB");
        ck_assert_str_eq(bytes_text((uint64_t)9 << 30, text), "9.0 GiB");
}
END_TEST

START_TEST(a_time_of_today_has_no_date)
{
        char text[WORDS_MAX];
        setenv("TZ", "UTC", 1);
        tzset();
        ck_assert_str_eq(time_text(1000LL * 3600, 1000LL * 7200, text), "01:00:00");
        ck_assert_str_eq(time_text(1000LL * 3600, 1000LL * 90000, text), "1970-01-01 01:00:00");
}
END_TEST

START_TEST(an_escaped_blank_becomes_a_blank_and_an_escaped_backslash_stays)
{
        _cleanup_buf_ struct buf buf = {0};
        ck_assert_int_eq(print_words(&buf, "a\\x20b\\x5cx20\\x0a"), 0);
        ck_assert_str_eq(buf.data, "a b\\x5cx20\\x0a");
}
END_TEST

static struct json *
parse(const char *text)
{
        struct json *value = NULL;
        ck_assert_int_eq(json_parse(text, strlen(text), &value, NULL), 0);
        return value;
}

START_TEST(drifts_read_as_in_the_contract)
{
        _cleanup_json_ struct json *drifts =
                parse("[{\"item\":\"file:/etc/ssh/"
                      "sshd_config\",\"change\":\"changed\",\"state\":\"open\",\"severity\":\"high\","
                      "\"attributes\":[{\"name\":\"content\",\"expected\":\"a\",\"actual\":\"b\"},{\"name\":"
                      "\"size\",\"expected\":\"1\","
                      "\"actual\":\"2\"}],\"first_seen\":\"1970-01-01T14:02:11.000Z\",\"unobserved\":false},"
                      "{\"item\":\"file:/etc/cron.d/"
                      "backdoor\",\"change\":\"unexpected\",\"state\":\"open\",\"severity\":\"high\","
                      "\"attributes\":[{\"name\":\"mode\",\"expected\":null,\"actual\":\"0644\"}],"
                      "\"first_seen\":\"1970-01-01T14:02:12.000Z\",\"unobserved\":false},"
                      "{\"item\":\"sysctl:net/ipv4/"
                      "ip_forward\",\"change\":\"changed\",\"state\":\"open\",\"severity\":\"high\","
                      "\"attributes\":[{\"name\":\"value\",\"expected\":\"0\",\"actual\":\"1\"}],"
                      "\"first_seen\":\"1970-01-01T14:02:12.000Z\",\"unobserved\":false,\"views\":{"
                      "\"running\":\"1\","
                      "\"configured\":{\"value\":\"0\",\"source\":\"/etc/sysctl.d/"
                      "99-hardening.conf:12\"},\"after_restart\":\"0\"}}]");
        struct cli cli = {.out = memory_printer(false)};
        setenv("TZ", "UTC", 1);
        tzset();
        report_drifts(&cli, drifts, true, (14 * 3600 + 5 * 60 + 20) * 1000LL);
        assert_output(&cli.out,
                "changed     file:/etc/ssh/sshd_config   content size  since 14:02:11 (3 min)\n"
                "unexpected  file:/etc/cron.d/backdoor                 since 14:02:12\n"
                "changed     sysctl:net/ipv4/ip_forward  0 → 1         reverts at reboot "
                "(99-hardening.conf:12 says 0)\n");
}
END_TEST

START_TEST(an_unknown_drift_says_why_and_an_unobserved_one_that_it_was)
{
        _cleanup_json_ struct json *drifts =
                parse("[{\"item\":\"file:/x\",\"change\":\"unknown\",\"state\":\"acknowledged\","
                      "\"reason\":\"it did not hold still\",\"attributes\":[],\"unobserved\":true}]");
        struct cli cli = {.out = memory_printer(false)};
        report_drifts(&cli, drifts, true, 0);
        assert_output(
                &cli.out, "unknown  file:/x  it did not hold still    acknowledged  while unobserved\n");
}
END_TEST

static int
exit_of(const char *verdict, bool complete, const char *state)
{
        _cleanup_json_ struct json *document = json_make("{s:s, s:{s:b}, s:[{s:s}]}", "verdict", verdict,
                "coverage", "complete", complete, "baselines", "state", state);
        return document_exit(document);
}

START_TEST(the_worst_of_verdict_coverage_and_baselines_is_the_exit_code)
{
        ck_assert_int_eq(exit_of("clean", true, "trusted"), EXIT_CLEAN);
        ck_assert_int_eq(exit_of("drift", true, "trusted"), EXIT_DRIFT);
        ck_assert_int_eq(exit_of("incomplete", true, "trusted"), EXIT_INCOMPLETE);
        ck_assert_int_eq(exit_of("untrusted", true, "trusted"), EXIT_UNTRUSTED);
        ck_assert_int_eq(exit_of("clean", true, "stale"), EXIT_INCOMPLETE);
        ck_assert_int_eq(exit_of("drift", true, "stale"), EXIT_DRIFT);
        ck_assert_int_eq(exit_of("drift", false, "untrusted"), EXIT_UNTRUSTED);
}
END_TEST

START_TEST(incomplete_is_never_0)
{
        ck_assert_int_eq(exit_of("clean", false, "trusted"), EXIT_INCOMPLETE);
        ck_assert_int_eq(exit_of("fine", true, "trusted"), EXIT_INCOMPLETE);
        ck_assert_int_eq(exit_of("clean", true, "new"), EXIT_INCOMPLETE);
        ck_assert_int_eq(document_exit(NULL), EXIT_INCOMPLETE);
}
END_TEST

START_TEST(a_record_shows_what_matters_for_its_kind)
{
        _cleanup_buf_ struct buf words = {0};
        _cleanup_json_ struct json *record = parse(
                "{\"kind\":\"bless\",\"detail\":{\"baseline\":\"host\",\"generation\":3,\"id\":\"x\","
                "\"signers\":[\"alice\",\"bob\"],"
                "\"ticket\":\"CHG\\\\x201\",\"class\":\"normal\",\"author\":\"alice\",\"key_on_host\":[]}}");
        ck_assert_int_eq(log_detail(record, &words), 0);
        ck_assert_str_eq(words.data, "host generation=3 signers=alice,bob ticket=CHG 1 normal author=alice");
}
END_TEST

START_TEST(a_record_of_an_unknown_kind_is_still_shown)
{
        _cleanup_json_ struct json *records = parse("[{\"seq\":7,\"time\":\"nonsense\",\"kind\":"
                                                    "\"new\\u001bkind\",\"item\":null,\"detail\":{}}]");
        struct cli cli = {.out = memory_printer(false)};
        log_table(&cli, records, 0);
        assert_output(&cli.out, "     7  ?  new\\x1bkind\n");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_print");
        TCase *tcase = tcase_create("print");
        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, bytes_that_could_move_a_cursor_are_escaped_whoever_forgot_to);
        tcase_add_test(tcase, our_own_signs_stand_as_they_are);
        tcase_add_test(tcase, colours_come_only_where_they_are_wanted);
        tcase_add_test(tcase, columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks);
        tcase_add_test(tcase, an_overlong_cell_pushes_its_row_and_not_the_column);
        tcase_add_test(tcase, counts_have_commas);
        tcase_add_test(tcase, bytes_have_units);
        tcase_add_test(tcase, a_time_of_today_has_no_date);
        tcase_add_test(tcase, an_escaped_blank_becomes_a_blank_and_an_escaped_backslash_stays);
        tcase_add_test(tcase, drifts_read_as_in_the_contract);
        tcase_add_test(tcase, an_unknown_drift_says_why_and_an_unobserved_one_that_it_was);
        tcase_add_test(tcase, the_worst_of_verdict_coverage_and_baselines_is_the_exit_code);
        tcase_add_test(tcase, incomplete_is_never_0);
        tcase_add_test(tcase, a_record_shows_what_matters_for_its_kind);
        tcase_add_test(tcase, a_record_of_an_unknown_kind_is_still_shown);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
