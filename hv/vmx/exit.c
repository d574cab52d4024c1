/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what an exit tells, each fact once. Answers an exit in the two ways that touch the guest's
 * state: completes the instruction, or makes the next entry deliver an event. Every function works
 * on the current VMCS, vmcs01 or vmcs02.
 */
#include "hv/vmx/vmx.h"
#include "hv/arch/event.h"
#include "hv/vmx/insn.h"

static void read_group_rest(struct cpu *cpu, u32 mask)
{
    struct vmexit *e = &cpu->exit;
    struct exit_state *st = &cpu->st;
    if (any(mask, SNAP_INSN_INFO))
        e->insn_info = (u32)vmcs_read(ENC_exit_instruction_info);
    if (any(mask, SNAP_GLA))
        e->gla = vmcs_read(ENC_guest_linear_address);
    if (any(mask, SNAP_GPA))
        e->gpa = vmcs_read(ENC_guest_physical_address);
    if (any(mask, SNAP_INTR)) {
        e->intr_info = (u32)vmcs_read(ENC_exit_intr_info);
        e->intr_error = (u32)vmcs_read(ENC_exit_intr_error_code);
    }
    if (any(mask, SNAP_IDT)) {
        e->idt_info = (u32)vmcs_read(ENC_idt_vectoring_info);
        e->idt_error = (u32)vmcs_read(ENC_idt_vectoring_error_code);
    }
    if (any(mask, SNAP_IO)) {
        e->io_rcx = vmcs_read(ENC_io_rcx);
        e->io_rsi = vmcs_read(ENC_io_rsi);
        e->io_rdi = vmcs_read(ENC_io_rdi);
        e->io_rip = vmcs_read(ENC_io_rip);
    }
    if (any(mask, SNAP_MODE)) {
        st->cs_ar = (u32)vmcs_read(ENC_guest_cs_ar);
        st->ss_ar = (u32)vmcs_read(ENC_guest_ss_ar);
        st->cr0 = vmcs_read(ENC_guest_cr0);
        st->cr3 = vmcs_read(ENC_guest_cr3);
        st->cr4 = vmcs_read(ENC_guest_cr4);
        st->efer = vmcs_read(ENC_guest_efer);
    }
    if (any(mask, SNAP_RSP))
        st->rsp = vmcs_read(ENC_guest_rsp);
    for (u32 i = 0; any(mask, SNAP_PDPTE) && i < 4; i++)
        st->pdpte[i] = vmcs_read(vmcs_pdpte(i));
}

/* The two groups of nearly every exit come first, so that CPUID costs two tests here. */
static inline void read_groups(struct cpu *cpu, u32 mask)
{
    if (any(mask, SNAP_STEP)) {
        cpu->exit.insn_len = (u32)vmcs_read(ENC_exit_instruction_len);
        cpu->st.rip = vmcs_read(ENC_guest_rip);
        cpu->st.rflags = vmcs_read(ENC_guest_rflags);
        cpu->st.interruptibility = (u32)vmcs_read(ENC_guest_interruptibility);
    }
    if (any(mask, ~(u64)SNAP_STEP)) {
        if (any(mask, SNAP_QUAL))
            cpu->exit.qual = vmcs_read(ENC_exit_qualification);
        read_group_rest(cpu, mask);
    }
}

void exit_snapshot(struct cpu *cpu, u32 mask)
{
    cpu->have = mask;
    read_groups(cpu, mask);
}

void exit_more(struct cpu *cpu, u32 mask)
{
    read_groups(cpu, mask & ~cpu->have);
    cpu->have |= mask;
}

bool guest_is_64bit(struct cpu *cpu)
{
    exit_more(cpu, SNAP_MODE);
    return any(cpu->st.efer, EFER_LMA) && any(cpu->st.cs_ar, AR_L);
}

u64 reg_operand(struct cpu *cpu, enum reg r)
{
    u64 v = reg_read(cpu, r);
    return guest_is_64bit(cpu) ? v : (u32)v;
}

/* SS.DPL is the CPL in every mode. SDM 3C 25.4.1 "Guest Register State" */
u32 guest_cpl(struct cpu *cpu)
{
    exit_more(cpu, SNAP_MODE);
    return ar_dpl(cpu->st.ss_ar);
}

/*
 * A single step over an instruction that L0 completed must trap as on the CPU, so BS becomes
 * pending. With BTF the step is of branches only, and none of these is one.
 * SDM 3B 18.3.1.4 "Single-Step Exception Condition", SDM 3C 25.4.2 "Guest Non-Register State"
 */
static void pend_single_step(void)
{
    if (any(vmcs_read(ENC_guest_debugctl), DEBUGCTL_BTF))
        return;
    u64 pending = vmcs_read(ENC_guest_pending_dbg_exceptions);
    vmcs_write(ENC_guest_pending_dbg_exceptions, pending | PENDING_DBG_BS);
}

