/*
 * The MSRs that concern VMX or could reach L0, in one table: which accesses of L1 exit, and what
 * they answer. Accesses that hv/nested makes in L1's name (MSR lists) take the same path.
 */
#ifndef HV_VMX_MSR_L1_H
#define HV_VMX_MSR_L1_H

#include "hv/vmx/vmx.h"

/* Allocates and fills vm->msr.bitmap. False when memory is short. */
bool msr_l1_init(struct vm *vm) MUST_CHECK;

/* RDMSR and WRMSR by L1; false: #GP(0), and nothing changed. @pre vmcs01 is current */
bool msr_l1_read(struct cpu *cpu, u32 msr, u64 *v) MUST_CHECK;
bool msr_l1_write(struct cpu *cpu, u32 msr, u64 v) MUST_CHECK;

#endif
