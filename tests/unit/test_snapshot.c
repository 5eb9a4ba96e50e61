/* SPDX-License-Identifier: MIT */
/* The snapshot: it tells what is there, opens nothing that it must not, and vouches for nothing that moved.
 */
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "core/clock.h"
#include "core/folder.h"
#include "core/snapshot.h"
#include "core/snapshot_reader.h"
#include "tests/unit/scratch_help.h"

#define KNOWS(snapshot, attribute) (((snapshot).attributes.known & ATTRIBUTE_BIT(attribute)) != 0)

static struct snapshot_wish
all(void)
{
        return (struct snapshot_wish){.content = true, .body = true, .prefix = UINT64_MAX};
}

/* Looks at a path, and expects this result. */
static struct snapshot
look_for(const char *path, int result)
{
        struct snapshot snapshot = {0};
        struct snapshot_wish wish = all();
        struct err err = {0};
        int r = snapshot_path("", path, &wish, &snapshot, &err);
        ck_assert_msg(r == result, "%s: %d instead of %d: %s", path, r, result, err.text);
        if (r)
                ck_assert_msg(err.text[0], "%s: no words for %d", path, r);
        return snapshot;
}

static struct snapshot
look(const char *path)
{
        return look_for(path, 0);
}

static void
assert_content(const struct snapshot *snapshot, const char *text)
{
        struct digest digest;
        digest_bytes(text, strlen(text), &digest);
        ck_assert(KNOWS(*snapshot, ATTRIBUTE_CONTENT));
        ck_assert(digest_equal(&digest, &snapshot->attributes.content));
        ck_assert_uint_eq(snapshot->content_size, strlen(text));
}

/* ---- types ---- */

START_TEST(a_file_gives_its_stat_and_its_digest)
{
        struct stat st;
        const char *path = put(at("file"), "hello\n");
        ck_assert_int_eq(chmod(path, 04751), 0);
        _cleanup_snapshot_ struct snapshot snapshot = look(path);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(snapshot.attributes.type, FILE_REGULAR);
        ck_assert_uint_eq(snapshot.attributes.mode, 04751);
        ck_assert_uint_eq(snapshot.attributes.uid, st.st_uid);
        ck_assert_uint_eq(snapshot.attributes.size, 6);
        ck_assert_uint_eq(snapshot.attributes.inode, st.st_ino);
        ck_assert_uint_eq(snapshot.attributes.nlink, 1);
        ck_assert_int_eq(snapshot.attributes.mtime_ns, st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
        ck_assert_uint_eq(snapshot.dev, st.st_dev);
        ck_assert_uint_eq(snapshot.attributes.known, attribute_applicable(ATTRIBUTES_ALL, FILE_REGULAR));
        ck_assert_int_le(llabs(snapshot.taken_ms - clock_now_ms()), 60000);
        assert_content(&snapshot, "hello\n");
}
END_TEST

START_TEST(an_empty_file_has_the_digest_of_nothing)
{
        _cleanup_snapshot_ struct snapshot snapshot = look(put(at("empty"), ""));
        assert_content(&snapshot, "");
        ck_assert_ptr_nonnull(snapshot.body);
        ck_assert_uint_eq(snapshot.body_size, 0);
}
END_TEST

START_TEST(content_larger_than_a_chunk_is_hashed_whole)
{
        size_t size = (5 << 20) + 13;
        _cleanup_free_ char *data = malloc(size);
        struct digest digest;
        for (size_t i = 0; i < size; i++)
                data[i] = (char)(i * 7 + i / 251);
        digest_bytes(data, size, &digest);
        _cleanup_snapshot_ struct snapshot snapshot = look(put_bytes(at("large"), data, size, 0644));
        ck_assert(digest_equal(&digest, &snapshot.attributes.content));
        ck_assert_uint_eq(snapshot.content_size, size);
}
END_TEST

START_TEST(a_folder_is_known_without_content)
{
        _cleanup_snapshot_ struct snapshot snapshot = look(put_folder(at("folder")));
        ck_assert_int_eq(snapshot.attributes.type, FILE_FOLDER);
        ck_assert_uint_eq(snapshot.attributes.known, attribute_applicable(ATTRIBUTES_ALL, FILE_FOLDER));
        ck_assert(!KNOWS(snapshot, ATTRIBUTE_CONTENT));
}
END_TEST

START_TEST(the_top_folder_can_be_asked_for)
{
        struct stat st;
        _cleanup_snapshot_ struct snapshot snapshot = look("/");
        ck_assert_int_eq(stat("/", &st), 0);
        ck_assert_uint_eq(snapshot.attributes.inode, st.st_ino);
        ck_assert_int_eq(snapshot.attributes.type, FILE_FOLDER);
}
END_TEST

START_TEST(a_link_is_a_link_and_its_target_stays_shut)
{
        const char *secret = put(at("secret"), "secret");
        ck_assert_int_eq(symlink(secret, at("link")), 0);
        _cleanup_fd_ int opened = witness(secret);
        _cleanup_snapshot_ struct snapshot snapshot = look(at("link"));
        ck_assert_int_eq(snapshot.attributes.type, FILE_LINK);
        ck_assert_str_eq(snapshot.attributes.target, secret);
        ck_assert_uint_eq(snapshot.attributes.known, attribute_applicable(ATTRIBUTES_ALL, FILE_LINK));
        ck_assert(!witness_saw_opening(opened));
}
END_TEST

START_TEST(a_target_may_be_as_long_as_the_kernel_takes_and_is_escaped)
{
        char target[4096], *escaped = NULL;
        memset(target, 'x', 4095);
        target[4095] = '\0';
        target[10] = '\n';
        ck_assert_int_eq(symlink(target, at("long")), 0);
        _cleanup_snapshot_ struct snapshot snapshot = look(at("long"));
        ck_assert_int_ge(asprintf(&escaped, "%.10s\\x0a%s", target, target + 11), 0);
        ck_assert_str_eq(snapshot.attributes.target, escaped);
        free(escaped);
}
END_TEST

START_TEST(a_fifo_is_known_and_never_opened)
{
        const char *path = at("fifo");
        ck_assert_int_eq(mkfifo(path, 0644), 0);
        _cleanup_fd_ int opened = witness(path);
        _cleanup_snapshot_ struct snapshot snapshot = look(path);
        ck_assert_int_eq(snapshot.attributes.type, FILE_FIFO);
        ck_assert_uint_eq(snapshot.attributes.known, attribute_applicable(ATTRIBUTES_ALL, FILE_FIFO));
        ck_assert(!witness_saw_opening(opened));
        ck_assert_int_eq(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1); /* and nobody reads it now */
        ck_assert_int_eq(errno, ENXIO);
}
END_TEST

START_TEST(a_socket_is_known)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        ck_assert_int_lt(snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", scratch),
                (int)sizeof address.sun_path);
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        _cleanup_snapshot_ struct snapshot snapshot = look(address.sun_path);
        ck_assert_int_eq(snapshot.attributes.type, FILE_SOCKET);
}
END_TEST

