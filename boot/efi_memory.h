/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L0's memory, which the firmware gives: the reserved region, the core's copy in the region, and
 * L0's page tables. Nothing here changes the processor; memory_release undoes everything.
 */
#ifndef BOOT_EFI_MEMORY_H
#define BOOT_EFI_MEMORY_H

#include "boot/tables.h"

/* Bytes of L0's region for this number of processors: each has an EPT02 and an EPT01 of its own,
 * and a ring of records with trace=. */
#define REGION_SIZE(cpus, trace) ((10ull << 20) + (cpus) * (((trace) ? 8ull : 6ull) << 20))
/* The same with this number of pages for VT-d's tables. */
u64 region_size(u32 cpus, bool trace, u64 vtd_pages);

/*
 * Reserves the region (EfiReservedMemoryType, 2 MiB aligned) for options->cpu_count processors,
 * copies the core there and builds L0's page tables. Fills in l0_*, cpu and info of each
 * r->handoff[i]; info takes its options from *options. vtd_pages: how many pages VT-d's tables
 * take, which begin at r->vtd_pages.
 * Returns NULL, or the reason for a failure in words. After a failure nothing stays reserved.
 * @pre boot services are running
 */
const char *memory_prepare(struct region *r, const struct boot_info *options, u64 vtd_pages);

/* Puts this processor's segment registers into *h, and builds the bridge of *h from its GDT. */
void memory_capture(struct handoff *h);

/* The end of the highest memory, and whether any memory lies in `size` bytes at `base`. */
u64 memory_top(void);
bool memory_is_at(u64 base, u64 size);

/* Gives the VT-d units that guard the region back, and the region to the firmware. The region stays
 * if a unit goes on using it, or if r->stays says so; then the units go on as well. */
void memory_release(struct region *r);

#endif
