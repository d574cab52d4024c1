/* SPDX-License-Identifier: BSD-2-Clause */
/* Processors in the ACPI MADT. Pure: the table's bytes in, APIC ids out. */
#ifndef BOOT_MADT_H
#define BOOT_MADT_H

#include "hv/arch/types.h"

/* The number of processors that the table calls enabled, or 0 when the table is no MADT. The APIC
 * ids of the first `max` of them go into ids. size: in bytes. Nothing beyond size is read, whatever
 * the lengths in the table say. */
u32 madt_processors(const u8 *table, u32 size, u32 *ids, u32 max);

#endif
