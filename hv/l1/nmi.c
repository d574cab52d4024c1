/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs that arrive while L0 runs. The root-mode handler (hv/core/trap.c) only sets
 * percpu.nmi_pending. L0 gives the NMI to the guest at once if the guest can take an NMI. Otherwise
 * an interval begins: NMI exiting, virtual NMIs and NMI-window exiting are on until the guest can
 * take the NMI. Outside the interval they are off, so that NMIs of L1's own do not exit. nmi_plan
 * (hv/arch/event.h) decides where an NMI goes. L0 asks nmi_plan again when the window opens,
 * because the answer may have changed.
 * SDM 3C 26.2 "Other Causes of VM Exits"
 */
#include "hv/l1/l1.h"
#include "hv/arch/event.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

#define PIN_NMI_INTERVAL (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)

/* Begins or ends the interval in the current VMCS. Outside it, vmcs02 has the control words that
 * were merged, because L1 may ask for virtual NMIs of its own. An NMI that waits while L2 runs
 * goes to L1 if L2 exits to L1 before the window opens (nmi_held). */
static void interval(struct cpu *cpu, bool on)
{
    struct nested *n = cpu->nested;
    u64 pin =
        cpu->in_l2 ? n->now->image02.pin_ctl : vmcs_read(ENC_pin_ctl) & ~(u64)PIN_NMI_INTERVAL;
    u64 cpu1 = cpu->in_l2 ? n->now->image02.cpu1_ctl
                          : vmcs_read(ENC_cpu1_ctl) & ~(u64)CPU1_NMI_WINDOW_EXITING;
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
        .pin12 = cpu->in_l2 ? cpu->nested->now->vmcs12.pin_ctl : 0,
        .interruptibility = (u32)vmcs_read(ENC_guest_interruptibility),
        .activity = (u32)vmcs_read(ENC_guest_activity_state),
        .event_planned = any(vmcs_read(ENC_entry_intr_info), INTR_VALID),
        .debug_pending = vmcs_read(ENC_guest_pending_dbg_exceptions) != 0,
    };
    return nmi_plan(&f);
}

/* The interval turns virtual NMIs on. Under virtual NMIs an entry that injects an NMI must not find
 * NMIs blocked. The injected NMI blocks them anyway.
 * SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
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
    if (!cpu->in_l2 && vmcs_read(ENC_guest_activity_state) == ACTIVITY_WAIT_SIPI)
        return;           /* CAVEAT(nmi-in-wait-for-sipi) */
    interval(cpu, false); /* an NMI that already waits joins this one */
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

void nmi_forget(struct cpu *cpu)
{
    cpu->percpu.nmi_pending = 0;
    if (cpu->nmi_waits)
        interval(cpu, false);
}

/* An exception or NMI that exited. NMIs exit only in the interval, while an NMI waits. The new
 * NMI joins the waiting one, because a CPU also latches only one. An exception whose exit
 * neither L0 nor L1 wants goes to the guest. */
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

/* Nothing blocks NMIs any more, so the run loop calls nmi_deliver again. */
enum outcome nmi_window(struct cpu *cpu)
{
    interval(cpu, false);
    cpu->percpu.nmi_pending = 1;
    return RESUME;
}
