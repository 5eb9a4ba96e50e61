/* SPDX-License-Identifier: MIT */
/*
 * The sshd probe: what sshd itself says of its configuration, for everybody and for each Match block, and
 * what lies around it.
 *
 * Items: `sshd:KEYWORD` is what holds outside of all Match blocks but `Match all`; `sshd[CONTEXT]:KEYWORD` is
 * what a block changes of it. Values are sshd's own words; a keyword that it prints more than once is one
 * value with a line each, in its order. `configured` is the same value where a line of the configuration, or
 * an option of the command, sets the keyword, and `source` says which; NULL: sshd's own default. Facts:
 *
 *     sshd:config/accepted  yes, or `no: MESSAGE`; then all keywords are unknown
 *     sshd:config/loaded    yes, `no: REASON`, or `not running`
 *     sshd:config/file      the configuration that the listeners use, or that the unit names; `none`
 *     sshd:config/options   their -4 -6 -c -g -h -o -p, one listener a line; `none`
 *     sshd:config/socket    ListenStream of ssh.socket, where that is enabled
 *     sshd:config/mode, sshd:config/owner
 *     sshd:hostkey/PATH/..., sshd:authorized_keys/USER/...    see probe_sshd_internal.h
 *
 * What a running listener took in cannot be asked. `value` is what sshd makes of the files on the disk with
 * the listener's own options; where they were edited after they were loaded, config/loaded says so.
 */
#include "core/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/probe_internal.h"
#include "core/probe_sshd_internal.h"
#include "core/quote.h"

#define TICK_MS 20 /* how much earlier than it was a process may seem to have started */
#define DEFAULT_CONFIG "/etc/ssh/sshd_config"

struct look {
        const struct probe_request *request;
        struct probe_reading *reading;
        char *program, *path; /* raw */
        struct sshd_asker asker;
        struct sshd_config config;
        struct sshd_accounts accounts;
        struct sshd_listeners listeners;
        struct sshd_unit unit;
        const struct sshd_listener *running; /* the one that uses our configuration; NULL: none */
        const struct sshd_listener *command; /* whose options count: that, or the unit's; NULL: none */
        struct sshd_answer global, defaults; /* defaults: only where global was refused */
        struct sshd_answer *blocks;          /* one a block of config; accepted: asked */
};

/* ---- the first question: is it refused, or can nothing be asked? ---- */

static int
failed(const struct look *look, const struct sshd_answer *answer, struct err *err)
{
        err_set(err, PROBE_FAILED, "%.300s: %s", quote(look->program), answer->message);
        if (strstr(answer->message, "rivilege separation"))
                return err_hint(err, PROBE_FAILED,
                        "start ssh.service, or: install -d -m 0755 /run/sshd (sshd before 9.3 says nothing "
                        "without it)");
        if (strstr(answer->message, "no hostkeys"))
                return err_hint(err, PROBE_FAILED, "make the host's keys: ssh-keygen -A");
        return err_hint(err, PROBE_FAILED, "see what it says: run %.100s -T", look->program);
}

static bool
is_for_want_of_rights(int error)
{
        return error == -EACCES || error == -EPERM || error == -EMFILE || error == -ENFILE;
}

static int
ask_first(struct look *look, struct err *err)
{
        static const struct sshd_connection nobody;
        struct sshd_question question = {look->path, look->command, &nobody};
        int r = sshd_ask(&look->asker, &question, &look->global, err);
        if (r || look->global.accepted)
                return r;
        if (look->global.about_host)
                return failed(look, &look->global, err);
        if (is_for_want_of_rights(look->config.error)) {
                err_set(err, PROBE_FAILED, "%.300s: %s", quote(look->config.error_path),
                        sshd_read_error(look->config.error));
                return err_hint(err, PROBE_FAILED, "run this as root");
        }
        /* Where sshd takes an empty configuration, it is ours that it does not take. */
        question = (struct sshd_question){"/dev/null", NULL, &nobody};
        r = sshd_ask(&look->asker, &question, &look->defaults, err);
        if (r)
                return r;
        return look->defaults.accepted ? 0 : failed(look, &look->global, err);
}

