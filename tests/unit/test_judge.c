/* SPDX-License-Identifier: MIT */
/*
 * The judge: what becomes of a look. Most looks are made by hand, so that every case can be had without
 * waiting for a file system; the scans walk a scratch folder.
 */
#include "core/judge.h"

#include <sys/stat.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/snapshot_reader.h"
#include "tests/unit/scratch_help.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define STATIC_REST " mode=static severity=high mounts=local keep_content=auto content_within=100\n"
#define SCANNED_REST " mode=static severity=high mounts=local keep_content=never content_within=100\n"
#define GROWING_REST " mode=growing severity=medium mounts=local keep_content=never content_within=100\n"
#define PRESENT_REST " mode=present severity=low mounts=local keep_content=never content_within=100\n"
#define ATTRS " attributes=type,mode,size,content"
#define SCOPE_ETC "scope files etc path=/etc" ATTRS STATIC_REST
#define SCOPE_LOG "scope files log path=/log" ATTRS GROWING_REST
#define SCOPE_RUN "scope files run path=/run" ATTRS PRESENT_REST

#define FILE_A "file /etc/a type=file mode=0644 size=10 content=" HEX_A "\n"
#define MET_A " type=file mode=0644 size=10 content=" HEX_A
#define FILE_C_LINE "file /etc/c type=file mode=0600 size=1 content=" HEX_C "\n"
#define LOG_LINE "file /log/x type=file mode=0644 size=10 content=" HEX_A " inode=7\n"

#define NOW_MS INT64_C(1800000000000)

/* ---- a judge and its witness ---- */

#define EVENTS_MAX 64u

struct told {
        enum judge_event_kind kind;
        enum change change;
        bool approved;
        int result;
        char item[128], baseline[64], attributes[1024], body[64], reason[128];
        bool has_reason, acknowledged;
        struct rotation rotation;
};

static struct judge *judge;
static struct told told[EVENTS_MAX];
static size_t n_told;

static void
remember(void *userdata, struct judge_event *event)
{
        ck_assert_ptr_null(userdata);
        ck_assert_uint_lt(n_told, EVENTS_MAX);
        struct told *to = &told[n_told++];
        *to = (struct told){.kind = event->kind, .approved = event->as_approved, .result = event->result};
        if (event->drift) {
                to->change = event->drift->change;
                snprintf(to->item, sizeof to->item, "%s", event->drift->item);
                snprintf(to->baseline, sizeof to->baseline, "%s", event->drift->baseline);
                snprintf(to->attributes, sizeof to->attributes, "%s", event->drift->attributes);
                snprintf(to->reason, sizeof to->reason, "%s",
                        event->drift->reason ? event->drift->reason : "");
                to->acknowledged = event->drift->ack_by != NULL;
        }
        if (event->kind == JUDGE_BODY)
                snprintf(to->body, sizeof to->body, "%.*s", (int)event->body_size, event->body);
        if (event->kind == JUDGE_ROTATED) {
                snprintf(to->item, sizeof to->item, "%s", event->item);
                to->rotation = *event->rotation;
        }
}

static void
setup(void)
{
        n_told = 0;
        ck_assert_int_eq(judge_new(remember, NULL, &judge), 0);
}

static void
teardown(void)
{
        judge = judge_free(judge);
}

static void
setup_files(void)
{
        setup();
        scratch_make();
}

/* ---- baselines ---- */

/* As the daemon opens it: it shares its text with the one that is judged by. */
static struct baseline *
made(const char *name, uint64_t generation, const char *entries)
{
        struct baseline_header header = {
                .host = "*",
                .generation = generation,
                .has_parent = generation > 1,
                .created_ms = NOW_MS,
                .expires_ms = INT64_MAX,
                .author = "alice",
                .class = CLASS_NORMAL,
        };
        struct buf text = {0};
        struct baseline *baseline = NULL;
        struct err err = {0};
        snprintf(header.name, sizeof header.name, "%s", name);
        ck_assert_int_eq(baseline_header_append(&header, &text), 0);
        ck_assert_int_eq(buf_text(&text, entries), 0);
        size_t size = text.size;
        int r = baseline_open_after(
                judge_baseline_named(judge, name), buf_steal(&text), size, NULL, &baseline, &err);
        ck_assert_msg(r == 0, "%s\n%s", err.text, entries);
        return baseline;
}

static void
active(uint64_t generation, const char *entries)
{
        struct baseline *list[] = {made("host", generation, entries)};
        ck_assert_int_eq(judge_set(judge, list, 1, false, NULL), 0);
}

static void
both_active(const char *first, const char *second)
{
        struct baseline *list[] = {made("one", 1, first), made("two", 1, second)};
        ck_assert_int_eq(judge_set(judge, list, 2, false, NULL), 0);
}

/* ---- looks ---- */

struct look {
        int result, error;
        uint64_t covers; /* how much the digest covers; 0: the whole size */
        stat_mark mark;
        const char *body;
        int64_t now_ms;
};

static void
see_so(const char *path, const char *fields, struct look look)
{
        struct snapshot snapshot = {.mark = look.mark, .failed_errno = look.error};
        struct err err = {0};
        if (fields)
                ck_assert_msg(attributes_parse(fields, strlen(fields), &snapshot.attributes, &err) == 0, "%s",
                        err.text);
        snapshot.content_size = look.covers ? look.covers : snapshot.attributes.size;
        snapshot.taken_ms = look.now_ms ? look.now_ms : NOW_MS;
        if (look.body) {
                snapshot.body = strdup(look.body);
                snapshot.body_size = strlen(look.body);
        }
        struct observation seen = {.result = look.result, .snapshot = &snapshot, .now_ms = snapshot.taken_ms};
        ck_assert_int_eq(judge_observe(judge, path, &seen), 0);
        snapshot_done(&snapshot);
}

static void
see(const char *path, const char *fields)
{
        see_so(path, fields, (struct look){0});
}

static void
see_gone(const char *path)
{
        see_so(path, NULL, (struct look){.result = SNAPSHOT_GONE});
}

static void
see_unreadable(const char *path, const char *fields)
{
        see_so(path, fields, (struct look){.result = SNAPSHOT_UNREADABLE, .error = EIO});
}

/* ---- what was told ---- */

static void
assert_told(size_t n)
{
        ck_assert_msg(n_told == n, "%zu events and not %zu; the last is of kind %d, change %d, for %s: %s",
                n_told, n, n_told ? (int)told[n_told - 1].kind : -1,
                n_told ? (int)told[n_told - 1].change : -1, n_told ? told[n_told - 1].item : "",
                n_told ? told[n_told - 1].attributes : "");
}

static const struct told *
assert_drift(enum change change, const char *item)
{
        ck_assert_uint_gt(n_told, 0);
        const struct told *last = &told[n_told - 1];
        ck_assert_int_eq(last->kind, JUDGE_DRIFT);
        ck_assert_int_eq(last->change, change);
        ck_assert_str_eq(last->item, item);
        return last;
}

static void
assert_resolved(bool approved)
{
        ck_assert_uint_gt(n_told, 0);
        ck_assert_int_eq(told[n_told - 1].kind, JUDGE_RESOLVED);
        ck_assert_msg(
                told[n_told - 1].approved == approved, "told as %s", approved ? "reverted" : "approved");
}

static int
count_one(void *userdata, struct drift *drift)
{
        size_t *n = userdata;
        ck_assert_ptr_nonnull(drift->item);
        ++*n;
        return 0;
}

static size_t
open_drifts(void)
{
        size_t n = 0;
        ck_assert_int_eq(judge_each(judge, count_one, &n), 0);
        return n;
}

