/* SPDX-License-Identifier: MIT */
/*
 * What the programs of the benchmark share: the clock, the control socket, and quantiles. Each program is one
 * file that includes this; none links the daemon's or driftctl's code for it, so that what is measured is
 * what any client would see.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BENCH_SAMPLES_MAX 1000000u

static inline double
bench_now_ms(clockid_t clock)
{
        struct timespec t;
        clock_gettime(clock, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A call is one JSON text and a NUL (varlink.org/Service). The descriptor, or -1 with errno. */
static inline int
bench_call(const char *path, const char *request)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t size = strlen(request) + 1;
        if (strlen(path) >= sizeof address.sun_path) {
                errno = ENAMETOOLONG;
                return -1;
        }
        memcpy(address.sun_path, path, strlen(path) + 1);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -1;
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
                send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) {
                close(fd);
                return -1;
        }
        return fd;
}

static inline int
bench_compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;
        return (x > y) - (x < y);
}

/* Prints "p50 p99 max" in ms; sorts the samples. */
static inline void
bench_print_quantiles(double *samples, size_t n)
{
        if (!n) {
                puts("- - -");
                return;
        }
        qsort(samples, n, sizeof *samples, bench_compare);
        printf("%.2f %.2f %.2f\n", samples[(n - 1) / 2], samples[(n - 1) * 99 / 100], samples[n - 1]);
}
