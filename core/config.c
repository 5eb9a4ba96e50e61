/* SPDX-License-Identifier: MIT */
/*
 * The configuration, read by one table of sections and keys. A row says where a value goes, how it is
 * read and within which bounds; all else (unknown names, repetition, the words with file and line) is done
 * once, around the table. Files are merged while they are read: a later file finds what an earlier one
 * has set, and replaces it or adds to it.
 *
 * While reading, scopes are drafts, because a later file may still change them; config_finish checks them
 * and moves those that are enabled into the configuration. Nothing here looks at whether a path exists:
 * that is a problem of the day, not a mistake in the file.
 */
#include "core/config.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/config_internal.h"
#include "core/file.h"
#include "core/ini_reader.h"
#include "core/quote.h"

/* A scope in the making. */
struct draft {
        struct scope scope;
        bool enabled;
        char *where;        /* "file:line" where it was first seen */
        unsigned last_file; /* the file that named it last */
};

struct section;

struct reader {
        struct config *config;
        struct draft *drafts;
        size_t n_drafts;
        const char *path; /* of the file being read */
        unsigned file;    /* its number, from 1 */
        unsigned fixed;   /* sections without a draft that it has named: bits by table index */
        const struct section *section;
        void *target;    /* what the keys of the section set: the config or a draft */
        unsigned keys;   /* keys seen in the section: bits by table index */
        unsigned *given; /* where the section keeps them over all files; NULL: nowhere */
};

/* ---- the table ---- */

static const char *const no_yes[] = {"no", "yes"};
static const char *const keep_words[] = {"never", "auto"};
const char *const watch_by_names[WATCH_BY_COUNT] = {"auto", "inotify", "fanotify"};

#define IN_CONFIG(member) .offset = offsetof(struct config, member)
#define IN_DRAFT(member) .offset = offsetof(struct draft, member)
#define WORDS(table, count) .words = (table), .n_words = (count)
#define ENABLED                                                                                              \
        {                                                                                                    \
                "enabled", config_set_bool, IN_DRAFT(enabled), WORDS(no_yes, 2)                              \
        }

static const struct config_key daemon_keys[] = {
        {"state_dir", config_set_raw_path, IN_CONFIG(state_dir)},
        {"runtime_dir", config_set_raw_path, IN_CONFIG(runtime_dir)},
        {"trust", config_set_raw_path, IN_CONFIG(trust)},
        {"packs", config_set_raw_path, IN_CONFIG(packs)},
        {"watch", config_set_word, IN_CONFIG(watch), WORDS(watch_by_names, WATCH_BY_COUNT)},
};

static const struct config_key scan_keys[] = {
        {"full_interval", config_set_duration, IN_CONFIG(full_interval_s)},
        {"quick_interval", config_set_duration, IN_CONFIG(quick_interval_s)},
        {"workers", config_set_workers, IN_CONFIG(workers), .min = 1, .max = CONFIG_WORKERS_MAX},
        {"max_rate", config_set_u64, IN_CONFIG(max_rate), .min = 0, .max = CONFIG_RATE_MAX},
        {"max_cpu", config_set_unsigned, IN_CONFIG(max_cpu), .min = 0, .max = CONFIG_CPU_MAX},
};

static const struct config_key store_keys[] = {
        {"keep_bodies", config_set_unsigned, IN_CONFIG(keep_bodies), .min = 1, .max = CONFIG_BODIES_MAX},
};

static const struct config_key packages_keys[] = {
        {"enabled", config_set_bool, IN_CONFIG(packages), WORDS(no_yes, 2)},
        {"root", config_set_raw_path, IN_CONFIG(packages_root)},
};

static const struct config_key files_keys[] = {
        {"path", config_add_path, IN_DRAFT(scope.paths), .repeats = true},
        {"exclude", config_add_path_glob, IN_DRAFT(scope.excludes), .repeats = true},
        {"attributes", config_set_attributes, IN_DRAFT(scope.attributes)},
        {"mode", config_set_word, IN_DRAFT(scope.mode), WORDS(scope_mode_names, SCOPE_PRESENT + 1)},
        {"keep_content", config_set_bool, IN_DRAFT(scope.keep_content), WORDS(keep_words, 2)},
        {"severity", config_set_word, IN_DRAFT(scope.severity), WORDS(severity_names, SEVERITY_COUNT)},
        {"mounts", config_set_word, IN_DRAFT(scope.mounts), WORDS(scope_mounts_names, SCOPE_MOUNTS_NONE + 1)},
};

