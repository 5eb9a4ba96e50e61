/* SPDX-License-Identifier: MIT */
/*
 * What the commands of driftctl share: the row of a command, and the run of one. A command returns an exit
 * code (core/service.h); with EXIT_FAILED or EXIT_UNTRUSTED it may leave words in err, which main prints, as
 * JSON if that was asked for. Nothing here is kept between two runs.
 */
#pragma once

#include "cli/args.h"
#include "cli/client.h"
#include "cli/fail.h"
#include "cli/print.h"
#include "core/config.h"
#include "core/scope.h" /* text_list */

struct cli;

enum command_flags {
        COMMAND_ITEMS = 1, /* its words are items: completion offers paths */
        COMMAND_FILES = 2, /* its words are files */
};

#define WORDS_ANY 1000000u /* no more words than this in one command line */

struct command {
        const char *name;    /* one word or two: "key generate" */
        const char *usage;   /* what follows the name */
        const char *summary; /* one line */
        int (*run)(struct cli *cli, struct err *err);
        unsigned flags;
        unsigned words_min, words_max;
        const struct option *options; /* ends with a row without a name */
        const char *more;             /* further lines for --help; may be NULL */
};

/* The table that is the CLI (commands.c); ends with a row without a name. */
extern const struct command commands[];
extern const struct option global_options[];

struct cli {
        const struct command *commands;
        const struct command *command;
        struct args args; /* its words no longer hold the command */
        struct printer out, errors;
        bool json, quiet;
        const char *config_file;
        struct config *config; /* cli_config */
        struct client *client; /* cli_client */
};
void cli_done(struct cli *cli);

/* Load or open once; 0 or an exit code with words. */
int cli_config(struct cli *cli, struct err *err);
int cli_client(struct cli *cli, struct err *err);
/* cli_config and cli_client, then one call with one reply. Takes the reference of parameters. */
int cli_call(
        struct cli *cli, const char *method, struct json *parameters, struct json **ret, struct err *err);

/* The words (from `first` on) as items; the list is the caller's to finish. */
int cli_items(struct cli *cli, size_t first, struct text_list *ret, struct err *err);
struct json *text_list_json(const struct text_list *list);

/* Prints a document for --json; takes the reference (NULL: out of memory). 0 or EXIT_FAILED. */
int cli_document(struct cli *cli, struct json *document, struct err *err);
/* Words that are not the answer, on standard error; nothing with -q or --json. */
void cli_note(struct cli *cli, const char *format, ...) _printf_(2, 3);
/* The same with --json too: what a person must know before it is done. */
void cli_warn(struct cli *cli, const char *format, ...) _printf_(2, 3);
/* "Next: …" on standard output; nothing with -q. */
void cli_next(struct cli *cli, const char *format, ...) _printf_(2, 3);

/* The words of a wrong command line, with the hint that names the help. Returns EXIT_FAILED. */
int cli_usage(struct cli *cli, struct err *err, const char *format, ...) _printf_(3, 4);

/* An option's time (clock_parse_human), or `absent`. */
int cli_time(struct cli *cli, const char *option, int64_t absent, int64_t *ret_ms, struct err *err);
/* An argument that goes into JSON: refused if it is not UTF-8. text may be NULL. */
int cli_text(const char *what, const char *text, struct err *err);

/* Whoever runs this: --author, else SUDO_USER, else the login name, made a valid name. */
int cli_author(struct cli *cli, char ret[static NAME_MAX_SIZE], struct err *err);
/* Turns what is no letter of a name into '-'; false if nothing is left. */
bool name_from_text(const char *text, size_t size, char ret[static NAME_MAX_SIZE]);

/* One file a group of commands. */
int command_init(struct cli *cli, struct err *err);
int command_key_generate(struct cli *cli, struct err *err);
int command_key_show(struct cli *cli, struct err *err);
int command_status(struct cli *cli, struct err *err);
int command_diff(struct cli *cli, struct err *err);
int command_scan(struct cli *cli, struct err *err);
int command_show(struct cli *cli, struct err *err);
int command_log(struct cli *cli, struct err *err);
int command_watch(struct cli *cli, struct err *err);
int command_top(struct cli *cli, struct err *err);
int command_doctor(struct cli *cli, struct err *err);
int command_propose(struct cli *cli, struct err *err);
int command_waive(struct cli *cli, struct err *err);
int command_review(struct cli *cli, struct err *err);
int command_sign(struct cli *cli, struct err *err);
int command_apply(struct cli *cli, struct err *err);
int command_bless(struct cli *cli, struct err *err);
int command_baseline_list(struct cli *cli, struct err *err);
int command_baseline_show(struct cli *cli, struct err *err);
int command_baseline_export(struct cli *cli, struct err *err);
int command_baseline_verify(struct cli *cli, struct err *err);
int command_baseline_retire(struct cli *cli, struct err *err);
int command_report(struct cli *cli, struct err *err);
int command_ack(struct cli *cli, struct err *err);
int command_verify(struct cli *cli, struct err *err);
int command_log_checkpoint(struct cli *cli, struct err *err);
int command_log_witness(struct cli *cli, struct err *err);
int command_log_verify(struct cli *cli, struct err *err);
int command_coverage(struct cli *cli, struct err *err);
int command_evidence_export(struct cli *cli, struct err *err);
int command_evidence_verify(struct cli *cli, struct err *err);
int command_backup(struct cli *cli, struct err *err);
int command_policy_list(struct cli *cli, struct err *err);
int command_policy_show(struct cli *cli, struct err *err);
int command_policy_check(struct cli *cli, struct err *err);
int command_output_run(struct cli *cli, struct err *err);
int command_output_list(struct cli *cli, struct err *err);
int command_output_test(struct cli *cli, struct err *err);
int command_config_check(struct cli *cli, struct err *err);
int command_completion(struct cli *cli, struct err *err);
int command_window_open(struct cli *cli, struct err *err);
int command_window_close(struct cli *cli, struct err *err);
int command_window_show(struct cli *cli, struct err *err);
int command_window_list(struct cli *cli, struct err *err);
int command_window_record(struct cli *cli, struct err *err);
int command_version(struct cli *cli, struct err *err);
int command_help(struct cli *cli, struct err *err);

/* For help and main (cmd_help.c). */
void help_overview(struct cli *cli);
void help_command(struct cli *cli, const struct command *command);
/* The row that the first words name, and how many words that took; NULL with words (nearest right one). */
const struct command *command_find(const struct command *table, const char *const *words, size_t n_words,
        size_t *ret_taken, struct err *err);
