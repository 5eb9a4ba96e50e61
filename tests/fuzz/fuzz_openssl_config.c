/* SPDX-License-Identifier: MIT */
/*
 * Any text as an openssl.cnf, with any other texts as what it includes: a record separator ends a file, and
 * what is included is found by the first byte of its name. What was read is found again, and stands in a line
 * of it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/probe_openssl.h"

#define FILES 8

struct files {
        const char *text[FILES];
        size_t size[FILES];
        size_t count;
};

/* `/0` is the first file, and `/f` a folder of all files. */
static int
load(void *userdata, const char *path, enum openssl_config_found *ret_found, struct buf *text,
        struct text_list *names, struct err *err)
{
        const struct files *files = userdata;
        const char *slash = strrchr(path, '/');
        size_t n = slash && slash[1] >= '0' && slash[1] <= '9' ? (size_t)(slash[1] - '0') : FILES;
        (void)err;
        *ret_found = OPENSSL_CONFIG_NOTHING;
        if (strcmp(path, "/f") == 0) {
                static const char *const in_folder[] = {"1.cnf", ".", "2.CONF", "x", "3.cnf", ".cnf"};
                *ret_found = OPENSSL_CONFIG_FOLDER;
                for (size_t i = 0; i < ARRAY_SIZE(in_folder); i++)
                        if (text_list_add(names, in_folder[i], strlen(in_folder[i])) < 0)
                                return -ENOMEM;
        } else if (n < files->count) {
                *ret_found = OPENSSL_CONFIG_FILE;
                return buf_append(text, files->text[n], files->size[n]);
        }
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct files files = {.count = 0};
        const char *at = (const char *)data, *end = at + size;
        while (files.count < FILES) {
                const char *next = memchr(at, 0x1e, (size_t)(end - at));
                files.text[files.count] = at;
                files.size[files.count++] = (size_t)((next ? next : end) - at);
                if (!next)
                        break;
                at = next + 1;
        }
        struct openssl_config config;
        struct err err = {0};
        int r = openssl_config_read("/0", load, &files, &config, &err);
        if (r < 0 || (r && !*err.text))
                abort();
        for (size_t i = 0; i < config.n_values; i++) {
                const struct openssl_config_value *value = config.values[i];
                if (value->file >= config.files.count || !value->line ||
                        strlen(value->value) > 2 * OPENSSL_CONFIG_FILE_MAX)
                        abort();
                if (!value->replaced && openssl_config_find(&config, value->section, value->name) != value)
                        abort();
        }
        const char *section = openssl_config_system_default(&config);
        const struct openssl_config_value *found = openssl_config_command(&config, section, "MinProtocol");
        if (found && (found->replaced || strcmp(found->section, section) != 0))
                abort();
        openssl_config_done(&config);
        return 0;
}