static const struct config_key sysctl_keys[] = {
        ENABLED,
        {"root", config_set_only_path, IN_DRAFT(scope.paths)},
        {"exclude", config_add_sysctl_glob, IN_DRAFT(scope.excludes), .repeats = true},
};

static const struct config_key sshd_keys[] = {
        ENABLED,
        {"command", config_set_escaped_path, IN_DRAFT(scope.command)},
        {"config", config_set_only_path, IN_DRAFT(scope.paths)},
};

static const struct config_key openssl_keys[] = {
        ENABLED,
        {"config", config_set_path_or_none, IN_DRAFT(scope.paths)},
};

#define KEYS(table) .keys = (table), .n_keys = ARRAY_SIZE(table)

static const struct section {
        const char *name;
        const char *example; /* how its head is written */
        const struct config_key *keys;
        size_t n_keys;
        bool is_scope;
        bool has_name; /* [files NAME] */
        bool is_output;
        enum scope_domain domain;
        const char *path, *command; /* of a new draft; NULL: none */
} sections[] = {
        {"daemon", "[daemon]", KEYS(daemon_keys)},
        {"scan", "[scan]", KEYS(scan_keys)},
        {"store", "[store]", KEYS(store_keys)},
        {"packages", "[packages]", KEYS(packages_keys)},
        {"files", "[files NAME]", KEYS(files_keys), .is_scope = true, .has_name = true,
                .domain = SCOPE_FILES},
        {"sysctl", "[sysctl]", KEYS(sysctl_keys), .is_scope = true, .domain = SCOPE_SYSCTL,
                .path = "/proc/sys"},
        {"sshd", "[sshd]", KEYS(sshd_keys), .is_scope = true, .domain = SCOPE_SSHD,
                .path = "/etc/ssh/sshd_config", .command = "/usr/sbin/sshd"},
        {"openssl", "[openssl]", KEYS(openssl_keys), .is_scope = true, .domain = SCOPE_OPENSSL},
        {"output", "[output NAME]", .keys = output_keys, .n_keys = OUTPUT_KEYS, .has_name = true,
                .is_output = true},
};

/* ---- sections ---- */

static int
unknown_section(const char *name, size_t word, struct err *err)
{
        const char *names[ARRAY_SIZE(sections)];
        char copy[INI_LINE_MAX + 1];
        for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
                names[i] = sections[i].name;
        snprintf(copy, sizeof copy, "%.*s", (int)word, name);
        const char *near = nearest_word(copy, names, ARRAY_SIZE(sections));
        err_set(err, -EINVAL, "there is no section [%s]", quote(name));
        for (size_t i = 0; near && i < ARRAY_SIZE(sections); i++)
                if (sections[i].name == near)
                        return err_hint(err, -EINVAL, "did you mean %s?", sections[i].example);
        return err_hint(err, -EINVAL,
                "the sections are [daemon], [scan], [store], [packages], [files NAME], [sysctl], [sshd], "
                "[openssl] and [output NAME]");
}

static struct draft *
draft_find(struct reader *reader, enum scope_domain domain, const char *name)
{
        for (size_t i = 0; i < reader->n_drafts; i++)
                if (reader->drafts[i].scope.domain == domain &&
                        strcmp(reader->drafts[i].scope.name, name) == 0)
                        return &reader->drafts[i];
        return NULL;
}

static int
draft_fill(struct draft *draft, const struct section *section, const char *name, struct err *err)
{
        snprintf(draft->scope.name, sizeof draft->scope.name, "%s", name);
        draft->scope.domain = section->domain;
        draft->enabled = true;
        if (section->domain == SCOPE_FILES) {
                draft->scope.attributes = ATTRIBUTES_DEFAULT;
                draft->scope.keep_content = true;
        }
        if (section->path && text_list_add(&draft->scope.paths, section->path, strlen(section->path)) < 0)
                return err_oom(err);
        if (section->command && !(draft->scope.command = strdup(section->command)))
                return err_oom(err);
        return 0;
}

