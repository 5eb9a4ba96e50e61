/* SPDX-License-Identifier: MIT */
/*
 * What the files say: lines into assignments, and which assignment decides a key. Pure: it opens nothing.
 *
 * Both programs take `KEY = VALUE` lines, `-KEY` lines that keep globs away from a key, and globs, which
 * give way to what names a key itself. They differ in what this file spells out: systemd-sysctl keeps one
 * assignment a key, the last one, tidies paths and takes braces in globs; procps writes all assignments
 * in turn, compares paths as they were written, and ends a line at \n alone.
 *
 * Invariant: list is in the order of files and lines; after settling, each pointer of by_key and globs points
 * into it, so nothing is added any more.
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "core/probe_sysctl.h"

#define BRACE_PATTERNS_MAX 256u /* tried of one glob; braces multiply */

struct span {
        const char *data;
        size_t size;
};

/* ---- keys ---- */

static void
swap_dots(char *key)
{
        char *p = strpbrk(key, "/.");
        if (!p || *p == '/')
                return; /* the first separator says what a slash is */
        for (; p; p = strpbrk(p + 1, "/."))
                *p = *p == '.' ? '/' : '.';
}

/*
 * Drops empty components and `.`, in place. `..` leads up where the program lets the kernel follow it
 * (procps), and makes systemd-sysctl refuse the key. False: it names no key.
 */
static bool
tidy(char *key, bool follow_up)
{
        char *out = key;
        for (const char *p = key; *p;) {
                p += strspn(p, "/");
                size_t size = strcspn(p, "/");
                bool up = size == 2 && p[0] == '.' && p[1] == '.';
                if (up && (!follow_up || out == key))
                        return false;
                if (up) {
                        while (out > key && *--out != '/')
                                ;
                } else if (size && !(size == 1 && *p == '.')) {
                        if (out > key)
                                *out++ = '/';
                        memmove(out, p, size);
                        out += size;
                }
                p += size;
        }
        *out = '\0';
        return out > key;
}

static bool
names_nothing(struct span key)
{
        return !key.size || key.size > SYSCTL_KEY_MAX || memchr(key.data, '\0', key.size);
}

/* Sets the key of an assignment. 0, -ENOENT: the words name none, -ENOMEM. */
static int
set_key(enum sysctl_dialect dialect, struct span text, struct sysctl_assignment *assignment)
{
        bool procps = dialect == SYSCTL_PROCPS;
        if (procps && text.size && *text.data == '-') { /* the second one of `--KEY` */
                text.data++;
                text.size--;
        }
        if (names_nothing(text) || (procps && text.data[text.size - 1] == '/'))
                return -ENOENT; /* procps leaves the slash there, and the kernel finds no folder */
        assignment->key = strndup(text.data, text.size);
        if (!assignment->key)
                return -ENOMEM;
        swap_dots(assignment->key);
        if (procps) {
                assignment->written = strdup(assignment->key);
                if (!assignment->written)
                        return -ENOMEM;
        }
        return tidy(assignment->key, procps) ? 0 : -ENOENT;
}

/* ---- lines ---- */