/* ---- kinds of change ---- */

START_TEST(what_meets_its_expectation_is_no_drift)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", MET_A);
        assert_told(0);
        ck_assert_uint_eq(open_drifts(), 0);
}
END_TEST

START_TEST(a_changed_file_is_told_with_what_differs)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=4755 size=10 content=" HEX_B);
        assert_told(1);
        ck_assert_str_eq(assert_drift(CHANGE_CHANGED, "file:/etc/a")->attributes,
                "[{\"name\":\"mode\",\"expected\":\"0644\",\"actual\":\"4755\"},"
                "{\"name\":\"content\",\"expected\":\"" HEX_A "\",\"actual\":\"" HEX_B "\"}]");
        ck_assert_str_eq(told[0].baseline, "host");
}
END_TEST

START_TEST(content_decides_where_all_else_is_the_same)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0644 size=10 content=" HEX_B);
        assert_drift(CHANGE_CHANGED, "file:/etc/a");
}
END_TEST

START_TEST(a_file_that_became_a_link_is_changed)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=link target=/tmp/a");
        ck_assert_str_eq(assert_drift(CHANGE_CHANGED, "file:/etc/a")->attributes,
                "[{\"name\":\"type\",\"expected\":\"file\",\"actual\":\"link\"}]");
}
END_TEST

START_TEST(a_missing_file_is_told_with_what_was_expected)
{
        active(1, SCOPE_ETC FILE_A);
        see_gone("/etc/a");
        ck_assert_str_eq(assert_drift(CHANGE_MISSING, "file:/etc/a")->attributes,
                "[{\"name\":\"type\",\"expected\":\"file\",\"actual\":null},"
                "{\"name\":\"mode\",\"expected\":\"0644\",\"actual\":null},"
                "{\"name\":\"size\",\"expected\":\"10\",\"actual\":null},"
                "{\"name\":\"content\",\"expected\":\"" HEX_A "\",\"actual\":null}]");
}
END_TEST

START_TEST(a_file_in_scope_that_nobody_expects_is_unexpected)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/new\nline", " type=fifo mode=0666");
        ck_assert_str_eq(assert_drift(CHANGE_UNEXPECTED, "file:/etc/new\\x0aline")->attributes,
                "[{\"name\":\"type\",\"expected\":null,\"actual\":\"fifo\"},"
                "{\"name\":\"mode\",\"expected\":null,\"actual\":\"0666\"}]");
}
END_TEST

START_TEST(what_nobody_expects_and_is_not_there_is_nothing)
{
        active(1, SCOPE_ETC FILE_A);
        see_gone("/etc/never");
        assert_told(0);
}
END_TEST

START_TEST(what_lies_outside_of_every_scope_is_nothing)
{
        active(1, SCOPE_ETC FILE_A);
        see("/bin/new", " type=file mode=0644 size=10 content=" HEX_A);
        assert_told(0);
}
END_TEST

START_TEST(a_failed_read_is_unknown_with_its_reason_and_not_changed)
{
        active(1, SCOPE_ETC FILE_A);
        see_unreadable("/etc/a", " type=file mode=0644 size=10");
        assert_told(1);
        ck_assert_str_eq(assert_drift(CHANGE_UNKNOWN, "file:/etc/a")->reason, "Input/output error");
        ck_assert_str_eq(told[0].attributes, "[]");
        see_so("/etc/a", " type=file mode=0644 size=10", (struct look){.result = SNAPSHOT_UNSTABLE});
        assert_told(2); /* another reason is another record */
        ck_assert_ptr_nonnull(strstr(told[1].reason, "hold still"));
        ck_assert_int_eq(told[1].result, SNAPSHOT_UNSTABLE);
        see("/etc/a", MET_A);
        assert_resolved(false);
}
END_TEST

START_TEST(an_unreadable_file_that_nobody_expects_is_unexpected)
{
        active(1, SCOPE_ETC FILE_A);
        see_unreadable("/etc/new", " type=file mode=0600 size=1");
        assert_drift(CHANGE_UNEXPECTED, "file:/etc/new");
}
END_TEST

START_TEST(our_own_database_is_never_judged)
{
        active(1, SCOPE_ETC FILE_A);
        see_so("/etc/driftd.db", " type=file", (struct look){.result = SNAPSHOT_OWN});
        assert_told(0);
}
END_TEST

/* ---- the life of a drift ---- */

START_TEST(the_same_look_twice_is_one_record)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        assert_told(1);
        see_gone("/etc/a");
        assert_told(2);
        see_gone("/etc/a");
        assert_told(2);
        ck_assert_uint_eq(open_drifts(), 1);
}
END_TEST

static int
acknowledge(void *userdata, struct drift *drift)
{
        ck_assert_ptr_null(userdata);
        drift->ack_by = strdup("bob");
        drift->ack_reason = strdup("known");
        return 0;
}

START_TEST(an_acknowledgement_covers_one_form_only)
{
        int r = -1;
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        ck_assert(judge_find(judge, "host", "file:/etc/a", acknowledge, NULL, &r) && r == 0);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        assert_told(1);
        see("/etc/a", " type=file mode=0666 size=10 content=" HEX_A);
        assert_told(2);
        ck_assert(!told[1].acknowledged);
}
END_TEST

static int
give_cause(void *userdata, struct drift *drift)
{
        (void)userdata;
        drift->cause = strdup("{\"kind\":\"package\"}");
        return 0;
}

static int
look_for_cause(void *userdata, struct drift *drift)
{
        bool *known = userdata;
        _cleanup_json_ struct json *value = judge_drift_json(judge, drift, 0);
        *known = json_text(json_member(value, "cause"), "kind") != NULL;
        return 0;
}

START_TEST(a_cause_explains_one_form_only)
{
        int r = -1;
        bool known = false;
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        ck_assert(judge_find(judge, "host", "file:/etc/a", give_cause, NULL, &r) && r == 0);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        ck_assert(judge_find(judge, "host", "file:/etc/a", look_for_cause, &known, &r));
        ck_assert(known);
        see("/etc/a", " type=file mode=0666 size=10 content=" HEX_A);
        ck_assert(judge_find(judge, "host", "file:/etc/a", look_for_cause, &known, &r));
        ck_assert(!known);
}
END_TEST

START_TEST(what_comes_back_is_reverted)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        see("/etc/a", MET_A);
        assert_told(2);
        assert_resolved(false);
        ck_assert_uint_eq(open_drifts(), 0);
}
END_TEST

START_TEST(what_comes_back_under_a_later_generation_that_says_the_same_is_reverted)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        active(2, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0644\n");
        see("/etc/a", MET_A);
        assert_resolved(false);
}
END_TEST

START_TEST(what_a_later_generation_expects_is_approved)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        active(2, SCOPE_ETC "file /etc/a type=file mode=0600 size=10 content=" HEX_A "\n");
        assert_told(1); /* the judge looks before it says so */
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        assert_resolved(true);
}
END_TEST

START_TEST(a_removal_that_a_later_generation_takes_over_is_approved)
{
        active(1, SCOPE_ETC FILE_A);
        see_gone("/etc/a");
        active(2, SCOPE_ETC);
        see_gone("/etc/a");
        assert_resolved(true);
}
END_TEST

START_TEST(a_new_file_that_a_later_generation_expects_is_approved)
{
        active(1, SCOPE_ETC);
        see("/etc/a", MET_A);
        active(2, SCOPE_ETC FILE_A);
        see("/etc/a", MET_A);
        assert_resolved(true);
}
END_TEST

