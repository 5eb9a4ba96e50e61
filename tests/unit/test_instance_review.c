/* SPDX-License-Identifier: MIT */
/* What is applied by fewer people because it is urgent owes a review by the others, and says so until it has
 * it. */
#include "instance_fixture.h"

#include <inttypes.h>

#include "core/clock.h"

#define HOUR_MS ((int64_t)3600000)
#define SLACK_MS (HOUR_MS / 6) /* what a slow machine may take */

static struct instance *instance;
static struct apply_result result;
static struct digest parent;

static void
restart(void)
{
        if (instance)
                assert_done(instance_stop(instance, "test", &why));
        instance = instance_free(instance);
        assert_done(instance_open(config, 0, &instance, &why));
        assert_done(instance_start(instance, &why));
}

/* Three people, two of them for what is ordinary, one where it is urgent; then to be reviewed within 72 h. */
static void
review_setup(void)
{
        static const char *const people[] = {"alice", "bob", "carol"};
        struct buf text = {0};
        char path[256];
        fixture_setup("/tmp");
        buf_printf(&text, "[trust]\ngeneration = 1\nparent = none\n");
        for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
                buf_printf(&text, "[approver %s]\nkey = ", people[i]);
                key_line(people[i], &text);
                buf_printf(&text, "\n");
        }
        buf_printf(&text, "[baseline *]\napprovers = alice bob carol\nthreshold = 3\nauthor_counts = yes\n"
                          "urgent_threshold = 1\nreview_within = 72h\n");
        snprintf(path, sizeof path, "%s/trust.conf", home);
        put_file(path, 0600, text.data, text.size);
        buf_done(&text);
        restart();
}

static void
review_teardown(void)
{
        buf_done(&result.signers);
        instance = instance_free(instance);
        fixture_teardown();
}

/* A generation of class urgent, as a text. */
static struct buf
urgent_text(uint64_t generation)
{
        struct buf text = generation_text(generation, generation > 1 ? &parent : NULL, INT64_MAX),
                   urgent = {0};
        char *class = strstr(text.data, "class normal");
        ck_assert_ptr_nonnull(class);
        buf_append(&urgent, text.data, (size_t)(class - text.data));
        buf_text(&urgent, "class urgent");
        buf_text(&urgent, class + strlen("class normal"));
        buf_done(&text);
        return urgent;
}

/* Hands one generation over with the approvals of these people (the last is NULL). */
static int
apply_by(uint64_t generation, const struct buf *text, const char *const *people)
{
        struct approval_subject subject = {.name = "host", .host = instance->host, .generation = generation};
        struct buf approval = {0};
        digest_bytes(text->data, text->size, &subject.id);
        for (; *people; people++)
                approve(*people, &subject, &approval);
        char *copy = malloc(text->size + 1);
        memcpy(copy, text->data, text->size);
        buf_done(&result.signers);
        result = (struct apply_result){0};
        why = (struct err){0};
        int r = instance_apply(instance, copy, text->size, approval.data, approval.size, &result, &why);
        buf_done(&approval);
        return r;
}
#define by(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct buf
urgent_apply(uint64_t generation)
{
        struct buf text = urgent_text(generation);
        assert_done(apply_by(generation, &text, by("alice")));
        ck_assert(result.review_due);
        digest_bytes(text.data, text.size, &parent);
        return text;
}

struct told {
        unsigned count;
        char states[256], by[64];
};

static int
note_review(void *userdata, const struct record *record)
{
        struct told *told = userdata;
        struct json *body = NULL;
        ck_ok(json_parse(record->body, strlen(record->body), &body, NULL));
        const struct json *detail = json_member(body, "detail");
        size_t used = strlen(told->states);
        snprintf(told->states + used, sizeof told->states - used, "%s%s@%lld", told->count++ ? " " : "",
                json_text(detail, "state"), json_number(detail, "generation"));
        const char *who = json_string_of(json_at(json_member(detail, "by"), 0));
        snprintf(told->by, sizeof told->by, "%s", who ? who : "");
        json_free(body);
        return 0;
}

/* What the history tells of reviews, in order: "due@1 given@1". */
static struct told
told(void)
{
        struct told told = {0};
        struct record_query query = {.until_ms = INT64_MAX, .kind = "review"};
        assert_done(instance_flush(instance, &why));
        assert_done(store_records(instance->store, &query, note_review, &told, &why));
        return told;
}

