/* SPDX-License-Identifier: MIT */
/*
 * The table that is the CLI: parsing, help, completion and the checks of a command line all read it, so that
 * none can lag behind another. A new command is a row here and a function.
 */
#include "cli/cli.h"

static const char *const color_choices[] = {"auto", "always", "never", NULL};
static const char *const class_choices[] = {"standard", "normal", "urgent", NULL};
static const char *const format_choices[] = {"text", "json", "junit", "sarif", "tap", NULL};

#define END                                                                                                  \
        {                                                                                                    \
                0                                                                                            \
        }

const struct option global_options[] = {
        {"config", 'c', "FILE", "the configuration (" CONFIG_DEFAULT_PATH ")", NULL, false},
        {"json", 0, NULL, "one JSON document, or one a line where it streams", NULL, false},
        {"color", 0, "WHEN", "auto, always or never (also: NO_COLOR)", color_choices, false},
        {"quiet", 'q', NULL, "no progress, no notes, no next steps", NULL, false},
        {"help", 'h', NULL, "what the command does", NULL, false},
        {"version", 0, NULL, "the version", NULL, false},
        END,
};

#define SIGNING_OPTIONS                                                                                      \
        {"key", 0, "FILE", "sign with a key of driftctl key generate", NULL, false},                         \
                {"ssh-key", 0, "FILE", "sign with an OpenSSH ed25519 key without a passphrase", NULL,        \
                        false},                                                                              \
                {"ssh-agent", 0, NULL, "sign with a key that the agent holds (SSH_AUTH_SOCK)", NULL, false}, \
                {"as", 0, "NAME", "which approver an SSH key is", NULL, false},                              \
        {                                                                                                    \
                "yes", 0, NULL, "do not ask", NULL, false                                                    \
        }

#define CHANGE_OPTIONS                                                                                       \
        {"ticket", 0, "TICKET", "the change that this belongs to", NULL, false},                             \
        {                                                                                                    \
                "class", 0, "CLASS", "standard, normal (the default) or urgent", class_choices, false        \
        }

#define AUTHOR_OPTION                                                                                        \
        {                                                                                                    \
                "author", 0, "NAME", "who proposes (default: who is logged in)", NULL, false                 \
        }

#define POLICY_OPTION                                                                                        \
        {                                                                                                    \
                "policy", 0, "PACK", "a policy pack (driftctl policy list), instead of the live state",      \
                        NULL, false                                                                          \
        }

#define EXPECT_OPTION                                                                                        \
        {                                                                                                    \
                "expect", 0, "FILE", "an expected change set (driftd-window(5))", NULL, false                \
        }

#define OUTPUT_OPTION                                                                                        \
        {                                                                                                    \
                "output", 'o', "FILE", "where to (default: standard output)", NULL, false                    \
        }

static const struct option init_options[] = {
        {"trust", 0, "PUB", "the public key of an approver; may repeat", NULL, true},
        {"yes", 0, NULL, "do not ask", NULL, false},
        END,
};

static const struct option key_generate_options[] = {
        {"name", 0, "NAME", "the approver", NULL, false},
        {"output", 'o', "FILE", "the key's file (default: NAME.key); the public half goes to FILE.pub", NULL,
                false},
        {"no-passphrase", 0, NULL, "leave the key unsealed: whoever reads the file can sign", NULL, false},
        END,
};

static const struct option report_options[] = {
        {"since", 0, "TIME", "from then on (30 days ago)", NULL, false},
        {"until", 0, "TIME", "until before then (now)", NULL, false},
        OUTPUT_OPTION,
        END,
};

static const struct option diff_options[] = {
        {"cached", 0, NULL, "ask the ledger; look at nothing", NULL, false},
        {"full", 0, NULL, "hash everything: vouches for content", NULL, false},
        {"expand", 0, NULL, "list each file of a package instead of one line", NULL, false},
        {"against", 0, "NAME@GEN|FILE", "compare with another generation or with a file", NULL, false},
        EXPECT_OPTION,
        {"format", 0, "FORMAT", "text, json, or for pipelines: junit, sarif, tap", format_choices, false},
        {"root", 0, "DIR", "judge the image mounted at DIR; needs --baseline and --trust", NULL, false},
        {"baseline", 0, "FILE", "with --root: the signed baseline (approvals: FILE.approval)", NULL, false},
        {"trust", 0, "FILE", "with --root: the trust file", NULL, false},
        END,
};

static const struct option scan_options[] = {
        {"full", 0, NULL, "hash everything: vouches for content", NULL, false},
        END,
};

