/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of L0's log beside the port: the ring and the screen, and the stage code in CMOS. */
#ifndef HV_SEEN_H
#define HV_SEEN_H

#include "hv/vmx/vmx.h"
#include "hv/core/boot_info.h"

/* Makes the ring and the screen that boot/ gave, and hangs them on the log. */
void seen_init(struct vm *vm, const struct boot_info *info);

/* How far the machine has come. The codes are for boot/stage.c, which has the words. */
enum stage {
    STAGE_STEP = 1, /* plus an enum handoff_op: a step of bring-up begins */
    STAGE_VMX = 16, /* in VMX operation */
    STAGE_READY,    /* vmcs01 is made and judged */
    STAGE_ENTERS,   /* the first VM entry follows */
    STAGE_EXITED,   /* L1 has exited; the detail is the basic exit reason */
    STAGE_RUNS,     /* all processors are launched */
    STAGE_PANIC,    /* the detail is the basic exit reason of the last exit */
};

/* Writes the stage to four bytes of CMOS, with the option cmos=on. */
void seen_stage(const struct cpu *cpu, u32 stage, u32 detail);

#endif