START_TEST(a_device_is_known_by_its_number_and_never_opened)
{
        if (mknod(at("null"), S_IFCHR | 0666, makedev(1, 3)) < 0 ||
                mknod(at("disk"), S_IFBLK | 0600, makedev(7, 250)) < 0)
                skip_test("making device nodes needs root");
        _cleanup_fd_ int null_opened = witness(at("null")), disk_opened = witness(at("disk"));
        _cleanup_snapshot_ struct snapshot null = look(at("null")), disk = look(at("disk"));
        ck_assert_int_eq(null.attributes.type, FILE_CHAR);
        ck_assert_uint_eq(null.attributes.rdev_major, 1);
        ck_assert_uint_eq(null.attributes.rdev_minor, 3);
        ck_assert_int_eq(disk.attributes.type, FILE_BLOCK);
        ck_assert_uint_eq(disk.attributes.rdev_minor, 250);
        ck_assert(!witness_saw_opening(null_opened));
        ck_assert(!witness_saw_opening(disk_opened));
}
END_TEST

/* ---- the way to the file ---- */

START_TEST(what_is_not_there_is_gone)
{
        put(at("file"), "");
        _cleanup_snapshot_ struct snapshot missing = look_for(at("none"), SNAPSHOT_GONE);
        _cleanup_snapshot_ struct snapshot below = look_for(at("none/below"), SNAPSHOT_GONE);
        _cleanup_snapshot_ struct snapshot under_file = look_for(at("file/below"), SNAPSHOT_GONE);
        ck_assert_uint_eq(missing.attributes.known, 0);
        ck_assert_uint_eq(below.attributes.known, 0);
        ck_assert_uint_eq(under_file.attributes.known, 0);
}
END_TEST

START_TEST(below_a_folder_that_became_a_link_all_is_gone_and_the_target_stays_shut)
{
        put_folder(at("real"));
        const char *secret = put(at("real/secret"), "secret");
        ck_assert_int_eq(symlink(at("real"), at("folder")), 0);
        _cleanup_fd_ int opened = witness(secret);
        _cleanup_snapshot_ struct snapshot snapshot = look_for(at("folder/secret"), SNAPSHOT_GONE);
        ck_assert_int_eq(snapshot.failed_errno, ELOOP);
        ck_assert(!witness_saw_opening(opened));
        struct err err = {0};
        ck_assert_int_eq(folder_open("", at("folder"), NULL, &err), -ELOOP);
        ck_assert_ptr_nonnull(strstr(err.hint, "link"));
}
END_TEST

static atomic_bool swapping;

static void *
swap(void *userdata)
{
        const char *const *names = userdata;
        while (atomic_load(&swapping))
                ck_assert_int_eq(renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE), 0);
        return NULL;
}

START_TEST(a_fifo_is_not_opened_even_where_it_takes_a_files_place_at_the_worst_time)
{
        const char *names[] = {put(at("a"), "text"), at("b")};
        pthread_t thread;
        ck_assert_int_eq(mkfifo(names[1], 0644), 0);
        _cleanup_fd_ int opened = witness(names[1]);
        atomic_store(&swapping, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, swap, names), 0);
        unsigned files = 0, fifos = 0;
        for (unsigned i = 0; i < 30000 && (i < 3000 || !files || !fifos); i++) {
                struct snapshot_wish wish = all();
                _cleanup_snapshot_ struct snapshot snapshot = {0};
                int r = snapshot_path("", names[0], &wish, &snapshot, NULL);
                files += r == 0 && snapshot.attributes.type == FILE_REGULAR;
                fifos += r == 0 && snapshot.attributes.type == FILE_FIFO;
        }
        atomic_store(&swapping, false);
        pthread_join(thread, NULL);
        ck_assert_uint_gt(files, 0);
        ck_assert_uint_gt(fifos, 0);
        ck_assert(!witness_saw_opening(opened));
}
END_TEST

START_TEST(paths_that_are_not_plain_are_refused)
{
        static const char *const bad[] = {"", "relative", "/a/../b", "/a/./b", "/a//b", "/a/", "/..", "//"};
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_snapshot_ struct snapshot snapshot = look_for(bad[i], SNAPSHOT_UNREADABLE);
                ck_assert_int_eq(snapshot.failed_errno, EINVAL);
                struct err err = {0};
                ck_assert_int_eq(folder_open("", bad[i], NULL, &err), -EINVAL);
                ck_assert(err.hint[0]);
        }
}
END_TEST

START_TEST(an_image_is_looked_at_below_its_root_and_its_links_lead_nowhere)
{
        put_folder(at("image"));
        put_folder(at("image/etc"));
        put(at("image/etc/passwd"), "inside");
        ck_assert_int_eq(symlink("/etc", at("image/out")), 0);
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot inside = {0}, outside = {0}, top = {0};
        ck_assert_int_eq(snapshot_path(at("image"), "/etc/passwd", &wish, &inside, NULL), 0);
        assert_content(&inside, "inside");
        ck_assert_int_eq(snapshot_path(at("image"), "/out/passwd", &wish, &outside, NULL), SNAPSHOT_GONE);
        ck_assert_int_eq(snapshot_path(at("image"), "/", &wish, &top, NULL), 0);
        ck_assert_int_eq(top.attributes.type, FILE_FOLDER);
}
END_TEST

START_TEST(a_path_may_be_longer_than_the_kernel_takes_at_once)
{
        char name[201];
        _cleanup_free_ char *path = strdup(scratch);
        int fd = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
        memset(name, 'n', 200);
        name[200] = '\0';
        for (unsigned i = 0; i < 50; i++) {
                char *longer;
                ck_assert_int_eq(mkdirat(fd, name, 0755), 0);
                int next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                ck_assert_int_ge(next, 0);
                close(fd);
                fd = next;
                ck_assert_int_ge(asprintf(&longer, "%s/%s", path, name), 0);
                free(path);
                path = longer;
        }
        int file = openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        ck_assert_int_eq(write(file, "deep", 4), 4);
        close(file);
        close(fd);
        char *full;
        bool world = false;
        ck_assert_int_ge(asprintf(&full, "%s/file", path), 0);
        ck_assert_uint_gt(strlen(full), 10000);
        _cleanup_snapshot_ struct snapshot snapshot = look(full);
        assert_content(&snapshot, "deep");
        free(full);
        _cleanup_fd_ int folder = folder_open("", path, &world, NULL);
        _cleanup_fd_ int same = folder_open("", path, NULL, NULL);
        ck_assert_int_ge(folder, 0);
        ck_assert_int_ge(same, 0);
        ck_assert(world);
}
END_TEST

START_TEST(a_name_in_an_open_folder_is_the_same_snapshot)
{
        put(at("file"), "text");
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        _cleanup_fd_ int fd = folder_open("", scratch, NULL, NULL);
        ck_assert_int_eq(snapshot_at(fd, "file", true, &wish, &snapshot, NULL), 0);
        assert_content(&snapshot, "text");
        ck_assert_str_eq(snapshot.body, "text");
}
END_TEST

