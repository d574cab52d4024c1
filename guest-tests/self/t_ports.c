/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An L2 that L1 lets at COM2's ports: by bitmaps that do not name them, by no I/O control at all,
 * and by bitmaps that name one. It writes '@' to the line, and asks the scratch register to keep a
 * value. With gdb= the line is the debugger's, and tools/rig/debug_test.py judges what is seen.
 *
 * Right: the accesses that L1 did not name end in no exit. SDM 3C 26.1.3 "Instructions That Cause
 * VM Exits Conditionally"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define PORT(N)  REG(RDX, N)
#define OPEN     CLEAR(PROC_CTL, PROC_UNCOND_IO)
#define BITMAPS  OPEN, OR(PROC_CTL, PROC_IO_BITMAPS)
#define BIT_A(N) PHYS(PG_IO_A, (N) / 64 * 8, 1ul << ((N) % 64))

#define COM2    0x2f8
#define SCRATCH (COM2 + 7)
#define WRITE   "\xb0\x40\xee"             /* MOV '@' to AL; OUT */
#define KEEP    "\xb0\x5a\xee\xb0\x11\xec" /* MOV 0x5a to AL; OUT; MOV 0x11 to AL; IN */
#define STRING  "\xf3\x6e"                 /* REP OUTSB */

static const struct l2_case cases[] = {
    CASE("bitmaps, written", L2_64, WRITE, BITMAPS, PORT(COM2)),
    CASE("bitmaps, kept", L2_64, KEEP, BITMAPS, PORT(SCRATCH)),
    CASE("bitmaps, word across the edge", L2_64, "\x66\xed", BITMAPS, PORT(COM2 - 1)),
    CASE("bitmaps, dword across the end", L2_64, "\xed", BITMAPS, PORT(COM2 + 6)),
    CASE("bitmaps, string", L2_64, STRING, BITMAPS, PORT(COM2), REG(RCX, 1),
         REG(RSI, L2_AT(P_DATA)), MEM(P_DATA, 0, '@')),
    CASE("bitmaps, stepped", L2_64, "\xec", BITMAPS, PORT(SCRATCH), OR(GUEST_RFLAGS, 0x100)),
    CASE("bitmaps, L1's port", L2_64, "\xec", BITMAPS, PORT(COM2 + 5), BIT_A(COM2 + 5)),
    CASE("bitmaps, beside L1's port", L2_64, KEEP, BITMAPS, PORT(SCRATCH), BIT_A(COM2 + 5)),
    CASE("bitmaps, another port", L2_64, "\xe6\x80", BITMAPS),
    CASE("bitmaps, L1's other port", L2_64, "\xe6\x80", BITMAPS, BIT_A(0x80)),
    CASE("nothing, written", L2_64, WRITE, OPEN, PORT(COM2)),
    CASE("nothing, kept", L2_64, KEEP, OPEN, PORT(SCRATCH)),
    CASE("nothing, upper port", L2_64, "\xec", OPEN, PORT(0xfffe)),
    CASE("all, written", L2_64, WRITE, PORT(COM2)),
};

/* An exit behind each instruction. */
static const struct l2_case trapped =
    CASE("bitmaps, trap flag", L2_64, "\xec", BITMAPS, PORT(SCRATCH), OR(PROC_CTL, PROC_MTF));

static void run(const struct l2_case *c)
{
    SetMem(arena(PG_IO_A), 8192, 0);
    l2_case_run(c);
}

TEST_MAIN(ports)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            run(&cases[i]);
        if (gt_rdmsr(MSR_VMX_TRUE_PROC) >> 32 & PROC_MTF)
            run(&trapped);
    }
    vmx_end();
}
