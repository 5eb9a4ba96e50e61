/* SPDX-License-Identifier: MIT */
/*
 * What dpkg did, asked of a database below a scratch root: what is put down to a transaction and, above all,
 * what is not. The database is as an attacker would have it in the tests that say so.
 */
#include <signal.h>
#include <time.h>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/item.h"
#include "core/package_internal.h"
#include "tests/unit/scratch_help.h"

static struct package_root *root;
static struct json *records;
static atomic_bool cancel;
static struct package_drift drifts[8];
static size_t n_drifts;

static void
put_parents(const char *name)
{
        char path[256];
        snprintf(path, sizeof path, "%s", name);
        for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void)mkdir(at("%s", path), 0755); /* it may be there */
                *slash = '/';
        }
}

static const char *
put_in(const char *name, const char *text)
{
        put_parents(name);
        return put(at("%s", name), text);
}

static void
log_add(const char *line)
{
        char when[DPKG_WHEN_MAX];
        time_t now = time(NULL);
        struct tm tm;
        FILE *file = fopen(at("var/log/dpkg.log"), "a");
        strftime(when, sizeof when, "%F %T", localtime_r(&now, &tm));
        ck_assert_ptr_nonnull(file);
        fprintf(file, "%s %s\n", when, line);
        fclose(file);
}

static void
setup(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
        scratch_make();
        put_in("var/lib/dpkg/status", "Package: hello\nStatus: install ok installed\nArchitecture: all\n"
                                      "Conffiles:\n /etc/hello 5d41402abc4b2a76b9719d911017c592\n");
        put_in("var/lib/dpkg/info/hello.list",
                "/.\n/usr\n/usr/bin\n/usr/bin/hello\n/usr/bin/other\n/etc/hello\n");
        put_in("var/lib/dpkg/info/hello.md5sums", "5d41402abc4b2a76b9719d911017c592  usr/bin/hello\n"
                                                  "5d41402abc4b2a76b9719d911017c592  usr/bin/other\n");
        put_in("var/lib/dpkg/lock", "");
        put_in("var/log/dpkg.log", "2020-01-01 00:00:00 startup archives unpack\n");
        put_in("usr/bin/x", "");
        put_in("etc/x", "");
        root = package_root_new(scratch);
        ck_assert_ptr_nonnull(root);
        package_mark_now(root);
        ck_assert_int_eq(package_look(root, &cancel), PACKAGE_QUIET);
}

static void
teardown(void)
{
        root = package_root_free(root);
        records = json_free(records);
        while (n_drifts) {
                struct package_drift *drift = &drifts[--n_drifts];
                free(drift->baseline);
                free(drift->item);
                free(drift->cause);
                *drift = (struct package_drift){0};
        }
        scratch_remove();
}

/* A drift that observed this content of a file. */
static struct package_drift *
drift_of(const char *name, enum change change, const char *content)
{
        struct package_drift *drift = &drifts[n_drifts++];
        drift->baseline = strdup("host");
        drift->item = item_from_path(at("%s", name));
        drift->change = change;
        drift->last_change_ms = clock_now_ms();
        drift->has_content = content != NULL;
        if (content)
                digest_bytes(content, strlen(content), &drift->content);
        return drift;
}

static int
examine(void)
{
        struct package_question question = {.drifts = drifts, .n_drifts = n_drifts, .cancel = &cancel};
        records = json_free(records);
        return package_examine(root, &question, &records);
}

static void
upgrade(void)
{
        log_add("startup archives unpack");
        log_add("upgrade hello:all 1 2");
        log_add("status installed hello:all 2");
}

#define assert_digest(drift, words)                                                                          \
        do {                                                                                                 \
                ck_assert_msg((drift)->cause != NULL, "%s has no cause", (drift)->item);                     \
                ck_assert_msg(strstr((drift)->cause, "\"digest\":\"" words "\"") != NULL, "%s: %s",          \
                        (drift)->item, (drift)->cause);                                                      \
        } while (0)
#define assert_no_cause(drift) ck_assert_msg(!(drift)->cause, "%s: %s", (drift)->item, (drift)->cause)

