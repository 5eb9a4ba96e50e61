/* SPDX-License-Identifier: MIT */
/* Checks and the formats made of them: what each state becomes, and that no value, however it was made,
 * breaks out of its line or its element. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cli/checks.h"

static struct json *
parse(const char *text)
{
        struct json *value = NULL;
        struct err err = {0};
        ck_assert_msg(json_parse(text, strlen(text), &value, &err) == 0, "%s", err.text);
        return value;
}

#define TRUSTED                                                                                              \
        "\"baselines\": [{\"name\": \"host\", \"generation\": 3, \"id\": \"00\", \"state\": \"trusted\", "   \
        "\"expected\": {\"file\": 5}}]"
#define COMPLETE "\"coverage\": {\"complete\": true, \"expected\": 5, \"verified\": 5, \"problems\": []}"
#define DOCUMENT                                                                                             \
        "{\"schema\": \"driftd.diff/1\", \"host\": \"h\", \"taken_at\": \"2026-11-23T18:00:00.123Z\", "      \
        "\"verdict\": \"drift\", " TRUSTED ", " COMPLETE "}"

/* What a format writes of rows (a JSON list) and a document. */
static char *
written(const char *format, const char *document_text, const char *rows_text)
{
        _cleanup_json_ struct json *document = parse(document_text), *rows = parse(rows_text);
        _cleanup_checks_ struct checks checks = {0};
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);
        ck_assert_int_eq(checks_make(document, rows, &checks), 0);
        ck_assert_int_eq(strcmp(format, "junit") == 0   ? format_junit(&checks, file)
                         : strcmp(format, "sarif") == 0 ? format_sarif(&checks, NULL, 1, file)
                                                        : format_tap(&checks, file),
                0);
        fclose(file);
        return text;
}

