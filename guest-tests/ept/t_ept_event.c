/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events delivered to L2 while the pages that the delivery touches are not yet in the second level
 * below L1: each must arrive once, with its error code and the same stack, whatever L0 had to fill
 * on the way. And the same with the page absent from EPT12: the exit is L1's, with IDT-vectoring
 * information. Every case starts with fresh translations.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

#define NONE  SET(EXCEPTION_BITMAP, 0)
#define IF_ON SET(GUEST_RFLAGS, 2 | FLAG_IF)

/* With all pages in place each event arrives: handler, stack and error code are those of the event.
 * The task gate is exit reason 9 instead. SDM 3C 25.8.3 "VM-Entry Controls for Event Injection",
 * SDM 3C 26.4.2 "Treatment of Task Switches" */
static const struct l2_case cases[] = {
    CASE("external", L2_64, "", INJECT(INTR_EXTERNAL | 0x40), IF_ON),
    CASE("nmi", L2_64, "", INJECT(INTR_NMI | 2)),
    CASE("exception", L2_64, "", INJECT(INTR_HARD_EXC | 6)),
    CASE("exception with error", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 13),
         SET(ENTRY_INTR_ERROR, 0x18)),
    CASE("page fault", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 14),
         SET(ENTRY_INTR_ERROR, 6)),
    CASE("soft interrupt", L2_64, "\xcd\x80", INJECT(INTR_SOFT_INT | 0x80), SET(ENTRY_INSN_LEN, 2)),
    CASE("soft exception", L2_64, "\xcc", INJECT(INTR_SOFT_EXC | 3), SET(ENTRY_INSN_LEN, 1)),
    CASE("privileged soft exception", L2_64, "\xf1", INJECT(INTR_PRIV_SOFT | 1),
         SET(ENTRY_INSN_LEN, 1)),
    CASE("external from ring 3", L2_64_R3, "", INJECT(INTR_EXTERNAL | 0x40), IF_ON),
    CASE("soft interrupt from ring 3", L2_64_R3, "\xcd\x80", INJECT(INTR_SOFT_INT | 0x80),
         SET(ENTRY_INSN_LEN, 2)),
    CASE("int80", L2_64, "\xcd\x80", NONE),
    CASE("int80 from ring 3", L2_64_R3, "\xcd\x80", NONE),
    CASE("int3", L2_64, "\xcc", NONE),
    CASE("int1", L2_64, "\xf1", NONE),
    CASE("ud2", L2_64, "\x0f\x0b", NONE),
    CASE("divide", L2_64, "\xf7\xf1", NONE, REG(RCX, 0)),
    CASE("gp", L2_64, "\x8b\x00", NONE, REG(RAX, 0x800000000000)),
    CASE("pf", L2_64, "\x8b\x00", NONE, REG(RAX, 0x600000)),
    CASE("pf from ring 3", L2_64_R3, "\x8b\x00", NONE, REG(RAX, 0x600000)),
    CASE("double fault", L2_64, "\xf7\xf1", NONE, REG(RCX, 0), MEM(P_IDT64, 0, 0x6e0000080000),
         MEM(P_IDT64, 11 * 16, 0x6e0000080000)),
    CASE("external", L2_32, "", INJECT(INTR_EXTERNAL | 0x40), IF_ON),
    CASE("external from ring 3", L2_32_R3, "", INJECT(INTR_EXTERNAL | 0x40), IF_ON),
    CASE("int80", L2_32_R3, "\xcd\x80", NONE),
    CASE("pf", L2_32, "\x8b\x00", NONE, REG(RAX, 0x600000)),
    CASE("into", L2_32, "\xce", NONE, OR(GUEST_RFLAGS, 1 << 11)),
    CASE("ud2", L2_PAE, "\x0f\x0b", NONE),
    CASE("ud2", L2_V86, "\x0f\x0b", NONE),
    CASE("int80", L2_16, "\xcd\x80", NONE),
    CASE("task gate", L2_32, "\xcd\x80", NONE,
         MEM(P_IDT32, 0x80 * 8u, 0xe50000000000 | (u64)SEL_TSS_ALT << 16)),
};
enum { CASES = sizeof cases / sizeof *cases };

/* The pages that a delivery may touch, and the name of the group in which they are not there. */
static const struct {
    const char *name;
    u8 page;
} gone[] = {
    {"idt64", PG_L2 + P_IDT64},       {"idt32", PG_L2 + P_IDT32}, {"gdt", PG_L2 + P_GDT},
    {"stack", PG_L2 + P_STACK},       {"tss64", PG_L2 + P_TSS64}, {"tss32", PG_L2 + P_TSS32},
    {"handlers", PG_L2 + P_HANDLERS},
};

static void prepare(const struct l2_case *c, u64 eptp_flags)
{
    ept_world(c->mode, eptp_flags);
    ept_split();
    /* PDPTEs come from the VMCS when EPT is in use. SDM 3A 4.4.1 "PDPTE Registers" */
    if (c->mode == L2_PAE)
        l2.f[VI_GUEST_PDPTE0] = *(u64 *)l2.f[VI_GUEST_CR3];
    l2.flags = c->flags;
    l2_code(c->code, c->len);
    l2_apply(c->set, L2_SETS);
    ept_invept(INVEPT_ALL, 0);
}

static bool has_event(void)
{
    return (u32)l2_seen[VI_EXIT_REASON] == REASON_EPT_VIOLATION;
}

