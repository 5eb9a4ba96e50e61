/* SPDX-License-Identifier: MIT */
/*
 * File attributes: the one table. A row says an attribute's name, to which types it applies, how two of
 * them compare, how one is written in a baseline and read back, and how people see it. Configuration,
 * baseline, comparison and report all walk this table, so that they cannot disagree.
 *
 * Reading takes only what writing would give: attributes_parse writes what it has read and refuses the
 * text if the two differ, so one byte sequence has one meaning without a second set of rules.
 */
#include "core/attribute.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "core/ini_reader.h"
#include "core/quote.h"

static const char *const type_names[FILE_TYPE_COUNT] = {
        [FILE_REGULAR] = "file",
        [FILE_FOLDER] = "dir",
        [FILE_LINK] = "link",
        [FILE_FIFO] = "fifo",
        [FILE_SOCKET] = "socket",
        [FILE_CHAR] = "char",
        [FILE_BLOCK] = "block",
};

/* The flags that mean the same on every file system; the others belong to one (ioctl_iflags(2)). */
static const struct {
        const char *name;
        unsigned long kernel;
} flag_table[] = {
        {"append", FS_APPEND_FL},
        {"immutable", FS_IMMUTABLE_FL},
        {"nodump", FS_NODUMP_FL},
        {"noatime", FS_NOATIME_FL},
        {"sync", FS_SYNC_FL},
        {"dirsync", FS_DIRSYNC_FL},
};

#define TYPE_BIT(type) (1u << (type))
#define TYPES_ALL ((1u << FILE_TYPE_COUNT) - 1)

struct attribute_row {
        const char *name;  /* in configuration, masks and reports */
        const char *field; /* in a baseline's file line */
        unsigned types;    /* TYPE_BITs it applies to */
        bool (*equal)(const struct attributes *a, const struct attributes *b);
        int (*write)(const struct attributes *attributes, struct buf *buf); /* the value of the field */
        int (*read)(const char *text, size_t size, struct attributes *ret);
};

/* ---- values ---- */

static int
read_number(const char *text, size_t size, unsigned base, uint64_t max, uint64_t *ret)
{
        uint64_t value = 0;
        if (!size || size > 20)
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                unsigned digit = (unsigned)(unsigned char)text[i] - '0';
                if (digit >= base || value > (max - digit) / base)
                        return -EINVAL;
                value = value * base + digit;
        }
        *ret = value;
        return 0;
}

static int
read_u32(const char *text, size_t size, uint32_t *ret)
{
        uint64_t value;
        int r = read_number(text, size, 10, UINT32_MAX, &value);
        if (r == 0)
                *ret = (uint32_t)value;
        return r;
}

static int
read_i64(const char *text, size_t size, int64_t *ret)
{
        bool negative = size && text[0] == '-';
        uint64_t value;
        int r = read_number(text + negative, size - negative, 10, INT64_MAX, &value);
        if (r == 0)
                *ret = negative ? -(int64_t)value : (int64_t)value;
        return r;
}

static bool
type_equal(const struct attributes *a, const struct attributes *b)
{
        return a->type == b->type;
}

static int
type_write(const struct attributes *a, struct buf *buf)
{
        return buf_text(buf, type_names[a->type]);
}

static int
type_read(const char *text, size_t size, struct attributes *ret)
{
        for (size_t i = 0; i < FILE_TYPE_COUNT; i++)
                if (strlen(type_names[i]) == size && memcmp(type_names[i], text, size) == 0) {
                        ret->type = (enum file_type)i;
                        return 0;
                }
        return -EINVAL;
}

static bool
mode_equal(const struct attributes *a, const struct attributes *b)
{
        return a->mode == b->mode;
}

static int
mode_write(const struct attributes *a, struct buf *buf)
{
        char digits[4];
        for (unsigned i = 0; i < sizeof digits; i++)
                digits[i] = (char)('0' + (a->mode >> 3 * (sizeof digits - 1 - i) & 7));
        return buf_append(buf, digits, sizeof digits);
}

static int
mode_read(const char *text, size_t size, struct attributes *ret)
{
        uint64_t value;
        int r = read_number(text, size, 8, 07777, &value);
        if (r == 0)
                ret->mode = (uint32_t)value;
        return r;
}

