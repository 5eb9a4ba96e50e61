/* SPDX-License-Identifier: MIT */
/* The trust file: what is refused and how it is said; and the counting of people. */
#include "approval_help.h"

#include <sys/resource.h>
#include <time.h>

#include "core/trust.h"

#define DATA "tests/data/trust/"
#define ID "17ba26340c438ad3d321a468e13c92053778a5756d045992cad408986ce4fde4"

/* ---- making ---- */

/* $name stands for the key line of that person. */
static struct buf
expand(const char *text)
{
        struct buf out = {0};
        ck_ok(buf_text(&out, ""));
        for (const char *p = text; *p;) {
                size_t plain = strcspn(p, "$");
                ck_ok(buf_append(&out, p, plain));
                p += plain;
                if (!*p)
                        break;
                char name[NAME_MAX_SIZE] = "";
                size_t size = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz0123456789");
                memcpy(name, p + 1, size);
                key_line(name, &out);
                p += 1 + size;
        }
        return out;
}

static struct trust *
trust(const char *text)
{
        struct trust *trust = NULL;
        struct err err = {0};
        struct buf file = expand(text);
        ck_assert_msg(trust_parse("trust.conf", file.data, file.size, &trust, &err) == 0, "%s", err.text);
        buf_done(&file);
        return trust;
}

static struct trust *
golden(const char *name, struct buf *ret_text)
{
        struct trust *trust = NULL;
        char path[256];
        snprintf(path, sizeof path, DATA "%s", name);
        struct buf text = get_file(path);
        struct err err = {0};
        ck_assert_msg(trust_parse(path, text.data, text.size, &trust, &err) == 0, "%s", err.text);
        if (ret_text)
                *ret_text = text;
        else
                buf_done(&text);
        return trust;
}

#define TRUST1 "[trust]\ngeneration = 1\nparent = none\n"
#define PEOPLE                                                                                               \
        "[approver alice]\nkey = $alice\nkey = $alice2\n[approver bob]\nkey = $bob\n"                        \
        "[approver carol]\nkey = $carol\n"
#define ONE_OF_TWO "[baseline host]\napprovers = alice bob\nthreshold = 1\n"
#define TWO_OF_THREE "[baseline host]\napprovers = alice bob carol\nthreshold = 2\n"

/* ---- reading ---- */

START_TEST(the_golden_file_says_what_it_says)
{
        struct trust *t = golden("trust.conf", NULL);
        struct trust_rule rule;
        struct digest id, parent;
        const char *const *names;
        const struct ssh_key *keys;
        struct signer *bob = person("bob"), *dave = person("dave");
        ck_ok(digest_parse(ID, 64, &id));
        ck_assert(digest_equal(trust_id(t), &id));
        ck_assert_uint_eq(trust_generation(t), 1);
        ck_assert(!trust_parent(t, &parent));
        ck_assert_uint_eq(trust_approvers(t, &names), 3);
        ck_assert_str_eq(names[2], "carol");
        ck_assert_str_eq(trust_approver_of(t, signer_key(bob)), "bob");
        ck_assert_ptr_null(trust_approver_of(t, signer_key(dave)));
        ck_assert_uint_eq(trust_keys_of(t, "bob", &keys), 1);
        ck_assert(ssh_key_equal(keys, signer_key(bob)));
        ck_assert_uint_eq(trust_keys_of(t, "dave", &keys), 0);
        ck_ok(trust_rule_for(t, "host", &rule));
        ck_assert_uint_eq(rule.threshold, 1);
        ck_assert_uint_eq(rule.n_approvers, 2);
        ck_assert_str_eq(rule.approvers[1], "bob");
        ck_assert(rule.author_counts && !rule.urgent_threshold && !rule.review_within_s);
        ck_ok(trust_rule_for(t, "anything", &rule));
        ck_assert_uint_eq(rule.threshold, 2);
        ck_assert_uint_eq(rule.urgent_threshold, 1);
        ck_assert_int_eq(rule.review_within_s, 72 * 3600);
        ck_assert(!rule.author_counts);
        signer_free(bob);
        signer_free(dave);
        trust_free(t);
}
END_TEST

START_TEST(a_name_without_a_rule_has_none)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct trust_rule rule;
        ck_assert_int_eq(trust_rule_for(t, "policy", &rule), -ENOENT);
        ck_ok(trust_rule_for(t, "host", &rule));
        trust_free(t);
}
END_TEST

START_TEST(approvers_may_stand_in_several_lines_and_before_their_sections)
{
        struct trust *t = trust(TRUST1
                "[baseline *]\napprovers = carol\napprovers = alice\tbob ; note\nthreshold = 3\n" PEOPLE);
        struct trust_rule rule;
        ck_ok(trust_rule_for(t, "x", &rule));
        ck_assert_uint_eq(rule.n_approvers, 3);
        ck_assert_str_eq(rule.approvers[0], "carol");
        trust_free(t);
}
END_TEST

