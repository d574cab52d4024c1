/* SPDX-License-Identifier: BSD-2-Clause */
/* VM-instruction errors: which instruction may raise which, and the SDM's words. Pure. */
#ifndef HV_ARCH_VMX_ERROR_H
#define HV_ARCH_VMX_ERROR_H

#include "hv/arch/exit.h"

/* True when the instruction (one INSN_* bit) may end in VMfailValid with this number. Assertions
 * ask this: a VMfail that is not in the table is our bug, not the guest's fault.
 * SDM 3C 31.4 "VM Instruction Error Numbers" */
bool vmx_error_allowed(enum vmx_insn insn, u32 err);

/* The error in the SDM's words; "unknown VM-instruction error" for a number it does not have. */
const char *vmx_error_text(u32 err);

#endif
