/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSRs: what RDMSR gives in every range worth looking at, and which bits WRMSR takes.
 * With ignore_bad_msrs=1 the emulator reads an unknown MSR as 0 and drops the write, so "ok 0"
 * may mean that there is none. Neighbours with the same answer share a line. MSRs that a
 * hypervisor may own (FEATURE_CONTROL, the VMX capabilities) stand on lines of their own, and so do
 * ("unlisted") those that Nidus lets nobody reach (hv/arch/msr_policy.def): under it they are #GP,
 * read or written, which is checked here.
 *
 * Right: RDMSR and WRMSR of an MSR that the processor lacks, and WRMSR of a reserved bit, are
 * #GP(0) and change nothing. SDM 4 2.1 "Architectural MSRs"
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/gt_msr.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

struct answer {
    bool fault, masked;
    u64 value;
};

/* Counters, or state that the program's own progress changes. */
static bool is_volatile(u32 msr)
{
    switch (msr) {
    case MSR_IA32_TSC:
    case 0x39: /* a timer count on some models */
    case 0x3b: /* TSC_ADJUST: what WRMSRs of the TSC before left */
    case 0xe7: /* MPERF */
    case 0xe8: /* APERF */
    case 0x19c:
    case MSR_IA32_TSC_DEADLINE:
        return true;
    default:
        return (msr >= 0xc1 && msr <= 0xc8) || (msr >= 0x309 && msr <= 0x30b);
    }
}

/* CAVEAT(emulator-msr-9b): RDMSR of it ends Bochs 2.7. */
static bool ends_emulator(u32 msr)
{
    return msr == MSR_IA32_SMM_MONITOR_CTL;
}

static bool under_nidus;

static bool stands_alone(u32 msr)
{
    return msr == MSR_IA32_FEATURE_CONTROL || msr == MSR_IA32_SMM_MONITOR_CTL ||
           msr == MSR_IA32_MISC_ENABLE ||
           (msr >= MSR_IA32_VMX_BASIC && msr <= MSR_IA32_VMX_EXIT_CTLS2);
}

static struct answer read_msr(u32 msr)
{
    u32 lo = 0, hi = 0;
    struct answer a = {.masked = is_volatile(msr)};

    GT_TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : GT_CLOBBERS);
    a.fault = gt_exc.vector != GT_NONE;
    if (!a.fault && !a.masked)
        a.value = (u64)hi << 32 | lo;
    return a;
}

static void print_run(u32 first, u32 last, struct answer a)
{
    const char *read = gt_msr_unlisted(first, false) ? "unlisted" : "read";
    char text[48];

    if (gt_msr_unlisted(first, false) && under_nidus)
        gt_check(a.fault, "unlisted %x-%x: #GP", first, last);

    if (a.fault)
        gt_format(text, sizeof text, "%s(%lx)", gt_vector_name(13), 0ul);
    else if (a.masked)
        gt_format(text, sizeof text, "readable");
    else
        gt_format(text, sizeof text, "ok %lx", a.value);
    if (first == last)
        gt_line("%s.%x: %s", read, first, text);
    else
        gt_line("%s.%x-%x: %s", read, first, last, text);
}

static bool same(struct answer a, struct answer b)
{
    return a.fault == b.fault && a.masked == b.masked && a.value == b.value;
}

static void read_range(u32 from, u32 to)
{
    struct answer run = {0};
    u32 first = from;
    bool open = false;

    for (u32 msr = from; msr <= to; msr++) {
        if (ends_emulator(msr)) {
            if (open)
                print_run(first, msr - 1, run);
            gt_line("read.%x: skipped", msr);
            open = false;
            continue;
        }
        struct answer a = read_msr(msr);
        if (open && (!same(a, run) || stands_alone(msr) || stands_alone(msr - 1) ||
                     gt_msr_unlisted(msr, false) != gt_msr_unlisted(first, false))) {
            print_run(first, msr - 1, run);
            open = false;
        }
        if (!open) {
            first = msr;
            run = a;
            open = true;
        }
    }
    if (open)
        print_run(first, to, run);
}

static void read_random(void)
{
    for (unsigned i = 0; i < 32; i++) {
        u32 msr = (u32)gt_rand();
        print_run(msr, msr, read_msr(msr));
    }
}

/* Writes what was read, then the same with single bits changed; the old value comes back each
 * time. */
struct writable {
    u32 msr;
    u64 keep; /* bits that are not tried */
};

