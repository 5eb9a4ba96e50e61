/* SPDX-License-Identifier: MIT */
/*
 * Who did it, in words. What the daemon wrote of a process is escaped already; a name of the user table is
 * escaped here. A user id without a name stands for itself.
 */
#include "cli/who_words.h"

#include <pwd.h>
#include <string.h>

#include "cli/print.h"

static int
append_user(struct buf *ret, json_int uid)
{
        const struct passwd *user = getpwuid((uid_t)uid);
        return user ? buf_escape(ret, user->pw_name, strlen(user->pw_name))
                    : buf_printf(ret, "uid %lld", uid);
}

static bool
has_number(const struct json *who, const char *member)
{
        return json_kind(json_member(who, member)) == JSON_KIND_INTEGER;
}

/* The last part of the path; "\x20(deleted)" behind it is the kernel's own word. */
static int
append_program(struct buf *ret, const char *exe)
{
        static const char deleted[] = "\\x20(deleted)";
        const char *slash = strrchr(exe, '/');
        const char *name = slash && slash[1] ? slash + 1 : exe;
        size_t size = strlen(name), tail = sizeof deleted - 1;
        if (size > tail && strcmp(name + size - tail, deleted) == 0)
                size -= tail;
        return buf_append(ret, name, size);
}

int
who_words(const struct json *who, struct buf *ret)
{
        const char *exe = json_text(who, "exe"), *confidence = json_text(who, "confidence");
        const char *user = has_number(who, "login_uid") ? "login_uid" : "uid";
        if (!exe || !confidence)
                return 0;
        int r = buf_text(ret, strcmp(confidence, "exact") == 0 ? "by " : "likely by ");
        r = r ? r : append_program(ret, exe);
        r = r ? r : buf_printf(ret, "[%lld]", json_number(who, "pid"));
        if (r || !has_number(who, user))
                return r;
        r = buf_text(ret, " (");
        r = r ? r : append_user(ret, json_number(who, user));
        return r ? r : buf_text(ret, json_flag(who, "own_mounts") ? ", own mounts)" : ")");
}

static int
append_users(const struct json *who, struct buf *ret)
{
        int r = 0;
        if (has_number(who, "uid")) {
                r = buf_text(ret, ", as ");
                r = r ? r : append_user(ret, json_number(who, "uid"));
        }
        if (r == 0 && has_number(who, "login_uid")) {
                r = buf_text(ret, ", logged in as ");
                r = r ? r : append_user(ret, json_number(who, "login_uid"));
        }
        return r;
}

int
who_words_long(const struct json *who, struct buf *ret)
{
        const char *exe = json_text(who, "exe"), *confidence = json_text(who, "confidence");
        const char *command = json_text(who, "cmdline"), *unit = json_text(who, "unit");
        json_int others = json_number(who, "others");
        if (!confidence)
                return 0;
        int r = exe ? print_words(ret, exe) : buf_text(ret, "a process that is gone");
        r = r ? r : buf_printf(ret, "[%lld]", json_number(who, "pid"));
        r = r ? r : append_users(who, ret);
        r = r || !unit ? r : buf_text(ret, ", in ");
        r = r || !unit ? r : print_words(ret, unit);
        r = r || !json_flag(who, "own_mounts") ? r : buf_text(ret, ", with mounts of its own");
        r = r ? r : buf_printf(ret, " (%s", confidence);
        r = r || !others ? r : buf_printf(ret, "; and %lld more since the look before", others);
        r = r ? r : buf_text(ret, ")");
        r = r || !command ? r : buf_text(ret, ": ");
        r = r || !command ? r : print_words(ret, command);
        return r || !json_flag(who, "cmdline_cut") ? r : buf_text(ret, " …");
}
