/* SPDX-License-Identifier: MIT */
/* The configuration: every key and bound, every mistake with its place and what would be right, and how files
 * merge. */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/config.h"
#include "core/file.h"

static char folder[64];

static void
setup(void)
{
        strcpy(folder, "/tmp/test-config-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(chdir(folder), 0);
}

static void
teardown(void)
{
        char command[128];
        ck_assert_int_eq(chdir("/"), 0);
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        ck_assert_int_eq(system(command), 0);
}

static struct config *
parsed(const char *text)
{
        struct err err = {0};
        struct config *config = NULL;
        int r = config_parse("x.conf", text, strlen(text), &config, &err);
        ck_assert_msg(r == 0, "refused: %s (%s)\n%s", err.text, err.hint, text);
        return config;
}

static void
check_refused(const char *text, const char *words, const char *hint)
{
        struct err err = {0};
        struct config *config = NULL;
        ck_assert_msg(
                config_parse("x.conf", text, strlen(text), &config, &err) == -EINVAL, "taken:\n%s", text);
        ck_assert_ptr_null(config);
        ck_assert_int_eq(err.code, -EINVAL);
        ck_assert_msg(
                strstr(err.text, words) == err.text, "\"%s\" does not start with \"%s\"", err.text, words);
        ck_assert_msg(*hint && strstr(err.hint, hint), "hint \"%s\" does not say \"%s\"", err.hint, hint);
}

static void
write_text(const char *path, const char *text)
{
        struct err err = {0};
        ck_assert_msg(file_write(path, 0644, text, strlen(text), &err) == 0, "%s", err.text);
}

static struct config *
loaded(const char *file)
{
        struct err err = {0};
        struct config *config = NULL;
        int r = config_load(file, &config, &err);
        ck_assert_msg(r == 0, "refused: %s (%s)", err.text, err.hint);
        return config;
}

static void
check_list(const struct text_list *list, size_t count, const char *const *expected)
{
        ck_assert_uint_eq(list->count, count);
        for (size_t i = 0; i < count; i++)
                ck_assert_str_eq(list->items[i], expected[i]);
}
#define CHECK_LIST(list, ...)                                                                                \
        check_list((list), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                           \
                (const char *[]){__VA_ARGS__})

/* ---- values ---- */

START_TEST(an_empty_file_is_all_defaults)
{
        _cleanup_(config_freep) struct config *config = parsed("");
        ck_assert_str_eq(config->file, "x.conf");
        ck_assert_str_eq(config->state_dir, "/var/lib/driftd");
        ck_assert_str_eq(config->runtime_dir, "/run/driftd");
        ck_assert_str_eq(config->trust, "/etc/driftd/trust.conf");
        ck_assert_str_eq(config->packs, "/usr/share/driftd/baselines");
        ck_assert_int_eq(config->full_interval_s, 6 * 3600);
        ck_assert_int_eq(config->quick_interval_s, 15 * 60);
        ck_assert_uint_eq(config->workers, 0);
        ck_assert_uint_eq(config->max_rate, 0);
        ck_assert_uint_eq(config->max_cpu, 0);
        ck_assert_uint_eq(config->keep_bodies, 10);
        ck_assert(config->packages);
        ck_assert_str_eq(config->packages_root, "/");
        ck_assert_uint_eq(config->n_scopes, 0);
}
END_TEST

START_TEST(every_key_is_read)
{
        _cleanup_(config_freep) struct config *config = parsed(
                "[daemon]\nstate_dir = /a/\nruntime_dir = /b c\ntrust = /t\\x5c\npacks = /p ; comment\n"
                "[scan]\nfull_interval = 2d\nquick_interval = 90s\nworkers = 64\nmax_rate = 100\nmax_cpu = "
                "150\n"
                "[store]\nkeep_bodies = 1\n"
                "[packages]\nenabled = no\nroot = /srv/image\n");
        ck_assert(!config->packages);
        ck_assert_str_eq(config->packages_root, "/srv/image");
        ck_assert_str_eq(config->state_dir, "/a");
        ck_assert_str_eq(config->runtime_dir, "/b c");
        ck_assert_str_eq(config->trust, "/t\\");
        ck_assert_str_eq(config->packs, "/p");
        ck_assert_int_eq(config->full_interval_s, 2 * 86400);
        ck_assert_int_eq(config->quick_interval_s, 90);
        ck_assert_uint_eq(config->workers, 64);
        ck_assert_uint_eq(config->max_rate, 100);
        ck_assert_uint_eq(config->max_cpu, 150);
        ck_assert_uint_eq(config->keep_bodies, 1);
}
END_TEST

START_TEST(a_files_scope_has_its_defaults)
{
        _cleanup_(config_freep) struct config *config =
                parsed("[scan]\nfull_interval = 1h\n[files etc]\npath = /etc\n");
        ck_assert_uint_eq(config->n_scopes, 1);
        const struct scope *scope = config->scopes;
        ck_assert_int_eq(scope->domain, SCOPE_FILES);
        ck_assert_str_eq(scope->name, "etc");
        CHECK_LIST(&scope->paths, "/etc");
        ck_assert_uint_eq(scope->excludes.count, 0);
        ck_assert_uint_eq(scope->attributes, ATTRIBUTES_DEFAULT);
        ck_assert_int_eq(scope->mode, SCOPE_STATIC);
        ck_assert_int_eq(scope->severity, SEVERITY_HIGH);
        ck_assert_int_eq(scope->mounts, SCOPE_MOUNTS_LOCAL);
        ck_assert(scope->keep_content);
        ck_assert_int_eq(scope->content_within_s, 2 * 3600);
}
END_TEST

START_TEST(every_key_of_a_files_scope_is_read)
{
        _cleanup_(config_freep) struct config *config =
                parsed("[files logs]\npath = /var/log\npath = /srv/log\nexclude = /var/log/**/*.gz\nexclude "
                       "= /var/log/journal/\n"
                       "attributes = type mode uid\nmode = growing\nkeep_content = never\nseverity = "
                       "low\nmounts = none\n");
        const struct scope *scope = config->scopes;
        CHECK_LIST(&scope->paths, "/srv/log", "/var/log");
        CHECK_LIST(&scope->excludes, "/var/log/**/*.gz", "/var/log/journal");
        ck_assert_uint_eq(scope->attributes,
                ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_MODE) | ATTRIBUTE_BIT(ATTRIBUTE_UID));
        ck_assert_int_eq(scope->mode, SCOPE_GROWING);
        ck_assert_int_eq(scope->severity, SEVERITY_LOW);
        ck_assert_int_eq(scope->mounts, SCOPE_MOUNTS_NONE);
        ck_assert(!scope->keep_content);
}
END_TEST

