/* SPDX-License-Identifier: MIT */
/*
 * Reading INI files twice. A scanner of our own takes each line apart by rules without traps and refuses
 * whatever inih would cut, join or split in silence; then inih reads the same text, and each key that it
 * finds must be the one that the scanner finds. What is handed to the caller is thereby what a person
 * sees in the file and what inih reads, with line numbers, which inih does not give.
 *
 * The fence of inih: no other file includes its header. The largest unit is a line, in fixed memory.
 * Nothing is handed over before the whole file was found good.
 */
#include "core/ini_reader.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/escape.h"
#include "core/quote.h"

#define BLANKS " \t"
#define WORD_MAX 64u      /* characters: longer words are near to none */
#define WORD_EDITS_MAX 2u /* edits */

struct scanner {
        const char *path, *p, *end;
        unsigned line;
        char section[INI_LINE_MAX + 1];
        char text[INI_LINE_MAX + 1]; /* the line, cut in place */
        char *key, *value;           /* in text; both NULL at a section */
};

enum scan_result {
        SCAN_END = 1, /* nothing more to read */
        SCAN_BLANK,   /* a line that says nothing */
};

static int refuse(const struct scanner *s, struct err *err, const char *hint, const char *format, ...)
        _printf_(4, 5);

static int
refuse(const struct scanner *s, struct err *err, const char *hint, const char *format, ...)
{
        char what[512];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        err_set(err, -EINVAL, "%s:%u: %s", quote(s->path), s->line, what);
        return err_hint(err, -EINVAL, "%s", hint);
}

/* ---- one line ---- */

