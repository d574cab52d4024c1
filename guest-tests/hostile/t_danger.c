/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSRs by which L1 could reach L0 or change memory under it: APIC_BASE, MTRRs, DS_AREA,
 * microcode update, SMM monitor, performance counters, and what a guest must not reach. What L1 may
 * do works as on the bare CPU; what aims at Nidus's memory is contained. Lines about that memory
 * are the same bare, where there is none: they say that the program lives on.
 *
 * Right: A reserved bit or an MSR that is hidden is #GP(0); what L1 may write reads back. SDM 4
 * 2.1 "Architectural MSRs"
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_hole.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

static struct gt_hole hole;

static const char *write_msr(u32 msr, u64 v)
{
    GT_TRY("wrmsr", : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : GT_CLOBBERS);
    return gt_exc_text();
}

static const char *read_msr(u32 msr, u64 *v)
{
    u32 lo = 0, hi = 0;

    GT_TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : GT_CLOBBERS);
    *v = (u64)hi << 32 | lo;
    return gt_exc_text();
}

/* The local APIC answers where APIC_BASE says, and memory is what it was where it does not. */
static void apic_base(void)
{
    u64 old = gt_rdmsr(MSR_IA32_APIC_BASE);
    u32 version = gt_apic_read(GT_APIC_VERSION);
    volatile u32 *page = gt_pages(1);
    static const u64 bases[] = {0xfee01000, 0xfed00000, 0xd0000000, 0xff000000ul, 0xfffff000ul};

    page[GT_APIC_VERSION / 4] = 0x12345678;
    gt_line("apic_base ram: %s", write_msr(MSR_IA32_APIC_BASE, (old & 0xfff) | (u64)page));
    gt_line("apic_base ram: moved %u version there %u",
            (gt_rdmsr(MSR_IA32_APIC_BASE) & ~0xffful) == (u64)page,
            page[GT_APIC_VERSION / 4] == version);
    gt_cpuid(0, 0);
    gt_wrmsr(MSR_IA32_APIC_BASE, old);
    gt_line("apic_base ram: memory behind it %x, version at home %u", page[GT_APIC_VERSION / 4],
            gt_apic_read(GT_APIC_VERSION) == version);
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        const char *what = write_msr(MSR_IA32_APIC_BASE, (old & 0xfff) | bases[i]);
        bool there =
            gt_exc.vector == GT_NONE && *(volatile u32 *)(bases[i] + GT_APIC_VERSION) == version;

        gt_wrmsr(MSR_IA32_APIC_BASE, old);
        gt_line("apic_base %lx: %s answers %u", bases[i], what, there);
    }
    gt_line("apic_base beyond 40 bits: %s",
            write_msr(MSR_IA32_APIC_BASE, (old & 0xfff) | 1ul << 40));
    gt_line("apic_base reserved: %s", write_msr(MSR_IA32_APIC_BASE, old | 1));
}

/* Every page of the hole's edges and some between: refused or harmless, and the APIC stays at
 * home. */
static void apic_base_on_hole(void)
{
    u64 old = gt_rdmsr(MSR_IA32_APIC_BASE);
    u32 version = gt_apic_read(GT_APIC_VERSION);

    for (u64 at = 0; at < hole.size; at += hole.size / 16) {
        write_msr(MSR_IA32_APIC_BASE, (old & 0xfff) | (hole.base + at));
        gt_cpuid(0, 0);
        gt_wrmsr(MSR_IA32_APIC_BASE, old);
    }
    write_msr(MSR_IA32_APIC_BASE, (old & 0xfff) | (hole.base + hole.size - 4096));
    gt_cpuid(0, 0);
    gt_wrmsr(MSR_IA32_APIC_BASE, old);
    gt_line("apic_base on the hole: version at home %u", gt_apic_read(GT_APIC_VERSION) == version);
}

/* Buffers of the processor's own accord, aimed at L0: the addresses may be stored, nothing may
 * be written. */
