/* SPDX-License-Identifier: MIT */
/*
 * Small things that every file uses: cleanup attributes, ownership that is handed over, arrays.
 *
 * The cleanup idiom: a free function takes NULL and half-built objects and returns NULL, so that
 * `x = thing_free(x)` is always right; CLEANUP_DEFINE makes it usable as `_cleanup_(thing_freep)`.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _pure_ __attribute__((pure))

/* Whether AddressSanitizer sees all memory (and maps terabytes of addresses for it). */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define CLEANUP_DEFINE(type, function)                                                                       \
        static inline void function##p(type *pointer)                                                        \
        {                                                                                                    \
                *pointer = function(*pointer);                                                               \
        }

/* Takes the pointer out of a variable, so that its cleanup frees nothing. */
#define steal_pointer(pointer)                                                                               \
        ({                                                                                                   \
                typeof(*(pointer)) stolen_ = *(pointer);                                                     \
                *(pointer) = NULL;                                                                           \
                stolen_;                                                                                     \
        })

static inline int
steal_fd(int *fd)
{
        int stolen = *fd;
        *fd = -1;
        return stolen;
}

static inline void
freep(void *pointer)
{
        free(*(void **)pointer);
}

/* Closes a descriptor if it is open; -1 is nothing. Keeps errno. */
void fd_close(int fd);

static inline void
fd_closep(int *fd)
{
        fd_close(*fd);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_fd_ _cleanup_(fd_closep)

static inline size_t
min_size(size_t a, size_t b)
{
        return a < b ? a : b;
}

/*
 * Room for one more in an array of count elements, which doubles whenever count is a power of two (so that a
 * million cost twenty copies); count starts at 0 with a NULL array. list: its address. 0 or -ENOMEM, and then
 * the array is as it was.
 */
#define array_grow(list, count) array_grow_by((list), (count), sizeof **(list))

static inline int
array_grow_by(void *list, size_t count, size_t element)
{
        void *array; /* (by memcpy: it is a pointer of another type) */
        if (count & (count - 1))
                return 0;
        memcpy(&array, list, sizeof array);
        void *grown = reallocarray(array, count ? 2 * count : 1, element);
        if (!grown)
                return -ENOMEM;
        memcpy(list, &grown, sizeof grown);
        return 0;
}
