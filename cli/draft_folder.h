/* SPDX-License-Identifier: MIT */
/*
 * A folder under construction, beside the name that it will have: it gets that name whole, or it is gone. It
 * is gone too where a person presses Ctrl-C, or a signal ends the program: it is removed first, and then the
 * signal ends us, so that who waits for us sees what happened.
 */
#pragma once

#include "core/err.h"
#include "core/util.h"

struct draft_folder;

/* Makes TARGET.XXXXXX (0700). Until draft_folder_free, SIGHUP, SIGINT, SIGQUIT and SIGTERM are blocked in
 * this thread, and the threads that it makes: where one comes, a thread of the draft acts. 0 or < 0 with
 * words. */
int draft_folder_new(const char *target, struct draft_folder **ret, struct err *err);
const char *draft_folder_path(const struct draft_folder *draft);
/* Gives it its name, over an empty folder at most, durably. < 0 with words: it is removed when freed. */
int draft_folder_name(struct draft_folder *draft, struct err *err);
/* Removed with all that is in it, unless it got its name. NULL. */
struct draft_folder *draft_folder_free(struct draft_folder *draft);
CLEANUP_DEFINE(struct draft_folder *, draft_folder_free)
