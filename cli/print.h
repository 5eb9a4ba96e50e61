/* SPDX-License-Identifier: MIT */
/*
 * What people see. Every text goes through one sink: printable ASCII, newlines and tabs, and the few signs
 * that we write ourselves (→ · …) stand as they are; every other byte becomes \xhh, so that nothing from
 * outside can move a cursor, whoever forgot to escape it. Colours are ours alone.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "core/buf.h"
#include "core/json.h"

enum color {
        COLOR_PLAIN,
        COLOR_RED,
        COLOR_YELLOW,
        COLOR_CYAN,
        COLOR_GREEN,
        COLOR_BOLD,
        COLOR_DIM,
        COLOR_COUNT
};

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct printer {
        FILE *file;
        bool color;
};

/* auto: a terminal, and neither NO_COLOR nor TERM=dumb. */
struct printer printer_make(FILE *file, enum color_when when);

void print(const struct printer *printer, const char *format, ...) _printf_(2, 3);
void print_colored(const struct printer *printer, enum color color, const char *format, ...) _printf_(3, 4);
/* The sink's filter, appended to buf. 0 or -ENOMEM. */
int print_filter(struct buf *buf, const char *text, size_t size);

enum color severity_color(const char *severity);
/* What turns a colour on (ECMA-48); "" for the plain one. */
const char *color_code(enum color color);

/* ---- a table: rows are collected, then printed with each column as wide as its widest cell ---- */

#define TABLE_COLUMNS_MAX 8u
#define TABLE_WIDTH_MAX 64u /* characters: a longer cell pushes its row and not the column */

struct table {
        struct cell {
                char *text;
                enum color color;
        } * cells;
        size_t n_cells;
        unsigned columns;
        size_t least[TABLE_COLUMNS_MAX]; /* a column is at least so wide: for lines that come one by one */
        bool failed;                     /* out of memory: printed as far as it goes */
};
struct table table_make(unsigned columns);
void table_cell(struct table *table, enum color color, const char *format, ...) _printf_(3, 4);
/* Fills the row with empty cells. */
void table_row(struct table *table);
void table_print(const struct table *table, const struct printer *printer);
void table_done(struct table *table);
#define _cleanup_table_ _cleanup_(table_done)

/* ---- words for numbers and times ---- */

#define WORDS_MAX 64                                                 /* characters, with the NUL */
const char *count_text(uint64_t count, char text[static WORDS_MAX]); /* 161,633 */
const char *percent_text(
        int64_t part, int64_t whole, char text[static WORDS_MAX]); /* 99.98 %; all of it alone is 100.00 % */
const char *bytes_text(uint64_t bytes, char text[static WORDS_MAX]); /* 1.4 GiB */
const char *time_text(int64_t time_ms, int64_t now_ms,
        char text[static WORDS_MAX]); /* 14:02:11, or 2026-11-22 14:02:11: local */
const char *age_text(int64_t time_ms, int64_t now_ms, char text[static WORDS_MAX]); /* 3 min */
/* A time of a document. 0, or -EINVAL if it is absent. */
int json_time(const struct json *object, const char *key, int64_t *ret_ms);

#define VALUE_SHOWN_MAX 60u /* bytes of a setting's value in a line */
/* "0 → 1": both sides of an attribute of a drift; `(absent)` and `(empty)` have names. */
int append_sides(struct buf *ret, const struct json *attribute);

/* An escaped text for the end of a line: its blanks are blanks again. */
int print_words(struct buf *buf, const char *escaped);