START_TEST(settings_are_scopes_when_enabled)
{
        _cleanup_(config_freep) struct config *config =
                parsed("[openssl]\nenabled = no\n[sysctl]\nroot = /tmp/sys\nexclude = "
                       "net/ipv4/conf/veth*/**\n[sshd]\nenabled = yes\n");
        ck_assert_uint_eq(config->n_scopes, 2);
        ck_assert_int_eq(config->scopes[0].domain, SCOPE_SYSCTL);
        ck_assert_str_eq(config->scopes[0].name, "sysctl");
        CHECK_LIST(&config->scopes[0].paths, "/tmp/sys");
        CHECK_LIST(&config->scopes[0].excludes, "net/ipv4/conf/veth*/**");
        ck_assert_int_eq(config->scopes[1].domain, SCOPE_SSHD);
        CHECK_LIST(&config->scopes[1].paths, "/etc/ssh/sshd_config");
        ck_assert_str_eq(config->scopes[1].command, "/usr/sbin/sshd");
}
END_TEST

START_TEST(settings_have_their_own_keys)
{
        _cleanup_(config_freep) struct config *config =
                parsed("[sshd]\ncommand = /opt/my sshd\nconfig = /opt/c\n[openssl]\nconfig =\n[sysctl]\n");
        ck_assert_uint_eq(config->n_scopes, 3);
        CHECK_LIST(&config->scopes[0].paths, "/proc/sys");
        ck_assert_str_eq(config->scopes[1].command, "/opt/my\\x20sshd");
        CHECK_LIST(&config->scopes[1].paths, "/opt/c");
        ck_assert_uint_eq(config->scopes[2].paths.count, 0);
        ck_assert_str_eq(config->scopes[2].name, "openssl");
}
END_TEST