START_TEST(each_state_has_its_outcome)
{
        static const struct {
                const char *row;
                enum check_outcome outcome;
                const char *type;
        } rows[] = {
                {"{\"change\": \"changed\", \"state\": \"open\"}", CHECK_FAILED, "changed"},
                {"{\"change\": \"missing\", \"state\": \"acknowledged\"}", CHECK_FAILED, "missing"},
                {"{\"change\": \"unexpected\", \"state\": \"waived\"}", CHECK_WAIVED, "unexpected"},
                {"{\"change\": \"unknown\", \"state\": \"open\"}", CHECK_ERROR, "unknown"},
                {"{\"change\": \"changed\", \"outcome\": \"expected\"}", CHECK_PASSED, "changed"},
                {"{\"change\": \"changed\", \"outcome\": \"unexpected\"}", CHECK_FAILED, "changed"},
                {"{\"wanted\": \"absent\", \"outcome\": \"absent\"}", CHECK_FAILED, "absent"},
                {"{\"change\": \"unknown\", \"outcome\": \"unknown\"}", CHECK_ERROR, "unknown"},
                {"{\"change\": \"changed\", \"outcome\": \"of a later version\"}", CHECK_ERROR, "changed"},
                {"{}", CHECK_ERROR, "unknown"},
                {"null", CHECK_ERROR, "unknown"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_json_ struct json *document = parse(DOCUMENT), *list = json_array_make();
                _cleanup_checks_ struct checks checks = {0};
                ck_assert_int_eq(json_push(list, parse(rows[i].row)), 0);
                ck_assert_int_eq(checks_make(document, list, &checks), 0);
                const struct check *check = &checks.list[checks.n - 1];
                ck_assert_int_eq(check->kind, CHECK_ITEM);
                ck_assert_msg(check->outcome == rows[i].outcome, "%s: %d", rows[i].row, (int)check->outcome);
                ck_assert_str_eq(check_type(check), rows[i].type);
        }
}
END_TEST

START_TEST(what_is_not_said_to_be_well_is_an_error)
{
        static const struct {
                const char *document;
                size_t errors;
        } rows[] = {
                {DOCUMENT, 0},
                {"{}", 2},   /* the verdict: no baseline; coverage */
                {"null", 2}, /* */
                {"{\"verdict\": \"untrusted\", " TRUSTED ", " COMPLETE "}", 1},
                {"{\"verdict\": \"drift\", " TRUSTED "}", 1},
                {"{\"verdict\": \"drift\", " TRUSTED ", \"coverage\": {\"complete\": false, \"problems\": "
                 "[{\"kind\": \"overflow\"}, {\"kind\": \"first_use\", \"lowers_coverage\": false}]}}",
                        2},
                {"{\"verdict\": \"drift\", \"baselines\": [{\"name\": \"host\"}], " COMPLETE "}", 1},
                {"{\"verdict\": \"drift\", \"baselines\": [{\"name\": \"host\", \"state\": "
                 "\"stale\"}], " COMPLETE "}",
                        1},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_json_ struct json *document = parse(rows[i].document), *list = json_array_make();
                _cleanup_checks_ struct checks checks = {0};
                ck_assert_int_eq(checks_make(document, list, &checks), 0);
                ck_assert_msg(checks_count(&checks, CHECK_ERROR) == rows[i].errors, "%s: %zu errors",
                        rows[i].document, checks_count(&checks, CHECK_ERROR));
                ck_assert_uint_eq(checks_count(&checks, CHECK_FAILED), 0);
        }
}
END_TEST

START_TEST(groups_are_bounded)
{
        _cleanup_json_ struct json *document = parse(DOCUMENT), *list = json_array_make();
        _cleanup_checks_ struct checks checks = {0};
        size_t n = 0;
        for (int i = 0; i < 1000; i++) {
                char item[32];
                snprintf(item, sizeof item, "domain%d:x", i);
                ck_assert_int_eq(json_push(list, json_make("{s:s, s:s, s:s, s:s}", "item", item, "change",
                                                         "changed", "state", "open", "severity", "low")),
                        0);
        }
        ck_assert_int_eq(checks_make(document, list, &checks), 0);
        ck_assert_uint_eq(checks.n_groups, CHECK_GROUPS_MAX);
        for (unsigned i = 0; i < checks.n_groups; i++)
                n += check_group_size(&checks.groups[i]);
        ck_assert_uint_eq(n, checks.n);
        ck_assert_uint_eq(checks_count(&checks, CHECK_FAILED), 1000);
        FILE *file = fopen("/dev/null", "w");
        ck_assert_int_eq(format_sarif(&checks, NULL, 1, file), 0); /* as are rules */
        fclose(file);
}
END_TEST

/* A value with everything that could end a line, an element, a quote, or a character set. */
#define HOSTILE                                                                                              \
        "a\\nok 1 - b\\r\\n  ...\\nBail out!\\t]]><x y=\\\"'&#0; "                                           \
        "\\u0000\\u0007\\u001b[2J\\u202e\\ud83d\\ude00 # TODO \\\\"
#define HOSTILE_ROWS                                                                                         \
        "[{\"item\": \"" HOSTILE                                                                             \
        "\", \"change\": \"changed\", \"state\": \"open\", \"severity\": \"high\", "                         \
        "\"baseline\": \"" HOSTILE "\", \"attributes\": [{\"name\": \"value\", \"expected\": \"" HOSTILE     \
        "\", \"actual\": \"" HOSTILE "\"}], \"who\": {\"user\": \"" HOSTILE "\", \"uid\": 7}}]"

static const char *
without_nul(char text[static 4096])
{
        char *at;
        snprintf(text, 4096, "%s", HOSTILE_ROWS);
        while ((at = strstr(text, "\\u0000"))) /* jansson refuses it */
                at[5] = '1';
        return text;
}

START_TEST(no_value_breaks_out_of_a_line)
{
        char rows[4096];
        _cleanup_free_ char *text = written("tap", DOCUMENT, without_nul(rows));
        size_t points = 0, blocks = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                points += strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0;
                blocks += strcmp(line, "  ---") == 0;
                ck_assert_msg(strncmp(line, "Bail", 4) != 0, "%s", line);
                ck_assert_msg(strncmp(line, "  ", 2) == 0 || strncmp(line, "TAP ", 4) == 0 ||
                                      strncmp(line, "1..", 3) == 0 || strstr(line, "ok ") <= line + 4,
                        "%s", line);
                for (const char *c = line; *c; c++)
                        ck_assert_msg((unsigned char)*c >= 0x20 && *c != 0x7f, "%s", line);
        }
        ck_assert_uint_eq(points, 5);
        ck_assert_uint_eq(blocks, 1);
}
END_TEST

