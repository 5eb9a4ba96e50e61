/* SPDX-License-Identifier: MIT */
/*
 * Frames: what a screen shows, line by line, and the bytes that turn one frame into the next. Every text goes
 * through the sink of print.h, so no name can move the cursor; what does not fit ends in a sign. Knows no
 * terminal: the sequences are those that everything since the VT100 takes (cursor position, erase to the end
 * of the line, colours).
 */
#pragma once

#include <stdbool.h>

#include "cli/print.h"

struct frame {
        unsigned rows, columns;
        bool color;
        bool ascii; /* our own signs as ASCII too, for a terminal that is not UTF-8 */
        struct frame_line {
                struct buf bytes;
                unsigned width; /* columns that it takes */
        } * lines;
        unsigned at; /* the line that is written; rows: below the last, and all is dropped */
        bool failed; /* out of memory: not to be drawn */
};

/* rows and columns from 1 on. 0 or -ENOMEM. */
int frame_make(unsigned rows, unsigned columns, bool color, bool ascii, struct frame *ret);
void frame_done(struct frame *frame);
#define _cleanup_frame_ _cleanup_(frame_done)

/* Goes on in the line. */
void frame_put(struct frame *frame, enum color color, const char *format, ...) _printf_(3, 4);
/* The same in exactly so many columns (fewer at the right edge): cut, or padded. tail: the end is kept. */
void frame_cell(struct frame *frame, enum color color, unsigned width, bool tail, const char *text);
/* Blanks up to a column. */
void frame_pad(struct frame *frame, unsigned column);
/* "[####......]", so many columns wide. */
void frame_bar(struct frame *frame, uint64_t part, uint64_t whole, unsigned width);
void frame_next(struct frame *frame);
/* Goes to a line further down. */
void frame_skip_to(struct frame *frame, unsigned row);

/* Appends what turns `shown` into `next`; shown NULL, or of another size: everything. Nothing where they are
 * the same. 0 or -ENOMEM. */
int frame_draw(const struct frame *shown, const struct frame *next, struct buf *ret);
