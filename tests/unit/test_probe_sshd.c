/* SPDX-License-Identifier: MIT */
/* The sshd probe: the text of configurations, Match blocks, listeners, keys; the real sshd; and sshds that
 * fail in every way. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/child.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/digest.h"
#include "core/escape.h"
#include "core/probe_sshd_internal.h"
#include "tests/unit/scratch_help.h"

#define SSHD "/usr/sbin/sshd"

static struct probe_reading reading;
static struct err err;
static struct sshd_config config;
static char host_key_line[4200];
static bool made_run_sshd;

static void
setup(void)
{
        scratch_make();
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
        /* As root, sshd before 9.3 wants its folder; a container without the service has none. */
        made_run_sshd = geteuid() == 0 && mkdir("/run/sshd", 0755) == 0;
        put(at("passwd"), "");
        put(at("group"), "");
}

static void
teardown(void)
{
        probe_reading_done(&reading);
        sshd_config_done(&config);
        if (made_run_sshd)
                (void)rmdir("/run/sshd");
        scratch_remove();
}

_printf_(1, 2) static char *text(const char *format, ...)
{
        static char *kept[4096];
        static size_t n;
        char **made = &kept[n++ % ARRAY_SIZE(kept)];
        va_list args;
        free(*made);
        va_start(args, format);
        ck_assert_int_ge(vasprintf(made, format, args), 0);
        va_end(args);
        return *made;
}

/* ---- the text ---- */

static void
parse(const char *lines)
{
        sshd_config_done(&config);
        char *copy = strdup(lines);
        ck_assert_int_eq(sshd_config_parse(&config, "c", copy), 0);
        free(copy);
}

/* `LINE[CONTEXT]:keyword=value` of each line, one a line. */
static const char *
shown(void)
{
        char *all = text("%s", "");
        for (size_t i = 0; i < config.n_lines; i++) {
                const struct sshd_line *line = &config.lines[i];
                const char *name = strrchr(line->file, '/');
                all = text("%s%s:%u%s%s%s:%s=%s\n", all, name ? name + 1 : line->file, line->line,
                        line->block < 0 ? "" : "[", line->block < 0 ? "" : config.blocks[line->block].context,
                        line->block < 0 ? "" : "]", line->keyword, line->value);
        }
        return all;
}

START_TEST(lines_are_read_as_sshd_reads_them)
{
        static const char *const cases[][2] = {
                {"Port 22", "c:1:port=22\n"},
                {"  \tPORT\t 22  \r\n", "c:1:port=22\n"},
                {"Port=22", "c:1:port=22\n"},
                {"Port = 22", "c:1:port=22\n"},
                {"Port =22", "c:1:port=22\n"},
                {"Port == 22", "c:1:port== 22\n"},
                {"\"Port\" 22", "c:1:port=22\n"},
                {"# Port 22\n\nPort 23 # 24", "c:3:port=23\n"},
                {"Banner \"/a b\"", "c:1:banner=/a b\n"},
                {"Banner '/a b'", "c:1:banner=/a b\n"},
                {"Banner /a\\ b", "c:1:banner=/a b\n"},
                {"Banner \"/a", ""},
                {"Banner", ""},
                {"AllowUsers a  b\tc", "c:1:allowusers=a b c\n"},
                {"AllowUsers \"a\"b#c", "c:1:allowusers=ab#c\n"},
                {"ChallengeResponseAuthentication no", "c:1:kbdinteractiveauthentication=no\n"},
                {"", ""},
                {"\f", ""},
                {"=22", ""},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                parse(cases[i][0]);
                ck_assert_msg(strcmp(shown(), cases[i][1]) == 0, "\"%s\" gave \"%s\"", cases[i][0], shown());
        }
}
END_TEST

START_TEST(a_block_has_one_name_whatever_its_spelling)
{
        static const char *const cases[][2] = {
                {"Match User git", "user=git"},
                {"match USER git", "user=git"},
                {"Match user=git", "user=git"},
                {"Match User \"git\" Address 10.0.0.0/8", "address=10.0.0.0/8,user=git"},
                {"Match Address 10.0.0.0/8 User git", "address=10.0.0.0/8,user=git"},
                {"Match User git User git", "user=git"},
                {"Match User a,!b", "user=a,!b"},
                {"Match all", "all"},
                {"Match ALL # everybody", "all"},
                {"Match invalid-user", "invalid-user"},
                {"Match Weather rain", "weather=rain"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                parse(text("%s\nX11Forwarding yes\n", cases[i][0]));
                ck_assert_uint_eq(config.n_blocks, 1);
                ck_assert_str_eq(config.blocks[0].context, cases[i][1]);
        }
}
END_TEST

START_TEST(includes_are_in_place_and_a_match_at_their_end_does_not_leak)
{
        put_folder(at("d"));
        put(at("d/2.conf"), "MaxSessions 2\nMatch User b\nMaxSessions 3\n");
        put(at("d/1.conf"), "MaxSessions 1\n");
        put(at("d/1.txt"), "MaxSessions 9\n");
        put(at("in"), "PermitTTY no\nMatch Address 10.0.0.1\nPermitTTY yes\n");
        put(at("main"),
                text("Port 1\nInclude %s\nPort 2\nMatch User a\nInclude \"%s\" %s\nGatewayPorts yes\n",
                        at("d/*.conf"), at("in"), at("gone")));
        ck_assert_int_eq(sshd_config_read(&config, at("main")), 0);
        ck_assert_str_eq(shown(), "main:1:port=1\n"
                                  "1.conf:1:maxsessions=1\n"
                                  "2.conf:1:maxsessions=2\n"
                                  "2.conf:3[user=b]:maxsessions=3\n"
                                  "main:3:port=2\n"
                                  "in:1[user=a]:permittty=no\n"
                                  "in:3[address=10.0.0.1,user=a]:permittty=yes\n"
                                  "main:6[user=a]:gatewayports=yes\n");
        ck_assert_uint_eq(config.n_files, 4);
        ck_assert_uint_eq(config.n_folders, 2); /* of the pattern, and of the file that is not there */
        ck_assert_str_eq(config.folders[0], at("d"));
}
END_TEST

START_TEST(includes_that_go_in_circles_end_and_are_told)
{
        put(at("main"), text("Include %s\nInclude %s\nPort 1\n", at("main"), at("main")));
        ck_assert_int_eq(sshd_config_read(&config, at("main")), 0);
        ck_assert(config.truncated);
        ck_assert_uint_le(config.n_files, SSHD_FILES_MAX);
}
END_TEST

START_TEST(more_blocks_than_are_asked_about_are_told)
{
        char *lines = text("%s", "");
        for (unsigned i = 0; i <= SSHD_BLOCKS_MAX; i++)
                lines = text("%sMatch User u%u\nPermitTTY no\n", lines, i);
        parse(lines);
        ck_assert(config.truncated);
        ck_assert_uint_eq(config.n_blocks, SSHD_BLOCKS_MAX);
        ck_assert_uint_eq(config.n_lines, SSHD_BLOCKS_MAX);
}
END_TEST

START_TEST(what_follows_a_nul_is_cut_as_sshd_cuts_it)
{
        static const char bytes[] = "Port 2\0 3\n2\nBanner x\n";
        put_bytes(at("main"), bytes, sizeof bytes - 1, 0644);
        ck_assert_int_eq(sshd_config_read(&config, at("main")), 0);
        ck_assert_str_eq(shown(), "main:1:port=22\nmain:2:banner=x\n");
}
END_TEST

/* ---- Match ---- */

static struct sshd_accounts
some_accounts(void)
{
        struct sshd_accounts accounts = {0};
        put(at("passwd"), "root:x:0:0::/root:/bin/sh\ngit:x:7:7::/home/git:/bin/sh\n"
                          "broken line\nann:x:8:20::/home/ann:/bin/sh\n");
        put(at("group"), "root:x:0:\ngit:x:7:\nstaff:x:20:\nsftp:x:30:git,ghost\n");
        ck_assert_int_eq(sshd_accounts_read(at("passwd"), at("group"), &accounts), 0);
        ck_assert_uint_eq(accounts.n_users, 3);
        return accounts;
}

START_TEST(a_block_holds_as_the_patterns_say)
{
        static const struct {
                const char *match;
                struct sshd_connection connection;
                bool holds;
        } cases[] = {
                {"User git", {.user = "git"}, true},
                {"User git", {.user = "Git"}, false},
                {"User g*,!gi?", {.user = "git"}, false},
                {"User g*,!gi?", {.user = "gut"}, true},
                {"User !git", {.user = "ann"}, false},
                {"User *", {.user = NULL}, false},
                {"Host *.Example.com", {.host = "a.example.COM"}, true},
                {"Address 10.0.0.0/8", {.address = "10.255.0.1"}, true},
                {"Address 10.0.0.0/8", {.address = "11.0.0.1"}, false},
                {"Address 10.0.0.0/8,!10.1.0.0/16", {.address = "10.1.2.3"}, false},
                {"Address 192.0.2.*", {.address = "192.0.2.9"}, true},
                {"Address 2001:db8::/33", {.address = "2001:db8:7fff::1"}, true},
                {"Address 2001:db8::/33", {.address = "2001:db8:8000::1"}, false},
                {"LocalAddress 10.0.0.1", {.localaddress = "10.0.0.1"}, true},
                {"LocalPort 22", {.localport = 22}, true},
                {"LocalPort 22", {.localport = 2222}, false},
                {"Group sftp", {.user = "git"}, true},
                {"Group staff", {.user = "ann"}, true},
                {"Group sftp", {.user = "ann"}, false},
                {"Group *,!sftp", {.user = "git"}, false},
                {"Group *", {.user = "ghost"}, false},
                {"User git Address 10.0.0.1", {.user = "git", .address = "10.0.0.1"}, true},
                {"User git Address 10.0.0.1", {.user = "git", .address = "10.0.0.2"}, false},
                {"all", {.user = NULL}, true},
                {"Weather rain", {.user = "git"}, false},
        };
        struct sshd_accounts accounts = some_accounts();
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                parse(text("Match %s\nPermitTTY no\n", cases[i].match));
                ck_assert_msg(sshd_block_holds(&config.blocks[0], &cases[i].connection, &accounts) ==
                                      cases[i].holds,
                        "%s (%zu)", cases[i].match, i);
        }
        sshd_accounts_done(&accounts);
}
END_TEST