/* As under a filter of system calls that does not know it. For this test's process, for good. */
static bool
without_openat2(void)
{
        struct sock_filter steps[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = {ARRAY_SIZE(steps), steps};
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

START_TEST(links_are_refused_where_the_kernel_has_no_openat2_too)
{
        put_folder(at("real"));
        put_folder(at("real/in"));
        const char *secret = put(at("real/in/secret"), "secret");
        ck_assert_int_eq(symlink(at("real"), at("folder")), 0);
        ck_assert_int_eq(symlink(secret, at("link")), 0);
        if (!without_openat2())
                skip_test("no filter of system calls here (%m)");
        _cleanup_fd_ int opened = witness(secret);
        _cleanup_snapshot_ struct snapshot below = look_for(at("folder/in/secret"), SNAPSHOT_GONE);
        ck_assert_int_eq(below.failed_errno, ELOOP);
        ck_assert_int_eq(folder_open("", at("folder/in"), NULL, NULL), -ELOOP);
        ck_assert_int_eq(folder_open("", at("folder"), NULL, NULL), -ELOOP);
        _cleanup_snapshot_ struct snapshot link_seen = look(at("link"));
        ck_assert_int_eq(link_seen.attributes.type, FILE_LINK);
        ck_assert(!witness_saw_opening(opened));
        _cleanup_snapshot_ struct snapshot file = look(secret), top = look("/");
        assert_content(&file, "secret");
        ck_assert_int_eq(top.attributes.type, FILE_FOLDER);
        _cleanup_fd_ int folder = folder_open("", at("real/in"), NULL, NULL);
        ck_assert_int_ge(folder, 0);
}
END_TEST

static void
expect_inside(int root, const char *path)
{
        char text[16] = "";
        _cleanup_fd_ int fd = entry_open_within(root, path, O_RDONLY);
        ck_assert_msg(fd >= 0, "%s: %s", path, strerror(-fd));
        ck_assert_int_eq(read(fd, text, sizeof text), 6);
        ck_assert_str_eq(text, "inside");
}

static void
expect_followed_within(int root)
{
        static const char *const followed[] = {"real/file", "absolute/file", "upwards/file", "real/link",
                "chain", "real/../absolute/./file", "../../real//file", "real/deep/../file"};
        for (size_t i = 0; i < ARRAY_SIZE(followed); i++)
                expect_inside(root, followed[i]);
        ck_assert_int_eq(entry_open_within(root, "away/file", O_RDONLY), -ENOENT);
        ck_assert_int_eq(entry_open_within(root, "dangling", O_RDONLY), -ENOENT);
        ck_assert_int_eq(entry_open_within(root, "round", O_RDONLY), -ELOOP);
        ck_assert_int_eq(entry_open_within(root, "real/file/more", O_RDONLY), -ENOTDIR);
        ck_assert_int_eq(entry_open_within(root, "absolute/none", O_RDONLY), -ENOENT);
        _cleanup_fd_ int folder = entry_open_within(root, "absolute", O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(folder, 0);
        ck_assert_int_eq(entry_open_within(root, "chain", O_RDONLY | O_DIRECTORY), -ENOTDIR);
        _cleanup_fd_ int there = entry_open_within(root, "chain", O_PATH);
        struct stat st;
        ck_assert_int_eq(fstat(there, &st), 0);
        ck_assert(S_ISREG(st.st_mode)); /* of what the link leads to, not of it */
}

/* What opens below a root may follow links, and is never led out of it; with openat2(2) and without. */
START_TEST(a_link_below_a_root_is_followed_within_it)
{
        put_folder(at("root"));
        put_folder(at("root/real"));
        put_folder(at("root/real/deep"));
        put(at("root/real/file"), "inside");
        put_folder(at("outside"));
        put(at("outside/file"), "outside");
        ck_assert_int_eq(symlink("/real", at("root/absolute")), 0);
        ck_assert_int_eq(symlink("../../../real", at("root/upwards")), 0);
        ck_assert_int_eq(symlink(at("outside"), at("root/away")), 0);
        ck_assert_int_eq(symlink("../upwards/file", at("root/real/link")), 0);
        ck_assert_int_eq(symlink("absolute/link", at("root/chain")), 0);
        ck_assert_int_eq(symlink("none", at("root/dangling")), 0);
        ck_assert_int_eq(symlink("round", at("root/round")), 0);
        _cleanup_fd_ int root = open(at("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        expect_followed_within(root);
        if (!without_openat2())
                skip_test("no filter of system calls here (%m)");
        expect_followed_within(root);
}
END_TEST

/* ---- holding still ---- */

struct meddler {
        void (*act)(struct meddler *meddler);
        const char *path;
        unsigned left; /* how often it acts */
};

static int
meddle(void *userdata, size_t bytes)
{
        struct meddler *meddler = userdata;
        (void)bytes;
        if (meddler->left) {
                meddler->left--;
                meddler->act(meddler);
        }
        return 0;
}

static void
append_byte(struct meddler *meddler)
{
        _cleanup_fd_ int fd = open(meddler->path, O_WRONLY | O_APPEND | O_CLOEXEC);
        ck_assert_int_eq(write(fd, "+", 1), 1);
}

static void
cut(struct meddler *meddler)
{
        ck_assert_int_eq(truncate(meddler->path, meddler->left), 0);
}

static void
alter_mode(struct meddler *meddler)
{
        ck_assert_int_eq(chmod(meddler->path, meddler->left & 1 ? 0600 : 0640), 0);
}

static void
restore_times(struct meddler *meddler)
{
        struct stat st;
        ck_assert_int_eq(stat(meddler->path, &st), 0);
        _cleanup_fd_ int fd = open(meddler->path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(pwrite(fd, meddler->left & 1 ? "X" : "Y", 1, 0), 1);
        struct timespec times[2] = {st.st_atim, st.st_mtim};
        ck_assert_int_eq(futimens(fd, times), 0);
}

static void
replace(struct meddler *meddler)
{
        ck_assert_int_eq(rename(put(at("new"), "the new one"), meddler->path), 0);
}

static int
look_meddled(const char *path, const struct snapshot_wish *wish, void (*act)(struct meddler *),
        unsigned times, struct snapshot *ret)
{
        struct meddler meddler = {.act = act, .path = path, .left = times};
        _cleanup_(snapshot_reader_freep) struct snapshot_reader *reader = snapshot_reader_new();
        _cleanup_fd_ int fd = folder_open("", scratch, NULL, NULL);
        snapshot_reader_pace(reader, meddle, &meddler);
        return snapshot_look(reader, fd, strrchr(path, '/') + 1, NULL, true, wish, ret);
}

/* So that ctime is not of the tick in which the meddler acts. */
static void
let_a_tick_pass(void)
{
        struct timespec tick = {.tv_nsec = 20000000};
        nanosleep(&tick, NULL);
}

START_TEST(a_file_that_grows_at_each_try_is_unstable)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        const char *path = put(at("file"), "text");
        ck_assert_int_eq(look_meddled(path, &wish, append_byte, UINT32_MAX, &snapshot), SNAPSHOT_UNSTABLE);
        ck_assert(!KNOWS(snapshot, ATTRIBUTE_CONTENT));
        ck_assert(KNOWS(snapshot, ATTRIBUTE_MODE));
        ck_assert_uint_eq(snapshot.mark, 0);
        ck_assert_ptr_null(snapshot.body);
}
END_TEST

START_TEST(a_file_that_moved_once_is_tried_again)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        const char *path = put(at("file"), "text");
        ck_assert_int_eq(look_meddled(path, &wish, append_byte, 1, &snapshot), 0);
        assert_content(&snapshot, "text+");
        ck_assert_str_eq(snapshot.body, "text+");
}
END_TEST

START_TEST(the_same_size_and_mtime_do_not_hide_a_change_while_hashing)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        const char *path = put(at("file"), "text");
        let_a_tick_pass();
        ck_assert_int_eq(look_meddled(path, &wish, restore_times, 1, &snapshot), 0);
        assert_content(&snapshot, "Yext");
}
END_TEST

START_TEST(a_changed_mode_while_hashing_is_tried_again)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        ck_assert_int_eq(look_meddled(put(at("file"), "text"), &wish, alter_mode, 1, &snapshot), 0);
        ck_assert_uint_eq(snapshot.attributes.mode, 0640);
}
END_TEST

START_TEST(a_file_replaced_while_hashing_is_looked_up_anew)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        const char *path = put(at("file"), "the old one");
        let_a_tick_pass();
        ck_assert_int_eq(look_meddled(path, &wish, replace, 1, &snapshot), 0);
        assert_content(&snapshot, "the new one");
}
END_TEST

START_TEST(a_growing_file_is_hashed_to_its_known_end_and_may_grow)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        wish.prefix = 4;
        ck_assert_int_eq(
                look_meddled(put(at("log"), "textand"), &wish, append_byte, UINT32_MAX, &snapshot), 0);
        assert_content(&snapshot, "text");
        ck_assert_uint_eq(snapshot.attributes.size, 7);
}
END_TEST

