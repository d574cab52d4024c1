/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stale-translation suite: EPT12 changes behind L2's back, then what L2 must see. Each step
 * names the rule that makes the answer certain; what the SDM leaves open is printed only where it
 * is forced. SDM 3C 29.4.3 "Invalidating Cached Translation Information"
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_stale.h"

enum { PG_PT_ALT = PG_EPT_FREE, PG_PD_ALT, PG_PML4_ALT, PG_PDPT_ALT, TAG = 5 };

static u64 *leaf(void)
{
    return arena(PG_E_PT1);
}

static u64 shows(unsigned page)
{
    return ARENA_AT(page) | E_RWX | E_WB;
}

/* What L2 reads at the 4 KiB test place: one letter for a page, or the exit. */
static const char *seen(void)
{
    ept_touch(ACCESS_READ, AT_4K);
    if ((u32)l2_seen[VI_EXIT_REASON] != REASON_VMCALL)
        return ept_result();
    return l2_seen_gpr[RAX] == WORD_A ? "A" : l2_seen_gpr[RAX] == WORD_B ? "B" : "other";
}

static void fresh(u64 flags)
{
    ept_world(L2_64, flags);
    l2.f[VI_PROC2_CTL] |= vmx_has2(PROC2_VPID) ? PROC2_VPID : 0;
    l2.f[VI_VPID] = TAG;
    ept_invvpid(INVVPID_ALL, 0, 0);
    seen();
}

/* Every kind of change, with the INVEPT that makes it certain. */
static void with_invept(u64 type, u64 flags, const char *name)
{
    u64 *pml4 = arena(PG_E_PML4), *pdpt = arena(PG_E_PDPT), *pd1 = arena(PG_E_PD1), eptp;
    const char *ad = flags ? ".ad" : "";

    fresh(flags);
    eptp = l2.f[VI_EPT_POINTER];
    *leaf() = shows(PG_DATA_B);
    ept_invept(type, eptp);
    gt_line("%s%s.leaf moved: %s", name, ad, seen());
    *leaf() = 0;
    ept_invept(type, eptp);
    gt_line("%s%s.leaf gone: %s", name, ad, seen());
    *leaf() = shows(PG_DATA_A) & ~E_R & ~E_W;
    ept_invept(type, eptp);
    gt_line("%s%s.leaf execute-only: %s", name, ad, seen());
    *leaf() = shows(PG_DATA_A);
    ept_invept(type, eptp);
    gt_line("%s%s.leaf back: %s", name, ad, seen());
    CopyMem(arena(PG_PT_ALT), arena(PG_E_PT1), 4096);
    *(u64 *)arena(PG_PT_ALT) = shows(PG_DATA_B);
    pd1[0] = ARENA_AT(PG_PT_ALT) | E_RWX;
    ept_invept(type, eptp);
    gt_line("%s%s.table moved: %s", name, ad, seen());
    pd1[0] = ARENA | E_RWX | E_WB | E_PS;
    *(u64 *)arena(0) = WORD_B;
    ept_invept(type, eptp);
    gt_line("%s%s.table to leaf: %s", name, ad, seen());
    *(u64 *)arena(0) = 0;
    pd1[0] = ARENA_AT(PG_E_PT1) | E_RWX;
    ept_invept(type, eptp);
    gt_line("%s%s.leaf to table: %s", name, ad, seen());
    pdpt[1] = 0;
    ept_invept(type, eptp);
    gt_line("%s%s.directory gone: %s", name, ad, seen());
    pdpt[1] = ARENA_AT(PG_E_PD1) | E_R;
    ept_invept(type, eptp);
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("%s%s.directory read-only: %s", name, ad, ept_result());
    pdpt[1] = ARENA_AT(PG_E_PD1) | E_RWX;
    ept_invept(type, eptp);
    gt_line("%s%s.directory back: %s", name, ad, seen());
    CopyMem(arena(PG_PDPT_ALT), arena(PG_E_PDPT), 4096);
    CopyMem(arena(PG_PD_ALT), arena(PG_E_PD1), 4096);
    ((u64 *)arena(PG_PDPT_ALT))[1] = ARENA_AT(PG_PD_ALT) | E_RWX;
    ((u64 *)arena(PG_PD_ALT))[0] = ARENA_AT(PG_PT_ALT) | E_RWX;
    pml4[0] = ARENA_AT(PG_PDPT_ALT) | E_RWX;
    ept_invept(type, eptp);
    gt_line("%s%s.all tables moved: %s", name, ad, seen());
}

