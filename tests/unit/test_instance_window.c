/* SPDX-License-Identifier: MIT */
/* The life of a window: what opens it, what does not, and all that ends it. */
#include "instance_fixture.h"

#include <inttypes.h>

#include "core/clock.h"

#define HOUR_MS ((int64_t)3600 * 1000)

static struct instance *instance;
static struct digest active; /* id of host@1 */

static void
start(void)
{
        assert_done(instance_open(config, 0, &instance, &why));
        assert_done(instance_start(instance, &why));
}

static void
restart(void)
{
        assert_done(instance_stop(instance, "test", &why));
        instance = instance_free(instance);
        start();
}

static void
window_setup(void)
{
        fixture_setup("/tmp");
        start();
        assert_done(generation_apply(instance, 1, &active, INT64_MAX));
}

static void
window_teardown(void)
{
        instance = instance_free(instance);
        fixture_teardown();
}

struct made {
        struct buf text, approvals;
};

static struct made
make(const char *ticket, int64_t from_ms, int64_t until_ms)
{
        struct made made = {0};
        struct window window = {.generation = 1, .baseline = active, .by = "alice", .class = CLASS_NORMAL};
        snprintf(window.host, sizeof window.host, "%s", instance->host);
        snprintf(window.ticket, sizeof window.ticket, "%s", ticket);
        window.from_ms = from_ms / 1000 * 1000;
        window.until_ms = until_ms / 1000 * 1000;
        assert_done(window_write(&window, &made.text, &why));
        struct approval_subject subject = {.window = true};
        digest_bytes(made.text.data, made.text.size, &subject.id);
        approve_as("alice", "alice", SSHSIG_NAMESPACE_WINDOW, &subject, 1, &made.approvals);
        return made;
}

static int
hand_over(const struct made *made)
{
        const struct window *window = NULL;
        struct buf none = {0};
        why = (struct err){0};
        char *text = strdup(made->text.data);
        return instance_window_open(instance, text, made->text.size, &made->approvals, &none, &window, &why);
}

static void
made_done(struct made *made)
{
        buf_done(&made->text);
        buf_done(&made->approvals);
}

static int
open_for(const char *ticket, int64_t length_ms)
{
        struct made made = make(ticket, clock_now_ms(), clock_now_ms() + length_ms);
        int r = hand_over(&made);
        made_done(&made);
        return r;
}

static size_t
n_open(void)
{
        struct json *list = instance_windows_json(instance, true);
        size_t n = json_length(list);
        json_free(list);
        return n;
}

struct found {
        const char *state;
        unsigned count;
        char why[256];
};

static int
note_record(void *userdata, const struct record *record)
{
        struct found *found = userdata;
        struct json *body = NULL;
        ck_ok(json_parse(record->body, strlen(record->body), &body, NULL));
        const struct json *detail = json_member(body, "detail");
        const char *state = json_text(detail, "state"), *reason = json_text(detail, "why");
        if (state && strcmp(state, found->state) == 0) {
                found->count++;
                snprintf(found->why, sizeof found->why, "%s", reason ? reason : "");
        }
        json_free(body);
        return 0;
}

static struct found
recorded(const char *state)
{
        struct found found = {.state = state};
        struct record_query query = {.until_ms = INT64_MAX, .kind = "window"};
        assert_done(instance_flush(instance, &why));
        assert_done(store_records(instance->store, &query, note_record, &found, &why));
        return found;
}

static int
count_record(void *userdata, const struct record *record)
{
        (void)record;
        ++*(unsigned *)userdata;
        return 0;
}

static int
put_value(const char *key, const char *value)
{
        int r = store_begin(instance->store, &why);
        r = r ? r : store_value_put(instance->store, key, value, &why);
        return r ? r : store_commit(instance->store, &why);
}

static void
close_one(const char *name)
{
        struct json *report = NULL;
        const struct window *window = instance_window_find(instance, name, &why);
        ck_assert_msg(window != NULL, "%s", why.text);
        assert_done(instance_window_close(instance, window, &report, &why));
        json_free(report);
}

