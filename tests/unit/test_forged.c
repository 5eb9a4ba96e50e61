/* SPDX-License-Identifier: MIT */
/* What was signed is refused in any other form: each bit, each line, each end of a baseline, and what belongs
 * to another approval. */
#include "approval_help.h"

#include <sys/resource.h>
#include <unistd.h>

#include "core/baseline.h"
#include "core/trust.h"

static struct trust *trust;
static struct buf text, approval; /* a baseline, and alice's and bob's approval of it */

static void
forged_setup(void)
{
        static const char *const people[] = {"alice", "bob"};
        struct buf file = {0};
        struct err why = {0};
        setup_crypto();
        buf_printf(&file, "[trust]\ngeneration = 1\nparent = none\n");
        for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
                buf_printf(&file, "[approver %s]\nkey = ", people[i]);
                key_line(people[i], &file);
                buf_printf(&file, "\n");
        }
        buf_printf(&file, "[baseline *]\napprovers = alice bob\nthreshold = 2\n");
        ck_assert_msg(trust_parse("trust.conf", file.data, file.size, &trust, &why) == 0, "%s", why.text);
        buf_done(&file);
        buf_printf(&text, "driftd-baseline 1\nname host\nhost " HOST "\ngeneration 2\nparent "
                          "4740ae6347b0172c01254ff55bae5aff5199f4446e7f6d643d40185b3f475145\n"
                          "created 2026-11-23T18:00:00Z\nexpires never\nauthor carol\nticket CHG-1\n"
                          "class normal\n\n"
                          "scope files x path=/x attributes=type,mode mode=static severity=high mounts=local "
                          "keep_content=never content_within=100\n"
                          "file /x/a type=file mode=0644\nfile /x/b type=file mode=0644\n");
        struct approval_subject s = {.name = "host", .host = HOST, .generation = 2};
        digest_bytes(text.data, text.size, &s.id);
        approve("alice", &s, &approval);
        approve("bob", &s, &approval);
}

static void
forged_teardown(void)
{
        trust = trust_free(trust);
        buf_done(&text);
        buf_done(&approval);
}

/* As the daemon takes them: parse, then judge by what the parsed bytes are. true: both hold. */
static bool
holds(const struct buf *baseline, const struct buf *approvals, struct err *why)
{
        struct trust_verdict verdict;
        struct baseline *b = NULL;
        char *copy = malloc(baseline->size + 1);
        memcpy(copy, baseline->data, baseline->size);
        copy[baseline->size] = '\0';
        *why = (struct err){0};
        int r = baseline_open(copy, baseline->size, &b, why);
        ck_assert_int_ge(r, 0);
        if (r) {
                ck_assert_int_ne(why->text[0], '\0');
                return false;
        }
        const struct baseline_header *h = baseline_header(b);
        r = trust_judge_baseline(trust, baseline_id(b), h->name, h->host, h->generation, h->author,
                h->class == CLASS_URGENT, approvals->data ? approvals->data : "", approvals->size, &verdict,
                why);
        ck_assert_int_ge(r, 0);
        ck_assert(r == 0 || why->text[0]);
        baseline_free(b);
        return r == 0;
}

static struct buf
copy_of(const struct buf *buf)
{
        struct buf copy = {0};
        ck_ok(buf_append(&copy, buf->data, buf->size));
        return copy;
}

START_TEST(what_was_signed_holds)
{
        struct err why;
        ck_assert_msg(holds(&text, &approval, &why), "%s", why.text);
}
END_TEST

static void
flip_each_bit(struct buf *victim, const struct buf *of)
{
        struct err why;
        for (size_t bit = 0; bit < 8 * of->size; bit++) {
                struct buf flipped = copy_of(of);
                flipped.data[bit / 8] = (char)(flipped.data[bit / 8] ^ 1 << bit % 8);
                bool held = victim == &text ? holds(&flipped, &approval, &why) : holds(&text, &flipped, &why);
                ck_assert_msg(!held, "bit %zu of byte %zu (%.20s)", bit % 8, bit / 8, of->data + bit / 8);
                buf_done(&flipped);
        }
}

START_TEST(no_bit_of_a_baseline_can_be_flipped)
{
        flip_each_bit(&text, &text);
}
END_TEST

START_TEST(no_bit_of_an_approval_can_be_flipped)
{
        flip_each_bit(&approval, &approval);
}
END_TEST

START_TEST(no_baseline_can_be_cut_or_lengthened)
{
        struct err why;
        for (size_t size = 0; size < text.size; size++) {
                struct buf cut = copy_of(&text);
                cut.size = size;
                ck_assert_msg(!holds(&cut, &approval, &why), "cut at %zu", size);
                buf_done(&cut);
        }
        struct buf longer = copy_of(&text);
        ck_ok(buf_text(&longer, "file /x/c type=file mode=0644\n"));
        ck_assert(!holds(&longer, &approval, &why));
        ck_contains(why.text, "for something else");
        buf_done(&longer);
}
END_TEST

START_TEST(no_approval_can_be_cut)
{
        struct err why;
        for (size_t size = 0; size < approval.size; size++) {
                struct buf cut = copy_of(&approval);
                cut.size = size;
                ck_assert_msg(!holds(&text, &cut, &why), "cut at %zu", size);
                buf_done(&cut);
        }
}
END_TEST

/* The lines of a text, one of them put elsewhere (or, once more, also there). */
static struct buf
with_line_at(const struct buf *of, size_t from, size_t to, bool twice)
{
        struct buf out = {0};
        const char *line = of->data, *end = of->data + of->size, *moved = NULL;
        size_t moved_size = 0, n = 0;
        for (const char *at = line; at < end; at += strcspn(at, "\n") + 1, n++)
                if (n == from) {
                        moved = at;
                        moved_size = strcspn(at, "\n") + 1;
                }
        n = 0;
        for (const char *at = line; at < end; at += strcspn(at, "\n") + 1, n++) {
                if (n == to)
                        ck_ok(buf_append(&out, moved, moved_size));
                if (n != from || twice)
                        ck_ok(buf_append(&out, at, strcspn(at, "\n") + 1));
        }
        return out;
}

