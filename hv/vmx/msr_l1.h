/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's MSRs, by the allow-list of hv/arch/msr_policy.def: which accesses exit, and what L0
 * answers. hv/nested uses the same functions for L1's MSR areas.
 */
#ifndef HV_VMX_MSR_L1_H
#define HV_VMX_MSR_L1_H

#include "hv/vmx/vmx.h"

/* Allocates vm->msr_bitmap. False when memory is short. */
bool msr_l1_reserve(struct vm *vm) MUST_CHECK;
/* Fills vm->msr_bitmap. @pre vm->facts of all processors */
void msr_l1_fill_bitmap(const struct vm *vm);
/* Reads where this processor's local APIC is. */
void msr_l1_init(struct cpu *cpu);

/* RDMSR and WRMSR by the guest whose VMCS is current. False: the instruction is #GP(0), and
 * nothing has changed. An MSR that an entry loads and an exit replaces is read from and written
 * to the current VMCS. @pre vmcs01 is current for an access of L1's and for the exit's MSR-load
 * area; vmcs02 is current for an access of L2's, the entry's MSR-load area and the MSR-store
 * area */
bool msr_l1_read(struct cpu *cpu, u32 msr, u64 *v) MUST_CHECK;
bool msr_l1_write(struct cpu *cpu, u32 msr, u64 v) MUST_CHECK;

/* Rebuilds and flushes EPT01 if msr_l1_write has changed L1's MTRRs since the last call. The
 * caller calls it once after its writes, before a guest runs again. Either VMCS may be current. */
void msr_l1_settle(struct cpu *cpu);

#endif