static void stores_into_hole(void)
{
    static const u32 areas[] = {MSR_IA32_DS_AREA, MSR_IA32_RTIT_OUTPUT_BASE, 0x17d0,
                                MSR_IA32_BIOS_UPDT_TRIG};
    u64 old;

    for (size_t i = 0; i < ARRAY_LEN(areas); i++) {
        bool readable;

        read_msr(areas[i], &old);
        readable = gt_exc.vector == GT_NONE && areas[i] != MSR_IA32_BIOS_UPDT_TRIG;
        write_msr(areas[i], hole.base + 4096);
        for (unsigned turn = 0; turn < 100; turn++)
            gt_cpuid(0, 0);
        if (readable)
            write_msr(areas[i], old);
        gt_line("area %x on the hole: alive", areas[i]);
    }
    gt_line("bios_updt_trig: %s", write_msr(MSR_IA32_BIOS_UPDT_TRIG, (u64)gt_pages(1)));
    gt_line("perf_global_ctrl: %s", write_msr(MSR_IA32_PERF_GLOBAL_CTRL, 3));
    gt_line("perf_global_ctrl: %s", write_msr(MSR_IA32_PERF_GLOBAL_CTRL, 0));
    gt_line("pebs_enable 0: %s", write_msr(MSR_IA32_PEBS_ENABLE, 0));
}

/* What would act in root mode, or by a physical address, is out of reach; what would change L0's
 * own tables and leaves does not get to the CPU. */
static void out_of_reach(void)
{
    static const struct {
        u32 msr;
        u64 v;
    } rows[] = {
        {0x33, 1ul << 29},       /* TEST_CTRL: split locks fault */
        {0x17d1, 1},             /* HW_FEEDBACK_CONFIG; its pointer is above */
        {0x14ce, 1},             /* LBR_CTL */
        {0x982, 2},              /* TME_ACTIVATE */
        {MSR_IA32_XSS, 1u << 8}, /* processor trace by XRSTORS */
        {MSR_IA32_XSS, 1u << 11},
        {0x6a2, 1},         /* S_CET */
        {0xd90, 1},         /* BNDCFGS */
        {0x1f2, 0x6},       /* SMRR_PHYSBASE */
        {0x150, 1ul << 63}, /* core voltage */
    };
    u64 misc = gt_rdmsr(MSR_IA32_MISC_ENABLE);
    u32 leaves = gt_cpuid(0, 0).eax, extended = gt_cpuid(0x80000001, 0).edx;

    for (size_t i = 0; i < ARRAY_LEN(rows) && gt_under_nidus(); i++) {
        write_msr(rows[i].msr, rows[i].v);
        gt_check(gt_exc.vector == VEC_GP, "msr %x=%lx: #GP", rows[i].msr, rows[i].v);
    }
    gt_line("misc_enable: %s", write_msr(MSR_IA32_MISC_ENABLE, misc | 1ul << 34 | 1ul << 22));
    gt_line("misc_enable: leaves %u nx %u", gt_cpuid(0, 0).eax == leaves,
            gt_cpuid(0x80000001, 0).edx == extended);
    write_msr(MSR_IA32_MISC_ENABLE, misc);
}

/* CAVEAT(emulator-msr-9b): on the bare emulator the line is the SDM's, not a measurement. */
static void smm_monitor(void)
{
    u64 v = 0;
    bool reads = true, faults = true;

    if (gt_under_nidus()) {
        read_msr(MSR_IA32_SMM_MONITOR_CTL, &v);
        reads = gt_exc.vector == GT_NONE;
        write_msr(MSR_IA32_SMM_MONITOR_CTL, 0);
        faults = gt_exc.vector == VEC_GP;
    }
    gt_line("smm_monitor_ctl: reads %u value %lx write #GP %u", reads, v, faults);
}

/* Memory keeps its contents whatever the MTRRs say of its type. */
static void check_memory(const char *name, volatile u64 *words, u64 seed)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < 512; i++)
        bad += words[i] != (seed ^ i);
    gt_line("%s: memory %s", name, bad ? "differs" : "ok");
    for (unsigned i = 0; i < 512; i++)
        words[i] = (seed + 1) ^ i;
}

/* Types 2, 3 and 7 are #GP(0). Every other setting reads back. SDM 3A 11.11.2.1 "IA32_MTRR_DEF_TYPE
 * MSR", SDM 3A 11.11.2.3 "Variable Range MTRRs" */
