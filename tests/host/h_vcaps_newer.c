/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities of two parts newer than Broadwell: the facts of tests/data, the fields that exist on
 * them, and what each profile shows of them. The rules of VM entry run on them in h_rules.c and
 * h_check.c, and the merge in h_crossing.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/vmcs12/profile.h"
#include "tests/lib/csv.h"
#include "tests/lib/valid.h"
#include "tools/vmcs12/caps.h"

#define EACH_NEWER(cpu) (enum valid_cpu cpu = CPU_FIRST_NEWER; cpu < CPU_COUNT; cpu++)

static void compare_msr(const struct csv_row *r, void *ctx)
{
    unsigned *seen = ctx;
    u32 msr = (u32)strtoul(r->cell[0], NULL, 16);
    enum valid_cpu cpu = strstr(r->cell[3], "i7-6700K") != NULL ? CPU_I7_6700K : CPU_COFFEE_LAKE;
    u64 value = 0;
    assert_non_null(strstr(r->cell[3], valid_cpu_name(cpu)));
    assert_true(vcaps_msr(valid_caps(cpu), msr, &value));
    assert_int_equal(value, strtoull(r->cell[2], NULL, 16));
    seen[cpu] |= 1u << (msr - 0x480);
}

/* Row by row, and back: no MSR of a part lacks its row. */
static void parts_are_the_facts(void **state)
{
    (void)state;
    unsigned seen[CPU_COUNT] = {0};
    assert_int_equal(csv_read("tests/data/newer_vmx_msrs.csv", compare_msr, seen), 36);
    for
        EACH_NEWER(cpu)
        {
            for (u32 msr = 0x480; msr < 0x4a0; msr++) {
                u64 v;
                bool row = (seen[cpu] >> (msr - 0x480) & 1) != 0;
                assert_int_equal(vcaps_msr(valid_caps(cpu), msr, &v), row);
            }
            assert_null(vcaps_impossible(valid_caps(cpu)));
        }
}

/* Which fields exist only with a capability: those from `first` to `last`, and the bit of the MSR
 * that announces them, or the bit of a second MSR. A field in no row exists always, and one with
 * MSR 0 on no processor that tells of it by an MSR. Numbers, because the names are on trial.
 * SDM 3C 25.4 "Guest-State Area", SDM 3C 25.6 "VM-Execution Control Fields" */
