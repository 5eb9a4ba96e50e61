/* SPDX-License-Identifier: MIT */
/* SSH keys and signatures: the same as ssh-keygen's, both ways, and nothing else. */
#include "approval_help.h"

#include <sodium.h>

#define KEYGEN "/usr/bin/ssh-keygen"
#define NS SSHSIG_NAMESPACE_APPROVAL

static const char message[] = "the text\nof an approval\n";
#define MESSAGE message, sizeof message - 1

/* ---- keys ---- */

START_TEST(a_key_line_is_read_and_written_the_same)
{
        struct buf line = {0}, again = {0};
        struct ssh_key key;
        const char *comment = NULL;
        key_line("alice", &line);
        size_t size = line.size;
        ck_ok(buf_text(&line, " alice at her desk"));
        ck_ok(ssh_key_parse(line.data, &key, &comment, NULL));
        ck_assert_str_eq(comment, "alice at her desk");
        ck_ok(ssh_key_append_text(&key, &again));
        ck_assert_uint_eq(again.size, size);
        ck_assert_mem_eq(again.data, line.data, size);
        buf_done(&line);
        buf_done(&again);
}
END_TEST

START_TEST(a_token_key_keeps_its_application)
{
        struct ssh_key key = {.type = SSH_KEY_SK_ED25519, .public_key = {7}, .application = "ssh:work"},
                       again;
        struct buf line = {0};
        ck_ok(ssh_key_append_text(&key, &line));
        ck_assert_int_eq(strncmp(line.data, "sk-ssh-ed25519@openssh.com AAAA", 31), 0);
        ck_ok(ssh_key_parse(line.data, &again, NULL, NULL));
        ck_assert(ssh_key_equal(&key, &again));
        again.application[4] = 'x';
        ck_assert(!ssh_key_equal(&key, &again));
        buf_done(&line);
}
END_TEST

START_TEST(a_token_key_of_a_web_site_is_refused)
{
        struct ssh_key key = {.type = SSH_KEY_SK_ED25519, .application = "https://example.org"};
        struct buf line = {0};
        struct err err = {0};
        ck_ok(ssh_key_append_text(&key, &line));
        ck_assert_int_eq(ssh_key_parse(line.data, &key, NULL, &err), -EINVAL);
        ck_contains(err.text, "ssh:");
        buf_done(&line);
}
END_TEST

