/*
 * Whose exit is it? One question, answered from values for every basic exit reason. L1's view
 * only: an exit that L1 did not ask for is L0's. SDM 3C 26.1 "Instructions That Cause VM Exits",
 * SDM 3C 26.2 "Other Causes of VM Exits"
 */
#ifndef HV_VMCS12_ROUTE_H
#define HV_VMCS12_ROUTE_H

#include "hv/arch/exit.h"
#include "hv/vmcs12/vmcs12.h"

enum route {
    ROUTE_L0,         /* L0 handles it; L1 never learns */
    ROUTE_L1,         /* reflect: a VM exit of L1's guest */
    ROUTE_L0_FIRST,   /* L0 must look: it handles the exit, or finds that it is L1's. EPT
                         violations and misconfigurations with EPT12 (the walk decides);
                         failed entries of vmcs02 (unwound, logged, then L1's) */
    ROUTE_UNEXPECTED, /* no control of vmcs02 can cause it: our bug, or a new CPU */
};

struct route_env {
    const struct vmcs_image *v12;
    const struct vmexit *x;
    /* True when vmcs12's bitmap has the bit of this access: I/O, RDMSR, WRMSR, and VMREAD and
     * VMWRITE under VMCS shadowing. Looked at only when route_needs_bitmap says so. */
    bool bitmap_hit;
    /* MOV to CR, LMSW: the source operand's value, 64 bits wide in 64-bit mode only (LMSW: 16
     * bits, from the qualification). VMFUNC: EAX. Else unused. */
    u64 operand;
};

/* True when route_exit will look at bitmap_hit: the caller may then read L1's page. */
bool route_needs_bitmap(const struct route_env *e);

enum route route_exit(const struct route_env *e);

#endif
