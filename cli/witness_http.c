/* SPDX-License-Identifier: MIT */
/*
 * HTTP for the witness. libmicrohttpd gives a request in pieces: headers, bytes of its body, its end. A body
 * is gathered up to a bound, and handed over whole; what is too long is refused with 413 and not kept.
 * Connections, their number of one address, and their time are bounded by the library's own options. No TLS:
 * whoever needs it puts a proxy before it, and nothing that is told here is a secret.
 */
#include "cli/witness_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/quote.h"

struct witness_http {
        struct MHD_Daemon *daemon;
        struct witness *witness;
        pthread_mutex_t *lock;
        witness_told told;
        void *userdata;
};

#define UPLOAD_MS 30000 /* the library's own limit is between two bytes */

struct upload {
        struct buf body;
        bool too_long;
        size_t drained; /* of what is too long: as much again, so that its sender reads the answer */
        int64_t until_ms;
};

/* ---- answers ---- */

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status, const char *type, const char *body, size_t size)
{
        union {
                const char *bytes;
                void *taken;
        } copied = {.bytes = size ? body : ""}; /* it is copied, and the interface says void * */
        struct MHD_Response *response =
                MHD_create_response_from_buffer(size, copied.taken, MHD_RESPMEM_MUST_COPY);
        if (!response)
                return MHD_NO;
        MHD_add_response_header(response, "Content-Type", type);
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
                MHD_add_response_header(response, "Allow", "GET, POST");
        enum MHD_Result r = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result
answer_words(struct MHD_Connection *connection, unsigned status, const char *words)
{
        return answer(connection, status, "text/plain; charset=utf-8", words, strlen(words));
}

/* ---- POST /add-checkpoint ---- */

static enum MHD_Result
add_checkpoint(struct witness_http *http, struct MHD_Connection *connection, const struct upload *upload)
{
        struct witness_answer told = {0};
        struct err err = {0};
        if (upload->too_long)
                return answer_words(connection, MHD_HTTP_CONTENT_TOO_LARGE, "a request has at most 1 MiB\n");
        pthread_mutex_lock(http->lock);
        int r = witness_ask(http->witness, upload->body.data ? upload->body.data : "", upload->body.size,
                (int64_t)time(NULL), &told, &err);
        if (r == 0)
                http->told(http->userdata, &told);
        pthread_mutex_unlock(http->lock);
        enum MHD_Result sent = r ? answer_words(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n")
                                 : answer(connection, told.status,
                                           told.status == WITNESS_CONFLICT ? "text/x.tlog.size"
                                                                           : "text/plain; charset=utf-8",
                                           told.body.data, told.body.size);
        witness_answer_done(&told);
        return sent;
}

/* ---- GET /HASH/checkpoint ---- */

static enum MHD_Result
get_checkpoint(struct witness_http *http, struct MHD_Connection *connection, const char *url)
{
        static const char tail[] = "/checkpoint";
        _cleanup_buf_ struct buf text = {0};
        size_t size = strlen(url), hex = DIGEST_HEX_SIZE - 1;
        int r = -ENOENT;
        if (size == 1 + hex + sizeof tail - 1 && strcmp(url + 1 + hex, tail) == 0) {
                pthread_mutex_lock(http->lock);
                r = witness_checkpoint(http->witness, url + 1, hex, &text, NULL);
                pthread_mutex_unlock(http->lock);
        }
        if (r)
                return answer_words(connection, MHD_HTTP_NOT_FOUND, "there is nothing by that name\n");
        return answer(connection, MHD_HTTP_OK, "text/plain; charset=utf-8", text.data, text.size);
}

/* ---- requests ---- */

static enum MHD_Result
on_request(void *userdata, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version, const char *data, size_t *size, void **slot)
{
        struct witness_http *http = userdata;
        struct upload *upload = *slot;
        (void)version;
        if (!upload) { /* the headers */
                *slot = upload = calloc(1, sizeof *upload);
                if (upload)
                        upload->until_ms = clock_monotonic_ms() + UPLOAD_MS;
                return upload ? MHD_YES : MHD_NO;
        }
        if (*size) {
                if (upload->body.size + *size > CHECKPOINT_REQUEST_MAX)
                        upload->too_long = true;
                upload->drained += upload->too_long ? *size : 0;
                if (upload->drained > CHECKPOINT_REQUEST_MAX || clock_monotonic_ms() > upload->until_ms)
                        return MHD_NO;
                if (!upload->too_long && buf_append(&upload->body, data, *size) < 0)
                        return MHD_NO;
                *size = 0;
                return MHD_YES;
        }
        if (strcmp(method, "GET") == 0)
                return get_checkpoint(http, connection, url);
        if (strcmp(method, "POST") != 0)
                return answer_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and POST are known here\n");
        if (strcmp(url, "/add-checkpoint") != 0)
                return answer_words(connection, MHD_HTTP_NOT_FOUND, "POST /add-checkpoint is known here\n");
        return add_checkpoint(http, connection, upload);
}

static void
on_completed(
        void *userdata, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode code)
{
        struct upload *upload = *slot;
        (void)userdata;
        (void)connection;
        (void)code;
        if (upload)
                buf_done(&upload->body);
        free(upload);
        *slot = NULL;
}

/* ---- the address ---- */

union address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
};

static int
address_parse(const char *text, union address *ret, struct err *err)
{
        char host[INET6_ADDRSTRLEN + 1] = "", *end = NULL;
        const char *colon = strrchr(text, ':');
        bool six = *text == '[';
        size_t size = colon ? (size_t)(colon - text) : 0;
        unsigned long port =
                colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 65536;
        *ret = (union address){0};
        if (six && size > 2 && text[size - 1] == ']' && size - 2 < sizeof host)
                memcpy(host, text + 1, size - 2);
        else if (!six && size && size < sizeof host)
                memcpy(host, text, size);
        if (end && !*end && port < 65536 && six && inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
                ret->v6.sin6_family = AF_INET6;
                ret->v6.sin6_port = htons((uint16_t)port);
                return 0;
        }
        if (end && !*end && port < 65536 && !six && inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
                ret->v4.sin_family = AF_INET;
                ret->v4.sin_port = htons((uint16_t)port);
                return 0;
        }
        err_set(err, -EINVAL, "%s is not an address to listen on", quote(text));
        return err_hint(err, -EINVAL, "IP:PORT, as in 192.0.2.7:7080, or [IPv6]:PORT");
}

int
witness_http_start(const char *text, struct witness *witness, pthread_mutex_t *lock, witness_told told,
        void *userdata, struct witness_http **ret, struct err *err)
{
        _cleanup_(witness_http_stopp) struct witness_http *http = calloc(1, sizeof *http);
        union address address;
        int r = http ? address_parse(text, &address, err) : err_oom(err);
        if (r)
                return r;
        *http = (struct witness_http){.witness = witness, .lock = lock, .told = told, .userdata = userdata};
        unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                         (address.any.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
        errno = 0;
        http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
                &address.any, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
                WITNESS_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                WITNESS_CONNECTIONS_OF_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, WITNESS_TIMEOUT_S,
                MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
        if (!http->daemon)
                return err_set(err, errno ? -errno : -EIO, "cannot listen on %s: %s", quote(text),
                        errno ? strerrordesc_np(errno) : "no reason is known");
        *ret = steal_pointer(&http);
        return 0;
}

unsigned
witness_http_port(const struct witness_http *http)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
        return info ? info->port : 0;
}

struct witness_http *
witness_http_stop(struct witness_http *http)
{
        if (!http)
                return NULL;
        if (http->daemon)
                MHD_stop_daemon(http->daemon);
        free(http);
        return NULL;
}
