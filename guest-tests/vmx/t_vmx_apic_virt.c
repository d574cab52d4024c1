/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * APIC-register virtualization and virtual-interrupt delivery through L1: which accesses to the
 * APIC-access page are answered from the virtual-APIC page, which end in an APIC-write or an
 * EOI-induced exit, and which interrupts the processor delivers by itself. SDM 3C 30.1 "Virtual
 * APIC State", SDM 3C 30.2 "Evaluation and Delivery of Virtual Interrupts"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum {
    TPR = 0x80,
    PPR = 0xa0,
    EOI = 0xb0,
    ISR = 0x100,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    LVT = 0x320,
    VECTOR = 0x51
};

#define SHADOW    OR(PROC_CTL, PROC_TPR_SHADOW)
#define REGISTERS PROC2(PROC2_APIC_ACCESS | PROC2_APIC_REGISTERS)
#define DELIVERY  PROC2(PROC2_APIC_ACCESS | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_INTR)
/* clang-format off */
#define X2APIC \
    PROC2(PROC2_X2APIC | PROC2_APIC_REGISTERS), OR(PROC_CTL, PROC_MSR_BITMAPS)
/* clang-format on */
#define VAPIC(OFFSET, VALUE) PHYS(PG_VAPIC, OFFSET, VALUE)
#define AT(OFFSET)           REG(RBX, L2_AT(P_APIC) + (OFFSET))
#define READ                 "\x8b\x03" /* mov eax, [rbx] */
#define WRITE                "\x89\x03" /* mov [rbx], eax */
#define BIT_OF(BANK)         VAPIC((BANK) + VECTOR / 32 * 16, 1u << VECTOR % 32)
#define IF_ON                OR(GUEST_RFLAGS, FLAG_IF)
#define REQUEST              BIT_OF(IRR), SET(GUEST_INTR_STATUS, VECTOR)
#define IN_SERVICE           BIT_OF(ISR), SET(GUEST_INTR_STATUS, VECTOR << 8)
/* clang-format off */
#define X2APIC_DELIVERY \
    PROC2(PROC2_X2APIC | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_INTR), OR(PROC_CTL, PROC_MSR_BITMAPS)
/* clang-format on */

/* A read of a register that the SDM lists for reads comes from the virtual-APIC page. A write of
 * one that it lists for writes goes there and, but for VTPR, exits with reason 56. Any other
 * access to the page exits with reason 44. SDM 3C 30.1 "Virtual APIC State" */
static const struct l2_case registers[] = {
    CASE("read id", L2_64, READ, SHADOW, REGISTERS, AT(0x20), VAPIC(0x20, 0x12345678)),
    CASE("read version", L2_64, READ, SHADOW, REGISTERS, AT(0x30), VAPIC(0x30, 0x50014)),
    CASE("read tpr", L2_64, READ, SHADOW, REGISTERS, AT(TPR), VAPIC(TPR, 0x40)),
    CASE("read eoi", L2_64, READ, SHADOW, REGISTERS, AT(EOI), VAPIC(EOI, 0x11)),
    CASE("read isr", L2_64, READ, SHADOW, REGISTERS, AT(ISR), VAPIC(ISR, 0x22)),
    CASE("read lvt", L2_64, READ, SHADOW, REGISTERS, AT(LVT), VAPIC(LVT, 0x10000)),
    CASE("read reserved", L2_64, READ, SHADOW, REGISTERS, AT(0x40)),
    CASE("read across", L2_64, READ, SHADOW, REGISTERS, AT(0x82)),
    CASE("write tpr", L2_64, WRITE, SHADOW, REGISTERS, AT(TPR), REG(RAX, 0x30)),
    CASE("write eoi", L2_64, WRITE, SHADOW, REGISTERS, AT(EOI), REG(RAX, 0)),
    CASE("write esr", L2_64, WRITE, SHADOW, REGISTERS, AT(ESR), REG(RAX, 7)),
    CASE("write icr", L2_64, WRITE, SHADOW, REGISTERS, AT(ICR), REG(RAX, 0x4051)),
    CASE("write lvt", L2_64, WRITE, SHADOW, REGISTERS, AT(LVT), REG(RAX, 0x10061)),
    CASE("write id", L2_64, WRITE, SHADOW, REGISTERS, AT(0x20), REG(RAX, 0x1000000)),
    CASE("write version", L2_64, WRITE, SHADOW, REGISTERS, AT(0x30), REG(RAX, 0)),
    CASE("needs shadow", L2_64, READ, REGISTERS, AT(0x20)),
    CASE("x2apic rdmsr tpr", L2_64, "\x0f\x32", SHADOW, X2APIC, REG(RCX, 0x808), VAPIC(TPR, 0x50)),
    CASE("x2apic rdmsr id", L2_64, "\x0f\x32", SHADOW, X2APIC, REG(RCX, 0x802), VAPIC(0x20, 0x77)),
    CASE("x2apic wrmsr tpr", L2_64, "\x0f\x30", SHADOW, X2APIC, REG(RCX, 0x808), REG(RAX, 0x20),
         REG(RDX, 0)),
    CASE("x2apic with access page", L2_64, "", SHADOW, PROC2(PROC2_X2APIC | PROC2_APIC_ACCESS)),
};

/* A requested vector of a class above VPPR's goes through L2's IDT without an exit once IF is 1.
 * Until then it stays requested. Without external-interrupt exiting the entry is VMfail 7. SDM
 * 3C 30.2 "Evaluation and Delivery of Virtual Interrupts", SDM 3C 27.2.1.1 "VM-Execution Control
 * Fields" */
