/* SPDX-License-Identifier: MIT */
/*
 * A frame holds its lines as the bytes that go to the terminal, with the columns that they take counted as
 * they are written: all that passes the sink is ASCII but for our own signs, each of which is one column. So
 * comparing two lines is comparing bytes, and a line that is as it was costs nothing to draw.
 */
#include "cli/screen.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const struct {
        const char *sign;
        char ascii;
} signs[] = {{"→", '>'}, {"·", '-'}, {"…", '~'}};

int
frame_make(unsigned rows, unsigned columns, bool color, bool ascii, struct frame *ret)
{
        struct frame_line *lines = calloc(rows, sizeof *lines);
        if (!lines)
                return -ENOMEM;
        *ret = (struct frame){
                .rows = rows, .columns = columns, .color = color, .ascii = ascii, .lines = lines};
        return 0;
}

void
frame_done(struct frame *frame)
{
        for (unsigned i = 0; frame->lines && i < frame->rows; i++)
                buf_done(&frame->lines[i].bytes);
        free(frame->lines);
        *frame = (struct frame){0};
}

/* Bytes of the character at a place of filtered text, and the sign's row (or ARRAY_SIZE). */
static size_t
character_size(const char *text, size_t *ret_sign)
{
        for (*ret_sign = 0; *ret_sign < ARRAY_SIZE(signs); (*ret_sign)++)
                if (strncmp(text, signs[*ret_sign].sign, strlen(signs[*ret_sign].sign)) == 0)
                        return strlen(signs[*ret_sign].sign);
        return 1;
}

static unsigned
text_width(const char *text)
{
        unsigned width = 0;
        for (size_t sign; *text; text += character_size(text, &sign))
                width++;
        return width;
}

static int
append_character(const struct frame *frame, struct frame_line *line, const char *text)
{
        size_t sign, size = character_size(text, &sign);
        char byte = *text == '\n' || *text == '\t' ? ' ' : *text; /* the sink lets these two through */
        line->width++;
        if (sign < ARRAY_SIZE(signs) && frame->ascii)
                byte = signs[sign].ascii;
        else if (size > 1)
                return buf_append(&line->bytes, text, size);
        return buf_append(&line->bytes, &byte, 1);
}

/* Filtered text in at most `room` columns: cut at its end, or at its beginning. */
static int
append_cut(struct frame *frame, struct frame_line *line, const char *text, unsigned room, bool tail)
{
        unsigned width = text_width(text);
        size_t sign;
        int r = 0;
        if (!room)
                return 0;
        if (width > room && tail) {
                r = append_character(frame, line, "…");
                for (unsigned drop = width - room + 1; drop; drop--)
                        text += character_size(text, &sign);
                for (; *text && r == 0; text += character_size(text, &sign))
                        r = append_character(frame, line, text);
                return r;
        }
        unsigned keep = width > room ? room - 1 : width;
        for (; keep && r == 0; keep--, text += character_size(text, &sign))
                r = append_character(frame, line, text);
        return r || width <= room ? r : append_character(frame, line, "…");
}

static void
put_text(struct frame *frame, enum color color, const char *text, unsigned room, bool tail)
{
        if (frame->failed || frame->at >= frame->rows)
                return;
        _cleanup_buf_ struct buf filtered = {0};
        struct frame_line *line = &frame->lines[frame->at];
        unsigned left = frame->columns - line->width;
        const char *code = frame->color ? color_code(color) : "";
        int r = print_filter(&filtered, text, strlen(text));
        room = room < left ? room : left;
        if (r == 0 && (!filtered.size || !room))
                return;
        r = r ? r : buf_text(&line->bytes, code);
        r = r ? r : append_cut(frame, line, filtered.data, room, tail);
        if (*code)
                r = r ? r : buf_text(&line->bytes, "\033[0m");
        frame->failed = r < 0;
}

void
frame_put(struct frame *frame, enum color color, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0) {
                text = NULL;
                frame->failed = true;
        }
        va_end(args);
        if (text)
                put_text(frame, color, text, frame->columns, false);
}

void
frame_cell(struct frame *frame, enum color color, unsigned width, bool tail, const char *text)
{
        if (frame->at >= frame->rows)
                return;
        unsigned end = frame->lines[frame->at].width + width;
        put_text(frame, color, text, width, tail);
        frame_pad(frame, end);
}

void
frame_pad(struct frame *frame, unsigned column)
{
        if (frame->failed || frame->at >= frame->rows)
                return;
        struct frame_line *line = &frame->lines[frame->at];
        for (; line->width < column && line->width < frame->columns && !frame->failed; line->width++)
                frame->failed = buf_append(&line->bytes, " ", 1) < 0;
}

void
frame_bar(struct frame *frame, uint64_t part, uint64_t whole, unsigned width)
{
        char text[128] = "[";
        unsigned inner = width > 2 ? width - 2 : 0;
        inner = inner < sizeof text - 3 ? inner : (unsigned)sizeof text - 3;
        double share = whole ? (double)part / (double)whole : 0;
        unsigned done = share >= 1 ? inner : (unsigned)(share * inner);
        memset(text + 1, '#', done);
        memset(text + 1 + done, '.', inner - done);
        text[1 + inner] = ']';
        put_text(frame, COLOR_PLAIN, text, width, false);
}

void
frame_next(struct frame *frame)
{
        if (frame->at < frame->rows)
                frame->at++;
}

void
frame_skip_to(struct frame *frame, unsigned row)
{
        if (row > frame->at)
                frame->at = row < frame->rows ? row : frame->rows;
}

static bool
same_line(const struct frame_line *a, const struct frame_line *b)
{
        return a->bytes.size == b->bytes.size &&
               (!a->bytes.size || memcmp(a->bytes.data, b->bytes.data, a->bytes.size) == 0);
}

int
frame_draw(const struct frame *shown, const struct frame *next, struct buf *ret)
{
        bool afresh = !shown || shown->rows != next->rows || shown->columns != next->columns;
        size_t before = ret->size;
        int r = afresh ? buf_text(ret, "\033[H\033[J") : 0;
        for (unsigned i = 0; i < next->rows && r == 0; i++) {
                const struct frame_line *line = &next->lines[i];
                if (afresh ? !line->bytes.size : same_line(&shown->lines[i], line))
                        continue;
                r = buf_printf(ret, "\033[%u;1H", i + 1);
                r = r ? r : buf_append(ret, line->bytes.data, line->bytes.size);
                /* A full line needs no erasing: at its end the cursor still stands on its last column. */
                if (line->width < next->columns)
                        r = r ? r : buf_text(ret, "\033[K");
        }
        if (r < 0)
                ret->size = before;
        return r;
}