static const struct option log_options[] = {
        {"since", 0, "TIME", "from then on (2026-11-23, -2h, yesterday, RFC 3339)", NULL, false},
        {"until", 0, "TIME", "before then", NULL, false},
        {"kind", 0, "KIND", "only records of this kind", NULL, false},
        END,
};

static const struct option log_checkpoint_options[] = {
        OUTPUT_OPTION,
        {"request", 0, NULL, "the body of a request to a witness, with the proof from --old", NULL, false},
        {"old", 0, "N", "with --request: the records that the witness has seen (default: 0)", NULL, false},
        {"show-key", 0, NULL, "only the verifier key of this host's checkpoints", NULL, false},
        END,
};

static const struct option log_verify_options[] = {
        {"checkpoint", 0, "FILE", "a signed checkpoint that was kept elsewhere", NULL, false},
        {"key", 0, "VKEY|FILE", "the verifier key of the host, or of a witness, kept elsewhere", NULL, false},
        END,
};

static const struct option log_witness_options[] = {
        {"state", 0, "DIR", "the folder of the witness's key and of what it has cosigned", NULL, false},
        {"log", 0, "VKEY|FILE", "a log to cosign: its verifier key, or a file with one a line; may repeat",
                NULL, true},
        {"listen", 0, "ADDRESS", "serve HTTP on IP:PORT, instead of one request from standard input", NULL,
                false},
        {"silence", 0, "TIME", "alarm when a log sent nothing for so long (1h, 2d)", NULL, false},
        {"check", 0, NULL, "only tell which logs were heard, and when", NULL, false},
        {"name", 0, "NAME", "the name of a new key (default: the name of the host)", NULL, false},
        {"show-key", 0, NULL, "only the verifier key of this witness", NULL, false},
        END,
};

static const struct option coverage_options[] = {
        {"since", 0, "TIME", "from then on (default: the first start)", NULL, false},
        {"until", 0, "TIME", "before then (default: now)", NULL, false},
        END,
};

static const struct option top_options[] = {
        {"interval", 0, "TIME", "how often it asks (2s; 1s to 1h); what is recorded shows at once", NULL,
                false},
        END,
};

static const struct option propose_options[] = {
        OUTPUT_OPTION,
        CHANGE_OPTIONS,
        {"expires", 0, "TIME", "stale from then on (+90d, 2027-02-23)", NULL, false},
        AUTHOR_OPTION,
        POLICY_OPTION,
        END,
};

static const struct option waive_options[] = {
        {"until", 0, "TIME", "the end of the waiver (+14d, 2027-02-23)", NULL, false},
        {"reason", 0, "TEXT", "why", NULL, false},
        {"baseline", 0, "NAME", "whose expectation is waived (default: host)", NULL, false},
        CHANGE_OPTIONS,
        OUTPUT_OPTION,
        AUTHOR_OPTION,
        END,
};

static const struct option review_options[] = {
        {"parent", 0, "FILE", "the generation before: what is old", NULL, false},
        {"trust", 0, "FILE", "judge the approvals by this trust file", NULL, false},
        END,
};

static const struct option sign_options[] = {
        SIGNING_OPTIONS,
        {"trust", 0, "FILE", "who has which key (default: the daemon's, then the configured one)", NULL,
                false},
        END,
};

static const struct option apply_options[] = {
        {"ahead", 0, NULL, "what it approves is still to come: live state may differ", NULL, false},
        END,
};

static const struct option bless_options[] = {
        CHANGE_OPTIONS,
        {"expires", 0, "TIME", "stale from then on (+90d, 2027-02-23)", NULL, false},
        SIGNING_OPTIONS,
        POLICY_OPTION,
        EXPECT_OPTION,
        END,
};

static const struct option output_options[] = {OUTPUT_OPTION, END};
static const struct option trust_options[] = {
        {"trust", 0, "FILE", "judge the approvals by this trust file", NULL, false},
        END,
};
static const struct option retire_options[] = {OUTPUT_OPTION, CHANGE_OPTIONS, AUTHOR_OPTION, END};
static const struct option ack_options[] = {{"reason", 0, "TEXT", "why", NULL, false}, END};

static const struct option output_list_options[] = {
        {"any", 0, NULL, "print nothing: exit 0 if there is an output, else 4", NULL, false},
        END,
};

static const struct option policy_check_options[] = {
        {"expand", 0, NULL, "list each item of a glob instead of one line for those that agree", NULL, false},
        END,
};

