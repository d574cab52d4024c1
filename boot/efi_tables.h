/* SPDX-License-Identifier: BSD-2-Clause */
/* The processors that the firmware's tables name: the ACPI MADT, else the MP table. */
#ifndef BOOT_EFI_TABLES_H
#define BOOT_EFI_TABLES_H

#include "hv/arch/types.h"

/* Returns the number of enabled processors, 0 when no table tells, and puts the APIC ids of the
 * first `max` into ids. *source becomes the name of the table. @pre boot services are running */
u32 tables_processors(u32 *ids, u32 max, const char **source);

#endif