START_TEST(a_connection_is_found_for_a_block_or_the_reason_why_none_is)
{
        static const struct {
                const char *match, *user, *address, *host;
                const char *reason; /* what it holds */
        } cases[] = {
                {"User !root,git", "git", NULL, NULL, NULL},
                {"User sftp-*", "sftp-", NULL, NULL, NULL},
                {"User *,!x", "1", NULL, NULL, NULL},
                {"Address 10.1.2.3/8", NULL, "10.0.0.0", NULL, NULL},
                {"Address !10.0.0.1,10.0.0.0/8", NULL, "10.0.0.0", NULL, NULL},
                {"Address 192.168.*", NULL, "192.168.1.1", NULL, NULL},
                {"Address *", NULL, "192.0.2.1", NULL, NULL},
                {"Host *.example.com", NULL, NULL, ".example.com", NULL},
                {"Group sftp", "git", NULL, NULL, NULL},
                {"Group staff,root", "root", NULL, NULL, NULL},
                {"Group sftp User g*", "git", NULL, NULL, NULL},
                {"Group sftp User ann", NULL, NULL, NULL, "group=sftp"},
                {"Group nobodys", NULL, NULL, NULL, "no user of /etc/passwd"},
                {"User !git", NULL, NULL, NULL, "no connection"},
                {"User a User b", NULL, NULL, NULL, "no connection"},
                {"Weather rain", NULL, NULL, NULL, "does not know"},
        };
        struct sshd_accounts accounts = some_accounts();
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct sshd_choice choice;
                parse(text("Match %s\nPermitTTY no\n", cases[i].match));
                bool found = sshd_block_choose(&config.blocks[0], &accounts, &choice);
                ck_assert_msg(found == !cases[i].reason, "%s: %s", cases[i].match, choice.reason);
                if (!found) {
                        ck_assert_msg(strstr(choice.reason, cases[i].reason), "%s", choice.reason);
                        continue;
                }
                ck_assert_pstr_eq(choice.connection.user, cases[i].user);
                ck_assert_pstr_eq(choice.connection.address, cases[i].address);
                ck_assert_pstr_eq(choice.connection.host, cases[i].host);
        }
        sshd_accounts_done(&accounts);
}
END_TEST

/* ---- listeners and units ---- */

START_TEST(a_listener_is_known_by_its_command_line)
{
        static const struct {
                const char *cmdline; /* | stands for NUL */
                int is;
                const char *config, *options;
        } cases[] = {
                {"/usr/sbin/sshd|-D", 1, NULL, ""},
                {"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 1, NULL, ""},
                {"sshd: /usr/sbin/sshd -D -f /a -p 22 -o A=b [listener] 0 of", 1, "/a", "-p 22 -o A=b"},
                {"sshd: /usr/sbin/sshd -o AllowUsers a b -p22 [listener] 0 of", 1, NULL,
                        "-o AllowUsers a b -p 22"},
                {"/usr/sbin/sshd|-f|/a b|-4Dp|23", 1, "/a b", "-4 -p 23"},
                {"/usr/sbin/sshd|-Df/a", 1, "/a", ""},
                {"sshd: /usr/sbin/sshd -D -f /a [list", 1, "/a", ""},
                {"sshd: /usr/sbin/sshd -D -f /a [", 1, "/a", ""},
                {"/usr/sbin/sshd|-T", 0, NULL, ""},
                {"/usr/sbin/sshd|-D|-R", 0, NULL, ""},
                {"sshd: git [priv]", 0, NULL, ""},
                {"sshd: git@pts/0", 0, NULL, ""},
                {"/usr/bin/other|-D", 0, NULL, ""},
                {"", 0, NULL, ""},
                {"/usr/sbin/sshd|-f", 1, NULL, ""},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char line[256] = "";
                struct sshd_listener listener = {0};
                _cleanup_buf_ struct buf options = {0};
                snprintf(line, sizeof line, "%s", cases[i].cmdline);
                size_t size = strlen(line);
                for (size_t k = 0; k < size; k++)
                        line[k] = line[k] == '|' ? '\0' : line[k];
                int is = sshd_listener_parse(line, size, SSHD, &listener);
                ck_assert_msg(is == cases[i].is, "%s", cases[i].cmdline);
                if (is == 1) {
                        ck_assert_int_eq(sshd_listener_options(&listener, &options), 0);
                        ck_assert_pstr_eq(listener.config, cases[i].config);
                        ck_assert_str_eq(options.data ? options.data : "", cases[i].options);
                        ck_assert(!listener.cut);
                }
                sshd_listener_done(&listener);
        }
}
END_TEST

static void
put_deep(char *path, const char *content)
{
        for (char *slash = path + strlen(scratch) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void)mkdir(path, 0755);
                *slash = '/';
        }
        put(path, content);
}

