/* SPDX-License-Identifier: MIT */
/*
 * Counting people. Every approval is held against the same questions, the cheap ones first: is its key
 * somebody's, may they approve this, have they been counted, is it about this very thing, and only then
 * does the signature hold. So ten thousand strangers cost ten thousand lookups and no curve arithmetic,
 * and a pile of forgeries under a known key is cut off at a bound.
 *
 * Invariants: a person counts at most once, however many keys and signatures; nobody counts whose
 * signature was not verified over the bytes that name the subject; whoever is not counted is counted
 * among the reasons, in words of bounded size. Owns nothing but the list of approvals while it counts.
 */
#include "core/trust_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/quote.h"

/* Past this many signatures that do not hold, the file is an attack or damage: no more are tried. */
#define FORGED_MAX 32u
#define LIST_MAX 320   /* bytes of a list of names in the words of an error */
#define EXAMPLE_MAX 72 /* bytes, with the NUL */

enum weight {
        WEIGHT_COUNTS,
        WEIGHT_UNREADABLE,
        WEIGHT_UNKNOWN,
        WEIGHT_UNLISTED,
        WEIGHT_AGAIN,
        WEIGHT_ELSEWHERE,
        WEIGHT_MISNAMED,
        WEIGHT_AUTHOR,
        WEIGHT_PURPOSE,
        WEIGHT_FORGED,
        WEIGHTS,
};

static const char *const weight_words[WEIGHTS] = {
        [WEIGHT_UNREADABLE] = "no usable SSH signature",
        [WEIGHT_UNKNOWN] = "by a key that the trust file does not list",
        [WEIGHT_UNLISTED] = "by somebody who may not approve this",
        [WEIGHT_AGAIN] = "by somebody counted already",
        [WEIGHT_ELSEWHERE] = "for something else",
        [WEIGHT_MISNAMED] = "signed by another than it says",
        [WEIGHT_AUTHOR] = "by the author, who does not count (author_counts = no)",
        [WEIGHT_PURPOSE] = "made for another purpose",
        [WEIGHT_FORGED] = "whose signature does not hold",
};

struct tally {
        const struct trust *trust;
        const char *name_space;
        const struct approval_subject *subject;
        const char *author;                /* NULL: everybody's counts */
        bool may[TRUST_APPROVERS_MAX];     /* by index: whose approval is asked for */
        bool counted[TRUST_APPROVERS_MAX]; /* by index */
        struct trust_verdict *verdict;
        size_t refused[WEIGHTS];
        char example[WEIGHTS][EXAMPLE_MAX]; /* who was the first of each */
};

/* ---- one approval ---- */

static bool
names_subject(const struct tally *tally, const struct approval *approval)
{
        const struct approval_subject *s = tally->subject;
        if (s->window)
                return approval_names_window(approval, &s->id);
        return s->name ? approval_names_baseline(approval, &s->id, s->name, s->host, s->generation)
                       : approval_names_trust(approval, &s->id, s->generation);
}

/* A weight, or -ENOMEM. *ret_index: who it is; -ENOENT while nobody knows. */
static int
approval_weigh(const struct tally *tally, const struct approval *approval, struct sshsig *sig, int *ret_index)
{
        *ret_index = -ENOENT;
        int r = sshsig_parse(approval->armor, approval->armor_size, sig, NULL);
        if (r)
                return r < 0 ? r : WEIGHT_UNREADABLE;
        int index = *ret_index = trust_find_key(tally->trust, &sig->key);
        if (index < 0)
                return WEIGHT_UNKNOWN;
        if (!tally->may[index])
                return WEIGHT_UNLISTED;
        if (tally->counted[index])
                return WEIGHT_AGAIN;
        if (!names_subject(tally, approval))
                return WEIGHT_ELSEWHERE;
        if (strcmp(approval->by, tally->trust->names[index]) != 0)
                return WEIGHT_MISNAMED;
        if (tally->author && strcmp(tally->author, tally->trust->names[index]) == 0)
                return WEIGHT_AUTHOR;
        r = sshsig_verify(sig, tally->name_space, approval->text, approval->text_size, NULL);
        if (r > 0)
                return r == SSHSIG_PURPOSE ? WEIGHT_PURPOSE : WEIGHT_FORGED;
        return r < 0 ? r : WEIGHT_COUNTS;
}

static void
note_example(struct tally *tally, enum weight weight, const struct sshsig *sig, int index)
{
        _cleanup_buf_ struct buf fingerprint = {0};
        const char *who = index >= 0 ? tally->trust->names[index] : NULL;
        if (weight == WEIGHT_UNKNOWN && ssh_key_append_fingerprint(&sig->key, &fingerprint) == 0)
                who = fingerprint.data;
        snprintf(tally->example[weight], EXAMPLE_MAX, "%s", who ? who : "");
}

