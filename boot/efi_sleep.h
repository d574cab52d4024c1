/* SPDX-License-Identifier: BSD-2-Clause */
/* S3 of this machine, by the firmware's ACPI tables, and whether Nidus can refuse it. */
#ifndef BOOT_EFI_SLEEP_H
#define BOOT_EFI_SLEEP_H

#include "boot/line.h"
#include "hv/core/boot_info.h"

/* What L0 needs to refuse S3: all zero when it cannot or need not. *why becomes what is done, in
 * words. Returns true when L1 can end Nidus by S3. @pre boot services are running */
bool sleep_look(struct boot_sleep *at, struct line *why);

#endif
