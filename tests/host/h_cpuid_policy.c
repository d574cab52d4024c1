/* SPDX-License-Identifier: BSD-2-Clause */
/* What L1 is shown of CPUID, where the CPU answers all ones or what a named part answers; and the
 * values of MSRs that follow from it. */
#include "hv/arch/cpuid_policy.h"
#include "hv/arch/msr_value.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const struct cpuid ones = {~0u, ~0u, ~0u, ~0u};

static bool nothing(struct cpuid r)
{
    return !(r.eax | r.ebx | r.ecx | r.edx);
}

/* A leaf that nobody has named yet tells nothing, whatever the CPU says. */
static void unknown_is_zero(void **state)
{
    (void)state;
    static const u32 leaves[] = {
        0x8,  0xc,  0xe,  0x11, 0x12,       0x13,       0x14,       0x19,       0x1b,      0x1c,
        0x20, 0x21, 0x22, 0x23, 0x80000005, 0x80000009, 0x8000001f, 0x40000100, 0xffffffff};
    for (u32 i = 0; i < ARRAY_LEN(leaves); i++)
        for (u32 sub = 0; sub < 4; sub++)
            assert_true(nothing(cpuid_shown(leaves[i], sub, ones)));
    assert_true(nothing(cpuid_shown(7, 3, ones)));
    assert_true(nothing(cpuid_shown(0xd, 3, ones)));  /* MPX */
    assert_true(nothing(cpuid_shown(0xd, 8, ones)));  /* processor trace */
    assert_true(nothing(cpuid_shown(0xd, 11, ones))); /* CET */
    assert_true(nothing(cpuid_shown(0xd, 19, ones))); /* APX */
    assert_true(nothing(cpuid_shown(0x10, 4, ones)));
}

static void dangerous_bits_are_hidden(void **state)
{
    (void)state;
    struct cpuid one = cpuid_shown(1, 0, ones), seven = cpuid_shown(7, 0, ones),
                 more = cpuid_shown(7, 1, ones);
    struct cpuid power = cpuid_shown(6, 0, ones), x0 = cpuid_shown(0xd, 0, ones),
                 x1 = cpuid_shown(0xd, 1, ones);

    assert_false(any(one.ecx, BIT(2) | BIT(4) | BIT(6) | BIT(16)) || any(one.edx, BIT(21)));
    assert_false(any(seven.ebx, BIT(2) | BIT(14) | BIT(25)));
    assert_false(any(seven.ecx,
                     BIT(7) | BIT(13) | BIT(16) | BIT(23) | BIT(24) | BIT(29) | BIT(30) | BIT(31)));
    assert_false(any(seven.edx, BIT(5) | BIT(18) | BIT(19) | BIT(20) | BIT(30)));
    assert_false(
        any(more.eax, BIT(6) | BIT(17) | BIT(18) | BIT(19) | BIT(22) | BIT(26) | BIT(27)) ||
        more.ebx || more.ecx);
    assert_false(any(more.edx, BIT(15) | BIT(18) | BIT(21)));
    assert_false(any(power.eax, BIT(19) | BIT(23)) || power.edx || any(power.ecx, 0xff00));
    assert_false(any(x0.eax, BIT(3) | BIT(4) | BIT(8) | BIT(19)) || x0.edx);
    assert_false(x1.ecx || x1.edx);
    assert_int_equal(seven.eax, 2);
    /* What an operating system lives by is not. */
    assert_true(all(one.ecx, BIT(0) | BIT(3) | BIT(17) | BIT(21) | BIT(24) | BIT(26) | BIT(30)));
    assert_true(all(seven.ebx, BIT(0) | BIT(5) | BIT(7) | BIT(10) | BIT(16) | BIT(20)));
    assert_true(all(seven.edx, BIT(10) | BIT(24) | BIT(26) | BIT(29) | BIT(31)));
}

/* Every bit of CR4 that a guest may set is one that CPUID can show, and the reverse:
 * those of the leaves. */
