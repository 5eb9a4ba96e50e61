/* SPDX-License-Identifier: MIT */
/*
 * What a bundle says in words and numbers: the summary, which is made from what was verified and nothing
 * else; which controls the files answer, and what they do not answer; and how a person checks all of it
 * without driftctl.
 *
 * Titles of controls as in: NIST SP 800-53 Rev. 5; PCI DSS v4.0.1 (requirements have no titles: their matter
 * is named); ISO/IEC 27001:2022 Annex A. What they ask is told in our words.
 */
#include "core/evidence_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

/* ---- controls ---- */

static const struct control {
        const char *framework, *id, *title, *asks, *shows, *not ;
        const char *files[4];
} controls[] = {
        {"NIST SP 800-53 Rev. 5", "CM-2", "Baseline Configuration",
                "a current baseline of the system that is kept under configuration control and reviewed",
                "each generation of each baseline that was in force, with who approved it and when",
                "that the baseline is a good one, or covers all that matters: read its scope lines",
                {"baselines/", "summary.json"}},
        {"NIST SP 800-53 Rev. 5", "CM-3", "Configuration Change Control",
                "changes that are proposed, reviewed, approved, documented and monitored",
                "for each change of a baseline its ticket, class and author and the verified signatures of "
                "those who "
                "approved it, by the thresholds of the trust file; and each change of the host that nobody "
                "approved",
                "how carefully the change was reviewed, or what the ticket says",
                {"records.jsonl", "baselines/", "trust/", "summary.json"}},
        {"NIST SP 800-53 Rev. 5", "CM-6", "Configuration Settings",
                "secure settings that are documented and implemented, deviations approved, changes monitored",
                "the settings expected (set lines of baselines), and each time when the effective ones were "
                "others",
                "settings that no baseline names", {"baselines/", "records.jsonl"}},
        {"NIST SP 800-53 Rev. 5", "SI-7", "Software, Firmware, and Information Integrity",
                "tools that detect unauthorized changes, and action when they do",
                "that the host was watched (coverage), each deviation that was found, and how it ended",
                "firmware; what a hostile kernel hides; what was done besides, outside of the host",
                {"records.jsonl", "coverage.json"}},
        {"NIST SP 800-53 Rev. 5", "AU-10", "Non-repudiation",
                "evidence that a person did what they are said to have done, which they cannot deny",
                "a signature by the approver's own key over each baseline and trust file, which anyone can "
                "verify",
                "that only that person had the key: approvals say where it was on the host itself "
                "(key-on-host)",
                {"baselines/", "trust/"}},
        {"PCI DSS v4.0.1", "10.3.4", "Change detection on audit logs",
                "log data that cannot be changed without an alert",
                "that the records are those of the signed tree head, and, with checkpoints kept elsewhere, "
                "that none "
                "before was changed or removed",
                "other logs of the host, unless a baseline covers them; that somebody was alerted",
                {"records.proof", "checkpoint", "checkpoints/"}},
        {"PCI DSS v4.0.1", "11.5.2", "Change-detection mechanism",
                "detection of changed, added and deleted critical files, with alerts, and comparisons at "
                "least weekly",
                "each change that was found, and that passes over all files were made, at most so far apart",
                "that the critical files are all in a scope, and that alerts reached people",
                {"coverage.json", "records.jsonl", "baselines/"}},
        {"ISO/IEC 27001:2022", "A.8.9", "Configuration management",
                "configurations that are established, documented, implemented, monitored and reviewed",
                "the documented configuration (baselines), its monitoring (records, coverage) and its "
                "approvals",
                "the configuration of networks and services outside of the host",
                {"baselines/", "records.jsonl", "coverage.json"}},
        {"ISO/IEC 27001:2022", "A.8.32", "Change management",
                "changes of information systems that follow a procedure",
                "that each change of what is expected was approved by those whom the trust file names, with "
                "its ticket",
                "planning, test and communication of a change", {"summary.json", "baselines/", "trust/"}},
};

