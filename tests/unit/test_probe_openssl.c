/* SPDX-License-Identifier: MIT */
/*
 * The openssl probe against the real library: what is in force, where it was written, and that a mistake that
 * OpenSSL passes over in silence is told. Configurations live in a scratch folder; the helper is the built
 * one, or a script in its place where it has to fail.
 */
#include <check.h>
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <time.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/probe_internal.h"
#include "core/probe_openssl.h"
#include "scratch_help.h"

static char helpers[PATH_MAX]; /* where the programs were built */
static struct probe_reading reading;
static struct err err;

/* The tests run as build/tests/unit/NAME. */
static void
setup(void)
{
        scratch_make();
        ssize_t size = readlink("/proc/self/exe", helpers, sizeof helpers - 1);
        ck_assert_int_gt(size, 0);
        helpers[size] = '\0';
        for (int i = 0; i < 3; i++)
                *strrchr(helpers, '/') = '\0';
}

static void
teardown(void)
{
        probe_reading_done(&reading);
        scratch_remove();
}

/* Text, kept like the paths of at(). */
_printf_(1, 2) static const char *text(const char *format, ...)
{
        va_list args;
        char *made = NULL;
        va_start(args, format);
        ck_assert_int_ge(vasprintf(&made, format, args), 0);
        va_end(args);
        ck_assert_uint_lt(n_scratch_paths, ARRAY_SIZE(scratch_paths));
        return scratch_paths[n_scratch_paths++] = made;
}

/* ---- looking ---- */

static int
look_with(const char *folder, const char *config, char *const *items, size_t n_items, unsigned timeout_ms,
        const atomic_bool *cancel)
{
        struct scope scope = {.domain = SCOPE_OPENSSL, .name = "openssl"};
        if (config)
                ck_assert_int_eq(text_list_add(&scope.paths, config, strlen(config)), 0);
        struct probe_request request = {.scope = &scope,
                .items = items,
                .n_items = n_items,
                .helpers = folder,
                .timeout_ms = timeout_ms,
                .cancel = cancel};
        probe_reading_done(&reading);
        err = (struct err){0};
        int r = probe_read(&request, &reading, &err);
        text_list_done(&scope.paths);
        return r;
}

static void
look(const char *config)
{
        int r = look_with(helpers, config, NULL, 0, 60000, NULL);
        ck_assert_msg(r == 0, "%d: %s", r, err.text);
}

static const struct probe_setting *
setting(const char *item)
{
        const struct probe_setting *found = probe_find(&reading, item);
        ck_assert_msg(found, "there is no %s", item);
        return found;
}

static const char *
value(const char *item)
{
        const struct probe_setting *found = setting(item);
        ck_assert_msg(found->value, "%s is unknown: %s", item, found->reason);
        return found->value;
}

static const char *
key(const char *name)
{
        return text("openssl:system_default/%s", name);
}

static void
is(const char *item, const char *wanted)
{
        ck_assert_msg(strcmp(value(item), wanted) == 0, "%s is '%s' and not '%s'", item, value(item), wanted);
}

static void
is_unknown(const char *item, const char *why)
{
        const struct probe_setting *found = setting(item);
        ck_assert_msg(!found->value, "%s is '%s'", item, found->value);
        ck_assert_msg(strstr(found->reason, why), "%s: '%s' lacks '%s'", item, found->reason, why);
}

/* A configuration whose commands of system_default are these lines, from line 7 on. */
static const char *
policy(const char *commands)
{
        return put(at("openssl.cnf"), text("openssl_conf = start\n[start]\nssl_conf = ssl\n[ssl]\n"
                                           "system_default = policy\n[policy]\n%s\n",
                                              commands));
}

/* ---- what is in force ---- */

START_TEST(no_configured_bound_and_yet_the_old_protocols_are_refused)
{
        look(put(at("empty.cnf"), "# nothing\n"));
        is("openssl:config/accepted", "yes");
        is(key("MinProtocol"), "None");
        is(key("MaxProtocol"), "None");
        ck_assert_ptr_null(setting(key("MinProtocol"))->configured);
        ck_assert_ptr_null(setting(key("MinProtocol"))->after_restart);
        is("openssl:providers", "default");
        is("openssl:fips", "no");
        is("openssl:config/file", at("empty.cnf"));
        ck_assert_int_eq(strncmp(value("openssl:version"), "OpenSSL ", 8), 0);
        ck_assert_int_eq(*value("openssl:openssldir"), '/');
        if (strcmp(value(key("SecurityLevel")), "2") != 0)
                skip_test("this OpenSSL was not built like Debian's");
        is("openssl:floor", "TLSv1.2");
        is("openssl:protocols", "TLSv1.2,TLSv1.3");
}
END_TEST

