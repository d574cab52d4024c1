/*
 * NMIs that arrive while L0 runs. The root-mode handler (hv/core/traps.asm) only sets
 * percpu.nmi_pending. Given to the guest at once if it can take it; else virtual NMIs and
 * NMI-window exiting are on until it can, and only then, so that NMIs of L1's own do not exit. Where an NMI
 * goes is a pure function (nmi_plan in hv/vmcs12/event.h), asked again when the window opens: what
 * is right then need not be what was right before.
 * SDM 3C 26.2 "Other Causes of VM Exits"
 */
#include "hv/dispatch.h"
#include "hv/nested/nested.h"
#include "hv/vmcs12/event.h"
#include "hv/vmx/insn.h"
#include "hv/core/insn.h"

#define PIN_NMI_INTERVAL (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)

/* Outside the interval a level's controls are its own: L1 has none of these, L2 those of vmcs02's image. */
static void interval(const struct cpu *cpu, bool on)
{
    const struct vmcs_image *own = cpu->in_l2 ? &cpu->nested->image02 : NULL;
    u64 pin = own ? own->pin_ctl : vmcs_read(ENC_pin_ctl) & ~(u64)PIN_NMI_INTERVAL;
    u64 cpu1 = own ? own->cpu1_ctl : vmcs_read(ENC_cpu1_ctl) & ~(u64)CPU1_NMI_WINDOW_EXITING;
    vmcs_write(ENC_pin_ctl, on ? pin | PIN_NMI_INTERVAL : pin);
    vmcs_write(ENC_cpu1_ctl, on ? cpu1 | CPU1_NMI_WINDOW_EXITING : cpu1);
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

void nmi_deliver(struct cpu *cpu)
{
    cpu->percpu.nmi_pending = 0;
    switch (plan(cpu)) {
    case NMI_INJECT:
        interval(cpu, false);
        inject_event(cpu, INTR_NMI << 8 | VEC_NMI, 0, 0);
        return;
    case NMI_WINDOW:
        interval(cpu, true);
        nested_hold_nmi(cpu);
        return;
    case NMI_REFLECT:
        nested_reflect_event(cpu, EXIT_REASON_EXCEPTION_NMI, INTR_VALID | INTR_NMI << 8 | VEC_NMI);
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
    inject_event(cpu, e->intr_info & ~INTR_NMI_UNBLOCKING, e->intr_error, e->insn_len);
    return RESUME;
}

/* The NMI that waited is pending again, and planned anew at the entry. */
enum outcome nmi_window(struct cpu *cpu)
{
    interval(cpu, false);
    nested_release_nmi(cpu);
    cpu->percpu.nmi_pending = 1;
    return RESUME;
}
