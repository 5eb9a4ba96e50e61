/* SPDX-License-Identifier: MIT */
/*
 * What we say the configuration sets, beside what the two programs say themselves, over random trees of
 * files. In a mount namespace of its own, the scratch root's folders lie over the host's, proc/sys as well:
 * so the real systemd-sysctl reads and writes nothing but scratch files (and tells in its debug log what it
 * writes), and the real `sysctl --system --dry-run` sees the same keys.
 */
#include <sched.h>
#include <sys/mount.h>

#include "core/child.h"
#include "core/digest.h"
#include "core/probe_sysctl.h"
#include "tests/unit/sysctl_help.h"

#define TREES 240u
#define SYSTEMD "/lib/systemd/systemd-sysctl"
#define SYSCTL "/sbin/sysctl"

static unsigned long long state;

static unsigned
pick(unsigned n)
{
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (unsigned)(state >> 33) % n;
}

#define PICK(list) (list)[pick(ARRAY_SIZE(list))]

static const char *const keys[] = {"kernel/panic", "kernel/printk", "vm/swappiness", "net/ipv4/ip_forward",
        "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/lo/rp_filter", "net/ipv4/conf/eth0.100/rp_filter",
        "net/ipv4/conf/lo/log_martians", "net/ipv4/conf/eth0.100/log_martians"};

static const char *const names[] = {"kernel.panic", "kernel/panic", "kernel.printk", "vm/swappiness",
        "vm.swappiness", "net.ipv4.ip_forward", "net/ipv4/ip_forward", "net.ipv4/ip_forward",
        "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.lo.rp_filter", "net/ipv4/conf/lo/rp_filter",
        "net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter",
        "net.ipv4.conf.eth0.100.rp_filter", "net.ipv4.conf.lo.log_martians", "/net/ipv4/conf/lo/log_martians",
        "net//ipv4/conf/lo/rp_filter", "net.ipv4.conf..lo.rp_filter", "kernel/./panic", "kernel/panic/",
        /* globs */
        "net.ipv4.conf.*.rp_filter", "net/ipv4/conf/*/rp_filter", "net.ipv4.conf.*.*", "kernel.p*", "*.panic",
        "net.ipv4.conf.l?.rp_filter", "net.ipv4.conf.[a-l]*.rp_filter", "net.ipv4.conf.{lo,all}*.rp_filter",
        "net/ipv4/conf/{eth0.100,l*}/{rp_filter,log_martians}", "*/*", "kernel/{p{anic,rintk},x}*",
        "kernel/{panic*", "net//ipv4/conf/*/rp_filter", "net.ipv4.conf.*.nothing", "vm/[!a]*",
        "kernel/pa\\nic*"};

static const char *const values[] = {
        "0", "1", "2", " 1", "1 ", "3 4\t1  7", "a=b", "", "5 # x", "x\ry=1", "0x10"};
static const char *const starts[] = {
        "", "", "", "", "", "-", " ", "\t", "- ", "--", " -", "#", ";", "\r", "\v"};
static const char *const equals[] = {"=", " = ", "\t=", "= ", " ="};
static const char *const ends[] = {"\n", "\n", "\n", "\r\n", " \n", "\n\n", "\n\n# comment\n", "\f\n", "\r"};
static const char *const files[] = {"10-a.conf", "50-b.conf", "99-z.conf", "Z.conf", ".hidden.conf", "b.conf",
        "README", "x.conf~", ".conf"};
static const char *const folders[] = {
        "etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d"};

/* A line: mostly `KEY = VALUE`, at times an exclusion, and now and then no assignment at all. */
static void
random_line(char *text, size_t room)
{
        unsigned kind = pick(12);
        const char *start = PICK(starts), *name = PICK(names), *value = PICK(values), *equal = PICK(equals);
        if (kind == 0)
                snprintf(text, room, "-%s%s", name, PICK(ends));
        else if (kind == 1)
                snprintf(text, room, "%s%s%s", start, name, PICK(ends));
        else
                snprintf(text, room, "%s%s%s%s%s", start, name, equal, value, PICK(ends));
}

