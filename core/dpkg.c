/* SPDX-License-Identifier: MIT */
/*
 * All these texts are lines, so that there is one reader of lines and one small function for each kind of
 * text. A field is copied out only through take_word and take_path, which know the alphabets; nothing else
 * leaves this file. No line depends on another but where a stanza (apt, status) or a triple (diversions) says
 * so, and there a line that is wrong costs its stanza or triple at most.
 */
#include "core/dpkg.h"

#include <stdint.h>
#include <string.h>

#include "core/util.h"

const char *const dpkg_action_names[DPKG_ACTION_COUNT] = {
        "startup", "install", "upgrade", "remove", "configure", "other"};

/* ---- lines and words ---- */

struct text {
        const char *at, *end;
};

/* The next line, without its newline; false at the end. One that is too long comes out empty. */
static bool
next_line(struct text *text, const char **ret, size_t *ret_size)
{
        if (text->at == text->end)
                return false;
        const char *newline = memchr(text->at, '\n', (size_t)(text->end - text->at));
        const char *stop = newline ? newline : text->end;
        size_t size = (size_t)(stop - text->at);
        *ret = text->at;
        *ret_size = size > DPKG_LINE_MAX || memchr(text->at, '\0', size) ? 0 : size;
        text->at = newline ? newline + 1 : text->end;
        return true;
}

static bool
starts_with(const char *line, size_t size, const char *start)
{
        size_t length = strlen(start);
        return size >= length && memcmp(line, start, length) == 0;
}

/* The next word of a line: up to a blank. */
static const char *
next_word(const char **at, const char *end, size_t *ret_size)
{
        while (*at < end && **at == ' ')
                (*at)++;
        const char *word = *at;
        while (*at < end && **at != ' ')
                (*at)++;
        *ret_size = (size_t)(*at - word);
        return word;
}

/* A name or version (deb-control(5), deb-version(7)): what else is in it makes it none of ours. */
static bool
take_word(const char *word, size_t size, char *ret, size_t ret_size)
{
        static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.:~";
        ret[0] = '\0';
        if (size == 0 || size >= ret_size)
                return false;
        for (size_t i = 0; i < size; i++)
                if (!word[i] || !strchr(alphabet, word[i]))
                        return false;
        memcpy(ret, word, size);
        ret[size] = '\0';
        return true;
}

/* No '/' is in the alphabet, and a name does not start with a dot: it cannot lead out of a folder. */
static bool
take_name(const char *word, size_t size, char ret[static DPKG_NAME_MAX])
{
        if (take_word(word, size, ret, DPKG_NAME_MAX) && ret[0] != '.' && ret[0] != ':')
                return true;
        ret[0] = '\0'; /* a stanza would go on under a name that was refused */
        return false;
}

/* "<none>" and nothing are no version. */
static void
take_version(const char *word, size_t size, char ret[static DPKG_VERSION_MAX])
{
        if (!take_word(word, size, ret, DPKG_VERSION_MAX))
                ret[0] = '\0';
}

/* Raw bytes with a slash before them; false if it is not plain (an empty, "." or ".." part). */
static bool
take_path(const char *path, size_t size, char ret[static DPKG_PATH_MAX])
{
        if (size && *path == '/') {
                path++;
                size--;
        }
        if (size == 0 || size + 2 > DPKG_PATH_MAX)
                return false;
        ret[0] = '/';
        memcpy(ret + 1, path, size);
        ret[size + 1] = '\0';
        for (const char *part = ret; *part;) {
                size_t length = strcspn(++part, "/");
                if (length == 0 || (length <= 2 && part[0] == '.' && (length == 1 || part[1] == '.')))
                        return false;
                part += length;
        }
        return true;
}

/* "2026-11-23 18:00:00"; apt writes two blanks. */
static bool
take_when(const char *text, size_t size, char ret[static DPKG_WHEN_MAX])
{
        static const char form[] = "dddd-dd-dd dd:dd:dd";
        size_t n = 0;
        for (size_t i = 0; i < size && n < sizeof form - 1; i++) {
                bool digit = text[i] >= '0' && text[i] <= '9';
                if (text[i] == ' ' && n == 11 && text[i - 1] == ' ')
                        continue;
                if (form[n] == 'd' ? !digit : text[i] != form[n])
                        return false;
                ret[n++] = text[i];
        }
        ret[n] = '\0';
        return n == sizeof form - 1;
}