static int
draft_add(struct reader *reader, const struct section *section, const char *name, unsigned line,
        struct err *err)
{
        if (reader->n_drafts >= CONFIG_SCOPES_MAX)
                return err_set(err, -EINVAL, "more than %u scopes", CONFIG_SCOPES_MAX);
        struct draft *grown = reallocarray(reader->drafts, reader->n_drafts + 1, sizeof *grown);
        if (!grown)
                return err_oom(err);
        reader->drafts = grown;
        struct draft *draft = &grown[reader->n_drafts++];
        *draft = (struct draft){0};
        if (asprintf(&draft->where, "%s:%u", quote(reader->path), line) < 0) {
                draft->where = NULL;
                return err_oom(err);
        }
        return draft_fill(draft, section, name, err);
}

static int
twice(const char *section, struct err *err)
{
        err_set(err, -EINVAL, "the section [%s] is in this file twice", section);
        return err_hint(err, -EINVAL, "put its keys together; a file in conf.d may name it again");
}

/* The section of a scope: makes its draft, or goes on with that of an earlier file. */
static int
scope_section(struct reader *reader, const struct section *section, const char *head, const char *name,
        unsigned line, struct err *err)
{
        struct draft *draft = draft_find(reader, section->domain, name);
        if (draft && draft->last_file == reader->file)
                return twice(head, err);
        if (!draft) {
                int r = draft_add(reader, section, name, line, err);
                if (r < 0)
                        return r;
                draft = &reader->drafts[reader->n_drafts - 1];
        }
        draft->last_file = reader->file;
        reader->target = draft;
        return 0;
}

static int
output_section(struct reader *reader, const char *head, const char *name, unsigned line, struct err *err)
{
        struct config_output *output;
        int r = config_output_section(reader->config, name, reader->path, line, &output, err);
        if (r < 0)
                return r;
        if (output->last_file == reader->file)
                return twice(head, err);
        output->last_file = reader->file;
        reader->target = output;
        reader->given = &output->given;
        return 0;
}

static int
scope_name(
        const struct section *section, const char *head, const char *rest, const char **ret, struct err *err)
{
        if (!section->has_name) {
                if (!*rest) {
                        *ret = section->name;
                        return 0;
                }
                err_set(err, -EINVAL, "the section [%s] takes no name", quote(head));
                return err_hint(err, -EINVAL, "write %s", section->example);
        }
        if (!*rest) {
                err_set(err, -EINVAL, "the section [%s] has no name", section->name);
                return err_hint(err, -EINVAL, "write %s: %s", section->example,
                        section->is_output ? "[output siem]" : "[files etc]");
        }
        if (!name_is_valid(rest + 1, strlen(rest + 1))) {
                err_set(err, -EINVAL, "\"%s\" cannot be %s name", quote(rest + 1),
                        section->is_output ? "an output's" : "a scope's");
                return err_hint(err, -EINVAL,
                        "use letters, digits and . _ - (not first . or -), after one blank: %s",
                        section->is_output ? "[output siem]" : "[files etc]");
        }
        *ret = rest + 1;
        return 0;
}

static int
start_section(struct reader *reader, unsigned line, const char *head, struct err *err)
{
        size_t word = strcspn(head, " \t"), index = 0;
        const char *name = NULL;
        while (index < ARRAY_SIZE(sections) &&
                (strlen(sections[index].name) != word || memcmp(sections[index].name, head, word) != 0))
                index++;
        if (index == ARRAY_SIZE(sections))
                return unknown_section(head, word, err);

        const struct section *section = reader->section = &sections[index];
        reader->keys = 0;
        reader->given = NULL;
        reader->target = reader->config;
        int r = scope_name(section, head, head + word, &name, err);
        if (r < 0)
                return r;
        if (section->is_scope)
                return scope_section(reader, section, head, name, line, err);
        if (section->is_output)
                return output_section(reader, head, name, line, err);
        if (reader->fixed & 1u << index)
                return twice(head, err);
        reader->fixed |= 1u << index;
        return 0;
}

/* ---- keys ---- */

static int
unknown_key(const struct section *section, const char *name, struct err *err)
{
        const char *names[16];
        char list[ERR_HINT_MAX / 2] = "";
        for (size_t i = 0; i < section->n_keys; i++) {
                size_t used = strlen(list);
                names[i] = section->keys[i].name;
                snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
        }
        err_set(err, -EINVAL, "there is no key \"%s\" in %s", quote(name), section->example);
        const char *near = nearest_word(name, names, section->n_keys);
        if (near)
                return err_hint(err, -EINVAL, "did you mean %s?", near);
        for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
                for (size_t k = 0; k < sections[i].n_keys; k++)
                        if (strcmp(sections[i].keys[k].name, name) == 0)
                                return err_hint(err, -EINVAL, "%s is a key of %s", name, sections[i].example);
        return err_hint(err, -EINVAL, "the keys of %s are %s", section->example, list);
}

