/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task switches by JMP, CALL, IRET, INT and exceptions, to TSSs of both sizes and through task
 * gates, in three pagings. Printed are both TSSs afterwards, their descriptors, TR, CR0.TS, NT,
 * debug registers and where the next exception came from. Cases that fail: t_task_bad.c. SDM
 * 3A 8.3 "Task Switching"
 */
#include "guest-tests/lib/gt_task.h"
#include "hv/arch/cpu.h"

#define NEW(NAME) gt_mode_task_new_##NAME##32, gt_mode_task_new_##NAME##16

static void nothing(void) {}

static void use_task_gate(void)
{
    gt_task.target = GT_TASK_GATE;
}

static void int_gate(void)
{
    gt_mode_idt()[0x20] = gt_task_gate(GT_TASK_NEW);
}

static void link_old(void)
{
    gt_task_set_link(GT_TASK_NEW);
    gt_task_set_busy(GT_TASK_NEW);
}

static void debug_trap(void)
{
    gt_task.new32->debug_trap = 1;
}

static void single_step(void)
{
    gt_task.new32->eflags |= (u32)RFLAGS_TF;
}

static void all_flags(void)
{
    gt_task.new32->eflags = 0xffdbfcff; /* not VM, TF, IF: reserved bits must not stick */
}

static void virtual_8086(void)
{
    struct gt_tss32 *t = gt_task.new32;

    t->eflags = (u32)(RFLAGS_VM | RFLAGS_FIXED);
    t->cs = t->ss = t->ds = t->es = t->fs = t->gs = gt_mode_base() >> 4;
    t->eip = gt_mode_offset(gt_mode_task_new_user16);
    t->esp = 0xc000;
}

static void own_ldt(void)
{
    u64 *ldt = gt_pages(1);

    ldt[1] = gt_gdt[GT_DATA / 8];
    gt_gdt[GT_TASK_LDT / 8] = gt_descriptor((u32)(u64)ldt, 0xff, 0x82, 0);
    gt_task.new32->ldt = GT_TASK_LDT;
    gt_task.new32->ds = 0x0c; /* TI, index 1 */
}

static void user_task(void)
{
    struct gt_tss32 *t = gt_task.new32;

    t->cs = GT_UCODE32 | 3;
    t->ss = t->ds = t->es = GT_UDATA | 3;
    t->fs = t->gs = 0;
}

static void breakpoints(void)
{
    gt_write_dr0(0x12345678);
    gt_write_dr7(0x4ff); /* L0-L3 and G0-G3 */
}

static void busy_in_image(void)
{
    gt_task.new32->link = 0x5555; /* the link field is overwritten by CALL, kept by JMP */
}

static void dpl3_tss(void)
{
    gt_gdt[GT_TASK_NEW / 8] |= 3ul << 45;
    gt_gdt[GT_TASK_OLD / 8] |= 3ul << 45;
}

static void dpl3_gate(void)
{
    gt_task.target = GT_TASK_GATE;
    gt_gdt[GT_TASK_GATE / 8] |= 3ul << 45;
}

/* JMP leaves the old task available. CALL and INT leave it busy, set NT, and link the new task to
 * it; IRET goes back along the link. A JMP to a busy task is #GP with its selector. TS is set. SDM
 * 3A 8.3 "Task Switching" */
