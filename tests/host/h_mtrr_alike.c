/* SPDX-License-Identifier: BSD-2-Clause */
/* When two states of the MTRRs count as one (mtrr_alike): what shares a tree of EPT01. */
#include "tests/host/mtrr_state.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

/* Two states are alike exactly when no register that counts differs: "the fixed-range MTRRs are
 * disabled" without FE, "the mask is valid" bit of a variable range, and E for all of them. */
static void alike_by_what_counts(void **state)
{
    (void)state;
    struct mtrr_state a = blank(FIX | MT_WB), b = a;

    pair(&a, 0, SIZE_1G, SIZE_1G, MT_UC);
    assert_false(mtrr_alike(&a, &b));
    b = a;
    assert_true(mtrr_alike(&a, &b));
    b.base[0] ^= 1;
    assert_false(mtrr_alike(&a, &b));
    b = a;
    b.base[3] = 5 * SIZE_1G; /* not valid */
    assert_true(mtrr_alike(&a, &b));
    b.mask[3] |= V;
    assert_false(mtrr_alike(&a, &b));
    b = a;
    b.fixed[10] ^= 1;
    assert_false(mtrr_alike(&a, &b));
    a.def_type = b.def_type = ON | MT_WB;
    assert_true(mtrr_alike(&a, &b));
    b.def_type = ON | MT_UC;
    assert_false(mtrr_alike(&a, &b));
    a.def_type = MT_WB;
    b.def_type = MT_UC; /* both are off: all is UC */
    b.mask[0] ^= V;
    assert_true(mtrr_alike(&a, &b));
    b.def_type |= ON;
    assert_false(mtrr_alike(&a, &b));
}

/* What is alike gives every page the same type. */
static void alike_means_same_types(void **state)
{
    (void)state;
    struct rng r = rng_start("alike_means_same_types");
    u32 alike = 0;

    for (u32 n = 0; n < 20000; n++) {
        struct mtrr_state a = blank(rng_next(&r) & (FIX | 7)), b;
        for (u32 i = 0; i < 3; i++)
            pair(&a, i, (rng_next(&r) & 7) * SIZE_1G, SIZE_1G, rng_next(&r) & 1 ? MT_UC : MT_WB);
        a.def_type = (a.def_type & FIX) | MT_WB;
        b = a;
        switch (rng_next(&r) & 3) {
        case 0:
            b.mask[rng_next(&r) % 3] ^= V;
            break;
        case 1:
            b.base[rng_next(&r) % 4] ^= SIZE_1G;
            break;
        case 2:
            b.fixed[rng_next(&r) % MTRR_FIXED_COUNT] ^= 6;
            break;
        default:
            b.def_type ^= rng_next(&r) & FIX;
        }
        if (!mtrr_alike(&a, &b))
            continue;
        alike++;
        for (u64 at = 0; at < 8 * SIZE_1G; at += SIZE_1G / 2)
            assert_int_equal(mtrr_type(&a, at), mtrr_type(&b, at));
        for (u64 at = 0; at < 0x100000; at += PAGE_SIZE)
            assert_int_equal(mtrr_type(&a, at), mtrr_type(&b, at));
    }
    assert_true(alike > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alike_by_what_counts),
        cmocka_unit_test(alike_means_same_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