void exit_advance(struct cpu *cpu)
{
    exit_more(cpu, SNAP_STEP);
    struct exit_state *st = &cpu->st;
    st->rip += cpu->exit.insn_len;
    /* Outside 64-bit mode the instruction pointer has 32 bits. */
    if (UNLIKELY(st->rip >> 32 != 0) && !guest_is_64bit(cpu))
        st->rip = (u32)st->rip;
    vmcs_write(ENC_guest_rip, st->rip);
    if (UNLIKELY(any(st->interruptibility, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS))) {
        st->interruptibility &= ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
        vmcs_write(ENC_guest_interruptibility, st->interruptibility);
    }
    if (LIKELY(!any(st->rflags, RFLAGS_TF | RFLAGS_RF)))
        return;
    if (any(st->rflags, RFLAGS_TF))
        pend_single_step();
    st->rflags &= ~RFLAGS_RF;
    vmcs_write(ENC_guest_rflags, st->rflags);
}

void inject_event(const struct event *e)
{
    vmcs_write(ENC_entry_intr_info, e->info);
    if (any(e->info, INTR_ERROR_VALID))
        vmcs_write(ENC_entry_exception_error_code, e->error);
    if (event_by_instruction(e->info))
        vmcs_write(ENC_entry_instruction_len, e->len);
}

/* The frame of a fault has RF = 1. An exit saves RFLAGS before the CPU sets RF, and an entry that
 * injects a fault pushes RFLAGS as the VMCS holds them. So L0 sets RF.
 * SDM 3B 18.3.1.1 "Instruction-Breakpoint Exception Condition" */
static void set_rf(struct cpu *cpu)
{
    cpu->st.rflags |= RFLAGS_RF;
    vmcs_write(ENC_guest_rflags, cpu->st.rflags);
}

/*
 * The instruction has not been executed, so no single step over it may be pending. By the SDM the
 * exit saved none. The emulator saves BS, and the next entry would trap early.
 * CAVEAT(bochs-violation-step). Blocking by STI or by MOV SS is the exception: there the entry
 * checks demand BS exactly when TF is set and BTF is not, whatever the exit saved. Under blocking
 * by MOV SS that BS is the step over the MOV SS, which the CPU holds back.
 * SDM 3C 28.3.4 "Saving Non-Register State", SDM 3C 27.3.1.5 "Checks on Guest Non-Register State"
 */
void exit_unpend_step(void)
{
    u64 pending = vmcs_read(ENC_guest_pending_dbg_exceptions),
        wanted = pending & ~(u64)PENDING_DBG_BS;
    if (any(vmcs_read(ENC_guest_interruptibility), BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) &&
        any(vmcs_read(ENC_guest_rflags), RFLAGS_TF) &&
        !any(vmcs_read(ENC_guest_debugctl), DEBUGCTL_BTF))
        wanted |= PENDING_DBG_BS;
    if (wanted != pending)
        vmcs_write(ENC_guest_pending_dbg_exceptions, wanted);
}

void inject_exception(struct cpu *cpu, u32 vector, u32 error)
{
    exit_more(cpu, SNAP_STEP | SNAP_MODE);
    struct event e = event_exception((u8)vector, error, cpu->st.cr0);
    if (vector != VEC_DB)
        set_rf(cpu);
    inject_event(&e);
}

static void block_nmis(bool blocked)
{
    u64 blocking = vmcs_read(ENC_guest_interruptibility) & ~(u64)BLOCKING_BY_NMI;
    vmcs_write(ENC_guest_interruptibility, blocked ? blocking | BLOCKING_BY_NMI : blocking);
}

/* An NMI whose delivery was cut short has not been taken, so NMIs must not be blocked when the
 * entry injects it. An IRET that exited had already unblocked NMIs. The CPU will execute the
 * IRET again, so NMIs are blocked until then. */
void inject_again(struct cpu *cpu)
{
    if (any(cpu->exit.idt_info, INTR_VALID)) {
        exit_more(cpu, SNAP_STEP);
        struct event e = event_interrupted(&cpu->exit, vmcs_read(ENC_guest_cr0));
        if (INTR_TYPE(e.info) == INTR_NMI)
            block_nmis(false);
        inject_event(&e);
    } else if (event_iret_undone(&cpu->exit, (u32)vmcs_read(ENC_pin_ctl))) {
        block_nmis(true);
    }
}

void exit_retry(struct cpu *cpu)
{
    exit_unpend_step();
    inject_again(cpu);
}

/* SDM 3C 28.3.3 "Saving RIP, RSP, RFLAGS, and SSP" (footnote on RF) */
void exit_execute_again(struct cpu *cpu)
{
    exit_more(cpu, SNAP_STEP | SNAP_IDT);
    if (any(vmcs_read(ENC_guest_dr7), DR7_ENABLED))
        set_rf(cpu);
    exit_retry(cpu);
}

u64 reg_read(struct cpu *cpu, enum reg r)
{
    if (r != REG_RSP)
        return cpu->regs.gpr[r];
    exit_more(cpu, SNAP_RSP);
    return cpu->st.rsp;
}

void reg_write(struct cpu *cpu, enum reg r, u64 v)
{
    if (r != REG_RSP) {
        cpu->regs.gpr[r] = v;
        return;
    }
    cpu->st.rsp = v;
    vmcs_write(ENC_guest_rsp, v);
}
