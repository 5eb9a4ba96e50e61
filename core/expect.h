/* SPDX-License-Identifier: MIT */
/*
 * Expected change sets (driftd-window(5)): what a change shall have made of each item, whatever the host.
 *
 *     driftd-expect 1
 *     absent file:/etc/old
 *     file /etc/ssh/sshd_config type=file mode=0644 uid=0 gid=0 size=12 content=<hex>
 *     set sysctl:net/ipv4/ip_forward eq 1
 *
 * Lines are sorted by memcmp, each in its one form, no item twice. What cannot be the same on two hosts
 * (mtime, ctime, inode, link count) is not in it. A set is no signature and changes nothing by itself.
 */
#pragma once

#include "core/baseline.h"

#define EXPECT_MAGIC "driftd-expect 1\n"
#define EXPECT_SIZE_MAX ((size_t)8 << 20) /* bytes: some 50,000 lines; held in memory, stored whole */
#define EXPECT_ATTRIBUTES ATTRIBUTES_DEFAULT

struct drift;

struct expected {
        const char *item; /* text of the item, NUL-terminated; borrowed from the set */
        bool absent;
        const char
                *fields; /* of a file: its attributes as a baseline writes them, not terminated; else NULL */
        size_t fields_size;
        const char *value; /* of a setting: escaped; else NULL */
        unsigned line;
};

struct expect; /* immutable once open */

enum expect_result { EXPECT_MALFORMED = 1 };

/* Borrows the bytes. 0, EXPECT_MALFORMED with the line and what would be right, -ENOMEM. */
int expect_open(const char *text, size_t size, struct expect **ret, struct err *err);
struct expect *expect_free(struct expect *expect);
CLEANUP_DEFINE(struct expect *, expect_free)

const struct digest *expect_id(const struct expect *expect); /* SHA-256 of the bytes */
const char *expect_text(const struct expect *expect, size_t *ret_size);
size_t expect_count(const struct expect *expect);
const struct expected *expect_at(const struct expect *expect, size_t index);       /* by item */
const struct expected *expect_find(const struct expect *expect, const char *item); /* NULL: not in it */

/* Whether a drift of this baseline left its item just as the set says. 1, 0, or -ENOMEM. */
int expected_is_drift(
        const struct expected *expected, const struct baseline *baseline, const struct drift *drift);
/* Whether a baseline expects of the item what the set says already. 1, 0, or -ENOMEM. */
int expected_is_baseline(const struct expected *expected, const struct baseline *baseline);

/* Gathers the lines of a set. */
struct expect_writer {
        struct text_list lines;
};
/* What the drift left, as a line. 0, or -ENOMEM; 1: it is unknown, and nothing can be said. */
int expect_add_drift(
        struct expect_writer *writer, const struct baseline *baseline, const struct drift *drift);
/* The set, sorted. Empties the writer. */
int expect_finish(struct expect_writer *writer, struct buf *ret);
void expect_writer_done(struct expect_writer *writer);
