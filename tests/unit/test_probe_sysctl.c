/* SPDX-License-Identifier: MIT */
/* The sysctl probe: what is read and what is never opened, what is in force, and what the files configure. On
 * scratch trees; and on this host, where nothing is changed outside of a network namespace of the test's own.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/own_view.h"
#include "core/probe_sysctl.h"
#include "tests/unit/sysctl_help.h"

static void
setup(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        scratch_make();
        put_key("kernel/panic", "0\n");
}

/* -999: it is none. */
static int
number_of(const char *text)
{
        char *end;
        long number = strtol(text, &end, 10);
        return *end || end == text ? -999 : (int)number;
}

/* ---- values ---- */

START_TEST(values_are_canonical)
{
        static const struct {
                const char *read, *value;
        } wanted[] = {{"1\n", "1"}, {"1", "1"}, {"", ""}, {"\n", ""}, {"a\n\n", "a\n"},
                {"4\t4\t1\t7\n", "4 4 1 7"}, {"a \t  b\n", "a b"}, {"file\npipe\t\tx\n", "file\npipe x"},
                {" x \n", " x "}};
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                put_key(at("kernel/k%zu", i) + strlen(scratch) + 1, wanted[i].read);
        look();
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                ck_assert_str_eq(value_of(at("kernel/k%zu", i) + strlen(scratch) + 1), wanted[i].value);
}
END_TEST

START_TEST(names_are_slash_paths_and_escaped)
{
        put_key("net/ipv4/conf/eth0.100/mtu", "1500\n");
        put_key("fs/binfmt_misc/a b\x1b", "enabled\n");
        look();
        ck_assert_str_eq(value_of("net/ipv4/conf/eth0.100/mtu"), "1500");
        ck_assert_str_eq(value_of("fs/binfmt_misc/a\\x20b\\x1b"), "enabled");
}
END_TEST

START_TEST(of_a_secret_only_the_digest_is_shown)
{
        put_key("net/ipv6/conf/lo/stable_secret", "2001:db8::1\n");
        put_key("net/ipv4/tcp_fastopen_key", "0-1-2-3\n");
        put_key("net/core/netdev_rss_key", "aa:bb\n");
        put_below("etc/sysctl.d/a.conf", "net.ipv6.conf.lo.stable_secret = 2001:db8::2\n");
        look();
        /* printf '2001:db8::1' | sha256sum */
        ck_assert_str_eq(value_of("net/ipv6/conf/lo/stable_secret"),
                "sha256:5afd19e856d1c18d17d600dfd2b5f534992333985e126c2a951047102c1ed536");
        for (size_t i = 0; i < reading.count; i++) {
                const struct probe_setting *one = &reading.list[i];
                ck_assert(!one->value || !strstr(one->value, "db8"));
                ck_assert(!one->configured || !strstr(one->configured, "db8"));
                ck_assert(!one->after_restart || !strstr(one->after_restart, "db8"));
        }
        ck_assert_int_eq(strncmp(value_of("net/ipv4/tcp_fastopen_key"), "sha256:", 7), 0);
        ck_assert_int_eq(strncmp(value_of("net/core/netdev_rss_key"), "sha256:", 7), 0);
        ck_assert_int_eq(strncmp(configured_of("net/ipv6/conf/lo/stable_secret"), "sha256:", 7), 0);
}
END_TEST

START_TEST(a_value_as_long_as_may_be_is_read_and_a_longer_one_is_unknown)
{
        static char big[PROBE_VALUE_MAX + 2];
        memset(big, 'x', sizeof big - 1);
        put_key("kernel/long", big);
        big[PROBE_VALUE_MAX] = '\0';
        put_key("kernel/fits", big);
        big[4095] = '\0';
        put_key("kernel/first_read", big);
        put_bytes(at("proc/sys/kernel/nul"), "a\0b", 3, 0644);
        look();
        ck_assert_uint_eq(strlen(value_of("kernel/fits")), PROBE_VALUE_MAX);
        ck_assert_uint_eq(strlen(value_of("kernel/first_read")), 4095);
        ck_assert_ptr_null(setting("kernel/long")->value);
        ck_assert_int_eq(setting("kernel/long")->error, EFBIG);
        ck_assert_int_eq(setting("kernel/nul")->error, EBADMSG);
}
END_TEST

/* ---- what is not looked at ---- */

static void
look_as_nobody(void)
{
        expect(look_with(at("proc/sys"), NULL, 0, 0, NULL) == 0);
        const struct probe_setting *found = setting("kernel/secret");
        expect(found && !found->value && found->error == EACCES);
        expect(strstr(found->reason, "Permission denied"));
        expect(strcmp(value_of("kernel/panic"), "0") == 0);
}

START_TEST(a_key_that_cannot_be_read_is_unknown_and_not_left_out)
{
        if (geteuid() != 0)
                skip_test("only root can make a file that we may not read and others own");
        put_bytes(put_key("kernel/secret", "1"), "1\n", 2, 0600);
        as_nobody(look_as_nobody);
}
END_TEST

START_TEST(what_acts_warns_or_moves_is_never_opened)
{
        static const char *const keys[] = {"vm/stat_refresh", "net/ipv4/neigh/eth0/base_reachable_time",
                "net/ipv6/neigh/default/retrans_time", "net/ipv4/route/flush", "vm/compact_memory",
                "vm/drop_caches", "fs/dentry-state", "fs/quota/syncs", "kernel/random/uuid",
                "kernel/ns_last_pid", "kernel/perf_event_max_sample_rate", "fs/epoll/max_user_watches",
                "net/ipv4/conf/docker0/rp_filter", "fs/binfmt_misc/register"};
        int seen[ARRAY_SIZE(keys)];
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                seen[i] = witness(put_key(keys[i], "1\n"));
        int panic = witness(at("proc/sys/kernel/panic"));
        put_key("net/ipv4/neigh/eth0/retrans_time_ms", "1000\n");
        look();
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                char item[256], *named = item;
                snprintf(item, sizeof item, "sysctl:%s", keys[i]);
                ck_assert_msg(!witness_saw_opening(seen[i]), "%s was opened", keys[i]);
                ck_assert_ptr_null(setting(keys[i]));
                /* Not even who names it gets it opened. */
                ck_assert_int_eq(look_with(at("proc/sys"), &named, 1, 0, NULL), 0);
                ck_assert_msg(!witness_saw_opening(seen[i]), "%s was opened", keys[i]);
                close(seen[i]);
        }
        ck_assert(witness_saw_opening(panic));
        close(panic);
        look();
        ck_assert_str_eq(value_of("net/ipv4/neigh/eth0/retrans_time_ms"), "1000");
}
END_TEST

