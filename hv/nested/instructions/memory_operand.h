/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory operands of VMX instructions, for this room alone. */
#ifndef HV_NESTED_INSTRUCTIONS_MEMORY_OPERAND_H
#define HV_NESTED_INSTRUCTIONS_MEMORY_OPERAND_H

#include "hv/nested/nested.h"

/* ---- memory_operand.c. False: cpu->fault has the fault, and the caller returns INJECT. `size` is
 * in bytes, at most 16. `write`: the instruction writes the operand. ---- */

/* Copy the operand of L1's instruction from or to L1's memory. @pre vmcs01 is current */
bool nested_operand_read(struct cpu *cpu, void *to, unsigned size) MUST_CHECK;
bool nested_operand_write(struct cpu *cpu, const void *from, unsigned size) MUST_CHECK;

/* The linear address of the operand, of L1 or L2. @pre the VMCS of that level is current */
bool nested_operand_gla(struct cpu *cpu, unsigned size, bool write, u64 *gla) MUST_CHECK;
/* To be called when nothing forbids the access to linear address gla. The guest's data breakpoints
 * that the access meets become pending. */
void nested_operand_accessed(u64 gla, unsigned size, bool write);

/* ---- memory_operand_l2.c ---- */

/* Copies the operand of L2's VMREAD (`write`) or VMWRITE through L2's paging and EPT12. False: *out
 * is the outcome of the instruction, which is INJECT, REFLECT, or RESUME to execute it again.
 * `size` is in bytes, at most 8. @pre in_l2, vmcs02 is current */
bool nested_operand_l2(struct cpu *cpu, void *bytes, unsigned size, bool write,
                       enum outcome *out) MUST_CHECK;

#endif