START_TEST(a_growing_file_shorter_than_its_prefix_is_hashed_whole)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        wish.prefix = 1000;
        ck_assert_int_eq(look_meddled(put(at("log"), "cut"), &wish, append_byte, UINT32_MAX, &snapshot), 0);
        assert_content(&snapshot, "cut");
}
END_TEST

START_TEST(a_growing_file_that_shrinks_while_hashed_is_unstable)
{
        struct snapshot_wish wish = all();
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        wish.prefix = 4;
        const char *path = put(at("log"), "a long log");
        ck_assert_int_eq(look_meddled(path, &wish, cut, 9, &snapshot), SNAPSHOT_UNSTABLE);
}
END_TEST

START_TEST(a_stat_alone_does_not_mind_a_growing_file)
{
        struct snapshot_wish wish = {.prefix = UINT64_MAX};
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        ck_assert_int_eq(snapshot_path("", put(at("file"), "text"), &wish, &snapshot, NULL), 0);
        ck_assert(!KNOWS(snapshot, ATTRIBUTE_CONTENT));
        ck_assert(KNOWS(snapshot, ATTRIBUTE_XATTRS));
        ck_assert(KNOWS(snapshot, ATTRIBUTE_FLAGS));
}
END_TEST

/* ---- several at once ---- */

#define LANES 5u

struct row {
        struct snapshot_reader *reader;
        struct snapshot snapshots[40];
        char *paths[40];
        bool pending[40];
        int folder;
};

static struct row *
row_new(unsigned lanes)
{
        struct row *row = calloc(1, sizeof *row);
        row->reader = snapshot_reader_new();
        row->folder = folder_open("", scratch, NULL, NULL);
        snapshot_reader_lanes(row->reader, lanes);
        return row;
}

static void
row_freep(struct row **row)
{
        snapshot_reader_free((*row)->reader);
        for (unsigned i = 0; i < ARRAY_SIZE((*row)->paths); i++) {
                snapshot_done(&(*row)->snapshots[i]);
                free((*row)->paths[i]);
        }
        fd_close((*row)->folder);
        free(*row);
}
#define _cleanup_row_ _cleanup_(row_freep) struct row *

/* A file of so many bytes, each file's other ones; few files are text. */
static void
row_put(struct row *row, unsigned i, size_t size)
{
        row->paths[i] = strdup(at("file-%u", i));
        FILE *file = fopen(row->paths[i], "we");
        ck_assert_ptr_nonnull(file);
        for (size_t k = 0; k < size; k++)
                fputc(i & 1 ? (int)('a' + (i + k) % 26) : (int)((i + k * k) & 0xff), file);
        ck_assert_int_eq(fclose(file), 0);
}

static int
row_begin(struct row *row, unsigned i, const struct snapshot_wish *wish)
{
        int r = snapshot_begin(row->reader, row->folder, strrchr(row->paths[i], '/') + 1, NULL, true, wish,
                i % 3 ? 0 : 20000 * i, &row->snapshots[i]);
        row->pending[i] = r == SNAPSHOT_PENDING;
        ck_assert_int_eq(row->pending[i] ? 0 : r, 0);
        return r;
}

/* Until one is done: its number. */
static unsigned
row_next(struct row *row, int result)
{
        struct snapshot *snapshot;
        int r;
        while (!(snapshot = snapshot_next(row->reader, &r)))
                ck_assert_uint_gt(snapshot_reader_pending(row->reader), 0);
        unsigned i = (unsigned)(snapshot - row->snapshots);
        ck_assert(row->pending[i]);
        ck_assert_int_eq(r, result);
        row->pending[i] = false;
        return i;
}

static void
row_step(struct row *row)
{
        int r = 0;
        (void)snapshot_next(row->reader, &r);
        ck_assert_int_eq(r, 0);
}

static void
row_assert_as_alone(const struct row *row, unsigned i)
{
        _cleanup_snapshot_ struct snapshot alone = look(row->paths[i]);
        const struct snapshot *seen = &row->snapshots[i];
        ck_assert_uint_eq(seen->attributes.known, alone.attributes.known);
        ck_assert_msg(
                digest_equal(&seen->attributes.content, &alone.attributes.content), "%s", row->paths[i]);
        ck_assert_uint_eq(seen->content_size, alone.content_size);
        ck_assert_uint_eq(seen->attributes.size, alone.attributes.size);
        ck_assert_uint_eq(seen->body_size, alone.body_size);
        ck_assert(!seen->body == !alone.body);
        if (seen->body)
                ck_assert_mem_eq(seen->body, alone.body, alone.body_size);
}

START_TEST(files_of_all_sizes_that_are_read_in_turn_are_seen_as_each_alone)
{
        static const size_t sizes[] = {0, 1, 55, 56, 63, 64, 65, 127, 128, 4095, 4096, 8191, 8192, 16383,
                16384, 16385, 16447, 16448, 32767, 32768, 32769, 65535, 65536, 65537, 98304, 200000, 1048576,
                1048577, 3000000};
        struct snapshot_wish wish = all();
        for (unsigned lanes = 0; lanes <= DIGEST_LANES_MAX; lanes += 4) {
                _cleanup_row_ row = row_new(lanes);
                unsigned begun = 0;
                for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
                        row_put(row, i, sizes[i]);
                        if (lanes && snapshot_reader_is_full(row->reader))
                                row_next(row, 0);
                        begun += row_begin(row, i, &wish) == SNAPSHOT_PENDING;
                }
                ck_assert(lanes ? begun > ARRAY_SIZE(sizes) / 2 : !begun);
                while (snapshot_reader_pending(row->reader))
                        row_next(row, 0);
                for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
                        row_assert_as_alone(row, i);
        }
}
END_TEST

