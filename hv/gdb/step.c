/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction. RFLAGS.TF traps behind it, and RFLAGS.IF is kept from it, so that no interrupt
 * is delivered with a TF that is not the guest's. Where the instruction itself, or an event that is
 * to be delivered, would save or load RFLAGS, a breakpoint at the next instruction takes the place
 * of TF. The monitor trap flag would need no such care, but not every processor has it.
 */
#include "hv/gdb/private.h"
#include "hv/vmx/insn.h"

static bool is_prefix(u8 b)
{
    return b == 0x66 || b == 0xf2 || b == 0xf3 || (b & 0xf0) == 0x40;
}

static u64 read_number(const struct level_walk *w, u64 address, u32 size)
{
    u64 v = 0;
    return level_read(w, address, (u8 *)&v, size) == size ? v : 0;
}

/* Where the event of this vector goes in IA-32e mode; 0 elsewhere. */
static u64 handler_of(const struct level_walk *w, u32 vector)
{
    u64 gate = vmcs_read(ENC_guest_idtr_base) + 16 * vector;
    if (!any(vmcs_read(ENC_guest_efer), EFER_LMA))
        return 0;
    return (read_number(w, gate, 8) >> 32 & 0xffff0000) | read_number(w, gate, 2) |
           read_number(w, gate + 8, 4) << 32;
}

u64 step_target(struct cpu *cpu)
{
    struct level_walk w = {cpu, cpu->in_l2, NULL, NULL};
    u64 event = vmcs_read(ENC_entry_intr_info), rip = vmcs_read(ENC_guest_rip);
    u8 b[16] = {0};
    u32 n = 0;
    if (vmcs_read(ENC_guest_activity_state) != ACTIVITY_ACTIVE)
        return rip; /* when HLT is over */
    if (any(event, INTR_VALID))
        return handler_of(&w, event & 0xff);
    if (!level_read(&w, rip, b, sizeof b))
        return 0; /* the fetch faults, or is of another mode */
    while (n < 8 && is_prefix(b[n]))
        n++;
    switch (b[n]) {
    case 0x9c: /* PUSHF, POPF, CLI, STI */
    case 0x9d:
    case 0xfa:
    case 0xfb:
        return rip + n + 1;
    case 0xcc: /* INT3, INT n */
        return handler_of(&w, VEC_BP);
    case 0xcd:
        return handler_of(&w, b[n + 1]);
    case 0xcf: /* IRET */
        return read_number(&w, vmcs_read(ENC_guest_rsp), n ? 8 : 4);
    default:
        return 0;
    }
}
