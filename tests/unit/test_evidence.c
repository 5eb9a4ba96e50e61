/* SPDX-License-Identifier: MIT */
/*
 * A small bundle without baselines, made here, of which each bit is turned: in the file alone, and with its
 * digest in SHA256SUMS made again, so that every later check has to see it. tests/system/test_evidence.sh has
 * the large ones.
 */
#include "core/evidence.h"

#include "core/note_signer.h"
#include "core/file.h"
#include "core/merkle_range.h"
#include "core/trust.h"
#include "scratch_help.h"

#define HOST "0123456789abcdef0123456789abcdef"

static const char trust_text[] =
        "[trust]\ngeneration = 1\nparent = none\n[approver alice]\n"
        "key = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIArR4LRw+InotGrSFOcKIz2RUpYufyywCJxyTwIFMpja\n"
        "[baseline *]\napprovers = alice\nthreshold = 1\n";

static const char *records[] = {
        "{\"seq\":1,\"time\":\"2026-11-26T18:00:00.000Z\",\"kind\":\"start\",\"item\":null,\"detail\":{}}",
        "{\"seq\":2,\"time\":\"2026-11-26T18:01:00.000Z\",\"kind\":\"drift\",\"item\":\"file:/"
        "a\",\"detail\":{\"severity\":\"high\"}}",
        "{\"seq\":3,\"time\":\"2026-11-26T18:02:00.000Z\",\"kind\":\"resolved\",\"item\":\"file:/"
        "a\",\"detail\":{\"as\":\"reverted\"}}",
        "{\"seq\":4,\"time\":\"2026-11-26T18:03:00.000Z\",\"kind\":\"heartbeat\",\"item\":null,\"detail\":{}"
        "}",
        "{\"seq\":5,\"time\":\"2026-11-26T18:04:00.000Z\",\"kind\":\"heartbeat\",\"item\":null,\"detail\":{}"
        "}",
};

static struct digest trust_digest;
static struct err err;

/* Not at(): that keeps every path, and here are a hundred thousand. */
static const char *
in_bundle(const char *name)
{
        static char path[sizeof scratch + 64];
        snprintf(path, sizeof path, "%s/bundle%s%s", scratch, *name ? "/" : "", name);
        return path;
}

static void
file_put(const char *name, const char *text, size_t size)
{
        FILE *file = fopen(in_bundle(name), "w");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(text, 1, size, file), size);
        ck_assert_int_eq(fclose(file), 0);
}

static void
file_get(const char *name, struct buf *ret)
{
        buf_clear(ret);
        ck_assert_int_eq(file_read(in_bundle(name), 0, 1 << 20, ret, &err), 0);
}

static void
signed_files_make(const struct digest *root)
{
        _cleanup_(note_signer_freep) struct note_signer *signer = NULL;
        _cleanup_buf_ struct buf key = {0}, text = {0}, note = {0}, pub = {0};
        struct checkpoint c = {.origin = "driftd/" HOST,
                .size = ARRAY_SIZE(records),
                .root = *root,
                .ours = true,
                .time_ms = 1795716300000,
                .has_trust = true,
                .trust_generation = 1,
                .trust = trust_digest};
        ck_assert_int_eq(note_signer_generate("driftd/" HOST, NOTE_ED25519, &key, &err), 0);
        ck_assert_int_eq(note_signer_parse(key.data, key.size, &signer, &err), 0);
        ck_assert_int_eq(checkpoint_append(&c, &text), 0);
        ck_assert_int_eq(buf_printf(&note, "%s\n", text.data), 0);
        ck_assert_int_eq(note_sign(signer, text.data, text.size, 0, &note, &err), 0);
        ck_assert_int_eq(note_key_append(note_signer_key(signer), &pub), 0);
        ck_assert_int_eq(buf_text(&pub, "\n"), 0);
        file_put("checkpoint", note.data, note.size);
        file_put("checkpoint.pub", pub.data, pub.size);
}

