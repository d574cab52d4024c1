/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L2 runs: its state changes as a processor could change it, and then L2 takes an exit that its
 * controls allow. Changes are random. A change is kept only if the new state breaks no rule of
 * guest state, because no L2 can reach a state that breaks one.
 */
#include "tests/machine/play.h"

/* Fields that L2's instructions change. change_one puts back the bits that a guest/host mask
 * owns. */
/* clang-format off */
static const enum vmcs_field changes[] = {
    F_guest_cr0, F_guest_cr3, F_guest_cr4, F_guest_efer, F_guest_pat, F_guest_debugctl, F_guest_dr7,
    F_guest_rip, F_guest_rsp, F_guest_rflags, F_guest_interruptibility,
    F_guest_pending_dbg_exceptions,
    F_guest_activity_state, F_guest_cs_selector, F_guest_cs_ar, F_guest_ss_selector, F_guest_ss_ar,
    F_guest_ds_selector, F_guest_ds_ar, F_guest_fs_base, F_guest_gs_base, F_guest_ldtr_selector,
    F_guest_ldtr_ar,
    F_guest_tr_base, F_guest_gdtr_base, F_guest_idtr_limit, F_guest_sysenter_cs,
    F_guest_sysenter_esp,
    F_guest_sysenter_eip, F_guest_pdptr0, F_guest_pdptr3, F_guest_cs_base, F_guest_cs_limit,
};
/* clang-format on */

static u64 keep(u64 now, u64 was, u64 mask)
{
    return (now & ~mask) | (was & mask);
}

static bool uses_pae(const struct vmcs_image *v)
{
    return any(v->guest_cr0, CR0_PG) && any(v->guest_cr4, CR4_PAE) && !any(v->guest_efer, EFER_LMA);
}

static void change_one(struct vmcs_image *v)
{
    struct vmcs_image was = *v;
    enum vmcs_field f = changes[play_byte() % ARRAY_LEN(changes)];
    play_edit(v, f);
    v->guest_cr0 =
        keep(v->guest_cr0, was.guest_cr0, was.cr0_guest_host_mask | CR0_ET | ~0x1ffffffffull);
    v->guest_cr4 = keep(v->guest_cr4, was.guest_cr4, was.cr4_guest_host_mask);
    v->guest_dr7 |= 0x400;
    v->guest_interruptibility &= ~(u32)BLOCKING_BY_SMI;
    if (v->guest_activity_state > ACTIVITY_HLT)
        v->guest_activity_state = was.guest_activity_state;
    if (machine_guest_rule(v) != R_NONE ||
        (f >= F_guest_pdptr0 && f <= F_guest_pdptr3 && !uses_pae(v)))
        *v = was;
}

/* L2 enters or leaves long mode, protected mode or paging: several fields change at once. */
static void change_mode(struct vmcs_image *v, u8 how)
{
    struct vmcs_image was = *v;
    u64 cr0 = CR0_PG | CR0_PE, set = how & 1 ? CR0_PE : how & 2 ? cr0 : 0;
    bool long_mode = (how & 4) && set == cr0;
    v->guest_cr0 = keep((v->guest_cr0 & ~cr0) | set, was.guest_cr0, was.cr0_guest_host_mask);
    v->guest_cr4 =
        keep(v->guest_cr4 | (long_mode ? CR4_PAE : 0), was.guest_cr4, was.cr4_guest_host_mask);
    v->guest_efer &= ~(EFER_LMA | EFER_LME);
    v->guest_efer |= long_mode ? EFER_LMA | EFER_LME : 0;
    v->entry_ctl &= ~(u32)ENTRY_IA32E_MODE_GUEST;
    v->entry_ctl |= long_mode ? ENTRY_IA32E_MODE_GUEST : 0;
    if (machine_guest_rule(v) != R_NONE)
        *v = was;
}

static void run(struct vmcs_image *v)
{
    u8 how = play_byte();
    bool pae = uses_pae(v);
    v->entry_intr_info &= ~INTR_VALID;
    /* The first instruction ends blocking and HLT, and pending traps are delivered. */
    if (how & 0x80) {
        v->guest_interruptibility &= ~(u32)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
        v->guest_pending_dbg_exceptions = 0;
        v->guest_activity_state = ACTIVITY_ACTIVE;
    }
    if (how & 0x40)
        change_mode(v, how);
    for (u32 i = how & 7; i > 0; i--)
        change_one(v);
    if (!pae && uses_pae(v)) /* the MOV to CR0 or CR4 loaded them */
        v->guest_pdptr0 = v->guest_pdptr1 = v->guest_pdptr2 = v->guest_pdptr3 = 0;
}

/* An event whose delivery the exit interrupted, one that this state could have had; or 0. */
static u32 vectoring(const struct vmcs_image *v)
{
    static const u32 events[] = {
        INTR_VALID | 0x20,
        INTR_VALID | INTR_NMI << 8 | VEC_NMI,
        INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD,
        INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_GP,
        INTR_VALID | INTR_SW_INTERRUPT << 8 | 0x80,
        INTR_VALID | INTR_SW_EXCEPTION << 8 | VEC_BP,
    };
    u8 choice = play_byte();
    u32 info = events[choice % ARRAY_LEN(events)];
    bool external = INTR_TYPE(info) == INTR_EXTERNAL;
    if (!(choice & 0x80) || v->guest_interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS))
        return 0;
    if (external && !any(v->guest_rflags, RFLAGS_IF))
        return 0;
    return info | (INTR_VECTOR(info) == VEC_GP && any(v->guest_cr0, CR0_PE) ? INTR_ERROR_VALID : 0);
}

