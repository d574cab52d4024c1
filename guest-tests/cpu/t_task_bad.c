/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task switches that fail: which exception, which error code, in which task, and how much of
 * the switch was done before. Failures before the commit come through interrupt gates and, in a
 * second round, through task gates; those behind it through task gates only, as the new task
 * may not be able to take them. SDM 3A 8.3 "Task Switching"
 */
#include "guest-tests/lib/gt_task.h"
#include "hv/arch/cpu.h"

#define NEW(NAME) gt_mode_task_new_##NAME##32, gt_mode_task_new_##NAME##16

static bool by_task_gates;

/* ---- before the commit: the descriptor, its kind, its limit -------------------------------
 */

static void set_access(u32 selector, u64 access)
{
    gt_gdt[selector / 8] = (gt_gdt[selector / 8] & ~(0xfful << 40)) | access << 40;
}

static void rescue(void)
{
    if (by_task_gates)
        gt_task_rescue_all();
}

static void not_present(void)
{
    rescue();
    set_access(GT_TASK_NEW, 0x09);
}

static void busy(void)
{
    rescue();
    gt_task_set_busy(GT_TASK_NEW);
}

static void limit_short(void)
{
    rescue();
    gt_gdt[GT_TASK_NEW / 8] = (gt_gdt[GT_TASK_NEW / 8] & ~0xfffful) | 0x66;
}

static void limit_short16(void)
{
    rescue();
    gt_gdt[GT_TASK_NEW / 8] = (gt_gdt[GT_TASK_NEW / 8] & ~0xfffful) | 0x2a;
}

static void target_null(void)
{
    rescue();
    gt_task.target = 0;
}

static void target_beyond(void)
{
    rescue();
    gt_task.target = GT_GDT_SIZE;
}

static void target_ldt(void)
{
    rescue();
    gt_task.target = GT_TASK_NEW | 4;
}

static void target_rpl(void)
{
    rescue();
    gt_task.target = GT_TASK_NEW | 3;
}

static void target_data(void)
{
    rescue();
    gt_task.target = GT_DATA;
}

static void target_ldt_descriptor(void)
{
    rescue();
    gt_gdt[GT_TASK_SPARE / 8] = gt_descriptor(0, 0xff, 0x82, 0);
    gt_task.target = GT_TASK_SPARE;
}

static void gate_absent(void)
{
    rescue();
    gt_task.target = GT_TASK_GATE;
    set_access(GT_TASK_GATE, 0x05);
}

static void gate_to(u32 selector)
{
    rescue();
    gt_task.target = GT_TASK_GATE;
    gt_gdt[GT_TASK_GATE / 8] = gt_task_gate(selector);
    gt_mode_idt()[0x20] = gt_task_gate(selector);
}

static void gate_to_data(void)
{
    gate_to(GT_DATA);
}

static void gate_to_null(void)
{
    gate_to(0);
}

static void gate_to_ldt(void)
{
    gate_to(GT_TASK_NEW | 4);
}

static void gate_to_busy(void)
{
    gate_to(GT_TASK_NEW);
    gt_task_set_busy(GT_TASK_NEW);
}

static void gate_to_absent(void)
{
    gate_to(GT_TASK_NEW);
    set_access(GT_TASK_NEW, 0x09);
}

static void gate_to_short(void)
{
    gate_to(GT_TASK_NEW);
    gt_gdt[GT_TASK_NEW / 8] = (gt_gdt[GT_TASK_NEW / 8] & ~0xfffful) | 0x66;
}

/* IRET with NT set: the link is the target. */
static void link_null(void)
{
    rescue();
    gt_task_set_link(0);
}

static void link_available(void)
{
    rescue();
    gt_task_set_link(GT_TASK_NEW);
}

static void link_ldt(void)
{
    rescue();
    gt_task_set_link(GT_TASK_NEW | 4);
}

static void link_data(void)
{
    rescue();
    gt_task_set_link(GT_DATA);
}

static void link_absent(void)
{
    rescue();
    gt_task_set_link(GT_TASK_NEW);
    set_access(GT_TASK_NEW, 0x0b);
}

static void link_beyond(void)
{
    rescue();
    gt_task_set_link(GT_GDT_SIZE + 8);
}

/* ---- behind the commit: the new task's own state -------------------------------------------
 */

