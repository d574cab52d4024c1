/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-level page tables for VT-d: every address leads to itself, but for a hole. All units share
 * them, and all devices of a unit share one context table. Pure: tables are plain memory, so the
 * host tests build and walk them.
 */
#ifndef BOOT_VTD_TABLES_H
#define BOOT_VTD_TABLES_H

#include "hv/arch/types.h"

/* What the tables map: from 0 to `top`, in leaves of 1 GiB or else of 2 MiB. */
struct vtd_shape {
    u64 top; /* as vtd_tables_top gives it */
    bool leaf_1g;
};

/* The pages of the tables. The first is the root of four levels, the second that of three. */
struct vtd_tables {
    u64 base, pages;
};

/* Where the map should end so that it holds all memory below ram_top and what devices have close to
 * it. */
u64 vtd_tables_top(u64 ram_top, bool leaf_1g);

/* How many pages vtd_tables_build takes, wherever the hole is. */
u64 vtd_tables_pages(const struct vtd_shape *s);

/* Builds the tables in zeroed pages at `base`, which the caller's memory maps at that address. The
 * hole, which is 2 MiB-aligned, is `size` bytes at `hole`. @pre there are vtd_tables_pages pages;
 * the hole is smaller than 1 GiB */
struct vtd_tables vtd_tables_build(u64 base, const struct vtd_shape *s, u64 hole, u64 size);

#define VTD_LEVELS_3 1u /* address widths as a context entry has them: 39 bits */
#define VTD_LEVELS_4 2u /* 48 bits */

/* Fills the zeroed pages of a root table and a context table: every device goes by these tables. */
void vtd_roots_build(u64 root, u64 context, const struct vtd_tables *t, u32 levels);

#endif