static bool may_exit(const struct vmcs_image *v, u32 reason)
{
    u32 cpu2 = vmcs12_cpu2(v);
    switch (reason) {
    case EXIT_REASON_EXTERNAL_INTERRUPT:
        return any(v->pin_ctl, PIN_EXT_INTR_EXITING);
    case EXIT_REASON_INTERRUPT_WINDOW:
        return any(v->cpu1_ctl, CPU1_INTR_WINDOW_EXITING) && any(v->guest_rflags, RFLAGS_IF) &&
               !any(v->guest_interruptibility, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    case EXIT_REASON_HLT:
        return any(v->cpu1_ctl, CPU1_HLT_EXITING) && v->guest_activity_state == ACTIVITY_ACTIVE;
    case EXIT_REASON_RDTSC:
        return any(v->cpu1_ctl, CPU1_RDTSC_EXITING);
    case EXIT_REASON_PREEMPTION_TIMER:
        return any(v->pin_ctl, PIN_PREEMPTION_TIMER);
    case EXIT_REASON_MONITOR_TRAP_FLAG:
        return any(v->cpu1_ctl, CPU1_MONITOR_TRAP_FLAG);
    case EXIT_REASON_WBINVD:
        return any(cpu2, CPU2_WBINVD_EXITING);
    case EXIT_REASON_MOV_DR:
        return any(v->cpu1_ctl, CPU1_MOV_DR_EXITING);
    default:
        return true;
    }
}

/* An exception that exits by the exception bitmap, or 0. */
static u32 exception(const struct vmcs_image *v)
{
    u32 vector = play_byte() & 31;
    bool error = vector == VEC_GP || vector == VEC_TS || vector == VEC_NP || vector == VEC_SS;
    if (vector == VEC_NMI || vector == VEC_PF || !any(v->exception_bitmap, BIT(vector)))
        return 0;
    return INTR_VALID | INTR_HW_EXCEPTION << 8 | vector |
           (error && any(v->guest_cr0, CR0_PE) ? INTR_ERROR_VALID : 0);
}

static enum vmx_enter leave(struct vmcs_image *v)
{
    /* clang-format off */
    static const u8 reasons[] = {
        EXIT_REASON_CPUID, EXIT_REASON_CPUID, EXIT_REASON_VMCALL, EXIT_REASON_EXTERNAL_INTERRUPT,
        EXIT_REASON_INTERRUPT_WINDOW, EXIT_REASON_HLT, EXIT_REASON_RDTSC,
        EXIT_REASON_PREEMPTION_TIMER,
        EXIT_REASON_MONITOR_TRAP_FLAG, EXIT_REASON_WBINVD, EXIT_REASON_MOV_DR,
        EXIT_REASON_TRIPLE_FAULT,
        EXIT_REASON_RDMSR, EXIT_REASON_WRMSR, EXIT_REASON_EPT_VIOLATION, EXIT_REASON_XSETBV,
        EXIT_REASON_INVD,
        EXIT_REASON_TASK_SWITCH, EXIT_REASON_VMRESUME, EXIT_REASON_EXCEPTION_NMI,
        EXIT_REASON_GETSEC,
    };
    /* clang-format on */
    static const u32 msrs[] = {
        MSR_IA32_EFER,         MSR_IA32_PAT,     MSR_IA32_DEBUGCTL,  MSR_IA32_PERF_GLOBAL_CTRL,
        MSR_IA32_SYSENTER_EIP, MSR_IA32_FS_BASE, MSR_IA32_VMX_BASIC, 0x10};
    u32 reason = reasons[play_byte() % ARRAY_LEN(reasons)];
    if (!may_exit(v, reason))
        reason = EXIT_REASON_CPUID;
    /* Only an event that exits directly finds L2 halted. SDM 3C 28.1 "Architectural State
     * Before a VM Exit" */
    if (reason != EXIT_REASON_EXTERNAL_INTERRUPT && reason != EXIT_REASON_PREEMPTION_TIMER)
        v->guest_activity_state = ACTIVITY_ACTIVE;
    v->exit_intr_info = reason == EXIT_REASON_EXCEPTION_NMI ? exception(v) : 0;
    if (reason == EXIT_REASON_EXCEPTION_NMI && !v->exit_intr_info)
        reason = EXIT_REASON_CPUID;
    v->idt_vectoring_info = reason == EXIT_REASON_EPT_VIOLATION ? vectoring(v) : 0;
    v->exit_instruction_len = 2;
    v->exit_qualification = reason == EXIT_REASON_EPT_VIOLATION ? 0x181 : 0;
    v->guest_physical_address = play_number(3) & (L1_RAM - 1);
    if (reason == EXIT_REASON_RDMSR || reason == EXIT_REASON_WRMSR) {
        machine.cpu->regs.gpr[REG_RCX] = msrs[play_byte() % ARRAY_LEN(msrs)];
        machine.cpu->regs.gpr[REG_RAX] = (u32)play_edgy();
        machine.cpu->regs.gpr[REG_RDX] = (u32)play_edgy();
    }
    return machine_exit(reason);
}

static bool window_open(const struct vmcs_image *v)
{
    return any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING) &&
           !any(v->guest_interruptibility, BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS | BLOCKING_BY_STI);
}

enum vmx_enter play_l2(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    run(v);
    if (play_byte() > 0xc0)
        percpu()->nmi_pending = 1;
    if (window_open(v)) {
        v->exit_intr_info = v->idt_vectoring_info = 0;
        return machine_exit(EXIT_REASON_NMI_WINDOW);
    }
    return leave(v);
}
