/* SPDX-License-Identifier: MIT */
/* The doctor's checks on a host that is only played: a scratch folder stands before every path. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/doctor.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/secret.h"

static char root[64];
static struct config config;
static struct cli cli;
static struct doctor doctor;
static struct doctor_answer answer;

static void
put(const char *path, const void *data, size_t size)
{
        char full[256];
        struct err err = {0};
        snprintf(full, sizeof full, "%s%s", root, path);
        char *slash = strrchr(full, '/');
        *slash = '\0';
        ck_assert_msg(folder_create(full, 0755, &err) == 0, "%s", err.text);
        *slash = '/';
        ck_assert_msg(file_write(full, 0600, data, size, &err) == 0, "%s", err.text);
}

static void
put_text(const char *path, const char *text)
{
        put(path, text, strlen(text));
}

static struct json *
parsed(const char *text)
{
        struct json *value = NULL;
        ck_assert_int_eq(json_parse(text, strlen(text), &value, NULL), 0);
        return value;
}

static void
set_status(const char *text)
{
        json_free(doctor.status);
        doctor.status = parsed(text);
        doctor.daemon = true;
}

static void
setup(void)
{
        snprintf(root, sizeof root, "/tmp/test_cli_doctor.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(root));
        ck_assert_int_eq(crypto_setup(), 0);
        config = (struct config){.trust = root, .state_dir = root};
        cli = (struct cli){.config_file = CONFIG_DEFAULT_PATH, .config = &config};
        doctor = (struct doctor){.cli = &cli, .root = root, .have_config = true};
        answer = (struct doctor_answer){0};
}

static void
teardown(void)
{
        char command[128];
        doctor_answer_done(&answer);
        doctor_done(&doctor);
        snprintf(command, sizeof command, "rm -rf '%s'", root);
        ck_assert_int_eq(system(command), 0);
}

static void
look(int (*check)(const struct doctor *doctor, struct doctor_answer *ret), enum doctor_finding wanted)
{
        doctor_answer_done(&answer);
        answer = (struct doctor_answer){0};
        ck_assert_int_eq(check(&doctor, &answer), 0);
        ck_assert_msg(answer.finding == wanted, "%s: %s", doctor_findings[answer.finding], answer.words.data);
        ck_assert(answer.words.size > 0);
}

/* A trust file of alice, and her key's two files. */
static void
trust_alice(struct buf *ret_key, struct buf *ret_pub, const char *passphrase)
{
        _cleanup_buf_ struct buf text = {0};
        struct err err = {0};
        ck_assert_int_eq(secret_generate("alice", passphrase, ret_key, ret_pub, &err), 0);
        buf_printf(&text,
                "[trust]\ngeneration = 1\nparent = none\n[approver alice]\nkey = %.*s\n"
                "[baseline *]\napprovers = alice\nthreshold = 1\n",
                (int)(strrchr(ret_pub->data, ' ') - ret_pub->data), ret_pub->data);
        ck_assert_msg(trust_parse("t", text.data, text.size, &doctor.trust, &err) == 0, "%s", err.text);
}

START_TEST(a_private_key_is_found_by_its_public_half_or_by_itself)
{
        _cleanup_buf_ struct buf key = {0}, pub = {0};
        trust_alice(&key, &pub, NULL);
        put_text("/root/.ssh/id_other", "no key");
        put("/root/.ssh/alice.pub", pub.data, pub.size);
        look(doctor_keys, DOCTOR_OK); /* the public half alone is no danger */
        put("/home/bob/.ssh/hidden", key.data, key.size);
        look(doctor_keys, DOCTOR_MISSING);
        ck_assert_ptr_nonnull(strstr(answer.words.data, "/home/bob/.ssh/hidden of alice (no passphrase)"));
        ck_assert_ptr_nonnull(strstr(answer.mend.data, "/home/bob/.ssh/hidden"));
}
END_TEST

START_TEST(a_sealed_key_is_weak_and_an_unsealed_one_is_worse)
{
        _cleanup_buf_ struct buf key = {0}, pub = {0};
        trust_alice(&key, &pub, "a passphrase");
        put("/etc/driftd/alice", key.data, key.size);
        put("/etc/driftd/alice.pub", pub.data, pub.size);
        look(doctor_keys, DOCTOR_WEAK);
        ck_assert_ptr_null(strstr(answer.words.data, "no passphrase"));
}
END_TEST

