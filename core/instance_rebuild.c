/* SPDX-License-Identifier: MIT */
/*
 * A store that is damaged is set aside, and a new one is made from what was signed: the trust file, and the
 * baselines on the shelf. Its history begins anew, and its first record says so.
 *
 * Whoever can damage the store must gain nothing by it. So every file is verified by the rules for applying;
 * a generation below its high-water mark is not taken, and one whose mark is gone is taken for detecting, but
 * counts as untrusted until a later generation is applied. What was taken is "adopted", and nothing is clean
 * until a signed apply confirms it.
 *
 * Power may be lost at any step. The note (state_dir/rebuild) is durable before the first rename and is
 * removed when the new history holds what it says; from there the value "rebuilding" takes over, until the
 * shelf was taken, and then "rebuilt", until it is confirmed.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/file.h"

#define NOTE_MAX 8192u     /* bytes */
#define ASIDE_TRIES_MAX 99 /* names of one second */

static char *
note_path(const struct config *config)
{
        char *path;
        return asprintf(&path, "%s/rebuild", config->state_dir) < 0 ? NULL : path;
}

/* ---- setting aside ---- */

/* A name that nothing of ours has: PATH.damaged-20261126T105028Z, with a number behind it if need be. */
static int
aside_name(const char *path, char **ret, struct err *err)
{
        char stamp[32];
        struct tm tm;
        time_t now = (time_t)(clock_now_ms() / 1000);
        gmtime_r(&now, &tm);
        strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
        for (int i = 0; i < ASIDE_TRIES_MAX; i++) {
                static const char *const suffixes[] = {"", "-wal", "-journal"};
                char *name, number[16] = "";
                struct stat st;
                bool taken = false;
                if (i)
                        snprintf(number, sizeof number, ".%d", i);
                if (asprintf(&name, "%s.damaged-%s%s", path, stamp, number) < 0)
                        return err_oom(err);
                for (size_t j = 0; j < ARRAY_SIZE(suffixes) && !taken; j++) {
                        _cleanup_free_ char *other = NULL;
                        if (asprintf(&other, "%s%s", name, suffixes[j]) < 0)
                                other = NULL;
                        taken = !other || lstat(other, &st) == 0;
                }
                if (!taken) {
                        *ret = name;
                        return 0;
                }
                free(name);
        }
        return err_set(err, -EEXIST, "there is no free name to set %s aside by", path);
}

static int
rename_aside(const char *path, const char *aside, const char *suffix, struct err *err)
{
        _cleanup_free_ char *from = NULL, *to = NULL;
        if (asprintf(&from, "%s%s", path, suffix) < 0)
                from = NULL;
        if (asprintf(&to, "%s%s", aside, suffix) < 0)
                to = NULL;
        if (!from || !to)
                return err_oom(err);
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 || errno == ENOENT)
                return 0;
        return err_set(err, -errno, "%s could not be set aside as %s: %s", from, to, strerror(errno));
}

int
rebuild_set_aside(const struct config *config, const char *why, struct err *err)
{
        static const char *const suffixes[] = {"", "-wal", "-journal"};
        _cleanup_free_ char *path = config_database(config), *note = note_path(config), *aside = NULL;
        _cleanup_buf_ struct buf text = {0};
        if (!path || !note)
                return err_oom(err);
        int r = aside_name(path, &aside, err);
        if (r == 0 && buf_printf(&text, "%s\n%s\n", aside, why) < 0)
                return err_oom(err);
        r = r ? r : file_write(note, 0600, text.data, text.size, err);
        for (size_t i = 0; i < ARRAY_SIZE(suffixes) && r == 0; i++)
                r = rename_aside(path, aside, suffixes[i], err);
        return r ? r : folder_sync_of(path, err);
}

/* ---- the new history ---- */

/* When the store that was set aside was last written: the last moment at which anybody certainly watched. */
static int64_t
last_written_ms(const char *aside)
{
        static const char *const suffixes[] = {"", "-wal"};
        int64_t newest_ms = 0;
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                _cleanup_free_ char *name = NULL;
                struct stat st;
                if (asprintf(&name, "%s%s", aside, suffixes[i]) < 0) {
                        name = NULL;
                        continue;
                }
                if (lstat(name, &st) == 0 && (int64_t)st.st_mtim.tv_sec * 1000 > newest_ms)
                        newest_ms = (int64_t)st.st_mtim.tv_sec * 1000;
        }
        return newest_ms;
}

static int
note_enter(struct instance *instance, char *text, struct err *err)
{
        char *rest = NULL;
        const char *aside = strtok_r(text, "\n", &rest), *why = strtok_r(NULL, "\n", &rest);
        _cleanup_buf_ struct buf told = {0};
        if (!aside || !why)
                return 0; /* written by somebody else: the store is new all the same */
        if (buf_printf(&told, "the store was damaged, and was set aside as %s", aside) < 0)
                return err_oom(err);
        instance->had_history = true;
        instance->stopped_cleanly = false;
        instance->last_alive_ms = last_written_ms(aside);
        instance_value(instance, "rebuilding", told.data);
        instance_record(instance, "storage", NULL,
                json_make(
                        "{s:s, s:s, s:I}", "error", why, "set_aside", aside, "records_dropped", (json_int)0));
        return instance_flush(instance, err);
}

