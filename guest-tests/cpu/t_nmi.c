/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs are delivered exactly once, wherever they arrive: the 8254 is wired through the I/O APIC
 * in NMI mode and fired at random moments into storms of instructions that exit, so that under
 * Nidus most of them hit the processor in root mode. Counts, never times. SDM 3A 6.7.1
 * "Handling Multiple NMIs": a further NMI waits, one deep, for the next IRET.
 */
#include "guest-tests/lib/gt_device.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

enum {
    SHOTS = 150,       /* a storm */
    PATIENCE = 400000, /* turns before a shot counts as lost */
    AFTER = 60,        /* turns in which a second delivery would show */
};

static volatile unsigned delivered, nested, depth, deepest;
static volatile bool storm_inside, bad_frame;

static void storm_cpuid(void)
{
    gt_cpuid(0, 0);
}

static bool on_nmi(struct gt_frame *f)
{
    delivered++;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (f->cs != GT_CODE64 || f->vector != VEC_NMI)
        bad_frame = true;
    if (storm_inside) {
        storm_inside = false;
        gt_pit_one_shot(30);
        for (unsigned i = 0; i < 3000; i++)
            storm_cpuid();
        nested = delivered - 1;
    }
    depth--;
    return true;
}

static void storm_none(void)
{
    __asm__ volatile("nop");
}

static void storm_invd(void)
{
    __asm__ volatile("wbinvd\n\tinvd" : : : "memory");
}

static void storm_rdmsr(void)
{
    gt_rdmsr(MSR_IA32_FEATURE_CONTROL);
}

static void storm_wrmsr(void)
{
    gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + 8, 0);
}

static void storm_xsetbv(void)
{
    gt_xsetbv(0, 1);
}

static void storm_ud(void)
{
    GT_TRY("vmcall", : : : GT_CLOBBERS);
}

static void storm_getsec(void)
{
    GT_TRY("getsec", : : : "rax", "rbx", "rcx", GT_CLOBBERS);
}

static void storm_cr4(void)
{
    gt_write_cr4(gt_read_cr4() ^ CR4_DE);
}

static void storm_cr0(void)
{
    gt_write_cr0(gt_read_cr0() ^ CR0_NE);
}

static void storm_gp(void)
{
    GT_TRY("wrmsr", : : "c"(MSR_IA32_VMX_BASIC), "a"(0), "d"(0) : GT_CLOBBERS);
}

static void storm_page(void)
{
    static volatile u8 *at = (volatile u8 *)0x100000;

    (void)*at;
    gt_invlpg((void *)(u64)at);
}

struct storm {
    const char *name;
    void (*turn)(void);
};

static const struct storm storms[] = {
    {"none", storm_none},   {"cpuid", storm_cpuid},   {"invd", storm_invd},
    {"rdmsr", storm_rdmsr}, {"wrmsr", storm_wrmsr},   {"xsetbv", storm_xsetbv},
    {"vmcall", storm_ud},   {"getsec", storm_getsec}, {"cr4", storm_cr4},
    {"cr0", storm_cr0},     {"gp", storm_gp},         {"page", storm_page},
};

static void forget(void)
{
    delivered = nested = depth = deepest = 0;
    bad_frame = false;
}

/* One shot: at least one delivery, then time enough for a second that must not come. */
static bool shoot(void (*turn)(void), u16 ticks)
{
    unsigned before = delivered;

    gt_pit_one_shot(ticks);
    for (unsigned i = 0; i < PATIENCE && delivered == before; i++)
        turn();
    for (unsigned i = 0; i < AFTER; i++)
        turn();
    return delivered == before + 1;
}

/* Each shot is delivered once, and no handler runs inside another. SDM 3A 6.7.1 "Handling Multiple
 * NMIs" */
static void run_storm(const struct storm *s, bool interrupts)
{
    unsigned wrong = 0;

    forget();
    if (interrupts)
        gt_sti();
    for (unsigned i = 0; i < SHOTS; i++)
        wrong += !shoot(s->turn, (u16)(2 + gt_rand() % 40));
    gt_cli();
    gt_line("storm %s if %u: %u of %u, wrong shots %u, depth %u, frames %s", s->name, interrupts,
            delivered, SHOTS, wrong, deepest, bad_frame ? "bad" : "ok");
}

