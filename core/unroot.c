/* SPDX-License-Identifier: MIT */
/*
 * A filter of system calls can let a call fail with an errno, which it hands out as the negative number. The
 * two calls never fail, so nobody looks whether they did: -2 is taken as a user's number. Who changes its
 * user for real needs CAP_SETUID, and could become anybody with it; that much is not given to a daemon for
 * one question.
 */
#include "core/unroot.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/architecture.h"
#include "core/util.h"

#ifdef ARCHITECTURE

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define HIDE(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), ANSWER(SECCOMP_RET_ERRNO | hidden)

_Static_assert(UNROOT_UID <= -1u && -UNROOT_UID < 4096, "the kernel has no errno that large");

bool
unroot_thread(void)
{
        enum { hidden = -UNROOT_UID };
        static struct sock_filter filter[] = {
                /* A program of another machine has other numbers for its calls: it is left alone. */
                LOAD(offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
                ANSWER(SECCOMP_RET_ALLOW),
                LOAD(offsetof(struct seccomp_data, nr)),
                HIDE(getuid),
                HIDE(geteuid),
#ifdef SYS_getuid32
                HIDE(getuid32),
                HIDE(geteuid32),
#endif
                ANSWER(SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};
        /* Without CAP_SYS_ADMIN a filter is taken only with a promise to gain no rights by a program. */
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

bool
unroot_thread(void)
{
        return false;
}

#endif
