/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks that did not go straight to L1: those taken in root mode, and one that met a VM
 * entry. mc_route (hv/arch/mc_route.h) decides where each goes. L0 handles none itself. */
#include "hv/l1/l1.h"
#include "hv/arch/mc_route.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/vmx/insn.h"

static struct mc_facts facts_of(const struct cpu *cpu, enum mc_where where)
{
    u64 cr4 = vmcs_read(ENC_guest_cr4);
    struct mc_facts f = {.where = where, .in_l2 = cpu->in_l2, .cr4_l1 = cr4, .cr4_l2 = cr4};
    if (cpu->in_l2) {
        f.entry_of_l1 = cpu->nested->entering;
        f.exception_bitmap12 = cpu->nested->now->vmcs12.exception_bitmap;
    }
    return f;
}

static void deliver(struct cpu *cpu, enum mc_where where)
{
    struct mc_facts f = facts_of(cpu, where);
    cpu->percpu.mc_pending = 0;
    switch (mc_route(&f)) {
    case MC_SHUTDOWN:
        machine_reset(cpu, "machine check with CR4.MCE off");
    case MC_INJECT_L1:
    case MC_INJECT_L2:
        inject_exception(cpu, VEC_MC, 0);
        return;
    case MC_REFLECT:
        nested_reflect_event(cpu, EXIT_REASON_EXCEPTION_NMI,
                             INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_MC);
        return;
    case MC_FAIL_ENTRY:
        nested_entry_failed(cpu, EXIT_REASON_ENTRY_FAIL | EXIT_REASON_ENTRY_MACHINE_CHECK, 0);
        return;
    }
}

void mc_deliver(struct cpu *cpu)
{
    cpu->have = 0;
    deliver(cpu, MC_IN_ROOT);
}

enum outcome mc_met_entry(struct cpu *cpu)
{
    deliver(cpu, MC_IN_ENTRY);
    return RESUME;
}