START_TEST(keys_without_a_read_bit_links_and_fifos_are_not_opened)
{
        put_key("kernel/write_only", "1\n");
        put(at("outside"), "secret\n");
        put_folder(at("elsewhere"));
        put(at("elsewhere/key"), "secret\n");
        ck_assert_int_eq(symlink(at("outside"), at("proc/sys/kernel/link")), 0);
        ck_assert_int_eq(symlink(at("elsewhere"), at("proc/sys/folder")), 0);
        ck_assert_int_eq(mkfifo(at("proc/sys/kernel/fifo"), 0666), 0);
        int only = witness(at("proc/sys/kernel/write_only")), outside = witness(at("outside")),
            elsewhere = witness(at("elsewhere/key")), fifo = witness(at("proc/sys/kernel/fifo"));
        ck_assert_int_eq(chmod(at("proc/sys/kernel/write_only"), 0200), 0);
        look();
        char *named[] = {at("x"), at("x"), at("x")};
        named[0] = strdup("sysctl:folder/key");
        named[1] = strdup("sysctl:kernel/link");
        named[2] = strdup("sysctl:folder/**");
        ck_assert_int_eq(look_with(at("proc/sys"), named, 3, 0, NULL), 0);
        ck_assert_uint_eq(reading.count, 0);
        for (size_t i = 0; i < 3; i++)
                free(named[i]);
        ck_assert(!witness_saw_opening(only));
        ck_assert(!witness_saw_opening(outside));
        ck_assert(!witness_saw_opening(elsewhere));
        ck_assert(!witness_saw_opening(fifo));
        look();
        ck_assert_ptr_null(setting("kernel/write_only"));
        ck_assert_ptr_null(setting("kernel/link"));
}
END_TEST

START_TEST(a_folder_that_is_mounted_by_who_enters_it_is_not_entered)
{
        int ends[2];
        char options[128];
        put_key("fs/binfmt_misc/inside", "1\n");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip_test("a mount namespace needs root: %s", strerror(errno));
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        snprintf(options, sizeof options, "fd=%d,pgrp=1,minproto=5,maxproto=5,direct", ends[1]);
        if (mount("driftd-test", at("proc/sys/fs/binfmt_misc"), "autofs", 0, options) < 0)
                skip_test("this kernel mounts no autofs: %s", strerror(errno));
        char named[] = "sysctl:fs/binfmt_misc/inside", *items[] = {named};
        alarm(30); /* who enters it waits for a daemon that there is not */
        look();
        ck_assert_ptr_null(setting("fs/binfmt_misc/inside"));
        ck_assert_int_eq(look_with(at("proc/sys"), items, 1, 0, NULL), 0);
        struct pollfd asked = {.fd = ends[0], .events = POLLIN};
        ck_assert_msg(poll(&asked, 1, 0) == 0, "the mount was asked for");
        ck_assert_int_eq(umount2(at("proc/sys/fs/binfmt_misc"), MNT_DETACH), 0);
}
END_TEST

START_TEST(interfaces_that_come_and_go_are_left_out)
{
        static const char *const gone[] = {
                "veth12ab", "docker0", "br-12", "cali1", "cni0", "flannel.1", "tap0", "lxcbr0", "vnet3"};
        static const char *const kept[] = {"lo", "eth0", "all", "default", "br0", "wg0", "xdocker0", "vet"};
        for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
                put_key(at("net/ipv4/conf/%s/mtu", gone[i]) + strlen(scratch) + 1, "1");
                put_key(at("net/ipv6/neigh/%s/mcast_solicit", gone[i]) + strlen(scratch) + 1, "1");
        }
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
                put_key(at("net/ipv6/conf/%s/mtu", kept[i]) + strlen(scratch) + 1, "1");
        put_key("net/bridge/docker0", "1");
        look();
        for (size_t i = 0; i < reading.count; i++)
                for (size_t j = 0; j < ARRAY_SIZE(gone); j++)
                        ck_assert_ptr_null(
                                strstr(reading.list[i].item, at("/%s/", gone[j]) + strlen(scratch)));
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
                ck_assert_str_eq(value_of(at("net/ipv6/conf/%s/mtu", kept[i]) + strlen(scratch) + 1), "1");
        ck_assert_str_eq(value_of("net/bridge/docker0"), "1");
}
END_TEST

/* ---- when nothing can be said ---- */

START_TEST(without_a_tree_the_domain_is_unknown_and_says_what_to_do)
{
        put_folder(at("empty"));
        put_folder(at("folders"));
        put_folder(at("folders/only"));
        put(at("file"), "x");
        ck_assert_int_eq(symlink(at("proc/sys"), at("link")), 0);
        static const char *const wrong[] = {"missing", "empty", "folders", "file", "link"};
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                ck_assert_int_eq(look_with(at("%s", wrong[i]), NULL, 0, 0, NULL), PROBE_FAILED);
                ck_assert_ptr_nonnull(strstr(look_err.text, wrong[i]));
                ck_assert_uint_gt(strlen(look_err.hint), 0);
        }
        char item[] = "sysctl:kernel/panic", *items[] = {item};
        ck_assert_int_eq(look_with(at("empty"), items, 1, 0, NULL), PROBE_FAILED);
}
END_TEST

START_TEST(a_look_ends_when_it_is_called_off_or_late)
{
        atomic_bool cancel = true;
        ck_assert_int_eq(look_with(at("proc/sys"), NULL, 0, 0, &cancel), -ECANCELED);
        for (unsigned i = 0; i < 4000; i++)
                put_key(at("kernel/k%u", i) + strlen(scratch) + 1, "1\n");
        int64_t start = clock_monotonic_ms();
        ck_assert_int_eq(look_with(at("proc/sys"), NULL, 0, 1, NULL), PROBE_FAILED);
        ck_assert_int_lt(clock_monotonic_ms() - start, 2000);
        ck_assert_ptr_nonnull(strstr(look_err.text, "in time"));
}
END_TEST

/* ---- named items ---- */

