/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processor needs what against attacks by speculation (boot/spec.c): real processors,
 * as CPUID and IA32_ARCH_CAPABILITIES describe them before and after the microcode that
 * answered the attacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "boot/spec.h"

#define MD_CLEAR  (1u << 10)
#define IBRS      (1u << 26)
#define STIBP     (1u << 27)
#define L1D       (1u << 28)
#define ARCH_CAPS (1u << 29)
#define SSBD      (1u << 31)
#define RTM       (1u << 11)

struct model {
    const char *name;
    u32 signature, ebx, edx;
    u64 caps;
    u32 auto_done;
    const char *said;
};

static const struct model models[] = {
    {"Broadwell-U of 2015, first microcode", 0x306d4, RTM, 0, 0, 0,
     "l1d=absent verw=absent ibpb=absent rsb=needless specctrl=absent"},
    {"Broadwell-U, last microcode", 0x306d4, RTM, MD_CLEAR | IBRS | STIBP | L1D | SSBD, 0,
     SPEC_L1D | SPEC_IBPB | SPEC_CTRL, "l1d=on verw=needless ibpb=on rsb=needless specctrl=on"},
    {"Skylake-S", 0x506e3, RTM, MD_CLEAR | IBRS | STIBP | L1D | SSBD | ARCH_CAPS, 0x4 /* RSBA */,
     SPEC_L1D | SPEC_IBPB | SPEC_CTRL, "l1d=on verw=needless ibpb=on rsb=needless specctrl=on"},
    {"Cascade Lake", 0x50657, RTM, MD_CLEAR | IBRS | STIBP | L1D | SSBD | ARCH_CAPS,
     0x2b /* RDCL_NO, IBRS_ALL, SKIP_L1DFL, MDS_NO; TAA */, SPEC_VERW | SPEC_IBPB | SPEC_CTRL,
     "l1d=needless verw=on ibpb=on rsb=needless specctrl=on"},
    {"Cascade Lake without TSX, not told of MMIO", 0x50657, 0, MD_CLEAR | IBRS | L1D | ARCH_CAPS,
     0x2b, SPEC_IBPB | SPEC_CTRL, "l1d=needless verw=needless ibpb=on rsb=needless specctrl=on"},
    {"Cascade Lake, TSX turned off by IA32_TSX_CTRL", 0x50657, 0, MD_CLEAR | IBRS | L1D | ARCH_CAPS,
     0xab, SPEC_VERW | SPEC_IBPB | SPEC_CTRL,
     "l1d=needless verw=on ibpb=on rsb=needless specctrl=on"},
    {"Ice Lake-SP: stale data of MMIO", 0x606a6, RTM, MD_CLEAR | IBRS | L1D | ARCH_CAPS,
     0x2016b | 1ull << 17, SPEC_VERW | SPEC_IBPB | SPEC_CTRL,
     "l1d=needless verw=on ibpb=on rsb=needless specctrl=on"},
    {"Alder Lake: register-file data of its E-cores", 0x90672, 0, MD_CLEAR | IBRS | L1D | ARCH_CAPS,
     0x16b | 7ull << 13 | 1ull << 28, SPEC_VERW | SPEC_IBPB | SPEC_CTRL,
     "l1d=needless verw=on ibpb=on rsb=needless specctrl=on"},
    {"a later one that says no to all", 0xc0660, 0, MD_CLEAR | IBRS | L1D | ARCH_CAPS,
     0x16b | 7ull << 13 | 1ull << 27, SPEC_IBPB | SPEC_CTRL,
     "l1d=needless verw=needless ibpb=on rsb=needless specctrl=on"},
    {"Goldmont", 0x506c9, 0, IBRS, 0, SPEC_IBPB | SPEC_CTRL,
     "l1d=needless verw=needless ibpb=on rsb=needless specctrl=on"},
    {"Silvermont", 0x30678, 0, MD_CLEAR | IBRS, 0, SPEC_VERW | SPEC_IBPB | SPEC_CTRL,
     "l1d=needless verw=on ibpb=on rsb=needless specctrl=on"},
};

static struct facts facts_of(const struct model *m)
{
    struct facts f = {.vendor = "GenuineIntel"};
    f.value[FACT_CPUID_1_EAX] = m->signature;
    f.value[FACT_CPUID_7_EBX] = m->ebx;
    f.value[FACT_CPUID_7_EDX] = m->edx;
    f.value[FACT_ARCH_CAPABILITIES] = m->caps;
    return f;
}

static void test_auto(void **state)
{
    (void)state;
    for (u32 i = 0; i < ARRAY_LEN(models); i++) {
        struct facts f = facts_of(&models[i]);
        struct spec_plan p = spec_plan(&f, SPEC_OPTION_AUTO);
        struct line l;
        line_clear(&l);
        spec_describe(&p, &l);
        if (p.done != models[i].auto_done || strcmp(l.text, models[i].said) != 0)
            fail_msg("%s: %x, %s", models[i].name, p.done, l.text);
    }
}

/* Whatever is asked for, nothing is done that the processor has not; VERW exists everywhere. */
static void test_every_option(void **state)
{
    (void)state;
    for (u32 i = 0; i < ARRAY_LEN(models); i++)
        for (u32 option = 0; option < 1u << (SPEC_OPTION_SHIFT + 5); option++) {
            struct facts f = facts_of(&models[i]);
            struct spec_plan p = spec_plan(&f, option);
            u32 named = option >> SPEC_OPTION_SHIFT, edx = models[i].edx;
            assert_int_equal(p.done & ~p.can, 0);
            assert_true(!(p.done & SPEC_L1D) || edx & L1D);
            assert_true(!(p.done & (SPEC_IBPB | SPEC_CTRL)) || edx & IBRS);
            if (option & SPEC_OPTION_OFF)
                assert_int_equal(p.done, 0);
            else if (option & SPEC_OPTION_FULL)
                assert_int_equal(p.done, p.can);
            else
                assert_int_equal(p.done & named, p.can & named);
        }
}

static void test_words(void **state)
{
    struct facts f = facts_of(&models[1]);
    struct line l;
    (void)state;
    line_clear(&l);
    struct spec_plan p = spec_plan(&f, SPEC_OPTION_OFF);
    spec_describe(&p, &l);
    assert_string_equal(l.text, "l1d=off verw=off ibpb=off rsb=needless specctrl=off");
    line_clear(&l);
    p = spec_plan(&f, SPEC_OPTION_FULL);
    spec_describe(&p, &l);
    assert_string_equal(l.text, "l1d=on verw=on ibpb=on rsb=on specctrl=on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_every_option),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
