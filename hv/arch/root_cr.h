/*
 * CR0 and CR4 of root mode: made from what L0 wants and the processor has, never from what the
 * firmware left on. A feature that L0 was not written for (CET, keys of supervisor pages, FRED,
 * LASS) would judge L0's own instructions by what L1 has in that feature's MSRs.
 */
#ifndef HV_ARCH_ROOT_CR_H
#define HV_ARCH_ROOT_CR_H

#include "hv/arch/cpu.h"

/* The words of CPUID that say what CR4 may have: leaf 1, and subleaf 0 of leaf 7 or zeros. */
struct root_cpuid {
    u32 leaf1_ecx, leaf1_edx, leaf7_ebx, leaf7_ecx;
};

/* What the switch to L0 keeps of the firmware's CR4, as long-mode paging stands on it. */
#define CR4_SWITCH (CR4_PAE | CR4_LA57)

/* fixed0, fixed1: IA32_VMX_CR0_FIXED0 and so on; the bits that VMX operation wants 1, and allows.
 * now: the register as it stands. CR0's cache bits stay, as a VM exit does not change them. */
u64 root_cr0(u64 now, u64 fixed0, u64 fixed1);
u64 root_cr4(u64 now, const struct root_cpuid *c, u64 fixed0, u64 fixed1);

#endif