START_TEST(a_window_is_open_until_it_is_closed_and_not_again)
{
        struct made made = make("CHG-1", clock_now_ms(), clock_now_ms() + HOUR_MS);
        assert_done(hand_over(&made));
        ck_assert_uint_eq(n_open(), 1);
        ck_assert_int_eq(hand_over(&made), INSTANCE_REFUSED);
        ck_contains(why.text, "open already");
        close_one("CHG-1");
        ck_assert_uint_eq(n_open(), 0);
        ck_assert_int_eq(hand_over(&made), INSTANCE_REFUSED);
        ck_contains(why.text, "a replay");
        restart();
        ck_assert_int_eq(hand_over(&made), INSTANCE_REFUSED);
        ck_contains(why.text, "a replay");
        ck_assert_uint_eq(recorded("opened").count, 1);
        ck_assert_uint_eq(recorded("closed").count, 1);
        made_done(&made);
}
END_TEST

START_TEST(it_lives_through_a_restart)
{
        assert_done(open_for("CHG-1", HOUR_MS));
        restart();
        ck_assert_uint_eq(n_open(), 1);
        close_one(NULL);
        restart();
        ck_assert_uint_eq(n_open(), 0);
}
END_TEST

START_TEST(it_ends_by_its_time)
{
        assert_done(open_for("CHG-1", 2000));
        int64_t deadline_ms = clock_monotonic_ms() + 10000;
        while (n_open() && clock_monotonic_ms() < deadline_ms)
                instance_windows_look(instance);
        ck_assert_uint_eq(recorded("expired").count, 1);
        ck_assert_uint_eq(n_open(), 0);
}
END_TEST

START_TEST(a_clock_that_jumps_ends_it)
{
        assert_done(open_for("CHG-1", 4 * HOUR_MS));
        instance_clock_changed(instance, -30 * 60000);
        ck_assert_uint_eq(n_open(), 1);
        instance_clock_changed(instance, -30 * 60000); /* an hour, all together */
        ck_assert_uint_eq(n_open(), 0);
        struct found found = recorded("ended");
        ck_assert_uint_eq(found.count, 1);
        ck_contains(found.why, "the clock jumped");
        ck_assert_int_eq(open_for("CHG-2", HOUR_MS), INSTANCE_REFUSED);
        ck_contains(why.text, "the clock jumped");
}
END_TEST

START_TEST(a_clock_that_jumped_while_nobody_ran_ends_it)
{
        char text[BOOT_ID_MAX + 32];
        assert_done(open_for("CHG-1", 4 * HOUR_MS));
        assert_done(instance_flush(instance, &why));
        snprintf(text, sizeof text, "%s %" PRId64, instance->boot, instance->clock_offset_ms + 2 * HOUR_MS);
        assert_done(store_begin(instance->store, &why));
        assert_done(store_value_put(instance->store, "clock_offset", text, &why));
        assert_done(store_commit(instance->store, &why));
        restart();
        ck_assert_uint_eq(n_open(), 0);
        ck_assert_uint_eq(recorded("ended").count, 1);
}
END_TEST

START_TEST(what_does_not_hold_now_is_refused)
{
        int64_t now_ms = clock_now_ms();
        struct made over = make("A", now_ms - 2 * HOUR_MS, now_ms - HOUR_MS);
        struct made to_come = make("B", now_ms + HOUR_MS, now_ms + 2 * HOUR_MS);
        struct made ahead = make("C", now_ms + WINDOW_SKEW_MS - 60000, now_ms + HOUR_MS);
        ck_assert_int_eq(hand_over(&over), INSTANCE_REFUSED);
        ck_contains(why.text, "is over");
        ck_assert_int_eq(hand_over(&to_come), INSTANCE_REFUSED);
        ck_contains(why.text, "in the future");
        assert_done(hand_over(&ahead)); /* clocks differ by a little */
        made_done(&over);
        made_done(&to_come);
        made_done(&ahead);
}
END_TEST

START_TEST(a_forged_one_is_refused)
{
        struct made a = make("A", clock_now_ms(), clock_now_ms() + HOUR_MS);
        struct made b = make("B", clock_now_ms(), clock_now_ms() + HOUR_MS);
        struct made mixed = {a.text, b.approvals};
        ck_assert_int_eq(hand_over(&mixed), INSTANCE_REFUSED);
        ck_contains(why.text, "for something else");
        ck_assert_uint_eq(n_open(), 0);
        made_done(&a);
        made_done(&b);
}
END_TEST

