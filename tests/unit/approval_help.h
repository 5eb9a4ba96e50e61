/* SPDX-License-Identifier: MIT */
/*
 * For the tests of crypto, sshsig, secret, approval and trust: people with fixed keys (the seed is the
 * SHA-256 of the name, so anyone can make them again), approvals in one call, a folder that goes away,
 * and other programs run to their end.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/approval.h"
#include "core/secret_internal.h"

#define HOST "0b8f6c1e0b8f6c1e0b8f6c1e0b8f6c1e"
#define HELP_AT_MS 1795457040000 /* 2026-11-23T18:04:00Z */
#define ck_ok(call) ck_assert_msg((call) == 0, "%s failed", #call)
#define ck_contains(text, part)                                                                              \
        ck_assert_msg(strstr((text), (part)) != NULL, "\"%s\" does not say \"%s\"", (text), (part))

struct folder {
        char path[64];
};

static inline struct folder
folder_new(void)
{
        struct folder folder = {"/tmp/driftd-unit-XXXXXX"};
        ck_assert_ptr_nonnull(mkdtemp(folder.path));
        return folder;
}

static inline int
folder_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
        (void)st, (void)kind, (void)ftw;
        return remove(path);
}

static inline void
folder_done(struct folder *folder)
{
        nftw(folder->path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *
folder_path(const struct folder *folder, const char *name, char path[static 256])
{
        snprintf(path, 256, "%s/%s", folder->path, name);
        return path;
}

static inline void
put_file(const char *path, mode_t mode, const void *data, size_t size)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
        close(fd);
}

static inline struct buf
get_file(const char *path)
{
        struct buf buf = {0};
        char piece[4096];
        ssize_t got;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_msg(fd >= 0, "cannot open %s", path);
        while ((got = read(fd, piece, sizeof piece)) > 0)
                ck_ok(buf_append(&buf, piece, (size_t)got));
        close(fd);
        return buf;
}

/* Runs a program with /dev/null or a file as its input; its words go to a file or nowhere. Returns the exit
 * code. */
static inline int
run(const char *const argv[], const char *input, const char *output)
{
        fflush(NULL);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                int in = open(input ? input : "/dev/null", O_RDONLY);
                int out = open(output ? output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
                int null = open("/dev/null", O_WRONLY);
                dup2(in, 0);
                dup2(out, 1);
                dup2(null, 2);
                execv(argv[0], (char *const *)(uintptr_t)argv);
                _exit(127);
        }
        int status;
        while (waitpid(pid, &status, 0) < 0)
                ck_assert_int_eq(errno, EINTR);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define run_ok(...) ck_assert_int_eq(run((const char *const[]){__VA_ARGS__, NULL}, NULL, NULL), 0)

static inline struct signer *
person(const char *name)
{
        struct digest seed;
        struct signer *signer = NULL;
        digest_bytes(name, strlen(name), &seed);
        ck_ok(signer_from_seed(seed.bytes, &signer, NULL));
        return signer;
}

static inline struct approval_subject
subject(const char *name, const char *host, uint64_t generation)
{
        struct approval_subject subject = {.name = name, .host = host, .generation = generation};
        digest_bytes(name, strlen(name), &subject.id);
        return subject;
}

static inline void
approve_as(const char *by, const char *key_of, const char *name_space,
        const struct approval_subject *subjects, size_t n_subjects, struct buf *ret)
{
        struct err err = {0};
        struct signer *signer = person(key_of);
        struct buf text = {0};
        ck_assert_msg(approval_write(by, HELP_AT_MS, false, subjects, n_subjects, &text, &err) == 0, "%s",
                err.text);
        ck_ok(buf_append(ret, text.data, text.size));
        ck_assert_msg(signer_sign(signer, name_space, text.data, text.size, ret, &err) == 0, "%s", err.text);
        buf_done(&text);
        signer_free(signer);
}

static inline void
approve(const char *by, const struct approval_subject *subject, struct buf *ret)
{
        approve_as(by, by, SSHSIG_NAMESPACE_APPROVAL, subject, 1, ret);
}

static inline void
key_line(const char *name, struct buf *ret)
{
        struct signer *signer = person(name);
        ck_ok(ssh_key_append_text(signer_key(signer), ret));
        signer_free(signer);
}

static inline void
setup_crypto(void)
{
        ck_ok(digest_setup());
        ck_ok(crypto_setup());
}

/* One suite of one case: `add` names its tests. */
static inline int
run_suite(const char *name, void (*add)(TCase *cases))
{
        Suite *suite = suite_create(name);
        TCase *cases = tcase_create(name);
        tcase_add_checked_fixture(cases, setup_crypto, NULL);
        tcase_set_timeout(cases, 120);
        add(cases);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