START_TEST(a_later_generation_names_its_parent)
{
        struct trust *t = golden("trust-2.conf", NULL);
        struct digest parent, id;
        ck_ok(digest_parse(ID, 64, &id));
        ck_assert(trust_parent(t, &parent));
        ck_assert(digest_equal(&parent, &id));
        trust_free(t);
}
END_TEST

#define A "[approver alice]\nkey = $alice\n"
#define B "[approver bob]\nkey = $bob\n"
static const struct {
        const char *text, *words, *hint;
} bad[] = {
        {"", "trust.conf:1: there is no [trust]", "generation = 1"},
        {A ONE_OF_TWO, "no [trust]", "[trust]"},
        {TRUST1 A, "no [baseline] section", "[baseline *]"},
        /* sections */
        {TRUST1 "[aprover alice]\nkey = $alice\n", "trust.conf:4: unknown section [aprover",
                "did you mean [approver NAME]"},
        {"[trusts]\n", "trust.conf:1: unknown section", "did you mean [trust]"},
        {"[something else]\n", "unknown section", "[approver NAME]"},
        {"[trust x]\n", "unknown section", ""},
        {"[approver]\n", "unknown section", ""},
        {"[trust]\ngeneration = 1\nparent = none\n[trust]\n",
                "trust.conf:4: section [trust] stands twice, first in line 1", "one section"},
        {TRUST1 A A, "trust.conf:6: section [alice] stands twice, first in line 4", ""},
        {TRUST1 A B ONE_OF_TWO ONE_OF_TWO, "trust.conf:11: section [host] stands twice, first in line 8", ""},
        {TRUST1 "[approver a b]\n", "cannot be an approver's name", "[approver alice]"},
        {TRUST1 "[approver *]\n", "cannot be an approver's name", ""},
        {TRUST1 "[baseline ho/st]\n", "cannot be a baseline's name", "[baseline *]"},
        {TRUST1 "[baseline **]\n", "cannot be a baseline's name", ""},
        /* keys */
        {TRUST1 "[baseline host]\ntreshold = 1\n", "trust.conf:5: unknown key \"treshold\"",
                "did you mean threshold?"},
        {TRUST1 "[baseline host]\ncolour = 1\n", "unknown key \"colour\"", "approvers threshold"},
        {TRUST1 "threshold = 1\n", "unknown key", "generation parent"},
        {TRUST1 "generation = 1\n", "trust.conf:4: generation stands twice", "keep one"},
        {TRUST1 A B "[baseline host]\napprovers = alice\nthreshold = 1\nthreshold = 1\n",
                "threshold stands twice", ""},
        {"[trust]\nparent = none\n[approver a]\n", "trust.conf:1: this section has no generation",
                "generation = 1"},
        {"[trust]\ngeneration = 1\n", "trust.conf:1: this section has no parent", "parent = none"},
        {TRUST1 "[approver alice]\n[approver bob]\n", "trust.conf:4: this section has no key",
                "key = ssh-ed25519"},
        {TRUST1 A B "[baseline host]\nthreshold = 1\n", "has no approvers", "approvers = alice bob"},
        {TRUST1 A B "[baseline host]\napprovers = alice\n", "trust.conf:8: this section has no threshold",
                "threshold = 1"},
        /* values */
        {"[trust]\ngeneration = 0\n", "trust.conf:2: generation \"0\"", "generation = 1"},
        {"[trust]\ngeneration = 01\n", "generation \"01\"", ""},
        {"[trust]\ngeneration = -1\n", "generation \"-1\"", ""},
        {"[trust]\ngeneration = one\n", "generation \"one\"", ""},
        {"[trust]\ngeneration = 9999999999999999999\n", "generation", ""},
        {"[trust]\ngeneration = 2\nparent = abc\n", "trust.conf:3: parent \"abc\"", "64 lower-case hex"},
        {"[trust]\ngeneration = 2\nparent =\n", "trust.conf:3: parent \"\"", ""},
        {"[trust]\ngeneration = 1\nparent = " ID "\n" A B ONE_OF_TWO, "generation 1 has no parent",
                "parent = none"},
        {"[trust]\ngeneration = 2\nparent = none\n" A B ONE_OF_TWO, "only generation 1", "sha256sum"},
        {TRUST1 "[approver alice]\nkey = ssh-rsa AAAAB3NzaC1yc2E=\n",
                "trust.conf:5: a key of type \"ssh-rsa\"", "ssh-ed25519"},
        {TRUST1 "[approver alice]\nkey = alice.pub\n", "type \"alice.pub\"", "ssh-ed25519"},
        {TRUST1 "[approver alice]\nkey = ssh-ed25519 AAAA\n", "not an SSH key", "AAAA..."},
        {TRUST1 A B "[baseline host]\napprovers = alice\nthreshold = 0\n", "trust.conf:10: threshold \"0\"",
                "threshold = 1"},
        {TRUST1 A B "[baseline host]\napprovers = alice\nthreshold = 2\n",
                "trust.conf:10: threshold = 2, but only 1 may", "1 at most"},
        {TRUST1 A B "[baseline host]\napprovers = alice\nthreshold = 1025\n", "threshold \"1025\"", ""},
        {TRUST1 A B "[baseline host]\napprovers =\nthreshold = 1\n", "names nobody", "alice bob"},
        {TRUST1 A B "[baseline host]\napprovers = alice,bob\nthreshold = 1\n", "cannot be an approver's name",
                "blanks between"},
        {TRUST1 A B "[baseline host]\napprovers = alice bbo\nthreshold = 1\n",
                "trust.conf:9: there is no [approver bbo]", "did you mean bob?"},
        {TRUST1 A B "[baseline host]\napprovers = alice zebedee\nthreshold = 1\n", "no [approver zebedee]",
                "add a section"},
        {TRUST1 A B "[baseline host]\napprovers = alice bob alice\nthreshold = 1\n", "alice stands twice",
                "once"},
        {TRUST1 A B "[baseline host]\napprovers = alice\nthreshold = 1\nauthor_counts = maybe\n",
                "neither yes nor no", "author_counts"},
        {TRUST1 A B "[baseline host]\napprovers = alice bob\nthreshold = 2\nurgent_threshold = 1\n",
                "urgent_threshold without review_within", "review_within = 72h"},
        {TRUST1 A B "[baseline host]\napprovers = alice bob\nthreshold = 2\nreview_within = 72h\n",
                "trust.conf:11: review_within without urgent", "urgent_threshold"},
        {TRUST1 A B "[baseline host]\napprovers = alice bob\nthreshold = 2\nurgent_threshold = "
                    "0\nreview_within = 72h\n",
                "urgent_threshold \"0\"", ""},
        {TRUST1 A B "[baseline host]\napprovers = alice bob\nthreshold = 1\nurgent_threshold = "
                    "2\nreview_within = 72h\n",
                "more than threshold", ""},
        {TRUST1 A B "[baseline host]\napprovers = alice bob\nthreshold = 2\nurgent_threshold = "
                    "3\nreview_within = 72h\n",
                "urgent_threshold = 3, but only 2", ""},
        {TRUST1 A B "[baseline host]\napprovers = alice bob\nthreshold = 2\nurgent_threshold = "
                    "1\nreview_within = soon\n",
                "review_within", "72h"},
        /* people and keys */
        {TRUST1 A "[approver bob]\nkey = $alice bob\n" ONE_OF_TWO,
                "trust.conf:7: this key belongs to alice already (line 5)", "counts people"},
        {TRUST1 "[approver alice]\nkey = $alice\nkey = $alice again\n" B ONE_OF_TWO,
                "trust.conf:6: alice has this key twice, first in line 5", "delete one"},
};

