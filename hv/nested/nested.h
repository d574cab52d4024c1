/*
 * L1 believes it has VMX: the nested state of one processor and the effects around the pure
 * model of hv/vmcs12. Nothing here is known to hv/vmx.
 *
 * Invariants, between two exits:
 *  - `current` is NO_VMCS12 or the address of the VMCS whose working copy is `vmcs12`;
 *    L1's page may be stale until VMCLEAR, as the SDM allows.
 *  - cpu->in_l2 implies vmxon, a current VMCS12, and vmcs02 current on the CPU.
 *  - not in_l2 implies vmcs01 current on the CPU.
 */
#ifndef HV_NESTED_NESTED_H
#define HV_NESTED_NESTED_H

#include "hv/arch/operand.h"
#include "hv/vmcs12/bitmap.h"
#include "hv/vmcs12/check.h"
#include "hv/vmcs12/vmcs12.h"
#include "hv/vmx/outcome.h"

#define NO_VMCS12 (~0ull)

/* Tags of the CPU: 0 has no VPID, 1 is L1's (VPID01), these are for L1's guests. */
#define VPID02_FIRST 2u
#define VPID02_COUNT 32u

struct ept02;
struct kvm_state;
struct tail;

struct nested {
    struct vmx_caps caps;       /* what L1 is shown */
    struct check_cpu check_cpu; /* the same, as the entry rules read it */
    bool vmxon;                 /* L1 is in VMX operation */
    bool launching;             /* the entry under way began with VMLAUNCH */
    bool entering;              /* L2 has not exited since that entry */
    gpa1_t vmxon_pointer;
    gpa1_t current; /* the current-VMCS pointer, NO_VMCS12 when there is none */
    struct vmcs_image vmcs12;
    u32 settled;    /* CHECK_* groups of entry rules that hold for it whatever memory says */

    struct vmcs vmcs02;
    struct vmcs_image image02; /* what vmcs02 holds: as stored, or as fetched after an exit */
    struct vmcs_image want02;  /* what the entry under way wants it to hold */
    struct vmcs_image base02;  /* L0's own side of vmcs02 */
    struct vmcs_image image01; /* vmcs01's guest area on its way in or out */
    u16 vpid12[VPID02_COUNT];  /* whose tag VPID02_FIRST + i is; 0: nobody's */
    u16 vpid_next;             /* the slot that is taken next */
    struct ept02 *ept02;       /* EPT12s of L1 over EPT01 (ept02.h) */
    u64 hw_gates;              /* BIT(enum vmcs_gate): fields that this processor has, ... */
    u64 shadow_gates;          /* ... and that L1 has as well */
    u64 *msr_bitmap02;         /* one page: L0's map with L1's over it (bitmap02.c) */
    struct msr_open msr_open02; /* the words of it that L2 uses */
    u64 *ones, *drop;          /* pages: all ones, read where nothing is; takes writes to nowhere */
    bool vapic_nowhere;        /* `drop` is the virtual-APIC page of the L2 that runs */
    struct vmcs shadow;        /* the shadow VMCS that L1 reads and writes without an exit, ... */
    struct vmcs_image shown;   /* ... and what it held when L0 last saw it */
    u8 *vmread_bitmap, *vmwrite_bitmap;
    bool can_shadow, shadow_on;
    bool nmi_held;             /* an NMI waits for L2's window, or for L2 to leave */
    bool init_blocked;         /* an INIT waits until L1 leaves root mode */
    struct vmcs_image base12;  /* scratch of nested_load */
    struct kvm_state *state;   /* scratch of nested_save and nested_load, ... */
    struct tail *tail;
    u8 *blob;                  /* ... NESTED_STATE_MAX bytes */
    u64 refused;               /* entries that our rules passed and the CPU did not */
    u64 exit_tsc;              /* the TSC when L2 last stopped */
};

/* A field of vmcs12 got another value: these groups of rules (check_groups_of) are open again. */
static inline void nested_changed(struct nested *n, u32 groups)
{
    n->settled &= ~groups;
}

