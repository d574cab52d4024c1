/* SPDX-License-Identifier: BSD-2-Clause */
/* VT-d: finds the units, has them guard L0's region, and takes that back. */
#ifndef BOOT_EFI_VTD_H
#define BOOT_EFI_VTD_H

#include "boot/dmar.h"
#include "boot/tables.h"
#include "boot/vtd_tables.h"
#include "boot/vtd_unit.h"

#define VTD_MAX_TABLES 4 /* ACPI tables named DMAR; more than one is odd */

struct vtd {
    struct vtd_io io;
    u32 count; /* units that can guard; 0 when none is there or one of them cannot */
    struct vtd_unit unit[BOOT_MAX_UNITS];
    struct vtd_shape shape;
    u64 pages;       /* that a launch needs in the region */
    u32 guarding;    /* units that guard, or that began to */
    struct line why; /* why count is 0; empty when there simply is no DMAR */
    u32 table_count;
    u8 *table[VTD_MAX_TABLES];
    u32 table_size[VTD_MAX_TABLES];
    bool hidden;
};

/* Reads the DMAR and asks each unit what it can do. Changes nothing.
 * @pre boot services are running */
void vtd_find(struct vtd *v);

/* Puts the units' registers into info->unit, which keeps L1 from them. */
void vtd_list(const struct vtd *v, struct boot_info *info);

/* Makes all units refuse DMA to the region, and hides the DMAR. r->vtd becomes v. False when a unit
 * fails: then v->count is 0, v->why says why, and all units are as they were, or the region stays.
 * @pre v->count is not 0 */
MUST_CHECK bool vtd_guard(struct vtd *v, struct region *r);

/* Gives the units back and shows the DMAR again. False when a unit may still use the region. */
MUST_CHECK bool vtd_release(struct vtd *v);

/* Adds to the line how the units guard, or why nothing does. */
void vtd_describe(const struct vtd *v, struct line *l);

/* Prints who keeps devices out of L0's memory, or a warning that nobody does. */
void vtd_say(const struct vtd *v);

/* Prints a line for each fault that the units have recorded. */
void vtd_say_faults(const struct vtd *v);

#endif
