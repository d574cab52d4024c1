/* What the files of the crossing share among themselves. */
#ifndef HV_NESTED_CROSSING_PRIVATE_H
#define HV_NESTED_CROSSING_PRIVATE_H

#include "hv/nested/nested.h"

/* ---- bitmap02.c: MSR_BITMAP02, which of L2's RDMSR and WRMSR exit. L1's I/O bitmaps are used in place. ---- */

/* Makes it what L1's page asks for now. For every entry. */
void bitmap02_merge(struct cpu *cpu);
/* L1's map has the bit for L2's RDMSR or WRMSR that exited. @pre vmcs12 uses MSR bitmaps */
bool bitmap02_l1_wants(const struct cpu *cpu, bool write);
/* L2's RDMSR or WRMSR is neither L1's nor L0's: the map lets it pass now, and it will be executed again. False
 * when L0 must do it. @pre L1 does not intercept it; in_l2, vmcs02 is current */
bool bitmap02_passes(struct cpu *cpu, bool write) MUST_CHECK;

/* ---- msr_areas.c: the three MSR areas, in software. Each returns 0, or the number (from 1) of the element that
 * failed. MSRs that live in a VMCS are those of the level that runs: @pre vmcs02 is current for the first two,
 * vmcs01 for the third ---- */

u32 nested_msr_load_entry(struct cpu *cpu);
u32 nested_msr_store(struct cpu *cpu);
u32 nested_msr_load_exit(struct cpu *cpu);

/* ---- one function each ---- */

/* entry.c: the page that takes writes to nowhere reads as all ones again. */
void nested_forget_nowhere(struct cpu *cpu);
/* reflect.c: L1 gets an exit of L2 that L0 makes up. *x is the whole exit information. @pre as nested_reflect */
void nested_reflect_made_up(struct cpu *cpu, const struct vmexit *x);
/* abort.c: leaves L2, and L1's processor shuts down. SDM 3C 28.7 "VMX Aborts" */
void vmx_abort(struct cpu *cpu, u32 indicator);
/* vmfunc.c: VMFUNC by L2. @pre in_l2, vmcs02 is current */
enum outcome nested_vmfunc(struct cpu *cpu);

#endif
