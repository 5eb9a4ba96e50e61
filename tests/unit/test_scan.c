/* SPDX-License-Identifier: MIT */
/* The scanner: each path once, under its scope; nothing that it may not look at; and no silence about the
 * rest. */
#include <fts.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/scan.h"
#include "tests/unit/scratch_help.h"

#define SCOPES_MAX 6

/* What a scan told. */
struct told {
        char *path;
        enum { SEEN, PROBLEM, FOLDER } kind;
        const struct scope *scope;
        int result; /* SEEN: of the snapshot; -1: it was skipped. PROBLEM: the errno */
        uint32_t known;
        enum file_type type;
        struct digest content;
        pid_t thread;
};

struct record {
        pthread_mutex_t lock;
        struct told *list;
        size_t count, capacity;
        struct scope scopes[SCOPES_MAX];
        struct scan_options options;
        enum scan_look look;
        int (*on_folder)(struct record *record, const char *path);
        void (*on_seen)(struct record *record, const char *path);
        atomic_bool cancel;
        bool without_paths; /* where they would take gigabytes */
        struct err err;
};

static void
tell(struct record *record, struct told told, const char *path)
{
        told.path = strdup(record->without_paths ? "" : path);
        told.thread = (pid_t)syscall(SYS_gettid);
        pthread_mutex_lock(&record->lock);
        if (record->count == record->capacity) {
                record->capacity = record->capacity ? 2 * record->capacity : 256;
                record->list = reallocarray(record->list, record->capacity, sizeof *record->list);
        }
        record->list[record->count++] = told;
        pthread_mutex_unlock(&record->lock);
}