static const struct l2_case delivery[] = {
    CASE("needs external exiting", L2_64, "", SHADOW, DELIVERY, CLEAR(PIN_CTL, PIN_EXT_INT)),
    CASE("nothing requested", L2_64, "\x90", SHADOW, DELIVERY, IF_ON),
    CASE("requested, if 0", L2_64, "\x90", SHADOW, DELIVERY, BIT_OF(IRR),
         SET(GUEST_INTR_STATUS, VECTOR)),
    CASE("requested", L2_64, "\x90\x90", SHADOW, DELIVERY, IF_ON, BIT_OF(IRR),
         SET(GUEST_INTR_STATUS, VECTOR)),
    CASE("requested, masked by tpr", L2_64, "\x90", SHADOW, DELIVERY, IF_ON, BIT_OF(IRR),
         SET(GUEST_INTR_STATUS, VECTOR), VAPIC(TPR, 0x60)),
    CASE("requested, sti", L2_64, "\xfb\x90\x90", SHADOW, DELIVERY, REQUEST),
    CASE("requested, mov ss", L2_64, "\x90\x90", SHADOW, DELIVERY, REQUEST, IF_ON,
         SET(GUEST_INTERRUPTIBILITY, 2)),
    /* CAVEAT(bochs-hlt-virtual-interrupt) */
    CASE("requested, halted", L2_64, "", SHADOW, DELIVERY, REQUEST, IF_ON, SET(GUEST_ACTIVITY, 1)),
    CASE("requested, halted, if 0", L2_64, "", SHADOW, DELIVERY, REQUEST, SET(GUEST_ACTIVITY, 1),
         SET(PREEMPTION_TIMER, 20000)),
    CASE("requested, halts", L2_64, "\xfb\xf4", SHADOW, DELIVERY, REQUEST,
         CLEAR(PROC_CTL, PROC_HLT)),
    CASE("requested, tpr lowered", L2_64, WRITE "\x90", SHADOW, DELIVERY, REQUEST, IF_ON,
         VAPIC(TPR, 0x60), AT(TPR), REG(RAX, 0x20)),
    CASE("requested, cr8 lowered", L2_64, "\x44\x0f\x22\xc0\x90", SHADOW, DELIVERY, REQUEST, IF_ON,
         VAPIC(TPR, 0x60), REG(RAX, 2)),
    CASE("requested, window", L2_64, "\x90", SHADOW, DELIVERY, REQUEST, IF_ON,
         OR(PROC_CTL, PROC_INTR_WINDOW)),
    CASE("requested, injected", L2_64, "\x90", SHADOW, DELIVERY, REQUEST, IF_ON,
         INJECT(INTR_HARD_EXC | 6)),
    CASE("requested, timer 0", L2_64, "\x90", SHADOW, DELIVERY, REQUEST, IF_ON,
         SET(PREEMPTION_TIMER, 0)),
    CASE("in service, eoi", L2_64, WRITE, SHADOW, DELIVERY, IN_SERVICE, AT(EOI), REG(RAX, 0)),
    CASE("in service, eoi exits", L2_64, WRITE, SHADOW, DELIVERY, IN_SERVICE, AT(EOI), REG(RAX, 0),
         SET(EOI_EXIT_BITMAP1, 1ul << (VECTOR - 64))),
    CASE("in service, other eoi exits", L2_64, WRITE, SHADOW, DELIVERY, IN_SERVICE, AT(EOI),
         REG(RAX, 0), SET(EOI_EXIT_BITMAP1, ~(1ul << (VECTOR - 64)))),
    CASE("self ipi by icr", L2_64, WRITE "\x90", SHADOW, DELIVERY, IF_ON, AT(ICR),
         REG(RAX, 0x40000 | VECTOR)),
    CASE("x2apic self ipi", L2_64, "\x0f\x30\x90", SHADOW, X2APIC_DELIVERY, IF_ON, REG(RCX, 0x83f),
         REG(RAX, VECTOR), REG(RDX, 0)),
    CASE("x2apic self ipi 15", L2_64, "\x0f\x30\x90", SHADOW, X2APIC_DELIVERY, IF_ON,
         REG(RCX, 0x83f), REG(RAX, 15), REG(RDX, 0)),
    CASE("x2apic eoi", L2_64, "\x0f\x30", SHADOW, X2APIC_DELIVERY, IN_SERVICE, REG(RCX, 0x80b),
         REG(RAX, 0), REG(RDX, 0)),
};

/* What the accesses left in the virtual-APIC page, by register. */
static void run(const char *what, const struct l2_case *c, size_t n)
{
    static const u32 at[] = {0x20, TPR, PPR, EOI, ISR + VECTOR / 32 * 16, IRR + VECTOR / 32 * 16,
                             ESR,  ICR, LVT};

    for (size_t i = 0; i < n; i++) {
        char line[120];
        size_t used = 0;

        SetMem(arena(PG_VAPIC), 4096, 0);
        SetMem(arena(PG_MSR_BITMAP), 4096, 0);
        l2_case_run(&c[i]);
        for (unsigned k = 0; k < sizeof at / sizeof *at; k++) {
            u32 v = ((u32 *)arena(PG_VAPIC))[at[k] / 4];
            if (v)
                used += gt_format(line + used, sizeof line - used, " %x=%x", at[k], v);
        }
        gt_line("%s.page.%s:%s", what, l2_one_word(c[i].name), used ? line : " empty");
    }
}

TEST_MAIN(vmx_apic_virt)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        run("registers", registers, sizeof registers / sizeof *registers);
        run("delivery", delivery, sizeof delivery / sizeof *delivery);
    }
    vmx_end();
}
