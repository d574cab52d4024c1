/* SPDX-License-Identifier: BSD-2-Clause */
/* Filling in TSSs and descriptors for one task-switch case, running it, printing what became of
 * it. */
#include "guest-tests/lib/gt_task.h"
#include "hv/arch/cpu.h"

enum {
    TSS32_AVAILABLE = 0x89,
    TSS16_AVAILABLE = 0x81,
    BUSY = 2,
    STACK_NEW = 0xc800,
    STACK_NEW0 = 0xca00,
    STACK_OLD0 = 0xcc00,
    STACK_RESCUE = 0xce00,
    POINTERS_AT = 0xdc00,
    RESCUES = 6,
};

struct gt_task_state gt_task;
static struct gt_tss32 *rescue[RESCUES];
static const u8 rescued[RESCUES] = {VEC_UD, VEC_DF, VEC_TS, VEC_NP, VEC_SS, VEC_GP};
static enum gt_mode current_mode = GT_MODE_PROTECTED;

u64 gt_task_gate(u32 selector)
{
    return (u64)selector << 16 | 0x85ul << 40;
}

void gt_task_set_link(u32 selector)
{
    if (gt_task.old_is_16)
        gt_task.old16->link = (u16)selector;
    else
        gt_task.old32->link = selector;
}

void gt_task_set_busy(u32 selector)
{
    gt_gdt[selector / 8] |= (u64)BUSY << 40;
}

void gt_task_rescue_all(void)
{
    for (unsigned i = 0; i < RESCUES; i++)
        gt_mode_idt()[rescued[i]] = gt_task_gate(GT_TASK_RESCUE + 8 * i);
}

static void describe(u32 selector, const void *tss, bool is_16)
{
    u32 limit = is_16 ? sizeof(struct gt_tss16) - 1 : sizeof(struct gt_tss32) - 1;

    gt_gdt[selector / 8] =
        gt_descriptor((u32)(u64)tss, limit, is_16 ? TSS16_AVAILABLE : TSS32_AVAILABLE, 0);
}

static u32 cr3_of_mode(void)
{
    return current_mode == GT_MODE_PAGED32 || current_mode == GT_MODE_PAE
               ? gt_mode_cr3(current_mode)
               : 0;
}

static void fill32(struct gt_tss32 *t, u32 eip, u32 stack)
{
    SetMem(t, sizeof *t, 0);
    t->esp0 = gt_mode_base() + STACK_NEW0;
    t->ss0 = GT_DATA;
    t->cr3 = cr3_of_mode();
    t->eip = eip;
    t->eflags = (u32)RFLAGS_FIXED;
    t->eax = 0xa1a1a1a1;
    t->ecx = 0xa2a2a2a2;
    t->edx = 0xa3a3a3a3;
    t->ebx = 0xa4a4a4a0;
    t->esp = gt_mode_base() + stack;
    t->ebp = gt_mode_base();
    t->esi = gt_mode_base() + POINTERS_AT;
    t->edi = 0xa5a5a5a5;
    t->cs = GT_CODE32;
    t->ss = t->ds = t->es = GT_DATA;
    t->fs = GT_DATA;
    t->io_map = sizeof *t;
}

static void fill16(struct gt_tss16 *t, u32 ip)
{
    SetMem(t, sizeof *t, 0);
    t->sp0 = STACK_NEW0;
    t->ss0 = GT_MODE_DATA16;
    t->ip = (u16)ip;
    t->flags = (u16)RFLAGS_FIXED;
    t->ax = 0xb1b1;
    t->cx = 0xb2b2;
    t->dx = 0xb3b3;
    t->bx = 0xb4b0;
    t->sp = STACK_NEW;
    t->bp = 0xb5b5;
    t->si = POINTERS_AT;
    t->di = 0xb6b6;
    t->cs = GT_MODE_CODE16;
    t->ss = t->ds = t->es = GT_MODE_DATA16;
}

