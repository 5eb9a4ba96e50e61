/* SPDX-License-Identifier: MIT */
/*
 * JSON (RFC 8259) behind one fence: no other module includes jansson. Strict UTF-8, no duplicate
 * members, bounded depth. A `struct json` is a reference: json_free drops one, json_keep adds one.
 *
 * json_make builds and json_read takes apart in jansson's own format language (jansson.readthedocs.io,
 * "Building Values" and "Parsing and Validating Values"): s string, s? string or null, i int, I int64
 * (json_int), b bool, o value (reference taken), O value (reference kept), {..} and [..]; in json_read
 * strings are borrowed from the value, `s?` marks an optional member, and a trailing `!` refuses others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

struct json;
typedef long long json_int; /* what I takes */

/* NULL when out of memory or when a string is not UTF-8. */
struct json *json_make(const char *format, ...);
/* 0, or -EINVAL with what was expected. */
int json_read(const struct json *value, struct err *err, const char *format, ...);

#define JSON_DEPTH_MAX 64u
/* One document (any value) and nothing after it; depth at most JSON_DEPTH_MAX. -EINVAL with words. */
int json_parse(const char *text, size_t size, struct json **ret, struct err *err);
/* Appends compact text, members in the order they were set. 0 or -ENOMEM; a failed call leaves the buffer as
 * it was. */
int json_write(const struct json *value, struct buf *buf);
/* The same, indented by two, with a newline at its end. */
int json_write_pretty(const struct json *value, struct buf *buf);

struct json *json_keep(struct json *value);
struct json *json_free(struct json *value);
CLEANUP_DEFINE(struct json *, json_free)
#define _cleanup_json_ _cleanup_(json_freep)

struct json *json_null_new(void);
struct json *json_string_new(const char *text);
struct json *json_array_make(void);
struct json *json_object_make(void);
/* The words of a text, which stand one space apart, as an array. NULL (no words): an empty one. */
struct json *json_words(const char *text);
/* Take the reference of value, also when they fail; a NULL value is -ENOMEM (so that calls nest). */
int json_push(struct json *array, struct json *value);
/* The same, so that a list is whole or none: what fails frees the array and sets it to NULL, which it may be.
 */
void json_gather(struct json **array, struct json *value);
int json_put(struct json *object, const char *key, struct json *value);

const struct json *json_member(const struct json *object, const char *key); /* borrowed; NULL if absent */
const struct json *json_at(const struct json *array, size_t index);         /* borrowed; NULL past the end */
size_t json_length(const struct json *array_or_object);                     /* 0 for anything else */
bool json_is_null(const struct json *value);                                /* also for NULL */
enum json_kind {
        JSON_KIND_NULL, /* also for NULL */
        JSON_KIND_BOOL,
        JSON_KIND_INTEGER,
        JSON_KIND_REAL,
        JSON_KIND_STRING,
        JSON_KIND_ARRAY,
        JSON_KIND_OBJECT,
};
enum json_kind json_kind(const struct json *value);
/* The member's name after key, in order; key NULL: the first. NULL: there is no other. Borrowed. */
const char *json_key_after(const struct json *object, const char *key);
/* The member's value, or NULL / 0 / false where it is absent or of another type. Borrowed. */
const char *json_text(const struct json *object, const char *key);
const char *json_string_of(const struct json *value); /* (json_string is a symbol of jansson's) */
json_int json_number(const struct json *object, const char *key);
bool json_flag(const struct json *object, const char *key);

#define json_each(array, index, value)                                                                       \
        for (size_t index = 0; index < json_length(array); index++)                                          \
                for (const struct json *value = json_at(array, index); value; value = NULL)
