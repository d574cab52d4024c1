/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an operation costs when all processors do it at once, in the form of bench_exits.c: "case:
 * TICKS EXITS" for 1000 operations; exits are not counted. `make bench` has the rows for one
 * processor, `CPUS=4 make bench` for four. With several, the emulator's tick is an instruction on
 * the average of all processors. So all work in the same span of time, nobody waits, and the span
 * times the processors is shared out among the operations of all: the mean instructions of one.
 *
 * Then the way of an INIT to the wait-for-SIPI state: the shortest time behind an INIT at which a
 * SIPI still starts the last processor. The others do something else meanwhile, so of these two
 * rows a tick stands for at most as many instructions as there are processors.
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops) GT_HIDDEN;

enum {
    PER = 1000,
    TIMES = 20,
    SPAN = 8000000, /* ticks in which all work */
    EXITS = 4000,
    BLOCK = 10, /* operations between two looks at the time */
    DEF_TYPE_E = 1 << 11,
    LONGEST = 1 << 17, /* ticks between INIT and SIPI */
};

static volatile u64 meet, span, end, operations[SMP_MAX];
static unsigned last; /* the processor that is started again and again */

static void row(const char *name, u64 spent, u64 times)
{
    gt_line("smp.%s: %lu 0", name, spent * PER / times);
}

/* ---- INIT and SIPI ---- */

static bool starts_after(u64 delay)
{
    u64 alive = smp_cpu[last].alive, from = gt_rdtsc();

    smp_ipi(last, GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL);
    while (gt_rdtsc() - from < delay)
        ;
    smp_ipi(last, GT_APIC_SIPI | smp_vector(0));
    for (unsigned i = 0; i < 20000 && smp_cpu[last].alive == alive; i++)
        __builtin_ia32_pause();
    bool up = smp_cpu[last].alive != alive;
    if (!up)
        smp_start(last, 0);
    return up;
}

/* The trampoline of the last start is still in place: starts_after() sends the SIPI alone. */
static void init_to_wait(void)
{
    u64 fails = 0, works = LONGEST;

    while (works - fails > 8) {
        u64 middle = fails + (works - fails) / 2;

        if (starts_after(middle))
            works = middle;
        else
            fails = middle;
    }
    row("init to wait-for-sipi", works, 1);
}

static void sipi_to_c(void)
{
    u64 spent = 0;

    for (unsigned i = 0; i < TIMES; i++) {
        u64 alive = smp_cpu[last].alive, from;

        smp_ipi(last, GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL);
        for (from = gt_rdtsc(); gt_rdtsc() - from < LONGEST;)
            ;
        from = gt_rdtsc();
        smp_ipi(last, GT_APIC_SIPI | smp_vector(0));
        while (smp_cpu[last].alive == alive)
            ;
        spent += gt_rdtsc() - from;
    }
    row("sipi to 64-bit code", spent, TIMES);
}

/* ---- what all do at once ---- */

static void for_the_span(struct smp_cpu *c, void (*operation)(struct smp_cpu *c))
{
    u64 done = 0;

    smp_barrier(&meet, smp_count);
    if (c->number == 0)
        end = gt_rdtsc() + SPAN;
    smp_barrier(&meet, smp_count);
    while (gt_rdtsc() < end) {
        for (unsigned i = 0; i < BLOCK; i++)
            operation(c);
        done += BLOCK;
    }
    operations[c->number] = done;
}

static void cpuid_0(struct smp_cpu *c)
{
    (void)c;
    gt_cpuid(0, 0);
}

static u64 def_type;

static void mtrrs_off_and_on(struct smp_cpu *c)
{
    (void)c;
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def_type & ~(u64)DEF_TYPE_E);
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def_type);
}

/* What Linux does on each processor: caches off, TLB flushed, MTRRs off and on. */
static void change_types(struct smp_cpu *c)
{
    u64 cr0 = gt_read_cr0();

    gt_write_cr0(cr0 | 1ul << 30);
    __asm__ volatile("wbinvd" : : : "memory");
    gt_write_cr3(gt_read_cr3());
    mtrrs_off_and_on(c);
    gt_write_cr3(gt_read_cr3());
    gt_write_cr0(cr0);
}

static void cpuids(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    for_the_span(c, cpuid_0);
}

static void writes(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    for_the_span(c, mtrrs_off_and_on);
}

static void changes(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    for_the_span(c, change_types);
}

static void row_of_all(const char *name, void (*f)(struct smp_cpu *c, u64 arg), u64 in_one)
{
    u64 sum = 0;

    meet = 0;
    span = SPAN;
    gt_check(smp_all(f, 0), "%s: a processor is lost", name);
    for (unsigned n = 0; n < smp_count; n++)
        sum += operations[n] * in_one;
    gt_check(sum != 0, "%s: nothing was done", name);
    if (sum != 0)
        row(name, span * smp_count, sum);
}

/* ---- L2: the span ends with the first processor's exits, and L2 counts its own ---- */

static u8 nobody[SMP_MAX]; /* what vmx_bench edits */

static void l2_calls(void)
{
    for (;;)
        __asm__ volatile("incq %%gs:%c0\n\tvmcall"
                         :
                         : "i"(__builtin_offsetof(struct smp_counts, irqs))
                         : "memory");
}

static void vmcalls(struct smp_cpu *c, u64 arg)
{
    bool first = c->number == 0;

    (void)arg;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, l2_calls);
    c->l2.irqs = 0;
    smp_barrier(&meet, smp_count);
    u64 spent = vmx_bench(first ? EXITS : 2 * EXITS, REASON_VMCALL, &nobody[c->number], 0);
    for (unsigned n = 0; first && n < smp_count; n++)
        operations[n] = ((volatile struct smp_cpu *)&smp_cpu[n])->l2.irqs;
    if (first)
        span = spent;
    smp_vmx_off(c);
}

TEST_MAIN(bench_smp)
{
    if (!smp_begin_all(0))
        return;
    last = smp_count - 1;
    gt_device_take();
    gt_sti_nop_cli();
    def_type = gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE);
    row_of_all("cpuid", cpuids, 1);
    row_of_all("wrmsr def_type", writes, 2);
    row_of_all("change of types", changes, 1);
    row_of_all("vmcall", vmcalls, 1);
    if (last != 0) {
        init_to_wait();
        sipi_to_c();
    }
    gt_device_give();
    smp_end();
}