static int
on_folder(void *userdata, int folder_fd, const char *path, const struct statx *stx)
{
        struct record *record = userdata;
        struct stat st;
        ck_assert(fstat(folder_fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_ino == stx->stx_ino);
        tell(record, (struct told){.kind = FOLDER}, path);
        return record->on_folder ? record->on_folder(record, path) : 0;
}

static enum scan_look
plan(void *userdata, const char *path, const struct scope *scope, const struct statx *stx,
        struct snapshot_wish *wish)
{
        struct record *record = userdata;
        ck_assert(path[0] == '/' && scope && stx->stx_mode && wish->prefix == UINT64_MAX);
        return record->look;
}

static void
seen(void *userdata, const char *path, const struct scope *scope, int result, struct snapshot *snapshot)
{
        struct record *record = userdata;
        struct told told = {.kind = SEEN, .scope = scope, .result = snapshot ? result : -1};
        if (snapshot) {
                told.known = snapshot->attributes.known;
                told.type = snapshot->attributes.type;
                told.content = snapshot->attributes.content;
        }
        tell(record, told, path);
        if (record->on_seen)
                record->on_seen(record, path);
}

static void
problem(void *userdata, const char *path, int error)
{
        tell(userdata, (struct told){.kind = PROBLEM, .result = error}, path);
}

/* 4: exactly so many. 0: as the scan likes. */
static unsigned usual_workers;

static void
with_four(void)
{
        usual_workers = 4;
}

static void
with_any(void)
{
        usual_workers = 0;
}

static struct record *
record_new(void)
{
        struct record *record = calloc(1, sizeof *record);
        pthread_mutex_init(&record->lock, NULL);
        record->look = SCAN_READ;
        record->options = (struct scan_options){
                .root = "",
                .scopes = record->scopes,
                .workers = usual_workers,
                .wish.cancel = &record->cancel,
                .calls = {on_folder, plan, seen, problem},
                .userdata = record,
        };
        return record;
}

static struct scope *
scope_add(struct record *record, const char *name, const char *path)
{
        struct scope *scope = &record->scopes[record->options.n_scopes++];
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        *scope = (struct scope){.domain = SCOPE_FILES, .mounts = SCOPE_MOUNTS_LOCAL};
        snprintf(scope->name, sizeof scope->name, "%s", name);
        text_list_add(&scope->paths, escaped, strlen(escaped));
        return scope;
}

static void
exclude(struct scope *scope, const char *glob)
{
        text_list_add(&scope->excludes, glob, strlen(glob));
}

static struct record *
record_of(const char *path)
{
        struct record *record = record_new();
        scope_add(record, "all", path);
        return record;
}

static void
record_free(struct record *record)
{
        for (size_t i = 0; i < record->count; i++)
                free(record->list[i].path);
        for (size_t i = 0; i < SCOPES_MAX; i++)
                scope_done(&record->scopes[i]);
        free(record->list);
        pthread_mutex_destroy(&record->lock);
        free(record);
}

static void
record_freep(struct record **record)
{
        record_free(*record);
}
#define _cleanup_record_ _cleanup_(record_freep) struct record *

static void
run(struct record *record)
{
        int r = scan_run(&record->options, &record->err);
        ck_assert_msg(r == 0, "%d: %s", r, record->err.text);
}

/* The one thing told of this kind about a path; NULL if none. Two are a failure. */
static const struct told *
find(const struct record *record, int kind, const char *path)
{
        const struct told *found = NULL;
        for (size_t i = 0; i < record->count; i++) {
                if ((int)record->list[i].kind != kind || strcmp(record->list[i].path, path) != 0)
                        continue;
                ck_assert_msg(!found, "%s was told twice", path);
                found = &record->list[i];
        }
        return found;
}

static const struct told *
need(const struct record *record, int kind, const char *path)
{
        static const char *const kinds[] = {[SEEN] = "seen", [PROBLEM] = "a problem", [FOLDER] = "announced"};
        const struct told *found = find(record, kind, path);
        ck_assert_msg(found, "%s was not %s", path, kinds[kind]);
        return found;
}

static size_t
count(const struct record *record, int kind)
{
        size_t n = 0;
        for (size_t i = 0; i < record->count; i++)
                n += (int)record->list[i].kind == kind;
        return n;
}

static int
compare_told(const void *a, const void *b)
{
        return strcmp(((const struct told *)a)->path, ((const struct told *)b)->path);
}

/* Each path that scope_for_path gives a scope was seen once, under that scope, and nothing else was. */
static void
assert_exact(struct record *record, const char *top)
{
        char copy[4096];
        snprintf(copy, sizeof copy, "%s", top);
        char *tops[] = {copy, NULL};
        FTS *fts = fts_open(tops, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        size_t expected = 0;
        struct told *list = record->list;
        if (record->count)
                qsort(list, record->count, sizeof *list, compare_told);
        for (FTSENT *entry; (entry = fts_read(fts));) {
                if (entry->fts_info == FTS_DP)
                        continue;
                _cleanup_free_ char *escaped = escape_new(entry->fts_path, strlen(entry->fts_path));
                const struct scope *scope = scope_for_path(record->scopes, record->options.n_scopes, escaped);
                size_t times = 0;
                struct told key = {.path = entry->fts_path};
                struct told *at_path =
                        record->count ? bsearch(&key, list, record->count, sizeof *list, compare_told) : NULL;
                while (at_path && at_path > list && strcmp(at_path[-1].path, entry->fts_path) == 0)
                        at_path--;
                for (; at_path && at_path < list + record->count &&
                        strcmp(at_path->path, entry->fts_path) == 0;
                        at_path++) {
                        times += at_path->kind == SEEN;
                        ck_assert_msg(
                                at_path->kind != SEEN || at_path->scope == scope, "%s: wrong scope", escaped);
                        ck_assert_msg(at_path->kind != PROBLEM, "%s: problem %d", escaped, at_path->result);
                }
                ck_assert_msg(times == (scope ? 1 : 0), "%s was seen %zu times", escaped, times);
                expected += scope != NULL;
        }
        fts_close(fts);
        ck_assert_uint_eq(count(record, SEEN), expected);
}

/* ---- the walk ---- */

static void
make_tree(void)
{
        put_folder(at("tree"));
        put(at("tree/file"), "text");
        put_folder(at("tree/empty"));
        put_folder(at("tree/a"));
        put_folder(at("tree/a/b"));
        put_folder(at("tree/a/b/c"));
        put(at("tree/a/b/c/deep"), "deep");
        put(at("tree/a/one"), "1");
        put(at("tree/a/b/two"), "2");
        ck_assert_int_eq(symlink("file", at("tree/link")), 0);
        ck_assert_int_eq(symlink("/etc", at("tree/out")), 0);
        ck_assert_int_eq(mkfifo(at("tree/fifo"), 0644), 0);
}

START_TEST(everything_in_a_scope_is_seen_once)
{
        make_tree();
        _cleanup_record_ record = record_of(at("tree"));
        _cleanup_fd_ int opened = witness(at("tree/fifo"));
        struct digest digest;
        run(record);
        digest_bytes("deep", 4, &digest);
        ck_assert(digest_equal(&need(record, SEEN, at("tree/a/b/c/deep"))->content, &digest));
        ck_assert_int_eq(need(record, SEEN, at("tree/out"))->type, FILE_LINK);
        ck_assert_int_eq(need(record, SEEN, at("tree"))->type, FILE_FOLDER);
        ck_assert_uint_eq(count(record, FOLDER), 5);
        ck_assert(!witness_saw_opening(opened));
        assert_exact(record, at("tree"));
}
END_TEST

START_TEST(one_worker_and_many_see_the_same)
{
        static const unsigned workers[] = {0, 1, 2, 16, 1000};
        make_tree();
        for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
                _cleanup_record_ record = record_of(at("tree"));
                record->options.workers = workers[i];
                run(record);
                assert_exact(record, at("tree"));
        }
}
END_TEST

START_TEST(the_calling_thread_alone_sees_the_same)
{
        make_tree();
        _cleanup_record_ record = record_of(at("tree"));
        record->options.here = true;
        run(record);
        assert_exact(record, at("tree"));
        for (size_t i = 0; i < record->count; i++)
                ck_assert_int_eq(record->list[i].thread, (pid_t)syscall(SYS_gettid));
}
END_TEST

START_TEST(a_folder_is_announced_before_anything_in_it_is_told)
{
        make_tree();
        _cleanup_record_ record = record_of(at("tree"));
        record->options.workers = 1;
        run(record);
        for (size_t i = 0; i < record->count; i++) {
                if (record->list[i].kind != SEEN || strcmp(record->list[i].path, at("tree")) == 0)
                        continue;
                _cleanup_free_ char *folder = strdup(record->list[i].path);
                *strrchr(folder, '/') = '\0';
                bool announced = false;
                for (size_t k = 0; k < i; k++)
                        announced |=
                                record->list[k].kind == FOLDER && strcmp(record->list[k].path, folder) == 0;
                ck_assert_msg(announced, "%s was seen before its folder was announced", record->list[i].path);
        }
}
END_TEST

START_TEST(the_plan_decides_how_things_are_looked_at)
{
        make_tree();
        _cleanup_record_ skipped = record_of(at("tree"));
        skipped->look = SCAN_SKIP;
        run(skipped);
        assert_exact(skipped, at("tree"));
        ck_assert_int_eq(need(skipped, SEEN, at("tree/file"))->result, -1);
        _cleanup_record_ stat_only = record_of(at("tree"));
        stat_only->look = SCAN_STAT;
        run(stat_only);
        const struct told *file = find(stat_only, SEEN, at("tree/file"));
        ck_assert(!(file->known & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)));
        ck_assert(file->known & ATTRIBUTE_BIT(ATTRIBUTE_XATTRS));
        _cleanup_record_ planless = record_of(at("tree"));
        planless->options.calls.plan = NULL;
        planless->options.calls.folder = NULL;
        run(planless);
        ck_assert(need(planless, SEEN, at("tree/file"))->known & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT));
}
END_TEST

START_TEST(a_scope_may_be_a_file_or_a_link)
{
        make_tree();
        _cleanup_record_ record = record_new();
        scope_add(record, "file", at("tree/file"));
        scope_add(record, "link", at("tree/link"));
        run(record);
        ck_assert_uint_eq(record->count, 2);
        ck_assert_int_eq(need(record, SEEN, at("tree/file"))->type, FILE_REGULAR);
        ck_assert_int_eq(need(record, SEEN, at("tree/link"))->type, FILE_LINK);
}
END_TEST

