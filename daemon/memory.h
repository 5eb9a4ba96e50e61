/* SPDX-License-Identifier: MIT */
/* The resident size is a budget: what is not in use goes back to the system. */
#pragma once

/* For a moment in which nothing waits: takes up to some ms. Of the thread that calls, also what the allocator
 * keeps for it alone. */
void memory_give_back(void);
