/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt hardware of a PC. The firmware's programming of the 8259s and the 8254 cannot be
 * read back; it is what OVMF is known to use (some versions tick by the 8254, some by the local
 * APIC's timer), and t_irq checks that the firmware's timer goes on after it.
 */
#include "guest-tests/lib/gt_device.h"
#include "hv/arch/msr.h"

enum {
    PIC1 = 0x20,
    PIC2 = 0xa0,
    PIC_ICW1 = 0x11,
    PIC_ICW4 = 0x01,
    PIC_READ_IRR = 0x0a,
    PIC_EOI = 0x20,
    FIRMWARE_VECTOR1 = 0x68,
    FIRMWARE_VECTOR2 = 0x70,
    PIT0 = 0x40,
    PIT_MODE = 0x43,
    FIRMWARE_PIT_COUNT = 11932, /* 10 ms */
    IOAPIC = 0xfec00000,
    IOAPIC_PIT_PIN = 2,
    IOAPIC_TABLE = 0x10,
    SVR_ENABLE = 0x100,
    SPURIOUS = 0xff,
};

/* clang-format off */
static const u16 kept_registers[] = {
    GT_APIC_TPR,       GT_APIC_SVR,       GT_APIC_LVT_TIMER,    GT_APIC_LVT_LINT0,
    GT_APIC_LVT_LINT1, GT_APIC_LVT_ERROR, GT_APIC_TIMER_DIVIDE, GT_APIC_TIMER_INITIAL};
/* clang-format on */
static u32 kept[ARRAY_LEN(kept_registers)], kept_ioapic[2];
static u16 kept_mask;

static volatile u32 *apic(u32 reg)
{
    return (volatile u32 *)((gt_rdmsr(MSR_IA32_APIC_BASE) & ~0xffful) + reg);
}

u32 gt_apic_read(u32 reg)
{
    return *apic(reg);
}

void gt_apic_write(u32 reg, u32 v)
{
    *apic(reg) = v;
}

u32 gt_ioapic_read(u32 index)
{
    *(volatile u32 *)IOAPIC = index;
    return *(volatile u32 *)(IOAPIC + 0x10);
}

void gt_ioapic_write(u32 index, u32 v)
{
    *(volatile u32 *)IOAPIC = index;
    *(volatile u32 *)(IOAPIC + 0x10) = v;
}

void gt_ioapic_pit(u32 low)
{
    gt_ioapic_write(IOAPIC_TABLE + 2 * IOAPIC_PIT_PIN, GT_APIC_MASKED);
    gt_ioapic_write(IOAPIC_TABLE + 2 * IOAPIC_PIT_PIN + 1, gt_apic_read(GT_APIC_ID) & 0xff000000);
    gt_ioapic_write(IOAPIC_TABLE + 2 * IOAPIC_PIT_PIN, low);
}

static void pic_init(u8 vector1, u8 vector2)
{
    gt_outb(PIC1, PIC_ICW1);
    gt_outb(PIC2, PIC_ICW1);
    gt_outb(PIC1 + 1, vector1);
    gt_outb(PIC2 + 1, vector2);
    gt_outb(PIC1 + 1, 4);
    gt_outb(PIC2 + 1, 2);
    gt_outb(PIC1 + 1, PIC_ICW4);
    gt_outb(PIC2 + 1, PIC_ICW4);
}

void gt_pic_mask(u16 mask)
{
    gt_outb(PIC1 + 1, (u8)mask);
    gt_outb(PIC2 + 1, (u8)(mask >> 8));
}

u16 gt_pic_requests(void)
{
    gt_outb(PIC1, PIC_READ_IRR);
    gt_outb(PIC2, PIC_READ_IRR);
    return (u16)(gt_inb(PIC1) | gt_inb(PIC2) << 8);
}

void gt_pic_eoi(void)
{
    gt_outb(PIC1, PIC_EOI);
}

static void pit_program(u8 mode, u16 count)
{
    gt_outb(PIT_MODE, mode);
    gt_outb(PIT0, (u8)count);
    gt_outb(PIT0, (u8)(count >> 8));
}

void gt_pit_one_shot(u16 count)
{
    pit_program(0x30, count);
}

void gt_pit_periodic(u16 count)
{
    pit_program(0x34, count);
}

void gt_device_take(void)
{
    kept_mask = (u16)(gt_inb(PIC1 + 1) | gt_inb(PIC2 + 1) << 8);
    pic_init(GT_PIC_VECTOR, GT_PIC_VECTOR + 8);
    gt_pic_mask(0xffff);
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++)
        kept[i] = gt_apic_read(kept_registers[i]);
    for (unsigned i = 0; i < 2; i++)
        kept_ioapic[i] = gt_ioapic_read(IOAPIC_TABLE + 2 * IOAPIC_PIT_PIN + i);
    gt_apic_write(GT_APIC_SVR, SVR_ENABLE | SPURIOUS);
    gt_apic_write(GT_APIC_LVT_TIMER, GT_APIC_MASKED);
    gt_apic_write(GT_APIC_TPR, 0);
}

void gt_device_give(void)
{
    gt_apic_write(GT_APIC_TIMER_INITIAL, 0);
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++)
        gt_apic_write(kept_registers[i], kept[i]);
    for (unsigned i = 2; i-- > 0;)
        gt_ioapic_write(IOAPIC_TABLE + 2 * IOAPIC_PIT_PIN + i, kept_ioapic[i]);
    pic_init(FIRMWARE_VECTOR1, FIRMWARE_VECTOR2);
    gt_pic_mask(kept_mask);
    if (!(kept_mask & 1))
        pit_program(0x36, FIRMWARE_PIT_COUNT);
}
