/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the processor's capabilities once. boot/ has already refused unsuitable machines and named
 * the missing bit. caps_read refuses again only where the core could not run. */
#include "hv/vmx/caps.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/arch/mtrr.h"
#include "hv/core/privileged.h"

#define EPT_NEEDED (EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_INVEPT)

/* Some capability MSRs exist only where a bit says so. A read of an absent one would fault. */
static void read_vmx(struct vmx_caps *c)
{
    u64 *words = &c->basic;
    for (u32 i = 0; i <= MSR_IA32_VMX_VMCS_ENUM - MSR_IA32_VMX_BASIC; i++)
        words[i] = rdmsr(MSR_IA32_VMX_BASIC + i);
    u32 last = any(c->basic, VMX_BASIC_TRUE_CTLS) ? MSR_IA32_VMX_TRUE_ENTRY_CTLS : 0;
    for (u32 i = MSR_IA32_VMX_TRUE_PINBASED_CTLS; i <= last; i++)
        words[i - MSR_IA32_VMX_BASIC] = rdmsr(i);
    u32 cpu1 = vcaps_cpu1(c).may_be_1;
    if (any(cpu1, CPU1_SECONDARY))
        c->cpu2 = rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2);
    if (any(cpu1, CPU1_TERTIARY))
        c->cpu3 = rdmsr(MSR_IA32_VMX_PROCBASED_CTLS3);
    u32 cpu2 = vcaps_cpu2(c).may_be_1;
    if (any(cpu2, CPU2_ENABLE_EPT | CPU2_ENABLE_VPID))
        c->ept_vpid = rdmsr(MSR_IA32_VMX_EPT_VPID_CAP);
    if (any(cpu2, CPU2_ENABLE_VMFUNC))
        c->vmfunc = rdmsr(MSR_IA32_VMX_VMFUNC);
    if (any(vcaps_exit(c).may_be_1, EXIT_SECONDARY))
        c->exit2 = rdmsr(MSR_IA32_VMX_EXIT_CTLS2);
}

static struct cpuid shown(const struct cpu_facts *f, u32 leaf, u32 sub)
{
    u32 asked = cpuid_asked(leaf, f->leaf_basic, f->leaf_extended);
    return asked == leaf ? cpuid_shown(leaf, sub, cpuid(leaf, sub)) : (struct cpuid){0};
}

static u64 perf_capabilities(const struct cpuid *one)
{
    u64 v = 0;
    return any(one->ecx, CPUID1_ECX_PDCM) && rdmsr_safe(MSR_IA32_PERF_CAPABILITIES, &v) ? v : 0;
}

static void read_cpuid(struct cpu_facts *f)
{
    f->leaf_basic = cpuid(0, 0).eax;
    f->leaf_extended = cpuid(LEAF_EXTENDED, 0).eax;
    f->leaf_plain = cpuid_plain(f->leaf_basic);
    struct cpuid base = shown(f, LEAF_FEATURES, 0), ext = shown(f, LEAF_EXT_FEATURES, 0);
    struct cpuid seven = shown(f, LEAF_STRUCTURED, 0), xcr0 = shown(f, LEAF_XSTATE, 0);
    struct cpuid xs = shown(f, LEAF_XSTATE, 1);
    u32 sizes = shown(f, LEAF_ADDRESS_SIZES, 0).eax;
    f->phys_bits = sizes & 0xff;
    f->linear_bits = (sizes >> 8) & 0xff;
    f->xcr0 = (u64)xcr0.edx << 32 | xcr0.eax;
    f->xss = (u64)xs.edx << 32 | xs.ecx;
    f->mce = any(base.edx, CPUID1_EDX_MCE);
    f->xsave = any(base.ecx, CPUID1_ECX_XSAVE);
    f->page_1g = any(ext.edx, CPUIDX_EDX_PAGE_1G);
    f->rdtscp = any(ext.edx, CPUIDX_EDX_RDTSCP);
    f->rtm = any(seven.ebx, CPUID7_EBX_RTM);
    f->invpcid = any(seven.ebx, CPUID7_EBX_INVPCID);
    f->waitpkg = any(seven.ecx, CPUID7_ECX_WAITPKG);
    f->xsaves = any(xs.eax, CPUIDD_1_EAX_XSAVES);
    struct msr_cpuid words = {
        base,         seven,         shown(f, LEAF_PMU, 0), ext, perf_capabilities(&base),
        f->phys_bits, f->linear_bits};
    f->msr = msr_limits_of(&words);
    /* Silvermont and its like refuse "enable uncore PMI", and no bit of CPUID tells. */
    u64 debugctl = rdmsr(MSR_IA32_DEBUGCTL);
    if (!wrmsr_safe(MSR_IA32_DEBUGCTL, debugctl | BIT(13)))
        f->msr.debugctl_reserved |= BIT(13);
    wrmsr(MSR_IA32_DEBUGCTL, debugctl);
}