/* insn.c: the exits of L1's VMX instructions, by basic exit reason. @pre vmcs01 is current; VMREAD
 * and VMWRITE also of L2, when L1 shadows a VMCS for it and its bitmap permits the access */
enum outcome nested_vmxon(struct cpu *cpu);
enum outcome nested_vmxoff(struct cpu *cpu);
enum outcome nested_vmclear(struct cpu *cpu);
enum outcome nested_vmptrld(struct cpu *cpu);
enum outcome nested_vmptrst(struct cpu *cpu);
enum outcome nested_vmread(struct cpu *cpu);
enum outcome nested_vmwrite(struct cpu *cpu);
enum outcome nested_vmcall(struct cpu *cpu);

/* #UD outside VMX operation, then #GP(0) above CPL 0: true when neither is due, else the
 * fault is injected and *out says so. */
bool nested_permitted(struct cpu *cpu, enum outcome *out) MUST_CHECK;

/* L1 enters or leaves VMX operation: the bits of CR0 and CR4 that it may not clear. */
void nested_vmx_operation(struct cpu *cpu, bool on);

/* The three ends of a VMX instruction: flags, and the error field of the current VMCS12.
 * SDM 3C 31.2 "Conventions" (VMsucceed, VMfailInvalid, VMfailValid, VMfail) */
enum outcome nested_succeed(struct cpu *cpu);
enum outcome nested_fail_invalid(struct cpu *cpu);
enum outcome nested_fail(struct cpu *cpu, enum vmx_insn insn, enum vmx_error error);

/* Write the working copy of the current VMCS12 back to L1's page, hidden fields included. */
void nested_store_current(struct cpu *cpu);

/* operand.c: memory operands of L1's VMX instructions. Each returns true, or false with the
 * fault noted for the outcome INJECT, which the caller returns. size is at most 16 bytes. */
bool nested_operand_read(struct cpu *cpu, void *to, unsigned size) MUST_CHECK;
bool nested_operand_write(struct cpu *cpu, const void *from, unsigned size) MUST_CHECK;

/* entry.c: VMLAUNCH and VMRESUME by L1. @pre vmcs01 is current */
enum outcome nested_vmlaunch(struct cpu *cpu);
enum outcome nested_vmresume(struct cpu *cpu);
/* vmcs02 as L1's VMCS12 and L1's registers want it, into want02. @pre vmcs01 is current */
void nested_merge(struct cpu *cpu, const u64 pdpte[4]);
void nested_forget_dropped(struct cpu *cpu); /* `drop` is all ones again */
/* The CPU refused vmcs02 with VMfailValid `error` though our rules passed: unwound, logged as
 * a bug of ours, and given to L1 as the failure of its instruction. @pre in_l2 */
enum outcome nested_entry_refused(struct cpu *cpu, u32 error);

/* reflect.c */

/* The outcome REFLECT: L1 gets the exit of L2 in cpu->exit, whose groups that are not there yet are read, and
 * resumes at its host state. @pre in_l2, vmcs02 is current */
void nested_reflect(struct cpu *cpu);
/* The same for an exit that L0 makes up (an NMI it held): *x is the whole exit information. */
void nested_reflect_made_up(struct cpu *cpu, const struct vmexit *x);
/* A VM entry that failed in its late checks: reason (bit 31 set) and qualification, then L1's host
 * state. @pre vmcs01 is current and L2 did not run, or vmcs02 is */
void nested_entry_failed(struct cpu *cpu, u32 reason, u64 qualification);

/* vmcs02.c: images to and from the hardware. vmcs02_store writes only what changed.
 * @pre the VMCS of the name is current */
void vmcs02_store(struct cpu *cpu, const struct vmcs_image *want);
void vmcs02_fetch_guest(struct cpu *cpu);
/* VMCLEAR and every field written 0; leaves vmcs01 current. */
void vmcs02_reset(struct cpu *cpu);
void vmcs01_fetch_guest(struct cpu *cpu);
void vmcs01_store_guest(struct cpu *cpu);

