/* Exceptions in root mode: only NMIs, machine checks and instructions that are allowed to fault
 * (insn.h, struct ex_entry) are expected; anything else is our bug and ends this CPU.
 *
 * NMI and #MC only set a flag. The check of the flags and the VM entry behind it are one step
 * all the same: an entry window (enter.asm) that either finds is left through its restart. */
#ifndef HV_CORE_TRAP_H
#define HV_CORE_TRAP_H

#include "hv/arch/types.h"

/* What traps.asm leaves on the exception's stack. */
struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

/* An instruction that may fault, and where to go on when it does. */
struct ex_entry {
    u64 insn_va, fixup_va;
};

/* Code from a check of the flags to a VM entry, and where to go on instead. */
struct enter_window {
    u64 start, end, restart;
};

#define TRAP_COUNT 32
extern const u64 trap_stubs[TRAP_COUNT]; /* traps.asm: where each vector enters */

/* Called by traps.asm for every vector. Returns to frame->rip or not at all. */
void trap_handle(struct trap_frame *frame);

#endif
