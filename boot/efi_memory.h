/*
 * L0's memory as the firmware gives it: the reserved region, the core's copy in it, and L0's page
 * tables. Nothing here changes the processor; memory_release undoes everything.
 */
#ifndef BOOT_EFI_MEMORY_H
#define BOOT_EFI_MEMORY_H

#include "boot/tables.h"

#define REGION_SIZE (16ull << 20)

/*
 * Reserves the region (EfiReservedMemoryType, 2 MiB aligned), copies the core there, builds
 * page tables for it and fills in r->handoff: l0_*, seg, and info, whose options are `options`'s.
 * Returns NULL, or why not; then nothing stays reserved.
 * @pre boot services are running
 */
const char *memory_prepare(struct region *r, const struct boot_info *options);

/* Gives the region back to the firmware. */
void memory_release(struct region *r);

#endif
