/*
 * What L1 is shown of CPUID: the allow-list of cpuid_policy.def, as functions of what the CPU
 * answers. Bits that follow L1's registers or L0's options are not known here:
 * hv/l1/instructions.c.
 */
#ifndef HV_ARCH_CPUID_POLICY_H
#define HV_ARCH_CPUID_POLICY_H

#include "hv/arch/bits.h"

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

/* The highest leaves that L1 can be shown, and the width of address that EPT's four levels walk. */
#define CPUID_LAST_LEAF 0x24u
#define CPUID_EXTENDED  0x80000000u
#define CPUID_LAST_EXT  0x80000008u
#define CPUID_PHYS_BITS 48u

/* The leaf whose data answer CPUID of `leaf`, when the CPU's highest are `basic` and `extended`:
 * itself, or the highest basic one for what lies beyond. */
u32 cpuid_asked(u32 leaf, u32 basic, u32 extended);

/* What L1 is shown where the CPU answers `native`. */
struct cpuid cpuid_shown(u32 leaf, u32 sub, struct cpuid native);

/* The leaves below 64, a bit each, of which L1 is shown all, on a CPU whose highest is `basic`. */
u64 cpuid_plain(u32 basic);

#endif
