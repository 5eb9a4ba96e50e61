/* SPDX-License-Identifier: MIT */
/*
 * driftctl sign. All baselines given become the subjects of one approval, signed once, which is added to each
 * FILE.approval; a trust file is signed by itself, for another purpose. Everything is read and checked before
 * the key is asked for, and approval files are replaced whole, so that no file is left half signed.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/signing.h"
#include "cli/terminal.h"
#include "cli/transfer.h"
#include "cli/window_file.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/file.h"
#include "core/quote.h"

struct target {
        const char *file;
        struct signed_text text;   /* a baseline; or … */
        struct trust *trust;       /* … a trust file, with its approvals in text.approvals; or … */
        struct window_file window; /* … a window */
        struct approval_subject subject;
};

struct targets {
        struct target *list;
        size_t count, trusts, windows;
};

static void
targets_done(struct targets *targets)
{
        for (size_t i = 0; i < targets->count; i++) {
                signed_text_done(&targets->list[i].text);
                trust_free(targets->list[i].trust);
                window_file_done(&targets->list[i].window);
        }
        free(targets->list);
}

/* The first line that says something is a section: `[trust]` in a trust file. */
static bool
looks_like_trust(const struct buf *text)
{
        for (const char *line = text->data; line && *line;) {
                line += strspn(line, " \t\r\n");
                if (*line != ';' && *line != '#')
                        return strncmp(line, "[trust]", 7) == 0;
                line += strcspn(line, "\n");
        }
        return false;
}

static int
read_approvals_beside(const char *file, struct buf *ret, struct err *err)
{
        _cleanup_free_ char *beside = approval_path(file);
        if (!beside)
                return failed_oom(err);
        int r = file_read(beside, FILE_FOLLOW, APPROVAL_FILE_MAX, ret, err);
        return r < 0 && r != -ENOENT ? EXIT_FAILED : 0;
}

static int
read_target(const char *file, struct target *ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        ret->file = file;
        int r = file_read(file, FILE_FOLLOW, TRUST_FILE_MAX, &text, err);
        if (r == -ENOENT)
                return err_hint(err, EXIT_FAILED,
                        "driftctl propose -o FILE writes a baseline to sign, driftctl window open -o FILE a "
                        "window");
        if (r < 0 && r != -EFBIG)
                return EXIT_FAILED;
        if (r == 0 && text.size && window_is_one(text.data, text.size)) {
                r = window_file_read(file, &text, &ret->window, err);
                if (r == 0)
                        ret->subject = (struct approval_subject){.id = ret->window.window->id,
                                .host = ret->window.window->host,
                                .window = true};
                return r;
        }
        if (r < 0 || !looks_like_trust(&text)) {
                r = signed_text_read(file, &ret->text, err);
                if (r == 0)
                        ret->subject = subject_of(ret->text.baseline);
                return r;
        }
        if (trust_parse(file, text.data, text.size, &ret->trust, err))
                return EXIT_FAILED;
        ret->subject = (struct approval_subject){
                .id = *trust_id(ret->trust), .generation = trust_generation(ret->trust)};
        return read_approvals_beside(file, &ret->text.approvals, err);
}

static int
read_targets(struct cli *cli, struct targets *ret, struct err *err)
{
        ret->list = calloc(cli->args.n_words + 1, sizeof *ret->list);
        if (!ret->list)
                return failed_oom(err);
        for (size_t i = 0; i < cli->args.n_words; i++) {
                ret->count++;
                int r = read_target(cli->args.words[i], &ret->list[i], err);
                if (r)
                        return r;
                ret->trusts += ret->list[i].trust != NULL;
                ret->windows += ret->list[i].subject.window;
        }
        return 0;
}

/* ---- who signs ---- */

/* For the name of an SSH key: the file given, else the daemon's, else the configured one. None at all is no
 * error. */
static int
find_trust(struct cli *cli, struct trust **ret, struct err *err)
{
        const char *file = args_value(&cli->args, "trust");
        _cleanup_(client_freep) struct client *client = NULL;
        struct err ignored = {0};
        if (file)
                return trust_read(file, ret, err);
        if (args_given(&cli->args, "key") || cli_config(cli, &ignored))
                return 0;
        if (client_open_daemon(cli->config, &client, &ignored) == 0 &&
                trust_fetch(client, ret, &ignored) == 0)
                return 0;
        (void)trust_read(cli->config->trust, ret, &ignored);
        return 0;
}