static void switches(void)
{
    /* clang-format off */
    static const struct gt_task_case rows[] = {
        {"jmp", "jmp", gt_mode_task_jmp32, gt_mode_task_jmp16, NEW(ud), nothing},
        {"jmp keeps link", "jmp", gt_mode_task_jmp32, gt_mode_task_jmp16, NEW(ud),
         busy_in_image},
        {"call", "call", gt_mode_task_call32, gt_mode_task_call16, NEW(ud), nothing},
        {"call links", "call", gt_mode_task_call32, gt_mode_task_call16, NEW(ud),
         busy_in_image},
        {"call iret", "call", gt_mode_task_call32, gt_mode_task_call16, NEW(iret), nothing},
        {"call twice", "call", gt_mode_task_twice32, gt_mode_task_twice16, NEW(iret), nothing},
        {"jmp jmp", "jmp", gt_mode_task_jmp32, gt_mode_task_jmp16, NEW(jmp), nothing},
        {"call jmp", "call", gt_mode_task_call32, gt_mode_task_call16, NEW(jmp), nothing},
        {"gate jmp", "jmp", gt_mode_task_jmp32, gt_mode_task_jmp16, NEW(ud), use_task_gate},
        {"gate call iret", "call", gt_mode_task_call32, gt_mode_task_call16, NEW(iret),
         use_task_gate},
        {"int", "int", gt_mode_task_int32, gt_mode_task_int16, NEW(ud), int_gate},
        {"int iret", "int", gt_mode_task_int32, gt_mode_task_int16, NEW(iret), int_gate},
        {"iret", "iret", gt_mode_task_iret32, gt_mode_task_iret16, NEW(ud), link_old},
    };
    /* clang-format on */

    for (unsigned size = 0; size < 4; size++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            gt_task_run(&rows[i], size & 1 ? GT_MODE_PROTECTED16 : GT_MODE_PROTECTED, size & 1,
                        size & 2);
    for (enum gt_mode mode = GT_MODE_PAGED32; mode <= GT_MODE_PAE; mode++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            gt_task_run(&rows[i], mode, false, false);
}

/* What a TSS can hold besides registers; 32-bit only. The T flag is #DB with BT before the first
 * instruction. The local breakpoints of DR7 are cleared. From ring 3 a TSS or gate of DPL 0 is
 * #GP with its selector. SDM 3B 18.3.1.5 "Task-Switch Exception Condition", SDM 3A 8.3 "Task
 * Switching" */
static void contents(void)
{
    static const struct gt_task_case rows[] = {
        {"t bit", "jmp", gt_mode_task_jmp32, NULL, NEW(nop), debug_trap},
        {"t bit call", "call", gt_mode_task_call32, NULL, NEW(nop), debug_trap},
        {"tf", "jmp", gt_mode_task_jmp32, NULL, NEW(nop), single_step},
        {"eflags", "jmp", gt_mode_task_jmp32, NULL, NEW(ud), all_flags},
        {"eflags call", "call", gt_mode_task_call32, NULL, NEW(ud), all_flags},
        {"v86", "jmp", gt_mode_task_jmp32, NULL, NEW(ud), virtual_8086},
        {"v86 call", "call", gt_mode_task_call32, NULL, NEW(ud), virtual_8086},
        {"ldt", "jmp", gt_mode_task_jmp32, NULL, NEW(ud), own_ldt},
        {"ring 3", "jmp", gt_mode_task_jmp32, NULL, NEW(user), user_task},
        {"ring 3 call", "call", gt_mode_task_call32, NULL, NEW(user), user_task},
        {"dr7", "jmp", gt_mode_task_jmp32, NULL, NEW(ud), breakpoints},
        {"dr7 iret", "call", gt_mode_task_call32, NULL, NEW(iret), breakpoints},
        {"from ring 3", "call", gt_mode_task_user32, NULL, NEW(ud), nothing},
        {"from ring 3 dpl 3", "call", gt_mode_task_user32, NULL, NEW(ud), dpl3_tss},
        {"from ring 3 gate", "call", gt_mode_task_user32, NULL, NEW(ud), use_task_gate},
        {"from ring 3 gate dpl 3", "call", gt_mode_task_user32, NULL, NEW(ud), dpl3_gate},
        {"from ring 3 iret", "call", gt_mode_task_user32, NULL, NEW(iret), dpl3_tss},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        gt_task_run(&rows[i], GT_MODE_PROTECTED, false, false);
}

/* Exceptions through task gates: the rescue tasks say which task they interrupted, and where. SDM
 * 3A 6.12.2 "Interrupt Tasks" */
static void exceptions(void)
{
    static const struct gt_task_case rows[] = {
        {"#UD by gate", "exception", gt_mode_task_ud32, gt_mode_task_ud16, NEW(ud),
         gt_task_rescue_all},
        {"#GP by gate", "exception", gt_mode_task_gp32, gt_mode_task_gp16, NEW(ud),
         gt_task_rescue_all},
    };

    for (enum gt_mode mode = 0; mode <= GT_MODE_PROTECTED16; mode++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            gt_task_run(&rows[i], mode, mode == GT_MODE_PROTECTED16, false);
}

/*
 * CR3 comes from the new TSS when paging is on: the two tables give one linear address two
 * pages. With PAE the four PDPTEs must be read again.
 */
static u8 *pages[2];

static void other_cr3(void)
{
    gt_task.new32->cr3 = gt_task.other_cr3;
    gt_task.new32->edi = 0xc0000000u + (u32)((u64)pages[1] & (SIZE_2M * 2 - 1));
}

static void make_other_map(enum gt_mode mode)
{
    u8 *root = gt_pages(1), *low = gt_pages(1);
    u64 *pdpt = (u64 *)root, *directory = (u64 *)low;

    CopyMem(root, (void *)(u64)gt_mode_cr3(mode), PAGE_SIZE);
    if (mode == GT_MODE_PAE) {
        for (u64 i = 0; i < 512; i++)
            directory[i] = ((u64)pages[1] & ~(SIZE_2M * 2 - 1)) + (i & 1) * SIZE_2M + 0x83;
        pdpt[3] = (u64)directory | 1;
    } else {
        ((u32 *)root)[0xc0000000u >> 22] = ((u32)(u64)pages[1] & ~(u32)(SIZE_2M * 2 - 1)) | 0x83;
    }
    gt_task.other_cr3 = (u32)(u64)root;
}

static void address_spaces(void)
{
    static const struct gt_task_case rows[] = {
        {"cr3 jmp", "jmp", gt_mode_task_jmp32, NULL, NEW(read), other_cr3},
        {"cr3 call", "call", gt_mode_task_call32, NULL, NEW(read), other_cr3},
        {"cr3 call iret", "call", gt_mode_task_call32, NULL, NEW(iret), other_cr3},
    };

    pages[1] = gt_pages(1);
    *(u32 *)pages[1] = 0x0badcafe;
    for (enum gt_mode mode = GT_MODE_PAGED32; mode <= GT_MODE_PAE; mode++) {
        make_other_map(mode);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            gt_task_run(&rows[i], mode, false, false);
    }
}

TEST_MAIN(task)
{
    gt_map_load();
    gt_load_tr();
    gt_mode_prepare();
    gt_task_prepare();
    switches();
    contents();
    exceptions();
    address_spaces();
}
