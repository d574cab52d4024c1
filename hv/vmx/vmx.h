/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract of hv/vmx: the hardware, and nothing about nesting. struct vm is what one L1 has;
 * struct cpu is what one processor has. Every function gets the one that it works on.
 *
 * The life of an exit (hv/main.c): vmx_enter -> exit_snapshot -> a row of cpu->rows -> its
 * handler's outcome, applied once. Handlers read cpu->exit, cpu->st and cpu->regs; they do
 * not VMREAD, except by asking exit_more for groups that their row did not name.
 */
#ifndef HV_VMX_VMX_H
#define HV_VMX_VMX_H

#include "hv/arch/cpu.h"
#include "hv/arch/exit.h"
#include "hv/arch/mtrr.h"
#include "hv/arch/pagewalk.h"
#include "hv/core/desc.h"
#include "hv/core/log.h"
#include "hv/core/mem.h"
#include "hv/core/percpu.h"
#include "hv/ring/ring.h"
#include "hv/screen/screen.h"
#include "hv/vmx/caps.h"
#include "hv/vmx/ept_l1.h"
#include "hv/vmx/regs.h"
#include "hv/vmx/snap.h"
#include "hv/vmx/vmcs.h"
#include "hv/core/boot_info.h"

struct check_cpu;
struct nested;
struct paranoid;
struct gdb;
struct exit_row;

#define NO_APIC_PAGE (~0ull)

/* One L1. After bring-up nothing here changes but the log, EPT01's trees, and what their locks
 * guard (ARCHITECTURE.md "Locks"). */
struct vm {
    struct mem mem;
    struct cpu_facts facts; /* what all processors can do (caps.h) */
    struct ept01 ept01;
    u8 *msr_bitmap; /* where L1's RDMSR and WRMSR exit: vmcs01's MSR bitmap, one page */
    hpa_t msr_bitmap_hpa;
    struct sleep *sleep; /* S3 is refused (hv/sleep/sleep.h); NULL: it is not */
    struct log log;
    struct ring *ring;    /* what the log wrote last; NULL: nobody gave memory for it */
    struct screen screen; /* the firmware's framebuffer */
    hpa_t hole;
    u64 hole_size;
    hpa_t sink; /* the page that every page of the hole shows */
    u32 range_count;
    u32 depth;                     /* Nidus instances below this one */
    const struct vmx_caps *shown;  /* the VMX that L1 is shown; NULL when nested is off */
    const struct check_cpu *judge; /* the CPU itself as the entry rules see it */
    /* the options of these names (boot_info.h) */
    u32 profile, shadow, fast, stress, tlb, trace, plant, cmos, hvbit;
    u32 hide1_ecx; /* bits of CPUID.1:ECX that L1 is not shown because of an erratum */
    u32 committed; /* all processors are launched, and none may leave again. Atomic */
    u32 cpu_count;
    struct cpu *cpu[BOOT_MAX_CPUS];
    struct boot_range range[BOOT_MAX_RANGES]; /* RAM, disjoint, the largest first */
    u32 unit_count, unit_lock, unit_faults; /* the lock guards the count of faults, and the rings */
    struct boot_range unit[BOOT_MAX_UNITS]; /* registers of VT-d units; L1 sees the sink page */
};

#define LAST_WALKS 4

/* One processor. percpu is the first member: GS points at it, and cpu_of needs no offset. */
struct cpu {
    struct percpu percpu;
    struct regs regs;               /* L1's or L2's, whichever ran last */
    const struct exit_row *rows[2]; /* by in_l2, then by basic reason: rows_l1, and hv/nested's */
    const struct exit_row *rows_l1; /* the table of L1's exits */
    struct vm *vm;
    struct vmcs *current; /* the CPU's current VMCS, always one of L0's */
    u32 have;             /* SNAP_* groups that are valid */
    struct vmexit exit;
    struct exit_state st;
    struct vmcs vmxon, vmcs01;
    u64 cr0_shadow, cr4_shadow; /* the read shadows of vmcs01 */
    u64 cr0_fixed, cr4_fixed;   /* bits that L1 may not clear: 0 outside VMX operation */
    struct {
        u32 vector, error;
        u64 address; /* of a #PF; gla.h puts each linear address here before it translates it */
    } fault;         /* the exception that outcome INJECT delivers */
    struct ept01_tree *ept01; /* the tree of EPT01 that this processor uses */
    struct mtrr_state mtrr;   /* L1's MTRRs of this processor; they decide which tree */
    bool mtrr_written;        /* since ept01_follow */
    u64 feature_control;      /* L1's IA32_FEATURE_CONTROL */
    u64 feature_legal;        /* the bits that a WRMSR of it may set */
    gpa1_t apic_page;         /* the page that the local APIC covers; NO_APIC_PAGE: none */
    struct plain_walk walk[LAST_WALKS]; /* of L1's tables, by page: hv/vmx/gla.c */
    u64 first_touches;                  /* EPT violations in the hole */
    u32 msr_told[32], msr_told_count;   /* refused numbers of MSRs that the log has named */
    struct flush_audit audit;
    struct nested *nested;               /* NULL with nested=off */
    struct paranoid *paranoid;           /* with stress=paranoid */
    struct gdb *gdb;                     /* with gdb= */
    struct trace *trace;                 /* with trace= */
    struct stale_linear *stale_linear;   /* with tlb=strict and verbose= */
    u64 exits[2][EXIT_REASON_COUNT];     /* [0] from L1, [1] from L2 */
    u64 told[2][EXIT_REASON_COUNT / 64]; /* bit: the log has told that the exit was unwanted */
    bool nmi_waits; /* an NMI waits for L1's NMI window, which vmcs01's controls ask for */
    bool leaving;   /* in bring-up: this processor is to leave Nidus again */
    enum {
        ROOT_NOT,
        ROOT_ENTERED,
        ROOT_TRIED
    } root;                  /* VMX operation; then also a VM entry tried */
    struct handoff *handoff; /* NULL when bring-up is over */
    u64 planted;             /* what a field held (hv/plant.h) */
    bool dead;               /* L1 had a VMX abort: only a reset ends this state */
    u32 in_l2;
    u32 crossings; /* changes between L1 and L2, counted for hv/paranoid/flush_audit.c */
    struct ring_exits last;
    struct desc desc;
};

