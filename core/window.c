/* SPDX-License-Identifier: MIT */
/*
 * Windows taken apart and put together. A table gives the lines of the header; what was read is written again
 * and must be the same bytes, so that there is one text for one meaning and the reader needs no second set of
 * rules.
 *
 * Owns its bytes and its set. Knows no clock, no approver and no store: whether a window may be opened is
 * judged elsewhere.
 */
#include "core/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"

struct span {
        const char *data;
        size_t size;
};

struct reader {
        const char *p, *end;
        unsigned line;
        struct err *err;
};

static int
malformed(const struct reader *reader, const char *what)
{
        return err_set(reader->err, WINDOW_MALFORMED, "window, line %u: %s", reader->line, what);
}

static bool
next_line(struct reader *reader, struct span *ret)
{
        const char *end =
                reader->p < reader->end ? memchr(reader->p, '\n', (size_t)(reader->end - reader->p)) : NULL;
        reader->line++;
        if (!end)
                return false;
        *ret = (struct span){reader->p, (size_t)(end - reader->p)};
        reader->p = end + 1;
        return true;
}

static bool
span_is(struct span span, const char *word)
{
        return span.size == strlen(word) && memcmp(span.data, word, span.size) == 0;
}

static bool
span_cut(struct span *rest, const char *word)
{
        size_t size = strlen(word);
        if (rest->size < size || memcmp(rest->data, word, size) != 0)
                return false;
        *rest = (struct span){rest->data + size, rest->size - size};
        return true;
}

/* ---- the header ---- */

static int
read_host(struct span value, struct window *ret)
{
        bool any = span_is(value, "*");
        if (!any && (value.size != HOST_ID_MAX - 1 || strspn(value.data, "0123456789abcdef") < value.size))
                return -EINVAL;
        memcpy(ret->host, value.data, value.size);
        return 0;
}

static int
read_baseline(struct span value, struct window *ret)
{
        if (span_is(value, "any"))
                return strcmp(ret->host, "*") == 0 ? 0 : -EINVAL;
        if (strcmp(ret->host, "*") == 0 || !span_cut(&value, WINDOW_BASELINE " "))
                return -EINVAL;
        size_t digits = 0;
        for (; digits < value.size && digits < 18 && value.data[digits] >= '0' && value.data[digits] <= '9';
                digits++)
                ret->generation = ret->generation * 10 + (unsigned)(value.data[digits] - '0');
        if (!ret->generation || digits == value.size || value.data[digits] != ' ')
                return -EINVAL;
        return digest_parse(value.data + digits + 1, value.size - digits - 1, &ret->baseline);
}

static int
read_by(struct span value, struct window *ret)
{
        if (!name_is_valid(value.data, value.size))
                return -EINVAL;
        memcpy(ret->by, value.data, value.size);
        return 0;
}

static int
read_ticket(struct span value, struct window *ret)
{
        if (!value.size || value.size >= sizeof ret->ticket || span_is(value, "none") ||
                !escape_is_canonical(value.data, value.size))
                return -EINVAL;
        memcpy(ret->ticket, value.data, value.size);
        return 0;
}

static int
read_class(struct span value, struct window *ret)
{
        int class = name_index(class_names, CLASS_COUNT, value.data, value.size);
        if (class >= 0)
                ret->class = (enum baseline_class) class;
        return class < 0 ? class : 0;
}

static int
read_from(struct span value, struct window *ret)
{
        return clock_parse_seconds(value.data, value.size, &ret->from_ms);
}

static int
read_until(struct span value, struct window *ret)
{
        return clock_parse_seconds(value.data, value.size, &ret->until_ms);
}

static int
read_record(struct span value, struct window *ret)
{
        ret->record = span_is(value, "yes");
        return ret->record || span_is(value, "no") ? 0 : -EINVAL;
}

static int
read_expect(struct span value, struct window *ret)
{
        ret->has_expect = !span_is(value, "none");
        return ret->has_expect ? digest_parse(value.data, value.size, &ret->expect_id) : 0;
}

