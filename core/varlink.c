/* SPDX-License-Identifier: MIT */
/*
 * Varlink without a socket. Nothing here trusts its input but the interface's text, which is ours.
 *
 * Each byte of a frame is looked at once for its end, however the bytes come in, and a frame is taken without
 * moving what stands behind it: neither a caller who writes byte by byte nor one who writes a thousand
 * requests at once makes work that grows with the square of its size. For the same reason a type is looked up
 * in the interface once for a whole list.
 */
#include "core/varlink.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- frames ---- */

int
varlink_frames_add(struct varlink_frames *frames, const void *data, size_t size)
{
        struct buf *buf = &frames->buf;
        if (frames->start) {
                buf->size -= frames->start;
                memmove(buf->data, buf->data + frames->start, buf->size);
                frames->searched -= frames->start;
                frames->start = 0;
        }
        return buf_append(buf, data, size);
}

/* Where the next frame ends, or NULL. */
static const char *
frames_end(struct varlink_frames *frames)
{
        const struct buf *buf = &frames->buf;
        if (frames->searched == buf->size)
                return NULL;
        const char *from = buf->data + frames->searched;
        const char *end = memchr(from, '\0', buf->size - frames->searched);
        frames->searched = end ? (size_t)(end - buf->data) : buf->size;
        return end;
}

int
varlink_frames_take(struct varlink_frames *frames, const char **ret, size_t *ret_size)
{
        const char *end = frames_end(frames);
        size_t size = frames->searched - frames->start;
        if (size > frames->max)
                return -E2BIG;
        if (!end)
                return 0;
        *ret = frames->buf.data + frames->start;
        *ret_size = size;
        frames->start = frames->searched += 1;
        return 1;
}

bool
varlink_frames_waiting(struct varlink_frames *frames)
{
        return frames_end(frames) || frames->searched - frames->start > frames->max;
}

size_t
varlink_frames_held(const struct varlink_frames *frames)
{
        return frames->buf.size - frames->start;
}

void
varlink_frames_done(struct varlink_frames *frames)
{
        buf_done(&frames->buf);
        frames->start = frames->searched = 0;
}

/* ---- requests ---- */

static bool
is_flag(const struct json *message, const char *key)
{
        const struct json *value = json_member(message, key);
        return json_is_null(value) || json_kind(value) == JSON_KIND_BOOL;
}

static bool
request_is_valid(const struct varlink_request *request)
{
        const struct json *parameters = json_member(request->message, "parameters");
        if (!request->method || !*request->method || strlen(request->method) >= VARLINK_NAME_MAX)
                return false;
        if (!json_is_null(parameters) && json_kind(parameters) != JSON_KIND_OBJECT)
                return false;
        return is_flag(request->message, "more") && is_flag(request->message, "oneway") &&
               is_flag(request->message, "upgrade") && !(request->more && request->oneway);
}

int
varlink_request_parse(const char *text, size_t size, struct varlink_request *ret, struct err *err)
{
        struct varlink_request request = {0};
        int r = json_parse(text, size, &request.message, err);
        if (r < 0)
                return r;
        request.method = json_text(request.message, "method");
        request.more = json_flag(request.message, "more");
        request.oneway = json_flag(request.message, "oneway");
        request.upgrade = json_flag(request.message, "upgrade");
        if (!request_is_valid(&request)) {
                varlink_request_done(&request);
                return err_set(err, -EINVAL, "not a request of Varlink's");
        }
        const struct json *parameters = json_member(request.message, "parameters");
        request.parameters = json_is_null(parameters) ? NULL : parameters;
        const char *dot = strrchr(request.method, '.');
        request.member = dot ? dot + 1 : "";
        snprintf(request.interface, sizeof request.interface, "%.*s",
                dot ? (int)(dot - request.method) : (int)VARLINK_NAME_MAX, request.method);
        *ret = request;
        return 0;
}

void
varlink_request_done(struct varlink_request *request)
{
        json_free(request->message);
        *request = (struct varlink_request){0};
}

/* ---- parameters against the interface ---- */

struct type {
        bool list, map;
        enum json_kind kind;
        const char *fields; /* of a type with a name, after its parenthesis; NULL: any object */
};

static const char *
skip_blank(const char *p)
{
        for (;;) {
                p += strspn(p, " \t\n,");
                if (*p != '#')
                        return p;
                p += strcspn(p, "\n");
        }
}

