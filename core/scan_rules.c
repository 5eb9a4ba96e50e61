/* SPDX-License-Identifier: MIT */
/*
 * What the walk may and may not do: which names it leaves out, which mounts it goes into, how fast it reads.
 * Pure questions, but for the rate's bucket; owns nothing else.
 *
 * A mount is noticed by its id (or, between folders, by another device: a subvolume), and only then is its
 * file system asked for its type. On overlayfs a file's device differs from its folder's without any mount,
 * so for files the id alone counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include "core/item.h"
#include "core/scan_internal.h"

#define RATE_BURST_NS 100000000 /* what may be read at once after a pause */
#define RATE_SLICE_NS 20000000  /* how soon a cancel is seen while waiting */

/* ---- mounts ---- */

/* Types whose magic number <linux/magic.h> does not have. */
#define MAGIC_CIFS 0xff534d42
#define MAGIC_SMB2 0xfe534d42
#define MAGIC_MQUEUE 0x19800202
#define MAGIC_CONFIGFS 0x62656570
#define MAGIC_FUSECTL 0x65735543
#define MAGIC_RPC_PIPEFS 0x67596969
#define MAGIC_NFSD 0x6e667364
#define MAGIC_LUSTRE 0x0bd00bd0
#define MAGIC_GPFS 0x47504653
#define MAGIC_ORANGEFS 0x20030528
#define MAGIC_VMHGFS 0xbacbacbc
#define MAGIC_VBOXSF 0x786f4256

/* Network and FUSE file systems may never answer; those of the kernel are no files. */
static const uint32_t foreign_types[] = {
        NFS_SUPER_MAGIC,
        SMB_SUPER_MAGIC,
        MAGIC_CIFS,
        MAGIC_SMB2,
        V9FS_MAGIC,
        CEPH_SUPER_MAGIC,
        AFS_SUPER_MAGIC,
        AFS_FS_MAGIC,
        CODA_SUPER_MAGIC,
        NCP_SUPER_MAGIC,
        MAGIC_LUSTRE,
        MAGIC_GPFS,
        MAGIC_ORANGEFS,
        MAGIC_VMHGFS,
        MAGIC_VBOXSF,
        FUSE_SUPER_MAGIC,
        PROC_SUPER_MAGIC,
        SYSFS_MAGIC,
        CGROUP_SUPER_MAGIC,
        CGROUP2_SUPER_MAGIC,
        DEVPTS_SUPER_MAGIC,
        DEBUGFS_MAGIC,
        TRACEFS_MAGIC,
        SECURITYFS_MAGIC,
        BPF_FS_MAGIC,
        PSTOREFS_MAGIC,
        MAGIC_CONFIGFS,
        EFIVARFS_MAGIC,
        MAGIC_MQUEUE,
        HUGETLBFS_MAGIC,
        BINFMTFS_MAGIC,
        AUTOFS_SUPER_MAGIC,
        NSFS_MAGIC,
        SELINUX_MAGIC,
        SMACK_MAGIC,
        MAGIC_FUSECTL,
        MAGIC_RPC_PIPEFS,
        MAGIC_NFSD,
        BINDERFS_SUPER_MAGIC,
        XENFS_SUPER_MAGIC,
        RDTGROUP_SUPER_MAGIC,
};

static bool
is_crossing(const struct scan_place *place, const struct statx *stx)
{
        bool folder = S_ISDIR(stx->stx_mode);
        if (stx->stx_mask & STATX_MNT_ID && stx->stx_mnt_id != place->mount_id)
                return true;
        if (stx->stx_attributes & STATX_ATTR_MOUNT_ROOT)
                return true;
        if (folder && stx->stx_attributes & STATX_ATTR_AUTOMOUNT)
                return true;
        return folder && statx_dev(stx) != place->dev;
}

static int
type_check(int fd)
{
        struct statfs fs;
        if (fstatfs(fd, &fs) < 0)
                return -errno;
        for (size_t i = 0; i < ARRAY_SIZE(foreign_types); i++)
                if ((uint32_t)fs.f_type == foreign_types[i])
                        return -EXDEV;
        return 0;
}

int
scan_mount_check(
        const struct scan_place *place, const struct scope *scope, const char *name, const struct statx *stx)
{
        if (place->named || !is_crossing(place, stx))
                return 0;
        /* What would be mounted by going in is not there yet: we are not the one to mount it. */
        if (scope->mounts == SCOPE_MOUNTS_NONE || stx->stx_attributes & STATX_ATTR_AUTOMOUNT)
                return -EXDEV;
        _cleanup_fd_ int fd = entry_open(place->fd, name, O_PATH | O_NOFOLLOW);
        return fd < 0 ? fd : type_check(fd);
}

/* ---- exclusions ---- */

/* Bytes before the first wildcard. */
static size_t
literal_size(const char *pattern)
{
        return strcspn(pattern, "*?");
}

bool
scan_may_exclude(const struct scope *scope, const char *escaped_folder)
{
        size_t size = strlen(escaped_folder);
        for (size_t i = 0; i < scope->excludes.count; i++) {
                const char *pattern = scope->excludes.items[i];
                size_t literal = literal_size(pattern);
                if (strncmp(pattern, escaped_folder, min_size(literal, size)) != 0)
                        continue;
                if (literal <= size || size == 1 || pattern[size] == '/')
                        return true;
        }
        return false;
}

bool
scan_excludes(const struct scope *scope, const char *escaped)
{
        for (size_t i = 0; i < scope->excludes.count; i++)
                if (glob_match(scope->excludes.items[i], escaped))
                        return true;
        return false;
}

bool
path_is_below(const char *path, const char *folder)
{
        size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
        return strncmp(path, folder, size) == 0 && path[size] == '/' && path[size + 1];
}

/* ---- the rate ---- */

static int64_t
now_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000000 + now.tv_nsec;
}

int
scan_rate_pay(struct scan *scan, size_t bytes)
{
        struct scan_rate *rate = &scan->rate;
        int64_t cost_ns = (int64_t)((double)bytes * 1e9 / (double)rate->bytes_per_s);
        int64_t now = now_ns();
        pthread_mutex_lock(&rate->lock);
        if (rate->next_ns < now - RATE_BURST_NS)
                rate->next_ns = now - RATE_BURST_NS;
        rate->next_ns += cost_ns;
        int64_t until = rate->next_ns;
        pthread_mutex_unlock(&rate->lock);
        for (; now < until; now = now_ns()) {
                if (scan_is_stopped(scan))
                        return -ECANCELED;
                int64_t left = until - now;
                struct timespec slice = {.tv_nsec = left < RATE_SLICE_NS ? left : RATE_SLICE_NS};
                nanosleep(&slice, NULL);
        }
        return 0;
}

void
scan_thread_background(void)
{
        const int who_process = 1, class_idle = 3 << 13; /* linux/ioprio.h; 0 is the calling thread */
        struct sched_param none = {0};
        pid_t thread = (pid_t)syscall(SYS_gettid);
        (void)syscall(SYS_ioprio_set, who_process, 0, class_idle);
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
        (void)setpriority(PRIO_PROCESS, (id_t)thread, 19);
}