static const struct field_rule {
    u16 first, last, msr;
    u8 bit;
    u16 msr2;
    u8 bit2;
} field_rules[] = {
    {0x0000, 0x0000, 0x48b, 37, 0, 0},      {0x0002, 0x0002, 0x481, 39, 0, 0},
    {0x0004, 0x0004, 0x48b, 50, 0, 0},      {0x0006, 0x0006, 0x492, 1, 0, 0},
    {0x0008, 0x0008, 0x492, 4, 0, 0},       {0x000a, 0x000a, 0x492, 8, 0, 0},
    {0x0810, 0x0810, 0x48b, 41, 0, 0},      {0x0812, 0x0812, 0x48b, 49, 0, 0},
    {0x0814, 0x0814, 0x484, 51, 0x483, 59}, {0x2004, 0x2004, 0x482, 60, 0, 0},
    {0x200e, 0x200e, 0x48b, 49, 0, 0},      {0x2012, 0x2012, 0x482, 53, 0, 0},
    {0x2014, 0x2014, 0x48b, 32, 0, 0},      {0x2016, 0x2016, 0x481, 39, 0, 0},
    {0x2018, 0x2018, 0x48b, 45, 0, 0},      {0x201a, 0x201a, 0x48b, 33, 0, 0},
    {0x201c, 0x2022, 0x48b, 41, 0, 0},      {0x2024, 0x2024, 0x491, 0, 0, 0},
    {0x2026, 0x2028, 0x48b, 46, 0, 0},      {0x202a, 0x202a, 0x48b, 50, 0, 0},
    {0x202c, 0x202c, 0x48b, 52, 0, 0},      {0x202e, 0x202e, 0x48b, 47, 0, 0},
    {0x2030, 0x2030, 0x48b, 55, 0, 0},      {0x2032, 0x2032, 0x48b, 57, 0, 0},
    {0x2034, 0x2034, 0x482, 49, 0, 0},      {0x2036, 0x2036, 0x48b, 60, 0, 0},
    {0x2038, 0x203a, 0x48b, 53, 0, 0},      {0x203c, 0x203c, 0, 0, 0, 0},
    {0x203e, 0x203e, 0x48b, 59, 0, 0},      {0x2040, 0x2040, 0x492, 1, 0, 0},
    {0x2042, 0x2042, 0x492, 4, 0, 0},       {0x2044, 0x2044, 0x483, 63, 0, 0},
    {0x204a, 0x204c, 0x492, 7, 0, 0},       {0x204e, 0x204e, 0x492, 8, 0, 0},
    {0x2052, 0x2052, 0x484, 55, 0, 0},      {0x2400, 0x2400, 0x48b, 33, 0, 0},
    {0x2402, 0x2402, 0x492, 6, 0, 0},       {0x2404, 0x2404, 0x484, 55, 0, 0},
    {0x2406, 0x2406, 0, 0, 0, 0},           {0x2804, 0x2804, 0x484, 46, 0x483, 50},
    {0x2806, 0x2806, 0x484, 47, 0x483, 52}, {0x2808, 0x2808, 0x484, 45, 0x483, 62},
    {0x280a, 0x2810, 0x48b, 33, 0, 0},      {0x2812, 0x2812, 0x484, 48, 0x483, 55},
    {0x2814, 0x2814, 0x484, 50, 0x483, 57}, {0x2816, 0x2816, 0x484, 53, 0x483, 58},
    {0x2818, 0x2818, 0x484, 54, 0, 0},      {0x281a, 0x2828, 0x484, 55, 0, 0},
    {0x282e, 0x282e, 0x492, 7, 0, 0},       {0x2830, 0x2830, 0x492, 8, 0, 0},
    {0x2c00, 0x2c00, 0x483, 51, 0, 0},      {0x2c02, 0x2c02, 0x483, 53, 0, 0},
    {0x2c04, 0x2c04, 0x483, 44, 0, 0},      {0x2c06, 0x2c06, 0x483, 61, 0, 0},
    {0x2c08, 0x2c16, 0x484, 55, 0, 0},      {0x2c1a, 0x2c1a, 0x492, 7, 0, 0},
    {0x401c, 0x401c, 0x482, 53, 0, 0},      {0x401e, 0x401e, 0x482, 63, 0, 0},
    {0x4020, 0x4022, 0x48b, 42, 0, 0},      {0x4024, 0x4024, 0x48b, 63, 0, 0},
    {0x4026, 0x4026, 0, 0, 0, 0},           {0x482e, 0x482e, 0x481, 38, 0, 0},
    {0x6828, 0x682c, 0x484, 52, 0, 0},      {0x6c18, 0x6c1c, 0x483, 60, 0, 0},
};

static bool announced(const struct vmx_caps *caps, u32 msr, u32 bit)
{
    u64 word = 0;
    return msr != 0 && vcaps_msr(caps, msr, &word) && (word >> bit & 1) != 0;
}

static bool exists(const struct vmx_caps *caps, u16 encoding)
{
    for (u32 i = 0; i < ARRAY_LEN(field_rules); i++) {
        const struct field_rule *r = &field_rules[i];
        if (encoding >= r->first && encoding <= r->last)
            return announced(caps, r->msr, r->bit) || announced(caps, r->msr2, r->bit2);
    }
    return true;
}

/* The gates open for the fields of these capabilities, and for no other; returns how many. */
static unsigned count_fields(const struct vmx_caps *caps, const char *whose)
{
    unsigned n = 0;
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc(f);
        bool there = vcaps_gate(caps, (enum vmcs_gate)d->gate);
        if (there != exists(caps, d->encoding))
            fail_msg("%s: %s %s", whose, vmcs12_name(f), there ? "exists" : "does not exist");
        n += there;
    }
    return n;
}

/* Each part has five fields more than a Broadwell-U: two of PML, BNDCFGS, and the bitmaps of ENCLS
 * and of XSAVES. Coffee Lake lacks the two of VMCS shadowing. */
static void fields_of_each_part(void **state)
{
    (void)state;
    unsigned broadwell = count_fields(valid_caps(CPU_I7_5600U), "i7-5600U");
    for
        EACH_NEWER(cpu)
        {
            unsigned n = count_fields(valid_caps(cpu), valid_cpu_name(cpu));
            assert_int_equal(n, broadwell + 5 - (cpu == CPU_COFFEE_LAKE ? 2 : 0));
        }
}

/* No 1-setting of a control, and no other capability, that the hardware lacks or that Nidus lacks.
 * VMCS shadowing is the profile's to have, as L0 does it without the hardware. */