START_TEST(a_title_that_is_cut_off_is_known_for_one)
{
        char line[64] = "sshd: /usr/sbin/sshd -D -f /a/lo";
        struct sshd_listener listener = {0};
        ck_assert_int_eq(sshd_listener_parse(line, strlen(line), SSHD, &listener), 1);
        ck_assert(listener.cut);
        sshd_listener_done(&listener);
}
END_TEST

START_TEST(the_unit_is_read_with_its_drop_ins_and_its_environment)
{
        struct sshd_unit unit = {0};
        struct text_list watched = {0};
        _cleanup_buf_ struct buf options = {0};
        put_deep(at("usr/lib/systemd/system/ssh.service"),
                "[Service]\nEnvironmentFile=-/etc/default/ssh\nExecStart=/usr/sbin/sshd -D \\\n $OPTS\n");
        put_deep(at("etc/default/ssh"), "# OPTS=-p 1\nOPTS=\"-f /etc/own -p 23\"\n");
        put_deep(at("usr/lib/systemd/system/ssh.socket"), "[Socket]\nListenStream=22\n");
        ck_assert_int_eq(sshd_unit_read(scratch, SSHD, &unit, &watched), 0);
        ck_assert(unit.found);
        ck_assert_str_eq(unit.command.config, "/etc/own");
        ck_assert_int_eq(sshd_listener_options(&unit.command, &options), 0);
        ck_assert_str_eq(options.data, "-p 23");
        ck_assert_uint_eq(unit.sockets.size, 0); /* it is not enabled */
        sshd_unit_done(&unit);

        put_deep(at("etc/systemd/system/ssh.service.d/9.conf"),
                "[Service]\nExecStart=\nExecStart=-/usr/sbin/sshd -D -f /other\n");
        put_deep(at("run/systemd/system/ssh.service.d/9.conf"), "[Service]\nExecStart=\nExecStart=/x\n");
        put_deep(at("etc/systemd/system/sockets.target.wants/ssh.socket"), "");
        put_deep(at("etc/systemd/system/ssh.socket.d/a.conf"),
                "[Socket]\nListenStream=\nListenStream=23\nListenStream=24\n");
        ck_assert_int_eq(sshd_unit_read(scratch, SSHD, &unit, &watched), 0);
        ck_assert_str_eq(unit.command.config, "/other");
        ck_assert_uint_eq(unit.command.options.count, 0);
        ck_assert_str_eq(unit.sockets.data, "23\n24\n");
        sshd_unit_done(&unit);

        ck_assert_int_eq(symlink("/dev/null", at("etc/systemd/system/ssh.service")), 0);
        ck_assert_int_eq(unlink(at("etc/systemd/system/ssh.service.d/9.conf")), 0);
        ck_assert_int_eq(unlink(at("run/systemd/system/ssh.service.d/9.conf")), 0);
        ck_assert_int_eq(sshd_unit_read(scratch, SSHD, &unit, &watched), 0);
        ck_assert(!unit.found);
        sshd_unit_done(&unit);
        text_list_done(&watched);
}
END_TEST

/* ---- looking ---- */

static int
look_by(const char *program, const char *path, unsigned timeout_ms)
{
        char *escaped_program = escape_new(program, strlen(program));
        char *escaped_path = escape_new(path, strlen(path));
        char *paths[] = {escaped_path};
        struct scope scope = {.domain = SCOPE_SSHD, .command = escaped_program, .paths = {paths, 1}};
        struct probe_request request = {.scope = &scope, .timeout_ms = timeout_ms};
        struct sshd_places places = {at("passwd"), at("group"), scratch};
        probe_reading_done(&reading);
        int r = probe_sshd_at(&request, &places, &reading, &err);
        free(escaped_program);
        free(escaped_path);
        if (r == 0 && reading.count) /* as probe_read does */
                ck_assert_int_eq(sshd_merge(&reading), 0);
        return r;
}

static void
make_key(const char *path, const char *kind)
{
        ck_assert_int_eq(system(text("ssh-keygen -q -N '' %s -f '%s'", kind, path)), 0);
}

/* The lines after one that names a host key, for hosts that have none. */
static const char *
put_config(const char *lines)
{
        if (access(at("key"), F_OK) < 0)
                make_key(at("key"), "-t ed25519");
        snprintf(host_key_line, sizeof host_key_line, "HostKey %s\n", at("key"));
        return put(at("config"), text("%s%s", host_key_line, lines));
}

static void
look(const char *lines)
{
        int r = look_by(SSHD, put_config(lines), 30000);
        ck_assert_msg(r == 0, "%s", err.text);
}

static const struct probe_setting *
item(const char *name)
{
        return probe_find(&reading, name);
}

static const char *
value(const char *name)
{
        const struct probe_setting *setting = item(name);
        return !setting ? "(none)" : setting->value ? setting->value : text("(unknown) %s", setting->reason);
}

/* ---- the real sshd ---- */

START_TEST(a_setting_inside_of_a_match_is_found)
{
        look("PermitRootLogin no\nX11Forwarding no\n"
             "Match Address 10.0.0.0/8\n PermitRootLogin yes\n"
             "Match User git\n X11Forwarding yes\n PermitRootLogin no\n");
        ck_assert_str_eq(value("sshd:permitrootlogin"), "no");
        ck_assert_str_eq(item("sshd:permitrootlogin")->source, text("%s:2", at("config")));
        ck_assert_str_eq(value("sshd[address=10.0.0.0/8]:permitrootlogin"), "yes");
        ck_assert_str_eq(
                item("sshd[address=10.0.0.0/8]:permitrootlogin")->source, text("%s:5", at("config")));
        ck_assert_str_eq(value("sshd[user=git]:x11forwarding"), "yes");
        ck_assert_ptr_null(item("sshd[user=git]:permitrootlogin")); /* as it is for everybody */
        ck_assert_ptr_null(item("sshd:permitemptypasswords")->configured);
        ck_assert_str_eq(value("sshd:config/accepted"), "yes");
}
END_TEST

START_TEST(no_block_hides_another)
{
        look("Match Address *,!10.0.0.0/8\n PermitRootLogin no\nMatch User git\n PermitRootLogin yes\n"
             "Match all\n MaxSessions 3\n");
        ck_assert_str_eq(value("sshd[user=git]:permitrootlogin"), "yes");
        ck_assert_str_eq(value("sshd[address=*,!10.0.0.0/8]:permitrootlogin"), "no");
        ck_assert_str_eq(value("sshd:maxsessions"), "3");
        look("Match LocalPort 2222\n MaxSessions 1\nMatch User git\n MaxSessions 2\n");
        ck_assert_str_eq(value("sshd:maxsessions"), "10");
        ck_assert_str_eq(value("sshd[localport=2222]:maxsessions"), "1");
        ck_assert_str_eq(value("sshd[user=git]:maxsessions"), "2");
}
END_TEST

