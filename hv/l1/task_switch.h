/* The two halves of a task switch: task_switch.c moves registers through the TSSs,
 * task_segments.c loads the new task's segments. */
#ifndef HV_L1_TASK_SWITCH_H
#define HV_L1_TASK_SWITCH_H

#include "hv/l1/l1.h"

/* The dynamic fields of a TSS, 16- or 32-bit. */
struct task {
    u32 cr3, eip, eflags;
    u32 gpr[8];         /* encoding order */
    u16 seg[SEG_OPERANDS]; /* enum seg_number */
    u16 ldt;
    bool debug; /* the T flag */
};

/* What the new task's registers will be, beside those of struct task. It is a state that VM entry takes from
 * the moment that task_forget_segments has been called, and is written to vmcs01 in one go, with or
 * without a fault that the new task is to find. */
struct task_state {
    struct segment seg[SEG_COUNT]; /* enum seg_number */
    bool loads_cr3;                /* cpu->st.cr3, and with PAE cpu->st.pdpte */
};

/* A fault is raised in the new task once its registers are loaded: vector and error code as
 * in struct cpu's fault. False: there is one. */
bool task_fault(struct cpu *cpu, u32 vector, u32 error);

/* The segment registers as they are when none of the new task's descriptors has been read. In virtual-8086
 * mode there are none to read, and the registers are complete. TR is left alone. */
void task_forget_segments(struct cpu *cpu, const struct task *t, struct task_state *n);

/*
 * Loads LDTR and the segment registers of the new task, with the checks of SDM 3A 7.3 "Task
 * Switching". Registers that were not reached stay as task_forget_segments made them.
 * False: the fault to deliver is in cpu->fault.
 */
bool task_load_segments(struct cpu *cpu, const struct task *t, struct task_state *n) MUST_CHECK;

/* Base and limit of a descriptor as it lies in memory; its access rights as the VMCS wants. */
u64 descriptor_base(u64 d);
u32 descriptor_limit(u64 d);
u32 descriptor_ar(u64 d);

#endif
