/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities: the profiles against their CSV, the derivation on the emulator's MSRs and on
 * random hardware, and sets that no processor could report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/arch/cpu.h"
#include "hv/vmcs12/profile.h"
#include "hv/vmcs12/vmcs12.h"
#include "tests/lib/csv.h"
#include "tests/lib/everything.h"
#include "tests/lib/image.h"
#include "tests/lib/rng.h"
#include "tools/vmcs12/caps.h"

static enum vmx_profile part_of(const char *text)
{
    static const char *const word[] = {"i7-5600U", "E5-2683", "D-1540"};
    for (unsigned p = 0; p < ARRAY_LEN(word); p++)
        if (strstr(text, word[p]) != NULL)
            return (enum vmx_profile)p;
    fail_msg("unknown part %s", text);
    return PROFILE_COUNT;
}

static void compare_msr(const struct csv_row *r, void *ctx)
{
    unsigned *seen = ctx;
    u32 msr = (u32)strtoul(r->cell[0], NULL, 16);
    enum vmx_profile p = part_of(r->cell[3]);
    enum vmx_profile from = r->cell[2][0] != '\0' ? p : PROFILE_BROADWELL; /* not found: the i7's */
    u64 value = 0, other = 0;
    assert_true(vcaps_msr(profile_caps(p), msr, &value));
    assert_true(vcaps_msr(profile_caps(from), msr, &other));
    assert_int_equal(value, r->cell[2][0] != '\0' ? strtoull(r->cell[2], NULL, 16) : other);
    seen[p] |= 1u << (msr - 0x480);
}

/* Row by row, and back: no MSR that a profile shows lacks its row. */
static void profiles_are_the_facts(void **state)
{
    (void)state;
    unsigned seen[3] = {0, 0, 0};
    assert_int_equal(csv_read("tests/data/broadwell_vmx_msrs.csv", compare_msr, seen), 54);
    for (unsigned p = 0; p < 3; p++)
        for (u32 msr = 0x400; msr < 0x500; msr++) {
            u64 v;
            bool row = msr >= 0x480 && msr < 0x4a0 && (seen[p] >> (msr - 0x480) & 1) != 0;
            assert_int_equal(vcaps_msr(profile_caps((enum vmx_profile)p), msr, &v), row);
        }
}

static void names(void **state)
{
    (void)state;
    for (enum vmx_profile p = 0; p < PROFILE_COUNT; p++)
        assert_int_equal(profile_find(profile_name(p)), p);
    assert_int_equal(profile_find("broadwel"), PROFILE_COUNT);
    assert_int_equal(profile_find("broadwell2"), PROFILE_COUNT);
    assert_int_equal(profile_find(""), PROFILE_COUNT);
    assert_null(profile_caps(PROFILE_HOST));
}

static void every_profile_is_possible(void **state)
{
    (void)state;
    for (enum vmx_profile p = 0; p < PROFILE_HOST; p++) {
        assert_null(vcaps_impossible(profile_caps(p)));
        struct vmx_caps shown;
        struct vmx_implemented impl = profile_everything();
        assert_null(vcaps_derive(p, profile_caps(p), &impl, &shown).why);
        assert_memory_equal(&shown, profile_caps(p), sizeof shown);
    }
    assert_null(vcaps_impossible(&caps_emulator));
}

static void broadwell_on_the_emulator(void **state)
{
    (void)state;
    struct vmx_caps s;
    struct vmx_implemented impl = profile_everything();
    assert_null(vcaps_derive(PROFILE_BROADWELL, &caps_emulator, &impl, &s).why);
    assert_int_equal(s.basic, 0x00da040000000012);
    assert_int_equal(s.misc, 0x300481e0);         /* the timer rate is the hardware's */
    assert_int_equal(s.cpu1, 0xf7f9fffe0401e172); /* no monitor trap flag */
    assert_int_equal(s.true_cpu1, 0xf7f9fffe04006172);
    assert_int_equal(s.cpu2, 0x57cff00000000);
    assert_int_equal(s.vmcs_enum, 0x2a);
    assert_int_equal(s.cr4_fixed1, 0x3727ff);
}

static void host_on_the_emulator(void **state)
{
    (void)state;
    struct vmx_caps s;
    struct vmx_implemented impl = profile_everything();
    assert_null(vcaps_derive(PROFILE_HOST, &caps_emulator, &impl, &s).why);
    assert_int_equal(s.basic, 0x00d8040000000012);
    assert_int_equal(s.cpu2, caps_emulator.cpu2);
    assert_int_equal(s.misc, caps_emulator.misc);
    assert_int_equal(s.vmcs_enum, 0x2e); /* 0x482e, the preemption timer */
}