/* The old task runs already; its TSS gives only stacks and, for IRET, the link. */
static void fill_old(void)
{
    SetMem(gt_task.old32, sizeof *gt_task.old32, 0);
    SetMem(gt_task.old16, sizeof *gt_task.old16, 0);
    gt_task.old32->esp0 = gt_mode_base() + STACK_OLD0;
    gt_task.old32->ss0 = GT_DATA;
    gt_task.old32->cr3 = cr3_of_mode();
    gt_task.old32->io_map = sizeof *gt_task.old32;
    gt_task.old16->sp0 = STACK_OLD0;
    gt_task.old16->ss0 = GT_MODE_DATA16;
}

static void fill_rescues(void)
{
    for (unsigned i = 0; i < RESCUES; i++) {
        fill32(rescue[i], gt_mode_base() + gt_mode_offset(gt_mode_task_rescue), STACK_RESCUE);
        rescue[i]->ebx = rescued[i];
        rescue[i]->edi = rescued[i] != VEC_UD;
        describe(GT_TASK_RESCUE + 8 * i, rescue[i], false);
    }
}

/* The far pointers that the snippets use: new as m16:32 and m16:16, old likewise. */
static void fill_pointers(void)
{
    u32 *at = (u32 *)(u64)(gt_mode_base() + POINTERS_AT);

    at[0] = 0xdeadbeef; /* the offset of a far pointer to a task is ignored */
    at[1] = gt_task.target;
    at[2] = gt_task.target << 16 | 0xbeef;
    at[4] = 0xdeadbeef;
    at[5] = GT_TASK_OLD;
    at[6] = (u32)GT_TASK_OLD << 16 | 0xbeef;
}

void gt_task_nmi_gate(enum gt_mode mode)
{
    current_mode = mode; /* whose CR3 the task gets */
    fill32(rescue[0], gt_mode_base() + gt_mode_offset(gt_mode_task_rescue), STACK_RESCUE);
    rescue[0]->ebx = VEC_NMI;
    rescue[0]->edi = 0;
    describe(GT_TASK_RESCUE, rescue[0], false);
    gt_mode_idt()[VEC_NMI] = gt_task_gate(GT_TASK_RESCUE);
}

void gt_task_prepare(void)
{
    u8 *page = gt_pages(1);

    gt_task.old32 = (void *)page;
    gt_task.new32 = (void *)(page + 0x100);
    gt_task.old16 = (void *)(page + 0x200);
    gt_task.new16 = (void *)(page + 0x300);
    for (unsigned i = 0; i < RESCUES; i++)
        rescue[i] = (void *)(page + 0x400 + 0x100 * i);
}

/* "+offset" inside the block's segment, so that its place does not show. */
static const char *place(u32 v)
{
    static char text[4][16];
    static unsigned turn;
    char *t = text[turn++ % 4];
    u32 base = gt_mode_base();

    if (v - base < 0x10000)
        gt_format(t, sizeof text[0], "+%x", v - base);
    else
        gt_format(t, sizeof text[0], "%x", v);
    return t;
}

static const char *cr3_name(u32 cr3)
{
    if (cr3 == 0)
        return "0";
    if (cr3 == gt_task.other_cr3)
        return "other";
    return cr3 == gt_mode_cr3(GT_MODE_PAE) || cr3 == gt_mode_cr3(GT_MODE_PAGED32) ? "own" : "?";
}

static void print32(const char *name, const char *which, const struct gt_tss32 *t, u32 selector)
{
    gt_line("%s %s: type %lx link %x eip %s flags %x eax %x ecx %x edx %x ebx %x esp %s ebp %s "
            "esi %s",
            name, which, gt_gdt[selector / 8] >> 40 & 0xff, t->link, place(t->eip), t->eflags,
            t->eax, t->ecx, t->edx == t->cr3 ? 0xc3c3 : t->edx, t->ebx, place(t->esp),
            place(t->ebp), place(t->esi));
    gt_line("%s %s segments: cs %x ss %x ds %x es %x fs %x gs %x ldt %x cr3 %s trap %x", name,
            which, t->cs, t->ss, t->ds, t->es, t->fs, t->gs, t->ldt, cr3_name(t->cr3),
            t->debug_trap);
}

