/* SPDX-License-Identifier: BSD-2-Clause */
/* What several processors can do alike (vcaps_join): every word of the capability MSRs, bit by bit,
 * by the meaning that SDM 3D A "VMX Capability Reporting Facility" gives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/vmcs12/profile.h"
#include "tests/lib/rng.h"

static struct vmx_caps base(void)
{
    return *profile_caps(PROFILE_BROADWELL);
}

/* A processor joined with itself is what it was, and the order makes no difference. */
static void alike(void **state)
{
    (void)state;
    for (u32 p = 0; p < PROFILE_HOST; p++) {
        struct vmx_caps a = *profile_caps((enum vmx_profile)p), b = base(), c = base(), d = a;
        assert_null(vcaps_join(&d, &a));
        assert_memory_equal(&d, &a, sizeof a);
        assert_null(vcaps_join(&b, &a));
        assert_null(vcaps_join(&a, &c));
        assert_memory_equal(&a, &b, sizeof a);
    }
}

/* Low half: a bit that must be 1 somewhere must be 1. High half: a bit may be 1 where all allow. */
static void control_words(void **state)
{
    (void)state;
    struct rng r = rng_start("control_words");
    for (u32 n = 0; n < 20000; n++) {
        struct vmx_caps a = base(), b = base();
        u64 bit = BIT(32 + rng_next(&r) % 32);
        b.cpu2 &= ~bit;
        if (vcaps_impossible(&b))
            continue;
        assert_null(vcaps_join(&a, &b));
        assert_false(any(a.cpu2, bit));
        assert_false(any(a.cpu2 & ~base().cpu2, ~0ull));
        assert_null(vcaps_impossible(&a));
    }
    struct vmx_caps a = base(), b = base();
    b.true_cpu1 |= CPU1_HLT_EXITING;
    b.cpu1 |= CPU1_HLT_EXITING;
    assert_null(vcaps_join(&a, &b));
    assert_true(any(a.true_cpu1, CPU1_HLT_EXITING) && any(a.cpu1, CPU1_HLT_EXITING));
    /* must be 1 on one processor, may not be 1 on the other: no control word fits both */
    a = base();
    a.cpu1 &= ~((u64)CPU1_HLT_EXITING << 32);
    a.true_cpu1 &= ~((u64)CPU1_HLT_EXITING << 32);
    assert_non_null(vcaps_join(&a, &b));
}

static void other_words(void **state)
{
    (void)state;
    struct vmx_caps a = base(), b = base();
    b.ept_vpid &= ~BIT(17);
    b.cr4_fixed1 &= ~BIT(22);
    b.cr0_fixed0 |= BIT(16);
    b.misc = (b.misc & ~(7ull << 25) & ~(0x1ffull << 16) & ~BIT(8)) | 2ull << 16;
    b.vmcs_enum = 0x24;
    b.vmfunc = 0;
    assert_null(vcaps_join(&a, &b));
    assert_false(any(a.ept_vpid, BIT(17)));
    assert_false(any(a.cr4_fixed1, BIT(22)));
    assert_true(any(a.cr0_fixed0, BIT(16)));
    assert_int_equal(a.misc & 7ull << 25, 0);
    assert_int_equal(a.misc >> 16 & 0x1ff, 2);
    assert_false(any(a.misc, BIT(8)));
    assert_int_equal(a.misc & 0x1f, base().misc & 0x1f);
    assert_int_equal(a.vmcs_enum, 0x24);
    assert_int_equal(a.vmfunc, 0);
}

static void assert_refused(void (*change)(struct vmx_caps *c), const char *why)
{
    struct vmx_caps a = base(), b = base();
    change(&b);
    const char *no = vcaps_join(&a, &b);
    assert_non_null(no);
    assert_non_null(strstr(no, why));
}

static void other_revision(struct vmx_caps *c)
{
    c->basic ^= 1;
}

static void other_memtype(struct vmx_caps *c)
{
    c->basic ^= 6ull << 50;
}

static void without_true(struct vmx_caps *c)
{
    c->basic &= ~VMX_BASIC_TRUE_CTLS;
    c->true_pin = c->true_cpu1 = c->true_exit = c->true_entry = 0;
}

static void other_rate(struct vmx_caps *c)
{
    c->misc ^= 3;
}

static void refusals(void **state)
{
    (void)state;
    assert_refused(other_revision, "VMCS revision");
    assert_refused(other_memtype, "memory type");
    assert_refused(without_true, "TRUE");
    assert_refused(other_rate, "preemption timer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alike),
        cmocka_unit_test(control_words),
        cmocka_unit_test(other_words),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
