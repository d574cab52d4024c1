/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace=: what one processor did, in a ring of records (record.h). The loop of stress= calls it, so
 * nothing of this is on any path when the option is off, and neither is a test for it. While it is
 * on, every exit takes the plain path: the doors answer none at once. What a guest sees is the
 * same, but for time and one leaf of CPUID.
 */
#ifndef HV_TRACE_TRACE_H
#define HV_TRACE_TRACE_H

#include "hv/trace/record.h"
#include "hv/vmx/vmx.h"

/* Takes the memory of cpu->trace. False when memory is short. @pre vm->trace */
bool trace_reserve(struct cpu *cpu) MUST_CHECK;
/* Begins the trace of this processor. */
void trace_init(struct cpu *cpu);

/* The guest is about to be entered. @pre its VMCS is current */
void trace_enter(struct cpu *cpu);
/* The guest has exited. True: it was L1's question for the trace; it is answered, and L1 is to be
 * entered again. @pre the VMCS of the exit is current */
bool trace_exit(struct cpu *cpu) MUST_CHECK;
/* The exit has been handled, or told stale (ept02_stale_left). @pre trace_exit returned false */
void trace_handled(struct cpu *cpu);

#endif
