/* SPDX-License-Identifier: MIT */
/*
 * From the daemon: two connections for all outputs. One follows the history and keeps nothing of it: it tells
 * the others how far there is something to read. It is always read, so the daemon never holds much for it.
 * The other is asked for what an output wants next, by whoever has the lock.
 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "cli/fail.h"
#include "cli/relay_internal.h"
#include "core/clock.h"

bool
relay_stops(const struct relay *relay)
{
        return atomic_load(&relay->stop.now);
}

void
relay_wake(struct relay *relay)
{
        for (size_t i = 0; i < relay->n_outlets; i++)
                eventfd_write(relay->outlets[i].wake_fd, 1);
}

void
outlet_wait(struct outlet *outlet, int64_t timeout_ms)
{
        eventfd_t count;
        struct pollfd fds[] = {{outlet->relay->stop.fd, POLLIN, 0}, {outlet->wake_fd, POLLIN, 0},
                {outlet->sender ? sender_fd(outlet->sender) : -1, POLLIN | POLLRDHUP, 0}};
        if (relay_stops(outlet->relay) || timeout_ms <= 0)
                return;
        poll(fds, ARRAY_SIZE(fds), timeout_ms > INT32_MAX ? -1 : (int)timeout_ms);
        if (fds[1].revents)
                eventfd_read(outlet->wake_fd, &count);
}

void
relay_sleep(struct relay *relay, int timeout_ms)
{
        struct pollfd fd = {relay->stop.fd, POLLIN, 0};
        poll(&fd, 1, timeout_ms);
}

/* ---- asking ---- */

static int
ask_locked(struct relay *relay, const char *method, struct json *parameters, client_on_reply on_reply,
        void *userdata, struct err *err)
{
        int r = relay->client ? 0 : client_open_daemon(relay->config, &relay->client, err);
        if (r) {
                json_free(parameters);
                return r;
        }
        client_set_timeout(relay->client, RELAY_ANSWER_S);
        r = client_call(relay->client, method, parameters, on_reply, userdata, err);
        if (r)
                relay->client = client_free(relay->client);
        else
                relay->answered_ms = clock_now_ms();
        return r;
}

int
relay_ask(struct relay *relay, const char *method, struct json *parameters, client_on_reply on_reply,
        void *userdata, struct err *err)
{
        pthread_mutex_lock(&relay->lock);
        int r = ask_locked(relay, method, parameters, on_reply, userdata, err);
        pthread_mutex_unlock(&relay->lock);
        return r;
}

static int
keep_status(void *userdata, const struct json *parameters, bool continues)
{
        struct json **ret = userdata;
        const struct json *status = json_member(parameters, "status");
        (void)continues;
        if (status && !*ret)
                *ret = json_keep((struct json *)(uintptr_t)status);
        return 0;
}

int
relay_status(struct relay *relay, struct json **ret, struct err *err)
{
        struct json *status = NULL;
        int r = relay_ask(relay, "GetStatus", json_make("{}"), keep_status, &status, err);
        if (r == 0 && !status)
                r = err_set(err, EXIT_FAILED, "the daemon's answer has no status");
        if (r == 0)
                *ret = status;
        else
                json_free(status);
        return r;
}

static int
gather(void *userdata, const struct json *parameters, bool continues)
{
        struct json *list = userdata;
        (void)continues;
        json_each (json_member(parameters, "records"), i, record)
                if (json_push(list, json_keep((struct json *)(uintptr_t)record)) < 0)
                        return EXIT_FAILED;
        return 0;
}

static struct json *
log_parameters(uint64_t after, uint64_t last, bool follow)
{
        return json_make("{s:I, s:I, s:[], s:I, s:I, s:b}", "since_ms", (json_int)0, "until_ms",
                (json_int)INT64_MAX, "items", "after_seq", (json_int)after, "last_seq", (json_int)last,
                "follow", follow);
}

int
relay_records(struct relay *relay, uint64_t after, uint64_t count, struct json **ret, struct err *err)
{
        _cleanup_json_ struct json *list = json_array_make();
        if (!list)
                return failed_oom(err);
        int r = relay_ask(relay, "Log", log_parameters(after, after + count, false), gather, list, err);
        if (r == 0)
                *ret = steal_pointer(&list);
        return r;
}

/* ---- listening ---- */

static int
heard(void *userdata, const struct json *parameters, bool continues)
{
        struct relay *relay = userdata;
        const struct json *records = json_member(parameters, "records");
        size_t n = json_length(records);
        json_int seq = n ? json_number(json_at(records, n - 1), "seq") : 0;
        (void)continues;
        if (seq > 0 && (uint64_t)seq > atomic_load(&relay->end)) {
                atomic_store(&relay->end, (unsigned long long)seq);
                relay_wake(relay);
        }
        return relay_stops(relay) ? 1 : 0;
}

/* The host and the end of the history; from here on what the outlets know is to be compared anew. */
static int
reach(struct relay *relay, struct err *err)
{
        _cleanup_json_ struct json *status = NULL;
        int r = relay_status(relay, &status, err);
        if (r)
                return r;
        const char *id = json_text(status, "host");
        if (!atomic_load(&relay->epoch)) /* nobody reads it before */
                output_host_fill(&relay->host, id && strlen(id) < HOST_ID_MAX ? id : "");
        atomic_store(&relay->end, (unsigned long long)json_number(json_member(status, "history"), "size"));
        atomic_fetch_add(&relay->epoch, 1);
        atomic_store(&relay->up, true);
        relay_wake(relay);
        return 0;
}

/* Whether the daemon answered: one that only takes connections (it has too many) is as good as away. */
static bool
follow(struct relay *relay, struct client *client, struct err *err)
{
        bool reached = false;
        pthread_mutex_lock(&relay->lock);
        relay->follower = client;
        pthread_mutex_unlock(&relay->lock);
        if (!relay_stops(relay) && (reached = reach(relay, err) == 0))
                client_call(
                        client, "Log", log_parameters(atomic_load(&relay->end), 0, true), heard, relay, err);
        pthread_mutex_lock(&relay->lock);
        relay->follower = NULL;
        pthread_mutex_unlock(&relay->lock);
        return reached;
}

void *
relay_listen(void *userdata)
{
        struct relay *relay = userdata;
        int wait_ms = RELAY_RETRY_LEAST_MS;
        bool told = false;
        while (!relay_stops(relay)) {
                _cleanup_(client_freep) struct client *client = NULL;
                struct err err = {0};
                if (client_open_daemon(relay->config, &client, &err) == 0 && follow(relay, client, &err)) {
                        wait_ms = RELAY_RETRY_LEAST_MS;
                        told = false;
                }
                atomic_store(&relay->up, false);
                relay_wake(relay);
                if (!relay_stops(relay) && !told)
                        relay_log(NULL, "%s; going on when the daemon answers", err.text);
                told = true;
                relay_sleep(relay, wait_ms);
                wait_ms = wait_ms * 2 < 5000 ? wait_ms * 2 : 5000;
        }
        return NULL;
}
