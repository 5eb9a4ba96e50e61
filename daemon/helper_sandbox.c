/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of a helper, in the order in which each step still may be taken: limits, then another user,
 * then capabilities, then Landlock (which only takes rights away), and last the filter of system calls, which
 * would refuse all the steps before.
 *
 * The filter names what is allowed; all else is answered with EPERM and not with death, so that a library
 * that tries something first and can do without goes on. Files can be opened for reading only, and bytes
 * leave by standard output and standard error alone. No threads, no processes, no sockets, no signals to
 * others.
 */
#include "daemon/helper_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/architecture.h"
#include "core/util.h"

#define NOBODY 65534u             /* the kernel's overflow uid, and Debian's user nobody */
#define CPU_SECONDS_MAX 10u       /* */
#define ADDRESSES_MAX (1ul << 30) /* bytes of address space */
#define OUTPUT_MAX (1ul << 20)    /* bytes, where somebody sent its output to a file */
#define FILES_MAX 64u             /* open at once */

/* ---- limits, user, capabilities ---- */

static void
limit(int resource, rlim_t value)
{
        struct rlimit now;
        if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max < value)
                value = now.rlim_max;
        (void)setrlimit((__rlimit_resource_t)resource, &(struct rlimit){value, value});
}

static void
set_limits(void)
{
        limit(RLIMIT_CORE, 0);
        limit(RLIMIT_CPU, CPU_SECONDS_MAX);
        limit(RLIMIT_FSIZE, OUTPUT_MAX);
        limit(RLIMIT_NOFILE, FILES_MAX);
        limit(RLIMIT_NPROC, 0);
        if (!SANITIZED)
                limit(RLIMIT_AS, ADDRESSES_MAX);
}

static bool
become_nobody(void)
{
        if (geteuid() == 0)
                return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
                       setresuid(NOBODY, NOBODY, NOBODY) == 0;
        return false; /* it is someone without rights already */
}

/* (Before the user changes: dropping from the bounding set takes a capability itself.) */
static void
drop_bounding_set(void)
{
        for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
                (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static bool
drop_capabilities(void)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}}, left[_LINUX_CAPABILITY_U32S_3];
        (void)syscall(SYS_capset, &header, none);
        if (syscall(SYS_capget, &header, left) < 0)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(left); i++)
                if (left[i].effective || left[i].permitted || left[i].inheritable)
                        return false;
        return true;
}

/* ---- Landlock (landlock(7)); spelled out here, for the header of the build may be older than the kernel
 * ---- */

struct ruleset {
        uint64_t files; /* rights that are denied unless a rule gives them: and there is no rule */
        uint64_t ports;
        uint64_t scopes;
};

#define LANDLOCK_CREATE 444
#define LANDLOCK_RESTRICT_SELF 446
#define LANDLOCK_ASK_VERSION 1u

/* All rights on files that an ABI knows but reading a file (bit 2) and listing a folder (bit 3). */
static uint64_t
rights_to_files(long abi)
{
        unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
        return ((UINT64_C(1) << bits) - 1) & ~UINT64_C(0xc);
}

static bool
enter_landlock(void)
{
        long abi = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_ASK_VERSION);
        if (abi < 1)
                return false;
        struct ruleset rules = {
                .files = rights_to_files(abi),
                .ports = abi >= 4 ? 3 : 0,  /* bind and connect of TCP */
                .scopes = abi >= 6 ? 3 : 0, /* abstract sockets, and signals, of others */
        };
        size_t size = abi >= 6   ? sizeof rules
                      : abi >= 4 ? offsetof(struct ruleset, scopes)
                                 : offsetof(struct ruleset, ports);
        int fd = (int)syscall(LANDLOCK_CREATE, &rules, size, 0);
        bool done = fd >= 0 && syscall(LANDLOCK_RESTRICT_SELF, fd, 0) == 0;
        fd_close(fd);
        return done;
}

/* ---- the filter of system calls ---- */

#ifdef ARCHITECTURE

