/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptor tables of a running test: the firmware's GDT and IDT, copied and extended.
 * The firmware's gates for vectors 32 and up stay valid, so its timer may tick when a test sets
 * IF: its code selector means the same in both GDTs.
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/gt_private.h"

enum {
    EXCEPTIONS = 32,
    GATES = 256,
    STUB_SIZE = 16,
    STACK_PAGES = 4,
    INTERRUPT_GATE = 0x8e, /* present, DPL 0, 64-bit interrupt gate */
    TSS_AVAILABLE = 0x89,
};

u64 *gt_gdt;
u64 *gt_idt;
struct gt_tss64 *gt_tss;
u16 gt_firmware_cs, gt_firmware_ds;
static struct gt_table_register firmware_gdtr, firmware_idtr;

u64 gt_descriptor(u32 base, u32 limit, unsigned access, unsigned flags)
{
    return (u64)(limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(access & 0xff) << 40 |
           (u64)(limit >> 16 & 0xf) << 48 | (u64)(flags & 0xf) << 52 | (u64)(base >> 24) << 56;
}

void gt_gate(unsigned vector, void *handler, u16 cs, unsigned access, unsigned ist)
{
    u64 at = (u64)handler;

    gt_idt[vector * 2] = (at & 0xffff) | (u64)cs << 16 | (u64)(ist & 7) << 32 |
                         (u64)(access & 0xff) << 40 | (at >> 16 & 0xffff) << 48;
    gt_idt[vector * 2 + 1] = at >> 32;
}

void gt_gate_default(unsigned vector)
{
    gt_gate(vector, gt_stubs + vector * STUB_SIZE, GT_CODE64, INTERRUPT_GATE, 0);
}

static void *stack_top(void *pages)
{
    return (char *)pages + STACK_PAGES * 4096;
}

/* The TSS and its stacks outlive the program: TR cannot be made null again. */
static void build_tss(char *pages)
{
    gt_tss = (struct gt_tss64 *)pages;
    pages += 4096;
    gt_tss->rsp[0] = (u64)stack_top(pages);
    for (unsigned i = 0; i < 3; i++)
        gt_tss->ist[i] = (u64)stack_top(pages + (i + 1) * STACK_PAGES * 4096);
    gt_tss->iopb = sizeof *gt_tss;
}

static void *leaked_pages(size_t count)
{
    EFI_PHYSICAL_ADDRESS at = 0xffffffff;

    if (BS->AllocatePages(AllocateMaxAddress, EfiBootServicesData, count, &at) != EFI_SUCCESS)
        return NULL;
    SetMem((void *)at, count * 4096, 0);
    return (void *)at;
}

static void copy_table(void *to, struct gt_table_register from, size_t room)
{
    size_t size = (size_t)from.limit + 1;

    CopyMem(to, (void *)from.base, size < room ? size : room);
}

void gt_desc_build(void)
{
    char *pages = leaked_pages(2 + 1 + 4 * STACK_PAGES);

    firmware_gdtr = gt_sgdt();
    firmware_idtr = gt_sidt();
    gt_firmware_cs = gt_read_cs();
    gt_firmware_ds = gt_read_ds();
    gt_gdt = (u64 *)pages;
    gt_idt = (u64 *)(pages + 4096);
    build_tss(pages + 2 * 4096);
    copy_table(gt_gdt, firmware_gdtr, GT_CODE64);
    copy_table(gt_idt, firmware_idtr, GATES * 16);
    gt_gdt[GT_CODE64 / 8] = gt_descriptor(0, 0xfffff, 0x9b, 0xa);
    gt_gdt[GT_DATA / 8] = gt_descriptor(0, 0xfffff, 0x93, 0xc);
    gt_gdt[GT_CODE32 / 8] = gt_descriptor(0, 0xfffff, 0x9b, 0xc);
    gt_gdt[GT_CODE16 / 8] = gt_descriptor(0, 0xffff, 0x9b, 0);
    gt_gdt[GT_DATA16 / 8] = gt_descriptor(0, 0xffff, 0x93, 0);
    gt_gdt[GT_UCODE32 / 8] = gt_descriptor(0, 0xfffff, 0xfb, 0xc);
    gt_gdt[GT_UDATA / 8] = gt_descriptor(0, 0xfffff, 0xf3, 0xc);
    gt_gdt[GT_UCODE64 / 8] = gt_descriptor(0, 0xfffff, 0xfb, 0xa);
    for (unsigned v = 0; v < EXCEPTIONS; v++)
        gt_gate_default(v);
}

void gt_load_tr(void)
{
    gt_load_tr_limit(sizeof *gt_tss - 1);
}

void gt_load_tr_limit(u32 limit)
{
    u64 base = (u64)gt_tss;

    gt_gdt[GT_TSS / 8] = gt_descriptor((u32)base, limit, TSS_AVAILABLE, 0);
    gt_gdt[GT_TSS / 8 + 1] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(GT_TSS) : "memory");
}

void gt_desc_enter(void)
{
    gt_lgdt((struct gt_table_register){GT_GDT_SIZE - 1, (u64)gt_gdt});
    gt_lidt((struct gt_table_register){GATES * 16 - 1, (u64)gt_idt});
    gt_load_segments(GT_CODE64, GT_DATA);
}

void gt_desc_leave(void)
{
    gt_lgdt(firmware_gdtr);
    gt_lidt(firmware_idtr);
    gt_load_segments(gt_firmware_cs, gt_firmware_ds);
}