START_TEST(a_key_that_approves_nothing_is_nobodys_business)
{
        _cleanup_buf_ struct buf key = {0}, pub = {0}, other = {0}, other_pub = {0};
        trust_alice(&key, &pub, NULL);
        ck_assert_int_eq(secret_generate("eve", NULL, &other, &other_pub, NULL), 0);
        put("/root/.ssh/eve", other.data, other.size);
        put("/root/.ssh/eve.pub", other_pub.data, other_pub.size);
        look(doctor_keys, DOCTOR_OK);
}
END_TEST

START_TEST(without_a_trust_file_nothing_is_said_of_keys)
{
        snprintf(doctor.trust_why, sizeof doctor.trust_why, "cannot be read");
        look(doctor_keys, DOCTOR_UNKNOWN);
        look(doctor_threshold, DOCTOR_UNKNOWN);
        look(doctor_approvers, DOCTOR_UNKNOWN);
}
END_TEST

START_TEST(folders_without_a_watch_ask_for_a_limit_that_is_enough)
{
        put_text("/proc/sys/fs/inotify/max_user_watches", "8192\n");
        set_status("{\"activity\":{\"folders\":100},\"problems\":[]}");
        look(doctor_watches, DOCTOR_OK);
        set_status("{\"activity\":{\"folders\":7000},\"problems\":[]}");
        look(doctor_watches, DOCTOR_WEAK);
        set_status(
                "{\"activity\":{\"folders\":8192},\"problems\":[{\"kind\":\"watch_lost\",\"count\":450}]}");
        look(doctor_watches, DOCTOR_MISSING);
        ck_assert_str_eq(answer.mend.data, "echo 'fs.inotify.max_user_watches = 32768' | sudo tee -a "
                                           "/etc/sysctl.d/60-driftd.conf && sudo "
                                           "sysctl --system");
}
END_TEST

START_TEST(a_limit_that_cannot_be_read_is_unknown)
{
        set_status("{\"activity\":{\"folders\":1},\"problems\":[]}");
        look(doctor_watches, DOCTOR_UNKNOWN);
        look(doctor_instances, DOCTOR_UNKNOWN);
        put_text("/proc/sys/fs/inotify/max_user_watches", "many\n");
        look(doctor_watches, DOCTOR_UNKNOWN);
}
END_TEST

START_TEST(a_unit_that_is_not_enabled_is_missing_where_systemd_is)
{
        look(doctor_boot, DOCTOR_UNKNOWN);
        put_text("/run/systemd/system/x", "");
        look(doctor_boot, DOCTOR_MISSING);
        ck_assert_str_eq(answer.mend.data, "sudo systemctl enable --now driftd");
        put_text("/etc/systemd/system/multi-user.target.wants/driftd.service", "");
        look(doctor_boot, DOCTOR_OK);
        cli.config_file = "/elsewhere";
        look(doctor_boot, DOCTOR_UNKNOWN);
}
END_TEST

START_TEST(a_journal_that_a_boot_empties_is_weak)
{
        look(doctor_journal, DOCTOR_UNKNOWN);
        put_text("/run/systemd/system/x", "");
        look(doctor_journal, DOCTOR_WEAK);
        put_text("/var/log/journal/x", "");
        look(doctor_journal, DOCTOR_OK);
}
END_TEST

START_TEST(package_transactions_matter_where_dpkg_is)
{
        look(doctor_packages, DOCTOR_OK);
        put_text("/usr/bin/dpkg", "");
        look(doctor_packages, DOCTOR_WEAK);
        config.packages = true;
        look(doctor_packages, DOCTOR_OK);
}
END_TEST

static void
add_scope(const char *line)
{
        struct err err = {0};
        ck_assert_int_eq(array_grow(&doctor.scopes, doctor.n_scopes), 0);
        ck_assert_msg(scope_parse(line, strlen(line), &doctor.scopes[doctor.n_scopes++], &err) == 0, "%s",
                err.text);
        doctor.have_scopes = true;
}

#define RULES                                                                                                \
        " attributes=type,mode mode=static severity=high mounts=local keep_content=auto "                    \
        "content_within=43200"

START_TEST(what_matters_and_is_there_and_in_no_scope_is_named_with_its_section)
{
        set_status("{\"problems\":[]}");
        put_text("/etc/passwd", "");
        put_text("/home/bob/.ssh/authorized_keys", "");
        put_text("/var/spool/cron/crontabs/root", "");
        add_scope("files etc path=/etc" RULES);
        doctor.config_folder = strdup("/etc/driftd/conf.d");
        look(doctor_scope, DOCTOR_WEAK);
        ck_assert_str_eq(answer.words.data, "not looked at: /var/spool/cron, /home/bob/.ssh");
        ck_assert_str_eq(answer.mend.data,
                "sudo mkdir -p /etc/driftd/conf.d && printf '[files cron]\\npath = /var/spool/cron\\n[files "
                "ssh_keys]\\npath = /home/bob/.ssh\\n' | sudo tee /etc/driftd/conf.d/cron.conf, then sudo "
                "systemctl reload driftd and sudo driftctl bless");
        add_scope("files more path=/home path=/var/spool" RULES);
        look(doctor_scope, DOCTOR_OK);
}
END_TEST

