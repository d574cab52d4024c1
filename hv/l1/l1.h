/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L0's handlers of L1's exits. The table in hv/dispatch.c names the handler of each reason, and the
 * facts that the loop reads before it calls the handler. A handler returns what is to become of the
 * exit (hv/vmx/outcome.h). It works on the VMCS that is current, because hv/nested calls the
 * handlers in the table also for those exits of L2 that are L0's (handle_as_l1).
 */
#ifndef HV_L1_L1_H
#define HV_L1_L1_H

#include "hv/vmx/outcome.h"

/* ---- cpuid.c ---- */

enum outcome emulate_cpuid(struct cpu *cpu);
/* Answers CPUID of L1 the short way, when L0 shows the leaf unchanged.
 * enter.asm calls it when only the registers that C may clobber are saved. Returns an enum
 * short_way. SHORT_NOT: nothing has changed for L1, and the exit takes its row.
 * @pre vmcs01 is current and has just exited */
u64 emulate_short(struct percpu *percpu);

/* ---- instructions.c ---- */

enum outcome emulate_xsetbv(struct cpu *cpu);
enum outcome emulate_invd(struct cpu *cpu);
enum outcome emulate_undefined(struct cpu *cpu); /* GETSEC: SMX is hidden */
enum outcome emulate_rdmsr(struct cpu *cpu);
enum outcome emulate_wrmsr(struct cpu *cpu);
enum outcome emulate_triple_fault(struct cpu *cpu);

/* ---- one file each ---- */

enum outcome emulate_cr_access(struct cpu *cpu);   /* control_registers.c */
enum outcome emulate_task_switch(struct cpu *cpu); /* task_switch.c */
enum outcome emulate_init(struct cpu *cpu);        /* init_signal.c */
enum outcome emulate_sipi(struct cpu *cpu);        /* init_signal.c */
/* ept_violation.c. Also for L2 without EPT12, and for L2 at an address wider than L1's physical
 * addresses. */
enum outcome emulate_ept_violation(struct cpu *cpu);

/* ---- nmi.c ---- */

enum outcome exception_exit(struct cpu *cpu);
enum outcome nmi_window(struct cpu *cpu);
/* An NMI was caught in root mode. Gives the NMI to the guest now, or asks for the guest's NMI
 * window.
 * @pre the VMCS of the guest that runs next is current */
void nmi_deliver(struct cpu *cpu);

/* An INIT drops an NMI that waits, and those that were caught until now. @pre vmcs01 is current */
void nmi_forget(struct cpu *cpu);

/* ---- machine_check.c ---- */

enum outcome mc_met_entry(struct cpu *cpu);
/* A machine check was caught in root mode. Gives the machine check to the guest.
 * @pre the VMCS of the guest that runs next is current */
void mc_deliver(struct cpu *cpu);

/* ---- refused.c ---- */

/* The CPU refused to enter L1, by a bug of L0's. `what` is the VM-instruction error, or the exit
 * reason with bit 31 set. The log names the rule that vmcs01 breaks and its fields. L1's
 * processor shuts down, which resets the machine. @pre vmcs01 is current */
void l1_refused(struct cpu *cpu, u32 what) NORETURN;
/* The CPU found a misconfigured entry in EPT01, by a bug of L0's. The log tells, EPT01 is built
 * anew, and the guest tries again. */
enum outcome ept01_misconfigured(struct cpu *cpu);

#endif
