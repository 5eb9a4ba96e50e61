/* SPDX-License-Identifier: MIT */
/*
 * The witness over HTTP (c2sp.org/tlog-witness): POST /add-checkpoint, and GET /HASH/checkpoint for monitors.
 * The fence of libmicrohttpd. One thread serves all, so that requests come one after the other.
 */
#pragma once

#include <pthread.h>

#include "core/witness.h"

#define WITNESS_CONNECTIONS_MAX 64u
#define WITNESS_CONNECTIONS_OF_ADDRESS_MAX 16u
#define WITNESS_TIMEOUT_S 15u

struct witness_http;

/* What is to be told, from the serving thread, with the lock held. */
typedef void (*witness_told)(void *userdata, const struct witness_answer *answer);

/* address: IP:PORT or [IPv6]:PORT; port 0: any. lock guards the witness. -EINVAL, -EADDRINUSE, … with words.
 */
int witness_http_start(const char *address, struct witness *witness, pthread_mutex_t *lock, witness_told told,
        void *userdata, struct witness_http **ret, struct err *err);
unsigned witness_http_port(const struct witness_http *http);
struct witness_http *witness_http_stop(struct witness_http *http);
CLEANUP_DEFINE(struct witness_http *, witness_http_stop)
