/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single step in L1 across every VMX instruction: where the #DB comes, what DR6 says, and
 * that an exit from L2 clears TF. Also hardware breakpoints on the instructions and on their
 * memory operands.
 *
 * Right: A completed instruction ends in #DB with DR6.BS; one that exits to L2 does not, and the
 * exit clears TF. SDM 3B 18.3.1.4 "Single-Step Exception Condition", SDM 3C 28.5.3 "Loading Host
 * RIP, RSP, RFLAGS, and SSP"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"

#define SCRATCH ARENA_AT(PG_SCRATCH)

struct step {
    const char *name, *code;
    u8 len;
    u64 rcx, operand;
};
/* clang-format off */
#define S(NAME, CODE, RCX_, OPERAND) {NAME, CODE, sizeof(CODE) - 1, RCX_, OPERAND}
/* clang-format on */

static const struct step steps[] = {
    S("nop", "\x90", 0, 0),
    S("vmptrst", "\x0f\xc7\x38", 0, 0),
    S("vmptrld", "\x0f\xc7\x30", 0, ARENA_AT(PG_VMCS_A)),
    S("vmptrld refused", "\x0f\xc7\x30", 0, 1),
    S("vmclear other", "\x66\x0f\xc7\x30", 0, ARENA_AT(PG_VMCS_B)),
    S("vmclear refused", "\x66\x0f\xc7\x30", 0, 1),
    S("vmread", "\x0f\x78\xcb", V_GUEST_RIP, 0),
    S("vmread memory", "\x0f\x78\x08", V_GUEST_RIP, 0),
    S("vmread refused", "\x0f\x78\xcb", 0x6fff, 0),
    S("vmwrite", "\x0f\x79\xcb", V_GUEST_RIP, 0),
    S("vmwrite memory", "\x0f\x79\x08", V_GUEST_RIP, 0),
    S("vmxon refused", "\xf3\x0f\xc7\x30", 0, ARENA_AT(PG_VMXON)),
    S("vmlaunch refused", "\x0f\x01\xc2", 0, 0),
    S("vmresume refused", "\x0f\x01\xc3", 0, 0),
    S("vmread faults", "\x0f\x78\x0b", V_GUEST_RIP, 0), /* RBX is not canonical */
    S("cpuid", "\x0f\xa2", 0, 0),
    S("rdmsr vmx", "\x0f\x32", MSR_VMX_BASIC + 2, 0),
};

static void prepare(struct l1_frame *f, const struct step *s)
{
    l1_frame_init(f);
    f->gpr[RAX] = SCRATCH;
    f->gpr[RCX] = s->rcx;
    *(u64 *)arena(PG_SCRATCH) = s->operand;
    gt_write_dr6(0xffff0ff0);
}

static void show(const char *kind, const struct step *s)
{
    gt_line("%s.%s: %s at +%lx of %u flags %lx dr6 %lx dr7 %lx", kind, l2_one_word(s->name),
            gt_vector_name(l1_trap.vector), l1_trap.rip - L1_CODE_AT, s->len, l1_trap.rflags,
            l1_trap.dr6, gt_read_dr7());
    gt_write_dr7(0x400);
}

static void single_step(const struct step *s)
{
    struct l1_frame f;

    prepare(&f, s);
    f.rflags = 2 | FLAG_TF | FLAG_CF | FLAG_ZF;
    l1_run(&f, s->code, s->len);
    show("tf", s);
    prepare(&f, s);
    f.rflags = 2 | FLAG_TF | 1 << 16; /* RF is used up by the first instruction */
    l1_run(&f, s->code, s->len);
    show("tf_rf", s);
}

/* #DB is a fault on fetch breakpoints and a trap on data ones. SDM 3B 18.3.1.1
 * "Instruction-Breakpoint Exception Condition", SDM 3B 18.3.1.2 "Data Breakpoint Exception
 * Condition" */
static void breakpoints(const struct step *s)
{
    struct l1_frame f;

    prepare(&f, s);
    gt_write_dr0(L1_CODE_AT + s->len);
    gt_write_dr7(0x402);
    l1_run(&f, s->code, s->len);
    show("fetch_behind", s);
    prepare(&f, s);
    gt_write_dr0(SCRATCH);
    /* R/W0 = read or write, LEN0 = 8 bytes */
    gt_write_dr7(0x000b0402);
    l1_run(&f, s->code, s->len);
    show("data", s);
    gt_write_dr0(0);
}

/* TF is set by the POPF before VMLAUNCH; the exit lands at host RIP with TF clear. */
static void entry_with_tf(void)
{
    l2_world(L2_64);
    l2_code("", 0);
    l2_write();
    gt_write_dr6(0xffff0ff0);
    l2_enter(false);
    gt_line("exit: reason %lu flags %lx dr6 %lx", l2_seen[VI_EXIT_REASON], l2_seen_rflags,
            gt_read_dr6());
}

TEST_MAIN(vmx_step)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMXON);
        for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
            single_step(&steps[i]);
        for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
            breakpoints(&steps[i]);
        entry_with_tf();
    }
    vmx_end();
}