START_TEST(the_systems_own_configuration_is_taken_where_none_is_named)
{
        look(NULL);
        const char *own = value("openssl:config/file"), *folder = value("openssl:openssldir");
        ck_assert_int_eq(strncmp(own, folder, strlen(folder)), 0);
}
END_TEST

START_TEST(a_policy_is_in_force_and_its_lines_are_known)
{
        look(policy("MinProtocol = TLSv1.2\nMaxProtocol = TLSv1.2\nCipherString = ECDHE+AESGCM:@SECLEVEL=3\n"
                    "Groups = P-384:X25519\nCiphersuites = TLS_AES_256_GCM_SHA384\nOptions = -SessionTicket\n"
                    "SignatureAlgorithms = ECDSA+SHA256:ed25519"));
        is("openssl:config/accepted", "yes");
        is(key("MinProtocol"), "TLSv1.2");
        is(key("MaxProtocol"), "TLSv1.2");
        is(key("SecurityLevel"), "3");
        is(key("Groups"), "secp384r1,x25519");
        is(key("SignatureAlgorithms"), "ecdsa_secp256r1_sha256,ed25519");
        ck_assert_ptr_nonnull(strstr(value(key("Options")), "NO_TICKET"));
        ck_assert_ptr_nonnull(strstr(value(key("CipherString")), "ECDHE-ECDSA-AES256-GCM-SHA384"));
        ck_assert_ptr_null(strstr(value(key("CipherString")), "CHACHA"));
        is("openssl:floor", "TLSv1.2");
        is("openssl:protocols", "TLSv1.2");
        const struct probe_setting *level = setting(key("SecurityLevel"));
        ck_assert_str_eq(level->configured, "3");
        ck_assert_str_eq(level->source, at("openssl.cnf:9"));
        ck_assert_str_eq(level->after_restart, "3");
        ck_assert_str_eq(setting(key("CipherString"))->configured, "ECDHE+AESGCM:@SECLEVEL=3");
        ck_assert_str_eq(setting(key("Groups"))->source, at("openssl.cnf:10"));
        ck_assert_str_eq(setting(key("Options"))->configured, "-SessionTicket");
}
END_TEST