static const struct writable writables[] = {
    {MSR_IA32_APIC_BASE, APIC_BASE_ENABLE | APIC_BASE_X2APIC}, /* CAVEAT(emulator-apic-base) */
    {MSR_IA32_SYSENTER_CS, 0},
    {MSR_IA32_SYSENTER_ESP, 0},
    {MSR_IA32_SYSENTER_EIP, 0},
    {MSR_IA32_MISC_ENABLE, 0},
    {MSR_IA32_DEBUGCTL, DEBUGCTL_BTF | DEBUGCTL_LBR},
    {MSR_IA32_MTRRCAP, 0},
    {MSR_IA32_MTRR_PHYSBASE0, 0},
    {MSR_IA32_MTRR_PHYSMASK0, 0},
    {MSR_IA32_MTRR_PHYSBASE0 + 14, 0},
    {MSR_IA32_MTRR_PHYSMASK0 + 14, 0},
    {MSR_IA32_MTRR_FIX64K_00000, 0},
    {MSR_IA32_MTRR_FIX16K_A0000, 0},
    {MSR_IA32_MTRR_FIX4K_F8000, 0},
    {MSR_IA32_PAT, 0},
    {MSR_IA32_MTRR_DEF_TYPE, 0},
    {MSR_IA32_DS_AREA, 0},
    {MSR_IA32_PEBS_ENABLE, 0},
    {MSR_IA32_PERF_GLOBAL_CTRL, 0},
    {MSR_IA32_XSS, 0},
    {MSR_IA32_EFER, 0},
    {MSR_IA32_STAR, 0},
    {MSR_IA32_LSTAR, 0},
    {MSR_IA32_CSTAR, 0},
    {MSR_IA32_FMASK, 0},
    {MSR_IA32_FS_BASE, 0},
    {MSR_IA32_GS_BASE, 0},
    {MSR_IA32_KERNEL_GS_BASE, 0},
    {MSR_IA32_TSC_AUX, 0},
};

static bool write_msr(u32 msr, u64 value)
{
    GT_TRY("wrmsr", : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : GT_CLOBBERS);
    return gt_exc.vector == GT_NONE;
}

/* Three masks tell it all: bits whose change faults, is dropped, or is kept. */
static void write_bits(const struct writable *w)
{
    struct answer old = read_msr(w->msr);
    u64 faults = 0, dropped = 0, kept = 0;

    if (old.fault) {
        gt_line("write.%x: unreadable, write %s", w->msr, write_msr(w->msr, 0) ? "ok" : "#GP");
        return;
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        u64 mask = 1ul << bit;

        if (w->keep & mask)
            continue;
        if (!write_msr(w->msr, old.value ^ mask)) {
            faults |= mask;
            continue;
        }
        if (gt_rdmsr(w->msr) == (old.value ^ mask))
            kept |= mask;
        else
            dropped |= mask;
        gt_wrmsr(w->msr, old.value);
    }
    gt_line("write.%x: old %lx kept %lx dropped %lx #GP %lx same %s", w->msr, old.value, kept,
            dropped, faults, write_msr(w->msr, old.value) ? "ok" : "#GP");
}

/* Values that break a rule over several bits. A memory type that does not exist, an address that is
 * not canonical, and a read-only MSR are #GP(0). LME cannot change under paging, and a write leaves
 * LMA alone. SDM 4 2.1 "Architectural MSRs", SDM 3A 2.2.1 "Extended Feature Enable Register" */