/* ---- what belongs to a transaction ---- */

START_TEST(a_file_that_an_upgrade_wrote_is_put_down_to_it)
{
        put_in("usr/bin/hello", "hello"); /* MD5: 5d41402a… */
        put_in("etc/hello", "hello");
        put_in("usr/bin/other", "evil!");
        upgrade();
        struct package_drift *hello = drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        struct package_drift *conffile = drift_of("etc/hello", CHANGE_CHANGED, "hello");
        struct package_drift *other = drift_of("usr/bin/other", CHANGE_CHANGED, "evil!");
        ck_assert_int_eq(package_look(root, &cancel), 0);
        ck_assert_int_eq(examine(), 0);
        assert_digest(hello, "agrees");
        assert_digest(conffile, "agrees");
        assert_digest(other, "differs");
        const struct json *change = json_at(json_member(json_at(records, 0), "packages"), 0);
        ck_assert_uint_eq(json_length(records), 1);
        ck_assert_str_eq(json_text(change, "package"), "hello");
        ck_assert_str_eq(json_text(change, "previous"), "1");
        ck_assert_str_eq(json_text(change, "version"), "2");
        ck_assert_str_eq(json_text(change, "action"), "upgrade");
        ck_assert_int_eq(json_number(change, "files"), 3);
        ck_assert_int_eq(json_number(change, "agrees"), 2);
        ck_assert_int_eq(json_number(change, "differs"), 1);
        ck_assert_int_eq(package_look(root, &cancel), PACKAGE_QUIET);
}
END_TEST

START_TEST(what_is_there_now_and_is_not_what_the_drift_saw_is_not_vouched_for)
{
        put_in("usr/bin/hello", "hello");
        upgrade();
        struct package_drift *seen = drift_of("usr/bin/hello", CHANGE_CHANGED, "another content");
        struct package_drift *unread = drift_of("usr/bin/hello", CHANGE_CHANGED, NULL);
        ck_assert_int_eq(examine(), 0);
        assert_digest(seen, "unknown");
        assert_digest(unread, "unknown");
}
END_TEST

START_TEST(a_file_in_two_baselines_is_counted_once)
{
        put_in("usr/bin/hello", "hello");
        upgrade();
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(examine(), 0);
        assert_digest(&drifts[0], "agrees");
        assert_digest(&drifts[1], "agrees");
        ck_assert_int_eq(json_number(json_at(records, 0), "files"), 1);
}
END_TEST

/* ---- what does not ---- */

