/* SPDX-License-Identifier: MIT */
/*
 * Which protocols really shake hands. What the settings say is not the answer: the lowest protocol may be
 * "none", and the security level still refuses all before TLS 1.2. So two ends of one process speak with each
 * other in memory: the subject as the configuration makes it, once as the server and once as the client, and
 * a peer that is pinned to one protocol and takes anything else. A protocol counts where either side of the
 * subject takes it.
 *
 * The server has two keys, for ciphers of either kind: a fresh one on the smallest curve that the security
 * level takes, and an RSA key. Making an RSA key takes seconds at 3072 bits, so it is put together from two
 * primes that everybody knows (RFC 3526): there is nothing to keep secret, for both ends are this process.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/util.h"
#include "daemon/helper_openssl.h"

#define STEPS_MAX 32               /* turns that a handshake may take: it takes four at most */
#define PIPE_SIZE (64u << 10)      /* bytes on their way */
#define CERTIFICATE_SECONDS 864000 /* before now, and from now on */
#define LISTED_MAX 1024            /* groups, signature algorithms */

struct keys {
        EVP_PKEY *ec, *rsa; /* NULL: none could be made */
        X509 *ec_certificate, *rsa_certificate;
};

/* ---- keys ---- */

/* NIST SP 800-57 part 1, table 2: 128 bits of security at level 3, 192 at 4, 256 at 5. */
static const char *
curve_for(int level)
{
        return level <= 3 ? "P-256" : level == 4 ? "P-384" : "P-521";
}

/* d and the parts of the Chinese remainder theorem, for e = 65537; false: no memory. */
static bool
rsa_work_out(BIGNUM *part[8], BN_CTX *context)
{
        BIGNUM *n = part[0], *e = part[1], *d = part[2], *p = part[3], *q = part[4];
        BIGNUM *p1 = BN_CTX_get(context), *q1 = BN_CTX_get(context), *phi = BN_CTX_get(context);
        return phi && BN_set_word(e, RSA_F4) && BN_mul(n, p, q, context) && BN_sub(p1, p, BN_value_one()) &&
               BN_sub(q1, q, BN_value_one()) && BN_mul(phi, p1, q1, context) &&
               BN_mod_inverse(d, e, phi, context) && BN_mod(part[5], d, p1, context) &&
               BN_mod(part[6], d, q1, context) && BN_mod_inverse(part[7], q, p, context);
}

static EVP_PKEY *
rsa_from(BIGNUM *part[8])
{
        static const char *const names[8] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
                OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
                OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
                OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
        EVP_PKEY *key = NULL;
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        bool done = builder;
        for (size_t i = 0; i < ARRAY_SIZE(names) && done; i++)
                done = OSSL_PARAM_BLD_push_BN(builder, names[i], part[i]);
        OSSL_PARAM *parameters = done ? OSSL_PARAM_BLD_to_param(builder) : NULL;
        EVP_PKEY_CTX *maker = parameters ? EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL) : NULL;
        if (maker && EVP_PKEY_fromdata_init(maker) > 0)
                (void)EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, parameters);
        EVP_PKEY_CTX_free(maker);
        OSSL_PARAM_free(parameters);
        OSSL_PARAM_BLD_free(builder);
        return key;
}

/* 3584 bits up to level 3, 10240 at level 4; for level 5 such a key would be too slow to be of use anywhere.
 */
static EVP_PKEY *
rsa_key(int level)
{
        EVP_PKEY *key = NULL;
        BIGNUM *part[8] = {NULL};
        BN_CTX *context = level <= 4 ? BN_CTX_new() : NULL;
        if (!context)
                return NULL;
        BN_CTX_start(context);
        for (size_t i = 0; i < ARRAY_SIZE(part); i++)
                part[i] = BN_CTX_get(context);
        bool primes = part[7] &&
                      (level <= 3 ? BN_get_rfc3526_prime_2048(part[3]) && BN_get_rfc3526_prime_1536(part[4])
                                  : BN_get_rfc3526_prime_6144(part[3]) && BN_get_rfc3526_prime_4096(part[4]));
        if (primes && rsa_work_out(part, context))
                key = rsa_from(part);
        BN_CTX_end(context);
        BN_CTX_free(context);
        return key;
}

static X509 *
certificate_of(EVP_PKEY *key)
{
        X509 *made = key ? X509_new() : NULL;
        X509_NAME *name = made ? X509_get_subject_name(made) : NULL;
        static const unsigned char who[] = "driftd probe";
        if (name && X509_set_version(made, X509_VERSION_3) &&
                ASN1_INTEGER_set(X509_get_serialNumber(made), 1) &&
                X509_gmtime_adj(X509_getm_notBefore(made), -CERTIFICATE_SECONDS) &&
                X509_gmtime_adj(X509_getm_notAfter(made), CERTIFICATE_SECONDS) &&
                X509_set_pubkey(made, key) &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, who, -1, -1, 0) &&
                X509_set_issuer_name(made, name) && X509_sign(made, key, EVP_sha512()))
                return made;
        X509_free(made);
        return NULL;
}

