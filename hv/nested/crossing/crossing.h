/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From L1 to L2 and back: VM entries of L1 (SDM 3C 27 "VM Entries"), exits of L2, and the state in
 * which L1 goes on (SDM 3C 28 "VM Exits").
 */
#ifndef HV_NESTED_CROSSING_CROSSING_H
#define HV_NESTED_CROSSING_CROSSING_H

#include "hv/nested/nested.h"

/* ---- entry.c ---- */

/* L1's VMLAUNCH and VMRESUME: rows of the table of L1's exits. Return INJECT (the instruction
 * faults), ADVANCE (it failed, and its flags are set) or RESUME. With RESUME, L2 runs next, or L1
 * at its host state when the entry failed late. @pre vmcs01 is current.
 * SDM 3C 27.1 "Basic VM-Entry Checks" */
enum outcome nested_enter(struct cpu *cpu);
/* Makes n->want02: vmcs02 as L1's VMCS12 and L1's registers want it. pdpte: the entries at L2's
 * CR3, used when merge_needs_pdptes(&n->now->vmcs12). @pre vmcs01 is current */
void nested_merge(struct cpu *cpu, const u64 pdpte[4]);
/* The CPU refused vmcs02 with VMfailValid `error` although our rules passed. Logs a bug of ours,
 * goes back to vmcs01 and fails L1's instruction. Returns ADVANCE. @pre in_l2, vmcs02 is current */
enum outcome nested_entry_refused(struct cpu *cpu, u32 error);

/* ---- l2exit.c ---- */

extern const struct exit_row exit_rows_l2[]; /* cpu->rows[1] */

/* Notes when L2 stopped: L1's MSR areas and the preemption timer go by it. To be called first thing
 * behind an exit of L2. */
void nested_stopped(struct cpu *cpu);
/* Answers every exit of L2. @pre in_l2, vmcs02 is current */
enum outcome nested_l2_exit(struct cpu *cpu);
/* Gives L1 an exit of L2 that the CPU did not make: for an event that arrived in root mode, or that
 * L0 makes up. `info`: interruption information, or 0. An event that the next entry would have
 * injected becomes IDT-vectoring information. @pre in_l2, vmcs02 is current */
void nested_reflect_event(struct cpu *cpu, u32 reason, u32 info);
/* L1, or L2, runs from now on. Makes vmcs01, or vmcs02, current. */
void nested_run_l1(struct cpu *cpu);
void nested_run_l2(struct cpu *cpu);
/* Holds an NMI that L0 caught while L2 runs. When L2 leaves, the NMI is pending again. Does nothing
 * while L1 runs. */
void nested_hold_nmi(struct cpu *cpu);

/* ---- short_exit.c and short_entry.c. What crossing.asm calls at an exit when the guest's
 * registers are still in place, but RAX and RSP. All return an enum short_way ---- */

/* L2 has exited. SHORT_NOT: nothing has changed, and the exit takes its row.
 * @pre vmcs02 is current */
KEEPS_REGISTERS u64 nested_short_exit(void);
/* The same for L2's EPT violation, when the registers that C may clobber are saved: EPT02 is
 * filled, or L1 gets the exit. */
u64 nested_short_violation(struct percpu *percpu);
/* The same for an exit of which nested_short_exit asked for more, and which is L1's. */
KEEPS_REGISTERS u64 nested_short_give(void);
/* L1 has exited by VMRESUME. SHORT_NOT: L1 sees no change, and the exit takes its row.
 * @pre vmcs01 is current */
KEEPS_REGISTERS u64 nested_short_entry(void);

/* L2 goes on behind something that L1 is not told of. VMCS12 comes home. A CPU refuses a VM entry
 * whose TPR threshold is above VTPR, or exits at once, so the threshold follows VTPR. Does nothing
 * while L1 runs. SDM 3C 27.2.1.1 "VM-Execution Control Fields" */
void nested_goes_on(struct cpu *cpu);

/* L1's I/O bitmaps make the I/O access in cpu->exit.qual exit. @pre in_l2, vmcs12 uses them */
bool io_bitmaps12_hit(const struct cpu *cpu);

/* ---- reflect.c ---- */

/* Carries out the outcome REFLECT: L1 finds the exit in cpu->exit in its VMCS12 and goes on at its
 * host state. Reads the facts of the exit that are missing. Ends in a VMX abort when a step fails.
 * @pre in_l2, vmcs02 is current */
void nested_reflect(struct cpu *cpu);
/* A VM entry failed in its late checks. L1 finds `reason` (bit 31 is set) and `qualification` in
 * its VMCS12 and goes on at its host state. @pre L1 runs, or in_l2 and vmcs02 is current.
 * SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State" */
void nested_entry_failed(struct cpu *cpu, u32 reason, u64 qualification);

#endif
