/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI table DMAR, in which the firmware tells where VT-d's units are. Pure: the table's bytes
 * in, addresses out. A table that is broken anywhere is refused whole, because a unit that was
 * missed would be a way into L0's memory.
 */
#ifndef BOOT_DMAR_H
#define BOOT_DMAR_H

#include "hv/core/boot_info.h"

/* The units: where their registers are, whole pages, no two alike. */
struct dmar {
    u32 count;
    struct boot_range unit[BOOT_MAX_UNITS];
};

/* Adds the units that the table names to *d. size: of the table in bytes, nothing beyond it is
 * read. Returns NULL, or why nothing can be made of the table. */
MUST_CHECK const char *dmar_read(const u8 *table, u32 size, struct dmar *d);

/* True when the table says that a device uses a part of these `bytes` bytes at `base` (an RMRR).
 * @pre dmar_read has accepted the table */
bool dmar_reserves(const u8 *table, u32 size, u64 base, u64 bytes);

/* Gives the table a name that no operating system looks for, and back. Its bytes still have the sum
 * that they had. */
void dmar_hide(u8 *table);
void dmar_show(u8 *table);
bool dmar_is_dmar(const u8 *table);

#endif
