/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control bits, exit reasons and a few MSR numbers as the VMX guest tests know them, typed from SDM
 * 3C 25.6 "VM-Execution Control Fields" and SDM 3D C "VMX Basic Exit Reasons". Separate from the
 * hypervisor's lists on purpose (see vmx_fields.def).
 */
#ifndef GUEST_TESTS_LIB_VMX_CTL_H
#define GUEST_TESTS_LIB_VMX_CTL_H

/* Pin-based. */
#define PIN_EXT_INT     (1u << 0)
#define PIN_NMI         (1u << 3)
#define PIN_VIRTUAL_NMI (1u << 5)
#define PIN_TIMER       (1u << 6)
#define PIN_POSTED      (1u << 7)

/* Primary processor-based. */
#define PROC_INTR_WINDOW (1u << 2)
#define PROC_TSC_OFFSET  (1u << 3)
#define PROC_HLT         (1u << 7)
#define PROC_INVLPG      (1u << 9)
#define PROC_MWAIT       (1u << 10)
#define PROC_RDPMC       (1u << 11)
#define PROC_RDTSC       (1u << 12)
#define PROC_CR3_LOAD    (1u << 15)
#define PROC_CR3_STORE   (1u << 16)
#define PROC_CR8_LOAD    (1u << 19)
#define PROC_CR8_STORE   (1u << 20)
#define PROC_TPR_SHADOW  (1u << 21)
#define PROC_NMI_WINDOW  (1u << 22)
#define PROC_MOV_DR      (1u << 23)
#define PROC_UNCOND_IO   (1u << 24)
#define PROC_IO_BITMAPS  (1u << 25)
#define PROC_MTF         (1u << 27)
#define PROC_MSR_BITMAPS (1u << 28)
#define PROC_MONITOR     (1u << 29)
#define PROC_PAUSE       (1u << 30)
#define PROC_SECONDARY   (1u << 31)

/* Secondary processor-based. */
#define PROC2_APIC_ACCESS    (1u << 0)
#define PROC2_EPT            (1u << 1)
#define PROC2_DESC_TABLE     (1u << 2)
#define PROC2_RDTSCP         (1u << 3)
#define PROC2_X2APIC         (1u << 4)
#define PROC2_VPID           (1u << 5)
#define PROC2_WBINVD         (1u << 6)
#define PROC2_UNRESTRICTED   (1u << 7)
#define PROC2_APIC_REGISTERS (1u << 8)
#define PROC2_VIRTUAL_INTR   (1u << 9)
#define PROC2_PLE            (1u << 10)
#define PROC2_RDRAND         (1u << 11)
#define PROC2_INVPCID        (1u << 12)
#define PROC2_VMFUNC         (1u << 13)
#define PROC2_SHADOW         (1u << 14)
#define PROC2_RDSEED         (1u << 16)
#define PROC2_EPT_VE         (1u << 18)
/* What exists only together with nested paging, and so may be hidden from an L1. */
#define PROC2_EPT_FAMILY (PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_VMFUNC | PROC2_EPT_VE)

/* VM-exit controls. */
#define EXIT_SAVE_DEBUG (1u << 2)
#define EXIT_HOST_64    (1u << 9)
#define EXIT_LOAD_PERF  (1u << 12)
#define EXIT_ACK_INTR   (1u << 15)
#define EXIT_SAVE_PAT   (1u << 18)
#define EXIT_LOAD_PAT   (1u << 19)
#define EXIT_SAVE_EFER  (1u << 20)
#define EXIT_LOAD_EFER  (1u << 21)
#define EXIT_SAVE_TIMER (1u << 22)

/* VM-entry controls. */
#define ENTRY_LOAD_DEBUG   (1u << 2)
#define ENTRY_IA32E        (1u << 9)
#define ENTRY_SMM          (1u << 10)
#define ENTRY_DUAL_MONITOR (1u << 11)
#define ENTRY_LOAD_PERF    (1u << 13)
#define ENTRY_LOAD_PAT     (1u << 14)
#define ENTRY_LOAD_EFER    (1u << 15)

/* Basic exit reasons that the tests' code (not only its output) depends on. */
enum vmx_reason {
    REASON_EXCEPTION = 0,
    REASON_EXT_INT = 1,
    REASON_TRIPLE_FAULT = 2,
    REASON_INTR_WINDOW = 7,
    REASON_NMI_WINDOW = 8,
    REASON_TASK_SWITCH = 9,
    REASON_CPUID = 10,
    REASON_HLT = 12,
    REASON_VMCALL = 18,
    REASON_EPT_VIOLATION = 48,
    REASON_EPT_MISCONFIG = 49,
    REASON_TIMER = 52,
    REASON_ENTRY_FAILED = 0x80000000,
};

/* Interruption types of the entry field and the exit fields. */
enum vmx_intr_type {
    INTR_EXTERNAL = 0 << 8,
    INTR_RESERVED = 1 << 8,
    INTR_NMI = 2 << 8,
    INTR_HARD_EXC = 3 << 8,
    INTR_SOFT_INT = 4 << 8,
    INTR_PRIV_SOFT = 5 << 8,
    INTR_SOFT_EXC = 6 << 8,
    INTR_OTHER = 7 << 8,
    INTR_ERROR_CODE = 1 << 11,
};
#define INTR_VALID (1u << 31)

enum vmx_msr {
    MSR_APIC_BASE = 0x1b,
    MSR_FEATURE_CONTROL = 0x3a,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_DEBUGCTL = 0x1d9,
    MSR_PAT = 0x277,
    MSR_VMX_BASIC = 0x480, /* the other capability MSRs follow it */
    MSR_VMX_MISC = 0x485,
    MSR_VMX_CR0_FIXED0 = 0x486,
    MSR_VMX_PROC2 = 0x48b,
    MSR_VMX_TRUE_PIN = 0x48d, /* then processor, exit, entry */
    MSR_VMX_TRUE_PROC = 0x48e,
    MSR_VMX_TRUE_EXIT = 0x48f,
    MSR_VMX_TRUE_ENTRY = 0x490,
    MSR_EFER64 = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_CSTAR = 0xc0000083,
    MSR_FMASK = 0xc0000084,
    MSR_FS_BASE = 0xc0000100,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102,
};

#define CR0_PE   (1ul << 0)
#define CR0_TS   (1ul << 3)
#define CR0_NE   (1ul << 5)
#define CR0_WP   (1ul << 16)
#define CR0_PG   (1ul << 31)
#define CR4_PSE  (1ul << 4)
#define CR4_PAE  (1ul << 5)
#define CR4_VMXE (1ul << 13)
#define EFER_LME (1ul << 8)
#define EFER_LMA (1ul << 10)
#define EFER_NXE (1ul << 11)

#define FLAG_CF     (1ul << 0)
#define FLAG_ZF     (1ul << 6)
#define FLAG_TF     (1ul << 8)
#define FLAG_IF     (1ul << 9)
#define FLAG_RF     (1ul << 16)
#define FLAG_VM     (1ul << 17)
#define FLAGS_ARITH 0x8d5ul /* CF PF AF ZF SF OF: what a VMX instruction may write */

#endif
