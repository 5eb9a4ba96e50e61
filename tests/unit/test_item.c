/* SPDX-License-Identifier: MIT */
/* Items as people write them, and globs: compared with a slow, obvious matcher, and never slow themselves. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/item.h"

static void
check_match(const char *pattern, const char *text, bool expected)
{
        ck_assert_msg(glob_match(pattern, text) == expected, "\"%s\" %s \"%s\"", pattern,
                expected ? "must match" : "must not match", text);
}

static void
check_covers(const char *pattern, const char *path, bool expected)
{
        ck_assert_msg(glob_covers(pattern, path) == expected, "\"%s\" %s \"%s\"", pattern,
                expected ? "must cover" : "must not cover", path);
}

START_TEST(a_star_stays_within_a_name)
{
        check_match("/etc/*.conf", "/etc/a.conf", true);
        check_match("/etc/*.conf", "/etc/.conf", true);
        check_match("/etc/*.conf", "/etc/a/b.conf", false);
        check_match("/etc/*", "/etc", false);
        check_match("/*/*", "/a/b", true);
        check_match("/*/*", "/a/b/c", false);
        check_match("*a*b", "xaxbab", true);
        check_match("*a*b", "xaxba", false);
}
END_TEST

START_TEST(a_question_mark_is_one_byte_and_no_slash)
{
        check_match("/a?c", "/abc", true);
        check_match("/a?c", "/a/c", false);
        check_match("/a?c", "/ac", false);
        check_match("/a?", "/a", false);
}
END_TEST

START_TEST(an_escape_is_one_byte)
{
        check_match("/a?c", "/a\\x20c", true);
        check_match("/a????c", "/a\\x20c", false);
        check_match("/*20", "/a\\x20", false);
        check_match("/*\\x20", "/a\\x20", true);
        check_match("/**0", "/\\x20", false);
        check_match("/a\\x20c", "/a\\x20c", true);
        check_match("/?", "/\\x5c", true);
}
END_TEST

START_TEST(brackets_and_braces_mean_themselves)
{
        check_match("/usr/bin/[", "/usr/bin/[", true);
        check_match("/[ab]", "/a", false);
        check_match("/{a,b}", "/a", false);
}
END_TEST

START_TEST(two_stars_at_the_end_match_all_below_but_not_the_folder)
{
        check_match("/a/**", "/a/b", true);
        check_match("/a/**", "/a/b/c", true);
        check_match("/a/**", "/a", false);
        check_match("/a/**", "/a/", false);
        check_match("/a/**", "/ab", false);
        check_match("/**", "/", false);
        check_match("/**", "/a", true);
        check_match("**", "", true);
}
END_TEST

START_TEST(two_stars_between_slashes_match_any_number_of_whole_names)
{
        check_match("/a/**/b", "/a/b", true);
        check_match("/a/**/b", "/a/x/b", true);
        check_match("/a/**/b", "/a/x/y/b", true);
        check_match("/a/**/b", "/a/xb", false);
        check_match("/a/**/b", "/ab", false);
        check_match("/a/**/b", "/a/b/c", false);
        check_match("/a/**/**/b", "/a/b", true);
        check_match("**/b", "b", true);
        check_match("**/b", "/a/b", true);
        check_match("**/b", "/ab", false);
        check_match("/**/.*.sw?", "/etc/.x.swp", true);
        check_match("/**/*.pyc", "/usr/lib/a.d/b.pyc", true);
}
END_TEST

START_TEST(two_stars_in_a_name_match_any_run)
{
        check_match("/a**", "/a", true);
        check_match("/a**", "/ab/c", true);
        check_match("/a**c", "/ab/c", true);
        check_match("/a**/c", "/ab/c", true);
        check_match("/a**/c", "/ac", false);
        check_match("/a***b", "/ax/yb", true);
}
END_TEST