START_TEST(where_few_items_are_named_only_they_are_read)
{
        put_key("net/ipv4/ip_forward", "0\n");
        put_key("net/ipv4/conf/eth0/mtu", "1\n");
        put_key("vm/swappiness", "60\n");
        int other = witness(at("proc/sys/vm/swappiness")), folder = witness(at("proc/sys/vm"));
        char one[] = "sysctl:net/ipv4/ip_forward", below[] = "sysctl:net/ipv4/conf",
             glob[] = "sysctl:kernel/p*", absent[] = "sysctl:kernel/none/x", foreign[] = "file:/vm/**",
             *items[] = {one, below, glob, absent, foreign, one};
        ck_assert_int_eq(look_with(at("proc/sys"), items, ARRAY_SIZE(items), 0, NULL), 0);
        ck_assert_str_eq(value_of("net/ipv4/ip_forward"), "0");
        ck_assert_str_eq(value_of("net/ipv4/conf/eth0/mtu"), "1");
        ck_assert_str_eq(value_of("kernel/panic"), "0");
        ck_assert_ptr_null(setting("vm/swappiness"));
        ck_assert(!witness_saw_opening(other));
        ck_assert(!witness_saw_opening(folder));
        close(other);
        close(folder);
}
END_TEST

START_TEST(no_name_leads_out_of_the_tree)
{
        put(at("proc/secret"), "secret\n");
        int seen = witness(at("proc/secret"));
        static const char *const names[] = {"../secret", "kernel/../../secret", "./../secret", "/../secret",
                "kernel//../../secret", "..", "../**", "../*"};
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char item[256], *items[] = {item};
                snprintf(item, sizeof item, "sysctl:%s", names[i]);
                int r = look_with(at("proc/sys"), items, 1, 0, NULL);
                ck_assert_msg(r == 0 && reading.count == 0, "%s: %d, %zu", item, r, reading.count);
        }
        ck_assert(!witness_saw_opening(seen));
        close(seen);
}
END_TEST

START_TEST(an_effective_value_that_is_named_brings_what_it_is_made_of)
{
        put_key("net/ipv4/conf/all/accept_redirects", "0\n");
        put_key("net/ipv4/conf/lo/accept_redirects", "1\n");
        put_key("net/ipv4/conf/lo/forwarding", "0\n");
        put_key("net/ipv4/conf/lo/mtu", "1\n");
        char item[] = "sysctl:net/ipv4/conf/*/accept_redirects@effective", *items[] = {item};
        ck_assert_int_eq(look_with(at("proc/sys"), items, 1, 0, NULL), 0);
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/accept_redirects@effective"), "1");
        ck_assert_ptr_null(setting("net/ipv4/conf/lo/mtu"));
}
END_TEST

/* ---- in force on an interface ---- */

/* Marked with the macro of the kernel that each row follows. */
static const struct {
        const char *name;
        int all, own, forwarding, effective;
} in_force[] = {
        {"rp_filter", 0, 0, 0, 0}, /* IN_DEV_MAXCONF */
        {"rp_filter", 2, 1, 0, 2},
        {"rp_filter", 1, 2, 0, 2},
        {"rp_filter", 0, 1, 0, 1},
        {"arp_ignore", 8, 1, 0, 8},
        {"arp_announce", 0, 2, 0, 2},
        {"log_martians", 0, 0, 0, 0}, /* IN_DEV_ORCONF */
        {"log_martians", 1, 0, 0, 1},
        {"log_martians", 0, 1, 0, 1},
        {"send_redirects", 0, 1, 0, 1},
        {"secure_redirects", 1, 0, 0, 1},
        {"proxy_arp", 0, 1, 0, 1},
        {"accept_source_route", 1, 0, 0, 0}, /* IN_DEV_ANDCONF */
        {"accept_source_route", 0, 1, 0, 0},
        {"accept_source_route", 1, 1, 0, 1},
        {"accept_redirects", 0, 0, 0, 0}, /* IN_DEV_RX_REDIRECTS */
        {"accept_redirects", 0, 1, 0, 1},
        {"accept_redirects", 1, 0, 0, 1},
        {"accept_redirects", 0, 1, 1, 0},
        {"accept_redirects", 1, 0, 1, 0},
        {"accept_redirects", 1, 1, 1, 1},
};

static void
put_conf(const char *family, const char *interface, const char *name, int value)
{
        char text[16];
        snprintf(text, sizeof text, "%d\n", value);
        put_key(at("net/%s/conf/%s/%s", family, interface, name) + strlen(scratch) + 1, text);
}

START_TEST(ipv4_values_in_force_follow_all_and_the_interface)
{
        for (size_t i = 0; i < ARRAY_SIZE(in_force); i++) {
                put_conf("ipv4", "all", in_force[i].name, in_force[i].all);
                put_conf("ipv4", "eth0.1", in_force[i].name, in_force[i].own);
                put_conf("ipv4", "eth0.1", "forwarding", in_force[i].forwarding);
                look();
                const char *key =
                        at("net/ipv4/conf/eth0.1/%s@effective", in_force[i].name) + strlen(scratch) + 1;
                ck_assert_msg(number_of(value_of(key)) == in_force[i].effective && setting(key)->derived,
                        "row %zu: %s is %s", i, key, value_of(key));
        }
}
END_TEST

START_TEST(ipv6_values_in_force_are_the_interfaces_own)
{
        static const struct {
                const char *name;
                int all, own, forwarding, effective;
        } rows[] = {
                {"accept_redirects", 0, 1, 0, 1},
                {"accept_redirects", 1, 0, 0, 0},
                {"accept_redirects", 1, 1, 1, 0}, /* rt6_do_redirect: a router takes none */
                {"accept_ra", 0, 1, 0, 1},
                {"accept_ra", 1, 0, 0, 0},
                {"accept_ra", 1, 1, 1, 0}, /* ipv6_accept_ra */
                {"accept_ra", 0, 2, 1, 2},
                {"accept_source_route", 0, 1, 0, 0}, /* ipv6_rthdr_rcv: the smaller of both */
                {"accept_source_route", 1, -1, 0, -1},
                {"accept_source_route", 1, 1, 0, 1},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                put_conf("ipv6", "all", rows[i].name, rows[i].all);
                put_conf("ipv6", "lo", rows[i].name, rows[i].own);
                put_conf("ipv6", "lo", "forwarding", rows[i].forwarding);
                look();
                const char *key = at("net/ipv6/conf/lo/%s@effective", rows[i].name) + strlen(scratch) + 1;
                ck_assert_msg(number_of(value_of(key)) == rows[i].effective, "row %zu: %s is %s", i, key,
                        value_of(key));
        }
}
END_TEST

