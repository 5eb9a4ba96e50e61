/* SPDX-License-Identifier: MIT */
/* Notes and their keys: the example of c2sp.org/signed-note, what we sign ourselves, and all that is refused.
 */
#include "core/note.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/digest.h"
#include "core/note_signer.h"
#include "core/sshsig.h"

/* The example of the specification. */
static const char example_key[] = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char example_note[] =
        "This is an example message.\n\n" NOTE_DASH "example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

static struct err err;

static void
setup(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
}

static struct note_key
key_of(const char *text)
{
        struct note_key key;
        ck_assert_msg(note_key_parse(text, strlen(text), &key, &err) == 0, "%s", err.text);
        return key;
}

static int
verify(const char *text, const struct note_key *key)
{
        struct note note;
        int r = note_parse(text, strlen(text), &note, &err);
        return r ? r : note_verify(&note, key, NULL, &err);
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

START_TEST(the_example_of_the_specification_verifies)
{
        struct note_key key = key_of(example_key);
        struct note note;
        ck_assert_str_eq(key.name, "example.com/foo");
        ck_assert_int_eq(verify(example_note, &key), 0);
        ck_assert_int_eq(note_parse(example_note, strlen(example_note), &note, &err), 0);
        ck_assert_uint_eq(note.text_size, strlen("This is an example message.\n"));
}
END_TEST

START_TEST(every_bit_of_a_note_counts)
{
        struct note_key key = key_of(example_key);
        char bent[sizeof example_note];
        for (size_t bit = 0; bit < (sizeof example_note - 1) * 8; bit++) {
                memcpy(bent, example_note, sizeof bent);
                bent[bit / 8] = (char)(bent[bit / 8] ^ 1 << bit % 8);
                ck_assert_msg(verify(bent, &key) != 0, "bit %zu may be flipped", bit);
        }
}
END_TEST

START_TEST(every_bit_of_a_verifier_key_counts)
{
        char bent[sizeof example_key];
        for (size_t bit = 0; bit < (sizeof example_key - 1) * 8; bit++) {
                struct note_key key;
                memcpy(bent, example_key, sizeof bent);
                bent[bit / 8] = (char)(bent[bit / 8] ^ 1 << bit % 8);
                ck_assert_int_eq(note_key_parse(bent, sizeof bent - 1, &key, &err), NOTE_MALFORMED);
        }
}
END_TEST

static const char *const bad_keys[] = {"", "+", "a+b", "example.com/foo", "example.com/foo+530d903a+",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "a\xc2\xa0+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"};

START_TEST(what_is_no_verifier_key_is_refused)
{
        struct note_key key;
        ck_assert_int_eq(note_key_parse(bad_keys[_i], strlen(bad_keys[_i]), &key, &err), NOTE_MALFORMED);
        ck_assert_str_ne(err.text, "");
}
END_TEST

static const char *const bad_notes[] = {"", "\n", "\n\n", "text\n", "text\n\n", "text",
        "\n" NOTE_DASH "a AAAAAAAA\n", "text\n\n" NOTE_DASH "a AAAAAAAA", "text\n\n" NOTE_DASH "a\n",
        "text\n\n" NOTE_DASH " AAAAAAAA\n", "text\n\n- a AAAAAAAA\n", "text\n\n" NOTE_DASH "a AAAAAA\n",
        "text\n\n" NOTE_DASH "a AAAA\n", "text\n\n" NOTE_DASH "a+b AAAAAAAA\n",
        "te\rxt\n\n" NOTE_DASH "a AAAAAAAA\n", "te\xfft\n\n" NOTE_DASH "a AAAAAAAA\n",
        "text\n\n" NOTE_DASH "a  AAAAAAAA\n", "text\n\n" NOTE_DASH "a\xe3\x80\x80 AAAAAAAA\n",
        "text\n\n" NOTE_DASH "a AAAAAAAA \n"};

START_TEST(what_is_no_note_is_refused)
{
        struct note note;
        ck_assert_int_eq(note_parse(bad_notes[_i], strlen(bad_notes[_i]), &note, &err), NOTE_MALFORMED);
        ck_assert_str_ne(err.text, "");
}
END_TEST

/* A text may hold empty lines, and lines that look like signatures: the last empty line parts them. */
START_TEST(the_last_empty_line_parts_text_and_signatures)
{
        static const char text[] = "a\n\n" NOTE_DASH "b AAAAAAAA\nc\n";
        struct note_signer *signer = signer_new("b", NOTE_ED25519);
        struct buf whole = {0};
        struct note note;
        buf_printf(&whole, "%s\n", text);
        ck_assert_int_eq(note_sign(signer, text, strlen(text), 0, &whole, &err), 0);
        ck_assert_int_eq(note_parse(whole.data, whole.size, &note, &err), 0);
        ck_assert_uint_eq(note.text_size, strlen(text));
        ck_assert_uint_eq(note.count, 1);
        ck_assert_int_eq(note_verify(&note, note_signer_key(signer), NULL, &err), 0);
        buf_done(&whole);
        note_signer_free(signer);
}
END_TEST

START_TEST(ten_thousand_unknown_signatures_are_refused_at_once)
{
        struct note_key key = key_of(example_key);
        struct buf whole = {0};
        struct note note;
        buf_text(&whole, "This is an example message.\n\n");
        for (unsigned i = 0; i < 10000; i++)
                buf_printf(&whole,
                        NOTE_DASH "unknown.example/%u AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n", i);
        buf_text(&whole, strstr(example_note, NOTE_DASH));
        clock_t before = clock();
        ck_assert_int_eq(note_parse(whole.data, whole.size, &note, &err), NOTE_MALFORMED);
        ck_assert_ptr_nonnull(strstr(err.text, "64 signatures"));
        ck_assert_int_lt((clock() - before) / CLOCKS_PER_SEC, 1);
        buf_done(&whole);
        (void)key;
}
END_TEST

START_TEST(sixteen_unknown_signatures_are_ignored_as_they_must_be)
{
        struct note_key key = key_of(example_key);
        struct buf whole = {0};
        buf_text(&whole, "This is an example message.\n\n");
        for (unsigned i = 0; i < 16; i++)
                buf_printf(
                        &whole, NOTE_DASH "example.com/foo AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
        buf_text(&whole, strstr(example_note, NOTE_DASH));
        ck_assert_msg(verify(whole.data, &key) == 0, "%s", err.text);
        buf_done(&whole);
}
END_TEST

START_TEST(another_key_of_the_same_name_is_unknown)
{
        struct note_signer *signer = signer_new("example.com/foo", NOTE_ED25519);
        ck_assert_int_eq(verify(example_note, note_signer_key(signer)), NOTE_UNSIGNED);
        note_signer_free(signer);
}
END_TEST

START_TEST(a_line_that_names_the_key_and_does_not_hold_forges_the_note)
{
        struct note_key key = key_of(example_key);
        struct buf whole = {0};
        buf_printf(&whole,
                "%s" NOTE_DASH "example.com/foo "
                "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwH"
                "jG1Yu72IneyaQQ=\n",
                example_note);
        ck_assert_int_eq(verify(whole.data, &key), NOTE_FORGED);
        buf_done(&whole);
}
END_TEST

START_TEST(a_cosignature_tells_when_it_was_made)
{
        static const char text[] = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        struct note_signer *witness = signer_new("witness.example/w1", NOTE_COSIGNATURE);
        struct buf whole = {0};
        struct note note;
        int64_t time_s = 0;
        buf_printf(&whole, "%s\n", text);
        ck_assert_int_eq(note_sign(witness, text, strlen(text), 1679315147, &whole, &err), 0);
        ck_assert_int_eq(note_sign(witness, text, strlen(text), 1679315100, &whole, &err), 0);
        ck_assert_int_eq(note_parse(whole.data, whole.size, &note, &err), 0);
        ck_assert_int_eq(note_verify(&note, note_signer_key(witness), &time_s, &err), 0);
        ck_assert_int_eq(time_s, 1679315147);
        buf_done(&whole);
        note_signer_free(witness);
}
END_TEST

/* What the message of a cosignature is, byte for byte, as c2sp.org/tlog-cosignature shows it. */
START_TEST(a_cosignature_signs_what_the_specification_says)
{
        struct buf message = {0};
        static const char text[] =
                "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        ck_assert_int_eq(note_append_cosigned(1679315147, text, strlen(text), &message), 0);
        ck_assert_str_eq(message.data,
                "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
                "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
        buf_done(&message);
}
END_TEST

START_TEST(a_signature_of_one_kind_is_none_of_the_other)
{
        static const char text[] = "driftd/x\n";
        struct note_signer *signer = signer_new("one", NOTE_ED25519);
        struct note_key other;
        struct buf whole = {0};
        ck_assert_int_eq(
                note_key_make("one", NOTE_COSIGNATURE, note_signer_key(signer)->public_key, &other), 0);
        ck_assert(memcmp(other.id, note_signer_key(signer)->id, sizeof other.id) != 0);
        buf_printf(&whole, "%s\n", text);
        ck_assert_int_eq(note_sign(signer, text, strlen(text), 0, &whole, &err), 0);
        ck_assert_int_eq(verify(whole.data, &other), NOTE_UNSIGNED);
        buf_done(&whole);
        note_signer_free(signer);
}
END_TEST

/* What driftd can sign must never be an approval: an SSHSIG's signed bytes are refused whatever they approve.
 */
START_TEST(what_an_approval_signs_cannot_be_signed_as_a_note)
{
        static const char *const namespaces[] = {
                SSHSIG_NAMESPACE_APPROVAL, SSHSIG_NAMESPACE_TRUST, SSHSIG_NAMESPACE_WINDOW};
        struct note_signer *signer = signer_new("driftd/x", NOTE_ED25519);
        struct buf line = {0};
        for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
                struct buf signed_bytes = {0};
                ck_assert_int_eq(sshsig_append_signed(namespaces[i], "text\n", 5, &signed_bytes), 0);
                ck_assert_int_eq(
                        note_sign(signer, signed_bytes.data, signed_bytes.size, 0, &line, &err), -EINVAL);
                ck_assert_int_eq(buf_append(&signed_bytes, "\n", 1), 0);
                ck_assert_int_eq(
                        note_sign(signer, signed_bytes.data, signed_bytes.size, 0, &line, &err), -EINVAL);
                buf_done(&signed_bytes);
        }
        ck_assert_int_eq(note_sign(signer, "no newline", 10, 0, &line, &err), -EINVAL);
        ck_assert_int_eq(note_sign(signer, "", 0, 0, &line, &err), -EINVAL);
        ck_assert_uint_eq(line.size, 0);
        buf_done(&line);
        note_signer_free(signer);
}
END_TEST

START_TEST(every_byte_of_a_key_file_counts)
{
        struct buf text = {0};
        struct note_signer *signer = NULL;
        ck_assert_int_eq(note_signer_generate("driftd/x", NOTE_ED25519, &text, &err), 0);
        for (size_t i = 0; i < text.size; i++) {
                /* the seed's own characters make another key, with another id */
                char was = text.data[i];
                text.data[i] = was == 'A' ? 'B' : 'A';
                ck_assert_int_eq(note_signer_parse(text.data, text.size, &signer, &err), NOTE_MALFORMED);
                text.data[i] = was;
                ck_assert_int_eq(note_signer_parse(text.data, i, &signer, &err), NOTE_MALFORMED);
        }
        ck_assert_int_eq(note_signer_generate("a b", NOTE_ED25519, &text, &err), -EINVAL);
        ck_assert_int_eq(note_signer_generate("", NOTE_ED25519, &text, &err), -EINVAL);
        buf_done(&text);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("note");
        TCase *tests = tcase_create("note");
        tcase_add_checked_fixture(tests, setup, NULL);
        tcase_add_test(tests, the_example_of_the_specification_verifies);
        tcase_add_test(tests, every_bit_of_a_note_counts);
        tcase_add_test(tests, every_bit_of_a_verifier_key_counts);
        tcase_add_loop_test(tests, what_is_no_verifier_key_is_refused, 0, (int)ARRAY_SIZE(bad_keys));
        tcase_add_loop_test(tests, what_is_no_note_is_refused, 0, (int)ARRAY_SIZE(bad_notes));
        tcase_add_test(tests, the_last_empty_line_parts_text_and_signatures);
        tcase_add_test(tests, ten_thousand_unknown_signatures_are_refused_at_once);
        tcase_add_test(tests, sixteen_unknown_signatures_are_ignored_as_they_must_be);
        tcase_add_test(tests, another_key_of_the_same_name_is_unknown);
        tcase_add_test(tests, a_line_that_names_the_key_and_does_not_hold_forges_the_note);
        tcase_add_test(tests, a_cosignature_tells_when_it_was_made);
        tcase_add_test(tests, a_cosignature_signs_what_the_specification_says);
        tcase_add_test(tests, a_signature_of_one_kind_is_none_of_the_other);
        tcase_add_test(tests, what_an_approval_signs_cannot_be_signed_as_a_note);
        tcase_add_test(tests, every_byte_of_a_key_file_counts);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
