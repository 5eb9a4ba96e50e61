/* SPDX-License-Identifier: MIT */
/*
 * Approvals taken apart. A file is a row of (text, armour) pairs with nothing between them; a text is
 * lines in one fixed order, of which one byte sequence has one meaning. This file says where each text
 * and each signature begin and end and that their form is right; it touches no signature and knows no
 * key. Whether an approval names a baseline is answered by looking for the one line that would name it,
 * in the very bytes that are verified.
 *
 * Owns the list it returns, never the text, which must outlive it. Cannot write an approval: that is
 * approval_write.c, which the daemon does not link.
 */
#include "core/approval_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

struct span {
        const char *data;
        size_t size;
};

struct parser {
        const char *p, *end;
        unsigned line; /* the one read last, from 1 */
        struct err *err;
};

static int
malformed(const struct parser *parser, const char *what)
{
        return err_set(parser->err, APPROVAL_MALFORMED, "approval file, line %u: %s", parser->line, what);
}

/* The next line without its newline; false at the end, and for a last line that has none. */
static bool
parser_line(struct parser *parser, struct span *ret)
{
        const char *newline =
                parser->p < parser->end ? memchr(parser->p, '\n', (size_t)(parser->end - parser->p)) : NULL;
        parser->line++;
        if (!newline)
                return false;
        *ret = (struct span){parser->p, (size_t)(newline - parser->p)};
        parser->p = newline + 1;
        return true;
}

static bool
parser_sees(const struct parser *parser, const char *word)
{
        size_t size = strlen(word);
        return (size_t)(parser->end - parser->p) >= size && memcmp(parser->p, word, size) == 0;
}

static bool
span_is(struct span span, const char *word)
{
        return span.size == strlen(word) && memcmp(span.data, word, span.size) == 0;
}

/* Cuts the first word off; fields are separated by one blank. */
static struct span
span_cut(struct span *rest)
{
        const char *blank = memchr(rest->data, ' ', rest->size);
        struct span word = {rest->data, blank ? (size_t)(blank - rest->data) : rest->size};
        size_t skip = blank ? word.size + 1 : word.size;
        *rest = (struct span){rest->data + skip, rest->size - skip};
        return word;
}

bool
approval_host_is_valid(const char *host, size_t size)
{
        static const char digits[] = "0123456789abcdef";
        if (size == 1)
                return host[0] == '*';
        for (size_t i = 0; i < size; i++)
                if (!memchr(digits, host[i], sizeof digits - 1))
                        return false;
        return size == 32;
}

static bool
generation_is_valid(struct span digits)
{
        if (digits.size < 1 || digits.size > GENERATION_DIGITS_MAX || digits.data[0] == '0')
                return false;
        for (size_t i = 0; i < digits.size; i++)
                if (digits.data[i] < '0' || digits.data[i] > '9')
                        return false;
        return true;
}

/* ---- the header: three lines in this order ---- */

static int
read_by(struct span value, struct approval *ret)
{
        if (!name_is_valid(value.data, value.size))
                return -EINVAL;
        memcpy(ret->by, value.data, value.size);
        ret->by[value.size] = '\0';
        return 0;
}

static int
read_at(struct span value, struct approval *ret)
{
        return clock_parse_seconds(value.data, value.size, &ret->at_ms);
}

static int
read_key_on_host(struct span value, struct approval *ret)
{
        ret->key_on_host = span_is(value, "yes");
        return ret->key_on_host || span_is(value, "no") ? 0 : -EINVAL;
}

static const struct {
        const char *word;
        int (*read)(struct span value, struct approval *ret);
        const char *right;
} header_lines[] = {
        {"by ", read_by, "\"by NAME\" is expected here (letters, digits, '.', '_', '-')"},
        {"at ", read_at, "\"at 2026-11-23T18:04:00Z\" is expected here"},
        {"key-on-host ", read_key_on_host, "\"key-on-host yes\" or \"key-on-host no\" is expected here"},
};

