/* SPDX-License-Identifier: MIT */
/*
 * A reader of openssl.cnf that knows where each value comes from. It does not say what is in force (the
 * helper does): only which file and line a policy in force was written in. So it must read like OpenSSL 3
 * reads (config(5), and what the library was seen to do where the manual is silent), with its peculiarities:
 *
 * The section goes on through includes, in both directions. The last assignment of a name in a section wins,
 * and takes its place at the end. A folder is read in the order of readdir, files *.cnf and *.conf of it;
 * folders in folders are passed over; a file that a file of the folder includes is followed by the rest of
 * the folder, and only then by the rest of the file that included it. What cannot be opened is passed over
 * without a word.
 *
 * Owns the texts of the values. Bounded in files, depth, values and bytes, for a small file can expand to a
 * large one; past a bound nothing is said of the configuration.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/probe_openssl.h"
#include "core/quote.h"

#define FOLDER_NAMES_MAX 4096u

/* A file that is being read. */
struct source {
        struct buf text;
        size_t at;      /* of the next byte */
        unsigned line;  /* of the last one that was taken */
        unsigned start; /* where what is being read began */
        size_t file;    /* index in config->files */
};

struct reader {
        struct openssl_config *config;
        openssl_config_loader *load;
        void *userdata;
        struct source stack[OPENSSL_CONFIG_DEPTH_MAX];
        size_t depth;
        char *folder; /* raw path of the folder that is being read; NULL: none is */
        struct text_list names;
        size_t name; /* index of the next one */
        char *section;
        char *include_folder; /* .pragma includedir */
        bool dollar_id;       /* .pragma dollarid: a $ alone is no variable */
        bool absolute_only;   /* .pragma abspath */
        struct err *err;
};

/* ---- bytes ---- */

