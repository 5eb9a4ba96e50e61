/* SPDX-License-Identifier: MIT */
/*
 * The life of a window: opened by enough signatures, kept as the signed bytes that it is, ended by its time,
 * by somebody's word, by a clock that is not believed, or by a trust file that no longer carries it.
 *
 * A row of the database opens nothing: whenever windows are loaded, the bytes of each are held against its id
 * and judged by the trust file in force, as if somebody handed it over. A window can only ever be shorter
 * than it was signed: its end is also counted in CLOCK_BOOTTIME, and a clock that jumped ends it.
 *
 * The store keeps, under the window's id: "window:", "window_approvals:", "window_expect:" while it is open;
 * then "window_ended:" (a summary) and "window_set:" (what was expected, as a set, if it is no larger than
 * one may be). An id that is remembered is not opened again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/instance_internal.h"

#define ITEMS_TOLD_MAX 64u
#define ITEMS_TOLD_BYTES ((size_t)4096) /* so that the list of all windows fits a frame */
_Static_assert(EXPECT_SIZE_MAX <= STORE_VALUE_MAX, "a set is kept as one value");
#define KEY_MAX (24 + DIGEST_HEX_SIZE)

struct instance_windows {
        struct window *list[WINDOWS_OPEN_MAX]; /* lent to the judge */
        struct buf approvals[WINDOWS_OPEN_MAX];
        struct buf signers[WINDOWS_OPEN_MAX];  /* blank-separated */
        int64_t deadline_ms[WINDOWS_OPEN_MAX]; /* CLOCK_BOOTTIME */
        size_t n;
};

struct candidate {
        struct window *window;
        struct buf approvals, signers, on_host; /* of those that sign: whose key was read on this host */
        bool review_due;
};

static void
candidate_done(struct candidate *candidate)
{
        candidate->window = window_free(candidate->window);
        buf_done(&candidate->approvals);
        buf_done(&candidate->signers);
        buf_done(&candidate->on_host);
}

static const char *
key_of(const char *word, const struct digest *id, char ret[static KEY_MAX])
{
        char hex[DIGEST_HEX_SIZE];
        digest_hex(id, hex);
        snprintf(ret, KEY_MAX, "%s:%s", word, hex);
        return ret;
}

static void
lend(const struct instance *instance)
{
        const struct instance_windows *w = instance->windows;
        judge_set_windows(instance->judge, w->list, w->n);
}

/* ---- what is told of one ---- */

static struct json *
id_json(const struct digest *id)
{
        char hex[DIGEST_HEX_SIZE];
        digest_hex(id, hex);
        return json_string_new(hex);
}

/* The first of them: all stand in the text that the record of the opening holds. */
static struct json *
items_json(const struct window *window)
{
        struct json *items = json_array_make();
        size_t bytes = 0;
        for (size_t i = 0; i < window->items.count && i < ITEMS_TOLD_MAX; i++) {
                bytes += strlen(window->items.items[i]);
                if (bytes > ITEMS_TOLD_BYTES)
                        break;
                json_gather(&items, json_string_new(window->items.items[i]));
        }
        return items;
}

static struct json *
window_json(const struct window *window, const char *state, const char *signers)
{
        char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
        clock_format_seconds(window->from_ms, from);
        clock_format_seconds(window->until_ms, until);
        return json_make("{s:s, s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:b, s:o, s:o, s:I}", "state", state,
                "id", id_json(&window->id), "ticket", window->ticket, "class", class_names[window->class],
                "host", window->host, "by", window->by, "signers", json_words(signers), "from", from, "until",
                until, "record", window->record, "expect",
                window->has_expect ? id_json(&window->expect_id) : json_null_new(), "items",
                items_json(window), "items_total", (json_int)window->items.count);
}

/* ---- judging ---- */

static int
refuse(struct err *err, const char *what, const char *hint)
{
        err_set(err, INSTANCE_REFUSED, "%s", what);
        return err_hint(err, INSTANCE_REFUSED, "%s", hint);
}

