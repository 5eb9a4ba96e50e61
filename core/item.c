/* SPDX-License-Identifier: MIT */
/*
 * Items and globs. The matcher walks pattern and text once and keeps two places to come back to: the
 * last `*` (which may not cross a `/`) and the last `**` (which may). That is enough: of what stands
 * between two stars of one kind the leftmost match leaves most room for the rest, so an earlier star never
 * has to be tried again, and no pattern can make it slow.
 *
 * Works on units, not bytes: `\xhh` is one unit, so that `?` takes a whole escaped byte and no star can
 * match half of one.
 */
#include "core/item.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/buf.h"
#include "core/escape.h"
#include "core/ini_reader.h"
#include "core/quote.h"

/* ---- globs ---- */

static bool
is_hex(char digit)
{
        return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
}

/* An escape is one unit of four bytes, all else is one of one. */
static size_t
unit_size(const char *p, const char *end)
{
        return *p == '\\' && end - p >= 4 && p[1] == 'x' && is_hex(p[2]) && is_hex(p[3]) ? 4 : 1;
}

struct glob {
        const char *pattern;
        const char *p, *t; /* here in the pattern, here in the text */
        const char *end;   /* of the text */
        const char *star_p,
                *star_t; /* after the last `*` since the last `**`, and up to where it has taken */
        const char *deep_p, *deep_t; /* the same for the last `**` */
        bool deep_names;             /* it takes whole names */
};

/* The pattern stands at stars. True if that alone decides, with the answer. */
static bool
glob_take_stars(struct glob *g, bool *ret_answer)
{
        const char *start = g->p;
        while (*g->p == '*')
                g->p++;
        if (g->p - start == 1) {
                g->star_p = g->p;
                g->star_t = g->t;
                return false;
        }
        bool at_name = start == g->pattern || start[-1] == '/';
        if (!*g->p) {
                /* Below /a is not /a itself: after the slash something must follow. */
                *ret_answer = start == g->pattern || !at_name || g->t < g->end;
                return true;
        }
        g->deep_names = at_name && *g->p == '/';
        if (g->deep_names)
                g->p++;
        g->deep_p = g->p;
        g->deep_t = g->t;
        g->star_p = NULL;
        return false;
}

/* One unit of both, if they agree. */
static bool
glob_take_unit(struct glob *g)
{
        size_t size = unit_size(g->t, g->end);
        if (*g->p == '?') {
                if (*g->t == '/')
                        return false;
                g->p++;
        } else {
                if (strncmp(g->p, g->t, size) != 0)
                        return false;
                g->p += size;
        }
        g->t += size;
        return true;
}

/* They disagree: lets the last star take one unit more, or else the last double star. */
static bool
glob_step_back(struct glob *g)
{
        bool star_is_full = false;
        if (g->star_p) {
                star_is_full = g->star_t == g->end || *g->star_t == '/';
                if (!star_is_full) {
                        g->star_t += unit_size(g->star_t, g->end);
                        g->p = g->star_p;
                        g->t = g->star_t;
                        return true;
                }
        }
        if (!g->deep_p || g->deep_t == g->end)
                return false;
        /* A star that could not be helped within its name will not be by starting later in the same name. */
        if (g->deep_names || star_is_full) {
                g->deep_t = memchr(g->deep_t, '/', (size_t)(g->end - g->deep_t));
                if (!g->deep_t)
                        return false;
        }
        g->deep_t += unit_size(g->deep_t, g->end);
        g->star_p = NULL;
        g->p = g->deep_p;
        g->t = g->deep_t;
        return true;
}

static bool
glob_match_bytes(const char *pattern, const char *text, size_t size)
{
        struct glob g = {.pattern = pattern, .p = pattern, .t = text, .end = text + size};
        for (;;) {
                bool answer;
                if (*g.p == '*') {
                        if (glob_take_stars(&g, &answer))
                                return answer;
                } else if (g.t == g.end) {
                        return !*g.p; /* the text ran out: coming back would leave even less of it */
                } else if (!*g.p || !glob_take_unit(&g)) {
                        if (!glob_step_back(&g))
                                return false;
                }
        }
}

