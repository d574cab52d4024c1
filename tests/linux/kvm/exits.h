/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outside of kvm-l2's guests: the one machine that runs, its ports and devices, and the run
 * loop. One case at a time, so this is state of the program.
 */
#ifndef TOOLS_KVM_EXITS_H
#define TOOLS_KVM_EXITS_H

#include "tests/linux/kvm/vm.h"

enum { RAN_OUT_OF_TIME = -1, RAN_OUT_OF_EXITS = -2 };

extern struct vm vm;
extern const char *current; /* the case's name, before every line */
extern int interactive;     /* the guest's console is the terminal */

/* Before each case. */
void exits_reset(void);

/* One line: the case, what, the value. */
void say(const char *what, uint64_t value);

/* KVM_INTERRUPT. */
void inject(int cpu, int vector);

/* Serves the port access that KVM_RUN returned with; 0: the guest said its end. */
int do_io(int cpu);

/* Runs the guest and serves it until an exit that tells its end: KVM's exit reason,
 * or RAN_OUT_OF_*. */
int run_cpu(int cpu);

/* KVM's exit reason, or RAN_OUT_OF_*, in words. */
const char *exit_name(int reason);

/* The registers that a guest ended with: all that must be the same everywhere. */
void show_end(int cpu, int reason);

#endif
