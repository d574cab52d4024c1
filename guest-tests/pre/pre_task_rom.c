/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TSS descriptor lies in the firmware's ROM, where the processor reads it and L0 does not. The
 * switch is a fault then (docs/CAVEATS.md, task-descriptor-rom), and as no handler can run on a GDT
 * of random bytes, L1's processor shuts down.
 */
#include "guest-tests/lib/gt_task.h"
#include "hv/arch/cpu.h"

#define NEW(NAME) gt_mode_task_new_##NAME##32, gt_mode_task_new_##NAME##16

static void gdt_in_rom(void)
{
    /* LTR, LGDT, JMP FAR */
    static const u8 bytes[] = {0x0f, 0x00, 0xd8, 0x0f, 0x01, 0x56, 0x40, 0xff, 0x2e};
    u8 *code = (u8 *)(u64)(gt_mode_base() + gt_mode_offset(gt_mode_task_jmp32));
    u8 *pointer = (u8 *)(u64)(gt_mode_base() + 0xdc00 + 0x40);
    u32 found = 0;

    for (u64 a = 0xffe10000; a < 0xffff0000 && !found; a++) {
        const volatile u8 *d = (const volatile u8 *)a;
        if (d[5] == 0x89 && (d[0] > 0x80 || d[1]) && !(d[6] & 0x80) && d[7] < 0x10 && d[7] > 0 &&
            d[4] < 0x80)
            found = (u32)a;
    }
    gt_line("descriptor: found %d", found != 0);
    CopyMem(code, (void *)bytes, sizeof bytes);
    *(u16 *)pointer = 0xffff;
    found -= GT_TASK_NEW;
    CopyMem(pointer + 2, &found, 4);
}

TEST_MAIN(task_rom)
{
    static const struct gt_task_case rom = {"gdt in rom", "jmp",   gt_mode_task_jmp32,
                                            NULL,         NEW(ud), gdt_in_rom};

    gt_map_load();
    gt_load_tr();
    gt_mode_prepare();
    gt_task_prepare();
    gt_task_run(&rom, GT_MODE_PROTECTED, false, false);
}
