/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine-check routing: every combination of the facts against the SDM's sentences. */
#include "hv/arch/mc_route.h"
#include "hv/arch/cpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static enum mc_dest at(enum mc_where where, bool in_l2, bool entry, bool mce1, bool mce2,
                       bool bit18)
{
    struct mc_facts f = {
        .where = where,
        .in_l2 = in_l2,
        .entry_of_l1 = entry,
        .cr4_l1 = mce1 ? CR4_MCE : ~CR4_MCE,
        .cr4_l2 = mce2 ? CR4_MCE : ~CR4_MCE,
        .exception_bitmap12 = bit18 ? 1u << 18 : ~(1u << 18),
    };
    return mc_route(&f);
}

/* "If CR4.MCE = 0, the processor goes to the shutdown state": of the level that runs. */
static void mce_clear_shuts_down(void **state)
{
    (void)state;
    for (enum mc_where where = MC_IN_ROOT; where <= MC_IN_ENTRY; where++)
        for (unsigned x = 0; x < 8; x++) {
            assert_int_equal(at(where, false, x & 1, false, x & 2, x & 4), MC_SHUTDOWN);
            assert_int_equal(at(where, true, false, x & 1, false, x & 4), MC_SHUTDOWN);
        }
}

/* While L1 runs, nothing of vmcs12 matters. */
static void l1_takes_its_own(void **state)
{
    (void)state;
    for (enum mc_where where = MC_IN_ROOT; where <= MC_IN_ENTRY; where++)
        for (unsigned x = 0; x < 8; x++)
            assert_int_equal(at(where, false, x & 1, true, x & 2, x & 4), MC_INJECT_L1);
}

/* "If bit 18 (#MC) of the exception bitmap is 0, delivered through the guest IDT; if it is 1,
 * it causes a VM exit", wherever it arrived: root mode works for the level that runs. */
static void exception_bitmap_decides_in_l2(void **state)
{
    (void)state;
    for (enum mc_where where = MC_IN_ROOT; where <= MC_IN_ENTRY; where++)
        for (unsigned mce1 = 0; mce1 < 2; mce1++) {
            assert_int_equal(at(where, true, false, mce1, true, false), MC_INJECT_L2);
            assert_int_equal(at(where, true, false, mce1, true, true), MC_REFLECT);
        }
}

/* Reason 41 on the entry that L1 asked for fails L1's entry, whatever MCE and bitmap say. */
static void entry_of_l1_fails(void **state)
{
    (void)state;
    for (unsigned x = 0; x < 8; x++)
        assert_int_equal(at(MC_IN_ENTRY, true, true, x & 1, x & 2, x & 4), MC_FAIL_ENTRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mce_clear_shuts_down),
        cmocka_unit_test(l1_takes_its_own),
        cmocka_unit_test(exception_bitmap_decides_in_l2),
        cmocka_unit_test(entry_of_l1_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
