/* MSR_BITMAP02: what of L2's RDMSR and WRMSR exits. The I/O bitmaps are L1's own pages, used in place. */
#ifndef HV_NESTED_CROSSING_BITMAP02_H
#define HV_NESTED_CROSSING_BITMAP02_H

#include "hv/vmx/vmx.h"

/* Makes it what L1's page asks for now. For every entry. */
void bitmap02_merge(struct cpu *cpu);

/* L1's map has the bit for L2's RDMSR or WRMSR that exited. @pre vmcs12 uses MSR bitmaps */
bool bitmap02_l1_wants(const struct cpu *cpu, bool write);

/* L2's RDMSR or WRMSR is neither L1's nor L0's: the map lets it pass now, and it will be executed
 * again. False when L0 must do it. @pre L1 does not intercept it; in_l2, vmcs02 is current */
bool bitmap02_passes(struct cpu *cpu, bool write) MUST_CHECK;

#endif
