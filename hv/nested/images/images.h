/* VMCS images to and from the hardware: vmcs02, vmcs01's guest area, and the shadow VMCS that L1
 * reads and writes without an exit. */
#ifndef HV_NESTED_IMAGES_IMAGES_H
#define HV_NESTED_IMAGES_IMAGES_H

#include "hv/nested/nested.h"

/* ---- vmcs02.c. @pre vmcs01 or vmcs02 is current, as the function's name says; vmcs02_reset takes
 * either ---- */

/* Writes the fields of vmcs02 that differ from n->image02, and makes image02 follow. */
void vmcs02_store(struct cpu *cpu, const struct vmcs_image *want);
/* Reads L2's state, and the entry fields that an exit changes, into n->image02. */
void vmcs02_fetch_guest(struct cpu *cpu);
/* L1's state: from vmcs01 into n->image01, or back. Storing also sets vmcs01's entry controls and
 * read shadows of CR0 and CR4, and cancels an event that waits to be injected. */
void vmcs01_fetch_guest(struct cpu *cpu);
void vmcs01_store_guest(struct cpu *cpu);
/* Clears vmcs02 by VMCLEAR and writes 0 to every field. Leaves vmcs01 current. */
void vmcs02_reset(struct cpu *cpu);

/* ---- shadow01.c: VMCS shadowing for L1. @pre vmcs01 is current ---- */

/* Takes the memory for the shadow VMCS and its bitmaps. False when memory is short. */
bool shadow01_reserve(struct cpu *cpu) MUST_CHECK;
/* Decides whether L1 gets a shadow VMCS, and fills the bitmaps.
 * @pre shadow01_reserve agreed; n->caps and n->hw_gates are known */
void shadow01_init(struct cpu *cpu);
/* Shows L1 the working copy, n->vmcs12. To be called when it changed, or when another VMCS12 or
 * none became current. */
void shadow01_push(struct cpu *cpu);
/* Copies what L1 wrote to shadowed fields into the working copy. */
void shadow01_pull(struct cpu *cpu);
/* Shows L1 one field of the working copy that has changed. `encoding` names a field of L1's. */
void shadow01_put(struct cpu *cpu, u64 encoding);

#endif
