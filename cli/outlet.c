/* SPDX-License-Identifier: MIT */
/*
 * One output, in its thread: reads some records after its place, tells those that it wants, and moves its
 * cursor when the receiver has them. What always holds:
 *
 *   1. The cursor on disk never passes a record that is wanted and was not delivered: at least once.
 *   2. Records are told in the order of their numbers. What fails is tried again before anything after it.
 *   3. A place is good for one history only: the record at it is compared whenever the daemon was reached
 * anew. If it is another one, the history was replaced: that is said, and the new one is told from its start.
 *
 * When a connection is lost, the place goes back to where it was some seconds before (RELAY_REWIND_MS): a
 * receiver that died may have lost what it had read and not yet kept. Where it did not end in order, the
 * seconds are those before what was delivered last: it may have hung, or been without power, long before that
 * was noticed. (Where it did, not so: one that closes what is idle would be told the same for ever.)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "cli/fail.h"
#include "cli/print.h"
#include "cli/relay_internal.h"
#include "core/clock.h"
#include "core/file.h"

#define PAGE_LEAST_MS 2000 /* between two files of metrics */

void
relay_log(const char *output, const char *format, ...)
{
        char text[ERR_TEXT_MAX + 128];
        _cleanup_buf_ struct buf line = {0};
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        if (print_filter(&line, text, strlen(text)) == 0 && line.data)
                fprintf(stderr, "driftctl: %s%s%s%s\n", output ? "[output " : "", output ? output : "",
                        output ? "] " : "", line.data);
}

int
relay_record_digest(const struct json *record, struct digest *ret)
{
        _cleanup_buf_ struct buf text = {0};
        if (json_write(record, &text) < 0)
                return -ENOMEM;
        digest_bytes(text.data, text.size, ret);
        return 0;
}

/* ---- counting ---- */

void
outlet_copy_counts(struct outlet *outlet, struct output_counts *ret)
{
        uint64_t end = atomic_load(&outlet->relay->end);
        pthread_mutex_lock(&outlet->lock);
        *ret = outlet->counts;
        ret->pending = outlet->sender && end > outlet->place ? end - outlet->place : 0;
        pthread_mutex_unlock(&outlet->lock);
}

static void
count_place(struct outlet *outlet)
{
        pthread_mutex_lock(&outlet->lock);
        outlet->changed |= outlet->place != outlet->kept.seq;
        outlet->place = outlet->kept.seq;
        pthread_mutex_unlock(&outlet->lock);
}

static void
count_delivery(struct outlet *outlet, uint64_t records)
{
        pthread_mutex_lock(&outlet->lock);
        outlet->counts.delivered += records;
        outlet->counts.folded += records ? records - 1 : 0;
        outlet->counts.last_delivery_ms = clock_now_ms();
        bool failed = outlet->counts.last_error[0];
        outlet->counts.last_error[0] = '\0';
        outlet->changed = true;
        pthread_mutex_unlock(&outlet->lock);
        if (failed)
                relay_log(outlet->config->name, "delivering again");
}

static void
count_failure(struct outlet *outlet, const struct err *err)
{
        pthread_mutex_lock(&outlet->lock);
        bool news = strcmp(outlet->counts.last_error, err->text) != 0;
        outlet->counts.failures++;
        outlet->counts.last_error_ms = clock_now_ms();
        snprintf(outlet->counts.last_error, sizeof outlet->counts.last_error, "%.500s", err->text);
        outlet->changed = true;
        pthread_mutex_unlock(&outlet->lock);
        if (news)
                relay_log(outlet->config->name, "%s; it is tried again", err->text);
}

static void
fail_and_wait(struct outlet *outlet, const struct err *err)
{
        count_failure(outlet, err);
        /* (One that takes a record and closes at once has not come back: it is asked less and less often
         * too.) */
        bool was_well = outlet->delivered && clock_monotonic_ms() - outlet->failed_ms >= outlet->retry_ms;
        outlet->retry_ms = outlet->retry_ms && !was_well ? 2 * outlet->retry_ms : RELAY_RETRY_LEAST_MS;
        if (outlet->retry_ms > RELAY_RETRY_MOST_MS)
                outlet->retry_ms = RELAY_RETRY_MOST_MS;
        /* (news wake it, and a receiver that is away is not asked more often for that) */
        for (int64_t until_ms = clock_monotonic_ms() + outlet->retry_ms;
                !relay_stops(outlet->relay) && clock_monotonic_ms() < until_ms;)
                outlet_wait(outlet, until_ms - clock_monotonic_ms());
        outlet->delivered = false;
        outlet->failed_ms = clock_monotonic_ms();
}

