/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * first_exit.c with a mistake: bit 31 of the pin-based controls, which does not exist.
 *
 * Nidus: VM entry refused (error 7): pin_ctl: *
 *
 * The mend: leave the bit out; allowed() is there for that.
 */
#define MISTAKE vmwrite(0x4000, allowed(0x481, 0) | 1u << 31)
#include "examples/first_exit.c"
