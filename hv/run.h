/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop of one processor: enter the guest, handle the exit, enter again. */
#ifndef HV_RUN_H
#define HV_RUN_H

#include "hv/dispatch.h"

enum bringup_end {
    BRINGUP_DONE,   /* all processors are launched */
    BRINGUP_LEAVES, /* this processor is to leave Nidus again; L1 stands behind its CPUID */
    /* the CPU refused an entry of L1's first instruction, or of the one behind that. cpu->exit
     * tells the exit reason and qualification, or the VM-instruction error as a reason without bit
     * 31 */
    BRINGUP_REFUSED,
};

/* Runs the guest until the bootstrap processor, as L1, says that all processors are launched.
 * @pre vmcs01 is current and complete */
enum bringup_end run_bringup(struct cpu *cpu) MUST_CHECK;
/* Runs the guest for good. */
void run(struct cpu *cpu) NORETURN;
/* Logs what is known of the processor, for a panic. */
void run_dump(struct percpu *p);

#endif
