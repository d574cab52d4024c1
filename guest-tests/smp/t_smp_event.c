/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events from another processor to an L2, each awaited before the next one is sent, so that counts
 * are exact: NMIs and interrupts that L2 takes itself, that exit, that exit with virtual NMIs, to
 * an L2 that runs and to one that halts. Then L2s that send to each other without an exit. And what
 * must do nothing: a SIPI to a processor that does not wait for one. SDM 3C 26.2 "Other Causes of
 * VM Exits"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

enum {
    CPUS = 4,
    EVENTS = 150,
    LAPS = 100,
    TRIES = 40,
    PATIENCE = 3000000, /* turns before an event counts as lost */
    INIT = 3,
    NMI = GT_APIC_NMI | GT_APIC_ASSERT,
    INTERRUPT = GT_APIC_FIXED | GT_APIC_ASSERT | SMP_VECTOR,
    DO_INIT = GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL,
    DO_SIPI = GT_APIC_SIPI | 0x9f,
};

struct kind {
    const char *name;
    u32 command;
    u32 pin;
    bool ack, halts, in_l2;
};

static const struct kind kinds[] = {
    {"nmi.l2", NMI, 0, false, false, true},
    {"nmi.l2.halted", NMI, 0, false, true, true},
    {"nmi.exit", NMI, PIN_NMI, false, false, false},
    {"nmi.exit.halted", NMI, PIN_NMI, false, true, false},
    {"nmi.virtual", NMI, PIN_NMI | PIN_VIRTUAL_NMI, false, false, false},
    {"nmi.virtual.halted", NMI, PIN_NMI | PIN_VIRTUAL_NMI, false, true, false},
    {"interrupt.l2", INTERRUPT, 0, false, false, true},
    {"interrupt.l2.halted", INTERRUPT, 0, false, true, true},
    {"interrupt.exit", INTERRUPT, PIN_EXT_INT, false, false, false},
    {"interrupt.exit.ack", INTERRUPT, PIN_EXT_INT, true, false, false},
    {"interrupt.exit.halted", INTERRUPT, PIN_EXT_INT, true, true, false},
    {"init", DO_INIT, 0, false, false, false},
    {"init.halted", DO_INIT, 0, false, true, false},
};

static volatile u64 exits, others, last_other, turns, stop, meet;
static u8 *msr_map; /* nothing exits */

static void spin(void)
{
    while (!stop)
        turns++;
    for (;;)
        smp_vmcall();
}

static void halt(void)
{
    while (!stop) {
        turns++;
        __asm__ volatile("hlt" : : : "memory");
    }
    for (;;)
        smp_vmcall();
}

/* A VMCS whose L2 leaves only by what the kind says. */
static void prepare(struct smp_cpu *c, const struct kind *k, void (*l2)(void))
{
    smp_vmcs(c, c->vmcs, l2);
    vmx_vmwrite(V_PIN_CTL, (vmx_get(V_PIN_CTL) & ~(u64)(PIN_NMI | PIN_EXT_INT)) | k->pin);
    vmx_vmwrite(V_PROC_CTL, (vmx_get(V_PROC_CTL) & ~(u64)PROC_HLT) | PROC_MSR_BITMAPS);
    vmx_vmwrite(V_EXIT_CTL,
                (vmx_get(V_EXIT_CTL) & ~(u64)EXIT_ACK_INTR) | (k->ack ? EXIT_ACK_INTR : 0));
    vmx_vmwrite(V_MSR_BITMAP, (u64)msr_map);
    vmx_vmwrite(V_GUEST_RFLAGS, 0x202);
}

