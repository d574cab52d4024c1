/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out of VMX operation, for bring-up alone (hv/launch.c). */
#ifndef HV_VMX_LEAVE_H
#define HV_VMX_LEAVE_H

#include "hv/vmx/vmx.h"

/* Executes VMCLEAR for vmcs01, and VMXOFF. With h: puts L1's registers into *h for
 * boot/handoff.asm, and L1's MSRs into the processor, which L1 then has for itself. @pre L0's other
 * VMCSs of this processor are clear; with h: vmcs01 is current, and L1 executes 64-bit code of
 * boot/ and is not in VMX operation */
void vmx_leave(struct cpu *cpu, struct handoff *h);

#endif
