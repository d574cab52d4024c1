/* SPDX-License-Identifier: BSD-2-Clause */
/* Operands of L1's instructions: addressing forms, places with and without memory,
 * and the run itself. */
#include "guest-tests/lib/hostile.h"

enum { VEC_PF = 14, VEC_GP = 13, PF_P = 1, PF_W = 2, PF_RSVD = 8 };

static struct h_operand plain(u64 ea, void *at)
{
    return (struct h_operand){.ea = ea, .at = at};
}

static struct h_operand faulting(u64 ea, u8 error)
{
    return (struct h_operand){ea, NULL, VEC_PF, VEC_PF, error, (u8)(error | PF_W)};
}

/* The scratch page, mostly; else its aliases with odd rights, no memory, Nidus's memory. The hole's
 * page is not the one where a VMCS may be, and the offset is one where none of its fields is: all
 * its pages are the same one. */
struct h_operand h_operand_any(void)
{
    u8 *scratch = arena(PG_SCRATCH);
    u64 off = h_below(240) * 16 + h_below(2) * 4;
    struct h_operand o;

    switch (h_below(24)) {
    case 0:
        return plain(ARENA_AT(PG_SCRATCH) + 0xffb, scratch + 0xffb);
    case 1:
        return plain(SPECIAL_AT(SP_RW) + off, scratch + off);
    case 2:
        o = plain(SPECIAL_AT(SP_READ_ONLY) + off, scratch + off);
        o.write_vector = VEC_PF;
        o.write_error = PF_P | PF_W;
        return o;
    case 3:
        return plain(SPECIAL_AT(SP_SUPERVISOR) + off, scratch + off);
    case 4:
        return faulting(SPECIAL_AT(SP_ABSENT) + off, 0);
    case 5:
        return faulting(SPECIAL_AT(SP_RESERVED) + off, PF_P | PF_RSVD);
    case 6:
        return plain(SPECIAL_AT(SP_NX) + off, scratch + off);
    case 7:
        return faulting(SPECIAL_AT(SP_RW2) + 0xffc, 0); /* its second half is absent */
    case 8:
        return (struct h_operand){
            0x8000000000000000ul >> (h_below(16) + 1), NULL, VEC_GP, VEC_GP, 0, 0};
    case 9:
        return plain(h.hole.base + 4096 + 0x800 + (off & 0x7f0),
                     (void *)(h.hole.base + 4096 + 0x800 + (off & 0x7f0)));
    case 10:
        return plain(H_GAP + off, NULL);
    default:
        return plain(ARENA_AT(PG_SCRATCH) + off, scratch + off);
    }
}

void h_begin(struct h_code *c)
{
    u64 dice = h_below(100);

    c->len = 0;
    l1_frame_init(&c->frame);
    for (unsigned i = 0; i < 16; i++) {
        if (h_chance(30))
            c->frame.gpr[i] = vmx_random_edge();
    }
    if (dice < 88)
        return;
    c->frame.cs = dice < 92   ? SEL_CODE64_R3
                  : dice < 96 ? SEL_CODE32
                  : dice < 98 ? SEL_CODE32_R3
                              : SEL_CODE16;
    if (c->frame.cs & 3)
        c->frame.ss = c->frame.ds = c->frame.es = c->frame.fs = c->frame.gs = SEL_DATA_R3;
    if (c->frame.cs == SEL_CODE16)
        c->frame.rip = 0;
}

bool h_plain_mode(const struct h_code *c)
{
    return c->frame.cs == SEL_CODE64;
}

void h_append(struct h_code *c, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        c->byte[c->len++] = (u8)bytes[i];
}

static void put32(struct h_code *c, u32 v)
{
    for (unsigned i = 0; i < 4; i++)
        c->byte[c->len++] = (u8)(v >> 8 * i);
}

/* Four addressing forms; the prefix stands before REX. Outside 64-bit mode the instruction faults
 * before its operand. */