START_TEST(a_mistake_is_refused_with_its_line_and_what_would_be_right)
{
        struct buf file = expand(bad[_i].text);
        struct trust *t = NULL;
        struct err err = {0};
        ck_assert_int_eq(trust_parse("trust.conf", file.data, file.size, &t, &err), -EINVAL);
        ck_contains(err.text, bad[_i].words);
        ck_contains(err.hint, bad[_i].hint);
        ck_assert_str_ne(err.hint, "");
        ck_assert_ptr_null(t);
        buf_done(&file);
}
END_TEST

START_TEST(the_bytes_of_a_key_in_a_token_are_the_same_key)
{
        struct signer *alice = person("alice");
        struct ssh_key token = *signer_key(alice);
        struct buf text = {0}, line = {0};
        struct trust *t = NULL;
        struct err err = {0};
        token.type = SSH_KEY_SK_ED25519;
        strcpy(token.application, "ssh:");
        ck_ok(ssh_key_append_text(&token, &line));
        ck_ok(buf_printf(&text, TRUST1 A "[approver bob]\nkey = %s\n" ONE_OF_TWO, line.data));
        struct buf file = expand(text.data);
        ck_assert_int_eq(trust_parse("trust.conf", file.data, file.size, &t, &err), -EINVAL);
        ck_contains(err.text, "belongs to alice already");
        signer_free(alice);
        buf_done(&text);
        buf_done(&line);
        buf_done(&file);
}
END_TEST

START_TEST(more_than_sixteen_keys_of_one_person_are_refused)
{
        struct buf text = {0};
        struct trust *t = NULL;
        struct err err = {0};
        ck_ok(buf_text(&text, TRUST1 "[approver alice]\n"));
        for (unsigned i = 0; i <= TRUST_KEYS_MAX; i++)
                ck_ok(buf_printf(&text, "key = $k%u\n", i));
        struct buf file = expand(text.data);
        ck_assert_int_eq(trust_parse("trust.conf", file.data, file.size, &t, &err), -EINVAL);
        ck_contains(err.text, "trust.conf:21: an approver has at most 16");
        buf_done(&text);
        buf_done(&file);
}
END_TEST

/* ---- judging a baseline ---- */

struct judgement {
        int answer;
        struct trust_verdict verdict;
        struct err err;
};

static struct judgement
judge_as(const struct trust *t, const struct approval_subject *s, const char *author, bool urgent,
        const struct buf *approvals)
{
        struct judgement j = {0};
        j.answer = trust_judge_baseline(t, &s->id, s->name, s->host, s->generation, author, urgent,
                approvals->data ? approvals->data : "", approvals->size, &j.verdict, &j.err);
        if (j.answer)
                ck_assert_int_eq(j.err.code, j.answer);
        return j;
}

