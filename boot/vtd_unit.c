/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs a unit. Contract in vtd_unit.h. "Virtualization Technology for Directed I/O", chapters
 * 6 "Caching Translation Information" and 11 "Register Descriptions" */
#include "boot/vtd_unit.h"

#include "boot/vtd_tables.h"
#include "hv/vtd/regs.h"

#define SIZE_4G  (1ull << 32)
#define PATIENCE 1000000u /* reads of a register, each of which takes some 100 ns or more */

/* vtd_unit.done: what there is to take back */
#define DONE_MASKED 1u
#define DONE_RANGES 2u
#define DONE_QUEUE  4u
#define DONE_ROOT   8u
#define DONE_ON     16u

static u32 read32(const struct vtd_unit *u, u32 reg)
{
    return (u32)u->io->read(u->regs.base + reg, 4);
}

static u64 read64(const struct vtd_unit *u, u32 reg)
{
    return u->io->read(u->regs.base + reg, 8);
}

static void write32(const struct vtd_unit *u, u32 reg, u32 v)
{
    u->io->write(u->regs.base + reg, 4, v);
}

static void write64(const struct vtd_unit *u, u32 reg, u64 v)
{
    u->io->write(u->regs.base + reg, 8, v);
}

static bool wait32(const struct vtd_unit *u, u32 reg, u32 mask, u32 value)
{
    for (u32 i = 0; i < PATIENCE; i++)
        if ((read32(u, reg) & mask) == value)
            return true;
    return false;
}

static bool wait64(const struct vtd_unit *u, u32 reg, u64 busy)
{
    for (u32 i = 0; i < PATIENCE; i++)
        if (!(read64(u, reg) & busy))
            return true;
    return false;
}

/* One bit of GCMD at a time, and all others as they are: interrupt remapping among them. */
static bool command(const struct vtd_unit *u, u32 bit, bool on)
{
    u32 stays = read32(u, VTD_GSTS) & VTD_GSTS_STAYS;
    write32(u, VTD_GCMD, on ? stays | bit : stays & ~bit);
    return wait32(u, VTD_GSTS, bit, on && bit != VTD_WBF ? bit : 0);
}

/* ---- what it can do ------------------------------------------------------------------ */

