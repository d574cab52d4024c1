/* SPDX-License-Identifier: BSD-2-Clause */
/* Single instructions, timed one by one. Contract in cycles.h. */
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/stick/cycles.h"

enum {
    PG_OTHERS = PG_FREE,
    OTHERS = 8,
    MSR_SPEC_CTRL = 0x48,
    MSR_MTRR_CAP = 0xfe,
    MSR_MTRR_DEF_TYPE = 0x2ff
};

static u64 sample[SAMPLES];

static void sort(u64 *v, unsigned n)
{
    for (unsigned gap = n / 2; gap; gap /= 2) {
        for (unsigned i = gap; i < n; i++) {
            u64 x = v[i];
            unsigned at = i;

            for (; at >= gap && v[at - gap] > x; at -= gap)
                v[at] = v[at - gap];
            v[at] = x;
        }
    }
}

void cycles_row(const char *name, u64 (*once)(u64 n))
{
    u64 start;
    unsigned n = 0;

    for (unsigned warm = 0; warm < 16; warm++)
        once(warm);
    start = gt_rdtsc();
    while (n < SAMPLES && (n < SAMPLES_LEAST || gt_rdtsc() - start < BUDGET)) {
        sample[n] = once(n);
        n++;
    }
    sort(sample, n);
    gt_line("%s: %lu %lu %lu %u", name, sample[n / 2], sample[n / 20], sample[n - 1 - n / 20], n);
}

/* A function that times STATEMENT, with BEFORE outside the measured time. */
#define ONCE(NAME, BEFORE, STATEMENT) \
    static u64 once_##NAME(u64 n)     \
    {                                 \
        u64 t;                        \
        (void)n;                      \
        BEFORE;                       \
        t = cycles_now();             \
        STATEMENT;                    \
        return cycles_now() - t;      \
    }

static u64 other(u64 n, u64 of)
{
    return ARENA_AT(PG_OTHERS + n % of);
}

static u64 spec_ctrl, def_type;

/* What an operating system does to its MTRRs when a processor starts, as far as it is harmless:
 * only the fixed ranges go off and on, and nothing touches the first MiB meanwhile. */
static void mtrr_pair(void)
{
    enum { FIXED_ON = 1 << 10 };

    gt_wrmsr(MSR_MTRR_DEF_TYPE, def_type ^ FIXED_ON);
    gt_wrmsr(MSR_MTRR_DEF_TYPE, def_type);
}

ONCE(nothing, , )
ONCE(cpuid, , gt_cpuid(0, 0))
ONCE(rdmsr, , gt_rdmsr(MSR_GS_BASE))
ONCE(wrmsr, , gt_wrmsr(MSR_GS_BASE, 0))
ONCE(mtrr_pair, , mtrr_pair())
ONCE(wrmsr_spec_ctrl, , gt_wrmsr(MSR_SPEC_CTRL, spec_ctrl))
ONCE(vmread, , vmx_get(V_GUEST_RIP))
ONCE(vmread_reason, , vmx_get(V_EXIT_REASON))
ONCE(vmwrite, , vmx_vmwrite(V_GUEST_RIP, n))
ONCE(vmptrld_same, , vmx_vmptrld(other(0, 1)))
ONCE(vmptrld_2, , vmx_vmptrld(other(n, 2)))
ONCE(vmptrld_4, , vmx_vmptrld(other(n, 4)))
ONCE(vmptrld_8, , vmx_vmptrld(other(n, 8)))
ONCE(vmclear_clean, vmx_vmptrld(other(0, 1)), vmx_vmclear(other(0, 1)))
ONCE(vmclear_dirty, vmx_vmptrld(other(0, 1)); vmx_vmwrite(V_GUEST_RIP, n), vmx_vmclear(other(0, 1)))

ONCE(invept_single, , ept_invept(INVEPT_ONE, ARENA_AT(PG_E_PML4) | EPTP_WALK4_WB))
ONCE(invept_all, , ept_invept(INVEPT_ALL, 0))
ONCE(invvpid_all, , ept_invvpid(INVVPID_ALL, 0, 0))

void cycles_cpu_rows(void)
{
    enum { SPEC_CTRL_BIT = 26, CPUID_MTRR = 12, HAS_FIXED = 8 };

    cycles_row("nothing", once_nothing);
    cycles_row("cpuid", once_cpuid);
    cycles_row("rdmsr_gs_base", once_rdmsr);
    cycles_row("wrmsr_gs_base", once_wrmsr);
    if (gt_cpuid(0, 0).eax >= 7 && gt_cpuid(7, 0).edx >> SPEC_CTRL_BIT & 1) {
        spec_ctrl = gt_rdmsr(MSR_SPEC_CTRL);
        cycles_row("wrmsr_spec_ctrl", once_wrmsr_spec_ctrl);
    }
    /* On the bare machine the processors would disagree for a moment. L1's are L0's to keep. */
    if (gt_under_nidus() && gt_cpuid(1, 0).edx >> CPUID_MTRR & 1 &&
        gt_rdmsr(MSR_MTRR_CAP) >> HAS_FIXED & 1) {
        def_type = gt_rdmsr(MSR_MTRR_DEF_TYPE);
        cycles_row("mtrr_pair", once_mtrr_pair);
    }
}

static void load_rows(void)
{
    for (unsigned i = 0; i < OTHERS; i++) {
        *(u32 *)arena(PG_OTHERS + i) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
        vmx_vmclear(ARENA_AT(PG_OTHERS + i));
    }
    cycles_row("vmptrld_same", once_vmptrld_same);
    cycles_row("vmptrld_of_2", once_vmptrld_2);
    cycles_row("vmptrld_of_4", once_vmptrld_4);
    cycles_row("vmptrld_of_8", once_vmptrld_8);
    cycles_row("vmclear_clean", once_vmclear_clean);
    cycles_row("vmclear_dirty", once_vmclear_dirty);
    for (unsigned i = 0; i < OTHERS; i++)
        vmx_vmclear(ARENA_AT(PG_OTHERS + i));
}

void cycles_vmx_rows(void)
{
    enum { HAS_INVEPT_SINGLE = 25, HAS_INVEPT_ALL = 26, HAS_INVVPID_ALL = 42 };

    cycles_row("vmread_hot", once_vmread);
    cycles_row("vmread_exit_reason", once_vmread_reason);
    cycles_row("vmwrite_hot", once_vmwrite);
    load_rows();
    if (!vmx_has2(PROC2_EPT) || !vmx_has2(PROC2_VPID))
        return;
    if (gt_rdmsr(MSR_EPT_VPID_CAP) >> HAS_INVEPT_SINGLE & 1)
        cycles_row("invept_single", once_invept_single);
    if (gt_rdmsr(MSR_EPT_VPID_CAP) >> HAS_INVEPT_ALL & 1)
        cycles_row("invept_all", once_invept_all);
    if (gt_rdmsr(MSR_EPT_VPID_CAP) >> HAS_INVVPID_ALL & 1)
        cycles_row("invvpid_all", once_invvpid_all);
}
