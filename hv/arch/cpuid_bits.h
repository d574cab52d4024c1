/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves of CPUID and feature bits in them, by the names that the SDM gives the features.
 * SDM 2A 3.3 "Instructions (A-L)" (CPUID) */
#ifndef HV_ARCH_CPUID_BITS_H
#define HV_ARCH_CPUID_BITS_H

#include "hv/arch/bits.h"

#define LEAF_FEATURES      1u
#define LEAF_STRUCTURED    7u
#define LEAF_PMU           0xau
#define LEAF_XSTATE        0xdu
#define LEAF_EXTENDED      0x80000000u
#define LEAF_EXT_FEATURES  0x80000001u
#define LEAF_ADDRESS_SIZES 0x80000008u

#define CPUID1_ECX_VMX        BIT(5)
#define CPUID1_ECX_PDCM       BIT(15)
#define CPUID1_ECX_X2APIC     BIT(21)
#define CPUID1_ECX_DEADLINE   BIT(24)
#define CPUID1_ECX_XSAVE      BIT(26)
#define CPUID1_ECX_OSXSAVE    BIT(27)
#define CPUID1_ECX_HYPERVISOR BIT(31)
#define CPUID1_EDX_MCE        BIT(7)

#define CPUID7_EBX_SGX      BIT(2)
#define CPUID7_EBX_SMEP     BIT(7)
#define CPUID7_EBX_INVPCID  BIT(10)
#define CPUID7_EBX_RTM      BIT(11)
#define CPUID7_EBX_SMAP     BIT(20)
#define CPUID7_ECX_UMIP     BIT(2)
#define CPUID7_ECX_PKU      BIT(3)
#define CPUID7_ECX_OSPKE    BIT(4)
#define CPUID7_ECX_WAITPKG  BIT(5)
#define CPUID7_ECX_BUS_LOCK BIT(24)

#define CPUIDD_1_EAX_XSAVES BIT(3)

#define CPUIDX_EDX_SYSCALL BIT(11)
#define CPUIDX_EDX_NX      BIT(20)
#define CPUIDX_EDX_PAGE_1G BIT(26)
#define CPUIDX_EDX_RDTSCP  BIT(27)

/* Nidus's own leaves. EBX, ECX and EDX hold the signature "NidusNidus". A Nidus that runs inside
 * another one finds the outer one by this signature. */
#define LEAF_NIDUS         0x40000000u /* the last leaf, and the signature */
#define LEAF_NIDUS_VERSION 0x40000001u /* version, depth, promises */
/* Of ECX: L2's VMREAD and VMWRITE access the region that the VMCS link pointer names, in place. */
#define NIDUS_IN_PLACE BIT(0)
/* The subleaf is an exit reason; with its bit 31 set, the reason counts for L2, else for L1.
 * EDX:EAX tell how often that level has exited for the reason. EBX tells how many pages of L0's
 * region L1 has touched on this processor. */
#define LEAF_NIDUS_EXITS 0x40000002u
#define LEAF_NIDUS_LOG   0x40000004u /* hv/ring/ring.h: ring_words */
/* VT-d: EAX: units that keep devices out of L0's memory; EBX: faults that they reported. */
#define LEAF_NIDUS_VTD 0x40000005u
/* The subleaf is a VM-instruction error; 0 is VMfailInvalid; 29 and 30 are what INVEPT and INVVPID
 * have of error 28; 31 is entries that failed with an exit; 32 is uses of stale translations. EAX
 * tells how often on this processor. */
#define LEAF_NIDUS_FAILS 0x40000014u
#define LEAF_NIDUS_TRACE 0x40000015u /* hv/trace/trace.h */
#define LEAF_NIDUS_END   0x40000100u
#define NIDUS_EBX        0x7564694eu
#define NIDUS_ECX        0x64694e73u
#define NIDUS_EDX        0x00007375u

#endif
