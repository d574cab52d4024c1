/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt hardware of a PC, for tests that own it for a while: 8259s, 8254, local APIC,
 * I/O APIC. gt_device_take() remaps and masks everything; gt_device_give() puts the firmware's
 * way back.
 */
#ifndef GUEST_TESTS_LIB_GT_DEVICE_H
#define GUEST_TESTS_LIB_GT_DEVICE_H

#include "guest-tests/lib/gt.h"

enum {
    GT_PIC_VECTOR = 0x50, /* IRQ 0 of the first 8259; the second begins at 0x58 */

    GT_APIC_ID = 0x20,
    GT_APIC_VERSION = 0x30,
    GT_APIC_TPR = 0x80,
    GT_APIC_PPR = 0xa0,
    GT_APIC_EOI = 0xb0,
    GT_APIC_SVR = 0xf0,
    GT_APIC_ISR = 0x100,
    GT_APIC_IRR = 0x200,
    GT_APIC_ESR = 0x280,
    GT_APIC_ICR = 0x300,
    GT_APIC_ICR_HIGH = 0x310,
    GT_APIC_LVT_TIMER = 0x320,
    GT_APIC_LVT_LINT0 = 0x350,
    GT_APIC_LVT_LINT1 = 0x360,
    GT_APIC_LVT_ERROR = 0x370,
    GT_APIC_TIMER_INITIAL = 0x380,
    GT_APIC_TIMER_CURRENT = 0x390,
    GT_APIC_TIMER_DIVIDE = 0x3e0,

    GT_APIC_MASKED = 1 << 16,
    GT_APIC_PERIODIC = 1 << 17,
    GT_APIC_FIXED = 0 << 8,
    GT_APIC_NMI = 4 << 8,
    GT_APIC_INIT = 5 << 8,
    GT_APIC_SIPI = 6 << 8,
    GT_APIC_ASSERT = 1 << 14,
    GT_APIC_LEVEL = 1 << 15,
    GT_APIC_SELF = 1 << 18,
    GT_APIC_OTHERS = 3 << 18,
};

void gt_device_take(void); /* own vectors, all masked, local APIC software-enabled */
void gt_device_give(void);

u32 gt_apic_read(u32 reg);
void gt_apic_write(u32 reg, u32 v);
u32 gt_ioapic_read(u32 index);
void gt_ioapic_write(u32 index, u32 v);
/* The I/O APIC's entry of the 8254: delivery mode and vector as in the ICR, to this CPU; edge.
 */
void gt_ioapic_pit(u32 low);

void gt_pic_mask(u16 mask);      /* bit n = IRQ n masked */
u16 gt_pic_requests(void);       /* both request registers */
void gt_pic_eoi(void);           /* non-specific, first 8259 */
void gt_pit_one_shot(u16 count); /* channel 0, mode 0: one rising edge after count ticks */
void gt_pit_periodic(u16 count); /* channel 0, mode 2 */

#endif
