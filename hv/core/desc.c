/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds and loads L0's descriptor tables. Contract in desc.h. */
#include "hv/core/desc.h"
#include "hv/core/privileged.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

#define DESC_CODE64    0x00af9b000000ffffull
#define DESC_DATA      0x00cf93000000ffffull
#define DESC_TSS       0x0000890000000000ull
#define GATE_INTERRUPT 0x8e00ull

static void gate_set(struct gate *g, u64 handler, u64 cs, u64 ist)
{
    g->lo = (handler & 0xffff) | (cs << 16) | (ist << 32) | (GATE_INTERRUPT << 32) |
            (bits(handler, 31, 16) << 48);
    g->hi = handler >> 32;
}

static u64 ist_of(u32 vector)
{
    switch (vector) {
    case VEC_NMI:
        return IST_NMI;
    case VEC_DF:
        return IST_DF;
    case VEC_MC:
        return IST_MC;
    default:
        return IST_OTHER;
    }
}

void desc_init(struct desc *d, u8 *stacks, u64 gs_base, u16 cs, u16 ss)
{
    u64 tss = (u64)&d->tss;
    d->gs_base = gs_base;
    if (ss / 8u < HANDOFF_GDT)
        d->gdt[ss / 8] = DESC_DATA;
    if (cs / 8u < HANDOFF_GDT)
        d->gdt[cs / 8] = DESC_CODE64;
    d->gdt[SEL_CODE / 8] = DESC_CODE64;
    d->gdt[SEL_DATA / 8] = DESC_DATA;
    d->gdt[SEL_TSS / 8] =
        DESC_TSS | (sizeof(struct tss) - 1) | (bits(tss, 23, 0) << 16) | (bits(tss, 31, 24) << 56);
    d->gdt[SEL_TSS / 8 + 1] = tss >> 32;
    d->tss.io_map_base = sizeof(struct tss);
    for (u32 i = 0; i < IST_COUNT; i++)
        d->tss.ist[i] = (u64)stacks + (i + 1) * BOOT_IST_STRIDE;
    for (u32 v = 0; v < TRAP_COUNT; v++) {
        gate_set(&d->idt[v], trap_stubs[v], SEL_CODE, ist_of(v));
        gate_set(&d->early_idt[v], trap_stubs[v], cs / 8u < HANDOFF_GDT ? cs : SEL_CODE, 0);
    }
}

void desc_load(struct desc *d)
{
    struct PACKED {
        u16 limit;
        u64 base;
    } gdtr = {sizeof d->gdt - 1, (u64)d->gdt}, idtr = {sizeof d->early_idt - 1, (u64)d->early_idt};

    __asm__ volatile("mov %0, %%fs\n mov %0, %%gs" : : "r"(0));
    wrmsr(MSR_IA32_GS_BASE, d->gs_base);
    __asm__ volatile("lgdt %0\n lidt %1\n"
                     "mov %2, %%ds\n mov %2, %%es\n mov %2, %%ss\n"
                     "pushq %3\n leaq 1f(%%rip), %%rax\n pushq %%rax\n lretq\n1:\n"
                     :
                     : "m"(gdtr), "m"(idtr), "r"(SEL_DATA), "i"(SEL_CODE)
                     : "rax", "memory");
}

void cpu_shut_down(void)
{
    struct PACKED {
        u16 limit;
        u64 base;
    } none = {0, 0};

    for (;;)
        __asm__ volatile("lidt %0\n ud2" : : "m"(none) : "memory");
}
