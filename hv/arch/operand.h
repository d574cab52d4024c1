/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operands of an instruction that caused a VM exit. The functions here decode the VM-exit
 * instruction information and compute the linear address, or the fault that the processor raises.
 * Pure. SDM 3C 28.2.5 "Information for VM Exits Due to Instruction Execution"
 */
#ifndef HV_ARCH_OPERAND_H
#define HV_ARCH_OPERAND_H

#include "hv/arch/cpu.h"
#include "hv/arch/segment.h"

struct insn_operand {
    bool is_reg; /* operand 1 is the register `reg`; else operand 1 is memory at seg:offset */
    u8 reg;      /* register operand 1, encoding order (0 = RAX, 4 = RSP) */
    u8 reg2;     /* the second register operand of VMREAD, VMWRITE, INVEPT, INVVPID */
    u8 seg;      /* enum seg_number */
    u64 offset;  /* effective address, truncated to the instruction's address size */
};

/* The register in bits 31:28 of the instruction information. It holds the field encoding for VMREAD
 * and VMWRITE, and the type for INVEPT and INVVPID. */
static inline u8 operand_reg2(u32 info)
{
    return (u8)bits(info, 31, 28);
}

/* Decodes the instruction information `info`. displacement: the exit qualification. gpr: the
 * guest's 16 general registers in encoding order, RSP included. */
struct insn_operand operand_decode(u32 info, u64 displacement, const u64 gpr[16]);

struct operand_address {
    bool ok;
    u8 vector; /* #GP or #SS, error code 0, when not ok */
    u64 gla;
};

/* The linear address of `size` bytes at the operand, or the fault that the segment raises for the
 * access. seg: the segment register that op->seg names. mode64: the guest is in 64-bit mode.
 * linear_width: 48 or 57 bits. @pre !op->is_reg
 * SDM 3A 5.3 "Limit Checking", SDM 1 3.3.7.1 "Canonical Addressing" */
struct operand_address operand_linear(const struct insn_operand *op, const struct segment *seg,
                                      bool mode64, unsigned linear_width, unsigned size,
                                      bool write);

/* The pending debug exceptions that an access to `size` bytes at the linear address gla leaves. dr:
 * DR0 to DR3. The result has a bit for each breakpoint that the access meets, and is 0 unless DR7
 * enables one of these. SDM 3B 18.3.1.2 "Data Breakpoint Exception Condition" */
u64 operand_breakpoints(const u64 dr[4], u64 dr7, u64 gla, unsigned size, bool write);

#endif