#define ED "AAAAC3NzaC1lZDI1NTE5AAAAI"
static const struct {
        const char *line, *words;
} bad_keys[] = {
        {"", "type \"\""},
        {"ssh-rsa AAAAB3NzaC1yc2E=", "type \"ssh-rsa\""},
        {"ecdsa-sha2-nistp256 AAAA", "cannot approve"},
        {"ssh-ed25519", "whole base64"},
        {"ssh-ed25519 ", "whole base64"},
        {"ssh-ed25519 " ED, "whole base64"},
        {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "32 bytes"},
        {"ssh-ed25519 " ED "AEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "too many"},
        {"sk-ssh-ed25519@openssh.com " ED "AEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
                "the key in it is ssh-ed25519"},
        {"ssh-ed25519 AAAAB3NzaC1yc2E=", "type \"ssh-rsa\""},
        {"ssh-ed25519\x1b[2J AAAA", "\\x1b[2J"},
};

START_TEST(a_key_that_cannot_approve_is_refused_in_words)
{
        struct ssh_key key;
        struct err err = {0};
        ck_assert_int_eq(ssh_key_parse(bad_keys[_i].line, &key, NULL, &err), -EINVAL);
        ck_contains(err.text, bad_keys[_i].words);
}
END_TEST

START_TEST(a_fingerprint_is_the_one_of_ssh_keygen)
{
        struct folder folder = folder_new();
        char file[256], out[256];
        struct buf line = {0}, fingerprint = {0};
        struct signer *alice = person("alice");
        key_line("alice", &line);
        put_file(folder_path(&folder, "alice.pub", file), 0644, line.data, line.size);
        ck_assert_int_eq(
                run((const char *[]){KEYGEN, "-lf", file, NULL}, NULL, folder_path(&folder, "out", out)), 0);
        struct buf said = get_file(out);
        ck_ok(ssh_key_append_fingerprint(signer_key(alice), &fingerprint));
        ck_assert_uint_eq(fingerprint.size, 7 + 43);
        ck_contains(said.data, fingerprint.data);
        signer_free(alice);
        buf_done(&line);
        buf_done(&fingerprint);
        buf_done(&said);
        folder_done(&folder);
}
END_TEST

/* ---- with ssh-keygen ---- */

static void
keygen_sign(const struct folder *folder, const char *hash, struct buf *ret_sig, struct ssh_key *ret_key)
{
        char key[256], text[256], file[256];
        folder_path(folder, "key", key);
        run_ok(KEYGEN, "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", key);
        put_file(folder_path(folder, "text", text), 0644, MESSAGE);
        run_ok(KEYGEN, "-Y", "sign", "-f", key, "-n", NS, "-O", hash, text);
        *ret_sig = get_file(folder_path(folder, "text.sig", file));
        struct buf line = get_file(folder_path(folder, "key.pub", file));
        line.data[strcspn(line.data, "\n")] = '\0';
        ck_ok(ssh_key_parse(line.data, ret_key, NULL, NULL));
        buf_done(&line);
}

static const char *const hashes[] = {"hashalg=sha512", "hashalg=sha256"};

START_TEST(what_ssh_keygen_signs_holds_here)
{
        struct folder folder = folder_new();
        struct buf armor = {0};
        struct ssh_key key;
        struct sshsig sig;
        struct err err = {0};
        keygen_sign(&folder, hashes[_i], &armor, &key);
        ck_assert_msg(sshsig_parse(armor.data, armor.size, &sig, &err) == 0, "%s", err.text);
        ck_assert(ssh_key_equal(&sig.key, &key));
        ck_assert_int_eq(sig.sha512, _i == 0);
        ck_ok(sshsig_verify(&sig, NS, MESSAGE, &err));
        buf_done(&armor);
        folder_done(&folder);
}
END_TEST

START_TEST(what_is_signed_here_is_what_ssh_keygen_makes_to_the_byte)
{
        struct folder folder = folder_new();
        char file[256];
        struct buf theirs = {0}, ours = {0};
        struct ssh_key key;
        struct signer *signer = NULL;
        keygen_sign(&folder, hashes[0], &theirs, &key);
        struct buf private = get_file(folder_path(&folder, "key", file));
        ck_ok(signer_from_file(private.data, private.size, NULL, &signer, NULL));
        ck_ok(signer_sign(signer, NS, MESSAGE, &ours, NULL));
        ck_assert_str_eq(ours.data, theirs.data);
        signer_free(signer);
        buf_done(&private);
        buf_done(&ours);
        buf_done(&theirs);
        folder_done(&folder);
}
END_TEST

static int
keygen_verify(const char *name_space)
{
        struct folder folder = folder_new();
        char allowed[256], sig[256], text[256];
        struct buf line = {0}, armor = {0};
        struct signer *alice = person("alice");
        ck_ok(buf_text(&line, "alice "));
        key_line("alice", &line);
        ck_ok(signer_sign(alice, NS, MESSAGE, &armor, NULL));
        put_file(folder_path(&folder, "allowed", allowed), 0644, line.data, line.size);
        put_file(folder_path(&folder, "sig", sig), 0644, armor.data, armor.size);
        put_file(folder_path(&folder, "text", text), 0644, MESSAGE);
        int code = run((const char *[]){KEYGEN, "-Y", "verify", "-f", allowed, "-I", "alice", "-n",
                               name_space, "-s", sig, NULL},
                text, NULL);
        signer_free(alice);
        buf_done(&line);
        buf_done(&armor);
        folder_done(&folder);
        return code;
}

START_TEST(what_is_signed_here_holds_for_ssh_keygen)
{
        ck_assert_int_eq(keygen_verify(NS), 0);
        ck_assert_int_ne(keygen_verify(SSHSIG_NAMESPACE_TRUST), 0);
}
END_TEST

START_TEST(an_rsa_signature_is_refused_in_words)
{
        struct folder folder = folder_new();
        char key[256], text[256], file[256];
        struct sshsig sig;
        struct err err = {0};
        folder_path(&folder, "key", key);
        run_ok(KEYGEN, "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key);
        put_file(folder_path(&folder, "text", text), 0644, MESSAGE);
        run_ok(KEYGEN, "-Y", "sign", "-f", key, "-n", NS, text);
        struct buf armor = get_file(folder_path(&folder, "text.sig", file));
        ck_assert_int_eq(sshsig_parse(armor.data, armor.size, &sig, &err), SSHSIG_MALFORMED);
        ck_contains(err.text, "ssh-rsa");
        ck_contains(err.hint, "ssh-ed25519");
        buf_done(&armor);
        folder_done(&folder);
}
END_TEST

/* ---- what must not hold ---- */

static struct buf
alice_signs(void)
{
        struct buf armor = {0};
        struct signer *alice = person("alice");
        ck_ok(signer_sign(alice, NS, MESSAGE, &armor, NULL));
        signer_free(alice);
        return armor;
}

START_TEST(a_signature_for_one_purpose_is_nothing_for_another)
{
        struct buf armor = alice_signs();
        struct sshsig sig;
        struct err err = {0};
        ck_ok(sshsig_parse(armor.data, armor.size, &sig, NULL));
        ck_assert_int_eq(sshsig_verify(&sig, SSHSIG_NAMESPACE_TRUST, MESSAGE, &err), SSHSIG_PURPOSE);
        ck_contains(err.text, "approval@driftd");
        strcpy(sig.name_space, SSHSIG_NAMESPACE_TRUST); /* nor can it be relabelled */
        ck_assert_int_eq(sshsig_verify(&sig, SSHSIG_NAMESPACE_TRUST, MESSAGE, &err), SSHSIG_FORGED);
        buf_done(&armor);
}
END_TEST

START_TEST(a_signature_of_one_text_is_nothing_for_another)
{
        struct buf armor = alice_signs();
        struct sshsig sig;
        ck_ok(sshsig_parse(armor.data, armor.size, &sig, NULL));
        ck_assert_int_eq(sshsig_verify(&sig, NS, message, sizeof message - 2, NULL), SSHSIG_FORGED);
        ck_assert_int_eq(sshsig_verify(&sig, NS, "", 0, NULL), SSHSIG_FORGED);
        sig.sha512 = false;
        ck_assert_int_eq(sshsig_verify(&sig, NS, MESSAGE, NULL), SSHSIG_FORGED);
        buf_done(&armor);
}
END_TEST

START_TEST(no_bit_of_an_armoured_signature_can_be_flipped)
{
        struct buf armor = alice_signs();
        struct sshsig sig;
        for (size_t bit = 0; bit < armor.size * 8; bit++) {
                armor.data[bit / 8] = (char)(armor.data[bit / 8] ^ 1 << bit % 8);
                int r = sshsig_parse(armor.data, armor.size, &sig, NULL);
                if (r == 0)
                        r = sshsig_verify(&sig, NS, MESSAGE, NULL);
                ck_assert_msg(r > 0, "bit %zu of byte %zu: %d", bit % 8, bit / 8, r);
                armor.data[bit / 8] = (char)(armor.data[bit / 8] ^ 1 << bit % 8);
        }
        buf_done(&armor);
}
END_TEST

/* An SSHSIG with one field other than it should be. */
struct field {
        const char *what;
        const char *magic, *name_space, *reserved, *hash, *type, *tail, *sig_tail;
        uint32_t version;
        size_t signature_size;
};

static const struct field bad_fields[] = {
        {"begin with SSHSIG", "SSHSIH", NS, "", "sha512", "ssh-ed25519", "", "", 1, 64},
        {"version is not 1", "SSHSIG", NS, "", "sha512", "ssh-ed25519", "", "", 2, 64},
        {"namespace", "SSHSIG", "", "", "sha512", "ssh-ed25519", "", "", 1, 64},
        {"namespace", "SSHSIG", "a b", "", "sha512", "ssh-ed25519", "", "", 1, 64},
        {"namespace", "SSHSIG", "sixty-four-bytes-of-a-namespace-are-one-more-than-there-is-room-", "",
                "sha512", "ssh-ed25519", "", "", 1, 64},
        {"reserved", "SSHSIG", NS, "x", "sha512", "ssh-ed25519", "", "", 1, 64},
        {"hash", "SSHSIG", NS, "", "sha1", "ssh-ed25519", "", "", 1, 64},
        {"hash", "SSHSIG", NS, "", "sha5120", "ssh-ed25519", "", "", 1, 64},
        {"another type", "SSHSIG", NS, "", "sha512", "sk-ssh-ed25519@openssh.com", "", "", 1, 64},
        {"64 bytes", "SSHSIG", NS, "", "sha512", "ssh-ed25519", "", "", 1, 63},
        {"bytes follow its signature", "SSHSIG", NS, "", "sha512", "ssh-ed25519", "", "x", 1, 64},
        {"bytes follow its end", "SSHSIG", NS, "", "sha512", "ssh-ed25519", "x", "", 1, 64},
};

static void
put_string(struct buf *buf, const char *text)
{
        ck_ok(ssh_append_string(buf, text, strlen(text)));
}

START_TEST(a_signature_of_another_form_is_refused_in_words)
{
        const struct field *field = &bad_fields[_i];
        struct signer *alice = person("alice");
        struct buf blob = {0}, key = {0}, inner = {0}, armor = {0};
        struct sshsig sig;
        struct err err = {0};
        ck_ok(ssh_key_append_blob(signer_key(alice), &key));
        put_string(&inner, field->type);
        ck_ok(ssh_append_string(&inner, (unsigned char[64]){0}, field->signature_size));
        ck_ok(buf_text(&inner, field->sig_tail));
        ck_ok(buf_text(&blob, field->magic));
        ck_ok(ssh_append_u32(&blob, field->version));
        ck_ok(ssh_append_string(&blob, key.data, key.size));
        put_string(&blob, field->name_space);
        put_string(&blob, field->reserved);
        put_string(&blob, field->hash);
        ck_ok(ssh_append_string(&blob, inner.data, inner.size));
        ck_ok(buf_text(&blob, field->tail));
        ck_ok(buf_text(&armor, SSHSIG_BEGIN));
        for (size_t at = 0; at < blob.size; at += 48) {
                ck_ok(crypto_base64_append(&armor, blob.data + at, min_size(48, blob.size - at)));
                ck_ok(buf_text(&armor, "\n"));
        }
        ck_ok(buf_text(&armor, SSHSIG_END));
        ck_assert_int_eq(sshsig_parse(armor.data, armor.size, &sig, &err), SSHSIG_MALFORMED);
        ck_contains(err.text, field->what);
        signer_free(alice);
        buf_done(&blob);
        buf_done(&key);
        buf_done(&inner);
        buf_done(&armor);
}
END_TEST

static const char *const bad_armor[] = {
        "",
        SSHSIG_BEGIN,
        SSHSIG_BEGIN SSHSIG_END,
        SSHSIG_BEGIN "\n" SSHSIG_END,
        SSHSIG_BEGIN "U1NIU0lH" SSHSIG_END,
        SSHSIG_BEGIN "U1NI\n\nU0lH\n" SSHSIG_END,
        SSHSIG_BEGIN "U1NI U0lH\n" SSHSIG_END,
        SSHSIG_BEGIN "U1NIU0lH\r\n" SSHSIG_END,
        SSHSIG_BEGIN "U1NIU0lH\n" SSHSIG_END "\n",
        SSHSIG_BEGIN "U1NIU0l\n" SSHSIG_END,
        SSHSIG_BEGIN
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" SSHSIG_END,
        "-----BEGIN SSH SIGNATURE-----",
};

START_TEST(bad_armour_is_refused)
{
        struct sshsig sig;
        struct err err = {0};
        ck_assert_int_eq(sshsig_parse(bad_armor[_i], strlen(bad_armor[_i]), &sig, &err), SSHSIG_MALFORMED);
        ck_assert_str_ne(err.text, "");
        ck_assert_str_ne(err.hint, "");
}
END_TEST

START_TEST(armour_larger_than_the_bound_is_refused)
{
        struct buf armor = {0};
        struct sshsig sig;
        ck_ok(buf_text(&armor, SSHSIG_BEGIN));
        while (armor.size < SSHSIG_ARMOR_MAX)
                ck_ok(buf_text(&armor, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"));
        ck_ok(buf_text(&armor, SSHSIG_END));
        ck_assert_int_eq(sshsig_parse(armor.data, armor.size, &sig, NULL), SSHSIG_MALFORMED);
        buf_done(&armor);
}
END_TEST

/* ---- tokens (PROTOCOL.u2f), made here with libsodium ---- */

static struct buf
token_signs(unsigned char flags, uint32_t counter, struct ssh_key *ret_key)
{
        unsigned char secret[64], signature[64], hash[32];
        struct ssh_key key = {.type = SSH_KEY_SK_ED25519, .application = "ssh:"};
        struct buf asked = {0}, wrapped = {0}, blob = {0}, armor = {0};
        crypto_sign_keypair(key.public_key, secret);
        ck_ok(sshsig_append_signed(NS, MESSAGE, &asked));
        crypto_hash_sha256(hash, (const unsigned char *)"ssh:", 4);
        ck_ok(buf_append(&wrapped, hash, 32));
        ck_ok(buf_append(&wrapped, &flags, 1));
        ck_ok(ssh_append_u32(&wrapped, counter));
        crypto_hash_sha256(hash, (const unsigned char *)asked.data, asked.size);
        ck_ok(buf_append(&wrapped, hash, 32));
        crypto_sign_detached(signature, NULL, (const unsigned char *)wrapped.data, wrapped.size, secret);
        put_string(&blob, "sk-ssh-ed25519@openssh.com");
        ck_ok(ssh_append_string(&blob, signature, 64));
        ck_ok(buf_append(&blob, &flags, 1));
        ck_ok(ssh_append_u32(&blob, counter));
        ck_ok(sshsig_append_armor(&key, NS, blob.data, blob.size, &armor));
        buf_done(&asked);
        buf_done(&wrapped);
        buf_done(&blob);
        *ret_key = key;
        return armor;
}

static int
token_verify(unsigned char flags, struct err *err)
{
        struct ssh_key key;
        struct sshsig sig;
        struct buf armor = token_signs(flags, 41, &key);
        ck_ok(sshsig_parse(armor.data, armor.size, &sig, NULL));
        ck_assert(ssh_key_equal(&sig.key, &key));
        ck_assert_uint_eq(sig.sk_counter, 41);
        buf_done(&armor);
        return sshsig_verify(&sig, NS, MESSAGE, err);
}

START_TEST(a_touched_token_counts)
{
        ck_assert_int_eq(token_verify(0x01, NULL), 0);
        ck_assert_int_eq(token_verify(0x05, NULL), 0); /* with its PIN, too */
}
END_TEST

START_TEST(a_token_that_nobody_touched_does_not_count)
{
        struct err err = {0};
        ck_assert_int_eq(token_verify(0x00, &err), SSHSIG_FORGED);
        ck_contains(err.text, "touching the token");
        ck_assert_int_eq(token_verify(0x04, &err), SSHSIG_FORGED);
}
END_TEST

START_TEST(flags_counter_and_application_of_a_token_cannot_be_altered)
{
        struct ssh_key key;
        struct sshsig sig, altered;
        struct buf armor = token_signs(0x00, 41, &key);
        ck_ok(sshsig_parse(armor.data, armor.size, &sig, NULL));
        altered = sig;
        altered.sk_flags = 0x01;
        ck_assert_int_eq(sshsig_verify(&altered, NS, MESSAGE, NULL), SSHSIG_FORGED);
        buf_done(&armor);
        armor = token_signs(0x01, 41, &key);
        ck_ok(sshsig_parse(armor.data, armor.size, &sig, NULL));
        ck_ok(sshsig_verify(&sig, NS, MESSAGE, NULL));
        altered = sig;
        altered.sk_counter++;
        ck_assert_int_eq(sshsig_verify(&altered, NS, MESSAGE, NULL), SSHSIG_FORGED);
        altered = sig;
        strcpy(altered.key.application, "ssh:x");
        ck_assert_int_eq(sshsig_verify(&altered, NS, MESSAGE, NULL), SSHSIG_FORGED);
        buf_done(&armor);
}
END_TEST

START_TEST(ssh_keygen_takes_the_token_signature_made_here)
{
        struct folder folder = folder_new();
        char allowed[256], file[256], text[256];
        struct ssh_key key;
        struct buf line = {0}, armor = token_signs(0x01, 41, &key);
        ck_ok(buf_text(&line, "alice "));
        ck_ok(ssh_key_append_text(&key, &line));
        put_file(folder_path(&folder, "allowed", allowed), 0644, line.data, line.size);
        put_file(folder_path(&folder, "sig", file), 0644, armor.data, armor.size);
        put_file(folder_path(&folder, "text", text), 0644, MESSAGE);
        ck_assert_int_eq(run((const char *[]){KEYGEN, "-Y", "verify", "-f", allowed, "-I", "alice", "-n", NS,
                                     "-s", file, NULL},
                                 text, NULL),
                0);
        buf_done(&line);
        buf_done(&armor);
        folder_done(&folder);
}
END_TEST

/* ---- the wire ---- */

START_TEST(a_read_that_fails_moves_nothing)
{
        static const unsigned char wire[] = {0, 0, 0, 5, 'a', 'b', 'c', 'd'};
        struct ssh_cursor cursor = {wire, sizeof wire};
        const unsigned char *data = NULL;
        size_t size = 77;
        uint32_t number;
        ck_assert_int_eq(ssh_read_string(&cursor, &data, &size), -EBADMSG);
        ck_assert_ptr_eq(cursor.data, wire);
        ck_assert_uint_eq(cursor.size, sizeof wire);
        ck_assert_uint_eq(size, 77);
        ck_ok(ssh_read_u32(&cursor, &number));
        ck_assert_uint_eq(number, 5);
        cursor.size = 3;
        ck_assert_int_eq(ssh_read_u32(&cursor, &number), -EBADMSG);
        ck_assert_uint_eq(cursor.size, 3);
}
END_TEST

START_TEST(a_length_of_four_gibibytes_is_refused)
{
        static const unsigned char wire[] = {0xff, 0xff, 0xff, 0xff, 'a'};
        struct ssh_cursor cursor = {wire, sizeof wire};
        const unsigned char *data;
        size_t size;
        ck_assert_int_eq(ssh_read_string(&cursor, &data, &size), -EBADMSG);
}
END_TEST

static void
add(TCase *cases)
{
        tcase_add_test(cases, a_key_line_is_read_and_written_the_same);
        tcase_add_test(cases, a_token_key_keeps_its_application);
        tcase_add_test(cases, a_token_key_of_a_web_site_is_refused);
        tcase_add_loop_test(cases, a_key_that_cannot_approve_is_refused_in_words, 0, ARRAY_SIZE(bad_keys));
        tcase_add_test(cases, a_fingerprint_is_the_one_of_ssh_keygen);
        tcase_add_loop_test(cases, what_ssh_keygen_signs_holds_here, 0, ARRAY_SIZE(hashes));
        tcase_add_test(cases, what_is_signed_here_is_what_ssh_keygen_makes_to_the_byte);
        tcase_add_test(cases, what_is_signed_here_holds_for_ssh_keygen);
        tcase_add_test(cases, an_rsa_signature_is_refused_in_words);
        tcase_add_test(cases, a_signature_for_one_purpose_is_nothing_for_another);
        tcase_add_test(cases, a_signature_of_one_text_is_nothing_for_another);
        tcase_add_test(cases, no_bit_of_an_armoured_signature_can_be_flipped);
        tcase_add_loop_test(
                cases, a_signature_of_another_form_is_refused_in_words, 0, ARRAY_SIZE(bad_fields));
        tcase_add_loop_test(cases, bad_armour_is_refused, 0, ARRAY_SIZE(bad_armor));
        tcase_add_test(cases, armour_larger_than_the_bound_is_refused);
        tcase_add_test(cases, a_touched_token_counts);
        tcase_add_test(cases, a_token_that_nobody_touched_does_not_count);
        tcase_add_test(cases, flags_counter_and_application_of_a_token_cannot_be_altered);
        tcase_add_test(cases, ssh_keygen_takes_the_token_signature_made_here);
        tcase_add_test(cases, a_read_that_fails_moves_nothing);
        tcase_add_test(cases, a_length_of_four_gibibytes_is_refused);
}

int
main(void)
{
        return run_suite("sshsig", add);
}
