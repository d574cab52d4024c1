/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's descriptor tables: a GDT, a TSS with a stack for every kind of exception, and an IDT. Each
 * processor has one set, in struct cpu. */
#ifndef HV_CORE_DESC_H
#define HV_CORE_DESC_H

#include "hv/arch/types.h"
#include "hv/core/trap.h"
#include "hv/core/boot_info.h"

/* L0's selectors lie behind those of the firmware's GDT that struct handoff has room for. */
#define SEL_CODE (8 * HANDOFF_GDT)
#define SEL_DATA (SEL_CODE + 8)
#define SEL_TSS  (SEL_CODE + 16)

#define IST_OTHER 1 /* for our bugs, and for instructions that may fault */
#define IST_NMI   2
#define IST_DF    3
#define IST_MC    4
#define IST_COUNT BOOT_IST_STACKS

struct PACKED tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, io_map_base;
};

struct gate {
    u64 lo, hi;
};

struct desc {
    u64 gdt[HANDOFF_GDT + 4];
    struct tss tss;
    u64 gs_base;
    struct gate idt[TRAP_COUNT] __attribute__((aligned(16)));
    struct gate early_idt[TRAP_COUNT] __attribute__((aligned(16))); /* without exception stacks */
};

/* Fills in *d. stacks: the start of IST_COUNT areas of BOOT_IST_STRIDE bytes each. gs_base: the
 * address of the processor's struct percpu. Both are linear addresses of L0. cs and ss: the
 * firmware's selectors. Until desc_load has changed every register, NMIs come through the
 * firmware's CS and return to its SS, so L0's GDT has them, too.
 * SDM 3A 3.4.5 "Segment Descriptors", SDM 3A 6.14.1 "64-Bit Mode IDT" */
void desc_init(struct desc *d, u8 *stacks, u64 gs_base, u16 cs, u16 ss);

/* Loads GDT, segment registers, GS base and an IDT on this CPU, for the time before its first VM
 * exit. TR stays as it is: the first VM exit loads TR and the IDT with exception stacks, from the
 * host-state area. Until then exceptions use the stack that they find, so a refusal can give
 * everything back. */
void desc_load(struct desc *d);

/* Puts this processor into the shutdown state by a fault that finds no IDT. The platform then
 * resets. */
void cpu_shut_down(void) NORETURN;

#endif
