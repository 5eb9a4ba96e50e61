/* SPDX-License-Identifier: MIT */
/* The own view: namespace links and mount tables as the kernel writes them, and what is told of them. */
#include <sched.h>
#include <sys/mount.h>

#include "core/own_view.h"
#include "tests/unit/scratch_help.h"

static struct own_view view;
static struct buf words;
static size_t n_words;

/* A host: /, /home and /tmp on file systems of their own, /dev. */
#define HOST                                                                                                 \
        "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"                                          \
        "22 21 0:5 / /proc rw - proc proc rw\n"                                                              \
        "23 21 0:6 / /dev rw - devtmpfs dev rw\n"                                                            \
        "24 23 0:7 / /dev/shm rw - tmpfs tmpfs rw\n"                                                         \
        "25 21 254:1 / /home rw - xfs /dev/b rw\n"                                                           \
        "26 21 0:8 / /run rw - tmpfs tmpfs rw\n"                                                             \
        "27 21 254:2 /@data /srv rw - btrfs /dev/c rw\n"

static void
put_namespaces(const char *who, const char *net, const char *uts)
{
        put_folder(at("%s", who));
        put_folder(at("%s/ns", who));
        ck_assert_int_eq(symlink("mnt:[1]", at("%s/ns/mnt", who)), 0);
        ck_assert_int_eq(symlink("ipc:[2]", at("%s/ns/ipc", who)), 0);
        if (net)
                ck_assert_int_eq(symlink(net, at("%s/ns/net", who)), 0);
        if (uts)
                ck_assert_int_eq(symlink(uts, at("%s/ns/uts", who)), 0);
}

static void
read_view(void)
{
        own_view_done(&view);
        buf_done(&words);
        ck_assert_int_eq(own_view_read(at("self"), at("host"), &view), 0);
        ck_assert_int_eq(own_view_words(&view, &words, &n_words), 0);
}

static const char *
told(void)
{
        return words.data ? words.data : "";
}

/* Our table instead of the host's. */
static void
look_from(const char *table)
{
        put(at("self/mountinfo"), table);
        read_view();
}

static void
setup(void)
{
        scratch_make();
        put_namespaces("self", "net:[3]", "uts:[4]");
        put_namespaces("host", "net:[3]", "uts:[4]");
        put(at("host/mountinfo"), HOST);
        put(at("self/mountinfo"), HOST);
}

static void
teardown(void)
{
        own_view_done(&view);
        buf_done(&words);
        scratch_remove();
}

static void
relink(const char *path, const char *to)
{
        ck_assert_int_eq(unlink(at("%s", path)), 0);
        if (to)
                ck_assert_int_eq(symlink(to, at("%s", path)), 0);
}

START_TEST(the_hosts_own_view_is_nothing_to_tell)
{
        read_view();
        ck_assert_str_eq(told(), "");
        ck_assert_uint_eq(n_words, 0);
        ck_assert(!own_view_differs(&view, "/home/x"));
}
END_TEST

START_TEST(another_namespace_is_named_and_hides_what_it_has_of_its_own)
{
        relink("self/ns/net", "net:[99]");
        read_view();
        ck_assert_str_eq(told(), "net");
        ck_assert(view.namespaces.other[OWN_NET]);
        const struct own_namespaces *namespaces = &view.namespaces;
        ck_assert_ptr_nonnull(own_namespaces_hide(namespaces, "net/ipv4/ip_forward"));
        ck_assert_ptr_nonnull(own_namespaces_hide(namespaces, "net/"));
        ck_assert_ptr_null(own_namespaces_hide(namespaces, "net"));
        ck_assert_ptr_null(own_namespaces_hide(namespaces, "netx/y"));
        ck_assert_ptr_null(own_namespaces_hide(namespaces, "kernel/hostname"));
        relink("self/ns/uts", "uts:[99]");
        relink("self/ns/ipc", "ipc:[99]");
        read_view();
        ck_assert_str_eq(told(), "net, ipc, uts");
        ck_assert_uint_eq(n_words, 3);
        ck_assert_ptr_nonnull(own_namespaces_hide(namespaces, "kernel/hostname"));
        ck_assert_ptr_nonnull(own_namespaces_hide(namespaces, "kernel/shmmax"));
        ck_assert_ptr_nonnull(own_namespaces_hide(namespaces, "fs/mqueue/msg_max"));
        ck_assert_ptr_null(own_namespaces_hide(namespaces, "kernel/hostname2"));
        ck_assert_ptr_null(own_namespaces_hide(namespaces, "kernel/pid_max"));
        ck_assert_ptr_null(own_namespaces_hide(namespaces, "user/max_net_namespaces"));
}
END_TEST

