/* SPDX-License-Identifier: MIT */
/*
 * JSON through jansson, and the fence around it. A `struct json` is a json_t under another name, so
 * nothing is wrapped or copied. What this file adds is what jansson leaves open: depth is bounded before
 * it parses (its own bound is 2048, deep enough to hurt a small stack), a member twice and a NUL byte are
 * refused, and its messages, which quote the input, are escaped before they become words.
 */
#include "core/json.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "core/escape.h"

#undef json_is_null /* jansson's is a macro; ours is a function */

/* jansson takes no const pointers even where it only reads. */
static json_t *
inner(const struct json *value)
{
        return (json_t *)(uintptr_t)value;
}

static struct json *
outer(json_t *value)
{
        return (struct json *)value;
}

/* A message of jansson's may quote the input: all but its blanks is escaped. */
static void
words_append(char *out, size_t room, const char *text)
{
        size_t written = 0;
        for (; *text; text++) {
                size_t size = *text == ' ' ? 1 : escape_size(text, 1);
                if (written + size >= room)
                        break;
                if (*text == ' ')
                        out[written] = ' ';
                else
                        escape(text, 1, out + written);
                written += size;
        }
        out[written] = '\0';
}

/* ---- making and taking apart ---- */

struct json *
json_make(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        json_t *value = json_vpack_ex(NULL, 0, format, args);
        va_end(args);
        return outer(value);
}

int
json_read(const struct json *value, struct err *err, const char *format, ...)
{
        json_error_t error;
        char words[2 * JSON_ERROR_TEXT_LENGTH];
        va_list args;
        va_start(args, format);
        int r = json_vunpack_ex(inner(value), &error, 0, format, args);
        va_end(args);
        if (r == 0)
                return 0;
        words_append(words, sizeof words, error.text);
        return err_set(err, -EINVAL, "not the expected JSON: %s", words);
}

/* ---- text ---- */

/* Whether brackets nest deeper than allowed. Text that is not JSON may be judged wrongly: the parser refuses
 * it. */
static bool
text_is_too_deep(const char *text, size_t size)
{
        size_t depth = 0;
        bool in_string = false;
        for (size_t i = 0; i < size; i++) {
                if (in_string && text[i] == '\\')
                        i++;
                else if (text[i] == '"')
                        in_string = !in_string;
                else if (!in_string && (text[i] == '{' || text[i] == '[')) {
                        if (++depth > JSON_DEPTH_MAX)
                                return true;
                } else if (!in_string && (text[i] == '}' || text[i] == ']') && depth)
                        depth--;
        }
        return false;
}

int
json_parse(const char *text, size_t size, struct json **ret, struct err *err)
{
        json_error_t error;
        char words[2 * JSON_ERROR_TEXT_LENGTH];
        if (text_is_too_deep(text, size)) {
                err_set(err, -EINVAL, "the JSON nests too deeply");
                return err_hint(err, -EINVAL, "at most %u arrays and objects within each other are taken",
                        JSON_DEPTH_MAX);
        }
        if (memchr(text, '\0', size))
                return err_set(err, -EINVAL, "not JSON: a NUL byte in the text"); /* jansson skips them */
        json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        if (!value) {
                /* (Where jansson has no memory for the first buffer it says nothing at all.) */
                if (!error.text[0] || json_error_code(&error) == json_error_out_of_memory)
                        return err_oom(err);
                words_append(words, sizeof words, error.text);
                return err_set(
                        err, -EINVAL, "not JSON: line %d, column %d: %s", error.line, error.column, words);
        }
        *ret = outer(value);
        return 0;
}

static int
write_piece(const char *text, size_t size, void *userdata)
{
        return buf_append(userdata, text, size) < 0 ? -1 : 0;
}