static bool
is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_word(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_name(const struct reader *reader, char c)
{
        return is_word(c) || (c && strchr("!.%&*+,/;?@^~|-", c)) || (c == '$' && reader->dollar_id);
}

static bool
is_quote(char c)
{
        return c == '"' || c == '\'' || c == '`';
}

static char *
skip_blanks(char *at)
{
        while (is_blank(*at))
                at++;
        return at;
}

static char *
skip_name(const struct reader *reader, char *at)
{
        for (;;) {
                if (*at == '\\')
                        at += at[1] ? 2 : 1;
                else if (is_name(reader, *at))
                        at++;
                else
                        return at;
        }
}

static void
trim(char *text)
{
        size_t size = strlen(text);
        while (size && is_blank(text[size - 1]))
                size--;
        text[size] = '\0';
}

/* Ends the line where its comment starts: a # that is neither escaped nor quoted. */
static void
cut_comment(char *line)
{
        char quote = '\0';
        for (char *at = line; *at; at++) {
                if (*at == '\\' && at[1])
                        at++;
                else if (quote)
                        quote = *at == quote ? '\0' : quote;
                else if (is_quote(*at))
                        quote = *at;
                else if (*at == '#') {
                        *at = '\0';
                        return;
                }
        }
}

/* ---- errors ---- */

static int
fail(struct reader *reader, int code, const char *what)
{
        if (!reader->depth)
                return err_set(reader->err, code, "%s", what);
        const struct source *source = &reader->stack[reader->depth - 1];
        return err_set(reader->err, code, "%s:%u: %s", quote(reader->config->files.items[source->file]),
                source->start, what);
}

static int
wrong(struct reader *reader, const char *what)
{
        return fail(reader, OPENSSL_CONFIG_WRONG, what);
}

static int
too_much(struct reader *reader, const char *what)
{
        return fail(reader, OPENSSL_CONFIG_UNREADABLE, what);
}

/* ---- values ---- */

static size_t
bucket_of(const char *section, const char *name)
{
        uint32_t hash = 2166136261u; /* FNV-1a */
        for (const char *text = section;; text = name) {
                for (const char *at = text; *at; at++)
                        hash = (hash ^ (unsigned char)*at) * 16777619u;
                hash *= 16777619u;
                if (text == name)
                        return hash % OPENSSL_CONFIG_BUCKETS;
        }
}

static struct openssl_config_value *
find_in(const struct openssl_config *config, const char *section, const char *name)
{
        struct openssl_config_value *at = config->buckets[bucket_of(section, name)];
        while (at && (at->replaced || strcmp(at->section, section) != 0 || strcmp(at->name, name) != 0))
                at = at->next;
        return at;
}

const struct openssl_config_value *
openssl_config_find(const struct openssl_config *config, const char *section, const char *name)
{
        const struct openssl_config_value *found = section ? find_in(config, section, name) : NULL;
        return found ? found : find_in(config, "default", name);
}

static void
value_free(struct openssl_config_value *value)
{
        free(value->section);
        free(value->name);
        free(value->value);
        free(value);
}

/* Takes value over. */
static int
add_value(struct reader *reader, const char *section, const char *name, char *value)
{
        struct openssl_config *config = reader->config;
        const struct source *source = &reader->stack[reader->depth - 1];
        config->expanded += strlen(value);
        if (config->n_values == OPENSSL_CONFIG_VALUES_MAX || config->expanded > OPENSSL_CONFIG_EXPANDED_MAX) {
                free(value);
                return too_much(reader, "there are more values than are read");
        }
        struct openssl_config_value *made = calloc(1, sizeof *made);
        struct openssl_config_value **grown =
                reallocarray(config->values, config->n_values + 1, sizeof *config->values);
        config->values = grown ? grown : config->values;
        if (!made || !grown) {
                free(made);
                free(value);
                return err_oom(reader->err);
        }
        *made = (struct openssl_config_value){.section = strdup(section),
                .name = strdup(name),
                .value = value,
                .file = source->file,
                .line = source->start};
        if (!made->section || !made->name) {
                value_free(made);
                return err_oom(reader->err);
        }
        struct openssl_config_value *before = find_in(config, section, name);
        if (before)
                before->replaced = true;
        struct openssl_config_value **bucket = &config->buckets[bucket_of(section, name)];
        made->next = *bucket;
        *bucket = made;
        config->values[config->n_values++] = made;
        return 0;
}

/* ---- quotes, escapes, variables ---- */

static int
expand_quoted(char **at, struct buf *out)
{
        char quote = *(*at)++;
        int r = 0;
        while (**at && **at != quote && r == 0) {
                if (**at == '\\' && !*++*at)
                        break;
                r = buf_append(out, (*at)++, 1);
        }
        if (**at == quote)
                ++*at;
        return r;
}

static int
expand_escape(char **at, struct buf *out)
{
        static const char from[] = "rnbt", to[] = "\r\n\b\t";
        char c = *++*at;
        if (!c)
                return 0;
        const char *known = strchr(from, c);
        ++*at;
        return buf_append(out, known ? &to[known - from] : &c, 1);
}

static char *
skip_variable(const struct reader *reader, char *at)
{
        while (is_word(*at) || (reader->dollar_id && *at == '$'))
                at++;
        return at;
}

/* The environment of services is not ours: of $ENV:: only what is assigned in a section of that name is
 * known. */
static int
expand_variable(struct reader *reader, const char *section, char **at, struct buf *out)
{
        char *name = *at + 1, closing = *name == '{' ? '}' : *name == '(' ? ')' : '\0';
        name += closing ? 1 : 0;
        char *end = skip_variable(reader, name);
        _cleanup_free_ char *other = NULL;
        if (end[0] == ':' && end[1] == ':') {
                other = strndup(name, (size_t)(end - name));
                if (!other)
                        return err_oom(reader->err);
                section = other;
                name = end + 2;
                end = skip_variable(reader, name);
        }
        if (closing && *end != closing)
                return wrong(reader, "a variable lacks its closing brace");
        _cleanup_free_ char *wanted = strndup(name, (size_t)(end - name));
        if (!wanted)
                return err_oom(reader->err);
        const struct openssl_config_value *value = openssl_config_find(reader->config, section, wanted);
        if (!value)
                return wrong(reader, "a variable has no value");
        if (out->size + strlen(value->value) > OPENSSL_CONFIG_VALUE_MAX)
                return wrong(reader, "a value is longer than 65536 bytes");
        *at = end + (closing ? 1 : 0);
        return buf_text(out, value->value) < 0 ? err_oom(reader->err) : 0;
}

static int
expand(struct reader *reader, const char *section, char *text, char **ret)
{
        _cleanup_buf_ struct buf out = {0};
        int r = buf_reserve(&out, 1);
        while (*text && r == 0) {
                if (is_quote(*text))
                        r = expand_quoted(&text, &out);
                else if (*text == '\\')
                        r = expand_escape(&text, &out);
                else if (*text == '$' && (!reader->dollar_id || text[1] == '{' || text[1] == '('))
                        r = expand_variable(reader, section, &text, &out);
                else
                        r = buf_append(&out, text++, 1);
        }
        if (r)
                return r < 0 ? err_oom(reader->err) : r;
        *ret = buf_steal(&out);
        return *ret ? 0 : err_oom(reader->err);
}

/* ---- files ---- */

int
openssl_config_load(void *userdata, const char *path, enum openssl_config_found *ret_found, struct buf *text,
        struct text_list *names, struct err *err)
{
        (void)userdata;
        struct stat st;
        *ret_found = OPENSSL_CONFIG_NOTHING;
        if (stat(path, &st) < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0
                                                           : err_set(err, OPENSSL_CONFIG_UNREADABLE, "%s: %s",
                                                                     quote(path), strerrordesc_np(errno));
        if (!S_ISDIR(st.st_mode)) {
                int r = file_read(path, FILE_FOLLOW, OPENSSL_CONFIG_FILE_MAX, text, err);
                *ret_found = OPENSSL_CONFIG_FILE;
                if (err && r < 0 && r != -ENOMEM)
                        err->code = OPENSSL_CONFIG_UNREADABLE;
                return r == 0 || r == -ENOMEM ? r : OPENSSL_CONFIG_UNREADABLE;
        }
        *ret_found = OPENSSL_CONFIG_FOLDER;
        DIR *folder = opendir(path);
        if (!folder)
                return err_set(err, OPENSSL_CONFIG_UNREADABLE, "%s: %s", quote(path), strerrordesc_np(errno));
        int r = 0;
        for (struct dirent *entry; r == 0 && (entry = readdir(folder));)
                r = names->count < FOLDER_NAMES_MAX
                            ? text_list_add(names, entry->d_name, strlen(entry->d_name))
                            : err_set(err, OPENSSL_CONFIG_UNREADABLE, "%s holds more names than are read",
                                      quote(path));
        closedir(folder);
        return r;
}

/* The file is read next, before what is left of those below it. */
static int
push(struct reader *reader, const char *path, struct buf *text)
{
        struct openssl_config *config = reader->config;
        if (reader->depth == OPENSSL_CONFIG_DEPTH_MAX)
                return too_much(reader, "files include each other more than 16 deep");
        if (config->files.count == OPENSSL_CONFIG_FILES_MAX)
                return too_much(reader, "more than 256 files are included");
        for (size_t i = 0; i < reader->depth; i++)
                if (strcmp(config->files.items[reader->stack[i].file], path) == 0)
                        return too_much(reader, "a file includes itself");
        if (text_list_add(&config->files, path, strlen(path)) < 0)
                return err_oom(reader->err);
        reader->stack[reader->depth++] = (struct source){.text = *text, .file = config->files.count - 1};
        *text = (struct buf){0};
        return 0;
}

static void
pop(struct reader *reader)
{
        buf_done(&reader->stack[--reader->depth].text);
}

static bool
ends_in(const char *name, const char *end)
{
        size_t size = strlen(name), tail = strlen(end);
        return size > tail && strcasecmp(name + size - tail, end) == 0;
}

static void
leave_folder(struct reader *reader)
{
        free(reader->folder);
        reader->folder = NULL;
        text_list_done(&reader->names);
        reader->name = 0;
}

/* Opens the next file of the folder that is being read. *ret_opened: there was one. */
static int
next_of_folder(struct reader *reader, bool *ret_opened)
{
        *ret_opened = false;
        while (reader->name < reader->names.count) {
                const char *name = reader->names.items[reader->name++];
                if (!ends_in(name, ".conf") && !ends_in(name, ".cnf"))
                        continue;
                _cleanup_free_ char *path = NULL;
                _cleanup_buf_ struct buf text = {0};
                struct text_list none = {0};
                enum openssl_config_found found = OPENSSL_CONFIG_NOTHING;
                if (asprintf(&path, "%s/%s", reader->folder, name) < 0)
                        return err_oom(reader->err);
                int r = reader->load(reader->userdata, path, &found, &text, &none, reader->err);
                text_list_done(&none);
                if (r)
                        return r == -ENOMEM ? err_oom(reader->err) : r;
                if (found == OPENSSL_CONFIG_FOLDER)
                        return too_much(reader, "a folder is named like a file of the configuration");
                if (found == OPENSSL_CONFIG_NOTHING)
                        continue;
                *ret_opened = true;
                return push(reader, path, &text);
        }
        leave_folder(reader);
        return 0;
}

static int
include(struct reader *reader, const char *path)
{
        _cleanup_buf_ struct buf text = {0};
        struct text_list names = {0};
        enum openssl_config_found found = OPENSSL_CONFIG_NOTHING;
        bool opened;
        int r = text_list_add(&reader->config->watched, path, strlen(path));
        r = r ? r : reader->load(reader->userdata, path, &found, &text, &names, reader->err);
        if (r == 0 && found == OPENSSL_CONFIG_FILE)
                r = push(reader, path, &text);
        if (r == 0 && found == OPENSSL_CONFIG_FOLDER && !reader->folder) {
                reader->folder = strdup(path);
                reader->names = names;
                names = (struct text_list){0};
                r = reader->folder ? next_of_folder(reader, &opened) : -ENOMEM;
        }
        text_list_done(&names);
        return r == -ENOMEM ? err_oom(reader->err) : r;
}

/* ---- lines ---- */

static int
read_section(struct reader *reader, char *at)
{
        char *start = skip_blanks(at + 1), *name = start, *end, *next;
        for (;; name = next) { /* blanks may stand within */
                end = skip_name(reader, name);
                next = skip_blanks(end);
                if (*next == ']')
                        break;
                if (!*next || next == name)
                        return wrong(reader, "missing close square bracket");
        }
        *end = '\0';
        char *section = NULL;
        int r = expand(reader, NULL, start, &section);
        if (r)
                return r;
        free(reader->section);
        reader->section = section;
        return 0;
}

static int
read_switch(struct reader *reader, const char *value, bool *ret)
{
        bool on = strcasecmp(value, "on") == 0 || strcasecmp(value, "true") == 0;
        if (!on && strcasecmp(value, "off") != 0 && strcasecmp(value, "false") != 0)
                return wrong(reader, "a pragma takes on or off");
        *ret = on;
        return 0;
}

static int
read_pragma(struct reader *reader, char *text)
{
        char *colon = strchr(text, ':');
        if (!colon || colon == text || !colon[1])
                return wrong(reader, "a pragma is written NAME:VALUE");
        *colon = '\0';
        trim(text);
        char *value = skip_blanks(colon + 1);
        if (strcmp(text, "dollarid") == 0)
                return read_switch(reader, value, &reader->dollar_id);
        if (strcmp(text, "abspath") == 0)
                return read_switch(reader, value, &reader->absolute_only);
        if (strcmp(text, "includedir") != 0)
                return 0; /* unknown ones are ignored */
        free(reader->include_folder);
        reader->include_folder = strdup(value);
        return reader->include_folder ? 0 : err_oom(reader->err);
}

static int
read_include(struct reader *reader, const char *section, char *text)
{
        _cleanup_free_ char *named = NULL, *path = NULL;
        int r = expand(reader, section, text, &named);
        if (r)
                return r;
        bool absolute = *named == '/';
        const char *folder = absolute ? NULL : reader->include_folder;
        size_t size = folder ? strlen(folder) : 0;
        const char *slash = folder && !(size && folder[size - 1] == '/') ? "/" : "";
        if (asprintf(&path, "%s%s%s", folder ? folder : "", slash, named) < 0)
                return err_oom(reader->err);
        if (*path == '/')
                return include(reader, path);
        if (reader->absolute_only)
                return wrong(reader, "a relative path is included");
        if (!*path)
                return 0; /* nothing is there by that name */
        /* Relative to the folder in which a service happens to run: most run in the root. */
        _cleanup_free_ char *from_root = NULL;
        if (asprintf(&from_root, "/%s", path) < 0)
                return err_oom(reader->err);
        return include(reader, from_root);
}

/* What `.include` and `.pragma` take: after the word and blanks, with or without an equals sign. */
static bool
is_directive(const char *word, char *name, char *after)
{
        size_t size = strlen(word);
        return strncmp(name, word, size) == 0 && (after != name + size || *after == '=');
}

static int
read_assignment(struct reader *reader, char *at)
{
        const char *section = reader->section;
        char *name = at, *end = skip_name(reader, at);
        if (end[0] == ':' && end[1] == ':') {
                *end = '\0';
                section = name;
                name = end + 2;
                end = skip_name(reader, name);
        }
        char *after = skip_blanks(end);
        bool pragma = is_directive(".pragma", name, after), inclusion = is_directive(".include", name, after);
        if (!pragma && !inclusion && *after != '=')
                return wrong(reader, "missing equal sign");
        char *value = *after == '=' ? skip_blanks(after + 1) : after;
        trim(value);
        if (pragma)
                return read_pragma(reader, value);
        if (inclusion)
                return read_include(reader, section, value);
        *end = '\0';
        char *expanded = NULL;
        int r = expand(reader, section, value, &expanded);
        return r ? r : add_value(reader, section, name, expanded);
}

static int
read_line(struct reader *reader, char *line)
{
        cut_comment(line);
        char *at = skip_blanks(line);
        if (!*at)
                return 0;
        return *at == '[' ? read_section(reader, at) : read_assignment(reader, at);
}

/* Appends one line of the source without its end; false: there is none. */
static bool
take_line(struct source *source, struct buf *line, int *ret_error)
{
        if (source->at >= source->text.size)
                return false;
        const char *start = source->text.data + source->at;
        size_t left = source->text.size - source->at;
        const char *newline = memchr(start, '\n', left);
        size_t size = newline ? (size_t)(newline - start) : left;
        source->at += size + (newline ? 1 : 0);
        source->line++;
        while (size && start[size - 1] == '\r')
                size--;
        *ret_error = buf_append(line, start, size);
        return true;
}

static bool
goes_on(const struct buf *line)
{
        size_t size = line->size;
        return size && line->data[size - 1] == '\\' && (size < 2 || line->data[size - 2] != '\\');
}

/* One line, with those that continue it. *ret_done: nothing is left anywhere. */
static int
step(struct reader *reader, struct buf *line, bool *ret_done)
{
        struct source *source = &reader->stack[reader->depth - 1];
        int r = 0;
        buf_clear(line);
        if (!take_line(source, line, &r)) {
                bool opened = false;
                if (reader->folder) {
                        /* The next file of the folder takes the place of the one that ended. */
                        pop(reader);
                        r = next_of_folder(reader, &opened);
                        if (r || opened)
                                return r;
                } else
                        pop(reader);
                *ret_done = reader->depth == 0;
                return 0;
        }
        source->start = source->line;
        while (r == 0 && goes_on(line)) {
                line->data[--line->size] = '\0';
                if (!take_line(source, line, &r))
                        break;
        }
        if (r < 0)
                return err_oom(reader->err);
        if (memchr(line->data, '\0', line->size))
                return too_much(reader, "a line holds a NUL byte");
        return read_line(reader, line->data);
}

static int
read_first(struct reader *reader, const char *path)
{
        static const char mark[] = "\xef\xbb\xbf";
        _cleanup_buf_ struct buf text = {0};
        struct text_list names = {0};
        enum openssl_config_found found = OPENSSL_CONFIG_NOTHING;
        int r = text_list_add(&reader->config->watched, path, strlen(path));
        r = r ? r : reader->load(reader->userdata, path, &found, &text, &names, reader->err);
        text_list_done(&names);
        if (r)
                return r == -ENOMEM ? err_oom(reader->err) : r;
        if (found == OPENSSL_CONFIG_NOTHING)
                return err_set(
                        reader->err, OPENSSL_CONFIG_ABSENT, "%s: No such file or directory", quote(path));
        if (found == OPENSSL_CONFIG_FOLDER)
                return err_set(reader->err, OPENSSL_CONFIG_UNREADABLE, "%s is a folder", quote(path));
        r = push(reader, path, &text);
        if (r == 0 && reader->stack[0].text.size >= 3 && memcmp(reader->stack[0].text.data, mark, 3) == 0)
                reader->stack[0].at = 3;
        return r;
}

int
openssl_config_read(const char *path, openssl_config_loader *load, void *userdata, struct openssl_config *ret,
        struct err *err)
{
        _cleanup_buf_ struct buf line = {0};
        struct reader reader = {.config = ret, .load = load, .userdata = userdata, .err = err};
        bool done = false;
        *ret = (struct openssl_config){0};
        reader.section = strdup("default");
        int r = reader.section ? read_first(&reader, path) : err_oom(err);
        while (r == 0 && !done)
                r = step(&reader, &line, &done);
        while (reader.depth)
                pop(&reader);
        leave_folder(&reader);
        free(reader.section);
        free(reader.include_folder);
        return r;
}

void
openssl_config_done(struct openssl_config *config)
{
        for (size_t i = 0; i < config->n_values; i++)
                value_free(config->values[i]);
        free(config->values);
        text_list_done(&config->files);
        text_list_done(&config->watched);
        *config = (struct openssl_config){0};
}

/* ---- what it leads to ---- */

/* A module may be named `ssl_conf.2`, and its name may be cut short as long as no module before it starts
 * like that (as the library was seen to do). */
static bool
names_ssl_conf(const char *name)
{
        const char *dot = strrchr(name, '.');
        size_t size = dot ? (size_t)(dot - name) : strlen(name);
        return size >= 2 && strncmp("ssl_conf", name, size) == 0;
}

const char *
openssl_config_system_default(const struct openssl_config *config)
{
        const struct openssl_config_value *top = openssl_config_find(config, NULL, "openssl_conf"),
                                          *ssl = NULL;
        for (size_t i = 0; i < config->n_values && top; i++) {
                const struct openssl_config_value *value = config->values[i];
                if (!value->replaced && strcmp(value->section, top->value) == 0 &&
                        names_ssl_conf(value->name))
                        ssl = value; /* the last one takes the place of those before */
        }
        const struct openssl_config_value *found = ssl ? find_in(config, ssl->value, "system_default") : NULL;
        return found ? found->value : NULL;
}

const struct openssl_config_value *
openssl_config_command(const struct openssl_config *config, const char *section, const char *command)
{
        const struct openssl_config_value *found = NULL;
        for (size_t i = 0; i < config->n_values && section; i++) {
                const struct openssl_config_value *value = config->values[i];
                const char *dot = strchr(value->name, '.');
                if (!value->replaced && strcmp(value->section, section) == 0 &&
                        strcasecmp(dot ? dot + 1 : value->name, command) == 0)
                        found = value;
        }
        return found;
}