/* More rights need no INVEPT: the violation itself drops what was cached for its address. */
static void upgrades(u64 flags)
{
    const char *ad = flags ? ".ad" : "";
    u64 *pdpt = arena(PG_E_PDPT);

    fresh(flags);
    *leaf() = (shows(PG_DATA_A) & ~E_RWX) | E_R;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("upgrade%s.write refused: %s", ad, ept_result());
    *leaf() |= E_W;
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("upgrade%s.write given: %s", ad, ept_result());
    ept_touch(ACCESS_FETCH, AT_4K);
    gt_line("upgrade%s.fetch refused: %s", ad, ept_result());
    *leaf() |= E_X;
    ept_touch(ACCESS_FETCH, AT_4K);
    gt_line("upgrade%s.fetch given: %s", ad, ept_result());
    *leaf() = 0;
    ept_invept(INVEPT_ALL, 0);
    gt_line("upgrade%s.absent: %s", ad, seen());
    *leaf() = shows(PG_DATA_B);
    gt_line("upgrade%s.present: %s", ad, seen());
    pdpt[1] &= ~E_RWX;
    ept_invept(INVEPT_ALL, 0);
    gt_line("upgrade%s.directory absent: %s", ad, seen());
    pdpt[1] |= E_RWX;
    gt_line("upgrade%s.directory present: %s", ad, seen());
    *(u64 *)arena(PG_DATA_A) = WORD_A;
    *leaf() = (shows(PG_DATA_A) & ~E_TYPE) | 2ul << 3;
    ept_invept(INVEPT_ALL, 0);
    gt_line("upgrade%s.misconfigured: %s", ad, seen());
    *leaf() = shows(PG_DATA_A);
    gt_line("upgrade%s.configured: %s", ad, seen());
}

/* An upper entry loses and regains a right while another page below it is touched for the first
 * time: after the INVEPT no page below may keep the right. */
static void downgrade_between_fills(void)
{
    u64 *pd1 = arena(PG_E_PD1), *pt1 = arena(PG_E_PT1);

    fresh(0);
    pt1[1] = pt1[2] = shows(PG_DATA_B);
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_WRITE, AT_4K);
    pd1[0] &= ~E_W; /* no INVEPT yet: the first page may still be written, nothing is asked */
    ept_touch(ACCESS_READ, AT_4K + 0x1000);
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("between.lost: %s", ept_result());
    pd1[0] |= E_W;
    ept_touch(ACCESS_WRITE, AT_4K + 0x2000);
    gt_line("between.regained: %s", ept_result());
    pd1[0] &= ~E_W;
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    ept_touch(ACCESS_WRITE, AT_4K + 0x2000);
    gt_line("between.lost again: %s", ept_result());
    ept_touch(ACCESS_READ, AT_4K + 0x2000);
    gt_line("between.read: %s", ept_result());
    pd1[0] |= E_W;
    *(u64 *)arena(PG_DATA_A) = WORD_A;
    *(u64 *)arena(PG_DATA_B) = WORD_B;
}

/* A large leaf of EPT12 moves while only a part of it was touched. */
static void large_leaf_between_fills(void)
{
    u64 *pd1 = arena(PG_E_PD1);

    fresh(0);
    ept_touch(ACCESS_READ, AT_2M);
    gt_line("large.first: %lx", l2_seen_gpr[RAX]);
    pd1[1] = (ARENA + 0x200000) | E_RWX | E_WB | E_PS;
    ept_touch(ACCESS_READ, 0x40200000 + PG_DATA_B * 4096ul);
    ept_invept(INVEPT_ALL, 0);
    pd1[1] = ARENA | E_RWX | E_WB | E_PS;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_READ, 0x40200000 + PG_DATA_B * 4096ul);
    gt_line("large.back: %lx", l2_seen_gpr[RAX]);
}

/* Dirty flags: cleared by L1, set again by the next write after the INVEPT, not by a read. */
static void dirty(void)
{
    fresh(EPTP_AD_ON);
    *leaf() &= ~(E_A | E_D);
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_READ, AT_4K);
    gt_line("dirty.read: %lx", *leaf() >> 8 & 3);
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("dirty.write: %lx", *leaf() >> 8 & 3);
    *leaf() &= ~E_D;
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    ept_touch(ACCESS_READ, AT_4K);
    gt_line("dirty.cleared and read: %lx", *leaf() >> 8 & 3);
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("dirty.cleared and written: %lx", *leaf() >> 8 & 3);
    *leaf() &= ~(E_A | E_D);
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("dirty.both cleared and written: %lx", *leaf() >> 8 & 3);
    *(u64 *)arena(PG_DATA_A) = WORD_A;
}

