/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults while an event is being delivered: what the exit says about the fault and about the event
 * (IDT-vectoring information, error code, length), double and triple faults, and that an event that
 * was delivered leaves no trace there.
 *
 * Right: The exit tells the event in IDT-vectoring information, valid only when its delivery was
 * under way; two contributory faults are a double fault, a third is exit reason 2. SDM 3C 28.2.4
 * "Information for VM Exits During Event Delivery"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define NO_IDT      SET(GUEST_IDTR_LIMIT, 0)
#define ALL         SET(EXCEPTION_BITMAP, 0xffffffff)
#define NONE        SET(EXCEPTION_BITMAP, 0)
#define BUT(VECTOR) CLEAR(EXCEPTION_BITMAP, 1u << (VECTOR))
#define BAD_STACK   SET(GUEST_RSP, 0x500008)
/* clang-format off */
#define GATE64(V, VALUE) MEM(P_IDT64, (V) * 16u, VALUE)
#define GATE32(V, VALUE) MEM(P_IDT32, (V) * 8u, VALUE)
/* clang-format on */
#define LENGTH(N) SET(ENTRY_INSN_LEN, N)

static const struct l2_case by_instruction[] = {
    CASE("int80 idt limit", L2_64, "\xcd\x80", NO_IDT),
    CASE("int80 gate dpl", L2_64_R3, "\xcd\x80", GATE64(0x80, 0x8e0000080000)),
    CASE("int80 gate absent", L2_64, "\xcd\x80", GATE64(0x80, 0x6e0000080000)),
    CASE("int80 code absent", L2_64, "\xcd\x80", GATE64(0x80, 0xee0000680000)),
    CASE("int80 stack absent", L2_64, "\xcd\x80", BAD_STACK),
    CASE("int80 stack noncanonical", L2_64, "\xcd\x80", SET(GUEST_RSP, 0x800000000000)),
    CASE("int80 tss stack absent", L2_64_R3, "\xcd\x80", MEM(P_TSS64, 4, 0x500000)),
    CASE("int80 stack absent", L2_32, "\xcd\x80", BAD_STACK),
    CASE("int80 stack limit", L2_32, "\xcd\x80", SET(GUEST_SS_LIMIT, 0xfff),
         SET(GUEST_SS_AR, 0x4093)),
    CASE("int80 tss stack null", L2_32_R3, "\xcd\x80", MEM(P_TSS32, 8, 0)),
    CASE("int80", L2_V86, "\xcd\x80"),
    CASE("int80 iopl3 stack absent", L2_V86, "\xcd\x80", OR(GUEST_RFLAGS, 3 << 12),
         MEM(P_TSS32, 0, 0x50000000000000)),
    CASE("int3 idt limit", L2_64, "\xcc", NO_IDT, BUT(3)),
    CASE("int3 stack absent", L2_64, "\xcc", BAD_STACK, BUT(3)),
    CASE("int3 intercepted", L2_64, "\xcc"),
    CASE("cd03 idt limit", L2_64, "\xcd\x03", NO_IDT, BUT(3)),
    CASE("cd03 intercepted only as int3", L2_64, "\xcd\x03"),
    CASE("int3 v86 iopl0", L2_V86, "\xcc", BUT(3)),
    CASE("into idt limit", L2_32, "\xce", NO_IDT, BUT(4), OR(GUEST_RFLAGS, 1 << 11)),
    CASE("into intercepted", L2_32, "\xce", OR(GUEST_RFLAGS, 1 << 11)),
    CASE("into no overflow", L2_32, "\xce"),
    CASE("int1 intercepted", L2_64, "\xf1"),
    CASE("int1 stack absent", L2_64, "\xf1", BAD_STACK, BUT(1)),
    CASE("ud2 idt limit", L2_64, "\x0f\x0b", NO_IDT, BUT(6)),
    CASE("ud2 stack absent", L2_64, "\x0f\x0b", BAD_STACK, BUT(6)),
    CASE("divide error stack absent", L2_64, "\xf7\xf1", REG(RCX, 0), BAD_STACK, BUT(0)),
    CASE("page fault stack absent", L2_64, "\x8b\x00", REG(RAX, 0x600000), BAD_STACK, BUT(14)),
    CASE("gp then np gate", L2_64, "\x8b\x00", REG(RAX, 0x800000000000), BUT(13),
         GATE64(13, 0x6e0000080000)),
    CASE("divide then gp is double", L2_64, "\xf7\xf1", REG(RCX, 0), BUT(0), BUT(13), NO_IDT),
    CASE("page then page is double", L2_64, "\x8b\x00", REG(RAX, 0x600000), BAD_STACK,
         CLEAR(EXCEPTION_BITMAP, 1 << 14)),
    CASE("double delivered", L2_64, "\xf7\xf1", REG(RCX, 0), NONE, GATE64(0, 0x6e0000080000),
         GATE64(11, 0x6e0000080000)),
    CASE("double intercepted", L2_64, "\xf7\xf1", REG(RCX, 0), SET(EXCEPTION_BITMAP, 1 << 8),
         NO_IDT),
    CASE("triple", L2_64, "\xf7\xf1", REG(RCX, 0), NONE, NO_IDT),
    CASE("triple", L2_32, "\xf7\xf1", REG(RCX, 0), NONE, NO_IDT),
    CASE("triple", L2_V86, "\x0f\x0b", NONE, NO_IDT),
    CASE("benign then gp", L2_64, "\x0f\x0b", NO_IDT, SET(EXCEPTION_BITMAP, 1 << 13)),
    CASE("idt page absent", L2_64, "\x0f\x0b", SET(GUEST_IDTR_BASE, 0x500000), BUT(6)),
    CASE("idt page absent", L2_32, "\x0f\x0b", SET(GUEST_IDTR_BASE, 0x500000), BUT(6)),
    CASE("gdt page absent", L2_64, "\xcd\x80", SET(GUEST_GDTR_BASE, 0x500000)),
    CASE("idt on apic page", L2_64, "\xcd\x80", PROC2(PROC2_APIC_ACCESS),
         SET(GUEST_IDTR_BASE, L2_AT(P_APIC))),
    CASE("stack on apic page", L2_64, "\xcd\x80", PROC2(PROC2_APIC_ACCESS),
         SET(GUEST_RSP, L2_AT(P_APIC) + 0x400)),
    CASE("task gate", L2_32, "\xcd\x80", GATE32(0x80, 0xe50000880000 | (u64)SEL_TSS_ALT << 16)),
    CASE("task gate on ud2", L2_32, "\x0f\x0b", BUT(6),
         GATE32(6, 0xe50000000000 | (u64)SEL_TSS_ALT << 16)),
    CASE("task gate on pf", L2_32, "\x8b\x00", REG(RAX, 0x600000), BUT(14),
         GATE32(14, 0xe50000000000 | (u64)SEL_TSS_ALT << 16)),
};