START_TEST(one_interface_accepts_redirects_while_all_passes)
{
        static const char *const interfaces[] = {"all", "default", "eth0", "lo"};
        for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++) {
                put_conf("ipv4", interfaces[i], "accept_redirects", strcmp(interfaces[i], "lo") == 0);
                put_conf("ipv4", interfaces[i], "forwarding", 0);
        }
        look();
        ck_assert_str_eq(value_of("net/ipv4/conf/all/accept_redirects"), "0");
        ck_assert_str_eq(value_of("net/ipv4/conf/eth0/accept_redirects@effective"), "0");
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/accept_redirects@effective"), "1");
        ck_assert_ptr_null(setting("net/ipv4/conf/all/accept_redirects@effective"));
        ck_assert_ptr_null(setting("net/ipv4/conf/default/accept_redirects@effective"));
}
END_TEST

START_TEST(what_an_effective_value_lacks_makes_it_unknown)
{
        put_conf("ipv4", "lo", "rp_filter", 1);
        put_key("net/ipv4/conf/lo/arp_ignore", "many\n");
        put_conf("ipv4", "all", "arp_ignore", 1);
        look();
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/rp_filter@effective"), "(unknown)");
        ck_assert_ptr_nonnull(strstr(setting("net/ipv4/conf/lo/rp_filter@effective")->reason,
                "net/ipv4/conf/all/rp_filter: it is not there"));
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/arp_ignore@effective"), "(unknown)");
}
END_TEST

/* ---- what the files configure ---- */

static void
with_systemd(void)
{
        put_below("usr/lib/systemd/systemd-sysctl", "");
}

/* One file, and what it makes of kernel/panic (and, where it says so, net/ipv4/conf/eth0.1/mtu). */
static const struct {
        const char *text, *panic, *mtu;
} lines[] = {
        {"kernel.panic = 5", "5", NULL},
        {"kernel/panic=5", "5", NULL},
        {"  kernel.panic\t=\t 5 \t 6 \r\n", "5 6", NULL},
        {"# kernel.panic = 5\n; kernel.panic = 6\n", "(nothing)", NULL},
        {"kernel.panic = 5 # no comment\n", "5 # no comment", NULL},
        {"kernel.panic = 5\nkernel.panic = 6\n", "6", NULL},
        {"-kernel.panic = 5\n", "5", NULL},
        {"kernel.panic\n", "(nothing)", NULL},
        {"kernel.panic =\n", "", NULL},
        {"kernel.panic = a=b\n", "a=b", NULL},
        {"kernel//panic = 5\n", "5", NULL},
        {"/kernel/panic = 5\n", "5", NULL},
        {"kernel.p* = 5\n", "5", NULL},
        {"kernel.p* = 5\n-kernel.panic\n", "(nothing)", NULL},
        {"-kernel.panic\nkernel.p* = 5\n", "(nothing)", NULL},
        {"kernel.panic = 7\nkernel.p* = 5\n", "7", NULL},
        {"kernel.p* = 5\nkernel.?anic = 6\n", "6", NULL},
        {"kernel.* = 5\n", "5", NULL},
        {"* = 5\n", "(nothing)", NULL},
        {"net.ipv4.conf.eth0/1.mtu = 9", "(nothing)", "9"},
        {"net/ipv4/conf/eth0.1/mtu = 9", "(nothing)", "9"},
        {"net.ipv4.conf.eth0.1.mtu = 9", "(nothing)", "(nothing)"},
        {"net.ipv4.conf.*.mtu = 9", "(nothing)", "9"},
        {"net.ipv4.conf.[a-e]*.mtu = 9", "(nothing)", "9"},
        {"net.*.mtu = 9", "(nothing)", "(nothing)"},
        {"net/ipv4/../../kernel/panic = 5", "(nothing)", "(nothing)"},
        {"= 5\n-\n-= 5\n.\n/ = 5\n", "(nothing)", NULL},
};

START_TEST(lines_are_read_as_systemd_reads_them)
{
        with_systemd();
        put_key("net/ipv4/conf/eth0.1/mtu", "1500\n");
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                put_below("etc/sysctl.d/a.conf", lines[i].text);
                look();
                ck_assert_msg(strcmp(configured_of("kernel/panic"), lines[i].panic) == 0, "%s: panic is %s",
                        lines[i].text, configured_of("kernel/panic"));
                ck_assert_msg(
                        !lines[i].mtu || strcmp(configured_of("net/ipv4/conf/eth0.1/mtu"), lines[i].mtu) == 0,
                        "%s: mtu is %s", lines[i].text, configured_of("net/ipv4/conf/eth0.1/mtu"));
                const char *after = value_of("kernel/panic@after_restart");
                ck_assert_str_eq(
                        after, strcmp(lines[i].panic, "(nothing)") == 0 ? "(not there)" : lines[i].panic);
        }
}
END_TEST

START_TEST(the_first_folder_hides_a_name_and_the_last_name_wins)
{
        static const char *const folders[] = {
                "lib/sysctl.d", "usr/lib/sysctl.d", "usr/local/lib/sysctl.d", "run/sysctl.d", "etc/sysctl.d"};
        with_systemd();
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                char text[64];
                snprintf(text, sizeof text, "\nkernel.panic = %zu\n", i);
                put_below(at("%s/50-a.conf", folders[i]) + strlen(scratch) + 1, text);
                look();
                ck_assert_int_eq(number_of(configured_of("kernel/panic")), (int)i);
                ck_assert_str_eq(
                        source_of("kernel/panic"), at("/%s/50-a.conf:2", folders[i]) + strlen(scratch) + 1);
        }
        put_below("usr/lib/sysctl.d/60-b.conf", "kernel.panic = 10\n");
        put_below("etc/sysctl.d/70-not-read", "kernel.panic = 11\n");
        put_below("etc/sysctl.d/40-c.conf", "kernel.panic = 12\n");
        look();
        ck_assert_str_eq(configured_of("kernel/panic"), "10");
        ck_assert_str_eq(setting("kernel/panic")->after_restart, "10");
        ck_assert_int_eq(symlink("/dev/null", at("etc/sysctl.d/60-b.conf")), 0);
        look();
        ck_assert_str_eq(configured_of("kernel/panic"), "4");
}
END_TEST

static const char *
overridden_of(const char *key)
{
        static char text[256];
        const struct probe_setting *found = setting(key);
        ck_assert_int_eq(!found->overridden, !found->overridden_source);
        snprintf(text, sizeof text, "%s (%s)", found->overridden ? found->overridden : "nothing",
                found->overridden_source ? found->overridden_source + strlen(scratch) : "nowhere");
        return text;
}

