/* L0's descriptor tables: GDT, TSS with a stack for every kind of exception, IDT. One set per
 * processor, in struct cpu. */
#ifndef HV_CORE_DESC_H
#define HV_CORE_DESC_H

#include "hv/arch/types.h"
#include "hv/core/trap.h"
#include "hv/core/boot_info.h"

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS  0x18

#define IST_OTHER 1 /* our bugs, and instructions that may fault */
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
    u64 gdt[5];
    struct tss tss;
    u64 gs_base;
    struct gate idt[TRAP_COUNT] __attribute__((aligned(16)));
};

/* Fills *d; `stacks` is IST_COUNT times BOOT_IST_STRIDE, gs_base the struct percpu. */
void desc_init(struct desc *d, u8 *stacks, u64 gs_base);

/* Loads GDT, TR, IDT, segment registers and GS base on this CPU. Once per bring-up. */
void desc_load(struct desc *d);

/* Takes this processor into the shutdown state, by a fault that finds no IDT: the
 * platform resets. */
void cpu_shut_down(void) NORETURN;

#endif
