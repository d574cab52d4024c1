/*
 * From an exit to its answer: one row per basic exit reason. A row names the groups of facts
 * that its handler needs (SNAP_*); the handler says what is to become of the instruction, and
 * main.c does that once. While L2 runs, hv/nested points cpu->rows at a table of its own.
 */
#ifndef HV_DISPATCH_H
#define HV_DISPATCH_H

#include "hv/vmx/vmx.h"

enum outcome {
    RESUME,  /* enter again; the guest's state is what it should be */
    ADVANCE, /* the instruction is done: complete it, then enter */
    INJECT,  /* deliver cpu->fault, then enter */
    REFLECT, /* the exit is L1's: hv/nested has made vmcs01 current; enter */
};

struct exit_row {
    enum outcome (*handle)(struct cpu *cpu);
    u32 snap; /* SNAP_* */
};

/* A table has a row for every reason, and one more for numbers behind the last. */
#define EXIT_ROWS (EXIT_REASON_COUNT + 1)

/* L1's exits, and those of an L1 that had a VMX abort. */
extern const struct exit_row exit_rows_l1[EXIT_ROWS];
extern const struct exit_row exit_rows_dead[EXIT_ROWS];

/* For handlers: INJECT with this exception. */
enum outcome fault(struct cpu *cpu, u32 vector, u32 error);

/* The handlers. emulate.c */
enum outcome emulate_cpuid(struct cpu *cpu);
/* enter.asm asks it: an exit of L1 that nothing is special about is answered at once, which today
 * is CPUID of a leaf that L0 changes nothing in. False: nothing was done, take the row. */
bool emulate_short(struct percpu *percpu);
enum outcome emulate_xsetbv(struct cpu *cpu);
enum outcome emulate_invd(struct cpu *cpu);
enum outcome emulate_undefined(struct cpu *cpu);
enum outcome emulate_rdmsr(struct cpu *cpu);
enum outcome emulate_wrmsr(struct cpu *cpu);
enum outcome emulate_triple_fault(struct cpu *cpu);
/* emulate_ept.c: of L1, or of an L2 at an address that no EPT walk knows */
enum outcome emulate_ept_violation(struct cpu *cpu);
/* emulate_cr.c */
enum outcome emulate_cr_access(struct cpu *cpu);
/* nmi.c */
enum outcome exception_exit(struct cpu *cpu);
enum outcome nmi_window(struct cpu *cpu);
/* machine_check.c */
enum outcome mc_met_entry(struct cpu *cpu);
/* A machine check was caught in root mode: give it to the guest. */
void mc_deliver(struct cpu *cpu);
/* emulate_init.c */
enum outcome emulate_init(struct cpu *cpu);
/* refused.c */

/* An exit of L1 that no control of vmcs01 asks for: the instruction is #UD, anything else is resumed. */
enum outcome unwanted_in_l1(struct cpu *cpu);
/* An exit of the level that runs was not asked for: one line in the log, once for each reason. */
void tell_unwanted(struct cpu *cpu);
/* The CPU refused to enter L1. `what` is the VM-instruction error, or the exit reason with bit 31
 * set. A bug of ours, told in the log with the rule that vmcs01 breaks and its fields; L1's processor
 * shuts down, which resets the machine. @pre vmcs01 is current */
void l1_refused(struct cpu *cpu, u32 what) NORETURN;
/* An EPT misconfiguration of EPT01: a bug of ours. */
enum outcome ept01_misconfigured(struct cpu *cpu);
/* L1's processor is in the shutdown that follows a VMX abort: neither an NMI nor an INIT ends it.
 * @pre vmcs01 is current. SDM 3C 28.7 "VMX Aborts" */
void l1_abort(struct cpu *cpu);
/* flush_audit.c: stress=paranoid: what an exit found, and whether the entry behind it may be made. */
void flush_audit_exit(struct cpu *cpu);
void flush_audit_entry(struct cpu *cpu);
/* stress=paranoid: the VMCS that is about to be entered breaks no rule of the CPU's own. */
void judge_before_entry(struct cpu *cpu);

/* emulate_task.c */
enum outcome emulate_task_switch(struct cpu *cpu);
/* Reports and resets the machine, as the platform does when a processor shuts down. */
void machine_reset(struct cpu *cpu, const char *why) NORETURN;
/* An NMI was caught in root mode: give it to the guest now, or ask for its window. */
void nmi_deliver(struct cpu *cpu);

#endif
