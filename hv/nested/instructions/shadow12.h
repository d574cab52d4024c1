/* VMCS shadowing by L1 for L2: what L0 answers in L1's name, from L1's shadow VMCS. */
#ifndef HV_NESTED_INSTRUCTIONS_SHADOW12_H
#define HV_NESTED_INSTRUCTIONS_SHADOW12_H

#include "hv/nested/nested.h"

/* L1's bitmap makes this VMREAD or VMWRITE of L2 exit. @pre in_l2, vmcs12 has the control on */
bool shadow12_exits(struct cpu *cpu) MUST_CHECK;
/* The VMCS that L2 accesses; NULL: the link pointer names none. */
struct vmcs_image *shadow12(const struct cpu *cpu);

/* operand.c: the linear address of a VMX instruction's memory operand, whoever runs. False: the
 * fault is noted for the outcome INJECT. */
bool nested_operand_gla(struct cpu *cpu, unsigned size, bool write, u64 *gla) MUST_CHECK;
/* ... and, once nothing forbids the access: the data breakpoints on it become pending. */
void nested_operand_accessed(u64 gla, unsigned size, bool write);

/* memory_operand_l2.c: the memory operand of L2's VMREAD (written) or VMWRITE (read), by L2's paging over
 * EPT12. False: *out is what became of the instruction, a fault in L2 or an exit to L1.
 * @pre in_l2, vmcs02 is current; size is at most 8 */
bool nested_operand_l2(struct cpu *cpu, void *bytes, unsigned size, bool write, enum outcome *out) MUST_CHECK;

#endif
