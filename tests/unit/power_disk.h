/* SPDX-License-Identifier: MIT */
/*
 * A disk that loses power, for tests of the store: a VFS between SQLite and the real one that writes down
 * every write, truncation, sync, creation and removal, and makes of that what a disk may hold if power is
 * lost at some point.
 *
 * What was synced is there. What was not is there wholly, not at all, or by sectors, each of which may have
 * been written or not, in any order; the size of a file likewise. A file that was made is found by its name
 * once its folder was synced (SQLite's own VFS does that with the first sync of a log or a journal), and one
 * that was removed may come back until then. A sync that fails loses for good what it should have written,
 * though reading still shows it, and so is whatever is written to the same sectors of that file later: so the
 * kernel and ext4 do it (a page that could not be written is clean afterwards, and its block may stay
 * unwritten).
 */
#pragma once

#include "store_fixture.h"

#define DISK_SECTOR 512u /* bytes */
#define DISK_FILES_MAX 64u
#define DISK_NAMES 6u

static const char *const disk_suffixes[DISK_NAMES] = {
        "", "-wal", "-journal", ".renew", ".renew-journal", ".renew-wal"};

/* ---- files ---- */

struct disk_op {
        bool truncate;
        size_t at, size; /* truncate: at is the new size */
        unsigned char *bytes;
};

/* An inode. The cache is what reading shows, the platter what is there after power is lost. */
struct disk_file {
        struct buf cache, platter;
        struct buf before; /* the cache before the first op that is not synced */
        struct buf cursed; /* a byte a sector: not 0 if it is lost for good */
        ino_t inode;
        struct disk_op *ops;
        size_t n_ops, room;
        unsigned name; /* index of its suffix */
};

struct disk_link { /* a change of the folder that is not synced */
        unsigned name;
        int file; /* -1: removed */
};

static struct disk {
        sqlite3_vfs vfs;
        sqlite3_vfs *real;
        char path[128]; /* of the database */
        struct disk_file files[DISK_FILES_MAX];
        size_t n_files;
        int names[DISK_NAMES];   /* file, or -1: as the programs see them */
        int durable[DISK_NAMES]; /* as the platter has them */
        struct disk_link links[64];
        size_t n_links;
        long syncs;            /* done so far */
        long fail_at;          /* the sync that fails, by number; < 0: none */
        long lie_at;           /* the sync that says it was done, and was not */
        uint64_t chance;       /* state of the dice */
        void (*at_sync)(void); /* before each sync: power may be lost here */
} disk;

static uint64_t
disk_dice(void)
{
        uint64_t x = disk.chance += 0x9e3779b97f4a7c15; /* splitmix64 */
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
}

static bool
disk_chance(unsigned percent)
{
        return disk_dice() % 100 < percent;
}

static void
bytes_resize(struct buf *bytes, size_t size)
{
        if (size > bytes->size) {
                size_t old = bytes->size;
                ck_assert_int_eq(buf_reserve(bytes, size - old), 0);
                memset(bytes->data + old, 0, size - old);
        }
        bytes->size = size;
}

static void
bytes_copy(struct buf *to, const struct buf *from)
{
        bytes_resize(to, from->size);
        if (from->size)
                memcpy(to->data, from->data, from->size);
}

static void
op_apply(struct buf *bytes, const struct disk_op *op)
{
        if (op->truncate) {
                if (op->at < bytes->size)
                        bytes->size = op->at;
                return;
        }
        if (op->at + op->size > bytes->size)
                bytes_resize(bytes, op->at + op->size);
        memcpy(bytes->data + op->at, op->bytes, op->size);
}

static void
ops_clear(struct disk_file *file)
{
        for (size_t i = 0; i < file->n_ops; i++)
                free(file->ops[i].bytes);
        file->n_ops = 0;
        bytes_copy(&file->before, &file->cache);
}

static void
file_do(struct disk_file *file, bool truncate, size_t at, const void *bytes, size_t size)
{
        if (file->n_ops == file->room) {
                file->room = file->room ? 2 * file->room : 64;
                file->ops = reallocarray(file->ops, file->room, sizeof *file->ops);
                ck_assert_ptr_nonnull(file->ops);
        }
        struct disk_op *op = &file->ops[file->n_ops++];
        *op = (struct disk_op){truncate, at, size, NULL};
        if (!truncate) {
                op->bytes = malloc(size + 1);
                ck_assert_ptr_nonnull(op->bytes);
                memcpy(op->bytes, bytes, size);
        }
        op_apply(&file->cache, op);
}

