/* Counting processors in the ACPI MADT. Pure: the table's bytes in, a number out. */
#ifndef BOOT_MADT_H
#define BOOT_MADT_H

#include "hv/arch/types.h"

/* The number of processors that the table calls enabled, or 0 when the table is no MADT. size: in
 * bytes. Nothing beyond size is read, whatever the lengths in the table say. */
u32 madt_count_enabled(const u8 *table, u32 size);

#endif
