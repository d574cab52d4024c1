/*
 * A guest's MSRs, by the allow-list of hv/arch/msr_policy.def: which accesses exit, and what they
 * answer. Accesses that hv/nested makes in a guest's name (MSR lists) take the same path.
 */
#ifndef HV_VMX_MSR_L1_H
#define HV_VMX_MSR_L1_H

#include "hv/vmx/vmx.h"

/* Allocates and fills vm->msr.bitmap. False when memory is short. */
bool msr_l1_init(struct vm *vm) MUST_CHECK;

/* RDMSR and WRMSR by the guest whose VMCS is current; false: #GP(0), and nothing changed. */
bool msr_l1_read(struct cpu *cpu, u32 msr, u64 *v) MUST_CHECK;
bool msr_l1_write(struct cpu *cpu, u32 msr, u64 v) MUST_CHECK;

/* After writes, before a guest runs again: EPT01 follows L1's MTRRs, once for all of them. */
void msr_l1_settle(struct cpu *cpu);

#endif
