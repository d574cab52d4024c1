/* SPDX-License-Identifier: BSD-2-Clause */
/* A task switch has two halves: task_switch.c moves registers through the TSSs, task_segments.c
 * loads the new task's segments. vmcs01 is current in every function here. */
#ifndef HV_L1_TASK_SWITCH_H
#define HV_L1_TASK_SWITCH_H

#include "hv/l1/l1.h"

/* The dynamic fields of a TSS, 16- or 32-bit. */
struct task {
    u32 cr3, eip, eflags;
    u32 gpr[8];            /* indexed by enum reg */
    u16 seg[SEG_OPERANDS]; /* selectors, indexed by enum seg_number */
    u16 ldt;
    bool debug; /* the T flag */
};

/* The new task's registers that are not in struct task. From task_forget_segments on they are
 * always a state that VM entry accepts. They are written to vmcs01 once and whole, also when the
 * new task begins with a fault. */
struct task_state {
    struct segment seg[SEG_COUNT]; /* indexed by enum seg_number */
    bool loads_cr3;                /* cpu->st.cr3 is new, and in PAE paging cpu->st.pdpte */
};

/* Puts a fault of the task switch into cpu->fault, combined with the event that was being
 * delivered. Returns false, which callers return to say that there is a fault. A triple fault
 * resets the machine.
 * @pre SNAP_IDT and SNAP_MODE are valid */
bool task_fault(struct cpu *cpu, u32 vector, u32 error);

/* Makes n's segment registers as they are before any descriptor of the new task has been read,
 * and the CPL in cpu->st. In virtual-8086 mode no descriptor is read, and these registers are
 * final but for LDTR. TR is left alone. */
void task_forget_segments(struct cpu *cpu, const struct task *t, struct task_state *n);

/*
 * Loads LDTR and the segment registers of the new task, with the checks of SDM 3A 7.3 "Task
 * Switching". Registers that were not reached stay as task_forget_segments made them.
 * False: the fault to deliver is in cpu->fault.
 */
bool task_load_segments(struct cpu *cpu, const struct task *t, struct task_state *n) MUST_CHECK;

/* The base, limit and access rights of a descriptor d as it lies in memory. Access rights are in
 * the VMCS's format. */
u64 descriptor_base(u64 d);
u32 descriptor_limit(u64 d);
u32 descriptor_ar(u64 d);

#endif