#define OPEN_FOR_WRITING ((unsigned)(O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE) & ~(unsigned)O_DIRECTORY)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif
#define ARGUMENT(n) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n) + LOW_HALF)

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define DENIED ANSWER(SECCOMP_RET_ERRNO | EPERM)
#define ALLOWED ANSWER(SECCOMP_RET_ALLOW)
#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), ALLOWED
/* Allowed if no bit of mask is set in argument n. */
#define ALLOW_WITHOUT(call, n, mask)                                                                         \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4), LOAD(ARGUMENT(n)),                            \
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (mask), 0, 1), DENIED, ALLOWED
/* Allowed if argument n is at most max. */
#define ALLOW_UP_TO(call, n, max)                                                                            \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4), LOAD(ARGUMENT(n)),                            \
                BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (max), 0, 1), DENIED, ALLOWED

static bool
enter_seccomp(void)
{
        static struct sock_filter filter[] = {
                LOAD(offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
                DENIED,
                LOAD(offsetof(struct seccomp_data, nr)),
                /* files, for reading */
                ALLOW_WITHOUT(openat, 2, OPEN_FOR_WRITING),
                ALLOW(read),
                ALLOW(readv),
                ALLOW(pread64),
                ALLOW(lseek),
                ALLOW(close),
                ALLOW(fstat),
                ALLOW(statx),
                ALLOW(readlinkat),
                ALLOW(faccessat),
                ALLOW(getdents64),
                ALLOW(getcwd),
                ALLOW_UP_TO(fcntl, 1, F_SETFL),
#ifdef SYS_newfstatat
                ALLOW(newfstatat),
#endif
#ifdef SYS_faccessat2
                ALLOW(faccessat2),
#endif
#ifdef SYS_open
                ALLOW_WITHOUT(open, 1, OPEN_FOR_WRITING),
                ALLOW(stat),
                ALLOW(lstat),
                ALLOW(readlink),
                ALLOW(access),
#endif
                /* the answer */
                ALLOW_UP_TO(write, 0, STDERR_FILENO),
                ALLOW_UP_TO(writev, 0, STDERR_FILENO),
                /* memory */
                ALLOW(brk),
                ALLOW(mmap),
                ALLOW(mprotect),
                ALLOW(munmap),
                ALLOW(mremap),
                ALLOW(madvise),
                /* itself */
                ALLOW(rt_sigaction),
                ALLOW(rt_sigprocmask),
                ALLOW(rt_sigreturn),
                ALLOW(sigaltstack),
                ALLOW(futex),
                ALLOW(sched_yield),
                ALLOW(sched_getaffinity),
                ALLOW(getpid),
                ALLOW(gettid),
                ALLOW(getuid),
                ALLOW(geteuid),
                ALLOW(getgid),
                ALLOW(getegid),
                ALLOW(getrandom),
                ALLOW(uname),
                ALLOW(sysinfo),
                ALLOW(prlimit64),
                ALLOW(clock_gettime),
                ALLOW(clock_getres),
                ALLOW(clock_nanosleep),
                ALLOW(gettimeofday),
                ALLOW(exit),
                ALLOW(exit_group),
#ifdef SYS_time
                ALLOW(time),
#endif
#ifdef SYS_arch_prctl
                ALLOW(arch_prctl),
#endif
                DENIED,
        };
        struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

static bool
enter_seccomp(void)
{
        return false; /* the numbers of this architecture's calls were never tried out */
}

#endif

unsigned
sandbox_enter(void)
{
        unsigned dropped = 0;
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (chdir("/") < 0)
                return 0;
        (void)umask(0777);
        set_limits();
        drop_bounding_set();
        dropped |= become_nobody() ? SANDBOX_USER : 0;
        dropped |= drop_capabilities() ? SANDBOX_CAPABILITIES : 0;
        dropped |= enter_landlock() ? SANDBOX_LANDLOCK : 0;
        dropped |= enter_seccomp() ? SANDBOX_SECCOMP : 0;
        return dropped;
}
