/* SPDX-License-Identifier: MIT */
/* The sink of texts in HTML. The five signs are those of the HTML standard (13.3, escaping a string). */
#include "cli/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

void
html_done(struct html *html)
{
        buf_done(&html->text);
}

void
html_raw(struct html *html, const char *format, ...)
{
        char *text = NULL;
        va_list args;
        va_start(args, format);
        int size = vasprintf(&text, format, args);
        va_end(args);
        if (size < 0 || buf_append(&html->text, text, (size_t)size) < 0)
                html->failed = true;
        if (size >= 0)
                free(text);
}

static const char *
entity_of(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&#39;";
        default:
                return NULL;
        }
}

void
html_text(struct html *html, const char *text)
{
        _cleanup_buf_ struct buf plain = {0};
        int r = text ? print_filter(&plain, text, strlen(text)) : 0;
        for (size_t i = 0; i < plain.size && r == 0; i++) {
                const char *entity = entity_of(plain.data[i]);
                r = entity ? buf_text(&html->text, entity) : buf_append(&html->text, &plain.data[i], 1);
        }
        if (r)
                html->failed = true;
}

void
html_element(struct html *html, const char *tag, const char *attributes, const char *text)
{
        html_raw(html, "<%s%s>", tag, attributes ? attributes : "");
        html_text(html, text);
        html_raw(html, "</%s>", tag);
}
