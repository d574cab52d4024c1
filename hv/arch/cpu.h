/* SPDX-License-Identifier: BSD-2-Clause */
/* Register bits of the processor: control registers, EFER, RFLAGS, debug registers, vectors,
 * and segment access rights as the VMCS holds them. Names are the SDM's. */
#ifndef HV_ARCH_CPU_H
#define HV_ARCH_CPU_H

#include "hv/arch/bits.h"

/* The pointer that points to no VMCS. VMPTRST stores it while no VMCS is current, and a link
 * pointer that is not used holds it. SDM 3C 31.3 "VMX Instructions" */
#define NO_VMCS (~0ull)

/* SDM 3A 2.5 "Control Registers" */
#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)
/* The bits of CR0 that neither a VM entry nor a VM exit loads: ET, NW, CD, bits 15:6, 17 and
 * 28:19.
 * SDM 3C 27.3.2.1 "Loading Guest Control Registers, Debug Registers, and MSRs",
 * SDM 3C 28.5.1 "Loading Host Control Registers, Debug Registers, MSRs" */
#define CR0_NEVER_LOADED (CR0_ET | CR0_NW | CR0_CD | 0x1ffaffc0ull)

/* LAM_U57 and LAM_U48 of CR3. SDM 3C 27.3.1.1 "Checks on Guest Control Registers, Debug Registers,
 * and MSRs" */
#define CR3_LAM (BIT(61) | BIT(62))

#define CR4_VME        BIT(0)
#define CR4_PVI        BIT(1)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_PCE        BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)
#define CR4_CET        BIT(23)
#define CR4_PKS        BIT(24)
/* The bits that guests may set: those that Nidus has rules for. CPUID does not show the features
 * behind the other bits (hv/arch/cpuid_policy.def). */
#define CR4_KNOWN \
    (0xfffull | CR4_VMXE | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE)

/* SDM 3A 2.2.1 "Extended Feature Enable Register" */
#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

/* SDM 3A 2.3 "System Flags and Fields in the EFLAGS Register" */
#define RFLAGS_CF     BIT(0)
#define RFLAGS_FIXED  BIT(1)
#define RFLAGS_PF     BIT(2)
#define RFLAGS_AF     BIT(4)
#define RFLAGS_ZF     BIT(6)
#define RFLAGS_SF     BIT(7)
#define RFLAGS_TF     BIT(8)
#define RFLAGS_IF     BIT(9)
#define RFLAGS_DF     BIT(10)
#define RFLAGS_OF     BIT(11)
#define RFLAGS_IOPL   (BIT(12) | BIT(13))
#define RFLAGS_NT     BIT(14)
#define RFLAGS_STATUS 0x8d5ull /* CF, PF, AF, ZF, SF, OF */
#define RFLAGS_RF     BIT(16)
#define RFLAGS_VM     BIT(17)
#define RFLAGS_AC     BIT(18)
#define RFLAGS_VIF    BIT(19)
#define RFLAGS_VIP    BIT(20)
#define RFLAGS_ID     BIT(21)

#define DR6_BS      BIT(14)
#define DR6_BT      BIT(15)
#define DR7_ENABLED 0xffull /* L0 to L3, G0 to G3 */
#define DR7_GD      BIT(13)
#define DR7_RESET   BIT(10)

#define DEBUGCTL_LBR BIT(0)
#define DEBUGCTL_BTF BIT(1)

/* SDM 3A 6.3.1 "External Interrupts", table of protected-mode exceptions */
/* clang-format off */
enum vector {
    VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6,
    VEC_NM = 7, VEC_DF = 8, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13,
    VEC_PF = 14, VEC_MF = 16, VEC_AC = 17, VEC_MC = 18, VEC_XM = 19, VEC_VE = 20,
    VEC_CP = 21,
};
/* clang-format on */

/* Page-fault error code, SDM 3A 4.7 "Page-Fault Exceptions" */
#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_U    BIT(2)
#define PF_RSVD BIT(3)
#define PF_I    BIT(4)
#define PF_PK   BIT(5)

/* Segment access rights, SDM 3C 25.4.1 "Guest Register State" */
#define AR_TYPE     0xfull
#define AR_S        BIT(4)
#define AR_DPL      (BIT(5) | BIT(6))
#define AR_P        BIT(7)
#define AR_AVL      BIT(12)
#define AR_L        BIT(13)
#define AR_DB       BIT(14)
#define AR_G        BIT(15)
#define AR_UNUSABLE BIT(16)
#define AR_RESERVED 0xfffe0f00ull

#define AR_TYPE_LDT        2u
#define AR_TYPE_BUSY_TSS16 3u
#define AR_TYPE_BUSY_TSS   11u

static inline unsigned ar_dpl(u64 ar)
{
    return (unsigned)bits(ar, 6, 5);
}

#endif
