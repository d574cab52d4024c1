/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID and MSRs of processors. Contract in machine.h. */
#include "guest-tests/stick/machine.h"
#include "hv/arch/cpuid_bits.h"

enum {
    LEAF_SERIAL = 3,
    LEAF_LAST = 0x40, /* no processor has more yet */
    MSR_PLATFORM = 0x17,
    MSR_FEATURE = 0x3a,
    MSR_UCODE = 0x8b,
    MSR_BASIC = 0x480,
    MSR_LAST_VMX = 0x493,
    MSR_MTRR_CAP = 0xfe,
    MSR_MTRR_BASE0 = 0x200,
    MSR_MTRR_TYPE = 0x2ff,
    MSR_PAT = 0x277,
};

static void add_row(struct machine_cpu *c, u32 leaf, u32 sub, struct gt_cpuid r)
{
    if (c->rows == CPUID_ROWS)
        return;
    c->row[c->rows].leaf = leaf;
    c->row[c->rows].sub = sub;
    c->row[c->rows++].r = r;
}

/* How many subleaves a leaf may have; most have one. */
static u32 subleaves(u32 leaf)
{
    switch (leaf) {
    /* clang-format off */
    case 4: return 8;
    case 7: return 3;
    case 0xb: case 0x1f: return 6;
    case 0xd: return 20;
    case 0xf: case 0x10: case 0x14: case 0x17: case 0x20: return 4;
    case 0x12: case 0x18: case 0x23: return 6;
    case 0x1d: case 0x1e: return 2;
    default: return 1;
        /* clang-format on */
    }
}

/* The APIC id differs from processor to processor by nature. */
static struct gt_cpuid without_apic_id(u32 leaf, struct gt_cpuid r)
{
    if (leaf == 1)
        r.ebx &= 0x00ffffff;
    if (leaf == 0xb || leaf == 0x1f)
        r.edx = 0;
    return r;
}

static void read_leaves(struct machine_cpu *c, u32 from)
{
    u32 last = gt_cpuid(from, 0).eax;

    if (last < from || last > from + LEAF_LAST)
        last = last < from ? from : from + LEAF_LAST;
    for (u32 leaf = from; leaf <= last; leaf++) {
        if (leaf == LEAF_SERIAL)
            continue;
        for (u32 sub = 0; sub < subleaves(leaf); sub++) {
            struct gt_cpuid r = without_apic_id(leaf, gt_cpuid(leaf, sub));

            if (sub == 0 || (r.eax | r.ebx | r.ecx | r.edx) != 0)
                add_row(c, leaf, sub, r);
        }
    }
}

static u64 add_msr(struct machine_cpu *c, u32 number)
{
    u64 v = gt_rdmsr(number);

    if (c->msrs < MSR_ROWS) {
        c->msr[c->msrs].number = number;
        c->msr[c->msrs++].v = v;
    }
    return v;
}

/* Each by the capability that says it is there. SDM 3D A "VMX Capability Reporting Facility" */
static void read_vmx(struct machine_cpu *c)
{
    enum { TRUE_CONTROLS = 55, SECONDARY = 63, TERTIARY = 49, EXIT2 = 63 };
    u64 basic, proc, proc2 = 0;

    basic = add_msr(c, MSR_BASIC);
    add_msr(c, MSR_BASIC + 1);
    proc = add_msr(c, MSR_BASIC + 2);
    for (u32 n = 3; n <= 10; n++)
        if (add_msr(c, MSR_BASIC + n) >> EXIT2 & 1 && n == 3)
            add_msr(c, 0x493);
    if (proc >> SECONDARY & 1)
        proc2 = add_msr(c, 0x48b);
    if (proc2 >> 33 & 1 || proc2 >> 37 & 1) /* EPT, VPID */
        add_msr(c, 0x48c);
    for (u32 n = 0x48d; n <= 0x490 && basic >> TRUE_CONTROLS & 1; n++)
        add_msr(c, n);
    if (proc2 >> 45 & 1) /* VM functions */
        add_msr(c, 0x491);
    if (proc >> TERTIARY & 1)
        add_msr(c, 0x492);
}

static bool has_microcode;

void machine_begin(void)
{
    GT_TRY("wrmsr", : : "c"(MSR_UCODE), "a"(0), "d"(0) : GT_CLOBBERS);
    has_microcode = gt_exc.vector == GT_NONE;
    GT_TRY("rdmsr", : : "c"(MSR_UCODE) : "rax", "rdx", GT_CLOBBERS);
    has_microcode &= gt_exc.vector == GT_NONE;
}

/* CPUID leaves the revision in the MSR, so a write of 0 and a CPUID go before. */
static u32 microcode(void)
{
    gt_wrmsr(MSR_UCODE, 0);
    gt_cpuid(1, 0);
    return (u32)(gt_rdmsr(MSR_UCODE) >> 32);
}

