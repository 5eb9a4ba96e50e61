/* SPDX-License-Identifier: MIT */
/* Approval files: written to the byte, taken apart, and refused in every other form. */
#include "approval_help.h"

#define DATA "tests/data/approval/"
#define ID "e02b00feb91c43f25d623b3deb8821c2d4b94221da4845b41c7dd9491bd1a720"
#define ID2 "f02b00feb91c43f25d623b3deb8821c2d4b94221da4845b41c7dd9491bd1a720"
#define TOP "driftd-approval 1\n"
#define HEAD TOP "by alice\nat 2026-11-23T18:04:00Z\nkey-on-host no\n"
#define LINE "baseline " ID " host * 12\n"
#define LINE2 "baseline " ID2 " host * 12\n"
#define ARMOR SSHSIG_BEGIN "AAAA\n" SSHSIG_END

static struct approval *
parse(const char *text, size_t size, size_t *ret_count)
{
        struct approval *list = NULL;
        struct err err = {0};
        ck_assert_msg(approvals_parse(text, size, &list, ret_count, &err) == 0, "%s", err.text);
        return list;
}

/* The two baselines that the golden file approves. */
static void
golden_subjects(struct approval_subject subjects[static 2])
{
        struct buf baseline = get_file(DATA "host.baseline");
        subjects[0] = subject("host", HOST, 12);
        digest_bytes(baseline.data, baseline.size, &subjects[0].id);
        subjects[1] = subject("host", "77aa01d277aa01d277aa01d277aa01d2", 4);
        buf_done(&baseline);
}

START_TEST(the_golden_approval_is_written_to_the_byte)
{
        struct buf golden = get_file(DATA "host.baseline.approval"), ours = {0};
        struct approval_subject subjects[2];
        golden_subjects(subjects);
        approve_as("alice", "alice", SSHSIG_NAMESPACE_APPROVAL, subjects, 2, &ours);
        approve_as("bob", "bob", SSHSIG_NAMESPACE_APPROVAL, subjects, 2, &ours);
        ck_assert_str_eq(ours.data, golden.data);
        buf_done(&golden);
        buf_done(&ours);
}
END_TEST

START_TEST(the_golden_approval_is_read_and_holds)
{
        struct buf golden = get_file(DATA "host.baseline.approval");
        struct approval_subject subjects[2];
        size_t count = 0;
        golden_subjects(subjects);
        struct approval *list = parse(golden.data, golden.size, &count);
        ck_assert_uint_eq(count, 2);
        ck_assert_str_eq(list[0].by, "alice");
        ck_assert_str_eq(list[1].by, "bob");
        for (size_t i = 0; i < 2; i++) {
                struct sshsig sig;
                ck_assert_int_eq(list[i].at_ms, HELP_AT_MS);
                ck_assert(!list[i].key_on_host && !list[i].for_trust);
                ck_assert(list[i].text + list[i].text_size == list[i].armor);
                ck_assert(approval_names_baseline(&list[i], &subjects[0].id, "host", HOST, 12));
                ck_assert(approval_names_baseline(&list[i], &subjects[1].id, "host", subjects[1].host, 4));
                ck_ok(sshsig_parse(list[i].armor, list[i].armor_size, &sig, NULL));
                ck_ok(sshsig_verify(&sig, SSHSIG_NAMESPACE_APPROVAL, list[i].text, list[i].text_size, NULL));
        }
        free(list);
        buf_done(&golden);
}
END_TEST

START_TEST(an_approval_names_exactly_what_it_names)
{
        struct approval_subject named = subject("host", HOST, 12);
        struct digest other;
        struct buf file = {0};
        size_t count;
        approve("alice", &named, &file);
        struct approval *a = parse(file.data, file.size, &count);
        digest_bytes("other", 5, &other);
        ck_assert(approval_names_baseline(a, &named.id, "host", HOST, 12));
        ck_assert(!approval_names_baseline(a, &other, "host", HOST, 12));
        ck_assert(!approval_names_baseline(a, &named.id, "hos", HOST, 12));
        ck_assert(!approval_names_baseline(a, &named.id, "host", "*", 12));
        ck_assert(!approval_names_baseline(a, &named.id, "host", HOST, 1));
        ck_assert(!approval_names_baseline(a, &named.id, "host", HOST, 2));
        ck_assert(!approval_names_baseline(a, &named.id, "host", HOST, 123));
        ck_assert(!approval_names_baseline(a, &named.id, "host " HOST, "12\nx", 1));
        ck_assert(!approval_names_trust(a, &named.id, 12));
        free(a);
        buf_done(&file);
}
END_TEST