START_TEST(a_link_that_cannot_be_read_accuses_nobody)
{
        relink("host/ns/net", NULL);
        relink("self/ns/uts", NULL);
        read_view();
        ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(who_may_not_look_at_pid_1_is_told_nothing_of_mounts)
{
        relink("host/ns/mnt", NULL);
        look_from(HOST "40 25 0:40 / /home rw - tmpfs tmpfs rw\n");
        ck_assert_str_eq(told(), "");
        ck_assert(!own_view_differs(&view, "/home"));
}
END_TEST

START_TEST(without_proc_nothing_is_known)
{
        ck_assert_int_eq(own_view_read(at("none"), at("host"), &view), 0);
        ck_assert_uint_eq(view.points.count + view.hosts.count, 0);
        ck_assert_int_eq(own_view_read(at("self"), at("none"), &view), 0);
        ck_assert_uint_eq(view.points.count + view.hosts.count, 0);
        ck_assert_int_eq(unlink(at("host/mountinfo")), 0);
        read_view();
        ck_assert_str_eq(told(), "");
        put(at("host/mountinfo"), "no mount table\n");
        read_view();
        ck_assert_str_eq(told(), "");
}
END_TEST

/* ProtectSystem=strict, ProtectHome=read-only, ReadWritePaths=: all in one. */
START_TEST(what_is_mounted_onto_itself_is_the_same_view)
{
        look_from("121 1 254:0 / / ro,relatime - ext4 /dev/root rw\n"
                  "122 121 0:5 / /proc rw - proc proc rw\n"
                  "123 121 0:6 / /dev rw - devtmpfs dev rw\n"
                  "124 123 0:7 / /dev/shm rw - tmpfs tmpfs rw\n"
                  "125 121 254:1 / /home ro - xfs /dev/b rw\n"
                  "126 121 0:8 / /run ro - tmpfs tmpfs rw\n"
                  "127 121 254:2 /@data /srv ro - btrfs /dev/c rw\n"
                  "130 121 254:0 /root /root ro - ext4 /dev/root rw\n"
                  "131 121 254:0 /var/lib/x /var/lib/x rw - ext4 /dev/root rw\n"
                  "132 126 0:8 /x /run/x rw - tmpfs tmpfs rw\n"
                  "133 122 0:5 /sys /proc/sys ro - proc proc rw\n"
                  "134 127 254:2 /@data/deep/er /srv/deep/er ro - btrfs /dev/c rw\n"
                  "135 125 254:1 / /home ro - xfs /dev/b rw\n");
        ck_assert_str_eq(told(), "");
        ck_assert(!own_view_differs(&view, "/"));
        ck_assert(!own_view_differs(&view, "/srv/deep/er/file"));
        ck_assert(!own_view_differs(&view, "/var/lib/x/y"));
}
END_TEST

START_TEST(private_folders_are_found)
{
        look_from("121 1 254:0 / / ro - ext4 /dev/root rw\n"
                  "122 121 0:5 / /proc rw - proc proc rw\n"
                  "123 121 0:50 / /dev rw - tmpfs tmpfs rw\n"    /* PrivateDevices= */
                  "124 123 0:7 / /dev/shm rw - tmpfs tmpfs rw\n" /* given back */
                  "125 121 0:51 / /home ro - tmpfs tmpfs ro\n"   /* ProtectHome=yes */
                  "126 121 0:8 / /run ro - tmpfs tmpfs rw\n"
                  "127 121 254:2 /@data /srv ro - btrfs /dev/c rw\n"
                  "128 121 254:0 /tmp/systemd-private-x/tmp /tmp rw - ext4 /dev/root rw\n"); /* PrivateTmp= */
        ck_assert_str_eq(told(), "/dev, /home, /tmp");
        ck_assert_uint_eq(n_words, 3);
        ck_assert(own_view_differs(&view, "/dev/null"));
        ck_assert(!own_view_differs(&view, "/dev/shm/x"));
        ck_assert(own_view_differs(&view, "/tmp"));
        ck_assert(!own_view_differs(&view, "/tmpx"));
        ck_assert_str_eq(own_view_point_within(&view, "/"), "/dev");
        ck_assert_str_eq(own_view_point_within(&view, "/tmp"), "/tmp");
        ck_assert_ptr_null(own_view_point_within(&view, "/tmp/below"));
        ck_assert_ptr_null(own_view_point_within(&view, "/hom"));
}
END_TEST

START_TEST(what_only_the_host_has_mounted_is_found_too)
{
        put(at("host/mountinfo"), HOST "40 21 254:9 / /data rw - ext4 /dev/d rw\n"
                                       "41 40 254:8 / /data/deep rw - ext4 /dev/e rw\n");
        look_from(HOST);
        ck_assert_str_eq(told(), "/data");
        ck_assert_uint_eq(view.points.count, 2);
        ck_assert_uint_eq(n_words, 1);
        ck_assert(own_view_differs(&view, "/data/deep/x"));
}
END_TEST

START_TEST(another_folder_of_the_same_file_system_is_another_view)
{
        look_from(HOST "40 21 254:0 /elsewhere /usr rw - ext4 /dev/root rw\n"
                       "41 21 254:0 /opt2 /opt rw - ext4 /dev/root rw\n"
                       "42 27 254:2 /@other /srv/deep rw - btrfs /dev/c rw\n");
        ck_assert_str_eq(told(), "/opt, /srv/deep, /usr");
        ck_assert(!own_view_differs(&view, "/srv"));
}
END_TEST

START_TEST(a_mount_that_another_one_covers_is_nothing_to_tell)
{
        put(at("host/mountinfo"), HOST "40 25 254:1 /inner /home/inner rw - xfs /dev/b rw\n");
        /* The host's way: a mount below /home; ours hides it by one over /home, which is the same file
         * system. */
        look_from(HOST "40 25 254:1 /inner /home/inner rw - xfs /dev/b rw\n"
                       "41 25 254:1 / /home rw - xfs /dev/b rw\n"
                       "42 21 0:77 / /home/inner rw - tmpfs tmpfs rw\n");
        ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(a_process_with_another_root_sees_another_host)
{
        look_from("22 21 0:5 / /proc rw - proc proc rw\n"); /* chroot: the root is no mount */
        ck_assert_str_eq(told(), "/");
        look_from("50 49 254:7 / / rw - ext4 /dev/image rw\n22 50 0:5 / /proc rw - proc proc rw\n");
        ck_assert_str_eq(told(), "/");
        ck_assert_uint_eq(n_words, 1);
        ck_assert(own_view_differs(&view, "/etc"));
        ck_assert(!own_view_differs(&view, "/proc/sys"));
}
END_TEST

START_TEST(what_a_unit_always_has_is_left_out)
{
        look_from(HOST "40 22 0:8 /systemd/inaccessible/reg /proc/kcore ro - tmpfs tmpfs rw\n"
                       "41 26 0:8 /systemd/propagate/x.service /run/systemd/incoming ro - tmpfs tmpfs rw\n");
        ck_assert_str_eq(told(), "");
        look_from(HOST "41 22 0:61 / /proc rw - proc proc rw\n42 41 0:61 /sys /proc/sys ro - proc proc rw\n");
        ck_assert_str_eq(told(), "");
        look_from(HOST "41 22 0:61 / /proc rw - proc proc rw,hidepid=invisible\n");
        ck_assert_str_eq(told(), "/proc");
        look_from(HOST "41 22 0:61 / /proc rw - proc proc rw,subset=pid\n");
        ck_assert_str_eq(told(), "/proc");
        look_from(HOST "40 22 0:60 / /proc/sys ro - tmpfs tmpfs rw\n");
        ck_assert_str_eq(told(), "/proc/sys");
}
END_TEST

START_TEST(names_are_escaped)
{
        look_from(HOST "40 21 0:60 / /a\\040b\\012c rw - tmpfs tmpfs rw\n");
        ck_assert_str_eq(told(), "/a\\x20b\\x0ac");
        ck_assert(own_view_differs(&view, "/a b\nc"));
}
END_TEST

START_TEST(so_many_mounts_are_compared_and_no_more)
{
        _cleanup_buf_ struct buf table = {0};
        for (unsigned more = 0; more < 2; more++) {
                buf_clear(&table);
                buf_text(&table, HOST);
                for (unsigned i = 0; i < OWN_VIEW_POINTS_MAX + more; i++)
                        buf_printf(
                                &table, "%u 21 0:%u / /many/%u rw - tmpfs tmpfs rw\n", 1000 + i, 1000 + i, i);
                look_from(table.data);
                ck_assert_uint_eq(view.points.count, OWN_VIEW_POINTS_MAX);
                ck_assert_int_eq(view.many, more == 1);
        }
}
END_TEST

static void
look_at_pid_1(void)
{
        struct own_view now = {0};
        expect(own_view_read(OWN_VIEW_SELF, OWN_VIEW_HOST, &now) == 0);
        expect(now.points.count == 0 && !now.many);
        for (size_t i = 0; i < OWN_NAMESPACE_COUNT; i++)
                expect(!now.namespaces.other[i]);
        own_view_done(&now);
}

/* The host's mount table is open to everybody; the namespaces that would be found are not. */
START_TEST(an_ordinary_user_is_told_nothing)
{
        if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
                mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                mount("none", "/mnt", "tmpfs", 0, NULL) < 0)
                skip_test("namespaces need root: %s", strerror(errno));
        as_nobody(look_at_pid_1);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("own_view");
        TCase *all = tcase_create("all");
        tcase_add_checked_fixture(all, setup, teardown);
        tcase_add_test(all, the_hosts_own_view_is_nothing_to_tell);
        tcase_add_test(all, another_namespace_is_named_and_hides_what_it_has_of_its_own);
        tcase_add_test(all, a_link_that_cannot_be_read_accuses_nobody);
        tcase_add_test(all, who_may_not_look_at_pid_1_is_told_nothing_of_mounts);
        tcase_add_test(all, without_proc_nothing_is_known);
        tcase_add_test(all, what_is_mounted_onto_itself_is_the_same_view);
        tcase_add_test(all, private_folders_are_found);
        tcase_add_test(all, what_only_the_host_has_mounted_is_found_too);
        tcase_add_test(all, another_folder_of_the_same_file_system_is_another_view);
        tcase_add_test(all, a_mount_that_another_one_covers_is_nothing_to_tell);
        tcase_add_test(all, a_process_with_another_root_sees_another_host);
        tcase_add_test(all, what_a_unit_always_has_is_left_out);
        tcase_add_test(all, names_are_escaped);
        tcase_add_test(all, so_many_mounts_are_compared_and_no_more);
        tcase_add_test(all, an_ordinary_user_is_told_nothing);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