static const struct option window_open_options[] = {
        CHANGE_OPTIONS,
        {"for", 0, "TIME", "how long (30m, 2h, 1d; at most 7d)", NULL, false},
        {"item", 0, "ITEM", "only this item, folder or glob; may repeat (none: every item)", NULL, true},
        {"record", 0, NULL, "what changes becomes an expected change set: window close -o FILE", NULL, false},
        EXPECT_OPTION,
        {"any-host", 0, NULL, "whatever the host and its generation", NULL, false},
        SIGNING_OPTIONS,
        {"output", 'o', "FILE", "do not open it: write FILE, for others to sign", NULL, false},
        END,
};

#define WINDOW_OPTIONS                                                                                       \
        {"ticket", 0, "TICKET", "which one, by its ticket or the beginning of its id", NULL, false},         \
        {                                                                                                    \
                "output", 'o', "FILE", "write the set of what was expected", NULL, false                     \
        }

static const struct option window_close_options[] = {WINDOW_OPTIONS, END};
static const struct option window_show_options[] = {
        WINDOW_OPTIONS,
        {"cached", 0, NULL, "ask the ledger; look at nothing", NULL, false},
        END,
};

static const struct option evidence_export_options[] = {
        OUTPUT_OPTION,
        {"since", 0, "TIME", "from then on (2026-11-23, -2h, yesterday, RFC 3339)", NULL, false},
        {"until", 0, "TIME", "before then", NULL, false},
        {"checkpoint", 0, "FILE", "an earlier checkpoint, kept elsewhere; may repeat", NULL, true},
        END,
};

static const struct option evidence_verify_options[] = {
        {"trust", 0, "FILE", "a trust file of the host, from elsewhere than the bundle", NULL, false},
        {"key", 0, "VKEY|FILE", "the verifier key of the host, noted when it was set up", NULL, false},
        END,
};

#define SIGN_USAGE "(--key K | --ssh-key K | --ssh-agent)"

