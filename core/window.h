/* SPDX-License-Identifier: MIT */
/*
 * Windows: a signed statement that for a time changes of some items are expected (driftd-window(5)).
 *
 *     driftd-window 1
 *     host <id> | *
 *     baseline host <generation> <id> | any         (any: exactly for host *)
 *     by alice
 *     ticket CHG-1234
 *     class normal
 *     from 2026-11-23T18:00:00Z
 *     until 2026-11-23T20:00:00Z
 *     record yes | no
 *     expect <id of an expected change set> | none
 *     item file:/etc/ssh                            (items or globs, sorted by memcmp; none: every item)
 *
 * Its id is the SHA-256 of these bytes; approvals name it (`window ID`, namespace window@driftd) and stand
 * beside it. A window changes no verdict: drift that is in one is drift, of a lower severity.
 */
#pragma once

#include "core/baseline.h"
#include "core/expect.h"

#define WINDOW_MAGIC "driftd-window 1\n"
#define WINDOW_SIZE_MAX ((size_t)128 << 10)      /* bytes */
#define WINDOW_ITEMS_MAX 4096u                   /* globs in one */
#define WINDOW_APPROVALS_MAX ((size_t)128 << 10) /* bytes: the record of its opening holds both */
#define WINDOW_TICKET_MAX 256u                   /* bytes of an escaped ticket, with the NUL */
#define WINDOW_LENGTH_MAX_MS ((int64_t)7 * 86400 * 1000)
#define WINDOW_BASELINE "host" /* whose approvers sign it, and whose drift it is about */

struct window {
        char *text; /* the signed bytes */
        size_t size;
        struct digest id;
        char host[HOST_ID_MAX];
        uint64_t generation; /* 0: any */
        struct digest baseline;
        char by[NAME_MAX_SIZE];
        char ticket[WINDOW_TICKET_MAX]; /* escaped */
        enum baseline_class class;
        int64_t from_ms, until_ms;
        bool record;
        bool has_expect;
        struct digest expect_id;
        struct text_list items;
        struct expect *expect; /* the set that expect_id names, once it is known; owned */
};

enum window_result { WINDOW_MALFORMED = 1 };

bool window_is_one(const char *text, size_t size); /* by its first line */
/* Takes the bytes over (malloc'ed; freed on failure too). 0, WINDOW_MALFORMED with the line, -ENOMEM. */
int window_open(char *text, size_t size, struct window **ret, struct err *err);
struct window *window_free(struct window *window);
CLEANUP_DEFINE(struct window *, window_free)

/* The text that says what the members (but for text, size and id) say; items are sorted. */
int window_write(struct window *window, struct buf *ret, struct err *err);
/* Gives it the set it was signed with; takes the bytes over. WINDOW_MALFORMED: another one, or none is due.
 */
int window_take_expect(struct window *window, char *text, size_t size, struct err *err);

/* Whether a drift of this item that took its form then is in it. */
bool window_holds(const struct window *window, const char *item, int64_t changed_ms) _pure_;
