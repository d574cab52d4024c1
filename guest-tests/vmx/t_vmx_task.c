/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task switches in a 32-bit L2: CALL, JMP, IRET and task gates always exit; the qualification
 * names selector and cause, and the faults that come before the exit stay faults. In IA-32e mode
 * they do not exist.
 *
 * Right: The exit has reason 9, and the switch has changed nothing. SDM 3C 26.4.2 "Treatment of
 * Task Switches"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define ALT              "\x00\x00\x00\x00\x70\x00" /* offset, selector SEL_TSS_ALT */
#define OWN              "\x00\x00\x00\x00\x48\x00" /* SEL_TSS, busy */
#define GATE             "\x00\x00\x00\x00\x88\x00"
#define NT               OR(GUEST_RFLAGS, 1 << 14)
#define BACKLINK(SEL)    MEM(P_TSS32, 0, SEL)
#define DESC(SEL, VALUE) MEM(P_GDT, (SEL) & ~7u, VALUE)
#define TSS_DESC(ACCESS, LIMIT) \
    DESC(SEL_TSS_ALT, (LIMIT) | (L2_AT(P_TSS_ALT) & 0xffffff) << 16 | (u64)(ACCESS) << 40)

static const struct l2_case cases[] = {
    CASE("call", L2_32, "\x9a" ALT),
    CASE("jmp", L2_32, "\xea" ALT),
    CASE("call gate", L2_32, "\x9a" GATE),
    CASE("jmp gate", L2_32, "\xea" GATE),
    CASE("call memory", L2_32, "\xff\x1d\x00\x10\x01\x00", MEM(P_DATA, 0, (u64)SEL_TSS_ALT << 32)),
    CASE("jmp memory", L2_32, "\xff\x2d\x00\x10\x01\x00", MEM(P_DATA, 0, (u64)SEL_TSS_ALT << 32)),
    CASE("call o16", L2_32, "\x66\x9a\x00\x00\x70\x00"),
    CASE("iret", L2_32, "\xcf", NT, BACKLINK(SEL_TSS_ALT), TSS_DESC(0x8b, 0x67)),
    CASE("iret not busy", L2_32, "\xcf", NT, BACKLINK(SEL_TSS_ALT)),
    CASE("iret backlink null", L2_32, "\xcf", NT, BACKLINK(0)),
    CASE("iret backlink ldt", L2_32, "\xcf", NT, BACKLINK(SEL_TSS_ALT | 4)),
    CASE("call busy", L2_32, "\x9a" OWN),
    CASE("jmp busy", L2_32, "\xea" OWN),
    CASE("call absent", L2_32, "\x9a" ALT, TSS_DESC(0x09, 0x67)),
    CASE("call limit small", L2_32, "\x9a" ALT, TSS_DESC(0x89, 0x66)),
    CASE("jmp limit small", L2_32, "\xea" ALT, TSS_DESC(0x89, 0x2b)),
    CASE("call dpl", L2_32_R3, "\x9a" ALT),
    CASE("call dpl 3", L2_32_R3, "\x9a" ALT, TSS_DESC(0xe9, 0x67)),
    CASE("jmp dpl 3", L2_32_R3, "\xea" ALT, TSS_DESC(0xe9, 0x67)),
    CASE("call rpl", L2_32, "\x9a\x00\x00\x00\x00\x73\x00"),
    CASE("call beyond gdt", L2_32, "\x9a\x00\x00\x00\x00\xf8\x7f"),
    CASE("call 16-bit tss", L2_32, "\x9a" ALT, TSS_DESC(0x81, 0x67)),
    CASE("gate absent", L2_32, "\x9a" GATE, DESC(SEL_GATE, (u64)SEL_TSS_ALT << 16 | 0x65ul << 40)),
    CASE("gate to code", L2_32, "\x9a" GATE, DESC(SEL_GATE, (u64)SEL_CODE32 << 16 | 0xe5ul << 40)),
    CASE("gate to null", L2_32, "\x9a" GATE, DESC(SEL_GATE, 0xe5ul << 40)),
    CASE("gate to busy", L2_32, "\x9a" GATE, DESC(SEL_GATE, (u64)SEL_TSS << 16 | 0xe5ul << 40)),
    CASE("call", L2_PAE, "\x9a" ALT),
    CASE("call", L2_16, "\x9a\x00\x00\x70\x00"),
    CASE("iret in v86", L2_V86, "\xcf", NT, OR(GUEST_RFLAGS, 3 << 12)),
    CASE("call far", L2_64, "\xff\x1c\x25\x00\x10\x01\x00", MEM(P_DATA, 0, (u64)SEL_TSS_ALT << 32)),
    CASE("iret nt", L2_64, "\x48\xcf", NT),
    CASE("call far", L2_COMPAT, "\x9a" ALT),
    CASE("call with tf", L2_32, "\x9a" ALT, OR(GUEST_RFLAGS, FLAG_TF)),
    CASE("call behind mov ss", L2_32, "\x9a" ALT, SET(GUEST_INTERRUPTIBILITY, 2)),
    CASE("call t bit", L2_32, "\x9a" ALT, MEM(P_TSS_ALT, 0x60, 1ul << 32)),
    CASE("int gate", L2_32, "\xcd\x30",
         MEM(P_IDT32, 0x30 * 8, (u64)SEL_TSS_ALT << 16 | 0xe5ul << 40)),
    CASE("int3 gate", L2_32, "\xcc", MEM(P_IDT32, 3 * 8, (u64)SEL_TSS_ALT << 16 | 0xe5ul << 40),
         CLEAR(EXCEPTION_BITMAP, 1 << 3)),
    CASE("int gate dpl", L2_32_R3, "\xcd\x30",
         MEM(P_IDT32, 0x30 * 8, (u64)SEL_TSS_ALT << 16 | 0x85ul << 40)),
    CASE("double fault gate", L2_32, "\xcd\x30", SET(EXCEPTION_BITMAP, 0),
         MEM(P_IDT32, 0x30 * 8, 0), MEM(P_IDT32, 13 * 8, 0), MEM(P_IDT32, 11 * 8, 0),
         MEM(P_IDT32, 8 * 8, (u64)SEL_TSS_ALT << 16 | 0xe5ul << 40)),
};

TEST_MAIN(vmx_task)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l2_cases(cases, sizeof cases / sizeof *cases);
    }
    vmx_end();
}