static int
nibble(char digit)
{
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool
dpkg_md5_parse(const char *hex, size_t size, struct dpkg_md5 *ret)
{
        struct dpkg_md5 md5;
        if (size != 2 * sizeof md5.bytes)
                return false;
        for (size_t i = 0; i < sizeof md5.bytes; i++) {
                int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                md5.bytes[i] = (unsigned char)(high << 4 | low);
        }
        *ret = md5;
        return true;
}

/* ---- dpkg.log ---- */

static const struct {
        const char *word;
        enum dpkg_action action;
} actions[] = {
        {"startup", DPKG_STARTUP},
        {"install", DPKG_INSTALL},
        {"upgrade", DPKG_UPGRADE},
        {"remove", DPKG_REMOVE},
        {"purge", DPKG_REMOVE},
        {"configure", DPKG_CONFIGURE},
        {"status", DPKG_OTHER},
        {"trigproc", DPKG_OTHER},
        {"conffile", DPKG_OTHER},
};

static bool
event_read(const char *line, size_t size, struct dpkg_event *ret)
{
        const char *at = line + DPKG_WHEN_MAX - 1, *end = line + size;
        size_t length, i = 0;
        *ret = (struct dpkg_event){0};
        if (size < DPKG_WHEN_MAX || !take_when(line, DPKG_WHEN_MAX - 1, ret->when))
                return false;
        const char *word = next_word(&at, end, &length);
        while (i < ARRAY_SIZE(actions) &&
                (strlen(actions[i].word) != length || memcmp(actions[i].word, word, length) != 0))
                i++;
        if (i == ARRAY_SIZE(actions))
                return false;
        ret->action = actions[i].action;
        if (ret->action == DPKG_STARTUP || ret->action == DPKG_OTHER)
                return true;
        word = next_word(&at, end, &length);
        if (!take_name(word, length, ret->package))
                return false;
        word = next_word(&at, end, &length);
        take_version(word, length, ret->before);
        word = next_word(&at, end, &length);
        take_version(word, length, ret->after);
        return true;
}

int
dpkg_log_read(const char *text, size_t size, size_t *ret_used,
        int (*visit)(void *userdata, const struct dpkg_event *event), void *userdata)
{
        const char *last = size ? memrchr(text, '\n', size) : NULL;
        struct text lines = {text, last ? last + 1 : text};
        const char *line;
        size_t length;
        if (ret_used)
                *ret_used = (size_t)(lines.end - text);
        while (next_line(&lines, &line, &length)) {
                struct dpkg_event event;
                int r = event_read(line, length, &event) ? visit(userdata, &event) : 0;
                if (r)
                        return r;
        }
        return 0;
}

/* ---- history.log ---- */

/* "Key: value" into a field, cut to its room. */
static void
take_value(const char *line, size_t size, const char *key, char *ret, size_t ret_size)
{
        size_t start = strlen(key), n = min_size(size - start, ret_size - 1);
        memcpy(ret, line + start, n);
        ret[n] = '\0';
}

static int
command_end(struct dpkg_command *command, int (*visit)(void *userdata, const struct dpkg_command *command),
        void *userdata)
{
        int r = *command->start ? visit(userdata, command) : 0;
        *command = (struct dpkg_command){0};
        return r;
}

int
dpkg_history_read(const char *text, size_t size,
        int (*visit)(void *userdata, const struct dpkg_command *command), void *userdata)
{
        static const char start[] = "Start-Date: ", end[] = "End-Date: ", by[] = "Requested-By: ",
                          line_key[] = "Commandline: ";
        struct text lines = {text, text + size};
        struct dpkg_command command = {0};
        const char *line;
        size_t length;
        int r = 0;
        while (r == 0 && next_line(&lines, &line, &length)) {
                if (starts_with(line, length, start)) {
                        r = command_end(&command, visit, userdata);
                        if (!take_when(line + sizeof start - 1, length - (sizeof start - 1), command.start))
                                command.start[0] = '\0';
                } else if (starts_with(line, length, end)) {
                        if (!take_when(line + sizeof end - 1, length - (sizeof end - 1), command.end))
                                command.end[0] = '\0';
                } else if (starts_with(line, length, line_key)) {
                        take_value(line, length, line_key, command.command, sizeof command.command);
                } else if (starts_with(line, length, by)) {
                        take_value(line, length, by, command.requested_by, sizeof command.requested_by);
                }
        }
        return r ? r : command_end(&command, visit, userdata);
}

/* ---- the database ---- */

int
dpkg_list_read(const char *text, size_t size, int (*visit)(void *userdata, const char *path), void *userdata)
{
        struct text lines = {text, text + size};
        char path[DPKG_PATH_MAX];
        const char *line;
        size_t length;
        while (next_line(&lines, &line, &length)) {
                int r = length && *line == '/' && take_path(line, length, path) ? visit(userdata, path) : 0;
                if (r)
                        return r;
        }
        return 0;
}

int
dpkg_md5sums_read(const char *text, size_t size,
        int (*visit)(void *userdata, const char *path, const struct dpkg_md5 *md5), void *userdata)
{
        struct text lines = {text, text + size};
        char path[DPKG_PATH_MAX];
        const char *line;
        size_t length;
        while (next_line(&lines, &line, &length)) {
                struct dpkg_md5 md5;
                bool good = length > 34 && line[32] == ' ' && (line[33] == ' ' || line[33] == '*') &&
                            dpkg_md5_parse(line, 32, &md5) && take_path(line + 34, length - 34, path);
                int r = good ? visit(userdata, path, &md5) : 0;
                if (r)
                        return r;
        }
        return 0;
}

/* A stanza's "Package" and "Architecture" stand before its "Conffiles" in what dpkg writes. */
struct stanza {
        char name[DPKG_NAME_MAX], architecture[DPKG_NAME_MAX];
        bool conffiles;
};

/* " /etc/x MD5", " /etc/x MD5 obsolete", " /etc/x newconffile". */
static int
conffile_read(const struct stanza *stanza, const char *line, size_t size,
        int (*visit)(void *userdata, const char *package, const char *path, const struct dpkg_md5 *md5),
        void *userdata)
{
        char path[DPKG_PATH_MAX], package[2 * DPKG_NAME_MAX];
        struct dpkg_md5 md5;
        const char *blank = size > 1 ? memrchr(line + 1, ' ', size - 1) : NULL;
        if (!blank || !*stanza->name || line[1] != '/' ||
                !dpkg_md5_parse(blank + 1, (size_t)(line + size - blank - 1), &md5) ||
                !take_path(line + 1, (size_t)(blank - line - 1), path))
                return 0;
        size_t length = strlen(stanza->name);
        memcpy(package, stanza->name, length + 1);
        if (*stanza->architecture) {
                package[length] = ':';
                memcpy(package + length + 1, stanza->architecture, strlen(stanza->architecture) + 1);
        }
        return strlen(package) < DPKG_NAME_MAX ? visit(userdata, package, path, &md5) : 0;
}

int
dpkg_conffiles_read(const char *text, size_t size,
        int (*visit)(void *userdata, const char *package, const char *path, const struct dpkg_md5 *md5),
        void *userdata)
{
        static const char name[] = "Package: ", architecture[] = "Architecture: ", list[] = "Conffiles:";
        struct text lines = {text, text + size};
        struct stanza stanza = {0};
        const char *line;
        size_t length;
        int r = 0;
        while (r == 0 && next_line(&lines, &line, &length)) {
                if (!length) {
                        stanza = (struct stanza){0};
                } else if (*line == ' ' || *line == '\t') {
                        r = stanza.conffiles ? conffile_read(&stanza, line, length, visit, userdata) : 0;
                } else {
                        stanza.conffiles = starts_with(line, length, list);
                        if (starts_with(line, length, name))
                                take_name(line + sizeof name - 1, length - (sizeof name - 1), stanza.name);
                        else if (starts_with(line, length, architecture))
                                take_name(line + sizeof architecture - 1, length - (sizeof architecture - 1),
                                        stanza.architecture);
                }
        }
        return r;
}

int
dpkg_diversions_read(const char *text, size_t size,
        int (*visit)(void *userdata, const char *from, const char *to, const char *package), void *userdata)
{
        struct text lines = {text, text + size};
        char from[DPKG_PATH_MAX], to[DPKG_PATH_MAX], package[DPKG_NAME_MAX];
        const char *line[3];
        size_t length[3];
        for (;;) {
                for (size_t i = 0; i < 3; i++)
                        if (!next_line(&lines, &line[i], &length[i]))
                                return 0;
                bool local = length[2] == 1 && *line[2] == ':'; /* made by a person: for all packages */
                package[0] = '\0';
                bool good = take_path(line[0], length[0], from) && take_path(line[1], length[1], to) &&
                            (local || take_name(line[2], length[2], package));
                int r = good ? visit(userdata, from, to, package) : 0;
                if (r)
                        return r;
        }
}

/* ---- names ---- */

static bool
ends_with(const char *text, const char *end)
{
        size_t size = strlen(text), length = strlen(end);
        return size > length && strcmp(text + size - length, end) == 0;
}

bool
dpkg_info_name(const char *file, const char *suffix, char ret[static DPKG_NAME_MAX])
{
        return ends_with(file, suffix) && take_name(file, strlen(file) - strlen(suffix), ret);
}

bool
dpkg_same_package(const char *a, const char *b)
{
        size_t left = strcspn(a, ":"), right = strcspn(b, ":");
        return left == right && memcmp(a, b, left) == 0 &&
               (!a[left] || !b[right] || strcmp(a + left, b + right) == 0);
}

bool
dpkg_is_passing(const char *path)
{
        return ends_with(path, ".dpkg-new") || ends_with(path, ".dpkg-tmp");
}
