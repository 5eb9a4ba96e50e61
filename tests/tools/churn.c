/* SPDX-License-Identifier: MIT */
/*
 * churn FOLDER SEED SECONDS RATE — changes what is in FOLDER/tree in every way that files change, at random
 * (the same seed, the same order), about RATE times a second with bursts between; lets FOLDER/log/messages
 * grow and rotates it as logrotate does; and stores through mappings in FOLDER/mapped, which the kernel tells
 * nobody. What makes no sense at the moment fails, and that is all right.
 *
 * churn FOLDER last — within a storm of files that come and go, changes the mode of each file in FOLDER/last
 * once: one event each, that must not be missed. Nothing has a second name there, so that nobody goes looking
 * for others.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define NAMES 5u  /* of folders at a level, and */
#define FILES 6u  /* of files in a folder: few, so that they meet */
#define LEVELS 3u /* of folders */
#define BURST 400u
#define LAST 600u /* files in FOLDER/last */

static const char *root;
static uint64_t state;

static unsigned
below(unsigned n)
{
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        return (unsigned)(state >> 33) % n;
}

static double
now(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- names ---- */

static char *
some_folder(char path[static 512])
{
        int size = snprintf(path, 512, "%s/tree", root);
        for (unsigned levels = below(LEVELS + 1); levels; levels--)
                size += snprintf(path + size, (size_t)(512 - size), "/d%u", below(NAMES));
        return path;
}

static char *
some_file(char path[static 512])
{
        some_folder(path);
        size_t size = strlen(path);
        snprintf(path + size, 512 - size, "/f%u", below(FILES));
        return path;
}

/* ---- changes ---- */

static void
put(const char *path, int flags, mode_t mode)
{
        char text[256];
        int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, mode);
        if (fd < 0)
                return;
        int size = snprintf(text, sizeof text, "%0*u\n", (int)(1 + below(200)), below(1000000));
        if (write(fd, text, (size_t)size) != size)
                perror(path);
        close(fd);
}

static void
change_write(char *a, char *b)
{
        (void)b;
        put(some_file(a), O_TRUNC, 0644);
}

static void
change_append(char *a, char *b)
{
        (void)b;
        put(some_file(a), O_APPEND, 0644);
}

static void
change_replace(char *a, char *b)
{
        some_file(a);
        snprintf(b, 600, "%s.new", a);
        put(b, O_TRUNC, 0644);
        if (rename(b, a) < 0)
                unlink(b);
}

/* The same size, and the times put back. */
static void
change_hidden(char *a, char *b)
{
        struct stat st;
        (void)b;
        int fd = open(some_file(a), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
                struct timespec times[2] = {st.st_atim, st.st_mtim};
                char byte = (char)('A' + below(26));
                if (pwrite(fd, &byte, 1, (off_t)below((unsigned)st.st_size)) == 1)
                        futimens(fd, times);
        }
        close(fd);
}

static void
change_folder(char *a, char *b)
{
        (void)b;
        int size = snprintf(a, 512, "%s/tree", root);
        for (unsigned level = 0; level < LEVELS; level++) {
                size += snprintf(a + size, (size_t)(512 - size), "/d%u", below(NAMES));
                mkdir(a, 0755);
        }
}

static void
change_name(char *a, char *b)
{
        rename(some_file(a), some_file(b));
}

static void
change_place(char *a, char *b)
{
        some_folder(a);
        if (strcmp(strrchr(a, '/'), "/tree") != 0)
                rename(a, some_folder(b));
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        remove(path);
        return 0;
}