/* VMCS shadowing is the profile's to have: L0 answers from L1's shadow VMCS by itself. */
static void shadowing_without_hardware(void **state)
{
    (void)state;
    struct vmx_caps hw = caps_emulator, s;
    struct vmx_implemented impl = profile_everything();
    hw.cpu2 &= ~((u64)CPU2_VMCS_SHADOWING << 32);
    assert_null(vcaps_derive(PROFILE_BROADWELL, &hw, &impl, &s).why);
    assert_int_equal(s.cpu2, 0x57cff00000000);
    assert_null(vcaps_derive(PROFILE_HOST, &hw, &impl, &s).why);
    assert_int_equal(s.cpu2, hw.cpu2);
    impl.cpu2 &= ~(u32)CPU2_VMCS_SHADOWING;
    assert_null(vcaps_derive(PROFILE_BROADWELL, &caps_emulator, &impl, &s).why);
    assert_false(vcaps_gate(&s, GATE_VMCS_SHADOWING));
}

/* What the lead hides takes its dependents along. */
static void hiding_ept(void **state)
{
    (void)state;
    struct vmx_caps s;
    struct vmx_implemented impl = profile_everything();
    impl.cpu2 &= ~(u32)CPU2_ENABLE_EPT;
    assert_null(vcaps_derive(PROFILE_E5_2683_V4, profile_caps(PROFILE_E5_2683_V4), &impl, &s).why);
    u32 gone = CPU2_ENABLE_EPT | CPU2_UNRESTRICTED_GUEST | CPU2_ENABLE_PML | CPU2_EPT_VIOLATION_VE |
               CPU2_ENABLE_VMFUNC;
    assert_int_equal(s.cpu2 >> 32, 0x77fff & ~gone);
    assert_int_equal((u32)s.ept_vpid, 0);
    assert_int_equal(s.ept_vpid >> 32, 0xf01);
    assert_int_equal(s.vmfunc, 0);
    assert_false(vcaps_gate(&s, GATE_EPT));
    u64 v;
    assert_false(vcaps_msr(&s, MSR_IA32_VMX_VMFUNC, &v));
    impl.cpu2 &= ~(u32)CPU2_ENABLE_VPID;
    assert_null(vcaps_derive(PROFILE_BROADWELL, &caps_emulator, &impl, &s).why);
    assert_int_equal(s.ept_vpid, 0);
    assert_false(vcaps_msr(&s, MSR_IA32_VMX_EPT_VPID_CAP, &v));
    impl.pin &= ~(u32)PIN_NMI_EXITING; /* virtual NMIs and NMI windows go too */
    assert_null(vcaps_derive(PROFILE_BROADWELL, &caps_emulator, &impl, &s).why);
    assert_int_equal(s.true_pin >> 32, 0x7f & ~0x28);
    assert_int_equal(s.true_cpu1 >> 32, 0xf7f9fffe & ~(1u << 22));
}

/* Posted interrupts stand before virtual-interrupt delivery among the rules, so they fall in a
 * second round. */
static void hiding_interrupt_exiting(void **state)
{
    (void)state;
    struct vmx_caps s;
    struct vmx_implemented impl = profile_everything();
    impl.pin &= ~(u32)PIN_EXT_INTR_EXITING;
    assert_null(vcaps_derive(PROFILE_E5_2683_V4, profile_caps(PROFILE_E5_2683_V4), &impl, &s).why);
    assert_int_equal(s.pin >> 32, 0xff & ~(u32)(PIN_EXT_INTR_EXITING | PIN_POSTED_INTERRUPTS));
    assert_int_equal(s.cpu2 >> 32, 0x77fff & ~(u32)CPU2_VIRTUAL_INTR_DELIVERY);
}

/* What the hardware lacks beyond controls is not shown either. */
static void poorer_hardware(void **state)
{
    (void)state;
    struct vmx_caps hw = caps_emulator, s;
    struct vmx_implemented impl = profile_everything();
    hw.cr0_fixed1 = 0xe005003f;
    hw.misc = (hw.misc & ~(0x1ffull << 16)) | 2ull << 16;
    hw.misc &= ~(1ull << 8);
    hw.ept_vpid &= ~EPT_CAP_1G;
    hw.basic &= ~VMX_BASIC_INS_OUTS;
    assert_null(vcaps_derive(PROFILE_BROADWELL, &hw, &impl, &s).why);
    assert_int_equal(s.cr0_fixed1, 0xe005003f);
    assert_int_equal(VMX_MISC_CR3_TARGETS(s.misc), 2);
    assert_int_equal(s.misc, 0x300480e0 - (2 << 16));
    assert_int_equal(s.ept_vpid, 0xf0106314141);
    assert_int_equal(s.basic, 0x009a040000000012);
}

