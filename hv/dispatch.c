/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of L1's exits: a row for every basic reason. An exit that vmcs01's controls exclude is
 * unwanted. */
#include "hv/dispatch.h"
#include "hv/l1/l1.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/instructions/instructions.h"
#include "hv/sleep/sleep.h"

/* clang-format off */
#define UNWANTED {unwanted_in_l1, SNAP_STEP | SNAP_QUAL}

const struct exit_row exit_rows_l1[EXIT_ROWS] = {
    [EXIT_REASON_EXCEPTION_NMI]  = {exception_exit, SNAP_INTR | SNAP_IDT},
    [EXIT_REASON_EXTERNAL_INTERRUPT] = UNWANTED,
    [EXIT_REASON_TRIPLE_FAULT]   = {emulate_triple_fault, 0},
    [EXIT_REASON_INIT]           = {emulate_init, 0},
    [EXIT_REASON_SIPI]           = {emulate_sipi, SNAP_QUAL},
    [EXIT_REASON_SIPI + 1 ... EXIT_REASON_INTERRUPT_WINDOW] = UNWANTED,
    [EXIT_REASON_NMI_WINDOW]     = {nmi_window, 0},
    [EXIT_REASON_TASK_SWITCH]    = {emulate_task_switch,
                                    SNAP_STEP | SNAP_QUAL | SNAP_IDT | SNAP_MODE | SNAP_RSP},
    [EXIT_REASON_CPUID]          = {emulate_cpuid, SNAP_STEP},
    [EXIT_REASON_GETSEC]         = {emulate_undefined, SNAP_STEP},
    [EXIT_REASON_HLT]            = UNWANTED,
    [EXIT_REASON_INVD]           = {emulate_invd, SNAP_STEP},
    [EXIT_REASON_INVLPG ... EXIT_REASON_RSM] = UNWANTED,
    [EXIT_REASON_VMCALL]         = {nested_vmcall, SNAP_STEP},
    [EXIT_REASON_VMCLEAR]        = {nested_vmptrld_vmclear, SNAP_STEP},
    [EXIT_REASON_VMLAUNCH]       = {nested_enter, SNAP_STEP},
    [EXIT_REASON_VMPTRLD]        = {nested_vmptrld_vmclear, SNAP_STEP},
    [EXIT_REASON_VMPTRST]        = {nested_vmptrst, SNAP_STEP},
    [EXIT_REASON_VMREAD]         = {nested_vmread, SNAP_STEP},
    [EXIT_REASON_VMRESUME]       = {nested_enter, SNAP_STEP},
    [EXIT_REASON_VMWRITE]        = {nested_vmwrite, SNAP_STEP},
    [EXIT_REASON_VMXOFF]         = {nested_vmxoff, SNAP_STEP},
    [EXIT_REASON_VMXON]          = {nested_vmxon, SNAP_STEP},
    [EXIT_REASON_CR_ACCESS]      = {emulate_cr_access, SNAP_STEP | SNAP_QUAL | SNAP_MODE},
    [EXIT_REASON_MOV_DR]         = UNWANTED,
    [EXIT_REASON_IO_INSTRUCTION] = {sleep_io, SNAP_STEP | SNAP_QUAL},
    [EXIT_REASON_RDMSR]          = {emulate_rdmsr, SNAP_STEP},
    [EXIT_REASON_WRMSR]          = {emulate_wrmsr, SNAP_STEP},
    [EXIT_REASON_ENTRY_GUEST_STATE ... EXIT_REASON_PAUSE] = UNWANTED, /* bit 31 set: l1_refused */
    [EXIT_REASON_ENTRY_MACHINE_CHECK] = {mc_met_entry, 0},
    [EXIT_REASON_ENTRY_MACHINE_CHECK + 1 ... EXIT_REASON_LDTR_TR_ACCESS] = UNWANTED,
    [EXIT_REASON_EPT_VIOLATION]  = {emulate_ept_violation, SNAP_QUAL | SNAP_GPA | SNAP_IDT},
    [EXIT_REASON_EPT_MISCONFIG]  = {ept01_misconfigured, SNAP_GPA | SNAP_IDT},
    [EXIT_REASON_INVEPT]         = {nested_invept, SNAP_STEP},
    [EXIT_REASON_RDTSCP ... EXIT_REASON_PREEMPTION_TIMER] = UNWANTED,
    [EXIT_REASON_INVVPID]        = {nested_invvpid, SNAP_STEP},
    [EXIT_REASON_WBINVD]         = UNWANTED,
    [EXIT_REASON_XSETBV]         = {emulate_xsetbv, SNAP_STEP | SNAP_MODE},
    [EXIT_REASON_APIC_WRITE ... EXIT_REASON_COUNT] = UNWANTED,
};
/* clang-format on */