/* Records 1 to 4, for the time up to record 4. */
static int
bundle_try(void)
{
        _cleanup_(digester_freep) struct digester *digester = digester_new();
        _cleanup_buf_ struct buf lines = {0}, proof = {0};
        struct merkle_range_prover prover;
        struct merkle tree = {0};
        struct digest leaf, root;
        ck_assert_int_eq(merkle_range_begin(1, 4, ARRAY_SIZE(records), &prover), 0);
        for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
                merkle_leaf(digester, records[i], strlen(records[i]), &leaf);
                merkle_append(&tree, digester, &leaf);
                merkle_range_take(&prover, digester, &leaf);
                if (i < 4)
                        ck_assert_int_eq(buf_printf(&lines, "%s\n", records[i]), 0);
        }
        merkle_root(&tree, digester, &root);
        ck_assert_int_eq(merkle_range_append(&prover.proof, &proof), 0);
        static const char *const folders[] = {"bundle", "bundle/trust", "bundle/baselines"};
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
                ck_assert_int_eq(mkdir(at("%s", folders[i]), 0700), 0);
        digest_bytes(trust_text, strlen(trust_text), &trust_digest);
        file_put("trust/1.conf", trust_text, strlen(trust_text));
        file_put("records.jsonl", lines.data, lines.size);
        file_put("records.proof", proof.data, proof.size);
        signed_files_make(&root);
        const struct evidence_period period = {.until_ms = 1795716180000}; /* the time of record 4 */
        return evidence_complete(in_bundle(""), &period, &err);
}

static void
setup_nothing(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
        scratch_make();
}

static void
setup(void)
{
        setup_nothing();
        ck_assert_msg(bundle_try() == 0, "%s", err.text);
}

static int
verify(enum evidence_check *ret_failed)
{
        struct evidence *evidence = NULL;
        const struct evidence_anchor anchor = {.trust_id = &trust_digest};
        int r = evidence_verify(in_bundle(""), &anchor, &evidence, &err);
        *ret_failed = evidence ? evidence_failed(evidence) : EVIDENCE_CHECKS;
        evidence_free(evidence);
        return r;
}

/* SHA256SUMS with the digest of one file as it is now. */
static void
sums_put(const struct buf *sums, const char *name, const struct buf *bytes)
{
        _cleanup_free_ char *text = strdup(sums->data);
        char hex[DIGEST_HEX_SIZE], entry[80];
        struct digest digest;
        snprintf(entry, sizeof entry, "  %s\n", name);
        char *where = strstr(text, entry);
        ck_assert_ptr_nonnull(where);
        digest_bytes(bytes->data, bytes->size, &digest);
        digest_hex(&digest, hex);
        memcpy(where - 64, hex, 64);
        file_put("SHA256SUMS", text, sums->size);
}

START_TEST(it_is_verified)
{
        enum evidence_check failed;
        ck_assert_msg(verify(&failed) == 0, "%s", err.text);
        ck_assert_int_eq(failed, EVIDENCE_CHECKS);
}
END_TEST

