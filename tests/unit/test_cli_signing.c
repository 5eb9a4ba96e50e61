/* SPDX-License-Identifier: MIT */
/* Who signs with which key, what an approval says of the host, and what becomes of approvals that are there
 * already. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cli/opinion.h"
#include "cli/signing.h"
#include "core/clock.h"
#include "core/file.h"

static char folder[64];

static void
setup(void)
{
        snprintf(folder, sizeof folder, "/tmp/test_cli_signing.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
}

static void
teardown(void)
{
        static const char *const names[] = {"alice", "bob"};
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char path[128];
                snprintf(path, sizeof path, "%s/%s", folder, names[i]);
                unlink(path);
        }
        rmdir(folder);
}

/* A signing as the command line would open it, with a fresh key without a passphrase. */
static void
open_signer(const char *name, struct signing *ret)
{
        static char path[128];
        struct args args;
        struct err err = {0};
        _cleanup_buf_ struct buf key = {0}, pub = {0};
        snprintf(path, sizeof path, "%s/%s", folder, name);
        ck_assert_int_eq(secret_generate(name, NULL, &key, &pub, &err), 0);
        ck_assert_int_eq(file_create(path, 0600, key.data, key.size, &err), 0);
        const char *const argv[] = {"driftctl", "sign", "--key", path, NULL};
        ck_assert_int_eq(args_parse(4, argv, global_options, commands, &args, &err), 0);
        struct cli cli = {.commands = commands, .command = commands, .args = args};
        ck_assert_int_eq(signing_open(&cli, NULL, ret, &err), 0);
        ck_assert_int_eq(signing_unlock(ret, &err), 0);
        args_done(&args);
}

static struct approval_subject
subject(uint64_t generation)
{
        struct approval_subject s = {.name = "host", .host = "*", .generation = generation};
        digest_bytes(&generation, sizeof generation, &s.id);
        return s;
}

static void
approve(const struct signing *signing, uint64_t generation, struct buf *ret)
{
        struct approval_subject s = subject(generation);
        ck_assert_int_eq(signing_approve(signing, &s, 1, false, ret, NULL), 0);
}

static size_t
count_approvals(const struct buf *file)
{
        _cleanup_free_ struct approval *list = NULL;
        size_t n = 0;
        ck_assert_int_eq(approvals_parse(file->data, file->size, &list, &n, NULL), 0);
        return n;
}

START_TEST(a_native_key_names_its_own_approver)
{
        _cleanup_signing_ struct signing signing = {0};
        open_signer("alice", &signing);
        ck_assert_str_eq(signing.by, "alice");
        ck_assert(signing.from_file && !signing.sealed);
}
END_TEST

START_TEST(approvals_of_several_people_are_kept)
{
        _cleanup_signing_ struct signing alice = {0}, bob = {0};
        _cleanup_buf_ struct buf first = {0}, second = {0}, merged = {0};
        open_signer("alice", &alice);
        open_signer("bob", &bob);
        approve(&alice, 1, &first);
        approve(&bob, 1, &second);
        ck_assert_int_eq(approvals_merge(&first, &second, &merged, NULL), 0);
        ck_assert_uint_eq(count_approvals(&merged), 2);
        ck_assert_int_eq(memcmp(merged.data, first.data, first.size), 0);
}
END_TEST

START_TEST(the_same_approval_by_the_same_person_is_replaced)
{
        _cleanup_signing_ struct signing alice = {0};
        _cleanup_buf_ struct buf first = {0}, second = {0}, merged = {0};
        open_signer("alice", &alice);
        approve(&alice, 1, &first);
        approve(&alice, 1, &second);
        ck_assert_int_eq(approvals_merge(&first, &second, &merged, NULL), 0);
        ck_assert_uint_eq(count_approvals(&merged), 1);
}
END_TEST

