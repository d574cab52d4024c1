/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an INIT clears and what it leaves alone, and where a SIPI starts. A processor with every
 * register dirty spins or halts; an INIT and a SIPI reach it; the first instructions at the SIPI's
 * page record what they find (gt_smp.asm), and 64-bit code behind them records what must be left.
 * SDM 3A 9.1.1 "Processor State After Reset", SDM 3A 9.4 "Multiple-Processor (MP) Initialization"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

enum {
    CPUS = 4,
    EFER_SCE_BIT = 1,
    DIRTY_DR7 = 0x6aa, /* four breakpoints, on instructions that nobody executes */
    DIRTY_FCW = 0x27f,
    DIRTY_MXCSR = 0x9fc0,
};

static const u32 kept_msr[] = {
    MSR_IA32_LSTAR,          MSR_IA32_STAR,
    MSR_IA32_FMASK,          MSR_IA32_KERNEL_GS_BASE,
    MSR_IA32_SYSENTER_CS,    MSR_IA32_SYSENTER_ESP,
    MSR_IA32_SYSENTER_EIP,   MSR_IA32_PAT,
    MSR_IA32_MTRR_DEF_TYPE,  MSR_IA32_MTRR_PHYSBASE0,
    MSR_IA32_MTRR_PHYSMASK0,
};
enum { KEPT = sizeof kept_msr / sizeof *kept_msr };

struct left {
    u64 msr[KEPT], xcr0;
    u32 mxcsr;
    u16 fcw;
};

static struct left before, after;
static volatile u64 ready, tsc_before, tsc_behind;

static void record(struct left *l)
{
    for (unsigned i = 0; i < KEPT; i++)
        l->msr[i] = gt_rdmsr(kept_msr[i]);
    gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE | CR4_OSFXSR);
    l->xcr0 = gt_xgetbv(0);
    __asm__ volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(l->fcw), "=m"(l->mxcsr));
}

static void make_dirty(void)
{
    u16 fcw = DIRTY_FCW;
    u32 mxcsr = DIRTY_MXCSR;

    gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE | CR4_OSFXSR | CR4_DE | CR4_PGE);
    gt_xsetbv(0, 3);
    __asm__ volatile("fninit\n\tfldcw %0\n\tldmxcsr %1" : : "m"(fcw), "m"(mxcsr));
    gt_write_dr0(0xdead0000);
    gt_write_dr1(0xdead1000);
    gt_write_dr2(0xdead2000);
    gt_write_dr3(0xdead3000);
    gt_write_dr6(0xffff0ff3);
    gt_write_dr7(DIRTY_DR7);
    gt_write_cr2(0x12345678);
    gt_wrmsr(MSR_IA32_EFER, gt_rdmsr(MSR_IA32_EFER) | EFER_SCE_BIT);
    gt_wrmsr(MSR_IA32_FS_BASE, 0x7777000);
    gt_wrmsr(MSR_IA32_LSTAR, 0x1111000);
    gt_wrmsr(MSR_IA32_STAR, 0x2222000000000000);
    gt_wrmsr(MSR_IA32_FMASK, 0x300);
    gt_wrmsr(MSR_IA32_KERNEL_GS_BASE, 0x4444000);
    gt_wrmsr(MSR_IA32_SYSENTER_CS, 0x50);
    gt_wrmsr(MSR_IA32_SYSENTER_ESP, 0x5555000);
    gt_wrmsr(MSR_IA32_SYSENTER_EIP, 0x6666000);
    gt_wrmsr(MSR_IA32_PAT, 0x0007040600070506);
}

/* Ends by INIT only. `halt`: interrupts are off, so nothing else ends the HLT. */
static void be_dirty(struct smp_cpu *c, u64 halt)
{
    (void)c;
    make_dirty();
    record(&before);
    tsc_before = gt_rdtsc();
    ready = 1;
    __asm__ volatile("mov $0xa1a1a1a1a1a1a1a1, %%rbx\n\tmov %%rbx, %%rcx\n\tmov %%rbx, %%rdx\n\t"
                     "mov %%rbx, %%rsi\n\tmov %%rbx, %%rdi\n\tmov %%rbx, %%rbp\n\t"
                     "mov %%rbx, %%r8\n\tmov %%rbx, %%r15\n\ttest %%rax, %%rax\n\t"
                     "mov %%rbx, %%rax\n\tjz 2f\n1:\thlt\n\tjmp 1b\n2:\tpause\n\tjmp 2b"
                     :
                     : "a"(halt)
                     : "memory", "cc");
    __builtin_unreachable();
}

