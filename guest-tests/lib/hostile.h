/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hostile L1: random steps from a seed, each with a model that tells what L1 must see. A step's
 * dice depend on (seed, number) only, so that any of them can be left out (tools/rig/hostile.py
 * cuts a failure down that way); its effect depends on what ran before. HACKING.md "Hostile guests"
 * tells how to run it.
 *
 * Two ways to judge: h_check() for what the SDM says, in both runs, and the hash of everything that
 * h_see() and h_words() were told, which must be equal bare and under Nidus. What may differ
 * (addresses of the firmware's, the hole's, VMCS bytes, how far L2 came until the timer) is not
 * told, only checked. What the emulator does not survive or judges wrongly is a wild step: it runs
 * under Nidus alone and is only checked.
 */
#ifndef GUEST_TESTS_LIB_HOSTILE_H
#define GUEST_TESTS_LIB_HOSTILE_H

#include "guest-tests/lib/gt_hole.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_l2.h"
#include "guest-tests/lib/vmx_random.h"

#define H_NOWHERE 0x8000000000ul /* inside 40 physical bits, beyond all RAM */
#define H_TOP     0xfffffff000ul /* the last page of 40 bits */
#define H_GAP     0xd0000000ul   /* below 4 GiB, between the devices */
#define H_ROM     0xfffff000ul   /* the firmware's last page */

enum {
    H_REGIONS = 13,
    H_NONE = -1,
    PG_H_VMCS = PG_EPT_FREE, /* VMCSs behind the first three */
    PG_H_EMPTY =
        PG_H_VMCS + H_REGIONS - 4, /* stays zero: no revision, an EPT12 that maps nothing */
    PG_H_PDPT,                     /* of the 32-bit L1 */
    PG_H_IDT,
    PG_H_CODE,
    PG_H_STACK,
    PG_H_STEPS,
    PG_H_KEPT, /* what a page of the hole held */
    PG_H_CANARY = ARENA_PAGES - 6,
    H_CANARIES = 4,
    LIST_ENTRIES = 256,
    H_TIMER = 200000, /* what bounds every stay in L2 */
};

enum h_revision { H_BAD, H_GOOD, H_SHADOW };
enum h_launch { H_CLEAR, H_LAUNCHED, H_UNKNOWN };

/* What is known of one VMCS. */
struct h_vmcs {
    u64 at;
    enum h_revision revision;
    enum h_launch launch;
    bool tainted; /* somebody wrote its bytes: fields unknown */
    bool unsure;  /* fields known, but perhaps not those of the other run */
    bool partly;  /* guest state and exit information were not read since the last exit */
    u64 f[VMX_FIELDS];
};

struct hostile {
    u64 seed, step, hash;
    bool trace, nidus;
    bool crowd; /* the steps of hostile_crowd.c */
    u64 group;  /* so many steps have L2s of one width */
    bool in_vmx;
    u64 vmxon_at;
    int current; /* index of the current VMCS, or H_NONE */
    int regions; /* the last lies in Nidus's memory */
    u32 revision;
    struct h_vmcs vmcs[H_REGIONS];
    struct gt_hole hole;
};
extern struct hostile h;

