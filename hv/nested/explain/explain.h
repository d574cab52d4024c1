/*
 * The entry rules in words: which one L1's VMCS12 broke, and which one L0's own VMCS breaks. What hypervisor
 * authors ask for most, in one line of the log. Quiet unless verbose=1, but for bugs of ours.
 */
#ifndef HV_NESTED_EXPLAIN_EXPLAIN_H
#define HV_NESTED_EXPLAIN_EXPLAIN_H

#include "hv/nested/nested.h"

/* ---- explain.c ---- */

/* L1's VMCS12 broke a rule: logs its id, SDM section and sentence, and the fields that decide it. */
void explain_verdict(struct cpu *cpu, const struct verdict *v, const struct check_env *env);
/* A VMX instruction of L1 failed for another reason. */
void explain_fail(struct cpu *cpu, enum vmx_error error);
/* The CPU refused vmcs02 although our rules passed: logs the first time, with the rule of the CPU's own that
 * vmcs02 breaks. `what` is the VM-instruction error, or the exit reason with bit 31 set. @pre vmcs02 is current */
void explain_refused(struct cpu *cpu, u32 what);
/* Part of a log line: the broken rule's name and sentence, and the fields that decide it. *v is changed and put
 * back. */
void explain_rule(struct vmcs_image *v, const struct check_env *env, enum rule_id rule);

/* ---- judge.c: the rules turned on L0's own VMCSs. What would the CPU say of the current one? For the log when
 * the CPU refuses one, and for stress=paranoid before the CPU is asked. ---- */

/* What CPUID tells of this processor that entry rules depend on, as L1 is shown it. @pre vm->facts */
struct check_cpuid nested_cpuid_facts(const struct cpu *cpu);
/* Makes vm->judge: the CPU itself as the entry rules see it. False when memory is short. @pre vm->facts */
bool judge_init(struct cpu *cpu) MUST_CHECK;
/* The first rule of the CPU's own that the current VMCS breaks, or R_NONE. */
enum rule_id judge_current(struct cpu *cpu);
/* Part of a log line: what judge_current finds, with the rule's sentence and the fields that decide it. */
void judge_tell(struct cpu *cpu);

#endif
