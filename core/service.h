/* SPDX-License-Identifier: MIT */
/*
 * The methods of dev.driftd.Control (daemon/dev.driftd.Control.varlink is their contract), independent of how they
 * are reached: driftd serves them on its socket, and driftctl calls them in its own process when the daemon is down.
 */
#pragma once

#include <sys/types.h>

#include "core/instance.h"
#include "core/json.h"

/* Exit codes of driftctl, and `exit` of an error reply. The worst wins in the order 3, 4, 1, 2, 0. */
enum exit_code { EXIT_CLEAN = 0, EXIT_DRIFT = 1, EXIT_INCOMPLETE = 2, EXIT_UNTRUSTED = 3, EXIT_FAILED = 4 };
int exit_worst(int a, int b) _pure_;

#define SERVICE_CHUNK_MAX ((size_t)256 << 10) /* bytes of text in one reply or upload frame */
#define SERVICE_UPLOAD_MAX ((size_t)512 << 20) /* bytes of one upload */

/* Who asks. */
struct service_peer {
        uid_t uid;
        pid_t pid;
        char user[64]; /* login name, or the number */
};

/* What a caller has uploaded so far, for Apply and Compare. */
struct service_session {
        struct buf baseline, approvals;
};
void service_session_done(struct service_session *session);

/* Takes the reference. continues: more replies follow. Non-zero stops the call and is returned from it. */
typedef int (*service_reply)(void *userdata, struct json *parameters, bool continues);

/*
 * Calls one method ("Diff", without the interface). 0 after the last reply; otherwise an exit code (3 or 4) with
 * words, for an error reply. Slow methods (Diff, Scan, Propose, Compare, Verify) run to their end: the daemon
 * has its own way of waiting for them (control.c).
 */
int service_call(struct instance *instance, const struct service_peer *peer, struct service_session *session, const char *method,
        const struct json *parameters, service_reply reply, void *userdata, struct err *err);
