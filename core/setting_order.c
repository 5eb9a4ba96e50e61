/* SPDX-License-Identifier: MIT */
/*
 * What is less than what: whole numbers as the kernel writes them (decimal or 0x, -2^63 to 2^64-1), and
 * versions (`TLSv1.2`, `3.0.11`). There is an order only between two of one kind; everything else, also a
 * number with zeros in front (is it octal?) or one that does not fit, has none, and is never guessed.
 */
#include "core/setting_internal.h"

#include <ctype.h>
#include <string.h>

struct number {
        bool negative;
        uint64_t size; /* its distance from 0 */
};

struct version {
        const char *kind; /* what stands before the digits */
        size_t kind_size;
        uint32_t parts[SETTING_FIELDS_MAX + 1];
        size_t n;
};

static enum setting_order
order_of(uint64_t a, uint64_t b)
{
        return a < b ? SETTING_LESS : a > b ? SETTING_MORE : SETTING_SAME;
}

/* Digits of a base, all of them. */
static bool
read_digits(const char *text, size_t size, unsigned base, uint64_t *ret)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)text[i];
                if (!(base == 16 ? isxdigit(c) : isdigit(c)))
                        return false;
                unsigned digit = isdigit(c) ? c - (unsigned)'0' : (unsigned)tolower(c) - 'a' + 10;
                if (__builtin_mul_overflow(sum, (uint64_t)base, &sum) ||
                        __builtin_add_overflow(sum, (uint64_t)digit, &sum))
                        return false;
        }
        *ret = sum;
        return size > 0;
}

static bool
read_number(const char *text, size_t size, struct number *ret)
{
        ret->negative = size && *text == '-';
        text += ret->negative;
        size -= ret->negative;
        bool hex = size > 2 && text[0] == '0' && text[1] == 'x';
        if (hex ? !read_digits(text + 2, size - 2, 16, &ret->size)
                : !read_digits(text, size, 10, &ret->size) || (size > 1 && *text == '0'))
                return false;
        return !ret->negative || (ret->size && ret->size <= (uint64_t)1 << 63);
}

static enum setting_order
compare_numbers(const struct number *a, const struct number *b)
{
        if (a->negative != b->negative)
                return a->negative ? SETTING_LESS : SETTING_MORE;
        return a->negative ? order_of(b->size, a->size) : order_of(a->size, b->size);
}

/* TLS went on where SSL ended: both are one kind, with what came first below. */
static void
join_tls(struct version *version)
{
        bool tls = version->kind_size == 4 && memcmp(version->kind, "TLSv", 4) == 0;
        bool ssl = version->kind_size == 4 && memcmp(version->kind, "SSLv", 4) == 0;
        if (!tls && !ssl)
                return;
        memmove(version->parts + 1, version->parts, version->n * sizeof *version->parts);
        version->parts[0] = tls;
        version->n++;
        version->kind = "TLSv";
}

static bool
read_version(const char *text, size_t size, struct version *ret)
{
        const char *end = text + size;
        *ret = (struct version){.kind = text};
        while (text < end && isalpha((unsigned char)*text))
                text++;
        ret->kind_size = (size_t)(text - ret->kind);
        for (;;) {
                const char *dot = memchr(text, '.', (size_t)(end - text));
                size_t digits = (size_t)((dot ? dot : end) - text);
                uint64_t part;
                if (ret->n == SETTING_FIELDS_MAX || !read_digits(text, digits, 10, &part) ||
                        part > UINT32_MAX || (digits > 1 && *text == '0'))
                        return false;
                ret->parts[ret->n++] = (uint32_t)part;
                if (!dot)
                        break;
                text = dot + 1;
        }
        join_tls(ret);
        return true;
}

static enum setting_order
compare_versions(const struct version *a, const struct version *b)
{
        if (a->kind_size != b->kind_size || memcmp(a->kind, b->kind, a->kind_size) != 0)
                return SETTING_NO_ORDER;
        for (size_t i = 0; i < a->n || i < b->n; i++) {
                enum setting_order order = order_of(i < a->n ? a->parts[i] : 0, i < b->n ? b->parts[i] : 0);
                if (order != SETTING_SAME)
                        return order;
        }
        return SETTING_SAME;
}

enum setting_order
setting_field_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
        struct number left, right;
        struct version older, newer;
        if (read_number(a, a_size, &left) && read_number(b, b_size, &right))
                return compare_numbers(&left, &right);
        if (read_version(a, a_size, &older) && read_version(b, b_size, &newer))
                return compare_versions(&older, &newer);
        return SETTING_NO_ORDER;
}

bool
setting_field_next(const char **text, const char **ret_field, size_t *ret_size)
{
        static const char blanks[] = " \t\n";
        const char *p = *text + strspn(*text, blanks);
        if (!*p)
                return false;
        *ret_field = p;
        *ret_size = strcspn(p, " \t\n:");
        p += *ret_size;
        p += strspn(p, blanks);
        if (*p == ':') {
                p++;
                p += strspn(p, blanks);
                if (!*p) /* nothing after the colon: no field is cut, so this one counts as empty */
                        *ret_size = 0;
        }
        *text = p;
        return true;
}

size_t
setting_fields_count(const char *text)
{
        const char *field;
        size_t size, n = 0;
        while (setting_field_next(&text, &field, &size))
                if (setting_field_compare(field, size, field, size) != SETTING_SAME ||
                        n++ == SETTING_FIELDS_MAX)
                        return 0;
        return n;
}