static void without_true_controls(void **state)
{
    (void)state;
    struct vmx_caps hw = caps_emulator, s;
    struct vmx_implemented impl = profile_everything();
    hw.basic &= ~(1ull << 55);
    hw.true_pin = hw.true_cpu1 = hw.true_exit = hw.true_entry = 0;
    assert_null(vcaps_derive(PROFILE_BROADWELL, &hw, &impl, &s).why);
    u64 v;
    assert_false(vcaps_msr(&s, 0x48d, &v));
    assert_int_equal(vcaps_cpu1(&s).must_be_1, 0x0401e172);
    assert_null(vcaps_derive(PROFILE_BROADWELL, &caps_emulator, &impl, &s).why);
    assert_int_equal(vcaps_cpu1(&s).must_be_1, 0x04006172);
}

/* A sane set, one thing spoilt; the reason must be the one expected. */
static void refused(void (*spoil)(struct vmx_caps *c), const char *reason)
{
    struct vmx_caps c = *profile_caps(PROFILE_E5_2683_V4), s;
    struct vmx_implemented impl = profile_everything();
    spoil(&c);
    const char *why = vcaps_impossible(&c);
    assert_non_null(why);
    assert_string_equal(why, reason);
    struct vcaps_refusal r = vcaps_derive(PROFILE_BROADWELL, &c, &impl, &s);
    assert_string_equal(r.whose, "hardware");
    assert_string_equal(r.why, reason);
}

/* clang-format off */
#define LOSE(w, bit)  do { c->w &= ~((u64)(bit) << 32); } while (0)
static void ug(struct vmx_caps *c) { LOSE(cpu2, CPU2_ENABLE_EPT); }
/* clang-format on */
static void vnmi(struct vmx_caps *c)
{
    LOSE(pin, PIN_NMI_EXITING);
    LOSE(true_pin, PIN_NMI_EXITING);
}
static void window(struct vmx_caps *c)
{
    LOSE(pin, PIN_VIRTUAL_NMIS);
    LOSE(true_pin, PIN_VIRTUAL_NMIS);
}
/* clang-format off */
static void posted(struct vmx_caps *c) { LOSE(cpu2, CPU2_VIRTUAL_INTR_DELIVERY); }
/* clang-format on */
static void ack(struct vmx_caps *c)
{
    LOSE(exit, EXIT_ACK_INTR_ON_EXIT);
    LOSE(true_exit, EXIT_ACK_INTR_ON_EXIT);
}
static void timer(struct vmx_caps *c)
{
    LOSE(pin, PIN_PREEMPTION_TIMER);
    LOSE(true_pin, PIN_PREEMPTION_TIMER);
}
/* clang-format off */
static void twins_differ(struct vmx_caps *c) { LOSE(true_cpu1, CPU1_HLT_EXITING); }
static void twin_demands(struct vmx_caps *c) { c->true_cpu1 |= CPU1_HLT_EXITING; }
static void twin_frees(struct vmx_caps *c) { c->cpu1 |= CPU1_HLT_EXITING; }
static void both(struct vmx_caps *c) { c->exit |= 0x80000000u; }
static void cr0(struct vmx_caps *c) { c->cr0_fixed1 &= ~1ull; }
static void cr4(struct vmx_caps *c) { c->cr4_fixed0 |= 1ull << 40; }
static void cpu2_must(struct vmx_caps *c) { c->cpu2 |= 2; }
/* clang-format on */
static void no_secondary(struct vmx_caps *c)
{
    LOSE(cpu1, CPU1_SECONDARY);
    LOSE(true_cpu1, CPU1_SECONDARY);
}
/* clang-format off */
static void walk(struct vmx_caps *c) { c->ept_vpid &= ~(1ull << 6); }
static void memtype(struct vmx_caps *c) { c->ept_vpid &= ~((1ull << 8) | (1ull << 14)); }
static void functions(struct vmx_caps *c) { LOSE(cpu2, CPU2_ENABLE_VMFUNC); }
static void lma(struct vmx_caps *c) { c->misc &= ~(1ull << 5); }
/* clang-format on */

static void impossible_sets(void **state)
{
    (void)state;
    refused(ug, "unrestricted guest without EPT");
    refused(vnmi, "virtual NMIs without NMI exiting");
    refused(window, "NMI-window exiting without virtual NMIs");
    refused(posted, "posted interrupts without virtual-interrupt delivery");
    refused(ack, "posted interrupts without acknowledge on exit");
    refused(timer, "saving the preemption timer without the timer");
    refused(twins_differ, "TRUE and plain control words allow different 1-settings");
    refused(twin_demands, "a TRUE control word demands what the plain one does not");
    refused(twin_frees, "TRUE frees a control that is not of the default-1 class");
    refused(both, "a control that must be 1 and may not be");
    refused(cr0, "a CR0 bit fixed to both 0 and 1");
    refused(cr4, "a CR4 bit fixed to both 0 and 1");
    refused(cpu2_must, "a secondary control that must be 1");
    refused(no_secondary, "secondary or tertiary controls without the control that activates them");
    refused(walk, "EPT without a page-walk length");
    refused(memtype, "EPT without a memory type for its tables");
    refused(functions, "VM functions without the controls that they need");
    refused(lma, "unrestricted guest without saving EFER.LMA");
}