static void run(const struct l2_case *c, const char *group)
{
    char name[80];

    l2_write();
    l2_enter(false);
    /* NMI unblocking: undefined while an event is delivered. CAVEAT(bochs-iret-unblocking) */
    if (has_event())
        l2_seen[VI_EXIT_QUALIFICATION] &= ~0x1000ul;
    gt_format(name, sizeof name, "%s.%s", group, c->name);
    l2_report(name);
}

/* Whatever is first touched by the delivery is new to L0. L1 sees no exit of it. SDM 3C 29.3.3.2
 * "EPT Violations" */
static void first_touch(u64 eptp_flags)
{
    for (unsigned i = 0; i < CASES; i++) {
        prepare(&cases[i], eptp_flags);
        run(&cases[i], eptp_flags ? "fill_ad" : "fill");
    }
}

/* SDM 3C 28.2.4 "Information for VM Exits During Event Delivery": what a hypervisor copies. */
static void inject_what_was_interrupted(void)
{
    vmx_vmwrite(V_ENTRY_INTR_INFO, l2_seen[VI_IDT_VECTORING_INFO] & ~0x1000ul);
    vmx_vmwrite(V_ENTRY_INTR_ERROR, l2_seen[VI_IDT_VECTORING_ERROR]);
    vmx_vmwrite(V_ENTRY_INSN_LEN, l2_seen[VI_EXIT_INSN_LEN]);
}

/* One page is absent from EPT12: L1's exit in the middle of the delivery. L1 then puts the page in,
 * injects what IDT-vectoring tells, and the event arrives. SDM 3C 28.2.4 "Information for VM Exits
 * During Event Delivery" */
static void absent(unsigned which)
{
    for (unsigned i = 0; i < CASES; i++) {
        u64 *leaf;

        prepare(&cases[i], 0);
        leaf = ept_leaf_of(gone[which].page);
        *leaf &= ~E_RWX;
        ept_invept(INVEPT_ALL, 0);
        run(&cases[i], gone[which].name);
        if (!has_event() || !(l2_seen[VI_IDT_VECTORING_INFO] & INTR_VALID))
            continue;
        *leaf |= E_RWX;
        inject_what_was_interrupted();
        l2_enter(true);
        gt_line("again.%s.%s.%s: %s rip %lx rsp %lx", l2_mode_name[l2.mode], gone[which].name,
                l2_one_word(cases[i].name), ept_result(), l2_seen[VI_GUEST_RIP],
                l2_seen[VI_GUEST_RSP]);
    }
}

/* IRET ends the blocking by NMI before it meets the absent page of its frame: the exit says so in
 * bit 12 (undefined when NMIs exit and are not virtual) and saves no blocking; an IRET that had
 * nothing to end, and another instruction, do not. Then the page comes and the IRET completes. SDM
 * 3C 28.2.3 "Information About NMI Unblocking Due to IRET" */
static void iret(u64 eptp_flags)
{
    enum { BLOCKED_BY_NMI = 8, FRAME = P_SPARE };
    static const u32 pins[] = {0, PIN_NMI, PIN_NMI | PIN_VIRTUAL_NMI};
    static const struct l2_case iretq =
        CASE("iret", L2_64, "\x48\xcf", NONE, SET(GUEST_RSP, L2_AT(FRAME)),
             MEM(FRAME, 0, L2_AT(P_HANDLERS) + 0x801), MEM(FRAME, 8, SEL_CODE64), MEM(FRAME, 16, 2),
             MEM(FRAME, 24, L2_STACK_TOP), MEM(FRAME, 32, SEL_DATA));
    static const struct l2_case pop =
        CASE("pop", L2_64, "\x58", NONE, SET(GUEST_RSP, L2_AT(FRAME)));

    for (unsigned i = 0; i < 12; i++) {
        u32 pin = pins[i % 3];
        u64 *leaf, unblocking = 0x1000;

        prepare(i / 6 ? &pop : &iretq, eptp_flags);
        l2.f[VI_PIN_CTL] = (l2.f[VI_PIN_CTL] & ~(u64)PIN_NMI) | pin;
        l2.f[VI_GUEST_INTERRUPTIBILITY] = i / 3 % 2 ? BLOCKED_BY_NMI : 0;
        leaf = ept_leaf_of(PG_L2 + FRAME);
        *leaf &= ~E_RWX;
        ept_invept(INVEPT_ALL, 0);
        l2_write();
        l2_enter(false);
        if (pin == PIN_NMI)
            unblocking = 0;
        gt_line("unblocking%s.%s.pin%x.blocked%u: q %lx blocking %lx", eptp_flags ? ".ad" : "",
                i / 6 ? "pop" : "iret", pin, i / 3 % 2,
                l2_seen[VI_EXIT_QUALIFICATION] & (0xfff | unblocking),
                l2_seen[VI_GUEST_INTERRUPTIBILITY]);
        *leaf |= E_RWX;
        vmx_vmwrite(V_GUEST_INTERRUPTIBILITY, i / 3 % 2 ? BLOCKED_BY_NMI : 0);
        l2_enter(true);
        gt_line("unblocking%s.%s.pin%x.blocked%u then: %s rip %lx blocking %lx",
                eptp_flags ? ".ad" : "", i / 6 ? "pop" : "iret", pin, i / 3 % 2, ept_result(),
                l2_seen[VI_GUEST_RIP], l2_seen[VI_GUEST_INTERRUPTIBILITY]);
    }
}

TEST_MAIN(ept_event)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        first_touch(0);
        first_touch(EPTP_AD_ON);
        for (unsigned i = 0; i < sizeof gone / sizeof *gone; i++)
            absent(i);
        iret(0);
        iret(EPTP_AD_ON);
    }
    vmx_end();
}
