/* SPDX-License-Identifier: MIT */
/*
 * tree FOLDER FILES [BYTES] — makes FILES small files below FOLDER, FILES_PER_FOLDER in each folder (as in
 * /usr: 8 to 9), each with other content of BYTES bytes (64), with paths about as long as those of /usr. The
 * same arguments make the same tree.
 *
 * tree FOLDER FILES rm — takes it away again, in the order in which it was made: several times as fast as rm
 * -r.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_PER_FOLDER 9ul
#define FOLDERS_PER_GROUP 256ul
#define BYTES_MAX 65536u

static int
fail(const char *path)
{
        fprintf(stderr, "tree: %s: %s\n", path, strerror(errno));
        return 4;
}

static int
make_file(int folder, const char *name, unsigned long number, char *content, size_t size)
{
        int digits = snprintf(content, BYTES_MAX + 1, "%0*lu", (int)size - 1, number);
        content[digits] = '\n';
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return -1;
        bool written = write(fd, content, size) == (ssize_t)size;
        return close(fd) == 0 && written ? 0 : -1;
}

/* One folder and its files. */
static int
do_folder(const char *path, unsigned long first, unsigned long end, char *content, size_t size)
{
        char name[64];
        int r = 0;
        if (size && mkdir(path, 0755) < 0)
                return -1;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -1;
        for (unsigned long i = first; r == 0 && i < end; i++) {
                snprintf(name, sizeof name, "set-%07lu.conf", i);
                r = size ? make_file(fd, name, i, content, size) : unlinkat(fd, name, 0);
        }
        close(fd);
        return r == 0 && !size ? rmdir(path) : r;
}

static int
do_tree(const char *root, unsigned long files, char *content, size_t size)
{
        char path[4096];
        unsigned long folder = 0;
        for (unsigned long first = 0; first < files; first += FILES_PER_FOLDER, folder++) {
                unsigned long end = first + FILES_PER_FOLDER < files ? first + FILES_PER_FOLDER : files;
                snprintf(path, sizeof path, "%s/lib-%04lu", root, folder / FOLDERS_PER_GROUP);
                if (size && folder % FOLDERS_PER_GROUP == 0 && mkdir(path, 0755) < 0)
                        return fail(path);
                snprintf(path, sizeof path, "%s/lib-%04lu/p-%03lu", root, folder / FOLDERS_PER_GROUP,
                        folder % FOLDERS_PER_GROUP);
                if (do_folder(path, first, end, content, size) < 0)
                        return fail(path);
                snprintf(path, sizeof path, "%s/lib-%04lu", root, folder / FOLDERS_PER_GROUP);
                if (!size && (folder % FOLDERS_PER_GROUP == FOLDERS_PER_GROUP - 1 || end == files) &&
                        rmdir(path) < 0)
                        return fail(path);
        }
        return 0;
}

int
main(int argc, char **argv)
{
        static char content[BYTES_MAX + 2];
        bool takes_away = argc == 4 && strcmp(argv[3], "rm") == 0;
        unsigned long files = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
        size_t size = takes_away ? 0 : argc == 4 ? strtoul(argv[3], NULL, 10) : 64;
        if (!files || argc > 4 || (!takes_away && (size < 8 || size > BYTES_MAX))) {
                fprintf(stderr, "usage: tree FOLDER FILES [BYTES (8 to %u) | rm]\n", BYTES_MAX);
                return 4;
        }
        if (!takes_away && mkdir(argv[1], 0755) < 0 && errno != EEXIST)
                return fail(argv[1]);
        return do_tree(argv[1], files, content, size);
}
