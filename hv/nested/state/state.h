/* SPDX-License-Identifier: BSD-2-Clause */
/* The nested state of one processor as a whole: brought up, saved, wiped, loaded. */
#ifndef HV_NESTED_STATE_STATE_H
#define HV_NESTED_STATE_STATE_H

#include "hv/nested/nested.h"

/* ---- bringup.c, in three steps ---- */

/* Takes the memory and sets cpu->nested. False when memory is short. */
bool nested_reserve(struct cpu *cpu) MUST_CHECK;
/* Derives the VMX that L1 is to be shown, and sets vm->shown. `profile` is an enum vmx_profile.
 * Returns NULL, or in one line why nested VMX is not possible. @pre vm->facts of all processors */
const char *nested_settle(struct cpu *cpu, u32 profile) MUST_CHECK;
/* Does the rest after VMXON. @pre nested_settle agreed; vmcs01 is current and complete */
void nested_init(struct cpu *cpu);
/* For a processor that leaves Nidus again: executes VMCLEAR for the VMCSs of this folder. */
void nested_leave(struct cpu *cpu);

/* ---- blob.c: all nested state of this processor as KVM's nested-state blob and our tail.
 * @pre the VMCS of the level that runs is current ---- */

#define NESTED_STATE_MAX (5 * PAGE_SIZE)
/* Writes the blob, and returns its length in bytes. @pre blob has NESTED_STATE_MAX bytes */
size_t nested_save(struct cpu *cpu, u8 *blob);
/* Loads a blob of `length` bytes. Returns NULL, or why the blob is refused. The level of the blob
 * then runs, and its VMCS is current. @pre nested_wipe has run */
const char *nested_load(struct cpu *cpu, const u8 *blob, size_t length) MUST_CHECK;
/* Forgets the nested state: L1 runs outside VMX operation, and vmcs01 is current. */
void nested_wipe(struct cpu *cpu);
/* The option stress=. Does after every exit what no guest may notice. restore: saves, wipes and
 * loads the state. flush: drops all mappings that the CPU has cached. (hv/nested/images does
 * remerge, hv/nested/ept02 does evict.) */
void nested_stress(struct cpu *cpu);

#endif