/* A second NMI while the first one's handler runs waits for its IRET, and a third is lost in
 * it. */
static void blocking(void)
{
    forget();
    storm_inside = true;
    gt_check(!shoot(storm_cpuid, 20), "blocked: only one delivery");
    gt_line("blocked by NMI: inside %u, then %u, depth %u", nested, delivered, deepest);
    forget();
    gt_apic_write(GT_APIC_ICR_HIGH, gt_apic_read(GT_APIC_ID) & 0xff000000);
    gt_apic_write(GT_APIC_ICR, GT_APIC_NMI | GT_APIC_ASSERT);
    for (unsigned i = 0; i < AFTER; i++)
        storm_cpuid();
    gt_line("ipi: %u", delivered);
}

/* An IRET in the handler that faults still ends the blocking; here an exception's own IRET
 * does. */
static bool iret_inside(struct gt_frame *f)
{
    (void)f;
    delivered++;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (delivered == 1) {
        gt_pit_one_shot(20);
        for (unsigned i = 0; i < 2000; i++)
            storm_cpuid();
        nested = delivered;
        GT_TRY("ud2", : : : GT_CLOBBERS); /* its handler's IRET unblocks */
        for (unsigned i = 0; i < 100; i++)
            storm_cpuid();
        nested = nested << 4 | delivered;
    }
    depth--;
    return true;
}

/* The second NMI waits for the first IRET, and is then delivered inside the handler. SDM 3A 6.7.1
 * "Handling Multiple NMIs" */
static void unblocking(void)
{
    forget();
    gt_hook(VEC_NMI, iret_inside);
    gt_pit_one_shot(20);
    for (unsigned i = 0; i < PATIENCE && delivered < 2; i++)
        storm_cpuid();
    gt_line("iret inside: before and after %x, all %u, depth %u", nested, delivered, deepest);
    gt_hook(VEC_NMI, on_nmi);
}

/* HLT with IF clear wakes by NMI only. */
static void halted(void)
{
    unsigned woke = 0;

    forget();
    for (unsigned i = 0; i < 20; i++) {
        unsigned before = delivered;

        gt_pit_one_shot((u16)(200 + gt_rand() % 200));
        __asm__ volatile("hlt" : : : "memory");
        woke += delivered == before + 1;
    }
    gt_line("hlt: woke %u of 20, delivered %u", woke, delivered);
}

/* Single steps between: #DB traps and NMIs mix without loss of either. */
static volatile unsigned traps;

static bool count_trap(struct gt_frame *f)
{
    (void)f;
    traps++;
    gt_write_dr6(0xffff0ff0);
    return true;
}

/* Each instruction that begins with TF set is one #DB, and each NMI is delivered once. SDM 3B
 * 18.3.1.4 "Single-Step Exception Condition" */
static void stepping(void)
{
    unsigned wrong = 0;

    forget();
    traps = 0;
    gt_hook(VEC_DB, count_trap);
    for (unsigned i = 0; i < 40; i++) {
        gt_pit_one_shot((u16)(1 + gt_rand() % 12));
        traps = 0;
        __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                         "mov $40, %%edi\n1:\txor %%eax, %%eax\n\tcpuid\n\tdec %%edi\n\tjnz 1b\n\t"
                         "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
                         :
                         :
                         : "rax", "rbx", "rcx", "rdx", "rdi", "memory", "cc");
        wrong += traps != 1 + 40 * 4 + 3;
        for (unsigned turn = 0; turn < PATIENCE && delivered <= i; turn++)
            storm_cpuid();
    }
    gt_hook(VEC_DB, NULL);
    gt_line("stepping: %u NMIs of 40, wrong trap counts %u", delivered, wrong);
}

TEST_MAIN(nmi)
{
    gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE);
    gt_device_take();
    gt_hook(VEC_NMI, on_nmi);
    gt_ioapic_pit(GT_APIC_NMI);
    for (size_t i = 0; i < ARRAY_LEN(storms); i++)
        run_storm(&storms[i], false);
    for (size_t i = 0; i < 3; i++)
        run_storm(&storms[i], true);
    blocking();
    unblocking();
    halted();
    stepping();
    gt_ioapic_pit(GT_APIC_MASKED);
    gt_device_give();
    gt_hook(VEC_NMI, NULL);
}
