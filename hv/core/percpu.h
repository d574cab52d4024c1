/*
 * What the freestanding services find through GS on every processor. It is the first member
 * of struct cpu (hv/vmx/vmx.h). GS holds it from desc_load on and after every VM exit
 * (HOST_GS_BASE); this pointer is the one thing that is not passed as a parameter.
 */
#ifndef HV_CORE_PERCPU_H
#define HV_CORE_PERCPU_H

#include "hv/arch/types.h"

struct log;

struct percpu {
    struct percpu *self;
    struct log *log;
    void (*dump)(struct percpu *); /* prints what is known of this CPU; panic calls it once */
    u16 nmi_pending;               /* set by the root-mode NMI handler, cleared by the run loop */
    u16 mc_pending;                /* the same for #MC */
    /* what of `spec` is done before an entry; enter.asm tests the three as one word */
    u32 entry_spec;
    u32 spec;            /* SPEC_* (hv/core/boot_info.h) */
    u64 guest_spec_ctrl; /* with SPEC_CTRL: the guest's IA32_SPEC_CTRL while L0 runs */
    /* INVVPIDs and INVEPTs that L0 has executed (hv/paranoid/flush_audit.c) */
    u64 vpid_flushes, ept_flushes;
    u32 panicking;
    u32 id;
};

#endif
