/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor trap flag: a VM exit behind each instruction or delivered event of L2. Where L0 has
 * done the instruction itself, or filled EPT02 on the way, L1 must see the exit at the same place.
 * Needs the control, which Bochs 2.7's Broadwell lacks; else one line.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define MTF        OR(PROC_CTL, PROC_MTF)
#define BITMAP     OR(PROC_CTL, PROC_MSR_BITMAPS)
#define TF         OR(GUEST_RFLAGS, FLAG_TF)
#define NOEXC      SET(EXCEPTION_BITMAP, 0)
#define HIDDEN_MSR 0x481 /* L0 answers, and L1 never sees the exit */

/* The exit is pending behind the instruction, or on the first instruction of a handler when an
 * event was delivered. An exit that the instruction itself causes comes instead. An injected
 * "other event" 0 makes the exit come before the first instruction. Debug traps stay pending.
 * SDM 3C 26.5.2 "Monitor Trap Flag" */
static const struct l2_case cases[] = {
    /* clang-format off */
    CASE("off", L2_64, "\x90\x90"),
    CASE("nop", L2_64, "\x90\x90", MTF),
    CASE("cpuid", L2_64, "\x0f\xa2\x90", MTF),
    CASE("vmcall", L2_64, "", MTF),
    CASE("rdmsr bitmap", L2_64, "\x0f\x32\x90", MTF, BITMAP, REG(RCX, 0x277)),
    CASE("rdmsr vmx", L2_64, "\x0f\x32\x90", MTF, BITMAP, REG(RCX, HIDDEN_MSR)),
    CASE("rdmsr vmx tf", L2_64, "\x0f\x32\x90", MTF, BITMAP, TF, REG(RCX, HIDDEN_MSR)),
    CASE("rdmsr feature", L2_64, "\x0f\x32\x90", MTF, BITMAP, REG(RCX, 0x3a)),
    CASE("rdmsr nowhere", L2_64, "\x0f\x32\x90", MTF, BITMAP, REG(RCX, 0x40000000)),
    CASE("wrmsr pat", L2_64, "\x0f\x30\x90", MTF, BITMAP, REG(RCX, 0x277), REG(RAX,
         0x00070406), REG(RDX, 0x00070406)),
    CASE("wrmsr mtrr", L2_64, "\x0f\x30\x90", MTF, BITMAP, REG(RCX, 0x20e), REG(RAX, 0),
         REG(RDX, 0)),
    CASE("wrmsr gp", L2_64, "\x0f\x30\x90", MTF, BITMAP, REG(RCX, 0x480)),
    CASE("wrmsr gp delivered", L2_64, "\x0f\x30\x90", MTF, BITMAP, NOEXC, REG(RCX, 0x480)),
    CASE("tf", L2_64, "\x90\x90", MTF, TF),
    CASE("tf delivered", L2_64, "\x90\x90", MTF, TF, NOEXC),
    CASE("popf tf", L2_64, "\x9d\x90\x90", MTF, SET(GUEST_RSP, L2_AT(P_DATA)), MEM(P_DATA, 0,
         0x102)),
    CASE("mov ss", L2_64, "\x8e\xd0\x90\x90", MTF, REG(RAX, SEL_DATA)),
    CASE("sti", L2_64, "\xfb\x90\x90", MTF),
    CASE("hlt exits", L2_64, "\xf4", MTF),
    CASE("hlt", L2_64, "\xf4", MTF, CLEAR(PROC_CTL, PROC_HLT)),
    CASE("in hlt", L2_64, "\x90", MTF, SET(GUEST_ACTIVITY, 1), CLEAR(PROC_CTL, PROC_HLT)),
    CASE("rep movs", L2_64, "\xf3\xa4\x90", MTF, REG(RCX, 5), REG(RSI, L2_AT(P_DATA)), REG(RDI,
         L2_AT(P_DATA) + 64)),
    CASE("rep movs 0", L2_64, "\xf3\xa4\x90", MTF, REG(RCX, 0), REG(RSI, L2_AT(P_DATA)),
         REG(RDI, L2_AT(P_DATA) + 64)),
    CASE("ud exits", L2_64, "\x0f\x0b", MTF),
    CASE("ud delivered", L2_64, "\x0f\x0b", MTF, NOEXC),
    CASE("pf delivered", L2_64, "\x8b\x03", MTF, NOEXC, REG(RBX, L2_AT(P_ABSENT))),
    CASE("int3 delivered", L2_64, "\xcc", MTF, NOEXC),
    CASE("int n", L2_64, "\xcd\x30", MTF),
    CASE("injected ud", L2_64, "\x90", MTF, INJECT(INTR_HARD_EXC | 6)),
    CASE("injected int", L2_64, "\x90", MTF, INJECT(INTR_EXTERNAL | 0x51), OR(GUEST_RFLAGS,
         FLAG_IF)),
    CASE("injected nmi", L2_64, "\x90", MTF, INJECT(INTR_NMI | 2)),
    CASE("injected mtf", L2_64, "\x90", INJECT(INTR_OTHER | 0)),
    CASE("injected mtf and control", L2_64, "\x90", MTF, INJECT(INTR_OTHER | 0)),
    CASE("injected other 1", L2_64, "\x90", MTF, INJECT(INTR_OTHER | 1)),
    CASE("injected mtf, hlt state", L2_64, "\x90", INJECT(INTR_OTHER | 0), SET(GUEST_ACTIVITY, 1)),
    CASE("injected mtf, tf", L2_64, "\x90", INJECT(INTR_OTHER | 0), TF),
    CASE("pending db", L2_64, "\x90\x90", MTF, NOEXC, TF, SET(GUEST_PENDING_DEBUG, 0x4000)),
    CASE("intr window", L2_64, "\x90", MTF, OR(PROC_CTL, PROC_INTR_WINDOW), OR(GUEST_RFLAGS,
         FLAG_IF)),
    CASE("timer 0", L2_64, "\x90", MTF, SET(PREEMPTION_TIMER, 0)),
    CASE("mov cr4", L2_64, "\x0f\x20\xe0\x0f\x22\xe0\x90", MTF),
    CASE("xsetbv", L2_64, "\x0f\x01\xd1", MTF, OR(GUEST_CR4, 1ul << 18), REG(RAX, 1), REG(RCX,
         0), REG(RDX, 0)),
    CASE("task-less iret", L2_64, "\x48\xcf", MTF, SET(GUEST_RSP, L2_AT(P_DATA)), MEM(P_DATA,
         0, L2_AT(P_CODE)), MEM(P_DATA, 8, SEL_CODE64), MEM(P_DATA, 16, 2), MEM(P_DATA, 24,
         L2_STACK_TOP), MEM(P_DATA, 32, SEL_DATA)),
    CASE("nop 32", L2_32, "\x90\x90", MTF),
    CASE("v86", L2_V86, "\x90\x90", MTF),
    /* clang-format on */
};

