/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine-check routing. Contract in mc_route.h. */
#include "hv/arch/mc_route.h"
#include "hv/arch/cpu.h"

enum mc_dest mc_route(const struct mc_facts *f)
{
    u64 cr4 = f->in_l2 ? f->cr4_l2 : f->cr4_l1;

    /* L1's VMLAUNCH or VMRESUME met the event before the entry was complete, so L1 sees the failed
     * entry that the CPU would show. An entry by which L0 resumes L2 after an exit of L0's own is
     * not L1's entry: to L1 the event happened while L2 ran. */
    if (f->where == MC_IN_ENTRY && f->in_l2 && f->entry_of_l1)
        return MC_FAIL_ENTRY;

    /* The CPU looks at CR4.MCE before it raises an exception. With CR4.MCE clear there is no #MC
     * that bit 18 of the exception bitmap could catch.
     * SDM 3C 27.9 "Machine-Check Events During VM Entry" */
    if (!any(cr4, CR4_MCE))
        return MC_SHUTDOWN;
    if (!f->in_l2)
        return MC_INJECT_L1;
    return any(f->exception_bitmap12, BIT(VEC_MC)) ? MC_REFLECT : MC_INJECT_L2;
}
