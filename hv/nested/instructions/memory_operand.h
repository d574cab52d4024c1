/* Memory operands of VMX instructions, for this room alone. */
#ifndef HV_NESTED_INSTRUCTIONS_MEMORY_OPERAND_H
#define HV_NESTED_INSTRUCTIONS_MEMORY_OPERAND_H

#include "hv/nested/nested.h"

/* ---- memory_operand.c: of L1's instructions. Each returns true, or false with the fault noted for the outcome
 * INJECT, which the caller returns. size is at most 16 bytes. ---- */

bool nested_operand_read(struct cpu *cpu, void *to, unsigned size) MUST_CHECK;
bool nested_operand_write(struct cpu *cpu, const void *from, unsigned size) MUST_CHECK;

/* The linear address of the operand, whoever runs. False: the fault is noted for the outcome INJECT. */
bool nested_operand_gla(struct cpu *cpu, unsigned size, bool write, u64 *gla) MUST_CHECK;
/* Nothing forbids the access: the data breakpoints on it become pending. */
void nested_operand_accessed(u64 gla, unsigned size, bool write);

/* ---- memory_operand_l2.c ---- */

/* The operand of L2's VMREAD (written) or VMWRITE (read), by L2's paging over EPT12. False: *out is the outcome
 * of the instruction, a fault in L2 or an exit to L1. @pre in_l2, vmcs02 is current; size is at most 8 */
bool nested_operand_l2(struct cpu *cpu, void *bytes, unsigned size, bool write, enum outcome *out) MUST_CHECK;

#endif
