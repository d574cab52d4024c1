/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's ACPI tables, and the processors that they name, or else the MP table. */
#ifndef BOOT_EFI_TABLES_H
#define BOOT_EFI_TABLES_H

#include "hv/arch/types.h"

/* Returns the number of enabled processors, 0 when no table tells, and puts the APIC ids of the
 * first `max` into ids. *source becomes the name of the table. @pre boot services are running */
u32 tables_processors(u32 *ids, u32 max, const char **source);

/* Calls look(table, its length, arg) for each ACPI table that a root table names; for a table that
 * two root tables name, twice. @pre boot services are running */
typedef void tables_look_f(u8 *table, u32 size, void *arg);
void tables_each(tables_look_f *look, void *arg);

#endif
