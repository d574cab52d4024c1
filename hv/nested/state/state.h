/* SPDX-License-Identifier: BSD-2-Clause */
/* The nested state of one processor as a whole: brought up, and left. */
#ifndef HV_NESTED_STATE_STATE_H
#define HV_NESTED_STATE_STATE_H

#include "hv/nested/nested.h"

/* ---- in three steps ---- */

/* Takes the memory and sets cpu->nested. False when memory is short. */
bool nested_reserve(struct cpu *cpu) MUST_CHECK;
/* Derives the VMX that L1 is to be shown, and sets vm->shown. `profile` is an enum vmx_profile.
 * Returns NULL, or in one line why nested VMX is not possible. @pre vm->facts of all processors */
const char *nested_settle(struct cpu *cpu, u32 profile) MUST_CHECK;
/* Does the rest after VMXON. @pre nested_settle agreed; vmcs01 is current and complete */
void nested_init(struct cpu *cpu);
/* For a processor that leaves Nidus again: executes VMCLEAR for the VMCSs of this folder. */
void nested_leave(struct cpu *cpu);

#endif
