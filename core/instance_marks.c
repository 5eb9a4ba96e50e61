/* SPDX-License-Identifier: MIT */
/*
 * High-water marks: the highest generation of each baseline, and of the trust file, that was ever in force
 * here. They are kept twice: as the rows of the store, and as lines of the file `high-water` beside it,
 * fsynced after each apply. The store alone being put back shows as a mark above it.
 *
 * The two are written one after the other, the store first, so power lost in between leaves a mark exactly
 * one step behind the rows. That is the only way in which it can be behind: it is then raised at the next
 * loading. A mark that is gone, or further behind, was put back or taken away by somebody.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"

#define MARKS_FILE_MAX ((size_t)1 << 20) /* bytes */

void
marks_done(struct marks *marks)
{
        free(marks->list);
        *marks = (struct marks){0};
}

struct mark *
mark_named(const struct marks *marks, const char *name)
{
        for (size_t i = 0; i < marks->count; i++)
                if (strcmp(marks->list[i].name, name) == 0)
                        return &marks->list[i];
        return NULL;
}

int
mark_raise(struct marks *marks, const char *name, uint64_t generation, const struct digest *id)
{
        struct mark *mark = mark_named(marks, name);
        if (!mark) {
                struct mark *grown = reallocarray(marks->list, marks->count + 1, sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                marks->list = grown;
                mark = &grown[marks->count++];
                *mark = (struct mark){0};
                snprintf(mark->name, sizeof mark->name, "%s", name);
        }
        if (generation >= mark->generation) {
                mark->generation = generation;
                mark->id = *id;
        }
        return 0;
}

bool
mark_equal(const struct mark *a, const struct mark *b)
{
        return a->generation == b->generation && digest_equal(&a->id, &b->id);
}

/* -EBADMSG if a line is not ours: somebody wrote here. */
static int
marks_parse(char *text, struct marks *marks)
{
        char *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                char *words = NULL;
                const char *name = strtok_r(line, " ", &words), *number = strtok_r(NULL, " ", &words);
                const char *hex = strtok_r(NULL, "", &words);
                char *end = NULL;
                struct digest id;
                if (!hex || (!name_is_valid(name, strlen(name)) && strcmp(name, MARK_TRUST) != 0) ||
                        digest_parse(hex, strlen(hex), &id) < 0)
                        return -EBADMSG;
                uint64_t generation = strtoull(number, &end, 10);
                if (*end || !generation)
                        return -EBADMSG;
                int r = mark_raise(marks, name, generation, &id);
                if (r < 0)
                        return r;
        }
        return 0;
}

int
marks_read(const struct instance *instance, struct marks *marks, struct err *err)
{
        _cleanup_free_ char *path = config_high_water(instance->config);
        _cleanup_buf_ struct buf text = {0};
        if (!path)
                return err_oom(err);
        int r = file_read(path, 0, MARKS_FILE_MAX, &text, err);
        if (r == -ENOENT)
                return 0;
        r = r || !text.size ? r : marks_parse(text.data, marks);
        if (r == -EBADMSG)
                return err_set(err, r, "%s is damaged", path);
        return r;
}

int
marks_write(const struct instance *instance, const struct marks *marks, struct err *err)
{
        _cleanup_free_ char *path = config_high_water(instance->config);
        _cleanup_buf_ struct buf text = {0};
        int r = path ? 0 : -ENOMEM;
        for (size_t i = 0; i < marks->count && r == 0; i++) {
                char hex[DIGEST_HEX_SIZE];
                digest_hex(&marks->list[i].id, hex);
                r = buf_printf(
                        &text, "%s %" PRIu64 " %s\n", marks->list[i].name, marks->list[i].generation, hex);
        }
        if (r < 0)
                return err_oom(err);
        return file_write(path, 0600, text.data, text.size, err);
}

int
marks_raise(struct instance *instance, const char *name, uint64_t generation, const struct digest *id,
        struct err *err)
{
        _cleanup_(marks_done) struct marks marks = {0};
        int r = marks_read(instance, &marks, err);
        if (r == 0 && mark_raise(&marks, name, generation, id) < 0)
                return err_oom(err);
        return r ? r : marks_write(instance, &marks, err);
}