/* hostile.c: seeds, steps, dice, records. */
void hostile(u64 seed, u64 seeds, u64 steps);
void hostile_crowd(u64 seed, u64 seeds, u64 steps); /* with the steps of hostile_crowd.c */
u64 h_below(u64 n);
bool h_chance(unsigned percent);
u64 h_group(u64 steps);              /* a number that is the same for so many steps in a row */
void h_see(const char *what, u64 v); /* into the hash */
void h_words(const char *text);      /* into the hash, once per step */
void h_note(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* for the trace only */
void h_announce(void); /* the notes so far, before something that may end the machine */
void h_check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* an address in the hole's first two pages, as one that is the same in both runs */
u64 h_plain(u64 address);

/* hostile_model.c: what L1 knows of its VMX, and the ways that keep it true. */
void h_model_reset(void);
struct h_vmcs *h_current(void); /* NULL when there is none */
int h_region(u64 address);      /* the region at this address, or H_NONE */
u64 h_pointer(void);            /* a value for VMXON, VMCLEAR, VMPTRLD */
void h_root(void);              /* makes sure of VMX operation */
/* makes sure of a current VMCS that can be entered; its fields may be tainted */
void h_ordinary(void);
void h_taint(int region); /* somebody wrote its bytes, but for the revision */
void h_taint_all(void);   /* all but the current one */
void h_leave_vmx(void);
void h_operation(bool on); /* VMX operation began or ended: no VMCS is current */
void h_model_check(void);  /* VMPTRST and some fields against the model */
/* What newer processors have and L1 is not shown: CAVEAT(newer-controls), CAVEAT(cpuid-known). Bits
 * of CR4 (LA57 to FRED), and of an EPTP. */
#define H_CR4_UNSEEN  0x11b881000ul
#define H_EPTP_UNSEEN 0x80ul
bool h_unseen_field(int i); /* likewise, CAVEAT(no-nested-pml) */
u64 h_field_mask(int i);
int h_any_field(void); /* a row; L1 has the field if the processor has it */
/* What a VMX instruction must do: an exception, or how it ends. */
struct h_expect {
    bool known;
    u64 vector, error; /* L1_DONE when there is none */
    enum vmx_status status;
    u64 number;
};
struct h_expect h_ok(void);
struct h_expect h_fault(u64 vector, u64 error);
struct h_expect h_fails(u64 number); /* with that number, or VMfailInvalid without a current VMCS */
struct h_expect h_invalid(void);

/* hostile_operand.c: running instruction bytes in L1. */
struct h_operand {
    u64 ea;
    u64 *at;   /* where its qword lies, NULL when it has no memory */
    u8 vector; /* of a read; 0 = none */
    u8 write_vector;
    u8 error, write_error;
};
struct h_code {
    u8 byte[48];
    size_t len;
    struct l1_frame frame;
};
struct h_operand h_operand_any(void);
void h_begin(struct h_code *c);            /* random mode and registers */
bool h_plain_mode(const struct h_code *c); /* ring 0, 64-bit */
/* Appends the instruction with a memory operand at ea; reg is the other operand or the
 * opcode's extension. */
void h_memory_form(struct h_code *c, const char *prefix, const char *opcode, unsigned reg, u64 ea);
void h_append(struct h_code *c, const char *bytes, size_t len);
/* Runs it, records the outcome, compares with what is expected, notes the error
 * number in the model. */
void h_run(struct h_code *c, const char *name, struct h_expect e);

void h_copy_page(void *to, const void *from);
bool h_msr_read(u32 msr, u64 *value); /* false: it faulted */
bool h_msr_write(u32 msr, u64 value);

/* The steps. */
void h_step_pointer(void); /* hostile_insn.c: VMXON, VMXOFF, VMCLEAR, VMPTRLD, VMPTRST */
void h_step_invalidate(void);
void h_step_launch_bad(void);
void h_step_access(void); /* hostile_fields.c: VMREAD, VMWRITE */
void h_step_poke(void);   /* VMCS bytes in memory */
void h_step_entry(void);  /* hostile_entry.c */
void h_image(void);       /* hostile_image.c: l2, for a step's first entry */
void h_change(void);      /* a few of its fields, as L1 may change them between two entries */
/* takes from it what would end the emulator, or L1, or is judged wrongly */
void h_agree(void);
void h_lists(void);         /* the MSR areas' elements */
void h_step_register(void); /* hostile_l1.c: CRs, DRs, XCR0 */
void h_step_msr(void);
void h_step_tables(void); /* descriptor tables and page tables anywhere */
void h_step_nmi(void);
void h_step_hole(void);
void h_step_mode(void); /* hostile_mode.c: real, protected, virtual-8086 mode, task switches */
void h_step_pae(void);  /* a 32-bit L1 */
void h_step_wild(void); /* hostile_wild.c */

/* hostile_crowd.c, hostile_crowd_steps.c: a hypervisor with many VMCSs. */
void h_crowd_reset(void);
void h_crowd_run(void);
void h_crowd_pointer(void);
void h_crowd_memory(void);
void h_crowd_shadow(void);

/* hostile_entry.c: an entry with everything read back is judged and recorded. v is what the
 * VMCS held, and follows. Returns true when nobody knows what L2 did: nothing of it counts. */
bool h_outcome(struct h_vmcs *v, enum l2_outcome how);
void h_unspecified(u32 reason); /* takes from l2_seen what the SDM leaves open */

/* hostile_l2.c: what L2 does. */
void h_l2_program(void); /* code, registers, and what the code needs of the image */
void h_ept_image(enum l2_mode mode);
void h_ept_bend(void);        /* one entry of EPT12 becomes a strange one; no INVEPT */
bool h_l2_touches_vmcs(void); /* the last program could write VMCS bytes */

#endif