START_TEST(an_approval_of_a_trust_file_names_it_alone)
{
        struct approval_subject both[] = {{.generation = 2}, {.generation = 3}};
        struct buf file = {0}, text = {0};
        struct err err = {0};
        size_t count;
        digest_bytes("trust", 5, &both[0].id);
        approve_as("alice", "alice", SSHSIG_NAMESPACE_TRUST, both, 1, &file);
        struct approval *a = parse(file.data, file.size, &count);
        ck_assert(a->for_trust);
        ck_assert(approval_names_trust(a, &both[0].id, 2));
        ck_assert(!approval_names_trust(a, &both[0].id, 3));
        ck_assert(!approval_names_baseline(a, &both[0].id, "trust", "*", 2));
        ck_assert_int_eq(approval_write("alice", 0, false, both, 2, &text, &err), -EINVAL);
        ck_contains(err.text, "alone");
        free(a);
        buf_done(&file);
        buf_done(&text);
}
END_TEST

START_TEST(subjects_in_any_order_give_the_same_text)
{
        struct approval_subject a[] = {
                subject("one", "*", 1), subject("two", "*", 2), subject("three", HOST, 30)};
        struct approval_subject b[] = {a[2], a[0], a[1]};
        struct buf x = {0}, y = {0};
        ck_ok(approval_write("alice", HELP_AT_MS, true, a, 3, &x, NULL));
        ck_ok(approval_write("alice", HELP_AT_MS, true, b, 3, &y, NULL));
        ck_assert_str_eq(x.data, y.data);
        ck_contains(x.data, "key-on-host yes\n");
        ck_ok(buf_text(&x, ARMOR)); /* and it is one that is read */
        size_t count;
        struct approval *list = parse(x.data, x.size, &count);
        ck_assert(list->key_on_host);
        free(list);
        buf_done(&x);
        buf_done(&y);
}
END_TEST

START_TEST(what_could_not_be_read_is_not_written)
{
        struct approval_subject ok = subject("host", "*", 1), twice[] = {ok, ok};
        struct approval_subject zero = subject("host", "*", 0), name = subject("a b", "*", 1);
        struct approval_subject host = subject("host", "H", 1), none = {.name = "host", .generation = 1};
        struct approval_subject huge = subject("host", "*", UINT64_MAX);
        const struct approval_subject *const bad[] = {&zero, &name, &host, &none, &huge};
        struct buf text = {0};
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_int_eq(approval_write("alice", 0, false, bad[i], 1, &text, NULL), -EINVAL);
        ck_assert_int_eq(approval_write("alice", 0, false, twice, 2, &text, NULL), -EINVAL);
        ck_assert_int_eq(approval_write("alice", 0, false, &ok, 0, &text, NULL), -EINVAL);
        ck_assert_int_eq(approval_write("alice", -1, false, &ok, 1, &text, NULL), -EINVAL);
        ck_assert_int_eq(approval_write("a\nb", 0, false, &ok, 1, &text, NULL), -EINVAL);
        ck_assert_int_eq(
                approval_write("alice", 0, false, &ok, APPROVAL_SUBJECTS_MAX + 1, &text, NULL), -EINVAL);
        ck_assert_uint_eq(text.size, 0);
        buf_done(&text);
}
END_TEST

START_TEST(no_bytes_are_no_approvals)
{
        size_t count = 7;
        struct approval *list = parse("", 0, &count);
        ck_assert_uint_eq(count, 0);
        free(list);
}
END_TEST

