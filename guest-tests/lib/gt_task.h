/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task-switch cases: two tasks, rescue tasks for exceptions through task gates, and the
 * printing of all that a switch may change. The code of the tasks is gt_task.inc in the block
 * of gt_mode.h.
 */
#ifndef GUEST_TESTS_LIB_GT_TASK_H
#define GUEST_TESTS_LIB_GT_TASK_H

#include "guest-tests/lib/gt_mode.h"

enum {
    GT_TASK_OLD = GT_FREE + 0xa0,
    GT_TASK_NEW = GT_FREE + 0xa8,
    GT_TASK_GATE = GT_FREE + 0xb0, /* a task gate to GT_TASK_NEW */
    GT_TASK_LDT = GT_FREE + 0xb8,
    GT_TASK_SPARE = GT_FREE + 0xc0,  /* a case's own descriptor */
    GT_TASK_RESCUE = GT_FREE + 0xc8, /* and the following: one for each of six vectors */
};

struct gt_tss32 {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
    u16 debug_trap, io_map;
};

struct gt_tss16 {
    u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags;
    u16 ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

/* The case being run; a prepare function may change anything after the defaults are in place.
 */
struct gt_task_state {
    struct gt_tss32 *old32, *new32;
    struct gt_tss16 *old16, *new16;
    u32 target; /* the selector in the far pointer to the new task */
    u32 other_cr3;
    bool old_is_16, new_is_16;
};
extern struct gt_task_state gt_task;

struct gt_task_case {
    const char *name, *how;
    const char *snippet32, *snippet16; /* the old task */
    const char *new32, *new16;         /* where the new task begins */
    void (*prepare)(void);
};

void gt_task_prepare(void); /* once, after gt_mode_prepare() */
void gt_task_run(const struct gt_task_case *c, enum gt_mode mode, bool old_is_16, bool new_is_16);

u64 gt_task_gate(u32 selector);      /* a task gate, DPL 0 */
void gt_task_set_link(u32 selector); /* of the old TSS */
void gt_task_set_busy(u32 selector);
void gt_task_nmi_gate(enum gt_mode mode); /* outside a case: NMI goes to a rescue task */
void gt_task_rescue_all(void);            /* #DF #TS #NP #SS #GP and #UD go to rescue tasks */

#define GT_TASK_NEW_CODE(NAME)                                  \
    extern const char gt_mode_task_new_##NAME##32 [] GT_HIDDEN, \
        gt_mode_task_new_##NAME##16 [] GT_HIDDEN
GT_TASK_NEW_CODE(ud);
GT_TASK_NEW_CODE(user);
GT_TASK_NEW_CODE(nop);
GT_TASK_NEW_CODE(iret);
GT_TASK_NEW_CODE(jmp);
GT_TASK_NEW_CODE(read);
GT_MODE_SNIPPET(task_jmp);
GT_MODE_SNIPPET(task_call);
GT_MODE_SNIPPET(task_twice);
GT_MODE_SNIPPET(task_int);
GT_MODE_SNIPPET(task_iret);
GT_MODE_SNIPPET(task_ud);
GT_MODE_SNIPPET(task_icebp);
GT_MODE_SNIPPET(task_gp);
extern const char gt_mode_task_user32[] GT_HIDDEN, gt_mode_task_rescue[] GT_HIDDEN;

#endif