/* ---- the cursor ---- */

static bool
cursor_equal(const struct cursor *a, const struct cursor *b)
{
        return a->seq == b->seq && digest_equal(&a->record, &b->record);
}

static int
keep(struct outlet *outlet, const struct cursor *cursor, struct err *err)
{
        if (cursor_equal(&outlet->kept, cursor))
                return 0;
        int r = cursor_write(outlet->cursor_path, cursor, err);
        if (r < 0)
                return SENDER_FAILED;
        outlet->kept = *cursor;
        count_place(outlet);
        return 0;
}

static void
remember(struct outlet *outlet, const struct cursor *cursor)
{
        int64_t now_ms = clock_monotonic_ms();
        size_t old = 0, n = outlet->n_marks;
        if (n && now_ms - outlet->marks[n - 1].at_ms < RELAY_REWIND_MS / 100)
                return; /* the one before it goes back further */
        while (old < outlet->n_marks && outlet->marks[old].at_ms < now_ms - RELAY_REWIND_MS)
                old++;
        memmove(outlet->marks, outlet->marks + old, (outlet->n_marks - old) * sizeof *outlet->marks);
        outlet->n_marks -= old;
        outlet->marks[outlet->n_marks++] = (struct rewind_mark){now_ms, *cursor};
}

/* Back to what was kept, or where more may be lost to what was before the last seconds. */
static void
go_back(struct outlet *outlet, int result)
{
        int64_t from_ms = clock_monotonic_ms();
        struct cursor to = outlet->kept;
        struct err err = {0};
        bool far = result == SENDER_LOST || result == SENDER_BROKEN;
        if (result == SENDER_BROKEN && outlet->n_marks)
                from_ms = outlet->marks[outlet->n_marks - 1].at_ms;
        int64_t since_ms = from_ms - RELAY_REWIND_MS;
        for (size_t i = 0; far && i < outlet->n_marks; i++)
                if (outlet->marks[i].at_ms >= since_ms && outlet->marks[i].cursor.seq < to.seq) {
                        to = outlet->marks[i].cursor;
                        break;
                }
        outlet->n_marks = 0;
        folding_clear(outlet->fold);
        if (keep(outlet, &to, &err))
                relay_log(outlet->config->name, "%s", err.text);
        outlet->at = to;
}

/* 0: read, or there is none yet and *ret_new. */
static void
load_cursor(struct outlet *outlet, bool *ret_new)
{
        struct err err = {0};
        int r = cursor_read(outlet->cursor_path, &outlet->kept, &err);
        *ret_new = r == -ENOENT;
        if (r == 0 || *ret_new)
                return;
        outlet->kept = (struct cursor){0};
        relay_log(outlet->config->name,
                "%s: %s; beginning at the first record of the history, so that none is missed",
                outlet->cursor_path, err.text);
}

/* The record at a number, as a cursor; 1: there is none. */
static int
cursor_at(struct outlet *outlet, uint64_t seq, struct cursor *ret, struct err *err)
{
        _cleanup_json_ struct json *records = NULL;
        *ret = (struct cursor){.seq = seq};
        if (!seq)
                return 0;
        int r = relay_records(outlet->relay, seq - 1, 1, &records, err);
        const struct json *record = json_at(records, 0);
        if (r)
                return -EIO;
        if (!record || (uint64_t)json_number(record, "seq") != seq)
                return 1;
        return relay_record_digest(record, &ret->record);
}

static int
begin_new(struct outlet *outlet, struct err *err)
{
        struct cursor cursor = {0};
        uint64_t end = atomic_load(&outlet->relay->end);
        int r = outlet->config->from_now ? cursor_at(outlet, end, &cursor, err) : 0;
        if (r)
                return r < 0 ? r : -EIO;
        relay_log(outlet->config->name, "there is no cursor yet: beginning %s",
                outlet->config->from_now ? "with what comes (from = now)"
                                         : "at the first record (from = start)");
        outlet->kept = (struct cursor){.seq = UINT64_MAX}; /* so that it is written */
        if (keep(outlet, &cursor, err))
                return -EIO;
        outlet->at = cursor;
        return 0;
}

