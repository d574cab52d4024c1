/* SPDX-License-Identifier: BSD-2-Clause */
/* The VM-execution, VM-exit and VM-entry control words, each in SDM bit order; all words
 * are 32 bits wide. SDM 3C 25.6 "VM-Execution Control Fields", SDM 3C 25.7 "VM-Exit Control
 * Fields", SDM 3C 25.8 "VM-Entry Control Fields". */
#ifndef HV_ARCH_VMX_CTL_H
#define HV_ARCH_VMX_CTL_H

#include "hv/arch/bits.h"

/* clang-format off */
enum pin_ctl {
    PIN_EXT_INTR_EXITING   = 1u << 0,
    PIN_NMI_EXITING        = 1u << 3,
    PIN_VIRTUAL_NMIS       = 1u << 5,
    PIN_PREEMPTION_TIMER   = 1u << 6,
    PIN_POSTED_INTERRUPTS  = 1u << 7,
};

enum cpu1_ctl {
    CPU1_INTR_WINDOW_EXITING  = 1u << 2,
    CPU1_USE_TSC_OFFSETTING   = 1u << 3,
    CPU1_HLT_EXITING          = 1u << 7,
    CPU1_INVLPG_EXITING       = 1u << 9,
    CPU1_MWAIT_EXITING        = 1u << 10,
    CPU1_RDPMC_EXITING        = 1u << 11,
    CPU1_RDTSC_EXITING        = 1u << 12,
    CPU1_CR3_LOAD_EXITING     = 1u << 15,
    CPU1_CR3_STORE_EXITING    = 1u << 16,
    CPU1_TERTIARY             = 1u << 17,
    CPU1_CR8_LOAD_EXITING     = 1u << 19,
    CPU1_CR8_STORE_EXITING    = 1u << 20,
    CPU1_USE_TPR_SHADOW       = 1u << 21,
    CPU1_NMI_WINDOW_EXITING   = 1u << 22,
    CPU1_MOV_DR_EXITING       = 1u << 23,
    CPU1_UNCOND_IO_EXITING    = 1u << 24,
    CPU1_USE_IO_BITMAPS       = 1u << 25,
    CPU1_MONITOR_TRAP_FLAG    = 1u << 27,
    CPU1_USE_MSR_BITMAPS      = 1u << 28,
    CPU1_MONITOR_EXITING      = 1u << 29,
    CPU1_PAUSE_EXITING        = 1u << 30,
};
#define CPU1_SECONDARY 0x80000000u
#define VTPR_OFFSET    0x80u /* in the virtual-APIC page */

enum cpu2_ctl {
    CPU2_VIRTUALIZE_APIC_ACCESSES = 1u << 0,
    CPU2_ENABLE_EPT               = 1u << 1,
    CPU2_DESCRIPTOR_TABLE_EXITING = 1u << 2,
    CPU2_ENABLE_RDTSCP            = 1u << 3,
    CPU2_VIRTUALIZE_X2APIC        = 1u << 4,
    CPU2_ENABLE_VPID              = 1u << 5,
    CPU2_WBINVD_EXITING           = 1u << 6,
    CPU2_UNRESTRICTED_GUEST       = 1u << 7,
    CPU2_APIC_REGISTER_VIRT       = 1u << 8,
    CPU2_VIRTUAL_INTR_DELIVERY    = 1u << 9,
    CPU2_PAUSE_LOOP_EXITING       = 1u << 10,
    CPU2_RDRAND_EXITING           = 1u << 11,
    CPU2_ENABLE_INVPCID           = 1u << 12,
    CPU2_ENABLE_VMFUNC            = 1u << 13,
    CPU2_VMCS_SHADOWING           = 1u << 14,
    CPU2_ENCLS_EXITING            = 1u << 15,
    CPU2_RDSEED_EXITING           = 1u << 16,
    CPU2_ENABLE_PML               = 1u << 17,
    CPU2_EPT_VIOLATION_VE         = 1u << 18,
    CPU2_CONCEAL_VMX_FROM_PT      = 1u << 19,
    CPU2_ENABLE_XSAVES            = 1u << 20,
    CPU2_PASID_TRANSLATION        = 1u << 21,
    CPU2_MODE_BASED_EXECUTE       = 1u << 22,
    CPU2_SPP                      = 1u << 23,
    CPU2_PT_USES_GPA              = 1u << 24,
    CPU2_USE_TSC_SCALING          = 1u << 25,
    CPU2_USER_WAIT_PAUSE          = 1u << 26,
    CPU2_ENABLE_PCONFIG           = 1u << 27,
    CPU2_ENCLV_EXITING            = 1u << 28,
};