/* A firmware that gives its processors different memory types is a known kind of fault. */
static void read_types(struct machine_cpu *c)
{
    enum { CPUID_MTRR = 12, CPUID_PAT = 16, FIXED = 8, RANGES_MOST = 32 };
    static const u32 fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    u32 features = gt_cpuid(1, 0).edx;
    u64 cap;

    if (features >> CPUID_PAT & 1)
        add_msr(c, MSR_PAT);
    if (!(features >> CPUID_MTRR & 1))
        return;
    cap = add_msr(c, MSR_MTRR_CAP);
    add_msr(c, MSR_MTRR_TYPE);
    for (unsigned i = 0; i < sizeof fixed / sizeof *fixed && cap >> FIXED & 1; i++)
        add_msr(c, fixed[i]);
    for (u32 n = 0; n < 2 * (cap & 0xff) && n < 2 * RANGES_MOST; n++)
        add_msr(c, MSR_MTRR_BASE0 + n);
}

void machine_read(struct machine_cpu *c)
{
    u32 features = gt_cpuid(1, 0).ecx;

    c->rows = c->msrs = 0;
    c->microcode = has_microcode ? microcode() : 0;
    read_leaves(c, 0);
    if (features >> 31)
        read_leaves(c, 0x40000000);
    read_leaves(c, 0x80000000);
    if (features >> 5 & 1) {
        add_msr(c, MSR_FEATURE);
        read_vmx(c);
    }
    read_types(c);
}

static void say_row(const char *lead, const struct machine_cpu *c, unsigned i)
{
    struct gt_cpuid r = c->row[i].r;

    gt_line("%s%x.%x %08x %08x %08x %08x", lead, c->row[i].leaf, c->row[i].sub, r.eax, r.ebx, r.ecx,
            r.edx);
}

static bool is_vmx(u32 msr)
{
    return msr == MSR_FEATURE || (msr >= MSR_BASIC && msr <= MSR_LAST_VMX);
}

void machine_say_cpu(const struct machine_cpu *c)
{
    for (unsigned i = 0; i < c->rows; i++)
        say_row("cpuid: ", c, i);
    for (unsigned i = 0; i < c->msrs; i++)
        if (is_vmx(c->msr[i].number))
            gt_line("vmx: %x %016lx", c->msr[i].number, c->msr[i].v);
    gt_line("microcode: %x", c->microcode);
}

static bool same_row(const struct machine_cpu *a, const struct machine_cpu *b, unsigned i)
{
    return i < b->rows && CompareMem(&a->row[i], &b->row[i], sizeof a->row[i]) == 0;
}

void machine_say_other(unsigned number, const struct machine_cpu *c,
                       const struct machine_cpu *first)
{
    unsigned differ = 0;
    char lead[40];

    gt_format(lead, sizeof lead, "cpu: %u cpuid ", number);
    for (unsigned i = 0; i < c->rows; i++) {
        if (same_row(c, first, i))
            continue;
        say_row(lead, c, i);
        differ++;
    }
    for (unsigned i = 0; i < c->msrs; i++) {
        if (i < first->msrs && c->msr[i].number == first->msr[i].number &&
            c->msr[i].v == first->msr[i].v)
            continue;
        gt_line("cpu: %u %s %x %016lx", number, is_vmx(c->msr[i].number) ? "vmx" : "msr",
                c->msr[i].number, c->msr[i].v);
        differ++;
    }
    if (c->microcode != first->microcode) {
        gt_line("cpu: %u microcode %x", number, c->microcode);
        differ++;
    }
    gt_line("cpu: %u differs %u", number, differ + (c->rows != first->rows));
}

/* ---- the long list, on the first processor, where a #GP is caught ---- */

/* The dual-monitor control exists where IA32_VMX_BASIC says so: CAVEAT(emulator-msr-9b). */
static const u32 tried[] = {0x17,  0x1b,  0x34,  0x3a,  0x3b,  0x48,  0xbd,  0xce,      0xe7,
                            0xe8,  0xfe,  0x10a, 0x122, 0x174, 0x1a0, 0x1d9, 0x277,     0x2ff,
                            0x345, 0x38f, 0x3f1, 0x982, 0xda0, 0x250, 0x258, 0x259,     0x268,
                            0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0xc0000080};

static void say_msr(u32 number)
{
    u32 low = 0, high = 0;

    GT_TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(number) : GT_CLOBBERS);
    if (gt_exc.vector == GT_NONE)
        gt_line("msr: %x %016lx", number, (u64)high << 32 | low);
    else
        gt_line("msr: %x %s", number, gt_exc_text());
}

void machine_say_msrs(void)
{
    enum { CPUID_MTRR = 12, DUAL_MONITOR = 49 };
    u32 ranges = 0;

    for (unsigned i = 0; i < sizeof tried / sizeof *tried; i++)
        say_msr(tried[i]);
    if (gt_cpuid(1, 0).edx >> CPUID_MTRR & 1)
        ranges = (u32)gt_rdmsr(MSR_MTRR_CAP) & 0xff;
    for (u32 n = 0; n < 2 * ranges && n < 64; n++)
        say_msr(MSR_MTRR_BASE0 + n);
    if (gt_cpuid(1, 0).ecx >> 5 & 1 && gt_rdmsr(MSR_BASIC) >> DUAL_MONITOR & 1)
        say_msr(0x9b);
}