/* The plain numbers are alike but for their member. */
#define NUMBER_ROW(member, writer, reader)                                                                   \
        static bool member##_equal(const struct attributes *a, const struct attributes *b)                   \
        {                                                                                                    \
                return a->member == b->member;                                                               \
        }                                                                                                    \
        static int member##_write(const struct attributes *a, struct buf *buf)                               \
        {                                                                                                    \
                return writer(buf, a->member);                                                               \
        }                                                                                                    \
        static int member##_read(const char *text, size_t size, struct attributes *ret)                      \
        {                                                                                                    \
                return reader(text, size, &ret->member);                                                     \
        }

static int
read_u64(const char *text, size_t size, uint64_t *ret)
{
        return read_number(text, size, 10, UINT64_MAX, ret);
}

static int
write_i64(struct buf *buf, int64_t value)
{
        int r = value < 0 ? buf_append(buf, "-", 1) : 0;
        return r ? r : buf_decimal(buf, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

NUMBER_ROW(uid, buf_decimal, read_u32)
NUMBER_ROW(gid, buf_decimal, read_u32)
NUMBER_ROW(size, buf_decimal, read_u64)
NUMBER_ROW(mtime_ns, write_i64, read_i64)
NUMBER_ROW(ctime_ns, write_i64, read_i64)
NUMBER_ROW(inode, buf_decimal, read_u64)
NUMBER_ROW(nlink, buf_decimal, read_u64)

static bool
content_equal(const struct attributes *a, const struct attributes *b)
{
        return digest_equal(&a->content, &b->content);
}

static int
content_write(const struct attributes *a, struct buf *buf)
{
        char hex[DIGEST_HEX_SIZE];
        digest_hex(&a->content, hex);
        return buf_text(buf, hex);
}

static int
content_read(const char *text, size_t size, struct attributes *ret)
{
        return digest_parse(text, size, &ret->content);
}

static bool
target_equal(const struct attributes *a, const struct attributes *b)
{
        return strcmp(a->target ? a->target : "", b->target ? b->target : "") == 0;
}

static int
target_write(const struct attributes *a, struct buf *buf)
{
        return buf_text(buf, a->target ? a->target : "");
}

static int
target_read(const char *text, size_t size, struct attributes *ret)
{
        if (!size || !escape_is_canonical(text, size))
                return -EINVAL;
        free(ret->target);
        ret->target = strndup(text, size);
        return ret->target ? 0 : -ENOMEM;
}

static bool
rdev_equal(const struct attributes *a, const struct attributes *b)
{
        return a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor;
}

static int
rdev_write(const struct attributes *a, struct buf *buf)
{
        return buf_printf(buf, "%" PRIu32 ":%" PRIu32, a->rdev_major, a->rdev_minor);
}

static int
rdev_read(const char *text, size_t size, struct attributes *ret)
{
        const char *colon = memchr(text, ':', size);
        if (!colon)
                return -EINVAL;
        size_t first = (size_t)(colon - text);
        int r = read_u32(text, first, &ret->rdev_major);
        return r ? r : read_u32(colon + 1, size - first - 1, &ret->rdev_minor);
}

static bool
xattrs_equal(const struct attributes *a, const struct attributes *b)
{
        if (a->n_xattrs != b->n_xattrs)
                return false;
        for (size_t i = 0; i < a->n_xattrs; i++)
                if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 ||
                        !digest_equal(&a->xattrs[i].digest, &b->xattrs[i].digest))
                        return false;
        return true;
}

/* For people: the names. The baseline's form has a field for each and is written by attributes_append. */
static int
xattrs_write(const struct attributes *a, struct buf *buf)
{
        int r = 0;
        for (size_t i = 0; i < a->n_xattrs && r == 0; i++) {
                char hex[DIGEST_HEX_SIZE];
                digest_hex(&a->xattrs[i].digest, hex);
                r = buf_printf(buf, "%s%s=%.16s", i ? " " : "", a->xattrs[i].name, hex);
        }
        return r;
}

/* Reads one `xattr=` field, which may repeat. */
static int
xattrs_read(const char *text, size_t size, struct attributes *ret)
{
        struct xattr xattr = {0};
        if (size < 2 * DIGEST_SIZE + 2 || text[2 * DIGEST_SIZE] != ':' || ret->n_xattrs == XATTRS_MAX)
                return -EINVAL;
        if (digest_parse(text, 2 * DIGEST_SIZE, &xattr.digest) < 0)
                return -EINVAL;
        const char *name = text + 2 * DIGEST_SIZE + 1;
        size_t name_size = size - 2 * DIGEST_SIZE - 1;
        if (!escape_is_canonical(name, name_size))
                return -EINVAL;
        struct xattr *grown = reallocarray(ret->xattrs, ret->n_xattrs + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        ret->xattrs = grown;
        xattr.name = strndup(name, name_size);
        if (!xattr.name)
                return -ENOMEM;
        if (ret->n_xattrs && strcmp(grown[ret->n_xattrs - 1].name, xattr.name) >= 0) {
                free(xattr.name);
                return -EINVAL;
        }
        grown[ret->n_xattrs++] = xattr;
        return 0;
}

static bool
flags_equal(const struct attributes *a, const struct attributes *b)
{
        return a->flags == b->flags;
}

static int
flags_write(const struct attributes *a, struct buf *buf)
{
        const char *comma = "";
        for (size_t i = 0; i < ARRAY_SIZE(flag_table); i++) {
                if (!(a->flags & 1u << i))
                        continue;
                int r = buf_printf(buf, "%s%s", comma, flag_table[i].name);
                if (r < 0)
                        return r;
                comma = ",";
        }
        return 0;
}

static int
flags_read(const char *text, size_t size, struct attributes *ret)
{
        while (size) {
                const char *comma = memchr(text, ',', size);
                size_t length = comma ? (size_t)(comma - text) : size;
                size_t i = 0;
                while (i < ARRAY_SIZE(flag_table) && (strlen(flag_table[i].name) != length ||
                                                             memcmp(flag_table[i].name, text, length) != 0))
                        i++;
                if (i == ARRAY_SIZE(flag_table))
                        return -EINVAL;
                ret->flags |= 1u << i;
                length += comma ? 1 : 0;
                text += length;
                size -= length;
        }
        return ret->flags ? 0 : -EINVAL;
}

#define REGULAR TYPE_BIT(FILE_REGULAR)
static const struct attribute_row table[ATTRIBUTE_COUNT] = {
        [ATTRIBUTE_TYPE] = {"type", "type", TYPES_ALL, type_equal, type_write, type_read},
        /* A link's mode says nothing on Linux. */
        [ATTRIBUTE_MODE] = {"mode", "mode", TYPES_ALL & ~TYPE_BIT(FILE_LINK), mode_equal, mode_write,
                mode_read},
        [ATTRIBUTE_UID] = {"uid", "uid", TYPES_ALL, uid_equal, uid_write, uid_read},
        [ATTRIBUTE_GID] = {"gid", "gid", TYPES_ALL, gid_equal, gid_write, gid_read},
        [ATTRIBUTE_SIZE] = {"size", "size", REGULAR, size_equal, size_write, size_read},
        [ATTRIBUTE_CONTENT] = {"content", "content", REGULAR, content_equal, content_write, content_read},
        [ATTRIBUTE_TARGET] = {"target", "target", TYPE_BIT(FILE_LINK), target_equal, target_write,
                target_read},
        [ATTRIBUTE_RDEV] = {"rdev", "rdev", TYPE_BIT(FILE_CHAR) | TYPE_BIT(FILE_BLOCK), rdev_equal,
                rdev_write, rdev_read},
        [ATTRIBUTE_XATTRS] = {"xattrs", "xattr", TYPES_ALL, xattrs_equal, xattrs_write, xattrs_read},
        [ATTRIBUTE_FLAGS] = {"flags", "flags", REGULAR | TYPE_BIT(FILE_FOLDER), flags_equal, flags_write,
                flags_read},
        [ATTRIBUTE_MTIME] = {"mtime", "mtime", TYPES_ALL, mtime_ns_equal, mtime_ns_write, mtime_ns_read},
        [ATTRIBUTE_CTIME] = {"ctime", "ctime", TYPES_ALL, ctime_ns_equal, ctime_ns_write, ctime_ns_read},
        [ATTRIBUTE_INODE] = {"inode", "inode", TYPES_ALL, inode_equal, inode_write, inode_read},
        [ATTRIBUTE_NLINK] = {"nlink", "nlink", TYPES_ALL, nlink_equal, nlink_write, nlink_read},
};

/* ---- names and masks ---- */

const char *
attribute_name(enum attribute attribute)
{
        return table[attribute].name;
}

const char *
file_type_name(enum file_type type)
{
        return type_names[type];
}

static int
mask_word(const char *word, size_t size, uint32_t *mask, struct err *err)
{
        const char *names[ATTRIBUTE_COUNT];
        char copy[32];
        for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
                names[i] = table[i].name;
                if (strlen(names[i]) == size && memcmp(names[i], word, size) == 0) {
                        *mask |= 1u << i;
                        return 0;
                }
        }
        if (size == 7 && memcmp(word, "default", size) == 0) {
                *mask |= ATTRIBUTES_DEFAULT;
                return 0;
        }
        if (size == 3 && memcmp(word, "all", size) == 0) {
                *mask |= ATTRIBUTES_ALL;
                return 0;
        }
        snprintf(copy, sizeof copy, "%.*s", (int)min_size(size, sizeof copy - 1), word);
        const char *near = nearest_word(copy, names, ATTRIBUTE_COUNT);
        err_set(err, -EINVAL, "\"%s\" is not an attribute", quote(copy));
        if (near)
                return err_hint(err, -EINVAL, "did you mean \"%s\"?", near);
        return err_hint(err, -EINVAL,
                "use default, or names of: type mode uid gid size content target rdev xattrs flags mtime "
                "ctime "
                "inode nlink");
}

int
attribute_mask_parse(const char *text, uint32_t *ret_mask, struct err *err)
{
        uint32_t mask = 0;
        for (const char *p = text; *p;) {
                size_t size = strcspn(p, " \t,");
                int r = size ? mask_word(p, size, &mask, err) : 0;
                if (r < 0)
                        return r;
                p += size;
                p += strspn(p, " \t,");
        }
        if (!mask) {
                err_set(err, -EINVAL, "no attribute is named");
                return err_hint(err, -EINVAL, "use default, or names such as \"type mode uid gid content\"");
        }
        *ret_mask = mask | ATTRIBUTE_BIT(ATTRIBUTE_TYPE); /* nothing can be compared across types */
        return 0;
}

int
attribute_mask_append(uint32_t mask, struct buf *buf)
{
        const char *comma = "";
        for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
                if (!(mask & 1u << i))
                        continue;
                int r = buf_printf(buf, "%s%s", comma, table[i].name);
                if (r < 0)
                        return r;
                comma = ",";
        }
        return 0;
}