static bool
is_due(void)
{
        return has_problem(instance, PROBLEM_REVIEW_DUE);
}

static bool
is_overdue(void)
{
        return has_problem(instance, PROBLEM_OVERDUE);
}

static void
set_value(const char *key, const char *value)
{
        assert_done(store_begin(instance->store, &why));
        assert_done(store_value_put(instance->store, key, value, &why));
        assert_done(store_commit(instance->store, &why));
}

START_TEST(an_urgent_change_is_in_force_and_its_review_is_due)
{
        struct buf text = urgent_apply(1);
        ck_assert_uint_eq(generation_active(instance), 1);
        ck_assert(is_due());
        ck_assert(!is_overdue());
        ck_assert(!problem_lowers_coverage(PROBLEM_REVIEW_DUE));
        ck_contains(instance->problems[PROBLEM_REVIEW_DUE].where, "host@1: 2 more by ");
        ck_assert_str_eq(told().states, "due@1");
        restart();
        ck_assert(is_due());
        buf_done(&text);
}
END_TEST

START_TEST(what_enough_approve_at_once_owes_nothing)
{
        struct buf text = urgent_text(1);
        assert_done(apply_by(1, &text, by("alice", "bob", "carol")));
        ck_assert(!result.review_due);
        ck_assert(!is_due());
        ck_assert_uint_eq(told().count, 0);
        buf_done(&text);
}
END_TEST

START_TEST(a_review_is_given_by_the_others_approvals_of_the_same_text)
{
        struct buf text = urgent_apply(1);
        assert_done(apply_by(1, &text, by("bob")));
        ck_assert(result.reviewed);
        ck_assert(result.review_due);
        ck_assert_str_eq(result.signers.data, "alice bob");
        ck_assert_str_eq(told().by, "bob");
        restart();
        ck_assert(is_due());
        ck_contains(instance->problems[PROBLEM_REVIEW_DUE].where, "host@1: 1 more by ");
        assert_done(apply_by(1, &text, by("carol")));
        ck_assert(!result.review_due);
        ck_assert(!is_due());
        ck_assert_str_eq(told().states, "due@1 added@1 given@1");
        ck_assert_str_eq(told().by, "carol");
        restart();
        ck_assert(!is_due());
        ck_assert_str_eq(instance->signers[0].data, "alice bob carol");
        buf_done(&text);
}
END_TEST

START_TEST(who_approved_before_reviews_nothing)
{
        struct buf text = urgent_apply(1);
        ck_assert_int_eq(apply_by(1, &text, by("alice")), INSTANCE_REFUSED);
        ck_contains(why.text, "add nobody");
        ck_assert_int_eq(apply_by(1, &text, by("mallory")), INSTANCE_REFUSED);
        ck_contains(why.text, "does not list");
        ck_assert(is_due());
        ck_assert_str_eq(told().states, "due@1");
        buf_done(&text);
}
END_TEST

START_TEST(another_text_of_that_generation_reviews_nothing)
{
        struct buf text = urgent_apply(1), other = urgent_text(1);
        char *author = strstr(other.data, "author alice");
        author[strlen("author ")] = 'z';
        ck_assert_int_ne(apply_by(1, &other, by("bob", "carol")), 0);
        ck_assert(is_due());
        buf_done(&text);
        buf_done(&other);
}
END_TEST

START_TEST(a_later_generation_does_not_pay_for_it)
{
        struct buf first = urgent_apply(1);
        struct buf second = generation_text(2, &parent, INT64_MAX);
        assert_done(apply_by(2, &second, by("alice", "bob", "carol")));
        digest_bytes(second.data, second.size, &parent);
        ck_assert(is_due());
        ck_contains(instance->problems[PROBLEM_REVIEW_DUE].where, "host@1: ");
        struct buf third = urgent_apply(3);
        ck_assert(is_due());
        ck_assert_uint_eq(instance->problems[PROBLEM_REVIEW_DUE].count, 2);
        /* It can still be given, and only what was reviewed is settled. */
        assert_done(apply_by(1, &first, by("bob", "carol")));
        ck_assert(is_due());
        ck_assert_uint_eq(instance->problems[PROBLEM_REVIEW_DUE].count, 1);
        ck_contains(instance->problems[PROBLEM_REVIEW_DUE].where, "host@3: ");
        ck_assert_uint_eq(generation_active(instance), 3);
        ck_assert_str_eq(told().states, "due@1 due@3 given@1");
        buf_done(&first);
        buf_done(&second);
        buf_done(&third);
}
END_TEST

