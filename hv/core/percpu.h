/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L0's services find through GS on every processor. struct percpu is the first member of
 * struct cpu (hv/vmx/vmx.h). GS base is its address from desc_load on, and after every VM exit
 * (HOST_GS_BASE). This pointer is the one thing that is not passed as a parameter.
 */
#ifndef HV_CORE_PERCPU_H
#define HV_CORE_PERCPU_H

#include "hv/arch/types.h"

struct log;

struct percpu {
    struct percpu *self;
    struct log *log;
    void (*dump)(struct percpu *); /* prints what is known of this CPU; panic calls it once */
    u16 nmi_pending;               /* the root-mode NMI handler sets it, the run loop clears it */
    u16 mc_pending;                /* the root-mode #MC handler sets it, the run loop clears it */
    /* The part of `spec` that L0 does before an entry. enter.asm tests nmi_pending, mc_pending and
     * entry_spec as one 64-bit word. */
    u32 entry_spec;
    u32 spec;            /* SPEC_* (hv/core/boot_info.h) */
    u64 guest_spec_ctrl; /* with SPEC_CTRL: the guest's IA32_SPEC_CTRL while L0 runs */
    /* The numbers of INVVPIDs and INVEPTs that L0 has executed (hv/paranoid/flush_audit.c). */
    u64 vpid_flushes, ept_flushes;
    u32 panicking;
    u32 id;
    /* Ends a panic of bring-up: gives the CPU back to the firmware (hv/launch.h). Else NULL. */
    void (*escape)(struct percpu *);
};

#endif
