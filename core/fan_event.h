/* SPDX-License-Identifier: MIT */
/*
 * Events of fanotify(7), taken apart as the kernel writes them for a group with FAN_REPORT_DFID_NAME,
 * FAN_REPORT_TARGET_FID and FAN_REPORT_PIDFD. A folder is known by a key: its file system's id and its file
 * handle (name_to_handle_at(2)), which stay the same however it is renamed. Pure; opens and closes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FAN_HANDLE_MAX 128u                    /* bytes: MAX_HANDLE_SZ */
#define FAN_KEY_MAX (8u + 4u + FAN_HANDLE_MAX) /* bytes: file system id, handle type, handle */

struct fan_key {
        size_t size; /* 0: none */
        unsigned char bytes[FAN_KEY_MAX];
};
/* false: a handle that long is none of the kernel's. */
bool fan_key_make(
        struct fan_key *key, const void *fsid, int32_t type, const void *handle, size_t handle_size);

struct fan_event {
        uint64_t mask;         /* FAN_… */
        int32_t pid;           /* 0: of another PID namespace */
        int pidfd;             /* the reader's to close; < 0: the process was gone */
        struct fan_key folder; /* that the event is of, or that holds the name */
        const char *name;      /* in the buffer; NULL: the folder itself */
        struct fan_key target; /* what stands under the name; size 0: not told */
};

/*
 * The event at *at, which then is behind it. 1, 0 at the end, or -EBADMSG: these are not the kernel's bytes
 * (and *at no longer means anything). What it does not know it leaves out: an event without a folder has
 * folder.size 0.
 */
int fan_event_next(const void *buffer, size_t size, size_t *at, struct fan_event *ret);
