/* SPDX-License-Identifier: MIT */
/*
 * driftd-openssl: what OpenSSL makes of its configuration. Loading that configuration can load modules, that
 * is run any code, and a mistake in it is silent; so it is done here, in a process of its own that has given
 * up what it can, and what counts is what the library then says of itself.
 *
 * It links the system's libssl like the services do, and starts with the environment that they have from an
 * init system: next to none. Each command is a process of its own, because a library can be initialised in
 * one way only: `effective` as a service does it, `accepted` so that no error is passed over.
 */
#include "daemon/helper_openssl.h"

#include <dlfcn.h>
#include <limits.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/util.h"
#include "daemon/helper_sandbox.h"

#define CERTIFICATES_MAX 256 /* files of one call */

/* ---- the answer ---- */

void
fact(const char *name, const char *value)
{
        size_t size = strlen(value);
        _cleanup_free_ char *escaped = size <= FACT_MAX ? escape_new(value, size) : NULL;
        if (!escaped || printf("%s %s\n", name, escaped) < 0)
                exit(EXIT_FAILURE); /* an answer that lacks a line must not look whole */
}

void
fact_printf(const char *name, const char *format, ...)
{
        char text[4096];
        va_list args;
        va_start(args, format);
        int size = vsnprintf(text, sizeof text, format, args);
        va_end(args);
        if (size < 0)
                exit(EXIT_FAILURE);
        fact(name, text);
}

void
fact_error(const char *name, const char *prefix)
{
        const char *data = NULL, *words;
        int flags = 0;
        unsigned long code = 0, next;
        /* The oldest error is the cause, but for those of loading a library, which is tried on the way. */
        while ((!code || ERR_GET_LIB(code) == ERR_LIB_DSO) &&
                (next = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)))
                code = next;
        words = ERR_reason_error_string(code);
        if (!words)
                words = code ? "an error without a name" : "OpenSSL does not say why";
        bool more = data && (flags & ERR_TXT_STRING) && *data;
        fact_printf(name, "%s%s%s%.2000s", prefix, words, more ? ": " : "", more ? data : "");
        ERR_clear_error();
}

/* Names joined by commas into a text that lives as long as the program; `none` where there is none. */
struct list {
        char text[FACT_MAX];
        size_t size;
};

static void
list_add(struct list *list, const char *word)
{
        int put = snprintf(
                list->text + list->size, sizeof list->text - list->size, "%s%s", list->size ? "," : "", word);
        if (put < 0 || (size_t)put >= sizeof list->text - list->size)
                exit(EXIT_FAILURE);
        list->size += (size_t)put;
}

static void
fact_list(const char *name, const struct list *list)
{
        fact(name, list->size ? list->text : "none");
}

/* ---- where ---- */

static void
fact_file_of(const char *name, void *function)
{
        Dl_info info;
        char path[PATH_MAX];
        if (dladdr(function, &info) && info.dli_fname && realpath(info.dli_fname, path))
                fact(name, path);
        else
                fact(name, "");
}

/* OPENSSL_VERSION and OPENSSL_DIR of the library; the directory comes as `OPENSSLDIR: "/usr/lib/ssl"`. */
static void
fact_directory(void)
{
        const char *text = OpenSSL_version(OPENSSL_DIR), *start = strchr(text, '"');
        const char *end = start ? strchr(start + 1, '"') : NULL;
        if (end)
                fact_printf("openssldir", "%.*s", (int)(end - start - 1), start + 1);
        else
                fact("openssldir", text);
}

static int
where(char **arguments)
{
        (void)arguments;
        fact("version", OpenSSL_version(OPENSSL_VERSION));
        fact_directory();
        char *config = CONF_get1_default_config_file();
        fact("config", config ? config : "");
        OPENSSL_free(config);
        /* (POSIX lets a function's address be held as an object's; C does not know of it.) */
        fact_file_of("libssl", (void *)(uintptr_t)SSL_CTX_new);
        fact_file_of("libcrypto", (void *)(uintptr_t)OpenSSL_version);
        return EXIT_SUCCESS;
}

/* ---- effective ---- */

