/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * first_exit.c with a mistake: a fifth CR3 target. There are four.
 *
 * Nidus: VMfail 12: VMWRITE: *
 *
 * The mend: the last CR3 target is field 0x600e.
 */
#define MISTAKE vmwrite(0x6010, cr3)
#include "examples/first_exit.c"