START_TEST(what_went_on_drifting_after_an_approval_and_then_came_to_it_is_reverted)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        active(2, SCOPE_ETC "file /etc/a type=file mode=0640 size=10 content=" HEX_A "\n");
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        assert_told(1);
        see("/etc/a", " type=file mode=0640 size=10 content=" HEX_A);
        assert_resolved(false);
}
END_TEST

START_TEST(an_approval_that_changes_the_rule_too_is_still_one)
{
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        active(2, "scope files etc path=/etc attributes=type,mode" STATIC_REST
                  "file /etc/a type=file mode=0600\n");
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        assert_resolved(true);
}
END_TEST

START_TEST(drifts_of_what_no_scope_holds_any_more_are_settled_at_once)
{
        active(1, "scope files bin path=/bin" ATTRS STATIC_REST SCOPE_ETC FILE_A);
        see("/bin/new", " type=fifo mode=0644");
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        active(2, SCOPE_ETC FILE_A);
        assert_told(3);
        assert_resolved(true);
        ck_assert_str_eq(told[2].item, "file:/bin/new");
        ck_assert_uint_eq(open_drifts(), 1);
}
END_TEST

START_TEST(drifts_of_a_baseline_that_is_gone_are_settled_at_once)
{
        active(1, SCOPE_ETC FILE_A);
        see_gone("/etc/a");
        ck_assert_int_eq(judge_set(judge, NULL, 0, false, NULL), 0);
        assert_resolved(true);
        ck_assert_uint_eq(open_drifts(), 0);
        ck_assert_uint_eq(judge_baselines(judge), 0);
        see_gone("/etc/a");
        assert_told(2);
}
END_TEST

static struct drift
remembered(enum change change, const char *observed, char *attributes)
{
        static char item[] = "file:/etc/a", reason[] = "not looked at since the start";
        struct drift drift = {
                .item = item,
                .baseline = "host",
                .generation = 1,
                .change = change,
                .first_seen_ms = 1,
                .attributes = attributes,
                .reason = change == CHANGE_UNKNOWN ? reason : NULL,
        };
        snprintf(drift.observed, sizeof drift.observed, "%s", observed);
        return drift;
}

static int
copy_observed(void *userdata, struct drift *drift)
{
        snprintf(userdata, DIGEST_HEX_SIZE, "%s", drift->observed);
        return 0;
}

START_TEST(a_drift_that_the_store_remembers_is_not_told_again)
{
        static char attributes[] = "[]";
        char observed[DIGEST_HEX_SIZE];
        int r;
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        ck_assert(judge_find(judge, "host", "file:/etc/a", copy_observed, observed, &r));
        teardown();
        setup();
        active(1, SCOPE_ETC FILE_A);
        struct drift drift = remembered(CHANGE_CHANGED, observed, attributes);
        ck_assert_int_eq(judge_restore(judge, &drift), 0);
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        assert_told(0);
        see("/etc/a", MET_A);
        assert_resolved(false);
}
END_TEST

static int
copy_reason(void *userdata, struct drift *drift)
{
        snprintf(userdata, 128, "%s", drift->reason);
        return 0;
}

START_TEST(the_reason_of_a_remembered_unknown_is_the_one_of_the_newest_look)
{
        static char attributes[] = "[]";
        char observed[DIGEST_HEX_SIZE], reason[128];
        int r;
        active(1, SCOPE_ETC FILE_A);
        see_unreadable("/etc/a", " type=file mode=0644 size=10");
        ck_assert(judge_find(judge, "host", "file:/etc/a", copy_observed, observed, &r));
        teardown();
        setup();
        active(1, SCOPE_ETC FILE_A);
        struct drift drift = remembered(CHANGE_UNKNOWN, observed, attributes);
        ck_assert_int_eq(judge_restore(judge, &drift), 0);
        see_unreadable("/etc/a", " type=file mode=0644 size=10");
        assert_told(0);
        ck_assert(judge_find(judge, "host", "file:/etc/a", copy_reason, reason, &r));
        ck_assert_str_eq(reason, "Input/output error");
}
END_TEST

START_TEST(past_the_bound_a_drift_is_counted_and_not_told)
{
        static char attributes[] = "[]";
        active(1, SCOPE_ETC FILE_A);
        struct drift drift = remembered(CHANGE_UNEXPECTED, "", attributes);
        for (unsigned i = 0; i < DRIFTS_MAX; i++) {
                char item[32];
                snprintf(item, sizeof item, "file:/etc/%u", i);
                drift.item = item;
                ck_assert_int_eq(judge_restore(judge, &drift), 0);
        }
        see_gone("/etc/a");
        assert_told(0);
        ck_assert_uint_eq(judge_refused(judge), 1);
        ck_assert_uint_eq(open_drifts(), DRIFTS_MAX);
}
END_TEST

static int
collect_items(void *userdata, struct drift *drift)
{
        return buf_printf(userdata, "%s@%s ", drift->item, drift->baseline);
}

START_TEST(drifts_are_listed_by_item_and_then_baseline)
{
        _cleanup_buf_ struct buf list = {0};
        both_active(SCOPE_ETC, SCOPE_ETC);
        see("/etc/c", " type=fifo mode=0644");
        see("/etc/a", " type=fifo mode=0644");
        ck_assert_int_eq(judge_each(judge, collect_items, &list), 0);
        ck_assert_str_eq(list.data, "file:/etc/a@one file:/etc/a@two file:/etc/c@one file:/etc/c@two ");
}
END_TEST

START_TEST(what_is_open_below_a_folder_is_found_and_no_neighbour)
{
        static const char *const paths[] = {
                "/etc/a/b/c", "/etc/a", "/etc/a.d", "/etc/a-b/c", "/etc/a/b", "/etc/a0", "/etc/b", "/etc"};
        _cleanup_buf_ struct buf below = {0}, all = {0}, none = {0};
        active(1, SCOPE_ETC);
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                see(paths[i], " type=fifo mode=0644");
        ck_assert_int_eq(judge_each_below(judge, "file:/etc/a", collect_items, &below), 0);
        ck_assert_str_eq(below.data, "file:/etc/a@host file:/etc/a/b@host file:/etc/a/b/c@host ");
        ck_assert_int_eq(judge_each_below(judge, "file:/etc/a/", collect_items, &none), 0);
        ck_assert_str_eq(none.data, "file:/etc/a/b@host file:/etc/a/b/c@host ");
        ck_assert_int_eq(judge_each_below(judge, "file:/", collect_items, &all), 0);
        ck_assert_str_eq(all.data,
                "file:/etc@host file:/etc/a@host file:/etc/a-b/c@host file:/etc/a.d@host "
                "file:/etc/a/b@host file:/etc/a/b/c@host file:/etc/a0@host file:/etc/b@host ");
}
END_TEST

/* Each opened and ended in another order: the tree loses none and keeps none. */
START_TEST(drifts_that_come_and_go_in_any_order_are_all_known)
{
        enum { COUNT = 512, STEP = 211 };
        char path[32];
        active(1, SCOPE_ETC);
        for (unsigned i = 0; i < COUNT; i++) {
                snprintf(path, sizeof path, "/etc/%u", i * STEP % COUNT);
                see(path, " type=fifo mode=0644");
                n_told = 0;
        }
        for (unsigned left = COUNT; left; left--) {
                ck_assert_uint_eq(open_drifts(), left);
                snprintf(path, sizeof path, "/etc/%u", left - 1);
                see_gone(path);
                n_told = 0;
        }
        ck_assert_uint_eq(open_drifts(), 0);
}
END_TEST

/* ---- present ---- */