static const struct {
        const char *word;
        int (*read)(struct span value, struct window *ret);
        const char *right;
} header_lines[] = {
        {"host ", read_host, "\"host ID\" (32 hex digits, or *) is expected here"},
        {"baseline ", read_baseline,
                "\"baseline host GENERATION ID\" (\"baseline any\" exactly for host *) is expected here"},
        {"by ", read_by, "\"by NAME\" is expected here (letters, digits, '.', '_', '-')"},
        {"ticket ", read_ticket, "\"ticket TEXT\" (escaped, at most 255 bytes) is expected here"},
        {"class ", read_class, "\"class standard\", \"class normal\" or \"class urgent\" is expected here"},
        {"from ", read_from, "\"from 2026-11-23T18:00:00Z\" is expected here"},
        {"until ", read_until, "\"until 2026-11-23T20:00:00Z\" is expected here"},
        {"record ", read_record, "\"record yes\" or \"record no\" is expected here"},
        {"expect ", read_expect, "\"expect ID\" (64 hex digits) or \"expect none\" is expected here"},
};

static int
read_header(struct reader *reader, struct window *window)
{
        struct span line;
        if (!next_line(reader, &line) || !span_is(line, "driftd-window 1"))
                return malformed(reader, "a window begins with \"driftd-window 1\"");
        for (size_t i = 0; i < ARRAY_SIZE(header_lines); i++)
                if (!next_line(reader, &line) || !span_cut(&line, header_lines[i].word) ||
                        header_lines[i].read(line, window) < 0)
                        return malformed(reader, header_lines[i].right);
        if (window->until_ms <= window->from_ms || window->until_ms - window->from_ms > WINDOW_LENGTH_MAX_MS)
                return malformed(reader, "a window ends after it begins, and at most seven days after");
        if (window->record && window->has_expect)
                return malformed(reader, "a window that records a set is given none");
        return 0;
}

/* ---- items ---- */

static int
check_item(const char *item, struct err *err)
{
        _cleanup_free_ char *parsed = NULL;
        int r = escape_is_canonical(item, strlen(item)) ? item_parse(item, &parsed, err)
                                                        : err_set(err, -EINVAL, "an item is escaped text");
        if (r < 0)
                return r;
        return strcmp(parsed, item) == 0 ? 0 : err_set(err, -EINVAL, "the item's one form is another");
}

static int
read_item(struct reader *reader, struct span line, struct window *window)
{
        struct err why = {0};
        if (!span_cut(&line, "item ") || memchr(line.data, '\0', line.size))
                return malformed(reader, "\"item ITEM\" is expected here, or the end");
        if (window->items.count == WINDOW_ITEMS_MAX)
                return malformed(reader, "more items than a window may have (4096)");
        if (text_list_add(&window->items, line.data, line.size) < 0)
                return err_oom(reader->err);
        const char *item = window->items.items[window->items.count - 1];
        int r = check_item(item, &why);
        if (r == -ENOMEM)
                return err_oom(reader->err);
        if (r < 0)
                return malformed(reader, why.text);
        if (window->items.count > 1 && strcmp(window->items.items[window->items.count - 2], item) >= 0)
                return malformed(reader, "the items are not sorted, or one stands twice");
        return 0;
}

static int
read_window(struct reader *reader, struct window *window)
{
        struct span line;
        int r = read_header(reader, window);
        while (r == 0 && reader->p < reader->end)
                r = next_line(reader, &line) ? read_item(reader, line, window)
                                             : malformed(reader, "a window ends with a newline");
        return r;
}

/* ---- the whole ---- */

