/* SPDX-License-Identifier: MIT */
/* What differs between two baselines, and the baseline that a choice among the differences makes. */
#include <check.h>
#include <string.h>

#include "cli/revision.h"

#define HEADER                                                                                               \
        "driftd-baseline 1\nname host\nhost *\ngeneration 1\nparent none\ncreated 2026-11-23T18:00:00Z\n"    \
        "expires never\nauthor alice\nticket none\nclass normal\n\n"
#define SCOPE(name, path)                                                                                    \
        "scope files " name " path=" path " attributes=type,mode mode=static severity=high mounts=local "    \
        "keep_content=auto content_within=43200\n"
#define FILE_LINE(path, mode) "file " path " type=file mode=" mode "\n"
#define WAIVE(item, until) "waive host file:" item " until=" until " by=alice reason=because\n"

static struct baseline *
open_text(const char *text)
{
        struct baseline *baseline = NULL;
        struct err err = {0};
        int r = baseline_open(strdup(text), strlen(text), &baseline, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        return baseline;
}

static const char before_text[] = HEADER SCOPE("etc", "/etc") FILE_LINE("/etc", "0755")
        FILE_LINE("/etc/a", "0644") FILE_LINE("/etc/b", "0644") FILE_LINE("/etc/d", "0644")
                WAIVE("/etc/b", "2026-12-01T00:00:00Z");
static const char after_text[] = HEADER SCOPE("etc", "/etc") SCOPE("opt", "/opt") FILE_LINE("/etc", "0755")
        FILE_LINE("/etc/a", "0600") FILE_LINE("/etc/c", "0644") FILE_LINE("/etc/d", "0644")
                FILE_LINE("/opt", "0755") WAIVE("/etc/b", "2027-01-01T00:00:00Z");

struct pair {
        struct baseline *before, *after;
        struct revisions revisions;
};

static void
pair_open(struct pair *pair, const char *before, const char *after)
{
        pair->before = before ? open_text(before) : NULL;
        pair->after = open_text(after);
        ck_assert_int_eq(revisions_make(pair->before, pair->after, &pair->revisions), 0);
}

static void
pair_done(struct pair *pair)
{
        revisions_done(&pair->revisions);
        pair->before = baseline_free(pair->before);
        pair->after = baseline_free(pair->after);
}

static void
assert_revision(const struct pair *pair, size_t index, const char *item, enum revision_what what)
{
        _cleanup_buf_ struct buf text = {0};
        ck_assert_uint_lt(index, pair->revisions.count);
        ck_assert_int_eq(revision_item(&pair->revisions, &pair->revisions.list[index], &text), 0);
        ck_assert_str_eq(text.data, item);
        ck_assert_int_eq(pair->revisions.list[index].what, what);
}

START_TEST(each_difference_is_one_revision_scopes_first)
{
        struct pair pair;
        pair_open(&pair, before_text, after_text);
        ck_assert_uint_eq(pair.revisions.count, 6);
        assert_revision(&pair, 0, "scope files opt", REVISION_ADDED);
        assert_revision(&pair, 1, "file:/etc/a", REVISION_CHANGED);
        assert_revision(&pair, 2, "file:/etc/b", REVISION_REMOVED);
        assert_revision(&pair, 3, "file:/etc/c", REVISION_ADDED);
        assert_revision(&pair, 4, "file:/opt", REVISION_ADDED);
        assert_revision(&pair, 5, "waiver host file:/etc/b", REVISION_CHANGED);
        ck_assert_uint_eq(pair.revisions.counts[REVISION_FILE][REVISION_ADDED], 2);
        pair_done(&pair);
}
END_TEST

START_TEST(without_a_parent_all_is_new)
{
        struct pair pair;
        pair_open(&pair, NULL, after_text);
        ck_assert_uint_eq(pair.revisions.count, 8);
        for (size_t i = 0; i < pair.revisions.count; i++)
                ck_assert_int_eq(pair.revisions.list[i].what, REVISION_ADDED);
        pair_done(&pair);
}
END_TEST

START_TEST(a_baseline_does_not_differ_from_itself)
{
        struct pair pair;
        pair_open(&pair, after_text, after_text);
        ck_assert_uint_eq(pair.revisions.count, 0);
        pair_done(&pair);
}
END_TEST

static int
collect(void *userdata, const char *name, const char *before, const char *after)
{
        return buf_printf(userdata, "%s:%s>%s;", name, before ? before : "", after ? after : "");
}

static void
assert_attributes(const struct pair *pair, size_t index, const char *wanted)
{
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(
                revision_attributes(&pair->revisions, &pair->revisions.list[index], collect, &text), 0);
        ck_assert_str_eq(text.data, wanted);
}

START_TEST(attributes_are_told_old_and_new)
{
        struct pair pair;
        pair_open(&pair, before_text, after_text);
        assert_attributes(&pair, 1, "mode:0644>0600;");
        assert_attributes(&pair, 2, "type:file>;mode:0644>;");
        assert_attributes(&pair, 3, "type:>file;mode:>0644;");
        assert_attributes(&pair, 5, "until:2026-12-01T00:00:00Z>2027-01-01T00:00:00Z;");
        pair_done(&pair);
}
END_TEST

START_TEST(a_scope_tells_each_exclusion_that_came_or_went)
{
        static const char before[] = HEADER "scope files etc path=/etc exclude=/etc/a exclude=/etc/b "
                                            "attributes=type,mode mode=static severity=high "
                                            "mounts=local keep_content=auto content_within=43200\n";
        static const char after[] = HEADER "scope files etc path=/etc exclude=/etc/b exclude=/etc/c "
                                           "attributes=type,mode mode=static severity=low "
                                           "mounts=local keep_content=auto content_within=43200\n";
        struct pair pair;
        pair_open(&pair, before, after);
        ck_assert_uint_eq(pair.revisions.count, 1);
        assert_attributes(&pair, 0, "exclude:/etc/a>;severity:high>low;exclude:>/etc/c;");
        pair_done(&pair);
}
END_TEST

static void
assert_composed(struct pair *pair, const bool *chosen, const char *wanted)
{
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(revisions_compose(&pair->revisions, chosen, baseline_header(pair->after), &text), 0);
        ck_assert_str_eq(text.data, wanted);
}

START_TEST(everything_chosen_is_the_proposal_itself)
{
        struct pair pair;
        bool all[] = {true, true, true, true, true, true};
        pair_open(&pair, before_text, after_text);
        assert_composed(&pair, all, after_text);
        pair_done(&pair);
        bool first[] = {true, true, true, true, true, true, true, true};
        pair_open(&pair, NULL, after_text);
        assert_composed(&pair, first, after_text);
        pair_done(&pair);
}
END_TEST

START_TEST(nothing_chosen_is_the_parent)
{
        struct pair pair;
        bool none[6] = {false};
        pair_open(&pair, before_text, after_text);
        assert_composed(&pair, none, before_text);
        pair_done(&pair);
}
END_TEST

START_TEST(only_what_is_chosen_is_taken)
{
        struct pair pair;
        bool some[] = {false, false, true, true, false, false}; /* b goes, c comes */
        pair_open(&pair, before_text, after_text);
        assert_composed(&pair, some,
                HEADER SCOPE("etc", "/etc") FILE_LINE("/etc", "0755") FILE_LINE("/etc/a", "0644")
                        FILE_LINE("/etc/c", "0644") FILE_LINE("/etc/d", "0644")
                                WAIVE("/etc/b", "2026-12-01T00:00:00Z"));
        pair_done(&pair);
}
END_TEST

/* A folder's own change must not take in what is below it. */
START_TEST(a_chosen_folder_brings_nothing_of_what_is_in_it)
{
        static const char before[] =
                HEADER SCOPE("etc", "/etc") FILE_LINE("/etc", "0755") FILE_LINE("/etc/a", "0644");
        static const char after[] =
                HEADER SCOPE("etc", "/etc") FILE_LINE("/etc", "0700") FILE_LINE("/etc/a", "0666");
        struct pair pair;
        bool chosen[] = {true, false};
        pair_open(&pair, before, after);
        assert_composed(&pair, chosen,
                HEADER SCOPE("etc", "/etc") FILE_LINE("/etc", "0700") FILE_LINE("/etc/a", "0644"));
        pair_done(&pair);
}
END_TEST

START_TEST(a_choice_that_does_not_hold_together_is_no_baseline)
{
        struct pair pair;
        struct baseline *baseline = NULL;
        bool chosen[] = {false, false, false, false, true, false}; /* /opt without its scope */
        _cleanup_buf_ struct buf text = {0};
        pair_open(&pair, before_text, after_text);
        ck_assert_int_eq(revisions_compose(&pair.revisions, chosen, baseline_header(pair.after), &text), 0);
        size_t size = text.size;
        ck_assert_int_eq(baseline_open(buf_steal(&text), size, &baseline, NULL), BASELINE_MALFORMED);
        pair_done(&pair);
}
END_TEST

static bool
holds(const struct pair *pair, size_t index, const char *again_text)
{
        struct baseline *again = open_text(again_text);
        bool ret = false;
        ck_assert_int_eq(revision_holds(&pair->revisions, &pair->revisions.list[index], again, &ret), 0);
        baseline_free(again);
        return ret;
}

START_TEST(what_is_still_as_shown_holds)
{
        struct pair pair;
        pair_open(&pair, before_text, after_text);
        for (size_t i = 0; i < pair.revisions.count; i++)
                ck_assert(holds(&pair, i, after_text));
        pair_done(&pair);
}
END_TEST

START_TEST(what_moved_after_it_was_shown_does_not_hold)
{
        static const char moved[] = HEADER SCOPE("etc", "/etc") FILE_LINE("/etc", "0755")
                FILE_LINE("/etc/a", "0666") FILE_LINE("/etc/b", "0644") FILE_LINE("/etc/d", "0644");
        struct pair pair;
        pair_open(&pair, before_text, after_text);
        ck_assert(!holds(&pair, 0, moved)); /* the scope is gone again */
        ck_assert(!holds(&pair, 1, moved)); /* another mode */
        ck_assert(!holds(&pair, 2, moved)); /* it was gone and is back */
        ck_assert(!holds(&pair, 3, moved)); /* it was there and is gone */
        ck_assert(!holds(&pair, 5, moved));
        pair_done(&pair);
}
END_TEST

START_TEST(a_revision_is_json_with_both_sides)
{
        struct pair pair;
        _cleanup_buf_ struct buf text = {0};
        pair_open(&pair, before_text, after_text);
        _cleanup_json_ struct json *value = revision_json(&pair.revisions, &pair.revisions.list[1]);
        ck_assert_ptr_nonnull(value);
        ck_assert_int_eq(json_write(value, &text), 0);
        ck_assert_str_eq(text.data, "{\"what\":\"changed\",\"kind\":\"file\",\"item\":\"file:/etc/"
                                    "a\",\"attributes\":[{\"name\":\"mode\",\"before\":\"0644\","
                                    "\"after\":\"0600\"}]}");
        pair_done(&pair);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_revision");
        TCase *tcase = tcase_create("revision");
        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, each_difference_is_one_revision_scopes_first);
        tcase_add_test(tcase, without_a_parent_all_is_new);
        tcase_add_test(tcase, a_baseline_does_not_differ_from_itself);
        tcase_add_test(tcase, attributes_are_told_old_and_new);
        tcase_add_test(tcase, a_scope_tells_each_exclusion_that_came_or_went);
        tcase_add_test(tcase, everything_chosen_is_the_proposal_itself);
        tcase_add_test(tcase, nothing_chosen_is_the_parent);
        tcase_add_test(tcase, only_what_is_chosen_is_taken);
        tcase_add_test(tcase, a_chosen_folder_brings_nothing_of_what_is_in_it);
        tcase_add_test(tcase, a_choice_that_does_not_hold_together_is_no_baseline);
        tcase_add_test(tcase, what_is_still_as_shown_holds);
        tcase_add_test(tcase, what_moved_after_it_was_shown_does_not_hold);
        tcase_add_test(tcase, a_revision_is_json_with_both_sides);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