/* ---- views ---- */

/* `-o KEYWORD=...`, or what the letter sets. */
static bool
option_sets(const char *option, const char *argument, const char *keyword)
{
        static const char *const letters[] = {"4addressfamily", "6addressfamily", "chostcertificate",
                "glogingracetime", "hhostkey", "pport"};
        for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
                if (option[1] == letters[i][0])
                        return strcmp(letters[i] + 1, keyword) == 0;
        argument += strspn(argument, " \t\"");
        size_t size = strcspn(argument, " \t=\"");
        char name[64];
        if (size >= sizeof name)
                return false;
        for (size_t i = 0; i < size; i++)
                name[i] = (char)(argument[i] >= 'A' && argument[i] <= 'Z' ? argument[i] - 'A' + 'a'
                                                                          : argument[i]);
        name[size] = '\0';
        return strcmp(sshd_keyword(name), keyword) == 0;
}

static bool
command_sets(const struct sshd_listener *command, const char *keyword)
{
        for (size_t i = 0; command && i < command->options.count; i++) {
                const char *option = command->options.items[i];
                bool bare = option[1] == '4' || option[1] == '6';
                if (!bare && ++i >= command->options.count)
                        return false;
                if (option_sets(option, bare ? "" : command->options.items[i], keyword))
                        return true;
        }
        return false;
}

/* FILE:LINE, or the command line; *ret NULL: nothing sets it. */
static int
find_source(
        const struct look *look, const char *keyword, const struct sshd_connection *connection, char **ret)
{
        const struct sshd_line *line =
                sshd_config_find(&look->config, sshd_keyword(keyword), connection, &look->accounts);
        *ret = NULL;
        if ((!line || line->block == SSHD_GLOBAL) && command_sets(look->command, sshd_keyword(keyword)))
                return (*ret = strdup("command line")) ? 0 : -ENOMEM;
        if (!line)
                return 0;
        return asprintf(ret, "%s:%u", line->file, line->line) < 0 ? -ENOMEM : 0;
}

/* `sshd:KEYWORD`, `sshd[CONTEXT]:KEYWORD`. NULL: out of memory. */
static char *
keyword_item(const char *context, const char *keyword)
{
        char *item = NULL;
        _cleanup_free_ char *name = escape_new(keyword, strlen(keyword));
        _cleanup_free_ char *where = context ? escape_new(context, strlen(context)) : NULL;
        if (!name || (context && !where))
                return NULL;
        if (asprintf(&item, "sshd%s%s%s:%s", context ? "[" : "", context ? where : "", context ? "]" : "",
                    name) < 0)
                return NULL;
        return item;
}

static int
add_keyword(struct look *look, const char *context, const struct sshd_value *value,
        const struct sshd_connection *connection)
{
        struct probe_setting setting = {.item = keyword_item(context, value->keyword)};
        bool fits = strlen(value->text) <= PROBE_VALUE_MAX;
        int r = find_source(look, value->keyword, connection, &setting.source);
        if (fits) {
                setting.value = strdup(value->text);
                setting.after_restart = strdup(value->text);
                setting.configured = setting.source ? strdup(value->text) : NULL;
                if (!setting.after_restart || (setting.source && !setting.configured))
                        r = -ENOMEM;
        } else {
                setting.error = EFBIG;
                setting.reason = strdup("the value is longer than what is kept of one");
        }
        int added = probe_add(look->reading, &setting);
        return r < 0 ? r : added;
}

static int
add_unknown(struct look *look, const char *context, const char *keyword, const struct sshd_line *line,
        const char *reason)
{
        struct probe_setting setting = {.item = keyword_item(context, keyword), .reason = strdup(reason)};
        int r = 0;
        if (line) {
                setting.configured = strdup(line->value);
                if (!setting.configured || asprintf(&setting.source, "%s:%u", line->file, line->line) < 0) {
                        setting.source = NULL;
                        r = -ENOMEM;
                }
        }
        int added = probe_add(look->reading, &setting);
        return r < 0 ? r : added;
}

