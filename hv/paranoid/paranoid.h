/* SPDX-License-Identifier: BSD-2-Clause */
/* stress=paranoid: L0's invariants, checked after every exit and before every entry. */
#ifndef HV_PARANOID_PARANOID_H
#define HV_PARANOID_PARANOID_H

#include "hv/vmx/vmx.h"

/* Takes the memory and sets cpu->paranoid. False when memory is short. */
bool paranoid_reserve(struct cpu *cpu) MUST_CHECK;
/* Records what later checks compare with.
 * @pre L0's own control registers and page tables are in force */
void paranoid_init(struct cpu *cpu, const struct boot_info *info);

/* Checks the next part of each invariant. Ends in panic when one does not hold.
 * @pre an exit has been handled; the VMCS of the guest that runs next is current */
void paranoid_check(struct cpu *cpu);

/* ---- entry_audit.c ---- */

/* Ends in panic when the current VMCS breaks an entry rule of this CPU.
 * @pre the current VMCS is about to be entered */
void judge_before_entry(struct cpu *cpu);

/* ---- flush_audit.c ---- */

/* Remembers in cpu->audit what the guest's linear translations depend on, and L0's counts of
 * flushes.
 * @pre the guest has just exited; its VMCS is current */
void flush_audit_exit(struct cpu *cpu);
/* Ends in panic when a flush was due since flush_audit_exit and L0 has not executed one.
 * @pre the VMCS that is about to be entered is current */
void flush_audit_entry(struct cpu *cpu);

#endif
