/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running instruction bytes in L1: any mode the selectors give, any registers, and whatever it
 * raises comes back as a record. Owns the code page and the one-line rendering of a result.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"

enum { INT_81 = 0x81cd };
static u64 start; /* RIP of the last run's first byte */

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
    start = f->rip;
    l1_go(f);
}

const char *l1_result(void)
{
    static char text[96];
    u64 flags = l1_trap.rflags & FLAGS_ARITH;

    if (l1_trap.vector == L1_DONE && (flags & ~FLAG_CF) == FLAG_ZF)
        gt_format(text, sizeof text, "VMfailValid %lu", vmx_get(V_INSN_ERROR));
    else if (l1_trap.vector == L1_DONE)
        gt_format(text, sizeof text,
                  flags == FLAG_CF ? "VMfailInvalid"
                  : flags == 0     ? "ok"
                                   : "flags %lx",
                  flags);
    else if (l1_trap.vector == 14)
        gt_format(text, sizeof text, "#PF(%lx) cr2 %lx rip+%lx", l1_trap.error, l1_trap.cr2,
                  l1_trap.rip - start);
    else
        gt_format(text, sizeof text, "%s(%lx) rip+%lx", gt_vector_name(l1_trap.vector),
                  l1_trap.error, l1_trap.rip - start);
    return text;
}

static const char *const mode_name[L1_MODES] = {"64", "64r3", "compat", "compat_r3", "compat16"};

static void frame_mode(struct l1_frame *f, enum l1_mode mode)
{
    static const u16 cs[L1_MODES] = {SEL_CODE64, SEL_CODE64_R3, SEL_CODE32, SEL_CODE32_R3,
                                     SEL_CODE16};
    bool ring3 = cs[mode] & 3;

    f->cs = cs[mode];
    f->ss = f->ds = f->es = f->fs = f->gs = ring3 ? SEL_DATA_R3 : SEL_DATA;
    if (mode == L1_COMPAT16)
        f->rip = 0; /* its segment begins at the code page */
}

static void apply(u64 *frame, const struct vmx_set *set)
{
    for (unsigned i = 0; i < L1_SETS && set[i].op; i++) {
        if (set[i].what >= WHAT_ARENA)
            *(u64 *)((u8 *)arena(0) + (set[i].what - WHAT_ARENA)) = set[i].v;
        else
            frame[set[i].what - WHAT_GPR] = set[i].v;
    }
}

/* Only the slots that a mode can have changed: compatibility mode loses the high halves. */
static size_t changes(char *text, size_t room, const struct l1_frame *f, const u64 *before)
{
    const u64 *now = arena(PG_SCRATCH);
    u64 width = f->cs == SEL_CODE64 || f->cs == SEL_CODE64_R3 ? ~0ul : 0xffffffff;
    size_t n = 0;

    for (unsigned i = 0; i < 16 && n < room - 40; i++) {
        if (i != RSP && ((l1_trap.gpr[i] ^ f->gpr[i]) & width))
            n += gt_format(text + n, room - n, " r%u=%lx", i, l1_trap.gpr[i] & width);
    }
    for (unsigned i = 0; i < 1024 && n < room - 40; i++) {
        if (now[i] != before[i])
            n += gt_format(text + n, room - n, " [%x]=%lx", i * 8, now[i]);
    }
    return n;
}

void l1_case_run(const char *state, const struct l1_case *c)
{
    static u64 before[1024];
    struct l1_frame f;
    char text[256] = "";

    l1_frame_init(&f);
    frame_mode(&f, c->mode);
    SetMem(arena(PG_SCRATCH), 8192, 0);
    f.gpr[RAX] = ARENA_AT(PG_SCRATCH);
    apply((u64 *)&f, c->set);
    CopyMem(before, arena(PG_SCRATCH), sizeof before);
    l1_run(&f, c->code, c->len);
    changes(text, sizeof text, &f, before);
    gt_line("%s.%s.%s: %s%s", state, mode_name[c->mode], l2_one_word(c->name), l1_result(), text);
}

void l1_cases(const char *state, const struct l1_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        l1_case_run(state, &c[i]);
}