START_TEST(another_generation_is_refused)
{
        struct made made = make("A", clock_now_ms(), clock_now_ms() + HOUR_MS);
        struct digest next = active;
        assert_done(generation_apply(instance, 2, &next, INT64_MAX));
        ck_assert_int_eq(hand_over(&made), INSTANCE_REFUSED);
        ck_contains(why.text, "another generation");
        made_done(&made);
}
END_TEST

START_TEST(one_that_is_open_outlives_a_bless)
{
        struct digest next = active;
        assert_done(open_for("A", HOUR_MS));
        assert_done(generation_apply(instance, 2, &next, INT64_MAX));
        ck_assert_uint_eq(n_open(), 1);
        restart();
        ck_assert_uint_eq(n_open(), 1);
}
END_TEST

START_TEST(no_more_are_open_than_the_limit)
{
        char ticket[32];
        for (unsigned i = 0; i < WINDOWS_OPEN_MAX; i++) {
                snprintf(ticket, sizeof ticket, "T-%u", i);
                assert_done(open_for(ticket, HOUR_MS));
        }
        ck_assert_int_eq(open_for("one-more", HOUR_MS), INSTANCE_REFUSED);
        ck_contains(why.text, "16");
        ck_assert_ptr_null(instance_window_find(instance, NULL, &why));
        ck_contains(why.text, "several windows");
        close_one("T-3");
        assert_done(open_for("one-more", HOUR_MS));
        restart();
        ck_assert_uint_eq(n_open(), WINDOWS_OPEN_MAX);
}
END_TEST

START_TEST(a_row_without_signatures_opens_nothing)
{
        struct made made = make("A", clock_now_ms(), clock_now_ms() + HOUR_MS);
        struct digest id;
        char hex[DIGEST_HEX_SIZE], key[128];
        digest_bytes(made.text.data, made.text.size, &id);
        digest_hex(&id, hex);
        snprintf(key, sizeof key, "window:%s", hex);
        assert_done(store_begin(instance->store, &why));
        assert_done(store_value_put(instance->store, key, made.text.data, &why));
        assert_done(store_commit(instance->store, &why));
        restart();
        ck_assert_uint_eq(n_open(), 0);
        /* And one whose text is another than its key says. */
        snprintf(key, sizeof key, "window:%.60saaaa", hex);
        assert_done(store_begin(instance->store, &why));
        assert_done(store_value_put(instance->store, key, made.text.data, &why));
        assert_done(store_commit(instance->store, &why));
        restart();
        ck_assert_uint_eq(n_open(), 0);
        made_done(&made);
}
END_TEST

static int
keep_row(void *userdata, const char *key, const char *value)
{
        char **kept = userdata;
        for (size_t i = 0; i < 8; i += 2)
                if (!kept[i]) {
                        kept[i] = strdup(key);
                        kept[i + 1] = strdup(value);
                        break;
                }
        return 0;
}

static unsigned
tampers(void)
{
        struct record_query query = {.until_ms = INT64_MAX, .kind = "tamper"};
        unsigned count = 0;
        assert_done(instance_flush(instance, &why));
        assert_done(store_records(instance->store, &query, count_record, &count, &why));
        return count;
}

START_TEST(rows_of_a_closed_one_that_are_put_back_open_nothing)
{
        char *kept[8] = {0};
        assert_done(open_for("A", HOUR_MS));
        assert_done(store_values_each(instance->store, "window:", keep_row, kept, &why));
        assert_done(store_values_each(instance->store, "window_approvals:", keep_row, kept, &why));
        ck_assert_ptr_nonnull(kept[3]);
        close_one("A");
        for (size_t i = 0; i < 4; i += 2)
                assert_done(put_value(kept[i], kept[i + 1]));
        restart();
        ck_assert_uint_eq(n_open(), 0);
        ck_assert_uint_eq(tampers(), 1);
        restart();
        ck_assert_uint_eq(tampers(), 1);
        ck_assert_uint_eq(recorded("resumed").count, 0);
        /* Together with its end: it opens, and the history says so. */
        char ended[128];
        snprintf(ended, sizeof ended, "window_ended:%s", strchr(kept[0], ':') + 1);
        assert_done(put_value(ended, NULL));
        for (size_t i = 0; i < 4; i += 2)
                assert_done(put_value(kept[i], kept[i + 1]));
        restart();
        ck_assert_uint_eq(recorded("resumed").count, n_open());
        for (size_t i = 0; i < 8; i++)
                free(kept[i]);
}
END_TEST