struct json *
evidence_controls_json(void)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
                const struct control *c = &controls[i];
                struct json *files = json_array_make();
                for (size_t j = 0; j < ARRAY_SIZE(c->files) && c->files[j]; j++)
                        json_gather(&files, json_string_new(c->files[j]));
                json_gather(&list, json_make("{s:s, s:s, s:s, s:o}", "framework", c->framework, "control",
                                           c->id, "title", c->title, "files", files));
        }
        return list;
}

int
evidence_controls_append(struct buf *buf)
{
        int r = buf_text(buf, "# Which files answer which control\n\n"
                              "The words are driftd's, and no quotation: read the control itself. A bundle "
                              "is evidence for a part of a\n"
                              "control and never for the whole of it.\n");
        for (size_t i = 0; i < ARRAY_SIZE(controls) && r == 0; i++) {
                const struct control *c = &controls[i];
                r = buf_printf(buf,
                        "\n## %s %s, %s\n\n- It asks for %s.\n- Shown here: %s.\n- Not shown: %s.\n- Files:",
                        c->framework, c->id, c->title, c->asks, c->shows, c->not );
                for (size_t j = 0; j < ARRAY_SIZE(c->files) && c->files[j] && r == 0; j++)
                        r = buf_printf(buf, "%s %s", j ? "," : "", c->files[j]);
                r = r ? r : buf_text(buf, "\n");
        }
        return r;
}

/* ---- summary ---- */

static int
kind_order(const void *a, const void *b)
{
        return strcmp(a, b); /* the kind is the first member */
}

static struct json *
kinds_json(struct evidence *e)
{
        struct json *kinds = json_make("{}");
        qsort(e->kinds, e->n_kinds, sizeof *e->kinds, kind_order);
        for (size_t i = 0; i < e->n_kinds && kinds; i++)
                if (json_put(kinds, e->kinds[i].kind, json_make("I", (json_int)e->kinds[i].count)) < 0)
                        kinds = json_free(kinds);
        return kinds;
}

static struct json *
checkpoint_json(const struct evidence *e)
{
        char root[DIGEST_HEX_SIZE], time[CLOCK_TEXT_MAX];
        _cleanup_buf_ struct buf key = {0};
        digest_hex(&e->checkpoint.root, root);
        clock_format_seconds(e->checkpoint.time_ms, time);
        if (note_key_append(&e->key, &key) < 0)
                return NULL;
        return json_make("{s:s, s:I, s:s, s:s, s:s, s:O}", "origin", e->checkpoint.origin, "size",
                (json_int)e->checkpoint.size, "root", root, "time", time, "key", key.data, "earlier",
                e->olds);
}

static struct json *
trusts_json(const struct evidence *e)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < e->n_trusts; i++) {
                char id[DIGEST_HEX_SIZE];
                digest_hex(trust_id(e->trusts[i].trust), id);
                json_gather(&list,
                        json_make("{s:I, s:s}", "generation", (json_int)e->trusts[i].generation, "id", id));
        }
        return list;
}

static struct json *
baselines_json(const struct evidence *e)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < e->n_baselines; i++) {
                const struct evidence_baseline *b = &e->baselines[i];
                char id[DIGEST_HEX_SIZE];
                digest_hex(&b->id, id);
                json_gather(&list,
                        json_make("{s:s, s:I, s:s, s:s, s:b, s:I, s:O, s:o}", "name", b->name, "generation",
                                (json_int)b->generation, "id", id, "applied",
                                b->before ? "before" : "recorded", "text", b->has_text, "trust_generation",
                                (json_int)b->trust_generation, "signers", b->signers, "reviewers",
                                b->reviewers ? json_keep(b->reviewers) : json_array_make()));
        }
        return list;
}