#define STATE(NAME, CHANGE)   \
    static void NAME(void)    \
    {                         \
        gt_task_rescue_all(); \
        CHANGE;               \
    }
#define SPARE(BASE, LIMIT, ACCESS, FLAGS) \
    gt_gdt[GT_TASK_SPARE / 8] = gt_descriptor(BASE, LIMIT, ACCESS, FLAGS)

STATE(cs_null, gt_task.new32->cs = 0)
STATE(cs_data, gt_task.new32->cs = GT_DATA)
STATE(cs_rpl, gt_task.new32->cs = GT_CODE32 | 3)
STATE(cs_beyond, gt_task.new32->cs = GT_GDT_SIZE)
STATE(cs_ldt, gt_task.new32->cs = GT_CODE32 | 4)
STATE(cs_absent, (SPARE(0, 0xfffff, 0x1b, 0xc), gt_task.new32->cs = GT_TASK_SPARE))
STATE(cs_limit, (SPARE(0, 0xf, 0x9b, 0x4), gt_task.new32->cs = GT_TASK_SPARE))
STATE(cs_conforming, (SPARE(0, 0xfffff, 0x9f, 0xc), gt_task.new32->cs = GT_TASK_SPARE))
STATE(ss_null, gt_task.new32->ss = 0)
STATE(ss_code, gt_task.new32->ss = GT_CODE32)
STATE(ss_rpl, gt_task.new32->ss = GT_DATA | 3)
STATE(ss_user, gt_task.new32->ss = GT_UDATA)
STATE(ss_absent, (SPARE(0, 0xfffff, 0x13, 0xc), gt_task.new32->ss = GT_TASK_SPARE))
STATE(ss_read_only, (SPARE(0, 0xfffff, 0x91, 0xc), gt_task.new32->ss = GT_TASK_SPARE))
STATE(ss_beyond, gt_task.new32->ss = GT_GDT_SIZE)
STATE(ds_absent, (SPARE(0, 0xfffff, 0x13, 0xc), gt_task.new32->ds = GT_TASK_SPARE))
STATE(ds_execute_only, (SPARE(0, 0xfffff, 0x99, 0xc), gt_task.new32->ds = GT_TASK_SPARE))
STATE(ds_system, gt_task.new32->ds = GT_TASK_OLD)
STATE(es_beyond, gt_task.new32->es = GT_GDT_SIZE + 3)
STATE(fs_ldt, gt_task.new32->fs = GT_DATA | 4)
STATE(gs_rpl, gt_task.new32->gs = GT_DATA | 3)
STATE(ds_null, gt_task.new32->ds = gt_task.new32->es = 3)
STATE(ldt_data, gt_task.new32->ldt = GT_DATA)
STATE(ldt_ti, gt_task.new32->ldt = GT_TASK_LDT | 4)
STATE(ldt_beyond, gt_task.new32->ldt = GT_GDT_SIZE)
STATE(ldt_absent, (SPARE(0, 0xff, 0x02, 0), gt_task.new32->ldt = GT_TASK_SPARE))
STATE(user_ss_kernel, (gt_task.new32->cs = GT_UCODE32 | 3, gt_task.new32->ss = GT_DATA))
STATE(user_ds_kernel, (gt_task.new32->cs = GT_UCODE32 | 3, gt_task.new32->ss = GT_UDATA | 3,
                       gt_task.new32->ds = GT_DATA))
STATE(eip_wild, (SPARE(0, 0xffff, 0x9b, 0x4), gt_task.new32->cs = GT_TASK_SPARE,
                 gt_task.new32->eip = 0x10000))
/* The last descriptor of the LDT, whole and cut: the GDT's own, seen through an LDT. */
#define LDT_UPTO(LAST)                                                                       \
    (SPARE((u32)(u64)gt_gdt, GT_DATA + (LAST), 0x82, 0), gt_task.new32->ldt = GT_TASK_SPARE, \
     gt_task.new32->ds = GT_DATA | 4)
STATE(ds_ldt_whole, LDT_UPTO(7))
STATE(ds_ldt_cut, LDT_UPTO(6))
/* The exception that the old task raised goes to a task that cannot be loaded: contributory and
 * contributory make #DF. */