START_TEST(scopes_are_in_the_order_of_domain_and_name)
{
        _cleanup_(config_freep) struct config *config = parsed(
                "[openssl]\n[files b]\npath = /b\n[sysctl]\n[files B]\npath = /c\n[files a]\npath = /a\n");
        static const char *const expected[] = {"B", "a", "b", "sysctl", "openssl"};
        ck_assert_uint_eq(config->n_scopes, 5);
        for (size_t i = 0; i < 5; i++)
                ck_assert_str_eq(config->scopes[i].name, expected[i]);
}
END_TEST

START_TEST(any_byte_of_a_path_can_be_written)
{
        _cleanup_(config_freep) struct config *config =
                parsed("[files a]\npath = /a b/\xc3\xa4\npath = /x\\x0ay\npath = /l\\xff\npath = "
                       "/c\\x20;d\nexclude = /x\\x5c*\n");
        CHECK_LIST(&config->scopes[0].paths, "/a\\x20b/\\xc3\\xa4", "/c\\x20;d", "/l\\xff", "/x\\x0ay");
        CHECK_LIST(&config->scopes[0].excludes, "/x\\x5c*");
}
END_TEST

/* ---- mistakes ---- */

START_TEST(unknown_names_are_refused_with_the_nearest)
{
        check_refused("[deamon]\n", "x.conf:1: there is no section [deamon]", "did you mean [daemon]?");
        check_refused("[file etc]\npath = /etc\n", "x.conf:1: there is no section [file\\x20etc]",
                "did you mean [files NAME]?");
        check_refused("[network]\n", "x.conf:1: there is no section [network]", "the sections are [daemon]");
        check_refused("[scan]\nfull_intervall = 6h\n", "x.conf:2: full_intervall: there is no key",
                "did you mean full_interval?");
        check_refused("[daemon]\nworkers = 2\n", "x.conf:2: workers: there is no key",
                "workers is a key of [scan]");
        check_refused("[store]\nxyz = 2\n", "x.conf:2: xyz: there is no key \"xyz\" in [store]",
                "the keys of [store] are keep_bodies");
        check_refused("[files a]\nenabled = no\n", "x.conf:2: enabled: there is no key", "[packages]");
}
END_TEST

START_TEST(repetition_is_refused)
{
        check_refused("[scan]\n[store]\n[scan]\n", "x.conf:3: the section [scan] is in this file twice",
                "together");
        check_refused("[files a]\npath = /a\n[files a]\npath = /b\n",
                "x.conf:3: the section [files a] is in this file twice", "together");
        check_refused(
                "[sysctl]\n[sysctl]\n", "x.conf:2: the section [sysctl] is in this file twice", "together");
        check_refused("[scan]\nworkers = 1\nworkers = 2\n",
                "x.conf:3: workers: workers is in the section twice", "keep");
        check_refused("[sshd]\nconfig = /a\nconfig = /b\n",
                "x.conf:3: config: config is in the section twice", "keep");
}
END_TEST

START_TEST(section_names_are_checked)
{
        check_refused("[files]\n", "x.conf:1: the section [files] has no name", "[files etc]");
        check_refused("[files a b]\n", "x.conf:1: \"a\\x20b\" cannot be a scope's name", "letters");
        check_refused("[files  a]\n", "x.conf:1: \"\\x20a\" cannot be a scope's name", "one blank");
        check_refused("[files .a]\n", "x.conf:1: \".a\" cannot", "letters");
        check_refused("[files /etc]\n", "x.conf:1: \"/etc\" cannot", "letters");
        check_refused("[scan now]\n", "x.conf:1: the section [scan\\x20now] takes no name", "[scan]");
        check_refused("[sysctl x]\n", "x.conf:1: the section [sysctl\\x20x] takes no name", "[sysctl]");
}
END_TEST