bool
glob_match(const char *pattern, const char *text)
{
        return glob_match_bytes(pattern, text, strlen(text));
}

bool
glob_covers(const char *pattern, const char *path)
{
        /* Most patterns fail here, cheaply: this runs for every exclusion at every file. */
        size_t literal = strcspn(pattern, "*?");
        if (strncmp(pattern, path, literal) != 0)
                return false;
        if (!pattern[literal])
                return !path[literal] || path[literal] == '/' || (literal == 1 && *pattern == '/');
        if (*path == '/' && literal <= 1 && glob_match_bytes(pattern, path, 1))
                return true;
        for (const char *p = path + literal; *p; p++)
                if (*p == '/' && p > path && glob_match_bytes(pattern, path, (size_t)(p - path)))
                        return true;
        return glob_match(pattern, path);
}

/* ---- items ---- */

char *
item_from_path(const char *path)
{
        size_t size = strlen(path);
        char *item = malloc(sizeof "file:" + escape_size(path, size));
        if (!item)
                return NULL;
        char *name = stpcpy(item, "file:");
        name[escape(path, size, name)] = '\0';
        return item;
}

/* Tidies an absolute path in place; `/` and `.` are plain, so it is the same for raw and escaped ones. */
static int
path_tidy(char *path, struct err *err)
{
        char *out = path;
        for (const char *p = path; *p;) {
                p += strspn(p, "/");
                size_t size = strcspn(p, "/");
                if (size == 2 && p[0] == '.' && p[1] == '.') {
                        err_set(err, -EINVAL, "a path with .. in it has no one meaning");
                        return err_hint(err, -EINVAL, "write where it leads (realpath(1) shows it)");
                }
                if (size && !(size == 1 && *p == '.')) {
                        *out++ = '/';
                        memmove(out, p, size);
                        out += size;
                }
                p += size;
        }
        if (out == path)
                *out++ = '/';
        *out = '\0';
        return 0;
}

static int
file_check(char *name, struct err *err)
{
        if (*name != '/') {
                err_set(err, -EINVAL, "\"%s\" is not an absolute path", quote(name));
                return err_hint(err, -EINVAL, "file: is followed by the whole path: file:/etc/passwd");
        }
        return path_tidy(name, err);
}

static int
sysctl_check(char *name, struct err *err)
{
        size_t size = strlen(name);
        if (name[0] == '/' || name[size - 1] == '/' || strstr(name, "//")) {
                err_set(err, -EINVAL, "\"%s\" is not the name of a sysctl", quote(name));
                return err_hint(err, -EINVAL, "write the path below /proc/sys: sysctl:net/ipv4/ip_forward");
        }
        if (!strchr(name, '/') && strchr(name, '.')) {
                err_set(err, -EINVAL, "\"%s\": sysctls are named by slashes here", quote(name));
                for (char *p = name; (p = strchr(p, '.'));)
                        *p = '/';
                return err_hint(err, -EINVAL,
                        "write sysctl:%s (dots cannot tell an interface such as eth0.100 apart)",
                        quote(name));
        }
        return 0;
}

static int
sshd_check(char *name, struct err *err)
{
        (void)err;
        if (strchr(name, '/')) /* a fact: it ends in what has its own case, such as a path */
                return 0;
        for (; *name; name++)
                *name = (char)tolower((unsigned char)*name);
        return 0;
}

static int
openssl_check(char *name, struct err *err)
{
        (void)name;
        (void)err;
        return 0;
}

static const struct domain {
        const char *name;
        bool contexts; /* `sshd[user=git]:` */
        int (*check)(char *name, struct err *err);
} domains[] = {
        {"file", false, file_check},
        {"sysctl", false, sysctl_check},
        {"sshd", true, sshd_check},
        {"openssl", false, openssl_check},
};

static const struct domain *
domain_find(const char *text, size_t size)
{
        for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
                if (strlen(domains[i].name) == size && memcmp(domains[i].name, text, size) == 0)
                        return &domains[i];
        return NULL;
}