START_TEST(of_files_that_are_read_in_turn_only_the_one_that_moved_is_looked_at_anew)
{
        struct snapshot_wish wish = all();
        _cleanup_row_ row = row_new(LANES);
        for (unsigned i = 0; i < LANES; i++) {
                row_put(row, i, 100000);
                ck_assert_int_eq(row_begin(row, i, &wish), SNAPSHOT_PENDING);
        }
        ck_assert(snapshot_reader_is_full(row->reader));
        ck_assert_ptr_null(snapshot_next(row->reader, &(int){0}));
        let_a_tick_pass();
        append_byte(&(struct meddler){.path = row->paths[2]});
        for (unsigned i = 0; i < LANES; i++) {
                struct snapshot *snapshot;
                int r;
                while (!(snapshot = snapshot_next(row->reader, &r)))
                        ck_assert_uint_gt(snapshot_reader_pending(row->reader), 0);
                ck_assert_int_eq(r, snapshot == &row->snapshots[2] ? SNAPSHOT_MOVED : 0);
                if (r == SNAPSHOT_MOVED)
                        ck_assert_uint_eq(snapshot->attributes.known, 0);
                else
                        row_assert_as_alone(row, (unsigned)(snapshot - row->snapshots));
        }
        ck_assert_uint_eq(snapshot_reader_pending(row->reader), 0);
}
END_TEST

START_TEST(what_is_pending_when_the_reader_is_freed_leaves_nothing_behind)
{
        struct snapshot_wish wish = all();
        int next = dup(0), after;
        close(next);
        {
                _cleanup_row_ row = row_new(LANES);
                for (unsigned i = 0; i < LANES; i++) {
                        row_put(row, i, 100000);
                        ck_assert_int_eq(row_begin(row, i, &wish), SNAPSHOT_PENDING);
                }
                ck_assert_ptr_null(snapshot_next(row->reader, &(int){0}));
        }
        after = dup(0);
        close(after);
        ck_assert_int_eq(after, next);
}
END_TEST

static int
count_reads(void *userdata, size_t bytes)
{
        (void)bytes;
        ++*(unsigned *)userdata;
        return 0;
}

/* Small files of any size, and after the first ones a large one among each four; others with each seed. */
static unsigned
reads_of_a_mixture(unsigned seed, unsigned *ret_least)
{
        unsigned reads = 0;
        struct snapshot_wish wish = all();
        _cleanup_row_ row = row_new(DIGEST_LANES_MAX);
        snapshot_reader_pace(row->reader, count_reads, &reads);
        *ret_least = 0;
        for (unsigned i = 0; i < ARRAY_SIZE(row->paths); i++) {
                seed = seed * 1103515245 + 12345;
                size_t size = (i >= 16 && i % 4 == 3 ? 2000000 : 2000) + (seed >> 16) % 14000;
                row_put(row, i, size);
                *ret_least += (unsigned)(size / 16384 + 1);
                while (snapshot_reader_is_full(row->reader))
                        row_step(row);
                ck_assert_int_eq(row_begin(row, i, &wish), SNAPSHOT_PENDING);
        }
        while (snapshot_reader_pending(row->reader))
                row_step(row);
        return reads;
}

START_TEST(ends_of_odd_sizes_do_not_make_the_others_read_in_small_steps)
{
        for (unsigned seed = 0; seed < 10; seed++) {
                unsigned least, reads = reads_of_a_mixture(seed, &least);
                ck_assert_msg(reads < 3 * least, "%u reads, of %u needed, with seed %u", reads, least, seed);
        }
}
END_TEST

/* (Of kallsyms the stat says 0 bytes, and it is some megabytes.) */
START_TEST(content_longer_than_its_stat_says_is_hashed_whole_in_a_lane_too)
{
        struct snapshot_wish wish = all();
        struct snapshot alone = {0}, beside = {0};
        _cleanup_row_ row = row_new(LANES);
        int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), r;
        ck_assert_int_eq(snapshot_look(row->reader, proc, "kallsyms", NULL, true, &wish, &alone), 0);
        ck_assert_uint_gt(alone.content_size, 65536);
        r = snapshot_begin(row->reader, proc, "kallsyms", NULL, true, &wish, 0, &beside);
        while (snapshot_reader_pending(row->reader))
                (void)snapshot_next(row->reader, &r);
        ck_assert_int_eq(r, 0);
        ck_assert_uint_eq(beside.content_size, alone.content_size);
        ck_assert(digest_equal(&beside.attributes.content, &alone.attributes.content));
        ck_assert_ptr_null(beside.body);
        snapshot_done(&alone);
        snapshot_done(&beside);
        close(proc);
}
END_TEST

START_TEST(a_cancel_ends_each_of_those_that_are_pending)
{
        atomic_bool cancel = false;
        struct snapshot_wish wish = all();
        wish.cancel = &cancel;
        _cleanup_row_ row = row_new(LANES);
        for (unsigned i = 0; i < LANES; i++) {
                row_put(row, i, 100000);
                ck_assert_int_eq(row_begin(row, i, &wish), SNAPSHOT_PENDING);
        }
        atomic_store(&cancel, true);
        for (unsigned i = 0; i < LANES; i++)
                row_next(row, -ECANCELED);
        ck_assert_uint_eq(snapshot_reader_pending(row->reader), 0);
}
END_TEST

START_TEST(a_young_change_time_gives_no_mark)
{
        struct statx stx;
        const char *path = at("file");
        int64_t ctime_ms = 0, age_ms = 1000;
        for (unsigned i = 0; i < 100 && age_ms >= 100; i++) { /* a slow machine may need more than one try */
                _cleanup_snapshot_ struct snapshot young = look(put(path, "text"));
                ctime_ms = young.attributes.ctime_ns / 1000000;
                age_ms = young.taken_ms - ctime_ms;
                ck_assert_int_eq(young.mark == 0, age_ms < 100);
        }
        ck_assert_int_lt(age_ms, 100);
        struct timespec wait = {.tv_nsec = 10000000};
        while (clock_now_ms() <= ctime_ms + 110)
                nanosleep(&wait, NULL);
        _cleanup_snapshot_ struct snapshot old = look(path);
        ck_assert_int_eq(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx), 0);
        ck_assert_uint_ne(old.mark, 0);
        ck_assert_uint_eq(old.mark, stat_mark_of(&stx));
}
END_TEST

START_TEST(every_field_moves_the_mark)
{
        struct statx base = {.stx_ino = 1, .stx_mode = S_IFREG | 0644, .stx_size = 3}, other[12];
        for (size_t i = 0; i < ARRAY_SIZE(other); i++)
                other[i] = base;
        other[0].stx_dev_major++;
        other[1].stx_dev_minor++;
        other[2].stx_ino++;
        other[3].stx_mode ^= 01;
        other[4].stx_uid++;
        other[5].stx_gid++;
        other[6].stx_size++;
        other[7].stx_mtime.tv_nsec++;
        other[8].stx_mtime.tv_sec++;
        other[9].stx_ctime.tv_nsec++;
        other[10].stx_ctime.tv_sec++;
        other[11].stx_rdev_minor++;
        for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
                ck_assert_uint_ne(stat_mark_of(&other[i]), stat_mark_of(&base));
                for (size_t k = 0; k < i; k++)
                        ck_assert_uint_ne(stat_mark_of(&other[i]), stat_mark_of(&other[k]));
        }
        struct statx zero = {0};
        ck_assert_uint_ne(stat_mark_of(&zero), 0);
}
END_TEST

