/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which values an MSR takes, by what CPUID shows. The MSRs are those that live in a VMCS or that
 * L0 judges, so L0 never has to try a guest's value in a register. The rules of VM entry
 * (hv/vmcs12/check.h) use the same limits.
 */
#ifndef HV_ARCH_MSR_VALUE_H
#define HV_ARCH_MSR_VALUE_H

#include "hv/arch/cpuid_policy.h"

/* What CPUID shows L1. perf_capabilities: the CPU's IA32_PERF_CAPABILITIES, 0 when the CPU has no
 * such MSR. phys_bits, linear_bits: address widths in bits. */
struct msr_cpuid {
    struct cpuid one, seven, pmu, extended; /* leaves 1, 7, 0xa, 0x80000001 */
    u64 perf_capabilities;
    u32 phys_bits, linear_bits;
};

/* The reserved bits of each MSR: a WRMSR that sets one of them causes #GP(0). */
struct msr_limits {
    u64 efer_reserved, debugctl_reserved, perf_global_reserved, apic_base_reserved;
    u32 linear_bits;
};

/* The limits that follow from CPUID. SDM 4 2.1 "Architectural MSRs" */
struct msr_limits msr_limits_of(const struct msr_cpuid *c);

/* Not 0 when some byte of a PAT value is not a memory type: bits 7:3 set, or type 2 or 3.
 * SDM 3A 11.12.2 "IA32_PAT MSR" */
static inline u64 pat_bad_bits(u64 pat)
{
    u64 type_bit1 = pat & 0x0202020202020202ull;
    u64 type_bit2 = pat >> 1 & 0x0202020202020202ull;
    return (pat & 0xf8f8f8f8f8f8f8f8ull) | (type_bit1 & ~type_bit2);
}

/* True when the MSR may hold the value v. msr is one of those that live in a VMCS: EFER, PAT,
 * DEBUGCTL, the SYSENTER MSRs, FS base and GS base. Rules that depend on the processor's mode
 * (those of EFER.LME and LMA) are not judged here. */
bool msr_vmcs_legal(const struct msr_limits *limits, u32 msr, u64 v);

#endif
