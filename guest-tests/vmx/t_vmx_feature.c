/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IA32_FEATURE_CONTROL as firmware leaves it unlocked: what it reads, each bit written, VMXON under
 * each value, and what the lock does. The lock stays until the next reset, so this program has a
 * boot of its own.
 *
 * Right: VMXON is #GP(0) unless the lock and VMX outside SMX are on; WRMSR is #GP(0) for a reserved
 * bit, and for any value once the lock is on. SDM 3C 24.7 "Enabling and Entering VMX Operation"
 */
#include "guest-tests/lib/gt.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

static void write(const char *when, u64 v)
{
    GT_TRY("wrmsr",
           :
           : "c"(MSR_IA32_FEATURE_CONTROL), "a"((u32)v), "d"((u32)(v >> 32))
           : GT_CLOBBERS);
    const char *how = gt_exc_text();
    gt_line("%s.write %lx: %s, reads %lx", when, v, how, gt_rdmsr(MSR_IA32_FEATURE_CONTROL));
}

#define DEFINED 0x16ff07ul /* with SMX, SGX, and local machine checks */

static void each_bit(void)
{
    for (u32 bit = 1; bit < 64; bit++) {
        u64 v = 1ul << bit;
        GT_TRY("wrmsr",
               :
               : "c"(MSR_IA32_FEATURE_CONTROL), "a"((u32)v), "d"((u32)(v >> 32))
               : GT_CLOBBERS);
        if (!(DEFINED >> bit & 1))
            gt_check(gt_exc.vector == 13, "reserved.bit %u: %s", bit, gt_exc_text());
        else
            gt_line("defined.bit %u: %s", bit, gt_exc_text());
    }
    gt_wrmsr(MSR_IA32_FEATURE_CONTROL, 0);
}

static void vmxon(const char *when)
{
    u64 *region = gt_pages(1), pointer = (u64)region;

    *(u32 *)region = (u32)gt_rdmsr(MSR_IA32_VMX_BASIC) & 0x7fffffff;
    GT_TRY("vmxon %0", : : "m"(pointer) : GT_CLOBBERS);
    gt_line("%s.vmxon: %s", when, gt_exc_text());
    if (gt_exc.vector == GT_NONE)
        __asm__ volatile("vmxoff" : : : "memory", "cc");
}

TEST_MAIN(vmx_feature)
{
    u64 cr4 = gt_read_cr4();

    gt_line("first: %lx", gt_rdmsr(MSR_IA32_FEATURE_CONTROL));
    if (gt_rdmsr(MSR_IA32_FEATURE_CONTROL) & FEATURE_CONTROL_LOCKED) {
        gt_fail("locked before the test");
        return;
    }
    gt_write_cr4(cr4 | CR4_VMXE);
    vmxon("zero");
    each_bit();
    write("unlocked", FEATURE_CONTROL_VMX_OUT_OF_SMX);
    vmxon("unlocked");
    write("locked", FEATURE_CONTROL_ALLOW_VMX);
    vmxon("locked");
    vmxon("again");
    for (u32 bit = 0; bit < 4; bit++)
        write("locked", 1ul << bit);
    write("locked", 0);
    write("locked", FEATURE_CONTROL_ALLOW_VMX);
    vmxon("end");
    gt_write_cr4(cr4);
}