int
rebuild_begin(struct instance *instance, struct err *err)
{
        _cleanup_free_ char *path = note_path(instance->config);
        _cleanup_buf_ struct buf text = {0};
        struct tree_head head;
        if (!path)
                return err_oom(err);
        int r = file_read(path, 0, NOTE_MAX, &text, err);
        if (r)
                return r == -ENOENT ? 0 : r;
        r = store_head(instance->store, &head, err);
        if (r == 0 && !head.size && text.size) /* else it is entered already, or nothing was renamed */
                r = note_enter(instance, text.data, err);
        if (r == 0)
                unlink(path);
        return r;
}

/* ---- taking the shelf ---- */

static void
record_not_taken(struct instance *instance, const struct shelf_entry *entry, const char *why)
{
        _cleanup_buf_ struct buf what = {0};
        if (buf_printf(&what, "the signed file %s@%" PRIu64 ".baseline was not taken: %s", entry->name,
                    entry->generation, why) == 0)
                instance_record(instance, "tamper", NULL, json_make("{s:s}", "what", what.data));
}

static int
check_header(const struct instance *instance, const struct shelf_entry *entry, const struct baseline *b,
        const struct marks *marks, struct err *why)
{
        const struct baseline_header *header = baseline_header(b);
        const struct mark *mark = mark_named(marks, entry->name);
        if (strcmp(header->name, entry->name) != 0 || header->generation != entry->generation)
                return err_set(why, 1, "it is another baseline than its name says");
        if (strcmp(header->host, "*") != 0 && strcmp(header->host, instance->host) != 0)
                return err_set(why, 1, "it is for another host");
        if (mark && header->generation < mark->generation)
                return err_set(why, 1, "generation %" PRIu64 " was applied here", mark->generation);
        if (mark && header->generation == mark->generation && !digest_equal(&mark->id, baseline_id(b)))
                return err_set(why, 1, "it is not the generation %" PRIu64 " that was applied here",
                        mark->generation);
        return 0;
}

static int
put_verified(struct instance *instance, const struct baseline *b, const struct buf *approvals,
        const struct trust_verdict *verdict, bool marked, struct err *err)
{
        _cleanup_buf_ struct buf signers = {0};
        if (trust_verdict_signers(verdict, &signers) < 0)
                return err_oom(err);
        struct applying applying = {
                .instance = instance,
                .baseline = b,
                .approvals = approvals,
                .verdict = verdict,
                .signers = signers.data ? signers.data : "",
                .from_shelf = true,
                .adopted = true,
                .doubts = marked ? NULL
                                 : "its high-water mark was gone when the store was rebuilt, so nobody "
                                   "knows whether a later generation was in force",
        };
        int r = instance_put_baseline(&applying, err);
        /* On the shelf and not yet in force when the store was lost: it is now. */
        if (r == 0 && marked)
                r = marks_raise(instance, baseline_header(b)->name, baseline_header(b)->generation,
                        baseline_id(b), err);
        return r;
}

/* 0: taken; > 0: it does not hold, and *why says so. */
static int
take_entry(struct instance *instance, const struct shelf_entry *entry, const struct marks *marks,
        struct err *why)
{
        _cleanup_buf_ struct buf text = {0}, approvals = {0};
        _cleanup_(baseline_freep) struct baseline *b = NULL;
        _cleanup_free_ struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        if (!verdict)
                return err_oom(why);
        int r = shelf_read(instance, entry, &text, &approvals, why);
        if (r)
                return r == -ENOMEM ? r : 1;
        size_t size = text.size;
        char *bytes = buf_steal(&text);
        r = bytes ? baseline_open(bytes, size, &b, why) : err_oom(why);
        r = r ? r : check_header(instance, entry, b, marks, why);
        r = r ? r : instance_judge_approvals(instance, b, &approvals, verdict, why);
        if (r)
                return r;
        return put_verified(instance, b, &approvals, verdict, mark_named(marks, entry->name) != NULL, why);
}

static int
note_held(void *userdata, const struct baseline_row *row)
{
        return mark_raise(userdata, row->name, row->generation, &row->id);
}

static int
take_all(struct instance *instance, const struct shelf_entry *list, size_t count, const struct marks *marks,
        struct err *err)
{
        _cleanup_(marks_done) struct marks held = {0};
        int r = store_baselines(instance->store, NULL, note_held, &held, err);
        for (size_t i = 0; i < count && r == 0; i++) {
                struct err why = {0};
                if (mark_named(&held, list[i].name))
                        continue; /* a newer one was taken, or applied meanwhile */
                r = take_entry(instance, &list[i], marks, &why);
                if (r > 0)
                        record_not_taken(instance, &list[i], why.text);
                else if (r < 0)
                        *err = why;
                if (r == 0)
                        r = mark_raise(&held, list[i].name, list[i].generation, &(struct digest){0});
                r = r > 0 ? 0 : r;
        }
        return r;
}

int
rebuild_take(struct instance *instance, struct err *err)
{
        _cleanup_free_ char *told = NULL;
        _cleanup_free_ struct shelf_entry *list = NULL;
        _cleanup_(marks_done) struct marks marks = {0};
        size_t count = 0;
        int r = store_value_get(instance->store, "rebuilding", &told, err);
        if (r || !instance->trust) /* nobody can vouch yet: it stays to be done */
                return r == STORE_NONE ? 0 : r;
        r = marks_read(instance, &marks, err);
        if (r == -EBADMSG) /* told by the loading: what it could have said is as good as gone */
                marks_done(&marks);
        else if (r)
                return r;
        r = shelf_list(instance, &list, &count, err);
        r = r ? r : take_all(instance, list, count, &marks, err);
        if (r)
                return r;
        instance_value(instance, "rebuilding", NULL);
        instance_value(instance, "rebuilt", told);
        return instance_flush(instance, err);
}
