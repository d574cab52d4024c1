/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out of VMX operation, for bring-up alone (hv/bringup.c). */
#ifndef HV_VMX_LEAVE_H
#define HV_VMX_LEAVE_H

#include "hv/vmx/vmx.h"

/* Executes VMCLEAR for vmcs01, and VMXOFF. Puts L1's registers into
 * *h for boot/handoff.asm, and L1's MSRs into the processor. L1 then runs natively.
 * @pre vmcs01 is current; L0's other VMCSs of this processor are clear; L1 executes 64-bit code of
 * boot/ and is not in VMX operation */
void vmx_leave(struct cpu *cpu, struct handoff *h);

#endif