static size_t
lines_of(const struct buf *of)
{
        size_t n = 0;
        for (size_t i = 0; i < of->size; i++)
                n += of->data[i] == '\n';
        return n;
}

static void
move_each_line(struct buf *victim, const struct buf *of, bool twice)
{
        struct err why;
        size_t n = lines_of(of);
        for (size_t from = 0; from < n; from++)
                for (size_t to = 0; to < n; to++) {
                        struct buf other = with_line_at(of, from, to, twice);
                        bool same = other.size == of->size && memcmp(other.data, of->data, of->size) == 0;
                        bool held =
                                victim == &text ? holds(&other, &approval, &why) : holds(&text, &other, &why);
                        ck_assert_msg(
                                same || !held, "line %zu %s %zu", from, twice ? "again at" : "moved to", to);
                        buf_done(&other);
                }
}

START_TEST(no_line_of_a_baseline_can_stand_elsewhere_or_twice)
{
        move_each_line(&text, &text, false);
        move_each_line(&text, &text, true);
}
END_TEST

START_TEST(no_line_of_an_approval_can_stand_elsewhere_or_twice)
{
        move_each_line(&approval, &approval, false);
        move_each_line(&approval, &approval, true);
}
END_TEST

START_TEST(nothing_of_another_approval_can_be_mixed_in)
{
        struct err why;
        struct buf other = {0}, mixed = {0};
        struct approval_subject s = {.name = "host", .host = HOST, .generation = 3};
        digest_bytes("another", 7, &s.id);
        approve("alice", &s, &other);
        approve("bob", &s, &other);
        ck_assert(!holds(&text, &other, &why)); /* a replay of what was approved elsewhere */
        ck_contains(why.text, "2 for something else");
        /* The words of the one, and the signatures of the other. */
        const char *words = strstr(approval.data, SSHSIG_BEGIN),
                   *signature = strstr(other.data, SSHSIG_BEGIN);
        ck_ok(buf_append(&mixed, approval.data, (size_t)(words - approval.data)));
        ck_ok(buf_append(&mixed, signature, (size_t)(strstr(signature, SSHSIG_END) - signature)));
        ck_ok(buf_text(&mixed, SSHSIG_END));
        ck_assert(!holds(&text, &mixed, &why));
        ck_contains(why.text, "does not hold");
        /* Twice the same person is one. */
        const char *bob = strstr(approval.data + 1, "driftd-approval");
        buf_clear(&mixed);
        for (int i = 0; i < 2; i++)
                ck_ok(buf_append(&mixed, approval.data, (size_t)(bob - approval.data)));
        ck_assert(!holds(&text, &mixed, &why));
        ck_contains(why.text, "1 of 2");
        /* In another order they are as good. */
        buf_clear(&mixed);
        ck_ok(buf_text(&mixed, bob));
        ck_ok(buf_append(&mixed, other.data, other.size));
        ck_ok(buf_append(&mixed, approval.data, (size_t)(bob - approval.data)));
        ck_assert_msg(holds(&text, &mixed, &why), "%s", why.text);
        buf_done(&other);
        buf_done(&mixed);
}
END_TEST

/* ---- memory ---- */

static size_t
data_bytes(void)
{
        unsigned long pages[7] = {0};
        FILE *file = fopen("/proc/self/statm", "re");
        char line[256] = "", *at = line;
        ck_assert_ptr_nonnull(file);
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        fclose(file);
        for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
                pages[i] = strtoul(at, &at, 10);
        return pages[5] * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(ten_thousand_strangers_are_refused_in_16_mib)
{
        struct buf pile = {0};
        struct err why;
        struct approval_subject s = {.name = "host", .host = HOST, .generation = 2};
        digest_bytes(text.data, text.size, &s.id);
        char name[32];
        for (unsigned i = 0; i < 10000; i++) {
                snprintf(name, sizeof name, "stranger%u", i);
                approve(name, &s, &pile);
        }
        struct rlimit before, limit;
        ck_ok(getrlimit(RLIMIT_DATA, &before));
        limit = before;
        limit.rlim_cur = data_bytes() + (16u << 20);
        ck_ok(setrlimit(RLIMIT_DATA, &limit));
        bool held = holds(&text, &pile, &why); /* -ENOMEM would fail there */
        ck_ok(setrlimit(RLIMIT_DATA, &before));
        ck_assert(!held);
        ck_contains(why.text, "10000 by a key that the trust file does not list");
        buf_done(&pile);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("forged");
        TCase *cases = tcase_create("forms");
        tcase_add_checked_fixture(cases, forged_setup, forged_teardown);
        tcase_set_timeout(cases, 240);
        tcase_add_test(cases, what_was_signed_holds);
        tcase_add_test(cases, no_bit_of_a_baseline_can_be_flipped);
        tcase_add_test(cases, no_bit_of_an_approval_can_be_flipped);
        tcase_add_test(cases, no_baseline_can_be_cut_or_lengthened);
        tcase_add_test(cases, no_approval_can_be_cut);
        tcase_add_test(cases, no_line_of_a_baseline_can_stand_elsewhere_or_twice);
        tcase_add_test(cases, no_line_of_an_approval_can_stand_elsewhere_or_twice);
        tcase_add_test(cases, nothing_of_another_approval_can_be_mixed_in);
        tcase_add_test(cases, ten_thousand_strangers_are_refused_in_16_mib);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
