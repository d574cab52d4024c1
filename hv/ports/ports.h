/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ports of COM2, kept from L1 and L2 while a debugger has the line: an access exits, and finds
 * no receiver. L1 gets the exit of an L2's access that it asked for; of an access that it would
 * have let through it hears nothing.
 */
#ifndef HV_PORTS_PORTS_H
#define HV_PORTS_PORTS_H

#include "hv/nested/nested.h"

/* One processor's. */
struct ports {
    u8 *for_l1, *for_l2, *none; /* bitmap A of L1 and of L2; bitmap B where L1 gives L2 none */
    bool held;                  /* a, b: what vmcs02 had */
    u64 a, b;
};

/* Takes the memory. False: there is too little. */
bool ports_reserve(struct vm *vm, struct ports *p) MUST_CHECK;
/* L1's bitmaps. @pre vmcs01 is current */
void ports_start(const struct cpu *cpu, const struct ports *p);
/* Before an entry: returns the bit that cpu1_ctl needs, or 0 where every access exits anyway. L2's
 * bitmap is copied from L1's anew each time. SDM 3C 25.11.4 "Software Access to Related Structures"
 */
u64 ports_arm(const struct cpu *cpu, struct ports *p);
/* Behind it: vmcs02 is as it was. */
void ports_disarm(struct ports *p);
/* Does the access as if nothing were behind the ports. False: it is L1's to answer, or another
 * port. @pre the exit in cpu->exit is an I/O instruction's, of the level that runs */
bool ports_hide(struct cpu *cpu);

#endif
