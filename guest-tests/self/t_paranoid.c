/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits enough for stress=paranoid to look at all of L0 several times, with values of L1's and L2's
 * in every register that an exit replaces, and with each page of the hole touched. The words are
 * those of a bare run; L0 goes on only if what it looked at was as it should be.
 */
#include "guest-tests/lib/gt_hole.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

/* of leaf 7: all parts of L0 but EPT02 are looked at, the longest in some 400 exits */
#define ROUNDS    700u
#define L2_ROUNDS 10u /* each a hundred exits, as all fields are read back */

static const struct {
    u32 msr;
    u64 value;
} own[] = {
    {0x174, 0x10},       {0x175, 0x1234567}, {0x176, 0x7654321}, {0x277, 0x0407050600070106},
    {0xc0000080, 0xd01},
};

/* Leaf 7 takes the long way of L0's, leaf 0 the short one. Each answer is the same every time. SDM
 * 2A 3.3 "Instructions (A-L)" */
static void exits(const char *when)
{
    u32 bad = 0, first = gt_cpuid(7, 0).ebx;
    for (u32 i = 0; i < ROUNDS; i++)
        bad += gt_cpuid(7, 0).ebx != first || gt_cpuid(0, 0).ebx != 0x756e6547;
    gt_line("%s: wrong answers %u", when, bad);
}

static void with_own_msrs(void)
{
    u64 saved[ARRAY_LEN(own)];
    for (u32 i = 0; i < ARRAY_LEN(own); i++) {
        saved[i] = gt_rdmsr(own[i].msr);
        gt_wrmsr(own[i].msr, own[i].value | (own[i].msr == 0xc0000080 ? saved[i] : 0));
    }
    exits("own MSRs");
    for (u32 i = 0; i < ARRAY_LEN(own); i++)
        gt_wrmsr(own[i].msr, saved[i]);
}

static void with_hole(void)
{
    struct gt_hole hole;
    u32 differ = 0;
    gt_hole_find(&hole);
    u8 first = *(volatile u8 *)hole.base;
    for (u64 at = 0; at < hole.size; at += 4096)
        differ += *(volatile u8 *)(hole.base + at) != first;
    gt_check(!gt_under_nidus() || !differ, "hole: %u pages differ", differ); /* all are one page */
    exits("hole");
}

/* CPUID in L2 is exit reason 10 in each round. SDM 3C 26.1 "Instructions That Cause VM Exits" */
static void with_l2(void)
{
    u32 seen = 0;
    l2_init();
    l2_world(L2_64);
    l2_code("\x0f\xa2", 2);
    l2_write();
    for (u32 i = 0; i < L2_ROUNDS; i++) {
        seen += l2_enter(i != 0) == L2_EXIT && (u16)l2_seen[VI_EXIT_REASON] == 10;
        l2_again(l2.f[VI_GUEST_RIP]);
    }
    gt_line("l2: exits by CPUID %u", seen);
}

TEST_MAIN(paranoid)
{
    exits("plain");
    with_own_msrs();
    with_hole();
    vmx_begin();
    if (vmx_on())
        with_l2();
    vmx_end();
    exits("after");
}
