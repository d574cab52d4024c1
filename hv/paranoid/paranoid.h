/* stress=paranoid: L0's invariants, looked at after every exit. */
#ifndef HV_PARANOID_PARANOID_H
#define HV_PARANOID_PARANOID_H

#include "hv/vmx/vmx.h"

/* Records how things are. False when memory is short. @pre L0's own registers and tables are in force */
bool paranoid_init(struct cpu *cpu, const struct boot_info *info) MUST_CHECK;

/* Ends in panic when a claim no longer holds. @pre an exit has been handled */
void paranoid_check(struct cpu *cpu);

#endif
