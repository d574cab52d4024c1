/*
 * L0's memory, which the firmware gives: the reserved region, the core's copy in the region, and
 * L0's page tables. Nothing here changes the processor; memory_release undoes everything.
 */
#ifndef BOOT_EFI_MEMORY_H
#define BOOT_EFI_MEMORY_H

#include "boot/tables.h"

#define REGION_SIZE (16ull << 20)

/*
 * Reserves the region (EfiReservedMemoryType, 2 MiB aligned), copies the core there and builds L0's
 * page tables. Fills in l0_*, seg and info of r->handoff; info takes its options from *options.
 * Returns NULL, or the reason for a failure in words. After a failure nothing stays reserved.
 * @pre boot services are running
 */
const char *memory_prepare(struct region *r, const struct boot_info *options);

/* Gives the region back to the firmware. */
void memory_release(struct region *r);

#endif
