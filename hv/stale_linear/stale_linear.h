/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tlb=strict with verbose=, where L1 keeps L2's page tables itself (no EPT for L2, but a VPID):
 * tells when L1 has changed a translation of a page that L2 runs in, and L2 runs on in that page
 * without a flush between. The processor may use the old translation, then. It does not show which
 * one it used, so that is not said.
 *
 * Told is only what L0 knows to be so. L2's own flushes must all reach L1: CR3-load exiting and
 * INVLPG exiting are on, page faults exit, and the bits of CR0 and CR4 that flush are L1's. A
 * processor caches no translation whose accessed flags are clear. Where there are several
 * processors, another one may be about to send its flush, so nothing is told.
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings"
 */
#ifndef HV_STALE_LINEAR_STALE_LINEAR_H
#define HV_STALE_LINEAR_STALE_LINEAR_H

#include "hv/nested/nested.h"

/* Takes the memory of cpu->stale_linear. False when memory is short. */
bool stale_linear_reserve(struct cpu *cpu) MUST_CHECK;
/* L1 or L2 is about to run. @pre its VMCS is current */
void stale_linear_enter(struct cpu *cpu);
/* The processor is back in L0 by an exit, which has not been handled. @pre the VMCS of the exit is
 * current */
void stale_linear_left(struct cpu *cpu);

#endif