START_TEST(values_out_of_range_are_refused)
{
        static const struct {
                const char *section, *line, *hint;
        } cases[] = {
                {"scan", "full_interval = 0s", "6h"},
                {"scan", "full_interval = 6", "6h"},
                {"scan", "quick_interval = -1m", "15m"},
                {"scan", "quick_interval =", "15m"},
                {"scan", "full_interval = \"6h\"", "6h"},
                {"scan", "workers = 0", "auto, or a number from 1 to 64"},
                {"scan", "workers = 65", "from 1 to 64"},
                {"scan", "workers = all", "auto"},
                {"scan", "workers = 4x", "auto"},
                {"scan", "workers = 04", "auto"},
                {"scan", "max_rate = -1", "from 0"},
                {"scan", "max_rate = 1.5", "from 0"},
                {"scan", "max_rate = 99999999999999999999", "from 0"},
                {"scan", "max_rate = 1048577", "1048576"},
                {"scan", "max_cpu = 6401", "6400"},
                {"scan", "max_cpu = 50%", "from 0"},
                {"store", "keep_bodies = 0", "from 1"},
                {"store", "keep_bodies = 100001", "100000"},
                {"files a", "mode = statik", "did you mean static"},
                {"files a", "mode = rw", "static, growing, present"},
                {"files a", "severity = critical", "high, medium, low"},
                {"files a", "keep_content = yes", "never, auto"},
                {"files a", "mounts = all", "local"},
                {"files a", "attributes =", "default"},
                {"files a", "attributes = mod", "mode"},
                {"sysctl", "enabled = true", "no, yes"},
                {"sysctl", "enabled = Yes", "yes"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[200], words[100];
                snprintf(text, sizeof text, "[%s]\n%s\n", cases[i].section, cases[i].line);
                snprintf(words, sizeof words, "x.conf:2: %.*s: ", (int)strcspn(cases[i].line, " "),
                        cases[i].line);
                check_refused(text, words, cases[i].hint);
        }
}
END_TEST

START_TEST(paths_are_absolute_and_straight)
{
        check_refused(
                "[files a]\npath = etc\n", "x.conf:2: path: \"etc\" is not an absolute path", "from / on");
        check_refused("[files a]\npath = \"/etc\"\n", "x.conf:2: path: \"\"/etc\"\" is not an absolute path",
                "quotes");
        check_refused("[files a]\npath =\n", "x.conf:2: path: the path is empty", "from / on");
        check_refused("[files a]\npath = /a//b\n", "x.conf:2: path: \"/a//b\" has an empty", "realpath");
        check_refused("[files a]\npath = /a/../b\n", "x.conf:2: path: \"/a/../b\" has an empty", "realpath");
        check_refused("[files a]\npath = /a/.\n", "x.conf:2: path: \"/a/.\" has an empty", "realpath");
        check_refused("[daemon]\nstate_dir = var\n", "x.conf:2: state_dir: \"var\" is not", "from / on");
        check_refused(
                "[daemon]\ntrust = trust.conf\n", "x.conf:2: trust: \"trust.conf\" is not", "from / on");
        check_refused("[sshd]\ncommand = sshd\n", "x.conf:2: command: \"sshd\" is not", "from / on");
        check_refused("[sshd]\nconfig =\n", "x.conf:2: config: the path is empty", "from / on");
        check_refused("[sysctl]\nroot = sys\n", "x.conf:2: root: \"sys\" is not", "from / on");
        check_refused("[files a]\nexclude = *.pyc\n", "x.conf:2: exclude: \"*.pyc\" is not", "/**/NAME");
        check_refused("[files a]\nexclude = mtab\n", "x.conf:2: exclude: \"mtab\" is not", "from / on");
}
END_TEST

START_TEST(globs_have_no_brackets_and_paths_are_no_globs)
{
        check_refused("[files a]\nexclude = /a/[ab]\n", "x.conf:2: exclude: \"/a/[ab]\" has a bracket", "?");
        check_refused("[sysctl]\nexclude = net/[ab]\n", "x.conf:2: exclude: \"net/[ab]\" has a bracket", "?");
        check_refused("[files a]\npath = /etc/*\n", "x.conf:2: path: \"/etc/*\" is a glob", "exclude");
        check_refused("[files a]\npath = /et?\n", "x.conf:2: path: \"/et?\" is a glob", "exclude");
        _cleanup_(config_freep) struct config *config = parsed("[files a]\npath = /usr/bin/[\n");
        CHECK_LIST(&config->scopes[0].paths, "/usr/bin/[");
}
END_TEST

START_TEST(a_backslash_is_an_escape_or_a_mistake)
{
        static const char *const bad[] = {
                "/a\\b", "/a\\", "/a\\x4", "/a\\x41", "/a\\x2a", "/a\\xAB", "/a\\x00", "/a\\\\", "/a\\ b"};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                char text[100];
                snprintf(text, sizeof text, "[files a]\npath = %s\n", bad[i]);
                check_refused(text, "x.conf:2: path: a backslash in", "\\xhh");
        }
}
END_TEST