static int
domain_unknown(const char *argument, size_t size, struct err *err)
{
        const char *names[ARRAY_SIZE(domains)];
        struct quote quoted;
        for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
                names[i] = domains[i].name;
        if (!argument[size]) {
                err_set(err, -EINVAL, "\"%s\" is neither an absolute path nor DOMAIN:NAME", quote(argument));
                return err_hint(err, -EINVAL,
                        "write the whole path (/etc/passwd), or file:, sysctl:, sshd: or openssl: and a "
                        "name");
        }
        const char *name = quote_bytes(&quoted, argument, size);
        const char *near = nearest_word(name, names, ARRAY_SIZE(domains));
        err_set(err, -EINVAL, "there is no domain \"%s\"", name);
        if (near)
                return err_hint(err, -EINVAL, "did you mean %s:?", near);
        return err_hint(err, -EINVAL, "the domains are file, sysctl, sshd and openssl");
}

/* Where the name starts in DOMAIN:NAME or DOMAIN[CONTEXT]:NAME; 0 if there is none. */
static size_t
name_start(const char *argument, size_t domain_size, const struct domain *domain)
{
        if (argument[domain_size] == ':')
                return domain_size + 1;
        const char *colon = strrchr(argument, ':');
        const char *context = argument + domain_size + 1;
        if (!domain->contexts || !colon || colon - context < 2 || colon[-1] != ']')
                return 0;
        return (size_t)(colon - argument) + 1;
}

static int
path_item(const char *path, char **ret_item, struct err *err)
{
        _cleanup_free_ char *copy = strdup(path);
        if (!copy)
                return err_oom(err);
        int r = path_tidy(copy, err);
        if (r < 0)
                return r;
        *ret_item = item_from_path(copy);
        return *ret_item ? 0 : err_oom(err);
}

int
item_parse(const char *argument, char **ret_item, struct err *err)
{
        if (*argument == '/')
                return path_item(argument, ret_item, err);

        size_t domain_size = strcspn(argument, ":[");
        const struct domain *domain = domain_find(argument, domain_size);
        if (!domain || !argument[domain_size])
                return domain_unknown(argument, argument[domain_size] ? domain_size : strlen(argument), err);

        size_t start = name_start(argument, domain_size, domain);
        if (!start || !argument[start]) {
                err_set(err, -EINVAL, "\"%s\" names nothing", quote(argument));
                return err_hint(err, -EINVAL, "write %s:NAME%s; for all of them %s:%s**", domain->name,
                        domain->contexts ? " or sshd[user=git]:NAME" : "", domain->name,
                        domain->check == file_check ? "/" : "");
        }
        if (!escape_is_canonical(argument, strlen(argument))) {
                err_set(err, -EINVAL, "\"%s\" is not escaped as items are", quote(argument));
                return err_hint(err, -EINVAL,
                        "write it as driftctl prints it (a blank is \\x20); only a bare path stands as it "
                        "is");
        }
        _cleanup_free_ char *item = strdup(argument);
        if (!item)
                return err_oom(err);
        int r = domain->check(item + start, err);
        if (r < 0)
                return r;
        *ret_item = steal_pointer(&item);
        return 0;
}

static bool
pattern_selects(const char *pattern, const char *item)
{
        size_t size = strcspn(pattern, ":[*?"); /* `sshd**:permitrootlogin`: in every context */
        if (pattern[size] != ':')
                return glob_match(pattern, item); /* a context may hold slashes that part nothing */
        return strncmp(pattern, item, size + 1) == 0 && glob_covers(pattern + size + 1, item + size + 1);
}

bool
item_selected(const char *item, char *const *patterns, size_t n_patterns)
{
        for (size_t i = 0; i < n_patterns; i++)
                if (pattern_selects(patterns[i], item))
                        return true;
        return !n_patterns;
}

bool
name_is_valid(const char *name, size_t size)
{
        static const char bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
        if (size < 1 || size >= NAME_MAX_SIZE || name[0] == '-' || name[0] == '.')
                return false;
        for (size_t i = 0; i < size; i++)
                if (!memchr(bytes, name[i], sizeof bytes - 1))
                        return false;
        return true;
}