static int
tally_add(struct tally *tally, const struct approval *approval)
{
        struct sshsig sig;
        int index;
        int weight = approval_weigh(tally, approval, &sig, &index);
        if (weight < 0)
                return weight;
        if (weight != WEIGHT_COUNTS) {
                if (tally->refused[weight]++ == 0)
                        note_example(tally, (enum weight)weight, &sig, index);
                return 0;
        }
        struct trust_verdict *verdict = tally->verdict;
        assert(verdict->n_signers < TRUST_APPROVERS_MAX);
        tally->counted[index] = true;
        verdict->key_on_host[verdict->n_signers] = approval->key_on_host;
        verdict->signers[verdict->n_signers++] = tally->trust->names[index];
        return 0;
}

/* 0, TRUST_MALFORMED or -ENOMEM. */
static int
tally_count(struct tally *tally, const char *approvals, size_t size, struct err *err)
{
        _cleanup_free_ struct approval *list = NULL;
        size_t count = 0;
        int r = approvals_parse(approvals, size, &list, &count, err);
        if (r > 0 && err)
                err->code = TRUST_MALFORMED;
        if (r)
                return r < 0 ? r : TRUST_MALFORMED;
        for (size_t i = 0; i < count; i++) {
                if (tally_add(tally, &list[i]) < 0)
                        return err_oom(err);
                if (tally->refused[WEIGHT_FORGED] > FORGED_MAX)
                        return err_set(err, TRUST_MALFORMED,
                                "the approval file holds more than %u signatures that do not hold",
                                FORGED_MAX);
        }
        return 0;
}

/* ---- words ---- */

/* Text that grows in fixed memory; what does not fit becomes "...". */
struct words {
        char text[ERR_TEXT_MAX];
        size_t size;
};

static void _printf_(2, 3) words_add(struct words *words, const char *format, ...)
{
        size_t room = sizeof words->text - words->size;
        va_list args;
        va_start(args, format);
        int wanted = vsnprintf(words->text + words->size, room, format, args);
        va_end(args);
        if (wanted < 0)
                return;
        if ((size_t)wanted < room) {
                words->size += (size_t)wanted;
                return;
        }
        words->size = sizeof words->text - 1;
        memcpy(words->text + sizeof words->text - 4, "...", 4);
}

static void
words_add_names(struct words *words, const char *const *names, size_t n_names)
{
        size_t stop = words->size + LIST_MAX;
        for (size_t i = 0; i < n_names; i++) {
                if (words->size + strlen(names[i]) > stop) {
                        words_add(words, " and %zu more", n_names - i);
                        return;
                }
                words_add(words, "%s%s", i ? " " : "", names[i]);
        }
}

/* "; not counted: 10000 by a key that ... (SHA256:...), 1 by the author ... (alice)" */
static void
words_add_refused(struct words *words, const struct tally *tally)
{
        const char *before = "; not counted: ";
        for (size_t i = 1; i < WEIGHTS; i++) {
                if (!tally->refused[i])
                        continue;
                words_add(words, "%s%zu %s", before, tally->refused[i], weight_words[i]);
                if (tally->example[i][0])
                        words_add(
                                words, " (%s%s)", tally->refused[i] > 1 ? "first: " : "", tally->example[i]);
                before = ", ";
        }
}

static void
words_add_count(struct words *words, size_t have, unsigned needed)
{
        words_add(words, "%zu of %u approval%s", have, needed, needed == 1 ? "" : "s");
}

/* ---- a baseline ---- */

static int
refuse_too_few(const struct tally *tally, const struct trust_section *section, struct err *err)
{
        struct words words = {0};
        const struct trust_verdict *verdict = tally->verdict;
        words_add_count(&words, verdict->n_signers, verdict->needed);
        if (verdict->n_signers) {
                words_add(&words, " (");
                words_add_names(&words, verdict->signers, verdict->n_signers);
                words_add(&words, ")");
        }
        words_add(&words, "; may approve: ");
        words_add_names(&words, section->approvers, section->n_mentions);
        words_add_refused(&words, tally);
        err_set(err, TRUST_TOO_FEW, "%s", words.text);
        return err_hint(err, TRUST_TOO_FEW, "driftctl sign FILE by %u more of those who may approve",
                verdict->needed - (unsigned)verdict->n_signers);
}

static int
refuse_no_rule(const char *name, struct err *err)
{
        err_set(err, TRUST_NO_RULE, "the trust file has no rule for a baseline named %s", quote(name));
        return err_hint(
                err, TRUST_NO_RULE, "a section [baseline NAME] or [baseline *] says who may approve it");
}

