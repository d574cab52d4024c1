/* The two halves of a task switch: emulate_task.c moves registers through the TSSs,
 * emulate_task_seg.c loads the new task's segments. */
#ifndef HV_EMULATE_TASK_H
#define HV_EMULATE_TASK_H

#include "hv/arch/operand.h"
#include "hv/dispatch.h"

/* The dynamic fields of a TSS, 16- or 32-bit. */
struct task {
    u32 cr3, eip, eflags;
    u32 gpr[8];         /* encoding order */
    u16 seg[SEG_COUNT]; /* enum seg_number */
    u16 ldt;
    bool debug; /* the T flag */
};

/* A fault is raised in the new task once its registers are loaded: vector and error code as
 * in struct cpu's fault. False: there is one. */
bool task_fault(struct cpu *cpu, u32 vector, u32 error);

/*
 * Loads LDTR and the segment registers of the new task, with the checks of SDM 3A 7.3 "Task
 * Switching". Registers that were not reached stay unusable, and the CPL is 3 until SS is good.
 * False: the fault to deliver is in cpu->fault; the guest's state can be entered all the same.
 */
bool task_load_segments(struct cpu *cpu, const struct task *t) MUST_CHECK;

/* Writes one segment register of vmcs01; seg counts on from SEG_COUNT: LDTR, TR. */
#define SEG_LDTR 6u
#define SEG_TR   7u
void task_set_segment(u32 seg, u16 selector, u64 base, u32 limit, u32 ar);

/* Base and limit of a descriptor as it lies in memory; its access rights as the VMCS wants. */
u64 descriptor_base(u64 d);
u32 descriptor_limit(u64 d);
u32 descriptor_ar(u64 d);

#endif