const char *caps_read(struct cpu_facts *f)
{
    read_vmx(&f->vmx);
    read_cpuid(f);
    u32 cpu2 = vcaps_cpu2(&f->vmx).may_be_1;
    u64 ept_vpid = f->vmx.ept_vpid;
    f->ept_2m = any(ept_vpid, EPT_CAP_2M);
    f->ept_1g = any(ept_vpid, EPT_CAP_1G);
    f->vpid = any(cpu2, CPU2_ENABLE_VPID) && all(ept_vpid, VPID_CAP_INVVPID | VPID_CAP_ALL);
    f->perf_global = any(vcaps_exit(&f->vmx).may_be_1, EXIT_LOAD_PERF_GLOBAL_CTRL) &&
                     any(vcaps_entry(&f->vmx).may_be_1, ENTRY_LOAD_PERF_GLOBAL_CTRL);
    if ((rdmsr(MSR_IA32_MTRRCAP) & MTRRCAP_VCNT) > MTRR_VARIABLE_MAX)
        return "MTRRs: more variable ranges than EPT01 can follow";
    if (!any(vcaps_cpu1(&f->vmx).may_be_1, CPU1_USE_MSR_BITMAPS))
        return "MSR bitmaps";
    if (!any(cpu2, CPU2_ENABLE_EPT) || !all(ept_vpid, EPT_NEEDED))
        return "EPT";
    if (!any(cpu2, CPU2_UNRESTRICTED_GUEST))
        return "unrestricted guest";
    return NULL;
}

static void join_limits(struct msr_limits *all, const struct msr_limits *one)
{
    all->efer_reserved |= one->efer_reserved;
    all->debugctl_reserved |= one->debugctl_reserved;
    all->perf_global_reserved |= one->perf_global_reserved;
    all->apic_base_reserved |= one->apic_base_reserved;
}

/* What CPUID shows of a feature that depends on L0 is decided by these facts; everything else that
 * CPUID shows is the answer of the processor that executes it. */
const char *caps_join(struct cpu_facts *all, const struct cpu_facts *one)
{
    if (all->phys_bits != one->phys_bits || all->linear_bits != one->linear_bits)
        return "its address widths are not those of the first processor";
    if (all->leaf_basic != one->leaf_basic || all->leaf_extended != one->leaf_extended)
        return "its highest CPUID leaves are not those of the first processor";
    all->leaf_plain &= one->leaf_plain;
    all->xcr0 &= one->xcr0;
    all->xss &= one->xss;
    join_limits(&all->msr, &one->msr);
    all->page_1g &= one->page_1g;
    all->mce &= one->mce;
    all->xsave &= one->xsave;
    all->rdtscp &= one->rdtscp;
    all->rtm &= one->rtm;
    all->invpcid &= one->invpcid;
    all->xsaves &= one->xsaves;
    all->waitpkg &= one->waitpkg;
    all->ept_1g &= one->ept_1g;
    all->ept_2m &= one->ept_2m;
    all->vpid &= one->vpid;
    all->perf_global &= one->perf_global;
    return vcaps_join(&all->vmx, &one->vmx);
}
