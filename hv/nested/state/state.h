/* The nested state of one processor as a whole: brought up, saved, wiped, loaded. */
#ifndef HV_NESTED_STATE_STATE_H
#define HV_NESTED_STATE_STATE_H

#include "hv/nested/nested.h"

/* ---- bringup.c: two steps. reserve takes the memory, sets cpu->nested and derives the VMX that L1 is to be
 * shown. Returns NULL, or in one line what stands against it. It touches no register, so that the refusal can go
 * back to the firmware. init, after VMXON, does the rest and sets vm->shown.
 * @pre of reserve: vm->facts; of init: reserve agreed, vmcs01 is current and complete ---- */

const char *nested_reserve(struct cpu *cpu, u32 profile) MUST_CHECK;
void nested_init(struct cpu *cpu);

/* ---- blob.c: everything nested about this processor as KVM's nested-state blob and our tail ---- */

#define NESTED_STATE_MAX (5 * PAGE_SIZE)
/* Returns the length. @pre blob has NESTED_STATE_MAX bytes */
size_t nested_save(struct cpu *cpu, u8 *blob);
/* Takes a blob when the state is wiped. Returns NULL, or why it is refused. */
const char *nested_load(struct cpu *cpu, const u8 *blob, size_t length) MUST_CHECK;
void nested_wipe(struct cpu *cpu);
/* stress=: after every exit, what must not show. restore: save, wipe and load. flush: drop all that the CPU has
 * cached. (remerge and paranoid are vmcs02_store's, evict is hv/nested/ept02's.) */
void nested_stress(struct cpu *cpu);

#endif
