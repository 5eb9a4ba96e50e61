/* SPDX-License-Identifier: MIT */
/* The supervisor is told: sd_notify(3) behind a fence. Nothing where there is none. */
#pragma once

void notify_state(const char *state);
