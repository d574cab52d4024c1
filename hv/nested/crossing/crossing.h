/*
 * From L1 to L2 and back: VM entry (SDM 3C 27 "VM Entries"), the exits of L2, and what L1 finds when it resumes
 * (SDM 3C 28 "VM Exits").
 */
#ifndef HV_NESTED_CROSSING_CROSSING_H
#define HV_NESTED_CROSSING_CROSSING_H

#include "hv/nested/nested.h"

/* ---- entry.c ---- */

/* Rows of the table of L1's exits. @pre vmcs01 is current */
enum outcome nested_vmlaunch(struct cpu *cpu);
enum outcome nested_vmresume(struct cpu *cpu);
/* Makes want02: vmcs02 as L1's VMCS12 and L1's registers want it. @pre vmcs01 is current */
void nested_merge(struct cpu *cpu, const u64 pdpte[4]);
/* The CPU refused vmcs02 with VMfailValid `error` though our rules passed. Unwinds the entry, logs a bug of
 * ours, and fails L1's instruction. @pre in_l2 */
enum outcome nested_entry_refused(struct cpu *cpu, u32 error);

/* ---- l2exit.c ---- */

/* Every exit of L2. @pre in_l2, vmcs02 is current */
enum outcome nested_l2_exit(struct cpu *cpu);
/* L1 gets the exit that an event caught in root mode, or made by L0, would have been. `info` is its interruption
 * information, or 0. What was about to be injected shows as IDT-vectoring. @pre in_l2, vmcs02 is current */
void nested_reflect_event(struct cpu *cpu, u32 reason, u32 info);
/* Who runs from now on. Each makes its VMCS current. */
void nested_run_l1(struct cpu *cpu);
void nested_run_l2(struct cpu *cpu);
/* An NMI that L0 caught waits, and is pending again when L2 leaves. Does nothing while L1 runs. */
void nested_hold_nmi(struct cpu *cpu);

/* ---- reflect.c ---- */

/* The outcome REFLECT: L1 gets the exit of L2 in cpu->exit, whose groups that are not there yet are read, and
 * resumes at its host state. @pre in_l2, vmcs02 is current */
void nested_reflect(struct cpu *cpu);
/* A VM entry failed in its late checks: L1 finds the reason (bit 31 set) and the qualification, and resumes at
 * its host state. @pre vmcs01 is current and L2 did not run, or vmcs02 is */
void nested_entry_failed(struct cpu *cpu, u32 reason, u64 qualification);

#endif
