/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L2's memory costs: exits to L0 by the counters of CPUID 0x40000002. The first touch of 64
 * MiB is one exit per EPT12 leaf, two where dirty tracking turns a read into a later write;
 * touching again is free; an INVEPT with one changed leaf costs at most two. On the bare machine
 * nothing is counted and the lines are the same.
 *
 * Right: An access whose translation may be cached causes no exit; an INVEPT forgets what is
 * cached and no more than L1 changed has to be filled again. SDM 3C 29.4.3 "Invalidating Cached
 * Translation Information"
 */
#include "guest-tests/lib/vmx_ept.h"

enum { PG_PT = PG_EPT_FREE, TABLES = 32, LEAVES_4K = TABLES * 512, RANGE = 64 << 20 };
enum { LINE = 8 }; /* leaves that one exit may fill, when nobody can tell */

/* 64 MiB from 1 GiB on, all showing the arena or its data page. */
static void map_2m(void)
{
    u64 *pd = arena(PG_E_PD1);

    for (unsigned i = 0; i < TABLES; i++)
        pd[i] = ARENA | E_RWX | E_WB | E_PS;
    ept_invept(INVEPT_ALL, 0);
}

static void map_4k(u64 leaf_flags)
{
    u64 *pd = arena(PG_E_PD1), *pt = arena(PG_PT);

    for (unsigned i = 0; i < LEAVES_4K; i++)
        pt[i] = ARENA_AT(PG_DATA_A) | E_RWX | E_WB | leaf_flags;
    for (unsigned i = 0; i < TABLES; i++)
        pd[i] = ARENA_AT(PG_PT + i) | E_RWX;
    ept_invept(INVEPT_ALL, 0);
}

/* L2 touches the range in steps; returns the exits by EPT violation that L0 took. */
static u64 cost(bool write, u64 step)
{
    /* RBX from, RCX times, RDX step: access, add, loop */
    static const char reads[] = "\x48\x8b\x03\x48\x01\xd3\x48\xff\xc9\x75\xf5";
    static const char writes[] = "\x48\x89\x03\x48\x01\xd3\x48\xff\xc9\x75\xf5";
    u64 before;

    l2_code(write ? writes : reads, sizeof reads - 1);
    /* of a large leaf: that page */
    l2.gpr[RBX] = AT_4K + (write ? 8 : 0) + (step > 4096 ? PG_DATA_A * 4096ul : 0);
    l2.gpr[RCX] = RANGE / step;
    l2.gpr[RDX] = step;
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    l2_write();
    before = ept_l2_exits(REASON_EPT_VIOLATION);
    l2_enter(false);
    gt_check((u32)l2_seen[VI_EXIT_REASON] == REASON_VMCALL, "%s", ept_result());
    return ept_l2_exits(REASON_EPT_VIOLATION) - before;
}

/* The L2 world's own pages were touched before, so that only the range is counted. */
static void expect(const char *what, bool write, u64 step, u64 at_least, u64 at_most)
{
    u64 n = cost(write, step);

    gt_check(!gt_under_nidus() || (n >= at_least && n <= at_most),
             "%s: %lu exits, expected %lu to %lu", what, n, at_least, at_most);
    gt_line("%s: as expected", what);
}

static void warm(u64 flags)
{
    ept_world(L2_64, flags);
    ept_touch(ACCESS_WRITE, L2_AT(P_DATA));
}

static void large_leaves(void)
{
    u64 leaves = RANGE >> 21;

    warm(0);
    map_2m();
    expect("2m.first", false, 4096, leaves, leaves);
    expect("2m.again", false, 4096, 0, 0);
    expect("2m.write", true, 2 << 20, 0, 0);
    warm(EPTP_AD_ON);
    map_2m();
    expect("2m.ad.read", false, 4096, leaves, leaves);
    expect("2m.ad.then write", true, 2 << 20, leaves, leaves);
    expect("2m.ad.again", true, 2 << 20, 0, 0);
    warm(EPTP_AD_ON);
    map_2m();
    expect("2m.ad.write first", true, 2 << 20, leaves, leaves);
    expect("2m.ad.then read", false, 4096, 0, 0);
}

static void small_leaves(u64 flags)
{
    const char *ad = flags ? "ad " : "";
    u64 *pt = arena(PG_PT);
    char name[40];

    warm(flags);
    map_4k(0);
    gt_format(name, sizeof name, "4k.%sfirst", ad);
    expect(name, false, 4096, flags ? LEAVES_4K : LEAVES_4K / LINE, LEAVES_4K);
    gt_format(name, sizeof name, "4k.%sagain", ad);
    expect(name, false, 4096, 0, 0);
    pt[4711] = ARENA_AT(PG_DATA_B) | E_RWX | E_WB;
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    gt_format(name, sizeof name, "4k.%sone changed", ad);
    expect(name, false, 4096, 1, 2);
    ept_invept(INVEPT_ALL, 0);
    gt_format(name, sizeof name, "4k.%snone changed", ad);
    expect(name, false, 4096, 0, 0);
    pt[4711] ^= E_X;
    pt[4712] ^= E_X;
    ept_invept(INVEPT_ALL, 0);
    gt_format(name, sizeof name, "4k.%stwo changed", ad);
    expect(name, false, 4096, 2, 3);
}

/* Flags that are set already leave L0 as free as no flags at all. */
static void flags_set(void)
{
    warm(EPTP_AD_ON);
    map_4k(E_A);
    expect("4k.accessed.first", false, 4096, LEAVES_4K / LINE, LEAVES_4K);
    expect("4k.accessed.then write", true, 4096, LEAVES_4K, LEAVES_4K);
    warm(EPTP_AD_ON);
    map_4k(E_A | E_D);
    expect("4k.dirty.first", true, 4096, LEAVES_4K / LINE, LEAVES_4K);
}

/* An L1 that gives pages when they are asked for, as KVM does: L0 takes no exit of its own. */
static void lazily(void)
{
    enum { PAGES = 64 };
    u64 *pt1 = arena(PG_E_PT1), before, n = 0;

    warm(EPTP_AD_ON);
    SetMem(pt1, 4096, 0);
    *ept_entry(AT_4K, 2) |= E_A;
    *ept_entry(AT_4K, 3) |= E_A;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_WRITE, AT_4K + 0x1ff000);
    before = ept_l2_exits(REASON_EPT_VIOLATION);
    for (u64 i = 0; i < PAGES; i++) {
        ept_touch(ACCESS_WRITE, AT_4K + i * 4096);
        n += (u32)l2_seen[VI_EXIT_REASON] == REASON_EPT_VIOLATION;
        pt1[i] = ARENA_AT(PG_DATA_A) | E_RWX | E_WB | E_A | E_D;
        ept_touch(ACCESS_WRITE, AT_4K + i * 4096);
        gt_check((u32)l2_seen[VI_EXIT_REASON] == REASON_VMCALL, "lazily: %s", ept_result());
    }
    before = ept_l2_exits(REASON_EPT_VIOLATION) - before;
    gt_check(!gt_under_nidus() || before == PAGES, "lazily: %lu exits", before);
    gt_line("4k.lazily: L1 asked %lu times", n);
}

TEST_MAIN(ept_count)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        large_leaves();
        small_leaves(0);
        small_leaves(EPTP_AD_ON);
        flags_set();
        lazily();
    }
    vmx_end();
}