const struct command commands[] = {
        {"init", "[--trust PUB]... [--yes]",
                "first steps: write configuration and trust where they are missing", command_init, 0, 0, 0,
                init_options,
                "Nothing that is there is ever written over. Without --trust only the configuration is "
                "written, and\n"
                "you are told how an approver makes a key."},
        {"key generate", "--name N [-o FILE] [--no-passphrase]",
                "make an approver's key: FILE (0600) and FILE.pub", command_key_generate, 0, 0, 0,
                key_generate_options,
                "The passphrase is asked on the terminal; for scripts DRIFTD_PASSPHRASE_FILE names a file "
                "that holds it.\n"
                "Keep the key away from the hosts that it approves for."},
        {"key show", "FILE", "the name, public key and fingerprint of a key", command_key_show, COMMAND_FILES,
                1, 1, NULL, NULL},
        {"status", "", "one screen: daemon, baselines, trust, coverage, problems, open drift", command_status,
                0, 0, 0, NULL, NULL},
        {"diff",
                "[ITEM]... [--cached] [--full] [--expand] [--against NAME@GEN|FILE] [--format FORMAT]\n"
                "       driftctl diff --expect FILE\n"
                "       driftctl diff [ITEM]... --root DIR --baseline FILE --trust FILE",
                "compare now: what differs from the signed baselines", command_diff, COMMAND_ITEMS, 0,
                WORDS_ANY, diff_options,
                "An ITEM is a path, file:PATH, sysctl:KEY, sshd:KEYWORD or openssl:NAME; globs: * within a "
                "name, ** across,\n"
                "? one byte. Files of a package that dpkg's digests vouch for are one line: --expand, or "
                "items, list each.\n"
                "With --root a mounted image is judged, without a daemon; nothing under DIR is "
                "trusted."},
        {"show", "ITEM", "all about one item: expected, actual, line diff, history, rule", command_show,
                COMMAND_ITEMS, 1, 1, NULL, NULL},
        /* before the shorter name */
        {"log checkpoint", "[-o FILE] [--request [--old N]] [--show-key]",
                "the signed tree head of the history, to be kept elsewhere", command_log_checkpoint, 0, 0, 0,
                log_checkpoint_options,
                "Keep it where root of this host cannot write: it then shows that the history was cut or "
                "rewritten\n"
                "(driftctl log verify). With --request a witness cosigns it: driftctl log witness --help."},
        {"log witness",
                "--state DIR --log VKEY|FILE... [--listen IP:PORT] [--silence T] [--name NAME]\n"
                "       driftctl log witness --state DIR --log VKEY|FILE... --check [--silence T]\n"
                "       driftctl log witness --state DIR --show-key",
                "cosign the checkpoints of other hosts, as far as they extend what was seen",
                command_log_witness, 0, 0, 0, log_witness_options,
                "Runs on another host than the one it watches. Answers one request of driftctl log "
                "checkpoint "
                "--request\n"
                "from standard input (through ssh), or with --listen any number over HTTP (POST "
                "/add-checkpoint).\n"
                "Exit code: 0 cosigned, 2 with --check a log is silent, 3 refused: cut, rewritten or not by "
                "its "
                "key, 4 failed."},
        {"log verify", "--checkpoint FILE [--key VKEY|FILE]",
                "whether the history goes on from a checkpoint that was kept elsewhere", command_log_verify,
                0, 0, 0, log_verify_options,
                "Exit code: 0 it does, 3 it was cut or rewritten, or the checkpoint is not by that key. "
                "Without "
                "--key the\n"
                "key is the host's own, which root of this host can read: that proves less."},
        {"log", "[--since T] [--until T] [--kind K] [ITEM]...", "the history", command_log, COMMAND_ITEMS, 0,
                WORDS_ANY, log_options, NULL},
        {"watch", "[ITEM]...", "follow the history live, until Ctrl-C", command_watch, COMMAND_ITEMS, 0,
                WORDS_ANY, NULL, NULL},
        {"top", "[--interval TIME]", "a live screen: verdict, coverage, passes, events, open drift",
                command_top, 0, 0, 0, top_options,
                "q quits, ? tells the keys. For a terminal of 80 columns and 24 lines, or what there is."},
        {"scan", "[--full]", "diff without the listing; waits for the answer", command_scan, 0, 0, 0,
                scan_options, NULL},
        {"propose", "[ITEM]... [--policy PACK] [-o FILE] [--ticket T] [--class C] [--expires T]",
                "the next generation, as text to review and sign", command_propose, COMMAND_ITEMS, 0,
                WORDS_ANY, propose_options,
                "Takes the live state of the items named (none named: all) and leaves the rest as expected."},
        {"review", "FILE [--parent FILE] [--trust FILE]",
                "what a proposal changes; works anywhere, without a daemon", command_review, COMMAND_FILES, 1,
                1, review_options, NULL},
        {"sign", "FILE... " SIGN_USAGE " [--as NAME] [--trust FILE] [--yes]",
                "approve baselines, or a trust file: writes FILE.approval", command_sign, COMMAND_FILES, 1,
                WORDS_ANY, sign_options,
                "One signature covers all baselines given. It is added to each FILE.approval; your own "
                "earlier approval\n"
                "of exactly the same is replaced. For scripts DRIFTD_PASSPHRASE_FILE names a file with the "
                "passphrase."},
        {"apply", "FILE [--ahead]", "hand a signed baseline (FILE and FILE.approval) to the daemon",
                command_apply, COMMAND_FILES, 1, 1, apply_options,
                "What it changes must be live as it says, else it is refused and names what is not; --ahead "
                "is "
                "for a\nbaseline that comes before the deploy. With further approvals of what owes a review "
                "it "
                "gives that."},
        {"bless",
                "[ITEM]... [--policy PACK | --expect FILE] --ticket T [--class C] [--expires T] " SIGN_USAGE
                " [--yes]",
                "propose, choose, sign and apply in one step", command_bless, COMMAND_ITEMS, 0, WORDS_ANY,
                bless_options,
                "On a terminal each change is shown and unchecked until you choose it; elsewhere --yes takes "
                "all that the\n"
                "items select. Refused if anything moved after it was shown."},
        {"baseline list", "", "which baselines and generations there are", command_baseline_list, 0, 0, 0,
                NULL, NULL},
        {"baseline show", "NAME[@GEN]", "one generation: header, signers, scopes", command_baseline_show, 0,
                1, 1, NULL, NULL},
        {"baseline export", "NAME[@GEN] [-o FILE]", "the signed bytes: FILE and FILE.approval",
                command_baseline_export, 0, 1, 1, output_options, NULL},
        {"baseline verify", "FILE [--trust FILE]", "check a file offline: form, id, approvals",
                command_baseline_verify, COMMAND_FILES, 1, 1, trust_options, NULL},
        {"baseline retire", "NAME [-o FILE]",
                "propose that a baseline ends: an empty next generation, to be signed",
                command_baseline_retire, 0, 1, 1, retire_options, NULL},
        {"ack", "ITEM --reason R", "quiet the notification of open drift; the verdict stays", command_ack,
                COMMAND_ITEMS, 1, 1, ack_options, NULL},
        {"waive", "ITEM --until T --reason R [--ticket T] [-o FILE]",
                "propose that drift of an item is excused for a time, to be signed", command_waive,
                COMMAND_ITEMS, 1, 1, waive_options, NULL},
        {"report", "[--since T] [--until T] [-o FILE]", "a period as one HTML page, for people",
                command_report, 0, 0, 0, report_options, NULL},
        {"verify", "", "verify all that is stored; names the first record that is wrong", command_verify, 0,
                0, 0, NULL, NULL},
        {"coverage", "[--since T] [--until T]", "that it ran and looked, proved by the history alone",
                command_coverage, 0, 0, 0, coverage_options,
                "Exit code: 0 watched without a gap, 2 there is one."},
        {"evidence export", "[--since T] [--until T] [--checkpoint FILE]... -o DIR",
                "what an auditor needs of a time, as a folder of plain files", command_evidence_export, 0, 0,
                0, evidence_export_options,
                "DIR must not exist, or be empty. Its README.txt tells how to check it by hand."},
        {"evidence verify", "DIR --trust FILE [--key VKEY|FILE]",
                "check such a folder; needs no daemon, no root and nothing of the host",
                command_evidence_verify, COMMAND_FILES, 1, 1, evidence_verify_options,
                "Exit code: 0 all of it holds, 3 something does not (it says what), 4 the folder is no "
                "bundle."},
        {"backup", "FILE", "a consistent copy of the store, while it runs", command_backup, COMMAND_FILES, 1,
                1, NULL, NULL},
        {"policy list", "", "the policy packs that there are", command_policy_list, 0, 0, 0, NULL, NULL},
        {"policy show", "PACK", "the checks of a pack, with their reasons and controls", command_policy_show,
                COMMAND_FILES, 1, 1, NULL, "PACK is a name in the packs' folder, or a path with a slash."},
        {"policy check", "PACK [--expand]", "judge this host by a pack, now; nothing is signed or recorded",
                command_policy_check, COMMAND_FILES, 1, 1, policy_check_options,
                "PACK is a name in the packs' folder, or a path with a slash. Needs no daemon; with one, "
                "what "
                "the signed\n"
                "baseline of the pack's name waives is waived. Exit code: 0 nothing fails, 1 a check fails, "
                "2 "
                "none fails but\n"
                "one could not be judged."},
        {"window open",
                "--ticket T --for TIME [--class C] [--item ITEM]... [--record | --expect FILE] [--any-host]\n"
                "       " SIGN_USAGE " [--as NAME] [--yes] [-o FILE]",
                "open a change window: drift in it counts as low, and says why", command_window_open, 0, 0, 0,
                window_open_options,
                "A window is signed as a change of host is. It hides nothing and changes no verdict. Where "
                "several people\n"
                "must sign, -o FILE writes it; then driftctl sign FILE, and driftctl apply FILE."},
        {"window close", "[--ticket T] [-o FILE]",
                "end a window: what was expected, what was not, and what is absent", command_window_close, 0,
                0, 0, window_close_options, NULL},
        {"window show", "[--ticket T] [--cached] [-o FILE]",
                "the same without ending it, or of one that ended", command_window_show, 0, 0, 0,
                window_show_options, NULL},
        {"window list", "", "the windows that are open, and those that ended", command_window_list, 0, 0, 0,
                NULL, NULL},
        {"window record", "-o FILE", "write all that drifts now as an expected change set",
                command_window_record, 0, 0, 0, output_options, NULL},
        {"doctor", "", "what is missing or weak in the set-up, and the line that mends it", command_doctor, 0,
                0, 0, NULL,
                "What it could not look at is unknown: as root it sees more. Exit code: 0 it looked, "
                "whatever it "
                "found;\n4 it could not."},
        {"output run", "", "the relay: deliver the history to every [output NAME]; systemd runs it",
                command_output_run, 0, 0, 0, NULL,
                "Stays in the foreground. SIGHUP reads the configuration again, SIGTERM ends it."},
        {"output list", "[--any]", "each output: how far it is, how far behind, and its last error",
                command_output_list, 0, 0, 0, output_list_options, NULL},
        {"output test", "NAME", "send one record that says that it is a test, and tell what came of it",
                command_output_test, 0, 1, 1, NULL, NULL},
        {"config check", "", "check the configuration and the trust file", command_config_check, 0, 0, 0,
                NULL, NULL},
        {"completion", "bash|zsh|fish", "a completion script for a shell", command_completion, 0, 1, 1, NULL,
                NULL},
        {"version", "", "the version", command_version, 0, 0, 0, NULL, NULL},
        {"help", "[COMMAND]", "what there is, and what a command does", command_help, 0, 0, 2, NULL, NULL},
        END,
};