/* Moves the believed time: as if these hours had passed, and nobody had set a clock. */
static void
pass(int hours)
{
        char value[64];
        _cleanup_free_ char *old = NULL;
        assert_done(store_value_get(instance->store, "review:host@1", &old, &why));
        int64_t due_ms = strtoll(old, NULL, 10) - hours * HOUR_MS;
        snprintf(value, sizeof value, "%" PRId64 "%s", due_ms, strchr(old, ' '));
        set_value("review:host@1", value);
}

START_TEST(past_its_time_the_verdict_is_incomplete_and_the_history_tells_it_once)
{
        struct buf text = urgent_apply(1);
        pass(71);
        ck_assert(!is_overdue());
        pass(2);
        ck_assert(is_overdue());
        ck_assert(!is_due());
        ck_assert(problem_lowers_coverage(PROBLEM_OVERDUE));
        for (int i = 0; i < 3; i++)
                assert_done(instance_alive(instance, &why));
        restart();
        assert_done(instance_alive(instance, &why));
        ck_assert(is_overdue());
        ck_assert_str_eq(told().states, "due@1 overdue@1");
        assert_done(apply_by(1, &text, by("bob", "carol")));
        ck_assert(!is_overdue());
        ck_assert_str_eq(told().states, "due@1 overdue@1 given@1");
        buf_done(&text);
}
END_TEST

START_TEST(while_it_waits_to_be_written_it_is_not_queued_again)
{
        struct buf text = urgent_apply(1);
        pass(73);
        for (int i = 0; i < 3; i++)
                review_look(instance); /* and nothing is written meanwhile, as when the store fails */
        ck_assert_str_eq(told().states, "due@1 overdue@1");
        buf_done(&text);
}
END_TEST

START_TEST(a_clock_that_jumped_makes_it_neither_overdue_nor_due_for_longer)
{
        struct buf text = urgent_apply(1);
        instance_clock_changed(instance, 100 * HOUR_MS); /* told so: the clock itself stays */
        int64_t behind_ms = clock_now_ms() - instance_expiry_now(instance);
        ck_assert_int_lt(llabs(behind_ms - 100 * HOUR_MS), SLACK_MS);
        ck_assert(!is_overdue());
        /* Put back when the term was over: what is believed goes on from before. */
        instance_clock_believe(instance);
        pass(71);
        instance_clock_changed(instance, -100 * HOUR_MS);
        ck_assert(!is_due() && is_overdue());
        buf_done(&text);
}
END_TEST

START_TEST(who_takes_the_note_away_does_not_take_the_debt_away)
{
        struct buf text = urgent_apply(1);
        set_value("review:host@1", NULL);
        restart();
        /* When it was applied nobody knows now: its text was made in the year 2026, and what counts is that.
         */
        ck_assert(is_due() || is_overdue());
        assert_done(apply_by(1, &text, by("bob", "carol")));
        ck_assert(!is_due() && !is_overdue());
        set_value("review:host@1", "what?");
        ck_assert(is_overdue());
        buf_done(&text);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("instance_review");
        TCase *cases = tcase_create("review");
        tcase_add_checked_fixture(cases, review_setup, review_teardown);
        tcase_set_timeout(cases, 60);
        tcase_add_test(cases, an_urgent_change_is_in_force_and_its_review_is_due);
        tcase_add_test(cases, what_enough_approve_at_once_owes_nothing);
        tcase_add_test(cases, a_review_is_given_by_the_others_approvals_of_the_same_text);
        tcase_add_test(cases, who_approved_before_reviews_nothing);
        tcase_add_test(cases, another_text_of_that_generation_reviews_nothing);
        tcase_add_test(cases, a_later_generation_does_not_pay_for_it);
        tcase_add_test(cases, past_its_time_the_verdict_is_incomplete_and_the_history_tells_it_once);
        tcase_add_test(cases, while_it_waits_to_be_written_it_is_not_queued_again);
        tcase_add_test(cases, a_clock_that_jumped_makes_it_neither_overdue_nor_due_for_longer);
        tcase_add_test(cases, who_takes_the_note_away_does_not_take_the_debt_away);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
