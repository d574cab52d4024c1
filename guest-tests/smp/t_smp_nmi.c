/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs to a processor that a hypervisor below would have in its hands most of the time: L1 or L2
 * executes little else than what exits there. Each NMI is awaited before the next one is sent, and
 * the time between the two differs, so that the NMIs hit all stages of an exit and counts are
 * exact. Every processor is the receiver once. SDM 3C 26.2 "Other Causes of VM Exits"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

enum { CPUS = 4, EVENTS = 150, PATIENCE = 300000, CPUID_EXIT = 10, DELAYS = 97 };

struct way {
    const char *name;
    bool l2;
    u32 pin;
    void (*work)(void); /* what L2 does, or one step of L1's */
};

static void l1_cpuid(void)
{
    gt_cpuid(0, 0);
}

static void l1_wrmsr(void)
{
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE));
}

static void l2_cpuid(void)
{
    for (;;)
        gt_cpuid(0, 0);
}

static const struct way ways[] = {
    {"l1.cpuid", false, 0, l1_cpuid},
    {"l1.wrmsr", false, 0, l1_wrmsr},
    {"l2.take", true, 0, l2_cpuid},
    {"l2.exit", true, PIN_NMI, l2_cpuid},
    {"l2.virtual", true, PIN_NMI | PIN_VIRTUAL_NMI, l2_cpuid},
};

static volatile u64 ready, stop, exits, others, lost, sent;
static unsigned receiver, sender;
static const struct way *way;

static u64 arrived(void)
{
    const volatile struct smp_cpu *c = &smp_cpu[receiver];

    return c->l1.nmis + c->l2.nmis + exits;
}

static void send(void)
{
    smp_until(&ready, 1);
    for (sent = 0; sent < EVENTS && !lost && !others;) {
        for (u64 n = 0; n < sent * 31 % DELAYS; n++)
            __asm__ volatile("" : : : "memory");
        smp_ipi(receiver, GT_APIC_NMI | GT_APIC_ASSERT);
        sent++;
        for (u64 n = 0; n < PATIENCE && arrived() < sent; n++)
            __builtin_ia32_pause();
        if (arrived() != sent)
            lost = sent;
    }
    stop = 1;
}

static void receive_in_l1(void)
{
    ready = 1;
    while (!stop)
        way->work();
}

static void receive_in_l2(struct smp_cpu *c)
{
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, way->work);
    vmx_vmwrite(V_PIN_CTL, (vmx_get(V_PIN_CTL) & ~(u64)(PIN_NMI | PIN_EXT_INT)) | way->pin);
    ready = 1;
    while (!stop && !others) {
        u64 reason = smp_enter(c);

        if (reason == CPUID_EXIT) {
            smp_advance();
        } else if (reason == REASON_EXCEPTION &&
                   (vmx_get(V_EXIT_INTR_INFO) & 0x7ff) == (INTR_NMI | 2)) {
            exits++;
            smp_unblock_nmis();
        } else {
            others = reason;
        }
    }
    smp_vmx_off(c);
}

static void play(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    if (c->number == sender)
        send();
    else if (c->number == receiver && way->l2)
        receive_in_l2(c);
    else if (c->number == receiver)
        receive_in_l1();
}

static bool storm(unsigned cpu)
{
    receiver = cpu;
    sender = (cpu + 1) % smp_count;
    ready = stop = exits = others = lost = 0;
    smp_cpu[cpu].l1.nmis = smp_cpu[cpu].l2.nmis = 0;
    bool ok = smp_all(play, 0);

    gt_line("%s.%u: %lu of %u, lost at %lu, other exit %lx, %s", way->name, cpu, arrived(), EVENTS,
            lost, others, ok ? "goes on" : "is lost");
    return ok;
}

TEST_MAIN(smp_nmi)
{
    bool ok = true;

    if (!smp_begin_all(CPUS))
        return;
    gt_device_take();
    gt_sti_nop_cli();
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        for (unsigned cpu = 0; cpu < smp_count && ok; cpu++) {
            way = &ways[i];
            ok = storm(cpu);
        }
    gt_device_give();
    smp_end();
}
