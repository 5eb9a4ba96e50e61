/* SPDX-License-Identifier: MIT */
/*
 * A wall clock that a test can set, preloaded into driftd: CLOCK_SHIM names a file that holds the offset in
 * milliseconds, CLOCK_SHIM.fifo is what the kernel's news of a step (a cancelled timer) is played with. The
 * host's own clock is never touched. Only system calls, since it also runs before the C library is set up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int fifo_fd = -1;

static long long
offset_ms(void)
{
        char text[32] = "";
        const char *path = getenv("CLOCK_SHIM");
        long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
                return 0;
        syscall(SYS_read, fd, text, sizeof text - 1);
        syscall(SYS_close, fd);
        return strtoll(text, NULL, 10);
}

int
clock_gettime(clockid_t clock, struct timespec *ret)
{
        long r = syscall(SYS_clock_gettime, clock, ret);
        if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
                long long ms = offset_ms();
                ret->tv_sec += (time_t)(ms / 1000);
                ret->tv_nsec += (long)(ms % 1000) * 1000000;
                if (ret->tv_nsec < 0)
                        ret->tv_sec--, ret->tv_nsec += 1000000000;
                if (ret->tv_nsec >= 1000000000)
                        ret->tv_sec++, ret->tv_nsec -= 1000000000;
        }
        return (int)r;
}

int
gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
        struct timespec now;
        (void)zone;
        clock_gettime(CLOCK_REALTIME, &now);
        *ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
        return 0;
}

time_t
time(time_t *ret)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        if (ret)
                *ret = now.tv_sec;
        return now.tv_sec;
}

/* Of the wall clock: the FIFO, open for writing too, so that it never ends. */
int
timerfd_create(int clock, int flags)
{
        char path[4096];
        const char *shim = getenv("CLOCK_SHIM");
        if (clock != CLOCK_REALTIME || !shim)
                return (int)syscall(SYS_timerfd_create, clock, flags);
        snprintf(path, sizeof path, "%s.fifo", shim);
        return fifo_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

int
timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *before)
{
        if (fd == fifo_fd && fd >= 0)
                return 0;
        return (int)syscall(SYS_timerfd_settime, fd, flags, value, before);
}