static int
set_key(struct reader *reader, const char *name, const char *value, struct err *err)
{
        const struct section *section = reader->section;
        for (size_t i = 0; i < section->n_keys; i++) {
                const struct config_key *key = &section->keys[i];
                if (strcmp(key->name, name) != 0)
                        continue;
                if (!key->repeats && reader->keys & 1u << i) {
                        err_set(err, -EINVAL, "%s is in the section twice", name);
                        return err_hint(err, -EINVAL, "keep the line that is meant");
                }
                reader->keys |= 1u << i;
                if (reader->given)
                        *reader->given |= 1u << i;
                return key->set(key, reader->target, value, err);
        }
        return unknown_key(section, name, err);
}

/* Puts "file:line: " and the key before the words of whoever made them; memory errors stay as they are. */
static int
place_words(const struct reader *reader, unsigned line, const char *key, struct err *err, int code)
{
        if (!err || code == -ENOMEM)
                return code;
        struct err inner = *err;
        err_set(err, code, "%s:%u: %s%s%s", quote(reader->path), line, key ? quote(key) : "", key ? ": " : "",
                inner.text);
        return err_hint(err, code, "%s", inner.hint);
}

static int
visit(void *userdata, unsigned line, const char *section, const char *key, const char *value, struct err *err)
{
        struct reader *reader = userdata;
        int r = key ? set_key(reader, key, value, err) : start_section(reader, line, section, err);
        return r < 0 ? place_words(reader, line, key, err, r) : 0;
}

/* ---- the whole ---- */

static void
reader_done(struct reader *reader)
{
        for (size_t i = 0; i < reader->n_drafts; i++) {
                scope_done(&reader->drafts[i].scope);
                free(reader->drafts[i].where);
        }
        free(reader->drafts);
        config_free(reader->config);
}

static int
config_new(const char *file, struct config **ret, struct err *err)
{
        _cleanup_(config_freep) struct config *config = calloc(1, sizeof *config);
        if (!config)
                return err_oom(err);
        config->file = strdup(file);
        config->state_dir = strdup("/var/lib/driftd");
        config->runtime_dir = strdup("/run/driftd");
        config->trust = strdup("/etc/driftd/trust.conf");
        config->packs = strdup("/usr/share/driftd/baselines");
        config->full_interval_s = INT64_C(6) * 60 * 60;
        config->quick_interval_s = INT64_C(15) * 60;
        config->keep_bodies = 10;
        config->packages = true;
        config->packages_root = strdup("/");
        if (!config->file || !config->state_dir || !config->runtime_dir || !config->trust || !config->packs ||
                !config->packages_root)
                return err_oom(err);
        *ret = steal_pointer(&config);
        return 0;
}

struct config *
config_free(struct config *config)
{
        if (!config)
                return NULL;
        free(config->file);
        free(config->state_dir);
        free(config->runtime_dir);
        free(config->trust);
        free(config->packs);
        free(config->packages_root);
        scopes_free(config->scopes, config->n_scopes);
        for (size_t i = 0; i < config->n_outputs; i++)
                config_output_done(&config->outputs[i]);
        free(config->outputs);
        free(config);
        return NULL;
}

static int
read_text(struct reader *reader, const char *path, const char *text, size_t size, struct err *err)
{
        reader->path = path;
        reader->file++;
        reader->fixed = 0;
        return ini_read(path, text, size, visit, reader, err);
}

static int
read_file(struct reader *reader, const char *path, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        int r = file_read(path, FILE_FOLLOW, INI_FILE_MAX, &text, err);
        if (r == -ENOENT)
                return err_hint(err, r, "name the configuration with -c FILE, or let driftctl init write it");
        return r < 0 ? r : read_text(reader, path, text.data, text.size, err);
}

static bool
is_part(const char *name)
{
        size_t size = strlen(name);
        return *name != '.' && size > 5 && strcmp(name + size - 5, ".conf") == 0;
}

