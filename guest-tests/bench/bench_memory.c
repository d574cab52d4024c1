/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L2's memory costs: ticks and exits that L0 took per EPT12 leaf (or per INVEPT), for 1000 of
 * them, in the form of bench_exits.c. L1's leaves are in place before L2 touches them, but for the
 * row in which L1 gives each when it is asked.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

u64 vmx_bench_fill(u64 exits, u64 reason, u64 *leaves, u64 leaf, u64 from) GT_HIDDEN;

enum { PG_TABLES = PG_EPT_FREE, TABLES = 16, LEAVES = TABLES * 512, PER = 1000 };

static u64 l0_exits(void)
{
    return ept_l2_exits(REASON_EPT_VIOLATION);
}

/* 32 MiB of 4 KiB leaves, or as many leaves of 2 MiB, all showing the arena. */
static void map(bool large, u64 flags)
{
    u64 *pd = arena(PG_E_PD1), *pt = arena(PG_TABLES);

    for (unsigned i = 0; i < LEAVES; i++)
        pt[i] = ARENA_AT(PG_DATA_A) | E_RWX | E_WB | flags;
    for (unsigned i = 0; i < 512; i++)
        pd[i] = large        ? ARENA | E_RWX | E_WB | E_PS | flags
                : i < TABLES ? ARENA_AT(PG_TABLES + i) | E_RWX | E_A
                             : 0;
    *ept_entry(AT_4K, 3) |= E_A;
    *ept_entry(AT_4K, 4) |= E_A;
    ept_invept(INVEPT_ALL, 0);
}

/* L2 reads a word at RBX, RCX times, and RDX further each time. */
static const char reads[] = "\x48\x8b\x03\x48\x01\xd3\x48\xff\xc9\x75\xf5";

/* L2 reads one word of each leaf; the ticks of it all. */
static u64 touch(bool large, u64 leaves)
{
    u64 start;

    l2_code(reads, sizeof reads - 1);
    l2.gpr[RBX] = AT_4K;
    l2.gpr[RCX] = leaves;
    l2.gpr[RDX] = large ? 2 << 20 : 4096;
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    l2_write();
    gt_mark();
    start = gt_rdtsc();
    l2_enter(false);
    start = gt_rdtsc() - start;
    gt_mark();
    gt_check((u32)l2_seen[VI_EXIT_REASON] == REASON_VMCALL, "%s", ept_result());
    return start;
}

/* First touch, less what the same loop takes when everything is there. */
static void first(const char *name, bool large, u64 eptp_flags, u64 leaf_flags)
{
    u64 leaves = gt_counting() ? 16 : large ? 512 : LEAVES, before, ticks, exits;

    ept_world(L2_64, eptp_flags);
    touch(large, 1);
    map(large, leaf_flags);
    before = l0_exits();
    gt_count_next('+', leaves, name);
    ticks = touch(large, leaves);
    gt_count_next('-', leaves, name);
    exits = l0_exits() - before;
    ticks -= touch(large, leaves);
    gt_line("%s: %lu %lu", name, ticks * PER / leaves, exits * PER / leaves);
}

/* L2 meets a violation at each page, and L1 gives it the leaf: ticks of so many. */
static u64 fill(u64 leaves, u64 eptp_flags)
{
    u64 ticks;

    ept_world(L2_64, eptp_flags);
    l2.f[VI_PROC2_CTL] |= PROC2_VPID;
    l2.f[VI_VPID] = 1;
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    map(false, 0);
    gt_zero_pages(arena(PG_TABLES), TABLES);
    ept_invept(INVEPT_ALL, 0);
    l2_code(reads, sizeof reads - 1);
    l2_write();
    ticks = vmx_bench_fill(leaves, REASON_EPT_VIOLATION, arena(PG_TABLES),
                           ARENA_AT(PG_DATA_A) | E_RWX | E_WB | E_A | E_D, AT_4K);
    l1_state_restore();
    gt_check(ticks != 0, "fill: exit %lx q %lx", vmx_get(V_EXIT_REASON),
             vmx_get(V_EXIT_QUALIFICATION));
    return ticks;
}

/* Two runs of different length, so that what happens once falls out. */
static void fills(const char *name, u64 eptp_flags)
{
    u64 leaves = gt_counting() ? 4 : PER, before, ticks, few;

    fill(8, eptp_flags);
    fill(8, eptp_flags); /* which leaves of the rows before have gone by now */
    before = l0_exits();
    gt_count_next('-', leaves, name);
    ticks = fill(8, eptp_flags);
    few = l0_exits() - before;
    gt_count_next('+', leaves, name);
    ticks = fill(8 + leaves, eptp_flags) - ticks;
    gt_line("%s: %lu %lu", name, ticks * PER / leaves,
            (l0_exits() - before - 2 * few) * PER / leaves);
}

/* INVEPT and the next round trip, with so many leaves filled, of which none or one changed. */
static void invept(const char *name, u64 leaves, unsigned changed)
{
    u64 *pt = arena(PG_TABLES), before, ticks, start;

    if (gt_counting() && leaves > 512)
        return; /* the trace would be too long */
    ept_world(L2_64, 0);
    map(false, 0);
    touch(false, leaves);
    touch(false, 1);
    gt_count_next('-', 1, name);
    ticks = touch(false, 1);
    before = l0_exits();
    if (changed)
        pt[4] ^= E_X;
    gt_count_next('+', 1, name);
    gt_mark();
    start = gt_rdtsc();
    ept_invept(INVEPT_ALL, 0);
    start = gt_rdtsc() - start;
    gt_mark();
    gt_count_next('+', 1, name);
    ticks = start + touch(false, 1) - ticks;
    gt_line("%s: %lu %lu", name, ticks * PER, (l0_exits() - before) * PER);
}

TEST_MAIN(bench_memory)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        first("touch.2m", true, 0, 0);
        first("touch.4k", false, 0, 0);
        first("touch.4k.ad, flags set", false, EPTP_AD_ON, E_A | E_D);
        first("touch.4k.ad, flags clear", false, EPTP_AD_ON, 0);
        invept("invept.1 leaf", 1, 0);
        invept("invept.512 leaves", 512, 0);
        invept("invept.8192 leaves", LEAVES, 0);
        invept("invept.8192, 1 changed", LEAVES, 1);
        fills("l1 fills a leaf", 0);
        fills("l1 fills a leaf.ad", EPTP_AD_ON);
    }
    vmx_end();
}
