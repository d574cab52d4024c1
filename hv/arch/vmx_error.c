/* SPDX-License-Identifier: BSD-2-Clause */
/* The two readings of vmx_error.def. Contracts in vmx_error.h. */
#include "hv/arch/vmx_error.h"

bool vmx_error_allowed(enum vmx_insn insn, u32 err)
{
    switch (err) {
#define VMERR(num, name, insns, text) \
    case num:                         \
        return insn != 0 && ((u32)insn & ~(u32)(insns)) == 0;
#include "hv/arch/vmx_error.def"
    default:
        return false;
    }
}

const char *vmx_error_text(u32 err)
{
    switch (err) {
#define VMERR(num, name, insns, text) \
    case num:                         \
        return text;
#include "hv/arch/vmx_error.def"
    default:
        return "unknown VM-instruction error";
    }
}