static int
read_header(struct parser *parser, struct approval *approval)
{
        struct span line;
        if (!parser_sees(parser, APPROVAL_MAGIC)) {
                parser->line++;
                return malformed(parser, "an approval begins with \"driftd-approval 1\"");
        }
        (void)parser_line(parser, &line);
        for (size_t i = 0; i < ARRAY_SIZE(header_lines); i++) {
                bool ours = parser_sees(parser, header_lines[i].word);
                size_t word = strlen(header_lines[i].word);
                if (!parser_line(parser, &line) || !ours ||
                        header_lines[i].read((struct span){line.data + word, line.size - word}, approval) < 0)
                        return malformed(parser, header_lines[i].right);
        }
        return 0;
}

/* ---- the subjects ---- */

static bool
is_baseline_line(struct span rest)
{
        struct digest id;
        struct span digest = span_cut(&rest), name = span_cut(&rest), host = span_cut(&rest);
        return digest_parse(digest.data, digest.size, &id) == 0 && name_is_valid(name.data, name.size) &&
               approval_host_is_valid(host.data, host.size) && generation_is_valid(rest);
}

static bool
is_trust_line(struct span rest)
{
        struct digest id;
        struct span digest = span_cut(&rest);
        return digest_parse(digest.data, digest.size, &id) == 0 && generation_is_valid(rest);
}

static bool
is_window_line(struct span rest)
{
        struct digest id;
        return digest_parse(rest.data, rest.size, &id) == 0;
}

/* Whether b may follow a (nothing, for the first): greater by memcmp, so sorted and without repetition. */
static bool
span_is_after(struct span a, struct span b)
{
        if (!a.data)
                return true;
        int order = memcmp(a.data, b.data, min_size(a.size, b.size));
        return order < 0 || (order == 0 && a.size < b.size);
}

static int
read_subject(struct parser *parser, bool first, struct span *before, struct approval *approval)
{
        struct span line, rest;
        if (!parser_line(parser, &line))
                return malformed(parser, "the file ends within an approval");
        rest = line;
        struct span kind = span_cut(&rest);
        bool trust = span_is(kind, "trust"), window = span_is(kind, "window");
        if (!(trust          ? is_trust_line(rest)
                    : window ? is_window_line(rest)
                             : span_is(kind, "baseline") && is_baseline_line(rest)))
                return malformed(parser,
                        "\"baseline ID NAME HOST GENERATION\", \"trust ID GENERATION\", \"window ID\" or a "
                        "signature is expected here");
        if (!first && (trust || window || approval->for_trust || approval->for_window))
                return malformed(parser, "an approval of a trust file or a window names that one alone");
        if (!span_is_after(*before, line))
                return malformed(parser, "the subjects are not sorted, or one stands twice");
        approval->for_trust = trust;
        approval->for_window = window;
        *before = line;
        return 0;
}

static int
read_subjects(struct parser *parser, struct approval *approval)
{
        struct span before = {0};
        size_t count = 0;
        while (count == 0 || !parser_sees(parser, SSHSIG_BEGIN)) {
                if (count >= APPROVAL_SUBJECTS_MAX)
                        return malformed(parser, "more subjects than one approval may name (8192)");
                int r = read_subject(parser, count == 0, &before, approval);
                if (r)
                        return r;
                count++;
        }
        return 0;
}

/* ---- the file ---- */

/* The armour's bounds only: what is in it, sshsig_parse says. */
static int
read_armor(struct parser *parser, struct approval *approval)
{
        struct span line;
        approval->armor = parser->p;
        do {
                if (!parser_line(parser, &line))
                        return malformed(parser, "the signature has no \"-----END SSH SIGNATURE-----\" line");
                approval->armor_size = (size_t)(parser->p - approval->armor);
                if (approval->armor_size > SSHSIG_ARMOR_MAX)
                        return malformed(
                                parser, "the signature is longer than any that an ed25519 key makes");
        } while (line.size + 1 != strlen(SSHSIG_END) || memcmp(line.data, SSHSIG_END, line.size) != 0);
        return 0;
}