static bool
is_space(enum sysctl_dialect dialect, char c)
{
        if (dialect == SYSCTL_PROCPS && (c == '\v' || c == '\f'))
                return true;
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span
strip_end(enum sysctl_dialect dialect, struct span span)
{
        while (span.size && is_space(dialect, span.data[span.size - 1]))
                span.size--;
        return span;
}

static struct span
strip(enum sysctl_dialect dialect, struct span span)
{
        while (span.size && is_space(dialect, *span.data)) {
                span.data++;
                span.size--;
        }
        return strip_end(dialect, span);
}

static int
add(struct sysctl_config *config, const struct sysctl_assignment *assignment)
{
        if (config->count == SYSCTL_ASSIGNMENTS_MAX ||
                (assignment->glob && config->n_globs_seen == SYSCTL_GLOBS_MAX))
                return -E2BIG;
        if ((config->count & (config->count - 1)) == 0) { /* full: room for as many again */
                size_t room = config->count ? 2 * config->count : 1;
                struct sysctl_assignment *grown = reallocarray(config->list, room, sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                config->list = grown;
        }
        config->n_globs_seen += assignment->glob;
        config->list[config->count] = *assignment;
        config->list[config->count].position = config->count;
        config->count++;
        return 0;
}

static void
assignment_done(struct sysctl_assignment *assignment)
{
        free(assignment->key);
        free(assignment->value);
        free(assignment->written);
}

static int
add_words(struct sysctl_config *config, struct span key, const struct span *value, size_t file, unsigned line)
{
        struct sysctl_assignment own = {.file = file, .line = line};
        int r = set_key(config->dialect, key, &own);
        own.value = r == 0 && value ? sysctl_value_new(value->data, value->size) : NULL;
        if (r == 0 && value && !own.value)
                r = -ENOMEM;
        if (r == 0) {
                own.glob = strpbrk(own.key, "*?[") != NULL;
                own.literal = strcspn(own.key, "*?[{\\");
                r = add(config, &own);
        }
        if (r < 0)
                assignment_done(&own);
        return r == -ENOENT ? 0 : r;
}

static int
parse_line(struct sysctl_config *config, size_t file, unsigned line, struct span text)
{
        enum sysctl_dialect dialect = config->dialect;
        text = strip(dialect, text);
        if (!text.size || *text.data == '#' || *text.data == ';')
                return 0;
        const char *equals = memchr(text.data, '=', text.size);
        struct span key = {text.data, equals ? (size_t)(equals - text.data) : text.size}, value;
        bool dash = *text.data == '-';
        if (!equals && !dash)
                return 0; /* both warn of it and go on */
        if (dash && key.size) {
                key.data++;
                key.size--;
        }
        /* After the dash procps takes a blank for a part of the name. */
        key = dialect == SYSCTL_SYSTEMD ? strip(dialect, key) : strip_end(dialect, key);
        if (!equals)
                return add_words(config, key, NULL, file, line);
        value.data = equals + 1;
        value.size = text.size - (size_t)(value.data - text.data);
        value = strip(dialect, value);
        return add_words(config, key, &value, file, line);
}

/* The end of the line that starts at text. */
static size_t
line_size(enum sysctl_dialect dialect, const char *text, size_t size)
{
        size_t end = 0;
        if (dialect == SYSCTL_PROCPS)
                while (end < size && text[end] != '\n')
                        end++;
        else
                while (end < size && text[end] != '\n' && text[end] != '\r' && text[end] != '\0')
                        end++;
        return end;
}

int
sysctl_config_parse(struct sysctl_config *config, size_t file, const char *text, size_t size)
{
        unsigned line = 1;
        for (size_t at = 0; at < size;) {
                size_t length = line_size(config->dialect, text + at, size - at);
                /* What follows a NUL procps reads, but does not see. */
                size_t seen = strnlen(text + at, length);
                int r = parse_line(config, file, line, (struct span){text + at, seen});
                if (r < 0)
                        return r;
                at += length;
                if (at < size && text[at] == '\n')
                        line++;
                at++;
        }
        return 0;
}

/* ---- which one decides ---- */

static int
compare_positions(const void *a, const void *b)
{
        const struct sysctl_assignment *x = *(struct sysctl_assignment *const *)a,
                                       *y = *(struct sysctl_assignment *const *)b;
        return x->position < y->position ? -1 : x->position > y->position;
}

static int
compare_keys(const void *a, const void *b)
{
        const struct sysctl_assignment *x = *(struct sysctl_assignment *const *)a,
                                       *y = *(struct sysctl_assignment *const *)b;
        int order = strcmp(x->key, y->key);
        return order ? order : compare_positions(a, b);
}

static bool
same_value(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Of each in a list that is in order: the nearest before it that gives the same key another value. */
static void
note_overridden(struct sysctl_assignment **list, size_t n)
{
        for (size_t i = 1; i < n; i++) {
                struct sysctl_assignment *before = list[i - 1];
                if (strcmp(before->key, list[i]->key) != 0 || !before->value)
                        continue;
                list[i]->overridden = same_value(before->value, list[i]->value) ? before->overridden : before;
        }
}

/*
 * systemd-sysctl writes one assignment a key: the last. It is written where it stands, but where it repeats
 * the value that the key had already the earlier one is kept, in its place.
 */
static void
keep_last_of_each(struct sysctl_assignment **list, size_t *n)
{
        size_t kept = 0;
        for (size_t i = 0; i < *n; i++) {
                struct sysctl_assignment *last = kept ? list[kept - 1] : NULL;
                if (!last || strcmp(last->key, list[i]->key) != 0) {
                        list[kept++] = list[i];
                        continue;
                }
                if (same_value(last->value, list[i]->value))
                        list[i]->position = last->position;
                list[kept - 1] = list[i];
        }
        *n = kept;
}

static int
select_sorted(struct sysctl_config *config, bool globs, struct sysctl_assignment ***ret, size_t *ret_n)
{
        size_t n = 0;
        *ret = calloc(config->count + 1, sizeof **ret);
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < config->count; i++)
                if (config->list[i].glob == globs)
                        (*ret)[n++] = &config->list[i];
        if (n)
                qsort(*ret, n, sizeof **ret, compare_keys);
        note_overridden(*ret, n);
        if (config->dialect == SYSCTL_SYSTEMD)
                keep_last_of_each(*ret, &n);
        *ret_n = n;
        return 0;
}

int
sysctl_config_settle(struct sysctl_config *config)
{
        int r = select_sorted(config, false, &config->by_key, &config->n_keys);
        if (r == 0)
                r = select_sorted(config, true, &config->globs, &config->n_globs);
        if (r == 0 && config->n_globs)
                qsort(config->globs, config->n_globs, sizeof *config->globs, compare_positions);
        return r;
}

/* ---- globs ---- */

/* The brace that closes the one at `open`; NULL: none. */
static const char *
brace_end(const char *open)
{
        unsigned depth = 0;
        for (const char *p = open; *p; p++) {
                if (*p == '\\' && p[1]) {
                        p++;
                } else if (*p == '{') {
                        depth++;
                } else if (*p == '}' && --depth == 0) {
                        return p;
                }
        }
        return NULL;
}

/* The first `{` that is not escaped, nor `{}`; NULL: none. */
static const char *
brace_start(const char *pattern)
{
        for (const char *p = pattern; *p; p++) {
                if (*p == '\\' && p[1])
                        p++;
                else if (*p == '{' && p[1] != '}')
                        return p;
        }
        return NULL;
}

/* The end of the alternative at p: its comma, or the brace that ends them all. */
static const char *
alternative_end(const char *p, const char *end)
{
        unsigned depth = 0;
        for (; p < end && (*p != ',' || depth); p++) {
                if (*p == '\\' && p[1])
                        p++;
                else if (*p == '{')
                        depth++;
                else if (*p == '}')
                        depth--;
        }
        return p < end ? p : end;
}

/* glob(3) with GLOB_BRACE: each alternative is a pattern of its own, and what is not closed is itself. */
static bool
glob_matches(const char *pattern, bool braces, const char *key, unsigned *budget)
{
        if (!*budget || --*budget == 0)
                return false;
        const char *open = braces ? brace_start(pattern) : NULL, *end = open ? brace_end(open) : NULL;
        if (!end)
                return fnmatch(pattern, key, FNM_PATHNAME | FNM_PERIOD) == 0;
        char one[SYSCTL_KEY_MAX + 1];
        size_t before = (size_t)(open - pattern), after = strlen(end + 1);
        for (const char *p = open + 1; p <= end;) {
                const char *stop = alternative_end(p, end);
                size_t size = (size_t)(stop - p);
                memcpy(one, pattern, before);
                memcpy(one + before, p, size);
                memcpy(one + before + size, end + 1, after + 1);
                if (glob_matches(one, braces, key, budget))
                        return true;
                p = stop + 1;
        }
        return false;
}

static bool
assignment_matches(const struct sysctl_config *config, const struct sysctl_assignment *glob, const char *key)
{
        unsigned budget = BRACE_PATTERNS_MAX;
        return strncmp(glob->key, key, glob->literal) == 0 &&
               glob_matches(glob->key, config->dialect == SYSCTL_SYSTEMD, key, &budget);
}

/* Of what names the key: the first place in by_key, and how many. */
static struct sysctl_assignment *const *
find_named(const struct sysctl_config *config, const char *key, size_t *ret_n)
{
        size_t low = 0, high = config->n_keys;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (strcmp(config->by_key[middle]->key, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        size_t n = 0;
        while (low + n < config->n_keys && strcmp(config->by_key[low + n]->key, key) == 0)
                n++;
        *ret_n = n;
        return n ? &config->by_key[low] : NULL;
}

/*
 * Whether the path that a glob finds is, byte for byte, the one that another assignment of the same key
 * names: `net//ipv4/x` is the same file for the kernel, but not the same text.
 */
static bool
same_shape(const struct sysctl_assignment *a, const struct sysctl_assignment *b)
{
        const char *x = a->written, *y = b->written;
        if (!x || !y)
                return true; /* the keys were tidied */
        for (;; x++, y++) {
                size_t m = strcspn(x, "/"), n = strcspn(y, "/");
                bool dots_x = m <= 2 && strspn(x, ".") >= m, dots_y = n <= 2 && strspn(y, ".") >= n;
                if (dots_x != dots_y || (dots_x && m != n))
                        return false;
                x += m;
                y += n;
                if (!*x || !*y)
                        return *x == *y;
        }
}

static bool
gives_way(const struct sysctl_assignment *glob, struct sysctl_assignment *const *named, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (same_shape(glob, named[i]))
                        return true;
        return false;
}

const struct sysctl_assignment *
sysctl_config_find(const struct sysctl_config *config, const char *key)
{
        const struct sysctl_assignment *found = NULL, *excluded = NULL;
        size_t n;
        struct sysctl_assignment *const *named = find_named(config, key, &n);
        for (size_t i = 0; i < n; i++) {
                if (named[i]->value)
                        found = named[i];
                else
                        excluded = named[i];
        }
        for (size_t i = config->n_globs; i-- > 0;) {
                const struct sysctl_assignment *glob = config->globs[i];
                if (found && found->position > glob->position)
                        break;
                if (glob->value && assignment_matches(config, glob, key) && !gives_way(glob, named, n))
                        return glob;
        }
        return found ? found : excluded;
}

void
sysctl_config_done(struct sysctl_config *config)
{
        for (size_t i = 0; i < config->count; i++)
                assignment_done(&config->list[i]);
        free(config->list);
        free(config->by_key);
        free(config->globs);
        *config = (struct sysctl_config){.dialect = config->dialect};
}
