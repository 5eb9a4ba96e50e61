/* SPDX-License-Identifier: MIT */
/*
 * A thread whom the kernel no longer tells that it is root's: getuid(2) and geteuid(2) answer UNROOT_UID, and
 * so they do for every program that it starts. Nothing else changes; no right is gained or lost, and none is
 * needed. For programs that ask more of root than of others before they answer a question.
 */
#pragma once

#include <stdbool.h>

#define UNROOT_UID 4294967294u /* -2: of no user */

/* Only for the calling thread, which cannot take it back. false: not on this machine, and nothing changed but
 * no_new_privs of the thread. */
bool unroot_thread(void);