START_TEST(of_a_file_that_must_be_present_only_absence_is_drift)
{
        active(1, SCOPE_RUN "file /run/pid type=file\n");
        see("/run/pid", " type=file mode=0777 size=99 content=" HEX_C);
        see("/run/pid", " type=link target=/x");
        see_unreadable("/run/pid", " type=file");
        assert_told(0);
        see_gone("/run/pid");
        assert_drift(CHANGE_MISSING, "file:/run/pid");
        see("/run/other", " type=fifo mode=0644");
        assert_drift(CHANGE_UNEXPECTED, "file:/run/other");
}
END_TEST

START_TEST(an_unreadable_file_is_present_and_so_verified)
{
        struct coverage coverage;
        active(1, SCOPE_RUN "file /run/pid type=file\n");
        see_unreadable("/run/pid", " type=file");
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.verified, 1);
        ck_assert_uint_eq(coverage.unknown, 0);
}
END_TEST

/* ---- growing ---- */

/* A look at a log of which `covers` bytes were hashed. */
static void
see_log(uint64_t size, uint64_t inode, const char *hex, uint64_t covers)
{
        char fields[256];
        snprintf(fields, sizeof fields, " type=file mode=0644 size=%ju content=%s inode=%ju", (uintmax_t)size,
                hex, (uintmax_t)inode);
        see_so("/log/x", fields, (struct look){.covers = covers});
}

static uint64_t
prefix_wished(const char *path)
{
        struct snapshot_wish wish = {0};
        ck_assert_int_eq(judge_wish(judge, path, &wish), 0);
        return wish.prefix;
}

START_TEST(a_log_may_grow)
{
        active(1, SCOPE_LOG LOG_LINE);
        ck_assert_uint_eq(prefix_wished("/log/x"), 10);
        see_log(10, 7, HEX_A, 10);
        see_log(5000, 7, HEX_A, 10);
        assert_told(0);
}
END_TEST

START_TEST(a_log_whose_known_prefix_was_rewritten_has_drifted)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(5000, 7, HEX_B, 10);
        ck_assert_str_eq(assert_drift(CHANGE_CHANGED, "file:/log/x")->attributes,
                "[{\"name\":\"content\",\"expected\":\"" HEX_A "\",\"actual\":\"" HEX_B "\"}]");
}
END_TEST

START_TEST(a_drifted_log_that_goes_on_growing_is_one_record)
{
        active(1, SCOPE_LOG LOG_LINE);
        for (uint64_t size = 5000; size < 5100; size++)
                see_log(size, 7, HEX_B, 10);
        assert_told(1);
        see_log(6000, 7, HEX_C, 10); /* rewritten again */
        assert_told(2);
}
END_TEST

START_TEST(an_unexpected_log_that_goes_on_growing_is_one_record)
{
        active(1, SCOPE_LOG);
        see_log(10, 7, HEX_A, 10);
        see_log(20, 7, HEX_B, 20);
        see_log(30, 7, HEX_C, 30);
        assert_told(1);
        assert_drift(CHANGE_UNEXPECTED, "file:/log/x");
}
END_TEST

START_TEST(the_mode_of_a_log_is_judged_as_ever)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_so("/log/x", " type=file mode=0666 size=11 content=" HEX_A " inode=7",
                (struct look){.covers = 10});
        ck_assert_str_eq(assert_drift(CHANGE_CHANGED, "file:/log/x")->attributes,
                "[{\"name\":\"mode\",\"expected\":\"0644\",\"actual\":\"0666\"}]");
}
END_TEST

START_TEST(a_log_rotated_by_truncation_is_no_drift_and_begins_anew)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(4, 7, HEX_B, 4);
        assert_told(1);
        ck_assert_int_eq(told[0].kind, JUDGE_ROTATED);
        ck_assert_str_eq(told[0].item, "file:/log/x");
        ck_assert_uint_eq(told[0].rotation.size, 4);
        ck_assert_uint_eq(told[0].rotation.inode, 7);
        ck_assert_uint_eq(prefix_wished("/log/x"), 4);
        see_log(100, 7, HEX_B, 4);
        assert_told(1);
        see_log(100, 7, HEX_C, 4); /* its new prefix must stay too */
        assert_drift(CHANGE_CHANGED, "file:/log/x");
}
END_TEST

START_TEST(a_log_rotated_by_renaming_is_no_drift_and_begins_anew)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(500, 8, HEX_B, 10); /* another inode, and already longer than the old prefix */
        assert_told(1);
        ck_assert_int_eq(told[0].kind, JUDGE_ROTATED);
        ck_assert_uint_eq(told[0].rotation.size, 10);
        ck_assert_uint_eq(told[0].rotation.inode, 8);
        see_log(600, 8, HEX_B, 10);
        assert_told(1);
        see_log(600, 8, HEX_C, 10);
        assert_drift(CHANGE_CHANGED, "file:/log/x");
}
END_TEST

START_TEST(a_log_emptied_for_rotation_is_no_drift)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(0, 7, HEX_B, 0);
        ck_assert_int_eq(told[0].kind, JUDGE_ROTATED);
        ck_assert_uint_eq(told[0].rotation.size, 0);
        ck_assert_uint_eq(prefix_wished("/log/x"), 0);
}
END_TEST

START_TEST(a_look_made_before_a_rotation_was_known_is_not_judged_by)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(4, 7, HEX_B, 4);
        see_log(100, 7, HEX_C, 10); /* wished for with the old prefix */
        assert_told(1);
        ck_assert_uint_eq(open_drifts(), 0);
}
END_TEST

START_TEST(a_rotation_stays_known_under_a_generation_that_says_the_same)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(4, 7, HEX_B, 4);
        active(2, SCOPE_LOG LOG_LINE);
        assert_told(2); /* so that the store knows it by the new generation's id */
        ck_assert_int_eq(told[1].kind, JUDGE_ROTATED);
        ck_assert_uint_eq(told[1].rotation.size, 4);
        see_log(100, 7, HEX_B, 4);
        assert_told(2);
        ck_assert_uint_eq(prefix_wished("/log/x"), 4);
}
END_TEST

START_TEST(a_rotation_ends_where_a_generation_says_otherwise)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(4, 7, HEX_B, 4);
        active(2, SCOPE_LOG "file /log/x type=file mode=0644 size=20 content=" HEX_C " inode=7\n");
        assert_told(1);
        ck_assert_uint_eq(prefix_wished("/log/x"), 20);
}
END_TEST

START_TEST(a_rotation_that_the_store_remembers_is_gone_on_with)
{
        struct rotation rotation = {.size = 4, .inode = 9};
        ck_assert_int_eq(digest_parse(HEX_B, 64, &rotation.content), 0);
        active(1, SCOPE_LOG LOG_LINE);
        const struct digest *id = baseline_id(judge_baseline(judge, 0));
        ck_assert_int_eq(judge_restore_rotation(judge, id, "file:/log/x", &rotation), 0);
        ck_assert_uint_eq(prefix_wished("/log/x"), 4);
        see_log(100, 9, HEX_B, 4);
        assert_told(0);
}
END_TEST

START_TEST(a_rewritten_log_that_is_blessed_is_approved)
{
        active(1, SCOPE_LOG LOG_LINE);
        see_log(5000, 7, HEX_B, 10);
        active(2, SCOPE_LOG "file /log/x type=file mode=0644 size=5000 content=" HEX_C " inode=7\n");
        see_log(6000, 7, HEX_C, 5000); /* it went on growing, and another prefix is hashed now */
        assert_told(2);
        assert_resolved(true);
}
END_TEST