START_TEST(the_top_folder_is_a_scope_like_any_other)
{
        put_folder(at("image"));
        put_folder(at("image/etc"));
        put(at("image/etc/passwd"), "x");
        _cleanup_record_ record = record_of("/");
        record->options.root = at("image");
        run(record);
        ck_assert_uint_eq(count(record, SEEN), 3);
        ck_assert_ptr_nonnull(find(record, SEEN, "/"));
        ck_assert_ptr_nonnull(find(record, FOLDER, "/"));
        ck_assert_ptr_nonnull(find(record, SEEN, "/etc"));
        ck_assert_ptr_nonnull(find(record, SEEN, "/etc/passwd"));
}
END_TEST

START_TEST(folders_only_announces_and_looks_at_nothing)
{
        make_tree();
        _cleanup_record_ record = record_of(at("tree"));
        record->options.folders_only = true;
        _cleanup_fd_ int opened = witness(at("tree/file"));
        run(record);
        ck_assert_uint_eq(count(record, FOLDER), 5);
        ck_assert_uint_eq(record->count, 5);
        ck_assert(!witness_saw_opening(opened));
}
END_TEST

START_TEST(names_of_any_bytes_are_seen)
{
        put_folder(at("bytes"));
        int folder = open(at("bytes"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (int byte = 1; byte < 256; byte++) {
                char plain[] = {(char)byte, 'x', '\0'}, below[] = {'D', 'D', (char)byte, '\0'};
                if (byte == '/')
                        continue;
                int fd = openat(folder, plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
                ck_assert_int_ge(fd, 0);
                close(fd);
                ck_assert_int_eq(mkdirat(folder, below, 0755), 0);
        }
        close(folder);
        _cleanup_record_ record = record_of(at("bytes"));
        exclude(&record->scopes[0], "/nothing/*"); /* so that names are escaped, too */
        exclude(&record->scopes[0], "**/never");
        run(record);
        ck_assert_uint_eq(count(record, SEEN), 2 * 254 + 1);
        assert_exact(record, at("bytes"));
}
END_TEST

START_TEST(a_folder_of_5000_files_is_seen_whole)
{
        put_folder(at("many"));
        for (unsigned i = 0; i < 5000; i++)
                put(at("many/a-name-that-takes-some-bytes-%u", i), "text");
        _cleanup_record_ record = record_of(at("many"));
        run(record);
        assert_exact(record, at("many"));
}
END_TEST

static atomic_int first_thread, other_thread;

/* The first worker to have read a large file waits until another has read one as well. */
static void
wait_for_another(struct record *record, const char *path)
{
        int self = (int)syscall(SYS_gettid), none = 0;
        int64_t until_ms = clock_monotonic_ms() + 60000;
        (void)record;
        if (!strstr(path, "/file-"))
                return;
        if (!atomic_compare_exchange_strong(&first_thread, &none, self) && none != self)
                atomic_store(&other_thread, self);
        while (!atomic_load(&other_thread) && clock_monotonic_ms() < until_ms)
                sched_yield();
}

START_TEST(the_files_of_one_folder_are_shared_by_the_workers)
{
        put_folder(at("few"));
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(truncate(put(at("few/file-%u", i), ""), 2 << 20), 0);
        _cleanup_record_ record = record_of(at("few"));
        record->on_seen = wait_for_another;
        first_thread = other_thread = 0;
        int64_t started_ms = clock_monotonic_ms();
        run(record);
        assert_exact(record, at("few"));
        ck_assert(atomic_load(&other_thread));
        ck_assert_msg(clock_monotonic_ms() - started_ms < 50000, "20 large files waited for one worker");
}
END_TEST

START_TEST(more_subfolders_than_are_kept_at_once_are_all_walked)
{
        char name[221];
        memset(name, 'n', 220);
        name[220] = '\0';
        put_folder(at("wide"));
        for (unsigned i = 0; i < 1500; i++) { /* 350 KiB of names */
                put_folder(at("wide/%s-%u", name, i));
                put(at("wide/%s-%u/f", name, i), "");
        }
        for (unsigned workers = 1; workers <= 4; workers += 3) {
                _cleanup_record_ record = record_of(at("wide"));
                record->options.workers = workers;
                record->look = SCAN_SKIP;
                run(record);
                ck_assert_uint_eq(count(record, SEEN), 3001);
                assert_exact(record, at("wide"));
        }
}
END_TEST

/* A chain of folders, each with a file and, if wished, a folder beside the next one. */
static void
make_chain(unsigned depth, bool beside)
{
        int fd = open(put_folder(at("chain")), O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < depth; i++) {
                int file = openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
                ck_assert_int_ge(file, 0);
                close(file);
                if (beside)
                        ck_assert_int_eq(mkdirat(fd, i & 1 ? "a" : "z", 0755), 0);
                ck_assert_int_eq(mkdirat(fd, "m", 0755), 0);
                int next = openat(fd, "m", O_PATH | O_DIRECTORY | O_CLOEXEC);
                ck_assert_int_ge(next, 0);
                close(fd);
                fd = next;
        }
        close(fd);
}

static void
limit_descriptors(unsigned spare)
{
        struct rlimit limit;
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        int next = dup(0);
        close(next);
        limit.rlim_cur = (rlim_t)next + spare;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(ten_thousand_nested_folders_need_few_descriptors)
{
        static const unsigned workers[] = {1, 4};
        make_chain(10000, true);
        limit_descriptors(64);
        for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
                _cleanup_record_ record = record_of(at("chain"));
                record->options.workers = workers[i];
                record->look = SCAN_SKIP;
                record->without_paths = true;
                int64_t started_ms = clock_monotonic_ms();
                run(record);
                ck_assert_uint_eq(count(record, PROBLEM), 0);
                ck_assert_uint_eq(count(record, SEEN), 30001);
                ck_assert_uint_eq(count(record, FOLDER), 20001);
                printf("10,000 deep, %u workers: %d ms\n", workers[i],
                        (int)(clock_monotonic_ms() - started_ms));
        }
}
END_TEST

START_TEST(deep_things_are_read_too)
{
        make_chain(300, false); /* a path of any length: test_snapshot */
        limit_descriptors(40);
        _cleanup_record_ record = record_of(at("chain"));
        run(record);
        assert_exact(record, at("chain"));
}
END_TEST

START_TEST(without_descriptors_there_is_a_problem_and_no_silence)
{
        make_tree();
        for (unsigned spare = 0; spare < 12; spare++) {
                _cleanup_record_ record = record_of(at("tree"));
                limit_descriptors(spare);
                int r = scan_run(&record->options, &record->err);
                ck_assert_int_eq(r, 0);
                ck_assert_msg(count(record, PROBLEM) > 0 || count(record, SEEN) == 12,
                        "%u descriptors: %zu seen and no problem", spare, count(record, SEEN));
                for (size_t i = 0; i < record->count; i++)
                        if (record->list[i].kind == PROBLEM)
                                ck_assert_int_eq(record->list[i].result, EMFILE);
        }
}
END_TEST

/* ---- rules ---- */

START_TEST(what_is_excluded_is_not_seen_and_not_announced)
{
        static const char *const globs[] = {
                "%s/tree/a/b",
                "%s/tree/a/*",
                "%s/tree/**/deep",
                "%s/tree/?ile",
                "**/c",
                "%s/tree/a/b/two",
                "%s/tree/fi*",
                "%s/tree",
        };
        make_tree();
        for (size_t i = 0; i < ARRAY_SIZE(globs); i++) {
                _cleanup_record_ record = record_of(at("tree"));
                char *glob = strdup(globs[i]), *filled = NULL;
                const char *rest = strncmp(glob, "%s", 2) == 0 ? glob + 2 : glob;
                ck_assert_int_ge(asprintf(&filled, "%s%s", rest == glob ? "" : scratch, rest), 0);
                exclude(&record->scopes[0], filled);
                _cleanup_fd_ int opened = witness(at("tree/a/b/c"));
                run(record);
                if (i == 0) {
                        ck_assert_ptr_null(find(record, FOLDER, at("tree/a/b")));
                        ck_assert(!witness_saw_opening(opened));
                }
                assert_exact(record, at("tree"));
                free(filled);
                free(glob);
        }
}
END_TEST

START_TEST(where_scopes_overlap_each_path_is_seen_once_under_its_own)
{
        make_tree();
        _cleanup_record_ record = record_new();
        scope_add(record, "inner", at("tree/a/b"));
        scope_add(record, "outer", at("tree"));
        scope_add(record, "innermost", at("tree/a/b/c/deep"));
        scope_add(record, "twice", at("tree/a/b"));
        struct scope *two_paths = scope_add(record, "paths", at("tree/a"));
        text_list_add(&two_paths->paths, at("tree/empty"), strlen(at("tree/empty")));
        run(record);
        assert_exact(record, at("tree"));
        ck_assert_str_eq(need(record, SEEN, at("tree/a/b/two"))->scope->name, "inner");
        ck_assert_str_eq(need(record, SEEN, at("tree/empty"))->scope->name, "paths");
        ck_assert_uint_eq(count(record, FOLDER), 5);
}
END_TEST

START_TEST(a_scope_inside_an_excluded_folder_is_walked)
{
        make_tree();
        _cleanup_record_ record = record_new();
        exclude(scope_add(record, "outer", at("tree")), at("tree/a"));
        scope_add(record, "inner", at("tree/a/b"));
        exclude(scope_add(record, "shut", at("tree/a/b/c")), at("tree/a/b/c"));
        run(record);
        assert_exact(record, at("tree"));
        ck_assert_ptr_nonnull(find(record, SEEN, at("tree/a/b/two")));
        ck_assert_ptr_null(find(record, SEEN, at("tree/a/one")));
        ck_assert_ptr_null(find(record, SEEN, at("tree/a/b/c/deep")));
}
END_TEST

START_TEST(other_domains_are_not_walked)
{
        make_tree();
        _cleanup_record_ record = record_of(at("tree"));
        record->scopes[0].domain = SCOPE_SYSCTL;
        run(record);
        ck_assert_uint_eq(record->count, 0);
}
END_TEST

START_TEST(a_scope_path_that_does_not_exist_is_a_problem)
{
        make_tree();
        _cleanup_record_ record = record_new();
        scope_add(record, "none", at("none"));
        scope_add(record, "below", at("tree/file/none"));
        scope_add(record, "link", at("tree/out/passwd"));
        scope_add(record, "good", at("tree/empty"));
        run(record);
        ck_assert_int_eq(need(record, PROBLEM, at("none"))->result, ENOENT);
        ck_assert_int_eq(need(record, PROBLEM, at("tree/file/none"))->result, ENOENT);
        ck_assert_int_eq(need(record, PROBLEM, at("tree/out/passwd"))->result, ELOOP);
        ck_assert_ptr_nonnull(find(record, SEEN, at("tree/empty")));
        ck_assert_uint_eq(count(record, SEEN), 1);
}
END_TEST

START_TEST(only_what_is_below_is_walked_where_that_is_wished)
{
        static const struct {
                const char *below;
                size_t seen;
        } cases[] = {
                {"tree", 12},
                {"tree/a", 6},
                {"tree/a/b", 4},
                {"tree/file", 1},
                {"tree/a/b/c/deep", 1},
                {"", 12},
                {"other", 0},
        };
        make_tree();
        put_folder(at("other"));
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_record_ record = record_new();
                scope_add(record, "outer", at("tree"));
                scope_add(record, "inner", at("tree/a/b"));
                record->options.below = at("%s", cases[i].below);
                run(record);
                ck_assert_msg(count(record, SEEN) == cases[i].seen, "%s: %zu seen", cases[i].below,
                        count(record, SEEN));
                for (size_t k = 0; k < record->count; k++) {
                        const struct told *told = &record->list[k];
                        if (told->kind == SEEN)
                                ck_assert_ptr_eq(told->scope, scope_for_path(record->scopes, 2, told->path));
                }
        }
}
END_TEST

START_TEST(below_obeys_exclusions_and_says_what_is_gone)
{
        make_tree();
        _cleanup_record_ record = record_of(at("tree"));
        exclude(&record->scopes[0], at("tree/a"));
        record->options.below = at("tree/a/b");
        run(record);
        ck_assert_uint_eq(record->count, 0);
        record->options.below = at("tree/gone/for/good");
        run(record);
        ck_assert_uint_eq(record->count, 1);
        ck_assert_int_eq(need(record, SEEN, at("tree/gone/for/good"))->result, SNAPSHOT_GONE);
}
END_TEST

/* ---- mounts: each test in a mount namespace of its own ---- */

static bool mounts_are_own;

static bool
own_mounts(void)
{
        mounts_are_own =
                unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
        return mounts_are_own;
}

/* Takes off what was mounted in the scratch folder, so that it can be removed. */
static void
leave_mounts(void)
{
        char line[8192], point[4096];
        if (!mounts_are_own)
                return;
        FILE *mounts = fopen("/proc/self/mountinfo", "re");
        while (fgets(line, sizeof line, mounts))
                if (sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 &&
                        strncmp(point, scratch, strlen(scratch)) == 0)
                        ck_assert_int_eq(umount2(point, MNT_DETACH), 0);
        fclose(mounts);
}

static struct record *
scan_mounts(enum scope_mounts mounts, const char *below)
{
        struct record *record = record_of(at("tree"));
        record->scopes[0].mounts = mounts;
        record->options.below = below;
        run(record);
        return record;
}

START_TEST(a_local_mount_is_crossed_where_the_scope_says_local)
{
        make_tree();
        if (!own_mounts())
                skip_test("a mount namespace needs root (%m)");
        ck_assert_int_eq(mount("none", at("tree/empty"), "tmpfs", 0, NULL), 0);
        put(at("tree/empty/inside"), "text");
        ck_assert_int_eq(mount(at("tree/file"), at("tree/a/one"), "none", MS_BIND, NULL), 0);
        _cleanup_record_ local = scan_mounts(SCOPE_MOUNTS_LOCAL, NULL);
        ck_assert_ptr_nonnull(find(local, SEEN, at("tree/empty/inside")));
        ck_assert_uint_eq(count(local, PROBLEM), 0);
        assert_exact(local, at("tree"));
}
END_TEST

START_TEST(no_mount_is_crossed_where_the_scope_says_none)
{
        make_tree();
        if (!own_mounts())
                skip_test("a mount namespace needs root (%m)");
        ck_assert_int_eq(mount("none", at("tree/empty"), "tmpfs", 0, NULL), 0);
        put(at("tree/empty/inside"), "text");
        ck_assert_int_eq(
                mount(at("tree/a/b"), at("tree/a/b"), "none", MS_BIND, NULL), 0); /* the same device */
        ck_assert_int_eq(mount(at("tree/file"), at("tree/a/one"), "none", MS_BIND, NULL), 0);
        _cleanup_record_ none = scan_mounts(SCOPE_MOUNTS_NONE, NULL);
        static const char *const refused[] = {"tree/empty", "tree/a/b", "tree/a/one"};
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                const struct told *point = find(none, SEEN, at("%s", refused[i]));
                ck_assert_ptr_nonnull(point);
                ck_assert_int_eq(point->result, 0);
                ck_assert_uint_eq(
                        point->known & (ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) | ATTRIBUTE_BIT(ATTRIBUTE_XATTRS)),
                        0);
                ck_assert_int_eq(need(none, PROBLEM, at("%s", refused[i]))->result, EXDEV);
                ck_assert_ptr_null(find(none, FOLDER, at("%s", refused[i])));
        }
        ck_assert_ptr_null(find(none, SEEN, at("tree/empty/inside")));
        ck_assert_ptr_null(find(none, SEEN, at("tree/a/b/two")));
        ck_assert_uint_eq(count(none, PROBLEM), 3);
}
END_TEST

