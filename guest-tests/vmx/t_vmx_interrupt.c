/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real interrupts: the local APIC's timer and self-IPIs against L2. External-interrupt exits
 * with and without acknowledgement, interrupts that L2 takes itself, windows that open under a
 * pending interrupt, NMIs. The timer's count is small and L2 waits in a loop, so no line depends
 * on when it fires.
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"

enum {
    VECTOR = 0x51,
    TIMER_COUNT = 200,
};
#define LOOP    "\xeb\xfe"
#define IF_ON   OR(GUEST_RFLAGS, FLAG_IF)
#define EXT_OFF CLEAR(PIN_CTL, PIN_EXT_INT)
#define ACK     OR(EXIT_CTL, EXIT_ACK_INTR)
#define WINDOW  OR(PROC_CTL, PROC_INTR_WINDOW)
#define BOUND   SET(PREEMPTION_TIMER, 300000)

enum source { NOTHING, SELF, TIMER, NMI };

static void raise(enum source s)
{
    if (s == SELF)
        gt_apic_write(GT_APIC_ICR, GT_APIC_SELF | VECTOR);
    if (s == NMI)
        gt_apic_write(GT_APIC_ICR, GT_APIC_SELF | GT_APIC_NMI);
    if (s == TIMER) {
        gt_apic_write(GT_APIC_TIMER_DIVIDE, 0xb);
        gt_apic_write(GT_APIC_LVT_TIMER, VECTOR);
        gt_apic_write(GT_APIC_TIMER_INITIAL, TIMER_COUNT);
    }
}

static bool bit_of(u32 bank)
{
    return gt_apic_read(bank + VECTOR / 32 * 16) >> (VECTOR % 32) & 1;
}

/* What is pending and in service, then what L1 receives once it allows interrupts. */
static void settle(const struct l2_case *c)
{
    bool irr = bit_of(GT_APIC_IRR), isr = bit_of(GT_APIC_ISR);
    struct l1_frame f;

    gt_apic_write(GT_APIC_TIMER_INITIAL, 0);
    if (isr)
        gt_apic_write(GT_APIC_EOI, 0);
    l1_frame_init(&f);
    l1_run(&f, "\xfb\x90\x90\xfa", 4);
    gt_line("lapic.%s.%s: pending %d in service %d, L1 then takes %lx", l2_mode_name[c->mode],
            l2_one_word(c->name), irr, isr, l1_trap.vector);
    if (l1_trap.vector == VECTOR)
        gt_apic_write(GT_APIC_EOI, 0);
}

struct event_case {
    enum source source;
    struct l2_case c;
};

/* With external-interrupt exiting an interrupt is exit reason 1, and stays pending unless the
 * exit acknowledges it. Without, L2 takes it once IF is 1. SDM 3C 26.2 "Other Causes of VM
 * Exits" */
static const struct event_case cases[] = {
    {NOTHING, CASE("none", L2_64, "", IF_ON)},
    {SELF, CASE("pending, if 1", L2_64, LOOP, IF_ON, BOUND)},
    {SELF, CASE("pending, if 1, ack", L2_64, LOOP, IF_ON, BOUND, ACK)},
    {SELF, CASE("pending", L2_64_R3, LOOP, IF_ON, BOUND, ACK)},
    {SELF, CASE("pending", L2_32, LOOP, IF_ON, BOUND, ACK)},
    {SELF, CASE("pending", L2_V86, LOOP, IF_ON, BOUND, ACK)},
    {SELF, CASE("l2 takes it", L2_64, LOOP, IF_ON, BOUND, EXT_OFF)},
    {SELF, CASE("l2 takes it", L2_32_R3, LOOP, IF_ON, BOUND, EXT_OFF)},
    {SELF, CASE("l2 if 0 keeps it waiting", L2_64, LOOP, SET(PREEMPTION_TIMER, 20000), EXT_OFF)},
    {SELF, CASE("window first", L2_64, LOOP, IF_ON, BOUND, WINDOW)},
    /* CAVEAT(bochs-interrupt-if-0) */
    {SELF, CASE("sti lets it in", L2_64, "\xfb\x90\xeb\xfe", BOUND)},
    {SELF, CASE("sti lets it in, l2 takes it", L2_64, "\xfb\x90\xeb\xfe", BOUND, EXT_OFF)},
    {SELF, CASE("sti, window", L2_64, "\xfb\x90\xeb\xfe", BOUND, WINDOW)},
    {SELF, CASE("hlt wakes", L2_64, "", SET(GUEST_ACTIVITY, 1), IF_ON, BOUND, ACK)},
    {SELF,
     CASE("hlt wakes, l2 takes it", L2_64, "", SET(GUEST_ACTIVITY, 1), IF_ON, BOUND, EXT_OFF)},
    /* An open window wakes HLT, and exits at once: SDM 3C 27.7.5 "Interrupt-Window Exiting and
     * Virtual-Interrupt Delivery" */
    {NOTHING, CASE("hlt window", L2_64, "", SET(GUEST_ACTIVITY, 1), IF_ON, WINDOW,
                   SET(PREEMPTION_TIMER, 20000))},
    {NOTHING, CASE("hlt, no window", L2_64, "", SET(GUEST_ACTIVITY, 1), WINDOW,
                   SET(PREEMPTION_TIMER, 20000))},
    {SELF, CASE("behind injection", L2_64, LOOP, IF_ON, BOUND, INJECT(INTR_HARD_EXC | 6))},
    {SELF, CASE("blocked by mov ss", L2_64, "\x90\xeb\xfe", IF_ON, BOUND,
                SET(GUEST_INTERRUPTIBILITY, 2))},
    {TIMER, CASE("timer", L2_64, LOOP, IF_ON, BOUND)},
    {TIMER, CASE("timer, ack", L2_64, LOOP, IF_ON, BOUND, ACK)},
    {TIMER, CASE("timer, l2 takes it", L2_64, LOOP, IF_ON, BOUND, EXT_OFF)},
    {TIMER, CASE("timer wakes hlt", L2_64, "\xf4", IF_ON, BOUND, ACK, CLEAR(PROC_CTL, PROC_HLT))},
    {TIMER, CASE("timer", L2_64_R3, LOOP, IF_ON, BOUND, ACK)},
};

