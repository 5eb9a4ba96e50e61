/* SPDX-License-Identifier: MIT */
/*
 * answer SOCKET [PERIOD_MS] — how long the control socket takes to answer: asks GetStatus over a new
 * connection every PERIOD_MS (20), until SIGTERM. Then prints the number of answers and "p50 p99 max" in ms,
 * from connect() to the end of the answer. A call that fails ends it with 4.
 */
#include <signal.h>

#include "tests/bench/bench.h"

static volatile sig_atomic_t over;

static void
on_term(int signal)
{
        (void)signal;
        over = 1;
}

/* 0, or -1 where no whole answer came. */
static int
ask(const char *path)
{
        char buffer[65536];
        int fd = bench_call(path, "{\"method\":\"dev.driftd.Control.GetStatus\"}");
        if (fd < 0)
                return -1;
        ssize_t got = 1;
        while (got > 0) {
                got = read(fd, buffer, sizeof buffer);
                if (got > 0 && buffer[got - 1] == '\0')
                        break;
        }
        close(fd);
        return got > 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
        static double samples[BENCH_SAMPLES_MAX];
        size_t n = 0;
        if (argc < 2 || argc > 3) {
                fputs("usage: answer SOCKET [PERIOD_MS]\n", stderr);
                return 4;
        }
        useconds_t period_us = 1000 * (argc == 3 ? (useconds_t)strtoul(argv[2], NULL, 10) : 20);
        struct sigaction action = {.sa_handler = on_term, .sa_flags = SA_RESTART};
        sigaction(SIGTERM, &action, NULL);
        while (!over && n < BENCH_SAMPLES_MAX) {
                double since = bench_now_ms(CLOCK_MONOTONIC);
                if (ask(argv[1]) < 0) {
                        perror("answer");
                        return 4;
                }
                samples[n++] = bench_now_ms(CLOCK_MONOTONIC) - since;
                usleep(period_us);
        }
        printf("%zu ", n);
        bench_print_quantiles(samples, n);
        return 0;
}