static void
keys_make(int level, struct keys *ret)
{
        ret->ec = EVP_EC_gen(curve_for(level));
        ret->rsa = rsa_key(level);
        ret->ec_certificate = certificate_of(ret->ec);
        ret->rsa_certificate = certificate_of(ret->rsa);
}

static void
keys_done(struct keys *keys)
{
        X509_free(keys->ec_certificate);
        X509_free(keys->rsa_certificate);
        EVP_PKEY_free(keys->ec);
        EVP_PKEY_free(keys->rsa);
}

static void
keys_give(SSL_CTX *ctx, const struct keys *keys)
{
        if (keys->ec_certificate)
                (void)(SSL_CTX_use_certificate(ctx, keys->ec_certificate) &&
                        SSL_CTX_use_PrivateKey(ctx, keys->ec));
        if (keys->rsa_certificate)
                (void)(SSL_CTX_use_certificate(ctx, keys->rsa_certificate) &&
                        SSL_CTX_use_PrivateKey(ctx, keys->rsa));
        (void)SSL_CTX_set_dh_auto(ctx, 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL); /* who the peer is, is not the question */
}

/* ---- the peer ---- */

/* (Not const: the macros that take them cast it away.) */
static char all_groups[] = "X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe8192";
static char all_schemes[] =
        "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
        "RSA+SHA256:RSA+SHA384:RSA+SHA512:ECDSA+SHA224:RSA+SHA224:ECDSA+SHA1:RSA+SHA1";

/* It loads the configuration too, as everything does, and all that it could have set is set again. */
static SSL_CTX *
peer_new(int version, const struct keys *keys)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        if (!ctx)
                return NULL;
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_clear_options(ctx, SSL_OP_NO_SSL_MASK);
        (void)SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:@SECLEVEL=0");
        (void)SSL_CTX_set_ciphersuites(ctx,
                "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
                "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256");
        (void)SSL_CTX_set1_groups_list(ctx, all_groups);
        (void)SSL_CTX_set1_sigalgs_list(ctx, all_schemes);
        keys_give(ctx, keys);
        /* (A library that was built without a protocol refuses to be pinned to it.) */
        if (SSL_CTX_set_min_proto_version(ctx, 0) && SSL_CTX_set_max_proto_version(ctx, version) &&
                SSL_CTX_set_min_proto_version(ctx, version))
                return ctx;
        SSL_CTX_free(ctx);
        return NULL;
}

/* ---- handshakes ---- */

struct pair {
        SSL *server, *client;
};

static void
pair_done(struct pair *pair)
{
        SSL_free(pair->server);
        SSL_free(pair->client);
}

static bool
pair_make(SSL_CTX *server, SSL_CTX *client, struct pair *ret)
{
        BIO *one = NULL, *other = NULL;
        ret->server = SSL_new(server);
        ret->client = SSL_new(client);
        if (!ret->server || !ret->client || !BIO_new_bio_pair(&one, PIPE_SIZE, &other, PIPE_SIZE))
                return false;
        SSL_set_bio(ret->server, one, one);
        SSL_set_bio(ret->client, other, other);
        SSL_set_accept_state(ret->server);
        SSL_set_connect_state(ret->client);
        return true;
}

/* One turn of one side: 1 done, 0 it waits for the other, -1 it gave up. */
static int
turn(SSL *ssl)
{
        ERR_clear_error();
        int r = SSL_do_handshake(ssl);
        int why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, r);
        return r == 1 ? 1 : why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static bool
pair_shakes_hands(const struct pair *pair)
{
        for (unsigned step = 0; step < STEPS_MAX; step++) {
                int client = turn(pair->client), server = turn(pair->server);
                if (client < 0 || server < 0)
                        return false;
                if (client && server)
                        return true;
        }
        return false;
}

static bool
takes(SSL_CTX *server, SSL_CTX *client, int version)
{
        struct pair pair = {NULL, NULL};
        bool taken = pair_make(server, client, &pair) && pair_shakes_hands(&pair) &&
                     SSL_version(pair.server) == version;
        pair_done(&pair);
        ERR_clear_error();
        return taken;
}

static void
fact_protocols(SSL_CTX *subject, const struct keys *keys)
{
        static const struct {
                int version;
                const char *name;
        } protocols[] = {
                {SSL3_VERSION, "SSLv3"},
                {TLS1_VERSION, "TLSv1"},
                {TLS1_1_VERSION, "TLSv1.1"},
                {TLS1_2_VERSION, "TLSv1.2"},
                {TLS1_3_VERSION, "TLSv1.3"},
        };
        char text[64] = "";
        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
                SSL_CTX *peer = peer_new(protocols[i].version, keys);
                bool taken = peer && (takes(subject, peer, protocols[i].version) ||
                                             takes(peer, subject, protocols[i].version));
                SSL_CTX_free(peer);
                size_t size = strlen(text);
                if (taken)
                        snprintf(text + size, sizeof text - size, "%s%s", size ? "," : "", protocols[i].name);
        }
        fact("protocols", *text ? text : "none");
}