static struct json *
summary_make(struct evidence *e)
{
        uint64_t count = e->last - e->first + 1;
        return json_make("{s:s, s:s, s:{s:o, s:o}, s:o, s:{s:I, s:I, s:I, s:I, s:I}, s:o, s:{s:I, s:I, s:I}, "
                         "s:O, s:I, s:{s:I, s:I, "
                         "s:O, s:I}, s:O, s:I, s:o, s:o, s:o}",
                "schema", "driftd.evidence/1", "host", e->host, "period", "since",
                clock_json(e->period.since_ms), "until", clock_json(e->period.until_ms), "checkpoint",
                checkpoint_json(e), "records", "first", (json_int)e->range.first, "last",
                (json_int)e->range.last, "period_first", (json_int)e->first, "period_last", (json_int)e->last,
                "count", (json_int)count, "kinds", kinds_json(e), "severities", "high",
                (json_int)e->severities[0], "medium", (json_int)e->severities[1], "low",
                (json_int)e->severities[2], "changes", e->changes, "changes_left_out",
                (json_int)e->changes_left, "findings", "approved", (json_int)e->approved, "reverted",
                (json_int)e->reverted, "reverts", e->reverts, "reverts_left_out", (json_int)e->reverts_left,
                "gaps", e->gaps, "gaps_left_out", (json_int)e->gaps_left, "baselines", baselines_json(e),
                "trust", trusts_json(e), "controls", evidence_controls_json());
}

/* ---- limits ---- */

static struct json *
limits_make(const struct evidence *e)
{
        struct json *list = json_array_make();
        bool header = false, before = false;
        for (size_t i = 0; i < e->n_baselines; i++) {
                header = header || !e->baselines[i].has_text;
                before = before || (e->baselines[i].before && !e->baselines[i].before_proved);
        }
        json_gather(&list, json_string_new("What driftd did not see is not recorded: a hostile kernel, or "
                                           "root, can keep it from seeing. "
                                           "coverage.json says when nobody looked."));
        json_gather(&list,
                json_string_new(
                        "Times are what the host's clock said. A record that was written while the clock was "
                        "wrong can stand elsewhere in the log; an export without --since and --until holds "
                        "all."));
        if (e->clock_back)
                json_gather(
                        &list, json_string_new("The clock was set back at least once among these records."));
        if (!json_length(e->olds))
                json_gather(&list,
                        json_string_new(
                                "No earlier checkpoint is in the bundle: root of the host can have rewritten "
                                "the "
                                "history before this one was signed. Checkpoints kept elsewhere show it: "
                                "--checkpoint."));
        if (header)
                json_gather(&list, json_string_new("Of some baselines only the header lines are kept: the "
                                                   "approvals sign their ids, "
                                                   "but the lines themselves are unproved."));
        if (before)
                json_gather(&list, json_string_new("That a baseline was in force when the records begin is "
                                                   "claimed by the host, where "
                                                   "neither its successor nor the checkpoint names it."));
        json_gather(&list,
                json_string_new(
                        "README.txt and controls.md are words: read their commands before you run them."));
        return list;
}

int
evidence_documents_make(struct evidence *e, struct err *err)
{
        e->summary = summary_make(e);
        e->limits = limits_make(e);
        return e->summary && e->limits ? 0 : err_oom(err);
}

/* ---- README.txt ---- */

static const char readme_start[] =
        "Evidence of driftd: what host %s recorded, and who approved its changes.\n"
        "\n"
        "The quick way, on any machine, with a trust file and the host's key that you have from elsewhere:\n"
        "\n"
        "    driftctl evidence verify . --trust TRUST.conf --key KEY.pub\n"
        "\n"
        "By hand, with coreutils, OpenSSH and jq, in this folder. Lines that are indented by four blanks are "
        "commands.\n"
        "\n"
        "1. The files are whole. (This alone proves nothing: whoever changes a file can change its digest "
        "here.)\n"
        "\n"
        "    sha256sum -c --strict SHA256SUMS\n"
        "\n"
        "2. The records are contiguous.\n"
        "\n"
        "    jq -es 'length > 0 and ([.[].seq] == [range(.[0].seq; .[0].seq + length)])' records.jsonl\n"
        "\n"
        "3. The applied baselines, by the records. Each id is the digest of "
        "baselines/NAME@GENERATION.baseline.\n"
        "\n"
        "    jq -r 'select(.kind == \"bless\" or .kind == \"adopted\") | .detail | [.baseline, .generation, "
        ".id, .ticket, "
        "(.signers | join(\",\"))] | @tsv' records.jsonl\n";