void h_memory_form(struct h_code *c, const char *prefix, const char *opcode, unsigned reg, u64 ea)
{
    unsigned form = (unsigned)h_below(4), scale = (unsigned)h_below(4);
    u8 rex = 0x48 | (reg >= 8 ? 4 : 0) | (form == 3 ? 1 : 0), modreg = (u8)((reg & 7) << 3);
    u64 *gpr = c->frame.gpr;
    u32 disp = (u32)gt_rand();

    h_append(c, prefix, strlena((const CHAR8 *)prefix));
    /* FS, GS: base 0; behind a mandatory prefix is allowed */
    if (h_chance(10))
        c->byte[c->len++] = h_chance(50) ? 0x64 : 0x65;
    if (h_plain_mode(c) || c->frame.cs == SEL_CODE64_R3)
        c->byte[c->len++] = rex;
    h_append(c, opcode, strlena((const CHAR8 *)opcode));
    switch (form) {
    case 0: /* [rax] */
        gpr[RAX] = ea;
        c->byte[c->len++] = modreg;
        return;
    case 1: /* [rbx + disp8] */
        gpr[RBX] = ea - (u64)(int64_t)(int8_t)disp;
        c->byte[c->len++] = modreg | 0x43;
        c->byte[c->len++] = (u8)disp;
        return;
    case 2: /* [rsi + rdi * scale + disp32] */
        gpr[RSI] = ea - (gpr[RDI] << scale) - (u64)(int64_t)(int32_t)disp;
        c->byte[c->len++] = modreg | 0x84;
        c->byte[c->len++] = (u8)(scale << 6 | RDI << 3 | RSI);
        put32(c, disp);
        return;
    default: /* [r13 + 0] */
        gpr[R13] = ea;
        c->byte[c->len++] = modreg | 0x45;
        c->byte[c->len++] = 0;
        return;
    }
}

static void see_registers(const struct h_code *c)
{
    u64 width = h_plain_mode(c) || c->frame.cs == SEL_CODE64_R3 ? ~0ul : 0xffffffff;

    for (unsigned i = 0; i < 16; i++) {
        if (i != RSP && ((l1_trap.gpr[i] ^ c->frame.gpr[i]) & width))
            h_see("reg", (h_plain(l1_trap.gpr[i]) & width) + i);
    }
}

static void compare(const char *name, struct h_expect e, u64 flags, u64 number)
{
    static const u64 status_flags[] = {0, FLAG_CF, FLAG_ZF};
    bool done = e.vector == L1_DONE;

    if (!e.known)
        return;
    h_check(l1_trap.vector == e.vector && (done || l1_trap.error == e.error),
            "%s: vector %lx(%lx), due %lx(%lx)", name, l1_trap.vector, l1_trap.error, e.vector,
            e.error);
    h_check(!done || flags == status_flags[e.status], "%s: flags %lx, due %lx", name, flags,
            status_flags[e.status]);
    h_check(!done || e.status != VMX_FAIL_VALID || number == e.number, "%s: error %lu, due %lu",
            name, number, e.number);
}

void h_run(struct h_code *c, const char *name, struct h_expect e)
{
    struct h_vmcs *v = h_current();
    u64 flags, number = 0, start = c->frame.rip;

    h_note(" %s%s", name, h_plain_mode(c) ? "" : " in another mode");
    l1_run(&c->frame, (const char *)c->byte, c->len);
    /* a trap leaves those of ring 3 */
    __asm__ volatile("mov %w0, %%fs\n\tmov %w0, %%gs" : : "r"(SEL_DATA));
    flags = l1_trap.rflags & FLAGS_ARITH;
    if (l1_trap.vector == L1_DONE && flags == FLAG_ZF && v != NULL)
        number = vmx_get(V_INSN_ERROR);
    h_see("vector", l1_trap.vector);
    h_see("error", l1_trap.error);
    h_see("rip", l1_trap.rip - start);
    h_see("flags", flags);
    h_see("number", number);
    if (l1_trap.vector == VEC_PF)
        h_see("cr2", h_plain(l1_trap.cr2));
    see_registers(c);
    compare(name, e, flags, number);
    if (number != 0 && v != NULL)
        v->f[VI_INSN_ERROR] = number;
}