static void after_init(struct smp_cpu *c, u64 arg)
{
    (void)c;
    (void)arg;
    tsc_behind = gt_rdtsc();
    record(&after);
    gt_wrmsr(MSR_IA32_PAT, 0x0007040600070406);
}

static void show_found(unsigned cpu, const char *how)
{
    const struct smp_cpu *c = &smp_cpu[cpu];
    const u32 *f = c->found;

    gt_line("found.%u.%s.cr2: %x", cpu, how, f[FOUND_CR2]);
    gt_line("found.%u.%s: cr3 %x cr4 %x efer %x", cpu, how, f[FOUND_CR3], f[FOUND_CR4],
            f[FOUND_EFER]);
    gt_line("found.%u.%s.dr: %x %x %x %x dr6 %x dr7 %x", cpu, how, f[FOUND_DR0], f[FOUND_DR0 + 1],
            f[FOUND_DR0 + 2], f[FOUND_DR3], f[FOUND_DR6], f[FOUND_DR7]);
    gt_line("found.%u.%s.segments: ds %x es %x ss %x fs %x %x gs %x %x", cpu, how, f[FOUND_DS],
            f[FOUND_ES], f[FOUND_SS], f[FOUND_FS], f[FOUND_FS_BASE], f[FOUND_GS], f[FOUND_GS_BASE]);
    gt_line("found.%u.%s.tables: gdtr %x %x idtr %x %x", cpu, how, f[FOUND_GDTR], f[FOUND_GDTR + 1],
            f[FOUND_IDTR], f[FOUND_IDTR + 1]);
    gt_line("found.%u.%s.gpr: %lx %lx %lx %lx %lx %lx %lx", cpu, how, c->first[0], c->first[1],
            c->first[2], c->first[4], c->first[5], c->first[6], c->first[7]);
    gt_line("found.%u.%s.rflags: %lx", cpu, how, c->first_flags);
}

static void show_left(unsigned cpu, const char *how)
{
    for (unsigned i = 0; i < KEPT; i++) {
        if (after.msr[i] != before.msr[i])
            gt_line("left.%u.%s.%x: %lx, was %lx", cpu, how, kept_msr[i], after.msr[i],
                    before.msr[i]);
    }
    gt_line("left.%u.%s: xcr0 %lx, fcw %x, mxcsr %x, was %x %x", cpu, how, after.xcr0, after.fcw,
            after.mxcsr, before.fcw, before.mxcsr);
    gt_line("left.%u.%s.tsc: %s", cpu, how, tsc_behind > tsc_before ? "goes on" : "anew");
}

static bool init_and_look(unsigned cpu, bool halt)
{
    const char *how = halt ? "halted" : "spins";

    ready = 0;
    smp_call(cpu, be_dirty, halt);
    if (!smp_until(&ready, 1) || !smp_start(cpu, halt)) {
        gt_fail("%u.%s: did not come up", cpu, how);
        return false;
    }
    smp_call(cpu, after_init, 0);
    if (!smp_wait(cpu))
        return false;
    show_found(cpu, how);
    show_left(cpu, how);
    return true;
}

/* The vector is CS's base by 12 bits and its selector by 8, at the ends of what is memory. */
static void vectors(unsigned cpu)
{
    static const u8 vector[] = {0x01, 0x02, 0x10, 0x7f, 0x80, 0x9f};

    for (unsigned i = 0; i < sizeof vector; i++) {
        bool up = smp_start_at(cpu, vector[i]);
        gt_line("vector.%u.%x: %s, cs %lx", cpu, vector[i], up ? "up" : "lost",
                up ? smp_cpu[cpu].first_cs : 0);
    }
}

TEST_MAIN(smp_state)
{
    if (!smp_begin(CPUS))
        return;
    for (unsigned cpu = 1; cpu < smp_count; cpu++) {
        if (!smp_start(cpu, 0) || !init_and_look(cpu, false) || !init_and_look(cpu, true))
            break;
        vectors(cpu);
    }
    smp_end();
}