START_TEST(which_of_several_is_meant_is_asked)
{
        ck_assert_ptr_null(instance_window_find(instance, NULL, &why));
        ck_assert_int_eq(why.code, STORE_NONE);
        assert_done(open_for("CHG-1", HOUR_MS));
        assert_done(open_for("CHG-2", HOUR_MS));
        ck_assert_ptr_null(instance_window_find(instance, NULL, &why));
        ck_assert_int_eq(why.code, INSTANCE_MALFORMED);
        ck_contains(why.text, "CHG-1 (");
        ck_contains(why.text, "CHG-2 (");
}
END_TEST

/* So many that the set of them is larger than one may be. */
static void
let_drift(unsigned n)
{
        char item[1200], filler[1001];
        memset(filler, 'a', sizeof filler - 1);
        filler[sizeof filler - 1] = '\0';
        char none[] = "[]";
        for (unsigned i = 0; i < n; i++) {
                struct drift drift = {.item = item,
                        .baseline = "host",
                        .generation = 1,
                        .change = CHANGE_MISSING,
                        .severity = SEVERITY_HIGH,
                        .attributes = none};
                snprintf(item, sizeof item, "file:%s/x/%06u%s", home, i, filler);
                drift.first_seen_ms = drift.last_change_ms = clock_now_ms();
                assert_done(judge_restore(instance->judge, &drift));
        }
}

START_TEST(a_set_that_is_too_large_is_left_out_and_the_history_goes_on)
{
        assert_done(open_for("CHG-1", HOUR_MS));
        let_drift((unsigned)(EXPECT_SIZE_MAX / 1000) + 1);
        close_one("CHG-1"); /* its flush is asserted */
        struct json *summary = NULL;
        struct buf set = {0};
        assert_done(instance_window_ended(instance, "CHG-1", &summary, &set, &why));
        ck_assert(json_flag(summary, "set_left_out"));
        ck_assert_uint_eq(set.size, 0);
        json_free(summary);
        ck_assert_uint_eq(recorded("closed").count, 1);
        restart();
        ck_assert_uint_eq(n_open(), 0);
}
END_TEST

START_TEST(a_value_that_can_never_be_stored_holds_nothing_up)
{
        char *large = malloc(STORE_VALUE_MAX + 2);
        memset(large, 'x', STORE_VALUE_MAX + 1);
        large[STORE_VALUE_MAX + 1] = '\0';
        instance_value(instance, "too_large", large);
        large[STORE_VALUE_MAX] = '\0';
        instance_value(instance, "just_fits", large);
        assert_done(instance_flush(instance, &why));
        char *value = NULL;
        ck_assert_int_eq(store_value_get(instance->store, "too_large", &value, NULL), STORE_NONE);
        assert_done(store_value_get(instance->store, "just_fits", &value, &why));
        free(value);
        free(large);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("instance_window");
        TCase *cases = tcase_create("instance_window");
        tcase_add_checked_fixture(cases, window_setup, window_teardown);
        tcase_set_timeout(cases, 120);
        tcase_add_test(cases, a_window_is_open_until_it_is_closed_and_not_again);
        tcase_add_test(cases, it_lives_through_a_restart);
        tcase_add_test(cases, it_ends_by_its_time);
        tcase_add_test(cases, a_clock_that_jumps_ends_it);
        tcase_add_test(cases, a_clock_that_jumped_while_nobody_ran_ends_it);
        tcase_add_test(cases, what_does_not_hold_now_is_refused);
        tcase_add_test(cases, a_forged_one_is_refused);
        tcase_add_test(cases, another_generation_is_refused);
        tcase_add_test(cases, one_that_is_open_outlives_a_bless);
        tcase_add_test(cases, no_more_are_open_than_the_limit);
        tcase_add_test(cases, a_row_without_signatures_opens_nothing);
        tcase_add_test(cases, rows_of_a_closed_one_that_are_put_back_open_nothing);
        tcase_add_test(cases, which_of_several_is_meant_is_asked);
        tcase_add_test(cases, a_set_that_is_too_large_is_left_out_and_the_history_goes_on);
        tcase_add_test(cases, a_value_that_can_never_be_stored_holds_nothing_up);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
