/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * first_exit.c with a mistake: the VMCS link pointer is no page.
 *
 * Nidus: VM entry refused (exit reason 33): link_align: *
 *
 * The mend: without VMCS shadowing the pointer is all ones.
 */
#define MISTAKE vmwrite(0x2800, 0x123)
#include "examples/first_exit.c"
