/* SPDX-License-Identifier: MIT */
/* The rows of the table of probes. */
#pragma once

#include "core/probe.h"

int probe_sysctl(const struct probe_request *request, struct probe_reading *ret, struct err *err);
int probe_sshd(const struct probe_request *request, struct probe_reading *ret, struct err *err);
int probe_openssl(const struct probe_request *request, struct probe_reading *ret, struct err *err);
