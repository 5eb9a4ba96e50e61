/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a fanotify group: a fixed head for each event, behind it records of a type and a length
 * (linux/fanotify.h). They come from the kernel and would not have to be doubted; they are nevertheless taken
 * by memcpy and within their bounds, for a name of up to 255 bytes that anybody may choose stands in them.
 */
#include "core/fan_event.h"

#include <errno.h>
#include <string.h>
#include <sys/fanotify.h>

/* Newer than the headers of some distributions, and for good in the kernel's. */
#define INFO_FID 1u
#define INFO_DFID_NAME 2u
#define INFO_DFID 3u
#define INFO_PIDFD 4u

struct info_head {
        uint8_t type, pad;
        uint16_t size;
};

struct handle_head {
        uint32_t size;
        int32_t type;
};

bool
fan_key_make(struct fan_key *key, const void *fsid, int32_t type, const void *handle, size_t handle_size)
{
        if (handle_size > FAN_HANDLE_MAX)
                return false;
        memcpy(key->bytes, fsid, 8);
        memcpy(key->bytes + 8, &type, sizeof type);
        memcpy(key->bytes + 12, handle, handle_size);
        key->size = 12 + handle_size;
        return true;
}

/* A file system's id, a handle and, where one is wanted, a name with its NUL. */
static int
take_fid(const unsigned char *body, size_t size, struct fan_key *ret_key, const char **ret_name)
{
        struct handle_head head;
        if (size < 8 + sizeof head)
                return -EBADMSG;
        memcpy(&head, body + 8, sizeof head);
        size_t at = 8 + sizeof head;
        if (head.size > size - at || !fan_key_make(ret_key, body, head.type, body + at, head.size))
                return -EBADMSG;
        at += head.size;
        if (!ret_name)
                return 0;
        if (!memchr(body + at, '\0', size - at))
                return -EBADMSG;
        *ret_name = (const char *)(body + at);
        return 0;
}

static int
take_info(const unsigned char *info, const struct info_head *head, struct fan_event *event)
{
        const unsigned char *body = info + sizeof *head;
        size_t size = head->size - sizeof *head;
        switch (head->type) {
        case INFO_FID:
                return take_fid(body, size, &event->target, NULL);
        case INFO_DFID_NAME:
                return take_fid(body, size, &event->folder, &event->name);
        case INFO_DFID:
                return take_fid(body, size, &event->folder, NULL);
        case INFO_PIDFD:
                if (size < sizeof event->pidfd)
                        return -EBADMSG;
                memcpy(&event->pidfd, body, sizeof event->pidfd);
                return 0;
        default: /* of a later kernel */
                return 0;
        }
}

static int
take_infos(const unsigned char *info, size_t size, struct fan_event *event)
{
        while (size) {
                struct info_head head;
                if (size < sizeof head)
                        return -EBADMSG;
                memcpy(&head, info, sizeof head);
                if (head.size < sizeof head || head.size > size)
                        return -EBADMSG;
                int r = take_info(info, &head, event);
                if (r < 0)
                        return r;
                info += head.size;
                size -= head.size;
        }
        return 0;
}

int
fan_event_next(const void *buffer, size_t size, size_t *at, struct fan_event *ret)
{
        struct fanotify_event_metadata head;
        const unsigned char *event = (const unsigned char *)buffer + *at;
        size_t left = size - *at;
        if (!left)
                return 0;
        if (left < sizeof head)
                return -EBADMSG;
        memcpy(&head, event, sizeof head);
        if (head.vers != FANOTIFY_METADATA_VERSION || head.metadata_len < sizeof head ||
                head.event_len < head.metadata_len || head.event_len > left)
                return -EBADMSG;
        *ret = (struct fan_event){.mask = head.mask, .pid = head.pid, .pidfd = -1};
        int r = take_infos(event + head.metadata_len, head.event_len - head.metadata_len, ret);
        if (r < 0)
                return r;
        if (ret->name && strcmp(ret->name, ".") == 0) /* the kernel's word for the folder itself */
                ret->name = NULL;
        *at += head.event_len;
        return 1;
}