/* The history that the daemon has is the one that the cursor is of; else it is told from its start. */
static int
compare_history(struct outlet *outlet, struct err *err)
{
        struct cursor there;
        int r = cursor_at(outlet, outlet->kept.seq, &there, err);
        if (r < 0)
                return r;
        if (r == 0 && digest_equal(&there.record, &outlet->kept.record)) {
                outlet->at = outlet->kept;
                return 0;
        }
        struct cursor start = {0};
        relay_log(outlet->config->name,
                "the history was replaced: record %" PRIu64
                " %s; beginning at the first record of the new one",
                outlet->kept.seq, r ? "is not there any more" : "is another one than was delivered");
        outlet->n_marks = 0;
        if (keep(outlet, &start, err))
                return -EIO;
        outlet->at = start;
        return 0;
}

static int
find_place(struct outlet *outlet, bool *is_new, struct err *err)
{
        unsigned epoch = atomic_load(&outlet->relay->epoch);
        if (!epoch || !atomic_load(&outlet->relay->up))
                return -EIO; /* the listener says so */
        if (outlet->known && outlet->epoch == epoch)
                return 0;
        folding_clear(outlet->fold); /* what is held back is read again */
        int r = *is_new ? begin_new(outlet, err) : compare_history(outlet, err);
        if (r)
                return r;
        *is_new = false;
        outlet->known = true;
        outlet->epoch = epoch;
        count_place(outlet);
        return 0;
}

/* ---- telling ---- */

/* Once or again until it is delivered. 0, SENDER_LOST, SENDER_BROKEN, -ECANCELED. */
static int
tell(struct outlet *outlet, const struct output_event *event)
{
        for (;;) {
                struct err err = {0};
                int r = sender_send(outlet->sender, event, &err);
                if (r == 0) {
                        outlet->delivered = true;
                        count_delivery(outlet, event->count);
                        return 0;
                }
                if (relay_stops(outlet->relay) || r == -ECANCELED)
                        return -ECANCELED;
                fail_and_wait(outlet, &err);
                if (r == SENDER_LOST || r == SENDER_BROKEN)
                        return r;
        }
}

static int
tell_held(struct outlet *outlet)
{
        struct output_event event;
        int r = 0;
        while (r == 0 && folding_next(outlet->fold, &event)) {
                r = tell(outlet, &event);
                if (r == 0)
                        folding_told(outlet->fold, &event);
        }
        return r;
}

/* What is delivered is with the receiver; then the cursor moves. */
static int
settle(struct outlet *outlet)
{
        struct err err = {0};
        const struct cursor before = outlet->kept;
        int r = sender_sync(outlet->sender, &err);
        if (r == 0)
                r = keep(outlet, folding_holds(outlet->fold) ? &outlet->base : &outlet->at, &err);
        if (r == 0) {
                if (before.seq != outlet->kept.seq)
                        remember(outlet, &before);
                return 0;
        }
        if (r != -ECANCELED)
                fail_and_wait(outlet, &err);
        return r;
}

static int
take_record(struct outlet *outlet, const struct json *record)
{
        struct output_event event;
        struct cursor next = {.seq = (uint64_t)json_number(record, "seq")};
        int r = relay_record_digest(record, &next.record);
        if (r)
                return r;
        if (output_event_of(record, &event) == 0 && output_selects(outlet->config, &event)) {
                bool held = folding_holds(outlet->fold);
                if (folding_take(outlet->fold, &event, clock_monotonic_ms()) == FOLD_HELD) {
                        if (!held)
                                outlet->base = outlet->at;
                } else {
                        r = tell_held(outlet);
                        r = r ? r : tell(outlet, &event);
                }
        }
        if (r == 0)
                outlet->at = next;
        /* A program may do more than note it: it is run as seldom twice as can be. */
        return r == 0 && outlet->config->type == OUTPUT_COMMAND ? settle(outlet) : r;
}

static int
take_batch(struct outlet *outlet, struct err *err)
{
        _cleanup_json_ struct json *records = NULL;
        if (relay_records(outlet->relay, outlet->at.seq, RELAY_BATCH, &records, err))
                return -EIO;
        int r = json_length(records) || atomic_load(&outlet->relay->end) <= outlet->at.seq ? 0 : -EIO;
        json_each (records, i, record)
                if (r == 0 && !relay_stops(outlet->relay))
                        r = take_record(outlet, record);
        if (r == 0 && folding_deadline_ms(outlet->fold) <= clock_monotonic_ms())
                r = tell_held(outlet);
        r = r ? r : settle(outlet);
        return r;
}