/* ---- what power lost now leaves ---- */

/* Sector by sector, each as some op left it, or as it was. */
static void
file_tear(const struct disk_file *file, unsigned percent, struct buf *image)
{
        struct buf seen = {0};
        bytes_copy(&seen, &file->before);
        bytes_copy(image, &file->platter);
        size_t size = image->size;
        for (size_t i = 0; i < file->n_ops; i++) {
                const struct disk_op *op = &file->ops[i];
                op_apply(&seen, op);
                if (op->truncate) {
                        if (!disk_chance(percent))
                                continue;
                        size = op->at;
                        if (op->at < image->size)
                                memset(image->data + op->at, 0, image->size - op->at);
                        continue;
                }
                for (size_t at = op->at / DISK_SECTOR * DISK_SECTOR; at < op->at + op->size;
                        at += DISK_SECTOR) {
                        size_t end = at + DISK_SECTOR < seen.size ? at + DISK_SECTOR : seen.size;
                        if (!disk_chance(percent))
                                continue;
                        if (end > image->size)
                                bytes_resize(image, end);
                        memcpy(image->data + at, seen.data + at, end - at);
                }
                if (op->at + op->size > size && disk_chance(percent))
                        size = op->at + op->size;
        }
        bytes_resize(image, size);
        buf_done(&seen);
}

/* Cursed sectors stay as they are on the platter; what they never were is zeros. */
static void
curse_keep(const struct disk_file *file, struct buf *image)
{
        for (size_t i = 0; i < file->cursed.size && i * DISK_SECTOR < image->size; i++) {
                size_t at = i * DISK_SECTOR,
                       size = image->size - at < DISK_SECTOR ? image->size - at : DISK_SECTOR;
                if (!file->cursed.data[i])
                        continue;
                memset(image->data + at, 0, size);
                if (at < file->platter.size)
                        memcpy(image->data + at, file->platter.data + at,
                                size < file->platter.size - at ? size : file->platter.size - at);
        }
}

/* percent 0: nothing that was not synced is there; 100: all of it. */
static void
file_image(const struct disk_file *file, unsigned percent, struct buf *image)
{
        if (percent == 0 || percent == 100)
                bytes_copy(image, percent ? &file->cache : &file->platter);
        else
                file_tear(file, percent, image);
        curse_keep(file, image);
}

/* What the sync that fails now should have written. */
static void
curse(struct disk_file *file)
{
        for (size_t i = 0; i < file->n_ops; i++) {
                const struct disk_op *op = &file->ops[i];
                size_t first = op->at / DISK_SECTOR,
                       end = (op->at + op->size + DISK_SECTOR - 1) / DISK_SECTOR;
                if (op->truncate || !op->size)
                        continue;
                bytes_resize(&file->cursed, end > file->cursed.size ? end : file->cursed.size);
                memset(file->cursed.data + first, 1, end - first);
        }
}

static void
file_store(const char *name, const struct buf *bytes)
{
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, bytes->size ? bytes->data : "", bytes->size), (ssize_t)bytes->size);
        close(fd);
}

/* Writes what a disk holds after power was lost: the database at `to`, and what is beside it. */
static void
disk_image(const char *to, unsigned percent)
{
        int names[DISK_NAMES];
        memcpy(names, disk.durable, sizeof names);
        size_t n = percent == 0 ? 0 : percent == 100 ? disk.n_links : disk_dice() % (disk.n_links + 1);
        for (size_t i = 0; i < n; i++)
                names[disk.links[i].name] = disk.links[i].file;
        for (unsigned i = 0; i < DISK_NAMES; i++) {
                char name[160];
                struct buf image = {0};
                snprintf(name, sizeof name, "%s%s", to, disk_suffixes[i]);
                if (names[i] < 0) {
                        unlink(name);
                        continue;
                }
                file_image(&disk.files[names[i]], percent, &image);
                file_store(name, &image);
                buf_done(&image);
        }
}

/* ---- syncing ---- */

static void
folder_synced(void)
{
        memcpy(disk.durable, disk.names, sizeof disk.durable);
        disk.n_links = 0;
}

static void
link_note(unsigned name, int file)
{
        ck_assert_uint_lt(disk.n_links, ARRAY_SIZE(disk.links));
        disk.names[name] = file;
        disk.links[disk.n_links++] = (struct disk_link){name, file};
}