/* The first touch of a page under EPT12 is an exit of L0's alone. The trap comes behind the
 * instruction, as it does where the page is mapped. SDM 3C 26.5.2 "Monitor Trap Flag" */
static void ept_case(const char *name, const char *code, size_t len, u64 rbx)
{
    ept_world(L2_64, 0);
    ept_window();
    l2_code(code, len);
    l2.f[VI_PROC_CTL] |= PROC_MTF;
    l2.gpr[RBX] = rbx;
    l2_write();
    l2_enter(false);
    l2_report(name);
}

static void all_cases(void)
{
    l2_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SetMem(arena(PG_MSR_BITMAP), 4096, 0);
        l2_case_run(&cases[i]);
    }
    if (!ept_usable())
        return;
    ept_case("ept nop", "\x90\x90", 2, 0);
    ept_case("ept read", "\x8b\x03\x90", 3, AT_4K);
    ept_case("ept write", "\x89\x03\x90", 3, AT_2M);
    ept_case("ept write 1g", "\x89\x03\x90", 3, AT_1G);
    ept_case("ept pushes", "\x53\x90", 2, AT_4K);
}

TEST_MAIN(vmx_mtf)
{
    bool has;

    vmx_begin();
    has = gt_rdmsr(MSR_VMX_TRUE_PROC) >> 32 & PROC_MTF;
    gt_line("monitor trap flag: %u", has);
    if (has && vmx_on())
        all_cases();
    vmx_end();
}
