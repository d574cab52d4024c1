/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's VMX instructions, without VMLAUNCH and VMRESUME (hv/nested/crossing). The handlers are rows
 * of the table of L1's exits, by basic exit reason. They return INJECT when the instruction faults,
 * and ADVANCE when it ends with VMsucceed or VMfail.
 * SDM 3C 31.3 "VMX Instructions"
 */
#ifndef HV_NESTED_INSTRUCTIONS_INSTRUCTIONS_H
#define HV_NESTED_INSTRUCTIONS_INSTRUCTIONS_H

#include "hv/nested/nested.h"

/* ---- vmcs_access.c. @pre vmcs01 is current. VMREAD and VMWRITE serve L2 as well, with vmcs02
 * current, when L1 shadows a VMCS for L2 and L1's bitmap permits the access: they may then return
 * RESUME (L2 executes the instruction again) or REFLECT (its operand is an exit to L1) ---- */

enum outcome nested_vmxon(struct cpu *cpu);
enum outcome nested_vmxoff(struct cpu *cpu);
enum outcome nested_vmptrld_vmclear(struct cpu *cpu);
enum outcome nested_vmptrst(struct cpu *cpu);
enum outcome nested_vmread(struct cpu *cpu);
enum outcome nested_vmwrite(struct cpu *cpu);
enum outcome nested_vmcall(struct cpu *cpu);

/* short_access.c: L1, or L2 while VMCS12 is LENT, has exited by VMREAD or VMWRITE (`reason`).
 * short.asm calls it for L1 when the registers that C may clobber are saved (`saved` is 0); for L2,
 * and behind SHORT_SAVE, with all but RSP saved (all ones).
 * Returns an enum short_way; SHORT_NOT: nothing has changed for the guest.
 * @pre the VMCS of the level that exited is current */
u64 nested_short_access(struct percpu *percpu, u64 reason, u64 saved);
/* The same for VMPTRLD and VMCLEAR, with all registers saved. */
u64 nested_short_pointer(struct percpu *percpu, u64 reason);
/* VMPTRLD, or VMCLEAR (`clear`), of the address that the operand holds. Returns 0, or the
 * VM-instruction error; nothing has changed then. @pre vmcs01 is current; active_resume has refused
 * what VMPTRLD names */
u32 nested_pointer(struct cpu *cpu, bool clear, gpa1_t at) MUST_CHECK;

/* Checks what every VMX instruction needs: VMX operation, else #UD, then CPL 0, else #GP(0). False:
 * cpu->fault has the fault, and *out is INJECT. */
bool nested_permitted(struct cpu *cpu, enum outcome *out) MUST_CHECK;

/* L1 enters (`on`) or leaves VMX operation. Sets n->vmxon, and which bits of CR0 and CR4 L1 may not
 * clear. SDM 3C 24.8 "Restrictions on VMX Operation" */
void nested_vmx_operation(struct cpu *cpu, bool on);

/* The three ends of a VMX instruction: VMsucceed, VMfailInvalid and VMfail. They set the flags of
 * the level that runs and return ADVANCE. VMfail also writes `error` to the error field of the
 * current VMCS12, and is VMfailInvalid when no VMCS12 is current.
 * SDM 3C 31.2 "Conventions" */
enum outcome nested_succeed(struct cpu *cpu);
enum outcome nested_fail_invalid(struct cpu *cpu);
enum outcome nested_fail(struct cpu *cpu, enum vmx_insn insn, enum vmx_error error);
/* The same, when the error is about what the instruction read from memory. */
enum outcome nested_fail_on(struct cpu *cpu, enum vmx_insn insn, enum vmx_error error, u64 culprit);

/* ---- active.c: VMCSs of L1's that are active. @pre L1 runs, vmcs01 is current ---- */

/* The active VMCS at an address; NULL when L0 keeps none there. */
struct active *active_find(struct nested *n, gpa1_t at);
/* Makes the VMCS at `at` active and current. @pre VMPTRLD found a revision there that fits, and
 * active_resume has refused */
void active_load(struct cpu *cpu, gpa1_t at);
/* The same of a VMCS that is active and has its revision still, and has an address that VMPTRLD
 * takes. False: nothing has changed. */
bool active_resume(struct cpu *cpu, gpa1_t at) MUST_CHECK;
/* Writes the VMCS to L1's page, hidden fields included. It is then neither active nor current. */
void active_end(struct cpu *cpu, struct active *a);
/* VMCLEAR of the VMCS at an address that VMCLEAR takes. */
void active_clear(struct cpu *cpu, gpa1_t at);
/* All of them. active_end_others: but for the current one. */
void active_end_all(struct cpu *cpu);
void active_end_others(struct cpu *cpu);

/* ---- invalidate.c: INVEPT and INVVPID, and the CPU's tags (VPIDs) that stand for L1's VPIDs.
 * @pre of the two instructions: vmcs01 is current ---- */

enum outcome nested_invept(struct cpu *cpu);
enum outcome nested_invvpid(struct cpu *cpu);
/* Drops all mappings, of every level, that the CPU has cached. */
void nested_flush_all(struct cpu *cpu);
/* Returns the CPU's tag for vpid12, a VPID of L1's. It is found again, or taken from the bounded
 * pool and flushed. */
u16 nested_vpid02(struct cpu *cpu, u16 vpid12);

/* ---- shadow12.c: VMCS shadowing by L1 for L2 ---- */

/* L1's bitmap, a page, which makes L2's VMREAD or VMWRITE (`write`) an exit to L1, if vmcs12 has
 * "VMCS shadowing" on. */
const void *shadow12_bitmap(const struct cpu *cpu, bool write);
/* The VMCS that L2's VMREAD and VMWRITE access: L1's page, in place. NULL: vmcs12's link pointer
 * names none. */
struct vmcs_image *shadow12(const struct cpu *cpu);

#endif