START_TEST(a_block_of_which_nobody_is_found_is_unknown)
{
        look("Match Group nobodys\n PermitRootLogin yes\n PermitTTY no\n");
        ck_assert_str_eq(value("sshd[group=nobodys]:permitrootlogin"),
                "(unknown) no user of /etc/passwd is such a member of group=nobodys");
        ck_assert_str_eq(item("sshd[group=nobodys]:permitrootlogin")->configured, "yes");
        ck_assert_ptr_nonnull(item("sshd[group=nobodys]:permittty"));
}
END_TEST

START_TEST(a_keyword_that_repeats_is_one_value_in_sshds_order)
{
        look("Port 2203\nPort 2201\nAllowUsers b a\nAllowUsers c\nAcceptEnv X\nAcceptEnv A B\n"
             "Ciphers -aes128-ctr\n");
        ck_assert_str_eq(value("sshd:port"), "2203\n2201");
        ck_assert_str_eq(value("sshd:allowusers"), "b\na\nc");
        ck_assert_str_eq(value("sshd:acceptenv"), "X\nA\nB");
        ck_assert_ptr_null(strstr(value("sshd:ciphers"), "aes128-ctr"));
        ck_assert_ptr_nonnull(strstr(value("sshd:ciphers"), "aes256-ctr"));
}
END_TEST

START_TEST(a_configuration_that_sshd_refuses_passes_nothing)
{
        look("PermitRootLogin no\nPermitRotLogin no\nAllowUsers a\nMatch User git\n PermitTTY no\n");
        ck_assert_msg(
                strncmp(value("sshd:config/accepted"), "no: ", 4) == 0, "%s", value("sshd:config/accepted"));
        ck_assert_ptr_nonnull(strstr(value("sshd:config/accepted"), "PermitRotLogin"));
        for (size_t i = 0; i < reading.count; i++)
                ck_assert_msg(strchr(reading.list[i].item, '/'), "%s is told", reading.list[i].item);
        ck_assert_ptr_nonnull(reading.incomplete);
        ck_assert_ptr_nonnull(strstr(reading.incomplete, "PermitRotLogin"));
        ck_assert_int_eq(look_by(SSHD, at("gone"), 30000), 0);
        ck_assert_ptr_nonnull(strstr(value("sshd:config/accepted"), "No such file"));
        ck_assert_ptr_null(item("sshd:config/mode")->value);
}
END_TEST

START_TEST(the_files_mode_and_owner_are_told)
{
        look("");
        ck_assert_int_eq(chmod(at("config"), 0640), 0);
        ck_assert_int_eq(look_by(SSHD, at("config"), 30000), 0);
        ck_assert_str_eq(value("sshd:config/mode"), "0640");
        ck_assert_str_eq(value("sshd:config/owner"), text("%u:%u", geteuid(), getegid()));
        ck_assert_str_eq(value("sshd:config/file"), "none");
        ck_assert_str_eq(value("sshd:config/loaded"), "not running");
}
END_TEST

static bool
is_watched(const char *path)
{
        for (size_t i = 0; i < reading.watched.count; i++)
                if (strcmp(reading.watched.items[i], path) == 0)
                        return true;
        return false;
}

START_TEST(all_that_was_read_is_watched)
{
        put_folder(at("d"));
        put(at("d/1.conf"), "PermitTTY no\n");
        put(at("passwd"), text("git:x:7:7::%s:/bin/sh\n", at("home")));
        look(text("Include %s\nPidFile %s\n", at("d/*.conf"), at("pid")));
        const char *paths[] = {at("config"), at("d"), at("d/1.conf"), at("key"), at("key.pub"), at("pid"),
                SSHD, at("passwd"), at("group"), at("home/.ssh"), at("home/.ssh/authorized_keys")};
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                ck_assert_msg(is_watched(paths[i]), "%s", paths[i]);
        ck_assert_str_eq(value("sshd:permittty"), "no");
        ck_assert_str_eq(item("sshd:permittty")->source, text("%s:1", at("d/1.conf")));
}
END_TEST

static char *
whole_reading(void)
{
        struct buf all = {0};
        for (size_t i = 0; i < reading.count; i++) {
                const struct probe_setting *s = &reading.list[i];
                ck_assert_int_ge(
                        buf_printf(&all, "%s|%s|%s|%s|%s|%s\n", s->item, s->value ? s->value : "-",
                                s->configured ? s->configured : "-", s->source ? s->source : "-",
                                s->after_restart ? s->after_restart : "-", s->reason ? s->reason : "-"),
                        0);
        }
        for (size_t i = 0; i < reading.watched.count; i++)
                ck_assert_int_ge(buf_printf(&all, "%s\n", reading.watched.items[i]), 0);
        return buf_steal(&all);
}

START_TEST(a_hundred_looks_are_the_same)
{
        put(at("passwd"), "root:x:0:0::/root:/bin/sh\n");
        look("Match User git\n PermitTTY no\n");
        char *first = whole_reading();
        for (int i = 0; i < 99; i++) {
                ck_assert_int_eq(look_by(SSHD, at("config"), 30000), 0);
                char *again = whole_reading();
                ck_assert_str_eq(again, first);
                free(again);
        }
        free(first);
}
END_TEST

/* What the unit leaves of root: three capabilities. */
START_TEST(it_works_with_the_capabilities_of_the_unit)
{
        if (geteuid() != 0)
                skip_test("only root has capabilities to drop");
        put_config("Match User git\n PermitTTY no\n");
        put(at("no-key"), "this is no key\n");
        put(at("config2"), text("HostKey %s\nPort 2222\n", at("no-key")));
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                for (unsigned long i = 0; i < 64; i++)
                        if (i != 2 && i != 3 && i != 19) /* DAC_READ_SEARCH, FOWNER, SYS_PTRACE */
                                (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
                expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
                expect(look_by(SSHD, at("config"), 30000) == 0);
                expect(strcmp(value("sshd[user=git]:permittty"), "no") == 0);
                /* No host key loads: ours of zeros stands in, and is not told. */
                expect(look_by(SSHD, at("config2"), 30000) == 0);
                expect(strcmp(value("sshd:port"), "2222") == 0);
                expect(strcmp(value("sshd:hostkey"), at("no-key")) == 0);
                _exit(0);
        }
        int status = -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "0x%x", status);
}
END_TEST

/* It is there only while the service runs, and the unit's capabilities are no help. */
START_TEST(it_works_without_run_sshd)
{
        if (geteuid() != 0)
                skip_test("only root can hide /run/sshd");
        put_config("PermitTTY no\n");
        put(at("no-key"), "this is no key\n");
        put(at("config2"), text("HostKey %s\nPort 2222\n", at("no-key")));
        put(at("config3"), "PermitRotLogin no\n");
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                        mount("none", "/run", "tmpfs", 0, NULL) < 0)
                        _exit(77);
                expect(access("/run/sshd", F_OK) < 0);
                for (unsigned long i = 0; i < 64; i++)
                        if (i != 2 && i != 3 && i != 19) /* DAC_READ_SEARCH, FOWNER, SYS_PTRACE */
                                (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
                expect(look_by(SSHD, at("config"), 30000) == 0);
                expect(strcmp(value("sshd:permittty"), "no") == 0);
                expect(strcmp(value("sshd:config/accepted"), "yes") == 0);
                /* Nor does it need a host key then. */
                expect(look_by(SSHD, at("config2"), 30000) == 0);
                expect(strcmp(value("sshd:port"), "2222") == 0);
                expect(strcmp(value("sshd:hostkey"), at("no-key")) == 0);
                expect(look_by(SSHD, at("config3"), 30000) == 0);
                expect(strstr(value("sshd:config/accepted"), "Bad configuration option: PermitRotLogin"));
                expect(geteuid() == 0); /* to us nothing was hidden */
                _exit(0);
        }
        int status = -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip_test("there are no mount namespaces here");
        ck_assert_msg(status == 0, "0x%x", status);
}
END_TEST