/* Enough people, by the trust file in force. */
static int
judge_people(const struct instance *instance, struct candidate *candidate, struct err *err)
{
        const struct window *window = candidate->window;
        if (!instance->trust)
                return refuse(err, "there is no trust file yet", "driftctl init --trust KEY.pub writes one");
        struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        if (!verdict)
                return err_oom(err);
        int r = trust_judge_window(instance->trust, &window->id, WINDOW_BASELINE, window->by,
                window->class == CLASS_URGENT, candidate->approvals.data ? candidate->approvals.data : "",
                candidate->approvals.size, verdict, err);
        buf_clear(&candidate->signers);
        buf_clear(&candidate->on_host);
        if (r == 0 && trust_verdict_signers(verdict, &candidate->signers) < 0)
                r = err_oom(err);
        for (size_t i = 0; r == 0 && i < verdict->n_signers; i++)
                if (verdict->key_on_host[i] &&
                        buf_printf(&candidate->on_host, "%s%s", candidate->on_host.size ? " " : "",
                                verdict->signers[i]) < 0)
                        r = err_oom(err);
        candidate->review_due = verdict->urgent_used;
        free(verdict);
        if (r > 0 && err)
                err->code = INSTANCE_REFUSED;
        return r > 0 ? INSTANCE_REFUSED : r;
}

/* What must hold for as long as it is open. */
static int
judge_standing(const struct instance *instance, struct candidate *candidate, struct err *err)
{
        const struct window *window = candidate->window;
        if (strcmp(window->host, "*") != 0 && strcmp(window->host, instance->host) != 0)
                return refuse(
                        err, "the window is for another host", "sign one for this host, or for any host");
        if (instance->expiry_now_ms)
                return refuse(err, "the clock jumped, and nobody knows whether the window is over",
                        "a signed apply (driftctl bless) makes the clock believed again");
        if (window->until_ms <= instance_expiry_now(instance))
                return refuse(err, "the window is over", "sign one that ends later");
        if (window->has_expect && !window->expect)
                return refuse(err, "the window was signed with an expected change set, and it is not here",
                        "hand both over: driftctl apply FILE takes FILE.expect too");
        return judge_people(instance, candidate, err);
}

static int
judge_baseline_of(const struct instance *instance, const struct window *window, struct err *err)
{
        const struct baseline *active = judge_baseline_named(instance->judge, WINDOW_BASELINE);
        if (!active)
                return refuse(err, "no baseline named host is active, so nothing can be a change of it",
                        "driftctl bless --ticket T signs the first one");
        if (!window->generation)
                return 0;
        if (baseline_header(active)->generation == window->generation &&
                digest_equal(baseline_id(active), &window->baseline))
                return 0;
        return refuse(err, "the window stands on another generation of host than the active one",
                "open one anew on what is active now");
}

static int
count_ended(void *userdata, const char *key, const char *value)
{
        (void)key;
        (void)value;
        ++*(unsigned *)userdata;
        return 0;
}

/* What must hold at the moment of opening, too. */
static int
judge_opening(const struct instance *instance, struct candidate *candidate, struct err *err)
{
        const struct window *window = candidate->window;
        const struct instance_windows *w = instance->windows;
        char key[KEY_MAX];
        _cleanup_free_ char *ended = NULL;
        unsigned remembered = 0;
        for (size_t i = 0; i < w->n; i++)
                if (digest_equal(&w->list[i]->id, &window->id))
                        return refuse(err, "the window is open already", "driftctl window list");
        int r = store_value_get(instance->store, key_of("window_ended", &window->id, key), &ended, err);
        if (r == 0)
                return refuse(err, "the window was open before, and is over: a replay", "sign a new one");
        if (r != STORE_NONE)
                return r < 0 ? r : -EIO;
        if (window->from_ms > instance_expiry_now(instance) + WINDOW_SKEW_MS)
                return refuse(err, "the window begins in the future",
                        "hand it over when it begins, and compare the clocks");
        r = judge_standing(instance, candidate, err);
        r = r ? r : judge_baseline_of(instance, window, err);
        r = r ? r : store_values_each(instance->store, "window_ended:", count_ended, &remembered, err);
        if (r)
                return r;
        if (w->n == WINDOWS_OPEN_MAX)
                return refuse(err, "as many windows as may be (16) are open", "driftctl window close");
        if (remembered >= WINDOWS_ENDED_MAX)
                return refuse(err, "too many windows that ended could still be replayed (256)",
                        "wait until the time of some of them is over");
        return 0;
}