static ino_t
inode_of(unsigned name)
{
        char path_of[160];
        struct stat st;
        snprintf(path_of, sizeof path_of, "%s%s", disk.path, disk_suffixes[name]);
        return lstat(path_of, &st) == 0 ? st.st_ino : 0;
}

static int
file_of_inode(ino_t inode)
{
        for (size_t i = disk.n_files; inode && i-- > 0;)
                if (disk.files[i].inode == inode)
                        return (int)i;
        return -1;
}

/*
 * What the store did by itself, and not through the VFS: it renames the copy over the database, and then
 * removes the log; after each it syncs the folder, and power may be lost in between. New files are not seen
 * here, but when they are opened.
 */
static void
names_refresh(void)
{
        bool changed = false;
        for (unsigned name = 0; name < DISK_NAMES; name++) {
                int file = file_of_inode(inode_of(name));
                if (name == 1 && changed && disk.at_sync)
                        disk.at_sync();
                if (file == disk.names[name] || (file < 0 && inode_of(name)))
                        continue;
                if (disk.names[name] >= 0 && file < 0 && name == 3 && !changed)
                        disk.files[disk.names[name]].inode = 0; /* a copy that was given up */
                disk.names[name] = disk.durable[name] = file;
                if (name == 0)
                        disk.names[3] = disk.durable[3] = -1;
                changed = true;
        }
        if (changed)
                disk.n_links = 0;
}

static int
file_sync(struct disk_file *file)
{
        long number = disk.syncs++;
        names_refresh();
        if (disk.at_sync)
                disk.at_sync();
        if (number == disk.lie_at)
                return SQLITE_OK;
        if (number == disk.fail_at) {
                struct buf torn = {0};
                file_image(file, disk_chance(50) ? 0 : 50, &torn);
                bytes_copy(&file->platter, &torn);
                buf_done(&torn);
                curse(file);
                ops_clear(file);
                return SQLITE_IOERR_FSYNC;
        }
        struct buf written = {0};
        file_image(file, 100, &written);
        bytes_copy(&file->platter, &written);
        buf_done(&written);
        ops_clear(file);
        if (file->name == 1 || file->name == 2)
                folder_synced();
        return SQLITE_OK;
}

/* ---- the VFS ---- */

struct power_file {
        sqlite3_file base;
        struct disk_file *file;
        sqlite3_file *real;
};

#define REAL(handle) (((struct power_file *)(handle))->real)
#define FILE_OF(handle) (((struct power_file *)(handle))->file)

static int
power_close(sqlite3_file *handle)
{
        return REAL(handle)->pMethods->xClose(REAL(handle));
}

static int
power_read(sqlite3_file *handle, void *bytes, int size, sqlite3_int64 at)
{
        return REAL(handle)->pMethods->xRead(REAL(handle), bytes, size, at);
}

static int
power_write(sqlite3_file *handle, const void *bytes, int size, sqlite3_int64 at)
{
        int rc = REAL(handle)->pMethods->xWrite(REAL(handle), bytes, size, at);
        if (rc == SQLITE_OK)
                file_do(FILE_OF(handle), false, (size_t)at, bytes, (size_t)size);
        return rc;
}

static int
power_truncate(sqlite3_file *handle, sqlite3_int64 size)
{
        int rc = REAL(handle)->pMethods->xTruncate(REAL(handle), size);
        if (rc == SQLITE_OK)
                file_do(FILE_OF(handle), true, (size_t)size, NULL, 0);
        return rc;
}

static int
power_sync(sqlite3_file *handle, int flags)
{
        int rc = file_sync(FILE_OF(handle));
        return rc != SQLITE_OK ? rc : REAL(handle)->pMethods->xSync(REAL(handle), flags);
}

static int
power_size(sqlite3_file *handle, sqlite3_int64 *ret)
{
        return REAL(handle)->pMethods->xFileSize(REAL(handle), ret);
}

static int
power_lock(sqlite3_file *handle, int level)
{
        return REAL(handle)->pMethods->xLock(REAL(handle), level);
}

static int
power_unlock(sqlite3_file *handle, int level)
{
        return REAL(handle)->pMethods->xUnlock(REAL(handle), level);
}

static int
power_reserved(sqlite3_file *handle, int *ret)
{
        return REAL(handle)->pMethods->xCheckReservedLock(REAL(handle), ret);
}

