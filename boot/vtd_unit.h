/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One VT-d unit (a DRHD) that is to keep devices out of L0's region. Where the unit has protected
 * memory ranges, these do it, and translation stays off; else tables do (boot/vtd_tables.h). A unit
 * that the firmware uses stays the firmware's. Pure: registers are reached through the caller's
 * functions, so the host tests have a unit of their own making.
 */
#ifndef BOOT_VTD_UNIT_H
#define BOOT_VTD_UNIT_H

#include "boot/line.h"
#include "hv/core/boot_info.h"

/* Registers of `bytes` bytes, 4 or 8, at the address `at`; and the write-back of a cache line range
 * of memory. */
struct vtd_io {
    u64 (*read)(u64 at, u32 bytes);
    void (*write)(u64 at, u32 bytes, u64 value);
    void (*flush)(u64 at, u64 bytes);
};

struct vtd_unit {
    const struct vtd_io *io;
    struct boot_range regs;
    u64 cap, ecap;
    bool by_ranges;  /* by protected memory ranges, else by tables */
    u32 levels;      /* VTD_LEVELS_* */
    u32 done;        /* how far vtd_unit_guard came, for the way back */
    u64 root, queue; /* the pages of VTD_UNIT_PAGES, from root on */
    u32 tail;        /* where the queue goes on, in bytes */
    struct {         /* what the firmware had there */
        u64 root, queue, high_base, high_last;
        u32 fault_mask, low_base, low_last;
    } before;
};

/* Pages that a unit with tables needs: root table, context table, queue. */
#define VTD_UNIT_PAGES 3u

/* Finds out what the unit at *regs can do, and widens regs to all of its registers. Changes nothing
 * for good. Returns NULL, or why the unit cannot keep devices out of the region. */
MUST_CHECK const char *vtd_unit_look(struct vtd_unit *u, const struct vtd_io *io,
                                     const struct boot_range *regs);

/* True when the unit, which goes by tables, can have leaves of 1 GiB. */
bool vtd_unit_leaf_1g(const struct vtd_unit *u);
/* The lowest address that a device behind this unit would no longer reach; 0 when there is none. */
u64 vtd_unit_reach(const struct vtd_unit *u);

/* Makes the unit refuse DMA to the region. root: VTD_UNIT_PAGES zeroed pages of the region;
 * tables: second-level tables at this address, of `pages` pages; neither is used for a unit
 * by_ranges. Returns NULL, or why it failed; vtd_unit_release then takes back what was done. */
struct vtd_tables;
MUST_CHECK const char *vtd_unit_guard(struct vtd_unit *u, const struct boot_range *region, u64 root,
                                      const struct vtd_tables *tables);

/* Gives the unit back as it was. False when it does not stop using the region's pages. */
MUST_CHECK bool vtd_unit_release(struct vtd_unit *u);

#endif