START_TEST(the_floor_is_what_really_shakes_hands)
{
        static const struct {
                const char *commands, *floor;
        } cases[] = {
                {"CipherString = DEFAULT:@SECLEVEL=0\nMinProtocol = TLSv1", "TLSv1"},
                {"CipherString = DEFAULT:@SECLEVEL=0\nMinProtocol = TLSv1.1", "TLSv1.1"},
                {"CipherString = AES128-SHA:@SECLEVEL=0\nMinProtocol = TLSv1", "TLSv1"}, /* RSA's key alone */
                {"CipherString = ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0\nMinProtocol = TLSv1", "TLSv1"},
                {"MinProtocol = TLSv1", "TLSv1.2"}, /* the level refuses what the bound lets in */
                {"MinProtocol = TLSv1.3", "TLSv1.3"},
                {"CipherString = DEFAULT:@SECLEVEL=4", "TLSv1.2"},
                {"Groups = X25519", "TLSv1.2"},
                {"VerifyMode = Request,Require", "TLSv1.2"},
                {"MinProtocol = TLSv1.3\nMaxProtocol = TLSv1.2", "none"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                look(policy(cases[i].commands));
                ck_assert_msg(strcmp(value("openssl:floor"), cases[i].floor) == 0, "%s: %s",
                        cases[i].commands, value("openssl:floor"));
        }
}
END_TEST

START_TEST(what_openssl_passes_over_in_silence_is_told)
{
        static const char head[] = "openssl_conf = start\n[start]\nssl_conf = ssl\n[ssl]\n";
        static const struct {
                const char *text, *why, *floor;
        } cases[] = {
                {"system_default = p\n[p]\nMinProtocol = TLSv1.9\n", "MinProtocol = TLSv1.9", "TLSv1.2"},
                {"system_default = p\n[p]\nMinProtokoll = TLSv1.3\n", "MinProtokoll = TLSv1.3", "TLSv1.2"},
                {"system_default = p\n[p]\nCipherString = NOSUCHCIPHER\n", "CipherString = NOSUCHCIPHER",
                        "TLSv1.3"},
                {"system_default = elsewhere\n[p]\nMinProtocol = TLSv1.3\n", "not found", "TLSv1.2"},
                {"system_default = p\n[p]\n# MinProtocol = TLSv1.3\n", "empty", "TLSv1.2"},
                {"system_default = p\n[p\nMinProtocol = TLSv1.3\n", "bracket", "TLSv1.2"},
                {"system_default = p\n[p]\nMinProtocol TLSv1.3\n", "equal sign", "TLSv1.2"},
                {"system_default = p\n[p]\nMinProtocol = $nowhere\n", "no value", "TLSv1.2"},
                {"system_default = p\n[start]\nbogus = x\n[p]\nMinProtocol = \n", "module=bogus", "TLSv1.2"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                look(put(at("wrong.cnf"), text("%s%s", head, cases[i].text)));
                const char *accepted = value("openssl:config/accepted");
                ck_assert_msg(strncmp(accepted, "no: ", 4) == 0 && strstr(accepted, cases[i].why), "%s: %s",
                        cases[i].text, accepted);
                is(key("MinProtocol"), "None");
                is("openssl:floor", cases[i].floor);
        }
        look(put(at("wrong.cnf"), "openssl_conf = nowhere\n"));
        ck_assert_ptr_nonnull(strstr(value("openssl:config/accepted"), "openssl_conf=nowhere"));
        look(policy("MinProtocol = TLSv1.9"));
        ck_assert_str_eq(setting(key("MinProtocol"))->configured, "TLSv1.9");
        ck_assert_str_eq(setting(key("MinProtocol"))->after_restart, "None");
}
END_TEST

START_TEST(with_diagnostics_a_mistake_leaves_programs_without_tls_and_that_is_unknown)
{
        look(put(at("loud.cnf"), "config_diagnostics = 1\nopenssl_conf = start\n[start]\nbogus = x\n"));
        ck_assert_ptr_nonnull(strstr(value("openssl:config/accepted"), "module=bogus"));
        is_unknown("openssl:floor", "module=bogus");
        is_unknown(key("MinProtocol"), "a program that asks for TLS gets none");
}
END_TEST

START_TEST(a_section_that_nobody_refers_to_does_nothing)
{
        look(put(at("idle.cnf"),
                "[start]\nssl_conf = ssl\n[ssl]\nsystem_default = p\n[p]\nMinProtocol = TLSv1.3\n"));
        is("openssl:config/accepted", "yes");
        is(key("MinProtocol"), "None");
        ck_assert_ptr_null(setting(key("MinProtocol"))->configured);
        ck_assert_ptr_null(setting(key("MinProtocol"))->source);
}
END_TEST

/* ---- where it was written: the library itself is the judge of what is read ---- */

static void
is_written(const char *config, const char *wanted, const char *source)
{
        look(config);
        const struct probe_setting *min = setting(key("MinProtocol"));
        ck_assert_msg(strcmp(value(key("MinProtocol")), wanted) == 0, "OpenSSL has %s and not %s", min->value,
                wanted);
        ck_assert_msg(
                min->configured && strcmp(min->configured, wanted) == 0, "%s was read", min->configured);
        ck_assert_msg(
                strcmp(min->source, source) == 0, "it was found in %s and not in %s", min->source, source);
}

START_TEST(the_line_is_found_however_it_is_written)
{
        static const struct {
                const char *commands;
                unsigned line;
        } cases[] = {
                {"MinProtocol = TLSv1.2\nMinProtocol = TLSv1.3", 8},
                {"MinProtocol = TLSv1.2\n[other]\nMinProtocol = TLSv1.1\n[policy]\nMinProtocol=TLSv1.3", 11},
                {"MinProtocol = TLSv1.2\n1.minprotocol = TLSv1.3\n", 8},
                {"MinProtocol = 'TLSv1.3' # yes", 7},
                {"MinProtocol = \"TLSv\"1.3", 7},
                {"MinProtocol = TLS\\v1.3", 7},
                {"\n\nMinProtocol = \\\n TLSv1\\\n.3\nMaxProtocol = None", 9},
                {"v = 1.3\nMinProtocol = TLSv$v", 8},
                {"v = 1.3\nMinProtocol = TLSv${v}", 8},
                {"[vars]\nv = 1.3\n[policy]\nMinProtocol = TLSv$(vars::v)", 10},
                {"[default]\nv = 1.3\n[policy]\nMinProtocol = TLSv${nosuch::v}", 10},
                {"MaxProtocol = TLSv1.3\n[x]\npolicy::MinProtocol = TLSv1.3\n[y]", 9},
                {"MinProtocol = TLSv1.2\n[ssl]\nsystem_default = q\n[q]\nMinProtocol = TLSv1.3", 11},
                {".pragma = dollarid:on\nv$w = 1.3\nMinProtocol = TLSv${v$w}", 9},
                {"\r\nMinProtocol = TLSv1.3\r\n", 8},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                is_written(policy(cases[i].commands), "TLSv1.3", at("openssl.cnf:%u", cases[i].line));
        is_written(put(at("bom.cnf"),
                           "\xef\xbb\xbf"
                           "openssl_conf=a\n[a]\nssl=b\n[b]\nsystem_default=c\n[c]\nMinProtocol=TLSv1.3"),
                "TLSv1.3", at("bom.cnf:7"));
}
END_TEST

START_TEST(the_line_is_found_in_what_is_included)
{
        put(at("part.cnf"), "MinProtocol = TLSv1.3\n");
        is_written(policy(text(".include %s", at("part.cnf"))), "TLSv1.3", at("part.cnf:1"));
        is_written(policy(text(".include = %s\nMinProtocol = TLSv1.2", at("part.cnf"))), "TLSv1.2",
                at("openssl.cnf:8"));
        /* The section of an included file goes on in the one that includes it. */
        put(at("section.cnf"), "[policy]\n");
        is_written(policy(text("[x]\n.include %s\nMinProtocol = TLSv1.3", at("section.cnf"))), "TLSv1.3",
                at("openssl.cnf:9"));
        is_written(policy(text(".pragma includedir:%s\n.include part.cnf", scratch)), "TLSv1.3",
                at("part.cnf:1"));
        is_written(policy(text("d = %s\n.include $d/part.cnf", scratch)), "TLSv1.3", at("part.cnf:1"));
}
END_TEST

START_TEST(the_line_is_found_in_an_included_folder)
{
        put_folder(at("d"));
        put(at("d/ignored"), "MinProtocol = TLSv1.1\n");
        put(at("d/policy.conf"), "[policy]\nMinProtocol = TLSv1.3\n");
        is_written(policy(text(".include %s", at("d"))), "TLSv1.3", at("d/policy.conf:2"));
        /* Two of them: which wins is up to the order of the folder, and both readings must agree on it. */
        put(at("d/other.cnf"), "[policy]\nMinProtocol = TLSv1.2\n");
        look(policy(text(".include %s", at("d"))));
        ck_assert_str_eq(setting(key("MinProtocol"))->configured, value(key("MinProtocol")));
        /* A file of the folder that includes another goes on only after the rest of the folder. */
        put(at("inner.cnf"), "MaxProtocol = TLSv1.3\n");
        put(at("d/policy.conf"), text("[policy]\n.include %s\nMinProtocol = TLSv1.3\n", at("inner.cnf")));
        is_written(policy(text(".include %s", at("d"))), "TLSv1.3", at("d/policy.conf:3"));
}
END_TEST

START_TEST(a_missing_include_is_passed_over_and_watched)
{
        look(policy(text(".include %s\nMinProtocol = TLSv1.3", at("not-there"))));
        is(key("MinProtocol"), "TLSv1.3");
        const char *wanted[] = {at("not-there"), at("openssl.cnf"), scratch};
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                bool found = false;
                for (size_t k = 0; k < reading.watched.count; k++)
                        found |= strcmp(reading.watched.items[k], wanted[i]) == 0;
                ck_assert_msg(found, "%s is not watched", wanted[i]);
        }
}
END_TEST

START_TEST(the_libraries_and_the_helper_are_watched)
{
        unsigned found = 0;
        look(policy("MinProtocol = TLSv1.2"));
        for (size_t i = 0; i < reading.watched.count; i++) {
                const char *path = reading.watched.items[i];
                ck_assert_int_eq(*path, '/');
                found |= strstr(path, "/libssl.so") && access(path, R_OK) == 0 ? 1u : 0;
                found |= strstr(path, "/libcrypto.so") && access(path, R_OK) == 0 ? 2u : 0;
                found |= strstr(path, "/driftd-openssl") && access(path, X_OK) == 0 ? 4u : 0;
        }
        ck_assert_uint_eq(found, 7);
}
END_TEST

/* ---- what cannot be read ---- */

static void
is_all_unknown(const char *config, const char *why)
{
        int64_t start_ms = clock_monotonic_ms();
        look(config);
        is_unknown("openssl:config/accepted", why);
        is_unknown("openssl:floor", why);
        is_unknown(key("MinProtocol"), why);
        is("openssl:config/file", config);
        ck_assert_int_lt(clock_monotonic_ms() - start_ms, 20000);
}

START_TEST(a_configuration_that_cannot_be_read_is_unknown_and_never_a_pass)
{
        put(at("loop.cnf"), text(".include %s\n", at("loop.cnf")));
        is_all_unknown(at("loop.cnf"), "includes itself");
        is_all_unknown(put_folder(at("folder")), "is a folder");
        ck_assert_int_eq(mkfifo(at("fifo"), 0644), 0);
        is_all_unknown(at("fifo"), "not a regular file");
        is_all_unknown(policy(text(".include %s", at("fifo"))), "not a regular file");
        put(at("sparse"), "");
        ck_assert_int_eq(truncate(at("sparse"), (off_t)1 << 30), 0);
        is_all_unknown(at("sparse"), "larger than");
        put_bytes(at("private"), "# x\n", 4, 0600);
        is_all_unknown(at("private"), "may not be read by everybody");
        put_bytes(at("nul"), "a = b\0\n", 7, 0644);
        is_all_unknown(at("nul"), "NUL byte");
}
END_TEST

START_TEST(a_deep_chain_of_includes_is_bounded)
{
        for (int i = 0; i < 20; i++)
                put(at("c%d", i), text(".include %s\n", at("c%d", i + 1)));
        is_all_unknown(at("c0"), "16 deep");
}
END_TEST

START_TEST(no_configuration_is_the_policy_as_the_library_comes)
{
        look(at("not-there"));
        ck_assert_ptr_nonnull(strstr(value("openssl:config/accepted"), "no: "));
        is(key("MinProtocol"), "None");
        is("openssl:floor", "TLSv1.2");
}
END_TEST

/* ---- the helper ---- */

static void
fails(const char *script, unsigned timeout_ms, const char *why)
{
        put_bytes(at("driftd-openssl"), script, strlen(script), 0755);
        int64_t start_ms = clock_monotonic_ms();
        ck_assert_int_eq(look_with(scratch, NULL, NULL, 0, timeout_ms, NULL), PROBE_FAILED);
        ck_assert_msg(strstr(err.text, why), "%s: %s", script, err.text);
        ck_assert_int_lt(clock_monotonic_ms() - start_ms, 30000);
}

START_TEST(a_helper_that_fails_makes_the_domain_unknown)
{
        ck_assert_int_eq(look_with(at("nowhere"), NULL, NULL, 0, 0, NULL), PROBE_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
        fails("#!/bin/sh\nexec sleep 300\n", 300, "in time");
        fails("#!/bin/sh\nkill -9 $$\n", 60000, "signal 9");
        fails("#!/bin/sh\necho no >&2\nexit 3\n", 60000, "ended with 3: no");
        fails("#!/bin/sh\nexec head -c 3000000 /dev/zero\n", 60000, "more than");
}
END_TEST

START_TEST(an_answer_that_is_not_as_agreed_is_none)
{
        static const char *const answers[] = {"", "end \n", "sandbox x\n", "sandbox x\nend \nend \n",
                "sandbox x\nend \nmore", "sandbox x\nend ", "sandbox x\nversion a b\nend \n",
                "sandbox x\nversion \\x0\nend \n", "sandbox x\nversion \\x00\nend \n",
                "sandbox x\nVersion a\nend \n", "sandbox x\nversion a\nversion a\nend \n",
                "version a\nend \n", "sandbox x\nversion\nend \n", "sandbox x\n\nend \n"};
        for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
                put(at("answer"), answers[i]);
                fails(text("#!/bin/sh\nexec cat %s\n", at("answer")), 60000, "did not answer as agreed");
        }
        put(at("answer"), "sandbox x\nversion a\nopenssldir b\nconfig c\nlibssl d\nend \n");
        fails(text("#!/bin/sh\nexec cat %s\n", at("answer")), 60000, "what was not asked");
}
END_TEST

START_TEST(a_look_is_given_up_when_nobody_waits)
{
        atomic_bool cancel = true;
        ck_assert_int_eq(look_with(helpers, NULL, NULL, 0, 0, &cancel), -ECANCELED);
}
END_TEST

/* Tries what a module could do to the host: 1 if all of it is refused. */
static const char module[] =
        "#include <fcntl.h>\n#include <signal.h>\n#include <sys/socket.h>\n#include <unistd.h>\n"
        "int OPENSSL_init(void *m, const void *c);\n"
        "int OPENSSL_init(void *m, const void *c)\n{\n"
        "        (void)m;\n        (void)c;\n"
        "        if (open(FOLDER \"/written\", O_WRONLY | O_CREAT, 0600) >= 0) return 0;\n"
        "        if (open(\"/dev/null\", O_RDWR) >= 0) return 0;\n"
        "        if (unlink(FOLDER \"/victim\") == 0) return 0;\n"
        "        if (socket(AF_INET, SOCK_STREAM, 0) >= 0) return 0;\n"
        "        if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0) return 0;\n"
        "        if (kill(getppid(), 0) == 0) return 0;\n"
        "        if (fork() >= 0) return 0;\n"
        "        return open(\"/etc/passwd\", O_RDONLY) >= 0;\n"
        "}\n";

START_TEST(a_module_of_the_configuration_can_do_nothing_to_the_host)
{
        put(at("module.c"), module);
        put(at("victim"), "");
        ck_assert_int_eq(chmod(scratch, 01777), 0);
        ck_assert_int_eq(system(text("cc -shared -fPIC -DFOLDER='\"%s\"' -o '%s' '%s'", scratch,
                                 at("module.so"), at("module.c"))),
                0);
        look(put(at("module.cnf"),
                text("openssl_conf = i\n[i]\nharmful = m\n[m]\npath = %s\n", at("module.so"))));
        is("openssl:config/accepted", "yes");
        ck_assert_int_ne(access(at("written"), F_OK), 0);
        ck_assert_int_eq(access(at("victim"), F_OK), 0);
        /* It does run, and outside of the helper it gets its way. */
        void *loaded = dlopen(at("module.so"), RTLD_NOW);
        ck_assert_ptr_nonnull(loaded);
        int (*run)(void *, const void *) =
                (int (*)(void *, const void *))(uintptr_t)dlsym(loaded, "OPENSSL_init");
        ck_assert_int_eq(run(NULL, NULL), 0);
        dlclose(loaded);
}
END_TEST

START_TEST(a_hundred_looks_are_the_same)
{
        _cleanup_buf_ struct buf first = {0};
        policy("MinProtocol = TLSv1.2\nCipherString = DEFAULT@SECLEVEL=2");
        for (int i = 0; i < 100; i++) {
                _cleanup_buf_ struct buf now = {0};
                look(at("openssl.cnf"));
                for (size_t k = 0; k < reading.count; k++) /* who runs what is another matter */
                        if (strncmp(reading.list[k].item, "openssl:stale_library", 21) != 0)
                                ck_assert_int_eq(buf_printf(&now, "%s=%s %s\n", reading.list[k].item,
                                                         reading.list[k].value, reading.list[k].source),
                                        0);
                if (!i)
                        ck_assert_int_eq(buf_text(&first, now.data), 0);
                ck_assert_str_eq(now.data, first.data);
        }
}
END_TEST

/* ---- certificates ---- */

static void
make_certificate(const char *key_options, const char *file, int days)
{
        const char *line = text(
                "openssl req -x509 -nodes -subj /CN=t -days %d -newkey %s -keyout '%s' -out '%s' 2>/dev/null",
                days, key_options, at("key.pem"), file);
        ck_assert_msg(system(line) == 0, "%s", line);
}

static int64_t
days_until(const char *text)
{
        struct tm tm = {0};
        ck_assert_msg(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) && strlen(text) == 20, "%s", text);
        return (timegm(&tm) - time(NULL) + 43200) / 86400;
}

static const char *
certificate(const char *file, const char *fact)
{
        return text("openssl:certificate%s/%s", at("%s", file), fact);
}

START_TEST(certificates_that_a_policy_names)
{
        make_certificate("rsa:2048", at("rsa.pem"), 100);
        make_certificate("ec -pkeyopt ec_paramgen_curve:P-256", at("ec.pem"), 10);
        ck_assert_int_eq(system(text("cat '%s' '%s' >'%s'; openssl x509 -in '%s' -outform DER -out '%s'",
                                 at("rsa.pem"), at("ec.pem"), at("chain.pem"), at("rsa.pem"), at("rsa.der"))),
                0);
        put(at("garbage"), "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
        ck_assert_int_eq(mkfifo(at("fifo"), 0644), 0);
        const char *files[] = {"rsa.pem", "ec.pem", "chain.pem", "rsa.der", "garbage", "fifo", "not-there"};
        char *items[2 * ARRAY_SIZE(files) + 2];
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                items[2 * i] = (char *)(uintptr_t)certificate(files[i], "not_after");
                items[2 * i + 1] = (char *)(uintptr_t)certificate(files[i], "bits");
        }
        char glob[] = "openssl:certificate/etc/**", relative[] = "openssl:certificate/../bits";
        items[2 * ARRAY_SIZE(files)] = glob;
        items[2 * ARRAY_SIZE(files) + 1] = relative;
        int r = look_with(helpers, policy("MinProtocol = TLSv1.2"), items, ARRAY_SIZE(items), 60000, NULL);
        ck_assert_msg(r == 0, "%s", err.text);
        ck_assert_int_eq(days_until(value(certificate("rsa.pem", "not_after"))), 100);
        is(certificate("rsa.pem", "bits"), "2048");
        is(certificate("rsa.pem", "type"), "RSA");
        is(certificate("ec.pem", "bits"), "256");
        is(certificate("ec.pem", "type"), "EC");
        /* A chain ends with the one of it that ends first. */
        ck_assert_int_eq(days_until(value(certificate("chain.pem", "not_after"))), 10);
        is(certificate("chain.pem", "bits"), "2048");
        is(certificate("rsa.der", "bits"), "2048");
        is_unknown(certificate("garbage", "not_after"), "no X.509 certificate");
        is_unknown(certificate("fifo", "bits"), "not a regular file");
        is_unknown(certificate("not-there", "bits"), "No such file");
        ck_assert_int_eq(setting(certificate("not-there", "bits"))->error, ENOENT);
        is("openssl:floor", "TLSv1.2");
        for (size_t i = 0; i < reading.count; i++)
                ck_assert_ptr_null(strstr(reading.list[i].item, "certificate/etc"));
}
END_TEST

/* ---- old libraries ---- */

static const char *
summary(void)
{
        const char *text = setting("openssl:stale_library")->value;
        return text ? text : "";
}

/* Whether a process maps a file of the scratch folder with this mark at the end of its line. */
static bool
maps(pid_t pid, const char *mark)
{
        char path[64], *line = NULL;
        size_t room = 0;
        bool found = false;
        snprintf(path, sizeof path, "/proc/%d/maps", pid);
        FILE *file = fopen(path, "re");
        while (file && getline(&line, &room, file) > 0)
                found |= strstr(line, scratch) && strstr(line, mark);
        free(line);
        if (file)
                fclose(file);
        return found;
}

START_TEST(a_process_that_runs_a_deleted_library_is_found_and_later_gone)
{
        int pipes[2];
        look(NULL);
        char program[PATH_MAX];
        ck_assert_ptr_nonnull(realpath("/usr/bin/openssl", program));
        ck_assert_int_eq(system(text("ldd '%s' | awk '/lib(ssl|crypto)/{print $3}' | xargs cp -Lt '%s'",
                                 program, scratch)),
                0);
        ck_assert_int_eq(system(text("cp '%s' '%s'", program, at("ssl-user"))), 0);
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
                dup2(pipes[0], 0);
                setenv("LD_LIBRARY_PATH", scratch, 1);
                execl(at("ssl-user"), "ssl-user", "base64", NULL);
                _exit(99);
        }
        for (int i = 0; i < 1000 && !maps(pid, "libcrypto.so"); i++)
                usleep(10000);
        look(NULL);
        ck_assert_ptr_null(strstr(summary(), at("ssl-user"))); /* the old library, and it is still there */
        ck_assert_int_eq(system(text("rm '%s'/lib*.so*", scratch)), 0);
        look(NULL);
        ck_assert_ptr_nonnull(strstr(summary(), at("ssl-user")));
        const struct probe_setting *found = setting(text("openssl:stale_library%s", at("ssl-user")));
        ck_assert(found->derived);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "libcrypto,libssl in process %d", pid);
        ck_assert_str_eq(found->value, wanted);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        look(NULL);
        ck_assert_ptr_null(strstr(summary(), at("ssl-user")));
        close(pipes[0]);
        close(pipes[1]);
}
END_TEST

