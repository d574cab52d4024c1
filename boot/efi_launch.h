/* From the last check to life as L1. */
#ifndef BOOT_EFI_LAUNCH_H
#define BOOT_EFI_LAUNCH_H

#include "boot/efi_facts.h"
#include "boot/efi_memory.h"

/*
 * Allows VMX and hands over to the core. NULL: the caller is L1 now, and r->handoff out of its
 * sight. Else why not; then the region is free again and only FEATURE_CONTROL may have changed.
 * @pre every check on the processor has passed, and memory_prepare has filled *r
 */
MUST_CHECK const char *nidus_launch(struct region *r, const struct facts *f);

#endif
