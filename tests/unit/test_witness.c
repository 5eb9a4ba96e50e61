/* SPDX-License-Identifier: MIT */
/* The witness against the rules of c2sp.org/tlog-witness, one test a rule, with a log of its own. */
#include "core/witness.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/note_signer.h"

#define LEAVES 40u
static int64_t now_s = INT64_C(1700000000);

static char folder[64];
static struct err err;
static struct digester *digester;
static struct note_signer *log_signer, *other_signer;
static struct witness *witness;
static struct witness_answer answer;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static struct note_signer *
signer_new(const char *name, enum note_type type)
{
        struct buf text = {0};
        struct note_signer *signer = NULL;
        ck_assert_int_eq(note_signer_generate(name, type, &text, &err), 0);
        ck_assert_int_eq(note_signer_parse(text.data, text.size, &signer, &err), 0);
        buf_done(&text);
        return signer;
}

static void
open_witness(void)
{
        witness = witness_free(witness);
        ck_assert_msg(witness_open(folder, "witness.example/w1", false, &witness, &err) == 0, "%s", err.text);
        ck_assert_msg(witness_add_log(witness, note_signer_key(log_signer), &err) == 0, "%s", err.text);
}

static void
setup(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
        strcpy(folder, "/tmp/driftd-witness-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        digester = digester_new();
        log_signer = signer_new("log.example/1", NOTE_ED25519);
        other_signer = signer_new("log.example/1", NOTE_ED25519);
        open_witness();
}

static void
teardown(void)
{
        witness = witness_free(witness);
        witness_answer_done(&answer);
        log_signer = note_signer_free(log_signer);
        other_signer = note_signer_free(other_signer);
        digester = digester_free(digester);
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Leaf i of a history; with a fork, all from that one on are others. */
static void
leaf_of(unsigned i, unsigned fork, struct digest *ret)
{
        char text[32];
        int size = snprintf(text, sizeof text, "%s %u", i >= fork ? "other" : "leaf", i);
        merkle_leaf(digester, text, (size_t)size, ret);
}

#define NO_FORK LEAVES

static void
tree(unsigned old, unsigned size, unsigned fork, struct digest *root, struct merkle_proof *proof)
{
        struct merkle merkle = {0};
        struct merkle_prover prover = {0};
        ck_assert_int_eq(merkle_prover_consistency(old, size, &prover), 0);
        for (unsigned i = 0; i < size; i++) {
                struct digest leaf;
                leaf_of(i, fork, &leaf);
                merkle_append(&merkle, digester, &leaf);
                merkle_prover_take(&prover, digester, &leaf);
        }
        merkle_root(&merkle, digester, root);
        *proof = prover.proof;
}

static struct buf
signed_by(struct note_signer *signer, const char *text)
{
        struct buf note = {0};
        buf_printf(&note, "%s\n", text);
        ck_assert_int_eq(note_sign(signer, text, strlen(text), 0, &note, &err), 0);
        return note;
}

static struct buf
text_of(const char *origin, unsigned size, const struct digest *root)
{
        struct buf text = {0};
        buf_printf(&text, "%s\n%u\n", origin, size);
        ck_assert_int_eq(crypto_base64_append(&text, root->bytes, DIGEST_SIZE), 0);
        buf_text(&text, "\n");
        return text;
}

static void
ask_bytes(const char *request, size_t size)
{
        witness_answer_done(&answer);
        answer = (struct witness_answer){0};
        ck_assert_int_eq(witness_ask(witness, request, size, now_s, &answer, &err), 0);
}

static void
ask_note(uint64_t old, const struct merkle_proof *proof, const struct buf *note)
{
        struct buf request = {0};
        ck_assert_int_eq(checkpoint_request_append(old, proof, note->data, note->size, &request), 0);
        ask_bytes(request.data, request.size);
        buf_done(&request);
}

/* An honest request, but for the fork. */
static void
ask(unsigned old, unsigned size, unsigned fork, struct note_signer *signer)
{
        struct digest root;
        struct merkle_proof proof;
        tree(old < size ? old : size, size, fork, &root, &proof);
        struct buf text = text_of("log.example/1", size, &root), note = signed_by(signer, text.data);
        ask_note(old, &proof, &note);
        buf_done(&text);
        buf_done(&note);
}

static void
assert_status(enum witness_status status)
{
        ck_assert_msg(answer.status == status, "%d and not %d: %s", (int)answer.status, (int)status,
                answer.words.text);
        ck_assert(status == WITNESS_OK || answer.words.text[0]);
}

START_TEST(what_extends_is_cosigned)
{
        struct digest root;
        struct merkle_proof proof;
        for (unsigned size = 0, old = 0; size < LEAVES; old = size, size += 1 + size / 3) {
                ask(old, size, NO_FORK, log_signer);
                assert_status(WITNESS_OK);
                ck_assert_str_eq(answer.origin, "log.example/1");
                /* to the checkpoint, as a client does, and verified by the witness's key */
                tree(0, size, NO_FORK, &root, &proof);
                struct buf text = text_of("log.example/1", size, &root),
                           note = signed_by(log_signer, text.data);
                struct checkpoint c = {0};
                buf_append(&note, answer.body.data, answer.body.size);
                ck_assert_int_eq(checkpoint_open(note.data, note.size, witness_key(witness), &c, &err), 0);
                ck_assert_uint_eq(c.size, size);
                ck_assert_int_eq(
                        checkpoint_open(note.data, note.size, note_signer_key(log_signer), &c, &err), 0);
                buf_done(&text);
                buf_done(&note);
        }
}
END_TEST

START_TEST(the_same_checkpoint_is_cosigned_again)
{
        ask(0, 7, NO_FORK, log_signer);
        ask(7, 7, NO_FORK, log_signer);
        assert_status(WITNESS_OK);
}
END_TEST

/* Anybody can send it again: that is no sign of life. */
START_TEST(the_same_checkpoint_again_is_no_news)
{
        ask(0, 7, NO_FORK, log_signer);
        int64_t first_s = now_s;
        now_s += 3600;
        ask(7, 7, NO_FORK, log_signer);
        assert_status(WITNESS_OK);
        ck_assert_int_eq(witness_log(witness, 0).cosigned_s, first_s);
        open_witness();
        ck_assert_int_eq(witness_log(witness, 0).cosigned_s, first_s);
        ask(7, 8, NO_FORK, log_signer);
        ck_assert_int_eq(witness_log(witness, 0).cosigned_s, now_s);
}
END_TEST

/* Lines that anybody can add to a note are not kept: the memory stays one that can be read again. */
START_TEST(lines_of_nobody_are_not_remembered)
{
        struct digest root;
        struct merkle_proof proof;
        tree(0, 7, NO_FORK, &root, &proof);
        struct buf text = text_of("log.example/1", 7, &root), note = signed_by(log_signer, text.data);
        for (unsigned i = 1; i < NOTE_SIGNATURES_MAX; i++)
                buf_printf(&note, NOTE_DASH "log.example/1 AAAA%04uAAAA\n", i);
        ask_note(0, &proof, &note);
        assert_status(WITNESS_OK);
        buf_done(&text);
        buf_done(&note);
        open_witness();
        ck_assert_uint_eq(witness_log(witness, 0).size, 7);
}
END_TEST

START_TEST(a_folder_is_one_witness)
{
        struct witness *second = NULL;
        ck_assert_int_eq(witness_open(folder, NULL, false, &second, &err), -EBUSY);
        ck_assert_ptr_nonnull(strstr(err.text, "another witness"));
        ck_assert_ptr_null(second);
}
END_TEST

START_TEST(another_root_of_the_same_size_is_an_alarm_whatever_proof_comes_with_it)
{
        struct digest root;
        struct merkle_proof proof;
        ask(0, 7, NO_FORK, log_signer);
        tree(0, 7, 3, &root, &proof);
        proof.hashes[proof.count++] = root;
        struct buf text = text_of("log.example/1", 7, &root), note = signed_by(log_signer, text.data);
        ask_note(7, &proof, &note);
        assert_status(WITNESS_REFUSED);
        ck_assert(answer.alarm);
        buf_done(&text);
        buf_done(&note);
}
END_TEST

START_TEST(an_old_size_that_is_not_the_last_one_is_a_conflict)
{
        ask(3, 7, NO_FORK, log_signer);
        assert_status(WITNESS_CONFLICT);
        ck_assert_str_eq(answer.body.data, "0\n");
        ask(0, 7, NO_FORK, log_signer);
        ask(0, 9, NO_FORK, log_signer);
        assert_status(WITNESS_CONFLICT);
        ck_assert_str_eq(answer.body.data, "7\n");
        ck_assert(!answer.alarm);
}
END_TEST

START_TEST(a_fork_is_refused)
{
        ask(0, 7, NO_FORK, log_signer);
        ask(7, 12, 5, log_signer);
        assert_status(WITNESS_REFUSED);
        ask(7, 7, 5, log_signer);
        assert_status(WITNESS_REFUSED);
        ck_assert(answer.alarm);
        ck_assert_ptr_nonnull(strstr(answer.words.text, "was rewritten"));
        ask(7, 12, NO_FORK, log_signer);
        assert_status(WITNESS_OK);
}
END_TEST

START_TEST(a_rollback_is_refused_and_an_alarm)
{
        ask(0, 12, NO_FORK, log_signer);
        ask(5, 7, NO_FORK, log_signer);
        assert_status(WITNESS_CONFLICT);
        ck_assert(answer.alarm);
        ck_assert_str_eq(answer.body.data, "12\n");
        ask(12, 7, NO_FORK, log_signer);
        assert_status(WITNESS_BAD_REQUEST);
        ck_assert(answer.alarm);
        ask(12, 13, NO_FORK, log_signer);
        assert_status(WITNESS_OK);
}
END_TEST

START_TEST(a_proof_from_nothing_must_be_empty)
{
        struct digest root;
        struct merkle_proof proof, some = {.count = 1};
        tree(0, 7, NO_FORK, &root, &proof);
        struct buf text = text_of("log.example/1", 7, &root), note = signed_by(log_signer, text.data);
        ask_note(0, &some, &note);
        assert_status(WITNESS_REFUSED);
        buf_done(&text);
        buf_done(&note);
        /* and an empty tree has the empty root */
        text = text_of("log.example/1", 0, &root);
        note = signed_by(log_signer, text.data);
        ask_note(0, &proof, &note);
        assert_status(WITNESS_REFUSED);
        buf_done(&text);
        buf_done(&note);
}
END_TEST

START_TEST(who_is_not_known_is_not_cosigned)
{
        struct digest root;
        struct merkle_proof proof;
        tree(0, 7, NO_FORK, &root, &proof);
        struct buf text = text_of("log.example/2", 7, &root), note = signed_by(log_signer, text.data);
        ask_note(0, &proof, &note);
        assert_status(WITNESS_UNKNOWN);
        buf_done(&text);
        buf_done(&note);
        ask(0, 7, NO_FORK, other_signer);
        assert_status(WITNESS_FORBIDDEN);
        ck_assert(!answer.alarm);
}
END_TEST

START_TEST(a_forged_signature_is_forbidden)
{
        struct digest root;
        struct merkle_proof proof;
        tree(0, 7, NO_FORK, &root, &proof);
        struct buf text = text_of("log.example/1", 7, &root), note = signed_by(log_signer, text.data);
        *strchr(note.data, '7') = '8';
        ask_note(0, &proof, &note);
        assert_status(WITNESS_FORBIDDEN);
        buf_done(&text);
        buf_done(&note);
}
END_TEST

START_TEST(a_second_key_of_a_log_is_taken_too)
{
        ck_assert_int_eq(witness_add_log(witness, note_signer_key(other_signer), &err), 0);
        ask(0, 7, NO_FORK, log_signer);
        assert_status(WITNESS_OK);
        ask(7, 9, NO_FORK, other_signer);
        assert_status(WITNESS_OK);
        ck_assert_uint_eq(witness_logs(witness), 1);
}
END_TEST

static const char *const bad_requests[] = {"", "old 0\n", "old 0\n\n", "old 0\n\nno note\n", "old x\n\n"};

START_TEST(what_is_no_request_is_a_bad_one)
{
        ask_bytes(bad_requests[_i], strlen(bad_requests[_i]));
        assert_status(WITNESS_BAD_REQUEST);
}
END_TEST

START_TEST(what_was_cosigned_is_remembered)
{
        struct buf text = {0};
        char hex[DIGEST_HEX_SIZE];
        struct digest hash;
        ask(0, 7, NO_FORK, log_signer);
        open_witness();
        ck_assert_uint_eq(witness_log(witness, 0).size, 7);
        ck_assert_int_eq(witness_log(witness, 0).cosigned_s, now_s);
        ask(0, 9, NO_FORK, log_signer);
        assert_status(WITNESS_CONFLICT);
        ask(7, 12, 5, log_signer);
        assert_status(WITNESS_REFUSED);
        ask(7, 12, NO_FORK, log_signer);
        assert_status(WITNESS_OK);
        /* a monitor gets both signatures */
        digest_bytes("log.example/1", strlen("log.example/1"), &hash);
        digest_hex(&hash, hex);
        ck_assert_int_eq(witness_checkpoint(witness, hex, 64, &text, &err), 0);
        struct checkpoint c = {0};
        ck_assert_int_eq(checkpoint_open(text.data, text.size, witness_key(witness), &c, &err), 0);
        ck_assert_int_eq(checkpoint_open(text.data, text.size, note_signer_key(log_signer), &c, &err), 0);
        hex[0] = hex[0] == '0' ? '1' : '0';
        ck_assert_int_eq(witness_checkpoint(witness, hex, 64, &text, &err), -ENOENT);
        buf_done(&text);
}
END_TEST

START_TEST(a_memory_that_was_changed_is_refused)
{
        char path[160], hex[DIGEST_HEX_SIZE];
        struct digest hash;
        struct buf text = {0};
        ask(0, 7, NO_FORK, log_signer);
        digest_bytes("log.example/1", strlen("log.example/1"), &hash);
        digest_hex(&hash, hex);
        snprintf(path, sizeof path, "%s/%s.checkpoint", folder, hex);
        ck_assert_int_eq(file_read(path, 0, 10000, &text, &err), 0);
        *strchr(text.data, '7') = '3';
        ck_assert_int_eq(file_write(path, 0600, text.data, text.size, &err), 0);
        witness = witness_free(witness);
        ck_assert_int_eq(witness_open(folder, NULL, false, &witness, &err), 0);
        ck_assert_int_eq(witness_add_log(witness, note_signer_key(log_signer), &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.text, "is not what this witness wrote"));
        buf_done(&text);
}
END_TEST

START_TEST(a_damaged_key_is_refused_and_never_replaced)
{
        char path[160];
        struct note_key before = *witness_key(witness);
        snprintf(path, sizeof path, "%s/witness.key", folder);
        open_witness();
        ck_assert(note_key_equal(&before, witness_key(witness)));
        witness = witness_free(witness);
        ck_assert_int_eq(witness_open(folder, "another", false, &witness, &err), -EINVAL);
        ck_assert_int_eq(file_write(path, 0600, "x\n", 2, &err), 0);
        ck_assert_int_eq(witness_open(folder, NULL, false, &witness, &err), -EBADMSG);
}
END_TEST

/* What cannot be written down is not cosigned, and not remembered either. */
START_TEST(what_cannot_be_written_is_not_cosigned)
{
        char path[160], hex[DIGEST_HEX_SIZE];
        struct digest hash;
        digest_bytes("log.example/1", strlen("log.example/1"), &hash);
        digest_hex(&hash, hex);
        snprintf(path, sizeof path, "%s/%s.checkpoint", folder, hex);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        ask(0, 7, NO_FORK, log_signer);
        assert_status(WITNESS_FAILED);
        ck_assert_ptr_null(strstr(answer.body.data, NOTE_DASH));
        ck_assert_int_eq(rmdir(path), 0);
        ask(0, 7, NO_FORK, log_signer);
        assert_status(WITNESS_OK);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("witness");
        TCase *tests = tcase_create("witness");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, what_extends_is_cosigned);
        tcase_add_test(tests, the_same_checkpoint_is_cosigned_again);
        tcase_add_test(tests, the_same_checkpoint_again_is_no_news);
        tcase_add_test(tests, lines_of_nobody_are_not_remembered);
        tcase_add_test(tests, a_folder_is_one_witness);
        tcase_add_test(tests, another_root_of_the_same_size_is_an_alarm_whatever_proof_comes_with_it);
        tcase_add_test(tests, an_old_size_that_is_not_the_last_one_is_a_conflict);
        tcase_add_test(tests, a_fork_is_refused);
        tcase_add_test(tests, a_rollback_is_refused_and_an_alarm);
        tcase_add_test(tests, a_proof_from_nothing_must_be_empty);
        tcase_add_test(tests, who_is_not_known_is_not_cosigned);
        tcase_add_test(tests, a_forged_signature_is_forbidden);
        tcase_add_test(tests, a_second_key_of_a_log_is_taken_too);
        tcase_add_loop_test(tests, what_is_no_request_is_a_bad_one, 0, (int)ARRAY_SIZE(bad_requests));
        tcase_add_test(tests, what_was_cosigned_is_remembered);
        tcase_add_test(tests, a_memory_that_was_changed_is_refused);
        tcase_add_test(tests, a_damaged_key_is_refused_and_never_replaced);
        tcase_add_test(tests, what_cannot_be_written_is_not_cosigned);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