static int
write_flagged(const struct json *value, size_t flags, struct buf *buf)
{
        size_t before = buf->size;
        if (value && json_dump_callback(inner(value), write_piece, buf, flags | JSON_ENCODE_ANY) == 0)
                return 0;
        if (buf->data) {
                buf->size = before;
                buf->data[before] = '\0';
        }
        return -ENOMEM;
}

int
json_write(const struct json *value, struct buf *buf)
{
        return write_flagged(value, JSON_COMPACT, buf);
}

int
json_write_pretty(const struct json *value, struct buf *buf)
{
        size_t before = buf->size;
        int r = write_flagged(value, JSON_INDENT(2), buf);
        if (r == 0)
                r = buf_text(buf, "\n");
        if (r < 0 && buf->data) {
                buf->size = before;
                buf->data[before] = '\0';
        }
        return r;
}

/* ---- references and values ---- */

struct json *
json_keep(struct json *value)
{
        return outer(json_incref(inner(value)));
}

struct json *
json_free(struct json *value)
{
        json_decref(inner(value));
        return NULL;
}

struct json *
json_null_new(void)
{
        return outer(json_null());
}

struct json *
json_string_new(const char *text)
{
        return outer(json_stringn(text, strlen(text)));
}

struct json *
json_array_make(void)
{
        return outer(json_array());
}

int
json_push(struct json *array, struct json *value)
{
        return json_array_append_new(inner(array), inner(value)) == 0 ? 0 : -ENOMEM;
}

void
json_gather(struct json **array, struct json *value)
{
        if (json_push(*array, value) < 0)
                *array = json_free(*array);
}

struct json *
json_words(const char *text)
{
        struct json *list = json_array_make();
        while (list && text && *text) {
                size_t size = strcspn(text, " ");
                _cleanup_free_ char *word = strndup(text, size);
                json_gather(&list, word ? json_string_new(word) : NULL);
                text += size + (text[size] == ' ');
        }
        return list;
}

int
json_put(struct json *object, const char *key, struct json *value)
{
        return json_object_set_new(inner(object), key, inner(value)) == 0 ? 0 : -ENOMEM;
}

/* ---- looking ---- */

const struct json *
json_member(const struct json *object, const char *key)
{
        return outer(json_object_get(inner(object), key));
}

const struct json *
json_at(const struct json *array, size_t index)
{
        return outer(json_array_get(inner(array), index));
}

size_t
json_length(const struct json *array_or_object)
{
        const json_t *value = inner(array_or_object);
        return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

bool
json_is_null(const struct json *value)
{
        return !value || json_typeof(inner(value)) == JSON_NULL;
}

enum json_kind
json_kind(const struct json *value)
{
        static const enum json_kind kinds[] = {
                [JSON_NULL] = JSON_KIND_NULL,
                [JSON_TRUE] = JSON_KIND_BOOL,
                [JSON_FALSE] = JSON_KIND_BOOL,
                [JSON_INTEGER] = JSON_KIND_INTEGER,
                [JSON_REAL] = JSON_KIND_REAL,
                [JSON_STRING] = JSON_KIND_STRING,
                [JSON_ARRAY] = JSON_KIND_ARRAY,
                [JSON_OBJECT] = JSON_KIND_OBJECT,
        };
        return value ? kinds[json_typeof(inner(value))] : JSON_KIND_NULL;
}

const char *
json_key_after(const struct json *object, const char *key)
{
        json_t *value = inner(object);
        void *at = key ? json_object_iter_next(value, json_object_key_to_iter(key)) : json_object_iter(value);
        return at ? json_object_iter_key(at) : NULL;
}

const char *
json_string_of(const struct json *value)
{
        return json_string_value(inner(value));
}

const char *
json_text(const struct json *object, const char *key)
{
        return json_string_of(json_member(object, key));
}

json_int
json_number(const struct json *object, const char *key)
{
        return json_integer_value(inner(json_member(object, key)));
}

bool
json_flag(const struct json *object, const char *key)
{
        const json_t *value = inner(json_member(object, key));
        return json_is_true(value);
}
