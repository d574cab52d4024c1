/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What handlers of exits and the loop that calls them have in common. The loop finds the row of an
 * exit's reason, reads the facts that the row names, calls the handler and applies its outcome.
 */
#ifndef HV_VMX_OUTCOME_H
#define HV_VMX_OUTCOME_H

#include "hv/vmx/vmx.h"

enum outcome {
    RESUME,  /* enter again: the guest's state is what it should be */
    ADVANCE, /* the instruction is done: complete it, then enter */
    INJECT,  /* deliver cpu->fault, then enter */
    REFLECT, /* the exit of L2 in cpu->exit is L1's: give it to L1, then enter */
};

struct exit_row {
    enum outcome (*handle)(struct cpu *cpu);
    u32 snap; /* SNAP_*: what the loop reads before it calls the handler */
};

/* A table has a row for every basic reason, and one more for all higher numbers. */
#define EXIT_ROWS (EXIT_REASON_COUNT + 1)

/* Puts the exception into cpu->fault and returns INJECT. `error` is ignored for a vector that
 * has no error code. */
enum outcome fault(struct cpu *cpu, u32 vector, u32 error);

/* The handler of an exit of L1 that no control of vmcs01 asks for. Tells the log
 * (tell_unwanted). If an instruction caused the exit, the guest gets #UD; if not, the guest goes
 * on. */
enum outcome unwanted_in_l1(struct cpu *cpu);

/* Tells the log that no control asked for the exit in cpu->exit, once for each level and reason.
 * @pre the VMCS of that exit is current */
void tell_unwanted(struct cpu *cpu);

/* Handles the exit in cpu->exit as an exit of L1 with that reason: reads the facts of the row in
 * cpu->rows_l1 and returns what the row's handler returns.
 * @pre reason < EXIT_ROWS; the VMCS of the exit, vmcs01 or vmcs02, is current */
enum outcome handle_as_l1(struct cpu *cpu, u32 reason);

/* Resets the machine, as the platform does when a processor shuts down. The log says why.
 * @pre the VMCS of the guest that ran last is current */
void machine_reset(struct cpu *cpu, const char *why) NORETURN;

#endif