STATE(gp_to_bad, (SPARE(0, 0xfffff, 0x13, 0xc), gt_task.new32->ds = GT_TASK_SPARE,
                  gt_mode_idt()[13] = gt_task_gate(GT_TASK_NEW)))
STATE(ud_to_bad, (SPARE(0, 0xfffff, 0x13, 0xc), gt_task.new32->ds = GT_TASK_SPARE,
                  gt_mode_idt()[6] = gt_task_gate(GT_TASK_NEW)))
STATE(int1_to_bad, (SPARE(0, 0xfffff, 0x13, 0xc), gt_task.new32->ds = GT_TASK_SPARE,
                    gt_mode_idt()[1] = gt_task_gate(GT_TASK_NEW)))
STATE(int_to_bad, (SPARE(0, 0xfffff, 0x13, 0xc), gt_task.new32->ds = GT_TASK_SPARE,
                   gt_mode_idt()[0x20] = gt_task_gate(GT_TASK_NEW)))
STATE(t_bit_and_cs, (gt_task.new32->debug_trap = 1, gt_task.new32->cs = GT_DATA))

#define JMP  "jmp", gt_mode_task_jmp32, gt_mode_task_jmp16
#define CALL "call", gt_mode_task_call32, gt_mode_task_call16
#define INT  "int", gt_mode_task_int32, gt_mode_task_int16
#define IRET "iret", gt_mode_task_iret32, gt_mode_task_iret16

/* A selector that is null, is outside the GDT or names no available TSS is #GP, an absent gate or
 * TSS #NP, a short limit #TS. A bad link of IRET is #TS. The exception is the old task's: the
 * switch has changed nothing. SDM 3A 8.3 "Task Switching" */
static const struct gt_task_case before[] = {
    {"jmp not present", JMP, NEW(ud), not_present},
    {"call not present", CALL, NEW(ud), not_present},
    {"jmp busy", JMP, NEW(ud), busy},
    {"call busy", CALL, NEW(ud), busy},
    {"jmp limit", JMP, NEW(ud), limit_short},
    {"call limit", CALL, NEW(ud), limit_short},
    {"jmp null", JMP, NEW(ud), target_null},
    {"jmp beyond the gdt", JMP, NEW(ud), target_beyond},
    {"jmp ti", JMP, NEW(ud), target_ldt},
    {"call ti", CALL, NEW(ud), target_ldt},
    {"jmp rpl 3", JMP, NEW(ud), target_rpl},
    {"jmp data", JMP, NEW(ud), target_data},
    {"jmp ldt", JMP, NEW(ud), target_ldt_descriptor},
    {"gate absent jmp", JMP, NEW(ud), gate_absent},
    {"gate to data call", CALL, NEW(ud), gate_to_data},
    {"gate to null call", CALL, NEW(ud), gate_to_null},
    {"gate to ti jmp", JMP, NEW(ud), gate_to_ldt},
    {"gate to busy call", CALL, NEW(ud), gate_to_busy},
    {"gate to absent call", CALL, NEW(ud), gate_to_absent},
    {"gate to short call", CALL, NEW(ud), gate_to_short},
    {"int to data", INT, NEW(ud), gate_to_data},
    {"int to null", INT, NEW(ud), gate_to_null},
    {"int to ti", INT, NEW(ud), gate_to_ldt},
    {"int to busy", INT, NEW(ud), gate_to_busy},
    {"int to absent", INT, NEW(ud), gate_to_absent},
    {"int to short", INT, NEW(ud), gate_to_short},
    {"iret null", IRET, NEW(ud), link_null},
    {"iret available", IRET, NEW(ud), link_available},
    {"iret ti", IRET, NEW(ud), link_ldt},
    {"iret data", IRET, NEW(ud), link_data},
    {"iret absent", IRET, NEW(ud), link_absent},
    {"iret beyond", IRET, NEW(ud), link_beyond},
};