/* L2 finds the LAPIC in its spare page and sends the NMI itself, so that it arrives
 * behind that MOV. */
#define LAPIC      0xfee00000ul /* where IA32_APIC_BASE has it */
#define LAPIC_PAGE PHYS(PG_L2_TABLES + 3, (16 + P_SPARE) * 8, LAPIC | 0x1f)
#define SEND       REG(RBX, L2_AT(P_SPARE) + GT_APIC_ICR), REG(RAX, GT_APIC_NMI)
#define MOV        "\x89\x03\x90\x90\x90"
/* With NMI exiting an NMI is exit reason 0. Without, L2 takes vector 2. A blocked NMI waits. SDM
 * 3C 26.2 "Other Causes of VM Exits" */
static const struct l2_case nmis[] = {
    CASE("nmi exits", L2_64, MOV, LAPIC_PAGE, SEND),
    CASE("nmi not exiting", L2_64, MOV, LAPIC_PAGE, SEND, CLEAR(PIN_CTL, PIN_NMI)),
    CASE("nmi blocked", L2_64, MOV, LAPIC_PAGE, SEND, SET(GUEST_INTERRUPTIBILITY, 8)),
    CASE("nmi blocked, not exiting", L2_64, MOV, LAPIC_PAGE, SEND, SET(GUEST_INTERRUPTIBILITY, 8),
         CLEAR(PIN_CTL, PIN_NMI)),
    CASE("nmi behind sti", L2_64, "\xfb\x89\x03\x90\x90", LAPIC_PAGE, SEND),
    CASE("nmi behind mov ss", L2_64, MOV, LAPIC_PAGE, SEND, SET(GUEST_INTERRUPTIBILITY, 2)),
    CASE("nmi before external", L2_64, "\xc7\x03\x51\x00\x04\x00\x89\x03\xfb\x90\x90", LAPIC_PAGE,
         SEND),
};

/* In L1: an NMI arrives, stays blocked until IRET, and a second one waits for that. SDM 3A 6.7.1
 * "Handling Multiple NMIs" */
static void nmi_in_l1(const char *when)
{
    struct l1_frame f;

    l1_frame_init(&f);
    f.gpr[RBX] = LAPIC + GT_APIC_ICR;
    f.gpr[RAX] = GT_APIC_NMI;
    l1_run(&f, "\x89\x03\x90\x90", 4);
    gt_line("nmi_in_l1.%s: vector %lx rip +%lx", when, l1_trap.vector, l1_trap.rip - L1_CODE_AT);
}

static void run_nmis(void)
{
    nmi_in_l1("before");
    for (unsigned i = 0; i < sizeof nmis / sizeof *nmis; i++) {
        l2_case_run(&nmis[i]);
        settle(&nmis[i]);
        gt_line("nmi_later.%s: %lu taken by L1", l2_one_word(nmis[i].name), l1_nmis);
        l1_nmis = 0;
    }
    nmi_in_l1("after");
}

TEST_MAIN(vmx_interrupt)
{
    vmx_begin();
    if (vmx_on()) {
        u32 spurious = gt_apic_read(GT_APIC_SVR), timer = gt_apic_read(GT_APIC_LVT_TIMER);

        gt_apic_write(GT_APIC_SVR, 0x1ff);
        gt_apic_write(GT_APIC_TPR, 0);
        l2_init();
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            raise(cases[i].source);
            l2_case_run(&cases[i].c);
            settle(&cases[i].c);
        }
        run_nmis();
        gt_apic_write(GT_APIC_LVT_TIMER, timer | GT_APIC_MASKED);
        gt_apic_write(GT_APIC_SVR, spurious);
    }
    vmx_end();
}
