/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second processor flips a bit of L1's I/O bitmap while L2 reads the port, so that the CPU and L0
 * see different bitmaps: an exit that nobody wants any more. The instruction runs again. SDM 3C
 * 25.6.4 "I/O-Bitmap Addresses"
 */
#include "guest-tests/lib/gt_second.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum { EXITS_FROM_L2 = -0x7fffffff - 1, REASON_IO = 30, PORT = 0x80, ROUNDS = 3000, SEEN = 100 };
#define IN_AL "\xe4\x80"

static void EFIAPI flip(void *bitmap)
{
    for (volatile u8 *b = bitmap;;) {
        b[PORT / 8] ^= 1;
        for (volatile int i = 0; i < 3; i++)
            ;
    }
}

TEST_MAIN(vmx_race)
{
    u8 *map = gt_pages(1);
    u64 changes = 0, exits = 0, others = 0;

    gt_check(gt_second_start(flip, map), "no second processor");
    for (u64 i = 0, seen = 0; i < 1000000; i++) {
        u8 now = ((volatile u8 *)map)[PORT / 8];
        changes += now != seen;
        seen = now;
    }
    gt_line("the other processor flips: %d", changes > SEEN);
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l2_world(L2_64);
        l2_code(IN_AL IN_AL IN_AL IN_AL IN_AL IN_AL IN_AL IN_AL, 16);
        l2.f[VI_PROC_CTL] = (l2.f[VI_PROC_CTL] & ~(u64)PROC_UNCOND_IO) | PROC_IO_BITMAPS;
        l2.f[VI_IO_BITMAP_A] = (u64)map;
        l2_write();
        l2_enter(false);
        for (u64 i = 0; i < ROUNDS; i++) {
            vmx_vmwrite(V_GUEST_RIP, L2_AT(P_CODE));
            vmx_vmwrite(V_PREEMPTION_TIMER, 1000000);
            l2_enter(true);
            exits += l2_seen[VI_EXIT_REASON] == REASON_IO;
            others +=
                l2_seen[VI_EXIT_REASON] != REASON_IO && l2_seen[VI_EXIT_REASON] != REASON_VMCALL;
        }
        /* What L0 saw as an exit of L2 and L1 did not was for nobody. CPUID of Nidus:
         * exits by reason. */
        struct gt_cpuid all = gt_cpuid(0x40000002, EXITS_FROM_L2 | REASON_IO);
        gt_line("exits that nobody wanted: %d, that L1 did not expect: %lu", all.eax > exits,
                others);
    }
    vmx_end();
    gt_end();
    gt_power_off();
}
