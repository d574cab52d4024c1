/*
 * L1's VMX instructions, VM entries apart (hv/nested/crossing). The handlers are rows of the table of L1's
 * exits, by basic exit reason. SDM 3C 31.3 "VMX Instructions"
 */
#ifndef HV_NESTED_INSTRUCTIONS_INSTRUCTIONS_H
#define HV_NESTED_INSTRUCTIONS_INSTRUCTIONS_H

#include "hv/nested/nested.h"

/* ---- vmcs_access.c. @pre vmcs01 is current; VMREAD and VMWRITE also of L2, when L1 shadows a VMCS for it and
 * its bitmap permits the access ---- */

enum outcome nested_vmxon(struct cpu *cpu);
enum outcome nested_vmxoff(struct cpu *cpu);
enum outcome nested_vmclear(struct cpu *cpu);
enum outcome nested_vmptrld(struct cpu *cpu);
enum outcome nested_vmptrst(struct cpu *cpu);
enum outcome nested_vmread(struct cpu *cpu);
enum outcome nested_vmwrite(struct cpu *cpu);
enum outcome nested_vmcall(struct cpu *cpu);

/* #UD outside VMX operation, then #GP(0) above CPL 0. True when neither is due; else the fault is noted and
 * *out is INJECT. */
bool nested_permitted(struct cpu *cpu, enum outcome *out) MUST_CHECK;

/* L1 enters or leaves VMX operation: sets the bits of CR0 and CR4 that it may not clear. */
void nested_vmx_operation(struct cpu *cpu, bool on);

/* The three ends of a VMX instruction: flags, and the error field of the current VMCS12.
 * SDM 3C 31.2 "Conventions" (VMsucceed, VMfailInvalid, VMfailValid, VMfail) */
enum outcome nested_succeed(struct cpu *cpu);
enum outcome nested_fail_invalid(struct cpu *cpu);
enum outcome nested_fail(struct cpu *cpu, enum vmx_insn insn, enum vmx_error error);

/* Writes the working copy of the current VMCS12 back to L1's page, hidden fields included. */
void nested_store_current(struct cpu *cpu);

/* ---- invalidate.c: INVEPT and INVVPID; VPIDs of L1 as tags of the CPU. @pre vmcs01 is current ---- */

enum outcome nested_invept(struct cpu *cpu);
enum outcome nested_invvpid(struct cpu *cpu);
/* Drops everything that the CPU has cached of any level's mappings. */
void nested_flush_all(struct cpu *cpu);
/* The CPU's tag for a VPID of L1's: found again, or taken from the bounded pool and flushed. */
u16 nested_vpid02(struct cpu *cpu, u16 vpid12);

/* ---- shadow12.c: VMCS shadowing by L1 for L2, answered from L1's shadow VMCS in L1's name ---- */

/* L1's bitmap makes this VMREAD or VMWRITE of L2 exit. @pre in_l2, vmcs12 has the control on */
bool shadow12_exits(struct cpu *cpu) MUST_CHECK;
/* The VMCS that L2 accesses. NULL: the link pointer names none. */
struct vmcs_image *shadow12(const struct cpu *cpu);

#endif
