/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events whose delivery meets memory that EPT does not map yet: IDT, GDT, TSS and stack lie in
 * pages of the hole that nobody has touched. L0 fills the page and must deliver the same event
 * again: same vector, error code, instruction length and flags. Bare, the pages are ordinary
 * memory. SDM 3C 28.2.4 "Information for VM Exits During Event Delivery"
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_hole.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

/* One page holds all four structures, as behind the hole every page is the same one. */
enum { IDT_AT = 0, IDT_SIZE = 0x700, GDT_AT = 0x800, TSS_AT = 0xa00, STACK_TOP = 0xff0 };
enum { IPI_VECTOR = 0x61 };

static struct gt_hole hole;
static u64 next_page;
static volatile unsigned interrupts;

#define BLOB(NAME, CODE)                                                                     \
    extern const char blob_##NAME[] GT_HIDDEN;                                               \
    __asm__(".pushsection .text\n.hidden blob_" #NAME "\n.globl blob_" #NAME "\nblob_" #NAME \
            ":\n" CODE "\nud2\n.popsection")

BLOB(ud, "nop\nud2");
BLOB(int3, "nop\nint3");
BLOB(int_n, "nop\nint $0x62");
BLOB(icebp, "nop\n.byte 0xf1");
BLOB(gp, "mov $0x1f8, %eax\nmov %eax, %ds");
BLOB(pf, "mov (%rsi), %eax");
BLOB(de, "xor %ecx, %ecx\ndiv %ecx");
BLOB(step, "nop\nnop");
BLOB(cpuid_step, "cpuid\nnop");
BLOB(window, "nop\nnop\nnop");
BLOB(vmcall, "vmcall");

static void fill_image(u64 page)
{
    CopyMem((void *)(page + IDT_AT), gt_idt, IDT_SIZE);
    CopyMem((void *)(page + GDT_AT), gt_gdt, GT_GDT_SIZE);
    CopyMem((void *)(page + TSS_AT), gt_tss, sizeof *gt_tss);
}

/* A page that holds the image and has not been touched: in the hole all pages do after one has.
 */
static u64 fresh(void)
{
    u64 page = hole.base + next_page * PAGE_SIZE;

    next_page = (next_page + 1) % (hole.size / PAGE_SIZE - 1);
    if (!hole.real)
        fill_image(page);
    return page;
}

/* Which structures are fresh: one bit each. */
enum { FRESH_IDT = 1, FRESH_GDT = 2, FRESH_STACK = 4, FRESH_TSS = 8 };

static void prepare(unsigned what, struct gt_frame *f)
{
    if (what & FRESH_TSS) {
        u64 base = fresh() + TSS_AT;

        gt_gdt[GT_TSS / 8] = gt_descriptor((u32)base, sizeof *gt_tss - 1, 0x89, 0);
        __asm__ volatile("ltr %w0" : : "r"(GT_TSS) : "memory");
    }
    if (what & FRESH_STACK)
        f->rsp = fresh() + STACK_TOP;
    if (what & FRESH_GDT)
        gt_lgdt((struct gt_table_register){GT_GDT_SIZE - 1, fresh() + GDT_AT});
    if (what & FRESH_IDT)
        gt_lidt((struct gt_table_register){IDT_SIZE - 1, fresh() + IDT_AT});
}

static void restore(unsigned what)
{
    gt_lgdt((struct gt_table_register){GT_GDT_SIZE - 1, (u64)gt_gdt});
    gt_lidt((struct gt_table_register){256 * 16 - 1, (u64)gt_idt});
    if (what & FRESH_TSS)
        gt_load_tr();
}

static void run(const char *name, const char *code, unsigned cpl, u64 flags, unsigned what)
{
    static u8 *absent;
    struct gt_frame f = gt_context(code, cpl, false);
    u64 rsp;

    if (absent == NULL) {
        absent = gt_pages(1);
        *gt_map_page((u64)absent) = 0;
        gt_invlpg(absent);
    }
    f.rsi = (u64)absent;
    f.rflags |= flags;
    interrupts = 0;
    gt_write_dr6(0xffff0ff0);
    prepare(what, &f);
    rsp = f.rsp;
    gt_enter(&f);
    restore(what);
    gt_line("%s cpl %u fresh %x: %s cs %lx flags %lx rsp %+ld interrupts %u dr6 %lx", name, cpl,
            what, gt_exc_text(), gt_exc.frame.cs, gt_exc.frame.rflags,
            (int64_t)(gt_exc.frame.rsp - rsp), interrupts, gt_read_dr6() & 0xe00f);
}