/* ---- opening ---- */

static void
record_reject(struct instance *instance, const struct window *window, const char *why)
{
        struct json *detail =
                window ? json_make("{s:s, s:s, s:o, s:s, s:s}", "what", "window", "reason", why, "id",
                                 id_json(&window->id), "ticket", window->ticket, "by", window->by)
                       : json_make("{s:s, s:s}", "what", "window", "reason", why);
        instance_record(instance, "reject", NULL, instance_asked(instance, detail));
        instance_flush(instance, NULL);
}

/* Takes over what the candidate holds. There must be room. */
static const struct window *
add_window(struct instance *instance, struct candidate *candidate)
{
        struct instance_windows *w = instance->windows;
        size_t i = w->n++;
        w->list[i] = steal_pointer(&candidate->window);
        w->approvals[i] = candidate->approvals;
        w->signers[i] = candidate->signers;
        w->deadline_ms[i] = clock_monotonic_ms() + (w->list[i]->until_ms - instance_expiry_now(instance));
        candidate->approvals = candidate->signers = (struct buf){0};
        lend(instance);
        return w->list[i];
}

struct putting {
        struct instance *instance;
        const struct candidate *candidate;
};

static int
put_rows(void *userdata, struct err *err)
{
        const struct putting *putting = userdata;
        const struct window *window = putting->candidate->window;
        struct store *store = putting->instance->store;
        char key[KEY_MAX];
        size_t size;
        _cleanup_free_ char *text = strndup(window->text, window->size), *set = NULL;
        if (!text || (window->expect && !(set = strdup(expect_text(window->expect, &size)))))
                return err_oom(err);
        int r = store_value_put(store, key_of("window", &window->id, key), text, err);
        r = r ? r
              : store_value_put(store, key_of("window_approvals", &window->id, key),
                        putting->candidate->approvals.data, err);
        return r || !set ? r : store_value_put(store, key_of("window_expect", &window->id, key), set, err);
}

static int
open_checked(struct instance *instance, struct candidate *candidate, struct err *err)
{
        struct putting putting = {instance, candidate};
        const struct window *window = candidate->window;
        _cleanup_free_ char *text = strndup(window->text, window->size);
        instance_flush(instance, NULL);
        struct json *detail = text ? window_json(window, "opened", candidate->signers.data) : NULL;
        /* The history is then the proof: both can be verified with sha256sum and ssh-keygen. */
        if (detail && (json_put(detail, "key_on_host", json_words(candidate->on_host.data)) < 0 ||
                              json_put(detail, "review_due", json_make("b", candidate->review_due)) < 0 ||
                              json_put(detail, "text", json_string_new(text)) < 0 ||
                              json_put(detail, "approvals", json_string_new(candidate->approvals.data)) < 0))
                detail = json_free(detail);
        if (instance_record(instance, "window", NULL, instance_asked(instance, detail)) < 0)
                return err_oom(err);
        int r = instance_flush_with(instance, put_rows, &putting, err);
        if (r)
                instance_unrecord(instance);
        return r;
}

static int
take_parts(struct candidate *candidate, char *text, size_t size, const struct buf *approvals,
        const struct buf *expect, struct err *err)
{
        int r = window_open(text, size, &candidate->window, err);
        if (r)
                return r;
        if (approvals->size > WINDOW_APPROVALS_MAX)
                return err_set(err, WINDOW_MALFORMED, "a window has at most %zu bytes of approvals",
                        WINDOW_APPROVALS_MAX);
        if (buf_append(&candidate->approvals, approvals->data, approvals->size) < 0)
                return err_oom(err);
        if (!expect->size)
                return 0;
        char *set = strndup(expect->data, expect->size);
        return set ? window_take_expect(candidate->window, set, expect->size, err) : err_oom(err);
}

