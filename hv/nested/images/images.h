/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCS images to and from the hardware: vmcs02, vmcs01's guest area, and the shadow VMCS that L1
 * reads and writes without an exit. */
#ifndef HV_NESTED_IMAGES_IMAGES_H
#define HV_NESTED_IMAGES_IMAGES_H

#include "hv/nested/nested.h"
#include "hv/vmcs12/check_inputs.h"
#include "hv/vmx/insn.h"

/* ---- vmcs02.c. @pre vmcs01 or vmcs02 is current, as the function's name says; vmcs02_reset takes
 * either ---- */

/* Writes the fields of vmcs02 that differ from n->now->image02, and makes image02 follow. */
void vmcs02_store(struct cpu *cpu, const struct vmcs_image *want);
/* Reads L2's state, and the entry fields that an exit changes, into n->now->image02. */
void vmcs02_fetch_guest(struct cpu *cpu);
/* L0 answered an exit of L2 at TSC `then`, and L2 goes on. @pre vmcs02 is current */
void nested_charge_timer(struct cpu *cpu, u64 then);
/* L1's state: from vmcs01 into n->image01, or back. Storing also sets vmcs01's entry controls and
 * read shadows of CR0 and CR4, and cancels an event that waits to be injected. */
void vmcs01_fetch_guest(struct cpu *cpu);
void vmcs01_store_guest(struct cpu *cpu);
/* Clears vmcs02 by VMCLEAR and writes 0 to every field. Leaves vmcs01 current. */
void vmcs02_reset(struct cpu *cpu);

/* The classes of shadow01.def. */
enum { CLASS_EXITS, CLASS_WRITES, CLASS_WIDE, CLASS_RIGHTS, CLASS_INFO, CLASS_INNER };

/* ---- shadow01.c: VMCS shadowing for L1. @pre vmcs01 is current ---- */

/* Takes the memory for the shadow VMCS and its bitmaps. False when memory is short. */
bool shadow01_reserve(struct cpu *cpu) MUST_CHECK;
/* Decides whether L1 gets a shadow VMCS, and fills the bitmaps.
 * @pre shadow01_reserve and residence_init are done; n->hw_gates is known */
void shadow01_init(struct cpu *cpu);
/* Shows L1 the working copy of the current VMCS12. To be called when it changed, or when another
 * VMCS12 or none became current. */
void shadow01_push(struct cpu *cpu);
/* Copies what L1 wrote to shadowed fields into the working copy. */
void shadow01_pull(struct cpu *cpu);
/* Names in vmcs01 what L1's VMREAD and VMWRITE reach without an exit. NULL: nothing. */
void shadow_show(struct cpu *cpu, const struct vmcs *what);
/* L1 wrote a field of shadow01.def with an exit. WIDE and RIGHTS may pass from now on.
 * @pre a is current and SHOWN */
void shadow_wrote(struct cpu *cpu, struct active *a);
/* Where a Nidus below accesses shadow VMCSs in place: from vmcs02 into the region of the one that
 * stands for vmcs02 while VMCS12 is SHOWN, and what L1 has written there into vmcs02. Draining does
 * nothing elsewhere. @pre vmcs02 is current */
KEEPS_REGISTERS void shadow01_fill(const struct nested *n, struct active *a);
KEEPS_REGISTERS void shadow01_drain(const struct nested *n, struct active *a);
/* Shows L1 one field of the working copy that has changed. */
void shadow01_put(struct cpu *cpu, enum vmcs_field f);

/* n->field_how */
/* clang-format off */
enum field_how {
    EXISTS      = 1 << 0, /* for L1 */
    WRITTEN     = 1 << 1, /* L1 writes it without an exit */
    READ        = 1 << 2, /* L1 reads it without an exit */
    CONDITIONAL = 1 << 3, /* an exit saves it or not, by a control of VMCS12 or by L2's mode */
    READ_ONLY   = 1 << 4, /* L1's VMWRITE fails, or L0's to vmcs02 would */
    AWAY        = 1 << 5, /* truth in vmcs02 while SHOWN; if CONDITIONAL, by a control */
    SHORT_WAY   = 1 << 6, /* EXISTS, and the short way may answer */
    JUDGED      = 1 << 7, /* L1 writes it with an exit, and the short path goes on */
};
/* clang-format on */