START_TEST(a_log_that_is_expected_without_content_may_hold_anything)
{
        active(1, "scope files log path=/log attributes=type,mode" GROWING_REST
                  "file /log/x type=file mode=0644 inode=7\n");
        see_log(100, 7, HEX_B, 100);
        see_log(10, 7, HEX_C, 10);
        assert_told(0);
}
END_TEST

/* ---- several baselines ---- */

START_TEST(each_baseline_judges_for_itself)
{
        both_active("scope files etc path=/etc attributes=type,mode" STATIC_REST
                    "file /etc/a type=file mode=0644\n",
                "scope files etc path=/etc attributes=type,content" STATIC_REST
                "file /etc/a type=file content=" HEX_A "\n");
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_A);
        assert_told(1);
        ck_assert_str_eq(told[0].baseline, "one");
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_B);
        assert_told(2);
        ck_assert_str_eq(told[1].baseline, "two");
        ck_assert_uint_eq(open_drifts(), 2);
        see("/etc/a", MET_A);
        assert_told(4);
        ck_assert_uint_eq(open_drifts(), 0);
}
END_TEST

START_TEST(a_look_made_for_one_baseline_is_not_judged_by_another_that_needs_more)
{
        both_active("scope files etc path=/etc attributes=type,mode" STATIC_REST
                    "file /etc/a type=file mode=0644\n",
                SCOPE_ETC FILE_A);
        see("/etc/a", " type=file mode=0644 size=10"); /* no content was read */
        assert_told(0);
        struct coverage coverage;
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.expected, 2);
        ck_assert_uint_eq(coverage.verified, 1);
}
END_TEST

START_TEST(where_one_wants_all_and_another_a_prefix_the_look_takes_all)
{
        both_active("scope files log path=/log attributes=type,content" STATIC_REST
                    "file /log/x type=file content=" HEX_C "\n",
                SCOPE_LOG LOG_LINE);
        ck_assert_uint_eq(prefix_wished("/log/x"), UINT64_MAX);
        see_log(20, 7, HEX_C, 20);
        assert_told(0); /* the first is met, the second not judged */
        see_log(20, 7, HEX_A, 10);
        assert_told(0); /* the second is met, the first not judged */
}
END_TEST

START_TEST(what_one_look_should_hold_is_asked_of_all_baselines)
{
        struct snapshot_wish wish = {.content = true, .body = true, .prefix = 1};
        both_active("scope files etc path=/etc attributes=type,mode" STATIC_REST, SCOPE_ETC FILE_A);
        ck_assert_int_eq(judge_wish(judge, "/etc/a", &wish), 0);
        ck_assert(wish.content);
        ck_assert(wish.body);
        ck_assert_uint_eq(wish.prefix, UINT64_MAX);
        ck_assert_int_eq(judge_wish(judge, "/etc/new", &wish), 0); /* nothing to compare its lines with */
        ck_assert(wish.content);
        ck_assert(!wish.body);
        ck_assert_int_eq(judge_wish(judge, "/bin/a", &wish), JUDGE_NOT_OURS);
        ck_assert(!wish.content);
        active(1, SCOPE_RUN);
        ck_assert_int_eq(judge_wish(judge, "/run/a", &wish), 0); /* a stat is enough */
        ck_assert(!wish.content);
        ck_assert(!wish.body);
}
END_TEST

/* ---- kept content ---- */

START_TEST(content_is_offered_where_it_is_readable_by_all_as_expected)
{
        active(1, SCOPE_ETC FILE_A "file /etc/b type=file mode=0600 size=10 content=" HEX_A "\n");
        see_so("/etc/a", MET_A, (struct look){.body = "0123456789"});
        assert_told(1);
        ck_assert_int_eq(told[0].kind, JUDGE_BODY);
        ck_assert_str_eq(told[0].body, "0123456789");
        see_so("/etc/b", " type=file mode=0600 size=10 content=" HEX_A, (struct look){.body = "0123456789"});
        assert_told(1);
}
END_TEST

START_TEST(content_of_a_secret_that_was_opened_to_all_is_not_kept)
{
        active(1, SCOPE_ETC "file /etc/b type=file mode=0600 size=10 content=" HEX_A "\n");
        see_so("/etc/b", " type=file mode=0644 size=10 content=" HEX_B, (struct look){.body = "0123456789"});
        assert_told(1);
        assert_drift(CHANGE_CHANGED, "file:/etc/b");
}
END_TEST

/* ---- coverage ---- */

START_TEST(coverage_counts_what_was_looked_at_and_when)
{
        struct coverage coverage;
        active(1, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0644\n" FILE_C_LINE "set sysctl:a eq 1\n");
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.expected, 4);
        ck_assert_uint_eq(coverage.settings, 1);
        ck_assert_uint_eq(coverage.verified, 0);
        ck_assert_int_eq(coverage.oldest_content_check_ms, 0);

        see("/etc/a", MET_A);
        see("/etc/b", " type=fifo mode=0644");
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.verified, 2);
        ck_assert_int_eq(coverage.oldest_content_check_ms, 0); /* c was never read */

        see_so("/etc/c", " type=file mode=0600 size=1 content=" HEX_C,
                (struct look){.now_ms = NOW_MS + 50000});
        judge_coverage(judge, NOW_MS + 50000, &coverage);
        ck_assert_uint_eq(coverage.verified, 3);
        ck_assert_int_eq(coverage.oldest_content_check_ms, NOW_MS);
}
END_TEST

START_TEST(a_check_older_than_the_signed_limit_no_longer_counts)
{
        struct coverage coverage;
        active(1, SCOPE_ETC FILE_A);
        see("/etc/a", MET_A);
        judge_coverage(judge, NOW_MS + 100000, &coverage);
        ck_assert_uint_eq(coverage.verified, 1);
        judge_coverage(judge, NOW_MS + 100001, &coverage);
        ck_assert_uint_eq(coverage.verified, 0);
}
END_TEST

START_TEST(each_scope_has_its_own_limit)
{
        struct coverage coverage;
        active(1,
                "scope files bin path=/bin" ATTRS " mode=static severity=high mounts=local keep_content=auto "
                "content_within=10\n" SCOPE_ETC "file /bin/a type=file mode=0644 size=10 content=" HEX_A
                "\n" FILE_A);
        see("/etc/a", MET_A);
        see("/bin/a", MET_A);
        judge_coverage(judge, NOW_MS + 10000, &coverage);
        ck_assert_uint_eq(coverage.expected, 2);
        ck_assert_uint_eq(coverage.verified, 2);
        judge_coverage(judge, NOW_MS + 10001, &coverage);
        ck_assert_uint_eq(coverage.verified, 1);
        judge_coverage(judge, NOW_MS + 100000, &coverage);
        ck_assert_uint_eq(coverage.verified, 1);
        judge_coverage(judge, NOW_MS + 100001, &coverage);
        ck_assert_uint_eq(coverage.verified, 0);
}
END_TEST

START_TEST(what_is_known_to_have_drifted_or_gone_was_looked_at)
{
        struct coverage coverage;
        active(1, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0644\n");
        see("/etc/a", " type=file mode=0600 size=10 content=" HEX_B);
        see_gone("/etc/b");
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.verified, 2);
}
END_TEST

START_TEST(what_could_not_be_read_was_not_looked_at)
{
        struct coverage coverage;
        active(1, SCOPE_ETC FILE_A);
        see_unreadable("/etc/a", " type=file mode=0644 size=10");
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.verified, 0);
        ck_assert_uint_eq(coverage.unknown, 1);
}
END_TEST

