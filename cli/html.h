/* SPDX-License-Identifier: MIT */
/*
 * HTML as it is written: our own markup as it stands, and every text from outside through one sink, which
 * filters it as for a terminal (print_filter) and then escapes what HTML reads as markup. What comes out is
 * ASCII, but for the few signs that we write ourselves.
 */
#pragma once

#include <stdbool.h>

#include "core/buf.h"
#include "core/util.h"

struct html { /* zero-initialise */
        struct buf text;
        bool failed; /* out of memory: what is there is not whole */
};
void html_done(struct html *html);
#define _cleanup_html_ _cleanup_(html_done)

/* Our own markup; nothing from outside may be among its arguments but numbers. */
void html_raw(struct html *html, const char *format, ...) _printf_(2, 3);
/* A text from outside (NULL: nothing), safe between tags and in a quoted attribute. */
void html_text(struct html *html, const char *text);
/* <tag attributes>text</tag>; attributes are our own markup, with their blank before; NULL: none. */
void html_element(struct html *html, const char *tag, const char *attributes, const char *text);
