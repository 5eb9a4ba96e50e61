/* SPDX-License-Identifier: MIT */
/*
 * Reading a file without pushing out what the host keeps in memory: what reading brings into the page cache
 * and was not there before is dropped again; what was there stays. By RWF_DONTCACHE (Linux 6.14, where the
 * file system has it), else by mincore(2) before and posix_fadvise(2) after.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE_CACHE_PARTS 512u

/* What of one file was in the page cache before it was read, part by part. */
struct page_cache {
        bool by_kernel;     /* the kernel drops what it brings in: nothing is to be remembered */
        bool known;         /* `cached` holds */
        uint64_t part_size; /* bytes; the last part goes on to the end */
        uint64_t cached[PAGE_CACHE_PARTS / 64]; /* bits: some of the part was there */
};

/* Before the first read of a regular file of this size. by_kernel: whether to try the kernel's way first. */
void page_cache_note(struct page_cache *cache, int fd, uint64_t size, bool by_kernel);
/* read(2) of a file that was noted. */
ssize_t page_cache_read(struct page_cache *cache, int fd, void *data, size_t size);
/* After the last read, of this many bytes. */
void page_cache_drop(const struct page_cache *cache, int fd, uint64_t size);
