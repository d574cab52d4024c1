/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop of one processor: enter the guest, handle the exit, enter again. */
#ifndef HV_RUN_H
#define HV_RUN_H

#include "hv/dispatch.h"

/* Runs the guest until the bootstrap processor, as L1, says that all processors are launched.
 * False: this processor is to leave Nidus again; vmcs01 is current and L1 stands behind its CPUID.
 * @pre vmcs01 is current and complete */
bool run_bringup(struct cpu *cpu) MUST_CHECK;
/* Runs the guest for good. */
void run(struct cpu *cpu) NORETURN;
/* Logs what is known of the processor, for a panic. */
void run_dump(struct percpu *p);

#endif
