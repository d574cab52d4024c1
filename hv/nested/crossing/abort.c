/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's VMX abort: a VM exit to L1 that cannot be completed. The processor goes into shutdown, and
 * neither an NMI nor an INIT ends it. SDM 3C 28.7 "VMX Aborts"
 */
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/crossing/private.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

/* The values that VM entry accepts together with the shutdown state. @pre vmcs01 is current */
static void write_shutdown(const struct cpu *cpu)
{
    bool shutdown = any(cpu->vm->facts.vmx.misc, VMX_MISC_ACTIVITY_SHUTDOWN);
    vmcs_write(ENC_guest_activity_state, shutdown ? ACTIVITY_SHUTDOWN : ACTIVITY_HLT);
    vmcs_write(ENC_guest_rflags, RFLAGS_FIXED);
    vmcs_write(ENC_guest_interruptibility, 0);
    vmcs_write(ENC_guest_pending_dbg_exceptions, 0);
    vmcs_write(ENC_entry_intr_info, 0);
}

/* An exit by an NMI may have saved the active state. */
static enum outcome stay_dead(struct cpu *cpu)
{
    write_shutdown(cpu);
    return RESUME;
}

static const struct exit_row exit_rows_dead[EXIT_ROWS] = {[0 ... EXIT_ROWS - 1] = {stay_dead, 0}};

/* NMIs exit from now on, because an NMI would end the shutdown state. A CPU that cannot be entered
 * into shutdown halts with interrupts off. A CPU that can do neither is reset, as a platform
 * answers a shutdown. */
static void shut_down(struct cpu *cpu)
{
    u64 misc = cpu->vm->facts.vmx.misc;
    if (!any(misc, VMX_MISC_ACTIVITY_SHUTDOWN | VMX_MISC_ACTIVITY_HLT))
        machine_reset(cpu, "VMX abort on a CPU that cannot be entered into shutdown");
    cpu->dead = true;
    cpu->rows[0] = exit_rows_dead;
    vmcs_write(ENC_pin_ctl, vmcs_read(ENC_pin_ctl) | PIN_NMI_EXITING);
    write_shutdown(cpu);
}

void vmx_abort(struct cpu *cpu, u32 indicator)
{
    struct nested *n = cpu->nested;
    log_rare(LOG_ABORT, "VMX abort %u of L1: its VM exit could not be completed", indicator);
    n->now->vmcs12.abort = indicator;
    u64 at = n->now->at.a + offsetof(struct vmcs_image, abort);
    if (!gpa1_write(cpu, GPA1(at), &indicator, sizeof indicator))
        log_rare(LOG_ABORT, "no memory at the VMCS region for the VMX-abort indicator");
    nested_run_l1(cpu);
    shut_down(cpu);
}
