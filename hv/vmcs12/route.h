/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether an exit of L2 is L1's or L0's, for every basic exit reason. Only vmcs12 decides: an exit
 * that L1 did not ask for is L0's. SDM 3C 26.1 "Instructions That Cause VM Exits",
 * SDM 3C 26.2 "Other Causes of VM Exits"
 */
#ifndef HV_VMCS12_ROUTE_H
#define HV_VMCS12_ROUTE_H

#include "hv/arch/exit.h"
#include "hv/vmcs12/vmcs12.h"

enum route {
    ROUTE_L0,         /* L0 handles the exit, and L1 does not learn of it */
    ROUTE_L1,         /* L1 gets the exit */
    ROUTE_L0_FIRST,   /* L0 must look before anyone knows whose exit it is. With EPT12 the walk
                         decides about an EPT violation or misconfiguration. A failed entry of
                         vmcs02 is logged and becomes a failed entry of L1's */
    ROUTE_UNEXPECTED, /* no control of vmcs02 can cause the exit: our bug, or a new CPU */
};

struct route_env {
    const struct vmcs_image *v12;
    const struct vmexit *x;
    /* True when vmcs12's bitmap makes this access exit: an I/O access, RDMSR, WRMSR, or VMREAD or
     * VMWRITE under VMCS shadowing. route_exit looks at it only when route_needs_bitmap says so. */
    bool bitmap_hit;
    /* For MOV to CR the value of the source operand, whose bits 63:32 are 0 outside 64-bit mode.
     * For VMFUNC the value of EAX. Else unused. */
    u64 operand;
};

/* True when route_exit looks at bitmap_hit. The caller then reads L1's bitmap and fills it in. */
bool route_needs_bitmap(const struct route_env *e);

/* The route of one exit of L2. @pre e->x holds the exit's reason, and the intr_info, intr_error and
 * qual that the reason defines */
enum route route_exit(const struct route_env *e);

#endif