/* step 1: each bit; 9: one of each byte, not always the same one. */
static void
turn_bits(const char *name, bool sums_again, size_t step)
{
        _cleanup_buf_ struct buf bytes = {0}, sums = {0};
        enum evidence_check failed;
        file_get(name, &bytes);
        file_get("SHA256SUMS", &sums);
        for (size_t bit = 0; bit < 8 * bytes.size; bit += step) {
                bytes.data[bit / 8] ^= (char)(1 << bit % 8);
                file_put(name, bytes.data, bytes.size);
                if (sums_again)
                        sums_put(&sums, name, &bytes);
                ck_assert_msg(verify(&failed) == EVIDENCE_REFUSED && err.text[0], "%s: bit %zu of byte %zu",
                        name, bit % 8, bit / 8);
                ck_assert(sums_again ? failed > EVIDENCE_SUMS : failed == EVIDENCE_SUMS);
                bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        file_put(name, bytes.data, bytes.size);
        file_put("SHA256SUMS", sums.data, sums.size);
        ck_assert_msg(verify(&failed) == 0, "%s", err.text);
}

static const char *const proofs[] = {"checkpoint", "checkpoint.pub", "records.proof"};
static const char *const others[] = {"records.jsonl", "trust/1.conf", "coverage.json", "summary.json"};

START_TEST(every_bit_of_the_proof_counts_though_its_digest_is_made_again)
{
        turn_bits(proofs[_i], true, 1);
}
END_TEST

START_TEST(every_byte_of_the_rest_counts_though_its_digest_is_made_again)
{
        turn_bits(others[_i], true, 9);
}
END_TEST

START_TEST(every_byte_is_seen_by_its_digest)
{
        turn_bits(proofs[_i], false, 9);
}
END_TEST

START_TEST(every_byte_of_the_digests_counts)
{
        _cleanup_buf_ struct buf sums = {0};
        enum evidence_check failed;
        file_get("SHA256SUMS", &sums);
        for (size_t bit = 0; bit < 8 * sums.size; bit += 9) {
                sums.data[bit / 8] ^= (char)(1 << bit % 8);
                file_put("SHA256SUMS", sums.data, sums.size);
                ck_assert_msg(verify(&failed) == EVIDENCE_REFUSED, "bit %zu of byte %zu", bit % 8, bit / 8);
                sums.data[bit / 8] ^= (char)(1 << bit % 8);
        }
}
END_TEST

/* What was approved under a trust file that had been replaced (a key was revoked) was not approved. */
START_TEST(a_baseline_is_judged_by_the_trust_file_in_force_then)
{
        static const char trust[] =
                "{\"seq\":2,\"time\":\"2026-11-26T18:01:00.000Z\",\"kind\":\"trust\",\"item\":null,"
                "\"detail\":{\"id\":\"%064d\",\"generation\":2,\"state\":\"%s\"}}";
        static const char bless[] =
                "{\"seq\":3,\"time\":\"2026-11-26T18:02:00.000Z\",\"kind\":\"bless\",\"item\":null,"
                "\"detail\":{\"baseline\":\"host\",\"generation\":1,\"id\":\"%064d\",\"trust_id\":"
                "\"%s\"}}";
        char second[512], third[512], hex[DIGEST_HEX_SIZE];
        digest_bytes(trust_text, strlen(trust_text), &trust_digest);
        digest_hex(&trust_digest, hex);
        snprintf(second, sizeof second, trust, 7, _i ? "refused" : "succeeded");
        snprintf(third, sizeof third, bless, 8, hex);
        records[1] = second;
        records[2] = third;
        ck_assert_int_eq(bundle_try(), EVIDENCE_REFUSED);
        ck_assert_msg(
                (strstr(err.text, "record 3 names a trust file that was not in force then") != NULL) == !_i,
                "%s", err.text); /* (refused: its baseline is missing, but the trust file is right) */
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("evidence");
        TCase *tests = tcase_create("evidence");
        tcase_add_checked_fixture(tests, setup, scratch_remove);
        tcase_set_timeout(tests, 120);
        tcase_add_test(tests, it_is_verified);
        tcase_add_loop_test(
                tests, every_bit_of_the_proof_counts_though_its_digest_is_made_again, 0, ARRAY_SIZE(proofs));
        tcase_add_loop_test(
                tests, every_byte_of_the_rest_counts_though_its_digest_is_made_again, 0, ARRAY_SIZE(others));
        tcase_add_loop_test(tests, every_byte_is_seen_by_its_digest, 0, ARRAY_SIZE(proofs));
        tcase_add_test(tests, every_byte_of_the_digests_counts);
        suite_add_tcase(suite, tests);
        TCase *made = tcase_create("made");
        tcase_add_checked_fixture(made, setup_nothing, scratch_remove);
        tcase_add_loop_test(made, a_baseline_is_judged_by_the_trust_file_in_force_then, 0, 2);
        suite_add_tcase(suite, made);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
