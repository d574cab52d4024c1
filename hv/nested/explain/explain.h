/* Why an entry was refused, in one line of the log: what hypervisor authors ask for most. Quiet
 * unless verbose=1, but for refusals that are bugs of ours. */
#ifndef HV_NESTED_EXPLAIN_EXPLAIN_H
#define HV_NESTED_EXPLAIN_EXPLAIN_H

#include "hv/nested/nested.h"

/* L1's VMCS12 broke a rule: rule id, SDM section, the rule, and the fields it reads. */
void explain_verdict(struct cpu *cpu, const struct verdict *v, const struct check_env *env);

/* A VMX instruction of L1 failed for another reason. */
void explain_fail(struct cpu *cpu, enum vmx_error error);

/* Part of a log line: the broken rule's name and sentence, and the fields that decide it. *v is
 * changed and put back. */
void explain_rule(struct vmcs_image *v, const struct check_env *env, enum rule_id rule);

/* The CPU refused vmcs02 although our rules passed: logged the first time, with the rule of the CPU's
 * own that vmcs02 breaks. `what` is the VM-instruction
 * error, or the exit reason with bit 31 set. @pre vmcs02 is current */
void explain_refused(struct cpu *cpu, u32 what);

#endif