/* Profile and hardware each possible, together not: a fixed bit that the other denies. */
static void impossible_together(void **state)
{
    (void)state;
    struct vmx_caps hw = caps_emulator, s;
    struct vmx_implemented impl = profile_everything();
    hw.cr0_fixed0 |= 1ull << 40;
    hw.cr0_fixed1 |= 1ull << 40;
    struct vcaps_refusal r = vcaps_derive(PROFILE_BROADWELL, &hw, &impl, &s);
    assert_string_equal(r.whose, "the two together");
    assert_string_equal(r.why, "a CR0 bit fixed to both 0 and 1");
    assert_string_equal(vcaps_derive(PROFILE_COUNT, &hw, &impl, &s).whose, "profile");
}

/* L1 sees the CPUID of a newer processor and may have set UMIP and PKE when it executes VMXON. */
static void cr4_of_a_newer_processor(void **state)
{
    (void)state;
    struct vmx_caps hw = caps_emulator, s;
    struct vmx_implemented impl = profile_everything();
    hw.cr4_fixed1 |= CR4_UMIP | CR4_PKE;
    assert_null(vcaps_derive(PROFILE_BROADWELL, &hw, &impl, &s).why);
    assert_int_equal(s.cr4_fixed1, hw.cr4_fixed1);

    /* What has no rules is shown in no profile, the host's own included. */
    hw.cr4_fixed1 |= CR4_LA57 | CR4_CET | BIT(24) | BIT(32);
    impl.cr4 = CR4_KNOWN;
    for (enum vmx_profile p = 0; p < PROFILE_COUNT; p++) {
        assert_null(vcaps_derive(p, &hw, &impl, &s).why);
        assert_int_equal(s.cr4_fixed1, caps_emulator.cr4_fixed1 | CR4_UMIP | CR4_PKE);
    }
}

/* Whatever is hidden: what is shown is possible, and no more than hardware and profile have. */
static void random_hiding(void **state)
{
    (void)state;
    struct rng g = rng_start("random_hiding");
    for (unsigned n = 0; n < 20000; n++) {
        struct vmx_implemented impl = {
            .pin = (u32)rng_next(&g),
            .cpu1 = (u32)rng_next(&g),
            .cpu2 = (u32)rng_next(&g),
            .exit = (u32)rng_next(&g),
            .entry = (u32)rng_next(&g),
            .misc = rng_next(&g),
            .ept_vpid = rng_next(&g) | 0x4140,
            .vmfunc = rng_next(&g),
            .cr4 = rng_next(&g) | CR4_VMXE,
        };
        enum vmx_profile p = (enum vmx_profile)(rng_next(&g) % PROFILE_COUNT);
        const struct vmx_caps *from = p == PROFILE_HOST ? &caps_emulator : profile_caps(p);
        struct vmx_caps s;
        assert_null(vcaps_derive(p, &caps_emulator, &impl, &s).why);
        assert_null(vcaps_impossible(&s));
        assert_int_equal(s.cpu2 & ~(caps_emulator.cpu2 & from->cpu2), 0);
        assert_int_equal((s.cpu2 >> 32) & ~impl.cpu2, 0);
        assert_int_equal((s.true_pin >> 32) & ~(u64)(impl.pin | 0x16), 0);
        assert_int_equal(s.ept_vpid & ~(caps_emulator.ept_vpid & impl.ept_vpid), 0);
        struct vmx_caps again = s;
        vcaps_close(&again);
        assert_memory_equal(&again, &s, sizeof s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_are_the_facts),
        cmocka_unit_test(names),
        cmocka_unit_test(every_profile_is_possible),
        cmocka_unit_test(broadwell_on_the_emulator),
        cmocka_unit_test(host_on_the_emulator),
        cmocka_unit_test(shadowing_without_hardware),
        cmocka_unit_test(hiding_ept),
        cmocka_unit_test(hiding_interrupt_exiting),
        cmocka_unit_test(poorer_hardware),
        cmocka_unit_test(without_true_controls),
        cmocka_unit_test(impossible_sets),
        cmocka_unit_test(impossible_together),
        cmocka_unit_test(cr4_of_a_newer_processor),
        cmocka_unit_test(random_hiding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
