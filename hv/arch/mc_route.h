/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a machine check goes. L1 owns the machine, so L0 handles no machine check for itself. L0
 * gives the event to the level that the processor was running, by the rules of the CPU. The
 * decision is pure; the caller injects or reflects.
 */
#ifndef HV_ARCH_MC_ROUTE_H
#define HV_ARCH_MC_ROUTE_H

#include "hv/arch/types.h"

/* Where the CPU reported the machine check. */
enum mc_where {
    MC_IN_ROOT,  /* #MC taken through L0's own IDT: the handler only set a flag */
    MC_IN_ENTRY, /* exit reason 41: the event met a VM entry by L0 */
};

enum mc_dest {
    MC_INJECT_L1,  /* #MC through L1's IDT */
    MC_INJECT_L2,  /* #MC through L2's IDT */
    MC_REFLECT,    /* a true VM exit to L1: reason 0, vector 18, from L2 */
    MC_FAIL_ENTRY, /* L1's VM entry fails with reason 41 */
    MC_SHUTDOWN,   /* CR4.MCE is 0 at the level that takes it: the processor shuts down */
};

struct mc_facts {
    enum mc_where where;
    bool in_l2;             /* the CPU was running L2, or working for L2's sake */
    bool entry_of_l1;       /* MC_IN_ENTRY: the first entry of a VMLAUNCH/VMRESUME by L1 */
    u64 cr4_l1, cr4_l2;     /* CR4 in effect at each level (not the read shadows) */
    u32 exception_bitmap12; /* vmcs12's, meaningful when in_l2 */
};

/* The level that gets the machine check, and how.
 * SDM 3C 27.9 "Machine-Check Events During VM Entry" for an event that meets a VM entry,
 * SDM 3C 26.2 "Other Causes of VM Exits" for the exception bitmap. */
enum mc_dest mc_route(const struct mc_facts *f);

#endif
