/* SPDX-License-Identifier: MIT */
/*
 * A storm of changes, of which the end is known.
 *
 *     storm FOLDER FILES make               makes FILES files, and as many that only make noise
 *     storm FOLDER FILES run RATE EVENTS    makes EVENTS inotify events at RATE a second (0: as fast as it
 * goes), of files at random; then brings each file into its last state within the same noise. Prints: events,
 * seconds storm FOLDER FILES expect             prints the last states, as `CHANGE file:PATH` lines in order:
 * a third of the files is changed, a third is missing, a third is as it was storm FOLDER FILES mend brings
 * all back to what `make` made
 *
 * Events are counted as inotify tells them to driftd: IN_MODIFY and IN_CLOSE_WRITE of a write, IN_ATTRIB of a
 * mode, IN_CREATE and IN_DELETE.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "tests/bench/bench.h"

#define CONTENT_SIZE 64u
#define PATH_SIZE 4096u

enum last { LAST_CHANGED, LAST_MISSING, LAST_SAME, LAST_COUNT };

struct storm {
        const char *folder;
        unsigned long files;
        uint64_t random;
        uint64_t events;
        double rate, start_ms;
};

static uint64_t
next_random(struct storm *storm)
{
        storm->random = storm->random * 6364136223846793005ull + 1442695040888963407ull;
        return storm->random >> 33;
}

static void
path_of(const struct storm *storm, const char *kind, unsigned long file, char path[static PATH_SIZE])
{
        snprintf(path, PATH_SIZE, "%s/%s-%06lu", storm->folder, kind, file);
}

/* round 0 is what `make` makes. */
static void
put(struct storm *storm, const char *kind, unsigned long file, unsigned long round)
{
        char path[PATH_SIZE], content[CONTENT_SIZE + 1];
        path_of(storm, kind, file, path);
        bool there = access(path, F_OK) == 0;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        snprintf(content, sizeof content, "%031lu %031lu\n", file, round);
        if (fd < 0 || pwrite(fd, content, CONTENT_SIZE, 0) != CONTENT_SIZE || fchmod(fd, 0644) < 0 ||
                close(fd) < 0) {
                perror(path);
                exit(4);
        }
        storm->events += there ? 3 : 4; /* created, written, mode, closed */
}

static void
set_mode(struct storm *storm, const char *kind, unsigned long file)
{
        char path[PATH_SIZE];
        path_of(storm, kind, file, path);
        storm->events += chmod(path, (mode_t)(0600 | next_random(storm) % 0200)) == 0;
}

static void
take_away(struct storm *storm, const char *kind, unsigned long file)
{
        char path[PATH_SIZE];
        path_of(storm, kind, file, path);
        storm->events += unlink(path) == 0;
}

static void
change_one(struct storm *storm, const char *kind)
{
        unsigned long file = next_random(storm) % storm->files, round = 1 + next_random(storm) % 1000;
        switch (next_random(storm) % 8) {
        case 0:
                take_away(storm, kind, file);
                break;
        case 1:
        case 2:
                set_mode(storm, kind, file);
                break;
        default:
                put(storm, kind, file, round);
        }
}

/* Waits where it is ahead of its rate. */
static void
keep_pace(const struct storm *storm)
{
        if (storm->rate <= 0)
                return;
        double due_ms = storm->start_ms + (double)storm->events / storm->rate * 1e3;
        double ahead_ms = due_ms - bench_now_ms(CLOCK_MONOTONIC);
        if (ahead_ms > 1)
                usleep((useconds_t)(ahead_ms * 1e3));
}

static void
bring_to_last(struct storm *storm, unsigned long file)
{
        switch (file % LAST_COUNT) {
        case LAST_CHANGED:
                put(storm, "state", file, 4711);
                break;
        case LAST_MISSING:
                take_away(storm, "state", file);
                break;
        case LAST_SAME:
                put(storm, "state", file, 0);
        }
}

static void
run(struct storm *storm, uint64_t events)
{
        storm->start_ms = bench_now_ms(CLOCK_MONOTONIC);
        while (storm->events < events) {
                change_one(storm, "state");
                keep_pace(storm);
        }
        for (unsigned long file = 0; file < storm->files; file++) {
                bring_to_last(storm, file);
                for (unsigned i = 0; i < 4; i++)
                        change_one(storm, "noise");
                keep_pace(storm);
        }
        printf("%llu %.3f\n", (unsigned long long)storm->events,
                (bench_now_ms(CLOCK_MONOTONIC) - storm->start_ms) / 1e3);
}

static void
make(struct storm *storm)
{
        for (unsigned long file = 0; file < storm->files; file++) {
                put(storm, "state", file, 0);
                put(storm, "noise", file, 0);
        }
}

static void
expect(const struct storm *storm)
{
        char path[PATH_SIZE];
        for (unsigned long file = 0; file < storm->files; file++) {
                path_of(storm, "state", file, path);
                if (file % LAST_COUNT != LAST_SAME)
                        printf("%s file:%s\n", file % LAST_COUNT == LAST_CHANGED ? "changed" : "missing",
                                path);
        }
}

int
main(int argc, char **argv)
{
        struct storm storm = {.random = 1};
        const char *what = argc >= 4 ? argv[3] : "";
        bool runs = argc == 6 && strcmp(what, "run") == 0;
        if (argc >= 4) {
                storm.folder = argv[1];
                storm.files = strtoul(argv[2], NULL, 10);
        }
        if (runs)
                storm.rate = strtod(argv[4], NULL);
        if (storm.files && runs) {
                run(&storm, strtoull(argv[5], NULL, 10));
        } else if (storm.files && argc == 4 && (strcmp(what, "make") == 0 || strcmp(what, "mend") == 0)) {
                make(&storm);
        } else if (storm.files && argc == 4 && strcmp(what, "expect") == 0) {
                expect(&storm);
        } else {
                fputs("usage: storm FOLDER FILES make | run RATE EVENTS | expect | mend\n", stderr);
                return 4;
        }
        return 0;
}
