/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps from the last check to life as L1, on all processors or on none. */
#ifndef BOOT_EFI_LAUNCH_H
#define BOOT_EFI_LAUNCH_H

#include "boot/efi_cpus.h"
#include "boot/efi_facts.h"
#include "boot/efi_memory.h"

/* What the processors are, one struct facts each, and what there is of VT-d. */
struct machine {
    struct cpus cpus;
    struct vtd *vtd;
    struct facts facts[BOOT_MAX_CPUS];
};

/*
 * Launches every processor of r->handoff[0].info->cpu_count, the bootstrap processor last, so that
 * all of them run this code and the firmware as L1. True when this code runs as L1.
 * Otherwise the region is released, every processor is as it was, but for FEATURE_CONTROL, and *why
 * holds the reason. @pre boot services are running; every other check has passed
 */
MUST_CHECK bool nidus_launch(struct region *r, const struct machine *m, struct line *why);

/* As nidus_launch up to VMLAUNCH on each processor, and back. True when a launch would have come as
 * far. The region is released in any case. */
MUST_CHECK bool nidus_rehearse(struct region *r, const struct machine *m, struct line *why);

/* Cycles of the time-stamp counter: from the firmware to L1's first instruction, an exit for CPUID
 * and back, and out of Nidus. */
struct blink {
    u64 in, exit, out;
};

/* Launches each processor and takes it back before the next one. True when all came back; *took
 * then tells of the first processor. The region is released, unless a processor stays. */
MUST_CHECK bool nidus_blink(struct region *r, const struct machine *m, struct line *why,
                            struct blink *took);

#endif
