/* SPDX-License-Identifier: MIT */
/*
 * For helper programs: everything given up that a program which only reads and answers does not need. It is
 * called before code from outside (a module that a configuration names) can run. What a kernel or a unit does
 * not allow is left out, and the rest is dropped all the same.
 */
#pragma once

enum sandbox_dropped {
        SANDBOX_USER = 1,         /* it is nobody, without groups */
        SANDBOX_CAPABILITIES = 2, /* none left, in no set that a program can use */
        SANDBOX_LANDLOCK = 4,     /* no writing, no program started, no port */
        SANDBOX_SECCOMP = 8,      /* only the calls that reading and answering take */
};

/* What was dropped: a mask of the above. */
unsigned sandbox_enter(void);
