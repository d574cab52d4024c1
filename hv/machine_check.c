/* Machine checks that did not go straight to L1: those taken in root mode, and one that met a VM
 * entry. Where each goes is a pure function (hv/arch/mc_route.h); L0 handles none itself. */
#include "hv/dispatch.h"
#include "hv/arch/mc_route.h"
#include "hv/vmx/insn.h"

static void deliver(struct cpu *cpu, enum mc_where where)
{
    u64 cr4 = vmcs_read(ENC_guest_cr4);
    struct mc_facts facts = {.where = where, .in_l2 = cpu->in_l2, .cr4_l1 = cr4, .cr4_l2 = cr4};
    cpu->percpu.mc_pending = 0;
    if (mc_route(&facts) == MC_SHUTDOWN)
        machine_reset(cpu, "machine check with CR4.MCE off");
    inject_exception(cpu, VEC_MC, 0);
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