/* ---- what cannot be read ---- */

static void
look_without_rights(void)
{
        struct snapshot_wish wish = all();
        struct snapshot file = {0}, hidden = {0}, folder = {0};
        struct err err = {0};
        expect(snapshot_path("", at("private"), &wish, &file, &err) == SNAPSHOT_UNREADABLE);
        expect(file.failed_errno == EACCES && err.text[0]);
        expect(KNOWS(file, ATTRIBUTE_MODE) && KNOWS(file, ATTRIBUTE_SIZE) && file.attributes.size == 6);
        expect(!KNOWS(file, ATTRIBUTE_CONTENT) && !KNOWS(file, ATTRIBUTE_FLAGS));
        expect(snapshot_path("", at("shut/file"), &wish, &hidden, &err) == SNAPSHOT_UNREADABLE);
        expect(hidden.failed_errno == EACCES && hidden.attributes.known == 0);
        expect(snapshot_path("", at("shut"), &wish, &folder, &err) == SNAPSHOT_UNREADABLE);
        expect(KNOWS(folder, ATTRIBUTE_MODE) && folder.attributes.mode == 0);
        snapshot_done(&file);
        snapshot_done(&folder);
}

START_TEST(what_may_not_be_read_is_unreadable_and_says_what_could_be_learnt)
{
        put_bytes(at("private"), "secret", 6, geteuid() == 0 ? 0600 : 0);
        put_folder(at("shut"));
        put(at("shut/file"), "");
        ck_assert_int_eq(chmod(at("shut"), 0), 0);
        as_nobody(look_without_rights);
        ck_assert_int_eq(chmod(at("shut"), 0700), 0);
}
END_TEST

static void
look_at_anothers_file(void)
{
        struct snapshot_wish wish = all();
        struct snapshot snapshot = {0};
        expect(snapshot_path("", at("public"), &wish, &snapshot, NULL) == 0);
        expect(snapshot.content_size == 4);
        snapshot_done(&snapshot);
}

START_TEST(anothers_file_is_read_although_its_access_time_cannot_be_spared)
{
        put(at("public"), "text");
        as_nobody(look_at_anothers_file);
}
END_TEST

START_TEST(reading_leaves_the_access_time_alone)
{
        struct stat st;
        const char *path = put(at("file"), "text");
        struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_nsec = UTIME_OMIT}};
        ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
        _cleanup_snapshot_ struct snapshot snapshot = look(path);
        assert_content(&snapshot, "text");
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_atim.tv_sec, 1000000000);
}
END_TEST

START_TEST(our_own_database_is_never_opened)
{
        struct stat st;
        const char *path = put(at("driftd.db"), "data");
        ck_assert_int_eq(link(path, at("other-name")), 0);
        ck_assert_int_eq(stat(path, &st), 0);
        struct inode_id own[] = {{1, 1}, {st.st_dev, st.st_ino}};
        struct snapshot_wish wish = all();
        wish.own = own;
        wish.n_own = 2;
        _cleanup_fd_ int opened = witness(path);
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        struct err err = {0};
        ck_assert_int_eq(snapshot_path("", at("other-name"), &wish, &snapshot, &err), SNAPSHOT_OWN);
        ck_assert(KNOWS(snapshot, ATTRIBUTE_SIZE));
        ck_assert(!KNOWS(snapshot, ATTRIBUTE_CONTENT));
        ck_assert(!witness_saw_opening(opened));
}
END_TEST

START_TEST(without_descriptors_the_call_fails_and_says_what_helps)
{
        const char *path = put(at("file"), "text");
        struct rlimit limit;
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        int next = dup(0);
        close(next);
        limit.rlim_cur = (rlim_t)next;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        struct snapshot snapshot = {0};
        struct snapshot_wish wish = all();
        struct err err = {0};
        int r = snapshot_path("", path, &wish, &snapshot, &err);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        ck_assert_int_eq(r, -EMFILE);
        ck_assert_ptr_nonnull(strstr(err.hint, "LimitNOFILE"));
}
END_TEST

START_TEST(a_cancelled_look_says_so)
{
        atomic_bool cancel = true;
        struct snapshot_wish wish = all();
        wish.cancel = &cancel;
        struct snapshot snapshot = {0};
        struct err err = {0};
        ck_assert_int_eq(snapshot_path("", put(at("file"), "text"), &wish, &snapshot, &err), -ECANCELED);
}
END_TEST

START_TEST(bytes_read_are_counted_as_they_come)
{
        atomic_ullong bytes = 0;
        struct snapshot_wish wish = all();
        wish.bytes_read = &bytes;
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        ck_assert_int_eq(snapshot_path("", put(at("file"), "12345"), &wish, &snapshot, NULL), 0);
        ck_assert_uint_eq(atomic_load(&bytes), 5);
}
END_TEST

/* ---- extended attributes and flags ---- */

static bool
put_xattr(const char *path, const char *name, const void *value, size_t size)
{
        return lsetxattr(path, name, value, size, 0) == 0;
}

static const struct xattr *
find_xattr(const struct snapshot *snapshot, const char *escaped)
{
        for (size_t i = 0; i < snapshot->attributes.n_xattrs; i++)
                if (strcmp(snapshot->attributes.xattrs[i].name, escaped) == 0)
                        return &snapshot->attributes.xattrs[i];
        return NULL;
}

START_TEST(extended_attributes_are_digested_sorted_and_their_names_escaped)
{
        const char *path = put(at("file"), "text");
        struct digest digest;
        if (!put_xattr(path, "user.b", "value", 5))
                skip_test("the file system of %s has no user attributes (%m)", scratch);
        ck_assert(put_xattr(path, "user.a\n\x1b\xff z", "odd", 3));
        ck_assert(put_xattr(path, "user.empty", "", 0));
        _cleanup_snapshot_ struct snapshot snapshot = look(path);
        ck_assert_ptr_nonnull(find_xattr(&snapshot, "user.a\\x0a\\x1b\\xff\\x20z"));
        ck_assert_ptr_nonnull(find_xattr(&snapshot, "user.empty"));
        for (size_t i = 1; i < snapshot.attributes.n_xattrs; i++)
                ck_assert_int_lt(
                        strcmp(snapshot.attributes.xattrs[i - 1].name, snapshot.attributes.xattrs[i].name),
                        0);
        digest_bytes("value", 5, &digest);
        ck_assert(digest_equal(&find_xattr(&snapshot, "user.b")->digest, &digest));
        digest_bytes("", 0, &digest);
        ck_assert(digest_equal(&find_xattr(&snapshot, "user.empty")->digest, &digest));
}
END_TEST

START_TEST(each_change_of_an_extended_attribute_shows)
{
        const char *path = put(at("file"), "text");
        const uint32_t mask = ATTRIBUTE_BIT(ATTRIBUTE_XATTRS);
        if (!put_xattr(path, "user.a", "1", 1))
                skip_test("the file system of %s has no user attributes (%m)", scratch);
        _cleanup_snapshot_ struct snapshot first = look(path);
        ck_assert(put_xattr(path, "user.a", "2", 1));
        _cleanup_snapshot_ struct snapshot second = look(path);
        ck_assert_uint_eq(attributes_compare(mask, &first.attributes, &second.attributes), mask);
        ck_assert(put_xattr(path, "user.a", "", 0));
        _cleanup_snapshot_ struct snapshot empty = look(path);
        ck_assert_uint_eq(attributes_compare(mask, &second.attributes, &empty.attributes), mask);
        ck_assert_int_eq(removexattr(path, "user.a"), 0);
        _cleanup_snapshot_ struct snapshot none = look(path);
        ck_assert_uint_eq(attributes_compare(mask, &empty.attributes, &none.attributes), mask);
        ck_assert(KNOWS(none, ATTRIBUTE_XATTRS));
}
END_TEST