/* What the people of a baseline's section say of a subject. */
static int
judge_by_section(const struct trust *trust, const char *name, const struct approval_subject *subject,
        const char *author, bool class_urgent, const char *approvals, size_t approvals_size,
        struct trust_verdict *ret, struct err *err)
{
        const struct trust_section *section = trust_find_section(trust, name);
        if (!section)
                return refuse_no_rule(name, err);
        bool urgent = class_urgent && section->urgent_threshold;
        struct trust_verdict verdict = {.needed = urgent ? section->urgent_threshold : section->threshold};
        struct tally tally = {
                .trust = trust,
                .name_space = approval_subject_namespace(subject),
                .subject = subject,
                .author = section->author_counts ? NULL : author,
                .verdict = &verdict,
        };
        for (size_t i = 0; i < section->n_mentions; i++)
                tally.may[section->indexes[i]] = true;
        int r = tally_count(&tally, approvals, approvals_size, err);
        if (r)
                return r;
        verdict.urgent_used =
                urgent && verdict.n_signers >= verdict.needed && verdict.n_signers < section->threshold;
        *ret = verdict;
        return verdict.n_signers < verdict.needed ? refuse_too_few(&tally, section, err) : 0;
}

int
trust_judge_baseline(const struct trust *trust, const struct digest *id, const char *name, const char *host,
        uint64_t generation, const char *author, bool class_urgent, const char *approvals,
        size_t approvals_size, struct trust_verdict *ret, struct err *err)
{
        const struct approval_subject subject = {*id, name, host, generation, false};
        return judge_by_section(
                trust, name, &subject, author, class_urgent, approvals, approvals_size, ret, err);
}

int
trust_judge_window(const struct trust *trust, const struct digest *id, const char *baseline_name,
        const char *by, bool class_urgent, const char *approvals, size_t approvals_size,
        struct trust_verdict *ret, struct err *err)
{
        const struct approval_subject subject = {.id = *id, .window = true};
        return judge_by_section(
                trust, baseline_name, &subject, by, class_urgent, approvals, approvals_size, ret, err);
}

/* ---- a successor of the trust file ---- */

static int
check_lineage(const struct trust *now, const struct trust *next, struct err *err)
{
        char hex[DIGEST_HEX_SIZE];
        digest_hex(&now->id, hex);
        if (next->generation != now->generation + 1) {
                err_set(err, TRUST_SUCCESSOR,
                        "the new trust file is generation %" PRIu64
                        ", but the one in force is generation %" PRIu64,
                        next->generation, now->generation);
                return err_hint(err, TRUST_SUCCESSOR, "generation = %" PRIu64 " and parent = %s",
                        now->generation + 1, hex);
        }
        if (!next->has_parent || !digest_equal(&next->parent, &now->id)) {
                err_set(err, TRUST_SUCCESSOR, "the new trust file's parent is not the one in force");
                return err_hint(err, TRUST_SUCCESSOR, "parent = %s", hex);
        }
        return 0;
}

/* How many of those who may approve by this rule signed. */
static unsigned
section_signers(const struct trust_section *section, const struct tally *tally)
{
        unsigned signers = 0;
        for (size_t i = 0; i < section->n_mentions; i++)
                signers += tally->counted[section->indexes[i]];
        return signers;
}

static int
refuse_unmet(const struct tally *tally, const struct trust_section *section, struct err *err)
{
        struct words words = {0};
        words_add(&words, "a new trust file must meet every rule of the old one, and [baseline %s] has ",
                section->name);
        words_add_count(&words, section_signers(section, tally), section->threshold);
        words_add(&words, "; signed: ");
        words_add_names(&words, tally->verdict->signers, tally->verdict->n_signers);
        words_add(&words, "%s; may approve: ", tally->verdict->n_signers ? "" : "nobody");
        words_add_names(&words, section->approvers, section->n_mentions);
        words_add_refused(&words, tally);
        err_set(err, TRUST_TOO_FEW, "%s", words.text);
        return err_hint(err, TRUST_TOO_FEW,
                "driftctl sign the new file by more of them, into one .approval file beside it");
}

int
trust_judge_successor(const struct trust *now, const struct trust *next, const char *approvals,
        size_t approvals_size, struct err *err)
{
        int r = check_lineage(now, next, err);
        if (r)
                return r;
        struct trust_verdict verdict = {0};
        const struct approval_subject subject = {.id = next->id, .generation = next->generation};
        struct tally tally = {
                .trust = now,
                .name_space = SSHSIG_NAMESPACE_TRUST,
                .subject = &subject,
                .verdict = &verdict,
        };
        memset(tally.may, true, sizeof tally.may);
        r = tally_count(&tally, approvals, approvals_size, err);
        for (size_t i = 0; r == 0 && i < now->n_sections; i++)
                if (section_signers(&now->sections[i], &tally) < now->sections[i].threshold)
                        r = refuse_unmet(&tally, &now->sections[i], err);
        return r;
}
