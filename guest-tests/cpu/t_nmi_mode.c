/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs in the modes that have another way of delivering them: the real-mode vector table, a
 * 32-bit IDT, a task gate, virtual-8086 mode. The 8254 fires one into a storm of CPUIDs, so
 * that under Nidus L0 holds most of them and has to inject them there.
 *
 * Right: Each NMI is delivered once, through vector 2 of the mode's table, and further ones are
 * blocked until IRET. SDM 3A 6.7.1 "Handling Multiple NMIs"
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_task.h"
#include "hv/arch/cpu.h"

enum {
    SHOTS = 25,
    STORM = 20000,   /* longer than any shot takes, whatever an exit costs */
    EARLIEST = 1500, /* ticks: the block must have arrived in its mode */
    SPREAD = 200,
};
GT_MODE_SNIPPET(storm);

static unsigned in_long_mode;

static bool on_nmi(struct gt_frame *f)
{
    (void)f;
    in_long_mode++;
    return true;
}

static void run_mode(enum gt_mode mode, bool task_gate)
{
    u32 in[6] = {0, 0, 0, 0, 0, STORM};
    unsigned delivered = 0, elsewhere = 0, whole_storms = 0;

    in_long_mode = 0;
    for (unsigned i = 0; i < SHOTS; i++) {
        const struct gt_mode_block *b;

        gt_mode_default_gates();
        if (task_gate)
            gt_task_nmi_gate(mode);
        gt_pit_one_shot((u16)(EARLIEST + gt_rand() % SPREAD));
        b = gt_mode_run(mode, gt_mode_storm32, gt_mode_storm16, in);
        delivered += b->vector == VEC_NMI;
        elsewhere += b->vector != VEC_NMI && b->vector != GT_NONE;
        whole_storms += b->vector == GT_NONE;
        GT_TRY("ud2", : : : GT_CLOBBERS); /* an IRET, which ends the blocking */
        for (unsigned turn = 0; turn < 100; turn++)
            gt_cpuid(0, 0);
    }
    gt_mode_default_gates();
    gt_line("%s%s: %u of %u, others %u, none %u, second deliveries %u", gt_mode_name(mode),
            task_gate ? " task gate" : "", delivered, SHOTS, elsewhere, whole_storms, in_long_mode);
}

TEST_MAIN(nmi_mode)
{
    gt_map_load();
    gt_load_tr();
    gt_mode_prepare();
    gt_task_prepare();
    gt_device_take();
    gt_hook(VEC_NMI, on_nmi);
    gt_ioapic_pit(GT_APIC_NMI);
    for (enum gt_mode mode = 0; mode < GT_MODES; mode++)
        run_mode(mode, false);
    for (enum gt_mode mode = 0; mode <= GT_MODE_PROTECTED16; mode++)
        run_mode(mode, true);
    gt_ioapic_pit(GT_APIC_MASKED);
    gt_device_give();
    gt_hook(VEC_NMI, NULL);
}