START_TEST(a_line_that_another_one_overrides_is_named)
{
        with_systemd();
        put_below("etc/sysctl.d/50-hardening.conf", "\nkernel.panic = 1\n");
        put_below("etc/sysctl.d/60-same.conf", "kernel.panic = 1\n");
        look(); /* it says the same */
        ck_assert_str_eq(overridden_of("kernel/panic"), "nothing (nowhere)");
        put_below("etc/sysctl.d/99-local.conf", "kernel.panic = 2\n");
        look();
        ck_assert_str_eq(configured_of("kernel/panic"), "2");
        ck_assert_str_eq(overridden_of("kernel/panic"), "1 (/etc/sysctl.d/60-same.conf:1)");
        ck_assert_str_eq(overridden_of("kernel/panic@after_restart"), "1 (/etc/sysctl.d/60-same.conf:1)");
        put_below("etc/sysctl.d/60-same.conf", "");
        look();
        ck_assert_str_eq(overridden_of("kernel/panic"), "1 (/etc/sysctl.d/50-hardening.conf:2)");
        put_below("etc/sysctl.d/50-hardening.conf", "kernel.pani* = 3\n"); /* what is named is stronger */
        look();
        ck_assert_str_eq(configured_of("kernel/panic"), "2");
        ck_assert_str_eq(overridden_of("kernel/panic"), "nothing (nowhere)");
}
END_TEST

START_TEST(the_two_programs_differ_and_the_one_that_boots_counts)
{
        put_below("etc/sysctl.d/10-a.conf", "kernel.panic = 1\n");
        put_below("etc/sysctl.conf", "kernel.panic = 2\n");
        look(); /* procps alone: its own file is last */
        ck_assert_str_eq(configured_of("kernel/panic"), "2");
        ck_assert_str_eq(source_of("kernel/panic"), "/etc/sysctl.conf:1");
        ck_assert_ptr_null(setting("kernel/panic@procps"));
        with_systemd();
        look();
        ck_assert_str_eq(configured_of("kernel/panic"), "1");
        ck_assert_str_eq(value_of("kernel/panic@procps"), "2");
        ck_assert_str_eq(source_of("kernel/panic@procps"), "/etc/sysctl.conf:1");
        ck_assert(setting("kernel/panic@procps")->derived);
        ck_assert_int_eq(symlink("../sysctl.conf", at("etc/sysctl.d/99-sysctl.conf")), 0);
        look(); /* Debian's link */
        ck_assert_str_eq(configured_of("kernel/panic"), "2");
        ck_assert_str_eq(source_of("kernel/panic"), "/etc/sysctl.d/99-sysctl.conf:1");
        ck_assert_ptr_null(setting("kernel/panic@procps"));
        put_below("etc/sysctl.conf", "kernel.panic = 2\n-kernel.panic\n");
        look(); /* for systemd the exclusion takes the place of the assignment */
        ck_assert_str_eq(configured_of("kernel/panic"), "(nothing)");
        ck_assert_str_eq(value_of("kernel/panic@procps"), "2");
        put_below("etc/sysctl.conf", "");
        put_below("etc/sysctl.d/.hidden.conf", "kernel.panic = 3\n");
        look();
        ck_assert_str_eq(configured_of("kernel/panic"), "1");
        ck_assert_ptr_null(setting("kernel/panic@procps"));
        put_below("etc/sysctl.d/10-a.conf", "# nothing\n");
        look();
        ck_assert_str_eq(value_of("kernel/panic@procps"), "3");
}
END_TEST

START_TEST(no_link_leads_out_of_the_root)
{
        with_systemd();
        char outside[] = "/var/tmp/driftd-outside-XXXXXX";
        int fd = mkstemp(outside);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, "kernel.panic = 9\n", 17), 17);
        close(fd);
        put_below("etc/sysctl.d/a.conf", "# nothing\n");
        ck_assert_int_eq(symlink(outside, at("etc/sysctl.d/b.conf")), 0);
        ck_assert_int_eq(symlink("/", at("run")), 0);
        put_folder(at("usr/local"));
        ck_assert_int_eq(symlink("../../../../../../../../../../etc", at("usr/local/lib")), 0);
        int seen = witness(outside);
        look();
        ck_assert(!witness_saw_opening(seen));
        unlink(outside);
        close(seen);
        ck_assert_str_eq(configured_of("kernel/panic"), "(nothing)");
        for (size_t i = 0; i < reading.count; i++)
                ck_assert(!reading.list[i].source);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_makes_what_it_may_set_unknown)
{
        with_systemd();
        put_key("kernel/printk", "4 4 1 7\n");
        put_key("vm/swappiness", "60\n");
        put_below("etc/sysctl.d/10-a.conf", "kernel.panic = 1\n");
        put_below("etc/sysctl.d/90-z.conf", "vm.swappiness = 10\n");
        ck_assert_int_eq(mkfifo(at("etc/sysctl.d/50-b.conf"), 0666), 0);
        look();
        const struct probe_setting *panic = setting("kernel/panic");
        ck_assert_str_eq(panic->value, "0");
        ck_assert_ptr_null(panic->configured);
        ck_assert_ptr_null(panic->after_restart);
        ck_assert_ptr_nonnull(strstr(panic->reason, "50-b.conf: not a regular file"));
        ck_assert_str_eq(value_of("kernel/panic@after_restart"), "(unknown)");
        ck_assert_int_eq(setting("kernel/panic@after_restart")->error, EINVAL);
        ck_assert_ptr_nonnull(setting("kernel/printk")->reason);
        ck_assert_ptr_null(setting("kernel/printk@after_restart"));
        /* The last word on this one was read. */
        ck_assert_str_eq(configured_of("vm/swappiness"), "10");
        ck_assert_str_eq(value_of("vm/swappiness@after_restart"), "10");
        ck_assert_str_eq(value_of("config/readable"), "(unknown)");
        ck_assert_int_eq(unlink(at("etc/sysctl.d/50-b.conf")), 0);
        look();
        ck_assert_str_eq(value_of("config/readable"), "yes");
        ck_assert_ptr_null(setting("kernel/printk")->reason);
        ck_assert_str_eq(configured_of("kernel/panic"), "1");
}
END_TEST