static void forget_old(struct instance *instance);

int
instance_window_open(struct instance *instance, char *text, size_t size, const struct buf *approvals,
        const struct buf *expect, const struct window **ret, struct err *err)
{
        _cleanup_(candidate_done) struct candidate candidate = {0};
        instance_windows_look(instance);
        int r = take_parts(&candidate, text, size, approvals, expect, err);
        if (r > 0) {
                record_reject(instance, candidate.window, err->text);
                return err->code = INSTANCE_MALFORMED;
        }
        if (r == 0)
                forget_old(instance);
        r = r ? r : judge_opening(instance, &candidate, err);
        if (r > 0) {
                record_reject(instance, candidate.window, err->text);
                return r;
        }
        r = r ? r : open_checked(instance, &candidate, err);
        if (r)
                return r;
        *ret = add_window(instance, &candidate);
        return 0;
}

/* ---- ending ---- */

static void
forget_values(struct instance *instance, const struct digest *id)
{
        static const char *const words[] = {"window", "window_approvals", "window_expect"};
        char key[KEY_MAX];
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                instance_value(instance, key_of(words[i], id, key), NULL);
}

static bool
set_too_large(const struct buf *set)
{
        return set->size > EXPECT_SIZE_MAX;
}

/* The summary goes into the history and stays as a value; what was expected stays as a set. */
static void
keep_end(struct instance *instance, const struct window *window, const struct json *detail,
        const struct buf *set)
{
        _cleanup_buf_ struct buf text = {0};
        char key[KEY_MAX];
        if (json_write(detail, &text) == 0)
                instance_value(instance, key_of("window_ended", &window->id, key), text.data);
        if (set->size && !set_too_large(set))
                instance_value(instance, key_of("window_set", &window->id, key), set->data);
        forget_values(instance, &window->id);
}

static void
remove_window(struct instance *instance, size_t index)
{
        struct instance_windows *w = instance->windows;
        struct window *window = w->list[index];
        buf_done(&w->approvals[index]);
        buf_done(&w->signers[index]);
        w->n--;
        for (size_t i = index; i < w->n; i++) {
                w->list[i] = w->list[i + 1];
                w->approvals[i] = w->approvals[i + 1];
                w->signers[i] = w->signers[i + 1];
                w->deadline_ms[i] = w->deadline_ms[i + 1];
        }
        lend(instance);
        window_free(window);
}

/* Its report is as of now: what the ledger holds. why may be NULL. The reference of the report is the
 * caller's. */
static struct json *
end_window(struct instance *instance, size_t index, const char *state, const char *why)
{
        struct instance_windows *w = instance->windows;
        const struct window *window = w->list[index];
        _cleanup_buf_ struct buf set = {0};
        struct window_counts counts = {0};
        struct json *entries = NULL, *detail = NULL;
        char ended[CLOCK_TEXT_MAX];
        clock_format(clock_now_ms(), ended);
        int r = instance_window_report(instance, window, NULL, &counts, &entries, &set, NULL);
        if (r == 0)
                detail = window_json(window, state, w->signers[index].data);
        if (detail &&
                (json_put(detail, "ended", json_string_new(ended)) < 0 ||
                        json_put(detail, "report", instance_window_counts_json(&counts)) < 0 ||
                        (set_too_large(&set) && json_put(detail, "set_left_out", json_make("b", true)) < 0) ||
                        (why && json_put(detail, "why", json_string_new(why)) < 0)))
                detail = json_free(detail);
        detail = instance_asked(instance, detail);
        if (!detail) { /* no memory: it is tried again; what is over holds nothing meanwhile */
                json_free(entries);
                return NULL;
        }
        keep_end(instance, window, detail, &set);
        struct json *summary = json_keep(detail);
        instance_record(instance, "window", NULL, detail);
        remove_window(instance, index);
        return json_make("{s:o, s:o, s:o}", "window", summary, "counts", instance_window_counts_json(&counts),
                "entries", entries ? entries : json_array_make());
}

