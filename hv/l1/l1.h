/*
 * L0's answers to exits of L1: a handler for each reason that has one. hv/dispatch.c has the table.
 * Handlers work on the VMCS that is current: hv/nested calls them, through that table, for exits of
 * L2 that are L0's. Each returns what is to become of the exit (hv/vmx/outcome.h).
 */
#ifndef HV_L1_L1_H
#define HV_L1_L1_H

#include "hv/vmx/outcome.h"

/* ---- cpuid.c ---- */

enum outcome emulate_cpuid(struct cpu *cpu);
/* Answers an exit of L1 that has nothing special about it, which today is CPUID of a leaf that L0
 * changes nothing in. enter.asm calls it with only the registers saved that C does not keep. False:
 * nothing was done, the exit takes its row. */
bool emulate_short(struct percpu *percpu);

/* ---- instructions.c ---- */

enum outcome emulate_xsetbv(struct cpu *cpu);
enum outcome emulate_invd(struct cpu *cpu);
enum outcome emulate_undefined(struct cpu *cpu); /* GETSEC, as SMX is hidden */
enum outcome emulate_rdmsr(struct cpu *cpu);
enum outcome emulate_wrmsr(struct cpu *cpu);
enum outcome emulate_triple_fault(struct cpu *cpu);

/* ---- one file each ---- */

enum outcome emulate_cr_access(struct cpu *cpu);   /* control_registers.c */
enum outcome emulate_task_switch(struct cpu *cpu); /* task_switch.c */
enum outcome emulate_init(struct cpu *cpu);        /* init_signal.c */
/* ept_violation.c: of L1, or of an L2 at an address that no EPT walk knows */
enum outcome emulate_ept_violation(struct cpu *cpu);

/* ---- nmi.c ---- */

enum outcome exception_exit(struct cpu *cpu);
enum outcome nmi_window(struct cpu *cpu);
/* An NMI was caught in root mode: gives it to the guest now, or asks for its window. */
void nmi_deliver(struct cpu *cpu);

/* ---- machine_check.c ---- */

enum outcome mc_met_entry(struct cpu *cpu);
/* A machine check was caught in root mode: gives it to the guest. */
void mc_deliver(struct cpu *cpu);

/* ---- refused.c ---- */

/* The CPU refused to enter L1. `what` is the VM-instruction error, or the exit reason with bit 31
 * set. That is a bug of ours: the log names the rule that vmcs01 breaks and its fields. L1's processor
 * shuts down, which resets the machine. @pre vmcs01 is current */
void l1_refused(struct cpu *cpu, u32 what) NORETURN;
/* An EPT misconfiguration of EPT01: a bug of ours. */
enum outcome ept01_misconfigured(struct cpu *cpu);

#endif
