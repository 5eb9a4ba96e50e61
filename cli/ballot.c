/* SPDX-License-Identifier: MIT */
/*
 * The ballot's model. Entries are sorted so that a folder's entries stand together ('/' sorts before every
 * other byte), so a row is a range of them, and a group is opened by cutting its range at the next depth.
 * Depths are chosen as deep as BALLOT_FLAT_MAX rows allow: what a person sees is as precise as a screen can
 * hold.
 *
 * Invariants: rows of level 0 partition the entries; the rows right after an open one with a greater level
 * partition it.
 */
#include "cli/ballot.h"

#include <errno.h>
#include <string.h>

#include "core/quote.h"

#define DEPTH_MAX 4096u /* names in a path */

/* ---- order and grouping ---- */

static int
compare_items(const char *a, const char *b)
{
        while (*a && *a == *b) {
                a++;
                b++;
        }
        int left = *a == '/' ? 1 : (unsigned char)*a, right = *b == '/' ? 1 : (unsigned char)*b;
        return left - right;
}

static int
compare_entries(const void *left, const void *right)
{
        const struct ballot_entry *a = left, *b = right;
        if (a->section != b->section)
                return a->section < b->section ? -1 : 1;
        if (a->heading != b->heading)
                return a->heading ? -1 : 1;
        int order = compare_items(a->item, b->item);
        return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* The length of an item up to its (depth + 1)-th slash. */
static size_t
key_size(const char *item, unsigned depth)
{
        const char *p = item;
        for (unsigned slashes = 0; *p; p++)
                if (*p == '/' && slashes++ == depth)
                        break;
        return (size_t)(p - item);
}

static bool
same_group(const struct ballot_entry *a, const struct ballot_entry *b, unsigned depth)
{
        size_t size = key_size(a->item, depth);
        return a->section == b->section && key_size(b->item, depth) == size &&
               memcmp(a->item, b->item, size) == 0;
}

/* How many entries from `first` on make one group. */
static size_t
group_length(const struct ballot *ballot, size_t first, size_t end, unsigned depth)
{
        size_t n = 1;
        while (first + n < end && same_group(&ballot->entries[first], &ballot->entries[first + n], depth))
                n++;
        return n;
}

static size_t
count_groups(const struct ballot *ballot, size_t first, size_t count, unsigned depth)
{
        size_t groups = 0;
        for (size_t i = first; i < first + count; groups++)
                i += group_length(ballot, i, first + count, depth);
        return groups;
}

/* The deepest that a screen can hold, but at least `least`; and one more where that would tell nothing. */
static unsigned
choose_depth(const struct ballot *ballot, size_t first, size_t count, unsigned least)
{
        unsigned depth = least;
        if (count <= BALLOT_FLAT_MAX)
                return DEPTH_MAX;
        while (depth < DEPTH_MAX && count_groups(ballot, first, count, depth + 1) <= BALLOT_FLAT_MAX)
                depth++;
        bool telling = count_groups(ballot, first, count, depth) > 2;
        return telling || count_groups(ballot, first, count, depth + 1) > BALLOT_ROWS_MAX ? depth : depth + 1;
}

/* ---- rows ---- */

static int
insert_rows(struct ballot *ballot, size_t at, const struct ballot_row *rows, size_t n)
{
        struct ballot_row *grown = reallocarray(ballot->rows, ballot->n_rows + n + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        ballot->rows = grown;
        memmove(grown + at + n, grown + at, (ballot->n_rows - at) * sizeof *grown);
        memcpy(grown + at, rows, n * sizeof *rows);
        ballot->n_rows += n;
        return 0;
}

/* Cuts a range of entries into rows and puts them in at a place. */
static int
insert_range(
        struct ballot *ballot, size_t at, size_t first, size_t count, unsigned least_depth, unsigned level)
{
        unsigned depth = choose_depth(ballot, first, count, least_depth);
        size_t n = 0;
        struct ballot_row *rows = calloc(count + 1, sizeof *rows);
        if (!rows)
                return -ENOMEM;
        for (size_t i = first; i < first + count;) {
                size_t length = group_length(ballot, i, first + count, depth);
                rows[n++] = (struct ballot_row){
                        .first = i, .count = length, .depth = depth, .level = level, .group = length > 1};
                i += length;
        }
        int r = insert_rows(ballot, at, rows, n);
        free(rows);
        return r;
}

/* One row for each section that is grouped; they stand before all others. ret_used: the entries in them. */
static int
insert_sections(struct ballot *ballot, unsigned n_grouped, size_t *ret_used)
{
        size_t i = 0;
        while (i < ballot->count && ballot->entries[i].section < n_grouped) {
                size_t n = 1;
                while (i + n < ballot->count && ballot->entries[i + n].section == ballot->entries[i].section)
                        n++;
                struct ballot_row row = {.first = i, .count = n, .group = true};
                if (insert_rows(ballot, ballot->n_rows, &row, 1) < 0)
                        return -ENOMEM;
                i += n;
        }
        *ret_used = i;
        return 0;
}

int
ballot_make(struct ballot_entry *entries, size_t count, unsigned n_grouped, struct ballot *ret)
{
        struct ballot ballot = {.entries = entries, .count = count};
        size_t used = 0;
        if (count)
                qsort(entries, count, sizeof *entries, compare_entries);
        int r = insert_sections(&ballot, n_grouped, &used);
        if (r == 0 && used < count)
                r = insert_range(&ballot, ballot.n_rows, used, count - used, 1, 0);
        if (r < 0)
                ballot_done(&ballot);
        else
                *ret = ballot;
        return r;
}

void
ballot_done(struct ballot *ballot)
{
        for (size_t i = 0; i < ballot->count; i++)
                free(ballot->entries[i].item);
        free(ballot->entries);
        free(ballot->rows);
        *ballot = (struct ballot){0};
}

static void
close_row(struct ballot *ballot, size_t row)
{
        size_t n = 0;
        while (row + 1 + n < ballot->n_rows && ballot->rows[row + 1 + n].level > ballot->rows[row].level)
                n++;
        memmove(&ballot->rows[row + 1], &ballot->rows[row + 1 + n],
                (ballot->n_rows - row - 1 - n) * sizeof *ballot->rows);
        ballot->n_rows -= n;
        ballot->rows[row].open = false;
}

int
ballot_open(struct ballot *ballot, size_t row)
{
        struct ballot_row *r = &ballot->rows[row];
        if (!r->group)
                return 0;
        if (r->open) {
                close_row(ballot, row);
                return 0;
        }
        int result = insert_range(ballot, row + 1, r->first, r->count, r->depth + 1, r->level + 1);
        if (result == 0)
                ballot->rows[row].open = true;
        return result;
}

/* ---- choosing ---- */

size_t
ballot_chosen(const struct ballot *ballot, size_t first, size_t count)
{
        size_t n = 0;
        for (size_t i = first; i < first + count; i++)
                n += ballot->entries[i].chosen;
        return n;
}

static void
choose_range(struct ballot *ballot, size_t first, size_t count, bool chosen)
{
        for (size_t i = first; i < first + count; i++)
                ballot->entries[i].chosen = chosen;
}

void
ballot_choose(struct ballot *ballot, bool chosen)
{
        choose_range(ballot, 0, ballot->count, chosen);
}

void
ballot_toggle(struct ballot *ballot, const struct ballot_command *command)
{
        for (size_t i = 0; i < command->n_ranges; i++) {
                size_t done = 0; /* entries before this were toggled by a group of this range */
                for (size_t j = command->ranges[i].first; j <= command->ranges[i].last && j < ballot->n_rows;
                        j++) {
                        const struct ballot_row *row = &ballot->rows[j];
                        if (row->first + row->count <= done)
                                continue;
                        bool all = ballot_chosen(ballot, row->first, row->count) == row->count;
                        choose_range(ballot, row->first, row->count, !all);
                        done = row->first + row->count;
                }
        }
}

size_t
ballot_label_size(const struct ballot *ballot, const struct ballot_row *row)
{
        const char *item = ballot->entries[row->first].item;
        return row->group && row->depth ? key_size(item, row->depth) : strlen(item);
}

/* ---- what was typed ---- */

static int
not_understood(const char *line, struct err *err)
{
        err_set(err, -EINVAL, "\"%s\" is not understood", quote(line));
        return err_hint(err, -EINVAL, "numbers and ranges (1 3-5), a, n, d N, o N, w, q; ? explains them");
}

/* A row's number, from 1; leaves *at behind it. */
static int
take_row(const char **at, size_t n_rows, size_t *ret, struct err *err)
{
        size_t value = 0;
        const char *start = *at;
        for (; **at >= '0' && **at <= '9'; (*at)++)
                value = value > n_rows ? value : value * 10 + (size_t)(**at - '0');
        if (*at == start)
                return not_understood(start, err);
        if (!value || value > n_rows) {
                err_set(err, -EINVAL, "there is no row %.*s", (int)min_size((size_t)(*at - start), 20),
                        start);
                return err_hint(err, -EINVAL, "the rows are 1 to %zu", n_rows);
        }
        *ret = value - 1;
        return 0;
}

static int
take_range(const char **at, size_t n_rows, struct ballot_command *ret, struct err *err)
{
        size_t first = 0, last;
        int r = take_row(at, n_rows, &first, err);
        last = first;
        if (r == 0 && **at == '-') {
                (*at)++;
                r = take_row(at, n_rows, &last, err);
        }
        if (r < 0)
                return r;
        if (last < first)
                return err_set(err, -EINVAL, "the range %zu-%zu runs backwards", first + 1, last + 1);
        if (ret->n_ranges == BALLOT_RANGES_MAX)
                return err_set(err, -EINVAL, "at most %u ranges in one line", BALLOT_RANGES_MAX);
        ret->ranges[ret->n_ranges].first = first;
        ret->ranges[ret->n_ranges++].last = last;
        return 0;
}

static const struct {
        enum ballot_verb verb;
        char letter;
        bool takes_row;
} letters[] = {
        {BALLOT_ALL, 'a', false},
        {BALLOT_NONE, 'n', false},
        {BALLOT_DETAIL, 'd', true},
        {BALLOT_OPEN, 'o', true},
        {BALLOT_CONTINUE, 'w', false},
        {BALLOT_QUIT, 'q', false},
        {BALLOT_HELP, '?', false},
        {BALLOT_HELP, 'h', false},
};

static const char blanks[] = " \t,\r\n";

int
ballot_parse(const char *line, size_t n_rows, struct ballot_command *ret, struct err *err)
{
        struct ballot_command command = {.verb = BALLOT_AGAIN};
        const char *at = line + strspn(line, blanks), *start = at;
        size_t wanted = BALLOT_RANGES_MAX + 1;
        for (size_t i = 0; *start && i < ARRAY_SIZE(letters); i++)
                if (letters[i].letter == *start) {
                        command.verb = letters[i].verb;
                        wanted = letters[i].takes_row;
                        at++;
                        at += strspn(at, blanks);
                }
        if (at == start && *at)
                command.verb = BALLOT_TOGGLE;
        while (*at) {
                const char *before = at;
                int r = take_range(&at, n_rows, &command, err);
                if (r < 0)
                        return r;
                size_t gap = strspn(at, blanks);
                if (*at && !gap)
                        return not_understood(before, err);
                at += gap;
        }
        bool one = command.n_ranges == 1 && command.ranges[0].first == command.ranges[0].last;
        if ((wanted == 0 && command.n_ranges) || (wanted == 1 && !one))
                return not_understood(start, err);
        *ret = command;
        return 0;
}