static void cr4_goes_with_cpuid(void **state)
{
    (void)state;
    struct cpuid seven = cpuid_shown(7, 0, ones), more = cpuid_shown(7, 1, ones);
    static const u64 never = BIT(12) | BIT(14) | BIT(15) | BIT(19) | BIT(23) | BIT(24) | BIT(25) |
                             BIT(27) | BIT(28) | BIT(32);

    assert_false(any(CR4_KNOWN, never));
    assert_int_equal(any(CR4_KNOWN, CR4_LA57), any(seven.ecx, BIT(16)));
    assert_int_equal(any(CR4_KNOWN, BIT(24)), any(seven.ecx, BIT(31)));
    assert_int_equal(any(CR4_KNOWN, CR4_CET), any(seven.ecx, BIT(7)) || any(seven.edx, BIT(20)));
    assert_int_equal(any(CR4_KNOWN, BIT(25)), any(seven.edx, BIT(5)));
    assert_int_equal(any(CR4_KNOWN, BIT(27)), any(more.eax, BIT(6)));
    assert_int_equal(any(CR4_KNOWN, BIT(28)), any(more.eax, BIT(26)));
    assert_int_equal(any(CR4_KNOWN, CR4_PKE), any(seven.ecx, BIT(3)));
    assert_int_equal(any(CR4_KNOWN, CR4_UMIP), any(seven.ecx, BIT(2)));
}

static void numbers_are_bounded(void **state)
{
    (void)state;
    struct cpuid wide = {.eax = 0x00303934}; /* 52 bits, 57 linear, 48 for guests */

    assert_int_equal(cpuid_shown(0, 0, ones).eax, CPUID_LAST_LEAF);
    assert_int_equal(cpuid_shown(0, 0, (struct cpuid){.eax = 0x14}).eax, 0x14);
    assert_int_equal(cpuid_shown(0x80000000, 0, ones).eax, 0x80000008);
    assert_int_equal(cpuid_shown(0x80000008, 0, wide).eax, 0x3030);
    assert_int_equal(cpuid_shown(0x80000008, 0, (struct cpuid){.eax = 0x3028}).eax, 0x3028);
}

/* "If a value beyond the highest leaf is asked for, the data of the highest basic leaf." */
static void beyond_is_the_highest_basic(void **state)
{
    (void)state;
    assert_int_equal(cpuid_asked(0x14, 0x14, 0x80000008), 0x14);
    assert_int_equal(cpuid_asked(0x15, 0x14, 0x80000008), 0x14);
    assert_int_equal(cpuid_asked(0x30, 0x30, 0x80000008), CPUID_LAST_LEAF);
    assert_int_equal(cpuid_asked(0x80000008, 0x14, 0x80000008), 0x80000008);
    assert_int_equal(cpuid_asked(0x80000008, 0x14, 0x80000004), 0x14);
    assert_int_equal(cpuid_asked(0x80000009, 0x14, 0x8000001f), 0x14);
    assert_int_equal(cpuid_asked(0x7fffffff, 0x14, 0x80000008), 0x14);
    assert_int_equal(cpuid_asked(0xffffffff, 0x14, 0x80000008), 0x14);
}

/* A leaf is plain exactly if no answer of the CPU's would be changed. */
static void plain_leaves(void **state)
{
    (void)state;
    u64 plain = cpuid_plain(0x24);
    for (u32 leaf = 0; leaf < 64; leaf++) {
        bool same = leaf != 0;
        for (u32 sub = 0; sub < 100; sub++) {
            struct cpuid r = cpuid_shown(leaf, sub, ones);
            same &= (r.eax & r.ebx & r.ecx & r.edx) == ~0u;
        }
        assert_int_equal(any(plain, BIT(leaf)), same || leaf == 0);
    }
    assert_false(any(cpuid_plain(0x25), BIT(0))); /* the number would be too large */
    assert_false(any(cpuid_plain(0x4), BIT(5)));
}

