/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What boot/ tells the core, in fixed-width integers only. boot/ fills in the structs in pages that
 * both sides map at the same address; the core copies what it keeps. Members whose name ends in
 * _hpa are physical addresses of the machine; sizes are in bytes.
 */
#ifndef HV_CORE_BOOT_INFO_H
#define HV_CORE_BOOT_INFO_H

#include "hv/arch/segment.h"
#include "hv/screen/screen.h"

#define BOOT_INFO_MAGIC 0x6f666e496469644eull /* "NdidInfo" */
#define BOOT_MAX_RANGES 512
#define BOOT_MAX_CPUS   64
#define BOOT_MAX_UNITS  32

/* clang-format off */
enum boot_log {
    BOOT_LOG_NONE = 0, BOOT_LOG_E9 = 1, BOOT_LOG_COM1 = 2, BOOT_LOG_COM2 = 3,
    BOOT_LOG_PORT = 4, /* a UART elsewhere: its first port */
};
/* clang-format on */
enum boot_profile {
    BOOT_PROFILE_BROADWELL = 0, /* the i7-5600U */
    BOOT_PROFILE_E5_2683V4 = 1,
    BOOT_PROFILE_D1540 = 2,
    BOOT_PROFILE_HOST = 3,
};

/* Stress switches, chosen at run time: stress=remerge|restore|paranoid|... */
#define STRESS_REMERGE  (1u << 0)
#define STRESS_RESTORE  (1u << 1)
#define STRESS_PARANOID (1u << 2)
#define STRESS_FLUSH    (1u << 3)
#define STRESS_EVICT    (1u << 4)
/* For tests of the way back: the last processor pretends another VMCS revision, or its launch
 * fails after all others have been launched. */
#define STRESS_ODD_CPU  (1u << 5)
#define STRESS_LAST_CPU (1u << 6)
/* For tests without VMX: `dry` leaves VT-d's guard in force, and chain= runs under it. */
#define STRESS_GUARD (1u << 7)
/* Not of stress=, but handled by the same loop: the stale-translation detector, and trace=. */
#define STRESS_STALE (1u << 16)
#define STRESS_TRACE (1u << 17)

/* What L0 does against attacks by speculation; boot/spec.h decides. */
#define SPEC_L1D  (1u << 0) /* L0 flushes the L1 data cache before each entry */
#define SPEC_VERW (1u << 1) /* L0 clears the processor's buffers by VERW before each entry */
#define SPEC_IBPB (1u << 2) /* L0 executes a barrier for indirect branches between L2 and L1 */
#define SPEC_RSB  (1u << 3) /* L0 fills the return stack after each exit */
#define SPEC_CTRL (1u << 4) /* L0 has a value of its own in IA32_SPEC_CTRL */
#define SPEC_ALL  31u

enum boot_gdb { BOOT_GDB_NONE = 0, BOOT_GDB_COM2 = 1, BOOT_GDB_WAIT = 2 };
enum boot_tlb { BOOT_TLB_DEFAULT = 0, BOOT_TLB_STRICT = 1, BOOT_TLB_EAGER = 2 };

/* The stacks of one processor lie in one piece: one page for each exception stack, then the stack
 * that L0 runs on. Below each stack is a page that L0 maps nowhere, so an overflow faults. */
#define BOOT_IST_STACKS  4
#define BOOT_IST_STRIDE  (2 * PAGE_SIZE)
#define BOOT_STACK_SIZE  (4 * PAGE_SIZE)
#define BOOT_STACKS_SIZE (BOOT_IST_STACKS * BOOT_IST_STRIDE + PAGE_SIZE + BOOT_STACK_SIZE)

/* Four bytes of CMOS (cmos=on): the mark, the stage, its detail, and the three combined by XOR. */
#define BOOT_CMOS_AT   0x78u
#define BOOT_CMOS_MARK 0x4eu

/* One range of RAM (every UEFI memory type that is backed by memory), page aligned. */
struct boot_range {
    u64 base, size;
};

/* Where L1 asks for S3: the I/O ports of the ACPI registers PM1a status, PM1a and PM1b control (0:
 * none), and the sleep types to refuse there, a bit each. All zero: nothing is refused. */
struct boot_sleep {
    u16 status, control[2];
    u8 types[2];
};

struct boot_info {
    u64 magic;
    u64 region_hpa, region_size; /* L0's own memory: the hole; 2 MiB aligned */
    u64 core_hpa, core_size;     /* the core's image with bss, inside the region */
    u64 ring_hpa;                /* struct ring (hv/ring/ring.h); 0: none */
    u64 pool_hpa, pool_size;     /* free pages for the core, inside the region */
    u64 cr3_hpa;                 /* one root of L0's page tables for each processor */
    u64 stacks_hpa;              /* BOOT_STACKS_SIZE bytes for each processor */
    u64 physmap_va;              /* where L0 maps RAM: va = physmap_va + hpa */
    u32 log;                     /* enum boot_log; with BOOT_LOG_PORT, the port in bits 23:8 */
    u32 verbose;                 /* 0..2 */
    u32 nested;                  /* 0: L1 sees no VMX */
    u32 profile;                 /* enum boot_profile */
    u32 shadow;                  /* 1: use VMCS shadowing for L1 when the CPU has it */
    u32 fast;                    /* 1: the short path between L1 and L2 */
    u32 stress;                  /* STRESS_* */
    u32 tlb;                     /* enum boot_tlb */
    u32 gdb;                     /* enum boot_gdb */
    u32 trace;                   /* TRACE_* of hv/trace/record.h; 0: off */
    u32 spec;                    /* SPEC_* */
    u32 cmos;                    /* 1: tell the stage in CMOS */
    u32 hvbit;                   /* 0: CPUID shows no hypervisor */
    u32 no_deadline, no_timer;   /* 1: hide the TSC-deadline timer, the VMX-preemption timer */
    struct screen screen;        /* the firmware's framebuffer */
    u32 plant;                   /* a fault for tests (hv/plant.h); 0: none */
    u32 cpu_count;               /* processors that are brought under Nidus */
    u32 can_vmx;                 /* 0: `dry` on a processor without VMX */
    u32 range_count;
    struct boot_range range[BOOT_MAX_RANGES];
    u32 unit_count;                         /* VT-d units that keep devices out of the region */
    struct boot_range unit[BOOT_MAX_UNITS]; /* their registers: whole pages */
    struct boot_sleep sleep;
};