START_TEST(sysctl_globs_are_slash_paths_below_the_root)
{
        check_refused("[sysctl]\nexclude = net.ipv4.ip_forward\n",
                "x.conf:2: exclude: \"net.ipv4.ip_forward\" is not", "slashes");
        check_refused("[sysctl]\nexclude = /proc/sys/net\n", "x.conf:2: exclude: \"/proc/sys/net\" is not",
                "below /proc/sys");
        check_refused("[sysctl]\nexclude =\n", "x.conf:2: exclude: \"\" is not", "below /proc/sys");
        config_free(parsed("[sysctl]\nexclude = net/ipv4/conf/eth0.1/**\n"));
}
END_TEST

START_TEST(a_files_scope_without_a_path_is_refused_where_it_starts)
{
        check_refused("[scan]\n\n[files a]\nexclude = /x\n", "x.conf:3: [files a] has no path", "path = ");
}
END_TEST

START_TEST(one_path_in_two_scopes_is_refused)
{
        check_refused("[files a]\npath = /x\n[files b]\npath = /x/\n",
                "x.conf:3: /x is in two scopes, [files a] and [files b]", "one of them");
        config_free(parsed("[files a]\npath = /x\n[files b]\npath = /x/y\n"));
}
END_TEST

START_TEST(what_inih_would_misread_is_refused)
{
        check_refused("[scan]\nworkers: 4\n", "x.conf:2: there is a : before", "key = value");
        check_refused("[files a]\npath = /a\n  /b\n", "x.conf:3: the line is indented", "anew");
}
END_TEST

START_TEST(lists_and_scopes_are_bounded)
{
        _cleanup_buf_ struct buf text = {0};
        buf_text(&text, "[files a]\npath = /a\n");
        for (unsigned i = 0; i <= CONFIG_LIST_MAX; i++)
                buf_printf(&text, "exclude = /a/%u\n", i);
        check_refused(text.data, "x.conf:4099: exclude: more than 4096", "glob");
        buf_clear(&text);
        for (unsigned i = 0; i <= CONFIG_SCOPES_MAX; i++)
                buf_printf(&text, "[files f%u]\npath = /%u\n", i, i);
        struct err err = {0};
        struct config *config;
        ck_assert_int_eq(config_parse("x.conf", text.data, text.size, &config, &err), -EINVAL);
        ck_assert_str_eq(err.text, "x.conf:2049: more than 1024 scopes");
}
END_TEST

START_TEST(nobody_has_to_want_the_words)
{
        struct config *config = NULL;
        ck_assert_int_eq(config_parse("x", "[x]\n", 4, &config, NULL), -EINVAL);
        ck_assert_int_eq(config_parse("x", "[scan]\nworkers = x\n", 19, &config, NULL), -EINVAL);
        ck_assert_int_eq(config_load("/nonexistent/x", &config, NULL), -ENOENT);
}
END_TEST

/* ---- files ---- */