static void perf_global(void **state)
{
    (void)state;
    struct msr_cpuid c = {.linear_bits = 48, .phys_bits = 39};

    assert_true(msr_limits_of(&c).perf_global_reserved == ~0ull);
    c.pmu = (struct cpuid){.eax = 0x07300403, .edx = 0x603}; /* Broadwell */
    assert_true(msr_limits_of(&c).perf_global_reserved == ~0x70000000full);
    c.pmu.eax = 0x07300401; /* version 1: no fixed counters */
    assert_true(msr_limits_of(&c).perf_global_reserved == ~0xfull);
    c.pmu = (struct cpuid){.eax = 0x08300805, .ecx = 0xf, .edx = 0x8604}; /* Ice Lake */
    c.perf_capabilities = BIT(15);
    assert_true(msr_limits_of(&c).perf_global_reserved == ~0x1000f000000ffull);
    c.pmu.ecx = 0x21; /* a gap */
    c.pmu.edx = 0x8601;
    c.perf_capabilities = 0;
    assert_true(msr_limits_of(&c).perf_global_reserved == ~0x21000000ffull);
}

static void debugctl_efer_apic(void **state)
{
    (void)state;
    struct msr_cpuid c = {.linear_bits = 48, .phys_bits = 40};
    struct msr_limits l = msr_limits_of(&c);

    assert_true(l.debugctl_reserved == ~0x7fc3ull);
    assert_true(l.efer_reserved == ~0x501ull);
    assert_true(l.apic_base_reserved == ~0xfffffff900ull);
    c.seven.ebx = BIT(11), c.seven.ecx = BIT(24), c.extended.edx = BIT(20), c.one.ecx = BIT(21);
    l = msr_limits_of(&c);
    assert_true(l.debugctl_reserved == ~0xffc7ull);
    assert_true(l.efer_reserved == ~0xd01ull);
    assert_true(l.apic_base_reserved == ~0xfffffffd00ull);
}

static void values_in_a_vmcs(void **state)
{
    (void)state;
    struct msr_cpuid c = {.linear_bits = 48, .phys_bits = 40};
    struct msr_limits l = msr_limits_of(&c);
    static const u32 addresses[] = {MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_IA32_FS_BASE,
                                    MSR_IA32_GS_BASE};

    for (u32 i = 0; i < ARRAY_LEN(addresses); i++) {
        assert_true(msr_vmcs_legal(&l, addresses[i], 0x7fffffffffff));
        assert_true(msr_vmcs_legal(&l, addresses[i], 0xffff800000000000));
        assert_false(msr_vmcs_legal(&l, addresses[i], 0x800000000000));
        assert_false(msr_vmcs_legal(&l, addresses[i], BIT(63)));
    }
    assert_true(msr_vmcs_legal(&l, MSR_IA32_PAT, 0x0706050401000000));
    assert_false(msr_vmcs_legal(&l, MSR_IA32_PAT, 0x0007040600070402));
    assert_false(msr_vmcs_legal(&l, MSR_IA32_PAT, 0x0307040600070406));
    assert_false(msr_vmcs_legal(&l, MSR_IA32_PAT, 0x0807040600070406));
    assert_true(msr_vmcs_legal(&l, MSR_IA32_DEBUGCTL, 3));
    assert_false(msr_vmcs_legal(&l, MSR_IA32_DEBUGCTL, 4));
    assert_true(msr_vmcs_legal(&l, MSR_IA32_EFER, EFER_LME));
    assert_false(msr_vmcs_legal(&l, MSR_IA32_EFER, EFER_NXE));
    assert_true(msr_vmcs_legal(&l, MSR_IA32_SYSENTER_CS, ~0ull));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_is_zero),
        cmocka_unit_test(dangerous_bits_are_hidden),
        cmocka_unit_test(cr4_goes_with_cpuid),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(beyond_is_the_highest_basic),
        cmocka_unit_test(plain_leaves),
        cmocka_unit_test(perf_global),
        cmocka_unit_test(debugctl_efer_apic),
        cmocka_unit_test(values_in_a_vmcs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