static struct judgement
judge(const struct trust *t, const struct approval_subject *s, const struct buf *approvals)
{
        return judge_as(t, s, "zoe", false, approvals);
}

START_TEST(enough_people_are_enough)
{
        struct trust *t = trust(TRUST1 PEOPLE TWO_OF_THREE);
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve("carol", &s, &file);
        approve("alice", &s, &file);
        struct judgement j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, 0);
        ck_assert_uint_eq(j.verdict.n_signers, 2);
        ck_assert_str_eq(j.verdict.signers[0], "carol");
        ck_assert_str_eq(j.verdict.signers[1], "alice");
        ck_assert_uint_eq(j.verdict.needed, 2);
        ck_assert(!j.verdict.urgent_used && !j.verdict.key_on_host[0]);
        buf_done(&file);
        trust_free(t);
}
END_TEST

START_TEST(too_few_are_named_with_those_who_may)
{
        struct trust *t = trust(TRUST1 PEOPLE TWO_OF_THREE);
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        struct judgement j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, "0 of 2 approvals; may approve: alice bob carol");
        approve("bob", &s, &file);
        j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, "1 of 2 approvals (bob)");
        ck_contains(j.err.hint, "driftctl sign FILE by 1 more");
        ck_assert_uint_eq(j.verdict.n_signers, 1);
        buf_done(&file);
        trust_free(t);
}
END_TEST

static void
check_refused(const char *rules, const struct approval_subject *s, const struct buf *file, const char *words)
{
        struct trust *t = trust(rules);
        struct judgement j = judge(t, s, file);
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, words);
        trust_free(t);
}

START_TEST(the_same_persons_two_keys_count_once)
{
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve("alice", &s, &file);
        approve_as("alice", "alice2", SSHSIG_NAMESPACE_APPROVAL, &s, 1, &file);
        check_refused(TRUST1 PEOPLE TWO_OF_THREE, &s, &file, "1 of 2 approvals (alice)");
        check_refused(TRUST1 PEOPLE TWO_OF_THREE, &s, &file, "1 by somebody counted already (alice)");
        buf_done(&file);
}
END_TEST

START_TEST(the_same_signature_twice_counts_once)
{
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve("alice", &s, &file);
        approve("alice", &s, &file);
        check_refused(TRUST1 PEOPLE TWO_OF_THREE, &s, &file, "1 of 2 approvals (alice)");
        buf_done(&file);
}
END_TEST

START_TEST(an_unknown_key_does_not_count)
{
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve_as("alice", "mallory", SSHSIG_NAMESPACE_APPROVAL, &s, 1, &file);
        check_refused(
                TRUST1 PEOPLE ONE_OF_TWO, &s, &file, "1 by a key that the trust file does not list (SHA256:");
        buf_done(&file);
}
END_TEST

START_TEST(an_approver_of_something_else_does_not_count)
{
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve("carol", &s, &file);
        check_refused(TRUST1 PEOPLE ONE_OF_TWO, &s, &file, "by somebody who may not approve this (carol)");
        buf_done(&file);
}
END_TEST

START_TEST(an_approval_in_another_persons_name_does_not_count)
{
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve_as("bob", "alice", SSHSIG_NAMESPACE_APPROVAL, &s, 1, &file);
        check_refused(TRUST1 PEOPLE ONE_OF_TWO, &s, &file, "signed by another than it says (alice)");
        buf_done(&file);
}
END_TEST

START_TEST(an_approval_of_something_else_does_not_count)
{
        struct approval_subject s = subject("host", HOST, 12);
        struct approval_subject others[] = {subject("host", "*", 12), subject("host", HOST, 11),
                subject("host", HOST, 121), subject("policy", HOST, 12), {.generation = 12}, s};
        others[4].id = s.id;
        digest_bytes("other bytes", 11, &others[5].id);
        for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
                struct buf file = {0};
                approve("alice", &others[i], &file);
                check_refused(TRUST1 PEOPLE ONE_OF_TWO, &s, &file, "1 for something else (alice)");
                buf_done(&file);
        }
}
END_TEST

START_TEST(a_signature_for_another_purpose_does_not_count)
{
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve_as("alice", "alice", SSHSIG_NAMESPACE_TRUST, &s, 1, &file);
        approve_as("bob", "bob", SSHSIG_NAMESPACE_WINDOW, &s, 1, &file);
        check_refused(TRUST1 PEOPLE ONE_OF_TWO, &s, &file, "2 made for another purpose (first: alice)");
        buf_done(&file);
}
END_TEST