/* What the rules say, without a thought for time: the model that the matcher must agree with. */
static bool
model(const char *start, const char *p, const char *t)
{
        if (!*p)
                return !*t;
        if (p[0] == '*' && p[1] == '*') {
                bool at_name = p == start || p[-1] == '/';
                const char *rest = p + strspn(p, "*");
                if (!*rest)
                        return !at_name || p == start || *t;
                if (at_name && *rest == '/') {
                        if (model(start, rest + 1, t))
                                return true;
                        for (const char *q = t; *q; q++)
                                if (*q == '/' && model(start, rest + 1, q + 1))
                                        return true;
                        return false;
                }
                for (const char *q = t;; q++) {
                        if (model(start, rest, q))
                                return true;
                        if (!*q)
                                return false;
                }
        }
        if (*p == '*') {
                for (const char *q = t;; q++) {
                        if (model(start, p + 1, q))
                                return true;
                        if (!*q || *q == '/')
                                return false;
                }
        }
        if (!*t || (*p == '?' ? *t == '/' : *p != *t))
                return false;
        return model(start, p + 1, t + 1);
}

START_TEST(the_matcher_agrees_with_a_model)
{
        unsigned seed = 1;
        static const char pattern_bytes[] = "ab/*?**//", text_bytes[] = "aab//";
        for (unsigned i = 0; i < 200000; i++) {
                char pattern[10], text[12];
                size_t p_size = (size_t)rand_r(&seed) % sizeof pattern,
                       t_size = (size_t)rand_r(&seed) % sizeof text;
                for (size_t k = 0; k < p_size; k++)
                        pattern[k] = pattern_bytes[(size_t)rand_r(&seed) % (sizeof pattern_bytes - 1)];
                for (size_t k = 0; k < t_size; k++)
                        text[k] = text_bytes[(size_t)rand_r(&seed) % (sizeof text_bytes - 1)];
                pattern[p_size] = text[t_size] = '\0';
                check_match(pattern, text, model(pattern, pattern, text));
        }
}
END_TEST

START_TEST(no_pattern_is_slow)
{
        static char text[4096], slashes[4096];
        memset(text, 'a', sizeof text - 1);
        for (size_t i = 0; i < sizeof slashes - 1; i++)
                slashes[i] = i % 2 ? 'a' : '/';
        clock_t before = clock();
        check_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text, false);
        check_match("**a**a**a**a**a**a**a**a**a**a**a**a**a**b", text, false);
        check_match("**a*a**a*a**a*a**a*a**a*a**a*a**a*a**b", text, false);
        check_match("**/*a*a*a/**/*a*a/**/*a*b", slashes, false);
        check_match("/**/a/**/a/**/a/**/a/**/a/**/a/**/b", slashes, false);
        check_covers("**/a/**/a/**/a/**/a/*/a/*/b", slashes + 2048, false);
        double took = (double)(clock() - before) / CLOCKS_PER_SEC;
        ck_assert_msg(took < 5.0, "matching took %.1f s of processor time", took);
}
END_TEST

START_TEST(a_pattern_covers_what_is_below_its_match)
{
        check_covers("/etc", "/etc", true);
        check_covers("/etc", "/etc/passwd", true);
        check_covers("/etc", "/etcetera", false);
        check_covers("/etc/passwd", "/etc", false);
        check_covers("/", "/", true);
        check_covers("/", "/etc/passwd", true);
        check_covers("/e*", "/etc/ssh/sshd_config", true);
        check_covers("/*/ssh", "/etc/ssh/sshd_config", true);
        check_covers("/*/sh", "/etc/ssh/sshd_config", false);
        check_covers("/etc/**", "/etc", false);
        check_covers("/etc/**", "/etc/a/b", true);
        check_covers("**/ssh", "/etc/ssh/x/y", true);
        check_covers("net/ipv4/conf/veth*/**", "net/ipv4/conf/veth0/rp_filter", true);
        check_covers("net/*/conf/veth*", "net/ipv4/conf/veth0/rp_filter", true);
        check_covers("net/*/conf/veth*", "net/ipv4/conf/eth0/rp_filter", false);
        check_covers("?", "a/b", true);
}
END_TEST

static void
check_parsed(const char *argument, const char *expected)
{
        struct err err = {0};
        char *item = NULL;
        int r = item_parse(argument, &item, &err);
        ck_assert_msg(r == 0, "\"%s\" was refused: %s", argument, err.text);
        ck_assert_str_eq(item, expected);
        free(item);
}