static void assert_within(const struct vmx_caps *s, const struct vmx_caps *hw)
{
    struct vmx_implemented impl = profile_implemented();
    u64 shadowing = (u64)CPU2_VMCS_SHADOWING << 32;
    const u64 pairs[][3] = {
        {s->pin, hw->pin, impl.pin | 0x16u},         {s->cpu1, hw->cpu1, impl.cpu1 | 0x0401e172u},
        {s->cpu2, hw->cpu2 | shadowing, impl.cpu2},  {s->exit, hw->exit, impl.exit | 0x36dffu},
        {s->entry, hw->entry, impl.entry | 0x11ffu},
    };
    for (u32 i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_int_equal(pairs[i][0] >> 32 & ~(pairs[i][1] >> 32), 0);
        assert_int_equal(pairs[i][0] >> 32 & ~pairs[i][2], 0);
        assert_int_equal((u32)pairs[i][1] & ~(u32)pairs[i][0], 0); /* what must be 1, still must */
    }
    assert_int_equal(s->ept_vpid & ~(hw->ept_vpid & impl.ept_vpid), 0);
    assert_int_equal(s->vmfunc & ~(hw->vmfunc & impl.vmfunc), 0);
    assert_int_equal(s->cr4_fixed1 & ~(hw->cr4_fixed1 & impl.cr4), 0);
    assert_int_equal(s->cpu3 | s->exit2, 0);
}

/* Every profile can be shown on every part, and shows a possible processor with its own fields. */
static void profiles_on_each_part(void **state)
{
    (void)state;
    struct vmx_implemented impl = profile_implemented();
    for
        EACH_NEWER(cpu)
    for (enum vmx_profile p = 0; p < PROFILE_COUNT; p++) {
        struct vmx_caps s;
        struct vcaps_refusal refusal = vcaps_derive(p, valid_caps(cpu), &impl, &s);
        if (refusal.why != NULL)
            fail_msg("%s on %s: %s, %s", profile_name(p), valid_cpu_name(cpu), refusal.whose,
                     refusal.why);
        assert_null(vcaps_impossible(&s));
        assert_within(&s, valid_caps(cpu));
        count_fields(&s, profile_name(p));
    }
}

/* The words themselves. Both parts lose ENCLS, PML, XSAVES, BNDCFGS and all of PT. Coffee Lake also
 * loses mode-based execute; its L1 has VMCS shadowing under a Broadwell's profile only, and the
 * advanced information about EPT violations under its own only. */
static void words_shown(void **state)
{
    (void)state;
    struct vmx_implemented impl = profile_implemented();
    for
        EACH_NEWER(cpu)
        {
            const struct vmx_caps *hw = valid_caps(cpu);
            struct vmx_caps s;
            assert_null(vcaps_derive(PROFILE_HOST, hw, &impl, &s).why);
            assert_int_equal(s.cpu2, cpu == CPU_COFFEE_LAKE ? 0x53cff00000000 : 0x57cff00000000);
            assert_int_equal(s.true_pin, hw->true_pin);
            assert_int_equal(s.true_cpu1, hw->true_cpu1);
            assert_int_equal(s.true_exit, 0x7fffff00036dfb);
            assert_int_equal(s.true_entry, 0xffff000011fb);
            assert_int_equal(s.ept_vpid, hw->ept_vpid);
            assert_int_equal(s.vmfunc, 1);
            assert_int_equal(s.misc, 0x7004c1e7 & ~BIT(14));
            assert_int_equal(s.cr4_fixed1, 0x3727ff);
            assert_int_equal(s.vmcs_enum, 0x2e);
            assert_null(vcaps_derive(PROFILE_BROADWELL, hw, &impl, &s).why);
            assert_int_equal(s.basic, 0x00da040000000012);
            assert_int_equal(s.ept_vpid, 0xf0106334141);
            assert_int_equal(s.true_cpu1, 0xfff9fffe04006172);
            assert_int_equal(s.cpu2, 0x57cff00000000);
            assert_int_equal(s.misc, 0x300481e7); /* the timer rate is the hardware's */
            assert_null(vcaps_derive(PROFILE_E5_2683_V4, hw, &impl, &s).why);
            assert_int_equal(s.pin, 0x7f00000016); /* no posted interrupts */
            assert_int_equal(s.cpu2, 0x57cff00000000);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_facts),
        cmocka_unit_test(fields_of_each_part),
        cmocka_unit_test(profiles_on_each_part),
        cmocka_unit_test(words_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
