/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Posted interrupts by L1: the descriptor is a page of L1's memory that the processor reads and
 * clears for L2, and vmcs02 must name that page and no other. Needs the control (newer processors);
 * else one line. CAVEAT(bochs-posted-descriptor): the cases keep the descriptor page aligned.
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define NOTIFICATION 0x61u
#define OTHER        0x71u
#define VECTOR       0x51u
#define DESCRIPTOR   ARENA_AT(PG_FREE)
#define ON           32 /* the byte of the descriptor with the outstanding-notification bit */
#define NOWHERE      0xd0000000ul
#define APIC         0xfee00000ul
#define HIDDEN_MSR   0x481u /* L0 answers, and L1 never sees the exit */

#define DELIVERY                                    \
    OR(PROC_CTL, PROC_TPR_SHADOW | PROC_SECONDARY), \
        OR(PROC2_CTL, PROC2_VIRTUAL_INTR | PROC2_APIC_REGISTERS)
#define POSTED                                                                               \
    OR(PIN_CTL, PIN_POSTED), OR(EXIT_CTL, EXIT_ACK_INTR), SET(POSTED_INTR_NV, NOTIFICATION), \
        SET(POSTED_INTR_DESC, DESCRIPTOR)
#define REQUEST PHYS(PG_FREE, VECTOR / 64 * 8, 1ul << (VECTOR % 64)), PHYS(PG_FREE, ON, 1)
#define IF_ON   OR(GUEST_RFLAGS, FLAG_IF)
#define BOUND   SET(PREEMPTION_TIMER, 100000)
#define LOOP    "\xeb\xfe"
/* bts dword [rsi + 8], VECTOR % 32; mov byte [rsi + ON], 1; mov [rbx], eax */
#define POST      "\x0f\xba\x6e\x08\x11\xc6\x46\x20\x01\x89\x03"
#define TO_ITSELF POST "\x90\x90" LOOP
#define BETWEEN   "\xfa" POST "\x0f\x32\xfb\x90\x90" LOOP

/* An interrupt with the notification vector is no exit: the processor acknowledges it, moves the
 * requests from the descriptor into virtual IRR and delivers the highest. With another vector it is
 * an exit. Without a notification nothing is moved. A VM entry fails with error 7 when the control
 * lacks virtual-interrupt delivery, acknowledgement on exit or external-interrupt exiting, when the
 * vector is above 255, or when the descriptor is not 64-byte aligned or too wide.
 * SDM 3C 27.2.1.1 "VM-Execution Control Fields" */
static const struct posted_case {
    struct l2_case c;
    u8 raise; /* the vector that L1 sends to itself before the VM entry */
} cases[] = {
    /* clang-format off */
    {CASE("notified at entry", L2_64, LOOP, DELIVERY, POSTED, REQUEST, IF_ON, BOUND), NOTIFICATION},
    {CASE("notified, if 0", L2_64, "\x90\x90", DELIVERY, POSTED, REQUEST, BOUND), NOTIFICATION},
    {CASE("notified, sti", L2_64, "\x90\xfb\x90\x90" LOOP, DELIVERY, POSTED, REQUEST, BOUND),
      NOTIFICATION},
    {CASE("other vector", L2_64, LOOP, DELIVERY, POSTED, REQUEST, IF_ON, BOUND), OTHER},
    {CASE("posted, not notified", L2_64, "\x90\x90", DELIVERY, POSTED, REQUEST, IF_ON, BOUND), 0},
    {CASE("descriptor misaligned", L2_64, "\x90", DELIVERY, POSTED, SET(POSTED_INTR_DESC,
      DESCRIPTOR + 8)), 0},
    {CASE("descriptor too wide", L2_64, "\x90", DELIVERY, POSTED, SET(POSTED_INTR_DESC,
      1ul << 60)), 0},
    {CASE("vector too large", L2_64, "\x90", DELIVERY, POSTED, SET(POSTED_INTR_NV, 0x100)), 0},
    {CASE("no acknowledgement", L2_64, "\x90", DELIVERY, POSTED, CLEAR(EXIT_CTL, EXIT_ACK_INTR)),
      0},
    {CASE("no delivery", L2_64, "\x90", OR(PROC_CTL, PROC_TPR_SHADOW), POSTED), 0},
    {CASE("no interrupt exiting", L2_64, "\x90", DELIVERY, POSTED, CLEAR(PIN_CTL, PIN_EXT_INT)), 0},
    {CASE("descriptor nowhere", L2_64, "\x90\x90", DELIVERY, POSTED, SET(POSTED_INTR_DESC,
      NOWHERE), IF_ON, BOUND), 0},
    {CASE("hlt", L2_64, "\xf4" LOOP, DELIVERY, POSTED, REQUEST, IF_ON, CLEAR(PROC_CTL, PROC_HLT)),
      NOTIFICATION},
    /* clang-format on */
};