static int
read_approval(struct parser *parser, struct approval *ret)
{
        struct approval approval = {.text = parser->p};
        int r = read_header(parser, &approval);
        if (r == 0)
                r = read_subjects(parser, &approval);
        if (r)
                return r;
        approval.text_size = (size_t)(parser->p - approval.text);
        r = read_armor(parser, &approval);
        if (r == 0)
                *ret = approval;
        return r;
}

int
approvals_parse(const char *text, size_t size, struct approval **ret_list, size_t *ret_count, struct err *err)
{
        _cleanup_free_ struct approval *list = NULL;
        struct parser parser = {.p = text, .end = size ? text + size : text, .err = err};
        size_t count = 0, room = 0;
        if (size > APPROVAL_FILE_MAX)
                return err_set(err, APPROVAL_MALFORMED,
                        "an approval file has at most %u bytes, this one has %zu", APPROVAL_FILE_MAX, size);
        while (parser.p < parser.end) {
                if (count >= APPROVALS_MAX)
                        return malformed(&parser, "more approvals than a file may hold (16384)");
                if (count == room) {
                        room = room ? room * 2 : 4;
                        struct approval *more = reallocarray(list, room, sizeof *more);
                        if (!more)
                                return err_oom(err);
                        list = more;
                }
                int r = read_approval(&parser, &list[count]);
                if (r)
                        return r;
                count++;
        }
        *ret_list = steal_pointer(&list);
        *ret_count = count;
        return 0;
}

/* ---- naming ---- */

int
approval_subject_line(const struct approval_subject *subject, char ret[static SUBJECT_LINE_MAX])
{
        char hex[DIGEST_HEX_SIZE];
        if (subject->window) {
                digest_hex(&subject->id, hex);
                snprintf(ret, SUBJECT_LINE_MAX, "window %s\n", hex);
                return 0;
        }
        if (subject->generation < 1 || subject->generation > GENERATION_MAX)
                return -EINVAL;
        digest_hex(&subject->id, hex);
        if (!subject->name) {
                snprintf(ret, SUBJECT_LINE_MAX, "trust %s %" PRIu64 "\n", hex, subject->generation);
                return 0;
        }
        if (!name_is_valid(subject->name, strlen(subject->name)) || !subject->host ||
                !approval_host_is_valid(subject->host, strlen(subject->host)))
                return -EINVAL;
        snprintf(ret, SUBJECT_LINE_MAX, "baseline %s %s %s %" PRIu64 "\n", hex, subject->name, subject->host,
                subject->generation);
        return 0;
}

/* A subject is never the first line, so the newline before it is always there. */
static bool
approval_names(const struct approval *approval, const struct approval_subject *subject)
{
        char line[1 + SUBJECT_LINE_MAX] = "\n";
        if (approval_subject_line(subject, line + 1) < 0)
                return false;
        return memmem(approval->text, approval->text_size, line, strlen(line)) != NULL;
}

bool
approval_names_baseline(const struct approval *approval, const struct digest *id, const char *name,
        const char *host, uint64_t generation)
{
        return approval_names(approval, &(struct approval_subject){*id, name, host, generation, false});
}

bool
approval_names_trust(const struct approval *approval, const struct digest *id, uint64_t generation)
{
        return approval_names(approval, &(struct approval_subject){*id, NULL, NULL, generation, false});
}

bool
approval_names_window(const struct approval *approval, const struct digest *id)
{
        return approval_names(approval, &(struct approval_subject){.id = *id, .window = true});
}

static const char *
name_space(bool trust, bool window)
{
        return window ? SSHSIG_NAMESPACE_WINDOW : trust ? SSHSIG_NAMESPACE_TRUST : SSHSIG_NAMESPACE_APPROVAL;
}

const char *
approval_namespace(const struct approval *approval)
{
        return name_space(approval->for_trust, approval->for_window);
}

const char *
approval_subject_namespace(const struct approval_subject *subject)
{
        return name_space(!subject->name, subject->window);
}
