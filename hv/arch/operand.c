/* SPDX-License-Identifier: BSD-2-Clause */
/* Decoding of operands, and segmentation. Contract in operand.h. pagewalk.c does the paging. */
#include "hv/arch/operand.h"
#include "hv/arch/vmx_ctl.h"

enum dr7_rw { DR7_RW_WRITE = 1, DR7_RW_ACCESS = 3 };

struct insn_operand operand_decode(u32 info, u64 displacement, const u64 gpr[16])
{
    static const u64 address_mask[4] = {0xffff, 0xffffffff, ~0ull, ~0ull};
    struct insn_operand op = {
        .is_reg = any(info, BIT(10)),
        .reg = (u8)bits(info, 6, 3),
        .reg2 = operand_reg2(info),
        .seg = (u8)bits(info, 17, 15),
    };
    if (op.is_reg)
        return op;
    u64 offset = displacement;
    if (!any(info, BIT(27)))
        offset += gpr[bits(info, 26, 23)];
    if (!any(info, BIT(22)))
        offset += gpr[bits(info, 21, 18)] << bits(info, 1, 0);
    op.offset = offset & address_mask[bits(info, 8, 7)];
    return op;
}

static struct operand_address refuse(u8 seg)
{
    return (struct operand_address){.vector = seg == SEG_SS ? VEC_SS : VEC_GP};
}

static struct operand_address linear64(const struct insn_operand *op, u64 base, unsigned width,
                                       unsigned size)
{
    u64 gla = op->offset + (op->seg == SEG_FS || op->seg == SEG_GS ? base : 0);
    if (!is_canonical(gla, width) || !is_canonical(gla + size - 1, width))
        return refuse(op->seg);
    return (struct operand_address){.ok = true, .gla = gla};
}

/* A code segment is never writable and is readable only with type bit 1; a data segment is
 * always readable and writable only with type bit 1.
 * SDM 3A 3.4.5.1 "Code- and Data-Segment Descriptor Types" */
static bool type_allows(u32 ar, bool write)
{
    bool code = any(ar, BIT(3)), bit1 = any(ar, BIT(1));
    if (write)
        return !code && bit1;
    return !code || bit1;
}

static bool inside_limit(u64 offset, const struct segment *s, unsigned size)
{
    u64 last = offset + size - 1;
    bool expand_down = !any(s->ar, BIT(3)) && any(s->ar, BIT(2));
    if (!expand_down)
        return last <= s->limit;
    return offset > s->limit && last <= (any(s->ar, AR_DB) ? 0xffffffffu : 0xffffu);
}

struct operand_address operand_linear(const struct insn_operand *op, const struct segment *seg,
                                      bool mode64, unsigned linear_width, unsigned size, bool write)
{
    if (mode64)
        return linear64(op, seg->base, linear_width, size);
    if (any(seg->ar, AR_UNUSABLE) || !type_allows(seg->ar, write) ||
        !inside_limit(op->offset, seg, size))
        return refuse(op->seg);
    return (struct operand_address){.ok = true, .gla = (seg->base + op->offset) & 0xffffffffu};
}

/* True when the access touches a byte that the breakpoint watches. rw_len: R/W in bits 1:0, LEN in
 * bits 3:2. The processor ignores the low address bits in DRn that LEN covers. */
static bool met(u64 dr, unsigned rw_len, u64 gla, unsigned size, bool write)
{
    static const u8 length[4] = {1, 2, 8, 4};
    u64 watched = length[rw_len >> 2], from = dr & ~(watched - 1);
    unsigned rw = rw_len & 3;
    return (rw == DR7_RW_ACCESS || (rw == DR7_RW_WRITE && write)) &&
           (gla - from < watched || from - gla < size);
}

u64 operand_breakpoints(const u64 dr[4], u64 dr7, u64 gla, unsigned size, bool write)
{
    u64 hit = 0, enabled = 0;
    for (unsigned i = 0; i < 4; i++)
        if (met(dr[i], (unsigned)bits(dr7, 19 + 4 * i, 16 + 4 * i), gla, size, write)) {
            hit |= BIT(i);
            enabled |= bits(dr7, 2 * i + 1, 2 * i);
        }
    return enabled ? hit | PENDING_DBG_BP_ENABLED : 0;
}
