/* SPDX-License-Identifier: MIT */
/*
 * Output for people. The sink filters what it is given, always, instead of trusting every caller to have
 * escaped: what reaches a terminal is printable ASCII, the signs of our own listed below, and colours that
 * only print_colored writes. Knows no command and no document.
 */
#include "cli/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

static const char *const signs[] = {"→", "·", "…"};

static const char *const color_codes[COLOR_COUNT] = {
        [COLOR_PLAIN] = "",
        [COLOR_RED] = "\033[31m",
        [COLOR_YELLOW] = "\033[33m",
        [COLOR_CYAN] = "\033[36m",
        [COLOR_GREEN] = "\033[32m",
        [COLOR_BOLD] = "\033[1m",
        [COLOR_DIM] = "\033[2m",
};

const char *
color_code(enum color color)
{
        return color_codes[color];
}

struct printer
printer_make(FILE *file, enum color_when when)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        bool wanted = when == COLOR_ALWAYS;
        if (when == COLOR_AUTO)
                wanted = isatty(fileno(file)) && !(no_color && *no_color) &&
                         !(term && strcmp(term, "dumb") == 0);
        return (struct printer){file, wanted};
}

static size_t
sign_size(const char *text, size_t size)
{
        for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
                size_t length = strlen(signs[i]);
                if (size >= length && memcmp(text, signs[i], length) == 0)
                        return length;
        }
        return 0;
}

int
print_filter(struct buf *buf, const char *text, size_t size)
{
        int r = 0;
        for (size_t at = 0; at < size && r == 0;) {
                size_t plain = 0;
                while (at + plain < size) {
                        unsigned char byte = (unsigned char)text[at + plain];
                        size_t sign = sign_size(text + at + plain, size - at - plain);
                        if (!sign && (byte < 0x20 || byte > 0x7e) && byte != '\n' && byte != '\t')
                                break;
                        plain += sign ? sign : 1;
                }
                r = buf_append(buf, text + at, plain);
                at += plain;
                if (r == 0 && at < size)
                        r = buf_escape(buf, text + at++, 1);
        }
        return r;
}

static void print_list(const struct printer *printer, enum color color, const char *format, va_list args)
        _printf_(3, 0);

static void
print_list(const struct printer *printer, enum color color, const char *format, va_list args)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_buf_ struct buf filtered = {0};
        bool painted = printer->color && color != COLOR_PLAIN;
        if (vasprintf(&text, format, args) < 0) {
                text = NULL;
                return;
        }
        if (print_filter(&filtered, text, strlen(text)) < 0 || !filtered.size)
                return;
        fprintf(printer->file, "%s%s%s", painted ? color_codes[color] : "", filtered.data,
                painted ? "\033[0m" : "");
}

void
print(const struct printer *printer, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        print_list(printer, COLOR_PLAIN, format, args);
        va_end(args);
}

void
print_colored(const struct printer *printer, enum color color, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        print_list(printer, color, format, args);
        va_end(args);
}

enum color
severity_color(const char *severity)
{
        static const struct {
                const char *name;
                enum color color;
        } colors[] = {{"high", COLOR_RED}, {"medium", COLOR_YELLOW}, {"low", COLOR_CYAN}};
        for (size_t i = 0; severity && i < ARRAY_SIZE(colors); i++)
                if (strcmp(colors[i].name, severity) == 0)
                        return colors[i].color;
        return COLOR_PLAIN;
}

/* ---- tables ---- */

struct table
table_make(unsigned columns)
{
        return (struct table){.columns = columns < TABLE_COLUMNS_MAX ? columns : TABLE_COLUMNS_MAX};
}

static bool
table_grow(struct table *table)
{
        if (table->n_cells & (table->n_cells - 1))
                return true;
        struct cell *grown =
                reallocarray(table->cells, table->n_cells ? 2 * table->n_cells : 1, sizeof *table->cells);
        if (!grown)
                return false;
        table->cells = grown;
        return true;
}

void
table_cell(struct table *table, enum color color, const char *format, ...)
{
        char *text = NULL;
        va_list args;
        va_start(args, format);
        int size = table->failed ? -1 : vasprintf(&text, format, args);
        va_end(args);
        if (size < 0 || !table_grow(table)) {
                free(size < 0 ? NULL : text);
                table->failed = true;
                return;
        }
        table->cells[table->n_cells++] = (struct cell){text, color};
}

void
table_row(struct table *table)
{
        while (!table->failed && table->n_cells % table->columns)
                table_cell(table, COLOR_PLAIN, "%s", "");
}

/* Characters as a terminal shows them: our signs are one column wide, every other byte over 0x7E becomes
 * four. */
static size_t
text_width(const char *text)
{
        size_t width = 0, size = strlen(text);
        for (size_t at = 0; at < size;) {
                size_t sign = sign_size(text + at, size - at);
                unsigned char byte = (unsigned char)text[at];
                width += sign || (byte >= 0x20 && byte <= 0x7e) ? 1 : 4;
                at += sign ? sign : 1;
        }
        return width;
}