static inline struct cpu *cpu_of(struct percpu *p)
{
    return (struct cpu *)p;
}

/* exit.c */

/* Reads the groups of `mask` (SNAP_*) and forgets all others. cpu->exit.reason is hv/main.c's to
 * fill.
 * @pre an exit has just happened; its VMCS is current. The functions below want that VMCS too. */
void exit_snapshot(struct cpu *cpu, u32 mask);
/* Reads those groups of `mask` that are not valid yet. */
void exit_more(struct cpu *cpu, u32 mask);
/* Completes the instruction that exited: moves RIP behind it and wraps RIP by mode, ends
 * blocking by STI and MOV SS, clears RF, and makes the single step pending that TF asks for.
 * Reads what it needs. */
void exit_advance(struct cpu *cpu);
/* Makes the next entry deliver an exception. `error` is ignored for a vector without an error code.
 * Reads what it needs. */
void inject_exception(struct cpu *cpu, u32 vector, u32 error);
/* Makes the next entry deliver the event (hv/arch/event.h). */
struct event;
void inject_event(const struct event *e);
/* For an exit that L0 has resolved. If the exit interrupted the delivery of an event, the next
 * entry delivers the event again. If the exit cut an IRET short, NMIs are blocked again.
 * @pre SNAP_IDT; SNAP_QUAL or SNAP_INTR where the reason tells of IRET by one of them */
void inject_again(struct cpu *cpu);
/* For an exit that L0 has resolved before the instruction was executed, as an EPT violation: the
 * guest does the instruction, or the delivery of the event, again. @pre as inject_again */
void exit_retry(struct cpu *cpu);
/* Lets the CPU execute the instruction that exited, now that nothing makes it exit. A
 * breakpoint on the instruction was reported before the exit, so RF keeps the CPU from reporting
 * it again. Reads what it needs. */
void exit_execute_again(struct cpu *cpu);
/* The instruction that exited was not executed: no single step over it stays pending, whatever
 * the exit saved. */
void exit_unpend_step(void);

/* Read and write a general register by its encoding. RSP is in the current VMCS. */
u64 reg_read(struct cpu *cpu, enum reg r);
/* A register operand as an instruction takes it: whole in 64-bit mode, else its low 32 bits. Reads
 * SNAP_MODE. */
u64 reg_operand(struct cpu *cpu, enum reg r);
void reg_write(struct cpu *cpu, enum reg r, u64 v);
/* True when the guest executes 64-bit code. Reads SNAP_MODE. */
bool guest_is_64bit(struct cpu *cpu);
/* The CPL of the guest. Reads SNAP_MODE. */
u32 guest_cpl(struct cpu *cpu);

/* The controls that L0 needs in vmcs01 and in vmcs02. l1.c adds what L0 needs in vmcs01 alone. */
#define L0_CPU1_CTL (CPU1_USE_MSR_BITMAPS | CPU1_SECONDARY)
#define L0_EXIT_CTL                                                                         \
    (EXIT_HOST_ADDR_SPACE_SIZE | EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_PAT | EXIT_LOAD_PAT | \
     EXIT_SAVE_EFER | EXIT_LOAD_EFER)
#define L0_ENTRY_CTL (ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)

/* IA32_EFER and IA32_PAT as a VM exit loads them. The PAT is the one of reset. */
#define HOST_EFER (EFER_LME | EFER_LMA | EFER_NXE)
#define HOST_PAT  0x0007040600070406ull

/* l1.c */

/* Drops L1's cached linear translations. Called after L0 changed what they depend on. */
void vpid01_flush(const struct cpu *cpu);
/* INVVPID: drops what the CPU has cached for a tag. @pre vm->facts.vpid; vpid is not 0 */
void vpid_flush(const struct vm *vm, u16 vpid);

/* The bits of CR0 and CR4 that L0 owns. L1 reads its own values from the read shadows. */
#define CR0_MASK01 CR0_NE
#define CR4_MASK01 (CR4_VMXE | ~CR4_KNOWN)

/* L1's VPID. 0 is the VPID of guests without VPID and of root mode. */
#define VPID01 1u

/* Takes the memory of the VMXON region and of vmcs01. False when memory is short. */
bool cpu_reserve(struct cpu *cpu) MUST_CHECK;
/* Builds vmcs01 from the captured context h and makes it current. @pre VMX operation */
void vmcs01_init(struct cpu *cpu, const struct handoff *h);

#endif