static size_t
index_of(const struct instance *instance, const struct window *window)
{
        size_t i = 0;
        while (i < instance->windows->n && instance->windows->list[i] != window)
                i++;
        return i;
}

int
instance_window_close(
        struct instance *instance, const struct window *window, struct json **ret_report, struct err *err)
{
        _cleanup_json_ struct json *report = end_window(instance, index_of(instance, window), "closed", NULL);
        int r = report ? instance_flush(instance, err) : err_oom(err);
        if (r)
                return r;
        *ret_report = steal_pointer(&report);
        return 0;
}

void
instance_windows_look(struct instance *instance)
{
        const struct instance_windows *w = instance->windows;
        if (!w || !w->n)
                return;
        int64_t now_ms = instance_expiry_now(instance), boot_ms = clock_monotonic_ms();
        for (size_t i = w->n; i-- > 0;) {
                bool over = w->list[i]->until_ms <= now_ms || w->deadline_ms[i] <= boot_ms;
                if (instance->expiry_now_ms)
                        json_free(end_window(instance, i, "ended", "the clock jumped and is not believed"));
                else if (over)
                        json_free(end_window(instance, i, "expired", NULL));
        }
}

void
instance_windows_judge_again(struct instance *instance)
{
        struct instance_windows *w = instance->windows;
        instance_windows_look(instance);
        for (size_t i = w ? w->n : 0; i-- > 0;) {
                struct err why = {0};
                struct candidate candidate = {.window = w->list[i], .approvals = w->approvals[i]};
                int r = judge_standing(instance, &candidate, &why);
                buf_done(&candidate.signers);
                buf_done(&candidate.on_host);
                if (r > 0)
                        json_free(end_window(instance, i, "ended", why.text));
        }
}

/* ---- loading ---- */

static int
note_id(void *userdata, const char *key, const char *value)
{
        struct text_list *ids = userdata;
        const char *id = strchr(key, ':') + 1;
        (void)value;
        return text_list_add(ids, id, strlen(id));
}

static int
load_value(const struct instance *instance, const char *word, const struct digest *id, struct buf *ret)
{
        _cleanup_free_ char *text = NULL;
        char key[KEY_MAX];
        int r = store_value_get(instance->store, key_of(word, id, key), &text, NULL);
        if (r)
                return r == STORE_NONE ? 0 : r;
        return buf_text(ret, text);
}

/* 0; > 0: it does not hold, with words. */
static int
load_one(const struct instance *instance, const struct digest *id, struct candidate *ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0}, approvals = {0}, expect = {0};
        int r = load_value(instance, "window", id, &text);
        r = r ? r : load_value(instance, "window_approvals", id, &approvals);
        r = r ? r : load_value(instance, "window_expect", id, &expect);
        if (r)
                return err_set(err, r, "the store could not be read");
        size_t size = text.size;
        char *bytes = buf_steal(&text);
        r = bytes ? take_parts(ret, bytes, size, &approvals, &expect, err) : err_oom(err);
        if (r == 0 && !digest_equal(&ret->window->id, id))
                r = err_set(err, INSTANCE_REFUSED, "its text is not the one of its id");
        return r;
}

/* What the store holds under a window's name, and is none that may be open. */
static void
drop_forged(struct instance *instance, const char *hex, const struct digest *id, const char *why)
{
        char what[ERR_TEXT_MAX];
        snprintf(what, sizeof what, "window %.16s: %.900s", hex, why);
        instance_record(instance, "tamper", NULL, json_make("{s:s}", "what", what));
        forget_values(instance, id);
}

/* Its end is written in the transaction that takes its rows away: who has both put the rows back. */
static int
check_not_ended(const struct instance *instance, const struct digest *id, struct err *err)
{
        _cleanup_free_ char *ended = NULL;
        char key[KEY_MAX];
        int r = store_value_get(instance->store, key_of("window_ended", id, key), &ended, err);
        if (r == 0)
                return err_set(err, INSTANCE_REFUSED, "it has ended, and its rows are there again");
        return r == STORE_NONE ? 0 : r < 0 ? r : -EIO;
}