/* L1's answer to an exit. An interrupt that was not acknowledged is taken by L1's own IDT. */
static void answer(const struct kind *k, u64 reason)
{
    u64 info = vmx_get(V_EXIT_INTR_INFO);
    bool nmi = reason == REASON_EXCEPTION && (info & 0x7ff) == (INTR_NMI | 2);

    if (nmi && k->command == NMI) {
        smp_unblock_nmis();
    } else if (reason == REASON_EXT_INT && k->command == INTERRUPT) {
        if (k->ack && (info & 0xff) == SMP_VECTOR)
            gt_apic_write(GT_APIC_EOI, 0);
        else
            gt_sti_nop_cli();
    } else if (reason != INIT || k->command != (u32)DO_INIT) {
        others++;
        last_other = reason;
        return;
    }
    exits++;
}

static void receive(struct smp_cpu *c, u64 which)
{
    const struct kind *k = &kinds[which];

    if (!smp_vmx_on(c))
        return;
    prepare(c, k, k->halts ? halt : spin);
    while (others <= 3) {
        u64 reason = smp_enter(c);

        if (reason == REASON_VMCALL)
            break;
        answer(k, reason);
    }
    smp_vmx_off(c);
    __asm__ volatile("sti\n\tnop\n\tcli"
                     :
                     :
                     : "memory"); /* a last interrupt that L2 did not need */
}

/* An NMI may also find L1 on its way between two entries; L1 keeps interrupts off there. */
static u64 arrived(const struct smp_cpu *c, const struct kind *k)
{
    u64 in_l1 = c->l1.nmis;

    if (!k->in_l2)
        return exits + in_l1;
    return k->command == NMI ? c->l2.nmis + in_l1 : c->l2.irqs;
}

/* An L2 that looked at `stop` before it was set halts once more, so the last event is repeated. An
 * INIT ends no HLT: the L2 that exited by it halts again. */
static bool end_of(unsigned cpu, const struct kind *k)
{
    stop = 1;
    for (unsigned i = 0; i < TRIES && smp_cpu[cpu].done == 0; i++) {
        if (k->halts)
            smp_ipi(cpu, k->command == (u32)DO_INIT ? (u32)INTERRUPT : k->command);
        for (unsigned n = 0; n < 20000 && smp_cpu[cpu].done == 0; n++)
            __builtin_ia32_pause();
    }
    return smp_wait(cpu);
}

/* An INIT that finds the processor in root operation is blocked there, and the emulator drops it.
 * CAVEAT(bochs-init-pending) */
static void until_in_l2(const struct kind *k)
{
    if (k->command != (u32)DO_INIT)
        return;
    if (!k->halts)
        smp_until(&turns, turns + 2);
    for (unsigned n = 0; k->halts && n < 10000; n++)
        __builtin_ia32_pause();
}

static bool one_kind(unsigned cpu, u64 which)
{
    const struct kind *k = &kinds[which];
    struct smp_cpu *c = &smp_cpu[cpu];
    u64 lost = 0;

    exits = others = last_other = turns = stop = 0;
    c->l2.nmis = c->l2.irqs = c->l1.nmis = 0;
    smp_call(cpu, receive, which);
    smp_until(&turns, 1);
    for (u64 i = 1; i <= EVENTS && !lost && !others; i++) {
        until_in_l2(k);
        smp_ipi(cpu, k->command);
        for (u64 n = 0; n < PATIENCE && arrived(c, k) < i && !others; n++)
            __builtin_ia32_pause();
        lost = arrived(c, k) == i ? 0 : i;
    }
    u64 count = arrived(c, k), exited = exits;
    bool ok = end_of(cpu, k);

    gt_line("%s.%u: %lu of %u, lost at %lu, %s exit, others %lu %lx, %s", k->name, cpu, count,
            EVENTS, lost, exited ? "some" : "none", others, last_other, ok ? "goes on" : "is lost");
    return ok;
}

/* ---- L2 to L2: a token that each passes on by an NMI and an interrupt ---- */

/* An NMI may come before the processor has entered L2 at all. */
static bool has(const volatile struct smp_cpu *c, u64 events)
{
    return c->l2.irqs >= events && c->l2.nmis + c->l1.nmis >= events;
}