START_TEST(files_are_bounded_in_size_number_and_lines)
{
        with_systemd();
        char *big = malloc(SYSCTL_FILE_MAX + 2);
        ck_assert_ptr_nonnull(big);
        memset(big, '#', SYSCTL_FILE_MAX + 1);
        memcpy(big, "kernel.panic=3\n", 15);
        big[SYSCTL_FILE_MAX] = '\0';
        put_below("etc/sysctl.d/a.conf", big);
        look();
        ck_assert_str_eq(configured_of("kernel/panic"), "3");
        big[SYSCTL_FILE_MAX] = '#';
        big[SYSCTL_FILE_MAX + 1] = '\0';
        put_below("etc/sysctl.d/a.conf", big);
        look();
        ck_assert_int_eq(setting("config/readable")->error, EFBIG);
        size_t used = 0;
        for (unsigned i = 0; i <= SYSCTL_GLOBS_MAX; i++)
                used += (size_t)sprintf(big + used, "a%u*=1\n", i);
        put_below("etc/sysctl.d/a.conf", big);
        look();
        ck_assert_int_eq(setting("config/readable")->error, E2BIG);
        free(big);
        put_below("etc/sysctl.d/a.conf", "");
        for (unsigned i = 1; i < SYSCTL_FILES_MAX; i++)
                put_below(at("run/sysctl.d/%u.conf", i) + strlen(scratch) + 1, "");
        look();
        ck_assert_str_eq(value_of("config/readable"), "yes");
        put_below("run/sysctl.d/one-too-many.conf", "");
        look();
        ck_assert_int_eq(setting("config/readable")->error, E2BIG);
}
END_TEST

START_TEST(a_configured_key_that_is_not_there_is_still_expected_after_restart)
{
        with_systemd();
        put_bytes(put_key("kernel/fixed", "1"), "1\n", 2, 0444);
        put_below("etc/sysctl.d/a.conf",
                "net.bridge.bridge-nf-call-iptables = 1\nkernel = 3\nkernel.fixed = 2\nnet.none.* = 4\n"
                "vm.drop_caches = 3\n");
        look();
        ck_assert_str_eq(value_of("net/bridge/bridge-nf-call-iptables@after_restart"), "1");
        ck_assert(!setting("net/bridge/bridge-nf-call-iptables@after_restart")->derived);
        ck_assert_str_eq(
                source_of("net/bridge/bridge-nf-call-iptables@after_restart"), "/etc/sysctl.d/a.conf:1");
        ck_assert_ptr_null(setting("net/bridge/bridge-nf-call-iptables"));
        ck_assert_ptr_null(setting("kernel@after_restart"));
        ck_assert_ptr_null(setting("kernel/fixed@after_restart"));
        ck_assert_str_eq(configured_of("kernel/fixed"), "2");
        ck_assert_ptr_null(setting("kernel/fixed")->after_restart);
        ck_assert_str_eq(value_of("vm/drop_caches@after_restart"), "3");
        ck_assert_uint_eq(reading.count, 5); /* these two, panic, fixed and config/readable */
}
END_TEST

START_TEST(after_restart_is_as_the_kernel_will_show_it)
{
        static const struct {
                const char *running, *written, *after;
        } wanted[] = {{"1", "0x10", "16"}, {"1", "01", "1"}, {"4 4 1 7", "3", "3 4 1 7"},
                {"4 4 1 7", "3 4", "3 4 1 7"}, {"1", "1 2", "1 2"}, {"-1", "-1", "-1"},
                {"core", "010", "010"}, {"1", "yes", "yes"}, {"1", "", ""},
                {"18446744073709551615", "18446744073709551615", "18446744073709551615"},
                {"1", "99999999999999999999999", "99999999999999999999999"}, {"1 ", "2", "2"}};
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                char *after = sysctl_after_writing_new(wanted[i].running, wanted[i].written);
                ck_assert_str_eq(after, wanted[i].after);
                free(after);
        }
        char *after = sysctl_after_writing_new(NULL, "01");
        ck_assert_str_eq(after, "01");
        free(after);
}
END_TEST

START_TEST(the_folders_and_what_links_lead_to_are_watched)
{
        static const char *const always[] = {"etc/sysctl.conf", "etc/sysctl.d", "run/sysctl.d",
                "usr/lib/sysctl.d", "usr/local/lib/sysctl.d"};
        look();
        ck_assert_uint_eq(reading.watched.count, ARRAY_SIZE(always));
        for (size_t i = 0; i < ARRAY_SIZE(always); i++)
                ck_assert_str_eq(reading.watched.items[i], at("%s", always[i]));
        put_below("opt/x", "");
        put_below("lib/sysctl.d/a.conf", "");
        put_folder(at("etc"));
        put_folder(at("etc/sysctl.d"));
        ck_assert_int_eq(symlink("/opt/x", at("etc/sysctl.d/x.conf")), 0);
        look();
        ck_assert_uint_eq(reading.watched.count, ARRAY_SIZE(always) + 2);
        ck_assert_str_eq(reading.watched.items[2], at("lib/sysctl.d"));
        ck_assert_str_eq(reading.watched.items[3], at("opt/x"));
}
END_TEST

START_TEST(a_tree_that_is_no_proc_sys_has_no_configuration)
{
        put_below("other/kernel/panic", "1\n");
        put_below("etc/sysctl.d/a.conf", "kernel.panic = 5\n");
        ck_assert_int_eq(look_with(at("other"), NULL, 0, 0, NULL), 0);
        ck_assert_uint_eq(reading.count, 1);
        ck_assert_str_eq(configured_of("kernel/panic"), "(nothing)");
        ck_assert_uint_eq(reading.watched.count, 0);
}
END_TEST

START_TEST(facts_of_the_machine_are_told_apart)
{
        static const char *const facts[] = {"kernel/hostname", "kernel/osrelease", "net/ipv4/tcp_mem",
                "net/ipv4/udp_mem", "fs/file-max", "kernel/threads-max", "user/max_pid_namespaces",
                "net/core/netdev_rss_key"};
        static const char *const settings[] = {"kernel/panic", "net/ipv4/ip_forward", "kernel/hostnames",
                "vm/swappiness", "net/ipv4/tcp_memx", "xuser/max_x", "fs/file-max/x"};
        for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
                ck_assert_msg(sysctl_is_host_fact(facts[i]), "%s", facts[i]);
        for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
                ck_assert_msg(!sysctl_is_host_fact(settings[i]), "%s", settings[i]);
}
END_TEST

/* ---- this host ---- */

static int
look_here(void)
{
        return look_with("/proc/sys", NULL, 0, 60000, NULL);
}

static void
look_here_as_nobody(void)
{
        expect(look_here() == 0);
        unsigned denied = 0;
        for (size_t i = 0; i < reading.count; i++)
                denied += reading.list[i].error == EACCES || reading.list[i].error == EPERM;
        expect(denied >= 3); /* bpf_jit_harden and its like are for root alone */
        expect(strcmp(value_of("kernel/ostype"), "Linux") == 0);
}

