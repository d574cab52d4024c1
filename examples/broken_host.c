/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * first_exit.c with a mistake: host CS with RPL 3.
 *
 * Nidus: VM entry refused (error 8): host_selector_bits: *
 *
 * The mend: host selectors have their three low bits clear, whatever the selector is.
 */
#define MISTAKE vmwrite(0x0c02, cs | 3)
#include "examples/first_exit.c"
