/* SPDX-License-Identifier: BSD-2-Clause */
/* MSR numbers and layouts, by the SDM's names. */
#ifndef HV_ARCH_MSR_H
#define HV_ARCH_MSR_H

#include "hv/arch/bits.h"

/* clang-format off */
enum msr {
    MSR_IA32_TSC                   = 0x10,
    MSR_IA32_APIC_BASE             = 0x1b,
    MSR_IA32_FEATURE_CONTROL       = 0x3a,
    MSR_IA32_SPEC_CTRL             = 0x48,
    MSR_IA32_PRED_CMD              = 0x49,
    MSR_IA32_BIOS_UPDT_TRIG        = 0x79,
    MSR_IA32_BIOS_SIGN_ID          = 0x8b,
    MSR_IA32_SMM_MONITOR_CTL       = 0x9b,
    MSR_IA32_SMBASE                = 0x9e,
    MSR_IA32_MTRRCAP               = 0xfe,
    MSR_IA32_ARCH_CAPABILITIES     = 0x10a,
    MSR_IA32_FLUSH_CMD             = 0x10b,
    MSR_IA32_MCU_OPT_CTRL          = 0x123,
    MSR_IA32_SYSENTER_CS           = 0x174,
    MSR_IA32_SYSENTER_ESP          = 0x175,
    MSR_IA32_SYSENTER_EIP          = 0x176,
    MSR_IA32_MISC_ENABLE           = 0x1a0,
    MSR_IA32_DEBUGCTL              = 0x1d9,
    MSR_IA32_MTRR_PHYSBASE0        = 0x200,
    MSR_IA32_MTRR_PHYSMASK0        = 0x201,
    MSR_IA32_MTRR_FIX64K_00000     = 0x250,
    MSR_IA32_MTRR_FIX16K_80000     = 0x258,
    MSR_IA32_MTRR_FIX16K_A0000     = 0x259,
    MSR_IA32_MTRR_FIX4K_C0000      = 0x268,
    MSR_IA32_MTRR_FIX4K_F8000      = 0x26f,
    MSR_IA32_PAT                   = 0x277,
    MSR_IA32_MTRR_DEF_TYPE         = 0x2ff,
    MSR_IA32_PERF_CAPABILITIES     = 0x345,
    MSR_IA32_PERF_GLOBAL_CTRL      = 0x38f,
    MSR_IA32_PEBS_ENABLE           = 0x3f1,
    MSR_IA32_VMX_BASIC             = 0x480,
    MSR_IA32_VMX_PINBASED_CTLS     = 0x481,
    MSR_IA32_VMX_PROCBASED_CTLS    = 0x482,
    MSR_IA32_VMX_EXIT_CTLS         = 0x483,
    MSR_IA32_VMX_ENTRY_CTLS        = 0x484,
    MSR_IA32_VMX_MISC              = 0x485,
    MSR_IA32_VMX_CR0_FIXED0        = 0x486,
    MSR_IA32_VMX_CR0_FIXED1        = 0x487,
    MSR_IA32_VMX_CR4_FIXED0        = 0x488,
    MSR_IA32_VMX_CR4_FIXED1        = 0x489,
    MSR_IA32_VMX_VMCS_ENUM         = 0x48a,
    MSR_IA32_VMX_PROCBASED_CTLS2   = 0x48b,
    MSR_IA32_VMX_EPT_VPID_CAP      = 0x48c,
    MSR_IA32_VMX_TRUE_PINBASED_CTLS  = 0x48d,
    MSR_IA32_VMX_TRUE_PROCBASED_CTLS = 0x48e,
    MSR_IA32_VMX_TRUE_EXIT_CTLS    = 0x48f,
    MSR_IA32_VMX_TRUE_ENTRY_CTLS   = 0x490,
    MSR_IA32_VMX_VMFUNC            = 0x491,
    MSR_IA32_VMX_PROCBASED_CTLS3   = 0x492,
    MSR_IA32_VMX_EXIT_CTLS2        = 0x493,
    MSR_IA32_RTIT_OUTPUT_BASE      = 0x560,
    MSR_IA32_RTIT_ADDR3_B          = 0x587,
    MSR_IA32_DS_AREA               = 0x600,
    MSR_IA32_TSC_DEADLINE          = 0x6e0,
    MSR_IA32_X2APIC_APICID         = 0x802,
    MSR_IA32_X2APIC_ICR            = 0x830,
    MSR_IA32_XSS                   = 0xda0,
};
/* clang-format on */

