/* SPDX-License-Identifier: MIT */
/* can_fanotify FOLDER: whether this process may mark the folder's file system as driftd does; else why not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>

int
main(int argc, char **argv)
{
        int folder = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
        /* FAN_REPORT_TARGET_FID and FAN_REPORT_PIDFD, which the headers of some distributions do not have. */
        int group = fanotify_init(
                FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_REPORT_FID | 0x1000 | 0x80, O_RDONLY);
        if (group < 0 ||
                fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, folder, NULL) < 0) {
                perror("fanotify is not granted here");
                return 1;
        }
        return 0;
}