START_TEST(a_forged_signature_does_not_count)
{
        struct approval_subject s = subject("host", HOST, 12), other = subject("host", HOST, 13);
        struct buf right = {0}, wrong = {0}, file = {0};
        approve("alice", &s, &right);
        approve("alice", &other, &wrong);
        char *text_end = strstr(right.data, "-----BEGIN"), *armor = strstr(wrong.data, "-----BEGIN");
        ck_ok(buf_append(&file, right.data, (size_t)(text_end - right.data)));
        ck_ok(buf_text(&file, armor));
        check_refused(TRUST1 PEOPLE ONE_OF_TWO, &s, &file, "1 whose signature does not hold (alice)");
        buf_done(&right);
        buf_done(&wrong);
        buf_done(&file);
}
END_TEST

START_TEST(no_bit_of_an_approval_can_be_flipped)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct approval_subject s = subject("host", "*", 1);
        struct buf file = {0};
        approve("alice", &s, &file);
        ck_assert_int_eq(judge(t, &s, &file).answer, 0);
        for (size_t bit = 0; bit < file.size * 8; bit++) {
                file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
                int r = judge(t, &s, &file).answer;
                ck_assert_msg(r == TRUST_TOO_FEW || r == TRUST_MALFORMED, "bit %zu of byte %zu: %d", bit % 8,
                        bit / 8, r);
                file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
        }
        buf_done(&file);
        trust_free(t);
}
END_TEST

START_TEST(no_byte_of_an_approval_can_be_missing_or_too_much)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct approval_subject s = subject("host", "*", 1);
        struct buf file = {0};
        approve("alice", &s, &file);
        for (size_t cut = 0; cut < file.size; cut++) {
                struct buf less = {0}, more = {0};
                ck_ok(buf_append(&less, file.data, cut));
                ck_ok(buf_append(&more, file.data, cut));
                ck_ok(buf_append(&more, "A", 1));
                ck_ok(buf_append(&less, file.data + cut + 1, file.size - cut - 1));
                ck_ok(buf_append(&more, file.data + cut, file.size - cut));
                ck_assert_msg(judge(t, &s, &less).answer != 0, "without byte %zu", cut);
                ck_assert_msg(judge(t, &s, &more).answer != 0, "one more at %zu", cut);
                buf_done(&less);
                buf_done(&more);
        }
        buf_done(&file);
        trust_free(t);
}
END_TEST

START_TEST(the_author_does_not_count_where_that_is_written)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO "author_counts = no\n");
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        approve("alice", &s, &file);
        struct judgement j = judge_as(t, &s, "alice", false, &file);
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, "1 by the author, who does not count (author_counts = no) (alice)");
        ck_assert_int_eq(judge_as(t, &s, "bob", false, &file).answer, 0);
        approve("bob", &s, &file);
        j = judge_as(t, &s, "alice", false, &file);
        ck_assert_int_eq(j.answer, 0);
        ck_assert_uint_eq(j.verdict.n_signers, 1);
        ck_assert_str_eq(j.verdict.signers[0], "bob");
        trust_free(t);
        t = trust(TRUST1 PEOPLE ONE_OF_TWO "author_counts = yes\n");
        ck_assert_int_eq(judge_as(t, &s, "alice", false, &file).answer, 0);
        trust_free(t);
        buf_done(&file);
}
END_TEST

START_TEST(fewer_are_enough_only_for_what_is_urgent)
{
        struct trust *t = trust(TRUST1 PEOPLE TWO_OF_THREE "urgent_threshold = 1\nreview_within = 72h\n");
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        ck_assert_int_eq(judge_as(t, &s, "zoe", true, &file).answer, TRUST_TOO_FEW);
        approve("alice", &s, &file);
        ck_assert_int_eq(judge_as(t, &s, "zoe", false, &file).answer, TRUST_TOO_FEW);
        struct judgement j = judge_as(t, &s, "zoe", true, &file);
        ck_assert_int_eq(j.answer, 0);
        ck_assert_uint_eq(j.verdict.needed, 1);
        ck_assert(j.verdict.urgent_used);
        approve("bob", &s, &file);
        j = judge_as(t, &s, "zoe", true, &file);
        ck_assert_int_eq(j.answer, 0);
        ck_assert(!j.verdict.urgent_used);
        trust_free(t);
        t = trust(TRUST1 PEOPLE TWO_OF_THREE); /* not written: urgent is as any other */
        buf_clear(&file);
        approve("alice", &s, &file);
        ck_assert_int_eq(judge_as(t, &s, "zoe", true, &file).answer, TRUST_TOO_FEW);
        buf_done(&file);
        trust_free(t);
}
END_TEST

START_TEST(a_key_on_the_host_is_told_of)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct approval_subject s = subject("host", HOST, 12);
        struct signer *bob = person("bob");
        struct buf file = {0}, text = {0};
        approve("alice", &s, &file);
        ck_ok(approval_write("bob", HELP_AT_MS, true, &s, 1, &text, NULL));
        ck_ok(buf_text(&file, text.data));
        ck_ok(signer_sign(bob, SSHSIG_NAMESPACE_APPROVAL, text.data, text.size, &file, NULL));
        struct judgement j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, 0);
        ck_assert(!j.verdict.key_on_host[0] && j.verdict.key_on_host[1]);
        signer_free(bob);
        buf_done(&file);
        buf_done(&text);
        trust_free(t);
}
END_TEST