/* ---- our reading of the text against sshd's ---- */

static unsigned long long dice = 88172645463325252ull;

static unsigned
roll(unsigned n)
{
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        return (unsigned)((dice >> 11) % n);
}

#define PICK(list) ((list)[roll(ARRAY_SIZE(list))])

/* The spelling in the text and sshd's own. `|` parts the values; they are printed as they are written. */
static const struct {
        const char *written, *keyword, *values;
        bool global;
} keywords[] = {
        {"PermitRootLogin", "permitrootlogin", "yes|no|without-password|forced-commands-only", false},
        {"PasswordAuthentication", "passwordauthentication", "yes|no", false},
        {"x11forwarding", "x11forwarding", "yes|no", false},
        {"MAXAUTHTRIES", "maxauthtries", "1|2|3|44", false}, {"MaxSessions", "maxsessions", "0|5|77", false},
        {"PermitTTY", "permittty", "yes|no", false},
        {"AllowTcpForwarding", "allowtcpforwarding", "yes|no|local|remote", false},
        {"ClientAliveInterval", "clientaliveinterval", "1|60|600", false},
        {"ChallengeResponseAuthentication", "kbdinteractiveauthentication", "yes|no", false},
        {"Banner", "banner", "/etc/issue|/a|none", false},
        {"ForceCommand", "forcecommand", "/bin/true|/bin/false", false},
        {"LogLevel", "loglevel", "INFO|VERBOSE|DEBUG2", false}, {"UseDNS", "usedns", "yes|no", true},
        {"PrintMotd", "printmotd", "yes|no", true}, {"LoginGraceTime", "logingracetime", "10|20|30", true},
        {"Compression", "compression", "yes|no", true}, /* (not MaxStartups: the last one counts before 10) */
};

static const char *
random_setting(bool in_block)
{
        size_t i;
        do
                i = roll(ARRAY_SIZE(keywords));
        while (in_block && keywords[i].global);
        static const char *const ways[] = {"%s%s %s\n", "%s%s=%s\n", "%s%s = %s  \n", "%s\"%s\" %s\n",
                "%s%s\t\"%s\"\n", "%s%s '%s'\n", "%s%s %s # x\n"};
        static const char *const indents[] = {"", "  ", "\t", "# no\n", "\n"};
        bool raw = strcmp(keywords[i].written, "ForceCommand") == 0; /* takes the line as it is */
        const char *way = raw ? ways[0] : PICK(ways), *value_start = keywords[i].values;
        for (unsigned skip = roll(4); skip; skip--) {
                const char *next = strchr(value_start, '|');
                value_start = next ? next + 1 : keywords[i].values;
        }
        char *chosen = text("%.*s", (int)strcspn(value_start, "|"), value_start), *line = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        ck_assert_int_ge(asprintf(&line, way, PICK(indents), keywords[i].written, chosen), 0);
#pragma GCC diagnostic pop
        const char *kept = text("%s", line);
        free(line);
        return kept;
}

static const char *
random_settings(bool in_block)
{
        char *all = text("%s", "");
        for (unsigned i = roll(6); i; i--)
                all = text("%s%s", all, random_setting(in_block));
        return all;
}

static const char *
random_match(void)
{
        static const char *const criteria[] = {"User root", "User git", "User g*,!gut", "User *,!root",
                "Address 10.0.0.0/8", "Address 192.0.2.0/24,!192.0.2.1", "Group root", "Host *.example.com",
                "LocalPort 2222", "User=daemon Address 10.0.0.0/8", "all", "Group \"root,daemon\"",
                "LocalAddress 10.9.0.1"};
        return PICK(criteria);
}

static const char *random_blocks(unsigned depth);

/* A file of its own, sometimes with blocks that end with it. */
static const char *
random_include(bool in_block, unsigned depth)
{
        static unsigned number;
        const char *path = at("inc%u", number++);
        put(path, text("%s%s", random_settings(in_block), depth ? random_blocks(depth - 1) : ""));
        return text("%s %s\n", roll(2) ? "Include" : "INCLUDE", path);
}

static const char *
random_blocks(unsigned depth)
{
        char *all = text("%s", "");
        for (unsigned i = roll(4); i; i--) {
                all = text("%sMatch %s\n%s", all, random_match(), random_settings(true));
                if (depth && roll(3) == 0)
                        all = text("%s%s%s", all, random_include(true, depth), random_settings(true));
        }
        return all;
}

/* What sshd says: `keyword value` lines after a newline. */
static void
ask_sshd(const char *path, const char *spec, struct buf *ret)
{
        struct buf errors = {0};
        int status;
        char program[] = SSHD, dump[] = "-T", file[] = "-f", connection[] = "-C", key[] = "-h";
        char *arguments[] = {program, dump, file, (char *)(uintptr_t)path, key, at("key"), connection,
                (char *)(uintptr_t)spec, NULL};
        struct child child = {
                .program = SSHD, .arguments = arguments, .timeout_ms = 20000, .output_max = 1000000};
        ck_assert_int_ge(buf_text(ret, "\n"), 0);
        ck_assert_msg(child_run(&child, ret, &errors, &status, &err) == 0, "%s", err.text);
        ck_assert_msg(status == 0, "%s", errors.data);
        buf_done(&errors);
}

static const char *
said(const struct buf *output, const char *keyword)
{
        const char *found = strstr(output->data, text("\n%s ", keyword));
        ck_assert_msg(found, "%s", keyword);
        found += strlen(keyword) + 2;
        return text("%.*s", (int)strcspn(found, "\n"), found);
}