static bool on_interrupt(struct gt_frame *f)
{
    interrupts++;
    if (f->vector == IPI_VECTOR)
        gt_apic_write(GT_APIC_EOI, 0);
    return true;
}

/* INT n is a trap to a hook; the UD2 behind it ends the case. */
static bool on_software(struct gt_frame *f)
{
    (void)f;
    interrupts += 0x10;
    return true;
}

static void request(unsigned kind)
{
    gt_apic_write(GT_APIC_ICR_HIGH, gt_apic_read(GT_APIC_ID) & 0xff000000);
    gt_apic_write(GT_APIC_ICR, kind);
    for (unsigned i = 0; i < 200; i++)
        __asm__ volatile("pause" : : : "memory");
}

/* Each event arrives once, with its vector, error code, RIP and flags, whichever structures are
 * fresh. SDM 3A 6.13 "Error Code", SDM 3A 6.15 "Exception and Interrupt Reference" */
static void every_event(unsigned what)
{
    static const struct {
        const char *name, *code;
        u64 flags;
    } rows[] = {
        {"ud", blob_ud, 0},
        {"int3", blob_int3, 0},
        {"int", blob_int_n, 0},
        {"icebp", blob_icebp, 0},
        {"gp", blob_gp, 0},
        {"pf", blob_pf, 0},
        {"de", blob_de, 0},
        {"step", blob_step, RFLAGS_TF},
        {"cpuid step", blob_cpuid_step, RFLAGS_TF},
        {"vmcall", blob_vmcall, 0},
    };

    for (unsigned cpl = 0; cpl < 4; cpl += 3)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            run(rows[i].name, rows[i].code, cpl, rows[i].flags, what);
    request(GT_APIC_ASSERT | IPI_VECTOR);
    run("interrupt", blob_window, 0, RFLAGS_IF, what);
    request(GT_APIC_ASSERT | IPI_VECTOR);
    run("interrupt", blob_window, 3, RFLAGS_IF, what);
}

/* An NMI of the 8254, counted; which instruction of the storm it meets does not matter. Each
 * arrives once. SDM 3A 6.7.1 "Handling Multiple NMIs" */
static void nmis(unsigned what)
{
    unsigned delivered = 0;

    for (unsigned i = 0; i < 10; i++) {
        interrupts = 0;
        gt_pit_one_shot((u16)(300 + gt_rand() % 100));
        prepare(what & ~FRESH_STACK, NULL);
        for (unsigned turn = 0; turn < 400000 && interrupts == 0; turn++)
            gt_cpuid(0, 0);
        for (unsigned turn = 0; turn < 50; turn++)
            gt_cpuid(0, 0);
        delivered += interrupts == 1;
        restore(what);
    }
    gt_line("nmi fresh %x: %u of 10", what, delivered);
}

TEST_MAIN(redeliver)
{
    gt_device_take();
    gt_map_load();
    gt_load_tr();
    gt_hole_find(&hole);
    gt_hook(IPI_VECTOR, on_interrupt);
    gt_hook(0x62, on_software);
    gt_hook(VEC_NMI, on_interrupt);
    gt_idt[0x62 * 2] |= 3ul << 45;
    gt_idt[VEC_BP * 2] |= 3ul << 45;
    fill_image(hole.base + hole.size - PAGE_SIZE);
    gt_ioapic_pit(GT_APIC_NMI);
    for (unsigned what = 0; what < 16; what++) {
        gt_hole_untouch();
        every_event(what);
        nmis(what);
    }
    gt_hole_untouched();
    gt_ioapic_pit(GT_APIC_MASKED);
    gt_device_give();
}