START_TEST(an_approval_of_something_else_by_the_same_person_is_kept)
{
        _cleanup_signing_ struct signing alice = {0};
        _cleanup_buf_ struct buf first = {0}, second = {0}, merged = {0};
        open_signer("alice", &alice);
        approve(&alice, 1, &first);
        approve(&alice, 2, &second);
        ck_assert_int_eq(approvals_merge(&first, &second, &merged, NULL), 0);
        ck_assert_uint_eq(count_approvals(&merged), 2);
}
END_TEST

START_TEST(what_is_no_approval_file_is_not_written_over)
{
        _cleanup_signing_ struct signing alice = {0};
        _cleanup_buf_ struct buf other = {0}, fresh = {0}, merged = {0};
        struct err err = {0};
        open_signer("alice", &alice);
        approve(&alice, 1, &fresh);
        buf_text(&other, "my shopping list\n");
        ck_assert_int_eq(approvals_merge(&other, &fresh, &merged, &err), EXIT_FAILED);
        ck_assert_uint_eq(merged.size, 0);
}
END_TEST

START_TEST(a_key_read_on_the_host_it_approves_for_says_so)
{
        char here[HOST_ID_MAX];
        _cleanup_signing_ struct signing alice = {0};
        struct approval_subject s = subject(1);
        if (host_id(here, NULL) < 0)
                return; /* a machine without an id */
        open_signer("alice", &alice);
        ck_assert(!signing_is_on_host(&alice, &s, 1));
        s.host = here;
        ck_assert(signing_is_on_host(&alice, &s, 1));
        alice.from_file = false; /* an agent, which may be forwarded */
        ck_assert(!signing_is_on_host(&alice, &s, 1));
}
END_TEST

static const char baseline_lines[] =
        "driftd-baseline 1\nname host\nhost *\ngeneration 1\nparent none\n"
        "created 2026-11-23T18:00:00Z\nexpires never\nauthor alice\nticket none\nclass normal\n\n";

static void
judge_one(struct signed_text *text, bool *ret_holds, bool *ret_names)
{
        struct opinion opinion = {0};
        ck_assert_int_eq(opinion_make(text, NULL, &opinion, NULL), 0);
        ck_assert_uint_eq(json_length(opinion.approvals), 1);
        *ret_holds = json_flag(json_at(opinion.approvals, 0), "holds");
        *ret_names = json_flag(json_at(opinion.approvals, 0), "names_it");
        ck_assert(!opinion.judged);
        opinion_done(&opinion);
}

START_TEST(an_opinion_tells_a_good_approval_from_a_forged_and_a_strange_one)
{
        _cleanup_signing_ struct signing alice = {0};
        _cleanup_signed_ struct signed_text text = {0};
        bool holds, names;
        open_signer("alice", &alice);
        ck_assert_int_eq(
                baseline_open(strdup(baseline_lines), strlen(baseline_lines), &text.baseline, NULL), 0);

        struct approval_subject s = subject_of(text.baseline);
        ck_assert_int_eq(signing_approve(&alice, &s, 1, false, &text.approvals, NULL), 0);
        judge_one(&text, &holds, &names);
        ck_assert(holds && names);

        char *year = strstr(text.approvals.data, "\nat 2") + 4;
        *year = *year == '2' ? '3' : '2';
        judge_one(&text, &holds, &names);
        ck_assert(!holds && names);

        buf_clear(&text.approvals);
        approve(&alice, 9, &text.approvals);
        judge_one(&text, &holds, &names);
        ck_assert(holds && !names);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_signing");
        TCase *tcase = tcase_create("signing");
        suite_add_tcase(suite, tcase);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_native_key_names_its_own_approver);
        tcase_add_test(tcase, approvals_of_several_people_are_kept);
        tcase_add_test(tcase, the_same_approval_by_the_same_person_is_replaced);
        tcase_add_test(tcase, an_approval_of_something_else_by_the_same_person_is_kept);
        tcase_add_test(tcase, what_is_no_approval_file_is_not_written_over);
        tcase_add_test(tcase, a_key_read_on_the_host_it_approves_for_says_so);
        tcase_add_test(tcase, an_opinion_tells_a_good_approval_from_a_forged_and_a_strange_one);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