static void
change_remove_tree(char *a, char *b)
{
        (void)b;
        some_folder(a);
        if (strcmp(strrchr(a, '/'), "/tree") != 0 && below(3) == 0)
                nftw(a, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void
change_remove(char *a, char *b)
{
        (void)b;
        unlink(some_file(a));
}

static void
change_mode(char *a, char *b)
{
        (void)b;
        chmod(below(4) ? some_file(a) : some_folder(a), 0700 | below(0100));
}

static void
change_owner(char *a, char *b)
{
        (void)b;
        if (lchown(below(4) ? some_file(a) : some_folder(a), below(3), below(3)) < 0 && errno == EPERM)
                return;
}

static void
change_link(char *a, char *b)
{
        snprintf(b, 512, "f%u", below(FILES));
        if (symlink(b, some_file(a)) < 0 && below(2)) {
                unlink(a);
                if (symlink(b, a) < 0)
                        return;
        }
}

static void
change_hard_link(char *a, char *b)
{
        if (link(some_file(a), some_file(b)) < 0)
                return;
}

static void
change_xattr(char *a, char *b)
{
        (void)b;
        char value = (char)('0' + below(10));
        if (below(3))
                setxattr(some_file(a), "user.churn", &value, 1, 0);
        else
                removexattr(some_file(a), "user.churn");
}

static void
change_type(char *a, char *b)
{
        (void)b;
        unlink(some_file(a));
        if (mkfifo(a, 0600) < 0)
                return;
}

static void
change_burst(char *a, char *b)
{
        if (below(40))
                return;
        some_folder(b);
        for (unsigned i = 0; i < BURST; i++) {
                snprintf(a, 600, "%s/burst%u", b, i);
                put(a, O_TRUNC, 0644);
        }
        for (unsigned i = 0; i < BURST; i++) {
                snprintf(a, 600, "%s/burst%u", b, i);
                unlink(a);
        }
}

/* Stores that no event and, some of them, no time tells of. */
static void
change_mapped(char *a, char *b)
{
        (void)b;
        snprintf(a, 512, "%s/mapped/m%u", root, below(FILES));
        int fd = open(a, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return;
        char *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (bytes == MAP_FAILED)
                return;
        bytes[0] = (char)('a' + below(26));
        msync(bytes, 4096, MS_SYNC);
        bytes[1] = (char)('a' + below(26));
        munmap(bytes, 4096);
}

/* As logrotate does: by rename (a new file takes its place), or by copy and truncate. */
static void
change_log(char *a, char *b)
{
        static unsigned line;
        char text[64];
        snprintf(a, 512, "%s/log/messages", root);
        snprintf(b, 512, "%s/log/messages.1", root);
        if (below(400) == 0 && rename(a, b) < 0)
                perror(a);
        int fd = open(a, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
                return;
        int size = snprintf(text, sizeof text, "line %u of the log\n", line++);
        if (write(fd, text, (size_t)size) != size)
                perror(a);
        close(fd);
}

static const struct {
        void (*change)(char *a, char *b); /* room for two paths */
        unsigned weight;
} changes[] = {{change_write, 14}, {change_append, 8}, {change_replace, 10}, {change_hidden, 5},
        {change_folder, 6}, {change_name, 8}, {change_place, 8}, {change_remove_tree, 4}, {change_remove, 6},
        {change_mode, 6}, {change_owner, 3}, {change_link, 4}, {change_hard_link, 4}, {change_xattr, 3},
        {change_type, 2}, {change_burst, 3}, {change_mapped, 3}, {change_log, 12}};

static void
change_something(void)
{
        char a[640], b[640];
        unsigned total = 0, pick, i = 0;
        for (size_t j = 0; j < sizeof changes / sizeof *changes; j++)
                total += changes[j].weight;
        for (pick = below(total); pick >= changes[i].weight; i++)
                pick -= changes[i].weight;
        changes[i].change(a, b);
}

static void
change_last(void)
{
        char path[512];
        for (unsigned i = 0; i < LAST; i++) {
                snprintf(path, sizeof path, "%s/last/%u", root, i);
                if (chmod(path, 0600) < 0)
                        perror(path);
                for (unsigned j = 0; j < 10; j++) {
                        snprintf(path, sizeof path, "%s/last/storm%u", root, j);
                        put(path, O_TRUNC, 0644);
                        if (j != 0)
                                unlink(path);
                }
        }
}

int
main(int argc, char **argv)
{
        root = argv[1];
        if (argc == 3 && strcmp(argv[2], "last") == 0) {
                change_last();
                return 0;
        }
        if (argc != 5) {
                fputs("usage: churn FOLDER SEED SECONDS RATE | churn FOLDER last\n", stderr);
                return 2;
        }
        state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
        double start = now(), end = start + strtod(argv[3], NULL), rate = strtod(argv[4], NULL);
        unsigned long done = 0;
        while (now() < end) {
                change_something();
                done++;
                while (now() < end && (double)done > (now() - start) * rate) /* ahead of the rate */
                        usleep(1000);
        }
        printf("%lu changes\n", done);
        return 0;
}