START_TEST(what_we_read_in_the_text_is_what_sshd_makes_of_it)
{
        static const struct {
                const char *spec;
                struct sshd_connection connection;
        } connections[] = {
                {"user=root,host=a.example.com,addr=10.1.1.1,laddr=10.9.0.1,lport=22",
                        {.user = "root",
                                .host = "a.example.com",
                                .address = "10.1.1.1",
                                .localaddress = "10.9.0.1",
                                .localport = 22}},
                {"user=git,host=b,addr=192.0.2.7,laddr=10.9.0.2,lport=2222",
                        {.user = "git",
                                .host = "b",
                                .address = "192.0.2.7",
                                .localaddress = "10.9.0.2",
                                .localport = 2222}},
                {"user=daemon,host=c,addr=192.0.2.1,laddr=::1,lport=22", {.user = "daemon",
                                                                                 .host = "c",
                                                                                 .address = "192.0.2.1",
                                                                                 .localaddress = "::1",
                                                                                 .localport = 22}},
        };
        struct sshd_accounts accounts = {0};
        _cleanup_buf_ struct buf defaults = {0};
        unsigned configured = 0, in_blocks = 0, in_includes = 0;
        ck_assert_int_eq(sshd_accounts_read("/etc/passwd", "/etc/group", &accounts), 0);
        make_key(at("key"), "-t ed25519");
        ask_sshd("/dev/null", connections[0].spec, &defaults);
        for (unsigned i = 0; i < 100; i++) {
                _cleanup_buf_ struct buf now = {0};
                size_t c = roll(ARRAY_SIZE(connections));
                sshd_config_done(&config);
                const char *before = roll(2) ? random_include(false, 2) : "";
                put(at("main"), text("%s%s%s%s", random_settings(false), before, random_settings(false),
                                        random_blocks(2)));
                ck_assert_int_eq(sshd_config_read(&config, at("main")), 0);
                ask_sshd(at("main"), connections[c].spec, &now);
                for (size_t k = 0; k < ARRAY_SIZE(keywords); k++) {
                        const struct sshd_line *line = sshd_config_find(
                                &config, keywords[k].keyword, &connections[c].connection, &accounts);
                        const char *is = said(&now, keywords[k].keyword);
                        const char *ours = line ? line->value : said(&defaults, keywords[k].keyword);
                        ck_assert_msg(strcmp(is, ours) == 0,
                                "round %u, %s for %s: sshd says %s, we %s (%s:%u)", i, keywords[k].keyword,
                                connections[c].spec, is, ours, line ? line->file : "-",
                                line ? line->line : 0);
                        configured += line != NULL;
                        in_blocks += line && line->block >= 0;
                        in_includes += line && strcmp(line->file, at("main")) != 0;
                }
        }
        /* (Or the dice were loaded.) */
        ck_assert_uint_gt(configured, 300);
        ck_assert_uint_gt(in_blocks, 50);
        ck_assert_uint_gt(in_includes, 50);
        sshd_accounts_done(&accounts);
}
END_TEST

/* ---- a listener ---- */

static const char *
output_of(const char *command)
{
        char line[4096] = "";
        FILE *pipe = popen(command, "r");
        ck_assert_ptr_nonnull(pipe);
        ck_assert_ptr_nonnull(fgets(line, sizeof line, pipe));
        pclose(pipe);
        line[strcspn(line, "\n")] = '\0';
        return text("%s", line);
}

static pid_t listener_pid;

static bool
loaded_begins(const char *with)
{
        ck_assert_msg(look_by(SSHD, at("config"), 30000) == 0, "%s", err.text);
        return strncmp(value("sshd:config/loaded"), with, strlen(with)) == 0;
}

/* With a deadline, on the condition itself. */
static void
wait_for_loaded(const char *with)
{
        int64_t deadline = clock_monotonic_ms() + 20000;
        while (!loaded_begins(with))
                ck_assert_msg(clock_monotonic_ms() < deadline, "it stayed %s; %s",
                        value("sshd:config/loaded"),
                        output_of(text("cat %s 2>&1 || echo no log", at("log"))));
}

static int
free_port(void)
{
        return 20000 + (int)(getpid() % 20000);
}

static void
listener_start(const char *const *more)
{
        char program[] = SSHD, foreground[] = "-D", file[] = "-f", errors[] = "-E";
        char *arguments[16] = {program, foreground, errors, at("log"), file, at("config")};
        char room[256] = "ROOM="; /* for the title, which is written over the arguments and this */
        memset(room + 5, 'x', sizeof room - 6);
        char *environment[] = {room, NULL};
        for (size_t i = 6; *more; i++)
                arguments[i] = (char *)(uintptr_t)*more++;
        ck_assert_int_eq(posix_spawn(&listener_pid, SSHD, NULL, NULL, arguments, environment), 0);
}

static void
listener_end(void)
{
        if (listener_pid > 0) {
                (void)kill(listener_pid, SIGKILL);
                (void)waitpid(listener_pid, NULL, 0);
        }
        listener_pid = 0;
}

/* Their order is the resolver's, and another one where there are no IP sockets. */
START_TEST(addresses_are_listed_in_one_order)
{
        look("ListenAddress 127.0.0.9\nListenAddress 127.0.0.1\nListenAddress 127.0.0.5:23\n");
        ck_assert_str_eq(value("sshd:listenaddress"), "127.0.0.1:22\n127.0.0.5:23\n127.0.0.9:22");
}
END_TEST

START_TEST(an_edit_waits_for_a_reload_and_that_is_told)
{
        const char *options[] = {"-o", "MaxSessions=7", "-p", text("%d", free_port()), NULL};
        put_config(text("ListenAddress 127.0.0.1\nPidFile %s\nMaxSessions 3\nUsePAM no\n", at("pid")));
        ck_assert(loaded_begins("not running"));
        ck_assert_str_eq(value("sshd:maxsessions"), "3");
        listener_start(options);
        wait_for_loaded("yes");
        ck_assert_str_eq(value("sshd:config/file"), at("config"));
        ck_assert_str_eq(value("sshd:config/options"), text("-o MaxSessions=7 -p %d", free_port()));
        ck_assert_str_eq(value("sshd:maxsessions"), "7"); /* which is in force: an option comes first */
        ck_assert_str_eq(item("sshd:maxsessions")->source, "command line");
        ck_assert_str_eq(value("sshd:port"), options[3]);
        ck_assert_msg(loaded_begins("yes"), "%s", value("sshd:config/loaded"));

        put_config(text("ListenAddress 127.0.0.1\nPidFile %s\nPermitTTY no\nUsePAM no\n", at("pid")));
        wait_for_loaded("no: edited since it was loaded: ");
        ck_assert_str_eq(value("sshd:permittty"), "no"); /* the disk's */
        ck_assert_int_eq(kill(listener_pid, SIGHUP), 0);
        wait_for_loaded("yes");
        ck_assert_str_eq(value("sshd:config/file"), at("config"));

        /* Another configuration is looked at than the one that is served. */
        ck_assert_int_eq(rename(at("config"), at("other")), 0);
        put(at("config2"), text("HostKey %s\n", at("key")));
        ck_assert_int_eq(look_by(SSHD, at("config2"), 30000), 0);
        ck_assert_str_eq(value("sshd:config/file"), at("config"));
        ck_assert_str_eq(value("sshd:config/loaded"), text("no: the listener uses %s", at("config")));
        listener_end();
}
END_TEST

START_TEST(a_file_added_to_an_included_folder_is_an_edit)
{
        const char *options[] = {"-p", text("%d", free_port()), NULL};
        put_folder(at("d"));
        put_config(text("ListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nInclude %s\n", at("d/*.conf")));
        listener_start(options);
        wait_for_loaded("yes");
        /* There is no pid file: its start is what counts, and that has ticks, within which nothing is told.
         */
        int64_t deadline = clock_monotonic_ms() + 20000;
        while (!loaded_begins("no: edited since it was loaded: ")) {
                ck_assert_int_lt(clock_monotonic_ms(), deadline);
                put(at("d/1.conf"), "PermitTTY no\n");
        }
        listener_end();
}
END_TEST

/* ---- keys ---- */