START_TEST(a_file_system_of_the_kernel_is_crossed_only_where_a_path_names_it)
{
        make_tree();
        if (!own_mounts())
                skip_test("a mount namespace needs root (%m)");
        ck_assert_int_eq(mount("proc", at("tree/empty"), "proc", 0, NULL), 0);
        _cleanup_record_ unnamed = scan_mounts(SCOPE_MOUNTS_LOCAL, NULL);
        ck_assert_int_eq(need(unnamed, PROBLEM, at("tree/empty"))->result, EXDEV);
        ck_assert_ptr_nonnull(find(unnamed, SEEN, at("tree/empty")));
        ck_assert_uint_eq(count(unnamed, SEEN), 12);
        _cleanup_record_ named = record_new();
        scope_add(named, "tree", at("tree"));
        scope_add(named, "kernel", at("tree/empty/sys/kernel/random"));
        run(named);
        ck_assert_ptr_nonnull(find(named, SEEN, at("tree/empty/sys/kernel/random/boot_id")));
        ck_assert_int_eq(need(named, PROBLEM, at("tree/empty"))->result, EXDEV);
        ck_assert_uint_eq(count(named, PROBLEM), 1);
}
END_TEST

START_TEST(below_leads_past_no_mount_that_the_scope_does_not_cross)
{
        make_tree();
        if (!own_mounts())
                skip_test("a mount namespace needs root (%m)");
        ck_assert_int_eq(mount("none", at("tree/a/b"), "tmpfs", 0, NULL), 0);
        put_folder(at("tree/a/b/x"));
        put(at("tree/a/b/x/file"), "text");
        _cleanup_record_ local = scan_mounts(SCOPE_MOUNTS_LOCAL, at("tree/a/b/x"));
        ck_assert_uint_eq(count(local, SEEN), 2);
        _cleanup_record_ none = scan_mounts(SCOPE_MOUNTS_NONE, at("tree/a/b/x"));
        ck_assert_uint_eq(count(none, SEEN), 0);
        ck_assert_int_eq(need(none, PROBLEM, at("tree/a/b/x"))->result, EXDEV);
        _cleanup_record_ point = scan_mounts(SCOPE_MOUNTS_NONE, at("tree/a/b"));
        ck_assert_uint_eq(count(point, SEEN), 1);
        ck_assert_int_eq(need(point, PROBLEM, at("tree/a/b"))->result, EXDEV);
}
END_TEST