enum exit_ctl {
    EXIT_SAVE_DEBUG_CONTROLS    = 1u << 2,
    EXIT_HOST_ADDR_SPACE_SIZE   = 1u << 9,
    EXIT_LOAD_PERF_GLOBAL_CTRL  = 1u << 12,
    EXIT_ACK_INTR_ON_EXIT       = 1u << 15,
    EXIT_SAVE_PAT               = 1u << 18,
    EXIT_LOAD_PAT               = 1u << 19,
    EXIT_SAVE_EFER              = 1u << 20,
    EXIT_LOAD_EFER              = 1u << 21,
    EXIT_SAVE_PREEMPTION_TIMER  = 1u << 22,
    EXIT_CLEAR_BNDCFGS          = 1u << 23,
    EXIT_CONCEAL_VMX_FROM_PT    = 1u << 24,
    EXIT_CLEAR_RTIT_CTL         = 1u << 25,
    EXIT_CLEAR_LBR_CTL          = 1u << 26,
    EXIT_LOAD_CET               = 1u << 28,
    EXIT_LOAD_PKRS              = 1u << 29,
    EXIT_SAVE_PERF_GLOBAL_CTRL  = 1u << 30,
};
#define EXIT_SECONDARY 0x80000000u

enum entry_ctl {
    ENTRY_LOAD_DEBUG_CONTROLS   = 1u << 2,
    ENTRY_IA32E_MODE_GUEST      = 1u << 9,
    ENTRY_TO_SMM                = 1u << 10,
    ENTRY_DEACTIVATE_DUAL_MON   = 1u << 11,
    ENTRY_LOAD_PERF_GLOBAL_CTRL = 1u << 13,
    ENTRY_LOAD_PAT              = 1u << 14,
    ENTRY_LOAD_EFER             = 1u << 15,
    ENTRY_LOAD_BNDCFGS          = 1u << 16,
    ENTRY_CONCEAL_VMX_FROM_PT   = 1u << 17,
    ENTRY_LOAD_RTIT_CTL         = 1u << 18,
    ENTRY_LOAD_UINV             = 1u << 19,
    ENTRY_LOAD_CET              = 1u << 20,
    ENTRY_LOAD_LBR_CTL          = 1u << 21,
    ENTRY_LOAD_PKRS             = 1u << 22,
};
/* clang-format on */

/* SDM 3C 25.6.14 "VM-Function Controls" */
#define VMFUNC_EPTP_SWITCHING BIT(0)

/* VM-entry and VM-exit interruption information.
 * SDM 3C 25.8.3 "VM-Entry Controls for Event Injection" */
#define INTR_VECTOR(i)      ((u8)bits((i), 7, 0))
#define INTR_TYPE(i)        ((u32)bits((i), 10, 8))
#define INTR_ERROR_VALID    (1u << 11)
#define INTR_NMI_UNBLOCKING (1u << 12)
#define INTR_VALID          0x80000000u
/* clang-format off */
enum intr_type {
    INTR_EXTERNAL = 0, INTR_NMI = 2, INTR_HW_EXCEPTION = 3, INTR_SW_INTERRUPT = 4,
    INTR_PRIV_SW_EXCEPTION = 5, INTR_SW_EXCEPTION = 6, INTR_OTHER_EVENT = 7,
};
/* clang-format on */

/* SDM 3C 25.4.2 "Guest Non-Register State" */
#define BLOCKING_BY_STI      (1u << 0)
#define BLOCKING_BY_MOV_SS   (1u << 1)
#define BLOCKING_BY_SMI      (1u << 2)
#define BLOCKING_BY_NMI      (1u << 3)
#define ENCLAVE_INTERRUPTION (1u << 4)
/* clang-format off */
enum activity_state {
    ACTIVITY_ACTIVE = 0, ACTIVITY_HLT = 1, ACTIVITY_SHUTDOWN = 2, ACTIVITY_WAIT_SIPI = 3,
};
/* clang-format on */

/* Pending debug exceptions. SDM 3C 25.4.2 "Guest Non-Register State" */
#define PENDING_DBG_BP_ENABLED BIT(12)
#define PENDING_DBG_BS         BIT(14)
#define PENDING_DBG_RTM        BIT(16)

#endif
