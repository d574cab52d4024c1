/* Capabilities of a part newer than Broadwell: its fields, and the profiles on it. */
#include "hv/vmcs12/profile.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

/* The MSRs of a Core i7-6700K (Skylake, 506E3h), as VirtualBox's CPU database has them: measured on
 * the part. */
static const struct vmx_caps skylake = {
    .basic = 0x00da040000000004,
    .pin = 0x7f00000016,
    .cpu1 = 0xfff9fffe0401e172,
    .exit = 0x1ffffff00036dff,
    .entry = 0x3ffff000011ff,
    .misc = 0x7004c1e7,
    .cr0_fixed0 = 0x80000021,
    .cr0_fixed1 = 0xffffffff,
    .cr4_fixed0 = 0x2000,
    .cr4_fixed1 = 0x3727ff,
    .vmcs_enum = 0x2e,
    .cpu2 = 0x1ffcff00000000,
    .ept_vpid = 0xf0106334141,
    .true_pin = 0x7f00000016,
    .true_cpu1 = 0xfff9fffe04006172,
    .true_exit = 0x1ffffff00036dfb,
    .true_entry = 0x3ffff000011fb,
    .vmfunc = 1,
};

/* The fields of a Skylake: those whose control its MSRs let be 1, and no other.
 * SDM 3C 25.4 "Guest-State Area", SDM 3C 25.6 "VM-Execution Control Fields" */
static void fields_of_a_skylake(void **state)
{
    (void)state;
    static const enum vmcs_gate open[] = {
        GATE_ALWAYS,
        GATE_APIC_ACCESSES,
        GATE_BNDCFGS,
        GATE_ENCLS,
        GATE_EPT,
        GATE_EPTP_SWITCHING,
        GATE_GUEST_EFER,
        GATE_GUEST_PAT,
        GATE_HOST_EFER,
        GATE_HOST_PAT,
        GATE_GUEST_PERF_GLOBAL,
        GATE_HOST_PERF_GLOBAL,
        GATE_MSR_BITMAPS,
        GATE_PLE,
        GATE_PML,
        GATE_PREEMPTION_TIMER,
        GATE_SECONDARY,
        GATE_TPR_SHADOW,
        GATE_VE,
        GATE_VMCS_SHADOWING,
        GATE_VMFUNC,
        GATE_VPID,
        GATE_XSAVES,
    };
    bool want[GATE_COUNT] = {0};
    for (u32 i = 0; i < ARRAY_LEN(open); i++)
        want[open[i]] = true;
    for (u32 g = 0; g < GATE_COUNT; g++) {
        if (vcaps_gate(&skylake, (enum vmcs_gate)g) != want[g])
            fail_msg("gate %u is %s", g, want[g] ? "closed" : "open");
    }
}

/* L1 gets of a Skylake what Nidus implements of it, and is a Broadwell on it. */
static void profiles_on_a_skylake(void **state)
{
    (void)state;
    struct vmx_caps s;
    struct vmx_implemented impl = profile_implemented();
    assert_null(vcaps_impossible(&skylake));
    assert_null(vcaps_derive(PROFILE_HOST, &skylake, &impl, &s).why);
    assert_int_equal(s.cpu2, 0x57cff00000000); /* neither ENCLS, PML nor XSAVES */
    assert_int_equal(s.true_pin, skylake.true_pin);
    assert_int_equal(s.true_cpu1, skylake.true_cpu1);
    assert_int_equal(s.true_exit, 0x7fffff00036dfb); /* no BNDCFGS, nothing of PT */
    assert_int_equal(s.true_entry, 0xffff000011fb);
    assert_int_equal(s.ept_vpid, skylake.ept_vpid);
    assert_int_equal(s.vmfunc, 1);
    assert_int_equal(s.cr4_fixed1, 0x3727ff);
    assert_null(vcaps_impossible(&s));
    assert_null(vcaps_derive(PROFILE_BROADWELL, &skylake, &impl, &s).why);
    assert_int_equal(s.basic, 0x00da040000000012);
    assert_int_equal(s.true_cpu1, 0xfff9fffe04006172);
    assert_null(vcaps_impossible(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_a_skylake),
        cmocka_unit_test(profiles_on_a_skylake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
