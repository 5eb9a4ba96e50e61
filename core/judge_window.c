/* SPDX-License-Identifier: MIT */
/*
 * Windows as the judge sees them: drift that is in one counts as low, and says so. The drift itself keeps its
 * severity, so that the end of a window needs no second judging. Only drift of the baseline whose people
 * signed the window can be in it; where it was signed with an expected change set, only what the set says.
 */
#include "core/judge_internal.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"

void
judge_set_windows(struct judge *judge, struct window *const *windows, size_t n)
{
        pthread_mutex_lock(&judge->lock);
        judge->windows = windows;
        judge->n_windows = n;
        pthread_mutex_unlock(&judge->lock);
}

/* What cannot be told for want of memory is not in it: a severity is never lowered for that. */
static bool
holds(const struct judge *judge, const struct window *window, const struct drift *drift)
{
        if (!window_holds(window, drift->item, drift->last_change_ms))
                return false;
        if (!window->has_expect)
                return true;
        const struct baseline *baseline = judge_baseline_named(judge, drift->baseline);
        const struct expected *expected = window->expect ? expect_find(window->expect, drift->item) : NULL;
        return baseline && expected && expected_is_drift(expected, baseline, drift) == 1;
}

const struct window *
judge_window(const struct judge *judge, const struct drift *drift, int64_t now_ms)
{
        if (strcmp(drift->baseline, WINDOW_BASELINE) != 0 || drift->change == CHANGE_UNKNOWN)
                return NULL;
        for (size_t i = 0; i < judge->n_windows; i++)
                if (now_ms < judge->windows[i]->until_ms && holds(judge, judge->windows[i], drift))
                        return judge->windows[i];
        return NULL;
}

enum severity
judge_severity(const struct judge *judge, const struct drift *drift, int64_t now_ms)
{
        return judge->n_windows && judge_window(judge, drift, now_ms) ? SEVERITY_LOW : drift->severity;
}

int
judge_put_severity(const struct judge *judge, const struct drift *drift, int64_t now_ms, struct json *object)
{
        const struct window *window = judge->n_windows ? judge_window(judge, drift, now_ms) : NULL;
        char until[CLOCK_TEXT_MAX], id[DIGEST_HEX_SIZE];
        int r = json_put(
                object, "severity", json_string_new(severity_names[window ? SEVERITY_LOW : drift->severity]));
        if (r || !window)
                return r;
        clock_format_seconds(window->until_ms, until);
        digest_hex(&window->id, id);
        return json_put(object, "window",
                json_make("{s:s, s:s, s:s, s:s}", "id", id, "ticket", window->ticket, "until", until,
                        "severity", severity_names[drift->severity]));
}