static void
check_refused(const char *argument, const char *words, const char *hint)
{
        struct err err = {0};
        char *item = NULL;
        ck_assert_msg(item_parse(argument, &item, &err) == -EINVAL, "\"%s\" was taken", argument);
        ck_assert_ptr_null(item);
        ck_assert_msg(
                strstr(err.text, words), "\"%s\": \"%s\" does not say \"%s\"", argument, err.text, words);
        ck_assert_msg(
                strstr(err.hint, hint), "\"%s\": hint \"%s\" does not say \"%s\"", argument, err.hint, hint);
}

START_TEST(a_bare_path_is_raw_and_means_a_file)
{
        check_parsed("/etc/passwd", "file:/etc/passwd");
        check_parsed("/tmp/a b\n\\x20", "file:/tmp/a\\x20b\\x0a\\x5cx20");
        check_parsed("/usr/bin/[", "file:/usr/bin/[");
        check_parsed("/etc/*.conf", "file:/etc/*.conf");
}
END_TEST

START_TEST(paths_are_tidied)
{
        check_parsed("/", "file:/");
        check_parsed("//", "file:/");
        check_parsed("/etc/", "file:/etc");
        check_parsed("/etc//./ssh/.", "file:/etc/ssh");
        check_parsed("/etc/...", "file:/etc/...");
        check_parsed("file:/etc//ssh/", "file:/etc/ssh");
        check_refused("/etc/../root", "..", "realpath");
        check_refused("file:/..", "..", "realpath");
}
END_TEST

START_TEST(every_domain_has_its_form)
{
        check_parsed("file:/tmp/a\\x20b", "file:/tmp/a\\x20b");
        check_parsed("sysctl:net/ipv4/ip_forward", "sysctl:net/ipv4/ip_forward");
        check_parsed("sysctl:net/ipv4/conf/eth0.100/rp_filter", "sysctl:net/ipv4/conf/eth0.100/rp_filter");
        check_parsed("sysctl:**", "sysctl:**");
        check_parsed("sshd:PermitRootLogin", "sshd:permitrootlogin");
        check_parsed("sshd[user=Git]:PermitRootLogin", "sshd[user=Git]:permitrootlogin");
        check_parsed("sshd[addr=::1]:x", "sshd[addr=::1]:x");
        check_parsed("sshd:authorized_keys/Ann/SHA256:aB/c+D", "sshd:authorized_keys/Ann/SHA256:aB/c+D");
        check_parsed("sshd[address=10.0.0.0/8]:PermitTTY", "sshd[address=10.0.0.0/8]:permittty");
        check_parsed("openssl:system_default/MinProtocol", "openssl:system_default/MinProtocol");
}
END_TEST

START_TEST(what_is_no_item_is_refused_with_what_would_be_right)
{
        check_refused("", "neither", "/etc/passwd");
        check_refused("etc/passwd", "neither an absolute path", "/etc/passwd");
        check_refused("file:etc/passwd", "not an absolute path", "file:/etc/passwd");
        check_refused("file:", "names nothing", "file:/**");
        check_refused("sysctl:", "names nothing", "sysctl:**");
        check_refused("sysctl:net.ipv4.ip_forward", "slashes", "sysctl:net/ipv4/ip_forward");
        check_refused("sysctl:/net", "not the name", "net/ipv4");
        check_refused("files:/etc", "no domain", "file:");
        check_refused("systcl:x/y", "no domain", "did you mean sysctl:");
        check_refused("http://x", "no domain", "file, sysctl");
        check_refused("file:/a b", "not escaped", "\\x20");
        check_refused("file:/a\\x41", "not escaped", "\\x20");
        check_refused("sshd[user=git]", "names nothing", "sshd[user=git]:NAME");
        check_refused("sshd[]:x", "names nothing", "sshd");
        check_refused("sysctl[a]:x", "names nothing", "sysctl:NAME");
}
END_TEST

START_TEST(a_hostile_argument_is_escaped_in_the_words)
{
        struct err err = {0};
        char *item = NULL;
        ck_assert_int_eq(item_parse("\x1b]0;x\x07:\x9b", &item, &err), -EINVAL);
        for (const char *p = err.text; *p; p++)
                ck_assert(*p >= 0x20 && *p <= 0x7e);
}
END_TEST

START_TEST(an_item_is_made_from_raw_bytes)
{
        char *item = item_from_path("/a\xff\n");
        ck_assert_str_eq(item, "file:/a\\xff\\x0a");
        free(item);
}
END_TEST