#define BEHIND(NAME)                       \
    {#NAME, JMP, NEW(ud), NAME},           \
    {                                      \
#NAME " call", CALL, NEW(ud), NAME \
    }
/* The exception is the new task's. A bad selector is #TS, an absent segment #NP, an absent stack
 * #SS, and EIP above the limit #GP(0). SDM 3A 8.3 "Task Switching" */
/* clang-format off */
static const struct gt_task_case behind[] = {
    BEHIND(cs_null),        BEHIND(cs_data),         BEHIND(cs_rpl),
    BEHIND(cs_beyond),      BEHIND(cs_ldt),          BEHIND(cs_absent),
    BEHIND(cs_limit),       BEHIND(cs_conforming),   BEHIND(ss_null),
    BEHIND(ss_code),        BEHIND(ss_rpl),          BEHIND(ss_user),
    BEHIND(ss_absent),      BEHIND(ss_read_only),    BEHIND(ss_beyond),
    BEHIND(ds_absent),      BEHIND(ds_execute_only), BEHIND(ds_system),
    BEHIND(es_beyond),      BEHIND(fs_ldt),          BEHIND(gs_rpl),
    BEHIND(ds_null),        BEHIND(ldt_data),        BEHIND(ldt_ti),
    BEHIND(ldt_beyond),     BEHIND(ldt_absent),      BEHIND(user_ss_kernel),
    BEHIND(user_ds_kernel), BEHIND(eip_wild),        BEHIND(t_bit_and_cs),
    BEHIND(ds_ldt_whole),   BEHIND(ds_ldt_cut),
    {"gp to bad task", "gp", gt_mode_task_gp32, gt_mode_task_gp16, NEW(ud), gp_to_bad},
    {"ud to bad task", "ud", gt_mode_task_ud32, gt_mode_task_ud16, NEW(ud), ud_to_bad},
    /* EXT in the error code: INT n, INT3 and INTO leave it clear, INT1 does not. SDM 3A
     * 6.13 "Error Code" */
    {"int1 to bad task", "int1", gt_mode_task_icebp32, gt_mode_task_icebp16, NEW(ud), int1_to_bad},
    {"int to bad task", INT, NEW(ud), int_to_bad},
};
/* clang-format on */

/* The new TSS lies where nothing is mapped: #PF before anything was changed. A CALL writes the
 * link: #PF where the TSS is read-only. SDM 3A 4.7 "Page-Fault Exceptions" */
static void tss_unmapped(void)
{
    rescue();
    gt_gdt[GT_TASK_NEW / 8] = gt_descriptor(0xc0000000, sizeof(struct gt_tss32) - 1, 0x89, 0);
    *(u32 *)((u64)gt_mode_cr3(GT_MODE_PAGED32) + (0xc0000000u >> 22) * 4) = 0;
}

static void tss_read_only(void)
{
    u32 *pde = (u32 *)((u64)gt_mode_cr3(GT_MODE_PAGED32) + (0xc0000000u >> 22) * 4);

    rescue();
    *pde = ((u32)(u64)gt_task.new32 & 0xffc00000u) | 0x81; /* present, not writable */
    gt_gdt[GT_TASK_NEW / 8] = gt_descriptor(0xc0000000u + ((u32)(u64)gt_task.new32 & 0x3fffff),
                                            sizeof(struct gt_tss32) - 1, 0x89, 0);
}

static void page_faults(void)
{
    static const struct gt_task_case rows[] = {
        {"tss unmapped jmp", JMP, NEW(ud), tss_unmapped},
        {"tss unmapped call", CALL, NEW(ud), tss_unmapped},
        {"tss read-only jmp", JMP, NEW(ud), tss_read_only},
        {"tss read-only call", CALL, NEW(ud), tss_read_only},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        gt_task_run(&rows[i], GT_MODE_PAGED32, false, false);
}

TEST_MAIN(task_bad)
{
    static const struct gt_task_case short16 = {"jmp limit", JMP, NEW(ud), limit_short16};

    gt_map_load();
    gt_load_tr();
    gt_mode_prepare();
    gt_task_prepare();
    for (unsigned round = 0; round < 2; round++) {
        by_task_gates = round;
        gt_line("round %u: %s gates", round, round ? "task" : "interrupt");
        for (size_t i = 0; i < ARRAY_LEN(before); i++)
            gt_task_run(&before[i], GT_MODE_PROTECTED, false, false);
        gt_task_run(&short16, GT_MODE_PROTECTED, false, true);
        page_faults();
    }
    for (size_t i = 0; i < ARRAY_LEN(behind); i++)
        gt_task_run(&behind[i], GT_MODE_PROTECTED, false, false);
}