static int
by_item(const void *a, const void *b)
{
        return strcmp(((const struct probe_setting *)a)->item, ((const struct probe_setting *)b)->item);
}

static int
stale_in_scratch(int64_t deadline_ms)
{
        probe_reading_done(&reading);
        int r = probe_stale(scratch, deadline_ms, NULL, &reading);
        qsort(reading.list, reading.count, sizeof *reading.list, by_item);
        return r;
}

static void
put_map(unsigned pid, const char *text)
{
        put_folder(at("%u", pid));
        put(at("%u/maps", pid), text);
        ck_assert_int_eq(symlink(at("bin x (deleted)"), at("%u/exe", pid)), 0);
}

START_TEST(only_deleted_libraries_of_openssl_count)
{
        put_map(7, "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl.so.3\n"
                   "7f00-7f01 r-xp 00000000 08:01 1 /memfd:libssl (deleted)\n"
                   "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libc.so.6 (deleted)\n"
                   "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl.so.3 (deleted)/x\n"
                   "7f00-7f01 rw-p 00000000 00:00 0\n");
        ck_assert_int_eq(stale_in_scratch(INT64_MAX), 0);
        is("openssl:stale_library", "none");
        ck_assert_uint_eq(reading.count, 1);
        put_map(8, "7f00-7f01 r-xp 00000000 00:2a 1 /usr/lib/libcrypto.so.1.1 (deleted)\n");
        put_map(9, "7f00-7f01 r-xp 00000000 00:2a 1 /usr/lib/libssl.so.3 (deleted)\n");
        ck_assert_int_eq(stale_in_scratch(INT64_MAX), 0);
        /* One program, by the path that it was started from, escaped. */
        is("openssl:stale_library", at("bin\\x20x"));
        ck_assert_int_eq(strncmp(value(text("openssl:stale_library%s", at("bin\\x20x"))),
                                 "libcrypto,libssl in process ", 28),
                0);
}
END_TEST

