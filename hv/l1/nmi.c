/*
 * NMIs that arrive while L0 runs. The root-mode handler (hv/core/traps.asm) only sets
 * percpu.nmi_pending. Given to the guest at once if it can take it; else virtual NMIs and
 * NMI-window exiting are on until it can, and only then, so that NMIs of L1's own do not exit. Where an NMI
 * goes is a pure function (nmi_plan in hv/arch/event.h), asked again when the window opens: what
 * is right then need not be what was right before.
 * SDM 3C 26.2 "Other Causes of VM Exits"
 */
#include "hv/l1/l1.h"
#include "hv/arch/event.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

#define PIN_NMI_INTERVAL (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)

/* L2 gets back the words that were merged, in which virtual NMIs may be L1's own. An NMI that waits while L2 runs is L1's
 * should L2 leave before its window opens. */
static void interval(struct cpu *cpu, bool on)
{
    struct nested *n = cpu->nested;
    u64 pin = cpu->in_l2 ? n->image02.pin_ctl : vmcs_read(ENC_pin_ctl) & ~(u64)PIN_NMI_INTERVAL;
    u64 cpu1 = cpu->in_l2 ? n->image02.cpu1_ctl : vmcs_read(ENC_cpu1_ctl) & ~(u64)CPU1_NMI_WINDOW_EXITING;
    vmcs_write(ENC_pin_ctl, on ? pin | PIN_NMI_INTERVAL : pin);
    vmcs_write(ENC_cpu1_ctl, on ? cpu1 | CPU1_NMI_WINDOW_EXITING : cpu1);
    if (cpu->in_l2)
        n->nmi_held = on;
    else
        cpu->nmi_waits = on;
}

static enum nmi_plan plan(const struct cpu *cpu)
{
    struct nmi_facts f = {
        .in_l2 = cpu->in_l2,
        .pin12 = cpu->in_l2 ? cpu->nested->vmcs12.pin_ctl : 0,
        .interruptibility = (u32)vmcs_read(ENC_guest_interruptibility),
        .activity = (u32)vmcs_read(ENC_guest_activity_state),
        .event_planned = any(vmcs_read(ENC_entry_intr_info), INTR_VALID),
        .debug_pending = vmcs_read(ENC_guest_pending_dbg_exceptions) != 0,
    };
    return nmi_plan(&f);
}

/* Under virtual NMIs, which the interval turns on, an entry that injects an NMI must find none blocked. The
 * injection blocks them all the same. SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static void unblock_planned(void)
{
    u32 info = (u32)vmcs_read(ENC_entry_intr_info);
    u64 blocking = vmcs_read(ENC_guest_interruptibility);
    if (any(info, INTR_VALID) && INTR_TYPE(info) == INTR_NMI && any(blocking, BLOCKING_BY_NMI))
        vmcs_write(ENC_guest_interruptibility, blocking & ~(u64)BLOCKING_BY_NMI);
}

void nmi_deliver(struct cpu *cpu)
{
    static const struct event nmi = {.info = INTR_VALID | INTR_NMI << 8 | VEC_NMI};
    cpu->percpu.nmi_pending = 0;
    interval(cpu, false); /* one that waits is the same NMI: decided anew */
    switch (plan(cpu)) {
    case NMI_INJECT:
        inject_event(&nmi);
        return;
    case NMI_WINDOW:
        interval(cpu, true);
        unblock_planned();
        return;
    case NMI_REFLECT:
        nested_reflect_event(cpu, EXIT_REASON_EXCEPTION_NMI, nmi.info);
        return;
    case NMI_HOLD:
        nested_hold_nmi(cpu);
        return;
    }
}

/* An exception or NMI that exited. In the interval an NMI exits: it is the one that waits, or joins it, as
 * the CPU latches one. An exception that no level asked for is the guest's. */
enum outcome exception_exit(struct cpu *cpu)
{
    const struct vmexit *e = &cpu->exit;
    if (INTR_TYPE(e->intr_info) == INTR_NMI) {
        inject_again(cpu);
        return RESUME;
    }
    exit_more(cpu, SNAP_STEP | SNAP_QUAL);
    if (INTR_VECTOR(e->intr_info) == VEC_PF)
        write_cr2(e->qual);
    struct event again = event_caught(e, vmcs_read(ENC_guest_cr0));
    inject_event(&again);
    return RESUME;
}

/* Asked again now that nothing blocks: an NMI that met L2 may be an exit to L1. */
enum outcome nmi_window(struct cpu *cpu)
{
    interval(cpu, false);
    cpu->percpu.nmi_pending = 1;
    return RESUME;
}