/* ---- keywords ---- */

static int
add_global(struct look *look)
{
        static const struct sshd_connection nobody;
        int r = 0;
        for (size_t i = 0; r == 0 && i < look->global.count; i++)
                r = add_keyword(look, NULL, &look->global.list[i], &nobody);
        return r;
}

static bool
is_first_of_context(const struct look *look, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (strcmp(look->config.blocks[i].context, look->config.blocks[index].context) == 0)
                        return false;
        return true;
}

/* Whether a line is the first of its keyword within its context, of all blocks that have it. */
static bool
is_first_of_keyword(const struct look *look, const char *context, size_t index)
{
        for (size_t i = 0; i < index; i++) {
                const struct sshd_line *line = &look->config.lines[i];
                const char *other =
                        line->block == SSHD_GLOBAL ? NULL : look->config.blocks[line->block].context;
                if (strcmp(line->keyword, look->config.lines[index].keyword) == 0 &&
                        (context == other || (context && other && strcmp(context, other) == 0)))
                        return false;
        }
        return true;
}

/* All that the blocks of a context set, without values. */
static int
add_context_unknown(struct look *look, const char *context, const char *reason)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < look->config.n_lines; i++) {
                const struct sshd_line *line = &look->config.lines[i];
                if (line->block == SSHD_GLOBAL ||
                        strcmp(look->config.blocks[line->block].context, context) != 0 ||
                        !is_first_of_keyword(look, context, i))
                        continue;
                r = add_unknown(look, context, line->keyword, line, reason);
        }
        return r;
}

static int
add_context(struct look *look, const struct sshd_answer *answer, const char *context,
        const struct sshd_connection *connection)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < answer->count; i++) {
                const char *global = sshd_answer_text(&look->global, answer->list[i].keyword);
                if (!global || strcmp(global, answer->list[i].text) != 0)
                        r = add_keyword(look, context, &answer->list[i], connection);
        }
        return r;
}

/* A run that fails makes the context unknown; one for which no time is left as well. */
static int
ask_block(struct look *look, size_t index, struct err *err)
{
        const struct sshd_block *block = &look->config.blocks[index];
        struct sshd_choice choice;
        if (!is_first_of_context(look, index))
                return 0;
        if (!sshd_block_choose(block, &look->accounts, &choice))
                return add_context_unknown(look, block->context, choice.reason);
        struct sshd_question question = {look->path, look->command, &choice.connection};
        struct sshd_answer *answer = &look->blocks[index];
        int r = sshd_ask(&look->asker, &question, answer, err);
        if (r == PROBE_FAILED)
                return add_context_unknown(look, block->context, err ? err->text : "sshd could not be asked");
        if (r)
                return r;
        return answer->accepted ? add_context(look, answer, block->context, &choice.connection)
                                : add_context_unknown(look, block->context, answer->message);
}

static int
add_accepted(struct look *look, struct err *err)
{
        int r = add_global(look);
        if (look->config.n_blocks && r == 0) {
                look->blocks = calloc(look->config.n_blocks, sizeof *look->blocks);
                r = look->blocks ? 0 : -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i < look->config.n_blocks; i++)
                r = ask_block(look, i, err);
        return r;
}

/* ---- a configuration that is refused ---- */

/* Of no keyword anything is known; that of itself is told once, and not of each. */
static int
add_refused(struct look *look)
{
        char **why = &look->reading->incomplete;
        if (asprintf(why, "sshd refuses the configuration: %s", look->global.message) < 0)
                *why = NULL;
        return *why ? 0 : -ENOMEM;
}

/* ---- facts ---- */

static int
add_fact(struct look *look, const char *name, char *value)
{
        char *item = NULL;
        if (!value)
                return -ENOMEM;
        if (asprintf(&item, "sshd:config/%s", name) < 0)
                item = NULL;
        return sshd_add(look->reading, item, value, NULL, 0);
}

