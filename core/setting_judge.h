/* SPDX-License-Identifier: MIT */
/*
 * One `set` line against what the probes found: for which items it speaks, and whether each meets it. The one
 * place where quantifiers, defaults, conditions and failed reads have their meaning; the judge of baselines
 * and the checks of policies both stand on it.
 *
 *   no quantifier, literal item   the item; not there: by `default`, else MISSING (`absent`: MET)
 *   no quantifier, glob; all      each item that matches, on its own; none matches: nothing is said
 *   any                           MET by one is enough: that one alone is told
 *   none                          MET by one is a failure
 *
 * In a reading that is incomplete an item that is not in it is UNKNOWN, and so is the line of a glob where
 * another item could still decide it (told once, with the line's own item).
 *
 * For `any` not met, and for `none`, the line's own item is told once. Where no item is there and a default
 * is written, the default stands for one. A condition holds if an item that it names meets it; one that does
 * not hold makes the whole line NOT_APPLICABLE, one that cannot be known makes it UNKNOWN.
 */
#pragma once

#include "core/probe.h"
#include "core/setting.h"

enum setting_verdict {
        SETTING_VERDICT_MET,
        SETTING_VERDICT_NOT_MET,
        SETTING_VERDICT_MISSING,        /* it is not there, and should be */
        SETTING_VERDICT_UNKNOWN,        /* could not be read, or not be compared: never met, never not */
        SETTING_VERDICT_NOT_APPLICABLE, /* its condition does not hold */
        SETTING_VERDICT_COUNT,
};

/*
 * item: of the reading, or the line's own; actual: what was judged, NULL where there is no one item (of
 * `none` not met it is the one that meets); reason: why it is unknown, or what was counted, in words (raw);
 * NULL where the verdict says all. All live only during the call. What is returned, if not 0, ends the
 * judging and is returned by setting_judge.
 */
typedef int (*setting_visit)(void *userdata, const char *item, enum setting_verdict verdict,
        const struct probe_setting *actual, const char *reason);

/* readings: by domain; NULL where it could not be read: then what is said of it is UNKNOWN, with reason NULL,
 * and the caller knows why. 0; what visit returned; -ENOMEM. */
int setting_judge(const struct setting *setting,
        const struct probe_reading *const readings[static SCOPE_DOMAIN_COUNT], int64_t now_ms,
        setting_visit visit, void *userdata);
