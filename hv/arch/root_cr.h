/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CR0 and CR4 of root mode. They hold what L0 wants and the processor has, not what the firmware
 * left on. L0 was not written for CET, protection keys of supervisor pages, FRED or LASS. If such
 * a feature stayed on, L1's values in the feature's MSRs would govern L0's own instructions.
 */
#ifndef HV_ARCH_ROOT_CR_H
#define HV_ARCH_ROOT_CR_H

#include "hv/arch/cpu.h"

/* The words of CPUID that tell which bits CR4 may have. leaf7_*: subleaf 0 of leaf 7, or 0 when the
 * processor has no leaf 7. */
struct root_cpuid {
    u32 leaf1_ecx, leaf1_edx, leaf7_ebx, leaf7_ecx;
};

/* The bits of the firmware's CR4 that the switch to L0 keeps: long-mode paging needs them. */
#define CR4_SWITCH (CR4_PAE | CR4_LA57)

/* The value of CR0, or CR4, for root mode. now: the register's present value. fixed0: the bits that
 * VMX operation demands (IA32_VMX_CR0_FIXED0, IA32_VMX_CR4_FIXED0). fixed1: the bits that VMX
 * operation allows. CR0.CD and CR0.NW keep their values, because a VM exit does not change them.
 * SDM 3A 2.5 "Control Registers", SDM 3D A.8 "VMX-Fixed Bits in CR4" */
u64 root_cr0(u64 now, u64 fixed0, u64 fixed1);
u64 root_cr4(u64 now, const struct root_cpuid *c, u64 fixed0, u64 fixed1);

#endif
