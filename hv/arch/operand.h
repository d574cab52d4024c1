/*
 * The operands of an instruction that caused a VM exit: decoded from the VM-exit instruction
 * information and turned into a linear address or the fault that the processor would raise.
 * Pure. SDM 3C 28.2.5 "Information for VM Exits Due to Instruction Execution"
 */
#ifndef HV_ARCH_OPERAND_H
#define HV_ARCH_OPERAND_H

#include "hv/arch/cpu.h"
#include "hv/arch/segment.h"

struct insn_operand {
    bool is_reg; /* operand 1 is register `reg`; else memory at seg:offset */
    u8 reg;      /* register operand 1, encoding order (0 = RAX, 4 = RSP) */
    u8 reg2;     /* the second register operand of VMREAD, VMWRITE, INVEPT, INVVPID */
    u8 seg;      /* enum seg_number */
    u64 offset;  /* effective address, truncated to the address size */
};

/* The register of the field's bits 31:28: the encoding of VMREAD and VMWRITE, the type of
 * INVEPT and INVVPID. */
static inline u8 operand_reg2(u32 info)
{
    return (u8)bits(info, 31, 28);
}

/* Decode instruction information `info` with the displacement that the exit qualification
 * holds. gpr: the 16 general registers in encoding order, RSP included. */
struct insn_operand operand_decode(u32 info, u64 displacement, const u64 gpr[16]);

struct operand_address {
    bool ok;
    u8 vector; /* #GP or #SS, error code 0, when not ok */
    u64 gla;
};

/* The linear address of `size` bytes at the operand, with the segment's checks of the mode.
 * SDM 3A 5.3 "Limit Checking", SDM 1 3.3.7.1 "Canonical Addressing" */
struct operand_address operand_linear(const struct insn_operand *op, const struct segment *seg,
                                      bool mode64, unsigned linear_width, unsigned size,
                                      bool write);

/* The pending debug exceptions that an access to `size` bytes at gla leaves: data
 * breakpoints in DR0 to DR3, if DR7 enables one of those met. SDM 3B 18.3.1.2 "Data
 * Breakpoint Exception Condition" */
u64 operand_breakpoints(const u64 dr[4], u64 dr7, u64 gla, unsigned size, bool write);

#endif
