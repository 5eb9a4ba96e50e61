/* SPDX-License-Identifier: MIT */
/*
 * Private key files, ours and OpenSSH's: a file that gives a signer gives one that signs, and describing
 * it tells of the same key. No passphrase is given, so that no time goes into unsealing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/secret.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc, (void)argv;
        return crypto_setup(); /* guarded memory wants it */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(signer_freep) struct signer *signer = NULL;
        _cleanup_free_ char *name = NULL;
        _cleanup_buf_ struct buf armor = {0};
        struct ssh_key key;
        struct err err = {0};
        bool sealed = false;
        int described = secret_describe(data, size, &key, &name, &sealed, &err);
        assert(described == 0 || (described == err.code && err.text[0]));
        int opened = signer_from_file(data, size, NULL, &signer, &err);
        assert(opened == 0 || (opened == err.code && err.text[0] && !signer));
        if (described == 0 && sealed && size <= 16384)
                assert(opened == SECRET_PASSPHRASE_NEEDED);
        if (opened == 0) {
                assert(signer_sign(signer, SSHSIG_NAMESPACE_APPROVAL, "text", 4, &armor, &err) == 0);
                assert(described != 0 || ssh_key_equal(&key, signer_key(signer)));
        }
        return 0;
}
