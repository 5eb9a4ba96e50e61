/* SPDX-License-Identifier: MIT */
/* The texts of dpkg and apt; the first byte says which. Whatever is handed on is within its bounds and
 * alphabet. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/dpkg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
        if (!condition)
                abort();
}

static void
check_word(const char *word, size_t max)
{
        must(strlen(word) < max);
        must(strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.:~") ==
                strlen(word));
}

static void
check_name(const char *name)
{
        check_word(name, DPKG_NAME_MAX);
        must(*name != '.' && *name != ':');
        must(dpkg_same_package(name, name));
}

static void
check_path(const char *path)
{
        size_t size = strlen(path);
        must(path[0] == '/' && size > 1 && size < DPKG_PATH_MAX && path[size - 1] != '/');
        must(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
        must(strcmp(path + size - 2, "/.") != 0 && (size < 3 || strcmp(path + size - 3, "/..") != 0));
        must(!strchr(path, '\n'));
        (void)dpkg_is_passing(path);
}

static int
visit_event(void *userdata, const struct dpkg_event *event)
{
        (void)userdata;
        must(strlen(event->when) == DPKG_WHEN_MAX - 1 && event->action < DPKG_ACTION_COUNT);
        check_name(event->package);
        must(!*event->package == (event->action == DPKG_STARTUP || event->action == DPKG_OTHER));
        check_word(event->before, DPKG_VERSION_MAX);
        check_word(event->after, DPKG_VERSION_MAX);
        return 0;
}

static int
visit_command(void *userdata, const struct dpkg_command *command)
{
        (void)userdata;
        must(strlen(command->start) == DPKG_WHEN_MAX - 1);
        must(!*command->end || strlen(command->end) == DPKG_WHEN_MAX - 1);
        must(strlen(command->command) < DPKG_COMMAND_MAX && strlen(command->requested_by) < DPKG_USER_MAX);
        return 0;
}

static int
visit_path(void *userdata, const char *path)
{
        (void)userdata;
        check_path(path);
        return 0;
}

static int
visit_sum(void *userdata, const char *path, const struct dpkg_md5 *md5)
{
        (void)userdata;
        (void)md5;
        check_path(path);
        return 0;
}

static int
visit_conffile(void *userdata, const char *package, const char *path, const struct dpkg_md5 *md5)
{
        (void)userdata;
        (void)md5;
        must(*package);
        check_name(package);
        check_path(path);
        return 0;
}

static int
visit_diversion(void *userdata, const char *from, const char *to, const char *package)
{
        (void)userdata;
        check_path(from);
        check_path(to);
        check_name(package);
        return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        size_t used = 0;
        if (!size)
                return 0;
        const char *text = (const char *)data + 1;
        size--;
        switch (data[0]) {
        case 'l':
                must(dpkg_log_read(text, size, &used, visit_event, NULL) == 0);
                must(used <= size && (!used || text[used - 1] == '\n'));
                break;
        case 'h':
                must(dpkg_history_read(text, size, visit_command, NULL) == 0);
                break;
        case 'f':
                must(dpkg_list_read(text, size, visit_path, NULL) == 0);
                break;
        case 'm':
                must(dpkg_md5sums_read(text, size, visit_sum, NULL) == 0);
                break;
        case 's':
                must(dpkg_conffiles_read(text, size, visit_conffile, NULL) == 0);
                break;
        case 'd':
                must(dpkg_diversions_read(text, size, visit_diversion, NULL) == 0);
                break;
        default:
                break;
        }
        return 0;
}