START_TEST(root_and_nobody_see_this_host)
{
        int r = look_here();
        ck_assert_msg(r == 0, "%s", look_err.text);
        ck_assert_uint_gt(reading.count, 300);
        ck_assert_str_eq(value_of("kernel/ostype"), "Linux");
        ck_assert_ptr_nonnull(setting("config/readable"));
        for (size_t i = 0; i < reading.count; i++)
                ck_assert_msg(reading.list[i].value || reading.list[i].reason, "%s", reading.list[i].item);
        const struct probe_setting *secret = setting("net/ipv6/conf/default/stable_secret");
        if (secret && !secret->value)
                ck_assert(secret->error == EIO || secret->error == EACCES);
        as_nobody(look_here_as_nobody);
}
END_TEST

static int
by_item(const void *a, const void *b)
{
        return strcmp(((const struct probe_setting *)a)->item, ((const struct probe_setting *)b)->item);
}

/* The namespace of the test's own as if it were the host's: pid 1 is put aside. */
static int
look_in_namespace(void)
{
        struct scope scope = {.domain = SCOPE_SYSCTL};
        struct probe_request request = {.scope = &scope, .timeout_ms = 60000};
        probe_reading_done(&reading);
        int r = probe_sysctl_from(&request, NULL, &reading, &look_err);
        if (reading.count)
                qsort(reading.list, reading.count, sizeof *reading.list, by_item);
        return r;
}

/* For a process that stays until its parent ends. */
static pid_t
start_pid_1(void)
{
        pid_t pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                for (;;)
                        pause();
        }
        return pid;
}

/*
 * Runs a function in namespaces of its own, beside a pid 1 that stays in the ones of before, and with a /proc
 * that shows both: so that it is known who is the host, and that one may look at it. What fails there fails
 * here.
 */
static void
away_from_pid_1(int flags, void (*function)(void))
{
        fflush(NULL);
        pid_t outer = fork(); /* whose children are all in the new PID namespace */
        if (outer == 0) {
                if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0 ||
                        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                        _exit(77);
                pid_t init = start_pid_1(), pid = init < 0 ? -1 : fork();
                if (pid == 0) {
                        expect(mount("proc", "/proc", "proc", 0, NULL) == 0);
                        expect(unshare(flags) == 0);
                        function();
                        _exit(0);
                }
                int status;
                _exit(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1);
        }
        int status;
        ck_assert_int_eq(waitpid(outer, &status, 0), outer);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip_test("namespaces need root");
        ck_assert_msg(status == 0, "it ended with status %#x", (unsigned)status);
}

static size_t
check_all_hidden(const char *prefix, const char *why)
{
        size_t n = 0;
        for (size_t i = 0; i < reading.count; i++) {
                const struct probe_setting *found = &reading.list[i];
                if (strncmp(found->item, prefix, strlen(prefix)) != 0 ||
                        strstr(found->item, "@after_restart") || strstr(found->item, "@procps"))
                        continue;
                ck_assert_msg(!found->value, "%s is %s", found->item, found->value);
                ck_assert_msg(found->reason && strstr(found->reason, why), "%s: %s", found->item,
                        found->reason ? found->reason : "(no reason)");
                ck_assert_int_eq(found->error, 0);
                n++;
        }
        return n;
}

static void
look_here_without_leave(void)
{
        expect(look_here() == 0);
        expect(strcmp(value_of("net/ipv4/ip_forward"), "(unknown)") != 0);
        expect(!reading.incomplete);
}

static void
look_from_another_network(void)
{
        char net[] = "sysctl:net/ipv4/ip_forward", vm[] = "sysctl:vm/swappiness", *named_net[] = {net},
             *named_vm[] = {vm};
        ck_assert_int_eq(look_here(), 0);
        ck_assert_uint_gt(
                check_all_hidden("sysctl:net/", "another network namespace than the host (pid 1)"), 50);
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/rp_filter@effective"), "(unknown)");
        ck_assert_ptr_nonnull(reading.incomplete); /* the host's interfaces are not there */
        ck_assert_ptr_nonnull(strstr(reading.incomplete, "another network namespace"));
        ck_assert_str_ne(value_of("vm/swappiness"), "(unknown)");
        ck_assert_str_ne(value_of("kernel/shmmax"), "(unknown)");
        ck_assert_str_ne(value_of("kernel/hostname"), "(unknown)");
        ck_assert_int_eq(look_with("/proc/sys", named_net, 1, 60000, NULL), 0);
        ck_assert_str_eq(value_of("net/ipv4/ip_forward"), "(unknown)");
        ck_assert_ptr_nonnull(reading.incomplete);
        ck_assert_int_eq(look_with("/proc/sys", named_vm, 1, 60000, NULL), 0);
        ck_assert_ptr_null(reading.incomplete);
        as_nobody(look_here_without_leave);
}

START_TEST(no_value_of_another_network_namespace_is_taken_for_the_hosts)
{
        away_from_pid_1(CLONE_NEWNET, look_from_another_network);
}
END_TEST

static void
look_from_other_ipc_and_uts(void)
{
        ck_assert_int_eq(look_here(), 0);
        ck_assert_uint_ge(check_all_hidden("sysctl:kernel/shm", "another IPC namespace"), 3);
        ck_assert_uint_ge(check_all_hidden("sysctl:kernel/msgm", "another IPC namespace"), 3);
        ck_assert_uint_ge(check_all_hidden("sysctl:kernel/sem", "another IPC namespace"), 1);
        ck_assert_uint_eq(check_all_hidden("sysctl:kernel/hostname", "another UTS namespace"), 1);
        ck_assert_uint_eq(check_all_hidden("sysctl:kernel/domainname", "another UTS namespace"), 1);
        if (access("/proc/sys/fs/mqueue", F_OK) == 0)
                ck_assert_uint_ge(check_all_hidden("sysctl:fs/mqueue/", "another IPC namespace"), 1);
        ck_assert_str_ne(value_of("net/ipv4/ip_forward"), "(unknown)");
        ck_assert_str_ne(value_of("kernel/pid_max"), "(unknown)");
        ck_assert_ptr_null(reading.incomplete);
}

START_TEST(what_other_namespaces_alter_is_unknown)
{
        away_from_pid_1(CLONE_NEWIPC | CLONE_NEWUTS, look_from_other_ipc_and_uts);
}
END_TEST