static void
random_file(const char *path)
{
        char text[4096] = "";
        for (unsigned i = pick(9); i-- > 0;)
                random_line(text + strlen(text), 256);
        if (pick(4) == 0 && *text)
                text[strlen(text) - 1] = '\0'; /* no newline at the end */
        put_below(path, text);
}

static void
random_tree(void)
{
        static const char *const targets[] = {
                "../sysctl.conf", "/dev/null", "nowhere", "/etc/sysctl.d/10-a.conf"};
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
                for (unsigned n = pick(4); n-- > 0;)
                        random_file(at("%s/%s", folders[i], PICK(files)) + strlen(scratch) + 1);
        if (pick(2))
                random_file("etc/sysctl.conf");
        if (pick(2))
                (void)!symlink(PICK(targets), at("%s/99-sysctl.conf", PICK(folders)));
        if (pick(4) == 0)
                (void)mkdir(at("%s/50-b.conf", PICK(folders)), 0755); /* where it is free: hides others */
}

/* The covered folders themselves stay, and so what lies over the host's. */
static void
clear_tree(void)
{
        char command[5 * sizeof scratch + 128];
        snprintf(command, sizeof command,
                "cd '%s' && find etc run usr/local/lib usr/lib/sysctl.d proc/sys -mindepth 1 -delete",
                scratch);
        ck_assert_int_eq(system(command), 0);
}

static void
make_tree(void)
{
        static const char *const parts[] = {"etc/sysctl.d/x", "run/sysctl.d/x", "usr/local/lib/sysctl.d/x",
                "usr/lib/sysctl.d/x", "usr/lib/systemd/systemd-sysctl"};
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                put_below(parts[i], "");
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                put_key(keys[i], "");
        random_tree();
}

/* ---- the real programs ---- */

/* Lays the scratch root's folders over the host's, for us alone. 0, or -1 with errno. */
static int
cover_host(void)
{
        static const char *const covered[] = {
                "/etc", "/run", "/usr/local/lib", "/usr/lib/sysctl.d", "/proc/sys"};
        for (size_t i = 0; i < ARRAY_SIZE(covered); i++)
                if (mount(at("%s", covered[i] + 1), covered[i], NULL, MS_BIND, NULL) < 0)
                        return -1;
        return 0;
}

static void
run(char *const *arguments, struct buf *output)
{
        struct buf errors = {0};
        struct err err;
        int status;
        struct child child = {.program = "/usr/bin/env",
                .arguments = arguments,
                .timeout_ms = 20000,
                .output_max = 1 << 20};
        int r = child_run(&child, output, &errors, &status, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        ck_assert_int_eq(buf_append(output, errors.data, errors.size), 0);
        buf_done(&errors);
}

/* The last value that was written to a key; NULL: none. To be freed. */
struct said {
        char *values[ARRAY_SIZE(keys)];
};

static void
said_done(struct said *said)
{
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                free(said->values[i]);
        *said = (struct said){0};
}

static void
note_said(struct said *said, const char *path, const char *value, size_t size)
{
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                if (strcmp(keys[i], path) != 0)
                        continue;
                free(said->values[i]);
                said->values[i] = sysctl_value_new(value, size);
                ck_assert_ptr_nonnull(said->values[i]);
        }
}

/* Drops repeated slashes and `.`, as opening the path does. */
static void
tidy_path(char *path)
{
        for (char *p; (p = strstr(path, "//")) || (p = strstr(path, "/./"));)
                memmove(p, p[1] == '.' ? p + 2 : p + 1, strlen(p[1] == '.' ? p + 2 : p + 1) + 1);
        if (*path == '/')
                memmove(path, path + 1, strlen(path));
}

