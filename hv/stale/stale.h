/* SPDX-License-Identifier: BSD-2-Clause */
/* tlb=strict with verbose=: tells of translations that an INVEPT should have ended. Without L2 in
 * EPT12, nothing happens. */
#ifndef HV_STALE_STALE_H
#define HV_STALE_STALE_H

#include "hv/nested/nested.h"

/* Takes the memory. False when memory is short. @pre ept02_init */
bool ept02_stale_reserve(struct cpu *cpu) MUST_CHECK;
/* L2 is about to run: takes out of EPT02 what EPT12 no longer has, and flushes.
 * @pre ept02_stale_left was called since the last call */
void ept02_stale_enter(struct cpu *cpu);
/* The processor is back in L0, by an exit or without one: puts all back. True: the exit was L2's
 * use of what was taken out. It is told, and L2 is to be entered again.
 * @pre the VMCS of the exit is current */
bool ept02_stale_left(struct cpu *cpu, bool exited) MUST_CHECK;

#endif