static void
look_at_a_copy(void)
{
        put_key("net/ipv4/ip_forward", "1\n");
        look();
        ck_assert_str_eq(value_of("net/ipv4/ip_forward"), "1");
        ck_assert_ptr_null(reading.incomplete);
}

START_TEST(a_copy_is_the_same_in_every_namespace)
{
        away_from_pid_1(CLONE_NEWNET, look_at_a_copy);
}
END_TEST

static char *
first_difference(const struct probe_reading *a, const struct probe_reading *b)
{
        for (size_t i = 0; i < a->count && i < b->count; i++) {
                const char *x = a->list[i].value, *y = b->list[i].value;
                if (strcmp(a->list[i].item, b->list[i].item) != 0 || !x != !y || (x && strcmp(x, y) != 0))
                        return a->list[i].item;
        }
        return a->count == b->count ? NULL : at("their number");
}

START_TEST(a_host_that_nobody_touches_stays_the_same)
{
        /* Interfaces of the host may come and go: those of a namespace of our own do not. */
        if (unshare(CLONE_NEWNET) < 0)
                skip_test("a network namespace needs root: %s", strerror(errno));
        ck_assert_int_eq(look_in_namespace(), 0);
        struct probe_reading first = reading;
        for (unsigned i = 0; i < 100; i++) {
                reading = (struct probe_reading){0};
                ck_assert_int_eq(look_in_namespace(), 0);
                char *difference = first_difference(&first, &reading);
                ck_assert_msg(!difference, "look %u: %s", i, difference);
                probe_reading_done(&reading);
        }
        probe_reading_done(&first);
}
END_TEST

static bool
write_here(const char *key, const char *value)
{
        char path[256];
        snprintf(path, sizeof path, "/proc/sys/%s", key);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
        fd_close(fd);
        return done;
}

START_TEST(a_change_of_the_running_kernel_is_seen)
{
        if (unshare(CLONE_NEWNET) < 0)
                skip_test("a network namespace needs root: %s", strerror(errno));
        if (!write_here("net/ipv4/conf/all/accept_redirects", "0") ||
                !write_here("net/ipv4/conf/lo/accept_redirects", "0"))
                skip_test("/proc/sys/net cannot be written here: %s", strerror(errno));
        ck_assert_int_eq(look_in_namespace(), 0);
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/accept_redirects@effective"), "0");
        ck_assert(write_here("net/ipv4/conf/lo/accept_redirects", "1"));
        ck_assert_int_eq(look_in_namespace(), 0);
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/accept_redirects"), "1");
        ck_assert_str_eq(value_of("net/ipv4/conf/all/accept_redirects"), "0");
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/accept_redirects@effective"), "1");
        /* One cause: forwarding on everywhere, and with it the other rule. */
        ck_assert(write_here("net/ipv4/ip_forward", "1"));
        ck_assert_int_eq(look_in_namespace(), 0);
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/forwarding"), "1");
        ck_assert_str_eq(value_of("net/ipv4/conf/lo/accept_redirects@effective"), "0");
        if (write_here("net/ipv6/conf/lo/stable_secret", "2001:db8::1")) {
                ck_assert_int_eq(look_in_namespace(), 0);
                ck_assert_int_eq(strncmp(value_of("net/ipv6/conf/lo/stable_secret"), "sha256:", 7), 0);
        }
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("probe_sysctl");
        TCase *all = tcase_create("all");
        tcase_set_timeout(all, 60);
        tcase_add_checked_fixture(all, setup, look_teardown);
        tcase_add_test(all, values_are_canonical);
        tcase_add_test(all, names_are_slash_paths_and_escaped);
        tcase_add_test(all, of_a_secret_only_the_digest_is_shown);
        tcase_add_test(all, a_value_as_long_as_may_be_is_read_and_a_longer_one_is_unknown);
        tcase_add_test(all, a_key_that_cannot_be_read_is_unknown_and_not_left_out);
        tcase_add_test(all, what_acts_warns_or_moves_is_never_opened);
        tcase_add_test(all, keys_without_a_read_bit_links_and_fifos_are_not_opened);
        tcase_add_test(all, a_folder_that_is_mounted_by_who_enters_it_is_not_entered);
        tcase_add_test(all, interfaces_that_come_and_go_are_left_out);
        tcase_add_test(all, without_a_tree_the_domain_is_unknown_and_says_what_to_do);
        tcase_add_test(all, a_look_ends_when_it_is_called_off_or_late);
        tcase_add_test(all, where_few_items_are_named_only_they_are_read);
        tcase_add_test(all, no_name_leads_out_of_the_tree);
        tcase_add_test(all, an_effective_value_that_is_named_brings_what_it_is_made_of);
        tcase_add_test(all, ipv4_values_in_force_follow_all_and_the_interface);
        tcase_add_test(all, ipv6_values_in_force_are_the_interfaces_own);
        tcase_add_test(all, one_interface_accepts_redirects_while_all_passes);
        tcase_add_test(all, what_an_effective_value_lacks_makes_it_unknown);
        tcase_add_test(all, lines_are_read_as_systemd_reads_them);
        tcase_add_test(all, the_first_folder_hides_a_name_and_the_last_name_wins);
        tcase_add_test(all, a_line_that_another_one_overrides_is_named);
        tcase_add_test(all, the_two_programs_differ_and_the_one_that_boots_counts);
        tcase_add_test(all, no_link_leads_out_of_the_root);
        tcase_add_test(all, a_file_that_cannot_be_read_makes_what_it_may_set_unknown);
        tcase_add_test(all, files_are_bounded_in_size_number_and_lines);
        tcase_add_test(all, a_configured_key_that_is_not_there_is_still_expected_after_restart);
        tcase_add_test(all, after_restart_is_as_the_kernel_will_show_it);
        tcase_add_test(all, the_folders_and_what_links_lead_to_are_watched);
        tcase_add_test(all, a_tree_that_is_no_proc_sys_has_no_configuration);
        tcase_add_test(all, facts_of_the_machine_are_told_apart);
        tcase_add_test(all, root_and_nobody_see_this_host);
        tcase_add_test(all, no_value_of_another_network_namespace_is_taken_for_the_hosts);
        tcase_add_test(all, what_other_namespaces_alter_is_unknown);
        tcase_add_test(all, a_copy_is_the_same_in_every_namespace);
        tcase_add_test(all, a_host_that_nobody_touches_stays_the_same);
        tcase_add_test(all, a_change_of_the_running_kernel_is_seen);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
