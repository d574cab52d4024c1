/* stress=paranoid: L0's invariants, looked at after every exit. */
#ifndef HV_PARANOID_PARANOID_H
#define HV_PARANOID_PARANOID_H

#include "hv/vmx/vmx.h"

/* Records how things are. False when memory is short. @pre L0's own registers and tables are in force */
bool paranoid_init(struct cpu *cpu, const struct boot_info *info) MUST_CHECK;

/* Ends in panic when a claim no longer holds. @pre an exit has been handled */
void paranoid_check(struct cpu *cpu);

/* ---- entry_audit.c ---- */

/* Ends in panic when the current VMCS breaks an entry rule of the CPU's own. @pre it is about to be entered */
void judge_before_entry(struct cpu *cpu);

/* ---- flush_audit.c ---- */

/* Remembers what linear addresses of the guest depended on when it stopped. @pre its VMCS is current */
void flush_audit_exit(struct cpu *cpu);
/* Ends in panic when the guest goes on with other translations and L0 has flushed nothing. @pre its VMCS is
 * current */
void flush_audit_entry(struct cpu *cpu);

#endif
