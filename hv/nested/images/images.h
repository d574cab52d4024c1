/* Images of VMCSs, to and from the hardware: vmcs02's, vmcs01's guest area, and the shadow VMCS that L1 reads. */
#ifndef HV_NESTED_IMAGES_IMAGES_H
#define HV_NESTED_IMAGES_IMAGES_H

#include "hv/nested/nested.h"

/* ---- vmcs02.c. @pre the VMCS of the name is current ---- */

/* Writes what differs from image02, and makes image02 the same. */
void vmcs02_store(struct cpu *cpu, const struct vmcs_image *want);
void vmcs02_fetch_guest(struct cpu *cpu);
void vmcs01_fetch_guest(struct cpu *cpu);
void vmcs01_store_guest(struct cpu *cpu);
/* VMCLEAR and every field written 0. Leaves vmcs01 current. */
void vmcs02_reset(struct cpu *cpu);

/* ---- shadow01.c: VMCS shadowing for L1. @pre vmcs01 is current ---- */

/* False: memory is short. */
bool shadow01_reserve(struct cpu *cpu) MUST_CHECK;
void shadow01_init(struct cpu *cpu);
/* The working copy changed, or another VMCS12 (or none) is current. */
void shadow01_push(struct cpu *cpu);
/* L1 may have written shadowed fields. */
void shadow01_pull(struct cpu *cpu);
/* One field of the working copy changed. */
void shadow01_put(struct cpu *cpu, u64 encoding);

#endif
