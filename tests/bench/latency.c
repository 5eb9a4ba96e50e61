/* SPDX-License-Identifier: MIT */
/*
 * From a change to the word of it. Takes paths from standard input, appends a line to each of them in turn,
 * and waits until its name is told:
 *
 *     latency socket SOCKET [PAUSE_MS]   by driftd, to a client that follows the log: a record is sent to it
 * after it is durable latency lines FIFO [PAUSE_MS]      by any program that writes a line for a change (the
 * peers)
 *
 * Prints two lines, each "p50 p99 max" in ms: from the write's close() to the arrival of the word, and to the
 * time that stands in the record itself (when it was judged; the peers' have none: "- - -"). A word that has
 * not come after WAIT_MS counts as WAIT_MS and is told on standard error; then it exits with 1. Names must be
 * told once each: give each path once.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>

#include "tests/bench/bench.h"

#define WAIT_MS 10000
#define HELD_MAX ((size_t)1 << 20) /* bytes of one message, and of what came with it */

static char held[HELD_MAX + 1];
static size_t held_size;
static char end_of_message;

/* The time of a record, in ms since 1970; 0 where there is none. */
static double
record_time(const char *message)
{
        struct tm tm = {0};
        const char *text = strstr(message, "\"time\":\"");
        const char *fraction = text ? strptime(text + 8, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
        if (!fraction)
                return 0;
        return (double)timegm(&tm) * 1e3 + strtod(fraction, NULL) * 1e3;
}

/* Reads messages until one holds `name`. 1: it came; 0: not in time; -1: the source ended. */
static int
await(int fd, const char *name, double deadline, double *ret_record_ms)
{
        for (;;) {
                char *end;
                while ((end = memchr(held, end_of_message, held_size))) {
                        size_t size = (size_t)(end - held) + 1;
                        *end = '\0';
                        bool found = strstr(held, name) != NULL;
                        if (found)
                                *ret_record_ms = record_time(held);
                        held_size -= size;
                        memmove(held, held + size, held_size);
                        if (found)
                                return 1;
                }
                double left = deadline - bench_now_ms(CLOCK_MONOTONIC);
                struct pollfd wait = {.fd = fd, .events = POLLIN};
                if (left <= 0 || poll(&wait, 1, (int)left + 1) == 0)
                        return 0;
                ssize_t got = read(fd, held + held_size, HELD_MAX - held_size);
                if (got <= 0)
                        return -1;
                held_size += (size_t)got;
        }
}

static int
change(const char *path)
{
        int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -1;
        bool written = write(fd, "changed\n", 8) == 8;
        return close(fd) == 0 && written ? 0 : -1;
}

static int
measure(int fd, long pause_ms)
{
        static double arrivals[BENCH_SAMPLES_MAX], records[BENCH_SAMPLES_MAX];
        char path[4096];
        size_t n = 0, n_records = 0, missed = 0;
        while (n < BENCH_SAMPLES_MAX && fgets(path, sizeof path, stdin)) {
                path[strcspn(path, "\n")] = '\0';
                if (change(path) < 0) {
                        perror(path);
                        return 4;
                }
                double since = bench_now_ms(CLOCK_MONOTONIC), at = bench_now_ms(CLOCK_REALTIME), told = 0;
                int r = await(fd, strrchr(path, '/') + 1, since + WAIT_MS, &told);
                if (r < 0) {
                        fputs("latency: the source ended\n", stderr);
                        return 4;
                }
                arrivals[n++] = r ? bench_now_ms(CLOCK_MONOTONIC) - since : WAIT_MS;
                if (told > 0) /* it has whole ms, and may lie up to one before the close */
                        records[n_records++] = told > at ? told - at : 0;
                missed += r == 0;
                usleep((useconds_t)pause_ms * 1000);
        }
        bench_print_quantiles(arrivals, n);
        bench_print_quantiles(records, n_records);
        if (missed)
                fprintf(stderr, "latency: %zu of %zu changes were not told within %d ms\n", missed, n,
                        WAIT_MS);
        return missed ? 1 : 0;
}

int
main(int argc, char **argv)
{
        bool socket = argc >= 3 && strcmp(argv[1], "socket") == 0;
        bool lines = argc >= 3 && strcmp(argv[1], "lines") == 0;
        if (argc > 4 || (!socket && !lines)) {
                fputs("usage: latency socket SOCKET [PAUSE_MS] | latency lines FIFO [PAUSE_MS]  <PATHS\n",
                        stderr);
                return 4;
        }
        end_of_message = socket ? '\0' : '\n';
        int fd = socket ? bench_call(argv[2],
                                  "{\"method\":\"dev.driftd.Control.Log\",\"more\":true,\"parameters\":"
                                  "{\"follow\":true,\"kind\":\"drift\",\"after_seq\":0}}")
                        : open(argv[2], O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                perror(argv[2]);
                return 4;
        }
        return measure(fd, argc == 4 ? strtol(argv[3], NULL, 10) : 5);
}
