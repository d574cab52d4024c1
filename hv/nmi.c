/*
 * NMIs that arrive while L0 runs. The root-mode handler (hv/core/traps.asm) only sets
 * percpu.nmi_pending. Given to the guest at once if it can take it; else virtual NMIs and
 * NMI-window exiting are on until it can, and only then, so that NMIs of L1's own do not exit.
 * SDM 3C 26.2 "Other Causes of VM Exits"
 */
#include "hv/dispatch.h"
#include "hv/nested/nested.h"
#include "hv/vmx/insn.h"

#define PIN_NMI_INTERVAL  (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)
#define NMI_BLOCKED (BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS | BLOCKING_BY_STI)

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
}

void nmi_deliver(struct cpu *cpu)
{
    interval(cpu, false); /* one that waits is the same NMI: decided anew */
    if (cpu->in_l2 && !nested_nmi(cpu))
        return;
    u64 blocking = vmcs_read(ENC_guest_interruptibility);
    u64 planned = vmcs_read(ENC_entry_intr_info) & INTR_VALID;
    /* A debug trap comes before the NMI, and an entry that injects an NMI would drop it.
     * SDM 3C 27.7.3 "Delivery of Pending Debug Exceptions after VM Entry" */
    u64 debug = vmcs_read(ENC_guest_pending_dbg_exceptions);
    if (any(blocking, NMI_BLOCKED) || planned || debug)
        interval(cpu, true);
    else
        inject_event(cpu, INTR_NMI << 8 | VEC_NMI, 0, 0);
    cpu->percpu.nmi_pending = 0;
}

/* In the interval an NMI exits: it is the one that waits, or joins it, as the CPU latches one. */
enum outcome nmi_exit(struct cpu *cpu)
{
    if (INTR_TYPE(cpu->exit.intr_info) != INTR_NMI)
        return FATAL;
    inject_again(cpu);
    return RESUME;
}

/* Asked again now that nothing blocks: an NMI that met L2 may be an exit to L1. */
enum outcome nmi_window(struct cpu *cpu)
{
    interval(cpu, false);
    cpu->percpu.nmi_pending = 1;
    return RESUME;
}
