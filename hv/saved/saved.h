/* SPDX-License-Identifier: BSD-2-Clause */
/* All nested state of one processor as KVM's nested-state blob and our tail: saved, wiped, loaded.
 * @pre for each function: the VMCS of the level that runs is current */
#ifndef HV_SAVED_SAVED_H
#define HV_SAVED_SAVED_H

#include "hv/nested/nested.h"

#define NESTED_STATE_MAX (5 * PAGE_SIZE)
/* Takes the memory. False when memory is short. @pre nested_reserve */
bool saved_reserve(struct cpu *cpu) MUST_CHECK;
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
