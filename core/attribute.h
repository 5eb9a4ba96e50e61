/* SPDX-License-Identifier: MIT */
/*
 * The attributes of files: one table drives the configuration, the baseline's text, the comparison and the
 * reports. An expectation and an observation are the same struct, so that comparing is a loop over the table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/digest.h"
#include "core/err.h"

enum attribute {
        ATTRIBUTE_TYPE,
        ATTRIBUTE_MODE,
        ATTRIBUTE_UID,
        ATTRIBUTE_GID,
        ATTRIBUTE_SIZE,    /* regular files */
        ATTRIBUTE_CONTENT, /* regular files */
        ATTRIBUTE_TARGET,  /* links */
        ATTRIBUTE_RDEV,    /* devices */
        ATTRIBUTE_XATTRS, /* every namespace but trusted; ACLs, SELinux labels, capabilities are among them */
        ATTRIBUTE_FLAGS,  /* FS_IOC_GETFLAGS: append immutable nodump noatime sync dirsync */
        ATTRIBUTE_MTIME,  /* from here on: only where a scope names them */
        ATTRIBUTE_CTIME,
        ATTRIBUTE_INODE,
        ATTRIBUTE_NLINK,
        ATTRIBUTE_COUNT,
};
#define ATTRIBUTE_BIT(attribute) (1u << (attribute))
#define ATTRIBUTES_DEFAULT ((1u << ATTRIBUTE_MTIME) - 1)
#define ATTRIBUTES_ALL ((1u << ATTRIBUTE_COUNT) - 1)

enum file_type {
        FILE_REGULAR,
        FILE_FOLDER,
        FILE_LINK,
        FILE_FIFO,
        FILE_SOCKET,
        FILE_CHAR,
        FILE_BLOCK,
        FILE_TYPE_COUNT
};

#define XATTRS_MAX 4096u /* of one file */

struct xattr {
        char *name;           /* escaped */
        struct digest digest; /* of its value: SHA-256 */
};

struct attributes {
        uint32_t known; /* ATTRIBUTE_BITs of what is set below */
        enum file_type type;
        uint32_t mode; /* 07777 */
        uint32_t uid, gid;
        uint64_t size; /* bytes */
        struct digest content;
        char *target; /* escaped; owned */
        uint32_t rdev_major, rdev_minor;
        struct xattr *xattrs; /* sorted by memcmp of name; owned */
        size_t n_xattrs;
        uint32_t flags; /* bits of attribute.c's own table, in its order */
        int64_t mtime_ns, ctime_ns;
        uint64_t inode, nlink;
};

const char *attribute_name(enum attribute attribute);
const char *file_type_name(enum file_type type); /* file dir link fifo socket char block */

/* "default", "all", names with blanks or commas between; -EINVAL with words and the nearest name. */
int attribute_mask_parse(const char *text, uint32_t *ret_mask, struct err *err);
/* Names in table order with commas between: "type,mode,uid". */
int attribute_mask_append(uint32_t mask, struct buf *buf);

/* What of `mask` applies to a type (size and content only for regular files, and so on). */
uint32_t attribute_applicable(uint32_t mask, enum file_type type) _pure_;

/* The attributes of mask in which they differ. Pure. An attribute that one side knows and the other does not
 * differs. */
uint32_t attributes_compare(
        uint32_t mask, const struct attributes *expected, const struct attributes *observed) _pure_;

/*
 * The baseline's form: " type=file mode=0644 uid=0 gid=0 size=12 content=<hex>", each led by a blank, in
 * table order, only what is in mask & known. xattrs: one field each, `xattr=<hex of its value's
 * SHA-256>:<escaped name>`; flags: `flags=append,immutable` (left out when none); rdev=MAJOR:MINOR; mtime and
 * ctime in ns.
 */
int attributes_append(uint32_t mask, const struct attributes *attributes, struct buf *buf);
/* Takes such fields apart (text starts with the blank, ends at size). Only the canonical form: -EINVAL with
 * words. */
int attributes_parse(const char *text, size_t size, struct attributes *ret, struct err *err);

/* One attribute for people and JSON ("0644", hex, "8:1", "user.a user.b"); empty if not known. */
int attribute_append_value(enum attribute attribute, const struct attributes *attributes, struct buf *buf);

/* From the kernel's FS_*_FL bits (ioctl_iflags(2)) to ours. */
uint32_t attribute_flags_from_kernel(unsigned long fs_flags) _pure_;

void attributes_done(struct attributes *attributes); /* frees what it owns */
#define _cleanup_attributes_ _cleanup_(attributes_done)