/* Whoever puts rows back together with all that says that they ended cannot do it without a record. */
static void
record_resumed(struct instance *instance, size_t index)
{
        const struct instance_windows *w = instance->windows;
        if (!instance->offline)
                instance_record(instance, "window", NULL,
                        window_json(w->list[index], "resumed", w->signers[index].data));
}

static int
load_id(struct instance *instance, const char *hex, struct err *err)
{
        _cleanup_(candidate_done) struct candidate candidate = {0};
        struct err why = {0};
        struct digest id;
        if (digest_parse(hex, strlen(hex), &id) < 0)
                return 0; /* not ours */
        int r = check_not_ended(instance, &id, &why);
        r = r ? r : load_one(instance, &id, &candidate, &why);
        if (r > 0) {
                drop_forged(instance, hex, &id, why.text);
                return 0;
        }
        if (r == 0 && instance->windows->n == WINDOWS_OPEN_MAX)
                return 0;
        if (r < 0) {
                if (err)
                        *err = why;
                return r;
        }
        bool over = candidate.window->until_ms <= instance_expiry_now(instance);
        r = judge_people(instance, &candidate, &why);
        if (r < 0)
                return r;
        if (r > 0 && !instance->trust_ok && !instance->trust)
                return 0; /* judged again when there is a trust file */
        add_window(instance, &candidate);
        size_t last = instance->windows->n - 1;
        if (r > 0)
                json_free(end_window(instance, last, "ended", why.text));
        else if (over && !instance->expiry_now_ms)
                json_free(end_window(instance, last, "expired", NULL));
        else
                record_resumed(instance, last);
        return 0;
}

int
instance_load_windows(struct instance *instance, struct err *err)
{
        _cleanup_(text_list_done) struct text_list ids = {0};
        instance->windows = calloc(1, sizeof *instance->windows);
        if (!instance->windows)
                return err_oom(err);
        int r = store_values_each(instance->store, "window:", note_id, &ids, err);
        for (size_t i = 0; i < ids.count && r == 0; i++)
                r = load_id(instance, ids.items[i], err);
        if (r == 0)
                instance_windows_judge_again(instance);
        return r;
}

void
instance_free_windows(struct instance *instance)
{
        struct instance_windows *w = instance->windows;
        for (size_t i = 0; w && i < w->n; i++) {
                window_free(w->list[i]);
                buf_done(&w->approvals[i]);
                buf_done(&w->signers[i]);
        }
        free(w);
        instance->windows = NULL;
}

/* ---- those that ended ---- */

struct ended {
        struct json *summary;
        int64_t until_ms, ended_ms;
};

struct ended_list {
        struct ended list[WINDOWS_ENDED_MAX + WINDOWS_OPEN_MAX];
        size_t n;
};

static int
note_ended(void *userdata, const char *key, const char *value)
{
        struct ended_list *ended = userdata;
        struct ended one = {0};
        (void)key;
        if (ended->n == ARRAY_SIZE(ended->list) || json_parse(value, strlen(value), &one.summary, NULL) < 0)
                return 0;
        const char *until = json_text(one.summary, "until"), *at = json_text(one.summary, "ended");
        if (!until || !at || clock_parse_seconds(until, strlen(until), &one.until_ms) < 0 ||
                clock_parse_human(at, 0, &one.ended_ms, NULL) < 0) {
                json_free(one.summary);
                return 0;
        }
        ended->list[ended->n++] = one;
        return 0;
}

static int
newest_first(const void *a, const void *b)
{
        int64_t left = ((const struct ended *)a)->ended_ms, right = ((const struct ended *)b)->ended_ms;
        return left < right ? 1 : left > right ? -1 : 0;
}

/* NULL: no memory. */
static struct ended_list *
list_ended(const struct instance *instance)
{
        struct ended_list *ended = calloc(1, sizeof *ended);
        if (ended && store_values_each(instance->store, "window_ended:", note_ended, ended, NULL) == 0)
                qsort(ended->list, ended->n, sizeof *ended->list, newest_first);
        return ended;
}

