/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L1 did wrong in words, in one line of the log: which entry rule its VMCS12 broke, by which
 * value, and what would mend it; which VMX instruction failed on which operand; and which rule L0's
 * own VMCS breaks. Authors of hypervisors ask for this most. Without verbose=1 only bugs of ours
 * are told, and the rest is counted.
 */
#ifndef HV_EXPLAIN_EXPLAIN_H
#define HV_EXPLAIN_EXPLAIN_H

#include "hv/nested/nested.h"

/* ---- explain.c, fail.c ---- */

/* L1's VMCS12 broke the rule in *v when it was judged with *env. Counts it in n->told, notes the
 * rule in n->told_rule, and logs the rule's id, SDM section and sentence, the fields that decide
 * the rule, a mend, L1's RIP, the VMCS's address and how many more rules are broken; at verbose=2
 * then all of VMCS12. Uses want02 as scratch. */
void explain_verdict(struct cpu *cpu, const struct verdict *v, const struct check_env *env);
/* A VMX instruction failed with the VM-instruction error `error`, or with VMfailInvalid. Counts it
 * in n->told, and logs the error's text, the operand and L1's RIP. @pre n->culprit is the pointer
 * or the descriptor that the instruction read, when the error is about that */
void explain_fail(struct cpu *cpu, u32 error);
#define EXPLAIN_INVALID 0u
/* The CPU refused vmcs02 although our rules passed. Counts the refusal in n->refused and logs, as
 * log_rare does, the rule of the CPU's own that vmcs02 breaks; but a VTPR that L1 lowered meanwhile
 * is L1's affair and no such refusal. `what` is the VM-instruction error,
 * or the exit reason with bit 31 set. @pre vmcs02 is current */
void explain_refused(struct cpu *cpu, u32 what);
/* Writes a part of a log line: the broken rule's name and sentence, the fields that decide the
 * rule, and a mend. Changes *v and puts it back. */
void explain_rule(struct vmcs_image *v, const struct check_env *env, enum rule_id rule);

/* ---- judge.c: the rules turned on L0's own VMCSs. What would the CPU say of the current VMCS? The
 * log tells this when the CPU refuses a VMCS. stress=paranoid asks before each VM entry. ---- */

/* The facts of CPUID that entry rules depend on, as L1 is shown them. @pre vm->facts */
struct check_cpuid nested_cpuid_facts(const struct cpu *cpu);
/* Makes vm->judge: the CPU itself as the entry rules see it. False when memory is
 * short. @pre vm->facts */
bool judge_init(struct cpu *cpu) MUST_CHECK;
/* The first rule of the CPU's own that the current VMCS breaks, or R_NONE. */
enum rule_id judge_current(struct cpu *cpu);
/* Writes a part of a log line: the rule that judge_current finds, as explain_rule does. */
void judge_tell(struct cpu *cpu);

#endif
