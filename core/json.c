/* SPDX-License-Identifier: MIT */
/*
 * JSON through jansson, and the fence around it. A `struct json` is a json_t under another name, so
 * nothing is wrapped or copied. What this file adds is what jansson leaves open: depth is bounded before
 * it parses (its own bound is 2048, deep enough to hurt a small stack), a member twice and a NUL byte are
 * refused, and its messages, which quote the input, are escaped before they become words. And values are
 * written here, for that is most of what a record costs.
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

/* ---- written ---- */

/*
 * Compact and pretty, byte for byte as jansson would: records are hashed and signed as they stand here. (Its
 * own way hands out a few bytes at a time, and remembers which containers it is in, lest one holds itself.)
 */
struct writer {
        struct buf *buf;
        unsigned indent; /* blanks of a level; 0: compact */
        unsigned depth;
        int r; /* the first failure: nothing is written after it */
};

static void
put(struct writer *w, const char *text, size_t size)
{
        if (w->r == 0)
                w->r = buf_append(w->buf, text, size);
}

static void
put_byte(struct writer *w, char byte)
{
        if (w->r == 0)
                w->r = buf_reserve(w->buf, 1);
        if (w->r < 0)
                return;
        w->buf->data[w->buf->size++] = byte;
        w->buf->data[w->buf->size] = '\0';
}

static void
put_line(struct writer *w)
{
        if (!w->indent)
                return;
        put_byte(w, '\n');
        for (unsigned i = 0; i < w->indent * w->depth; i++)
                put_byte(w, ' ');
}

/* How many bytes stand for one of a string: itself, a backslash and a letter, or \u and four digits. */
static size_t
escaped_size(unsigned char byte)
{
        if (byte >= 0x20)
                return byte == '"' || byte == '\\' ? 2 : 1;
        return byte && strchr("\b\f\n\r\t", byte) ? 2 : 6;
}

static char *
put_escaped(char *out, unsigned char byte)
{
        static const char bytes[] = "\b\f\n\r\t", letters[] = "bfnrt", digits[] = "0123456789ABCDEF";
        *out++ = '\\';
        if (byte >= 0x20) {
                *out++ = (char)byte;
        } else if (escaped_size(byte) == 2) {
                *out++ = letters[strchr(bytes, byte) - bytes];
        } else {
                out = mempcpy(out, "u00", 3);
                *out++ = digits[byte >> 4];
                *out++ = digits[byte & 15];
        }
        return out;
}

static bool
is_escaped(unsigned char byte)
{
        return byte < 0x20 || byte == '"' || byte == '\\';
}

static void
put_string(struct writer *w, const char *text, size_t size)
{
        size_t plain = 0, room = 2;
        while (plain < size && !is_escaped((unsigned char)text[plain]))
                plain++;
        for (size_t i = plain; i < size; i++)
                room += escaped_size((unsigned char)text[i]);
        room += plain;
        if (w->r == 0)
                w->r = buf_reserve(w->buf, room);
        if (w->r < 0)
                return;
        char *out = w->buf->data + w->buf->size;
        *out++ = '"';
        out = mempcpy(out, text, plain);
        for (size_t i = plain; i < size; i++)
                if (is_escaped((unsigned char)text[i]))
                        out = put_escaped(out, (unsigned char)text[i]);
                else
                        *out++ = text[i];
        *out++ = '"';
        *out = '\0';
        w->buf->size += room;
}

static void put_value(struct writer *w, json_t *value);

static void
put_array(struct writer *w, json_t *array)
{
        size_t n = json_array_size(array);
        put_byte(w, '[');
        w->depth++;
        for (size_t i = 0; i < n; i++) {
                if (i)
                        put_byte(w, ',');
                put_line(w);
                put_value(w, json_array_get(array, i));
        }
        w->depth--;
        if (n)
                put_line(w);
        put_byte(w, ']');
}

static void
put_object(struct writer *w, json_t *object)
{
        void *first = json_object_iter(object);
        put_byte(w, '{');
        w->depth++;
        for (void *at = first; at; at = json_object_iter_next(object, at)) {
                const char *key = json_object_iter_key(at);
                if (at != first)
                        put_byte(w, ',');
                put_line(w);
                put_string(w, key, strlen(key));
                put_byte(w, ':');
                if (w->indent)
                        put_byte(w, ' ');
                put_value(w, json_object_iter_value(at));
        }
        w->depth--;
        if (first)
                put_line(w);
        put_byte(w, '}');
}

static void
put_integer(struct writer *w, json_int number)
{
        if (number < 0)
                put_byte(w, '-');
        if (w->r == 0)
                w->r = buf_decimal(w->buf, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

/* How many digits a number has is jansson's to say. */
static void
put_real(struct writer *w, const json_t *real)
{
        char text[64];
        size_t size = json_dumpb(real, text, sizeof text, JSON_ENCODE_ANY);
        put(w, text, size);
        if (!size)
                w->r = -ENOMEM;
}

static void
put_value(struct writer *w, json_t *value)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                put_object(w, value);
                break;
        case JSON_ARRAY:
                put_array(w, value);
                break;
        case JSON_STRING:
                put_string(w, json_string_value(value), json_string_length(value));
                break;
        case JSON_INTEGER:
                put_integer(w, json_integer_value(value));
                break;
        case JSON_REAL:
                put_real(w, value);
                break;
        case JSON_TRUE:
                put(w, "true", 4);
                break;
        case JSON_FALSE:
                put(w, "false", 5);
                break;
        case JSON_NULL:
                put(w, "null", 4);
                break;
        }
}

static int
write_indented(const struct json *value, unsigned indent, const char *end, struct buf *buf)
{
        size_t before = buf->size;
        struct writer w = {.buf = buf, .indent = indent, .r = value ? 0 : -ENOMEM};
        if (value)
                put_value(&w, inner(value));
        put(&w, end, strlen(end));
        if (w.r == 0)
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
        return write_indented(value, 0, "", buf);
}

int
json_write_pretty(const struct json *value, struct buf *buf)
{
        return write_indented(value, 2, "\n", buf);
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

struct json *
json_object_make(void)
{
        return outer(json_object());
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