/* ---- residence.c: where the truth about the current VMCS12 is ---- */

/* Brings VMCS12 home: the working copy is the truth, image02 is what vmcs02 holds, and L1 is shown
 * the working copy. Does nothing when VMCS12 is at home. @pre the VMCS of the level that runs is
 * current, and it is so again afterwards */
void residence_home(struct cpu *cpu);
/* The same, but L1 is shown nothing: for an active VMCS12 that need not be the current one.
 * @pre VMCS12 is SHOWN or AT_HOME; afterwards vmcs01 is current, if it was SHOWN */
void residence_take(struct cpu *cpu, struct active *a);
/* For an L1 that reads, or writes (`write`), the field with the encoding: makes the working copy's
 * value of the field right, and after a change of the working copy passes the value on. */
void residence_fetch(struct cpu *cpu, u64 encoding, bool write);
void residence_follow(struct cpu *cpu, enum vmcs_field f); /* the part when it is SHOWN */
static inline void residence_wrote(struct cpu *cpu, enum vmcs_field f)
{
    nested_changed(cpu->nested, check_readers[f]);
    if (UNLIKELY(cpu->nested->now->residence == SHOWN))
        residence_follow(cpu, f);
}
/* L1's VMREAD and VMWRITE of a whole field, in the cases that need no more than the access. False:
 * nothing has changed. @pre vmcs01 is current, L1 has a current VMCS */
bool residence_read(struct cpu *cpu, enum vmcs_field f, u64 *value) MUST_CHECK;
bool residence_write(struct cpu *cpu, enum vmcs_field f, u64 value) MUST_CHECK;
/* Fills n->field_how. @pre n->caps */
void residence_init(struct cpu *cpu);

/* stress=paranoid: makes *v what VMCS12 is while L1 runs. Nothing moves but image02's guest area,
 * and vmcs02 loses reserved bits of access rights.
 * @pre vmcs01 is current */
void residence_look(struct cpu *cpu, struct vmcs_image *v);

/* Makes the VMCS current, whatever was. cpu->have is left: the caller clears it, or loads the VMCS
 * of the exit again. */
static inline void vmcs_load_ours(struct cpu *cpu, struct vmcs *v)
{
    vmptrld_ours(&v->hpa);
    cpu->current = v;
}

/* What L1 reaches without an exit while its VMCS12 is SHOWN. */
static inline struct vmcs *shown_vmcs(const struct nested *n, struct active *a)
{
    return n->vmcs02_shows ? &a->vmcs02 : &a->shadow01;
}

/* Turns vmcs02 into L1's shadow VMCS; no VMCS of L0's is current then. The indicator may change
 * only while the VMCS is clear. On a CPU without VMCS shadowing does nothing.
 * SDM 3C 25.10 "VMCS Types: Ordinary and Shadow" @pre vmcs02 is current */
static inline void vmcs02_show(const struct nested *n, struct active *a)
{
    if (LIKELY(n->vmcs02_shows)) {
        vmclear_ours(&a->vmcs02.hpa);
        a->vmcs02.launched = 0;
        *(u32 *)a->vmcs02.page |= VMCS_SHADOW_INDICATOR;
        a->path.marked = true;
    } else if (n->can_shadow01) {
        shadow01_fill(n, a);
    }
}

/* Turns vmcs02 into an ordinary VMCS again, and makes it current. */
static inline void vmcs02_take_back(struct cpu *cpu, struct active *a)
{
    bool marked = a->path.marked;
    if (LIKELY(marked)) {
        vmclear_ours(&a->vmcs02.hpa);
        *(u32 *)a->vmcs02.page &= ~VMCS_SHADOW_INDICATOR;
        a->path.marked = false;
    }
    vmcs_load_ours(cpu, &a->vmcs02);
    if (UNLIKELY(!marked))
        shadow01_drain(cpu->nested, a);
}

#endif