static void mtrrs(void)
{
    static const u64 defaults[] = {0xc06, 0xc00, 0x806, 0x406, 0x006,
                                   0,     0xc04, 0xc05, 0xc01, 0xc06};
    u64 def = gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE), base = gt_rdmsr(MSR_IA32_MTRR_PHYSBASE0 + 14);
    u64 mask = gt_rdmsr(MSR_IA32_MTRR_PHYSBASE0 + 15);
    volatile u64 *words = gt_pages(1);

    for (unsigned i = 0; i < 512; i++)
        words[i] = 0 ^ i;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        const char *what = write_msr(MSR_IA32_MTRR_DEF_TYPE, defaults[i]);

        gt_line("mtrr default %lx: %s reads %lx", defaults[i], what,
                gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE));
        check_memory("mtrr default", words, i);
    }
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def);
    for (u64 type = 0; type < 8; type++) {
        const char *what = write_msr(MSR_IA32_MTRR_PHYSBASE0 + 14, ((u64)words & ~0xffful) | type);

        gt_line("mtrr type %lx: %s", type, what);
        if (gt_exc.vector != GT_NONE)
            continue;
        gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + 15, 0xfffffff800ul); /* one page, valid */
        for (unsigned i = 0; i < 512; i++)
            words[i] = type ^ i;
        gt_cpuid(0, 0);
        check_memory("mtrr type", words, type);
        gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + 15, 0);
    }
    gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + 14, base);
    gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + 15, mask);
}

/* Ranges of every size and place, the hole included; then the fixed ranges over the program's
 * low pages. */
static void mtrrs_at_random(void)
{
    u32 pairs = (u32)gt_rdmsr(MSR_IA32_MTRRCAP) & 0xff;
    u64 old[32];
    volatile u64 *words = gt_low_pages(1);
    unsigned bad = 0;

    for (u32 i = 0; i < 2 * pairs; i++)
        old[i] = gt_rdmsr(MSR_IA32_MTRR_PHYSBASE0 + i);
    for (unsigned turn = 0; turn < 60; turn++) {
        u32 pair = 2 * (u32)(gt_rand() % pairs);
        u64 size = 4096ul << gt_rand() % 24;
        u64 at = (turn & 3 ? gt_rand() & 0x3fffffff : hole.base) & ~(size - 1);

        gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + pair, at | (gt_rand() & 1 ? 6 : 0));
        gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + pair + 1,
                 (~(size - 1) & 0xfffffff000ul) | (gt_rand() & 3 ? 0x800 : 0));
        words[turn] = turn;
        gt_cpuid(0, 0);
    }
    for (unsigned turn = 0; turn < 60; turn++)
        bad += words[turn] != turn;
    for (u32 i = 0; i < 2 * pairs; i++)
        gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + i, old[i]);
    gt_line("mtrrs at random: alive, memory %s", bad ? "differs" : "ok");
    for (u32 msr = MSR_IA32_MTRR_FIX64K_00000; msr <= MSR_IA32_MTRR_FIX4K_F8000; msr++) {
        const char *what;
        u64 v;

        if (msr > MSR_IA32_MTRR_FIX64K_00000 && msr < MSR_IA32_MTRR_FIX16K_80000)
            continue;
        if (msr > MSR_IA32_MTRR_FIX16K_A0000 && msr < MSR_IA32_MTRR_FIX4K_C0000)
            continue;
        v = gt_rdmsr(msr);
        what = write_msr(msr, 0x0605040100000606);
        words[0] = msr;
        gt_line("mtrr fixed %x: %s reads %lx memory %lx", msr, what, gt_rdmsr(msr), words[0]);
        gt_wrmsr(msr, v);
    }
}

/* Under the lock a write is #GP(0). SDM 3C 24.7 "Enabling and Entering VMX Operation" */
static void feature_control(void)
{
    u64 v = 0;

    gt_line("owned.feature_control: read %s %lx", read_msr(MSR_IA32_FEATURE_CONTROL, &v), v & 7);
    gt_line("owned.feature_control_write: %s",
            v & 1 ? write_msr(MSR_IA32_FEATURE_CONTROL, v) : "not tried");
}

TEST_MAIN(danger)
{
    gt_hole_find(&hole);
    gt_device_take();
    apic_base();
    apic_base_on_hole();
    gt_device_give();
    stores_into_hole();
    out_of_reach();
    smm_monitor();
    mtrrs();
    mtrrs_at_random();
    feature_control();
}