static const struct {
        uint64_t bit;
        const char *name;
} options[] = {
        {SSL_OP_NO_EXTENDED_MASTER_SECRET, "NO_EXTENDED_MASTER_SECRET"},
        {SSL_OP_CLEANSE_PLAINTEXT, "CLEANSE_PLAINTEXT"},
        {SSL_OP_LEGACY_SERVER_CONNECT, "LEGACY_SERVER_CONNECT"},
        {SSL_OP_ENABLE_KTLS, "ENABLE_KTLS"},
        {SSL_OP_TLSEXT_PADDING, "TLSEXT_PADDING"},
        {SSL_OP_SAFARI_ECDHE_ECDSA_BUG, "SAFARI_ECDHE_ECDSA_BUG"},
        {SSL_OP_IGNORE_UNEXPECTED_EOF, "IGNORE_UNEXPECTED_EOF"},
        {SSL_OP_ALLOW_CLIENT_RENEGOTIATION, "ALLOW_CLIENT_RENEGOTIATION"},
        {SSL_OP_DISABLE_TLSEXT_CA_NAMES, "DISABLE_TLSEXT_CA_NAMES"},
        {SSL_OP_ALLOW_NO_DHE_KEX, "ALLOW_NO_DHE_KEX"},
        {SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS, "DONT_INSERT_EMPTY_FRAGMENTS"},
        {SSL_OP_NO_QUERY_MTU, "NO_QUERY_MTU"},
        {SSL_OP_COOKIE_EXCHANGE, "COOKIE_EXCHANGE"},
        {SSL_OP_NO_TICKET, "NO_TICKET"},
        {SSL_OP_CISCO_ANYCONNECT, "CISCO_ANYCONNECT"},
        {SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION, "NO_SESSION_RESUMPTION_ON_RENEGOTIATION"},
        {SSL_OP_NO_COMPRESSION, "NO_COMPRESSION"},
        {SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION, "ALLOW_UNSAFE_LEGACY_RENEGOTIATION"},
        {SSL_OP_NO_ENCRYPT_THEN_MAC, "NO_ENCRYPT_THEN_MAC"},
        {SSL_OP_ENABLE_MIDDLEBOX_COMPAT, "ENABLE_MIDDLEBOX_COMPAT"},
        {SSL_OP_PRIORITIZE_CHACHA, "PRIORITIZE_CHACHA"},
        {SSL_OP_CIPHER_SERVER_PREFERENCE, "CIPHER_SERVER_PREFERENCE"},
        {SSL_OP_TLS_ROLLBACK_BUG, "TLS_ROLLBACK_BUG"},
        {SSL_OP_NO_ANTI_REPLAY, "NO_ANTI_REPLAY"},
        {SSL_OP_NO_SSLv3, "NO_SSLv3"},
        {SSL_OP_NO_TLSv1, "NO_TLSv1"},
        {SSL_OP_NO_TLSv1_1, "NO_TLSv1_1"},
        {SSL_OP_NO_TLSv1_2, "NO_TLSv1_2"},
        {SSL_OP_NO_TLSv1_3, "NO_TLSv1_3"},
        {SSL_OP_CRYPTOPRO_TLSEXT_BUG, "CRYPTOPRO_TLSEXT_BUG"},
        {SSL_OP_NO_RENEGOTIATION, "NO_RENEGOTIATION"},
};

static void
fact_options(const SSL_CTX *ctx)
{
        uint64_t left = (uint64_t)SSL_CTX_get_options(ctx);
        struct list list = {.size = 0};
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                if (!options[i].bit || (left & options[i].bit) != options[i].bit)
                        continue;
                list_add(&list, options[i].name);
                left &= ~options[i].bit;
        }
        char rest[32];
        snprintf(rest, sizeof rest, "0x%llx", (unsigned long long)left);
        if (left) /* of a library that is newer than we are */
                list_add(&list, rest);
        fact_list("options", &list);
}

