/*
 * What an operation costs the last of several processors while all of them do the same, in the form
 * of bench_exits.c: "case: TICKS EXITS" for 1000 operations; exits are not counted. Then the way of
 * an INIT to the wait-for-SIPI state: the shortest time behind an INIT at which a SIPI still starts
 * the processor. `make bench` has the rows for one processor, `CPUS=4 make bench` for four. With
 * several, the emulator's tick is an instruction on the average of all processors, so a row can be
 * compared only where all execute the same; of the last two rows a tick is `smp_count` instructions
 * at most.
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
    WRITES = 100,
    EXITS = 2000,
    DEF_TYPE_E = 1 << 11,
    LONGEST = 1 << 17, /* ticks between INIT and SIPI */
};

static volatile u64 meet, ticks;
static unsigned last; /* the processor that is measured, and started again and again */

static void row(const char *name, u64 spent, u64 operations)
{
    gt_line("smp.%s: %lu 0", name, spent * PER / operations);
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

/* ---- memory types ---- */

/* The others do more, so that the last one is never alone. */
static u64 share(const struct smp_cpu *c, u64 times)
{
    return c->number == last ? times : 2 * times;
}

static void done(const struct smp_cpu *c, u64 spent)
{
    if (c->number == last)
        ticks = spent;
}

static void write_def_type(struct smp_cpu *c, u64 times)
{
    u64 def = gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE);

    smp_barrier(&meet, smp_count);
    u64 from = gt_rdtsc();
    for (u64 i = 0, n = share(c, times); i < n; i++) {
        gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def & ~(u64)DEF_TYPE_E);
        gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def);
    }
    done(c, gt_rdtsc() - from);
}

/* As Linux does it: interrupts off, all together, caches off, TLB flushed, MTRRs off and on. */
static void rendezvous(struct smp_cpu *c, u64 times)
{
    u64 def = gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE), spent = 0;

    for (u64 i = 0; i < times; i++) {
        smp_barrier(&meet, smp_count);
        u64 from = gt_rdtsc(), cr0 = gt_read_cr0();

        gt_write_cr0(cr0 | 1ul << 30);
        __asm__ volatile("wbinvd" : : : "memory");
        gt_write_cr3(gt_read_cr3());
        gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def & ~(u64)DEF_TYPE_E);
        gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def);
        gt_write_cr3(gt_read_cr3());
        gt_write_cr0(cr0);
        spent += gt_rdtsc() - from;
    }
    done(c, spent);
}

/* ---- exits ---- */

static void cpuids(struct smp_cpu *c, u64 times)
{
    smp_barrier(&meet, smp_count);
    u64 from = gt_rdtsc();
    for (u64 i = 0, n = share(c, times); i < n; i++)
        gt_cpuid(0, 0);
    done(c, gt_rdtsc() - from);
}

static void calls(void)
{
    for (;;)
        smp_vmcall();
}

static u8 nobody[SMP_MAX]; /* what vmx_bench edits */

static void vmcalls(struct smp_cpu *c, u64 times)
{
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, calls);
    smp_barrier(&meet, smp_count);
    done(c, vmx_bench(share(c, times), REASON_VMCALL, &nobody[c->number], 0));
    smp_vmx_off(c);
}

/* ---- */

static u64 on_all(void (*f)(struct smp_cpu *c, u64 times), u64 times)
{
    meet = ticks = 0;
    gt_check(smp_all(f, times) && ticks, "a processor is lost");
    return ticks;
}

TEST_MAIN(bench_smp)
{
    if (!smp_begin_all(0))
        return;
    last = smp_count - 1;
    gt_device_take();
    gt_sti_nop_cli();
    row("cpuid", on_all(cpuids, EXITS), EXITS);
    row("vmcall", on_all(vmcalls, EXITS), EXITS);
    row("wrmsr def_type", on_all(write_def_type, WRITES), 2 * WRITES);
    row("rendezvous", on_all(rendezvous, TIMES), TIMES);
    if (last != 0) {
        init_to_wait();
        sipi_to_c();
    }
    gt_device_give();
    smp_end();
}