uint32_t
attribute_applicable(uint32_t mask, enum file_type type)
{
        uint32_t applicable = 0;
        for (size_t i = 0; i < ATTRIBUTE_COUNT; i++)
                if (mask & 1u << i && table[i].types & TYPE_BIT(type))
                        applicable |= 1u << i;
        return applicable;
}

uint32_t
attribute_flags_from_kernel(unsigned long fs_flags)
{
        uint32_t flags = 0;
        for (size_t i = 0; i < ARRAY_SIZE(flag_table); i++)
                if (fs_flags & flag_table[i].kernel)
                        flags |= 1u << i;
        return flags;
}

/* ---- comparing, writing, reading ---- */

uint32_t
attributes_compare(uint32_t mask, const struct attributes *expected, const struct attributes *observed)
{
        uint32_t differ = (expected->known ^ observed->known) & mask;
        for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
                uint32_t bit = 1u << i;
                if (mask & bit && expected->known & observed->known & bit &&
                        !table[i].equal(expected, observed))
                        differ |= bit;
        }
        return differ;
}

static int
append_xattr_fields(const struct attributes *attributes, struct buf *buf)
{
        int r = 0;
        for (size_t i = 0; i < attributes->n_xattrs && r == 0; i++) {
                char hex[DIGEST_HEX_SIZE];
                digest_hex(&attributes->xattrs[i].digest, hex);
                r = buf_text(buf, " xattr=");
                r = r ? r : buf_text(buf, hex);
                r = r ? r : buf_append(buf, ":", 1);
                r = r ? r : buf_text(buf, attributes->xattrs[i].name);
        }
        return r;
}