START_TEST(host_keys_are_known_by_their_public_halves)
{
        make_key(at("rsa"), "-t rsa -b 2048");
        make_key(at("ecdsa"), "-t ecdsa -b 384");
        make_key(at("key"), "-t ed25519");
        ck_assert_int_eq(chmod(at("ecdsa"), 0640), 0);
        int private = witness(at("rsa"));
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(sshd_host_key_add((const char *[]){at("rsa"), at("ecdsa"), at("key")}[i],
                                         true, &reading),
                        0);
        ck_assert(!witness_saw_opening(private));
        close(private);
        ck_assert_int_eq(sshd_host_key_add(at("gone"), false, &reading), 0);
        ck_assert_int_eq(sshd_merge(&reading), 0); /* sorts */
        ck_assert_str_eq(value(text("sshd:hostkey%s/type", at("rsa"))), "ssh-rsa");
        ck_assert_str_eq(value(text("sshd:hostkey%s/bits", at("rsa"))), "2048");
        ck_assert_str_eq(value(text("sshd:hostkey%s/mode", at("rsa"))), "0600");
        ck_assert_str_eq(value(text("sshd:hostkey%s/bits", at("ecdsa"))), "384");
        ck_assert_str_eq(value(text("sshd:hostkey%s/mode", at("ecdsa"))), "0640");
        ck_assert_str_eq(value(text("sshd:hostkey%s/type", at("key"))), "ssh-ed25519");
        ck_assert_ptr_null(item(text("sshd:hostkey%s/type", at("gone"))));

        probe_reading_done(&reading);
        put(at("ecdsa.pub"), "no key at all\n");
        ck_assert_int_eq(sshd_host_key_add(at("ecdsa"), true, &reading), 0);
        ck_assert_int_eq(sshd_host_key_add(at("gone"), true, &reading), 0);
        ck_assert_int_eq(sshd_merge(&reading), 0);
        ck_assert_ptr_null(item(text("sshd:hostkey%s/type", at("ecdsa")))->value);
        ck_assert_int_eq(item(text("sshd:hostkey%s/mode", at("gone")))->error, ENOENT);
}
END_TEST

START_TEST(who_may_log_in_by_which_key)
{
        make_key(at("a"), "-t ed25519 -C ''");
        make_key(at("b"), "-t rsa -b 2048");
        put_folder(at("home"));
        put_folder(at("home/.ssh"));
        const char *a = output_of(text("cat %s", at("a.pub"))), *b = output_of(text("cat %s", at("b.pub")));
        const char *a_name = output_of(text("ssh-keygen -lf %s | cut -d' ' -f2", at("a.pub")));
        const char *b_name = output_of(text("ssh-keygen -lf %s | cut -d' ' -f2", at("b.pub")));
        put(at("passwd"),
                text("git:x:7:7::%s:/bin/sh\noff:x:8:8::%s:/usr/sbin/nologin\n", at("home"), at("home")));
        put(at("home/.ssh/authorized_keys"),
                text("# a comment\n\n%s\n  command=\"echo \\\"a b\\\" c\",no-pty\t%s\n%s\n", a, b, a));
        put(at("keys.git"), text("%s\n", a));
        look(text("AuthorizedKeysFile .ssh/authorized_keys %s\n", at("keys.%%u")));
        const char *a_item = text("sshd:authorized_keys/git/%s", a_name);
        const char *b_item = text("sshd:authorized_keys/git/%s", b_name);
        ck_assert_str_eq(value(a_item), "ssh-ed25519");
        ck_assert_str_eq(item(a_item)->source, text("%s:3", at("home/.ssh/authorized_keys")));
        ck_assert_str_eq(value(b_item), "ssh-rsa command=\"echo \\\"a b\\\" c\",no-pty");
        for (size_t i = 0; i < reading.count; i++)
                ck_assert_ptr_null(strstr(reading.list[i].item, "authorized_keys/off"));

        /* One key with other options in another file: both are told. */
        put(at("keys.git"), text("no-pty %s\nwhat is this\n", a));
        ck_assert_int_eq(look_by(SSHD, at("config"), 30000), 0);
        ck_assert_str_eq(value(a_item), "ssh-ed25519\nssh-ed25519 no-pty");
        ck_assert_str_eq(
                value(text("sshd:authorized_keys/git%s", at("keys.git"))), "(unknown) line 2 is no key");

        /* And a block may name another file for some. */
        look(text("AuthorizedKeysFile none\nMatch User git\n AuthorizedKeysFile %s\n", at("keys.git")));
        ck_assert_str_eq(value(a_item), "ssh-ed25519 no-pty");
        ck_assert_ptr_null(item(b_item));
}
END_TEST

START_TEST(what_lies_in_a_home_stops_nobody)
{
        put_folder(at("home"));
        ck_assert_int_eq(mkfifo(at("home/fifo"), 0644), 0);
        ck_assert_int_eq(symlink(at("home/loop"), at("home/loop")), 0);
        ck_assert_int_eq(symlink("/dev/zero", at("home/zero")), 0);
        put_folder(at("home/folder"));
        put(at("home/large"), "");
        ck_assert_int_eq(truncate(at("home/large"), 100 << 20), 0);
        put_bytes(at("home/nul"), "\0\0\n\0", 4, 0644);
        put(at("passwd"), text("git:x:7:7::%s:\n", at("home")));
        int64_t start = clock_monotonic_ms();
        look("AuthorizedKeysFile fifo loop zero folder large nul gone\n");
        ck_assert_int_lt(clock_monotonic_ms() - start, 5000);
        static const struct {
                const char *name, *reason;
                int error;
        } cases[] = {
                {"fifo", "it is no regular file", EINVAL},
                {"loop", "Too many levels of symbolic links", ELOOP},
                {"zero", "it is no regular file", EINVAL},
                {"folder", "it is no regular file", EINVAL},
                {"large", "it is larger than what is read of such a file", EFBIG},
                {"nul", "line 1 is no key", 0},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const struct probe_setting *is =
                        item(text("sshd:authorized_keys/git%s/%s", at("home"), cases[i].name));
                ck_assert_msg(is, "%s", cases[i].name);
                ck_assert_ptr_null(is->value);
                ck_assert_str_eq(is->reason, cases[i].reason);
                ck_assert_int_eq(is->error, cases[i].error);
        }
        ck_assert_ptr_null(item(text("sshd:authorized_keys/git%s/gone", at("home"))));
}
END_TEST

/* ---- sshds that fail ---- */

static const char *
put_program(const char *script)
{
        put(at("sshd"), text("#!/bin/sh\n%s\n", script));
        ck_assert_int_eq(chmod(at("sshd"), 0755), 0);
        return at("sshd");
}

static void
check_fails(const char *script, unsigned timeout_ms, const char *words)
{
        put(at("config"), "Port 22\n");
        err = (struct err){0};
        int r = look_by(put_program(script), at("config"), timeout_ms);
        ck_assert_msg(r == PROBE_FAILED, "%s: %d", script, r);
        ck_assert_msg(strstr(err.text, words), "%s: %s", script, err.text);
        ck_assert_msg(*err.hint, "%s: no hint", script);
}