/* Lines "Setting '/proc/sys/KEY' to 'VALUE'". */
static void
ask_systemd(struct said *said)
{
        char env[] = "env", level[] = "SYSTEMD_LOG_LEVEL=debug", target[] = "SYSTEMD_LOG_TARGET=console",
             program[] = SYSTEMD, *arguments[] = {env, level, target, program, NULL};
        struct buf output = {0};
        run(arguments, &output);
        char *rest = output.data;
        for (char *line; rest && (line = strsep(&rest, "\n"));) {
                char *path = strstr(line, "Setting '/proc/sys/"),
                     *middle = path ? strstr(path, "' to '") : NULL;
                if (!middle)
                        continue;
                path += strlen("Setting '/proc/sys/");
                *middle = '\0';
                const char *value = middle + strlen("' to '"), *end = strrchr(value, '\'');
                ck_assert_ptr_nonnull(end);
                note_said(said, path, value, (size_t)(end - value));
        }
        buf_done(&output);
}

/* Lines "KEY = VALUE", with the dots and slashes of KEY swapped if its first separator is a dot. */
static void
ask_procps(struct said *said)
{
        char env[] = "env", program[] = SYSCTL, system_[] = "--system", dry[] = "--dry-run",
             *arguments[] = {env, program, system_, dry, NULL};
        struct buf output = {0};
        run(arguments, &output);
        char *rest = output.data;
        for (char *line; rest && (line = strsep(&rest, "\n"));) {
                char *middle = strstr(line, " = ");
                if (!middle || strncmp(line, "sysctl: ", 8) == 0)
                        continue;
                *middle = '\0';
                char *separator = strpbrk(line, "/.");
                bool dots = separator && *separator == '.';
                for (; dots && separator; separator = strpbrk(separator + 1, "/."))
                        *separator = *separator == '.' ? '/' : '.';
                tidy_path(line);
                note_said(said, line, middle + 3, strlen(middle + 3));
        }
        buf_done(&output);
}

/* ---- the comparison ---- */

/* The tree that differs is left where it is, to be looked at. */
static void
compare(unsigned tree, const char *program, const char *key, const char *theirs,
        const struct probe_setting *ours)
{
        const char *said = ours ? ours->value : NULL;
        if (theirs && said ? strcmp(theirs, said) == 0 : theirs == said)
                return;
        ck_abort_msg("TREE=%u: %s: %s says \"%s\", we say \"%s\" (%s), in %s", tree, key, program,
                theirs ? theirs : "nothing", said ? said : "nothing",
                ours && ours->source ? ours->source : "-", scratch);
}

static void
compare_tree(unsigned tree)
{
        struct said systemd = {0}, procps = {0};
        state = tree;
        make_tree();
        ask_procps(&procps); /* first: it writes nothing */
        ask_systemd(&systemd);
        look();
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                char item[256];
                snprintf(item, sizeof item, "%s@after_restart", keys[i]);
                compare(tree, "systemd-sysctl", keys[i], systemd.values[i], setting(item));
        }
        /* Without systemd-sysctl the host boots with procps. */
        ck_assert_int_eq(unlink(at("usr/lib/systemd/systemd-sysctl")), 0);
        look();
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                char item[256];
                snprintf(item, sizeof item, "%s@after_restart", keys[i]);
                compare(tree, "sysctl --system", keys[i], procps.values[i], setting(item));
        }
        said_done(&systemd);
        said_done(&procps);
        clear_tree();
}

START_TEST(both_programs_say_what_we_say)
{
        unsigned first = 0, n = TREES;
        ck_assert_int_eq(digest_setup(), 0);
        const char *one = getenv("TREE"); /* that of a failure, again */
        if (one) {
                first = (unsigned)strtoul(one, NULL, 10);
                n = 1;
        }
        if (access(SYSTEMD, X_OK) < 0 || access(SYSCTL, X_OK) < 0)
                skip_test("systemd-sysctl and sysctl (procps) are not both installed");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip_test("a mount namespace needs root: %s", strerror(errno));
        scratch_make();
        make_tree();
        ck_assert_msg(cover_host() == 0, "%m");
        clear_tree();
        for (unsigned i = first; i < first + n; i++)
                compare_tree(i);
        /* What lies over the host ends with this process. */
        ck_assert_int_eq(umount2("/proc/sys", MNT_DETACH), 0);
        look_teardown();
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("probe_sysctl_oracle");
        TCase *all = tcase_create("all");
        tcase_set_timeout(all, 120);
        tcase_add_test(all, both_programs_say_what_we_say);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