static u32 word_of(u32 reg, u32 vector)
{
    return reg + vector / 32 * 16;
}

/* What is left of the request in the descriptor, in the virtual-APIC page and in the real APIC. The
 * real APIC is then emptied, as L1 takes what it still holds. */
static void settle(const char *name)
{
    const u32 *virtual = arena(PG_VAPIC);
    const u64 *descriptor = arena(PG_FREE);

    gt_line("left.%s: status %lx irr %x isr %x pir %lx on %lx apic irr %x %x isr %x %x",
            l2_one_word(name), l2_seen[VI_GUEST_INTR_STATUS],
            virtual[word_of(GT_APIC_IRR, VECTOR) / 4], virtual[word_of(GT_APIC_ISR, VECTOR) / 4],
            descriptor[VECTOR / 64], descriptor[ON / 8],
            gt_apic_read(word_of(GT_APIC_IRR, NOTIFICATION)),
            gt_apic_read(word_of(GT_APIC_IRR, VECTOR)),
            gt_apic_read(word_of(GT_APIC_ISR, NOTIFICATION)),
            gt_apic_read(word_of(GT_APIC_ISR, VECTOR)));
    for (unsigned i = 0; i < 4; i++) {
        struct l1_frame f;

        l1_frame_init(&f);
        l1_run(&f, "\xfb\x90\x90\xfa", 4);
        if (l1_trap.vector == L1_DONE)
            break;
        gt_line("l1.%s: vector %lx", l2_one_word(name), l1_trap.vector);
        gt_apic_write(GT_APIC_EOI, 0);
    }
    gt_apic_write(GT_APIC_EOI, 0);
    gt_apic_write(GT_APIC_EOI, 0);
}

static void empty(void)
{
    SetMem(arena(PG_VAPIC), 4096, 0);
    SetMem(arena(PG_FREE), 4096, 0);
    SetMem(arena(PG_MSR_BITMAP), 4096, 0);
}

/* L2 posts to itself while it runs: it writes the request, then sends the notification through the
 * real APIC. The request is delivered to L2 without an exit, also when an exit that is L0's alone
 * lies between the notification and the instruction that lets interrupts through. */
static void by_itself(const char *name, const char *code, size_t len)
{
    static const struct vmx_set sets[] = {DELIVERY, POSTED, IF_ON, BOUND};
    u64 *table = arena(PG_L2_TABLES + 3);

    empty();
    l2_world(L2_64);
    l2_code(code, len);
    l2_apply(sets, sizeof sets / sizeof *sets);
    l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS;
    table[16 + P_SPARE] = APIC | 0x1f;
    table[16 + P_DATA] = DESCRIPTOR | 7;
    l2.gpr[RBX] = L2_AT(P_SPARE) + GT_APIC_ICR;
    l2.gpr[RAX] = GT_APIC_SELF | NOTIFICATION;
    l2.gpr[RCX] = HIDDEN_MSR;
    l2.gpr[RSI] = L2_AT(P_DATA);
    l2_write();
    l2_enter(false);
    l2_report(name);
    settle(name);
}

TEST_MAIN(vmx_posted)
{
    bool has;

    vmx_begin();
    has = gt_rdmsr(MSR_VMX_TRUE_PIN) >> 32 & PIN_POSTED;
    gt_line("posted interrupts: %u", has);
    if (has && vmx_on()) {
        l2_init();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            empty();
            if (cases[i].raise)
                gt_apic_write(GT_APIC_ICR, GT_APIC_SELF | cases[i].raise);
            l2_case_run(&cases[i].c);
            settle(cases[i].c.name);
        }
        by_itself("by itself", TO_ITSELF, sizeof TO_ITSELF - 1);
        by_itself("by itself, exit of L0 between", BETWEEN, sizeof BETWEEN - 1);
    }
    vmx_end();
}
