/* SPDX-License-Identifier: MIT */
/*
 * fileless FILE — waits until whoever watches has read it, becomes a copy of itself that no file holds,
 * writes to FILE and ends at once. It is linked statically: no loader is executed with it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int
fail(const char *what)
{
        perror(what);
        return 1;
}

static int
write_line(const char *path)
{
        int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        return fd < 0 || write(fd, "two\n", 4) != 4 ? fail(path) : 0;
}

int
main(int argc, char **argv)
{
        char bytes[1 << 16];
        ssize_t size;
        if (argc == 3 && strcmp(argv[1], "again") == 0)
                return write_line(argv[2]);
        if (argc != 2)
                return 2;
        int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), copy = memfd_create("copy", MFD_CLOEXEC);
        while ((size = read(self, bytes, sizeof bytes)) > 0)
                if (write(copy, bytes, (size_t)size) != size)
                        return fail("memfd");
        usleep(20000); /* no wait for a condition: the longer, the surer the fault that must not come */
        char name[] = "dpkg", again[] = "again";
        char *arguments[] = {name, again, argv[1], NULL}, *nothing[] = {NULL};
        fexecve(copy, arguments, nothing);
        return fail("fexecve");
}
