/*
 * Which values MSRs take, by what CPUID shows: for those that live in a VMCS or that L0 judges, so
 * that no value of a guest's has to be tried out in a register. The same words are the rules' of
 * VM entry (hv/vmcs12/check.h).
 */
#ifndef HV_ARCH_MSR_VALUE_H
#define HV_ARCH_MSR_VALUE_H

#include "hv/arch/cpuid_policy.h"

/* What CPUID shows, and IA32_PERF_CAPABILITIES (0 without it). */
struct msr_cpuid {
    struct cpuid one, seven, pmu, extended; /* leaves 1, 7, 0xa, 0x80000001 */
    u64 perf_capabilities;
    u32 phys_bits, linear_bits;
};

struct msr_limits {
    u64 efer_reserved, debugctl_reserved, perf_global_reserved, apic_base_reserved;
    u32 linear_bits;
};

struct msr_limits msr_limits_of(const struct msr_cpuid *c);

/* Not 0 when some byte of a PAT value is not a memory type: bits 7:3 set, or type 2 or 3.
 * SDM 3A 11.12.2 "IA32_PAT MSR" */
static inline u64 pat_bad_bits(u64 pat)
{
    u64 type_bit1 = pat & 0x0202020202020202ull;
    u64 type_bit2 = pat >> 1 & 0x0202020202020202ull;
    return (pat & 0xf8f8f8f8f8f8f8f8ull) | (type_bit1 & ~type_bit2);
}

/* The value can be in one of the MSRs that live in a VMCS: EFER, PAT, DEBUGCTL, the SYSENTER ones,
 * FS and GS base. What also depends on the mode (EFER) is not judged. */
bool msr_vmcs_legal(const struct msr_limits *limits, u32 msr, u64 v);

#endif