/* Two EPTPs: their translations never mix, INVEPT of one says nothing of the other, and EPTPs that
 * differ only in their flags name the same tables for INVEPT. */
static void two_pointers(void)
{
    u64 one, two, *pml4 = arena(PG_PML4_ALT), *pdpt = arena(PG_PDPT_ALT), *pd = arena(PG_PD_ALT);

    fresh(0);
    one = l2.f[VI_EPT_POINTER];
    CopyMem(pml4, arena(PG_E_PML4), 4096);
    CopyMem(pdpt, arena(PG_E_PDPT), 4096);
    CopyMem(pd, arena(PG_E_PD1), 4096);
    SetMem(arena(PG_PT_ALT), 4096, 0);
    *(u64 *)arena(PG_PT_ALT) = shows(PG_DATA_B);
    pml4[0] = ARENA_AT(PG_PDPT_ALT) | E_RWX;
    pdpt[1] = ARENA_AT(PG_PD_ALT) | E_RWX;
    pd[0] = ARENA_AT(PG_PT_ALT) | E_RWX;
    two = ARENA_AT(PG_PML4_ALT) | EPTP_WALK4_WB;
    ept_invept(INVEPT_ALL, 0);
    for (unsigned i = 0; i < 6; i++) {
        l2.f[VI_EPT_POINTER] = i % 2 ? two : one;
        gt_line("pointers.turn %u: %s", i, seen());
    }
    *leaf() = shows(PG_DATA_B);
    *(u64 *)arena(PG_PT_ALT) = shows(PG_DATA_A);
    ept_invept(INVEPT_ONE, one);
    l2.f[VI_EPT_POINTER] = one;
    gt_line("pointers.one: %s", seen());
    ept_invept(INVEPT_ONE, two);
    l2.f[VI_EPT_POINTER] = two;
    gt_line("pointers.two: %s", seen());
    *(u64 *)arena(PG_PT_ALT) = shows(PG_DATA_B);
    ept_invept(INVEPT_ONE, two | EPTP_AD_ON);
    gt_line("pointers.other flags: %s", seen());
    *(u64 *)arena(PG_PT_ALT) = shows(PG_DATA_A);
    *leaf() = shows(PG_DATA_A);
    ept_invept(INVEPT_ALL, 0);
    gt_line("pointers.all.two: %s", seen());
    l2.f[VI_EPT_POINTER] = one;
    gt_line("pointers.all.one: %s", seen());
}

/* INVEPT comes first, then the change, then the entry: L2 did not run between, so nothing can have
 * been cached again. Tables that are reused as a root after their INVEPT are the common case. */
static void invept_first(u64 type, const char *name)
{
    u64 *pdpt = arena(PG_E_PDPT), *pd1 = arena(PG_E_PD1), *pt1 = arena(PG_E_PT1);

    fresh(0);
    ept_invept(type, l2.f[VI_EPT_POINTER]);
    *leaf() = shows(PG_DATA_B);
    gt_line("first.%s.leaf: %s", name, seen());
    ept_invept(type, l2.f[VI_EPT_POINTER]);
    *leaf() &= ~E_W;
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("first.%s.right: %s", name, ept_result());
    ept_invept(type, l2.f[VI_EPT_POINTER]);
    CopyMem(arena(PG_PDPT_ALT), pdpt, 4096);
    CopyMem(arena(PG_PD_ALT), pd1, 4096);
    CopyMem(arena(PG_PT_ALT), pt1, 4096);
    *(u64 *)arena(PG_PT_ALT) = shows(PG_DATA_A);
    ((u64 *)arena(PG_PD_ALT))[0] = ARENA_AT(PG_PT_ALT) | E_RWX;
    ((u64 *)arena(PG_PDPT_ALT))[1] = ARENA_AT(PG_PD_ALT) | E_RWX;
    *(u64 *)arena(PG_E_PML4) = ARENA_AT(PG_PDPT_ALT) | E_RWX;
    gt_line("first.%s.root reused: %s", name, seen());
    fresh(EPTP_AD_ON);
    ept_touch(ACCESS_WRITE, AT_4K);
    ept_invept(type, l2.f[VI_EPT_POINTER]);
    *leaf() &= ~E_D;
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("first.%s.dirty: %lx", name, *leaf() >> 8 & 3);
    *(u64 *)arena(PG_DATA_A) = WORD_A;
}

