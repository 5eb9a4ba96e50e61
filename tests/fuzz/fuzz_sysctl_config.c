/* SPDX-License-Identifier: MIT */
/* Files of sysctl configuration, parted by a byte 0x1e; the first byte chooses the dialect. Keys are tidy,
 * and what decides a key is the last of what names it, or a glob that nothing of its kind keeps away. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/probe_sysctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
        if (!condition)
                abort();
}

static void
check_key(const char *key)
{
        size_t size = strlen(key);
        must(size && size <= SYSCTL_KEY_MAX && key[0] != '/' && key[size - 1] != '/');
        must(!strstr(key, "//") && !strstr(key, "/./") && !strstr(key, "/../"));
        must(strcmp(key, ".") != 0 && strcmp(key, "..") != 0 && strncmp(key, "../", 3) != 0);
}

static void
check_find(const struct sysctl_config *config, const char *key)
{
        const struct sysctl_assignment *found = sysctl_config_find(config, key);
        must(!found || (found >= config->list && found < config->list + config->count));
        must(!found || found->glob || strcmp(found->key, key) == 0);
        must(!found || !found->glob || found->value);
        if (!found || !found->value)
                return;
        char *after = sysctl_after_writing_new("4 4 1 7", found->value);
        must(after != NULL);
        free(after);
}

static void
check_config(const struct sysctl_config *config)
{
        for (size_t i = 0; i < config->count; i++) {
                const struct sysctl_assignment *one = &config->list[i];
                check_key(one->key);
                must(one->line > 0 && (!i || one->file >= one[-1].file));
                must(!one->value || (!strstr(one->value, "  ") && !strchr(one->value, '\t')));
        }
        for (size_t i = 0; i < config->n_keys && i < 64; i++)
                check_find(config, config->by_key[i]->key);
        check_find(config, "net/ipv4/conf/eth0.100/rp_filter");
        check_find(config, "kernel/panic");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (!size)
                return 0;
        struct sysctl_config config = {.dialect = data[0] & 1 ? SYSCTL_PROCPS : SYSCTL_SYSTEMD};
        const char *text = (const char *)data + 1, *end = text + size - 1;
        int r = 0;
        for (size_t file = 0; text < end && r == 0; file++) {
                const char *stop = memchr(text, 0x1e, (size_t)(end - text));
                size_t length = stop ? (size_t)(stop - text) : (size_t)(end - text);
                r = sysctl_config_parse(&config, file, text, length);
                must(r == 0 || r == -E2BIG);
                text += length + 1;
        }
        must(sysctl_config_settle(&config) == 0);
        check_config(&config);
        sysctl_config_done(&config);
        return 0;
}