static const char readme_keys[] = "\n"
                                  "4. The signatures. First the keys, as trust/*.conf lists them (compare "
                                  "them with what you have from elsewhere):\n"
                                  "\n"
                                  "    check=$(mktemp -d)\n";

static const char readme_split[] =
        "\n"
        "   An approval file holds one signed text after another. This takes them apart, into N.txt and "
        "N.sig:\n"
        "\n"
        "    split() { rm -f \"$check\"/*.txt \"$check\"/*.sig; awk -v d=\"$check\" '/^driftd-approval 1$/ { "
        "n++ } "
        "/^-----BEGIN SSH SIGNATURE-----$/ { s = 1 } { print > (d \"/\" n (s ? \".sig\" : \".txt\")) } "
        "/^-----END SSH SIGNATURE-----$/ { s = 0 }' \"$1\"; }\n"
        "\n"
        "   And this verifies each, and shows what was signed:\n"
        "\n"
        "    verify() { split \"$1\"; for t in \"$check\"/*.txt; do ssh-keygen -Y verify -f "
        "\"$check/allowed_signers\" -I "
        "\"$(sed -n 's/^by //p' \"$t\")\" -n \"$2\" -s \"${t%.txt}.sig\" <\"$t\" || return 1; sed -n "
        "'/^baseline /p; /^trust "
        "/p' \"$t\"; done; }\n"
        "\n";

static const char readme_end[] = "\n"
                                 "   The thresholds (how many people, and whom) are in the trust file that "
                                 "was in force: trust/*.conf.\n"
                                 "\n"
                                 "5. checkpoint is a signed note (c2sp.org/signed-note, "
                                 "c2sp.org/tlog-checkpoint): size and root of the log, RFC 6962.\n"
                                 "   That the records are in it is a computation: records.proof holds the "
                                 "roots of the subtrees to the left and to the\n"
                                 "   right of them, driftctl(1) says how they are put together. Any "
                                 "implementation of RFC 6962 can do it.\n"
                                 "\n"
                                 "What all this does not prove is told by driftctl evidence verify, and in "
                                 "controls.md control by control.\n";

static int
keys_append(const struct evidence *e, const struct evidence_trust *row, struct buf *buf)
{
        const char *const *names;
        size_t n = trust_approvers(row->trust, &names);
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++) {
                const struct ssh_key *keys;
                size_t n_keys = trust_keys_of(row->trust, names[i], &keys);
                for (size_t k = 0; k < n_keys && r == 0; k++) {
                        r = buf_printf(
                                buf, "    echo '%s namespaces=\"approval@driftd,trust@driftd\" ", names[i]);
                        r = r ? r : ssh_key_append_text(&keys[k], buf);
                        r = r ? r : buf_text(buf, "' >>\"$check/allowed_signers\"\n");
                }
        }
        (void)e;
        return r;
}

int
evidence_readme_append(const struct evidence *e, struct buf *buf)
{
        int r = buf_printf(buf, readme_start, e->host);
        r = r ? r : buf_text(buf, readme_keys);
        for (size_t i = 0; i < e->n_trusts && r == 0; i++)
                r = keys_append(e, &e->trusts[i], buf);
        r = r ? r : buf_text(buf, readme_split);
        for (size_t i = 1; i < e->n_trusts && r == 0; i++)
                r = buf_printf(buf, "    verify trust/%" PRIu64 ".conf.approval trust@driftd\n",
                        e->trusts[i].generation);
        for (size_t i = 0; i < e->n_baselines && r == 0; i++) {
                const struct evidence_baseline *b = &e->baselines[i];
                char id[DIGEST_HEX_SIZE];
                digest_hex(&b->id, id);
                r = buf_printf(buf, "    verify %s.approval approval@driftd\n", b->file);
                if (r == 0 && b->has_text)
                        r = buf_printf(buf, "    echo '%s  %s' | sha256sum -c\n", id, b->file);
        }
        return r ? r : buf_text(buf, readme_end);
}
