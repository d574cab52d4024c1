/*
 * L0's memory, which the firmware gives: the reserved region, the core's copy in the region, and
 * L0's page tables. Nothing here changes the processor; memory_release undoes everything.
 */
#ifndef BOOT_EFI_MEMORY_H
#define BOOT_EFI_MEMORY_H

#include "boot/tables.h"

/* Bytes of L0's region for this number of processors: each has an EPT02 and an EPT01 of its own,
 * and a ring of records with trace=. */
static inline u64 region_size(u32 cpus, bool trace)
{
    return (10ull << 20) + cpus * ((trace ? 8ull : 6ull) << 20);
}

/*
 * Reserves the region (EfiReservedMemoryType, 2 MiB aligned) for options->cpu_count processors,
 * copies the core there and builds L0's page tables. Fills in l0_*, cpu and info of each
 * r->handoff[i]; info takes its options from *options.
 * Returns NULL, or the reason for a failure in words. After a failure nothing stays reserved.
 * @pre boot services are running
 */
const char *memory_prepare(struct region *r, const struct boot_info *options);

/* Puts this processor's segment registers into *h, and builds the bridge of *h from its GDT. */
void memory_capture(struct handoff *h);

/* Gives the region back to the firmware, unless it stays. */
void memory_release(struct region *r);

#endif
