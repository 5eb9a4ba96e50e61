/* SPDX-License-Identifier: MIT */
/*
 * Traps of the file system that no shell can set. Each runs until it is killed, unless said otherwise, and
 * prints one line once the trap is set.
 *
 *   fs_trap silent FOLDER              a FUSE file system that answers its mount and nothing else, ever
 *   fs_trap hold FILE FIRST SECOND     stores the byte FIRST through a shared mapping; for each line on
 * standard input it then stores SECOND, FIRST, SECOND … and prints a line: on tmpfs neither a time nor an
 * event tells of that fs_trap alternate FILE SIZE        overwrites FILE in place, all 'a', then all 'b', …,
 * without a pause fs_trap swap FOLDER LINK           exchanges the two names in one step, again and again
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
fail(const char *what)
{
        fprintf(stderr, "fs_trap: %s: %s\n", what, strerror(errno));
        return 1;
}

static void
ready(void)
{
        puts("ready");
        fflush(stdout);
}

/* The one answer: to FUSE_INIT, with the version that was offered (fuse(4)). */
static int
answer_init(int fd)
{
        static char request[FUSE_MIN_READ_BUFFER + 4096];
        ssize_t size = read(fd, request, sizeof request);
        if (size < (ssize_t)sizeof(struct fuse_in_header))
                return -1;
        const struct fuse_in_header *in = (const void *)request;
        struct {
                struct fuse_out_header header;
                struct fuse_init_out init;
        } out = {
                .header = {.len = sizeof out, .unique = in->unique},
                .init = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096},
        };
        return write(fd, &out, sizeof out) == (ssize_t)sizeof out ? 0 : -1;
}

static int
silent(char **argv)
{
        char options[64];
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return fail("/dev/fuse");
        snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
        if (mount("silent", argv[0], "fuse.silent", MS_NOSUID | MS_NODEV, options) < 0)
                return fail("mount");
        if (answer_init(fd) < 0)
                return fail("FUSE_INIT");
        ready();
        for (;;)
                pause();
}

static int
hold(char **argv)
{
        char line[16];
        int fd = open(argv[0], O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return fail(argv[0]);
        volatile char *byte = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (byte == MAP_FAILED)
                return fail("mmap");
        *byte = argv[1][0];
        ready();
        for (unsigned turn = 0; fgets(line, sizeof line, stdin); turn++) {
                *byte = turn % 2 ? argv[1][0] : argv[2][0];
                ready();
        }
        return 0;
}

static int
alternate(char **argv)
{
        size_t size = strtoul(argv[1], NULL, 10);
        int fd = open(argv[0], O_WRONLY | O_CLOEXEC);
        char *block = malloc(size);
        if (fd < 0 || !block)
                return fail(argv[0]);
        ready();
        for (unsigned turn = 0;; turn++) {
                memset(block, turn % 2 ? 'b' : 'a', size);
                if (pwrite(fd, block, size, 0) != (ssize_t)size)
                        return fail("pwrite");
        }
}

static int
leave_socket(char **argv)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        size_t size = strlen(argv[0]) + 1;
        if (fd < 0 || size > sizeof address.sun_path)
                return fail(argv[0]);
        memcpy(address.sun_path, argv[0], size);
        return bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? fail(argv[0]) : 0;
}

static int
swap(char **argv)
{
        ready();
        for (;;)
                if (renameat2(AT_FDCWD, argv[0], AT_FDCWD, argv[1], RENAME_EXCHANGE) < 0)
                        return fail("renameat2");
}

int
main(int argc, char **argv)
{
        static const struct {
                const char *name;
                int n_arguments;
                int (*run)(char **argv);
        } traps[] = {{"silent", 1, silent}, {"hold", 3, hold}, {"alternate", 2, alternate}, {"swap", 2, swap},
                {"socket", 1, leave_socket}};
        for (size_t i = 0; argc > 1 && i < sizeof traps / sizeof traps[0]; i++)
                if (strcmp(argv[1], traps[i].name) == 0 && argc == traps[i].n_arguments + 2)
                        return traps[i].run(argv + 2);
        fputs("fs_trap: silent FOLDER | hold FILE FIRST SECOND | alternate FILE SIZE | socket PATH | swap "
              "FOLDER LINK\n",
                stderr);
        return 4;
}