static void
fact_version(const char *name, long version)
{
        switch (version) {
        case 0:
                fact(name, "None"); /* as the configuration has it: no bound */
                break;
        case SSL3_VERSION:
                fact(name, "SSLv3");
                break;
        case TLS1_VERSION:
                fact(name, "TLSv1");
                break;
        case TLS1_1_VERSION:
                fact(name, "TLSv1.1");
                break;
        case TLS1_2_VERSION:
                fact(name, "TLSv1.2");
                break;
        case TLS1_3_VERSION:
                fact(name, "TLSv1.3");
                break;
        default:
                fact_printf(name, "0x%lx", (unsigned long)version);
        }
}

/* What a connection would offer or take: TLS 1.3's suites apart from all the others, each in order of
 * preference. */
static void
facts_of_ciphers(SSL_CTX *ctx)
{
        struct list older = {.size = 0}, newer = {.size = 0};
        SSL *ssl = SSL_new(ctx);
        STACK_OF(SSL_CIPHER) *ciphers = ssl ? SSL_get1_supported_ciphers(ssl) : NULL;
        for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
                const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
                bool suite = strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0;
                list_add(suite ? &newer : &older, SSL_CIPHER_get_name(cipher));
        }
        sk_SSL_CIPHER_free(ciphers);
        SSL_free(ssl);
        fact_list("ciphers", &older);
        fact_list("ciphersuites", &newer);
}

#define PROVIDERS_MAX 64

struct providers {
        const char *names[PROVIDERS_MAX];
        size_t count;
};

static int
note_provider(OSSL_PROVIDER *provider, void *userdata)
{
        struct providers *providers = userdata;
        if (providers->count == PROVIDERS_MAX)
                exit(EXIT_FAILURE);
        providers->names[providers->count++] = OSSL_PROVIDER_get0_name(provider);
        return 1;
}

static int
compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
fact_providers(void)
{
        struct providers providers = {.count = 0};
        struct list list = {.size = 0};
        OSSL_PROVIDER_do_all(NULL, note_provider, &providers);
        if (providers.count)
                qsort(providers.names, providers.count, sizeof *providers.names, compare_names);
        for (size_t i = 0; i < providers.count; i++)
                list_add(&list, providers.names[i]);
        fact_list("providers", &list);
}

/* The library is initialised by the first thing that a service does with it, and so it is here. */
static int
effective(char **arguments)
{
        if (setenv("OPENSSL_CONF", arguments[0], 1) < 0)
                return EXIT_FAILURE;
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        if (!ctx) {
                fact_error("problem", "a program that asks for TLS gets none: ");
                return EXIT_SUCCESS;
        }
        fact_version("min_protocol", SSL_CTX_get_min_proto_version(ctx));
        fact_version("max_protocol", SSL_CTX_get_max_proto_version(ctx));
        fact_printf("security_level", "%d", SSL_CTX_get_security_level(ctx));
        fact_options(ctx);
        facts_of_ciphers(ctx);
        fact_providers();
        fact("fips", EVP_default_properties_is_fips_enabled(NULL) ? "yes" : "no");
        facts_of_handshakes(ctx);
        SSL_CTX_free(ctx);
        return EXIT_SUCCESS;
}

/* ---- accepted ---- */

/* The commands of system_default, as the library finds them; NULL: there are none. *ret_conf is to be freed.
 */
static STACK_OF(CONF_VALUE) * system_default(const char *path, CONF **ret_conf)
{
        const char *section = NULL;
        CONF *conf = *ret_conf = NCONF_new(NULL);
        if (conf && NCONF_load(conf, path, NULL) > 0)
                section = NCONF_get_string(conf, NULL, "openssl_conf");
        section = section ? NCONF_get_string(conf, section, "ssl_conf") : NULL;
        section = section ? NCONF_get_string(conf, section, "system_default") : NULL;
        return section ? NCONF_get_section(conf, section) : NULL;
}