START_TEST(a_file_of_another_form_is_malformed_and_a_name_without_a_rule_is_refused)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct approval_subject s = subject("host", HOST, 12), policy = subject("policy", HOST, 12);
        struct buf file = {0};
        approve("alice", &s, &file);
        struct judgement j = judge(t, &policy, &file);
        ck_assert_int_eq(j.answer, TRUST_NO_RULE);
        ck_contains(j.err.text, "policy");
        ck_contains(j.err.hint, "[baseline *]");
        ck_ok(buf_text(&file, "and more\n"));
        j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, TRUST_MALFORMED);
        ck_contains(j.err.text, "line 12");
        buf_done(&file);
        trust_free(t);
}
END_TEST

START_TEST(somebody_elses_rsa_signature_spoils_nothing)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct approval_subject s = subject("host", HOST, 12);
        struct buf file = {0};
        ck_ok(approval_write("dave", HELP_AT_MS, false, &s, 1, &file, NULL));
        ck_ok(buf_text(&file, SSHSIG_BEGIN "U1NIU0lHAAAAAQ==\n" SSHSIG_END));
        struct judgement j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, "1 no usable SSH signature");
        approve("alice", &s, &file);
        ck_assert_int_eq(judge(t, &s, &file).answer, 0);
        buf_done(&file);
        trust_free(t);
}
END_TEST

START_TEST(the_words_stay_within_their_bounds)
{
        struct buf text = {0}, names = {0};
        ck_ok(buf_text(&text, TRUST1));
        for (int i = 0; i < 200; i++) {
                ck_ok(buf_printf(
                        &text, "[approver somebody-with-a-rather-long-name-%03d]\nkey = $p%d\n", i, i));
                ck_ok(buf_printf(&names, "approvers = somebody-with-a-rather-long-name-%03d\n", i));
        }
        ck_ok(buf_printf(&text, "[baseline host]\nthreshold = 200\n%s", names.data));
        struct trust *t = trust(text.data);
        struct approval_subject s = subject("host", HOST, 12);
        buf_clear(&text);
        approve_as("alice", "alice", SSHSIG_NAMESPACE_APPROVAL, &s, 1, &text);
        struct judgement j = judge(t, &s, &text);
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, "somebody-with-a-rather-long-name-000");
        ck_contains(j.err.text, " more; not counted: 1 by a key");
        buf_done(&text);
        buf_done(&names);
        trust_free(t);
}
END_TEST

/* ---- floods ---- */

static int64_t
cpu_us(void)
{
        struct timespec time;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static long
peak_kib(void)
{
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
}

/*
 * An approval under this key whose signature does not hold, but is costly to find out about: its S is in
 * range, and so would be verified to the end.
 */
static void
append_noise(const struct ssh_key *key, const struct approval_subject *s, struct buf *file)
{
        unsigned char noise[64] = {0};
        struct buf blob = {0};
        crypto_random(noise, 63);
        ck_ok(approval_write("alice", HELP_AT_MS, false, s, 1, file, NULL));
        ck_ok(ssh_append_string(&blob, "ssh-ed25519", 11));
        ck_ok(ssh_append_string(&blob, noise, 64));
        ck_ok(sshsig_append_armor(key, SSHSIG_NAMESPACE_APPROVAL, blob.data, blob.size, file));
        buf_done(&blob);
}

START_TEST(ten_thousand_unknown_signatures_are_refused_fast_and_in_little_memory)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct approval_subject s = subject("host", HOST, 12);
        struct buf one = {0}, file = {0};
        approve("alice", &s, &one);
        int64_t start = cpu_us();
        for (int i = 0; i < 100; i++)
                ck_assert_int_eq(judge(t, &s, &one).answer, 0);
        int64_t hundred_verified = cpu_us() - start;
        for (int i = 0; i < 10000; i++) {
                struct ssh_key stranger = {.type = SSH_KEY_ED25519};
                unsigned char seed[SECRET_SEED_SIZE];
                crypto_random(seed, sizeof seed);
                secret_public(seed, stranger.public_key);
                append_noise(&stranger, &s, &file);
        }
        ck_assert_uint_le(file.size, APPROVAL_FILE_MAX);
        long before = peak_kib();
        start = cpu_us();
        struct judgement j = judge(t, &s, &file);
        int64_t took = cpu_us() - start;
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, "10000 by a key that the trust file does not list (first: SHA256:");
        /* Without curve arithmetic: an order of magnitude below verifying as many. */
        ck_assert_msg(took < hundred_verified * 100 / 3, "%lld us, 100 verifications took %lld us",
                (long long)took, (long long)hundred_verified);
        ck_assert_int_lt(peak_kib() - before, 8192);
        buf_done(&one);
        buf_done(&file);
        trust_free(t);
}
END_TEST

