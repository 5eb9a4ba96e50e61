/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
int command_doctor(struct cli *cli, struct err *err) { (void)cli; return err_set(err, 4, "later"); }
