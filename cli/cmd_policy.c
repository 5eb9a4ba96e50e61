/* SPDX-License-Identifier: MIT */
/*
 * driftctl policy: the packs that there are, what is in one, and this host judged by one. Nothing is signed,
 * asked of the store, or recorded: a pack is tried here before anybody makes a baseline of it.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "cli/policy.h"
#include "core/clock.h"
#include "core/quote.h"

#define SUFFIX ".ini"

/* ---- finding ---- */

static int
is_pack(const struct dirent *entry)
{
        size_t size = strlen(entry->d_name), suffix = strlen(SUFFIX);
        return size > suffix && strcmp(entry->d_name + size - suffix, SUFFIX) == 0 &&
               name_is_valid(entry->d_name, size - suffix);
}

static int
compare_names(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* The names of the packs, without the suffix, sorted. */
static int
list_packs(struct cli *cli, struct text_list *ret, struct err *err)
{
        struct dirent **entries = NULL;
        int r = cli_config(cli, err);
        if (r)
                return r;
        int n = scandir(cli->config->packs, &entries, is_pack, compare_names);
        if (n < 0) {
                err_set(err, EXIT_FAILED, "%s: %s", quote(cli->config->packs), strerror(errno));
                return err_hint(err, EXIT_FAILED,
                        "the folder of the packs is `packs` in [daemon] of the configuration; make install "
                        "puts "
                        "them into PREFIX/share/driftd/baselines");
        }
        for (int i = 0; i < n; i++) {
                size_t size = strlen(entries[i]->d_name) - strlen(SUFFIX);
                if (r == 0 && text_list_add(ret, entries[i]->d_name, size) < 0)
                        r = failed_oom(err);
                free(entries[i]);
        }
        free(entries);
        return r;
}

static char *
pack_path(struct cli *cli, const char *name)
{
        char *path;
        return asprintf(&path, "%s/%s" SUFFIX, cli->config->packs, name) < 0 ? NULL : path;
}

/* There is none of this name: says which there are. */
static int
say_which(struct cli *cli, const char *name, struct err *err)
{
        _cleanup_(text_list_done) struct text_list packs = {0};
        _cleanup_buf_ struct buf names = {0};
        int r = list_packs(cli, &packs, err);
        for (size_t i = 0; r == 0 && i < packs.count; i++)
                r = buf_printf(&names, "%s%s", i ? ", " : "", packs.items[i]) < 0 ? failed_oom(err) : 0;
        if (r)
                return r;
        err_set(err, EXIT_FAILED, "there is no pack \"%s\" in %s", quote(name), quote(cli->config->packs));
        return err_hint(err, EXIT_FAILED, "there are: %.250s (a path has a slash in it: ./my.ini)",
                names.size ? names.data : "none");
}

int
policy_find(struct cli *cli, const char *pack, struct policy **ret, struct err *err)
{
        int r = cli_config(cli, err);
        if (r)
                return r;
        if (strchr(pack, '/'))
                return failed(policy_load(pack, ret, err));
        if (!name_is_valid(pack, strlen(pack)))
                return say_which(cli, pack, err);
        _cleanup_free_ char *path = pack_path(cli, pack);
        if (!path)
                return failed_oom(err);
        r = policy_load(path, ret, err);
        return r == -ENOENT ? say_which(cli, pack, err) : failed(r);
}

/* ---- list ---- */

struct listing {
        struct json *packs, *broken;
        struct table table;
        size_t n_broken;
};

static void
list_broken(struct cli *cli, struct listing *listing, const char *name, const struct err *why)
{
        listing->n_broken++;
        json_gather(&listing->broken, json_make("{s:s, s:s, s:s?}", "name", name, "error", why->text, "hint",
                                              why->hint[0] ? why->hint : NULL));
        if (cli->json)
                return;
        print_colored(&cli->errors, COLOR_RED, "broken");
        print(&cli->errors, "  %s\n", why->text);
        if (why->hint[0])
                print(&cli->errors, "        %s\n", why->hint);
}

static void
list_pack(struct listing *listing, const char *name, const struct policy *policy)
{
        size_t n;
        _cleanup_buf_ struct buf title = {0};
        policy_checks(policy, &n);
        buf_escape(&title, policy_title(policy), strlen(policy_title(policy)));
        json_gather(&listing->packs, json_make("{s:s, s:s, s:i, s:s, s:I}", "pack", name, "name",
                                             policy_name(policy), "version", (int)policy_version(policy),
                                             "title", title.data ? title.data : "", "checks", (json_int)n));
        table_cell(&listing->table, COLOR_BOLD, "%s", name);
        table_cell(&listing->table, COLOR_PLAIN, "%u", policy_version(policy));
        table_cell(&listing->table, COLOR_PLAIN, "%zu checks", n);
        table_cell(&listing->table, COLOR_PLAIN, "%s", policy_title(policy));
}

static int
finish_list(struct cli *cli, struct listing *listing, struct err *err)
{
        int code = listing->n_broken ? EXIT_FAILED : EXIT_CLEAN;
        if (cli->json) {
                int r = cli_document(cli,
                        json_make("{s:s, s:s, s:o, s:o}", "schema", "driftd.policies/1", "folder",
                                quote(cli->config->packs), "packs", steal_pointer(&listing->packs), "broken",
                                steal_pointer(&listing->broken)),
                        err);
                return r ? r : code;
        }
        table_print(&listing->table, &cli->out);
        if (!listing->table.n_cells)
                print(&cli->out, "no pack in %s\n", cli->config->packs);
        else
                cli_next(cli, "driftctl policy check PACK");
        return code;
}

int
command_policy_list(struct cli *cli, struct err *err)
{
        _cleanup_(text_list_done) struct text_list packs = {0};
        struct listing listing = {json_array_make(), json_array_make(), table_make(4), 0};
        int r = list_packs(cli, &packs, err);
        for (size_t i = 0; r == 0 && i < packs.count; i++) {
                _cleanup_(policy_freep) struct policy *policy = NULL;
                struct err why = {0};
                if (policy_find(cli, packs.items[i], &policy, &why))
                        list_broken(cli, &listing, packs.items[i], &why);
                else
                        list_pack(&listing, packs.items[i], policy);
        }
        r = r ? r : finish_list(cli, &listing, err);
        table_done(&listing.table);
        json_free(listing.packs);
        json_free(listing.broken);
        return r;
}

/* ---- show ---- */

static void
show_check(struct cli *cli, const struct policy_check *check)
{
        _cleanup_buf_ struct buf wanted = {0}, controls = {0}, condition = {0};
        const struct setting *line = &check->line;
        policy_wanted(line, &wanted);
        print_words(&controls, line->controls ? line->controls : "");
        print(&cli->out, "\n");
        print_colored(&cli->out, severity_color(severity_names[line->severity]), "%-7s",
                severity_names[line->severity]);
        print_colored(&cli->out, COLOR_BOLD, "%s\n", check->name);
        print(&cli->out, "       %s  %s%s%s\n", check->item, line->op == SETTING_EQ ? "eq " : "",
                wanted.data ? wanted.data : "", check->after_restart ? "  (also after a restart)" : "");
        if (line->quantifier != SETTING_EVERY)
                print(&cli->out, "       %s of what matches\n", setting_quantifier_names[line->quantifier]);
        if (line->fallback)
                print(&cli->out, "       where it is not there: \"%s\"\n", line->fallback);
        if (line->condition && print_words(&condition, line->condition) == 0)
                print(&cli->out, "       only if %s\n", condition.data);
        print(&cli->out, "       %s\n", check->reason);
        if (controls.size)
                print_colored(&cli->out, COLOR_DIM, "       %s\n", controls.data);
}

static int
show_json(struct cli *cli, const struct policy *policy, struct err *err)
{
        size_t n;
        _cleanup_buf_ struct buf title = {0};
        const struct policy_check *checks = policy_checks(policy, &n);
        struct json *list = json_array_make();
        for (size_t i = 0; i < n; i++)
                json_gather(&list, policy_check_json(&checks[i]));
        buf_escape(&title, policy_title(policy), strlen(policy_title(policy)));
        return cli_document(cli,
                json_make("{s:s, s:s, s:i, s:s, s:o}", "schema", "driftd.policy_pack/1", "name",
                        policy_name(policy), "version", (int)policy_version(policy), "title",
                        title.data ? title.data : "", "checks", list),
                err);
}

int
command_policy_show(struct cli *cli, struct err *err)
{
        _cleanup_(policy_freep) struct policy *policy = NULL;
        size_t n;
        int r = policy_find(cli, cli->args.words[0], &policy, err);
        if (r || cli->json)
                return r ? r : show_json(cli, policy, err);
        const struct policy_check *checks = policy_checks(policy, &n);
        print_colored(&cli->out, COLOR_BOLD, "%s", policy_name(policy));
        print(&cli->out, "  version %u  %s  (%zu checks)\n", policy_version(policy), policy_title(policy), n);
        for (size_t i = 0; i < n; i++)
                show_check(cli, &checks[i]);
        return EXIT_CLEAN;
}

/* ---- check ---- */

int
command_policy_check(struct cli *cli, struct err *err)
{
        _cleanup_(policy_freep) struct policy *policy = NULL;
        _cleanup_(policy_view_done) struct policy_view view = {0};
        struct policy_result *results = NULL;
        size_t n;
        int r = policy_find(cli, cli->args.words[0], &policy, err);
        r = r ? r : policy_look(cli, policy, &view, err);
        if (r)
                return r;
        if (policy_judge(policy, &view.host, &results) < 0)
                return failed_oom(err);
        policy_checks(policy, &n);
        int code = policy_exit(results, n);
        if (cli->json) {
                r = cli_document(cli, policy_document(policy, &view.host, results), err);
                code = r ? r : code;
        } else
                policy_print(cli, policy, results);
        policy_results_free(results, n);
        return code;
}
