/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VMX abort. The indicator is stored and the processor goes to shutdown: nothing of this program
 * may come behind the last line, not even END. The machine lives, as a second processor tells, and
 * NMIs that it sends do not wake the first one. SDM 3C 28.7 "VMX Aborts". Option list=0: the
 * VM-exit MSR-load area holds an element that the SDM refuses; 1: the MSR-store area does; 2: that,
 * and VMLAUNCH behind STI.
 */
#include "guest-tests/lib/gt_second.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum { LOAD, STORE, BEHIND_STI };
enum { WAIT = 3000000, NMIS = 5 };

static volatile bool begun;

static void wait(void)
{
    for (volatile u64 i = 0; i < WAIT; i++)
        ;
}

static void EFIAPI watch(void *arg)
{
    (void)arg;
    while (!begun)
        ;
    for (unsigned i = 0; i < NMIS; i++) {
        wait();
        gt_second_send_nmi(0);
    }
    wait();
    gt_raw(((volatile u32 *)arena(PG_VMCS_A))[1] ? "second: indicator stored\n"
                                                 : "second: no indicator\n");
    gt_raw("second: the machine lives\n");
    gt_power_off();
}

TEST_MAIN(vmx_abort)
{
    u64 how = vmx_option("list", LOAD);
    u64 *list = arena(how == LOAD ? PG_EXIT_LOAD : PG_EXIT_STORE);

    vmx_begin();
    gt_check(gt_second_start(watch, NULL), "no second processor");
    if (vmx_on()) {
        l2_init();
        l2_world(L2_64);
        l2_code("", 0);
        list[0] = MSR_FS_BASE | 1ul << 32; /* reserved bits: refused in either list */
        l2.f[how == LOAD ? VI_EXIT_MSR_LOAD_COUNT : VI_EXIT_MSR_STORE_COUNT] = 1;
        l2_write();
        gt_line("entering");
        begun = true;
        if (how == BEHIND_STI)
            __asm__ volatile("sti\n\tvmlaunch\n\tcli" ::: "memory", "cc");
        else
            l2_enter(false);
        gt_line("came back: reason %lu", l2_seen[VI_EXIT_REASON]);
    }
    vmx_end();
}