static bool
selects(const char *pattern, const char *item)
{
        char *copy = strdup(pattern);
        bool selected = item_selected(item, &copy, 1);
        free(copy);
        return selected;
}

START_TEST(no_pattern_selects_everything)
{
        ck_assert(item_selected("file:/x", NULL, 0));
}
END_TEST

START_TEST(a_pattern_selects_its_domain_only)
{
        ck_assert(selects("file:/etc", "file:/etc/passwd"));
        ck_assert(selects("file:/", "file:/etc/passwd"));
        ck_assert(selects("file:/**", "file:/etc/passwd"));
        ck_assert(!selects("file:/etc", "file:/etcetera"));
        ck_assert(!selects("file:**", "sysctl:a/b"));
        ck_assert(selects("sysctl:**", "sysctl:a/b"));
        ck_assert(selects("sysctl:net/ipv4", "sysctl:net/ipv4/ip_forward"));
        ck_assert(selects("sysctl:**/ip_forward", "sysctl:ip_forward"));
        ck_assert(selects("sshd:permit*", "sshd:permitrootlogin"));
        ck_assert(!selects("sshd:permit*", "sshd[user=git]:permitrootlogin"));
        ck_assert(selects("sshd[user=git]:*", "sshd[user=git]:permitrootlogin"));
        ck_assert(!selects("sshd[user=git]:*", "sshd:permitrootlogin"));
        ck_assert(selects("sshd:authorized_keys/ann/*", "sshd:authorized_keys/ann/SHA256:aB/c+D"));
        ck_assert(selects("sshd:hostkey/**/bits", "sshd:hostkey/etc/ssh/ssh_host_rsa_key/bits"));
        ck_assert(selects("openssl:system_default", "openssl:system_default/MinProtocol"));
}
END_TEST

START_TEST(one_of_several_patterns_is_enough)
{
        char a[] = "file:/a", b[] = "file:/b";
        char *patterns[] = {a, b};
        ck_assert(item_selected("file:/b/c", patterns, 2));
        ck_assert(!item_selected("file:/c", patterns, 2));
}
END_TEST

START_TEST(a_keyword_is_selected_in_every_context)
{
        static char every[] = "sshd**:permitrootlogin";
        char *const patterns[] = {every};
        ck_assert(item_selected("sshd:permitrootlogin", patterns, 1));
        ck_assert(item_selected("sshd[addr=10.0.0.0/8,user=git]:permitrootlogin", patterns, 1));
        ck_assert(!item_selected("sshd:permittty", patterns, 1));
        ck_assert(!item_selected("sysctl:permitrootlogin", patterns, 1));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("item");
        TCase *tc = tcase_create("item");
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, a_star_stays_within_a_name);
        tcase_add_test(tc, a_question_mark_is_one_byte_and_no_slash);
        tcase_add_test(tc, an_escape_is_one_byte);
        tcase_add_test(tc, brackets_and_braces_mean_themselves);
        tcase_add_test(tc, two_stars_at_the_end_match_all_below_but_not_the_folder);
        tcase_add_test(tc, two_stars_between_slashes_match_any_number_of_whole_names);
        tcase_add_test(tc, two_stars_in_a_name_match_any_run);
        tcase_add_test(tc, the_matcher_agrees_with_a_model);
        tcase_add_test(tc, no_pattern_is_slow);
        tcase_add_test(tc, a_pattern_covers_what_is_below_its_match);
        tcase_add_test(tc, a_bare_path_is_raw_and_means_a_file);
        tcase_add_test(tc, paths_are_tidied);
        tcase_add_test(tc, every_domain_has_its_form);
        tcase_add_test(tc, what_is_no_item_is_refused_with_what_would_be_right);
        tcase_add_test(tc, a_hostile_argument_is_escaped_in_the_words);
        tcase_add_test(tc, an_item_is_made_from_raw_bytes);
        tcase_add_test(tc, no_pattern_selects_everything);
        tcase_add_test(tc, a_pattern_selects_its_domain_only);
        tcase_add_test(tc, one_of_several_patterns_is_enough);
        tcase_add_test(tc, a_keyword_is_selected_in_every_context);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
