/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC moved over a page of L1's RAM, whose address L1 then hands to VMX instructions and
 * a VMCS: a hypervisor below must not take that page for memory, nor write the APIC's registers as
 * if they were. What the CPU itself does there is the APIC's business, so bare only what is certain
 * is done; CAVEAT(apic-page-operand) tells the rest.
 *
 * Right: The page is the APIC's while IA32_APIC_BASE says so. SDM 3A 11.4.4 "Local APIC Status and
 * Location"
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "hv/arch/msr.h"

static u64 page, home;

static void move_to(u64 base)
{
    gt_wrmsr(MSR_IA32_APIC_BASE, base | (home & 0xfff));
}

/* VMX instructions with an operand in the page: an answer, and the APIC's registers
 * as they were. */
static void operands(u32 version)
{
    volatile u32 *apic = (u32 *)page;

    gt_line("moved: %d", gt_rdmsr(MSR_IA32_APIC_BASE) == (page | (home & 0xfff)));
    if (gt_under_nidus()) {
        vmx_vmclear(page);
        vmx_vmptrld(page); /* revision: all ones */
        vmx_vmclear(page + 0x800000000000);
    }
    gt_line("version still there: %d", apic[GT_APIC_VERSION / 4] == version);
}

/* Bitmaps in the page: all ones under Nidus, so that everything exits. */
static void bitmaps(void)
{
    l2_world(L2_64);
    l2_code("\xe6\x80\x0f\x32", 4);
    l2.f[VI_PROC_CTL] =
        (l2.f[VI_PROC_CTL] & ~(u64)PROC_UNCOND_IO) | PROC_IO_BITMAPS | PROC_MSR_BITMAPS;
    l2.f[VI_IO_BITMAP_A] = l2.f[VI_IO_BITMAP_B] = l2.f[VI_MSR_BITMAP] = page;
    l2_write();
    move_to(page);
    bool exited = l2_enter(false) == L2_EXIT;
    u64 reason = l2_seen[VI_EXIT_REASON];
    move_to(home & ~0xffful);
    gt_check(!gt_under_nidus() || (exited && reason == 30), "bitmaps: exit %lx", reason);
}

TEST_MAIN(sec_apic)
{
    page = (u64)gt_pages(1);
    gt_device_take();
    home = gt_rdmsr(MSR_IA32_APIC_BASE);
    u32 version = gt_apic_read(GT_APIC_VERSION);
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        *(volatile u32 *)page = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
        move_to(page);
        operands(version);
        move_to(home & ~0xffful);
        gt_line("memory behind it: %d",
                *(volatile u32 *)page == ((u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff));
        if (gt_under_nidus())
            bitmaps();
        gt_line("version at home: %d", gt_apic_read(GT_APIC_VERSION) == version);
    }
    vmx_end();
    gt_device_give();
}