/* The head of the core's image, which linker.ld lays out. The ends are offsets from base_va in
 * bytes. */
#define CORE_MAGIC 0x65726f43756469ull
struct core_header {
    u64 magic, base_va, entry_va;
    u64 text_end, rodata_end, end;
};

struct PACKED handoff_dtr {
    u16 limit;
    u64 base;
    u16 reserved[3];
};

#define HANDOFF_WHY_MAX 320
#define HANDOFF_GDT     32u /* descriptors; L0's own selectors lie behind (hv/core/desc.h) */
#define HANDOFF_IDT     20u /* gates, up to #MC */
#define HANDOFF_STACK   32

/* What boot/ asks the core to do on this processor, in this order. The bootstrap processor makes
 * HANDOFF_PREPARE and HANDOFF_SETTLE; all make HANDOFF_PROBE; then each other processor is
 * launched, and the bootstrap processor last. A refusal at any step leaves the processor as it
 * was. */
enum handoff_op {
    HANDOFF_PREPARE = 0,  /* takes all memory, reads this processor's capabilities */
    HANDOFF_EXAMINE = 1,  /* reads another processor's, and joins them */
    HANDOFF_SETTLE = 2,   /* decides what L1 is shown */
    HANDOFF_PROBE = 3,    /* each processor: which VMCS fields it has; may settle anew */
    HANDOFF_REHEARSE = 4, /* all that a launch does, up to VMLAUNCH, and back */
    HANDOFF_LAUNCH = 5,
};

/*
 * One processor's context at the moment when L0 takes it over, and the way to the core. The struct
 * lives in pages of L0's region that both sides map at their physical address, one behind the
 * other. boot/ fills in l0_*, seg, cpu, op and info. handoff.asm fills in the rest, with interrupts
 * off. The core itself reads the MSRs that the switch leaves alone.
 */
struct handoff {
    u64 l0_cr3, l0_stack, l0_entry;
    u32 op, cpu; /* enum handoff_op; the processor's number, 0 for the bootstrap processor */
    u64 vm;      /* the core's, from HANDOFF_PREPARE on. boot/ copies it to the other handoffs */
    u64 eptp;    /* of EPT01, from HANDOFF_REHEARSE on; 0 without VMX */
    const struct boot_info *info;
    u64 back; /* where handoff.asm goes on when the core returns, with RBX = the handoff */
    /* IA32_FEATURE_CONTROL before nidus.efi locked it, and the bits that WRMSR may set there */
    u64 feature_control, feature_legal;
    u64 rip, rsp, rflags;
    u64 cr0, cr2, cr3, cr4, efer, dr7;
    struct handoff_dtr gdtr, idtr;
    struct segment seg[SEG_COUNT];
    /* The bridge: a copy of the firmware's GDT, an IDT for NMI and #MC, and a stack, for the
     * moments in which only this page and the code of handoff.asm are mapped. */
    struct handoff_dtr bridge_gdtr, bridge_idtr;
    u64 bridge_gdt[HANDOFF_GDT];
    u64 bridge_idt[2 * HANDOFF_IDT];
    u64 bridge_stack[HANDOFF_STACK];
    u16 nmi, mc; /* 1: one came */
    /* In words: why the core refuses, or what it found with HANDOFF_OK; empty when that is
     * nothing */
    char why[HANDOFF_WHY_MAX];
};

/* For nidus.efi, as L1, until all processors are launched; then the leaf is empty. Subleaf 0:
 * all are launched. Subleaf 1: this processor leaves Nidus again. */
#define LEAF_NIDUS_BRINGUP 0x40000003u

/* What hv_entry returns when it could not launch. HANDOFF_OK is what L1 sees after a launch. */
enum handoff_status {
    HANDOFF_OK = 0,
    HANDOFF_NO_MEMORY = 1,
    HANDOFF_NO_VMX = 2, /* a capability is missing; boot/ checks them all beforehand */
    HANDOFF_VMXON = 3,
    HANDOFF_REFUSED = 4, /* handoff.why says what */
    HANDOFF_LEFT = 5,    /* this processor was L1 and has left Nidus again (LEAF_NIDUS_BRINGUP) */
    HANDOFF_TURNED_BACK = 6, /* VMLAUNCH or the first VMRESUME was tried; handoff.why says what */
};

#endif
