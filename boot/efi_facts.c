/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads CPUID, CR4 and MSRs. Contract in efi_facts.h. require.c judges the facts. */
#include "boot/efi_facts.h"

#include "boot/insn.h"

/* Records a fact. A fact that is not recorded does not exist on this processor. */
static void know(struct facts *f, enum fact n, u64 value)
{
    f->value[n] = value;
    f->known |= 1u << n;
}

/* Reads the twelve characters of the vendor, which stand in EBX, EDX and ECX.
 * SDM 2A 3.3 "Instructions (A-L)" (CPUID) */
static void read_vendor(struct facts *f)
{
    struct cpuid r = cpuid(0);
    u32 words[3] = {r.ebx, r.edx, r.ecx};
    for (u32 i = 0; i < 12; i++)
        f->vendor[i] = (char)(words[i / 4] >> (i % 4 * 8));
    f->vendor[12] = 0;
}

static bool is_intel_vendor(const struct facts *f)
{
    static const char intel[13] = "GenuineIntel";
    for (u32 i = 0; i < sizeof intel; i++)
        if (f->vendor[i] != intel[i])
            return false;
    return true;
}

/* CPUID puts the revision into IA32_BIOS_SIGN_ID.
 * SDM 3A 9.11 "Microcode Update Facilities" */
u64 facts_microcode(void)
{
    wrmsr(MICROCODE_MSR, 0);
    (void)cpuid(1);
    return rdmsr(MICROCODE_MSR) >> 32;
}

void facts_read(struct facts *f)
{
    u64 cr4;
    struct cpuid r = cpuid(1);
    *f = (struct facts){0};
    read_vendor(f);
    know(f, FACT_CPUID_1_EAX, r.eax);
    know(f, FACT_CPUID_1_ECX, r.ecx);
    know(f, FACT_CPUID_1_EDX, r.edx);
    if (cpuid(0).eax >= 7) {
        r = cpuid(7);
        know(f, FACT_CPUID_7_EBX, r.ebx);
        know(f, FACT_CPUID_7_EDX, r.edx);
    }
    if (cpuid(0x80000000).eax >= 0x80000001)
        know(f, FACT_CPUID_80000001_EDX, cpuid(0x80000001).edx);
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    know(f, FACT_CR4, cr4);
    if (is_intel_vendor(f))
        know(f, FACT_MICROCODE, facts_microcode());
    /* The order of the enum puts each MSR behind the facts that say whether the MSR exists. */
    for (u32 n = 0; n < FACT_COUNT; n++)
        if (facts_msr(f, n))
            know(f, n, rdmsr(facts_msr(f, n)));
}

bool facts_inside_nidus(struct nidus_cpuid *n)
{
    static const char signature[12] = "NidusNidus"; /* EBX, ECX, EDX; zero padded */
    if (!(cpuid(1).ecx >> 31 & 1))
        return false;
    struct cpuid r = cpuid(0x40000000), v = cpuid(0x40000001);
    u32 words[3] = {r.ebx, r.ecx, r.edx};
    for (u32 i = 0; i < sizeof signature; i++)
        if (signature[i] != (char)(words[i / 4] >> (i % 4 * 8)))
            return false;
    *n = (struct nidus_cpuid){v.eax, v.ebx};
    return true;
}

/* The bits belong to VMX, to SMX, to SGX and its launch control, and to local machine checks.
 * SDM 4 2.1 "Architectural MSRs" */
u64 facts_feature_control_legal(void)
{
    struct cpuid one = cpuid(1), seven = cpuid(0).eax >= 7 ? cpuid(7) : (struct cpuid){0};
    u64 legal = FEATURE_CONTROL_LOCK;
    if (one.ecx >> 5 & 1)
        legal |= FEATURE_CONTROL_VMX;
    if (one.ecx >> 6 & 1)
        legal |= FEATURE_CONTROL_VMX_IN_SMX | FEATURE_CONTROL_SENTER;
    if (seven.ebx >> 2 & 1)
        legal |= FEATURE_CONTROL_SGX;
    if (seven.ecx >> 30 & 1)
        legal |= FEATURE_CONTROL_SGX_LAUNCH;
    if ((one.edx >> 14 & 1) && (rdmsr(MCG_CAP_MSR) >> 27 & 1))
        legal |= FEATURE_CONTROL_LMCE;
    return legal;
}

void facts_allow_vmx(void)
{
    u64 value = rdmsr(FEATURE_CONTROL_MSR);
    if (!(value & FEATURE_CONTROL_LOCK))
        wrmsr(FEATURE_CONTROL_MSR, value | FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCK);
}