/* ---- trouble ---- */

static void
scan_without_rights(void)
{
        struct record *record = record_of(at("tree"));
        expect(scan_run(&record->options, &record->err) == 0);
        const struct told *shut = find(record, PROBLEM, at("tree/a"));
        expect(shut && shut->result == EACCES);
        shut = find(record, SEEN, at("tree/a"));
        expect(shut && shut->result == SNAPSHOT_UNREADABLE && shut->known & ATTRIBUTE_BIT(ATTRIBUTE_MODE));
        const struct told *list_only = find(record, SEEN, at("tree/empty/file"));
        expect(list_only && list_only->result == SNAPSHOT_UNREADABLE);
        const struct told *folder = find(record, PROBLEM, at("tree/empty/folder"));
        expect(folder && folder->result == EACCES);
        expect(need(record, SEEN, at("tree/file"))->result == 0);
        record_free(record);
}

START_TEST(a_folder_that_may_not_be_read_is_seen_and_is_a_problem)
{
        make_tree();
        put(at("tree/empty/file"), "");
        put_folder(at("tree/empty/folder"));
        ck_assert_int_eq(chmod(at("tree/a"), geteuid() == 0 ? 0700 : 0), 0);
        ck_assert_int_eq(chmod(at("tree/empty"), 0744 & ~(geteuid() == 0 ? 0u : 0100u)), 0);
        as_nobody(scan_without_rights);
        ck_assert_int_eq(chmod(at("tree/a"), 0700), 0);
        ck_assert_int_eq(chmod(at("tree/empty"), 0700), 0);
}
END_TEST

