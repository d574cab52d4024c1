/* SPDX-License-Identifier: BSD-2-Clause */
/* The names that UEFI gives to its errors. Pure. */
#ifndef BOOT_STATUS_H
#define BOOT_STATUS_H

#include "boot/line.h"

/* Appends the name of an EFI_STATUS, as in "EFI_NOT_FOUND", and its number behind it:
 * "EFI_NOT_FOUND (0x800000000000000e)". A status without a name is "status 0x...". */
void line_add_status(struct line *l, u64 status);

#endif