/* The names in conf.d that count, in byte order. */
static int
list_parts(const char *folder, struct text_list *ret, struct err *err)
{
        DIR *dir = opendir(folder);
        if (!dir && errno == ENOENT)
                return 0;
        if (!dir)
                return err_set(err, -errno, "cannot read the folder %s: %s", quote(folder), strerror(errno));
        int r = 0;
        struct dirent *entry;
        while (r == 0 && (errno = 0, entry = readdir(dir))) {
                if (!is_part(entry->d_name))
                        continue;
                if (ret->count == CONFIG_PARTS_MAX)
                        r = err_set(err, -E2BIG, "more than %u files in %s", CONFIG_PARTS_MAX, quote(folder));
                else if (text_list_add(ret, entry->d_name, strlen(entry->d_name)) < 0)
                        r = err_oom(err);
        }
        if (r == 0 && errno)
                r = err_set(err, -errno, "cannot read the folder %s: %s", quote(folder), strerror(errno));
        closedir(dir);
        text_list_sort(ret);
        return r;
}

static int
read_parts(struct reader *reader, const char *file, struct err *err)
{
        _cleanup_(text_list_done) struct text_list names = {0};
        _cleanup_free_ char *folder = NULL;
        const char *slash = strrchr(file, '/');
        if (asprintf(&folder, "%.*sconf.d", slash ? (int)(slash - file) + 1 : 0, file) < 0) {
                folder = NULL;
                return err_oom(err);
        }
        int r = list_parts(folder, &names, err);
        for (size_t i = 0; i < names.count && r == 0; i++) {
                _cleanup_buf_ struct buf path = {0};
                if (buf_printf(&path, "%s/%s", folder, names.items[i]) < 0)
                        return err_oom(err);
                r = read_file(reader, path.data, err);
        }
        return r;
}

static int
compare_drafts(const void *a, const void *b)
{
        const struct draft *x = a, *y = b;
        if (x->scope.domain != y->scope.domain)
                return x->scope.domain < y->scope.domain ? -1 : 1;
        return strcmp(x->scope.name, y->scope.name);
}

static int
check_draft(const struct draft *draft, struct err *err)
{
        if (draft->scope.domain != SCOPE_FILES || draft->scope.paths.count)
                return 0;
        err_set(err, -EINVAL, "%s: [files %s] has no path", draft->where, draft->scope.name);
        return err_hint(err, -EINVAL, "add path = /…, or take the section out");
}

/* Moves what is enabled into the configuration. */
static int
config_finish(struct reader *reader, struct config **ret, struct err *err)
{
        struct config *config = reader->config;
        config->scopes = calloc(reader->n_drafts + 1, sizeof *config->scopes);
        _cleanup_free_ const char **where = calloc(reader->n_drafts + 1, sizeof *where);
        if (!config->scopes || !where)
                return err_oom(err);
        if (reader->n_drafts)
                qsort(reader->drafts, reader->n_drafts, sizeof *reader->drafts, compare_drafts);
        for (size_t i = 0; i < reader->n_drafts; i++) {
                struct draft *draft = &reader->drafts[i];
                int r = check_draft(draft, err);
                if (r < 0)
                        return r;
                if (!draft->enabled)
                        continue;
                text_list_sort(&draft->scope.paths);
                text_list_sort(&draft->scope.excludes);
                if (draft->scope.domain == SCOPE_FILES)
                        draft->scope.content_within_s = 2 * config->full_interval_s;
                where[config->n_scopes] = draft->where;
                config->scopes[config->n_scopes++] = draft->scope;
                draft->scope = (struct scope){0};
        }
        int r = scopes_check_paths(config->scopes, config->n_scopes, where, config->file, err);
        r = r ? r : config_outputs_check(config, err);
        if (r < 0)
                return r;
        *ret = steal_pointer(&reader->config);
        return 0;
}

int
config_load(const char *file, struct config **ret, struct err *err)
{
        _cleanup_(reader_done) struct reader reader = {0};
        int r = config_new(file, &reader.config, err);
        if (r == 0)
                r = read_file(&reader, file, err);
        if (r == 0)
                r = read_parts(&reader, file, err);
        return r < 0 ? r : config_finish(&reader, ret, err);
}

int
config_parse(const char *path, const char *text, size_t size, struct config **ret, struct err *err)
{
        _cleanup_(reader_done) struct reader reader = {0};
        int r = config_new(path, &reader.config, err);
        if (r == 0)
                r = read_text(&reader, path, text, size, err);
        return r < 0 ? r : config_finish(&reader, ret, err);
}
