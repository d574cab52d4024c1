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
    bool (*short_exit)(struct percpu *); /* enter.asm: true when an exit of L1 is answered in full */
    u32 nmi_pending;               /* set by the root-mode NMI handler, cleared by the run loop */
    u32 mc_pending;                /* the same for #MC; enter.asm tests the two as one word */
    u64 vpid_flushes, ept_flushes; /* INVVPIDs and INVEPTs that L0 has executed (hv/flush_audit.c) */
    u32 panicking;
    u32 id;
};

static inline struct percpu *percpu(void)
{
    struct percpu *p;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(p));
    return p;
}

#endif
