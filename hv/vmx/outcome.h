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
    REFLECT, /* the exit in cpu->exit is L1's: give it to L1, then enter. Of an exit of L2 only */
};

struct exit_row {
    enum outcome (*handle)(struct cpu *cpu);
    u32 snap; /* SNAP_*: what the loop reads before it calls */
};

/* A table has a row for every reason, and one more for numbers behind the last. */
#define EXIT_ROWS (EXIT_REASON_COUNT + 1)

/* Notes the exception in cpu->fault. Returns INJECT. `error` is ignored for vectors that have none. */
enum outcome fault(struct cpu *cpu, u32 vector, u32 error);

/* The row of an exit of L1 that no control of vmcs01 asks for. An instruction that caused it gets #UD;
 * anything else is resumed. The log names it as tell_unwanted does. */
enum outcome unwanted_in_l1(struct cpu *cpu);

/* Tells the log that no control asked for the exit in cpu->exit, once for each level and reason. */
void tell_unwanted(struct cpu *cpu);

/* L1's answer to a reason, whoever runs: calls the handler in L1's table. Reads the facts of its row. */
enum outcome handle_as_l1(struct cpu *cpu, u32 reason);

/* Resets the machine, as the platform does when a processor shuts down. The log says why. */
void machine_reset(struct cpu *cpu, const char *why) NORETURN;

#endif