static u64 pages_up(u64 bytes)
{
    return (bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/* Fault records and the IOTLB registers may lie behind the first page. */
static void widen(struct vtd_unit *u)
{
    u64 records = VTD_CAP_FRO(u->cap) + VTD_CAP_NFR(u->cap) * VTD_RECORD_SIZE;
    u64 iotlb = VTD_ECAP_IRO(u->ecap) + 16;
    u64 size = pages_up(records > iotlb ? records : iotlb);
    if (u->regs.size < size)
        u->regs.size = size;
}

/* The low bits of a base register that the unit does not have tell how fine its ranges are. */
static bool has_fine_ranges(const struct vtd_unit *u)
{
    u64 both = VTD_CAP_PLMR | VTD_CAP_PHMR;
    if ((u->cap & both) != both)
        return false;
    u32 before = read32(u, VTD_PLMBASE);
    write32(u, VTD_PLMBASE, ~0u);
    u32 there = read32(u, VTD_PLMBASE);
    write32(u, VTD_PLMBASE, before);
    return there && (there & -there) <= SIZE_2M;
}

/* CAVEAT(vtd-firmware) */
const char *vtd_unit_look(struct vtd_unit *u, const struct vtd_io *io,
                          const struct boot_range *regs)
{
    *u = (struct vtd_unit){.io = io, .regs = *regs};
    u->cap = read64(u, VTD_CAP);
    u->ecap = read64(u, VTD_ECAP);
    if (u->cap == ~0ull || u->cap == 0)
        return "it does not answer";
    widen(u);
    if (read32(u, VTD_GSTS) & VTD_TE)
        return "the firmware has translation switched on";
    if (read32(u, VTD_GSTS) & (VTD_IRE | VTD_QIE))
        return "the firmware remaps interrupts";
    bool ranges = (u->cap & (VTD_CAP_PLMR | VTD_CAP_PHMR)) != 0;
    if (ranges && read32(u, VTD_PMEN) & (VTD_PMEN_EPM | VTD_PMEN_PRS))
        return "the firmware protects memory of its own";
    u->by_ranges = has_fine_ranges(u);
    if (u->by_ranges)
        return NULL;
    if (!(u->cap & (VTD_CAP_SAGAW_39 | VTD_CAP_SAGAW_48)))
        return "it has no tables of 3 or 4 levels";
    if (!(u->cap & VTD_CAP_LEAF_2M))
        return "it has neither protected ranges nor large leaves";
    u->levels = u->cap & VTD_CAP_SAGAW_48 ? VTD_LEVELS_4 : VTD_LEVELS_3;
    return NULL;
}

bool vtd_unit_leaf_1g(const struct vtd_unit *u)
{
    return (u->cap & VTD_CAP_LEAF_1G) != 0;
}

u64 vtd_unit_reach(const struct vtd_unit *u)
{
    u32 bits = u->levels == VTD_LEVELS_4 ? 48 : 39, widest = VTD_CAP_MGAW(u->cap);
    return u->by_ranges ? 0 : 1ull << (widest < bits ? widest : bits);
}

/* ---- protected memory ranges ---------------------------------------------------------- */

/* True when the range is what was written, which low bits of the end do not tell. */
static bool has_range(const struct vtd_unit *u, u64 base, u64 last, bool low)
{
    u64 first = low ? read32(u, VTD_PLMBASE) : read64(u, VTD_PHMBASE);
    u64 end = low ? read32(u, VTD_PLMLIMIT) : read64(u, VTD_PHMLIMIT);
    return first == base && end / SIZE_2M == last / SIZE_2M;
}

/* The region needs one of the two ranges. The other is made to end before it begins, which turns it
 * off: zeroes, as after a reset, would protect the lowest memory. */
static const char *guard_by_ranges(struct vtd_unit *u, const struct boot_range *region)
{
    u64 base = region->base, last = base + region->size - 1;
    bool low = last < SIZE_4G;
    if (!low && base < SIZE_4G)
        return "L0's memory lies across 4 GiB";
    u->before.low_base = read32(u, VTD_PLMBASE);
    u->before.low_last = read32(u, VTD_PLMLIMIT);
    u->before.high_base = read64(u, VTD_PHMBASE);
    u->before.high_last = read64(u, VTD_PHMLIMIT);
    u->done |= DONE_RANGES;
    write32(u, VTD_PLMBASE, low ? (u32)base : ~0u);
    write32(u, VTD_PLMLIMIT, low ? (u32)last : 0);
    write64(u, VTD_PHMBASE, low ? ~0ull : base);
    write64(u, VTD_PHMLIMIT, low ? 0 : last);
    if (!has_range(u, base, last, low))
        return "its ranges are locked";
    write32(u, VTD_PMEN, read32(u, VTD_PMEN) | VTD_PMEN_EPM);
    return wait32(u, VTD_PMEN, VTD_PMEN_PRS, VTD_PMEN_PRS) ? NULL : "its ranges do not take effect";
}

static bool release_ranges(struct vtd_unit *u)
{
    write32(u, VTD_PMEN, read32(u, VTD_PMEN) & ~VTD_PMEN_EPM);
    bool off = wait32(u, VTD_PMEN, VTD_PMEN_PRS, 0);
    write32(u, VTD_PLMBASE, u->before.low_base);
    write32(u, VTD_PLMLIMIT, u->before.low_last);
    write64(u, VTD_PHMBASE, u->before.high_base);
    write64(u, VTD_PHMLIMIT, u->before.high_last);
    return off;
}

/* ---- tables --------------------------------------------------------------------------- */

/* Three descriptors at most lie in the queue at once. The unit writes the word behind them when it
 * has done them. */
static bool invalidate_by_queue(struct vtd_unit *u)
{
    const u64 word[] = {VTD_INV_CONTEXT,          0, VTD_INV_IOTLB, 0, VTD_INV_WAIT,
                        u->queue + PAGE_SIZE - 16};
    volatile u64 *done = (u64 *)(u->queue + PAGE_SIZE - 16);
    *done = 0;
    for (u32 i = 0; i < ARRAY_LEN(word); i++)
        *(volatile u64 *)(u->queue + u->tail + 8 * i) = word[i];
    u->io->flush(u->queue, PAGE_SIZE);
    u->tail += sizeof word;
    write64(u, VTD_IQT, u->tail);
    for (u32 i = 0; i < PATIENCE; i++)
        if (*done || read32(u, VTD_IQH) & 1) /* the read gives the unit its time */
            return true;
    return false;
}

static bool invalidate_by_register(struct vtd_unit *u)
{
    u32 iotlb = VTD_ECAP_IRO(u->ecap) + VTD_IOTLB;
    write64(u, VTD_CCMD, VTD_CCMD_GLOBAL);
    if (!wait64(u, VTD_CCMD, VTD_CCMD_BUSY))
        return false;
    write64(u, iotlb, VTD_IOTLB_GLOBAL);
    return wait64(u, iotlb, VTD_IOTLB_BUSY);
}

/* Drops all that the unit has cached. Between two root pointers there must be one such (erratum
 * BDM45 and its kin), and none may use registers while there is a queue. */
static bool invalidate(struct vtd_unit *u)
{
    return u->done & DONE_QUEUE ? invalidate_by_queue(u) : invalidate_by_register(u);
}

static bool start_queue(struct vtd_unit *u)
{
    if (!(u->ecap & VTD_ECAP_QI))
        return true;
    u->before.queue = read64(u, VTD_IQA);
    write64(u, VTD_IQT, 0);
    write64(u, VTD_IQA, u->queue); /* one page, descriptors of 16 bytes */
    u->done |= DONE_QUEUE;
    return command(u, VTD_QIE, true);
}

static const char *guard_by_tables(struct vtd_unit *u, u64 root, const struct vtd_tables *t)
{
    u->root = root;
    u->queue = root + 2 * PAGE_SIZE;
    vtd_roots_build(root, root + PAGE_SIZE, t, u->levels);
    u->io->flush(root, VTD_UNIT_PAGES * PAGE_SIZE);
    u->io->flush(t->base, t->pages * PAGE_SIZE);
    if (u->cap & VTD_CAP_RWBF && !command(u, VTD_WBF, true))
        return "its write buffer stays full";
    if (!start_queue(u))
        return "its invalidation queue does not start";
    u->before.root = read64(u, VTD_RTADDR);
    write64(u, VTD_RTADDR, root);
    u->done |= DONE_ROOT;
    if (!command(u, VTD_SRTP, true))
        return "it does not take the root table";
    if (!invalidate(u))
        return "it does not drop what it has cached";
    u->done |= DONE_ON;
    return command(u, VTD_TE, true) ? NULL : "its translation does not start";
}

/* The unit may keep the root pointer that it latched. Nothing uses that while translation is off,
 * and who switches translation on sets the pointer before. */
static bool release_tables(struct vtd_unit *u)
{
    bool off = !(u->done & DONE_ON) || command(u, VTD_TE, false);
    if (u->done & DONE_ROOT) {
        off &= invalidate(u);
        write64(u, VTD_RTADDR, u->before.root);
    }
    if (u->done & DONE_QUEUE) {
        off &= command(u, VTD_QIE, false);
        write64(u, VTD_IQA, u->before.queue);
    }
    return off;
}

/* ---- */

const char *vtd_unit_guard(struct vtd_unit *u, const struct boot_range *region, u64 root,
                           const struct vtd_tables *tables)
{
    u->before.fault_mask = read32(u, VTD_FECTL);
    u->done = DONE_MASKED;
    u->tail = 0;
    write32(u, VTD_FECTL, u->before.fault_mask | VTD_FECTL_MASK); /* nobody takes its interrupt */
    return u->by_ranges ? guard_by_ranges(u, region) : guard_by_tables(u, root, tables);
}

bool vtd_unit_release(struct vtd_unit *u)
{
    bool off = true;
    if (u->done & DONE_RANGES)
        off &= release_ranges(u);
    off &= release_tables(u);
    if (u->done)
        write32(u, VTD_FECTL, u->before.fault_mask);
    u->done = 0;
    return off;
}
