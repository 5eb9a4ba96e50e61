/* SPDX-License-Identifier: MIT */
/*
 * What differs between two baselines, as a reviewer sees it: one revision for each scope, file, setting or
 * waiver that was added, removed or changed. Pure: no daemon, no files, no printing. The two baselines are
 * borrowed.
 */
#pragma once

#include "core/baseline.h"
#include "core/json.h"

enum revision_kind { REVISION_SCOPE, REVISION_FILE, REVISION_SETTING, REVISION_WAIVER, REVISION_KINDS };
enum revision_what { REVISION_ADDED, REVISION_REMOVED, REVISION_CHANGED, REVISION_WHATS };
extern const char *const revision_kind_names[REVISION_KINDS]; /* scope file setting waiver */
extern const char *const revision_what_names[REVISION_WHATS]; /* added removed changed */

struct revision {
        enum revision_kind kind;
        enum revision_what what;
        size_t old_index, new_index; /* in their baseline; the side that is not there means nothing */
};

struct revisions {
        const struct baseline *before; /* NULL: there is none, all is new */
        const struct baseline *after;
        struct revision *list; /* by kind in the order of the enum, then by name */
        size_t count;
        size_t counts[REVISION_KINDS][REVISION_WHATS];
};

/* before may be NULL. 0 or -ENOMEM. */
int revisions_make(const struct baseline *before, const struct baseline *after, struct revisions *ret);
void revisions_done(struct revisions *revisions);
#define _cleanup_revisions_ _cleanup_(revisions_done)

/* What it is about: "file:/etc/passwd", "scope files etc", "sysctl:net/ipv4/ip_forward", "waiver host
 * file:/x". 0 or -ENOMEM. */
int revision_item(const struct revisions *revisions, const struct revision *revision, struct buf *ret);

/* The baseline's own line on one side, without its newline; nothing if it is not there. 0 or -ENOMEM. */
int revision_line(
        const struct revisions *revisions, const struct revision *revision, bool after, struct buf *ret);

/*
 * Each attribute in which the two sides differ (added, removed: all of them), before and after (NULL: not
 * there). 0, -ENOMEM, or what visit returned.
 */
typedef int (*revision_visit)(void *userdata, const char *name, const char *before, const char *after);
int revision_attributes(const struct revisions *revisions, const struct revision *revision,
        revision_visit visit, void *userdata);

/* [{"name", "before", "after"}], null where not there; NULL when out of memory. */
struct json *revision_json(const struct revisions *revisions, const struct revision *revision);

/* Whether `again` says of it what `after` says: the same line, or none where it was removed. 0 or -ENOMEM. */
int revision_holds(const struct revisions *revisions, const struct revision *revision,
        const struct baseline *again, bool *ret);

/*
 * The baseline that results if only the chosen revisions are taken: `header`, and the lines of before with
 * the chosen ones put in place. 0 or -ENOMEM. Whether the result holds together (every file in a scope) is
 * for baseline_open to say.
 */
int revisions_compose(const struct revisions *revisions, const bool *chosen,
        const struct baseline_header *header, struct buf *ret);
/* The same as a delta from what was before, where there is one. */
int revisions_compose_delta(const struct revisions *revisions, const bool *chosen,
        const struct baseline_header *header, struct buf *ret);