#define MSR_IA32_EFER           0xc0000080u
#define MSR_IA32_STAR           0xc0000081u
#define MSR_IA32_LSTAR          0xc0000082u
#define MSR_IA32_CSTAR          0xc0000083u
#define MSR_IA32_FMASK          0xc0000084u
#define MSR_IA32_FS_BASE        0xc0000100u
#define MSR_IA32_GS_BASE        0xc0000101u
#define MSR_IA32_KERNEL_GS_BASE 0xc0000102u
#define MSR_IA32_TSC_AUX        0xc0000103u

#define FEATURE_CONTROL_LOCKED         BIT(0)
#define FEATURE_CONTROL_VMX_OUT_OF_SMX BIT(2)
/* What VMXON outside SMX needs. */
#define FEATURE_CONTROL_ALLOW_VMX (FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX_OUT_OF_SMX)

#define SPEC_CTRL_IBRS BIT(0)
#define PRED_CMD_IBPB  BIT(0)

#define APIC_BASE_BSP    BIT(8)
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)

/* SDM 3A 11.11 "Memory Type Range Registers (MTRRs)" */
#define MTRRCAP_VCNT         0xffull
#define MTRRCAP_FIX          BIT(8)
#define MTRRCAP_WC           BIT(10)
#define MTRRCAP_SMRR         BIT(11)
#define MTRR_DEF_TYPE_TYPE   0xffull
#define MTRR_DEF_TYPE_FIX_EN BIT(10)
#define MTRR_DEF_TYPE_EN     BIT(11)
#define MTRR_PHYSBASE_TYPE   0xffull
#define MTRR_PHYSMASK_VALID  BIT(11)

/* IA32_VMX_BASIC, SDM 3D A.1 "Basic VMX Information" */
#define VMX_BASIC_REVISION(v)    ((u32)bits((v), 30, 0))
#define VMX_BASIC_REGION_SIZE(v) ((u32)bits((v), 44, 32))
#define VMX_BASIC_32BIT_ADDR     BIT(48)
#define VMX_BASIC_DUAL_MONITOR   BIT(49)
#define VMX_BASIC_MEMTYPE(v)     ((u32)bits((v), 53, 50))
#define VMX_BASIC_INS_OUTS       BIT(54)
#define VMX_BASIC_TRUE_CTLS      BIT(55)
#define VMX_BASIC_ANY_ERRCODE    BIT(56)

/* IA32_VMX_MISC, SDM 3D A.6 "Miscellaneous Data" */
#define VMX_MISC_PREEMPTION_SHIFT(v) ((u32)bits((v), 4, 0))
#define VMX_MISC_SAVES_LMA           BIT(5)
#define VMX_MISC_ACTIVITY_HLT        BIT(6)
#define VMX_MISC_ACTIVITY_SHUTDOWN   BIT(7)
#define VMX_MISC_ACTIVITY_SIPI       BIT(8)
#define VMX_MISC_PT_IN_VMX           BIT(14)
#define VMX_MISC_SMBASE_RDMSR        BIT(15)
#define VMX_MISC_CR3_TARGETS(v)      ((u32)bits((v), 24, 16))
#define VMX_MISC_MSR_LIST_MAX(v)     (512u * ((u32)bits((v), 27, 25) + 1u))
#define VMX_MISC_SMI_UNBLOCK         BIT(28)
#define VMX_MISC_WRITE_ANY_FIELD     BIT(29)
#define VMX_MISC_ZERO_LEN_INJECT     BIT(30)

/* IA32_VMX_EPT_VPID_CAP, SDM 3D A.10 "VPID and EPT Capabilities" */
#define EPT_CAP_EXECUTE_ONLY   BIT(0)
#define EPT_CAP_WALK_4         BIT(6)
#define EPT_CAP_WALK_5         BIT(7)
#define EPT_CAP_UC             BIT(8)
#define EPT_CAP_WB             BIT(14)
#define EPT_CAP_2M             BIT(16)
#define EPT_CAP_1G             BIT(17)
#define EPT_CAP_INVEPT         BIT(20)
#define EPT_CAP_AD             BIT(21)
#define EPT_CAP_ADV_EXIT_INFO  BIT(22)
#define EPT_CAP_SSS            BIT(23)
#define EPT_CAP_INVEPT_SINGLE  BIT(25)
#define EPT_CAP_INVEPT_ALL     BIT(26)
#define VPID_CAP_INVVPID       BIT(32)
#define VPID_CAP_INDIVIDUAL    BIT(40)
#define VPID_CAP_SINGLE        BIT(41)
#define VPID_CAP_ALL           BIT(42)
#define VPID_CAP_SINGLE_GLOBAL BIT(43)

#endif
