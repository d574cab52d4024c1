/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O instructions: every form, unconditional exiting and the two bitmaps bit by bit at their
 * edges. Ports that are let through are 0x80 (a latch) and ports where nothing answers.
 *
 * Right: An access exits when one of its ports has its bit set, or when it wraps around port
 * 0xffff; without bitmaps the unconditional control decides. SDM 3C 25.6.4 "I/O-Bitmap Addresses"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define PORT(N)  REG(RDX, N)
#define BITMAPS  CLEAR(PROC_CTL, PROC_UNCOND_IO), OR(PROC_CTL, PROC_IO_BITMAPS)
#define BIT_A(N) PHYS(PG_IO_A, (N) / 64 * 8, 1ul << ((N) % 64))
/* clang-format off */
#define BIT_B(N) PHYS(PG_IO_B, ((N) - 0x8000) / 64 * 8, 1ul << ((N) % 64))
/* clang-format on */

/* Each form exits with reason 30 and tells size, direction, string, REP, operand and port. A
 * fault of the permission to do I/O comes first. SDM 3C 28.2.1 "Basic VM-Exit Information", SDM
 * 3C 26.1.1 "Relative Priority of Faults and VM Exits" */
static const struct l2_case forms[] = {
    CASE("in al imm", L2_64, "\xe4\x71"),
    CASE("in ax imm", L2_64, "\x66\xe5\x71"),
    CASE("in eax imm", L2_64, "\xe5\x71"),
    CASE("out imm al", L2_64, "\xe6\xfe"),
    CASE("out imm ax", L2_64, "\x66\xe7\xfe"),
    CASE("out imm eax", L2_64, "\xe7\xfe"),
    CASE("in al dx", L2_64, "\xec", PORT(0x1234)),
    CASE("in ax dx", L2_64, "\x66\xed", PORT(0x1234)),
    CASE("in eax dx", L2_64, "\xed", PORT(0xffff)),
    CASE("out dx al", L2_64, "\xee", PORT(0xabcd0000001234)),
    CASE("out dx ax", L2_64, "\x66\xef", PORT(0)),
    CASE("out dx eax", L2_64, "\xef", PORT(0x8000)),
    CASE("out rex.w", L2_64, "\x48\xef", PORT(0x80)),
    CASE("insb", L2_64, "\x6c", PORT(0x60), REG(RDI, L2_AT(P_DATA))),
    CASE("insw", L2_64, "\x66\x6d", PORT(0x60), REG(RDI, L2_AT(P_DATA))),
    CASE("insd", L2_64, "\x6d", PORT(0x60), REG(RDI, L2_AT(P_DATA))),
    CASE("insb a32", L2_64, "\x67\x6c", PORT(0x60), REG(RDI, 0x5500000000 + L2_AT(P_DATA))),
    CASE("rep insb", L2_64, "\xf3\x6c", PORT(0x60), REG(RDI, L2_AT(P_DATA)), REG(RCX, 5)),
    CASE("rep insb none", L2_64, "\xf3\x6c", PORT(0x60), REG(RDI, L2_AT(P_DATA)), REG(RCX, 0)),
    CASE("rep insb absent", L2_64, "\xf3\x6c", PORT(0x60), REG(RDI, 0x500000), REG(RCX, 5)),
    CASE("insb noncanonical", L2_64, "\x6c", PORT(0x60), REG(RDI, 0x800000000000)),
    CASE("outsb", L2_64, "\x6e", PORT(0x60), REG(RSI, L2_AT(P_DATA) + 8)),
    CASE("outsw", L2_64, "\x66\x6f", PORT(0x60), REG(RSI, L2_AT(P_DATA))),
    CASE("outsd", L2_64, "\x6f", PORT(0x60), REG(RSI, L2_AT(P_DATA))),
    CASE("outsb fs", L2_64, "\x64\x6e", PORT(0x60), REG(RSI, 4), SET(GUEST_FS_BASE, L2_AT(P_DATA))),
    CASE("outsb es", L2_32, "\x26\x6e", PORT(0x60), REG(RSI, 4), SET(GUEST_ES_BASE, L2_AT(P_DATA))),
    CASE("outsb cs", L2_32, "\x2e\x6e", PORT(0x60), REG(RSI, L2_AT(P_CODE))),
    CASE("rep outsb", L2_64, "\xf3\x6e", PORT(0x60), REG(RSI, L2_AT(P_DATA)), REG(RCX, 3)),
    CASE("rep outsd df", L2_64, "\xf3\x6f", PORT(0x60), REG(RSI, L2_AT(P_DATA) + 64), REG(RCX, 3),
         OR(GUEST_RFLAGS, 1 << 10)),
    CASE("insb a16", L2_32, "\x67\x6c", PORT(0x60), REG(RDI, 0x12345678),
         SET(GUEST_ES_BASE, 0xb988)),
    CASE("insb", L2_16, "\x6c", PORT(0x60), REG(RDI, 0x1010)),
    CASE("rep outsw", L2_16, "\xf3\x6f", PORT(0x60), REG(RSI, 0x1010), REG(RCX, 0x12340002)),
    CASE("outsb ss", L2_V86, "\x36\x6e", OR(GUEST_RFLAGS, 3 << 12), PORT(0x60), REG(RSI, 0x20)),
    CASE("in", L2_V86, "\xe4\x71", OR(GUEST_RFLAGS, 3 << 12)),
    CASE("in tss permits", L2_V86, "\xe4\x71"),
    CASE("in tss forbids", L2_V86, "\xe4\x71", MEM(P_TSS32, 0x68 + 8, 0xffffffffffffffff)),
    CASE("in ring 3 iopl 0 no map", L2_64_R3, "\xe4\x71"),
    CASE("in ring 3 iopl 3", L2_64_R3, "\xe4\x71", OR(GUEST_RFLAGS, 3 << 12)),
    CASE("in ring 3 tss permits", L2_32_R3, "\xe4\x71"),
    CASE("insb ring 3 tss forbids", L2_32_R3, "\x6c", PORT(0x60), MEM(P_TSS32, 0x68 + 8, ~0ul),
         MEM(P_TSS32, 0x68, ~0ul)),
    CASE("nothing intercepted", L2_64, "\xe6\x80", CLEAR(PROC_CTL, PROC_UNCOND_IO)),
};

