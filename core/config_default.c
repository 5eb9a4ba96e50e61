/* SPDX-License-Identifier: MIT */
/*
 * The default configuration inside the programs: the bytes of etc/driftd.conf, taken in by the assembler
 * (which looks from the folder that make runs in), so that there is one copy to keep right. A NUL ends it.
 */
#include "core/config.h"

__asm__(".pushsection .rodata,\"a\"\n"
        ".global config_default_text\n"
        ".type config_default_text, %object\n"
        "config_default_text:\n"
        ".incbin \"etc/driftd.conf\"\n"
        ".byte 0\n"
        ".size config_default_text, . - config_default_text\n"
        ".popsection\n");
