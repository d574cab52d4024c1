/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions in root mode. L0 expects NMIs, machine checks, and faults of instructions that may
 * fault (EX_TABLE in privileged.h). Every other exception is our bug and ends this CPU.
 *
 * The handlers of NMI and #MC only set a flag. An NMI between the check of the flag and the VM
 * entry behind the check must not be lost. So that code is an entry window (enter.asm): when an NMI
 * or #MC interrupts it, the handler returns to the window's restart, which checks again. */
#ifndef HV_CORE_TRAP_H
#define HV_CORE_TRAP_H

#include "hv/arch/types.h"

/* What traps.asm leaves on the exception's stack. */
struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

/* An instruction that may fault, and the address where execution goes on when it does. */
struct ex_entry {
    u64 insn_va, fixup_va;
};

/* The code from a check of the flags to a VM entry, and the address to return to from an NMI or #MC
 * that interrupts this code. */
struct enter_window {
    u64 start, end, restart;
};

#define TRAP_COUNT 32
extern const u64 trap_stubs[TRAP_COUNT]; /* traps.asm: the entry point of each vector */

/* traps.asm calls this for every vector. It may change frame->rip, where execution goes on. It does
 * not return after an exception that is our bug. */
void trap_handle(struct trap_frame *frame);

#endif
