/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's VMREAD and VMWRITE the short way, in the plain case: 64-bit code at CPL 0, operands in
 * registers, a field that exists, no blocking, no trap. Everything else is vmcs_access.c's, and so
 * is every failure.
 */
#include "hv/nested/instructions/instructions.h"
#include "hv/nested/images/images.h"
#include "hv/vmx/insn.h"

#define REGISTER_OPERAND BIT(10)
#define NOT_PLAIN        (RFLAGS_TF | RFLAGS_RF)
#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* In compatibility mode the instruction is #UD and does not exit. @pre vmcs01 is current */
static inline bool plain_code(u64 rflags)
{
    return any(vmcs_get(ENC_guest_efer), EFER_LMA) && ar_dpl((u32)vmcs_get(ENC_guest_ss_ar)) == 0 &&
           !any(rflags, NOT_PLAIN) &&
           !any(vmcs_get(ENC_guest_interruptibility), BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
}

/* VMsucceed, and on to the next instruction. */
static inline void succeed(u64 rflags)
{
    u64 next = vmcs_get(ENC_guest_rip) + vmcs_get(ENC_exit_instruction_len);
    u64 flags = rflags & ~(u64)ARITHMETIC_FLAGS;
    vmcs_put(ENC_guest_rip, &next);
    if (flags != rflags)
        vmcs_put(ENC_guest_rflags, &flags);
}

#define KEPT_BY_C \
    (BIT(REG_RBX) | BIT(REG_RBP) | BIT(REG_R12) | BIT(REG_R13) | BIT(REG_R14) | BIT(REG_R15))

u64 nested_short_access(struct percpu *percpu, u64 reason, u64 saved)
{
    struct cpu *cpu = cpu_of(percpu);
    struct nested *n = cpu->nested;
    u64 *gpr = cpu->regs.gpr, rflags = vmcs_get(ENC_guest_rflags);
    u32 info = (u32)vmcs_get(ENC_exit_instruction_info);
    u32 operand = (u32)bits(info, 6, 3), name = info >> 28;
    if (!n || n->current.a == NO_VMCS || !any(info, REGISTER_OPERAND) || operand == REG_RSP ||
        name == REG_RSP || !plain_code(rflags))
        return SHORT_NOT;
    if (!saved && any(BIT(operand) | BIT(name), KEPT_BY_C))
        return SHORT_SAVE;
    bool done = reason == EXIT_REASON_VMREAD ? residence_read(cpu, gpr[name], &gpr[operand])
                                             : residence_write(cpu, gpr[name], gpr[operand]);
    if (!done)
        return SHORT_NOT;
    succeed(rflags);
    cpu->exits[0][reason]++;
    return SHORT_RESUME;
}
