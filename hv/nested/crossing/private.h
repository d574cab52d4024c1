/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the crossing share among themselves. */
#ifndef HV_NESTED_CROSSING_PRIVATE_H
#define HV_NESTED_CROSSING_PRIVATE_H

#include "hv/nested/nested.h"
#include "hv/vmx/insn.h"

/* ---- bitmap02.c: MSR_BITMAP02, the map that says which RDMSRs and WRMSRs of L2 exit ---- */

/* Makes the map right by what L1's page holds now. To be called for every VM entry of L1. */
void bitmap02_merge(struct cpu *cpu);
/* Where L1's map lies, or a map that intercepts all where no memory is. */
const u64 *bitmap02_of_l1(const struct cpu *cpu);
/* L1's map intercepts the RDMSR, or WRMSR (`write`), of L2 that exited.
 * @pre vmcs12 uses MSR bitmaps */
bool bitmap02_l1_wants(const struct cpu *cpu, bool write);
/* True when L0 does not intercept L2's RDMSR or WRMSR either. The map lets the access pass from now
 * on, and L2 executes the instruction again. False: L0 must do the access.
 * @pre L1 does not intercept the access; in_l2, vmcs02 is current */
bool bitmap02_passes(struct cpu *cpu, bool write) MUST_CHECK;

/* ---- msr_areas.c: the three MSR areas of vmcs12, in software. Each function returns 0, or the
 * number (from 1) of the element that failed. An MSR that lives in a VMCS is that of the current
 * one. @pre vmcs02 is current for the first two functions, vmcs01 for the third ---- */

u32 nested_msr_load_entry(struct cpu *cpu);
u32 nested_msr_store(struct cpu *cpu);
u32 nested_msr_load_exit(struct cpu *cpu);

/* ---- short_path.c, short_exit.c, short_entry.c: the short path ---- */

/* Looks whether the VM entry just made allows the short path, and notes what it needs. To be
 * called when vmcs02 holds what was merged. @pre vmcs02 is current */
void short_prepare(struct cpu *cpu);
/* To be called when L1's entry takes the plain path although its exit took the short one. */
void short_closed(struct cpu *cpu);
/* Gives L1 the exit of L2 by the short path. False: nothing has changed, and the plain path must do
 * it. The exit information is vmcs02's, with what a handler of L0's changed in the groups of
 * cpu->have. @pre in_l2, vmcs02 is current, L2 has exited */
bool short_leave(struct cpu *cpu) MUST_CHECK;
/* Carries out L1's VMRESUME by the short path. False: L1 sees no change, and the plain path must
 * do it. @pre vmcs01 is current, L1 has exited by VMRESUME */
bool short_enter(struct cpu *cpu) MUST_CHECK;

/* Each crossing without VPID flushes L1's tag. @pre the path has SHORT_NO_VPID */
static inline void short_flush(struct cpu *cpu, const struct short_path *p)
{
    static const struct vmx_descriptor tag01 = {VPID01, 0};
    cpu->percpu.vpid_flushes++;
    invvpid_ours(p->invvpid, &tag01);
}

/* IA32_PERF_GLOBAL_CTRL behind a crossing: VMCS12's if it loads it, or the current VMCS's. */
static inline u64 perf_loaded(bool loads, u64 of12)
{
    return loads ? of12 : vmcs_get(ENC_guest_perf_global_ctrl);
}

/* ---- one function each ---- */

/* entry.c: judges VMCS12 by the rules that are not settled. *env gets what was read for it.
 * @pre vmcs01 is current */
struct verdict nested_judge(struct cpu *cpu, struct check_env *env) MUST_CHECK;
/* entry.c: makes page_of_nowhere all ones again. */
void nested_forget_nowhere(struct cpu *cpu);
/* reflect.c: gives L1 an exit of L2, made by the CPU or made up by L0. *x is all of its exit
 * information. @pre in_l2, vmcs02 is current */
void nested_leave_l2(struct cpu *cpu, const struct vmexit *x);
/* abort.c: leaves L2, writes the VMX-abort indicator to L1's VMCS region, and puts L1's processor
 * into shutdown. SDM 3C 28.7 "VMX Aborts" */
void vmx_abort(struct cpu *cpu, u32 indicator);
/* vmfunc.c: VMFUNC by L2. Returns ADVANCE, or REFLECT when the function fails.
 * @pre in_l2, vmcs02 is current */
enum outcome nested_vmfunc(struct cpu *cpu);

#endif
