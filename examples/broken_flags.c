/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * first_exit.c with a mistake: RFLAGS of L2 is 0, and bit 1 is always 1.
 *
 * Nidus: VM entry refused (exit reason 33): rflags_reserved: *
 *
 * The mend: write 2.
 */
#define MISTAKE vmwrite(0x6820, 0)
#include "examples/first_exit.c"