/* A trust file names no host. A key that is read on a watched host is as much at risk there, so its approval
 * says so. */
static bool
host_is_watched(struct cli *cli)
{
        struct err ignored = {0};
        struct stat st;
        if (cli_config(cli, &ignored))
                return false;
        _cleanup_free_ char *database = config_database(cli->config);
        return database && stat(database, &st) == 0;
}

static void
warn_unknown(struct cli *cli, const struct trust *trust, const struct signing *signing)
{
        const char *known = trust ? trust_approver_of(trust, &signing->key) : signing->by;
        if (!known || strcmp(known, signing->by) != 0)
                cli_warn(cli, "the trust file does not list this key as %s's: the approval will not count",
                        signing->by);
}

static void
show_window(struct table *table, const struct window *window)
{
        char until[CLOCK_TEXT_MAX];
        clock_format_seconds(window->until_ms, until);
        table_cell(table, COLOR_PLAIN, "host %.8s, by %s", window->host, window->by);
        table_cell(table, COLOR_PLAIN, "%s until %s, %zu items%s", window->ticket, until, window->items.count,
                window->items.count ? "" : " named: every one");
}

static void
show_targets(struct cli *cli, const struct targets *targets, const struct signing *signing)
{
        _cleanup_table_ struct table table = table_make(5);
        for (size_t i = 0; i < targets->count; i++) {
                const struct target *target = &targets->list[i];
                const struct approval_subject *subject = &target->subject;
                char id[DIGEST_HEX_SIZE];
                digest_hex(&subject->id, id);
                table_cell(&table, COLOR_PLAIN, "  %s", quote(target->file));
                if (subject->window)
                        table_cell(&table, COLOR_BOLD, "window");
                else
                        table_cell(&table, COLOR_BOLD, "%s@%" PRIu64, subject->name ? subject->name : "trust",
                                subject->generation);
                table_cell(&table, COLOR_PLAIN, "%s", id);
                if (target->text.baseline) {
                        const struct baseline_header *header = baseline_header(target->text.baseline);
                        table_cell(&table, COLOR_PLAIN, "host %.8s, by %s", header->host, header->author);
                        table_cell(&table, COLOR_PLAIN, "%s", header->ticket ? header->ticket : "");
                }
                if (subject->window)
                        show_window(&table, target->window.window);
                table_row(&table);
        }
        if (cli->quiet && args_given(&cli->args, "yes"))
                return;
        print(&cli->errors, "%s approves:\n", signing->by);
        table_print(&table, &cli->errors);
}

static int
confirm(struct cli *cli, const struct targets *targets, const struct signing *signing, bool on_host,
        struct err *err)
{
        show_targets(cli, targets, signing);
        if (on_host)
                cli_warn(cli, "the key is read on the host that it approves for (key-on-host yes): root here "
                              "could use it too");
        if (args_given(&cli->args, "yes") || !terminal_is_there() || terminal_confirm("Sign?"))
                return 0;
        return err_set(err, EXIT_FAILED, "nothing was signed");
}

/* ---- signing ---- */

static int
write_approvals(const struct target *target, const struct buf *fresh, struct err *err)
{
        _cleanup_free_ char *beside = approval_path(target->file);
        _cleanup_buf_ struct buf merged = {0};
        struct err why = {0};
        if (!beside)
                return failed_oom(err);
        const struct buf *held = target->subject.window ? &target->window.approvals : &target->text.approvals;
        if (approvals_merge(held, fresh, &merged, &why)) {
                err_set(err, EXIT_FAILED, "%s: %.700s", quote(beside), why.text);
                return err_hint(err, EXIT_FAILED, "it is no approval file: move it away");
        }
        return failed(file_write(beside, 0644, merged.data, merged.size, err));
}

static bool
is_alone(const struct target *target)
{
        return target->trust || target->subject.window;
}