static int
add_fact_buf(struct look *look, const char *name, struct buf *value)
{
        if (!value->size && buf_text(value, "none") < 0)
                return -ENOMEM;
        while (value->size && value->data[value->size - 1] == '\n')
                value->data[--value->size] = '\0';
        return add_fact(look, name, buf_steal(value));
}

static int
add_permissions(struct look *look)
{
        struct stat st;
        char *text = NULL;
        if (stat(look->path, &st) < 0) {
                int error = errno;
                int r = sshd_add(
                        look->reading, strdup("sshd:config/mode"), NULL, strerrordesc_np(error), error);
                return r < 0 ? r
                             : sshd_add(look->reading, strdup("sshd:config/owner"), NULL,
                                       strerrordesc_np(error), error);
        }
        if (asprintf(&text, "%04o", st.st_mode & 07777) < 0 || add_fact(look, "mode", text) < 0)
                return -ENOMEM;
        if (asprintf(&text, "%u:%u", st.st_uid, st.st_gid) < 0)
                return -ENOMEM;
        return add_fact(look, "owner", text);
}

static const char *
config_of(const struct sshd_listener *listener)
{
        return listener->config ? listener->config : DEFAULT_CONFIG;
}

static int
list_line(struct text_list *list, const char *text)
{
        return text_list_add(list, text, strlen(text));
}

/* Sorted, each once, one a line. */
static int
add_fact_list(struct look *look, const char *name, struct text_list *list)
{
        _cleanup_buf_ struct buf value = {0};
        text_list_sort(list);
        for (size_t i = 0; i < list->count; i++)
                if (buf_printf(&value, "%s%s", i ? "\n" : "", list->items[i]) < 0)
                        return -ENOMEM;
        return add_fact_buf(look, name, &value);
}

static int
add_command(struct text_list *files, struct text_list *options, const struct sshd_listener *listener)
{
        _cleanup_buf_ struct buf text = {0};
        if (list_line(files, config_of(listener)) < 0 || sshd_listener_options(listener, &text) < 0)
                return -ENOMEM;
        return list_line(options, text.size ? text.data : "none");
}

static const char cut_reason[] = "the title of a listener has no room for its whole command line";

static bool
has_cut(const struct look *look)
{
        for (size_t i = 0; i < look->listeners.count; i++)
                if (look->listeners.list[i].cut)
                        return true;
        return false;
}

static int
add_commands_unknown(struct look *look)
{
        int r = sshd_add(look->reading, strdup("sshd:config/file"), NULL, cut_reason, 0);
        return r < 0 ? r : sshd_add(look->reading, strdup("sshd:config/options"), NULL, cut_reason, 0);
}

static int
add_commands(struct look *look)
{
        struct text_list files = {0}, options = {0};
        int r = 0;
        if (has_cut(look))
                return add_commands_unknown(look);
        for (size_t i = 0; r == 0 && i < look->listeners.count; i++)
                r = add_command(&files, &options, &look->listeners.list[i]);
        if (r == 0 && !look->listeners.count && look->unit.found)
                r = add_command(&files, &options, &look->unit.command);
        r = r < 0 ? r : add_fact_list(look, "file", &files);
        r = r < 0 ? r : add_fact_list(look, "options", &options);
        text_list_done(&files);
        text_list_done(&options);
        if (r == 0 && look->unit.sockets.size)
                r = add_fact_buf(look, "socket", &look->unit.sockets);
        return r;
}

