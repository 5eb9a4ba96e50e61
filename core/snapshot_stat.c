/* SPDX-License-Identifier: MIT */
/*
 * What a stat alone says: the attributes that it tells, the eight bytes that stand for all of it, and whether
 * two of one inode are of one piece. Pure, but for the clock that the age of a change is measured by.
 */
#include "core/clock.h"
#include "core/folder.h"
#include "core/snapshot_reader.h"

#define RACY_MS 100 /* a change within one tick of the clock leaves ctime as it was */

static const enum file_type types_by_format[] = {
        [S_IFREG >> 12] = FILE_REGULAR,
        [S_IFDIR >> 12] = FILE_FOLDER,
        [S_IFLNK >> 12] = FILE_LINK,
        [S_IFIFO >> 12] = FILE_FIFO,
        [S_IFSOCK >> 12] = FILE_SOCKET,
        [S_IFCHR >> 12] = FILE_CHAR,
        [S_IFBLK >> 12] = FILE_BLOCK,
};

static int64_t
time_ns(const struct statx_timestamp *time)
{
        return time->tv_sec * 1000000000 + time->tv_nsec;
}

static uint64_t
rotate(uint64_t value, unsigned bits)
{
        return value << bits | value >> (64 - bits);
}

/*
 * Two lanes, each multiplied and shifted (the constants are odd fractions of the golden ratio and of the
 * square root of two), crossed at each word so that no single field can be chosen to undo a change of
 * another.
 */
stat_mark
stat_mark_of(const struct statx *stx)
{
        const uint64_t words[] = {
                (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor,
                stx->stx_ino,
                (uint64_t)stx->stx_mode,
                (uint64_t)stx->stx_uid << 32 | stx->stx_gid,
                stx->stx_size,
                (uint64_t)stx->stx_mtime.tv_sec,
                (uint64_t)stx->stx_mtime.tv_nsec << 32 | stx->stx_ctime.tv_nsec,
                (uint64_t)stx->stx_ctime.tv_sec,
                (uint64_t)stx->stx_rdev_major << 32 | stx->stx_rdev_minor,
        };
        uint64_t a = 0x9e3779b97f4a7c15, b = 0xb504f333f9de6485;
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                a = (a ^ words[i]) * 0x9e3779b97f4a7c15;
                b = (b + rotate(words[i], 23)) * 0xb504f333f9de6485;
                a ^= b >> 31;
                b ^= a >> 29;
        }
        a = (a ^ rotate(b, 32)) * 0x9e3779b97f4a7c15;
        a ^= a >> 32;
        return a ? a : 1;
}

static void
attributes_from_stat(const struct statx *stx, struct attributes *ret)
{
        const uint32_t told =
                ATTRIBUTES_ALL & ~(ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) | ATTRIBUTE_BIT(ATTRIBUTE_TARGET) |
                                         ATTRIBUTE_BIT(ATTRIBUTE_XATTRS) | ATTRIBUTE_BIT(ATTRIBUTE_FLAGS));
        enum file_type type = types_by_format[(stx->stx_mode & S_IFMT) >> 12];
        *ret = (struct attributes){
                .known = attribute_applicable(told, type),
                .type = type,
                .mode = stx->stx_mode & 07777,
                .uid = stx->stx_uid,
                .gid = stx->stx_gid,
                .size = stx->stx_size,
                .rdev_major = stx->stx_rdev_major,
                .rdev_minor = stx->stx_rdev_minor,
                .mtime_ns = time_ns(&stx->stx_mtime),
                .ctime_ns = time_ns(&stx->stx_ctime),
                .inode = stx->stx_ino,
                .nlink = stx->stx_nlink,
        };
}

void
snapshot_from_stat(const struct statx *stx, bool world, struct snapshot *ret)
{
        int64_t taken_ms = ret->taken_ms ? ret->taken_ms : clock_now_ms();
        *ret = (struct snapshot){
                .dev = statx_dev(stx),
                .world_readable = world && stx->stx_mode & S_IROTH,
                .taken_ms = taken_ms,
        };
        attributes_from_stat(stx, &ret->attributes);
        if (taken_ms - ret->attributes.ctime_ns / 1000000 >= RACY_MS)
                ret->mark = stat_mark_of(stx);
}

static bool
times_equal(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
same_inode(const struct statx *a, const struct statx *b)
{
        return a->stx_ino == b->stx_ino && statx_dev(a) == statx_dev(b) && a->stx_mode == b->stx_mode &&
               a->stx_uid == b->stx_uid && a->stx_gid == b->stx_gid &&
               a->stx_rdev_major == b->stx_rdev_major && a->stx_rdev_minor == b->stx_rdev_minor;
}

bool
snapshot_held_still(const struct statx *before, const struct statx *after, const struct snapshot_wish *wish)
{
        if (!same_inode(before, after))
                return false;
        if (!S_ISREG(before->stx_mode) || !wish->content)
                return true;
        if (wish->prefix != UINT64_MAX && after->stx_size > before->stx_size)
                return true;
        return before->stx_size == after->stx_size && times_equal(&before->stx_mtime, &after->stx_mtime) &&
               times_equal(&before->stx_ctime, &after->stx_ctime);
}