static struct ended_list *
ended_free(struct ended_list *ended)
{
        for (size_t i = 0; ended && i < ended->n; i++)
                json_free(ended->list[i].summary);
        free(ended);
        return NULL;
}
CLEANUP_DEFINE(struct ended_list *, ended_free)

static void
forget_old(struct instance *instance)
{
        _cleanup_(ended_freep) struct ended_list *ended = list_ended(instance);
        for (size_t i = WINDOWS_SHOWN_MAX; ended && i < ended->n; i++) {
                const char *hex = json_text(ended->list[i].summary, "id");
                struct digest id;
                char key[KEY_MAX];
                if (ended->list[i].until_ms > instance_expiry_now(instance) || !hex ||
                        digest_parse(hex, strlen(hex), &id) < 0)
                        continue;
                instance_value(instance, key_of("window_ended", &id, key), NULL);
                instance_value(instance, key_of("window_set", &id, key), NULL);
        }
        instance_flush(instance, NULL);
}

/* ---- asking ---- */

struct json *
instance_windows_json(const struct instance *instance, bool open_only)
{
        const struct instance_windows *w = instance->windows;
        struct json *list = json_array_make();
        for (size_t i = 0; w && i < w->n; i++)
                json_gather(&list, window_json(w->list[i], "open", w->signers[i].data));
        _cleanup_(ended_freep) struct ended_list *ended = open_only ? NULL : list_ended(instance);
        for (size_t i = 0; ended && i < ended->n; i++)
                json_gather(&list, json_keep(ended->list[i].summary));
        return list;
}

#define ID_LEAST 8u /* digits of an id that name a window */

static bool
is_named(const char *ticket, const char *hex, const char *name)
{
        return !name || !*name || strcmp(ticket, name) == 0 ||
               (strlen(name) >= ID_LEAST && strncmp(hex, name, strlen(name)) == 0);
}

const struct window *
instance_window_find(const struct instance *instance, const char *name, struct err *err)
{
        const struct instance_windows *w = instance->windows;
        const struct window *found = NULL;
        char names[WINDOWS_OPEN_MAX * 60] = "";
        bool several = false;
        for (size_t i = 0; i < w->n; i++) {
                char hex[DIGEST_HEX_SIZE];
                digest_hex(&w->list[i]->id, hex);
                if (!is_named(w->list[i]->ticket, hex, name))
                        continue;
                size_t used = strlen(names);
                snprintf(names + used, sizeof names - used, "%s%.40s (%.8s)", found ? ", " : "",
                        w->list[i]->ticket, hex);
                several = found != NULL;
                found = w->list[i];
        }
        if (several) {
                err_set(err, INSTANCE_MALFORMED, "several windows are open that could be meant: %s", names);
                err_hint(err, INSTANCE_MALFORMED, "name one by its ticket or its id: driftctl window list");
                return NULL;
        }
        if (!found) {
                err_set(err, STORE_NONE, "no window %.100s%sis open", name ? name : "",
                        name && *name ? " " : "");
                err_hint(err, STORE_NONE, "driftctl window list shows those that are, and those that ended");
        }
        return found;
}

int
instance_window_ended(const struct instance *instance, const char *name, struct json **ret_summary,
        struct buf *ret_set, struct err *err)
{
        _cleanup_(ended_freep) struct ended_list *ended = list_ended(instance);
        if (!ended)
                return err_oom(err);
        for (size_t i = 0; i < ended->n; i++) {
                struct json *summary = ended->list[i].summary;
                const char *ticket = json_text(summary, "ticket"), *hex = json_text(summary, "id");
                struct digest id;
                if (!ticket || !hex || !is_named(ticket, hex, name) ||
                        digest_parse(hex, strlen(hex), &id) < 0)
                        continue;
                int r = load_value(instance, "window_set", &id, ret_set);
                if (r)
                        return err_set(err, r, "the store could not be read");
                *ret_summary = json_keep(summary);
                return 0;
        }
        return STORE_NONE;
}
