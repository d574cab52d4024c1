/* SPDX-License-Identifier: BSD-2-Clause */
/* What the dry run says of the memory that L1 would see. */
#ifndef BOOT_EFI_EPT01_H
#define BOOT_EFI_EPT01_H

#include "boot/tables.h"

/* Prints the ranges of RAM, and of each EPT01 that the processors use how many leaves of which size
 * and memory type there are. @pre every processor was rehearsed; the region is not given back */
void ept01_say(const struct region *r);

#endif
