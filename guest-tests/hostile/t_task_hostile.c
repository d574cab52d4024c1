/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task switches that L1 has prepared to hurt whoever does them for it. The processor checks gate,
 * selector, descriptor and limit and then leaves the rest to L0: none of it may end in a state that
 * cannot be entered. SDM 3A 7.3 "Task Switching", SDM 3C 26.4.2 "Treatment of Task Switches"
 */
#include "guest-tests/lib/gt_task.h"
#include "hv/arch/cpu.h"

#define NEW(NAME) gt_mode_task_new_##NAME##32, gt_mode_task_new_##NAME##16
/* clang-format off */
#define JMP(NAME, PREPARE) {NAME, "jmp", gt_mode_task_jmp32, NULL, NEW(ud), PREPARE}
/* clang-format on */

static u64 *bad_pdptes;

/* CR3 leads to four entries with reserved bits: #GP(0), whatever else the new task is. */
static void bad_cr3(void)
{
    gt_task_rescue_all();
    for (unsigned i = 0; i < 4; i++)
        bad_pdptes[i] = ~0ul;
    gt_task.new32->cr3 = (u32)(u64)bad_pdptes;
}

static void bad_cr3_v86(void)
{
    bad_cr3();
    gt_task.new32->eflags |= (u32)RFLAGS_VM;
}

static void bad_cr3_trapped(void)
{
    bad_cr3();
    gt_task.new32->debug_trap = 1;
    gt_task.new32->eflags |= (u32)RFLAGS_TF;
}

/* CR3 beyond all memory reads as all ones, which are bad entries too. */
static void nowhere_cr3(void)
{
    gt_task_rescue_all();
    gt_task.new32->cr3 = 0xd0000000;
}

/* An LDT selector that names no LDT is #TS with it, in virtual-8086 mode too. SDM 3A 8.3 "Task
 * Switching" */
static void v86_bad_ldt(void)
{
    gt_task_rescue_all();
    gt_task.new32->eflags |= (u32)RFLAGS_VM;
    gt_task.new32->ldt = GT_TASK_NEW;
}

/* Not on the bare emulator, which ends: CAVEAT bochs-task-pdptes. */
static const struct gt_task_case bad[] = {
    JMP("bad cr3", bad_cr3),
    JMP("bad cr3 v86", bad_cr3_v86),
    JMP("bad cr3 trapped", bad_cr3_trapped),
    JMP("nowhere cr3", nowhere_cr3),
};
static const struct gt_task_case v86 = JMP("v86 bad ldt", v86_bad_ldt);

TEST_MAIN(task_hostile)
{
    gt_map_load();
    gt_load_tr();
    gt_mode_prepare();
    gt_task_prepare();
    bad_pdptes = gt_pages(1);
    gt_task_run(&v86, GT_MODE_PAE, false, false);
    for (unsigned i = 0; gt_under_nidus() && i < sizeof bad / sizeof *bad; i++)
        gt_task_run(&bad[i], GT_MODE_PAE, false, false);
}