/* The same with the event injected by the entry itself. */
static const struct l2_case by_injection[] = {
    CASE("external idt limit", L2_64, "", INJECT(INTR_EXTERNAL | 0x40), OR(GUEST_RFLAGS, FLAG_IF),
         NO_IDT),
    CASE("external stack absent", L2_64, "", INJECT(INTR_EXTERNAL | 0x40),
         OR(GUEST_RFLAGS, FLAG_IF), BAD_STACK),
    CASE("external all ones", L2_32, "", INJECT(INTR_EXTERNAL | 0xff), OR(GUEST_RFLAGS, FLAG_IF),
         BAD_STACK),
    CASE("nmi idt limit", L2_64, "", INJECT(INTR_NMI | 2), NO_IDT),
    CASE("ud idt limit", L2_64, "", INJECT(INTR_HARD_EXC | 6), NO_IDT),
    CASE("df stack absent", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 8), BAD_STACK),
    CASE("df triple", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 8), BAD_STACK, NONE),
    CASE("gp stack absent", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 13),
         SET(ENTRY_INTR_ERROR, 0x1234), BAD_STACK),
    CASE("gp double", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 13),
         SET(ENTRY_INTR_ERROR, 0x1234), NO_IDT, BUT(13)),
    CASE("pf stack absent", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 14),
         SET(ENTRY_INTR_ERROR, 7), BAD_STACK, BUT(14)),
    CASE("soft int idt limit", L2_64, "", INJECT(INTR_SOFT_INT | 0x80), LENGTH(2), NO_IDT),
    CASE("soft int dpl ignored", L2_64_R3, "", INJECT(INTR_SOFT_INT | 0x80), LENGTH(5),
         GATE64(0x80, 0x8e0000080000)),
    CASE("soft int stack absent", L2_64, "", INJECT(INTR_SOFT_INT | 0x80), LENGTH(7), BAD_STACK),
    CASE("int3 stack absent", L2_64, "", INJECT(INTR_SOFT_EXC | 3), LENGTH(1), BAD_STACK),
    CASE("int3 idt limit", L2_64, "", INJECT(INTR_SOFT_EXC | 3), LENGTH(1), NO_IDT),
    CASE("int1 stack absent", L2_64, "", INJECT(INTR_PRIV_SOFT | 1), LENGTH(1), BAD_STACK),
    CASE("external task gate", L2_32, "", INJECT(INTR_EXTERNAL | 0x40), OR(GUEST_RFLAGS, FLAG_IF),
         GATE32(0x40, 0xe50000000000 | (u64)SEL_TSS_ALT << 16)),
    CASE("soft int task gate", L2_32, "", INJECT(INTR_SOFT_INT | 0x80), LENGTH(2),
         GATE32(0x80, 0xe50000000000 | (u64)SEL_TSS_ALT << 16)),
    CASE("nmi task gate", L2_32, "", INJECT(INTR_NMI | 2),
         GATE32(2, 0xe50000000000 | (u64)SEL_TSS_ALT << 16)),
    CASE("gp task gate", L2_32, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 13),
         SET(ENTRY_INTR_ERROR, 0x55), GATE32(13, 0xe50000000000 | (u64)SEL_TSS_ALT << 16)),
    CASE("external on apic stack", L2_64, "", INJECT(INTR_EXTERNAL | 0x40),
         OR(GUEST_RFLAGS, FLAG_IF), PROC2(PROC2_APIC_ACCESS),
         SET(GUEST_RSP, L2_AT(P_APIC) + 0x400)),
    CASE("delivered leaves nothing", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 14),
         SET(ENTRY_INTR_ERROR, 5)),
    CASE("tf after injection", L2_64, "", INJECT(INTR_HARD_EXC | 6), OR(GUEST_RFLAGS, FLAG_TF)),
};

TEST_MAIN(vmx_vectoring)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l2_cases(by_instruction, sizeof by_instruction / sizeof *by_instruction);
        l2_cases(by_injection, sizeof by_injection / sizeof *by_injection);
    }
    vmx_end();
}