static void pass_on(void)
{
    struct smp_cpu *c = smp_of_l2();
    unsigned next = (c->number + 1) % smp_count;

    for (u64 lap = 1; lap <= LAPS; lap++) {
        while (!has(c, lap - (c->number == 0)))
            __builtin_ia32_pause();
        if (lap == LAPS && next == 0)
            break;
        smp_ipi(next, NMI);
        smp_ipi(next, INTERRUPT);
    }
    for (;;)
        smp_vmcall();
}

static void token(struct smp_cpu *c, u64 arg)
{
    static const struct kind direct = {.command = INTERRUPT};

    (void)arg;
    if (!smp_vmx_on(c))
        return;
    c->l2.irqs = c->l2.nmis = c->l1.nmis = 0;
    prepare(c, &direct, pass_on);
    smp_barrier(&meet, smp_count);
    u64 reason = smp_enter(c);
    if (reason != REASON_VMCALL) {
        __atomic_add_fetch(&others, 1, __ATOMIC_SEQ_CST);
        last_other = reason | vmx_get(V_EXIT_INTR_INFO) << 32;
    }
    smp_vmx_off(c);
}

/* The first processor begins, and the last one ends. A tick of the firmware's timer that is on its
 * way is taken before: L2 has no gate for it. */
static void l2_to_l2(void)
{
    meet = others = last_other = 0;
    gt_device_take();
    gt_sti_nop_cli();
    bool ok = smp_all(token, 0);
    gt_device_give();
    for (unsigned n = 0; n < smp_count; n++)
        gt_line("token.%u: interrupts %lu, NMIs %lu", n, smp_cpu[n].l2.irqs,
                smp_cpu[n].l2.nmis + smp_cpu[n].l1.nmis);
    gt_line("token: %s, others %lu %lx", ok ? "went round" : "is lost", others, last_other);
}

/* ---- a SIPI to one that does not wait for it ---- */

static void in_root(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    if (!smp_vmx_on(c))
        return;
    while (!stop)
        turns++;
    smp_vmx_off(c);
}

static void in_l1_halted(struct smp_cpu *c, u64 arg)
{
    u64 before = c->l1.nmis;

    (void)arg;
    while (((volatile struct smp_cpu *)c)->l1.nmis == before) {
        turns++;
        __asm__ volatile("hlt" : : : "memory");
    }
}

static void ignored(unsigned cpu, const char *name, void (*f)(struct smp_cpu *, u64), u64 arg,
                    bool wake)
{
    u64 alive = smp_cpu[cpu].alive;

    turns = stop = exits = others = 0;
    smp_call(cpu, f, arg);
    smp_until(&turns, 1);
    for (unsigned i = 0; i < 20; i++) {
        smp_ipi(cpu, DO_SIPI);
        for (unsigned n = 0; n < 300; n++)
            __builtin_ia32_pause();
    }
    u64 seen = exits + others;
    stop = 1;
    if (wake)
        smp_ipi(cpu, NMI);
    bool ok = smp_wait(cpu);
    gt_line("sipi.%s.%u: exits %lu, %s", name, cpu, seen,
            ok && smp_cpu[cpu].alive == alive ? "ignored" : "started anew");
}

TEST_MAIN(smp_event)
{
    if (!smp_begin_all(CPUS))
        return;
    msr_map = gt_pages(1);
    bool ok = true;
    for (u64 which = 0; which < sizeof kinds / sizeof *kinds && ok; which++)
        ok = one_kind(1 + (unsigned)which % (CPUS - 1), which);
    if (ok) {
        l2_to_l2();
        ignored(1, "l2", receive, 0, false);
        ignored(2, "l2 halted", receive, 1, true);
        ignored(3, "root", in_root, 0, false);
        ignored(1, "l1 halted", in_l1_halted, 0, true);
    }
    smp_end();
}