static void
look_at_what_is_closed(void)
{
        expect(probe_stale(scratch, INT64_MAX, NULL, &reading) == 0);
        const struct probe_setting *found = probe_find(&reading, "openssl:stale_library");
        expect(found && !found->value && found->error == EACCES);
        expect(strstr(found->reason, "1 of 2 processes"));
}

START_TEST(a_map_that_cannot_be_read_is_never_clean)
{
        put_map(7, "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libssl.so.3\n");
        put_map(8, "");
        ck_assert_int_eq(chmod(at("8/maps"), 0), 0);
        as_nobody(look_at_what_is_closed);
        probe_reading_done(&reading);
        ck_assert_int_eq(stale_in_scratch(0), 0);
        is_unknown("openssl:stale_library", "Timer expired");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("probe_openssl");
        TCase *tests = tcase_create("probe_openssl");
        tcase_set_timeout(tests, 60);
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, no_configured_bound_and_yet_the_old_protocols_are_refused);
        tcase_add_test(tests, the_systems_own_configuration_is_taken_where_none_is_named);
        tcase_add_test(tests, a_policy_is_in_force_and_its_lines_are_known);
        tcase_add_test(tests, the_floor_is_what_really_shakes_hands);
        tcase_add_test(tests, what_openssl_passes_over_in_silence_is_told);
        tcase_add_test(tests, with_diagnostics_a_mistake_leaves_programs_without_tls_and_that_is_unknown);
        tcase_add_test(tests, a_section_that_nobody_refers_to_does_nothing);
        tcase_add_test(tests, the_line_is_found_however_it_is_written);
        tcase_add_test(tests, the_line_is_found_in_what_is_included);
        tcase_add_test(tests, the_line_is_found_in_an_included_folder);
        tcase_add_test(tests, a_missing_include_is_passed_over_and_watched);
        tcase_add_test(tests, the_libraries_and_the_helper_are_watched);
        tcase_add_test(tests, a_configuration_that_cannot_be_read_is_unknown_and_never_a_pass);
        tcase_add_test(tests, a_deep_chain_of_includes_is_bounded);
        tcase_add_test(tests, no_configuration_is_the_policy_as_the_library_comes);
        tcase_add_test(tests, a_helper_that_fails_makes_the_domain_unknown);
        tcase_add_test(tests, an_answer_that_is_not_as_agreed_is_none);
        tcase_add_test(tests, a_look_is_given_up_when_nobody_waits);
        tcase_add_test(tests, a_module_of_the_configuration_can_do_nothing_to_the_host);
        tcase_add_test(tests, a_hundred_looks_are_the_same);
        tcase_add_test(tests, certificates_that_a_policy_names);
        tcase_add_test(tests, a_process_that_runs_a_deleted_library_is_found_and_later_gone);
        tcase_add_test(tests, only_deleted_libraries_of_openssl_count);
        tcase_add_test(tests, a_map_that_cannot_be_read_is_never_clean);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
