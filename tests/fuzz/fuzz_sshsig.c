/* SPDX-License-Identifier: MIT */
/*
 * SSH keys and signatures, from armour, from a line and from the wire: a key that is taken is written back
 * as the same bytes, and no signature is ever taken for another purpose than it names.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/sshsig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_blob(const void *data, size_t size)
{
        struct ssh_key key, again;
        struct buf blob = {0}, line = {0};
        if (ssh_key_parse_blob(data, size, &key, NULL) < 0)
                return;
        assert(ssh_key_append_blob(&key, &blob) == 0);
        assert(blob.size == size && memcmp(blob.data, data, size) == 0);
        assert(ssh_key_append_text(&key, &line) == 0);
        assert(ssh_key_parse(line.data, &again, NULL, NULL) == 0 && ssh_key_equal(&key, &again));
        buf_done(&blob);
        buf_done(&line);
}

static void
fuzz_line(const void *data, size_t size)
{
        struct ssh_key key;
        struct buf again = {0};
        const char *comment = NULL;
        char *line = strndup(data, size);
        if (line && ssh_key_parse(line, &key, &comment, NULL) == 0) {
                assert(comment >= line && comment <= line + strlen(line));
                assert(ssh_key_append_text(&key, &again) == 0);
                assert(ssh_key_append_fingerprint(&key, &again) == 0);
        }
        buf_done(&again);
        free(line);
}

static void
fuzz_armor(const void *data, size_t size)
{
        struct sshsig sig;
        struct err err = {0};
        if (sshsig_parse(data, size, &sig, &err) != 0) {
                assert(err.code == SSHSIG_MALFORMED && err.text[0]);
                return;
        }
        assert(strlen(sig.name_space) > 0);
        (void)sshsig_verify(&sig, sig.name_space, "text", 4, NULL);
        assert(sshsig_verify(&sig, "another", "text", 4, NULL) != 0);
}

/* The bytes inside the armour are where the fuzzer should spend its time. */
static void
fuzz_inside(const void *data, size_t size)
{
        struct buf base64 = {0}, armor = {0};
        if (size > 2048 || crypto_base64_append(&base64, data, size) < 0 ||
                buf_text(&armor, SSHSIG_BEGIN) < 0)
                return;
        for (size_t at = 0; at < base64.size; at += 70) {
                assert(buf_append(&armor, base64.data + at, min_size(70, base64.size - at)) == 0);
                assert(buf_text(&armor, "\n") == 0);
        }
        assert(buf_text(&armor, SSHSIG_END) == 0);
        fuzz_armor(armor.data, armor.size);
        buf_done(&base64);
        buf_done(&armor);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_armor(data, size);
        fuzz_inside(data, size);
        fuzz_blob(data, size);
        fuzz_line(data, size);
        return 0;
}