static int
power_control(sqlite3_file *handle, int op, void *argument)
{
        if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
                return SQLITE_OK; /* the real one would write zeros past us */
        return REAL(handle)->pMethods->xFileControl(REAL(handle), op, argument);
}

static int
power_sector(sqlite3_file *handle)
{
        return REAL(handle)->pMethods->xSectorSize(REAL(handle));
}

static int
power_traits(sqlite3_file *handle)
{
        return REAL(handle)->pMethods->xDeviceCharacteristics(REAL(handle));
}

/* Version 1: without shared memory (the store locks exclusively) and without mapping. */
static const sqlite3_io_methods power_methods = {1, power_close, power_read, power_write, power_truncate,
        power_sync, power_size, power_lock, power_unlock, power_reserved, power_control, power_sector,
        power_traits, NULL, NULL, NULL, NULL, NULL, NULL};

static int
name_index_of(const char *name)
{
        size_t size = strlen(disk.path);
        for (unsigned i = 0; name && i < DISK_NAMES; i++)
                if (strncmp(name, disk.path, size) == 0 && strcmp(name + size, disk_suffixes[i]) == 0)
                        return (int)i;
        return -1;
}

/* A new inode for the name. The database and its copy are made by the store, with the folder synced. */
static struct disk_file *
file_make(unsigned name)
{
        ck_assert_uint_lt(disk.n_files, DISK_FILES_MAX);
        int number = (int)disk.n_files++;
        disk.files[number] = (struct disk_file){.name = name};
        if (name == 0 || name == 3)
                disk.names[name] = disk.durable[name] = number;
        else
                link_note(name, number);
        return &disk.files[number];
}

static int
power_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *handle, int flags, int *ret_flags)
{
        (void)vfs;
        struct power_file *file = (struct power_file *)handle;
        int index = name_index_of(name);
        names_refresh();
        file->real = (sqlite3_file *)(file + 1);
        file->base.pMethods = NULL;
        int rc = disk.real->xOpen(disk.real, name, file->real, flags, ret_flags);
        if (rc != SQLITE_OK)
                return rc;
        ck_assert_int_ge(index, 0); /* no other file may come into being */
        file->file = disk.names[index] >= 0 ? &disk.files[disk.names[index]] : file_make((unsigned)index);
        file->file->inode = inode_of((unsigned)index);
        file->base.pMethods = &power_methods;
        return SQLITE_OK;
}

static int
power_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
        (void)vfs;
        int index = name_index_of(name), rc = disk.real->xDelete(disk.real, name, sync_folder);
        if (rc == SQLITE_OK && index >= 0) {
                if (disk.names[index] >= 0)
                        disk.files[disk.names[index]].inode = 0;
                link_note((unsigned)index, -1);
                if (sync_folder)
                        folder_synced();
        }
        return rc;
}

/* ---- its life ---- */

/* Where thousands of images are made and synced: in memory where that is possible. */
static inline void
disk_folder_setup(void)
{
        folder_setup_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

/* A store that is opened from now on lies on the disk; it must be this one. */
static void
disk_start(const char *database, void (*at_sync)(void))
{
        disk = (struct disk){.real = sqlite3_vfs_find("unix"), .fail_at = -1, .lie_at = -1};
        snprintf(disk.path, sizeof disk.path, "%s", database);
        for (unsigned i = 0; i < DISK_NAMES; i++)
                disk.names[i] = disk.durable[i] = -1;
        disk.at_sync = at_sync;
        disk.vfs = *disk.real;
        disk.vfs.zName = "power";
        disk.vfs.pNext = NULL;
        disk.vfs.szOsFile = (int)sizeof(struct power_file) + disk.real->szOsFile;
        disk.vfs.xOpen = power_open;
        disk.vfs.xDelete = power_delete;
        ck_assert_int_eq(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

/* Whether stores that are opened now lie on the disk, or on the real one. */
static void
disk_use(bool use)
{
        sqlite3_vfs_register(use ? &disk.vfs : disk.real, 1);
}

static void
disk_stop(void)
{
        sqlite3_vfs_unregister(&disk.vfs);
        sqlite3_vfs_register(disk.real, 1);
        for (size_t i = 0; i < disk.n_files; i++) {
                struct disk_file *file = &disk.files[i];
                ops_clear(file);
                free(file->ops);
                buf_done(&file->cache);
                buf_done(&file->platter);
                buf_done(&file->before);
                buf_done(&file->cursed);
        }
}
