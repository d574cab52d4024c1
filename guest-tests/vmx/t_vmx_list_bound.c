/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR areas as long as IA32_VMX_MISC recommends at most, and longer. Up to the maximum each element
 * is done; beyond it the SDM leaves the result open (SDM 3D A.6 "Miscellaneous Data"), and Nidus
 * fails the transition at the first element too many: CAVEAT msr-area-bound. A longer VM-exit area
 * is a VMX abort there, which no program survives.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum { MAXIMUM = 512, PAGES = 16 };

struct element {
    u32 index, reserved;
    u64 value;
};

static struct element *list;

static void fill(u32 count)
{
    for (u32 i = 0; i < count; i++)
        list[i] = (struct element){MSR_LSTAR, 0, 0x1000 + i};
}

static void entry(const char *name, u32 count)
{
    u64 kept = gt_rdmsr(MSR_LSTAR);

    fill(count);
    l2_world(L2_64);
    l2_code("", 0);
    l2.f[VI_ENTRY_MSR_LOAD_COUNT] = count;
    l2.f[VI_ENTRY_MSR_LOAD_ADDR] = (u64)list;
    l2_write();
    l2_enter(false);
    gt_line("%s_%u: reason %lx number %lx lstar %lx", name, count, l2_seen[VI_EXIT_REASON],
            l2_seen[VI_EXIT_REASON] >> 31 ? l2_seen[VI_EXIT_QUALIFICATION] : 0,
            gt_rdmsr(MSR_LSTAR));
    gt_wrmsr(MSR_LSTAR, kept);
}

static void exit_lists(u32 count)
{
    u64 kept = gt_rdmsr(MSR_LSTAR);
    u32 right = 0;

    fill(count);
    l2_world(L2_64);
    l2_code("", 0);
    l2.f[VI_EXIT_MSR_STORE_COUNT] = count;
    l2.f[VI_EXIT_MSR_STORE_ADDR] = (u64)list;
    l2.f[VI_EXIT_MSR_LOAD_COUNT] = count;
    l2.f[VI_EXIT_MSR_LOAD_ADDR] = (u64)list;
    l2_write();
    l2_enter(false);
    for (u32 i = 0; i < count; i++)
        right += list[i].value == kept;
    gt_line("exit_%u: reason %lx stored %u lstar kept %d", count, l2_seen[VI_EXIT_REASON], right,
            gt_rdmsr(MSR_LSTAR) == kept);
    gt_wrmsr(MSR_LSTAR, kept);
}

TEST_MAIN(vmx_list_bound)
{
    list = gt_pages(PAGES);
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        gt_line("maximum %lu", 512 * ((gt_rdmsr(MSR_VMX_MISC) >> 25 & 7) + 1));
        entry("within", 1);
        entry("within", MAXIMUM);
        exit_lists(MAXIMUM);
        entry("beyond", MAXIMUM + 1);
        entry("beyond", PAGES * 4096 / sizeof *list);
    }
    vmx_end();
}
