/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * More second-level tables and more EPTPs than a hypervisor below can keep: L2 must see its memory
 * all the same, again and again, and what L1 changes.
 *
 * Right: Each access finds what EPT12 maps there, however many contexts were used since. SDM 3C
 * 29.3.2 "EPT Translation Mechanism"
 */
#include "guest-tests/lib/vmx_ept.h"

enum { PG_ROOTS = PG_EPT_FREE, ROOTS = 12, PG_PT_OTHER = PG_ROOTS + 4 * ROOTS, TWO_GIB_2M = 1024 };
enum { POOL_LEAST = 600, POOL_MOST = 650 }; /* Nidus has 640 */

/* Sums RCX words, RDX bytes apart, from RBX on, into RAX. */
static const char sum[] = "\x48\x03\x03\x48\x01\xd3\x48\xff\xc9\x75\xf5";
/* Writes RAX there instead. */
static const char fill[] = "\x48\x89\x03\x48\x01\xd3\x48\xff\xc9\x75\xf5";

static u64 pass(const char *code, u64 start, u64 from, u64 count, u64 step)
{
    l2_code(code, sizeof sum - 1);
    l2.gpr[RAX] = start;
    l2.gpr[RBX] = from;
    l2.gpr[RCX] = count;
    l2.gpr[RDX] = step;
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    l2_write();
    l2_enter(false);
    return l2_seen_gpr[RAX];
}

/* 2 GiB in 4 KiB leaves, one page touched in each 2 MiB: 1024 tables, through one of L1's. */
static void many_tables(u64 flags)
{
    u64 *pd1 = arena(PG_E_PD1), *pdpt = arena(PG_E_PDPT), *pt1 = arena(PG_E_PT1);
    const char *ad = flags ? ".ad" : "";

    ept_world(L2_64, flags);
    for (unsigned i = 0; i < 512; i++)
        pd1[i] = ARENA_AT(PG_E_PT1) | E_RWX;
    pt1[1] = ARENA_AT(PG_DATA_B) | E_RWX | E_WB;
    pdpt[2] = ARENA_AT(PG_E_PD1) | E_RWX;
    ept_invept(INVEPT_ALL, 0);
    for (unsigned turn = 0; turn < 3; turn++) {
        u64 got = pass(sum, 0, AT_4K, TWO_GIB_2M, 2 << 20);

        gt_line("tables%s.turn %u: %s %lx expected %lx", ad, turn, ept_result(), got,
                WORD_A * TWO_GIB_2M);
    }
    pass(fill, 0x77, AT_4K + 16, TWO_GIB_2M, 2 << 20);
    gt_line("tables%s.written: %s %lx", ad, ept_result(), ((u64 *)arena(PG_DATA_A))[2]);
    pt1[0] = ARENA_AT(PG_DATA_B) | E_RWX | E_WB;
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    gt_line("tables%s.changed: %lx expected %lx", ad, pass(sum, 0, AT_4K, TWO_GIB_2M, 2 << 20),
            WORD_B * TWO_GIB_2M);
    pt1[0] = 0;
    ept_invept(INVEPT_ALL, 0);
    pass(sum, 0, AT_4K, TWO_GIB_2M, 2 << 20);
    gt_line("tables%s.gone: %s", ad, ept_result());
}

static u64 root(unsigned i)
{
    return ARENA_AT(PG_ROOTS + 4 * i) | EPTP_WALK4_WB;
}

/* Tables of their own for every EPTP; the odd ones show the other page. */
static void build_roots(void)
{
    for (unsigned i = 0; i < ROOTS; i++) {
        unsigned page = PG_ROOTS + 4 * i;
        u64 *pml4 = arena(page), *pdpt = arena(page + 1), *pd = arena(page + 2),
            *pt = arena(page + 3);

        SetMem(pml4, 4 * 4096, 0);
        pml4[0] = ARENA_AT(page + 1) | E_RWX;
        pdpt[0] = ARENA_AT(PG_E_PD0) | E_RWX;
        pdpt[1] = ARENA_AT(page + 2) | E_RWX;
        pd[0] = ARENA_AT(page + 3) | E_RWX;
        pt[0] = ARENA_AT(i % 2 ? PG_DATA_B : PG_DATA_A) | E_RWX | E_WB;
    }
}

static unsigned round_of_roots(u64 vpid, bool swapped)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < ROOTS; i++) {
        l2.f[VI_EPT_POINTER] = root(i);
        l2.f[VI_VPID] = vpid;
        ept_touch(ACCESS_READ, AT_4K);
        wrong += l2_seen_gpr[RAX] != ((i % 2 == 1) != swapped ? WORD_B : WORD_A);
    }
    return wrong;
}

