/* SPDX-License-Identifier: MIT */
/*
 * A part is either touched by others or brought in by us: where any of its pages was there, all of it stays.
 * The kernel reads ahead, so that only a look before the first read tells the two apart.
 */
#include "core/page_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* linux/fs.h since 6.14 */
#endif

#define PART_MIN ((uint64_t)1 << 20) /* bytes */
#define PAGES_AT_ONCE 4096u

/* Whether mincore(2) finds one page of these in memory. */
static bool
any_cached(unsigned char *map, uint64_t size, uint64_t page_size)
{
        unsigned char pages[PAGES_AT_ONCE];
        uint64_t step = PAGES_AT_ONCE * page_size;
        for (uint64_t at = 0; at < size; at += step) {
                uint64_t left = size - at < step ? size - at : step;
                if (mincore(map + at, (size_t)left, pages) < 0)
                        return true; /* not known: let it be */
                if (memchr(pages, 1, (size_t)((left + page_size - 1) / page_size)))
                        return true;
        }
        return false;
}

static void
note_parts(struct page_cache *cache, int fd, uint64_t size)
{
        uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
        uint64_t part_size = size / PAGE_CACHE_PARTS + 1;
        if (part_size < PART_MIN)
                part_size = PART_MIN;
        part_size = (part_size + page_size - 1) / page_size * page_size;
        /* Nothing is read through the map, so that a file that is cut meanwhile does no harm. */
        unsigned char *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (map == MAP_FAILED)
                return;
        for (uint64_t at = 0, part = 0; at < size; at += part_size, part++) {
                uint64_t left = size - at < part_size ? size - at : part_size;
                if (any_cached(map + at, left, page_size))
                        cache->cached[part / 64] |= UINT64_C(1) << part % 64;
        }
        munmap(map, (size_t)size);
        cache->part_size = part_size;
        cache->known = true;
}

void
page_cache_note(struct page_cache *cache, int fd, uint64_t size, bool by_kernel)
{
        *cache = (struct page_cache){.by_kernel = by_kernel && size};
        if (!cache->by_kernel && size)
                note_parts(cache, fd, size);
}

ssize_t
page_cache_read(struct page_cache *cache, int fd, void *data, size_t size)
{
        if (cache->by_kernel) {
                struct iovec whole = {.iov_base = data, .iov_len = size};
                ssize_t n = preadv2(fd, &whole, 1, -1, RWF_DONTCACHE);
                if (n >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS))
                        return n;
                off_t end = lseek(fd, 0, SEEK_END); /* nothing was read yet: the first try says it for all */
                cache->by_kernel = false;
                if (end < 0 || lseek(fd, 0, SEEK_SET) < 0)
                        return -1;
                if (end > 0)
                        note_parts(cache, fd, (uint64_t)end);
        }
        return read(fd, data, size);
}

static bool
is_cached(const struct page_cache *cache, uint64_t at)
{
        uint64_t part = at / cache->part_size;
        return part >= PAGE_CACHE_PARTS || cache->cached[part / 64] >> part % 64 & 1;
}

/* As few ranges as there are: of a large folio that lies across the end of a range nothing is dropped. */
void
page_cache_drop(const struct page_cache *cache, int fd, uint64_t size)
{
        for (uint64_t at = 0, end; cache->known && at < size; at = end) {
                bool cached = is_cached(cache, at);
                end = at + cache->part_size;
                while (end < size && is_cached(cache, end) == cached)
                        end += cache->part_size;
                if (!cached)
                        (void)posix_fadvise(fd, (off_t)at, (off_t)(end - at), POSIX_FADV_DONTNEED);
        }
}