/* The largest value that the kernel takes; not every file system does (tmpfs does). */
START_TEST(a_value_of_64_kib_is_read_whole)
{
        static char value[65536];
        const char *folders[] = {scratch, "/dev/shm", "/tmp"};
        memset(value, 'v', sizeof value);
        value[65535] = '!';
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                char path[4200];
                struct digest digest;
                snprintf(path, sizeof path, "%s/driftd-xattr-%d", folders[i], (int)getpid());
                int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
                bool took = fd >= 0 && put_xattr(path, "user.large", value, sizeof value);
                struct snapshot snapshot = {0};
                if (took)
                        snapshot = look(path);
                if (fd >= 0) {
                        close(fd);
                        unlink(path);
                }
                if (!took)
                        continue;
                digest_bytes(value, sizeof value, &digest);
                ck_assert(digest_equal(&find_xattr(&snapshot, "user.large")->digest, &digest));
                snapshot_done(&snapshot);
                return;
        }
        skip_test("no file system here takes an attribute of 64 KiB");
}
END_TEST

START_TEST(what_only_root_sees_is_left_out_and_what_all_see_is_not)
{
        struct {
                uint32_t magic, permitted_low, inheritable_low, permitted_high, inheritable_high;
        } capability = {VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, 1u << CAP_NET_RAW, 0, 0, 0};
        const char *path = put(at("file"), "text");
        if (!put_xattr(path, "trusted.x", "1", 1) ||
                !put_xattr(path, "security.capability", &capability, sizeof capability))
                skip_test("setting trusted and security attributes needs root (%m)");
        _cleanup_snapshot_ struct snapshot snapshot = look(path);
        ck_assert_ptr_null(find_xattr(&snapshot, "trusted.x"));
        ck_assert_ptr_nonnull(find_xattr(&snapshot, "security.capability"));
}
END_TEST

START_TEST(an_access_list_shows)
{
        /* Version 2; entries of tag, permissions, id: the owner, user 1, the group, the mask, others. */
        struct {
                uint32_t version;
                struct {
                        uint16_t tag, permissions;
                        uint32_t id;
                } entries[5];
        } list = {2, {{0x01, 6, UINT32_MAX}, {0x02, 6, 1}, {0x04, 4, UINT32_MAX}, {0x10, 6, UINT32_MAX},
                             {0x20, 4, UINT32_MAX}}};
        const char *path = put(at("file"), "text");
        if (!put_xattr(path, "system.posix_acl_access", &list, sizeof list))
                skip_test("the file system of %s has no access lists (%m)", scratch);
        _cleanup_snapshot_ struct snapshot snapshot = look(path);
        ck_assert_ptr_nonnull(find_xattr(&snapshot, "system.posix_acl_access"));
}
END_TEST

START_TEST(a_link_and_a_fifo_have_their_attributes_read_without_opening)
{
        const char *fifo = at("fifo");
        ck_assert_int_eq(symlink("nowhere", at("link")), 0);
        ck_assert_int_eq(mkfifo(fifo, 0644), 0);
        if (!put_xattr(at("link"), "security.driftd", "1", 1) || !put_xattr(fifo, "security.driftd", "2", 1))
                skip_test("setting security attributes needs root (%m)");
        _cleanup_fd_ int opened = witness(fifo);
        _cleanup_snapshot_ struct snapshot link_seen = look(at("link")), fifo_seen = look(fifo);
        ck_assert_ptr_nonnull(find_xattr(&link_seen, "security.driftd"));
        ck_assert_ptr_nonnull(find_xattr(&fifo_seen, "security.driftd"));
        ck_assert(!witness_saw_opening(opened));
}
END_TEST

static void *
flicker(void *userdata)
{
        const char *path = userdata;
        static char large[2000];
        while (atomic_load(&swapping)) {
                setxattr(path, "user.b", large, sizeof large, 0);
                setxattr(path, "user.b", "1", 1, 0);
                removexattr(path, "user.b");
        }
        return NULL;
}

START_TEST(attributes_that_change_while_listed_are_never_half_told)
{
        char *path = at("file");
        pthread_t thread;
        put(path, "text");
        if (!put_xattr(path, "user.a", "stays", 5) || !put_xattr(path, "user.c", "stays", 5))
                skip_test("the file system of %s has no user attributes (%m)", scratch);
        atomic_store(&swapping, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, flicker, path), 0);
        for (unsigned i = 0; i < 2000; i++) {
                struct snapshot_wish wish = all();
                _cleanup_snapshot_ struct snapshot snapshot = {0};
                int r = snapshot_path("", path, &wish, &snapshot, NULL);
                ck_assert_msg(r == 0 || r == SNAPSHOT_UNSTABLE, "%d, errno %d", r, snapshot.failed_errno);
                if (r == 0) {
                        ck_assert_ptr_nonnull(find_xattr(&snapshot, "user.a"));
                        ck_assert_ptr_nonnull(find_xattr(&snapshot, "user.c"));
                } else {
                        ck_assert(!KNOWS(snapshot, ATTRIBUTE_XATTRS));
                }
        }
        atomic_store(&swapping, false);
        pthread_join(thread, NULL);
}
END_TEST

START_TEST(the_immutable_flag_shows)
{
        const char *path = put(at("file"), "text");
        int flags[2] = {0};
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (ioctl(fd, FS_IOC_GETFLAGS, flags) < 0)
                skip_test("the file system of %s has no flags (%m)", scratch);
        flags[0] |= FS_IMMUTABLE_FL | FS_NODUMP_FL;
        if (ioctl(fd, FS_IOC_SETFLAGS, flags) < 0)
                skip_test("making a file immutable needs root (%m)");
        struct snapshot_wish wish = all();
        struct snapshot snapshot = {0};
        int r = snapshot_path("", path, &wish, &snapshot, NULL);
        flags[0] &= ~(FS_IMMUTABLE_FL | FS_NODUMP_FL);
        ck_assert_int_eq(ioctl(fd, FS_IOC_SETFLAGS, flags), 0);
        ck_assert_int_eq(r, 0);
        ck_assert_uint_eq(
                snapshot.attributes.flags, attribute_flags_from_kernel(FS_IMMUTABLE_FL | FS_NODUMP_FL));
        ck_assert_uint_ne(snapshot.attributes.flags, 0);
        snapshot_done(&snapshot);
}
END_TEST

/* ---- bodies ---- */

START_TEST(small_public_text_is_kept)
{
        _cleanup_snapshot_ struct snapshot snapshot =
                look(put(at("file"), "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80\n"));
        ck_assert(snapshot.world_readable);
        ck_assert_str_eq(snapshot.body, "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80\n");
        ck_assert_uint_eq(snapshot.body_size, 16);
}
END_TEST