/* The library tells that a command was wrong, and not which: so each is tried by itself, in order. */
static void
fact_wrong_command(const char *path)
{
        CONF *conf;
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        SSL_CONF_CTX *judge = SSL_CONF_CTX_new();
        STACK_OF(CONF_VALUE) *commands = system_default(path, &conf);
        if (!ctx || !judge)
                exit(EXIT_FAILURE);
        SSL_CONF_CTX_set_ssl_ctx(judge, ctx);
        (void)SSL_CONF_CTX_set_flags(judge,
                SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CLIENT | SSL_CONF_FLAG_CERTIFICATE);
        const CONF_VALUE *wrong = NULL;
        for (int i = 0; i < sk_CONF_VALUE_num(commands) && !wrong; i++) {
                const CONF_VALUE *command = sk_CONF_VALUE_value(commands, i);
                const char *dot = strchr(command->name, '.');
                if (SSL_CONF_cmd(judge, dot ? dot + 1 : command->name, command->value) <= 0)
                        wrong = command;
        }
        if (wrong)
                fact_printf("accepted", "no: system_default: %.500s = %.2000s", wrong->name, wrong->value);
        else
                fact_error("accepted", "no: system_default: ");
        SSL_CONF_CTX_free(judge);
        NCONF_free(conf);
        SSL_CTX_free(ctx);
}

static int
accepted(char **arguments)
{
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        ERR_clear_error();
        /* No flags: no error is passed over. */
        if (CONF_modules_load_file(arguments[0], NULL, 0) <= 0) {
                fact_error("accepted", "no: ");
                return EXIT_SUCCESS;
        }
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        if (!ctx) {
                fact_error("accepted", "no: ");
                return EXIT_SUCCESS;
        }
        ERR_clear_error();
        bool taken = SSL_CTX_config(ctx, "system_default") > 0;
        /* No such name: nothing is configured, and so nothing was rejected. */
        if (!taken && ERR_GET_REASON(ERR_peek_error()) != SSL_R_INVALID_CONFIGURATION_NAME)
                fact_wrong_command(arguments[0]);
        else
                fact("accepted", "yes");
        SSL_CTX_free(ctx);
        return EXIT_SUCCESS;
}

/* ---- certificates ---- */

static struct certificate_file certificate_files[CERTIFICATES_MAX];

static void
read_certificate_files(char **arguments)
{
        for (size_t i = 0; i < CERTIFICATES_MAX && arguments[i]; i++)
                certificate_file_read(arguments[i], &certificate_files[i]);
}

static int
certificates(char **arguments)
{
        OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        for (size_t i = 0; arguments[i]; i++) {
                if (i == CERTIFICATES_MAX)
                        return EXIT_FAILURE;
                facts_of_certificate(i, &certificate_files[i]);
                free(certificate_files[i].bytes);
        }
        return EXIT_SUCCESS;
}

/* ---- commands ---- */

static const struct {
        const char *name;
        int arguments;                    /* exactly; -1: any number */
        void (*before)(char **arguments); /* what needs the rights that are given up; may be NULL */
        int (*run)(char **arguments);
} commands[] = {
        {"where", 0, NULL, where},
        {"effective", 1, NULL, effective},
        {"accepted", 1, NULL, accepted},
        {"certificates", -1, read_certificate_files, certificates},
};

static void
fact_sandbox(unsigned dropped)
{
        static const char *const names[] = {"user", "capabilities", "landlock", "seccomp"};
        struct list list = {.size = 0};
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (dropped & (1u << i))
                        list_add(&list, names[i]);
        fact_list("sandbox", &list);
}

int
main(int argc, char **argv)
{
        for (size_t i = 0; i < ARRAY_SIZE(commands) && argc >= 2; i++) {
                if (strcmp(argv[1], commands[i].name) != 0)
                        continue;
                if (commands[i].arguments >= 0 && argc != commands[i].arguments + 2)
                        break;
                if (commands[i].before)
                        commands[i].before(argv + 2);
                fact_sandbox(sandbox_enter());
                int status = commands[i].run(argv + 2);
                if (status == EXIT_SUCCESS)
                        fact("end", "");
                if (fflush(stdout) != 0)
                        status = EXIT_FAILURE;
                /* Not by way of what modules left to be done at the end. */
                _exit(status);
        }
        fprintf(stderr,
                "driftd-openssl is a part of driftd, which runs it: driftd-openssl where | effective FILE | "
                "accepted FILE | certificates FILE...\n");
        return 2;
}