START_TEST(a_new_generation_takes_over_what_was_verified_of_the_same_lines)
{
        struct coverage coverage;
        active(1, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0644\n" FILE_C_LINE);
        see("/etc/a", MET_A);
        see("/etc/b", " type=fifo mode=0644");
        see("/etc/c", " type=file mode=0600 size=1 content=" HEX_C);
        active(2, SCOPE_ETC "file /etc/0 type=fifo mode=0644\n" FILE_A
                            "file /etc/b type=fifo mode=0600\n" FILE_C_LINE);
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.expected, 4);
        ck_assert_uint_eq(coverage.verified, 2); /* a and c; 0 is new and b says otherwise */
}
END_TEST

START_TEST(what_was_verified_stays_so_over_many_generations)
{
        struct coverage coverage;
        active(1, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0644\n" FILE_C_LINE);
        see("/etc/a", MET_A);
        active(2, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0600\n" FILE_C_LINE);
        ck_assert_ptr_nonnull(baseline_shared(judge_baseline(judge, 0)));
        see("/etc/b", " type=fifo mode=0600");
        active(3, SCOPE_ETC "file /etc/0 type=fifo mode=0644\n" FILE_A
                            "file /etc/b type=fifo mode=0600\n" FILE_C_LINE);
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.verified, 2); /* a, which all have, and b, which 2 and 3 have */
        active(4, SCOPE_ETC "file /etc/b type=fifo mode=0600\n" FILE_C_LINE);
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.expected, 2);
        ck_assert_uint_eq(coverage.verified, 1); /* b */
        active(5, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0644\n" FILE_C_LINE);
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.verified, 0); /* b says otherwise, and a was not there */
        ck_assert_uint_eq(judge_regular_files(judge), 2);
}
END_TEST

START_TEST(nothing_is_taken_over_where_the_rule_is_another)
{
        struct coverage coverage;
        active(1, "scope files etc path=/etc attributes=type,mode" STATIC_REST
                  "file /etc/b type=fifo mode=0644\n");
        see("/etc/b", " type=fifo mode=0644");
        /* The line is the same to the letter, but now it says that there are no extended attributes. */
        active(2, "scope files etc path=/etc attributes=type,mode,xattrs" STATIC_REST
                  "file /etc/b type=fifo mode=0644\n");
        judge_coverage(judge, NOW_MS, &coverage);
        ck_assert_uint_eq(coverage.verified, 0);
}
END_TEST

static void
count_turn(void *userdata, const char *path)
{
        unsigned *seen = userdata;
        ck_assert_msg(strcmp(path, "/etc/a") == 0 || strcmp(path, "/etc/c") == 0, "%s", path);
        seen[path[5] == 'c']++;
}

/* Neither is there on the host that the test runs on, so that each look is handed on as a hint. */
START_TEST(the_turn_comes_to_every_regular_file_alike)
{
        unsigned seen[2] = {0};
        struct judge_scan options = {.full = true, .hint = count_turn, .userdata = seen};
        _cleanup_(snapshot_reader_freep) struct snapshot_reader *reader = snapshot_reader_new();
        const struct mount_table mounts = {0};
        ck_assert_int_eq(judge_turn(judge, &options, reader, &mounts), 0); /* there is none */
        active(1, SCOPE_ETC FILE_A "file /etc/b type=fifo mode=0644\n" FILE_C_LINE);
        ck_assert_uint_eq(judge_regular_files(judge), 2);
        int64_t cost = 0;
        for (unsigned i = 0; i < 10; i++)
                cost += judge_turn(judge, &options, reader, &mounts);
        ck_assert_uint_eq(seen[0], 5);
        ck_assert_uint_eq(seen[1], 5);
        ck_assert_uint_ge(judge_circle_cost(judge), 2 * TURN_FILE_COST);
        ck_assert_int_eq(cost, 5 * (int64_t)judge_circle_cost(judge));
}
END_TEST

/* ---- waivers ---- */

static int
json_of(void *userdata, struct drift *drift)
{
        struct json **ret = userdata;
        *ret = judge_drift_json(judge, drift, NOW_MS);
        return *ret ? 0 : -ENOMEM;
}

/* The drift of an item in the form of diff --json. Waivers are asked for from within, as driftctl does. */
static void
assert_state(const char *item, const char *state, const char *waived_by)
{
        _cleanup_json_ struct json *value = NULL;
        int r = -1;
        ck_assert(judge_find(judge, "host", item, json_of, &value, &r) && r == 0);
        ck_assert_str_eq(json_text(value, "state"), state);
        ck_assert_str_eq(json_text(value, "item"), item);
        const struct json *waiver = json_member(value, "waiver");
        ck_assert_int_eq(waiver != NULL, waived_by != NULL);
        if (waived_by)
                ck_assert_str_eq(json_text(waiver, "by"), waived_by);
}

/* NOW_MS is 2027-01-15T08:00:00Z. */
START_TEST(a_signed_waiver_covers_a_drift_until_its_end)
{
        active(1,
                SCOPE_ETC FILE_A "waive host file:/etc/a until=2027-01-15T08:00:01Z by=bob reason=x\n"
                                 "waive host file:/etc/late until=2027-01-15T08:00:00Z by=bob reason=x\n"
                                 "waive other file:/etc/theirs until=2027-01-16T08:00:00Z by=bob reason=x\n");
        see_gone("/etc/a");
        see("/etc/late", " type=fifo mode=0644");
        see("/etc/theirs", " type=fifo mode=0644");
        assert_told(3); /* told all the same: it is the state that differs */
        assert_state("file:/etc/a", "waived", "bob");
        assert_state("file:/etc/late", "open", NULL);
        assert_state("file:/etc/theirs", "open", NULL);
}
END_TEST

START_TEST(a_waiver_may_be_a_glob_and_stand_in_another_baseline)
{
        struct baseline *list[] = {made("host", 1, SCOPE_ETC FILE_A),
                made("waivers", 1,
                        "waive host file:/etc/x/** until=2027-02-01T00:00:00Z by=carol reason=x\n")};
        ck_assert_int_eq(judge_set(judge, list, 2, false, NULL), 0);
        see("/etc/x/y/z", " type=fifo mode=0644");
        see("/etc/xy", " type=fifo mode=0644");
        assert_state("file:/etc/x/y/z", "waived", "carol");
        assert_state("file:/etc/xy", "open", NULL);
}
END_TEST

START_TEST(an_acknowledged_drift_says_so_and_a_waiver_goes_before)
{
        int r;
        active(1, SCOPE_ETC FILE_A "waive host file:/etc/b until=2027-02-01T00:00:00Z by=bob reason=x\n");
        see_gone("/etc/a");
        see("/etc/b", " type=fifo mode=0644");
        ck_assert(judge_find(judge, "host", "file:/etc/a", acknowledge, NULL, &r));
        ck_assert(judge_find(judge, "host", "file:/etc/b", acknowledge, NULL, &r));
        assert_state("file:/etc/a", "acknowledged", NULL);
        assert_state("file:/etc/b", "waived", "bob");
}
END_TEST

/* ---- scans of a real folder ---- */

/* A path in the scratch folder; good until the eighth from now. */
static const char *
in(const char *name)
{
        static char paths[8][256];
        static size_t turn;
        char *path = paths[turn++ % ARRAY_SIZE(paths)];
        snprintf(path, sizeof paths[0], "%.200s%s%s", scratch, *name ? "/" : "", name);
        return path;
}

static char *hinted[16];
static size_t n_hinted;

static void
take_hint(void *userdata, const char *path)
{
        ck_assert_ptr_null(userdata);
        ck_assert_uint_lt(n_hinted, ARRAY_SIZE(hinted));
        hinted[n_hinted++] = strdup(path);
}

