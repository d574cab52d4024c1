/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors of this machine, and how to run a function on each of them. */
#ifndef BOOT_EFI_CPUS_H
#define BOOT_EFI_CPUS_H

#include "boot/line.h"
#include "hv/core/boot_info.h"

struct processor {
    u32 apic_id;
    u64 number; /* the MP services protocol's */
};

/* The bootstrap processor is cpu[0]. */
struct cpus {
    u32 count; /* may be more than the array has room for: then Nidus refuses */
    struct processor cpu[BOOT_MAX_CPUS];
    bool by_sipi;        /* Nidus wakes them itself */
    char source[24];     /* where the list comes from, in words */
    struct line refusal; /* why not all processors can be reached, or empty */
};

/* Finds the processors that the firmware has enabled. use_services: false to do without the MP
 * services protocol. @pre boot services are running */
void cpus_find(struct cpus *cpus, bool use_services);

/* Runs f(arg) on cpu[i] and waits for its end. f calls no boot service and may run on a small
 * stack; arg is memory of the caller's. Returns NULL, or why f did not run to its end.
 * @pre boot services are running; this is the bootstrap processor */
MUST_CHECK const char *cpus_call(const struct cpus *cpus, u32 i, void (*f)(void *arg), void *arg);

/* Adds "processor 2 (APIC id 4): " to the line. */
void cpus_name(const struct cpus *cpus, u32 i, struct line *l);

#endif
