/* SPDX-License-Identifier: BSD-2-Clause */
/* Legal values of MSRs. Contract in msr_value.h. */
#include "hv/arch/msr_value.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

#define PERF_CAP_METRICS    BIT(15)
#define PERF_GLOBAL_METRICS BIT(48)

static u64 ones(u32 count)
{
    return count ? ~0ull >> (64 - count) : 0;
}

/* One bit for each counter is legal. From version 5 on, the numbers of fixed counters may have
 * gaps.
 * SDM 3B 20.2.2 "Architectural Performance Monitoring Version 2" */
static u64 perf_global_bits(const struct msr_cpuid *c)
{
    u32 version = c->pmu.eax & 0xff, general = (c->pmu.eax >> 8) & 0x1f, fixed = c->pmu.edx & 0x1f;
    u64 legal = ones(general);
    if (version == 0)
        return 0;
    if (version > 1)
        legal |= ones(fixed) << 32;
    if (version >= 5)
        legal |= (c->pmu.ecx & ones(16)) << 32;
    return any(c->perf_capabilities, PERF_CAP_METRICS) ? legal | PERF_GLOBAL_METRICS : legal;
}

/* SDM 3B 18.4.1 "IA32_DEBUGCTL MSR" */
static u64 debugctl_bits(const struct msr_cpuid *c)
{
    u64 legal = DEBUGCTL_LBR | DEBUGCTL_BTF | bits(~0ull, 8, 0) << 6;
    if (any(c->seven.ebx, CPUID7_EBX_RTM))
        legal |= BIT(15);
    return any(c->seven.ecx, CPUID7_ECX_BUS_LOCK) ? legal | BIT(2) : legal;
}

struct msr_limits msr_limits_of(const struct msr_cpuid *c)
{
    u64 efer =
        EFER_SCE | EFER_LME | EFER_LMA | (any(c->extended.edx, CPUIDX_EDX_NX) ? EFER_NXE : 0);
    u64 apic = APIC_BASE_BSP | APIC_BASE_ENABLE | (ones(c->phys_bits) & ~(PAGE_SIZE - 1));
    if (any(c->one.ecx, CPUID1_ECX_X2APIC))
        apic |= APIC_BASE_X2APIC;
    return (struct msr_limits){.efer_reserved = ~efer,
                               .debugctl_reserved = ~debugctl_bits(c),
                               .perf_global_reserved = ~perf_global_bits(c),
                               .apic_base_reserved = ~apic,
                               .linear_bits = c->linear_bits};
}

bool msr_vmcs_legal(const struct msr_limits *limits, u32 msr, u64 v)
{
    switch (msr) {
    case MSR_IA32_EFER:
        return !any(v, limits->efer_reserved);
    case MSR_IA32_PAT:
        return !pat_bad_bits(v);
    case MSR_IA32_DEBUGCTL:
        return !any(v, limits->debugctl_reserved);
    case MSR_IA32_SYSENTER_CS:
        return true; /* the field has the 32 bits that the register keeps */
    default:
        return is_canonical(v, limits->linear_bits);
    }
}