static void print16(const char *name, const char *which, const struct gt_tss16 *t, u32 selector)
{
    gt_line("%s %s: type %lx link %x ip %x flags %x ax %x cx %x dx %x bx %x sp %x bp %s si %x",
            name, which, gt_gdt[selector / 8] >> 40 & 0xff, t->link, t->ip, t->flags, t->ax, t->cx,
            t->dx, t->bx, t->sp, t->bp == (u16)gt_mode_base() ? "base" : "other", t->si);
    gt_line("%s %s segments: cs %x ss %x ds %x es %x ldt %x", name, which, t->cs, t->ss, t->ds,
            t->es, t->ldt);
}

static void print_end(const char *name, const struct gt_mode_block *b)
{
    u32 edx = b->out[3];

    gt_line("%s end: %s(%x) cs %x eip %s flags %x eax %x ebx %x ecx %x edx %s tr %x cr0 %x dr6 "
            "%lx dr7 %lx",
            name, b->vector == GT_NONE ? "came back" : gt_vector_name(b->vector), b->error,
            b->cs == gt_mode_base() >> 4 ? 0x8086 : b->cs,
            b->vector == GT_NONE ? "0" : place(b->eip + b->snippet), b->flags, b->out[0], b->out[1],
            b->out[2],
            edx == cr3_of_mode() && edx       ? "own cr3"
            : edx == gt_task.other_cr3 && edx ? "other cr3"
                                              : place(edx),
            b->tr, b->cr0_seen, gt_read_dr6() & 0xffff, gt_read_dr7());
}

static void print_rescue(const char *name, u32 vector)
{
    for (unsigned i = 0; i < RESCUES; i++)
        if (rescued[i] == vector && rescue[i]->link != 0)
            gt_line("%s rescue: link %x type %lx", name, rescue[i]->link,
                    gt_gdt[rescue[i]->link / 8] >> 40 & 0xff);
}

static void print_all(const struct gt_task_case *c, const char *name, const struct gt_mode_block *b)
{
    (void)c;
    print_end(name, b);
    print_rescue(name, b->vector);
    if (gt_task.old_is_16)
        print16(name, "old", gt_task.old16, GT_TASK_OLD);
    else
        print32(name, "old", gt_task.old32, GT_TASK_OLD);
    if (gt_task.new_is_16)
        print16(name, "new", gt_task.new16, GT_TASK_NEW);
    else
        print32(name, "new", gt_task.new32, GT_TASK_NEW);
}

static void fill(const struct gt_task_case *c)
{
    struct gt_task_state *t = &gt_task;

    t->target = GT_TASK_NEW;
    gt_mode_default_gates();
    gt_mode_idt()[0x20] = 0;
    fill_old();
    fill32(t->new32, gt_mode_base() + gt_mode_offset(c->new32), STACK_NEW);
    fill16(t->new16, gt_mode_offset(c->new16));
    fill_rescues();
    describe(GT_TASK_OLD, t->old_is_16 ? (void *)t->old16 : (void *)t->old32, t->old_is_16);
    describe(GT_TASK_NEW, t->new_is_16 ? (void *)t->new16 : (void *)t->new32, t->new_is_16);
    gt_gdt[GT_TASK_GATE / 8] = gt_task_gate(GT_TASK_NEW);
    gt_gdt[GT_TASK_SPARE / 8] = 0;
    gt_write_dr6(0xffff0ff0);
    gt_write_dr7(0x400);
}

void gt_task_run(const struct gt_task_case *c, enum gt_mode mode, bool old_is_16, bool new_is_16)
{
    u32 wide = mode != GT_MODE_PROTECTED16;
    /* clang-format off */
    u32 in[6] = {GT_TASK_OLD,
                 GT_UCODE32 | 3,
                 GT_UDATA | 3,
                 0,
                 POINTERS_AT + (wide ? gt_mode_base() : 0),
                 0};
    /* clang-format on */
    char name[64];

    current_mode = mode;
    gt_task.old_is_16 = old_is_16;
    gt_task.new_is_16 = new_is_16;
    fill(c);
    c->prepare();
    fill_pointers();
    gt_format(name, sizeof name, "%s.%u-%u %s", gt_mode_name(mode), old_is_16 ? 16 : 32,
              new_is_16 ? 16 : 32, c->name);
    print_all(c, name, gt_mode_run(mode, c->snippet32, c->snippet16, in));
    gt_write_dr7(0x400);
    gt_write_dr6(0xffff0ff0);
}
