/* SPDX-License-Identifier: BSD-2-Clause */
/* The allow-list of MSRs: the table's shape, the bitmap against the table number by number, and the
 * rows that the isolation of L0 rests on. */
#include "hv/arch/msr_policy.h"
#include "hv/arch/msr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static bool in_ranges(u32 msr)
{
    return msr < 0x2000 || msr - 0xc0000000u < 0x2000;
}

static const struct msr_row rows[] = {
#define MSR(first, last, read, write, rule, reason) \
    {first, last, MSR_##read, MSR_##write, MSR_RULE_##rule},
#include "hv/arch/msr_policy.def"
#undef MSR
};

/* Sorted, disjoint, within what the bitmap can name, and L0's own work has a rule. */
static void table_is_sound(void **state)
{
    (void)state;
    u32 next = 0;
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        const struct msr_row *row = &rows[i];
        assert_true(row->first >= next && row->first <= row->last);
        assert_true(in_ranges(row->first) && in_ranges(row->last));
        bool ours = row->read == MSR_JUDGE || row->read == MSR_EMULATE || row->write == MSR_JUDGE ||
                    row->write == MSR_EMULATE;
        if (ours)
            assert_true(row->rule != MSR_RULE_plain && row->rule != MSR_RULE_pmu &&
                        row->rule != MSR_RULE_vmcs);
        next = row->last + 1;
    }
    assert_true(next > 0xc0000000);
}

/* A second look-up, the plain one. */
static const struct msr_row *look(u32 msr)
{
    for (u32 i = 0; i < ARRAY_LEN(rows); i++)
        if (msr >= rows[i].first && msr <= rows[i].last)
            return &rows[i];
    return NULL;
}

static void same_row(u32 msr)
{
    const struct msr_row *found = msr_policy_row(msr), *row = look(msr);
    assert_int_equal(found != NULL, row != NULL);
    if (row)
        assert_memory_equal(found, row, sizeof *row);
}

static void look_up_agrees(void **state)
{
    (void)state;
    for (u32 msr = 0; msr < 0x3000; msr++)
        same_row(msr);
    for (u32 msr = 0xbffffff0; msr < 0xc0003000; msr++)
        same_row(msr);
    assert_null(msr_policy_row(0x40000000));
    assert_null(msr_policy_row(0xffffffff));
}

/* SDM 3C 25.6.9 "MSR-Bitmap Address": read low, read high, write low, write high */
static u32 exits(const u8 *map, u32 msr, bool write)
{
    u32 at = (write ? 2048u : 0) + (msr >= 0xc0000000 ? 1024u : 0);
    u32 n = msr >= 0xc0000000 ? msr - 0xc0000000 : msr;
    return (u32)map[at + n / 8] >> (n % 8) & 1;
}

static void check_bitmap(u32 hidden)
{
    static u8 map[PAGE_SIZE];
    msr_policy_bitmap(map, hidden);
    for (u32 i = 0; i < 0x4000; i++) {
        u32 msr = i < 0x2000 ? i : 0xc0000000u + i - 0x2000;
        const struct msr_row *row = look(msr);
        bool known = row && !any(hidden, BIT(row->rule));
        assert_int_equal(exits(map, msr, false), !(known && row->read == MSR_PASS));
        assert_int_equal(exits(map, msr, true), !(known && row->write == MSR_PASS));
    }
}

static void bitmap_is_the_table(void **state)
{
    (void)state;
    check_bitmap(0);
    check_bitmap((u32)(BIT(MSR_RULE_pmu) | BIT(MSR_RULE_perf_global)));
}

struct expected {
    u32 msr;
    int read, write; /* enum msr_action; NONE: no row */
};
#define NONE 9

static void reasons_hold(void **state)
{
    (void)state;
    static const struct expected e[] = {
        {MSR_IA32_APIC_BASE, MSR_PASS, MSR_JUDGE},
        {MSR_IA32_MISC_ENABLE, MSR_JUDGE, MSR_JUDGE},
        {0x33, MSR_HIDE, MSR_HIDE}, /* TEST_CTRL */
        {MSR_IA32_FEATURE_CONTROL, MSR_EMULATE, MSR_EMULATE},
        {MSR_IA32_BIOS_UPDT_TRIG, MSR_PASS, MSR_EMULATE},
        {MSR_IA32_SMM_MONITOR_CTL, MSR_EMULATE, MSR_HIDE},
        {MSR_IA32_SMBASE, MSR_HIDE, MSR_HIDE},
        {MSR_IA32_MTRRCAP, MSR_EMULATE, MSR_EMULATE},
        {MSR_IA32_MTRR_PHYSBASE0, MSR_EMULATE, MSR_EMULATE},
        {MSR_IA32_MTRR_FIX4K_F8000, MSR_EMULATE, MSR_EMULATE},
        {MSR_IA32_MTRR_DEF_TYPE, MSR_EMULATE, MSR_EMULATE},
        {MSR_IA32_MCU_OPT_CTRL, MSR_PASS, MSR_JUDGE},
        {MSR_IA32_PERF_GLOBAL_CTRL, MSR_PASS, MSR_JUDGE},
        {MSR_IA32_PEBS_ENABLE, MSR_HIDE, MSR_HIDE},
        {MSR_IA32_DS_AREA, MSR_HIDE, MSR_HIDE},
        {MSR_IA32_RTIT_OUTPUT_BASE, MSR_HIDE, MSR_HIDE},
        {MSR_IA32_VMX_BASIC, MSR_EMULATE, MSR_HIDE},
        {MSR_IA32_VMX_EXIT_CTLS2, MSR_EMULATE, MSR_HIDE},
        {MSR_IA32_XSS, MSR_PASS, MSR_JUDGE},
        {0x17d0, MSR_HIDE, MSR_HIDE}, /* HW_FEEDBACK_PTR */
        {0x17d1, MSR_HIDE, MSR_HIDE},
        {0x14ce, MSR_HIDE, MSR_HIDE}, /* LBR_CTL */
        {0x982, MSR_HIDE, MSR_HIDE},  /* TME_ACTIVATE */
        {0x6a2, MSR_HIDE, MSR_HIDE},  /* S_CET */
        {0x6e1, MSR_HIDE, MSR_HIDE},  /* PKRS */
        {0xd90, MSR_HIDE, MSR_HIDE},  /* BNDCFGS */
        {0x1f2, MSR_HIDE, MSR_HIDE},  /* SMRR */
        {0x150, NONE, NONE},          /* voltage: an attack on L0 */
        {0x40000000, NONE, NONE},
        {0xc0010015, NONE, NONE},
        {MSR_IA32_EFER, MSR_PASS, MSR_PASS},
        {MSR_IA32_X2APIC_ICR, MSR_PASS, MSR_PASS},
        {MSR_IA32_TSC_DEADLINE, MSR_PASS, MSR_PASS},
    };
    for (u32 i = 0; i < ARRAY_LEN(e); i++) {
        const struct msr_row *row = msr_policy_row(e[i].msr);
        assert_int_equal(row ? row->read : NONE, e[i].read);
        assert_int_equal(row ? row->write : NONE, e[i].write);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(look_up_agrees),
        cmocka_unit_test(bitmap_is_the_table),
        cmocka_unit_test(reasons_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
