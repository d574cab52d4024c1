/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of L1's exits. While L2 runs, hv/nested has a table of its own. */
#ifndef HV_DISPATCH_H
#define HV_DISPATCH_H

#include "hv/vmx/outcome.h"

extern const struct exit_row exit_rows_l1[EXIT_ROWS];

#endif