/* A violation drops what would be used for its address, a frame and an upper entry included: L1 may
 * change both in the same breath as it gives what was missing.
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings" */
static void violation_drops(u64 flags)
{
    const char *ad = flags ? ".ad" : "";
    u64 *pd1 = arena(PG_E_PD1), *alt = arena(PG_PT_ALT), *pt1 = arena(PG_E_PT1);

    fresh(flags);
    *leaf() &= ~E_W;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_READ, AT_4K);
    ept_touch(ACCESS_WRITE, AT_4K);
    gt_line("drops%s.write refused: %s", ad, ept_result());
    *leaf() = shows(PG_DATA_B);
    gt_line("drops%s.frame: %s", ad, seen());
    *(u64 *)arena(PG_DATA_A) = WORD_A;
    fresh(flags);
    ept_touch(ACCESS_READ, AT_4K + 0x40000);
    gt_line("drops%s.page beside: %s", ad, ept_result());
    CopyMem(alt, pt1, 4096);
    alt[0x40] = shows(PG_DATA_B);
    pt1[0x40] = shows(PG_DATA_A);
    pd1[0] = ARENA_AT(PG_PT_ALT) | E_RWX;
    ept_touch(ACCESS_READ, AT_4K + 0x40000);
    gt_line("drops%s.table: %s", ad, l2_seen_gpr[RAX] == WORD_B ? "B" : ept_result());
}

/* Accessed flags tell of accesses: those of the pages beside the one touched stay clear. */
static void beside(void)
{
    u64 *pt1 = arena(PG_E_PT1), set = 0;

    fresh(EPTP_AD_ON);
    for (unsigned i = 0; i < 64; i++)
        pt1[i] = shows(PG_DATA_A);
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_READ, AT_4K + 0x3000);
    ept_touch(ACCESS_WRITE, AT_4K + 0x5000);
    for (unsigned i = 0; i < 64; i++)
        set += (pt1[i] >> 8 & 3) << (i % 8 * 8);
    gt_line("beside.flags: %lx", set);
    ept_touch(ACCESS_WRITE, AT_4K + 0x3000);
    ept_touch(ACCESS_READ, AT_4K + 0x4000);
    for (unsigned i = set = 0; i < 64; i++)
        set += (pt1[i] >> 8 & 3) << (i % 8 * 8);
    gt_line("beside.flags then: %lx", set);
    pt1[9] = 0;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_WRITE, AT_4K + 0x9000);
    pt1[9] = shows(PG_DATA_A);
    ept_touch(ACCESS_READ, AT_4K + 0x3000);
    gt_line("beside.asked for: %lx", pt1[9] >> 8 & 3);
    ept_touch(ACCESS_READ, AT_4K + 0x9000);
    gt_line("beside.asked for and read: %lx", pt1[9] >> 8 & 3);
    for (unsigned i = 0; i < 64; i++)
        pt1[i] = shows(i % 3 ? PG_DATA_A : PG_DATA_B) & (i % 2 ? ~E_W : ~0ul);
    ept_invept(INVEPT_ALL, 0);
    for (unsigned i = set = 0; i < 64; i++) {
        ept_touch(i % 4 ? ACCESS_READ : ACCESS_MODIFY, AT_4K + i * 0x1000);
        set += (l2_seen_gpr[RAX] == (i % 3 ? WORD_A : WORD_B)) +
               0x100 * (l2_seen[VI_EXIT_REASON] != REASON_VMCALL);
        *(u64 *)arena(PG_DATA_A) = WORD_A;
        *(u64 *)arena(PG_DATA_B) = WORD_B;
    }
    gt_line("beside.mixed leaves: %lx", set);
    for (u64 i = 0; i < 8; i++) {
        pt1[i] = shows(PG_DATA_A);
        ept_invept(INVEPT_ALL, 0);
        ept_touch(ACCESS_READ, AT_4K + i * 4096);
        pt1[i] = shows(PG_DATA_B);
        ept_invept(INVEPT_ALL, 0);
        ept_touch(ACCESS_READ, AT_4K + i * 4096);
        gt_line("beside.line %lu: %lx", i, l2_seen_gpr[RAX]);
    }
}

void stale_suite(enum stale_machine machine)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        for (u64 flags = 0; flags <= EPTP_AD_ON; flags += EPTP_AD_ON) {
            with_invept(INVEPT_ONE, flags, "single");
            with_invept(INVEPT_ALL, flags, "global");
            upgrades(flags);
        }
        downgrade_between_fills();
        large_leaf_between_fills();
        dirty();
        two_pointers();
        for (u64 type = INVEPT_ONE; type <= INVEPT_ALL; type++)
            invept_first(type, type == INVEPT_ONE ? "single" : "global");
        violation_drops(0);
        violation_drops(EPTP_AD_ON);
        beside();
        stale_missing(machine);
    }
    vmx_end();
}