/* abort.c: L1's processor shuts down, as behind a VMX abort. @pre vmcs01 is current */
void l1_abort(struct cpu *cpu);
/* hv/nested/crossing/msr_areas.c: the three MSR areas, in software. Each returns 0, or the number (from 1) of the
 * entry that failed. @pre vmcs02 is current for the first two, vmcs01 for the third: MSRs that
 * live in a VMCS are those of the level that runs. */
u32 nested_msr_load_entry(struct cpu *cpu);
u32 nested_msr_store(struct cpu *cpu);
u32 nested_msr_load_exit(struct cpu *cpu);

/* l2exit.c: every exit of L2. @pre in_l2, vmcs02 is current */
enum outcome nested_l2_exit(struct cpu *cpu);
/* The exit that an event caught in root mode, or made by L0, would have been: `info` is its interruption
 * information, if any. What was about to be injected shows as IDT-vectoring. @pre as above */
void nested_reflect_event(struct cpu *cpu, u32 reason, u32 info);

/* Who runs. Each makes its VMCS current. */
void nested_run_l1(struct cpu *cpu);
void nested_run_l2(struct cpu *cpu);
/* An NMI that L0 caught waits, and is pending again when L2 leaves. Does nothing while L1 runs. */
void nested_hold_nmi(struct cpu *cpu);

/* hv/nested/images/shadow01.c: VMCS shadowing for L1. push: the working copy changed, or another VMCS12 (or none)
 * is current; pull: L1 may have written shadowed fields. */
bool nested_shadow_reserve(struct cpu *cpu) MUST_CHECK; /* false: memory is short */
void nested_shadow_init(struct cpu *cpu);
void nested_shadow_push(struct cpu *cpu);
void nested_shadow_pull(struct cpu *cpu);
void nested_shadow_put(struct cpu *cpu, u64 encoding); /* one field of the working copy changed */

/* hv/nested/instructions/invalidate.c: INVEPT and INVVPID by L1; VPIDs of L1 as tags of the CPU. @pre vmcs01 is current */
enum outcome nested_invept(struct cpu *cpu);
enum outcome nested_invvpid(struct cpu *cpu);
/* Everything that the CPU has cached of any level's mappings. */
void nested_flush_all(struct cpu *cpu);
/* The CPU's tag for a VPID of L1's: found again, or taken from the bounded pool and flushed. */
u16 nested_vpid02(struct cpu *cpu, u16 vpid12);

/* ve.c: what L2 sees of virtualization without an exit to L1. @pre in_l2, vmcs02 is current */
/* An EPT violation that EPT12 lets become #VE: fills L1's information area and returns true when
 * the exception is due; false when it must be an exit. */
bool nested_ve_delivered(struct cpu *cpu) MUST_CHECK;
/* VMFUNC by L2. */
enum outcome nested_vmfunc(struct cpu *cpu);

/* hv/nested/state/blob.c: everything nested about this processor as KVM's nested-state blob plus our tail. save
 * returns the length. load takes a blob when the state is wiped: NULL, or why it is refused. */
#define NESTED_STATE_MAX (5 * PAGE_SIZE)
size_t nested_save(struct cpu *cpu, u8 *blob);
const char *nested_load(struct cpu *cpu, const u8 *blob, size_t length) MUST_CHECK;
void nested_wipe(struct cpu *cpu);
/* stress=: after every exit, what must not show. restore: save, wipe and load; flush: drop all
 * that the CPU has cached. (remerge and paranoid are vmcs02_store's, evict is hv/nested/ept02/fill.c's.) */
void nested_stress(struct cpu *cpu);

/* init.c: bring-up in two steps. reserve takes the memory, sets cpu->nested and derives the VMX
 * that L1 is to be shown: NULL, or what stands against it in one line. It touches no register, so
 * that the refusal can go back to the firmware. init, after VMXON, does the rest and sets vm->shown.
 * @pre of reserve: vm->facts; of init: reserve agreed, vmcs01 is current and complete */
const char *nested_reserve(struct cpu *cpu, u32 profile) MUST_CHECK;
void nested_init(struct cpu *cpu);
/* What CPUID tells of this processor that entry rules depend on. @pre vm->facts */
struct check_cpuid nested_cpuid_facts(const struct cpu *cpu);

#endif
