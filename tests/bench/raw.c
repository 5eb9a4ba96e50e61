/* SPDX-License-Identifier: MIT */
/*
 * The raw reference of `make bench`: walks a tree on one file system and hashes every regular file, with as
 * many threads as asked for, and does nothing else: no attributes, no judging, no memory of what it saw. What
 * driftd needs above this is its price.
 *
 *     raw FOLDER [THREADS [read]]     prints: files, bytes, seconds; read: without the SHA-256
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/digest.h"

#define QUEUE_FILES 4096u              /* found and not yet hashed */
#define READ_BYTES ((size_t)256 << 10) /* of one read */
#define THREADS_MAX 64u

/* A ring of descriptors' worth of paths: the walker puts, the hashers take. */
struct queue {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        char *paths[QUEUE_FILES];
        size_t first, count;
        bool over;
        bool hashes;
        uint64_t files, bytes;
};

static void
queue_put(struct queue *queue, char *path)
{
        pthread_mutex_lock(&queue->lock);
        while (queue->count == QUEUE_FILES)
                pthread_cond_wait(&queue->changed, &queue->lock);
        queue->paths[(queue->first + queue->count++) % QUEUE_FILES] = path;
        pthread_cond_broadcast(&queue->changed);
        pthread_mutex_unlock(&queue->lock);
}

/* NULL: there are no more. */
static char *
queue_take(struct queue *queue)
{
        char *path = NULL;
        pthread_mutex_lock(&queue->lock);
        while (!queue->count && !queue->over)
                pthread_cond_wait(&queue->changed, &queue->lock);
        if (queue->count) {
                path = queue->paths[queue->first];
                queue->first = (queue->first + 1) % QUEUE_FILES;
                queue->count--;
                pthread_cond_broadcast(&queue->changed);
        }
        pthread_mutex_unlock(&queue->lock);
        return path;
}

static uint64_t
read_file(const char *path, struct digester *digester, char *buffer)
{
        struct digest digest;
        uint64_t bytes = 0;
        ssize_t size;
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
        if (fd < 0)
                return 0;
        if (digester)
                digester_start(digester);
        while ((size = read(fd, buffer, READ_BYTES)) > 0) {
                if (digester)
                        digester_update(digester, buffer, (size_t)size);
                bytes += (uint64_t)size;
        }
        if (digester)
                digester_final(digester, &digest);
        return bytes;
}

static void *
hasher(void *argument)
{
        struct queue *queue = argument;
        _cleanup_(digester_freep) struct digester *digester = digester_new();
        _cleanup_free_ char *buffer = malloc(READ_BYTES);
        uint64_t files = 0, bytes = 0;
        char *path;
        while (digester && buffer && (path = queue_take(queue))) {
                bytes += read_file(path, queue->hashes ? digester : NULL, buffer);
                files++;
                free(path);
        }
        pthread_mutex_lock(&queue->lock);
        queue->files += files;
        queue->bytes += bytes;
        pthread_mutex_unlock(&queue->lock);
        return NULL;
}

/* Depth is the tree's own: a reference for trees that one has, not for hostile ones. */
static void
walk(struct queue *queue, const char *folder, dev_t device)
{
        DIR *stream = opendir(folder);
        struct dirent *entry;
        while (stream && (entry = readdir(stream))) {
                char *path;
                struct stat st;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
                        break;
                if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        st.st_dev == device) {
                        if (S_ISREG(st.st_mode)) {
                                queue_put(queue, path);
                                continue;
                        }
                        if (S_ISDIR(st.st_mode))
                                walk(queue, path, device);
                }
                free(path);
        }
        if (stream)
                closedir(stream);
}

static double
now(void)
{
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
        static struct queue queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        pthread_t threads[THREADS_MAX];
        struct stat st;
        unsigned n =
                argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
        queue.hashes = argc < 4;
        if (argc < 2 || argc > 4 || (argc == 4 && strcmp(argv[3], "read") != 0) || n < 1 || n > THREADS_MAX ||
                stat(argv[1], &st) < 0 || digest_setup() < 0) {
                fprintf(stderr, "usage: raw FOLDER [THREADS [read]], 1 to %u threads\n", THREADS_MAX);
                return 4;
        }
        double start = now();
        for (unsigned i = 0; i < n; i++)
                if (pthread_create(&threads[i], NULL, hasher, &queue) != 0) {
                        fprintf(stderr, "raw: no thread: %s\n", strerror(errno));
                        return 4;
                }
        walk(&queue, argv[1], st.st_dev);
        pthread_mutex_lock(&queue.lock);
        queue.over = true;
        pthread_cond_broadcast(&queue.changed);
        pthread_mutex_unlock(&queue.lock);
        for (unsigned i = 0; i < n; i++)
                pthread_join(threads[i], NULL);
        printf("%llu %llu %.3f\n", (unsigned long long)queue.files, (unsigned long long)queue.bytes,
                now() - start);
        return 0;
}