static void write_values(void)
{
    static const struct {
        u32 msr;
        u64 value;
    } rows[] = {
        {MSR_IA32_PAT, 0x0706050401000000},
        {MSR_IA32_PAT, 0x0007040600070402},
        {MSR_IA32_PAT, 0x0107040600070406},
        {MSR_IA32_PAT, 0x0807040600070406},
        {MSR_IA32_LSTAR, 0x00007fffffffffff},
        {MSR_IA32_LSTAR, 0x0000800000000000},
        {MSR_IA32_LSTAR, 0xffff800000000000},
        {MSR_IA32_LSTAR, 0xffff7fffffffffff},
        {MSR_IA32_FS_BASE, 0x0000800000000000},
        {MSR_IA32_KERNEL_GS_BASE, 0x8000000000000000},
        {MSR_IA32_SYSENTER_EIP, 0x8000000000000000},
        {MSR_IA32_SYSENTER_ESP, 0x8000000000000000},
        {MSR_IA32_MTRR_FIX64K_00000, 0x0606060606060602},
        {MSR_IA32_MTRR_PHYSBASE0, 0x2},
        {MSR_IA32_MTRR_PHYSBASE0, 0x7},
        {MSR_IA32_MTRR_DEF_TYPE, 0xc02},
        {MSR_IA32_MTRR_DEF_TYPE, 0xc07},
        {MSR_IA32_EFER, 0},
        {MSR_IA32_EFER, 0x501},
        {MSR_IA32_EFER, 0x100},
        {MSR_IA32_EFER, 0xd00},
        {MSR_IA32_EFER, 0xd01},
        {MSR_IA32_VMX_BASIC, 0},
        {MSR_IA32_MTRRCAP, 0x508},
        {0x40000000, 0},
        {0xc0002000, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer old = read_msr(rows[i].msr);
        bool ok = write_msr(rows[i].msr, rows[i].value);
        struct answer now = read_msr(rows[i].msr);

        gt_line("value.%x=%lx: %s reads %lx", rows[i].msr, rows[i].value, ok ? "ok" : "#GP",
                rows[i].msr == MSR_IA32_VMX_BASIC ? 0 : now.value);
        if (ok)
            write_msr(rows[i].msr, old.value);
    }
}

/* WRMSR of the value just read must succeed wherever RDMSR does, unless the MSR is read-only or
 * not to be reached. */
static void write_back(u32 from, u32 to)
{
    u32 first = 0, refused = 0;

    for (u32 msr = from; msr <= to; msr++) {
        struct answer a;

        if (ends_emulator(msr) || is_volatile(msr) || stands_alone(msr))
            continue;
        if (gt_msr_unlisted(msr, true)) {
            gt_check(!under_nidus || !write_msr(msr, 0), "unlisted %x: write #GP", msr);
            continue;
        }
        a = read_msr(msr);
        if (!a.fault && !write_msr(msr, a.value)) {
            gt_line("back.%x: #GP", msr);
            refused++;
            first = first ? first : msr;
        }
    }
    gt_line("back.%x-%x: %u refused, first %x", from, to, refused, first);
}

/* RDMSR reads ECX alone and clears the upper halves of RAX and RDX. With LOCK it is #UD. SDM 2B 4.3
 * "Instructions (M-U)" */
static void registers(void)
{
    u64 rax = ~0ul, rdx = ~0ul, rcx = 0xffffffff00000000ul | MSR_IA32_PAT;

    GT_TRY("rdmsr", : "+a"(rax), "+d"(rdx) : "c"(rcx) : GT_CLOBBERS);
    gt_line("registers: %s rax %lx rdx %lx", gt_exc_text(), rax, rdx);
    GT_TRY(".byte 0xf0\n\trdmsr", : "+a"(rax), "+d"(rdx) : "c"(rcx) : GT_CLOBBERS);
    gt_line("lock: %s", gt_exc_text());
}

/* Above ring 0 RDMSR and WRMSR are #GP(0). SDM 3A 5.9 "Privileged Instructions" */
static void user_mode(void)
{
    static const u8 read[] = {0x0f, 0x32, 0x0f, 0x0b}, write[] = {0x0f, 0x30, 0x0f, 0x0b};
    struct gt_frame f;

    gt_map_load();
    gt_load_tr();
    for (unsigned mode = 0; mode < 8; mode++) {
        f = gt_context(mode & 4 ? write : read, mode & 1 ? 3 : 0, mode & 2);
        f.rcx = MSR_IA32_PAT;
        f.rax = 0x00070406;
        f.rdx = 0x00070406;
        gt_enter(&f);
        gt_line("%s cpl %u compat %u: %s %lx %lx", mode & 4 ? "wrmsr" : "rdmsr", mode & 1 ? 3 : 0,
                mode >> 1 & 1, gt_exc_text(), gt_exc.frame.rax, gt_exc.frame.rdx);
    }
}

TEST_MAIN(msr)
{
    under_nidus = gt_under_nidus();
    read_range(0, 0x1fff);
    read_range(0xc0000000, 0xc0001fff);
    read_range(0x40000000, 0x400001ff);
    read_random();
    for (size_t i = 0; i < ARRAY_LEN(writables); i++)
        write_bits(&writables[i]);
    write_values();
    write_back(0, 0x1fff);
    write_back(0xc0000000, 0xc0001fff);
    registers();
    user_mode();
}