/* A user's own link names the folder, and root pastes the line. */
START_TEST(a_line_that_mends_is_one_word_to_the_shell_whatever_a_path_is_called)
{
        static const char evil[] = "/home/eve/a';touch${IFS}\"$PWNED\";'%s%n\\x b";
        char link[160], target[160], command[2048], made[160], got[512] = "";
        set_status("{\"problems\":[]}");
        put_text("/home/eve/.profile", "");
        snprintf(target, sizeof target, "%s%s", root, evil);
        snprintf(link, sizeof link, "%s/home/eve/.ssh", root);
        ck_assert_int_eq(mkdir(target, 0755), 0);
        ck_assert_int_eq(symlink(target, link), 0);
        add_scope("files etc path=/etc" RULES);
        doctor.config_folder = strdup("/etc/driftd/conf.d");
        look(doctor_scope, DOCTOR_WEAK);
        const char *begin = strstr(answer.mend.data, "printf "),
                   *end = strstr(answer.mend.data, " | sudo tee ");
        ck_assert(begin && end);
        snprintf(made, sizeof made, "%s/pwned", root);
        ck_assert_int_eq(setenv("PWNED", made, 1), 0);
        ck_assert_int_lt(
                snprintf(command, sizeof command, "%.*s", (int)(end - begin), begin), sizeof command);
        FILE *shell = popen(command, "r");
        ck_assert_ptr_nonnull(shell);
        ck_assert_uint_gt(fread(got, 1, sizeof got - 1, shell), 0);
        ck_assert_int_eq(pclose(shell), 0);
        ck_assert_int_ne(access(made, F_OK), 0);
        ck_assert_str_eq(
                got, "[files ssh_keys]\npath = /home/eve/a';touch${IFS}\"$PWNED\";'%s%n\\x5cx\\x20b\n");
}
END_TEST

START_TEST(an_exclusion_that_hides_a_set_uid_program_or_a_unit_is_named)
{
        char path[128];
        set_status("{\"problems\":[]}");
        put_text("/usr/bin/plain", "");
        put_text("/usr/bin/su", "");
        put_text("/etc/systemd/system/x.service", "");
        add_scope("files all path=/etc path=/usr exclude=/usr/bin/*" RULES);
        look(doctor_exclusions, DOCTOR_OK); /* programs as such are a choice */
        snprintf(path, sizeof path, "%s/usr/bin/su", root);
        ck_assert_int_eq(chmod(path, 04755), 0);
        look(doctor_exclusions, DOCTOR_WEAK);
        ck_assert_str_eq(answer.words.data, "not looked at: /usr/bin/su (by /usr/bin/*)");
        add_scope("files units path=/etc/systemd exclude=/etc/systemd/**/*.service" RULES);
        look(doctor_exclusions, DOCTOR_WEAK);
        ck_assert_ptr_nonnull(strstr(answer.words.data, "/etc/systemd/system/x.service (by "));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("doctor");
        TCase *tests = tcase_create("doctor");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_set_timeout(tests, 30);
        tcase_add_test(tests, a_private_key_is_found_by_its_public_half_or_by_itself);
        tcase_add_test(tests, a_sealed_key_is_weak_and_an_unsealed_one_is_worse);
        tcase_add_test(tests, a_key_that_approves_nothing_is_nobodys_business);
        tcase_add_test(tests, without_a_trust_file_nothing_is_said_of_keys);
        tcase_add_test(tests, folders_without_a_watch_ask_for_a_limit_that_is_enough);
        tcase_add_test(tests, a_limit_that_cannot_be_read_is_unknown);
        tcase_add_test(tests, a_unit_that_is_not_enabled_is_missing_where_systemd_is);
        tcase_add_test(tests, a_journal_that_a_boot_empties_is_weak);
        tcase_add_test(tests, package_transactions_matter_where_dpkg_is);
        tcase_add_test(tests, what_matters_and_is_there_and_in_no_scope_is_named_with_its_section);
        tcase_add_test(tests, a_line_that_mends_is_one_word_to_the_shell_whatever_a_path_is_called);
        tcase_add_test(tests, an_exclusion_that_hides_a_set_uid_program_or_a_unit_is_named);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
