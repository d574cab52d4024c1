/* SPDX-License-Identifier: BSD-2-Clause */
/* The audits of stress=paranoid that hv/nested asks for. Each ends in panic when L0 has a bug. */
#ifndef HV_PARANOID_AUDITS_H
#define HV_PARANOID_AUDITS_H

#include "hv/nested/nested.h"

/* ---- short_audit.c: the plain path makes everything as well ---- */

/* Before the short path leaves L2, and when it has: panics when vmcs01 or VMCS12 is not what
 * sync_host12 and sync_exit12 make. @pre vmcs02 is current; vmcs01 is current */
void short_audit_leaving(struct cpu *cpu);
void short_audit_left(struct cpu *cpu);
/* Before the short path looks at L1's VMRESUME, and when it has entered: panics when a rule is
 * broken, or when vmcs02 is not what merge makes. @pre vmcs01 is current; vmcs02 is current */
void short_audit_entering(struct cpu *cpu);
void short_audit_entered(struct cpu *cpu);
/* The rules that are not settled have been judged. Panics when a settled one is broken. */
void short_audit_judged(const struct nested *n, const struct check_env *env,
                        const struct rule_set *broken);

/* ---- one function each ---- */

/* vmcs02_audit.c: panics when vmcs02 does not hold what image02 says. @pre vmcs02 is current */
void vmcs02_audit(const struct nested *n);
/* The same file: panics when L1 would read anything but the working copy. @pre the shadow VMCS of
 * the current VMCS12 is current */
void shadow01_audit(const struct nested *n);
/* ept02_audit.c: panics when EPT02 maps memory of L0's, when a table is lost or in two places, or
 * when the short fill would have answered an EPT violation otherwise. Looks at a part of one table,
 * and counts the tables now and then; `turn` counts the calls. */
void ept02_audit(struct cpu *cpu, u64 turn);

#endif