/* The log knows whole seconds: until another one has surely begun. */
static void
age(const char *name)
{
        struct stat st;
        int64_t until_ms = clock_monotonic_ms() + 10000;
        ck_assert_int_eq(stat(at("%s", name), &st), 0);
        while (time(NULL) <= st.st_ctim.tv_sec + 1 && clock_monotonic_ms() < until_ms)
                nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

START_TEST(a_file_that_changed_before_the_transaction_is_not_put_down_to_it)
{
        put_in("usr/bin/hello", "hello");
        age("usr/bin/hello");
        upgrade();
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(examine(), 0);
        assert_no_cause(&drifts[0]);
        ck_assert_uint_eq(json_length(records), 0);
}
END_TEST

START_TEST(a_file_that_changed_after_the_transaction_is_not_put_down_to_it)
{
        upgrade();
        ck_assert_int_eq(examine(), 0);
        age("var/log/dpkg.log");
        put_in("usr/bin/hello", "hello");
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(examine(), 0);
        assert_no_cause(&drifts[0]);
}
END_TEST

START_TEST(what_no_touched_package_owns_has_no_cause)
{
        put_in("var/lib/dpkg/info/bystander.list", "/usr/bin/bystander\n");
        put_in("usr/bin/bystander", "hello");
        put_in("usr/bin/nobody", "hello");
        upgrade();
        drift_of("usr/bin/bystander", CHANGE_CHANGED, "hello");
        drift_of("usr/bin/nobody", CHANGE_UNEXPECTED, "hello");
        drifts[n_drifts].baseline = strdup("host");
        drifts[n_drifts++].item = strdup("file:/usr/bin/hello"); /* of the same name, outside of the root */
        ck_assert_int_eq(examine(), 0);
        for (size_t i = 0; i < n_drifts; i++)
                assert_no_cause(&drifts[i]);
}
END_TEST

START_TEST(what_was_done_before_the_mark_is_not_asked_about)
{
        put_in("usr/bin/hello", "hello");
        upgrade();
        package_mark_now(root);
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(package_look(root, &cancel), PACKAGE_QUIET);
        ck_assert_int_eq(examine(), 0);
        assert_no_cause(&drifts[0]);
}
END_TEST

/* ---- what is gone ---- */

START_TEST(a_file_that_no_package_lists_any_more_went_with_its_package)
{
        put_in("var/lib/dpkg/info/hello.list", "/.\n/usr\n/usr/bin\n/usr/bin/hello\n"); /* not other */
        upgrade();
        drift_of("usr/bin/other", CHANGE_MISSING, NULL);
        drift_of("usr/bin/hello", CHANGE_MISSING, NULL); /* dpkg says that it should be there */
        ck_assert_int_eq(examine(), 0);
        assert_digest(&drifts[0], "agrees");
        assert_no_cause(&drifts[1]);
}
END_TEST

/* ---- locks and logs ---- */

START_TEST(nothing_is_asked_while_the_lock_is_held)
{
        int ready[2];
        char byte;
        put_in("usr/bin/hello", "hello");
        upgrade();
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(pipe(ready), 0);
        pid_t pid = fork();
        if (pid == 0) {
                struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
                int fd = open(at("var/lib/dpkg/lock"), O_RDWR | O_CLOEXEC);
                if (fcntl(fd, F_SETLK, &lock) < 0 || write(ready[1], "", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        ck_assert_int_eq(package_look(root, &cancel), PACKAGE_BUSY);
        ck_assert_int_eq(examine(), PACKAGE_BUSY);
        assert_no_cause(&drifts[0]);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        ck_assert_int_eq(package_look(root, &cancel), 0);
        ck_assert_int_eq(examine(), 0);
        assert_digest(&drifts[0], "agrees");
        close(ready[0]);
        close(ready[1]);
}
END_TEST

START_TEST(a_rotated_log_is_read_to_its_end_and_then_the_new_one)
{
        put_in("usr/bin/hello", "hello");
        put_in("var/lib/dpkg/info/second.list", "/usr/bin/second\n");
        put_in("usr/bin/second", "hello");
        upgrade();
        ck_assert_int_eq(rename(at("var/log/dpkg.log"), at("var/log/dpkg.log.1")), 0);
        put_in("var/log/dpkg.log", "");
        log_add("startup archives unpack");
        log_add("install second:all <none> 1");
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        drift_of("usr/bin/second", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(examine(), 0);
        assert_digest(&drifts[0], "agrees");
        assert_digest(&drifts[1], "unknown"); /* it has no list of sums */
        ck_assert_uint_eq(json_length(records), 2);
}
END_TEST

START_TEST(what_one_run_of_apt_did_is_one_transaction)
{
        char text[512], when[DPKG_WHEN_MAX];
        time_t now = time(NULL);
        struct tm tm;
        strftime(when, sizeof when, "%F", localtime_r(&now, &tm));
        put_in("usr/bin/hello", "hello");
        put_in("var/lib/dpkg/info/second.list", "/usr/bin/second\n");
        put_in("usr/bin/second", "hello");
        log_add("startup archives unpack");
        log_add("upgrade hello:all 1 2");
        log_add("startup archives unpack");
        log_add("install second:all <none> 1");
        snprintf(text, sizeof text,
                "\nStart-Date: %s  00:00:00\nCommandline: apt-get install \033[2J second\n"
                "Requested-By: alice (1000)\nEnd-Date: %s  23:59:59\n"
                "\nStart-Date: %s  00:00:01\nCommandline: broken off\n",
                when, when, when);
        put_in("var/log/apt/history.log", text);
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        drift_of("usr/bin/second", CHANGE_UNEXPECTED, "hello");
        ck_assert_int_eq(examine(), 0);
        ck_assert_uint_eq(json_length(records), 1);
        const struct json *record = json_at(records, 0);
        ck_assert_uint_eq(json_length(json_member(record, "packages")), 2);
        ck_assert_str_eq(json_text(record, "command"), "apt-get\\x20install\\x20\\x1b[2J\\x20second");
        ck_assert_str_eq(json_text(record, "requested_by"), "alice\\x20(1000)");
}
END_TEST

START_TEST(a_log_in_another_time_zone_is_believed_in_its_order_alone)
{
        put_in("usr/bin/hello", "hello");
        put_in("var/log/dpkg.log", "2020-01-01 00:00:00 startup archives unpack\n"
                                   "2031-01-01 00:00:00 startup archives unpack\n"
                                   "2031-01-01 00:00:00 upgrade hello:all 1 2\n");
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(package_look(root, &cancel), 0);
        ck_assert_int_eq(examine(), 0);
        assert_digest(&drifts[0], "agrees");
}
END_TEST

/* ---- hostile databases ---- */

START_TEST(a_pipe_in_place_of_a_file_holds_nobody_up)
{
        put_in("usr/bin/hello", "hello");
        upgrade();
        ck_assert_int_eq(unlink(at("var/lib/dpkg/info/hello.md5sums")), 0);
        ck_assert_int_eq(mkfifo(at("var/lib/dpkg/info/hello.md5sums"), 0644), 0);
        ck_assert_int_eq(unlink(at("var/lib/dpkg/status")), 0);
        ck_assert_int_eq(mkfifo(at("var/lib/dpkg/status"), 0644), 0);
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(examine(), 0);
        assert_digest(&drifts[0], "unknown");
        ck_assert_int_eq(unlink(at("var/log/dpkg.log")), 0);
        ck_assert_int_eq(mkfifo(at("var/log/dpkg.log"), 0644), 0);
        ck_assert_int_eq(package_look(root, &cancel), PACKAGE_ABSENT);
}
END_TEST

START_TEST(a_link_does_not_lead_out_of_the_root)
{
        char outside[] = "/var/tmp/driftd-outside-XXXXXX";
        ck_assert_ptr_nonnull(mkdtemp(outside));
        char list[64];
        snprintf(list, sizeof list, "%s/hello.list", outside);
        put(list, "/usr/bin/hello\n");
        ck_assert_int_eq(rename(at("var/lib/dpkg/info"), at("var/lib/dpkg/away")), 0);
        ck_assert_int_eq(symlink(outside, at("var/lib/dpkg/info")), 0);
        put_in("usr/bin/hello", "hello");
        upgrade();
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(examine(), PACKAGE_ABSENT);
        assert_no_cause(&drifts[0]);
        unlink(list);
        rmdir(outside);
}
END_TEST

START_TEST(a_watched_file_that_became_a_pipe_or_a_link_is_not_opened)
{
        upgrade();
        ck_assert_int_eq(mkfifo(at("usr/bin/hello"), 0644), 0);
        const char *target = put_in("secret", "hello");
        ck_assert_int_eq(symlink(target, at("usr/bin/other")), 0);
        int watching = witness(target);
        drift_of("usr/bin/hello", CHANGE_CHANGED, "hello");
        drift_of("usr/bin/other", CHANGE_CHANGED, "hello");
        ck_assert_int_eq(examine(), 0);
        assert_digest(&drifts[0], "unknown");
        assert_digest(&drifts[1], "unknown");
        ck_assert(!witness_saw_opening(watching));
        close(watching);
}
END_TEST

/* ---- MD5 ---- */

START_TEST(md5_is_that_of_rfc_1321)
{
        static const struct {
                const char *text, *md5;
        } rows[] = {
                {"", "d41d8cd98f00b204e9800998ecf8427e"},
                {"abc", "900150983cd24fb0d6963f7d28e17f72"},
                {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        };
        struct md5er *md5er = md5er_new();
        if (!md5er)
                skip_test("this libcrypto refuses MD5");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                unsigned char got[MD5_SIZE];
                struct dpkg_md5 wanted;
                md5er_start(md5er);
                for (const char *p = rows[i].text; *p; p++)
                        md5er_update(md5er, p, 1);
                md5er_final(md5er, got);
                ck_assert(dpkg_md5_parse(rows[i].md5, 32, &wanted));
                ck_assert_mem_eq(got, wanted.bytes, MD5_SIZE);
        }
        md5er_free(md5er);
}
END_TEST

/* ---- paths ---- */

START_TEST(diverted_and_merged_paths_are_found)
{
        struct paths paths = {0};
        char real[DPKG_PATH_MAX];
        put_in("var/lib/dpkg/diversions", "/usr/bin/tool\n/usr/bin/tool.real\nother\n");
        ck_assert_int_eq(symlink("usr/bin", at("bin")), 0);
        ck_assert_int_eq(symlink("/usr/sbin", at("sbin")), 0);
        ck_assert_int_eq(symlink("elsewhere", at("lib")), 0);
        int fd = root_open(root);
        ck_assert_int_eq(paths_load(fd, &paths), 0);
        close(fd);
        static const struct {
                const char *package, *path, *real;
        } rows[] = {
                {"tool", "/usr/bin/tool", "/usr/bin/tool.real"},
                {"other", "/usr/bin/tool", "/usr/bin/tool"},
                {"tool", "/bin/sh", "/usr/bin/sh"},
                {"tool", "/sbin/init", "/usr/sbin/init"},
                {"tool", "/lib/x", "/lib/x"},
                {"tool", "/bin", "/bin"},
                {"tool", "/binary/x", "/binary/x"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                ck_assert(paths_real(&paths, rows[i].package, rows[i].path, real));
                ck_assert_str_eq(real, rows[i].real);
        }
        paths_done(&paths);
}
END_TEST

START_TEST(a_mark_is_kept_as_a_text_and_no_other_text_is_one)
{
        char mark[PACKAGE_MARK_MAX], again[PACKAGE_MARK_MAX];
        package_mark_format(root, mark);
        package_mark_parse(root, "1 2");
        package_mark_parse(root, "1 2 3 4");
        package_mark_parse(root, "");
        package_mark_parse(root, "1 2 9223372036854775807");
        package_mark_format(root, again);
        ck_assert_str_eq(mark, again);
        package_mark_parse(root, "1 2 3");
        package_mark_format(root, again);
        ck_assert_str_eq(again, "1 2 3");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("package");
        TCase *tests = tcase_create("package");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, a_file_that_an_upgrade_wrote_is_put_down_to_it);
        tcase_add_test(tests, what_is_there_now_and_is_not_what_the_drift_saw_is_not_vouched_for);
        tcase_add_test(tests, a_file_in_two_baselines_is_counted_once);
        tcase_add_test(tests, a_file_that_changed_before_the_transaction_is_not_put_down_to_it);
        tcase_add_test(tests, a_file_that_changed_after_the_transaction_is_not_put_down_to_it);
        tcase_add_test(tests, what_no_touched_package_owns_has_no_cause);
        tcase_add_test(tests, what_was_done_before_the_mark_is_not_asked_about);
        tcase_add_test(tests, a_file_that_no_package_lists_any_more_went_with_its_package);
        tcase_add_test(tests, nothing_is_asked_while_the_lock_is_held);
        tcase_add_test(tests, a_rotated_log_is_read_to_its_end_and_then_the_new_one);
        tcase_add_test(tests, what_one_run_of_apt_did_is_one_transaction);
        tcase_add_test(tests, a_log_in_another_time_zone_is_believed_in_its_order_alone);
        tcase_add_test(tests, a_pipe_in_place_of_a_file_holds_nobody_up);
        tcase_add_test(tests, a_link_does_not_lead_out_of_the_root);
        tcase_add_test(tests, a_watched_file_that_became_a_pipe_or_a_link_is_not_opened);
        tcase_add_test(tests, md5_is_that_of_rfc_1321);
        tcase_add_test(tests, diverted_and_merged_paths_are_found);
        tcase_add_test(tests, a_mark_is_kept_as_a_text_and_no_other_text_is_one);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
