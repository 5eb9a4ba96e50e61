/* SPDX-License-Identifier: MIT */
/* What a record is in words, and how urgent: the same in the journal and in every output. */
#include <check.h>
#include <string.h>
#include <syslog.h>

#include "core/record.h"

static struct json *
detail_of(const char *text)
{
        struct json *detail = NULL;
        ck_assert_int_eq(json_parse(text, strlen(text), &detail, NULL), 0);
        return detail;
}

static void
expect(const char *kind, const char *item, const char *detail, int priority, const char *words)
{
        _cleanup_json_ struct json *value = detail_of(detail);
        _cleanup_buf_ struct buf text = {0};
        record_words(kind, item, value, &text);
        ck_assert_str_eq(text.data, words);
        ck_assert_int_eq(record_priority(kind, value), priority);
}

START_TEST(a_drift_names_what_changed_and_who_did_it)
{
        expect("drift", "file:/etc/motd",
                "{\"change\":\"changed\",\"severity\":\"medium\",\"attributes\":["
                "{\"name\":\"size\",\"expected\":\"1\",\"actual\":\"2\"},{\"name\":\"content\"}],"
                "\"unobserved\":false,\"who\":{\"pid\":7,\"exe\":\"/usr/bin/vi\",\"confidence\":\"exact\","
                "\"own_mounts\":false}}",
                LOG_WARNING, "changed file:/etc/motd size content by /usr/bin/vi[7]");
        expect("drift", "file:/etc/motd",
                "{\"change\":\"missing\",\"severity\":\"high\",\"attributes\":[],\"unobserved\":true,"
                "\"who\":{\"pid\":7,\"exe\":\"/bin/rm\",\"confidence\":\"likely\",\"own_mounts\":true}}",
                LOG_ERR, "missing file:/etc/motd (while unobserved) likely by /bin/rm[7] (own mounts)");
}
END_TEST

START_TEST(a_setting_tells_both_values)
{
        expect("drift", "sysctl:kernel/x",
                "{\"change\":\"changed\",\"severity\":\"low\",\"attributes\":["
                "{\"name\":\"value\",\"expected\":\"1\",\"actual\":null}],\"who\":null,\"window\":"
                "{\"ticket\":\"CHG-1\",\"until\":\"2026-01-01T00:00:00Z\",\"severity\":\"high\"}}",
                LOG_NOTICE,
                "changed sysctl:kernel/x 1 → (absent) in window CHG-1 (until 2026-01-01T00:00:00Z; otherwise "
                "high)");
}
END_TEST

START_TEST(what_has_no_item_shows_its_detail)
{
        expect("gap", NULL, "{\"from\":\"a\"}", LOG_WARNING, "gap {\"from\":\"a\"}");
        expect("resolved", "file:/a", "{\"as\":\"reverted\"}", LOG_NOTICE, "resolved file:/a as reverted");
}
END_TEST

/* A history may hold what none of ours wrote. */
START_TEST(a_record_that_lacks_what_it_should_have_is_told_too)
{
        expect("drift", NULL, "{\"change\":\"changed\"}", LOG_WARNING, "changed ?");
        expect("drift", NULL, "{\"change\":\"changed\",\"attributes\":[7,{}],\"who\":3}", LOG_WARNING,
                "changed ? ? ?");
        expect("drift", "file:/a", "{}", LOG_WARNING, "drift file:/a");
        expect("window", NULL, "{}", LOG_NOTICE, "window ? ?: by ?, until ?");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("record");
        TCase *all = tcase_create("all");
        tcase_add_test(all, a_drift_names_what_changed_and_who_did_it);
        tcase_add_test(all, a_setting_tells_both_values);
        tcase_add_test(all, what_has_no_item_shows_its_detail);
        tcase_add_test(all, a_record_that_lacks_what_it_should_have_is_told_too);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
