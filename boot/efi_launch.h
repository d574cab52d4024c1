/* The step from the last check to life as L1. */
#ifndef BOOT_EFI_LAUNCH_H
#define BOOT_EFI_LAUNCH_H

#include "boot/efi_facts.h"
#include "boot/efi_memory.h"

/*
 * Allows VMX and hands over to the core. Returns NULL when the caller is now L1, which can no
 * longer see r->handoff. Otherwise returns the reason in words. The region is then free again, and
 * nothing but FEATURE_CONTROL may have changed.
 * @pre every check on the processor has passed, and memory_prepare has filled *r
 */
MUST_CHECK const char *nidus_launch(struct region *r, const struct facts *f);

#endif
