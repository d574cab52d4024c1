/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory operands of VMX instructions. The exit's instruction information and the segments of the
 * level that runs give the linear address (hv/arch/operand.h). L1's paging leads from there to L1's
 * memory (hv/vmx/gla.h). memory_operand_l2.c does the same for L2's paging.
 */
#include "hv/nested/instructions/memory_operand.h"
#include "hv/arch/operand.h"
#include "hv/core/privileged.h"
#include "hv/vmx/gla.h"
#include "hv/vmx/insn.h"

bool nested_operand_gla(struct cpu *cpu, unsigned size, bool write, u64 *gla)
{
    exit_more(cpu, SNAP_INSN_INFO | SNAP_QUAL | SNAP_RSP | SNAP_MODE);
    cpu->regs.gpr[REG_RSP] = cpu->st.rsp;
    struct insn_operand op = operand_decode(cpu->exit.insn_info, cpu->exit.qual, cpu->regs.gpr);
    struct segment seg = vmcs_hidden_part_read(op.seg);
    unsigned linear_width = any(cpu->st.cr4, CR4_LA57) ? 57 : 48;
    struct operand_address a =
        operand_linear(&op, &seg, guest_is_64bit(cpu), linear_width, size, write);
    if (!a.ok) {
        fault(cpu, a.vector, 0);
        return false;
    }
    *gla = a.gla;
    return true;
}

/* L0 reaches the operand at an address of its own, where the CPU meets no breakpoint of the
 * guest's. So L0 raises the guest's data breakpoints. */
void nested_operand_accessed(u64 gla, unsigned size, bool write)
{
    u64 dr[4], dr7 = vmcs_read(ENC_guest_dr7);
    if (!any(dr7, DR7_ENABLED))
        return;
    read_breakpoints(dr);
    u64 hit = operand_breakpoints(dr, dr7, gla, size, write);
    if (hit != 0)
        vmcs_write(ENC_guest_pending_dbg_exceptions,
                   vmcs_read(ENC_guest_pending_dbg_exceptions) | hit);
}

static bool locate(struct cpu *cpu, unsigned size, bool write, struct gla_span *span)
{
    u64 gla;
    if (!nested_operand_gla(cpu, size, write, &gla) ||
        !gla_translate(cpu, gla, size, write ? PF_W : 0, span))
        return false;
    nested_operand_accessed(gla, size, write);
    return true;
}

bool nested_operand_read(struct cpu *cpu, void *to, unsigned size)
{
    struct gla_span span;
    if (!locate(cpu, size, false, &span))
        return false;
    span_read(cpu, &span, to);
    return true;
}

bool nested_operand_write(struct cpu *cpu, const void *from, unsigned size)
{
    struct gla_span span;
    if (!locate(cpu, size, true, &span))
        return false;
    span_write(cpu, &span, from);
    return true;
}
