/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L1 is shown of CPUID: the allow-list of cpuid_policy.def, as functions of what the CPU
 * answers. Some bits follow L1's registers or L0's options; hv/l1/cpuid.c sets those.
 * SDM 2A 3.3 "Instructions (A-L)" (CPUID)
 */
#ifndef HV_ARCH_CPUID_POLICY_H
#define HV_ARCH_CPUID_POLICY_H

#include "hv/arch/bits.h"

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

/* The highest leaves that L1 can be shown, and the address width in bits that EPT's four levels
 * walk. */
#define CPUID_LAST_LEAF 0x24u
#define CPUID_EXTENDED  0x80000000u
#define CPUID_LAST_EXT  0x80000008u
#define CPUID_PHYS_BITS 48u

/* The leaf whose data answer CPUID of `leaf`: `leaf` itself, or the highest basic leaf that L1 is
 * shown when `leaf` lies beyond the highest ones. basic, extended: the CPU's own highest leaves. */
u32 cpuid_asked(u32 leaf, u32 basic, u32 extended);

/* The answer that L1 gets for leaf and subleaf when the CPU itself answers `native`. */
struct cpuid cpuid_shown(u32 leaf, u32 sub, struct cpuid native);

/* A set of the leaves that L1 is shown whole: bit n stands for basic leaf n, n below 64.
 * basic: the CPU's own highest leaf. */
u64 cpuid_plain(u32 basic);

#endif