static const struct {
        const char *text, *words;
} bad[] = {
        {"\n", "line 1"},
        {"driftd-approval 2\n", "line 1"},
        {"driftd-approval 1", "line 1"},
        {"driftd-approval 1\r\n", "line 1"},
        {TOP, "line 2"},
        {TOP "by \n", "line 2"},
        {TOP "by a b\n", "line 2"},
        {TOP "by -a\n", "line 2"},
        {TOP "By alice\n", "line 2"},
        {TOP "by alice", "line 2"},
        {TOP "by alice\nat 2026-11-23T18:04:00+00:00\n", "line 3"},
        {TOP "by alice\nat 2026-11-23T18:04:00.000Z\n", "line 3"},
        {TOP "by alice\nat 2026-02-30T18:04:00Z\n", "line 3"},
        {TOP "by alice\nat 2026-11-23T18:04:00Z\nkey-on-host maybe\n", "line 4"},
        {TOP "by alice\nkey-on-host no\nat 2026-11-23T18:04:00Z\n", "line 3"},
        {HEAD, "line 5"},
        {HEAD ARMOR, "line 5"},
        {HEAD "\n" ARMOR, "line 5"},
        {HEAD "window " ID " 1\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host * 0\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host * 01\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host * -1\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host * 1 \n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host * 1000000000000000000\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host  1\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host 0B8F6C1E0B8F6C1E0B8F6C1E0B8F6C1E 1\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " host 0b8f 1\n" ARMOR, "line 5"},
        {HEAD "baseline " ID "  host * 1\n" ARMOR, "line 5"},
        {HEAD "baseline " ID " .host * 1\n" ARMOR, "line 5"},
        {HEAD "baseline E02b00feb91c43f25d623b3deb8821c2d4b94221da4845b41c7dd9491bd1a720 host * 1\n" ARMOR,
                "line 5"},
        {HEAD "baseline abc host * 1\n" ARMOR, "line 5"},
        {HEAD LINE LINE ARMOR, "not sorted"},
        {HEAD LINE2 LINE ARMOR, "not sorted"},
        {HEAD "baseline " ID " host * 12\nbaseline " ID " host * 1\n" ARMOR, "not sorted"},
        {HEAD "trust " ID " 1\n" LINE ARMOR, "alone"},
        {HEAD LINE "trust " ID " 1\n" ARMOR, "alone"},
        {HEAD "trust " ID " 1\ntrust " ID2 " 2\n" ARMOR, "alone"},
        {HEAD "trust " ID " *\n" ARMOR, "line 5"},
        {HEAD LINE, "ends within"},
        {HEAD LINE "-----BEGIN SSH SIGNATURE-----", "line 6"},
        {HEAD LINE SSHSIG_BEGIN, "no \"-----END"},
        {HEAD LINE SSHSIG_BEGIN "AAAA\n-----END SSH SIGNATURE-----", "no \"-----END"},
        {HEAD LINE ARMOR "\n", "line 9"},
        {HEAD LINE ARMOR "x", "line 9"},
        {HEAD LINE ARMOR HEAD LINE, "ends within"},
        {"\xef\xbb\xbf" HEAD LINE ARMOR, "line 1"},
};

START_TEST(another_form_is_refused_with_its_line)
{
        struct approval *list = NULL;
        size_t count = 0;
        struct err err = {0};
        ck_assert_int_eq(
                approvals_parse(bad[_i].text, strlen(bad[_i].text), &list, &count, &err), APPROVAL_MALFORMED);
        ck_contains(err.text, bad[_i].words);
        ck_assert_ptr_null(list);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
        static const char text[] = TOP "by alice\0\nat 2026-11-23T18:04:00Z\nkey-on-host no\n" LINE ARMOR;
        struct approval *list = NULL;
        size_t count;
        ck_assert_int_eq(approvals_parse(text, sizeof text - 1, &list, &count, NULL), APPROVAL_MALFORMED);
}
END_TEST

START_TEST(more_than_the_bounds_is_refused)
{
        struct approval *list = NULL;
        size_t count;
        struct buf file = {0};
        struct err err = {0};
        ck_ok(buf_text(&file, HEAD));
        for (unsigned i = 1; i <= APPROVAL_SUBJECTS_MAX + 1; i++)
                ck_ok(buf_printf(&file, "baseline " ID " host * 1%05u\n", i));
        ck_ok(buf_text(&file, ARMOR));
        ck_assert_int_eq(approvals_parse(file.data, file.size, &list, &count, &err), APPROVAL_MALFORMED);
        ck_contains(err.text, "8192");
        buf_clear(&file);
        for (unsigned i = 0; i <= APPROVALS_MAX; i++)
                ck_ok(buf_text(&file, HEAD LINE ARMOR));
        ck_assert_int_eq(approvals_parse(file.data, file.size, &list, &count, &err), APPROVAL_MALFORMED);
        ck_contains(err.text, "16384");
        while (file.size <= APPROVAL_FILE_MAX)
                ck_ok(buf_text(&file, HEAD LINE ARMOR));
        ck_assert_int_eq(approvals_parse(file.data, file.size, &list, &count, &err), APPROVAL_MALFORMED);
        ck_contains(err.text, "8388608");
        buf_clear(&file);
        ck_ok(buf_text(&file, HEAD LINE SSHSIG_BEGIN));
        while (file.size < 2 * SSHSIG_ARMOR_MAX)
                ck_ok(buf_text(&file, "AAAAAAAAAAAAAAAA\n"));
        ck_ok(buf_text(&file, SSHSIG_END));
        ck_assert_int_eq(approvals_parse(file.data, file.size, &list, &count, &err), APPROVAL_MALFORMED);
        ck_contains(err.text, "longer than any");
        buf_done(&file);
}
END_TEST

START_TEST(as_many_subjects_as_the_bound_are_written_and_read)
{
        struct approval_subject *subjects = calloc(APPROVAL_SUBJECTS_MAX, sizeof *subjects);
        struct buf text = {0};
        size_t count;
        for (unsigned i = 0; i < APPROVAL_SUBJECTS_MAX; i++) {
                subjects[i] = subject("host", "*", 1);
                digest_bytes(&i, sizeof i, &subjects[i].id);
        }
        ck_ok(approval_write("alice", 0, false, subjects, APPROVAL_SUBJECTS_MAX, &text, NULL));
        ck_ok(buf_text(&text, ARMOR));
        struct approval *list = parse(text.data, text.size, &count);
        ck_assert_uint_eq(count, 1);
        ck_assert(approval_names_baseline(list, &subjects[4711].id, "host", "*", 1));
        free(list);
        free(subjects);
        buf_done(&text);
}
END_TEST

START_TEST(a_name_has_63_bytes_of_a_few_kinds)
{
        char name[65];
        memset(name, 'a', sizeof name);
        ck_assert(name_is_valid(name, 63));
        ck_assert(!name_is_valid(name, 64));
        ck_assert(!name_is_valid(name, 0));
        ck_assert(name_is_valid("Host-1.web_2", 12));
        ck_assert(!name_is_valid("-a", 2) && !name_is_valid(".a", 2) && !name_is_valid("*", 1));
        for (int byte = 0; byte < 256; byte++) {
                name[1] = (char)byte;
                bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                             (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
                ck_assert_int_eq(name_is_valid(name, 3), plain);
        }
}
END_TEST

static void
add(TCase *cases)
{
        tcase_add_test(cases, the_golden_approval_is_written_to_the_byte);
        tcase_add_test(cases, the_golden_approval_is_read_and_holds);
        tcase_add_test(cases, an_approval_names_exactly_what_it_names);
        tcase_add_test(cases, an_approval_of_a_trust_file_names_it_alone);
        tcase_add_test(cases, subjects_in_any_order_give_the_same_text);
        tcase_add_test(cases, what_could_not_be_read_is_not_written);
        tcase_add_test(cases, no_bytes_are_no_approvals);
        tcase_add_loop_test(cases, another_form_is_refused_with_its_line, 0, ARRAY_SIZE(bad));
        tcase_add_test(cases, a_nul_byte_is_refused);
        tcase_add_test(cases, more_than_the_bounds_is_refused);
        tcase_add_test(cases, as_many_subjects_as_the_bound_are_written_and_read);
        tcase_add_test(cases, a_name_has_63_bytes_of_a_few_kinds);
}

int
main(void)
{
        return run_suite("approval", add);
}