START_TEST(a_missing_file_is_named_with_what_to_do)
{
        struct err err = {0};
        struct config *config = NULL;
        ck_assert_int_eq(config_load("no.conf", &config, &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(err.text, "no.conf"));
        ck_assert_ptr_nonnull(strstr(err.hint, "-c FILE"));
}
END_TEST

START_TEST(conf_d_beside_the_file_is_merged_in_byte_order)
{
        ck_assert_int_eq(mkdir("conf.d", 0755), 0);
        write_text("d.conf",
                "[scan]\nworkers = 1\nmax_rate = 5\n[files a]\npath = /a\nexclude = /a/1\nseverity = low\n");
        write_text("conf.d/9.conf", "[scan]\nworkers = 9\n");
        write_text("conf.d/10.conf",
                "[scan]\nworkers = 10\n[files a]\npath = /b\nexclude = /a/2\nseverity = medium\n");
        write_text("conf.d/z.conf.bak", "nonsense\n");
        write_text("conf.d/.hidden.conf", "nonsense\n");
        write_text("conf.d/.conf", "nonsense\n");
        write_text("conf.d/README", "nonsense\n");
        _cleanup_(config_freep) struct config *config = loaded("d.conf");
        ck_assert_uint_eq(config->workers, 9);
        ck_assert_uint_eq(config->max_rate, 5);
        ck_assert_uint_eq(config->n_scopes, 1);
        CHECK_LIST(&config->scopes[0].paths, "/a", "/b");
        CHECK_LIST(&config->scopes[0].excludes, "/a/1", "/a/2");
        ck_assert_int_eq(config->scopes[0].severity, SEVERITY_MEDIUM);
}
END_TEST

START_TEST(a_part_can_add_a_scope_and_switch_a_setting_off)
{
        char path[128];
        ck_assert_int_eq(mkdir("conf.d", 0755), 0);
        write_text("d.conf", "[sysctl]\nroot = /x\n[sshd]\n");
        write_text("conf.d/a.conf", "[sysctl]\nenabled = no\n[files new]\npath = /new\n");
        snprintf(path, sizeof path, "%s/d.conf", folder);
        _cleanup_(config_freep) struct config *config = loaded(path);
        ck_assert_str_eq(config->file, path);
        ck_assert_uint_eq(config->n_scopes, 2);
        ck_assert_str_eq(config->scopes[0].name, "new");
        ck_assert_str_eq(config->scopes[1].name, "sshd");
}
END_TEST

START_TEST(a_mistake_in_a_part_is_named_with_the_part)
{
        struct err err = {0};
        struct config *config = NULL;
        ck_assert_int_eq(mkdir("conf.d", 0755), 0);
        write_text("d.conf", "");
        write_text("conf.d/a.conf", "[scan]\nworkers = many\n");
        ck_assert_int_eq(config_load("d.conf", &config, &err), -EINVAL);
        ck_assert_str_eq(err.text, "conf.d/a.conf:2: workers: \"many\" is not a number in its range");
        write_text("conf.d/a.conf", "[scan]\n[scan]\n");
        ck_assert_int_eq(config_load("d.conf", &config, &err), -EINVAL);
        ck_assert_int_eq(strncmp(err.text, "conf.d/a.conf:2: the section", 28), 0);
}
END_TEST

START_TEST(a_part_that_is_no_file_is_refused)
{
        struct err err = {0};
        struct config *config = NULL;
        ck_assert_int_eq(mkdir("conf.d", 0755), 0);
        ck_assert_int_eq(mkdir("conf.d/a.conf", 0755), 0);
        write_text("d.conf", "");
        ck_assert_int_eq(config_load("d.conf", &config, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "conf.d/a.conf is not a regular file"));
}
END_TEST

START_TEST(conf_d_that_is_no_folder_is_refused)
{
        struct err err = {0};
        struct config *config = NULL;
        write_text("d.conf", "");
        write_text("conf.d", "");
        ck_assert_int_eq(config_load("d.conf", &config, &err), -ENOTDIR);
}
END_TEST

START_TEST(too_many_parts_are_refused)
{
        struct err err = {0};
        struct config *config = NULL;
        char path[32];
        ck_assert_int_eq(mkdir("conf.d", 0755), 0);
        write_text("d.conf", "");
        for (unsigned i = 0; i <= CONFIG_PARTS_MAX; i++) {
                snprintf(path, sizeof path, "conf.d/%u.conf", i);
                FILE *file = fopen(path, "w");
                fclose(file);
        }
        ck_assert_int_eq(config_load("d.conf", &config, &err), -E2BIG);
}
END_TEST

/* ---- what follows from it ---- */

START_TEST(paths_follow_from_the_folders)
{
        _cleanup_(config_freep) struct config *config = parsed("[daemon]\nstate_dir = /\nruntime_dir = /r\n");
        _cleanup_free_ char *database = config_database(config), *mark = config_high_water(config),
                            *control = config_socket(config);
        ck_assert_str_eq(database, "/driftd.db");
        ck_assert_str_eq(mark, "/high-water");
        ck_assert_str_eq(control, "/r/control.sock");
}
END_TEST

struct resolved {
        struct config *config;
        struct scope *scopes;
        size_t count;
};

static void
resolved_done(struct resolved *r)
{
        scopes_free(r->scopes, r->count);
        config_free(r->config);
}

static int
resolve(const char *text, struct resolved *ret, struct err *err)
{
        *ret = (struct resolved){.config = parsed(text)};
        return config_scopes_resolved(ret->config, &ret->scopes, &ret->count, err);
}

START_TEST(links_in_paths_are_resolved_where_they_exist)
{
        _cleanup_(resolved_done) struct resolved r;
        struct err err = {0};
        char text[512], real[128], gone[128], spaced[128];
        ck_assert_int_eq(mkdir("real", 0755), 0);
        ck_assert_int_eq(mkdir("a b", 0755), 0);
        ck_assert_int_eq(symlink("real", "link"), 0);
        ck_assert_int_eq(symlink("a b", "spaced"), 0);
        snprintf(text, sizeof text,
                "[scan]\nfull_interval = 1h\n[files a]\npath = %s/link\npath = %s/spaced\npath = "
                "%s/gone\n[sshd]\nconfig = %s/link\n",
                folder, folder, folder, folder);
        ck_assert_int_eq(resolve(text, &r, &err), 0);
        ck_assert_uint_eq(r.count, 2);
        snprintf(real, sizeof real, "%s/real", folder);
        snprintf(gone, sizeof gone, "%s/gone", folder);
        snprintf(spaced, sizeof spaced, "%s/a\\x20b", folder);
        CHECK_LIST(&r.scopes[0].paths, spaced, gone, real);
        ck_assert_int_eq(r.scopes[0].content_within_s, 7200);
        ck_assert_str_eq(r.scopes[1].command, "/usr/sbin/sshd");
        ck_assert_ptr_nonnull(strstr(r.scopes[1].paths.items[0], "/link"));
}
END_TEST

START_TEST(a_link_into_another_path_of_the_scope_adds_nothing)
{
        _cleanup_(resolved_done) struct resolved r;
        struct err err = {0};
        char text[512], usr[128];
        ck_assert_int_eq(folder_create("usr/bin", 0755, &err), 0);
        ck_assert_int_eq(folder_create("usr/sbin", 0755, &err), 0);
        ck_assert_int_eq(symlink("usr/bin", "bin"), 0);
        ck_assert_int_eq(symlink("usr", "other"), 0);
        snprintf(text, sizeof text, "[files usr]\npath = %s/bin\npath = %s/other\npath = %s/usr\n", folder,
                folder, folder);
        ck_assert_int_eq(resolve(text, &r, &err), 0);
        snprintf(usr, sizeof usr, "%s/usr", folder);
        CHECK_LIST(&r.scopes[0].paths, usr);
}
END_TEST

START_TEST(links_in_exclusions_are_resolved_up_to_the_last_name)
{
        _cleanup_(resolved_done) struct resolved r;
        struct err err = {0};
        char text[1024], expected[4][128];
        ck_assert_int_eq(folder_create("real/sub", 0755, &err), 0);
        ck_assert_int_eq(symlink("real", "link"), 0);
        ck_assert_int_eq(symlink("sub", "real/mtab"), 0);
        snprintf(text, sizeof text,
                "[files a]\npath = %s/link\nexclude = %s/link/mtab\nexclude = %s/link/*/x\nexclude = "
                "%s/link/**\nexclude = %s/gone/x\n",
                folder, folder, folder, folder, folder);
        ck_assert_int_eq(resolve(text, &r, &err), 0);
        snprintf(expected[0], 128, "%s/gone/x", folder);
        snprintf(expected[1], 128, "%s/real/**", folder);
        snprintf(expected[2], 128, "%s/real/*/x", folder);
        snprintf(expected[3], 128, "%s/real/mtab", folder);
        CHECK_LIST(&r.scopes[0].excludes, expected[0], expected[1], expected[2], expected[3]);
}
END_TEST

START_TEST(two_scopes_that_come_to_the_same_path_are_refused)
{
        _cleanup_(resolved_done) struct resolved r;
        struct err err = {0};
        char text[512];
        ck_assert_int_eq(mkdir("real", 0755), 0);
        ck_assert_int_eq(symlink("real", "link"), 0);
        snprintf(text, sizeof text, "[files a]\npath = %s/link\n[files b]\npath = %s/real\n", folder, folder);
        ck_assert_int_eq(resolve(text, &r, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "is in two scopes, [files a] and [files b]"));
}
END_TEST

/* ---- what ships ---- */

START_TEST(the_default_text_is_a_working_configuration)
{
        _cleanup_(config_freep) struct config *config = parsed(config_default_text);
        _cleanup_(config_freep) struct config *empty = parsed("");
        ck_assert_uint_ge(config->n_scopes, 4);
        ck_assert_str_eq(config->state_dir, empty->state_dir);
        ck_assert_str_eq(config->runtime_dir, empty->runtime_dir);
        ck_assert_str_eq(config->trust, empty->trust);
        ck_assert_str_eq(config->packs, empty->packs);
        ck_assert_int_eq(config->full_interval_s, empty->full_interval_s);
        ck_assert_int_eq(config->quick_interval_s, empty->quick_interval_s);
        ck_assert_uint_eq(config->workers, empty->workers);
        ck_assert_uint_eq(config->max_rate, empty->max_rate);
        ck_assert_uint_eq(config->keep_bodies, empty->keep_bodies);
        ck_assert_int_eq(config->packages, empty->packages);
        ck_assert_str_eq(config->packages_root, empty->packages_root);
        struct scope *scopes = NULL;
        size_t count = 0;
        struct err err = {0};
        ck_assert_msg(config_scopes_resolved(config, &scopes, &count, &err) == 0, "%s", err.text);
        scopes_free(scopes, count);
}
END_TEST

START_TEST(the_default_text_names_every_key)
{
        static const char *const keys[] = {"state_dir", "runtime_dir", "trust", "packs", "full_interval",
                "quick_interval", "workers", "max_rate", "max_cpu", "keep_bodies", "path", "exclude",
                "attributes", "mode", "keep_content", "severity", "mounts", "enabled", "root", "command",
                "config"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                char line[64];
                size_t size = (size_t)snprintf(line, sizeof line, "\n%s", keys[i]);
                bool found = false;
                for (const char *p = config_default_text; (p = strstr(p, line)) && !found; p++)
                        found = p[size] == ' ';
                ck_assert_msg(found, "%s is not in etc/driftd.conf", keys[i]);
        }
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("config");
        TCase *tc = tcase_create("config");
        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 30);
        tcase_add_test(tc, an_empty_file_is_all_defaults);
        tcase_add_test(tc, every_key_is_read);
        tcase_add_test(tc, a_files_scope_has_its_defaults);
        tcase_add_test(tc, every_key_of_a_files_scope_is_read);
        tcase_add_test(tc, settings_are_scopes_when_enabled);
        tcase_add_test(tc, settings_have_their_own_keys);
        tcase_add_test(tc, scopes_are_in_the_order_of_domain_and_name);
        tcase_add_test(tc, any_byte_of_a_path_can_be_written);
        tcase_add_test(tc, unknown_names_are_refused_with_the_nearest);
        tcase_add_test(tc, repetition_is_refused);
        tcase_add_test(tc, section_names_are_checked);
        tcase_add_test(tc, values_out_of_range_are_refused);
        tcase_add_test(tc, paths_are_absolute_and_straight);
        tcase_add_test(tc, globs_have_no_brackets_and_paths_are_no_globs);
        tcase_add_test(tc, a_backslash_is_an_escape_or_a_mistake);
        tcase_add_test(tc, sysctl_globs_are_slash_paths_below_the_root);
        tcase_add_test(tc, a_files_scope_without_a_path_is_refused_where_it_starts);
        tcase_add_test(tc, one_path_in_two_scopes_is_refused);
        tcase_add_test(tc, what_inih_would_misread_is_refused);
        tcase_add_test(tc, lists_and_scopes_are_bounded);
        tcase_add_test(tc, nobody_has_to_want_the_words);
        tcase_add_test(tc, a_missing_file_is_named_with_what_to_do);
        tcase_add_test(tc, conf_d_beside_the_file_is_merged_in_byte_order);
        tcase_add_test(tc, a_part_can_add_a_scope_and_switch_a_setting_off);
        tcase_add_test(tc, a_mistake_in_a_part_is_named_with_the_part);
        tcase_add_test(tc, a_part_that_is_no_file_is_refused);
        tcase_add_test(tc, conf_d_that_is_no_folder_is_refused);
        tcase_add_test(tc, too_many_parts_are_refused);
        tcase_add_test(tc, paths_follow_from_the_folders);
        tcase_add_test(tc, links_in_paths_are_resolved_where_they_exist);
        tcase_add_test(tc, a_link_into_another_path_of_the_scope_adds_nothing);
        tcase_add_test(tc, links_in_exclusions_are_resolved_up_to_the_last_name);
        tcase_add_test(tc, two_scopes_that_come_to_the_same_path_are_refused);
        tcase_add_test(tc, the_default_text_is_a_working_configuration);
        tcase_add_test(tc, the_default_text_names_every_key);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