/* How long there is nothing to do, unless it is woken. */
static int64_t
rest_ms(const struct outlet *outlet)
{
        int64_t deadline_ms = folding_deadline_ms(outlet->fold);
        if (atomic_load(&outlet->relay->end) > outlet->at.seq)
                return 0;
        return deadline_ms == INT64_MAX ? INT64_MAX : deadline_ms - clock_monotonic_ms();
}

static void
deliver_records(struct outlet *outlet)
{
        bool is_new = false;
        load_cursor(outlet, &is_new);
        outlet->at = outlet->kept;
        count_place(outlet);
        while (!relay_stops(outlet->relay)) {
                struct err err = {0};
                if (find_place(outlet, &is_new, &err)) {
                        outlet_wait(outlet, 1000);
                        continue;
                }
                int r = sender_look(outlet->sender, &err);
                if (r)
                        fail_and_wait(outlet, &err);
                r = r ? r : take_batch(outlet, &err);
                if (r > 0 || r == -ENOMEM)
                        go_back(outlet, r);
                else if (r == -EIO)
                        outlet_wait(outlet, 1000); /* the daemon's connection; the listener says so */
                else
                        outlet_wait(outlet, rest_ms(outlet));
        }
}

/* ---- openmetrics ---- */

static int
write_page(struct outlet *outlet, struct err *err)
{
        struct relay *relay = outlet->relay;
        _cleanup_json_ struct json *status = NULL;
        _cleanup_buf_ struct buf page = {0};
        struct output_counts counts[CONFIG_OUTPUTS_MAX];
        struct err why = {0};
        relay_status(relay, &status, &why);
        for (size_t i = 0; i < relay->n_outlets; i++)
                outlet_copy_counts(&relay->outlets[i], &counts[i]);
        pthread_mutex_lock(&relay->lock);
        int64_t answered_ms = relay->answered_ms;
        pthread_mutex_unlock(&relay->lock);
        if (output_metrics(status, answered_ms, counts, relay->n_outlets, &page) < 0)
                return err_oom(err);
        return file_write(outlet->config->path, 0644, page.data, page.size, err);
}

/* Nothing stays that would say for ever that all is well: who scrapes sees that it is gone. */
static void
deliver_pages(struct outlet *outlet)
{
        while (!relay_stops(outlet->relay)) {
                struct err err = {0};
                int64_t began_ms = clock_monotonic_ms();
                if (write_page(outlet, &err) < 0)
                        count_failure(outlet, &err);
                else
                        count_delivery(outlet, 1);
                outlet_wait(outlet, outlet->config->interval_s * 1000);
                int64_t spent_ms = clock_monotonic_ms() - began_ms;
                if (spent_ms < PAGE_LEAST_MS)
                        relay_sleep(outlet->relay, (int)(PAGE_LEAST_MS - spent_ms));
        }
        unlink(outlet->config->path);
}

/* ---- the whole ---- */

void *
outlet_main(void *userdata)
{
        struct outlet *outlet = userdata;
        if (outlet->config->type == OUTPUT_OPENMETRICS)
                deliver_pages(outlet);
        else
                deliver_records(outlet);
        return NULL;
}

int
outlet_open(struct outlet *outlet, struct relay *relay, const struct config_output *config, struct err *err)
{
        *outlet = (struct outlet){.relay = relay, .config = config};
        pthread_mutex_init(&outlet->lock, NULL);
        snprintf(outlet->counts.name, sizeof outlet->counts.name, "%s", config->name);
        outlet->counts.type = config->type;
        outlet->changed = true;
        outlet->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        outlet->cursor_path = relay_path(relay->config, config->name, "cursor");
        outlet->status_path = relay_path(relay->config, config->name, "status");
        outlet->fold = folding_new(config->fold_s);
        if (config->type != OUTPUT_OPENMETRICS)
                outlet->sender = sender_new(config, &relay->host, &relay->stop);
        if (outlet->wake_fd < 0)
                return err_set(err, EXIT_FAILED, "an eventfd: %s", strerrordesc_np(errno));
        bool whole = outlet->cursor_path && outlet->status_path && outlet->fold &&
                     (outlet->sender || config->type == OUTPUT_OPENMETRICS);
        return whole ? 0 : failed_oom(err);
}

void
outlet_done(struct outlet *outlet)
{
        fd_close(outlet->wake_fd);
        free(outlet->cursor_path);
        free(outlet->status_path);
        folding_free(outlet->fold);
        sender_free(outlet->sender);
        pthread_mutex_destroy(&outlet->lock);
}