static int
refuse_b(struct record *record, const char *path)
{
        (void)record;
        const char *end = "/tree/a/b";
        return strlen(path) > strlen(end) && strcmp(path + strlen(path) - strlen(end), end) == 0 ? -ENOSPC
                                                                                                 : 0;
}

START_TEST(a_folder_that_cannot_be_taken_note_of_stops_the_scan)
{
        make_tree();
        _cleanup_record_ record = record_of(at("tree"));
        record->on_folder = refuse_b;
        ck_assert_int_eq(scan_run(&record->options, &record->err), -ENOSPC);
        ck_assert(record->err.text[0]);
        ck_assert_ptr_null(find(record, SEEN, at("tree/a/b/two")));
}
END_TEST

static void
cancel(struct record *record, const char *path)
{
        (void)path;
        atomic_store(&record->cancel, true);
}

START_TEST(a_cancelled_scan_ends_soon_and_says_so)
{
        put_folder(at("many"));
        for (unsigned i = 0; i < 2000; i++)
                put(at("many/%u", i), "text");
        _cleanup_record_ record = record_of(at("many"));
        record->on_seen = cancel;
        ck_assert_int_eq(scan_run(&record->options, &record->err), -ECANCELED);
        ck_assert_uint_lt(count(record, SEEN), 100);
        ck_assert_ptr_nonnull(strstr(record->err.text, "cancelled"));
}
END_TEST

static void *
cancel_later(void *userdata)
{
        struct record *record = userdata;
        while (!atomic_load(record->options.wish.bytes_read))
                sched_yield();
        atomic_store(&record->cancel, true);
        return NULL;
}

START_TEST(a_throttled_scan_hears_a_cancel)
{
        put(at("file"), "0123456789");
        _cleanup_record_ record = record_of(at("file"));
        atomic_ullong bytes = 0;
        pthread_t thread;
        struct pace pace = PACE_INIT;
        pace_set(&pace, 1, 0); /* a second a byte */
        record->options.pace = &pace;
        record->options.wish.bytes_read = &bytes;
        int64_t started_ms = clock_monotonic_ms();
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_later, record), 0);
        ck_assert_int_eq(scan_run(&record->options, &record->err), -ECANCELED);
        pthread_join(thread, NULL);
        ck_assert_int_lt(clock_monotonic_ms() - started_ms, 5000);
}
END_TEST

START_TEST(the_rate_is_kept_by_all_workers_together)
{
        static char data[1 << 20];
        put_folder(at("files"));
        for (unsigned i = 0; i < 8; i++)
                put_bytes(at("files/%u", i), data, sizeof data, 0644);
        _cleanup_record_ record = record_of(at("files"));
        struct pace pace = PACE_INIT;
        pace_set(&pace, 16 << 20, 0);
        record->options.pace = &pace;
        int64_t started_ms = clock_monotonic_ms();
        run(record);
        ck_assert_int_ge(
                clock_monotonic_ms() - started_ms, 380); /* 8 MiB at 16 a second, less the burst of 100 ms */
}
END_TEST

static atomic_int niceness;

static void
note_niceness(struct record *record, const char *path)
{
        (void)record;
        (void)path;
        atomic_store(&niceness, getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid)));
}

START_TEST(background_workers_step_back_and_the_caller_does_not)
{
        put(at("file"), "text");
        _cleanup_record_ record = record_of(at("file"));
        int before = getpriority(PRIO_PROCESS, 0);
        record->options.background = true;
        record->on_seen = note_niceness;
        run(record);
        ck_assert_int_eq(atomic_load(&niceness), 19);
        ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), before);
}
END_TEST

static char *planned[3]; /* the first that a plan was asked for */
static unsigned n_planned;

static enum scan_look
note_plan(void *userdata, const char *path, const struct scope *scope, const struct statx *stx,
        struct snapshot_wish *wish)
{
        (void)userdata;
        (void)scope;
        (void)stx;
        (void)wish;
        if (n_planned < ARRAY_SIZE(planned))
                planned[n_planned++] = strdup(path);
        return SCAN_READ;
}

START_TEST(what_is_named_first_is_read_first_and_once)
{
        char *first[] = {at("tree/z/large"), at("tree/a/large"), at("tree/gone"), at("outside"), at("tree")};
        put_folder(at("tree"));
        put_folder(at("tree/a"));
        put_folder(at("tree/z"));
        put(at("outside"), "text");
        put(at("tree/a/large"), "large");
        put(at("tree/a/small"), "small");
        put(at("tree/z/large"), "large");
        _cleanup_record_ record = record_of(at("tree"));
        record->options.workers = 1;
        record->options.first = first;
        record->options.n_first = ARRAY_SIZE(first);
        record->options.calls.plan = note_plan;
        run(record);
        ck_assert_str_eq(planned[0], first[0]);
        ck_assert_str_eq(planned[1], first[1]);
        ck_assert_int_eq(need(record, SEEN, first[2])->result, SNAPSHOT_GONE);
        /* The two, the one that is gone, and what a walk meets: three folders and a file. */
        ck_assert_uint_eq(count(record, SEEN), 7);
}
END_TEST

