/* SPDX-License-Identifier: BSD-2-Clause */
/* Processors in the MP table, for firmware without ACPI. Pure: bytes in, APIC ids out. */
#ifndef BOOT_MPTABLE_H
#define BOOT_MPTABLE_H

#include "hv/arch/types.h"

/* Looks for the MP floating pointer structure in `size` bytes. Returns the physical address of the
 * configuration table that it names, or 0. */
u32 mptable_find(const u8 *memory, u32 size);

/* The number of enabled processors in a configuration table, or 0 when it is none. The APIC ids of
 * the first `max` go into ids. Nothing beyond size is read. */
u32 mptable_processors(const u8 *table, u32 size, u32 *ids, u32 max);

#endif