static const struct l2_case bitmaps[] = {
    CASE("clear", L2_64, "\xe6\x80", BITMAPS),
    CASE("set", L2_64, "\xe6\x80", BITMAPS, BIT_A(0x80)),
    CASE("below", L2_64, "\xe6\x80", BITMAPS, BIT_A(0x7f)),
    CASE("above", L2_64, "\xe6\x80", BITMAPS, BIT_A(0x81)),
    CASE("above with word", L2_64, "\x66\xe7\x80", BITMAPS, BIT_A(0x81)),
    CASE("two above with word", L2_64, "\x66\xe7\x80", BITMAPS, BIT_A(0x82)),
    CASE("three above with dword", L2_64, "\xe7\x80", BITMAPS, BIT_A(0x83)),
    CASE("four above with dword", L2_64, "\xe7\x80", BITMAPS, BIT_A(0x84)),
    CASE("ins", L2_64, "\x6c", BITMAPS, BIT_A(0x80), PORT(0x80), REG(RDI, L2_AT(P_DATA))),
    CASE("port 0", L2_64, "\xec", BITMAPS, BIT_A(0), PORT(0)),
    CASE("port 7fff", L2_64, "\xec", BITMAPS, BIT_A(0x7fff), PORT(0x7fff)),
    CASE("word at 7fff sees 8000", L2_64, "\x66\xed", BITMAPS, BIT_B(0x8000), PORT(0x7fff)),
    CASE("word at 7fff sees 7fff", L2_64, "\x66\xed", BITMAPS, BIT_A(0x7fff), PORT(0x7fff)),
    CASE("dword at 7ffd sees 8000", L2_64, "\xed", BITMAPS, BIT_B(0x8000), PORT(0x7ffd)),
    CASE("dword at 7ffc", L2_64, "\xed", BITMAPS, BIT_B(0x8000), PORT(0x7ffc)),
    CASE("port 8000", L2_64, "\xec", BITMAPS, BIT_B(0x8000), PORT(0x8000)),
    CASE("port 8000 not in a", L2_64, "\xec", BITMAPS, BIT_A(0), PORT(0x8000)),
    CASE("port ffff", L2_64, "\xec", BITMAPS, BIT_B(0xffff), PORT(0xffff)),
    CASE("port ffff clear", L2_64, "\xec", BITMAPS, BIT_B(0xfffe), PORT(0xffff)),
    CASE("word at ffff wraps", L2_64, "\x66\xed", BITMAPS, PORT(0xffff)),
    CASE("dword at fffe wraps", L2_64, "\xed", BITMAPS, PORT(0xfffe)),
    CASE("dword at fffc", L2_64, "\xed", BITMAPS, PORT(0xfffc)),
    CASE("unconditional ignored with bitmaps", L2_64, "\xe6\x80", OR(PROC_CTL, PROC_IO_BITMAPS)),
    CASE("unconditional and set", L2_64, "\xe6\x80", OR(PROC_CTL, PROC_IO_BITMAPS), BIT_A(0x80)),
    CASE("address width", L2_64, "\xe6\x80", BITMAPS, SET(IO_BITMAP_A, 1ul << 40)),
    CASE("address unaligned", L2_64, "\xe6\x80", BITMAPS, OR(IO_BITMAP_B, 0x800)),
    CASE("address unaligned unused", L2_64, "\xe6\x80", OR(IO_BITMAP_B, 0x800)),
};

/* The bitmaps are read from memory at each access, so a case cleans up behind itself. */
static void run(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        SetMem(arena(PG_IO_A), 8192, 0);
        l2_case_run(&c[i]);
    }
}

TEST_MAIN(vmx_io)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        run(forms, sizeof forms / sizeof *forms);
        run(bitmaps, sizeof bitmaps / sizeof *bitmaps);
    }
    vmx_end();
}