/* One VPID over all of them: translations of one EPTP are never another's. */
static void many_roots(u64 vpid)
{
    ept_world(L2_64, 0);
    if (vpid && vmx_has2(PROC2_VPID))
        l2.f[VI_PROC2_CTL] |= PROC2_VPID;
    build_roots();
    ept_invept(INVEPT_ALL, 0);
    for (unsigned turn = 0; turn < 3; turn++)
        gt_line("roots.vpid%lu.turn %u: %u wrong", vpid, turn, round_of_roots(vpid, false));
    for (unsigned i = 0; i < ROOTS; i++)
        *(u64 *)arena(PG_ROOTS + 4 * i + 3) =
            ARENA_AT(i % 2 ? PG_DATA_A : PG_DATA_B) | E_RWX | E_WB;
    ept_invept(INVEPT_ALL, 0);
    gt_line("roots.vpid%lu.changed: %u wrong", vpid, round_of_roots(vpid, true));
    for (unsigned i = 0; i < ROOTS; i++) {
        *(u64 *)arena(PG_ROOTS + 4 * i + 3) =
            ARENA_AT(i % 2 ? PG_DATA_B : PG_DATA_A) | E_RWX | E_WB;
        ept_invept(INVEPT_ONE, root(i));
    }
    gt_line("roots.vpid%lu.changed one by one: %u wrong", vpid, round_of_roots(vpid, false));
}

/* The other EPTP: one table of L1's at each 2 MiB from 1 GiB on. */
static u64 build_crowd(void)
{
    u64 *pd = arena(PG_ROOTS + 2);

    build_roots();
    for (unsigned i = 0; i < 512; i++)
        pd[i] = ARENA_AT(PG_ROOTS + 3) | E_RWX;
    ((u64 *)arena(PG_ROOTS + 1))[2] = ARENA_AT(PG_ROOTS + 2) | E_RWX;
    return root(0);
}

/* L1 puts a table in place of a large leaf that is not writable. L2 writes there, and its
 * preemption timer may stop it before the access has been made. After INVEPT it sees what the table
 * shows. The word that L2 then reads. */
static u64 table_for_leaf(u64 eptp)
{
    static const char write_and_wait[] = "\x48\x89\x03\xeb\xfe";
    u64 *pd = arena(PG_E_PD1), word;

    l2.f[VI_EPT_POINTER] = eptp;
    pd[1] = ARENA | E_R | E_WB | E_PS;
    ept_invept(INVEPT_ONE, eptp);
    pass(sum, 0, AT_2M, 1, 0);
    pd[1] = ARENA_AT(PG_PT_OTHER) | E_RWX;
    l2_code(write_and_wait, sizeof write_and_wait - 1);
    l2.gpr[RBX] = AT_2M + 4096 + 0x800;
    l2.f[VI_PREEMPTION_TIMER] = 1 + (0x100 >> (gt_rdmsr(MSR_VMX_MISC) & 31));
    l2_write();
    l2_enter(false);
    gt_check((u32)l2_seen[VI_EXIT_REASON] == REASON_TIMER, "table for leaf: %s", ept_result());
    ept_invept(INVEPT_ONE, eptp);
    word = pass(sum, 0, AT_2M, 1, 0);
    pd[1] = ARENA | E_R | E_WB | E_PS;
    ept_invept(INVEPT_ONE, eptp);
    pass(sum, 0, AT_2M, 1, 0);
    return word;
}

/* The same with any number of tables left to a hypervisor below, none among them. */
static void no_table_left(void)
{
    u64 *other = arena(PG_PT_OTHER), eptp, crowd;
    unsigned wrong = 0;

    ept_world(L2_64, 0);
    eptp = l2.f[VI_EPT_POINTER];
    crowd = build_crowd();
    for (unsigned i = 0; i < 512; i++)
        other[i] = ARENA_AT(PG_DATA_B) | E_RWX | E_WB;
    ept_invept(INVEPT_ALL, 0);
    l2.f[VI_EPT_POINTER] = crowd;
    pass(sum, 0, AT_4K, POOL_LEAST, 2 << 20);
    for (unsigned i = POOL_LEAST; i < POOL_MOST; i++) {
        l2.f[VI_EPT_POINTER] = crowd;
        pass(sum, 0, AT_4K + ((u64)i << 21), 1, 0);
        wrong += table_for_leaf(eptp) != WORD_B;
    }
    gt_line("no table left: %u wrong", wrong);
}

TEST_MAIN(ept_pool)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        no_table_left();
        many_tables(0);
        many_tables(EPTP_AD_ON);
        many_roots(0);
        many_roots(3);
    }
    vmx_end();
}
