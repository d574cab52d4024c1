/* SPDX-License-Identifier: BSD-2-Clause */
/* Processors come up by INIT and SIPI, again and again: the state that they find, the vector, a
 * SIPI to one that runs, and counts of NMIs and interrupts that must be exact. SDM 3A 9.4
 * "Multiple-Processor (MP) Initialization", SDM 3A 9.1.1 "Processor State After Reset" */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"

enum { STORM = 50, EVENTS = 200 };

static void state(unsigned cpu, unsigned which)
{
    struct smp_cpu *c = &smp_cpu[cpu];
    bool family = c->first[3] == (u64)(u32)gt_cpuid(1, 0).eax;
    gt_line("state.%u.%u: up, eax %lx ebx %lx ecx %lx esi %lx edi %lx ebp %lx esp %lx", cpu, which,
            c->first[0], c->first[1], c->first[2], c->first[4], c->first[5], c->first[6],
            c->first[7]);
    gt_line("state.%u.%u.edx: %s", cpu, which, family ? "the signature" : "another value");
    gt_line("state.%u.%u.cr0: %lx", cpu, which, c->first_cr0);
    gt_line("state.%u.%u: flags %lx, cs %s", cpu, which, c->first_flags,
            c->first_cs == (u64)smp_vector(which) << 8 ? "by the vector" : "wrong");
}

static void add(struct smp_cpu *c, u64 arg)
{
    static volatile u64 sum;
    (void)c;
    __atomic_add_fetch(&sum, arg, __ATOMIC_SEQ_CST);
}

static void wait_for_interrupts(struct smp_cpu *c, u64 arg)
{
    gt_sti();
    smp_until(&c->l1.irqs, arg);
    gt_cli();
}

/* One at a time, and each awaited: no two may join. */
static void storm(unsigned cpu, const char *what, u32 command, const volatile u64 *count)
{
    u64 before = *count;
    unsigned lost = 0;
    for (unsigned i = 1; i <= EVENTS && !lost; i++) {
        smp_ipi(cpu, command);
        lost = smp_until(count, before + i) ? 0 : i;
    }
    gt_line("%s.%u: %lu of %u, lost at %u", what, cpu, *count - before, EVENTS, lost);
}

TEST_MAIN(smp_start)
{
    if (!smp_begin(4))
        return;
    for (unsigned cpu = 1; cpu < smp_count; cpu++)
        for (unsigned which = 0; which < 2; which++) {
            if (!smp_start(cpu, which)) {
                gt_fail("cpu %u did not come up", cpu);
                return;
            }
            state(cpu, which);
        }
    for (unsigned cpu = 1; cpu < smp_count; cpu++) {
        unsigned up = 0;
        for (unsigned i = 0; i < STORM; i++)
            up += smp_start(cpu, i & 1);
        gt_line("storm.%u: %u of %u", cpu, up, STORM);
        smp_ipi(cpu, GT_APIC_SIPI | smp_vector(0));
        smp_call(cpu, add, 1);
        gt_line("sipi to one that runs.%u: %s", cpu, smp_wait(cpu) ? "ignored" : "lost");
    }
    for (unsigned cpu = 1; cpu < smp_count; cpu++) {
        storm(cpu, "nmi", GT_APIC_NMI | GT_APIC_ASSERT, &smp_cpu[cpu].l1.nmis);
        smp_call(cpu, wait_for_interrupts, EVENTS);
        storm(cpu, "interrupt", GT_APIC_FIXED | GT_APIC_ASSERT | SMP_VECTOR, &smp_cpu[cpu].l1.irqs);
        smp_wait(cpu);
    }
    gt_line("all: %s", smp_all(add, 1) ? "done" : "not done");
    smp_end();
}