static void
forget_hints(void)
{
        for (; n_hinted; n_hinted--)
                free(hinted[n_hinted - 1]);
}

static void
teardown_files(void)
{
        forget_hints();
        teardown();
        scratch_remove();
}

static void
scan(bool full, bool at_once)
{
        struct err err = {0};
        struct judge_scan options = {.full = full, .at_once = at_once, .workers = 1, .hint = take_hint};
        forget_hints();
        ck_assert_msg(judge_scan(judge, &options, &err) == 0, "%s", err.text);
}

/* A baseline of the scratch folder: itself and the files named, as they are now. */
static void
expect_files(uint64_t generation, const char *const *names, size_t n)
{
        _cleanup_buf_ struct buf entries = {0};
        struct text_list lines = {0};
        uint32_t mask = ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_MODE) |
                        ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT);
        ck_assert_int_eq(buf_printf(&entries, "scope files here path=%s" ATTRS SCANNED_REST, scratch), 0);
        for (size_t i = 0; i < n; i++) {
                _cleanup_snapshot_ struct snapshot snapshot = {0};
                _cleanup_buf_ struct buf line = {0};
                struct snapshot_wish wish = {.content = true, .prefix = UINT64_MAX};
                ck_assert_int_eq(snapshot_path("", in(names[i]), &wish, &snapshot, NULL), 0);
                ck_assert_int_eq(baseline_file_append(in(names[i]), mask, &snapshot.attributes, &line), 0);
                ck_assert_int_eq(text_list_add(&lines, line.data, line.size), 0);
        }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count; i++)
                ck_assert_int_eq(buf_text(&entries, lines.items[i]), 0);
        text_list_done(&lines);
        active(generation, entries.data);
}

