/*
 * The contract of hv/vmx: the hardware, and nothing about nesting. struct vm is what one L1
 * has, struct cpu what one processor has; every function gets the one it works on.
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
#include "hv/core/desc.h"
#include "hv/core/log.h"
#include "hv/core/mem.h"
#include "hv/core/percpu.h"
#include "hv/vmx/caps.h"
#include "hv/vmx/ept_l1.h"
#include "hv/vmx/regs.h"
#include "hv/vmx/snap.h"
#include "hv/vmx/vmcs.h"
#include "hv/core/boot_info.h"

struct check_cpu;
struct nested;
struct paranoid;
struct exit_row;

/* Where L1's RDMSR and WRMSR exit: vmcs01's MSR bitmap, one page (hv/vmx/msr_l1.h). */
struct msr_policy {
    u8 *bitmap;
    hpa_t bitmap_hpa;
    u32 told[32], told_count; /* refused numbers that the log has named */
};

#define NO_APIC_PAGE (~0ull)

/* One L1. */
struct vm {
    struct mem mem;
    struct cpu_facts facts;  /* of the CPU itself */
    struct mtrr_state mtrr;  /* as L1 has set them; EPT01's memory types */
    struct ept01 ept01;
    struct msr_policy msr;
    struct log log;
    hpa_t hole;
    u64 hole_size;
    gpa1_t apic_page; /* where the local APIC covers memory; NO_APIC_PAGE: nowhere */
    u32 range_count;
    u32 depth;    /* Nidus instances below this one */
    const struct vmx_caps *shown; /* the VMX that L1 is shown; NULL when nested is off */
    const struct check_cpu *judge; /* the CPU itself as the entry rules see it (hv/nested/explain/explain.h) */
    u32 profile, shadow, stress, tlb; /* boot_info's options, for hv/nested */
    u64 first_touches; /* of the hole's pages */
    struct boot_range range[BOOT_MAX_RANGES]; /* RAM, disjoint, the largest first */
};

#define LAST_EXITS 16

/* One processor. percpu is first: GS finds it. */
struct cpu {
    struct percpu percpu;
    struct regs regs; /* L1's or L2's, whichever ran last */
    const struct exit_row *rows;    /* by basic reason: rows_l1, or hv/nested's while L2 runs */
    const struct exit_row *rows_l1; /* the table of L1's exits */
    struct vm *vm;
    struct vmcs *current; /* the VMCS that the CPU has as current, always one of ours */
    u32 have;             /* SNAP_* groups that are valid */
    struct vmexit exit;
    struct exit_state st;
    struct vmcs vmxon, vmcs01;
    u64 cr0_shadow, cr4_shadow; /* L1's: vmcs01's read shadows */
    u64 cr0_fixed, cr4_fixed;   /* bits that L1 may not clear: 0 outside VMX operation */
    struct {
        u32 vector, error;
        u64 address; /* of a #PF, or where the last translation of hv/vmx/gla.h stood */
    } fault; /* what outcome INJECT delivers */
    struct flush_audit audit;
    struct nested *nested; /* NULL with nested=off */
    struct paranoid *paranoid; /* with stress=paranoid */
    u64 exits[2][EXIT_REASON_COUNT]; /* [0] from L1, [1] from L2 */
    u64 told[2][EXIT_REASON_COUNT / 64]; /* the same of reasons that nobody wanted: told in the log */
    bool nmi_waits; /* for L1's window, in vmcs01's controls */
    bool dead;  /* L1 had a VMX abort: nothing but a reset ends that */
    u32 in_l2;
    u32 crossings; /* from L1 to L2 and back, for the audit */
    u32 last_at;
    struct {
        u32 reason;
        u64 rip;
    } last[LAST_EXITS];
    struct desc desc;
};

static inline struct cpu *cpu_of(struct percpu *p)
{
    return (struct cpu *)p;
}

/* exit.c */

/* Reads the exit reason and the groups of `mask`. @pre an exit has just happened. */
void exit_snapshot(struct cpu *cpu, u32 mask);
/* Reads those groups of `mask` that are not valid yet. */
void exit_more(struct cpu *cpu, u32 mask);
/* Completes the instruction that exited: RIP wrapped by mode, STI and MOV-SS blocking and RF
 * cleared, pending-debug BS set when TF asks for it. Reads what it needs. */
void exit_advance(struct cpu *cpu);
/* Makes the next entry deliver an exception; error is ignored for vectors without one. */
void inject_exception(struct cpu *cpu, u32 vector, u32 error);
/* Makes the next entry deliver any event (hv/arch/event.h). */
struct event;
void inject_event(const struct event *e);
/* An exit that L0 resolved came while an event was being delivered: deliver it again, with what
 * the exit says. Also restores NMI blocking after an IRET that was cut short.
 * @pre SNAP_IDT; SNAP_QUAL or SNAP_INTR where the reason tells of IRET by one of them. */
void inject_again(struct cpu *cpu);
/* The same for an EPT violation that L0 resolved: the instruction, or the delivery, is done anew. */
void exit_retry(struct cpu *cpu);
/* The instruction exited, and nobody wants the exit any more: the CPU is to do it. It is not new to
 * the CPU, so a breakpoint on it has been there. Reads what it needs. */
void exit_execute_again(struct cpu *cpu);

/* The instruction was not executed: no single step over it is pending, whatever the exit saved. */
void exit_unpend_step(void);

/* A general register by its encoding; RSP comes from and goes to the VMCS. */
u64 reg_read(struct cpu *cpu, enum reg r);
/* A register operand as an instruction takes it: whole in 64-bit mode, else its low 32 bits. Reads SNAP_MODE. */
u64 reg_operand(struct cpu *cpu, enum reg r);
void reg_write(struct cpu *cpu, enum reg r, u64 v);
/* True when the current guest executes 64-bit code; its CPL. Read SNAP_MODE. */
bool guest_is_64bit(struct cpu *cpu);
u32 guest_cpl(struct cpu *cpu);

/* What L0 needs of the controls of either VMCS. What is L0's own in vmcs01 alone stands in l1.c. */
#define L0_CPU1_CTL  (CPU1_USE_MSR_BITMAPS | CPU1_SECONDARY)
#define L0_EXIT_CTL  (EXIT_HOST_ADDR_SPACE_SIZE | EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_PAT | EXIT_LOAD_PAT | \
                      EXIT_SAVE_EFER | EXIT_LOAD_EFER)
#define L0_ENTRY_CTL (ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)

/* What a VM exit loads. The PAT is the one of reset. */
#define HOST_EFER (EFER_LME | EFER_LMA | EFER_NXE)
#define HOST_PAT  0x0007040600070406ull

/* l1.c */

/* Drops L1's linear translations, after L0 changed what they follow. */
void vpid01_flush(const struct cpu *cpu);
/* Drops what the CPU has cached with this tag of its own. @pre vm->facts.vpid */
void vpid_flush(const struct vm *vm, u16 vpid);

/* The bits of CR0 and CR4 that L0 owns: L1 sees its own value of them in the read shadow. */
#define CR0_MASK01 CR0_NE
#define CR4_MASK01 (CR4_VMXE | ~CR4_KNOWN)

/* L1's tag. 0 is for guests without VPID. */
#define VPID01 1u

/* Builds vmcs01 from the captured context and makes it current. False when memory is short. */
bool vmcs01_init(struct cpu *cpu, const struct handoff *h) MUST_CHECK;

#endif
