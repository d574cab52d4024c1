/*
 * The entry rules turned on L0's own VMCSs: what the CPU would say of the one that is current. For the
 * log when the CPU refuses one, and for stress=paranoid before it has the chance to.
 */
#ifndef HV_NESTED_EXPLAIN_JUDGE_H
#define HV_NESTED_EXPLAIN_JUDGE_H

#include "hv/nested/nested.h"

/* vm->judge: the CPU itself as the entry rules see it. False when memory is short. @pre vm->facts */
bool judge_init(struct cpu *cpu) MUST_CHECK;

/* The first rule of the CPU's own that the current VMCS breaks, or R_NONE. */
enum rule_id judge_current(struct cpu *cpu);

/* Part of a log line: what judge_current finds, with the rule's sentence and the fields that decide it. */
void judge_tell(struct cpu *cpu);

#endif