static int
append(const struct window *window, struct buf *buf)
{
        char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX], hex[DIGEST_HEX_SIZE],
                expect[DIGEST_HEX_SIZE] = "none";
        clock_format_seconds(window->from_ms, from);
        clock_format_seconds(window->until_ms, until);
        digest_hex(&window->baseline, hex);
        if (window->has_expect)
                digest_hex(&window->expect_id, expect);
        int r = buf_printf(buf, WINDOW_MAGIC "host %s\nbaseline ", window->host);
        if (r == 0 && window->generation)
                r = buf_printf(buf, WINDOW_BASELINE " %" PRIu64 " %s\n", window->generation, hex);
        else
                r = r ? r : buf_text(buf, "any\n");
        r = r ? r
              : buf_printf(buf, "by %s\nticket %s\nclass %s\nfrom %s\nuntil %s\nrecord %s\nexpect %s\n",
                        window->by, window->ticket, class_names[window->class], from, until,
                        window->record ? "yes" : "no", expect);
        for (size_t i = 0; i < window->items.count && r == 0; i++)
                r = buf_printf(buf, "item %s\n", window->items.items[i]);
        return r;
}

bool
window_is_one(const char *text, size_t size)
{
        return size >= sizeof WINDOW_MAGIC - 1 && memcmp(text, WINDOW_MAGIC, sizeof WINDOW_MAGIC - 1) == 0;
}

int
window_open(char *text, size_t size, struct window **ret, struct err *err)
{
        _cleanup_(window_freep) struct window *window = calloc(1, sizeof *window);
        _cleanup_buf_ struct buf again = {0};
        struct reader reader = {text, text + size, 0, err};
        if (!window) {
                free(text);
                return err_oom(err);
        }
        window->text = text;
        window->size = size;
        if (size > WINDOW_SIZE_MAX)
                return err_set(err, WINDOW_MALFORMED, "a window has at most %zu bytes", WINDOW_SIZE_MAX);
        int r = read_window(&reader, window);
        if (r)
                return r;
        if (append(window, &again) < 0)
                return err_oom(err);
        if (again.size != size || memcmp(again.data, text, size) != 0)
                return err_set(err, WINDOW_MALFORMED, "the window is not in its one form");
        digest_bytes(text, size, &window->id);
        *ret = steal_pointer(&window);
        return 0;
}

struct window *
window_free(struct window *window)
{
        if (!window)
                return NULL;
        text_list_done(&window->items);
        if (window->expect) {
                size_t size;
                char *text = (char *)(uintptr_t)expect_text(window->expect, &size);
                window->expect = expect_free(window->expect);
                free(text);
        }
        free(window->text);
        free(window);
        return NULL;
}

int
window_write(struct window *window, struct buf *ret, struct err *err)
{
        struct window *read = NULL;
        _cleanup_buf_ struct buf text = {0};
        text_list_sort(&window->items);
        if (append(window, &text) < 0)
                return err_oom(err);
        size_t size = text.size;
        if (buf_append(ret, text.data, size) < 0)
                return err_oom(err);
        char *bytes = buf_steal(&text);
        int r = bytes ? window_open(bytes, size, &read, err) : err_oom(err);
        window_free(read);
        return r;
}

/* What the set names must be of the window, or its drift would be expected and yet not in it. */
static int
check_expect(const struct window *window, const struct expect *expect, struct err *err)
{
        if (!window->has_expect || !digest_equal(expect_id(expect), &window->expect_id))
                return err_set(err, WINDOW_MALFORMED,
                        "the expected change set is not the one that the window was signed with");
        for (size_t i = 0; i < expect_count(expect); i++) {
                const char *item = expect_at(expect, i)->item;
                if (item_selected(item, window->items.items, window->items.count))
                        continue;
                err_set(err, WINDOW_MALFORMED,
                        "the expected change set names %.300s, which is no item of the window", item);
                return err_hint(err, WINDOW_MALFORMED, "add --item for it, or leave all --item out");
        }
        return 0;
}

int
window_take_expect(struct window *window, char *text, size_t size, struct err *err)
{
        _cleanup_(expect_freep) struct expect *expect = NULL;
        int r = expect_open(text, size, &expect, err);
        r = r ? r : check_expect(window, expect, err);
        if (r) {
                free(text);
                return r < 0 ? r : WINDOW_MALFORMED;
        }
        window->expect = steal_pointer(&expect);
        return 0;
}

bool
window_holds(const struct window *window, const char *item, int64_t changed_ms)
{
        return changed_ms >= window->from_ms && changed_ms < window->until_ms &&
               item_selected(item, window->items.items, window->items.count);
}