START_TEST(what_is_not_text_is_not_kept)
{
        static const struct {
                const char *data;
                size_t size;
        } cases[] = {
                {"a\0b", 3},
                {"\xff", 1},
                {"\xc0\xaf", 2},
                {"\xe0\x80\x80", 3},
                {"\xed\xa0\x80", 3},
                {"\xf4\x90\x80\x80", 4},
                {"cut \xe2\x82", 6},
                {"\x80", 1},
                {"\xf5\x80\x80\x80", 4},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_snapshot_ struct snapshot snapshot =
                        look(put_bytes(at("file"), cases[i].data, cases[i].size, 0644));
                ck_assert_msg(!snapshot.body, "case %zu was kept", i);
                ck_assert(KNOWS(snapshot, ATTRIBUTE_CONTENT));
        }
}
END_TEST

START_TEST(large_text_is_not_kept)
{
        static char text[SNAPSHOT_BODY_MAX + 1];
        memset(text, 't', sizeof text);
        _cleanup_snapshot_ struct snapshot largest =
                look(put_bytes(at("largest"), text, SNAPSHOT_BODY_MAX, 0644));
        _cleanup_snapshot_ struct snapshot larger = look(put_bytes(at("larger"), text, sizeof text, 0644));
        ck_assert_uint_eq(largest.body_size, SNAPSHOT_BODY_MAX);
        ck_assert_mem_eq(largest.body, text, SNAPSHOT_BODY_MAX);
        ck_assert_ptr_null(larger.body);
}
END_TEST

START_TEST(what_not_all_may_read_is_not_kept)
{
        _cleanup_snapshot_ struct snapshot snapshot = look(put_bytes(at("private"), "text", 4, 0640));
        ck_assert(!snapshot.world_readable);
        ck_assert_ptr_null(snapshot.body);
        put_folder(at("shut"));
        put_folder(at("shut/in"));
        put(at("shut/in/file"), "text");
        ck_assert_int_eq(chmod(at("shut"), 0750), 0);
        _cleanup_snapshot_ struct snapshot below = look(at("shut/in/file"));
        ck_assert(!below.world_readable);
        ck_assert_ptr_null(below.body);
        ck_assert_int_eq(chmod(at("shut"), 0751), 0);
        _cleanup_snapshot_ struct snapshot open_below = look(at("shut/in/file"));
        ck_assert(open_below.world_readable);
        ck_assert_ptr_nonnull(open_below.body);
}
END_TEST

START_TEST(no_body_is_kept_that_was_not_wished)
{
        struct snapshot_wish wish = all();
        wish.body = false;
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        ck_assert_int_eq(snapshot_path("", put(at("file"), "text"), &wish, &snapshot, NULL), 0);
        ck_assert_ptr_null(snapshot.body);
}
END_TEST

/* ---- large ---- */

START_TEST(a_sparse_file_of_a_gibibyte_is_hashed_in_little_memory)
{
        static const unsigned char zeros[1 << 20];
        const char *path = put(at("sparse"), "");
        struct digest digest;
        struct digester *digester = digester_new();
        ck_assert_int_eq(truncate(path, 1 << 30), 0);
        digester_start(digester);
        for (unsigned i = 0; i < 1024; i++)
                digester_update(digester, zeros, sizeof zeros);
        digester_final(digester, &digest);
        digester_free(digester);
        _cleanup_snapshot_ struct snapshot snapshot = look(path);
        ck_assert_uint_eq(snapshot.content_size, 1 << 30);
        ck_assert(digest_equal(&digest, &snapshot.attributes.content));
}
END_TEST

int
main(void)
{
        const TTest *const tests[] = {
                a_file_gives_its_stat_and_its_digest,
                an_empty_file_has_the_digest_of_nothing,
                content_larger_than_a_chunk_is_hashed_whole,
                a_folder_is_known_without_content,
                the_top_folder_can_be_asked_for,
                a_link_is_a_link_and_its_target_stays_shut,
                a_target_may_be_as_long_as_the_kernel_takes_and_is_escaped,
                a_fifo_is_known_and_never_opened,
                a_socket_is_known,
                a_device_is_known_by_its_number_and_never_opened,
                what_is_not_there_is_gone,
                below_a_folder_that_became_a_link_all_is_gone_and_the_target_stays_shut,
                a_fifo_is_not_opened_even_where_it_takes_a_files_place_at_the_worst_time,
                paths_that_are_not_plain_are_refused,
                an_image_is_looked_at_below_its_root_and_its_links_lead_nowhere,
                a_path_may_be_longer_than_the_kernel_takes_at_once,
                a_name_in_an_open_folder_is_the_same_snapshot,
                links_are_refused_where_the_kernel_has_no_openat2_too,
                a_link_below_a_root_is_followed_within_it,
                a_file_that_grows_at_each_try_is_unstable,
                a_file_that_moved_once_is_tried_again,
                the_same_size_and_mtime_do_not_hide_a_change_while_hashing,
                a_changed_mode_while_hashing_is_tried_again,
                a_file_replaced_while_hashing_is_looked_up_anew,
                a_growing_file_is_hashed_to_its_known_end_and_may_grow,
                a_growing_file_shorter_than_its_prefix_is_hashed_whole,
                a_growing_file_that_shrinks_while_hashed_is_unstable,
                a_stat_alone_does_not_mind_a_growing_file,
                files_of_all_sizes_that_are_read_in_turn_are_seen_as_each_alone,
                of_files_that_are_read_in_turn_only_the_one_that_moved_is_looked_at_anew,
                what_is_pending_when_the_reader_is_freed_leaves_nothing_behind,
                ends_of_odd_sizes_do_not_make_the_others_read_in_small_steps,
                content_longer_than_its_stat_says_is_hashed_whole_in_a_lane_too,
                a_cancel_ends_each_of_those_that_are_pending,
                a_young_change_time_gives_no_mark,
                every_field_moves_the_mark,
                what_may_not_be_read_is_unreadable_and_says_what_could_be_learnt,
                anothers_file_is_read_although_its_access_time_cannot_be_spared,
                reading_leaves_the_access_time_alone,
                our_own_database_is_never_opened,
                without_descriptors_the_call_fails_and_says_what_helps,
                a_cancelled_look_says_so,
                bytes_read_are_counted_as_they_come,
                extended_attributes_are_digested_sorted_and_their_names_escaped,
                each_change_of_an_extended_attribute_shows,
                a_value_of_64_kib_is_read_whole,
                what_only_root_sees_is_left_out_and_what_all_see_is_not,
                an_access_list_shows,
                a_link_and_a_fifo_have_their_attributes_read_without_opening,
                attributes_that_change_while_listed_are_never_half_told,
                the_immutable_flag_shows,
                small_public_text_is_kept,
                what_is_not_text_is_not_kept,
                large_text_is_not_kept,
                what_not_all_may_read_is_not_kept,
                no_body_is_kept_that_was_not_wished,
                a_sparse_file_of_a_gibibyte_is_hashed_in_little_memory,
        };
        Suite *suite = suite_create("snapshot");
        TCase *tc = tcase_create("snapshot");
        umask(022);
        if (digest_setup() < 0)
                return 1;
        tcase_set_timeout(tc, 300);
        tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
        for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
                tcase_add_test(tc, tests[i]);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
