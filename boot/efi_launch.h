/* From the last check to life as L1. */
#ifndef BOOT_EFI_LAUNCH_H
#define BOOT_EFI_LAUNCH_H

#include "boot/boot_info.h"
#include "boot/efi_facts.h"

/*
 * Reserves memory, places the core there, allows VMX and hands over. True: the caller is L1 now
 * and *info says where L0 lies. False: nothing is left behind but FEATURE_CONTROL, if the core
 * was reached, and *why says what went wrong.
 * @pre every check on the processor has passed; info's options are filled in
 */
MUST_CHECK bool nidus_launch(struct boot_info *info, const struct facts *f, struct line *why);

#endif