static int64_t
time_ms(const struct timespec *time)
{
        return (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

static bool
is_after(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* The newest of the configuration's files and folders, by ctime: mtime lies after cp -p. NULL: none. */
static const char *
newest(const struct look *look, struct timespec *ret)
{
        const struct sshd_config *config = &look->config;
        const char *found = NULL;
        struct stat st;
        *ret = (struct timespec){0};
        for (size_t i = 0; i < config->n_files + config->n_folders; i++) {
                const char *path =
                        i < config->n_files ? config->files[i] : config->folders[i - config->n_files];
                if (stat(path, &st) < 0 || (found && !is_after(&st.st_ctim, ret)))
                        continue;
                found = path;
                *ret = st.st_ctim;
        }
        return found;
}

/* What a keyword is, or would be if the configuration were not refused. NULL: not known. */
static const char *
likely_text(const struct look *look, const char *keyword)
{
        static const struct sshd_connection nobody;
        if (look->global.accepted)
                return sshd_answer_text(&look->global, keyword);
        const struct sshd_line *line = sshd_config_find(&look->config, keyword, &nobody, &look->accounts);
        return line ? line->value : sshd_answer_text(&look->defaults, keyword);
}

static int
add_loaded(struct look *look)
{
        struct timespec edited;
        struct stat st;
        char *text = NULL;
        const char *pid_file = likely_text(look, "pidfile"), *path = newest(look, &edited);
        if (pid_file && sshd_watch(&look->reading->watched, pid_file) < 0)
                return -ENOMEM;
        if (!look->listeners.count)
                return add_fact(look, "loaded", strdup("not running"));
        if (!look->running && has_cut(look))
                return sshd_add(look->reading, strdup("sshd:config/loaded"), NULL, cut_reason, 0);
        if (!look->running) {
                if (asprintf(&text, "no: the listener uses %s", config_of(&look->listeners.list[0])) < 0)
                        return -ENOMEM;
                return add_fact(look, "loaded", text);
        }
        bool late;
        if (pid_file && *pid_file == '/' && stat(pid_file, &st) == 0)
                late = is_after(&edited, &st.st_mtim);
        else
                late = time_ms(&edited) > look->running->start_ms + TICK_MS;
        if (!path || !late)
                return add_fact(look, "loaded", strdup("yes"));
        if (asprintf(&text, "no: edited since it was loaded: %s", path) < 0)
                return -ENOMEM;
        return add_fact(look, "loaded", text);
}

static int
add_facts(struct look *look)
{
        char *accepted = NULL;
        if (look->global.accepted)
                accepted = strdup("yes");
        else if (asprintf(&accepted, "no: %s", look->global.message) < 0)
                accepted = NULL;
        int r = add_fact(look, "accepted", accepted);
        r = r < 0 ? r : add_permissions(look);
        r = r < 0 ? r : add_commands(look);
        r = r < 0 ? r : add_loaded(look);
        /* Whether it runs at the moment is not how it is set up. */
        struct probe_setting *loaded = r < 0 ? NULL : &look->reading->list[look->reading->count - 1];
        if (loaded && loaded->value && strncmp(loaded->value, "no:", 3) != 0)
                loaded->expectation = "regex yes|not\\x20running";
        return r;
}

/* ---- keys ---- */

static int
add_host_keys(struct look *look)
{
        static const struct sshd_connection nobody;
        const char *keys = likely_text(look, "hostkey");
        bool expected = sshd_config_find(&look->config, "hostkey", &nobody, &look->accounts) ||
                        command_sets(look->command, "hostkey");
        if (look->asker.way == SSHD_WAY_KEY && look->global.accepted && !expected)
                return sshd_add(look->reading, strdup("sshd:hostkey"), NULL,
                        "no host key loads, and the configuration names none", 0);
        int r = 0;
        for (const char *p = keys ? keys : ""; r == 0 && *p; p += strspn(p, "\n")) {
                size_t size = strcspn(p, "\n");
                _cleanup_free_ char *path = strndup(p, size);
                r = path ? sshd_host_key_add(path, expected, look->reading) : -ENOMEM;
                p += size;
        }
        return r;
}

static bool
may_log_in(const struct sshd_user *user)
{
        const char *name = strrchr(user->shell, '/');
        name = name ? name + 1 : user->shell;
        return strcmp(name, "nologin") != 0 && strcmp(name, "false") != 0;
}

/* Whether a block may hold for a connection of that user: what it asks of users and groups does. */
static bool
may_hold(const struct look *look, const struct sshd_block *block, const struct sshd_user *user)
{
        struct sshd_connection connection = {.user = user->name};
        struct sshd_block asks = {0};
        for (size_t i = 0; i < block->count; i++)
                if (block->list[i].criterion == SSHD_USER || block->list[i].criterion == SSHD_GROUP)
                        asks.list[asks.count++] = block->list[i];
        return !asks.count || sshd_block_holds(&asks, &connection, &look->accounts);
}

/* For every file that a connection of the user may be judged by, in the order of sshd's answers. */
static int
add_keys_of(struct look *look, const struct sshd_user *user, const struct mount_table *mounts)
{
        static const char keyword[] = "authorizedkeysfile";
        struct text_list files = {0};
        const char *global = likely_text(look, keyword);
        int r = global ? list_line(&files, global) : 0;
        for (size_t i = 0; r == 0 && look->blocks && i < look->config.n_blocks; i++) {
                const char *text = sshd_answer_text(&look->blocks[i], keyword);
                if (text && may_hold(look, &look->config.blocks[i], user))
                        r = list_line(&files, text);
        }
        text_list_sort(&files);
        for (size_t i = 0; r == 0 && i < files.count; i++)
                r = sshd_authorized_keys_add(user, files.items[i], mounts, look->reading);
        text_list_done(&files);
        return r;
}

static int
add_authorized_keys(struct look *look, struct err *err)
{
        _cleanup_mount_table_ struct mount_table mounts = {0};
        int r = mount_table_now(&mounts);
        if (r == -ENOMEM)
                return r;
        for (size_t i = 0; i < look->accounts.n_users; i++) {
                if (look->request->cancel && atomic_load(look->request->cancel))
                        return -ECANCELED;
                if (clock_monotonic_ms() > look->asker.deadline_ms)
                        return err_set(err, PROBE_FAILED, "the users' keys could not be read in time");
                if (!may_log_in(&look->accounts.users[i]))
                        continue;
                r = add_keys_of(look, &look->accounts.users[i], &mounts);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- the look ---- */

static int
watch_all(struct look *look, const struct sshd_places *places)
{
        struct text_list *watched = &look->reading->watched;
        int r = sshd_watch(watched, look->program);
        r = r < 0 ? r : sshd_watch(watched, look->path);
        r = r < 0 ? r : sshd_watch(watched, places->passwd);
        r = r < 0 ? r : sshd_watch(watched, places->group);
        for (size_t i = 0; r == 0 && i < look->config.n_files; i++)
                r = sshd_watch(watched, look->config.files[i]);
        for (size_t i = 0; r == 0 && i < look->config.n_folders; i++)
                r = sshd_watch(watched, look->config.folders[i]);
        return r;
}

/* The listener that uses our configuration; of several, the one that the pid file names is the service. */
static void
choose_command(struct look *look)
{
        for (size_t i = 0; i < look->listeners.count && !look->running; i++)
                if (!look->listeners.list[i].cut &&
                        strcmp(config_of(&look->listeners.list[i]), look->path) == 0)
                        look->running = &look->listeners.list[i];
        look->command = look->running;
        if (!look->listeners.count && look->unit.found &&
                strcmp(config_of(&look->unit.command), look->path) == 0)
                look->command = &look->unit.command;
}

/* 0: any port will do; 1: this one will; -1: it is asked for. */
static int
port_is_free(const struct sshd_config *config, unsigned port)
{
        int answer = 0;
        for (size_t i = 0; i < config->n_blocks; i++)
                for (size_t k = 0; k < config->blocks[i].count; k++) {
                        const struct sshd_match *match = &config->blocks[i].list[k];
                        if (match->criterion != SSHD_LOCALPORT)
                                continue;
                        if (strtoul(match->pattern, NULL, 10) == port)
                                return -1;
                        answer = 1;
                }
        return answer;
}

/* A port that no block asks for: sshd wants one to be said as soon as any block asks. 0: none does. */
static unsigned
choose_port(const struct sshd_config *config)
{
        unsigned port = 65535;
        int answer = port_is_free(config, port);
        while (answer < 0)
                answer = port_is_free(config, --port);
        return answer ? port : 0;
}

static int
prepare(struct look *look, const struct sshd_places *places, struct err *err)
{
        const struct scope *scope = look->request->scope;
        struct text_list *watched = &look->reading->watched;
        if (!scope->command || !scope->paths.count)
                return err_set(err, PROBE_FAILED, "the scope names no sshd, or no configuration of it");
        int r = unescape_new(scope->command, &look->program);
        look->asker.program = look->program;
        r = r < 0 ? r : unescape_new(scope->paths.items[0], &look->path);
        r = r < 0 ? r : sshd_config_read(&look->config, look->path);
        if (r < 0)
                return r;
        r = sshd_accounts_read(places->passwd, places->group, &look->accounts);
        if (r < 0 && r != -ENOMEM)
                return err_set(err, PROBE_FAILED, "%.300s or %.300s: %s", places->passwd, places->group,
                        sshd_read_error(r));
        if (r < 0)
                return r;
        r = sshd_listeners_find(look->program, &look->listeners);
        r = r < 0 ? r : sshd_unit_read(places->units, look->program, &look->unit, watched);
        r = r < 0 ? r : watch_all(look, places);
        if (r < 0)
                return r;
        if (faccessat(AT_FDCWD, look->program, F_OK, AT_EACCESS) < 0 &&
                (errno == ENOENT || errno == ENOTDIR)) {
                err_set(err, PROBE_ABSENT, "there is no %.300s on this host", quote(look->program));
                return err_hint(err, PROBE_ABSENT, "command in [sshd] names it");
        }
        choose_command(look);
        look->asker.free_port = choose_port(&look->config);
        return 0;
}

/* What we did not read may hold blocks that nobody asks about: then nothing can be said. */
static int
check_whole(const struct look *look, struct err *err)
{
        if (look->config.truncated)
                return err_set(err, PROBE_FAILED,
                        "%.300s: with its includes it is larger than what is looked at, or it has more than "
                        "%u Match blocks",
                        quote(look->path), SSHD_BLOCKS_MAX);
        if (look->config.error && look->global.accepted)
                return err_set(err, PROBE_FAILED, "%.300s: %s", quote(look->config.error_path),
                        sshd_read_error(look->config.error));
        return 0;
}

static int
look_once(struct look *look, const struct sshd_places *places, struct err *err)
{
        int r = prepare(look, places, err);
        r = r ? r : ask_first(look, err);
        r = r ? r : check_whole(look, err);
        r = r ? r : add_facts(look);
        r = r ? r : look->global.accepted ? add_accepted(look, err) : add_refused(look);
        r = r ? r : add_host_keys(look);
        r = r ? r : add_authorized_keys(look, err);
        r = r ? r : sshd_merge(look->reading);
        if (r == 0)
                text_list_sort(&look->reading->watched);
        return r;
}

static void
look_done(struct look *look)
{
        for (size_t i = 0; look->blocks && i < look->config.n_blocks; i++)
                sshd_answer_done(&look->blocks[i]);
        free(look->blocks);
        sshd_answer_done(&look->defaults);
        sshd_answer_done(&look->global);
        sshd_unit_done(&look->unit);
        sshd_listeners_done(&look->listeners);
        sshd_accounts_done(&look->accounts);
        sshd_config_done(&look->config);
        sshd_asker_done(&look->asker);
        free(look->program);
        free(look->path);
}

int
probe_sshd_at(const struct probe_request *request, const struct sshd_places *places,
        struct probe_reading *ret, struct err *err)
{
        unsigned timeout_ms = request->timeout_ms ? request->timeout_ms : PROBE_TIMEOUT_MS;
        struct look look = {.request = request,
                .reading = ret,
                .asker = {.deadline_ms = clock_monotonic_ms() + timeout_ms,
                        .cancel = request->cancel,
                        .key_fd = -1}};
        int r = look_once(&look, places, err);
        look_done(&look);
        return r;
}

int
probe_sshd(const struct probe_request *request, struct probe_reading *ret, struct err *err)
{
        static const struct sshd_places host = {"/etc/passwd", "/etc/group", ""};
        return probe_sshd_at(request, &host, ret, err);
}
