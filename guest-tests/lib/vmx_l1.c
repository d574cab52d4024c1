/*
 * Running instruction bytes in L1: any mode the selectors give, any registers, and whatever it
 * raises comes back as a record. Owns the code page and the one-line rendering of a result.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"

enum { INT_81 = 0x81cd };

void l1_frame_init(struct l1_frame *f)
{
    for (u64 i = 0; i < 16; i++)
        f->gpr[i] = 0x1111111100000000ull * i | (0xa0 + i);
    f->rip = L1_CODE_AT;
    f->rsp = ARENA_AT(PG_L1_STACK + 1);
    f->rflags = 2 | FLAGS_ARITH; /* all set, so that what clears one shows */
    f->cs = SEL_CODE64;
    f->ss = f->ds = f->es = f->fs = f->gs = SEL_DATA;
}

void l1_run(struct l1_frame *f, const char *code, size_t len)
{
    u8 *page = arena(PG_L1_CODE);

    for (size_t i = 0; i < 128; i += 2)
        *(u16 *)(page + len + i) = INT_81;
    CopyMem(page, (void *)code, len);
    l1_go(f);
}

const char *l1_result(void)
{
    static char text[96];
    u64 flags = l1_trap.rflags & FLAGS_ARITH;

    if (l1_trap.vector == L1_DONE && (flags & ~FLAG_CF) == FLAG_ZF)
        gt_format(text, sizeof text, "VMfailValid %lu", vmx_get(V_INSN_ERROR));
    else if (l1_trap.vector == L1_DONE)
        gt_format(text, sizeof text, flags == FLAG_CF ? "VMfailInvalid" : flags == 0 ? "ok" : "flags %lx", flags);
    else if (l1_trap.vector == 14)
        gt_format(text, sizeof text, "#PF(%lx) cr2 %lx rip+%lx", l1_trap.error, l1_trap.cr2, l1_trap.rip - L1_CODE_AT);
    else
        gt_format(text, sizeof text, "%s(%lx) rip+%lx", gt_vector_name(l1_trap.vector), l1_trap.error,
                  l1_trap.rip - L1_CODE_AT);
    return text;
}
