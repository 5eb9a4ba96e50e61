/* SPDX-License-Identifier: MIT */
/*
 * Approval files: whatever the bytes, parsing ends, and what is taken is taken whole: texts and signatures
 * lie one after the other and are the file, and nothing is named that does not stand there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/approval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct approval *list = NULL;
        size_t count = 0, covered = 0;
        struct err err = {0};
        struct digest id = {0};
        struct sshsig sig;
        if (approvals_parse((const char *)data, size, &list, &count, &err) != 0) {
                assert(err.code == APPROVAL_MALFORMED && err.text[0]);
                return 0;
        }
        for (size_t i = 0; i < count; i++) {
                assert(list[i].text == (const char *)data + covered);
                assert(list[i].armor == list[i].text + list[i].text_size);
                covered += list[i].text_size + list[i].armor_size;
                assert(name_is_valid(list[i].by, strlen(list[i].by)));
                assert(!approval_names_baseline(&list[i], &id, "-", "*", 1));
                assert(!approval_names_trust(&list[i], &id, 0));
                if (sshsig_parse(list[i].armor, list[i].armor_size, &sig, NULL) == 0)
                        (void)sshsig_verify(
                                &sig, SSHSIG_NAMESPACE_APPROVAL, list[i].text, list[i].text_size, NULL);
        }
        assert(covered == size);
        free(list);
        return 0;
}