static int
check_bytes(const struct scanner *s, const char *line, size_t size, struct err *err)
{
        const unsigned char *p = (const unsigned char *)line;
        if (s->line == 1 && size >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
                return refuse(s, err, "save the file as UTF-8 without it",
                        "the file starts with a byte order mark");
        for (size_t i = 0; i < size;) {
                size_t took = utf8_sequence(p + i, size - i);
                if (!took)
                        return refuse(s, err,
                                "save the file as UTF-8; other bytes of a path are written as \\xhh",
                                "byte %zu of the line is not UTF-8", i + 1);
                if (p[i] == '\r')
                        return refuse(s, err, "save the file with LF line ends (sed -i 's/\\r$//' FILE)",
                                "there is a carriage return in the line");
                if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
                        return refuse(s, err, "take it out; in a path it is written as \\xhh",
                                "byte %zu of the line is the control byte 0x%02x", i + 1, p[i]);
                i += took;
        }
        return 0;
}

/* The `;` that starts a comment: the first after a blank. NULL if there is none. */
static char *
find_comment(char *text)
{
        for (char *p = text; (p = strchr(p, ';')); p++)
                if (p > text && strchr(BLANKS, p[-1]))
                        return p;
        return NULL;
}

static void
cut_blanks(char *text)
{
        size_t size = strlen(text);
        while (size && strchr(BLANKS, text[size - 1]))
                size--;
        text[size] = '\0';
}

static int
take_section(struct scanner *s, struct err *err)
{
        char *name = s->text + 1;
        char *close = strchr(name, ']');
        if (!close)
                return refuse(
                        s, err, "write [name] on a line of its own", "the section is not closed by a ]");
        char *rest = close + 1 + strspn(close + 1, BLANKS);
        if (*rest && (*rest != ';' || rest == close + 1))
                return refuse(s, err,
                        "write [name] alone; no [ or ] can stand in the name, and a comment starts with a "
                        "blank and ;",
                        "there is text after the ] of a section");
        *close = '\0';
        size_t size = strlen(name);
        if (!size)
                return refuse(s, err, "write [name]", "the section has no name");
        if (size > INI_SECTION_MAX)
                return refuse(s, err, "choose a shorter name",
                        "the section's name is %zu bytes long, more than %d", size, INI_SECTION_MAX);
        if (strchr(BLANKS, name[0]) || strchr(BLANKS, name[size - 1]) || strchr(name, '[') ||
                find_comment(name))
                return refuse(s, err, "write [name] or [kind name], without blanks at the brackets",
                        "\"[%s]\" is not a section", quote(name));
        memcpy(s->section, name, size + 1);
        s->key = s->value = NULL;
        return 0;
}

static int
check_value(const struct scanner *s, const char *value, struct err *err)
{
        for (const char *p = value; (p = strchr(p, '#')); p++)
                if (p == value || strchr(BLANKS, p[-1]))
                        return refuse(s, err,
                                "a comment at the end of a line starts with a blank and ; (# only at the "
                                "left edge)",
                                "a # does not start a comment here");
        return 0;
}

static int
take_key(struct scanner *s, struct err *err)
{
        char *comment = find_comment(s->text);
        if (comment)
                *comment = '\0';
        char *equals = strchr(s->text, '='), *colon = strchr(s->text, ':');
        if (colon && (!equals || colon < equals))
                return refuse(s, err, "write key = value", "there is a : before the = of the line");
        if (!equals)
                return refuse(s, err,
                        "write key = value (nothing after the = where the value is to be empty)",
                        "there is no = in the line");
        *equals = '\0';
        s->key = s->text;
        s->value = equals + 1 + strspn(equals + 1, BLANKS);
        cut_blanks(s->key);
        cut_blanks(s->value);
        if (!*s->key)
                return refuse(s, err, "write key = value", "there is no key before the =");
        if (!*s->section)
                return refuse(s, err, "start with a [section]", "\"%s\" stands before the first section",
                        quote(s->key));
        return check_value(s, s->value, err);
}

static int
take_line(struct scanner *s, const char *line, size_t size, struct err *err)
{
        if (size > INI_LINE_MAX)
                return refuse(s, err,
                        "shorten it, also if it is a comment; a key that may repeat can stand on several "
                        "lines",
                        "the line is %zu bytes long, more than %d", size, INI_LINE_MAX);
        int r = check_bytes(s, line, size, err);
        if (r < 0)
                return r;
        memcpy(s->text, line, size);
        s->text[size] = '\0';
        size_t indent = strspn(s->text, BLANKS);
        if (!s->text[indent] || strchr(";#", s->text[indent]))
                return SCAN_BLANK;
        if (indent)
                return refuse(s, err,
                        "start it at the left edge; a key that may repeat is written anew on each line",
                        "the line is indented, which would continue the one before");
        return *s->text == '[' ? take_section(s, err) : take_key(s, err);
}

/* The next section or key: 0, SCAN_END or an error. */
static int
scan_next(struct scanner *s, struct err *err)
{
        while (s->p < s->end) {
                size_t left = (size_t)(s->end - s->p);
                const char *line = s->p, *newline = memchr(line, '\n', left);
                size_t size = newline ? (size_t)(newline - line) : left;
                s->p += newline ? size + 1 : size;
                s->line++;
                int r = take_line(s, line, size, err);
                if (r != SCAN_BLANK)
                        return r;
        }
        return SCAN_END;
}

/* ---- the file ---- */

static struct scanner
scanner_start(const char *path, const struct buf *text)
{
        return (struct scanner){.path = path, .p = text->data, .end = text->data + text->size};
}

static int
check_lines(const char *path, const struct buf *text, struct err *err)
{
        struct scanner s = scanner_start(path, text);
        int r;
        do
                r = scan_next(&s, err);
        while (r == 0);
        return r == SCAN_END ? 0 : r;
}

struct comparison {
        struct scanner scanner;
        bool differs;
};

/* Called by inih for each key. The scanner must come to the same. */
static int
compare_key(void *userdata, const char *section, const char *key, const char *value)
{
        struct comparison *c = userdata;
        do
                c->differs = c->differs || scan_next(&c->scanner, NULL) != 0;
        while (!c->differs && !c->scanner.key);
        if (!c->differs)
                c->differs = strcmp(section, c->scanner.section) != 0 || strcmp(key, c->scanner.key) != 0 ||
                             !value || strcmp(value, c->scanner.value) != 0;
        return 1;
}

static int
compare_readings(const char *path, const struct buf *text, struct err *err)
{
        struct comparison c = {.scanner = scanner_start(path, text)};
        int r = ini_parse_string(text->data, compare_key, &c);
        if (r == -2)
                return err_oom(err);
        while (r == 0 && !c.differs && (r = scan_next(&c.scanner, NULL)) == 0)
                c.differs = c.scanner.key != NULL;
        if (!c.differs && r == SCAN_END)
                return 0;
        return refuse(&c.scanner, err, "write plain `key = value` lines",
                "the line can be read in two ways (by us and by inih)");
}

int
ini_read(const char *path, const char *text, size_t size, ini_visit visit, void *userdata, struct err *err)
{
        _cleanup_buf_ struct buf copy = {0}; /* inih wants a NUL at the end */
        if (size > INI_FILE_MAX)
                return err_set(err, -EINVAL, "%s: larger than %u bytes", quote(path), INI_FILE_MAX);
        if (buf_reserve(&copy, size) < 0 || buf_append(&copy, text, size) < 0)
                return err_oom(err);
        int r = check_lines(path, &copy, err);
        if (r == 0)
                r = compare_readings(path, &copy, err);
        if (r < 0)
                return r;
        struct scanner s = scanner_start(path, &copy);
        while (scan_next(&s, err) == 0) {
                r = visit(userdata, s.line, s.section, s.key, s.value, err);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* ---- near words ---- */

/* Edits (insert, drop, replace, swap neighbours) between two words of less than WORD_MAX, case aside. */
static unsigned
word_distance(const char *a, const char *b)
{
        unsigned rows[3][WORD_MAX + 1];
        size_t a_size = strlen(a), b_size = strlen(b);
        for (size_t k = 0; k <= b_size; k++)
                rows[0][k] = (unsigned)k;
        for (size_t i = 1; i <= a_size; i++) {
                unsigned *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
                row[0] = (unsigned)i;
                for (size_t k = 1; k <= b_size; k++) {
                        int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[k - 1]);
                        unsigned best = last[k - 1] + (x != y);
                        best = last[k] + 1 < best ? last[k] + 1 : best;
                        best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
                        if (i > 1 && k > 1 && x == tolower((unsigned char)b[k - 2]) &&
                                y == tolower((unsigned char)a[i - 2]) && before[k - 2] + 1 < best)
                                best = before[k - 2] + 1;
                        row[k] = best;
                }
        }
        return rows[a_size % 3][b_size];
}

const char *
nearest_word(const char *word, const char *const *names, size_t n_names)
{
        const char *nearest = NULL;
        unsigned least = WORD_EDITS_MAX + 1;
        size_t size = strlen(word);
        if (size >= WORD_MAX)
                return NULL;
        for (size_t i = 0; i < n_names; i++) {
                size_t name_size = strlen(names[i]);
                if (name_size >= WORD_MAX)
                        continue;
                unsigned distance = word_distance(word, names[i]);
                /* Two edits turn any two letters into any others: half of a word at least must stay. */
                if (distance < least && 2 * distance <= (size > name_size ? size : name_size)) {
                        nearest = names[i];
                        least = distance;
                }
        }
        return nearest;
}