START_TEST(a_pile_of_forgeries_under_a_known_key_is_cut_off)
{
        struct trust *t = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct approval_subject s = subject("host", HOST, 12);
        struct signer *alice = person("alice");
        struct buf file = {0};
        for (int i = 0; i < 32; i++)
                append_noise(signer_key(alice), &s, &file);
        struct judgement j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, TRUST_TOO_FEW);
        ck_contains(j.err.text, "32 whose signature does not hold (first: alice)");
        append_noise(signer_key(alice), &s, &file);
        j = judge(t, &s, &file);
        ck_assert_int_eq(j.answer, TRUST_MALFORMED);
        ck_contains(j.err.text, "more than 32");
        signer_free(alice);
        buf_done(&file);
        trust_free(t);
}
END_TEST

/* ---- succession ---- */

START_TEST(the_golden_successor_follows)
{
        struct trust *now = golden("trust.conf", NULL), *next = golden("trust-2.conf", NULL);
        struct buf file = get_file(DATA "trust-2.conf.approval"), ours = {0};
        struct approval_subject s = {.generation = 2, .id = *trust_id(next)};
        struct err err = {0};
        ck_assert_msg(trust_judge_successor(now, next, file.data, file.size, &err) == 0, "%s", err.text);
        approve_as("alice", "alice", SSHSIG_NAMESPACE_TRUST, &s, 1, &ours);
        approve_as("bob", "bob", SSHSIG_NAMESPACE_TRUST, &s, 1, &ours);
        ck_assert_str_eq(ours.data, file.data);
        buf_done(&file);
        buf_done(&ours);
        trust_free(now);
        trust_free(next);
}
END_TEST

static struct trust *
successor(const struct trust *now, unsigned generation, const char *rest)
{
        struct buf text = {0};
        char hex[DIGEST_HEX_SIZE];
        digest_hex(trust_id(now), hex);
        ck_ok(buf_printf(&text, "[trust]\ngeneration = %u\nparent = %s\n%s", generation, hex, rest));
        struct trust *next = trust(text.data);
        buf_done(&text);
        return next;
}

/* Who signed, in which namespace, and what came of it. */
static int
succeed(const struct trust *now, const struct trust *next, const char *name_space, const char *const *names,
        struct err *err)
{
        struct buf file = {0};
        struct approval_subject s = {.generation = trust_generation(next), .id = *trust_id(next)};
        for (; *names; names++)
                approve_as(*names, *names, name_space, &s, 1, &file);
        int r = trust_judge_successor(now, next, file.data ? file.data : "", file.size, err);
        if (r)
                ck_assert_int_eq(err->code, r);
        buf_done(&file);
        return r;
}

#define BY(...)                                                                                              \
        (const char *const[])                                                                                \
        {                                                                                                    \
                __VA_ARGS__, NULL                                                                            \
        }

START_TEST(a_successor_must_meet_every_rule_of_the_old_file)
{
        struct trust *now =
                trust(TRUST1 PEOPLE ONE_OF_TWO "[baseline policy]\napprovers = carol bob\nthreshold = "
                                               "2\n[baseline *]\napprovers = alice\nthreshold = 1\n");
        struct trust *next = successor(now, 2, PEOPLE ONE_OF_TWO);
        struct err err = {0};
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_TRUST, BY("alice"), &err), TRUST_TOO_FEW);
        ck_contains(
                err.text, "[baseline policy] has 0 of 2 approvals; signed: alice; may approve: carol bob");
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_TRUST, BY("alice", "bob"), &err), TRUST_TOO_FEW);
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_TRUST, BY("bob", "carol"), &err), TRUST_TOO_FEW);
        ck_contains(err.text, "[baseline *]");
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_TRUST, BY("alice", "bob", "carol"), &err), 0);
        trust_free(now);
        trust_free(next);
}
END_TEST

START_TEST(a_successor_signed_for_another_purpose_or_by_itself_is_refused)
{
        struct trust *now = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct trust *next = successor(now, 2,
                "[approver mallory]\nkey = $mallory\n[baseline *]\napprovers = mallory\nthreshold = 1\n");
        struct err err = {0};
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_APPROVAL, BY("alice"), &err), TRUST_TOO_FEW);
        ck_contains(err.text, "another purpose (alice)");
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_TRUST, BY("mallory"), &err), TRUST_TOO_FEW);
        ck_contains(err.text, "signed: nobody");
        ck_assert_int_eq(trust_judge_successor(now, next, "", 0, &err), TRUST_TOO_FEW);
        trust_free(now);
        trust_free(next);
}
END_TEST

START_TEST(an_urgent_threshold_is_nothing_to_a_successor)
{
        struct trust *now = trust(TRUST1 PEOPLE TWO_OF_THREE "urgent_threshold = 1\nreview_within = 72h\n");
        struct trust *next = successor(now, 2, PEOPLE ONE_OF_TWO);
        struct err err = {0};
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_TRUST, BY("alice"), &err), TRUST_TOO_FEW);
        ck_assert_int_eq(succeed(now, next, SSHSIG_NAMESPACE_TRUST, BY("alice", "carol"), &err), 0);
        trust_free(now);
        trust_free(next);
}
END_TEST

