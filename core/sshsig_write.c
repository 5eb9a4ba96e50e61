/* SPDX-License-Identifier: MIT */
/*
 * The armour around a signature that somebody else made. Apart from sshsig.c because only what signs
 * needs it, and the daemon never does. Writes what ssh-keygen -Y sign writes, to the byte: version 1,
 * reserved field empty, sha512, lines of 70 characters.
 */
#include "core/sshsig.h"

#include <string.h>

#define ARMOR_LINE 70 /* characters */

static int
append_sshsig(
        const struct ssh_key *key, const char *name_space, const void *sig_blob, size_t size, struct buf *buf)
{
        _cleanup_buf_ struct buf blob = {0};
        int r = ssh_key_append_blob(key, &blob);
        if (r == 0)
                r = buf_append(buf, "SSHSIG", 6);
        if (r == 0)
                r = ssh_append_u32(buf, 1);
        if (r == 0)
                r = ssh_append_string(buf, blob.data, blob.size);
        if (r == 0)
                r = ssh_append_string(buf, name_space, strlen(name_space));
        if (r == 0)
                r = ssh_append_string(buf, "", 0);
        if (r == 0)
                r = ssh_append_string(buf, "sha512", 6);
        if (r == 0)
                r = ssh_append_string(buf, sig_blob, size);
        return r;
}

int
sshsig_append_armor(
        const struct ssh_key *key, const char *name_space, const void *sig_blob, size_t size, struct buf *buf)
{
        _cleanup_buf_ struct buf blob = {0}, base64 = {0}, armor = {0};
        int r = append_sshsig(key, name_space, sig_blob, size, &blob);
        if (r == 0)
                r = crypto_base64_append(&base64, blob.data, blob.size);
        if (r == 0)
                r = buf_text(&armor, SSHSIG_BEGIN);
        for (size_t at = 0; r == 0 && at < base64.size; at += ARMOR_LINE) {
                r = buf_append(&armor, base64.data + at, min_size(ARMOR_LINE, base64.size - at));
                if (r == 0)
                        r = buf_append(&armor, "\n", 1);
        }
        if (r == 0)
                r = buf_text(&armor, SSHSIG_END);
        return r < 0 ? r : buf_append(buf, armor.data, armor.size);
}