START_TEST(an_sshd_that_fails_is_a_failure_in_its_own_words)
{
        check_fails("exit 1", 20000, "ended with status 1 and said nothing");
        check_fails("echo out of luck >&2; exit 255", 20000, "out of luck");
        check_fails("kill -9 $$", 20000, "signal 9");
        check_fails("echo hello", 20000, "no configuration of sshd");
        check_fails("exit 0", 20000, "no configuration of sshd");
        check_fails("printf 'port 22\\npermitrootlogin no\\n\\000x\\n'", 20000, "no configuration of sshd");
        check_fails("seq -f 'x%.0f 1' 90000", 20000, "no configuration of sshd");
        check_fails("head -c 3000000 /dev/zero", 20000, "more than is taken in");
        check_fails("head -c 3000000 /dev/zero >&2; exit 1", 20000, "more than is taken in");
        check_fails("printf '\\033[2Jevil\\n' >&2; exit 1", 20000, "\\x1b[2Jevil");
        put(at("config"), "Port 22\n");
        ck_assert_int_eq(look_by(at("gone"), at("config"), 20000), PROBE_ABSENT);
        ck_assert_ptr_nonnull(strstr(err.text, "there is no "));
        ck_assert(*err.hint);
}
END_TEST

START_TEST(an_sshd_that_hangs_is_ended_with_what_it_started)
{
        int64_t start = clock_monotonic_ms();
        check_fails(text("sleep 1000 & echo $! >%s; wait", at("pid")), 1500, "did not end in time");
        ck_assert_int_lt(clock_monotonic_ms() - start, 10000);
        pid_t started = (pid_t)strtol(output_of(text("cat %s", at("pid"))), NULL, 10);
        ck_assert_int_gt(started, 1);
        int64_t deadline = clock_monotonic_ms() + 10000;
        while (kill(started, 0) == 0 &&
                !strstr(output_of(text("grep State /proc/%d/status || echo Z", (int)started)), "Z"))
                ck_assert_int_lt(clock_monotonic_ms(), deadline);
}
END_TEST

START_TEST(what_the_host_lacks_is_said_with_what_to_do)
{
        /* One that is not told that it is root may do without; this one says so to everybody. */
        check_fails("case $* in *-G*) echo 'unknown option -- G' >&2; exit 1; esac\n"
                    "echo 'Missing privilege separation directory: /run/sshd' >&2; exit 255",
                20000, "Missing privilege separation directory");
        ck_assert_ptr_nonnull(strstr(err.hint, "/run/sshd"));
        check_fails("case $* in *-G*) echo 'unknown option -- G' >&2; exit 1; esac\n"
                    "echo 'sshd: no hostkeys available -- exiting.' >&2; exit 1",
                20000, "no hostkeys available");
        ck_assert_ptr_nonnull(strstr(err.hint, "ssh-keygen -A"));
}
END_TEST

START_TEST(a_context_that_cannot_be_asked_about_is_unknown)
{
        put(at("config"), "Match User git\nPermitTTY no\nMatch User ann\nPermitTTY no\n");
        ck_assert_int_eq(look_by(put_program("case $* in *user=git*) echo no git today >&2; exit 3; esac\n"
                                             "case $* in *user=ann*) sleep 100; esac\n"
                                             "echo port 22; echo permitrootlogin no; echo permittty yes"),
                                 at("config"), 3000),
                0);
        ck_assert_str_eq(value("sshd:permittty"), "yes");
        ck_assert_str_eq(value("sshd[user=git]:permittty"), "(unknown) no git today");
        ck_assert_ptr_nonnull(strstr(value("sshd[user=ann]:permittty"), "did not end in time"));
}
END_TEST

START_TEST(an_old_sshd_that_wants_a_whole_connection_gets_one)
{
        put(at("config"), "Match User git\nPermitTTY no\n");
        ck_assert_int_eq(
                look_by(put_program(
                                "case $* in *-G*) echo 'sshd: unknown option -- G' >&2; exit 1; esac\n"
                                "case $* in *host=*addr=*laddr=*lport=*) ;; *) echo \"'Match User' in "
                                "configuration but 'user' not in connection test specification.\" >&2; "
                                "exit 255;; esac\n"
                                "echo port 22; echo permitrootlogin no\n"
                                "case $* in *user=git,*) echo permittty no;; *) echo permittty yes; esac"),
                        at("config"), 20000),
                0);
        ck_assert_str_eq(value("sshd:permittty"), "yes");
        ck_assert_str_eq(value("sshd[user=git]:permittty"), "no");
}
END_TEST

START_TEST(a_look_that_is_called_off_ends)
{
        atomic_bool cancel = true;
        char *path = at("config"), *program = (char *)(uintptr_t)put_program("sleep 100");
        struct scope scope = {.domain = SCOPE_SSHD, .command = program, .paths = {&path, 1}};
        struct probe_request request = {.scope = &scope, .cancel = &cancel};
        struct sshd_places places = {at("passwd"), at("group"), scratch};
        put(path, "Port 22\n");
        ck_assert_int_eq(probe_sshd_at(&request, &places, &reading, &err), -ECANCELED);
}
END_TEST

#define ADD(name) tcase_add_test(all, name)

int
main(void)
{
        Suite *suite = suite_create("probe_sshd");
        TCase *all = tcase_create("all");
        tcase_set_timeout(all, 240);
        tcase_add_checked_fixture(all, setup, teardown);
        ADD(lines_are_read_as_sshd_reads_them);
        ADD(a_block_has_one_name_whatever_its_spelling);
        ADD(includes_are_in_place_and_a_match_at_their_end_does_not_leak);
        ADD(includes_that_go_in_circles_end_and_are_told);
        ADD(more_blocks_than_are_asked_about_are_told);
        ADD(what_follows_a_nul_is_cut_as_sshd_cuts_it);
        ADD(a_block_holds_as_the_patterns_say);
        ADD(a_connection_is_found_for_a_block_or_the_reason_why_none_is);
        ADD(a_listener_is_known_by_its_command_line);
        ADD(a_title_that_is_cut_off_is_known_for_one);
        ADD(the_unit_is_read_with_its_drop_ins_and_its_environment);
        ADD(a_setting_inside_of_a_match_is_found);
        ADD(no_block_hides_another);
        ADD(a_block_of_which_nobody_is_found_is_unknown);
        ADD(a_keyword_that_repeats_is_one_value_in_sshds_order);
        ADD(a_configuration_that_sshd_refuses_passes_nothing);
        ADD(the_files_mode_and_owner_are_told);
        ADD(all_that_was_read_is_watched);
        ADD(a_hundred_looks_are_the_same);
        ADD(it_works_with_the_capabilities_of_the_unit);
        ADD(it_works_without_run_sshd);
        ADD(what_we_read_in_the_text_is_what_sshd_makes_of_it);
        ADD(addresses_are_listed_in_one_order);
        ADD(an_edit_waits_for_a_reload_and_that_is_told);
        ADD(a_file_added_to_an_included_folder_is_an_edit);
        ADD(host_keys_are_known_by_their_public_halves);
        ADD(who_may_log_in_by_which_key);
        ADD(what_lies_in_a_home_stops_nobody);
        ADD(an_sshd_that_fails_is_a_failure_in_its_own_words);
        ADD(an_sshd_that_hangs_is_ended_with_what_it_started);
        ADD(what_the_host_lacks_is_said_with_what_to_do);
        ADD(a_context_that_cannot_be_asked_about_is_unknown);
        ADD(an_old_sshd_that_wants_a_whole_connection_gets_one);
        ADD(a_look_that_is_called_off_ends);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
