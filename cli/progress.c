/* SPDX-License-Identifier: MIT */
/*
 * The progress line. It is drawn over itself, at most five times a second and not in the first half second,
 * so that a quick command shows nothing; and it is gone before the answer is printed.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/print.h"
#include "core/clock.h"

#define DRAW_EVERY_MS 200
#define DRAW_AFTER_MS 500

struct progress
progress_start(bool quiet)
{
        return (struct progress){.wanted = !quiet && isatty(STDERR_FILENO), .start_ms = clock_monotonic_ms()};
}

/* What is left if it goes on as it went. */
static const char *
time_left(int64_t spent_ms, uint64_t files, uint64_t expected, char text[static WORDS_MAX])
{
        char words[CLOCK_TEXT_MAX];
        if (!files || expected <= files)
                return "";
        duration_describe((int64_t)((double)spent_ms * (double)(expected - files) / (double)files), words);
        snprintf(text, WORDS_MAX, "  %s left", words);
        return text;
}

void
progress_show(struct progress *progress, const struct json *value)
{
        int64_t now_ms = clock_monotonic_ms(), spent_ms = now_ms - progress->start_ms;
        if (!progress->wanted || json_is_null(value) || spent_ms < DRAW_AFTER_MS ||
                now_ms - progress->drawn_ms < DRAW_EVERY_MS)
                return;
        uint64_t files = (uint64_t)json_number(value, "files"), bytes = (uint64_t)json_number(value, "bytes");
        uint64_t expected = (uint64_t)json_number(value, "files_expected");
        char done[WORDS_MAX], all[WORDS_MAX], size[WORDS_MAX], rate[WORDS_MAX], left[WORDS_MAX];
        fprintf(stderr, "\r\033[K%s", count_text(files, done));
        if (expected)
                fprintf(stderr, " of %s", count_text(expected, all));
        fprintf(stderr, " files  %s  %s/s%s", bytes_text(bytes, size),
                bytes_text((uint64_t)((double)bytes * 1000 / (double)spent_ms), rate),
                time_left(spent_ms, files, expected, left));
        fflush(stderr);
        progress->drawn = true;
        progress->drawn_ms = now_ms;
}

void
progress_clear(struct progress *progress)
{
        if (progress->drawn)
                fprintf(stderr, "\r\033[K");
        fflush(stderr);
        progress->drawn = false;
}