/* When the first file is told, all others get a byte more. */
static void
append_to_others(struct record *record, const char *path)
{
        static atomic_bool done;
        if (!strstr(path, "/file-") || atomic_exchange(&done, true))
                return;
        (void)record;
        for (unsigned i = 0; i < 12; i++) {
                const char *other = at("tree/file-%u", i);
                _cleanup_fd_ int fd =
                        strcmp(other, path) == 0 ? -1 : open(other, O_WRONLY | O_APPEND | O_CLOEXEC);
                if (fd >= 0)
                        ck_assert_int_eq(write(fd, "+", 1), 1);
        }
}

START_TEST(what_moves_while_it_is_read_beside_others_is_seen_as_it_is_then)
{
        struct digest before, after;
        digest_bytes("text", 4, &before);
        digest_bytes("text+", 5, &after);
        put_folder(at("tree"));
        for (unsigned i = 0; i < 12; i++)
                put(at("tree/file-%u", i), "text");
        _cleanup_record_ record = record_of(at("tree"));
        record->options.workers = 1;
        record->on_seen = append_to_others;
        run(record);
        unsigned n_before = 0;
        for (unsigned i = 0; i < 12; i++) {
                const struct told *told = need(record, SEEN, at("tree/file-%u", i));
                ck_assert_int_eq(told->result, 0);
                n_before += digest_equal(&told->content, &before);
                ck_assert(digest_equal(&told->content, &before) || digest_equal(&told->content, &after));
        }
        ck_assert_uint_eq(n_before, 1);
}
END_TEST

START_TEST(a_file_that_is_most_of_all_has_its_digest_too)
{
        char *first[] = {at("tree/small"), at("tree/large")};
        put_folder(at("tree"));
        put(at("tree/small"), "small");
        ck_assert_int_eq(truncate(put(at("tree/large"), ""), (32 << 20) + 77), 0);
        _cleanup_record_ plain = record_of(at("tree"));
        run(plain);
        _cleanup_record_ record = record_of(at("tree"));
        record->options.first = first;
        record->options.n_first = ARRAY_SIZE(first);
        record->options.bytes = (32 << 20) + 82;
        run(record);
        ck_assert(
                digest_equal(&need(record, SEEN, first[1])->content, &need(plain, SEEN, first[1])->content));
        ck_assert_uint_eq(count(record, SEEN), 3);
}
END_TEST

static unsigned
distinct_threads(const struct record *record)
{
        unsigned distinct = 0;
        for (size_t i = 0; i < record->count; i++) {
                bool known = false;
                for (size_t k = 0; k < i && !known; k++)
                        known = record->list[k].thread == record->list[i].thread;
                distinct += !known;
        }
        return distinct;
}

/* On the disk and not in memory. false: here a file is in memory only. */
static bool
make_cold(const char *path)
{
        struct rusage before, after;
        char byte;
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(fsync(fd), 0);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        getrusage(RUSAGE_SELF, &before);
        ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
        getrusage(RUSAGE_SELF, &after);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        return after.ru_inblock > before.ru_inblock;
}

/* What is in memory is read by as many as were asked for; a device that is waited for brings more. */
START_TEST(a_device_that_is_waited_for_gets_more_readers)
{
        static char data[64 << 10];
        bool cold = true;
        put_folder(at("many"));
        for (unsigned i = 0; i < 1500; i++)
                put_bytes(at("many/%u", i), data, sizeof data, 0644);
        for (unsigned i = 0; i < 1500 && cold; i++)
                cold = make_cold(at("many/%u", i));
        if (!cold)
                return;
        _cleanup_record_ record = record_of(at("many"));
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET((size_t)sched_getcpu(), &one);
        ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0); /* the test's own process */
        record->options.workers = _i ? 0 : 1;
        run(record);
        ck_assert_uint_eq(count(record, SEEN), 1501);
        if (_i)
                ck_assert_uint_gt(distinct_threads(record), 1);
        else
                ck_assert_uint_eq(distinct_threads(record), 1);
}
END_TEST

/* Small ones, which are hashed side by side; larger ones, whose chunks are; and what lies between. */
START_TEST(content_that_is_hashed_together_is_told_of_its_own_file)
{
        enum { FILES = 700, LARGE = 20, MOST = 1 << 20 };
        static struct digest wanted[FILES];
        unsigned char *data = malloc(MOST);
        uint64_t state = 1;
        ck_assert_ptr_nonnull(data);
        put_folder(at("many"));
        for (unsigned i = 0; i < FILES; i++) {
                size_t size = i < LARGE ? MOST - i * 1001 : (i * 7919u) % (i % 5 ? 9000 : 150000);
                for (size_t k = 0; k < size; k++)
                        data[k] =
                                (unsigned char)((state = state * 6364136223846793005 + 1442695040888963407) >>
                                                56);
                digest_bytes(data, size, &wanted[i]);
                put_bytes(at("many/%u", i), data, size, 0644);
        }
        free(data);
        _cleanup_record_ record = record_of(at("many"));
        run(record);
        ck_assert_uint_eq(count(record, SEEN), 1 + FILES);
        for (unsigned i = 0; i < FILES; i++) {
                const struct told *told = need(record, SEEN, at("many/%u", i));
                ck_assert_int_eq(told->result, 0);
                ck_assert(digest_equal(&told->content, &wanted[i]));
        }
}
END_TEST

static atomic_uint seen_before_the_slow_one;

static enum scan_look
plan_that_hangs(void *userdata, const char *path, const struct scope *scope, const struct statx *stx,
        struct snapshot_wish *wish)
{
        const struct record *record = userdata;
        (void)scope;
        (void)stx;
        (void)wish;
        int64_t until_ms = clock_monotonic_ms() + 60000;
        if (!strstr(path, "/slow"))
                return SCAN_READ;
        for (size_t seen = 0; seen < 40 && clock_monotonic_ms() < until_ms; sched_yield()) {
                pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&record->lock);
                seen = record->count;
                pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&record->lock);
                atomic_store(&seen_before_the_slow_one, (unsigned)seen);
        }
        return SCAN_READ;
}

