/* SPDX-License-Identifier: MIT */
/*
 * Any text as a configuration of sshd: what is read of it is whole and within bounds, a block that is said to
 * hold for the connection found for it does, and the line that sets a keyword is one of the text's.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/probe_sshd_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_blocks(const struct sshd_config *config, const struct sshd_accounts *accounts)
{
        for (size_t i = 0; i < config->n_blocks; i++) {
                struct sshd_choice choice;
                const struct sshd_block *block = &config->blocks[i];
                if (!block->context || !*block->context || block->count > SSHD_CRITERIA_MAX)
                        abort();
                if (sshd_block_choose(block, accounts, &choice) != !*choice.reason)
                        abort();
                if (!*choice.reason && !sshd_block_holds(block, &choice.connection, accounts))
                        abort();
        }
}

static void
check_lines(const struct sshd_config *config, const struct sshd_accounts *accounts, size_t size)
{
        static const struct sshd_connection connection = {.user = "git", .address = "10.0.0.1"};
        for (size_t i = 0; i < config->n_lines; i++) {
                const struct sshd_line *line = &config->lines[i];
                if (!line->line || line->line > size + 1 || line->block >= (int)config->n_blocks ||
                        !*line->keyword || strlen(line->value) > size)
                        abort();
                const struct sshd_line *found =
                        sshd_config_find(config, line->keyword, &connection, accounts);
                if (found && (found < config->lines || found >= config->lines + config->n_lines))
                        abort();
                if (!found && line->block == SSHD_GLOBAL)
                        abort();
                if (i == 32)
                        break; /* (each is looked for among all) */
        }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char user[] = "git", home[] = "/home/git", shell[] = "/bin/sh", group[] = "sftp";
        struct sshd_user users[] = {{user, home, shell, 7, 7}};
        struct sshd_group groups[] = {{group, user, 30}};
        struct sshd_accounts accounts = {.users = users, .groups = groups, .n_users = 1, .n_groups = 1};
        struct sshd_config config = {.text_only = true};
        char *text = malloc(size + 1);
        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        if (sshd_config_parse(&config, "c", text) == 0) {
                check_blocks(&config, &accounts);
                check_lines(&config, &accounts, size);
        }
        sshd_config_done(&config);
        memcpy(text, data, size);
        struct sshd_listener listener = {0};
        (void)sshd_listener_parse(text, size, NULL, &listener);
        sshd_listener_done(&listener);
        free(text);
        return 0;
}