static void
table_widths(const struct table *table, size_t widths[static TABLE_COLUMNS_MAX])
{
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t width = text_width(table->cells[i].text), *widest = &widths[i % table->columns];
                if (width <= TABLE_WIDTH_MAX && width > *widest)
                        *widest = width;
        }
}

static bool
row_is_empty_from(const struct table *table, size_t cell)
{
        for (; cell < table->n_cells; cell++) {
                if (*table->cells[cell].text)
                        return false;
                if ((cell + 1) % table->columns == 0)
                        break;
        }
        return true;
}

void
table_print(const struct table *table, const struct printer *printer)
{
        size_t widths[TABLE_COLUMNS_MAX];
        memcpy(widths, table->least, sizeof widths);
        table_widths(table, widths);
        for (size_t i = 0; i < table->n_cells; i++) {
                const struct cell *cell = &table->cells[i];
                unsigned column = (unsigned)(i % table->columns);
                bool last = column == table->columns - 1;
                print_colored(printer, cell->color, "%s", cell->text);
                if (!last && !row_is_empty_from(table, i + 1)) {
                        size_t width = text_width(cell->text), wanted = widths[column];
                        if (wanted || width) /* no gap for a column that nobody uses */
                                print(printer, "%*s", (int)((wanted > width ? wanted - width : 0) + 2), "");
                }
                if (last)
                        print(printer, "\n");
        }
}

void
table_done(struct table *table)
{
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
        *table = (struct table){.columns = table->columns};
}

/* ---- numbers and times ---- */

const char *
count_text(uint64_t count, char text[static WORDS_MAX])
{
        char digits[32];
        size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count), at = 0;
        for (size_t i = 0; i < n; i++) {
                if (i && (n - i) % 3 == 0)
                        text[at++] = ',';
                text[at++] = digits[i];
        }
        text[at] = '\0';
        return text;
}

const char *
percent_text(int64_t part, int64_t whole, char text[static WORDS_MAX])
{
        int64_t hundredths = whole > 0 ? (int64_t)((double)part / (double)whole * 10000.0) : 10000;
        if (hundredths >= 10000 && part < whole)
                hundredths = 9999; /* never rounded up to all of it */
        snprintf(text, WORDS_MAX, "%" PRIi64 ".%02" PRIi64 " %%", hundredths / 100, hundredths % 100);
        return text;
}

const char *
bytes_text(uint64_t bytes, char text[static WORDS_MAX])
{
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
        double value = (double)bytes;
        size_t unit = 0;
        for (; value >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
                value /= 1024;
        snprintf(text, WORDS_MAX, unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
        return text;
}

const char *
time_text(int64_t time_ms, int64_t now_ms, char text[static WORDS_MAX])
{
        time_t then = (time_t)(time_ms / 1000), now = (time_t)(now_ms / 1000);
        struct tm a = {0}, b = {0};
        localtime_r(&then, &a);
        localtime_r(&now, &b);
        bool today = a.tm_year == b.tm_year && a.tm_yday == b.tm_yday;
        if (!strftime(text, WORDS_MAX, today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &a))
                snprintf(text, WORDS_MAX, "?");
        return text;
}

const char *
age_text(int64_t time_ms, int64_t now_ms, char text[static WORDS_MAX])
{
        char words[CLOCK_TEXT_MAX];
        duration_describe(now_ms > time_ms ? now_ms - time_ms : 0, words);
        snprintf(text, WORDS_MAX, "%s", words);
        return text;
}

int
json_time(const struct json *object, const char *key, int64_t *ret_ms)
{
        const char *text = json_text(object, key);
        return text ? clock_parse_human(text, 0, ret_ms, NULL) : -EINVAL;
}

static int
append_side(struct buf *ret, const struct json *attribute, const char *side)
{
        const char *value = json_text(attribute, side);
        if (!value)
                return buf_text(ret, "(absent)");
        if (!*value)
                return buf_text(ret, "(empty)");
        bool cut = strlen(value) > VALUE_SHOWN_MAX;
        return buf_printf(ret, "%.*s%s", (int)VALUE_SHOWN_MAX, value, cut ? "…" : "");
}

int
append_sides(struct buf *ret, const struct json *attribute)
{
        int r = append_side(ret, attribute, "expected");
        r = r ? r : buf_text(ret, " → ");
        return r ? r : append_side(ret, attribute, "actual");
}

int
print_words(struct buf *buf, const char *escaped)
{
        int r = 0;
        while (*escaped && r == 0) {
                bool blank = strncmp(escaped, "\\x20", 4) == 0;
                size_t size = *escaped == '\\' ? strnlen(escaped, 4)
                                               : 1; /* an escape is one unit: \x5cx20 is no blank */
                r = blank ? buf_text(buf, " ") : buf_append(buf, escaped, size);
                escaped += size;
        }
        return r;
}