int
attributes_append(uint32_t mask, const struct attributes *attributes, struct buf *buf)
{
        mask = attribute_applicable(mask & attributes->known, attributes->type);
        for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
                int r = 0;
                if (!(mask & 1u << i) || (i == ATTRIBUTE_FLAGS && !attributes->flags))
                        continue;
                if (i == ATTRIBUTE_XATTRS) {
                        r = append_xattr_fields(attributes, buf);
                } else {
                        r = buf_append(buf, " ", 1);
                        r = r ? r : buf_text(buf, table[i].field);
                        r = r ? r : buf_append(buf, "=", 1);
                        r = r ? r : table[i].write(attributes, buf);
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One "field=value" of this row or a later one; returns the row's index, or < 0. */
static int
parse_field(const char *field, size_t size, int row, struct attributes *ret)
{
        const char *equals = memchr(field, '=', size);
        size_t name_size = equals ? (size_t)(equals - field) : 0;
        for (size_t i = (size_t)row; equals && i < ATTRIBUTE_COUNT; i++) {
                if (strlen(table[i].field) != name_size || memcmp(table[i].field, field, name_size) != 0)
                        continue;
                int r = table[i].read(equals + 1, size - name_size - 1, ret);
                return r < 0 ? r : (int)i;
        }
        return -EINVAL;
}

/* Takes the fields apart in table order; fields of one row may repeat only for xattrs. */
static int
parse_fields(const char *text, size_t size, struct attributes *ret, struct err *err)
{
        int next = 0;
        for (size_t at = 0; at < size;) {
                const char *field = text + at + 1;
                const char *blank = memchr(field, ' ', size - at - 1);
                size_t field_size = blank ? (size_t)(blank - field) : size - at - 1;
                int row = text[at] == ' ' ? parse_field(field, field_size, next, ret) : -EINVAL;
                if (row == -ENOMEM)
                        return err_oom(err);
                if (row < 0)
                        return err_set(err, -EINVAL, "field \"%s\" is not one of ours, or out of order",
                                quote_bytes(&(struct quote){0}, field, field_size));
                ret->known |= 1u << row;
                next = row + (row != ATTRIBUTE_XATTRS);
                at += 1 + field_size;
        }
        return 0;
}

int
attributes_parse(const char *text, size_t size, struct attributes *ret, struct err *err)
{
        _cleanup_attributes_ struct attributes read = {0};
        _cleanup_buf_ struct buf again = {0};
        int r = parse_fields(text, size, &read, err);
        if (r < 0)
                return r;
        if (!(read.known & ATTRIBUTE_BIT(ATTRIBUTE_TYPE)))
                return err_set(err, -EINVAL, "a file line needs its type");
        r = attributes_append(ATTRIBUTES_ALL, &read, &again);
        if (r < 0)
                return err_oom(err);
        if (again.size != size || memcmp(again.data, text, size) != 0)
                return err_set(err, -EINVAL,
                        "the fields are not in their one form: \"%.200s\" would be right", again.data);
        /* No xattr and no flags field means that there are none, not that they are unknown. */
        read.known |= attribute_applicable(
                ATTRIBUTE_BIT(ATTRIBUTE_XATTRS) | ATTRIBUTE_BIT(ATTRIBUTE_FLAGS), read.type);
        *ret = read;
        read = (struct attributes){0};
        return 0;
}

int
attribute_append_value(enum attribute attribute, const struct attributes *attributes, struct buf *buf)
{
        if (!(attributes->known & 1u << attribute) || !(table[attribute].types & TYPE_BIT(attributes->type)))
                return buf_text(buf, "");
        return table[attribute].write(attributes, buf);
}

void
attributes_done(struct attributes *attributes)
{
        free(attributes->target);
        for (size_t i = 0; i < attributes->n_xattrs; i++)
                free(attributes->xattrs[i].name);
        free(attributes->xattrs);
        *attributes = (struct attributes){0};
}