/* A worker that hangs (here: in its plan, as in a read that a device does not answer) keeps nobody else. */
START_TEST(who_hangs_does_not_keep_those_that_hash)
{
        static char data[300 << 10];
        put_folder(at("many"));
        put_bytes(at("many/slow"), "slow", 4, 0644);
        for (unsigned i = 0; i < 40; i++)
                put_bytes(at("many/%u", i), data, sizeof data, 0644);
        _cleanup_record_ record = record_of(at("many"));
        char *slow = strdup(at("many/slow"));
        char *first[] = {slow};
        record->options.first = first;
        record->options.n_first = 1;
        record->options.calls.plan = plan_that_hangs;
        run(record);
        free(slow);
        ck_assert_uint_ge(atomic_load(&seen_before_the_slow_one), 40);
        ck_assert_uint_eq(count(record, SEEN), 42);
}
END_TEST

static atomic_bool swapping;

static void *
swap(void *userdata)
{
        const char *const *names = userdata;
        while (atomic_load(&swapping))
                ck_assert_int_eq(renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE), 0);
        return NULL;
}

START_TEST(a_folder_swapped_for_a_link_while_scanning_never_leads_outside)
{
        const char *names[] = {at("tree/a"), at("tree/z")};
        pthread_t thread;
        make_tree();
        put_folder(at("outside"));
        put_folder(at("outside/b"));
        put(at("outside/b/two"), "secret");
        ck_assert_int_eq(symlink(at("outside"), names[1]), 0);
        _cleanup_fd_ int folder_opened = witness(at("outside")), below_opened = witness(at("outside/b")),
                         file_opened = witness(at("outside/b/two"));
        atomic_store(&swapping, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, swap, names), 0);
        for (unsigned i = 0; i < 300; i++) {
                _cleanup_record_ record = record_of(at("tree"));
                record->options.workers = 2;
                run(record);
                ck_assert_uint_ge(count(record, SEEN), 5);
        }
        atomic_store(&swapping, false);
        pthread_join(thread, NULL);
        ck_assert(!witness_saw_opening(folder_opened));
        ck_assert(!witness_saw_opening(below_opened));
        ck_assert(!witness_saw_opening(file_opened));
}
END_TEST

static void *
churn(void *userdata)
{
        const char *const *names = userdata, *folder = names[0], *moved = names[1], *file = names[2];
        while (atomic_load(&swapping)) {
                mkdir(folder, 0755);
                close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
                rename(folder, moved);
                rename(moved, folder);
                unlink(file);
                rmdir(folder);
        }
        return NULL;
}

START_TEST(a_tree_in_motion_is_walked_to_its_end)
{
        const char *names[] = {at("tree/a/b/c/new"), at("tree/moved"), at("tree/a/b/c/new/file")};
        pthread_t thread;
        make_tree();
        atomic_store(&swapping, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, churn, names), 0);
        for (unsigned i = 0; i < 300; i++) {
                _cleanup_record_ record = record_of(at("tree"));
                run(record);
                ck_assert_ptr_nonnull(find(record, SEEN, at("tree/a/b/c/deep")));
                ck_assert_int_eq(need(record, SEEN, at("tree/file"))->result, 0);
        }
        atomic_store(&swapping, false);
        pthread_join(thread, NULL);
}
END_TEST

int
main(void)
{
        const TTest *const tests[] = {
                everything_in_a_scope_is_seen_once,
                one_worker_and_many_see_the_same,
                the_calling_thread_alone_sees_the_same,
                a_folder_is_announced_before_anything_in_it_is_told,
                the_plan_decides_how_things_are_looked_at,
                a_scope_may_be_a_file_or_a_link,
                the_top_folder_is_a_scope_like_any_other,
                folders_only_announces_and_looks_at_nothing,
                names_of_any_bytes_are_seen,
                a_folder_of_5000_files_is_seen_whole,
                the_files_of_one_folder_are_shared_by_the_workers,
                more_subfolders_than_are_kept_at_once_are_all_walked,
                ten_thousand_nested_folders_need_few_descriptors,
                deep_things_are_read_too,
                without_descriptors_there_is_a_problem_and_no_silence,
                what_is_excluded_is_not_seen_and_not_announced,
                where_scopes_overlap_each_path_is_seen_once_under_its_own,
                a_scope_inside_an_excluded_folder_is_walked,
                other_domains_are_not_walked,
                a_scope_path_that_does_not_exist_is_a_problem,
                only_what_is_below_is_walked_where_that_is_wished,
                below_obeys_exclusions_and_says_what_is_gone,
                a_local_mount_is_crossed_where_the_scope_says_local,
                no_mount_is_crossed_where_the_scope_says_none,
                a_file_system_of_the_kernel_is_crossed_only_where_a_path_names_it,
                below_leads_past_no_mount_that_the_scope_does_not_cross,
                a_folder_that_may_not_be_read_is_seen_and_is_a_problem,
                a_folder_that_cannot_be_taken_note_of_stops_the_scan,
                a_cancelled_scan_ends_soon_and_says_so,
                a_throttled_scan_hears_a_cancel,
                the_rate_is_kept_by_all_workers_together,
                background_workers_step_back_and_the_caller_does_not,
                what_is_named_first_is_read_first_and_once,
                what_moves_while_it_is_read_beside_others_is_seen_as_it_is_then,
                a_file_that_is_most_of_all_has_its_digest_too,
                content_that_is_hashed_together_is_told_of_its_own_file,
                who_hangs_does_not_keep_those_that_hash,
                a_folder_swapped_for_a_link_while_scanning_never_leads_outside,
                a_tree_in_motion_is_walked_to_its_end,
        };
        Suite *suite = suite_create("scan");
        void (*const manners[])(void) = {with_four, with_any};
        umask(022);
        if (digest_setup() < 0)
                return 1;
        for (size_t m = 0; m < ARRAY_SIZE(manners); m++) {
                TCase *tc = tcase_create(m ? "scan, any number of workers" : "scan, four workers");
                tcase_set_timeout(tc, 300);
                tcase_add_checked_fixture(tc, manners[m], NULL);
                tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
                tcase_add_checked_fixture(tc, NULL, leave_mounts); /* torn down first */
                for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
                        tcase_add_test(tc, tests[i]);
                tcase_add_loop_test(tc, a_device_that_is_waited_for_gets_more_readers, (int)m, (int)m + 1);
                suite_add_tcase(suite, tc);
        }
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