/* ---- what a client offers ---- */

/* IANA, TLS SignatureScheme: the names under which OpenSSL's configuration knows them as well. */
static const struct {
        unsigned code;
        const char *name;
} schemes[] = {
        {0x0201, "rsa_pkcs1_sha1"},
        {0x0202, "dsa_sha1"},
        {0x0203, "ecdsa_sha1"},
        {0x0301, "rsa_pkcs1_sha224"},
        {0x0302, "dsa_sha224"},
        {0x0303, "ecdsa_sha224"},
        {0x0401, "rsa_pkcs1_sha256"},
        {0x0402, "dsa_sha256"},
        {0x0403, "ecdsa_secp256r1_sha256"},
        {0x0501, "rsa_pkcs1_sha384"},
        {0x0502, "dsa_sha384"},
        {0x0503, "ecdsa_secp384r1_sha384"},
        {0x0601, "rsa_pkcs1_sha512"},
        {0x0602, "dsa_sha512"},
        {0x0603, "ecdsa_secp521r1_sha512"},
        {0x0804, "rsa_pss_rsae_sha256"},
        {0x0805, "rsa_pss_rsae_sha384"},
        {0x0806, "rsa_pss_rsae_sha512"},
        {0x0807, "ed25519"},
        {0x0808, "ed448"},
        {0x0809, "rsa_pss_pss_sha256"},
        {0x080a, "rsa_pss_pss_sha384"},
        {0x080b, "rsa_pss_pss_sha512"},
        {0x081a, "ecdsa_brainpoolP256r1tls13_sha256"},
        {0x081b, "ecdsa_brainpoolP384r1tls13_sha384"},
        {0x081c, "ecdsa_brainpoolP512r1tls13_sha512"},
        {0x0904, "mldsa44"},
        {0x0905, "mldsa65"},
        {0x0906, "mldsa87"},
};

static void
append(char *text, size_t room, const char *word)
{
        size_t size = strlen(text);
        int put = snprintf(text + size, room - size, "%s%s", size ? "," : "", word);
        if (put < 0 || (size_t)put >= room - size)
                exit(EXIT_FAILURE);
}

static void
fact_groups(SSL *server)
{
        int groups[LISTED_MAX];
        char text[FACT_MAX] = "", number[16];
        long count = SSL_get1_groups(server, NULL);
        if (count > LISTED_MAX)
                exit(EXIT_FAILURE);
        count = count > 0 ? SSL_get1_groups(server, groups) : 0;
        for (long i = 0; i < count; i++) {
                const char *name = SSL_group_to_name(server, groups[i]);
                snprintf(number, sizeof number, "0x%04x", (unsigned)groups[i] & 0xffffu);
                append(text, sizeof text, name ? name : number);
        }
        fact("groups", *text ? text : "none");
}

static void
fact_signature_algorithms(SSL *server)
{
        char text[FACT_MAX] = "", number[16];
        int count = SSL_get_sigalgs(server, -1, NULL, NULL, NULL, NULL, NULL);
        for (int i = 0; i < count && i < LISTED_MAX; i++) {
                unsigned char low = 0, high = 0;
                const char *name = NULL;
                (void)SSL_get_sigalgs(server, i, NULL, NULL, NULL, &low, &high);
                unsigned code = (unsigned)high << 8 | low;
                for (size_t k = 0; k < ARRAY_SIZE(schemes) && !name; k++)
                        name = schemes[k].code == code ? schemes[k].name : NULL;
                snprintf(number, sizeof number, "0x%04x", code);
                append(text, sizeof text, name ? name : number);
        }
        fact("signature_algorithms", *text ? text : "none");
}

/* A server that takes anything hears what the subject offers it as a client; whether they then agree is no
 * matter. */
static void
facts_of_client(SSL_CTX *subject, const struct keys *keys)
{
        SSL_CTX *peer = peer_new(TLS1_3_VERSION, keys);
        if (peer)
                (void)SSL_CTX_set_min_proto_version(peer, 0);
        struct pair pair = {NULL, NULL};
        if (!peer || !pair_make(peer, subject, &pair))
                exit(EXIT_FAILURE);
        (void)pair_shakes_hands(&pair);
        fact_groups(pair.server);
        fact_signature_algorithms(pair.server);
        pair_done(&pair);
        SSL_CTX_free(peer);
}

void
facts_of_handshakes(SSL_CTX *subject)
{
        struct keys keys = {NULL, NULL, NULL, NULL};
        keys_make(SSL_CTX_get_security_level(subject), &keys);
        keys_give(subject, &keys);
        fact_protocols(subject, &keys);
        facts_of_client(subject, &keys);
        keys_done(&keys);
        ERR_clear_error();
}