/* Sees a file as it is, under the mark that a later stat of it will have. */
static void
see_live(const char *name)
{
        struct statx stx;
        struct snapshot_wish wish = {0};
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        ck_assert_int_eq(judge_wish(judge, in(name), &wish), 0);
        int result = snapshot_path("", in(name), &wish, &snapshot, NULL);
        ck_assert_int_ge(result, 0);
        if (result != SNAPSHOT_GONE) {
                ck_assert_int_eq(statx(AT_FDCWD, in(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx), 0);
                snapshot.mark = stat_mark_of(&stx);
        }
        struct observation seen = {.result = result, .snapshot = &snapshot, .now_ms = NOW_MS};
        ck_assert_int_eq(judge_observe(judge, in(name), &seen), 0);
}

static const char *const here[] = {"", "a", "b", "c"};

static void
put_here(void)
{
        put(in("a"), "one\n");
        put(in("b"), "two\n");
        expect_files(1, here, 3);
}

START_TEST(a_full_scan_finds_what_changed_is_missing_and_is_new)
{
        put_here();
        scan(true, true);
        assert_told(0);
        put(in("a"), "eno\n"); /* the same size */
        ck_assert_int_eq(unlink(in("b")), 0);
        put(in("c"), "new\n");
        scan(true, true);
        assert_told(3);
        ck_assert_uint_eq(open_drifts(), 3);
        put(in("a"), "one\n");
        put(in("b"), "two\n");
        ck_assert_int_eq(unlink(in("c")), 0);
        scan(true, true);
        assert_told(6);
        ck_assert_uint_eq(open_drifts(), 0);
}
END_TEST

START_TEST(a_scan_that_only_hints_changes_no_answer)
{
        put_here();
        put(in("a"), "eno\n");
        ck_assert_int_eq(unlink(in("b")), 0);
        put(in("c"), "new\n");
        scan(true, false);
        assert_told(0);
        ck_assert_uint_eq(open_drifts(), 0);
        bool seen[3] = {false};
        for (size_t i = 0; i < n_hinted; i++)
                for (size_t k = 0; k < 3; k++)
                        seen[k] |= strcmp(hinted[i], in(here[k + 1])) == 0;
        ck_assert(seen[0] && seen[1] && seen[2]);
}
END_TEST

START_TEST(a_quick_scan_passes_over_what_has_the_stat_of_its_last_look)
{
        put_here();
        for (size_t i = 0; i < 3; i++)
                see_live(here[i]);
        scan(false, false);
        ck_assert_uint_eq(n_hinted, 0);
        ck_assert_int_eq(chmod(in("a"), 0600), 0);
        scan(false, false);
        ck_assert_uint_eq(n_hinted, 1);
        ck_assert_str_eq(hinted[0], in("a"));
}
END_TEST

START_TEST(a_new_generation_takes_over_the_marks_of_the_same_lines)
{
        put_here();
        for (size_t i = 0; i < 3; i++)
                see_live(here[i]);
        ck_assert_int_eq(chmod(in("b"), 0600), 0);
        expect_files(2, here, 3); /* b's line is another */
        scan(false, false);
        ck_assert_uint_eq(n_hinted, 1);
        ck_assert_str_eq(hinted[0], in("b"));
}
END_TEST

/* Generation 2 comes into force, where b is to be another than it is. */
static int
become_another(void *userdata, int folder_fd, const char *path, const struct statx *stx)
{
        ck_assert_ptr_null(userdata);
        ck_assert_int_ge(folder_fd, 0);
        ck_assert_str_eq(path, scratch);
        ck_assert(S_ISDIR(stx->stx_mode));
        put(in("b"), "six\n");
        expect_files(2, here, 3);
        put(in("b"), "two\n");
        return 0;
}

START_TEST(a_scan_by_the_generation_before_vouches_for_the_same_lines_alone)
{
        struct err err = {0};
        struct coverage coverage;
        struct judge_scan options = {.full = true, .workers = 1, .hint = take_hint, .folder = become_another};
        put_here();
        ck_assert_msg(judge_scan(judge, &options, &err) == 0, "%s", err.text);
        ck_assert_uint_eq(n_hinted, 0);
        judge_coverage(judge, clock_now_ms(), &coverage);
        ck_assert_uint_eq(coverage.expected, 3);
        ck_assert_uint_eq(coverage.verified, 2); /* b meets what generation 1 says of it */
}
END_TEST

START_TEST(what_was_not_judged_has_no_mark)
{
        put_here();
        for (size_t i = 0; i < 3; i++)
                see_live(here[i]);
        see_so(in("a"), " type=file mode=0644 size=4",
                (struct look){.mark = 1}); /* its content was not read */
        see_so(in("b"), " type=file mode=0644 size=4",
                (struct look){.result = SNAPSHOT_UNREADABLE, .error = EIO, .mark = 1});
        scan(false, false);
        ck_assert_uint_ge(n_hinted, 2);
}
END_TEST

START_TEST(overlapping_baselines_are_scanned_without_false_alarm)
{
        _cleanup_buf_ struct buf stat_only = {0}, whole = {0};
        put(in("a"), "one\n");
        ck_assert_int_eq(buf_printf(&stat_only,
                                 "scope files here path=%s attributes=type,mode" SCANNED_REST
                                 "file %s type=dir mode=0755\nfile %s/a type=file mode=0644\n",
                                 scratch, scratch, scratch),
                0);
        ck_assert_int_eq(buf_printf(&whole,
                                 "scope files here path=%s attributes=type,content" SCANNED_REST
                                 "file %s type=dir\nfile %s/a type=file content=%s\n",
                                 scratch, scratch, scratch,
                                 "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"),
                0);
        both_active(stat_only.data, whole.data);
        scan(true, true);
        assert_told(0);
        put(in("a"), "eno\n");
        scan(true, true);
        assert_told(1);
        ck_assert_str_eq(told[0].baseline, "two");
}
END_TEST

START_TEST(only_what_is_named_is_scanned)
{
        struct err err = {0};
        char *items[] = {NULL};
        put_here();
        put(in("a"), "eno\n");
        put(in("b"), "owt\n");
        ck_assert_int_ge(asprintf(&items[0], "file:%s", in("b")), 0);
        struct judge_scan options = {
                .full = true, .at_once = true, .workers = 1, .items = items, .n_items = 1};
        ck_assert_msg(judge_scan(judge, &options, &err) == 0, "%s", err.text);
        assert_told(1);
        ck_assert_str_eq(told[0].item, items[0]);
        free(items[0]);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("judge");
        TCase *kinds = tcase_create("kinds of change"), *life = tcase_create("the life of a drift"),
              *modes = tcase_create("modes"), *several = tcase_create("several baselines"),
              *coverage = tcase_create("coverage"), *waivers = tcase_create("waivers"),
              *scans = tcase_create("scans");
        digest_setup();
        TCase *by_hand[] = {kinds, life, modes, several, coverage, waivers};
        for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++) {
                tcase_add_checked_fixture(by_hand[i], setup, teardown);
                suite_add_tcase(suite, by_hand[i]);
        }
        tcase_add_checked_fixture(scans, setup_files, teardown_files);
        suite_add_tcase(suite, scans);
        tcase_set_timeout(life, 60);

        tcase_add_test(kinds, what_meets_its_expectation_is_no_drift);
        tcase_add_test(kinds, a_changed_file_is_told_with_what_differs);
        tcase_add_test(kinds, content_decides_where_all_else_is_the_same);
        tcase_add_test(kinds, a_file_that_became_a_link_is_changed);
        tcase_add_test(kinds, a_missing_file_is_told_with_what_was_expected);
        tcase_add_test(kinds, a_file_in_scope_that_nobody_expects_is_unexpected);
        tcase_add_test(kinds, what_nobody_expects_and_is_not_there_is_nothing);
        tcase_add_test(kinds, what_lies_outside_of_every_scope_is_nothing);
        tcase_add_test(kinds, a_failed_read_is_unknown_with_its_reason_and_not_changed);
        tcase_add_test(kinds, an_unreadable_file_that_nobody_expects_is_unexpected);
        tcase_add_test(kinds, our_own_database_is_never_judged);

        tcase_add_test(life, the_same_look_twice_is_one_record);
        tcase_add_test(life, an_acknowledgement_covers_one_form_only);
        tcase_add_test(life, a_cause_explains_one_form_only);
        tcase_add_test(life, what_comes_back_is_reverted);
        tcase_add_test(life, what_comes_back_under_a_later_generation_that_says_the_same_is_reverted);
        tcase_add_test(life, what_a_later_generation_expects_is_approved);
        tcase_add_test(life, a_removal_that_a_later_generation_takes_over_is_approved);
        tcase_add_test(life, a_new_file_that_a_later_generation_expects_is_approved);
        tcase_add_test(life, what_went_on_drifting_after_an_approval_and_then_came_to_it_is_reverted);
        tcase_add_test(life, an_approval_that_changes_the_rule_too_is_still_one);
        tcase_add_test(life, drifts_of_what_no_scope_holds_any_more_are_settled_at_once);
        tcase_add_test(life, drifts_of_a_baseline_that_is_gone_are_settled_at_once);
        tcase_add_test(life, a_drift_that_the_store_remembers_is_not_told_again);
        tcase_add_test(life, the_reason_of_a_remembered_unknown_is_the_one_of_the_newest_look);
        tcase_add_test(life, past_the_bound_a_drift_is_counted_and_not_told);
        tcase_add_test(life, drifts_are_listed_by_item_and_then_baseline);
        tcase_add_test(life, what_is_open_below_a_folder_is_found_and_no_neighbour);
        tcase_add_test(life, drifts_that_come_and_go_in_any_order_are_all_known);

        tcase_add_test(modes, of_a_file_that_must_be_present_only_absence_is_drift);
        tcase_add_test(modes, an_unreadable_file_is_present_and_so_verified);
        tcase_add_test(modes, a_log_may_grow);
        tcase_add_test(modes, a_log_whose_known_prefix_was_rewritten_has_drifted);
        tcase_add_test(modes, a_drifted_log_that_goes_on_growing_is_one_record);
        tcase_add_test(modes, an_unexpected_log_that_goes_on_growing_is_one_record);
        tcase_add_test(modes, the_mode_of_a_log_is_judged_as_ever);
        tcase_add_test(modes, a_log_rotated_by_truncation_is_no_drift_and_begins_anew);
        tcase_add_test(modes, a_log_rotated_by_renaming_is_no_drift_and_begins_anew);
        tcase_add_test(modes, a_log_emptied_for_rotation_is_no_drift);
        tcase_add_test(modes, a_look_made_before_a_rotation_was_known_is_not_judged_by);
        tcase_add_test(modes, a_rotation_stays_known_under_a_generation_that_says_the_same);
        tcase_add_test(modes, a_rotation_ends_where_a_generation_says_otherwise);
        tcase_add_test(modes, a_rotation_that_the_store_remembers_is_gone_on_with);
        tcase_add_test(modes, a_rewritten_log_that_is_blessed_is_approved);
        tcase_add_test(modes, a_log_that_is_expected_without_content_may_hold_anything);

        tcase_add_test(several, each_baseline_judges_for_itself);
        tcase_add_test(several, a_look_made_for_one_baseline_is_not_judged_by_another_that_needs_more);
        tcase_add_test(several, where_one_wants_all_and_another_a_prefix_the_look_takes_all);
        tcase_add_test(several, what_one_look_should_hold_is_asked_of_all_baselines);
        tcase_add_test(several, content_is_offered_where_it_is_readable_by_all_as_expected);
        tcase_add_test(several, content_of_a_secret_that_was_opened_to_all_is_not_kept);

        tcase_add_test(coverage, coverage_counts_what_was_looked_at_and_when);
        tcase_add_test(coverage, a_check_older_than_the_signed_limit_no_longer_counts);
        tcase_add_test(coverage, each_scope_has_its_own_limit);
        tcase_add_test(coverage, what_is_known_to_have_drifted_or_gone_was_looked_at);
        tcase_add_test(coverage, what_could_not_be_read_was_not_looked_at);
        tcase_add_test(coverage, a_new_generation_takes_over_what_was_verified_of_the_same_lines);
        tcase_add_test(coverage, what_was_verified_stays_so_over_many_generations);
        tcase_add_test(coverage, nothing_is_taken_over_where_the_rule_is_another);
        tcase_add_test(coverage, the_turn_comes_to_every_regular_file_alike);

        tcase_add_test(waivers, a_signed_waiver_covers_a_drift_until_its_end);
        tcase_add_test(waivers, a_waiver_may_be_a_glob_and_stand_in_another_baseline);
        tcase_add_test(waivers, an_acknowledged_drift_says_so_and_a_waiver_goes_before);

        tcase_add_test(scans, a_full_scan_finds_what_changed_is_missing_and_is_new);
        tcase_add_test(scans, a_scan_that_only_hints_changes_no_answer);
        tcase_add_test(scans, a_quick_scan_passes_over_what_has_the_stat_of_its_last_look);
        tcase_add_test(scans, a_new_generation_takes_over_the_marks_of_the_same_lines);
        tcase_add_test(scans, a_scan_by_the_generation_before_vouches_for_the_same_lines_alone);
        tcase_add_test(scans, what_was_not_judged_has_no_mark);
        tcase_add_test(scans, overlapping_baselines_are_scanned_without_false_alarm);
        tcase_add_test(scans, only_what_is_named_is_scanned);

        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
