/* SPDX-License-Identifier: MIT */
/*
 * The header of a baseline: nine lines of a word and a value in fixed order, read and written. A table says
 * what each line holds, and in an error what would be right.
 */
#include "core/baseline_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"

const char *const class_names[CLASS_COUNT] = {"standard", "normal", "urgent"};

/* ---- reading ---- */

static bool
span_is(const struct span *value, const char *word)
{
        return value->size == strlen(word) && memcmp(value->data, word, value->size) == 0;
}

static int
read_name(const struct span *value, char ret[static NAME_MAX_SIZE])
{
        if (!name_is_valid(value->data, value->size))
                return -EINVAL;
        memcpy(ret, value->data, value->size);
        ret[value->size] = '\0';
        return 0;
}

static int
header_name(const struct span *value, struct baseline_header *ret)
{
        return read_name(value, ret->name);
}

static int
header_host(const struct span *value, struct baseline_header *ret)
{
        bool any = value->size == 1 && value->data[0] == '*';
        if (!any && (value->size != HOST_ID_MAX - 1 || strspn(value->data, "0123456789abcdef") < value->size))
                return -EINVAL;
        memcpy(ret->host, value->data, value->size);
        ret->host[value->size] = '\0';
        return 0;
}

static int
header_generation(const struct span *value, struct baseline_header *ret)
{
        uint64_t number = 0;
        if (!value->size || value->size > 18 || value->data[0] == '0')
                return -EINVAL;
        for (size_t i = 0; i < value->size; i++) {
                if (value->data[i] < '0' || value->data[i] > '9')
                        return -EINVAL;
                number = number * 10 + (unsigned)(value->data[i] - '0');
        }
        ret->generation = number;
        return 0;
}

static int
header_parent(const struct span *value, struct baseline_header *ret)
{
        ret->has_parent = !span_is(value, "none");
        return ret->has_parent ? digest_parse(value->data, value->size, &ret->parent) : 0;
}

static int
header_created(const struct span *value, struct baseline_header *ret)
{
        return clock_parse_seconds(value->data, value->size, &ret->created_ms);
}

static int
header_expires(const struct span *value, struct baseline_header *ret)
{
        ret->expires_ms = INT64_MAX;
        return span_is(value, "never") ? 0 : clock_parse_seconds(value->data, value->size, &ret->expires_ms);
}

static int
header_author(const struct span *value, struct baseline_header *ret)
{
        return read_name(value, ret->author);
}

static int
header_ticket(const struct span *value, struct baseline_header *ret)
{
        if (!value->size || !escape_is_canonical(value->data, value->size))
                return -EINVAL;
        if (span_is(value, "none"))
                return 0;
        ret->ticket = strndup(value->data, value->size);
        return ret->ticket ? 0 : -ENOMEM;
}

static int
header_class(const struct span *value, struct baseline_header *ret)
{
        int class = name_index(class_names, CLASS_COUNT, value->data, value->size);
        if (class < 0)
                return class;
        ret->class = (enum baseline_class) class;
        return 0;
}

static const struct {
        const char *word;
        int (*read)(const struct span *value, struct baseline_header *ret);
        const char *right; /* for the words of an error */
} header_lines[] = {
        {"name ", header_name, "\"name NAME\" (letters, digits, '.', '_', '-')"},
        {"host ", header_host, "\"host ID\" (32 hex digits, or *)"},
        {"generation ", header_generation, "\"generation N\" (from 1)"},
        {"parent ", header_parent, "\"parent ID\" (64 hex digits) or \"parent none\""},
        {"created ", header_created, "\"created 2026-11-23T18:00:00Z\""},
        {"expires ", header_expires, "\"expires 2027-02-23T18:00:00Z\" or \"expires never\""},
        {"author ", header_author, "\"author NAME\""},
        {"ticket ", header_ticket, "\"ticket TEXT\" (escaped) or \"ticket none\""},
        {"class ", header_class, "\"class standard\", \"class normal\" or \"class urgent\""},
};

int
header_read(struct reader *reader)
{
        struct baseline_header *header = &reader->baseline->header;
        struct span line;
        if (!reader_next_line(reader, &line) || !span_is(&line, "driftd-baseline 1"))
                return reader_malformed(reader, "a baseline begins with \"driftd-baseline 1\"");
        for (size_t i = 0; i < ARRAY_SIZE(header_lines); i++) {
                const char *word = header_lines[i].word;
                int r = -EINVAL;
                if (reader_next_line(reader, &line) && line.size <= BASELINE_LINE_MAX &&
                        span_starts_with(&line, word)) {
                        struct span value = {line.data + strlen(word), line.size - strlen(word)};
                        r = header_lines[i].read(&value, header);
                }
                if (r == -ENOMEM)
                        return err_oom(reader->err);
                if (r < 0)
                        return err_set(reader->err, BASELINE_MALFORMED, "line %u: %s is expected here",
                                reader->line, header_lines[i].right);
        }
        if (header->has_parent == (header->generation == 1))
                return reader_malformed(
                        reader, "generation 1 has parent none, and every later one names its parent");
        if (!reader_next_line(reader, &line) || line.size)
                return reader_malformed(reader, "an empty line ends the header");
        reader->baseline->entries_at = reader->at;
        return 0;
}

/* ---- writing ---- */

int
baseline_header_append(const struct baseline_header *header, struct buf *buf)
{
        char parent[DIGEST_HEX_SIZE] = "none", created[CLOCK_TEXT_MAX], expires[CLOCK_TEXT_MAX] = "never";
        if (header->has_parent)
                digest_hex(&header->parent, parent);
        clock_format_seconds(header->created_ms, created);
        if (header->expires_ms != INT64_MAX)
                clock_format_seconds(header->expires_ms, expires);
        return buf_printf(buf,
                "driftd-baseline 1\nname %s\nhost %s\ngeneration %" PRIu64
                "\nparent %s\ncreated %s\nexpires %s\nauthor %s\nticket %s\nclass %s\n\n",
                header->name, header->host, header->generation, parent, created, expires, header->author,
                header->ticket ? header->ticket : "none", class_names[header->class]);
}