/* One approval for all baselines; one for each trust file and window. */
static int
sign_all(const struct targets *targets, const struct signing *signing, bool host_yes, bool trust_yes,
        struct err *err)
{
        _cleanup_free_ struct approval_subject *subjects = calloc(targets->count + 1, sizeof *subjects);
        _cleanup_buf_ struct buf common = {0};
        size_t n = 0;
        if (!subjects)
                return failed_oom(err);
        for (size_t i = 0; i < targets->count; i++)
                if (!is_alone(&targets->list[i]))
                        subjects[n++] = targets->list[i].subject;
        int r = n ? signing_approve(signing, subjects, n, host_yes, &common, err) : 0;
        for (size_t i = 0; i < targets->count && r == 0; i++) {
                const struct target *target = &targets->list[i];
                _cleanup_buf_ struct buf own = {0};
                if (is_alone(target))
                        r = signing_approve(signing, &target->subject, 1,
                                target->trust ? trust_yes : host_yes, &own, err);
                r = r ? r : write_approvals(target, is_alone(target) ? &own : &common, err);
        }
        return r;
}

static struct json *
target_json(const struct target *target)
{
        const struct approval_subject *subject = &target->subject;
        _cleanup_free_ char *file = escape_new(target->file, strlen(target->file)), *beside = NULL;
        char id[DIGEST_HEX_SIZE];
        digest_hex(&subject->id, id);
        if (!file || asprintf(&beside, "%s.approval", file) < 0)
                return NULL;
        const char *kind = subject->name ? "baseline" : subject->window ? "window" : "trust";
        return json_make("{s:s, s:s, s:s, s:s, s:s?, s:I, s:s}", "kind", kind, "file", file, "approval_file",
                beside, "name", subject->name ? subject->name : kind, "host", subject->host, "generation",
                (json_int)subject->generation, "id", id);
}

static int
report_signed(struct cli *cli, const struct targets *targets, const struct signing *signing, bool on_host,
        struct err *err)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < targets->count && list && cli->json; i++)
                if (json_push(list, target_json(&targets->list[i])) < 0)
                        list = json_free(list);
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:s, s:b, s:o}", "schema", "driftd.sign/1", "by", signing->by,
                                "key_on_host", on_host, "signed", list),
                        err);
        json_free(list);
        for (size_t i = 0; i < targets->count; i++)
                print(&cli->out, "%s.approval: approved by %s\n", quote(targets->list[i].file), signing->by);
        if (targets->count == 1 && !targets->trusts)
                cli_next(cli, "driftctl apply %s", quote(targets->list[0].file));
        else if (targets->count == 1)
                cli_next(cli, "put both files in place, and systemctl reload driftd");
        return 0;
}

/* The same file twice would be the same subject twice. */
static int
check_distinct(const struct targets *targets, struct err *err)
{
        for (size_t i = 0; i < targets->count; i++)
                for (size_t j = 0; j < i; j++)
                        if (digest_equal(&targets->list[i].subject.id, &targets->list[j].subject.id))
                                return err_set(err, EXIT_FAILED, "%s and %s are the same",
                                        quote(targets->list[j].file), quote(targets->list[i].file));
        if (targets->count - targets->trusts - targets->windows <= APPROVAL_SUBJECTS_MAX)
                return 0;
        return err_set(err, EXIT_FAILED, "one approval names at most %u baselines", APPROVAL_SUBJECTS_MAX);
}

int
command_sign(struct cli *cli, struct err *err)
{
        _cleanup_(targets_done) struct targets targets = {0};
        _cleanup_signing_ struct signing signing = {0};
        _cleanup_(trust_freep) struct trust *trust = NULL;
        _cleanup_free_ struct approval_subject *subjects = NULL;
        int r = read_targets(cli, &targets, err);
        r = r ? r : check_distinct(&targets, err);
        r = r ? r : find_trust(cli, &trust, err);
        r = r ? r : signing_open(cli, trust, &signing, err);
        if (r)
                return r;
        subjects = calloc(targets.count + 1, sizeof *subjects);
        if (!subjects)
                return failed_oom(err);
        for (size_t i = 0; i < targets.count; i++)
                subjects[i] = targets.list[i].subject;
        bool host_yes = signing_is_on_host(&signing, subjects, targets.count);
        bool trust_yes = targets.trusts && signing.from_file && host_is_watched(cli);
        warn_unknown(cli, trust, &signing);
        r = confirm(cli, &targets, &signing, host_yes || trust_yes, err);
        r = r ? r : signing_unlock(&signing, err);
        r = r ? r : sign_all(&targets, &signing, host_yes, trust_yes, err);
        return r ? r : report_signed(cli, &targets, &signing, host_yes || trust_yes, err);
}
