/* SPDX-License-Identifier: MIT */
/* The verifying half: vectors of RFC 8032, FIPS 180-4 and RFC 4648, and what must not pass. */
#include "approval_help.h"

#include <sodium.h>

struct vector {
        const char *public_key, *message, *signature;
};

/* RFC 8032, section 7.1, TEST 1 to 3 */
static const struct vector vectors[] = {
        {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

static void
unhex(const char *hex, unsigned char *out, size_t size)
{
        size_t got;
        ck_ok(sodium_hex2bin(out, size, hex, strlen(hex), NULL, &got, NULL));
        ck_assert_uint_eq(got, size);
}

static void
load(const struct vector *vector, unsigned char key[32], unsigned char message[2],
        unsigned char signature[64])
{
        unhex(vector->public_key, key, 32);
        unhex(vector->message, message, strlen(vector->message) / 2);
        unhex(vector->signature, signature, 64);
}

START_TEST(a_signature_of_rfc_8032_holds)
{
        unsigned char key[32], message[2], signature[64];
        load(&vectors[_i], key, message, signature);
        ck_assert(crypto_verify(signature, message, strlen(vectors[_i].message) / 2, key));
}
END_TEST

START_TEST(no_bit_of_a_signature_can_be_flipped)
{
        unsigned char key[32], message[2], signature[64];
        load(&vectors[2], key, message, signature);
        for (int bit = 0; bit < 512; bit++) {
                signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
                ck_assert_msg(!crypto_verify(signature, message, 2, key), "bit %d", bit);
                signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        message[0] ^= 1;
        ck_assert(!crypto_verify(signature, message, 2, key));
}
END_TEST

START_TEST(a_signature_with_the_group_order_added_is_refused)
{
        static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c,
                0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
        unsigned char key[32], message[2], signature[64];
        load(&vectors[1], key, message, signature);
        sodium_add(signature + 32, order, 32); /* the same S modulo the order: another spelling */
        ck_assert(!crypto_verify(signature, message, 1, key));
}
END_TEST

START_TEST(a_key_of_small_order_signs_nothing)
{
        unsigned char key[32] = {1}, signature[64] = {1}; /* the neutral element, as key and as R; S = 0 */
        ck_assert(!crypto_verify(signature, "any", 3, key));
        ck_assert(!crypto_verify(signature, "other", 5, key));
}
END_TEST

START_TEST(sha512_of_abc_is_as_published)
{
        unsigned char hash[SHA512_SIZE], right[SHA512_SIZE];
        unhex("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
                right, sizeof right);
        crypto_sha512("abc", 3, hash);
        ck_assert_mem_eq(hash, right, sizeof hash);
}
END_TEST

static const struct {
        const char *bytes, *text;
} base64[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

START_TEST(base64_is_that_of_rfc_4648)
{
        struct buf text = {0}, bytes = {0};
        ck_ok(buf_text(&text, "before "));
        ck_ok(crypto_base64_append(&text, base64[_i].bytes, strlen(base64[_i].bytes)));
        ck_assert_str_eq(text.data + 7, base64[_i].text);
        ck_assert_uint_eq(text.size, 7 + strlen(base64[_i].text));
        ck_ok(crypto_base64_decode(base64[_i].text, strlen(base64[_i].text), &bytes));
        ck_assert_uint_eq(bytes.size, strlen(base64[_i].bytes));
        ck_assert_mem_eq(bytes.data, base64[_i].bytes, bytes.size);
        buf_done(&text);
        buf_done(&bytes);
}
END_TEST

static const char *const not_base64[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n", " Zm9v",
        "Zm9vZm 9v", "Zm9-", "Zm9_", "====", "Zg==Zg==", "Zm9v=", "Z=g=", "Zm9\xaf", "Zm9\xab", "\xdam9v"};

START_TEST(only_canonical_base64_is_decoded)
{
        struct buf bytes = {0};
        ck_ok(buf_text(&bytes, "kept"));
        ck_assert_int_eq(crypto_base64_decode(not_base64[_i], strlen(not_base64[_i]), &bytes), -EINVAL);
        ck_assert_str_eq(bytes.data, "kept");
        ck_assert_uint_eq(bytes.size, 4);
        buf_done(&bytes);
}
END_TEST

START_TEST(comparing_looks_at_every_byte)
{
        unsigned char a[32] = {0}, b[32] = {0};
        ck_assert(crypto_equal(a, b, 32));
        for (int i = 0; i < 32; i++) {
                b[i] = 1;
                ck_assert(!crypto_equal(a, b, 32));
                b[i] = 0;
        }
        ck_assert(crypto_equal(a, b, 0));
}
END_TEST

START_TEST(wiping_leaves_zeros_and_randomness_does_not)
{
        unsigned char a[32], b[32], zero[32] = {0};
        crypto_random(a, 32);
        crypto_random(b, 32);
        ck_assert_mem_ne(a, b, 32);
        crypto_wipe(a, 32);
        ck_assert_mem_eq(a, zero, 32);
}
END_TEST

static void
add(TCase *cases)
{
        tcase_add_loop_test(cases, a_signature_of_rfc_8032_holds, 0, ARRAY_SIZE(vectors));
        tcase_add_test(cases, no_bit_of_a_signature_can_be_flipped);
        tcase_add_test(cases, a_signature_with_the_group_order_added_is_refused);
        tcase_add_test(cases, a_key_of_small_order_signs_nothing);
        tcase_add_test(cases, sha512_of_abc_is_as_published);
        tcase_add_loop_test(cases, base64_is_that_of_rfc_4648, 0, ARRAY_SIZE(base64));
        tcase_add_loop_test(cases, only_canonical_base64_is_decoded, 0, ARRAY_SIZE(not_base64));
        tcase_add_test(cases, comparing_looks_at_every_byte);
        tcase_add_test(cases, wiping_leaves_zeros_and_randomness_does_not);
}

int
main(void)
{
        return run_suite("crypto", add);
}