START_TEST(a_successor_is_the_next_generation_of_this_very_file)
{
        struct trust *now = trust(TRUST1 PEOPLE ONE_OF_TWO), *other = trust(TRUST1 PEOPLE TWO_OF_THREE);
        struct trust *skips = successor(now, 3, PEOPLE ONE_OF_TWO),
                     *forks = successor(other, 2, PEOPLE ONE_OF_TWO);
        struct err err = {0};
        char hex[DIGEST_HEX_SIZE];
        digest_hex(trust_id(now), hex);
        ck_assert_int_eq(succeed(now, skips, SSHSIG_NAMESPACE_TRUST, BY("alice"), &err), TRUST_SUCCESSOR);
        ck_contains(err.text, "generation 3");
        ck_contains(err.hint, hex);
        ck_assert_int_eq(succeed(now, forks, SSHSIG_NAMESPACE_TRUST, BY("alice"), &err), TRUST_SUCCESSOR);
        ck_contains(err.text, "parent");
        ck_contains(err.hint, hex);
        ck_assert_int_eq(succeed(now, now, SSHSIG_NAMESPACE_TRUST, BY("alice"), &err), TRUST_SUCCESSOR);
        trust_free(now);
        trust_free(other);
        trust_free(skips);
        trust_free(forks);
}
END_TEST

START_TEST(an_approval_of_another_successor_is_nothing_for_this_one)
{
        struct trust *now = trust(TRUST1 PEOPLE ONE_OF_TWO);
        struct trust *next = successor(now, 2, PEOPLE ONE_OF_TWO),
                     *other = successor(now, 2, PEOPLE TWO_OF_THREE);
        struct approval_subject s = {.generation = 2, .id = *trust_id(other)};
        struct buf file = {0};
        struct err err = {0};
        approve_as("alice", "alice", SSHSIG_NAMESPACE_TRUST, &s, 1, &file);
        ck_assert_int_eq(trust_judge_successor(now, next, file.data, file.size, &err), TRUST_TOO_FEW);
        ck_contains(err.text, "for something else (alice)");
        ck_ok(trust_judge_successor(now, other, file.data, file.size, &err));
        ck_ok(buf_text(&file, "x"));
        ck_assert_int_eq(trust_judge_successor(now, other, file.data, file.size, &err), TRUST_MALFORMED);
        buf_done(&file);
        trust_free(now);
        trust_free(next);
        trust_free(other);
}
END_TEST

static void
add(TCase *cases)
{
        tcase_add_test(cases, the_golden_file_says_what_it_says);
        tcase_add_test(cases, a_name_without_a_rule_has_none);
        tcase_add_test(cases, approvers_may_stand_in_several_lines_and_before_their_sections);
        tcase_add_test(cases, a_later_generation_names_its_parent);
        tcase_add_loop_test(
                cases, a_mistake_is_refused_with_its_line_and_what_would_be_right, 0, ARRAY_SIZE(bad));
        tcase_add_test(cases, the_bytes_of_a_key_in_a_token_are_the_same_key);
        tcase_add_test(cases, more_than_sixteen_keys_of_one_person_are_refused);
        tcase_add_test(cases, enough_people_are_enough);
        tcase_add_test(cases, too_few_are_named_with_those_who_may);
        tcase_add_test(cases, the_same_persons_two_keys_count_once);
        tcase_add_test(cases, the_same_signature_twice_counts_once);
        tcase_add_test(cases, an_unknown_key_does_not_count);
        tcase_add_test(cases, an_approver_of_something_else_does_not_count);
        tcase_add_test(cases, an_approval_in_another_persons_name_does_not_count);
        tcase_add_test(cases, an_approval_of_something_else_does_not_count);
        tcase_add_test(cases, a_signature_for_another_purpose_does_not_count);
        tcase_add_test(cases, a_forged_signature_does_not_count);
        tcase_add_test(cases, no_bit_of_an_approval_can_be_flipped);
        tcase_add_test(cases, no_byte_of_an_approval_can_be_missing_or_too_much);
        tcase_add_test(cases, the_author_does_not_count_where_that_is_written);
        tcase_add_test(cases, fewer_are_enough_only_for_what_is_urgent);
        tcase_add_test(cases, a_key_on_the_host_is_told_of);
        tcase_add_test(cases, a_file_of_another_form_is_malformed_and_a_name_without_a_rule_is_refused);
        tcase_add_test(cases, somebody_elses_rsa_signature_spoils_nothing);
        tcase_add_test(cases, the_words_stay_within_their_bounds);
        tcase_add_test(cases, ten_thousand_unknown_signatures_are_refused_fast_and_in_little_memory);
        tcase_add_test(cases, a_pile_of_forgeries_under_a_known_key_is_cut_off);
        tcase_add_test(cases, the_golden_successor_follows);
        tcase_add_test(cases, a_successor_must_meet_every_rule_of_the_old_file);
        tcase_add_test(cases, a_successor_signed_for_another_purpose_or_by_itself_is_refused);
        tcase_add_test(cases, an_urgent_threshold_is_nothing_to_a_successor);
        tcase_add_test(cases, a_successor_is_the_next_generation_of_this_very_file);
        tcase_add_test(cases, an_approval_of_another_successor_is_nothing_for_this_one);
}

int
main(void)
{
        return run_suite("trust", add);
}
