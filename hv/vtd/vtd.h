/* SPDX-License-Identifier: BSD-2-Clause */
/* What L0 does about VT-d once it runs: it reads the units' fault records when L1 asks. The units
 * themselves were programmed by boot/efi_vtd.c before the launch, and hv/vmx/ept_l1.c keeps L1 from
 * their registers. */
#ifndef HV_VTD_VTD_H
#define HV_VTD_VTD_H

#include "hv/vmx/vmx.h"

/* Logs what the units have kept devices from since the last call, with a line for each fault.
 * Returns how many faults there were since the launch. Bounded work; with no unit it does
 * nothing. */
u32 vtd_faults(struct vm *vm);

#endif