START_TEST(no_value_breaks_out_of_an_element)
{
        char rows[4096];
        _cleanup_free_ char *text = written("junit", DOCUMENT, without_nul(rows));
        ck_assert_ptr_null(strstr(text, "<x"));
        ck_assert_ptr_null(strstr(text, "]]>"));
        ck_assert_ptr_null(strstr(text, "&#0;"));
        ck_assert_ptr_nonnull(strstr(text, "]]&gt;&lt;x y=&quot;&#39;&amp;#0;"));
        ck_assert_ptr_nonnull(strstr(text, "uid=7"));
        for (const char *c = text; *c; c++)
                ck_assert((unsigned char)*c >= 0x20 || *c == '\n');
}
END_TEST

START_TEST(sarif_is_json_and_has_a_place_for_each)
{
        static const struct {
                const char *row, *uri;
                json_int line;
        } rows[] = {
                {"\"item\": \"file:/etc/a\\\\x0ab#%\"", "etc/a%0Ab%23%25", 1},
                {"\"item\": \"file:/\"", ".", 1},
                {"\"item\": \"sysctl:net/ipv4/ip_forward@after_restart\"", "proc/sys/net/ipv4/ip_forward", 1},
                {"\"item\": \"sysctl:a\", \"views\": {\"configured\": {\"source\": "
                 "\"/etc/sysctl.d/x:y:12\"}}",
                        "etc/sysctl.d/x%3Ay", 12},
                {"\"item\": \"sshd[user=git]:permitrootlogin\", \"views\": {\"configured\": {\"source\": "
                 "\"default\"}}",
                        "etc/ssh/sshd_config", 1},
                {"\"item\": \"openssl:system_default/MinProtocol\", \"views\": null", "etc/ssl/openssl.cnf",
                        1},
                {"\"item\": \"sysctl\"", "sysctl", 1},
                {"\"item\": \"\"", ".", 1},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char list[512];
                snprintf(list, sizeof list,
                        "[{%s, \"change\": \"changed\", \"state\": \"open\", \"severity\": \"medium\"}]",
                        rows[i].row);
                _cleanup_free_ char *text = written("sarif", DOCUMENT, list);
                _cleanup_json_ struct json *log = parse(text);
                const struct json *result =
                        json_at(json_member(json_at(json_member(log, "runs"), 0), "results"), 0);
                const struct json *place =
                        json_member(json_at(json_member(result, "locations"), 0), "physicalLocation");
                ck_assert_str_eq(json_text(json_member(place, "artifactLocation"), "uri"), rows[i].uri);
                ck_assert_int_eq(json_number(json_member(place, "region"), "startLine"), rows[i].line);
                ck_assert_str_eq(json_text(result, "level"), "warning");
        }
}
END_TEST

START_TEST(a_hostile_sarif_is_json)
{
        char rows[4096];
        _cleanup_free_ char *text = written("sarif", DOCUMENT, without_nul(rows));
        _cleanup_json_ struct json *log = parse(text);
        ck_assert_uint_eq(json_length(json_member(log, "runs")), 1);
}
END_TEST

START_TEST(a_full_disk_is_told)
{
        _cleanup_json_ struct json *document = parse(DOCUMENT), *list = json_array_make();
        _cleanup_checks_ struct checks checks = {0};
        ck_assert_int_eq(checks_make(document, list, &checks), 0);
        FILE *file = fopen("/dev/full", "w");
        setvbuf(file, NULL, _IONBF, 0);
        ck_assert_int_lt(format_junit(&checks, file), 0);
        ck_assert_int_lt(format_tap(&checks, file), 0);
        ck_assert_int_lt(format_sarif(&checks, NULL, 0, file), 0);
        fclose(file);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_checks");
        TCase *tcase = tcase_create("cli_checks");
        tcase_add_test(tcase, each_state_has_its_outcome);
        tcase_add_test(tcase, what_is_not_said_to_be_well_is_an_error);
        tcase_add_test(tcase, groups_are_bounded);
        tcase_add_test(tcase, no_value_breaks_out_of_a_line);
        tcase_add_test(tcase, no_value_breaks_out_of_an_element);
        tcase_add_test(tcase, sarif_is_json_and_has_a_place_for_each);
        tcase_add_test(tcase, a_hostile_sarif_is_json);
        tcase_add_test(tcase, a_full_disk_is_told);
        suite_add_tcase(suite, tcase);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? 1 : 0;
}