static size_t
word_size(const char *p)
{
        size_t size = 0;
        while (isalnum((unsigned char)p[size]) || p[size] == '_')
                size++;
        return size;
}

/* What follows `KEYWORD NAME (` at the start of a line, or NULL. */
static const char *
find_definition(const char *description, const char *keyword, const char *name, size_t size)
{
        size_t keyword_size = strlen(keyword);
        for (const char *line = description; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, keyword, keyword_size) != 0 || line[keyword_size] != ' ')
                        continue;
                const char *found = line + keyword_size + 1;
                if (word_size(found) != size || strncmp(found, name, size) != 0)
                        continue;
                found += size + strspn(found + size, " ");
                return *found == '(' ? found + 1 : NULL;
        }
        return NULL;
}

/* The type that is written at p; returns where it ends. */
static const char *
type_read(const char *description, const char *p, struct type *ret)
{
        static const struct {
                const char *word;
                enum json_kind kind;
        } words[] = {{"bool", JSON_KIND_BOOL}, {"int", JSON_KIND_INTEGER}, {"float", JSON_KIND_REAL},
                {"string", JSON_KIND_STRING}};
        *ret = (struct type){.kind = JSON_KIND_OBJECT};
        p += *p == '?';
        if (*p == '[') {
                ret->list = p[1] == ']';
                ret->map = !ret->list;
                p += strcspn(p, "]") + 1;
        }
        size_t size = word_size(p);
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strlen(words[i].word) == size && strncmp(words[i].word, p, size) == 0) {
                        ret->kind = words[i].kind;
                        return p + size;
                }
        ret->fields = find_definition(description, "type", p, size);
        return p + size;
}

static bool fields_fit(const char *description, const char *fields, const struct json *object, char *bad);

static bool
value_fits(const char *description, const struct type *type, const struct json *value)
{
        char inner[VARLINK_NAME_MAX];
        enum json_kind kind = json_kind(value);
        if (kind != type->kind && !(type->kind == JSON_KIND_REAL && kind == JSON_KIND_INTEGER))
                return false;
        return !type->fields || fields_fit(description, type->fields, value, inner);
}

static bool
member_fits(const char *description, const struct type *type, const struct json *value)
{
        if (!type->list && !type->map)
                return value_fits(description, type, value);
        if (json_kind(value) != (type->list ? JSON_KIND_ARRAY : JSON_KIND_OBJECT))
                return false;
        json_each (value, i, element)
                if (!value_fits(description, type, element))
                        return false;
        for (const char *key = NULL; type->map && (key = json_key_after(value, key));)
                if (!value_fits(description, type, json_member(value, key)))
                        return false;
        return true;
}

/* Cut between characters: the name goes back in JSON. */
static void
name_copy(const char *name, char ret[static VARLINK_NAME_MAX])
{
        size_t size = min_size(strlen(name), VARLINK_NAME_MAX - 1);
        while (name[size] && size && ((unsigned char)name[size] & 0xc0) == 0x80)
                size--;
        memcpy(ret, name, size);
        ret[size] = '\0';
}

/* One member against the fields that stand at p, up to their closing parenthesis. */
static bool
field_takes(const char *description, const char *p, const char *name, const struct json *value)
{
        for (p = skip_blank(p); *p && *p != ')'; p = skip_blank(p)) {
                size_t size = word_size(p);
                struct type type;
                bool meant = strlen(name) == size && strncmp(p, name, size) == 0;
                p += size + strspn(p + size, ": ");
                const char *end = type_read(description, p, &type);
                if (meant)
                        return json_is_null(value) || member_fits(description, &type, value);
                if (end == p)
                        return false;
                p = end;
        }
        return false;
}

static bool
fields_fit(const char *description, const char *fields, const struct json *object, char *bad)
{
        for (const char *key = NULL; (key = json_key_after(object, key));)
                if (!field_takes(description, fields, key, json_member(object, key))) {
                        name_copy(key, bad);
                        return false;
                }
        return true;
}

int
varlink_check(const char *description, const char *method, const struct json *parameters,
        char ret_bad[static VARLINK_NAME_MAX])
{
        const char *fields = find_definition(description, "method", method, strlen(method));
        if (!fields)
                return VARLINK_NO_METHOD;
        return fields_fit(description, fields, parameters, ret_bad) ? 0 : VARLINK_BAD_PARAMETER;
}
