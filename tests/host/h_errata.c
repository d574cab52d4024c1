/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processors have an erratum that Nidus steps around (boot/errata.h), by signature and
 * microcode revision. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "boot/errata.h"

static struct facts of(u32 signature, u64 revision)
{
    struct facts f = {.vendor = "GenuineIntel"};
    f.value[FACT_CPUID_1_EAX] = signature;
    f.value[FACT_MICROCODE] = revision;
    return f;
}

static void test_deadline(void **state)
{
    (void)state;
    static const struct {
        u32 signature, revision;
        bool broken;
    } rows[] = {
        {0x306d4, 0x24, true}, /* i7-5600U */
        {0x306d4, 0x25, false},      {0x306d4, 0x2f, false},
        {0x306d4, 0, false},   /* an emulator's */
        {0x40671, 0x16, true}, /* Broadwell with GT3e */
        {0x40671, 0x17, false},      {0x506e3, 0xb1, true},
        {0x506e3, 0xb2, false},      {0x406e3, 0x8a, true},
        {0x906e9, 0x48, true},       {0x906ea, 0xde, false},
        {0x306f2, 0x39, true}, /* Haswell-EP, each stepping its own revision */
        {0x306f2, 0x3a, false},      {0x306f4, 0x0e, true},
        {0x306f4, 0x0f, false},      {0x306f3, 1, false},
        {0x50662, 0x10, true},       {0x50663, 0x0700000e, false},
        {0x50654, 0x02000013, true}, {0x50657, 1, false},
        {0x306a9, 1, false},    /* Ivy Bridge has not the erratum */
        {0x90672, 1, false},    /* Alder Lake */
        {0x00600f12, 1, false}, /* family 0x15 */
    };
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        struct facts f = of(rows[i].signature, rows[i].revision);
        assert_int_equal(errata_tsc_deadline(&f), rows[i].broken);
    }
}

/* Every row of Linux's list, but for those without a broken revision: broken up to the revision
 * before. */
static void test_deadline_rows(void **state)
{
    (void)state;
    static const u32 rows[][2] = {
        {0x306f2, 0x3a},       {0x306f4, 0x0f},       {0x406f1, 0x0b000020}, {0x50662, 0x11},
        {0x50663, 0x0700000e}, {0x50664, 0x0f00000c}, {0x50665, 0x0e000003}, {0x50653, 0x01000136},
        {0x50654, 0x02000014}, {0x306c3, 0x22},       {0x40651, 0x20},       {0x40661, 0x17},
        {0x306d4, 0x25},       {0x40671, 0x17},       {0x406e3, 0xb2},       {0x506e3, 0xb2},
        {0x806e9, 0x52},       {0x906e9, 0x52},
    };
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        struct facts old = of(rows[i][0], rows[i][1] - 1), mended = of(rows[i][0], rows[i][1]);
        assert_true(errata_tsc_deadline(&old));
        assert_false(errata_tsc_deadline(&mended));
    }
    for (u32 stepping = 5; stepping < 16; stepping++) {
        struct facts later = of(0x50650 | stepping, 1);
        assert_false(errata_tsc_deadline(&later));
    }
}

static void test_preemption_timer(void **state)
{
    (void)state;
    static const u32 broken[] = {0x106a0, 0x106a1, 0x106a4, 0x106a5, 0x106e5,
                                 0x20652, 0x20655, 0x206e6, 0x306a8},
                     whole[] = {0x306a9, 0x206a7, 0x206d7, 0x306d4, 0x906ea, 0x106a6, 0};
    for (u32 i = 0; i < ARRAY_LEN(broken); i++) {
        struct facts f = of(broken[i], 1);
        assert_true(errata_preemption_timer(&f));
    }
    for (u32 i = 0; i < ARRAY_LEN(whole); i++) {
        struct facts f = of(whole[i], 1);
        assert_false(errata_preemption_timer(&f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_rows),
        cmocka_unit_test(test_preemption_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
